"""Events that a client has received and its user has not taken yet, bounded in bytes. Pure."""

from __future__ import annotations

from collections import deque

from trionet.chat.client_events import ChatEvent, Missed

# What a program that pauses for a while should still find: some 8,000 messages. Beyond that it can
# page back in the history.
MAX_QUEUED = 1 << 20


class EventQueue:
    """First in, first out. When it is full, one `Missed` takes the place of the oldest events.

    Args:
        limit: how many bytes of lines it holds.
    """

    def __init__(self, limit: int = MAX_QUEUED) -> None:
        self._limit = limit
        self._events: deque[tuple[ChatEvent, int]] = deque()
        self._size = 0
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._events) + (self._dropped > 0)

    def put(self, event: ChatEvent, size: int) -> None:
        """Add an event whose line had this many bytes."""
        self._events.append((event, size))
        self._size += size
        while self._size > self._limit:
            self._size -= self._events.popleft()[1]
            self._dropped += 1

    def take(self) -> ChatEvent | None:
        """Return the oldest event; ``None``: there is none."""
        if self._dropped:
            missed = Missed(count=self._dropped)
            self._dropped = 0
            return missed
        if not self._events:
            return None
        event, size = self._events.popleft()
        self._size -= size
        return event
