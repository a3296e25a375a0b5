"""What becomes of a client's requests whose answers were lost, without I/O."""

from __future__ import annotations

import json
from typing import Any

import pytest

from told import TIME, log_in, receive, said, say, sent
from trionet.chat.client.state import ClientState
from trionet.chat.client.unanswered_requests import Ask


@pytest.fixture
def state() -> ClientState:
    state = ClientState("ann", ("lobby",), hold=True)
    log_in(state, last=10)
    return state


def ask(state: ClientState, type_: str, **fields: Any) -> Ask:
    return state.ask({"type": type_, **fields}, lambda: None)


def come_back(
    state: ClientState,
    *replay: dict[str, Any],
    token: str = "t",
    epoch: str = "e",
    resumed: bool = True,
    last: int = 20,
) -> Any:
    """Lose the connection and make another one, to which the server replays some events."""
    state.lost()
    login, ping = map(json.loads, state.login())
    receive(state, "welcome", name="ann", token=token, epoch=epoch, resumed=resumed, re=login["id"])
    for event in replay:
        receive(state, event.pop("type"), **event)
    for room in login["rooms"]:
        receive(state, "entered", room=room, topic="", members=["ann"], count=1, last=last)
    receive(state, "pong", re=ping["id"])
    return login


def event(type_: str, number: int, **fields: Any) -> dict[str, Any]:
    head = {"type": type_, "room": "lobby", "number": number, "time": TIME, "name": "ann"}
    return {**head, **fields}


GAP = {"type": "missed", "room": "lobby", "after": 10, "before": 21}


def test_dropped_answers_that_are_only_counted_are_asked_for_again(state: ClientState) -> None:
    one = say(state)
    [first] = sent(state)
    receive(state, "missed", count=300, re=[])
    [ping] = sent(state)
    assert ping["type"] == "ping"
    receive(state, "pong", re=ping["id"])
    assert sent(state) == [first]
    said(state, 11, re=first["id"])
    assert one.answer is not None


def test_an_answer_that_comes_in_front_of_the_ping_is_not_asked_for_again(
    state: ClientState,
) -> None:
    say(state)
    [first] = sent(state)
    receive(state, "missed", count=300, re=[])
    [ping] = sent(state)
    later = say(state)
    [second] = sent(state)
    said(state, 11, re=first["id"])
    receive(state, "pong", re=ping["id"])
    assert sent(state) == []
    said(state, 12, re=second["id"])
    assert later.answer is not None


def test_a_dropped_end_of_the_replay_is_asked_for_again() -> None:
    state = ClientState("ann", ("lobby",), hold=True)
    login, ping = map(json.loads, state.login())
    receive(state, "welcome", name="ann", token="t", epoch="e", resumed=False, re=login["id"])
    receive(state, "missed", count=1, re=[ping["id"]])
    assert not state.is_live
    [again] = sent(state)
    receive(state, "pong", re=again["id"])
    assert state.is_live


def test_a_connection_whose_welcome_was_dropped_is_useless() -> None:
    state = ClientState("ann", ("lobby",), hold=True)
    login, ping = map(json.loads, state.login())
    receive(state, "missed", count=2, re=[login["id"], ping["id"]])
    assert state.is_useless
    state.lost()
    assert not state.is_useless


def test_what_was_given_up_is_not_sent_again_when_its_answer_is_dropped(state: ClientState) -> None:
    one = ask(state, "topic", room="lobby", text="green")
    [first] = sent(state)
    state.give_up(one)
    receive(state, "missed", count=1, re=[first["id"]])
    assert sent(state) == []
    assert state.waiting == 0


def test_a_list_that_is_asked_for_again_has_another_name(state: ClientState) -> None:
    one = ask(state, "who", room="lobby")
    [first] = sent(state)
    receive(state, "missed", count=1, re=[first["id"]])
    # The rest of the first answer comes behind what was dropped.
    receive(state, "members", room="lobby", members=["zed"], re=first["id"])
    assert one.answer is None
    [second] = sent(state)
    receive(state, "members", room="lobby", members=["ann"], more=True, re=second["id"])
    receive(state, "members", room="lobby", members=["zed"], re=second["id"])
    assert one.parts == ["ann", "zed"]


@pytest.mark.parametrize("code", ["bad-line", "bad-json"])
def test_a_request_that_the_server_could_not_read_fails(state: ClientState, code: str) -> None:
    good, bad = say(state), say(state)
    first, _ = sent(state)
    said(state, 11, re=first["id"])
    receive(state, "error", code=code, reason="too long")
    [ping] = sent(state)
    receive(state, "pong", re=ping["id"])
    assert good.answer is not None
    assert bad.answer is not None
    assert bad.answer.type == "error"


@pytest.mark.parametrize(
    ("fields", "came"),
    [
        ({"type": "topic", "room": "lobby", "text": "green "}, {"text": "green"}),
        ({"type": "remove", "room": "lobby", "number": 4}, {"of": 4}),
    ],
)
def test_what_the_replay_shows_is_not_done_again(
    state: ClientState, fields: dict[str, Any], came: dict[str, Any]
) -> None:
    one = state.ask(fields, lambda: None)
    sent(state)
    done = {"topic": "topic", "remove": "removed"}[fields["type"]]
    come_back(state, event(done, 12, **came))
    assert one.answer is not None
    assert sent(state) == []


def test_a_topic_that_the_replay_does_not_show_is_set_again(state: ClientState) -> None:
    ask(state, "topic", room="lobby", text="green")
    first = sent(state)
    come_back(state, event("topic", 12, text="green", name="bob"))
    assert sent(state) == first


def test_the_server_that_holds_a_member_knows_what_it_has_said(state: ClientState) -> None:
    say(state)
    first = sent(state)
    come_back(state, {**GAP})
    assert sent(state) == first


def test_a_message_that_a_whole_replay_does_not_show_is_said_again(state: ClientState) -> None:
    say(state)
    first = sent(state)
    come_back(state, event("said", 12, text="x", name="bob"), resumed=False, token="u")
    assert sent(state) == first


@pytest.mark.parametrize("epoch", ["e", "f"])
def test_a_message_behind_a_gap_is_looked_up_and_found(state: ClientState, epoch: str) -> None:
    one, other = say(state, "one"), say(state, "two")
    first, second = sent(state)
    come_back(state, {**GAP}, resumed=False, token="u", epoch=epoch)
    [page] = sent(state)
    assert (page["type"], page["room"], page["after"]) == ("history", "lobby", 10)
    events = [
        event("said", 11, text="one", name="bob"),
        event("said", 12, text="one", re=first["id"]),
    ]
    receive(state, "history", room="lobby", events=events, more=True, re=page["id"])
    assert one.answer is not None
    assert (one.answer.number, one.answer.re) == (12, first["id"])  # type: ignore[attr-defined]
    [page] = sent(state)
    assert page["after"] == 12
    receive(state, "history", room="lobby", events=[], more=False, re=page["id"])
    assert sent(state) == [second]
    said(state, 21, "two", re=second["id"])
    assert other.answer is not None


def test_two_equal_messages_are_found_as_two(state: ClientState) -> None:
    asks = [say(state, "one") for _ in range(3)]
    ids = [one["id"] for one in sent(state)]
    come_back(state, event("said", 11, text="one", re=ids[0]), {**GAP}, resumed=False, token="u")
    [page] = sent(state)
    events = [event("said", number, text="one", re=ids[number - 11]) for number in (11, 12)]
    receive(state, "history", room="lobby", events=events, more=False, re=page["id"])
    assert [getattr(one.answer, "number", None) for one in asks] == [11, 12, None]
    assert [one["id"] for one in sent(state)] == ids[2:]


def test_the_same_words_of_another_with_this_name_are_not_ones_own(state: ClientState) -> None:
    say(state, "one")
    first = sent(state)
    # The server was killed, and somebody took the name meanwhile.
    come_back(state, {**GAP}, resumed=False, token="u", epoch="f")
    [page] = sent(state)
    events = [event("said", 12, text="one")]
    receive(state, "history", room="lobby", events=events, more=False, re=page["id"])
    assert sent(state) == first


def test_a_replay_that_is_cut_off_does_not_make_the_client_say_it_again(state: ClientState) -> None:
    say(state, "one")
    sent(state)
    state.lost()
    login, _ = map(json.loads, state.login())
    receive(state, "welcome", name="ann", token="u", epoch="e", resumed=False, re=login["id"])
    # What follows was said with the old token, and so has no `re` any more.
    come_back(state, event("said", 12, text="one"), token="u")
    [page] = sent(state)
    assert page["type"] == "history"
    past = [event("said", 12, text="one")]
    receive(state, "history", room="lobby", events=past, more=False, re=page["id"])
    assert state.waiting == 0


def test_what_nobody_can_know_fails_and_is_not_said_again(state: ClientState) -> None:
    message, private = say(state), ask(state, "tell", to="bob", text="x")
    sent(state)
    come_back(state, {**GAP}, resumed=False, token="u")
    [page] = sent(state)
    receive(state, "error", code="unavailable", reason="no history", re=page["id"])
    for one in (message, private):
        assert one.answer is not None
        assert getattr(one.answer, "code", "") == "unknown"
    assert sent(state) == []


def test_without_hold_a_dropped_receipt_is_looked_up() -> None:
    state = ClientState("ann", ("lobby",), hold=False)
    log_in(state, last=10)
    say(state)
    [first] = sent(state)
    receive(state, "missed", count=1, re=[first["id"]])
    [page] = sent(state)
    assert page["type"] == "history"


def test_what_was_never_sent_is_sent_whatever_happened(state: ClientState) -> None:
    state.lost()
    say(state)
    ask(state, "tell", to="bob", text="x")
    come_back(state, {**GAP}, resumed=False, token="u", epoch="f")
    assert [one["type"] for one in sent(state)] == ["say", "tell"]


def test_what_only_asks_is_repeated(state: ClientState) -> None:
    for fields in ({"type": "rooms"}, {"type": "search", "text": "x"}, {"type": "ping"}):
        state.ask(fields, lambda: None)
    first = sent(state)
    come_back(state, {**GAP}, resumed=False, token="u")
    assert [one["type"] for one in sent(state)] == [one["type"] for one in first]


def test_members_that_were_all_known_are_asked_for_again() -> None:
    state = ClientState("ann", ("lobby",), hold=True)
    log_in(state)
    everyone = ["ann", *(f"m{i}" for i in range(24))]
    state.rooms["lobby"].members[:] = everyone
    state.rooms["lobby"].count = 25
    state.lost()
    login, ping = map(json.loads, state.login())
    receive(state, "welcome", name="ann", token="t", epoch="e", resumed=True, re=login["id"])
    first = everyone[:20]
    receive(state, "entered", room="lobby", topic="", members=first, count=25, last=1)
    receive(state, "pong", re=ping["id"])
    [who] = sent(state)
    receive(state, "members", room="lobby", members=everyone, re=who["id"])
    assert state.rooms["lobby"].members == everyone


def test_events_of_other_rooms_are_left_out_and_not_kept(state: ClientState) -> None:
    for i in range(100):
        assert said(state, 5, room=f"room{i}") is None
    state.lost()
    assert [*json.loads(state.login()[0])["seen"]] == ["lobby"]


def test_a_server_cannot_fill_the_memory_with_rooms_or_lists(state: ClientState) -> None:
    one = ask(state, "who", room="lobby")
    [who] = sent(state)
    names = ["x" * 60] * 1000
    with pytest.raises(ValueError, match="a list without an end"):
        for _ in range(1000):
            line = {"room": "lobby", "members": names, "more": True, "re": who["id"]}
            receive(state, "members", **line, size=61_000)
    assert one.answer is None
    with pytest.raises(ValueError, match="too many rooms, or a room with too long a name"):
        for i in range(1000):
            receive(state, "entered", room=f"r{i}", topic="", members=[], count=1, last=1)
