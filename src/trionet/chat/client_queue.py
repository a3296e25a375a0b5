"""Events that a client has received and its user has not taken yet, bounded in bytes. Pure."""

from __future__ import annotations

from collections import deque

from trionet.chat.client_events import ChatEvent, Missed, RoomEvent, Told
from trionet.chat.client_rooms import PRIVATE

# What a program that stands still for a while should find again: some 8,000 messages. Beyond that
# it pages back in the history.
MAX_QUEUED = 1 << 20

# What an event counts at least. The shortest event of an honest server has some 100 bytes; a line
# of 15 bytes becomes an object of 200.
_LEAST = 100


class EventQueue:
    """First in, first out. When it is full, one `Missed` takes the place of the oldest events.

    If all of those are of one room, the `Missed` says between which numbers they were, so that the
    history can be asked for them.

    Args:
        limit: how many bytes of lines it holds.
    """

    def __init__(self, limit: int = MAX_QUEUED) -> None:
        self._limit = limit
        self._events: deque[tuple[ChatEvent, int]] = deque()
        self._size = 0
        self._dropped: Missed | None = None

    def __len__(self) -> int:
        return len(self._events) + (self._dropped is not None)

    def put(self, event: ChatEvent, size: int) -> None:
        """Add an event whose line had this many bytes."""
        size = max(size, _LEAST)
        self._events.append((event, size))
        self._size += size
        while self._size > self._limit:
            dropped, size = self._events.popleft()
            self._size -= size
            gap = _gap_of(dropped)
            self._dropped = gap if self._dropped is None else _joined(self._dropped, gap)

    def take(self) -> ChatEvent | None:
        """Return the oldest event; ``None``: there is none."""
        if self._dropped is not None:
            missed, self._dropped = self._dropped, None
            return missed
        if not self._events:
            return None
        event, size = self._events.popleft()
        self._size -= size
        return event


def _gap_of(event: ChatEvent) -> Missed:
    """Return what says that an event is missing."""
    if isinstance(event, Missed):
        return Missed(event.room, event.after, event.before, count=event.count or 1)
    if isinstance(event, RoomEvent):
        return Missed(event.room, event.number - 1, event.number + 1, count=1)
    if isinstance(event, Told) and (event.re is None or event.from_ == event.to):
        return Missed(PRIVATE, event.number - 1, event.number + 1, count=1)
    return Missed(count=1)


def _joined(one: Missed, other: Missed) -> Missed:
    """Return what says that two gaps are missing, with a room if it is the same."""
    count = (one.count or 0) + (other.count or 0)
    if one.room is None or one.room != other.room:
        return Missed(count=count)
    after = min(one.after or 0, other.after or 0)
    before = max(one.before or 0, other.before or 0)
    return Missed(one.room, after, before, count=count)
