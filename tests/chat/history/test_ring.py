"""The newest events of each room, in memory: bounded, and handed out page by page."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from unittest import mock

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.chat.history import message_runs
from trionet.chat.history import ring as ring_module
from trionet.chat.history.ring import Ring, cost
from trionet.chat.state.events import (
    Acted,
    Joined,
    Left,
    Removed,
    Renamed,
    RoomEvent,
    Said,
    TopicSet,
)


def said(number: int, *texts: str, room: str = "lobby", time: int | None = None) -> Said:
    return Said(room, number, number if time is None else time, 1, "Ann", list(texts) or ["hi"])


def numbers(events: list[RoomEvent] | None) -> list[int]:
    assert events is not None
    return [one.number for event in events for one in message_runs.singly(event)]


def all_of(ring: Ring, room: str = "lobby") -> list[int]:
    return numbers(ring.between(room, 0, 1 << 60))


def test_the_newest_events_of_a_room_are_kept_and_no_more() -> None:
    ring = Ring(max_events=3)
    for number in range(1, 6):
        ring.append(said(number))
    assert all_of(ring) == [3, 4, 5]
    assert ring.floor("lobby") == 2
    assert ring.last("lobby") == 5


def test_of_a_run_too_only_the_newest_texts_are_kept() -> None:
    ring = Ring(max_events=3)
    ring.append(said(1, "a", "b", "c", "d"))
    assert all_of(ring) == [2, 3, 4]
    ring.append(said(5, "e", "f"))
    assert ring.between("lobby", 0, 99) == [said(4, "d", time=1), said(5, "e", "f")]
    assert ring.between("lobby", 4, 6) == [said(5, "e")]


def test_a_ring_holds_at_most_64_texts_that_it_does_not_show() -> None:
    ring = Ring(max_events=3)
    most = 0
    for number in range(1, 300):
        ring.append(said(number))
        most = max(most, len(ring._rooms["lobby"].events))
    assert 3 < most <= 3 + 64
    assert all_of(ring) == [297, 298, 299]
    assert len(ring._rooms["lobby"].events) == 3
    assert ring.bytes == 900 + 3 * cost(said(299))


@pytest.mark.parametrize(("of", "left"), [(1, [3, 4, 5]), (2, [3, 4, 5]), (4, [2, 3, 5])])
def test_no_text_comes_back_in_place_of_one_that_is_removed(of: int, left: list[int]) -> None:
    ring = Ring(max_events=3)
    for number in range(1, 5):
        ring.append(said(number))
    ring.append(Removed("lobby", 5, 5, 1, "Ann", of))
    assert all_of(ring) == left


def test_no_room_loses_an_event_for_what_another_does_not_show() -> None:
    ring = Ring(max_events=3, max_bytes=13_000)
    ring.append(said(1, "x" * 3_000, room="old", time=0))
    for number in range(1, 30):
        ring.append(said(number, "x" * 1_000, room="new", time=number))
    assert (all_of(ring, "old"), all_of(ring, "new")) == ([1], [27, 28, 29])
    assert ring.bytes <= 13_000


def test_no_event_of_a_room_goes_for_the_bytes_of_what_it_does_not_show() -> None:
    ring = Ring(max_events=3, max_room_bytes=6_000)
    for number in range(1, 30):
        ring.append(said(number, "x" * 1_000))
        assert ring.bytes <= 6_000
    assert all_of(ring) == [27, 28, 29]


def test_bytes_of_a_room_are_bounded_but_its_last_event_stays() -> None:
    ring = Ring(max_room_bytes=5_500)
    for number in range(1, 20):
        ring.append(said(number, "x" * 1_000))
    assert all_of(ring) == [17, 18, 19]
    ring.append(said(20, "x" * 10_000))
    assert all_of(ring) == [20]


def test_beyond_the_bound_for_all_rooms_the_oldest_event_of_any_goes_first() -> None:
    ring = Ring(max_bytes=13_000)
    ring.append(said(1, "x" * 3_000, room="old", time=1))
    ring.append(said(1, "x" * 3_000, room="new", time=2))
    ring.append(said(2, "x" * 3_000, room="old", time=3))
    ring.append(said(2, "x" * 3_000, room="new", time=4))
    assert (all_of(ring, "old"), all_of(ring, "new")) == ([2], [1, 2])
    ring.append(said(3, "x" * 3_000, room="old", time=5))
    assert (all_of(ring, "old"), all_of(ring, "new")) == ([2, 3], [2])


def test_a_room_whose_events_have_all_gone_is_not_complete_when_it_comes_anew() -> None:
    ring = Ring(max_bytes=10_000)
    ring.append(said(1, room="old", time=1))
    for number in range(1, 10):
        ring.append(said(number, "x" * 3_000, time=2))
    assert ring.last("old") is None
    ring.append(said(7, room="old", time=3))
    assert ring.floor("old") == 6
    assert 0 < ring.bytes <= 10_000


def test_a_new_room_is_complete_unless_something_else_keeps_older_events() -> None:
    complete, part = Ring(), Ring(is_all=False)
    for ring in (complete, part):
        ring.append(said(41))
    assert (complete.floor("lobby"), part.floor("lobby")) == (0, 40)


def test_events_before_a_time_can_be_dropped_from_all_rooms() -> None:
    ring = Ring()
    for time, room in enumerate("abab"):
        ring.append(said(time + 1, room=room, time=time))
    ring.append(said(9, room="c", time=0))
    ring.drop_before(2)
    assert [all_of(ring, room) for room in "abc"] == [[3], [4], []]
    ring.drop_before(0)
    assert [all_of(ring, room) for room in "abc"] == [[3], [4], []]


def test_a_removed_text_is_gone_and_the_removal_is_an_event() -> None:
    ring = Ring()
    ring.append(said(1, "a", "b", "c"))
    ring.append(Acted("lobby", 4, 2, 1, "Ann", "waves"))
    for number, of in ((5, 2), (6, 4), (7, 1), (8, 3)):
        ring.append(Removed("lobby", number, 3, 1, "Ann", of))
    assert all_of(ring) == [5, 6, 7, 8]
    assert ring.between("lobby", 0, 6) == [Removed("lobby", 5, 3, 1, "Ann", 2)]


def test_of_a_run_the_rest_stays_when_one_text_is_removed() -> None:
    ring = Ring()
    ring.append(said(1, "a", "b", "c"))
    ring.append(Removed("lobby", 4, 1, 1, "Ann", 2))
    assert ring.between("lobby", 0, 4) == [said(1, "a"), said(3, "c", time=1)]


def test_only_messages_can_be_removed() -> None:
    ring = Ring()
    ring.append(Joined("lobby", 1, 1, 1, "Ann", 1))
    ring.append(Removed("lobby", 2, 1, 1, "Ann", 1))
    ring.append(Removed("lobby", 3, 1, 1, "Ann", 77))
    assert all_of(ring) == [1, 2, 3]


def test_even_a_text_of_a_run_that_is_out_of_reach_is_erased() -> None:
    ring = Ring(max_events=2)
    ring.append(said(1, "secret", "b", "c"))
    ring.append(Removed("lobby", 4, 1, 1, "Ann", 1))
    assert all_of(ring) == [3, 4]
    assert "secret" not in repr(list(ring._rooms["lobby"].events))


def test_events_come_backwards_from_a_number() -> None:
    ring = Ring(max_events=4)
    ring.append(said(1, "a", "b", "c"))
    ring.append(said(4, "d", "e"))
    assert list(ring.backwards("lobby", 5)) == [said(4, "d"), said(2, "b", "c", time=1)]
    assert list(ring.backwards("nowhere", 5)) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda n, text: Said("lobby", n, n, 1, text("Ann"), [text("hi there")]),
        lambda n, text: Said(
            "lobby", n, n, 1, text("Ann"), [text(f"text {i} of a run") for i in range(64)]
        ),
        lambda n, text: Said(
            "lobby", n, n, 1, text("Ann"), [text("x" * 40)], [text("an-id")], bytes([n % 256] * 32)
        ),
        lambda n, text: Said(
            "lobby", n, n, 1, text("Ännchen"), [text("日本語テキスト" * 20)], [n + 1_000_000]
        ),
        lambda n, text: Acted(
            "lobby", n, n, 1, text("Ann"), text("waves"), n + 1_000_000, bytes([n % 256] * 32)
        ),
        lambda n, text: Said(
            "lobby", n, n, 1, text("Ännchen"), [text("é" * 100), text("\U0001f600")]
        ),
        lambda n, text: TopicSet("lobby", n, n, 1, text("Ännchen"), text("日本語")),
        lambda n, text: Renamed("lobby", n, n, 1, text("Ännchen"), text("日本")),
        lambda n, text: Joined("lobby", n, n, 1, text("Ann"), 12),
        lambda n, text: Left("lobby", n, n, 1, text("Ann"), 12, "lost"),
        lambda n, text: Renamed("lobby", n, n, 1, text("Ann"), text("Anna")),
        lambda n, text: TopicSet("lobby", n, n, 1, text("Ann"), text("a topic")),
    ],
)
def test_no_event_takes_more_memory_than_is_counted(
    make: Callable[[int, Callable[[str], str]], RoomEvent],
) -> None:
    def text(given: str) -> str:
        return given[:1] + given[1:]  # a new object

    ring = Ring(max_events=10_000)
    encode = msgspec.json.Encoder().encode
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(1_000_000, 1_000_000 + 64 * 500, 64):
            event = make(number, text)
            ring.append(event)
            # Members are told: Python keeps the UTF-8 of a text in it from then on.
            encode(event)
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    # tracemalloc counts what was asked for, and the allocator rounds it up to 16 bytes.
    assert taken <= ring.bytes <= 1.6 * taken


class Model:
    """What a ring should do, done slowly."""

    def __init__(self, most: int) -> None:
        self.most = most
        # A run as its texts, one by one.
        self.events: list[RoomEvent] = []
        self.floor = 0

    def append(self, event: RoomEvent) -> None:
        if isinstance(event, Removed):
            self.events = [
                one
                for one in self.events
                if one.number != event.of or not isinstance(one, Said | Acted)
            ]
        self.events += message_runs.singly(event)
        while len(self.events) > self.most:
            self.floor = max(self.floor, self.events.pop(0).number)


@settings(max_examples=200)
@given(st.data())
def test_a_ring_is_a_list_whose_oldest_entries_go(data: st.DataObject) -> None:
    with mock.patch.object(ring_module, "_SPARE", data.draw(st.sampled_from([0, 2, 64]))):
        check_against_a_model(data)


def check_against_a_model(data: st.DataObject) -> None:
    most = data.draw(st.integers(1, 8))
    ring, models = Ring(max_events=most), {"a": Model(most), "b": Model(most)}
    last = {"a": 0, "b": 0}
    for time in range(data.draw(st.integers(1, 25))):
        room = data.draw(st.sampled_from("ab"))
        number = last[room] + 1
        event: RoomEvent
        match data.draw(st.sampled_from(["say", "act", "join", "remove"])):
            case "say":
                texts = data.draw(st.lists(st.sampled_from(["x", "yy"]), min_size=1, max_size=5))
                event = Said(room, number, time, 1, "Ann", texts)
            case "act":
                event = Acted(room, number, time, 1, "Ann", "waves")
            case "join":
                event = Joined(room, number, time, 1, "Ann", 1)
            case _:
                of = data.draw(st.integers(0, number))
                event = Removed(room, number, time, 1, "Ann", of)
        last[room] = message_runs.last_number(event)
        ring.append(event)
        models[room].append(event)
    expected = sum(cost(event) for room in ring._rooms.values() for event in room.events)
    assert ring.bytes == expected + sum(900 for _ in ring._rooms)
    for room, model in models.items():
        low = data.draw(st.integers(0, last[room] + 1))
        high = data.draw(st.integers(low, last[room] + 2))
        ours = [
            one for event in ring.between(room, low, high) for one in message_runs.singly(event)
        ]
        assert ours == [one for one in model.events if low < one.number < high]
        back = [n for event in ring.backwards(room, high) for n in numbers([event])[::-1]]
        assert back == [one.number for one in model.events if one.number < high][::-1]
        if ring.last(room) is not None:
            assert (ring.last(room), ring.floor(room)) == (last[room], model.floor)
