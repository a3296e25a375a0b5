"""What a slow reader of JSON lines is told that it missed."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trionet.chat.formats import answers, json_lines
from trionet.chat.formats.json_missing import MAX_ANSWERS, MAX_ROOMS, Missing
from trionet.chat.state import events

said = json_lines.encode


def told(missing: Missing) -> list[dict[str, Any]]:
    return [json.loads(line) for line in missing.encode().splitlines()]


def missed(*lines: bytes) -> list[dict[str, Any]]:
    missing = Missing()
    for line in lines:
        missing.add(line)
    return told(missing)


def test_each_room_has_one_gap_in_the_order_of_the_first_loss() -> None:
    assert missed(
        said(events.Said("b", 7, 0, 1, "Ann", ["x", "y"])),
        said(events.Left("a", 3, 0, 2, "Bob", 1, "lost")),
        said(events.Renamed("b", 9, 0, 1, "Ann", "Anna")),
    ) == [
        {"type": "missed", "room": "b", "after": 6, "before": 10},
        {"type": "missed", "room": "a", "after": 2, "before": 4},
    ]


def test_private_messages_stand_under_a_name_that_no_room_has() -> None:
    lost = events.Told(5, 0, 1, 2, "Ann", "Bob", "psst")
    assert missed(said(lost)) == [{"type": "missed", "room": "@", "after": 4, "before": 6}]


def test_a_message_to_oneself_is_an_answer_and_counts_among_ones_private_messages() -> None:
    own = events.Told(5, 0, 1, 1, "Ann", "Ann", "note to self", "t")
    assert missed(said(answers.Own(own))) == [
        {"type": "missed", "room": "@", "after": 4, "before": 6},
        {"type": "missed", "count": 1, "re": ["t"]},
    ]


def test_dropped_answers_are_named_by_their_ids_and_counted() -> None:
    own = events.Told(5, 0, 1, 2, "Ann", "Bob", "psst", "t")
    assert missed(
        said(answers.Ponged("p")),
        said(answers.Ponged()),
        said(answers.Own(own)),
        said(answers.Entered("Ann", "a", "", ("Ann",), 1, 8, 3)),
    ) == [{"type": "missed", "count": 4, "re": ["p", "t", 3]}]


def test_a_receipt_is_an_answer_and_an_event_of_its_room() -> None:
    own = events.Said("a", 7, 0, 1, "Ann", ["x", "y"], [1, None])
    assert missed(said(answers.Own(own))) == [
        {"type": "missed", "room": "a", "after": 6, "before": 9},
        {"type": "missed", "count": 1, "re": [1]},
    ]


def test_a_notice_that_is_dropped_itself_counts_as_what_it_told() -> None:
    first = Missing()
    first.add(said(events.Said("a", 7, 0, 1, "Ann", ["x"])))
    first.add(said(answers.Ponged("p")) + said(answers.Ponged()))
    assert missed(first.encode(), said(events.Said("a", 9, 0, 1, "Ann", ["x"]))) == [
        {"type": "missed", "room": "a", "after": 6, "before": 10},
        {"type": "missed", "count": 2, "re": ["p"]},
    ]


def test_whatever_is_dropped_the_notice_stays_bounded() -> None:
    missing = Missing()
    for number in range(3 * MAX_ROOMS):
        missing.add(said(events.Said(f"room{number}", 1, 0, 1, "Ann", ["x"])))
        missing.add(said(answers.Ponged("\U0001f600" * 64)))
    *gaps, last = told(missing)
    assert len(gaps) == MAX_ROOMS
    assert last["count"] == 3 * MAX_ROOMS + 2 * MAX_ROOMS
    assert len(last["re"]) == MAX_ANSWERS
    assert max(map(len, missing.encode().splitlines())) < 65_536


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 50))), st.data())
def test_two_halves_joined_tell_the_same_as_all_at_once(
    lost: list[tuple[str, int]], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(lost)))
    whole, first, second = Missing(), Missing(), Missing()
    for place, (room, number) in enumerate(lost):
        line = said(events.Said(room, number, 0, 1, "Ann", ["x"]))
        whole.add(line)
        (first if place < cut else second).add(line)
    first.add_all(second)
    assert told(first) == told(whole)
    for event in told(whole):
        numbers = [number for room, number in lost if room == event["room"]]
        assert (event["after"], event["before"]) == (min(numbers) - 1, max(numbers) + 1)
