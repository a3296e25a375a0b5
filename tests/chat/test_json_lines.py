"""JSON lines as values: what is read, what is written, and that the schema has all of it."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from json_schema import SCHEMA, check_said
from trionet.chat import Misunderstood, answers, events, json_lines, json_requests
from trionet.chat.answers import Event, Own
from trionet.chat.formats import format_of
from trionet.chat.json_lines import decode, decode_login, decode_messages, encode, encode_notice
from trionet.chat.requests import HERE, LogIn, Say, SayAll
from trionet.errors import LineNotUTF8
from trionet.lines import MAX_LINE_TO_CLIENT
from trionet.notices import IdleTimedOut, LineRejected, LinesMissed, LoginTimedOut, ServerClosing

PLACE = ("lobby", 7, 1_700_000_000_123, 3)
TIME = "2023-11-14T22:13:20.123Z"
OF_ROOM = {"room": "lobby", "number": 7, "time": TIME, "name": "Ann"}

TOLD = events.Told(9, PLACE[2], 3, 4, "Ann", "Bob", "hi", 5)
SAID = events.Said(*PLACE, "Ann", ["a", 'b\n"'], [None, "x"])
LEFT = events.Left(*PLACE, "Ann", 2, "quit", 1)

CASES: list[tuple[Event, list[dict[str, Any]]]] = [
    (
        SAID,
        [
            {"type": "said", **OF_ROOM, "text": "a"},
            {"type": "said", **OF_ROOM, "number": 8, "text": 'b\n"'},
        ],
    ),
    (
        Own(SAID),
        [
            {"type": "said", **OF_ROOM, "text": "a"},
            {"type": "said", **OF_ROOM, "number": 8, "text": 'b\n"', "re": "x"},
        ],
    ),
    (events.Acted(*PLACE, "Ann", "waves", 1), [{"type": "acted", **OF_ROOM, "text": "waves"}]),
    (
        Own(events.Acted(*PLACE, "Ann", "waves", 0)),
        [{"type": "acted", **OF_ROOM, "text": "waves", "re": 0}],
    ),
    (events.Joined(*PLACE, "Ann", 2, 1), [{"type": "joined", **OF_ROOM, "count": 2}]),
    (LEFT, [{"type": "left", **OF_ROOM, "count": 2, "reason": "quit"}]),
    (Own(LEFT), [{"type": "left", **OF_ROOM, "count": 2, "reason": "quit", "re": 1}]),
    (events.Renamed(*PLACE, "Ann", "Anna"), [{"type": "renamed", **OF_ROOM, "to": "Anna"}]),
    (events.TopicSet(*PLACE, "Ann", ""), [{"type": "topic", **OF_ROOM, "text": ""}]),
    (
        TOLD,
        [{"type": "told", "number": 9, "time": TIME, "from": "Ann", "to": "Bob", "text": "hi"}],
    ),
    (
        answers.Welcomed("Ann", "t", "e", 1),
        [{"type": "welcome", "re": 1, "name": "Ann", "token": "t", "epoch": "e", "resumed": False}],
    ),
    (
        answers.Entered("Ann", "lobby", "T", ("Bob", "Ann"), 2, 7),
        [
            {"type": "entered", "room": "lobby", "topic": "T", "members": ["Bob", "Ann"]}
            | {"count": 2, "last": 7}
        ],
    ),
    (
        answers.Present((), "lobby", "x"),
        [{"type": "members", "re": "x", "room": "lobby", "members": []}],
    ),
    (
        answers.RoomList((answers.Listed("lobby", "T", 2),), 1),
        [{"type": "rooms", "re": 1, "rooms": [{"room": "lobby", "topic": "T", "count": 2}]}],
    ),
    (
        answers.Mistaken("why", "too-long", 1, "lobby"),
        [{"type": "error", "re": 1, "room": "lobby", "code": "too-long", "reason": "why"}],
    ),
    (answers.Ponged(1), [{"type": "pong", "re": 1}]),
    (answers.Done("Ann"), [{"type": "done"}]),
    (answers.Closing(), [{"type": "closing", "reason": "server is closing"}]),
]


@pytest.mark.parametrize(("event", "objects"), CASES, ids=lambda value: type(value).__name__)
def test_an_event_is_written_as_the_protocol_says(
    event: Event, objects: list[dict[str, Any]]
) -> None:
    lines = encode(event).decode().split("\n")
    assert lines.pop() == ""
    assert [check_said(line) for line in lines] == objects


@pytest.mark.parametrize(
    ("notice", "fields"),
    [
        (LinesMissed(37), {"type": "missed", "count": 37}),
        (LineRejected(LineNotUTF8(b"\xff")), {"type": "error", "code": "bad-line"}),
        (LoginTimedOut(30), {"type": "error", "code": "timeout"}),
        (IdleTimedOut(30), {"type": "error", "code": "timeout"}),
        (ServerClosing(), {"type": "error", "code": "closing"}),
    ],
)
def test_a_notice_is_one_object(notice: Any, fields: dict[str, Any]) -> None:
    lines = encode_notice(notice).decode()
    assert lines.count("\n") == 1
    assert check_said(lines).items() >= fields.items()


INWARD = {
    events.LoggedIn,
    events.LoggedOut,
    events.LoginRefused,
    events.Named,
    events.Refused,
    events.Stayed,
}


def test_every_event_can_be_encoded() -> None:
    special = {events.Said, answers.Own}
    # These answer commands that only the plain format has.
    plain_only = {answers.TopicIs, answers.Ignored, answers.Helped}
    told = set(get_args(Event)) - INWARD - plain_only
    assert {*special, *json_lines._ENCODERS} == told
    assert encode(answers.Helped()) == b""


def test_the_schema_has_no_event_that_is_never_said() -> None:
    said = {fields["type"] for _, objects in CASES for fields in objects} | {"missed"}
    assert {one["title"] for one in SCHEMA["oneOf"]} == said


def test_every_type_of_request_has_its_way() -> None:
    assert {
        *("login", "say", "act", "tell", "join", "leave", "topic", "nick", "remove"),
        *("who", "rooms", "ping", "quit", "history", "search"),
    } == json_requests._TYPES


@pytest.mark.parametrize("count", [0, 1, 300, 5000])
def test_a_list_has_all_items_in_lines_as_long_as_may_be(count: int) -> None:
    names = tuple(f'{number:05}"\\' + "\U00020000" * 25 for number in range(count))
    lines = encode(answers.Present(names, "lobby", "\x01" * 64)).splitlines()
    objects = [check_said(line.decode()) for line in lines]
    assert tuple(name for each in objects for name in each["members"]) == names
    assert [each.get("more") for each in objects] == [True] * (len(lines) - 1) + [None]
    assert all(len(line) <= MAX_LINE_TO_CLIENT for line in lines)
    assert all(len(line) > MAX_LINE_TO_CLIENT - 500 for line in lines[:-1])


def say(text: Any = "x", room: Any = "lobby", **fields: Any) -> str:
    return json.dumps({"type": "say", "room": room, "text": text, **fields})


def test_messages_are_read_in_one_go() -> None:
    assert decode_messages([say("a"), say("b")]) == SayAll(["a", "b"], "lobby")
    assert decode_messages([say("a", id=1), say("b")]) == SayAll(["a", "b"], "lobby", [1, None])


@pytest.mark.parametrize(
    "line",
    [
        *(say(text) for text in ("", " ", "a ", "ä", "a\n", "a\t", "a\x7f", '"', "a" * 3901)),
        *(say(room="other"), say(id=""), say(5), '{"type": "ping"}', "q", "", say() + say()),
        LineNotUTF8(b""),
    ],
    ids=str,
)
def test_lines_that_need_more_care_are_read_one_by_one(line: Any) -> None:
    assert decode_messages([say("first"), line]) is None


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
requests = st.builds(
    lambda text, room, id_: say(text, room, **({} if id_ is None else {"id": id_})),
    st.one_of(texts, st.text("ab ", max_size=4)),
    st.sampled_from(["lobby", "lobby", "lobby", "x"]),
    st.one_of(st.none(), st.integers(-5, 5), st.text("xy", max_size=2)),
)


@settings(deadline=None, max_examples=300)
@given(st.lists(requests, min_size=1, max_size=4))
def test_lines_read_in_one_go_are_the_same_messages_as_one_by_one(lines: list[str]) -> None:
    run = decode_messages([*lines])
    if run is not None:
        each = zip(run.texts, run.ids or [None] * len(lines), strict=True)
        assert [decode(line) for line in lines] == [Say(t, run.room, i) for t, i in each]


@settings(deadline=None, max_examples=300)
@given(st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), texts), st.lists), texts)
def test_no_line_makes_the_reader_fail(value: object, key: str) -> None:
    for line in (
        json.dumps(value),
        json.dumps({"type": "say", key: value}),
        json.dumps({"type": "login", "name": value, "rooms": value}),
        key,
    ):
        for read in (decode, decode_login):
            try:
                read(line)
            except Misunderstood as mistake:
                check_said(
                    encode(answers.Mistaken(str(mistake), mistake.code, mistake.id)).decode()
                )


def test_no_line_of_a_peer_is_the_room_that_it_is_in() -> None:
    request = decode(say(room=""))
    assert isinstance(request, Say)
    assert request.room == HERE
    assert request.room is not HERE


def test_the_first_line_tells_the_format() -> None:
    from trionet.chat import plain

    assert format_of('{"type": "x"}') is json_lines
    assert format_of(" {}") is json_lines
    for line in ("{", "Ann", "", "[{}]", LineNotUTF8(b"{}"), '{"x": ' + "[" * 9000):
        assert format_of(line) is plain


def test_a_login_without_rooms_is_not_one_with_none() -> None:
    assert decode_login('{"type": "login", "name": "Ann"}') == LogIn("Ann", None)
    assert decode_login('{"type": "login", "name": "Ann", "rooms": []}') == LogIn("Ann", ())
