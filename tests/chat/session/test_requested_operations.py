"""What a request means as an operation, and which names are refused before it is one."""

from __future__ import annotations

import pytest

from state_machine import Machine
from trionet.chat.formats import requests as req
from trionet.chat.formats.answers import Mistaken
from trionet.chat.names.names import member_name
from trionet.chat.names.room_names import LOBBY_NAME, parse_room
from trionet.chat.session.requested_operations import (
    Change,
    login_names,
    member_key,
    operation_of,
    room_key,
)
from trionet.chat.state import operations as op


@pytest.mark.parametrize(
    ("request_", "operation"),
    [
        (req.Act("waves", id=7), op.Act(1, "builds", "waves", 7)),
        (req.Act("waves", "Lobby"), op.Act(1, "lobby", "waves")),
        (req.Tell("BOB", "hi", 7), op.Tell(1, "BOB", "bob", "hi", 7)),
        (req.Join("Tests", True, 7), op.Join(1, parse_room("tests"), True, 7)),
        (req.Leave("builds", 7), op.Leave(1, "builds", 7)),
        (req.SetTopic("green", id=7), op.SetTopic(1, "builds", "green", 7)),
        (req.Rename("Zoe", 7), op.Rename(1, member_name("Zoe"), 7)),
    ],
)
def test_a_request_is_an_operation_of_its_member_in_the_room_that_is_meant(
    request_: Change, operation: op.Operation
) -> None:
    one = Machine()
    assert one.log_in("Ann", "builds") == 1
    assert operation_of(request_, 1, one.state) == operation


@pytest.mark.parametrize("request_", [req.Join("a b", id=7), req.Rename("a b", id=7)])
def test_a_name_that_nobody_can_have_is_refused_before_it_is_in_the_log(request_: Change) -> None:
    one = Machine()
    one.log_in("Ann")
    with pytest.raises(req.Misunderstood) as refused:
        operation_of(request_, 1, one.state)
    assert (refused.value.code, refused.value.id) == ("name-refused", 7)
    assert not refused.value.is_login


def test_whoever_names_no_room_starts_in_the_lobby() -> None:
    ann = member_name("Ann")
    assert login_names(req.LogIn("Ann")) == (ann, (LOBBY_NAME,), [])
    assert login_names(req.LogIn("Ann", ())) == (ann, (), [])


def test_a_room_with_an_unfit_name_costs_nobody_the_login_but_an_unfit_name_does() -> None:
    name, rooms, unfit = login_names(req.LogIn("Ann", ("a b", "builds"), 7))
    assert name is not None
    assert (name.shown, rooms) == ("Ann", (parse_room("builds"),))
    (mistake,) = unfit
    assert isinstance(mistake, Mistaken)
    assert (mistake.code, mistake.id, mistake.room) == ("name-refused", 7, "a b")
    with pytest.raises(req.Misunderstood) as refused:
        login_names(req.LogIn("a b", None, 7))
    assert (refused.value.code, refused.value.id) == ("name-refused", 7)
    assert refused.value.is_login


def test_a_name_that_nobody_can_have_has_a_key_that_nobody_has() -> None:
    one = Machine()
    one.log_in("Ann")
    assert member_key("ANN") == "ann"
    assert member_key("a b") == ""
    assert room_key("LOBBY", 1, one.state) == "lobby"
    assert room_key("a b", 1, one.state) == "a b"
    one.do(op.Leave(1, "lobby"))
    assert room_key(req.HERE, 1, one.state) == ""
