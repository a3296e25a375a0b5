"""Rooms that only their topic keeps: which expires next, and which makes room for another. Pure.

There can be thousands of such rooms, so neither question is answered by looking through them. Both
orders follow from the rooms alone, so that every machine has the same ones.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator


class Vacancies:
    """Rooms without members, each with the time its last member left and the rank of its topic.

    Times never go back: a room that is added later was left later.

    Attributes:
        since: the rooms in the order in which they were left, each with the time and the rank. Do
            not change it.
    """

    __slots__ = ("_by_topic", "since")

    def __init__(self) -> None:
        self.since: dict[str, tuple[int, int]] = {}
        # (rank of the topic, room), sorted.
        self._by_topic: list[tuple[int, str]] = []

    def add(self, room: str, *, since: int, topic_rank: int) -> None:
        """Note that a room with a topic has lost its last member."""
        self.since[room] = since, topic_rank
        insort(self._by_topic, (topic_rank, room))

    def discard(self, room: str) -> None:
        """Note that somebody is in a room again, or that the room has ended."""
        found = self.since.pop(room, None)
        if found is not None:
            del self._by_topic[bisect_left(self._by_topic, (found[1], room))]

    def first(self) -> tuple[str, int] | None:
        """Return the room that was left first, and when; ``None``: there is no such room."""
        for room, (since, _) in self.since.items():
            return room, since
        return None

    def oldest_topic(self, *, but: str) -> str | None:
        """Return the room with the oldest topic, other than `but`; ``None``: there is none."""
        for _, room in self._by_topic:
            if room != but:
                return room
        return None

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Yield each room and when it was left, in that order."""
        for room, (since, _) in self.since.items():
            yield room, since
