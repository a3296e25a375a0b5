"""A history in a file that another process writes: what workers read of the first one's.

Each worker hears all events itself. So the newest of each room come from memory, as those of
`file_history.FileHistory` do, and everything before them from the file. What the writer has not
written yet is in memory too: it is at most some seconds behind, and a ring holds far more.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import trio

from trionet.chat.history import runs
from trionet.chat.history.faults import FAULTS, HistoryError, reason_of
from trionet.chat.history.file_history import READERS, ROOMS_KNOWN, SEARCHERS
from trionet.chat.history.kept import PAGE_SIZE, Backlog, Found, Page, Query
from trionet.chat.history.reading import Reader, search
from trionet.chat.history.ring import Ring
from trionet.chat.history.words import Wanted
from trionet.chat.history.writing import DAY
from trionet.chat.state.events import Removed, RoomEvent

T = TypeVar("T")

# What a search takes from memory: all that the writer may not have written yet. (A working disk
# is at most a second behind.) At most so many bytes, because every search goes through all of it.
_FRESH_MILLISECONDS = 60_000
_FRESH_BYTES = 4 << 20

# Removed texts that the file may still hold: so many, of some 150 bytes each.
_REMOVALS_KNOWN = 10_000

_BEYOND = 1 << 62


@asynccontextmanager
async def follow_history(file: Path, *, days: int | None = None) -> AsyncIterator[FollowedHistory]:
    """Read a history that another process writes, while the block runs.

    Args:
        file: the file; it must exist.
        days: for how many days the writer keeps events; default ``None``: for ever. So memory
            keeps none for longer.

    Raises:
        trionet.chat.HistoryError: the file cannot be used. It was not changed.

    Resource handling: the file is closed at the end, or when the last thread that reads it is done.
    """
    history = await trio.to_thread.run_sync(partial(_open, file, days))
    try:
        yield history
    finally:
        history.close()


def _open(file: Path, days: int | None) -> FollowedHistory:
    reader = Reader(file)
    try:
        return FollowedHistory(file, reader, reader.last_numbers(ROOMS_KNOWN), days=days)
    except BaseException:
        reader.close()
        raise


class FollowedHistory:
    """What was said, in a file of another process. `follow_history` makes it."""

    def __init__(
        self,
        file: Path,
        reader: Reader,
        lasts: dict[str, int],
        *,
        days: int | None = None,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._file = file
        self._reader = reader
        self._days = days
        self._clock = clock
        self._ring = Ring(is_all=False)
        # The last number of each room, the one that was used longest ago first.
        self._lasts = OrderedDict(reversed(lasts.items()))
        # The newest events, oldest first, with the bytes that each takes.
        self._fresh: deque[tuple[RoomEvent, int]] = deque()
        self._fresh_bytes = 0
        self._removed: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._read_limiter = trio.CapacityLimiter(READERS)
        self._search_limiter = trio.CapacityLimiter(SEARCHERS)

    def __repr__(self) -> str:
        return f"<trionet.chat.FollowedHistory: {self._file}>"

    def append(self, events: Sequence[RoomEvent]) -> None:
        """Keep some events in memory. A `Removed` hides the text that it names.

        Never a checkpoint.
        """
        for event in events:
            if type(event) is Removed:
                self._removed[event.room, event.of] = None
                if len(self._removed) > _REMOVALS_KNOWN:
                    self._removed.popitem(last=False)
            taken = self._ring.append(event)
            self._fresh.append((event, taken))
            self._fresh_bytes += taken
            self._note_last(event.room, runs.last_number(event))
        self._forget()

    def lose(self, room: str, after: int, before: int) -> None:  # noqa: ARG002
        """Note that events never come here. The file may have them. Never a checkpoint."""
        self._ring.forget_before(room, before)
        self._note_last(room, max(before - 1, self._lasts.get(room, 0)))

    async def page(
        self,
        room: str,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int,
        most_bytes: int = PAGE_SIZE,
    ) -> Page:
        """Return events of a room beside a number; without one, the newest.

        Raises:
            trionet.chat.HistoryError: the file cannot be read.

        Cancellation:
            Always a checkpoint. A thread that hangs in the disk is abandoned.
        """
        await trio.lowlevel.checkpoint()
        self._forget()
        # One more shows that there is more.
        most = limit + 1 + sum(key == room for key, _ in self._removed)
        if after is None:
            beyond = _BEYOND if before is None else before
            events = list(islice(self._ring.backwards(room, beyond), most))
            if sum(map(runs.count, events)) < most:
                below = min(self._in_file(room) + 1, beyond)
                # Numbers begin at 1.
                if below > 1:
                    events += await self._read(self._reader.before, room, below, most)
        else:
            in_file = self._in_file(room)
            newer = list(islice(self._ring.between(room, max(after, in_file), _BEYOND), most))
            events = []
            if after < in_file:
                events = await self._read(self._reader.after, room, after, in_file + 1, most)
            events += newer
        hidden = [number for key, number in self._removed if key == room]
        if after is None:
            page = runs.newest(events, limit, most_bytes, hidden)
        else:
            page = runs.oldest(events, limit, most_bytes, hidden)
        if not page.events and room not in self._lasts:
            last = await self._read(self._reader.last, room)
            if last is not None:
                self._note_last(room, last)
        return page

    async def search(self, query: Query) -> Page:
        """Return the newest messages that match, oldest first.

        Raises:
            trionet.chat.HistoryError: the file cannot be read.

        Cancellation:
            Always a checkpoint. A thread that hangs in the disk is abandoned.
        """
        wanted = Wanted(query.text, query.name)
        if not wanted:
            await trio.lowlevel.checkpoint()
            return Page([], False)
        self._forget()
        fresh = [event for event, _ in self._fresh if query.room in (None, event.room)]
        given = frozenset(self._removed)
        page = await self._read(
            search, self._reader, fresh, given, wanted, query, limiter=self._search_limiter
        )
        events = [one for one in page.events if (one.room, one.number) not in self._removed]
        return Page(events, page.more)

    async def find(self, room: str, number: int) -> Found | None:
        """Return one message; ``None``: no message has this number, or it was removed.

        Raises:
            trionet.chat.HistoryError: the file cannot be read.

        Cancellation:
            Always a checkpoint. A thread that hangs in the disk is abandoned.
        """
        self._forget()
        if number <= self._in_file(room):
            event = await self._read(self._reader.one, room, number)
        else:
            await trio.lowlevel.checkpoint()
            here = self._ring.between(room, number - 1, number + 1)
            event = here[0] if here else None
        return None if event is None or (room, number) in self._removed else runs.found(event)

    def recent(self, room: str, after: int) -> list[RoomEvent] | None:
        """Return all events behind a number; ``None``: some are not in memory.

        Never a checkpoint.
        """
        self._forget()
        if after < self._in_file(room):
            return None
        return self._ring.between(room, after, _BEYOND)

    def last(self, room: str) -> int | None:
        """Return the number of a room's last event; ``None``: nothing of it is kept.

        Of a room that nobody has used for long it is known after the first `page`. Never a
        checkpoint.
        """
        return self._lasts.get(room)

    def gaps(self, room: str, after: int) -> list[tuple[int, int]]:  # noqa: ARG002
        """Return nothing: what the writer could not write, only the writer knows."""
        return []

    def backlog(self) -> Backlog:
        """Return how much is in memory; nothing waits to be written. Never a checkpoint."""
        return Backlog(memory=self._ring.bytes + self._fresh_bytes)

    async def wait(self) -> None:
        """Return at once: the writer waits for the disk. Never a checkpoint."""

    def close(self) -> None:
        """Close the file. Never a checkpoint."""
        self._reader.close()

    def _forget(self) -> None:
        """Drop from memory what is too old. No task does it: whoever asks must not see it."""
        now = self._clock()
        if self._days is not None:
            self._ring.drop_before(now - self._days * DAY)
        oldest = now - _FRESH_MILLISECONDS
        while self._fresh and (self._fresh_bytes > _FRESH_BYTES or self._fresh[0][0].time < oldest):
            self._fresh_bytes -= self._fresh.popleft()[1]

    def _in_file(self, room: str) -> int:
        """Return the number up to which a room's events must be read from the file."""
        floor = self._ring.floor(room)
        # Of a room that is not known at all, anything may be in the file.
        return self._lasts.get(room, _BEYOND - 1) if floor is None else floor

    def _note_last(self, room: str, last: int) -> None:
        self._lasts[room] = last
        self._lasts.move_to_end(room)
        if len(self._lasts) > ROOMS_KNOWN:
            self._lasts.popitem(last=False)

    async def _read(
        self,
        function: Callable[..., T],
        *given: object,
        limiter: trio.CapacityLimiter | None = None,
    ) -> T:
        try:
            return await trio.to_thread.run_sync(
                partial(function, *given),
                abandon_on_cancel=True,
                limiter=limiter or self._read_limiter,
            )
        except FAULTS as error:
            raise HistoryError(f"cannot read {self._file}: {reason_of(error)}") from None
