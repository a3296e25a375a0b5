"""Events that a client has received and its user has not taken yet, bounded in bytes. Pure."""

from __future__ import annotations

from collections import deque

from trionet.chat.client.events import ChatEvent, Missed, RoomEvent, Told
from trionet.chat.client.rooms import PRIVATE

# What a program that pauses for a while should still find: some 8,000 messages. Beyond that it can
# page back in the history.
MAX_QUEUED = 1 << 20

# What an event counts at least. The shortest event of an honest server has some 100 bytes; a line
# of 15 bytes becomes an object of 200.
_LEAST = 100


class EventQueue:
    """First in, first out. When it is full, one `Missed` takes the place of the oldest events.

    If all of those that have a number are of one room, the `Missed` says between which numbers they
    were, so that the history can be asked for them.

    Args:
        limit: how many bytes of lines it holds.
    """

    def __init__(self, limit: int = MAX_QUEUED) -> None:
        self._limit = limit
        self._events: deque[tuple[ChatEvent, int]] = deque()
        self._size = 0
        self._dropped = _Gap()

    def __len__(self) -> int:
        return len(self._events) + (self._dropped.count > 0)

    def put(self, event: ChatEvent, size: int) -> None:
        """Add an event whose line had this many bytes."""
        size = max(size, _LEAST)
        self._events.append((event, size))
        self._size += size
        while self._size > self._limit:
            dropped, size = self._events.popleft()
            self._size -= size
            self._dropped.add(dropped)

    def take(self) -> ChatEvent | None:
        """Return the oldest event; ``None``: there is none."""
        if self._dropped.count:
            missed, self._dropped = self._dropped.told(), _Gap()
            return missed
        if not self._events:
            return None
        event, size = self._events.popleft()
        self._size -= size
        return event


class _Gap:
    """What was dropped.

    Attributes:
        count: how many events.
    """

    def __init__(self) -> None:
        self.count = 0
        self._room: str | None = None
        self._after = self._before = 0
        self._is_mixed = False

    def add(self, event: ChatEvent) -> None:
        """Note an event that comes after all others."""
        self.count += (event.count or 1) if isinstance(event, Missed) else 1
        room, after, before = _place_of(event)
        if room is None:
            return
        if self._room is None:
            self._room, self._after, self._before = room, after, before
        elif room == self._room:
            self._after, self._before = min(self._after, after), max(self._before, before)
        else:
            self._is_mixed = True

    def told(self) -> Missed:
        """Return the event that tells of it."""
        if self._is_mixed or self._room is None:
            return Missed(count=self.count)
        return Missed(self._room, self._after, self._before, count=self.count)


def _place_of(event: ChatEvent) -> tuple[str | None, int, int]:
    """Return the room of an event, and the numbers between which it is; ``None``: it has none."""
    if isinstance(event, Missed):
        return event.room, event.after or 0, event.before or 0
    if isinstance(event, RoomEvent):
        return event.room, event.number - 1, event.number + 1
    # The sender's receipt has a number of the receiver's.
    if isinstance(event, Told) and (event.re is None or event.from_ == event.to):
        return PRIVATE, event.number - 1, event.number + 1
    return None, 0, 0
