"""A history that is kept in memory alone: the default, `--history memory`."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappush, heappushpop

import trio

from trionet.chat.history import message_runs
from trionet.chat.history.history import PAGE_SIZE, Backlog, Found, Page, Query
from trionet.chat.history.ring import Ring
from trionet.chat.history.words import Wanted
from trionet.chat.state.events import RoomEvent

# How much is looked at until other tasks may run, in bytes as `message_runs.size` counts them.
# Measured: 2 ms for 550 short texts at 3 µs each, 4 ms for 31 texts of 4,096 bytes that are not
# ASCII.
_STRETCH = 128 << 10

# Above every number of a room.
_BEYOND = 1 << 62


class MemoryHistory:
    """Keeps the newest events of each room in memory.

    Args:
        ring: where; default: one with the usual bounds.
    """

    must_wait = False

    def __init__(self, ring: Ring | None = None) -> None:
        self.ring = ring or Ring()
        # Searches take turns. Side by side, 20 of them kept everybody else waiting for 20 stretches
        # at each step: p50 of a message was 180 ms.
        self._search = trio.Lock()

    def __repr__(self) -> str:
        return f"<trionet.chat.history.MemoryHistory: {self.ring!r}>"

    def append(self, events: Sequence[RoomEvent]) -> None:
        """Keep some events. A `Removed` erases the text that it names. Never a checkpoint."""
        append = self.ring.append
        for event in events:
            append(event)

    def lose(self, room: str, after: int, before: int) -> None:  # noqa: ARG002
        """Note that events never come: what is before them is forgotten. Never a checkpoint."""
        self.ring.forget_before(room, before)

    async def page(
        self,
        room: str,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int,
        most_bytes: int = PAGE_SIZE,
    ) -> Page:
        """Return events of a room before or after a number; without one, the newest.

        Cancellation:
            Always a checkpoint.
        """
        await trio.lowlevel.checkpoint()
        if after is not None:
            return message_runs.oldest(self.ring.between(room, after, _BEYOND), limit, most_bytes)
        beyond = _BEYOND if before is None else before
        return message_runs.newest(self.ring.backwards(room, beyond), limit, most_bytes)

    async def since(self, room: str, after: int, most_bytes: int) -> list[RoomEvent]:
        """Return the oldest events after a number, about so many bytes of them; runs are whole.

        Cancellation:
            Always a checkpoint.
        """
        await trio.lowlevel.checkpoint()
        events = self.ring.between(room, after, _BEYOND)
        return events[: max(1, message_runs.fitting(events, most_bytes))]

    async def search(self, query: Query) -> Page:
        """Return the newest messages that match, oldest first.

        Cancellation:
            Always a checkpoint: other tasks run while it looks, but no other search.
        """
        wanted = Wanted(query.text, query.name)
        async with self._search:
            return await self._look_for(wanted, query) if wanted else Page([], False)

    async def _look_for(self, wanted: Wanted, query: Query) -> Page:
        # The best so far, the worst of them first. One more than asked for shows that there is
        # more. Times say which is newer, for numbers of two rooms do not.
        best: list[tuple[int, int, str, RoomEvent]] = []
        looked_at = 0
        beyond = _BEYOND if query.before is None else query.before
        for room in self.ring.rooms() if query.room is None else [query.room]:
            for event in list(self.ring.backwards(room, beyond)):
                if len(best) > query.limit and event.time < best[0][0]:
                    break
                looked_at += message_runs.size(event)
                for one in wanted.among(event):
                    put = heappush if len(best) <= query.limit else heappushpop
                    put(best, (one.time, one.number, room, one))
                if looked_at >= _STRETCH:
                    looked_at = 0
                    await trio.lowlevel.checkpoint()
        newest_first = [one[-1] for one in sorted(best, reverse=True)]
        return message_runs.newest(newest_first, query.limit, query.most_bytes)

    async def find(self, room: str, number: int) -> Found | None:
        """Return one message; ``None``: no message has this number, or it was removed.

        Cancellation:
            Always a checkpoint.
        """
        await trio.lowlevel.checkpoint()
        here = self.ring.between(room, number - 1, number + 1)
        return message_runs.found(here[0]) if here else None

    def recent(self, room: str, after: int) -> list[RoomEvent] | None:
        """Return all events after a number; ``None``: some have gone. Never a checkpoint."""
        floor = self.ring.floor(room)
        if floor is None or after < floor:
            return None
        return self.ring.between(room, after, _BEYOND)

    def last(self, room: str) -> int | None:
        """Return the number of a room's last event; ``None``: nothing of it is kept."""
        return self.ring.last(room)

    def gaps(self, room: str, after: int) -> list[tuple[int, int]]:
        """Return what was lost after a number: whatever the ring does not reach."""
        floor = self.ring.floor(room)
        return [] if floor is None or after >= floor else [(after, floor + 1)]

    def backlog(self) -> Backlog:
        """Return how much is in memory; nothing waits to be written. Never a checkpoint."""
        return Backlog(memory=self.ring.bytes)

    async def wait(self) -> None:
        """Return at once: memory is always fast enough. Never a checkpoint."""
