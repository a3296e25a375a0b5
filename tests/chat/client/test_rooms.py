"""What a chat's client knows of its rooms when events were dropped, without I/O."""

from __future__ import annotations

from typing import Any

import pytest

from told import TIME, log_in, receive, sent
from trionet.chat.client.state import ClientState

EVERYONE = [f"m{i}" for i in range(20)]


@pytest.fixture
def state() -> ClientState:
    state = ClientState("ann", ("lobby",), hold=True)
    log_in(state, last=10)
    return state


def enter(state: ClientState, **fields: Any) -> None:
    fields = {"topic": "", "members": ["ann"], "count": 1, "last": 20, **fields}
    receive(state, "entered", room="lobby", **fields)


def left(state: ClientState, number: int, name: str, count: int) -> None:
    head: dict[str, Any] = {"room": "lobby", "number": number, "time": TIME, "reason": "quit"}
    receive(state, "left", name=name, count=count, **head)


def drop(state: ClientState, before: int = 15) -> None:
    receive(state, "missed", room="lobby", after=10, before=before)


def test_a_room_of_which_events_were_dropped_is_asked_for_again(state: ClientState) -> None:
    drop(state)
    assert state.may_send
    [join] = sent(state)
    assert (join["type"], join["room"]) == ("join", "lobby")
    drop(state, before=18)
    assert sent(state) == []
    enter(state, topic="new", members=["ann", "bob"], count=2, re=join["id"])
    room = state.rooms["lobby"]
    assert (room.topic, room.members, room.count, room.last) == ("new", ["ann", "bob"], 2, 20)
    assert sent(state) == []


def test_all_members_that_were_known_are_asked_for_again_when_events_were_dropped(
    state: ClientState,
) -> None:
    state.rooms["lobby"].members[:] = [*EVERYONE, "ann"]
    state.rooms["lobby"].count = 21
    drop(state)
    [join] = sent(state)
    enter(state, members=EVERYONE, count=22, re=join["id"])
    [who] = sent(state)
    assert (who["type"], who["room"]) == ("who", "lobby")
    receive(state, "members", room="lobby", members=[*EVERYONE, "ann", "zed"], re=who["id"])
    assert state.rooms["lobby"].members == [*EVERYONE, "ann", "zed"]
    assert sent(state) == []


def test_a_dropped_answer_about_a_room_is_asked_for_again(state: ClientState) -> None:
    drop(state)
    [join] = sent(state)
    receive(state, "missed", count=1, re=[join["id"]])
    [again] = sent(state)
    assert again["type"] == "join"
    receive(state, "error", code="too-many-rooms", reason="x", re=again["id"])
    assert sent(state) == []


def test_a_room_that_is_being_left_is_not_joined_again(state: ClientState) -> None:
    state.ask({"type": "leave", "room": "lobby"}, lambda: None)
    [leave] = sent(state)
    drop(state)
    assert sent(state) == []
    receive(state, "missed", count=1, re=[leave["id"]])
    [again] = sent(state)
    assert again == leave
    receive(state, "error", code="not-in-room", reason="x", re=again["id"])
    assert not state.rooms
    assert sent(state) == []


def test_a_gap_in_a_replay_asks_for_nothing(state: ClientState) -> None:
    state.lost()
    state.login()
    drop(state)
    state.lost()
    log_in(state, resumed=True)
    assert sent(state) == []


def test_a_room_that_shrinks_to_twenty_has_all_its_members(state: ClientState) -> None:
    room = state.rooms["lobby"]
    room.members[:], room.count = EVERYONE, 24
    left(state, 12, "m3", count=23)
    left(state, 13, "a", count=22)
    left(state, 14, "b", count=21)
    assert sent(state) == []
    left(state, 15, "c", count=20)
    [who] = sent(state)
    assert (who["type"], who["room"]) == ("who", "lobby")
    left(state, 16, "d", count=19)
    assert sent(state) == []
    everyone = [name for name in EVERYONE if name != "m3"]
    receive(state, "members", room="lobby", members=everyone, re=who["id"])
    assert room.members == everyone
    assert sent(state) == []


def test_a_new_epoch_sets_the_last_number(state: ClientState) -> None:
    receive(state, "epoch", epoch="f", rooms={"lobby": 5})
    assert state.rooms["lobby"].last == 5


def test_a_gap_sets_the_last_number(state: ClientState) -> None:
    drop(state)
    assert state.rooms["lobby"].last == 14
