"""What a chat's client knows, without I/O."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from told import TIME, log_in, receive, said, say, sent
from trionet.chat.client.events import EVENTS, decode
from trionet.chat.client.state import ClientState
from trionet.chat.client.unanswered_requests import Ask
from trionet.chat.formats import json_events


@pytest.fixture
def state() -> ClientState:
    return ClientState("ann", ("lobby",), hold=True)


def test_nothing_is_asked_before_the_replay_is_over(state: ClientState) -> None:
    say(state)
    assert sent(state) == []
    log_in(state)
    assert [one["text"] for one in sent(state)] == ["x"]
    assert sent(state) == []


def test_a_lost_connection_is_resumed_after_what_was_seen(state: ClientState) -> None:
    log_in(state)
    said(state, 2)
    state.lost()
    login, _ = map(json.loads, state.login())
    assert login["token"] == "t"
    assert login["epoch"] == "e"
    assert login["seen"] == {"lobby": 2}
    assert login["hold"] is True


def test_a_request_without_an_answer_is_repeated_with_its_id(state: ClientState) -> None:
    log_in(state)
    say(state)
    first = sent(state)
    state.lost()
    log_in(state, resumed=True)
    assert sent(state) == first


def test_a_replayed_own_message_and_the_receipt_of_its_request_are_one(state: ClientState) -> None:
    log_in(state)
    ask = say(state)
    id_ = sent(state)[0]["id"]
    state.lost()
    state.login()
    assert said(state, 2) is not None
    assert said(state, 2, re=id_) is None
    assert ask.answer is not None
    assert state.waiting == 0


def test_a_request_that_the_replay_answers_is_not_repeated(state: ClientState) -> None:
    log_in(state)
    say(state)
    id_ = sent(state)[0]["id"]
    state.lost()
    login, ping = map(json.loads, state.login())
    receive(state, "welcome", name="ann", token="t", epoch="e", resumed=True, re=login["id"])
    assert said(state, 2, re=id_) is not None
    receive(state, "pong", re=ping["id"])
    assert sent(state) == []


def test_a_request_given_up_is_not_sent_again(state: ClientState) -> None:
    log_in(state)
    ask = say(state)
    sent(state)
    state.give_up(ask)
    assert state.waiting == 1, "the server may still answer it"
    state.lost()
    log_in(state)
    assert sent(state) == []
    assert state.waiting == 0


def test_a_room_whose_leaving_was_not_answered_is_not_joined_again(state: ClientState) -> None:
    log_in(state)
    state.ask({"type": "leave", "room": "lobby"}, lambda: None)
    sent(state)
    state.lost()
    assert json.loads(state.login()[0])["rooms"] == []


def test_numbers_of_another_epoch_are_new(state: ClientState) -> None:
    log_in(state, last=50)
    state.lost()
    log_in(state, epoch="f", last=1)
    assert said(state, 2) is not None


def test_a_receipt_of_a_private_message_counts_in_no_seen(state: ClientState) -> None:
    log_in(state)
    told: dict[str, Any] = {"number": 7, "time": TIME, "from": "ann", "to": "bob", "text": "x"}
    receive(state, "told", **told, re=99)
    state.lost()
    assert "@" not in json.loads(state.login()[0])["seen"]


def test_dropped_answers_are_asked_for_again(state: ClientState) -> None:
    log_in(state)
    say(state)
    first = sent(state)
    receive(state, "missed", count=1, re=[first[0]["id"]])
    assert sent(state) == first


def test_who_is_taken_over_does_not_come_back(state: ClientState) -> None:
    log_in(state)
    receive(state, "closing", reason="server is closing")
    assert state.ended is None
    receive(state, "closing", reason="taken over")
    assert state.ended is not None


@given(st.lists(st.sampled_from(["say", "arrive", "answer", "lose"]), max_size=60))
def test_every_message_is_said_once_whatever_is_lost(steps: list[str]) -> None:
    """A server that has seen an id gives the receipt of the first time, as the protocol wants."""
    state = ClientState("ann", ("lobby",), hold=True)
    log_in(state)
    asks: list[Ask] = []
    on_the_way: list[Any] = []
    receipts: dict[int, int] = {}
    answers: list[int] = []
    shown: list[int] = []

    def arrive() -> None:
        on_the_way.extend(sent(state))
        if on_the_way:
            id_ = on_the_way.pop(0)["id"]
            receipts.setdefault(id_, len(receipts) + 2)
            answers.append(id_)

    def answer() -> None:
        if answers:
            id_ = answers.pop(0)
            event = said(state, receipts[id_], re=id_)
            shown.extend([] if event is None else [event.number])

    def lose() -> None:
        on_the_way.clear()
        answers.clear()
        state.lost()
        login, ping = map(json.loads, state.login())
        receive(state, "welcome", name="ann", token="t", epoch="e", resumed=True, re=login["id"])
        for id_, number in receipts.items():
            if number > login["seen"]["lobby"]:
                answers.append(id_)
        while answers:
            answer()
        last = len(receipts) + 1
        receive(state, "entered", room="lobby", topic="", members=["ann"], count=1, last=last)
        receive(state, "pong", re=ping["id"])

    moves = {"arrive": arrive, "answer": answer, "lose": lose}
    for step in steps:
        if step == "say":
            asks.append(say(state, str(len(asks))))
        else:
            moves[step]()
    lose()
    for _ in range(len(asks)):
        arrive()
        answer()
    assert all(ask.answer is not None for ask in asks)
    assert shown == list(range(2, len(asks) + 2))
    assert len(receipts) == len(asks)


def test_events_have_the_fields_that_the_server_writes() -> None:
    ours = {str(one.__struct_config__.tag): {*one.__struct_encode_fields__} for one in EVENTS}
    written = [one for one in vars(json_events).values() if isinstance(one, type)]
    compared = 0
    for one in written:
        tag = str(getattr(getattr(one, "__struct_config__", None), "tag", None))
        if tag in ours:
            assert {*getattr(one, "__struct_encode_fields__")} <= ours[tag], tag  # noqa: B009
            compared += 1
    assert compared > 15


def test_an_event_of_an_unknown_type_is_left_out_and_anything_else_is_an_error() -> None:
    assert decode('{"type": "of-tomorrow"}') is None
    for line in ("hello", "[]", '{"type": "said"}', '{"type": 3}'):
        with pytest.raises(ValueError, match="not an event"):
            decode(line)
