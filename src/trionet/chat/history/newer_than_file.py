"""The newest events of all rooms, and what was removed: what another process may not have written.

Pure. How far that process is behind is not known here. A working disk is at most a second behind.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Iterator

from trionet.chat.state.events import Removed, RoomEvent

# How old and how large it may become at most: every search goes through all of it.
_MILLISECONDS = 60_000
_MOST_BYTES = 4 << 20

# How many removed texts, which the file may still hold, are remembered: some 150 bytes each.
_REMOVALS = 10_000


class Fresh:
    """What the file may lack. The ring has all of it, so only searches take events from here.

    Attributes:
        bytes: how many bytes the events take.
    """

    def __init__(self) -> None:
        self.bytes = 0
        # The events, oldest first, with the bytes that each takes.
        self._events: deque[tuple[RoomEvent, int]] = deque()
        self._removed: OrderedDict[tuple[str, int], None] = OrderedDict()

    def append(self, event: RoomEvent, taken: int) -> None:
        """Put an event after all others; `taken` is its `ring.cost`."""
        if type(event) is Removed:
            self._removed[event.room, event.of] = None
            if len(self._removed) > _REMOVALS:
                self._removed.popitem(last=False)
        self._events.append((event, taken))
        self.bytes += taken

    def forget(self, now: int) -> None:
        """Drop what is too old, or too much.

        Args:
            now: the time, in milliseconds since 1970, UTC.
        """
        oldest = now - _MILLISECONDS
        events = self._events
        while events and (self.bytes > _MOST_BYTES or events[0][0].time < oldest):
            self.bytes -= events.popleft()[1]

    def of(self, room: str | None) -> list[RoomEvent]:
        """Return the events of a room, or of all, oldest first."""
        return [event for event, _ in self._events if room in (None, event.room)]

    def first_number(self, room: str) -> int | None:  # noqa: ARG002
        """Return ``None``: whatever the ring does not have is in the file."""
        return None

    def backwards(self, room: str, before: int) -> Iterator[RoomEvent]:  # noqa: ARG002
        """Return nothing: the ring has it."""
        return iter(())

    def after(self, room: str, number: int, limit: int) -> list[RoomEvent]:  # noqa: ARG002
        """Return nothing: the ring has it."""
        return []

    def removed(self, room: str) -> Collection[int]:
        """Return the numbers of a room's texts that may still be in the file, but must not be."""
        return [number for key, number in self._removed if key == room]

    def removals(self) -> set[tuple[str, int]]:
        """Return the same of all rooms, as pairs of room and number."""
        return set(self._removed)
