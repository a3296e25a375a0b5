"""Events that are not in the file yet: kept in order, bounded, and given up only as a gap."""

from __future__ import annotations

import pytest

from trionet.chat.history import unwritten
from trionet.chat.history.ring import cost
from trionet.chat.history.unwritten import Unwritten
from trionet.chat.state.events import Removed, RoomEvent, Said


def said(number: int, *texts: str, room: str = "lobby") -> Said:
    return Said(room, number, number, 0, "Ann", list(texts) or ["x" * 1_000])


def append(kept: Unwritten, event: RoomEvent) -> None:
    kept.append(event, cost(event))


def test_events_go_out_in_the_order_in_which_they_came() -> None:
    kept = Unwritten()
    events = [said(1, "a", "b", "c"), said(1, "d", room="other"), said(4, "e")]
    for event in events:
        append(kept, event)
    assert len(kept) == 3
    assert kept.first(3) == events[:1]
    assert kept.first(4) == events[:2]
    assert kept.first(99) == events
    assert (kept.first_number("lobby"), kept.first_number("other")) == (1, 1)
    kept.written(2)
    assert (kept.first(99), kept.position) == (events[2:], 2)
    assert (kept.first_number("lobby"), kept.first_number("other")) == (4, None)
    kept.written(1)
    kept.written(3)
    assert (len(kept), kept.bytes, kept.has_lost) == (0, 0, False)


def test_events_of_a_room_come_from_either_end() -> None:
    kept = Unwritten()
    for event in (said(1, "a", "b", "c"), said(9, room="other"), said(4, "d", "e"), said(6, "f")):
        append(kept, event)
    assert kept.after("lobby", 1, 2) == [
        Said("lobby", 2, 1, 0, "Ann", ["b", "c"]),
        said(4, "d", "e"),
    ]
    assert kept.after("lobby", 6, 9) == []
    assert list(kept.backwards("lobby", 5)) == [said(4, "d"), said(1, "a", "b", "c")]
    assert kept.after("nowhere", 0, 9) == list(kept.backwards("nowhere", 9)) == []


def test_removed_numbers_are_known_as_long_as_the_file_may_have_them() -> None:
    kept = Unwritten()
    append(kept, said(1))
    append(kept, Removed("lobby", 2, 2, 0, "Ann", 1))
    assert list(kept.removed("lobby")) == [1]
    assert kept.removals() == {("lobby", 1)}
    kept.written(2)
    assert not kept.removed("lobby")
    assert kept.removals() == set()


def test_beyond_the_bound_the_oldest_are_given_up_and_are_a_gap() -> None:
    kept = Unwritten(most=5_000)
    for number in range(1, 9):
        append(kept, said(number))
    assert kept.bytes <= 5_000
    first = kept.first_number("lobby")
    assert first is not None
    assert first > 1
    assert kept.has_lost
    assert kept.position == first - 1
    assert kept.gaps("lobby", 0) == [(0, first)]
    assert kept.gaps("lobby", first - 2) == [(first - 2, first)]
    assert kept.gaps("lobby", first - 1) == kept.gaps("other", 0) == []


def test_gaps_with_written_events_between_are_told_apart_as_far_as_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unwritten, "MAX_GAPS", 2)
    kept = Unwritten(most=1)
    for number in (1, 2, 5, 9, 20):
        append(kept, said(number))
    assert kept.gaps("lobby", 0) == [(0, 3), (4, 10)]


def test_of_a_room_whose_gaps_are_forgotten_everything_may_be_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unwritten, "MAX_ROOMS_WITH_GAPS", 1)
    kept = Unwritten(most=1)
    append(kept, said(7, room="old"))
    append(kept, said(8, room="new"))
    append(kept, said(9, room="new"))
    assert kept.gaps("new", 0) == [(7, 9)]
    assert kept.gaps("old", 3) == [(3, 8)]
    assert kept.gaps("old", 7) == []


def test_many_rooms_count_too() -> None:
    kept = Unwritten(most=100_000)
    for number in range(1_000):
        append(kept, said(1, "x", room=f"room{number}"))
    assert len(kept) < 100
