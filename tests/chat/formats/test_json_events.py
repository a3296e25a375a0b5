"""The way out of JSON lines: which bytes tell an event, an answer or a notice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import json_schema
from chat_events import names_of, told
from trionet.chat.formats import answers, json_events
from trionet.chat.formats.json_lines import encode, encode_all, encode_notice
from trionet.chat.state import events
from trionet.errors import LineNotUTF8, LineTooLong, LineUnending
from trionet.lines import MAX_LINE_TO_CLIENT
from trionet.notices import (
    IdleTimedOut,
    LineRejected,
    LinesMissed,
    LoginTimedOut,
    Notice,
    ServerClosing,
)
from trionet.text.safe import safe_message

# 2026-11-28T02:35:00.123Z
TIME = 1_795_833_300_123

TOLD_TO_A_ROOM: list[tuple[Any, str]] = [
    (
        events.Said("lobby", 7, TIME, 1, "Ann", ["hello"], [5]),
        (
            '"said","room":"lobby","number":7,"time":"2026-11-28T02:35:00.123Z","name":"Ann",'
            '"text":"hello"'
        ),
    ),
    (
        events.Acted("lobby", 7, TIME, 1, "Ann", "waves", 5),
        (
            '"acted","room":"lobby","number":7,"time":"2026-11-28T02:35:00.123Z","name":"Ann",'
            '"text":"waves"'
        ),
    ),
    (
        events.Left("lobby", 7, TIME, 1, "Ann", 2, "left", 5),
        (
            '"left","room":"lobby","number":7,"time":"2026-11-28T02:35:00.123Z","name":"Ann",'
            '"count":2,"reason":"left"'
        ),
    ),
    (
        events.Renamed("lobby", 7, TIME, 1, "Ann", "Anna", 5),
        (
            '"renamed","room":"lobby","number":7,"time":"2026-11-28T02:35:00.123Z","name":"Ann",'
            '"to":"Anna"'
        ),
    ),
    (
        events.TopicSet("lobby", 7, TIME, 1, "Ann", "", 5),
        (
            '"topic","room":"lobby","number":7,"time":"2026-11-28T02:35:00.123Z","name":"Ann",'
            '"text":""'
        ),
    ),
    (
        events.Removed("lobby", 7, TIME, 1, "Ann", 3, 5),
        (
            '"removed","room":"lobby","number":7,"time":"2026-11-28T02:35:00.123Z","name":"Ann",'
            '"of":3'
        ),
    ),
    (
        events.Told(7, TIME, 1, 2, "Ann", "Bob", "psst", 5),
        '"told","number":7,"time":"2026-11-28T02:35:00.123Z","from":"Ann","to":"Bob","text":"psst"',
    ),
]

ANSWERS: list[tuple[Any, str]] = [
    (
        answers.Welcomed("Ann", "token", "epoch", 5),
        '"welcome","name":"Ann","token":"token","epoch":"epoch","resumed":false,"re":5',
    ),
    (
        answers.Entered("Ann", "lobby", "green", ("Ann", "Bob"), 2, 7, 5),
        '"entered","room":"lobby","topic":"green","members":["Ann","Bob"],"count":2,"last":7,"re":5',
    ),
    (
        answers.Present(("Ann", "Bob"), "lobby", 5),
        '"members","room":"lobby","members":["Ann","Bob"],"re":5',
    ),
    (answers.Present((), "lobby"), '"members","room":"lobby","members":[]'),
    (
        answers.RoomList((answers.Listed("lobby", "", 3), answers.Listed("x", "t", 0)), 5),
        (
            '"rooms","rooms":[{"room":"lobby","topic":"","count":3},'
            '{"room":"x","topic":"t","count":0}],"re":5'
        ),
    ),
    (
        answers.Mistaken("log in first", "not-logged-in", 5),
        '"error","code":"not-logged-in","reason":"log in first","re":5',
    ),
    (
        answers.Mistaken("no", "name-refused", "x", "bad name"),
        '"error","code":"name-refused","reason":"no","room":"bad name","re":"x"',
    ),
    (answers.Ponged(5), '"pong","re":5'),
    (answers.Ponged("\x00é"), '"pong","re":"\\u0000é"'),
    (answers.Ponged(), '"pong"'),
    (answers.Done("Ann", 0), '"done","re":0'),
    (
        answers.Welcomed("Ann", "token", "epoch", 5, resumed=True),
        '"welcome","name":"Ann","token":"token","epoch":"epoch","resumed":true,"re":5',
    ),
    (answers.Missed("@", 3, 9), '"missed","room":"@","after":3,"before":9'),
    (
        answers.Past(
            "lobby", [events.Said("lobby", 7, TIME, 1, "Ann", ["hi"], [3])], False, True, TIME, 5
        ),
        (
            '"history","room":"lobby","events":[{"type":"said","room":"lobby","number":7,'
            '"time":"2026-11-28T02:35:00.123Z","name":"Ann","text":"hi"}],"more":false,"re":5'
        ),
    ),
    (
        answers.Past("@", [events.Told(7, TIME, 1, 2, "Ann", "Bob", "psst")], True, True, TIME, 5),
        (
            '"history","room":"@","events":[{"type":"told","number":7,'
            '"time":"2026-11-28T02:35:00.123Z","from":"Ann","to":"Bob","text":"psst"}],'
            '"more":true,"re":5'
        ),
    ),
    (answers.Found([], False, 5), '"found","events":[],"more":false,"re":5'),
    (answers.EpochChanged("e", {"lobby": 7}), '"epoch","epoch":"e","rooms":{"lobby":7}'),
    (answers.LogState(available=False), '"log","available":false'),
    (answers.LogState(available=True), '"log","available":true'),
    (answers.Closing(), '"closing","reason":"server is closing"'),
    (answers.Closing("taken over"), '"closing","reason":"taken over"'),
]

NOTICES: list[tuple[Notice, str]] = [
    (LinesMissed(37), '"missed","count":37'),
    (
        LineRejected(LineNotUTF8(b"\xff")),
        '"error","code":"bad-line","reason":"line is not UTF-8"',
    ),
    (
        LineRejected(LineTooLong(16384, b"")),
        '"error","code":"bad-line","reason":"line is longer than 16384 bytes"',
    ),
    (
        LineRejected(LineUnending(1 << 20, b"")),
        '"error","code":"bad-line","reason":"no end of line within 1048576 bytes"',
    ),
    (
        LoginTimedOut(30),
        '"error","code":"timeout","reason":"no login within 30 seconds"',
    ),
    (
        IdleTimedOut(300),
        '"error","code":"timeout","reason":"nothing came for 300 seconds"',
    ),
    (ServerClosing(), '"error","code":"closing","reason":"server is closing"'),
]


def said(lines: bytes) -> list[dict[str, Any]]:
    """Return what lines say, each held to the schema."""
    assert lines.endswith(b"\n")
    return [json_schema.check_said(line) for line in lines.decode().split("\n")[:-1]]


@pytest.mark.parametrize(("event", "fields"), TOLD_TO_A_ROOM)
def test_an_event_shows_its_id_to_nobody_but_whoever_caused_it(event: Any, fields: str) -> None:
    assert encode(event).decode() == f'{{"type":{fields}}}\n'
    assert encode(answers.Own(event)).decode() == f'{{"type":{fields},"re":5}}\n'
    said(encode(event))
    said(encode(answers.Own(event)))


def test_one_that_has_no_id_shows_none() -> None:
    for event in (
        events.Said("lobby", 7, TIME, 1, "Ann", ["hello"]),
        events.Acted("lobby", 7, TIME, 1, "Ann", "waves"),
        events.Told(7, TIME, 1, 2, "Ann", "Bob", "psst"),
    ):
        assert encode(answers.Own(event)) == encode(event)


def test_a_newcomer_is_told_to_the_others() -> None:
    assert encode(events.Joined("lobby", 7, TIME, 1, "Ann", 3, 5)).decode() == (
        '{"type":"joined","room":"lobby","number":7,"time":"2026-11-28T02:35:00.123Z",'
        '"name":"Ann","count":3}\n'
    )


@pytest.mark.parametrize(("answer", "fields"), ANSWERS)
def test_an_answer_shows_the_id_of_its_request(answer: Any, fields: str) -> None:
    assert encode(answer).decode() == f'{{"type":{fields}}}\n'
    said(encode(answer))


@pytest.mark.parametrize(("notice", "fields"), NOTICES)
def test_the_notices_of_the_toolkit_are_objects_too(notice: Notice, fields: str) -> None:
    assert encode_notice(notice).decode() == f'{{"type":{fields}}}\n'
    said(encode_notice(notice))


# What only people need, in the plain format.
WORDLESS = (
    answers.TopicIs("lobby", "x"), answers.Ignored("Bob"), answers.Helped(),
    answers.PasswordAsked(),
)  # fmt: skip


def test_every_event_that_a_peer_is_told_is_in_one_of_these_lists() -> None:
    listed = {type(event) for event, _ in (*TOLD_TO_A_ROOM, *ANSWERS)}
    listed |= {type(event) for event in WORDLESS}
    # These two have tests of their own.
    wrong = told() ^ (listed | {events.Joined, answers.Own})
    assert not wrong, (
        f"{names_of(wrong)}: add to TOLD_TO_A_ROOM or ANSWERS which line tells it, or to WORDLESS "
        "if JSON lines have no words for it"
    )


def test_every_type_of_line_is_in_the_schema() -> None:
    tags = {struct.__struct_config__.tag for struct in kinds_of(json_events._Line)}
    # The schema has types that no server sends yet, too.
    missing = tags - set(json_schema.event_types())
    assert not missing, f'{missing}: add to "oneOf" and "$defs" of docs/chat.schema.json'


def kinds_of(struct: Any) -> Iterator[Any]:
    """Yield everything that is derived from a struct."""
    for kind in struct.__subclasses__():
        yield kind
        yield from kinds_of(kind)


def test_what_only_people_need_has_no_words() -> None:
    for answer in WORDLESS:
        assert encode(answer) == b""


def test_a_run_of_messages_is_a_line_for_each() -> None:
    run = events.Said("lobby", 7, TIME, 1, "Ann", ["one", "two\nlines", 'th"ree'], [1, None, "x"])
    seen = said(encode(run))
    assert [(one["number"], one["text"]) for one in seen] == [
        (7, "one"),
        (8, "two\nlines"),
        (9, 'th"ree'),
    ]
    own = said(encode(answers.Own(run)))
    assert [one.pop("re", None) for one in own] == [1, None, "x"]
    assert own == seen


@settings(deadline=None)
@given(st.integers(0, int(timedelta(days=365.25 * 8000).total_seconds()) * 1000))
def test_times_are_those_of_the_calendar(milliseconds: int) -> None:
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    (event,) = said(encode(events.Joined("lobby", 7, milliseconds, 1, "Ann", 3)))
    assert event["time"] == f"{time.isoformat(timespec='milliseconds')[:-6]}Z"


# Sizes

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=32)
LONG_NAME = '"' + "\U00020000" * 31


# So many entries, one in so many as long as can be.
LISTS = (st.integers(0, 2000), st.integers(1, 500))


@settings(deadline=None, max_examples=40)
@given(*LISTS)
def test_a_list_of_members_is_cut_into_lines_that_say_whether_more_follow(
    count: int, every: int
) -> None:
    names = tuple([LONG_NAME if number % every == 0 else f"{number}" for number in range(count)])
    lines = said(encode(answers.Present(names, "x" * 32, "\x01" * 64)))
    assert tuple([name for line in lines for name in line["members"]]) == names
    assert [line.get("more") for line in lines] == [True] * (len(lines) - 1) + [None]
    assert {(line["room"], line["re"]) for line in lines} == {("x" * 32, "\x01" * 64)}


@settings(deadline=None, max_examples=40)
@given(*LISTS)
def test_a_list_of_rooms_is_cut_into_lines_too(count: int, every: int) -> None:
    long, short = answers.Listed(LONG_NAME, '"' * 1560, 10**6), answers.Listed("x", "", 0)
    rooms = tuple([long if number % every == 0 else short for number in range(count)])
    lines = said(encode(answers.RoomList(rooms, "\x01" * 64)))
    listed = [(one["room"], one["topic"]) for line in lines for one in line["rooms"]]
    assert listed == [(one.room, one.topic) for one in rooms]
    assert [line.get("more") for line in lines] == [True] * (len(lines) - 1) + [None]


def test_a_list_of_ten_thousand_members_has_tens_of_lines_and_not_thousands() -> None:
    names = tuple(f"member{number}" for number in range(10_000))
    assert encode(answers.Present(names, "lobby")).count(b"\n") == 32


@pytest.mark.parametrize("character", ["\t", "\x01", '"', "\\", "x", "\u202e"])
def test_the_longest_events_fit_into_a_line(character: str) -> None:
    text = safe_message(character * (4096 // len(character.encode())))
    topic = safe_message(character * (390 // len(character.encode())))
    said_ = events.Said(LONG_NAME, 2**53, TIME, 1, LONG_NAME, [text], ["\x01" * 64])
    said(encode(answers.Own(said_)))
    said(
        encode(answers.Own(events.Told(2**53, TIME, 1, 2, LONG_NAME, LONG_NAME, text, "\x01" * 64)))
    )
    said(encode(answers.Own(events.TopicSet(LONG_NAME, 9, TIME, 1, LONG_NAME, topic, 5))))
    names = (LONG_NAME,) * 20
    said(encode(answers.Entered("Ann", LONG_NAME, topic, names, 10**6, 2**53, "\x01" * 64)))


def test_an_error_repeats_the_beginning_of_a_room_that_cannot_be() -> None:
    (error,) = said(encode(answers.Mistaken("no", "name-refused", 1, "\x01" * 100_000)))
    assert error["room"] == "\x01" * 128


@settings(deadline=None)
@given(
    st.builds(
        events.Said,
        NAMES, st.integers(1, 2**50), st.integers(0, 2**42), st.just(1), NAMES,
        st.lists(st.text(st.characters(exclude_categories=["Cs"])).filter(bool), min_size=1),
    )
)  # fmt: skip
def test_every_event_is_json_of_one_line_and_fits_the_schema(event: events.Said) -> None:
    seen = said(encode(event))
    assert [one["text"] for one in seen] == event.texts
    assert all(one["room"] == event.room and one["name"] == event.name for one in seen)


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_page_carries_what_fits_in_a_line_and_says_that_there_is_more(newest_first: bool) -> None:
    # Each quotation mark becomes two characters.
    page = [events.Said("lobby", n, TIME, 1, "Ann", ['"' * 4000]) for n in range(1, 31)]
    line = encode(answers.Past("lobby", page, False, newest_first, TIME, "i" * 64))
    assert len(line) <= MAX_LINE_TO_CLIENT
    past = json_schema.check_said(line.decode().removesuffix("\n"))
    assert past["more"]
    told = [event["number"] for event in past["events"]]
    assert len(told) == 7
    assert told == (list(range(24, 31)) if newest_first else list(range(1, 8)))


SOME: list[Any] = [
    *[event for event, _ in TOLD_TO_A_ROOM],
    *[answers.Own(event) for event, _ in TOLD_TO_A_ROOM[:2]],
    events.Said("lobby", 8, TIME + 1, 1, "Ann", ["a", "b"], [5, None]),
    events.Said("x", 9, TIME + 900, 1, "Bob", ["\u2028"]),
]


@given(st.lists(st.sampled_from(SOME)))
def test_many_events_together_are_the_lines_of_each(happened: list[Any]) -> None:
    assert encode_all(happened) == b"".join(map(encode, happened))
