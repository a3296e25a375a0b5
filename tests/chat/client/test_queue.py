"""A client's events that nobody has taken yet."""

from __future__ import annotations

import pytest

from told import TIME
from trionet.chat.client.events import ChatEvent, Missed, Pong, Said, Told
from trionet.chat.client.queue import MAX_QUEUED, EventQueue


def said(number: int, room: str = "lobby") -> Said:
    return Said(room=room, number=number, time=TIME, name="ann", text="x")


def told(number: int, *, re: int | None = None) -> Told:
    return Told(number=number, time=TIME, from_="bob", to="ann", text="x", re=re)


def test_a_full_queue_drops_its_oldest_and_tells_how_many() -> None:
    queue = EventQueue(limit=1000)
    for count in range(10):
        queue.put(Missed(count=count), 300)
    assert len(queue) == 4
    # Gaps that were told and are dropped themselves count as what they told.
    assert queue.take() == Missed(count=1 + 1 + 2 + 3 + 4 + 5 + 6)
    assert [queue.take() for _ in range(4)] == [Missed(count=n) for n in (7, 8, 9)] + [None]


@pytest.mark.parametrize(
    ("dropped", "missed"),
    [
        ([said(3), said(4)], Missed("lobby", 2, 5, count=2)),
        ([told(3), told(4)], Missed("@", 2, 5, count=2)),
        ([said(3), Missed("lobby", 4, 9)], Missed("lobby", 2, 9, count=2)),
        ([said(3), said(4), said(7, "builds")], Missed(count=3)),
        ([Pong(), said(3), Missed(count=5)], Missed("lobby", 2, 4, count=7)),
        # The receipt of a private message has a number of its receiver's.
        ([told(7, re=1)], Missed(count=1)),
    ],
)
def test_a_gap_in_one_room_is_told_with_its_numbers(
    dropped: list[ChatEvent], missed: Missed
) -> None:
    queue = EventQueue(limit=1000)
    for event in dropped:
        queue.put(event, 100)
    queue.put(said(100), 1000)
    assert [queue.take() for _ in range(3)] == [missed, said(100), None]


def test_short_lines_do_not_become_many_objects() -> None:
    queue = EventQueue()
    for _ in range(100_000):
        queue.put(Pong(), 15)
    assert len(queue) < MAX_QUEUED / 99
