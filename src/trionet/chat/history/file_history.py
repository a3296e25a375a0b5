"""A history in a file: `--history FILE`.

One task writes (`writing.py`). What is not in the file yet stays in memory (`unwritten.py`), and
the newest events of each room too (`ring.py`): a page comes from the file until it meets these.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import trio

from trionet.chat.history import runs
from trionet.chat.history.faults import FAULTS, HistoryError, reason_of
from trionet.chat.history.kept import PAGE_SIZE, Backlog, Found, Page, Query
from trionet.chat.history.reading import Reader, search
from trionet.chat.history.ring import Ring
from trionet.chat.history.store import Store
from trionet.chat.history.unwritten import Unwritten
from trionet.chat.history.words import Wanted
from trionet.chat.history.writing import Writer
from trionet.chat.state.events import Removed, RoomEvent
from trionet.chat.state.operations import Restore

T = TypeVar("T")

# Threads that read at a time, and threads that search: a flood of searches keeps no page waiting.
READERS = 4
SEARCHERS = 2

# Rooms whose last number is known without asking the file. (Each takes some 200 bytes.)
ROOMS_KNOWN = 50_000

_BEYOND = 1 << 62


@asynccontextmanager
async def open_history(
    file: Path,
    *,
    days: int | None = None,
    stop_within: float = 5.0,
    tell: Callable[[str], object] = lambda _: None,
    clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> AsyncIterator[FileHistory]:
    """Keep a history in a file while the block runs.

    Args:
        file: the file; it is made if it does not exist.
        days: for how many days events are kept; ``None``: for ever.
        stop_within: how many seconds the end may take to write what is left.
        tell: called with one line when the disk begins to fail, and when it works again.
        clock: returns the time, in milliseconds since 1970, UTC.

    Yields:
        The history. `FileHistory.restored` is what the chat begins with.

    Raises:
        trionet.chat.HistoryError: the file cannot be used. It was not changed.

    Cancellation:
        Opening is not shielded. The end writes what is left, under a shield, for `stop_within`
        seconds at most.

    Resource handling:
        The file is closed at the end. If a thread hangs in the disk by then, it is abandoned, and
        the next start counts this end as unclean.
    """
    store, reader, lasts = await trio.to_thread.run_sync(partial(_open, file))
    history = FileHistory(file, store, reader, lasts, days=days, tell=tell, clock=clock)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(history._writer.run)  # noqa: SLF001
            try:
                yield history
            finally:
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        # The nursery put the block's own error in a group, which the block need not know about.
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None
        raise
    finally:
        with trio.CancelScope(shield=True):
            await history._writer.finish(stop_within, history._close)  # noqa: SLF001


def _open(file: Path) -> tuple[Store, Reader, dict[str, int]]:
    store = Store(file)
    try:
        return store, Reader(file), store.last_numbers(ROOMS_KNOWN)
    except BaseException:
        store.close()
        raise


class FileHistory:
    """What was said, in a file. `open_history` makes it.

    Attributes:
        restored: what the chat begins with: epoch, rooms with topics, the highest number.
    """

    def __init__(
        self,
        file: Path,
        store: Store,
        reader: Reader,
        lasts: dict[str, int],
        *,
        days: int | None,
        tell: Callable[[str], object],
        clock: Callable[[], int],
    ) -> None:
        self.restored: Restore = store.restored
        self._file = file
        self._store = store
        self._reader = reader
        self._ring = Ring(is_all=False)
        self._unwritten = Unwritten()
        self._writer = Writer(
            file,
            store,
            self._unwritten,
            days=days,
            forget=self._ring.drop_before,
            tell=tell,
            clock=clock,
        )
        # The last number of each room, the one that was used longest ago first.
        self._lasts = OrderedDict(reversed(lasts.items()))
        self._read_limiter = trio.CapacityLimiter(READERS)
        self._search_limiter = trio.CapacityLimiter(SEARCHERS)
        # For each read that is going on: what was removed since it began.
        self._noted: dict[int, set[tuple[str, int]]] = {}

    def __repr__(self) -> str:
        return f"<trionet.chat.FileHistory: {self._file}, {len(self._unwritten)} unwritten>"

    def append(self, events: Sequence[RoomEvent]) -> None:
        """Keep some events. A `Removed` erases the text that it names. Never a checkpoint."""
        self._writer.expect()
        for event in events:
            if type(event) is Removed:
                for removed in self._noted.values():
                    removed.add((event.room, event.of))
            self._unwritten.append(event, self._ring.append(event))
            self._note_last(event.room, runs.last_number(event))

    def lose(self, room: str, after: int, before: int) -> None:
        """Note that the events between two numbers never come. Never a checkpoint."""
        self._ring.forget_before(room, before)
        self._unwritten.lose(room, after, before)

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
        with self._noting_removals() as removed:
            # One more shows that there is more.
            most = limit + 1 + len(self._unwritten.removed(room))
            if after is None:
                beyond = _BEYOND if before is None else before
                events = list(islice(self._backwards(room, beyond), most))
                if sum(map(runs.count, events)) < most:
                    below = min(self._in_file(room) + 1, beyond)
                    # Numbers begin at 1.
                    if below > 1:
                        events += await self._read(self._reader.before, room, below, most)
            else:
                in_file = self._in_file(room)
                newer = self._forwards(room, max(after, in_file), most)
                events = []
                if after < in_file:
                    events = await self._read(self._reader.after, room, after, in_file + 1, most)
                events += newer
        hidden = [number for key, number in removed if key == room]
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
        unwritten = self._unwritten.of(query.room)
        with self._noting_removals() as removed:
            given = frozenset(removed)
            page = await self._read(
                search, self._reader, unwritten, given, wanted, query, limiter=self._search_limiter
            )
        if len(removed) == len(given):
            return page
        events = [one for one in page.events if (one.room, one.number) not in removed]
        return Page(events, page.more)

    async def find(self, room: str, number: int) -> Found | None:
        """Return one message; ``None``: no message has this number, or it was removed.

        Raises:
            trionet.chat.HistoryError: the file cannot be read.

        Cancellation:
            Always a checkpoint. A thread that hangs in the disk is abandoned.
        """
        with self._noting_removals() as removed:
            if number <= self._in_file(room):
                event = await self._read(self._reader.one, room, number)
            else:
                await trio.lowlevel.checkpoint()
                here = self._forwards(room, number - 1, 1)
                event = runs.cut(here[0], number - 1, number + 1) if here else None
        return None if event is None or (room, number) in removed else runs.found(event)

    def recent(self, room: str, after: int) -> list[RoomEvent] | None:
        """Return all events behind a number; ``None``: some are not in memory.

        Never a checkpoint.
        """
        if after < self._in_file(room):
            return None
        removed = self._unwritten.removed(room)
        events = self._forwards(room, after, _BEYOND)
        if not removed:
            return events
        return [one for part in events for one in runs.singly(part) if one.number not in removed]

    def last(self, room: str) -> int | None:
        """Return the number of a room's last event; ``None``: nothing of it is kept.

        Of a room that nobody has used for long it is known after the first `page`. Never a
        checkpoint.
        """
        return self._lasts.get(room)

    def gaps(self, room: str, after: int) -> list[tuple[int, int]]:
        """Return what was lost behind a number, oldest first. Never a checkpoint."""
        return self._unwritten.gaps(room, after)

    def backlog(self) -> Backlog:
        """Return how much waits to be written. Never a checkpoint."""
        return Backlog(
            memory=self._ring.bytes,
            messages=self._unwritten.messages,
            seconds=self._writer.age(),
        )

    async def wait(self) -> None:
        """Wait while the disk is behind, but not for one that has failed or stands still.

        Cancellation:
            A checkpoint only if it waits.
        """
        await self._writer.wait()

    @contextmanager
    def _noting_removals(self) -> Iterator[set[tuple[str, int]]]:
        """Yield which removed texts may still be read, as pairs of room and number.

        What is removed within the block is noted too: by the time a thread is back with a text, its
        removal can be in the file, and nothing else would know of it.
        """
        removed = self._unwritten.removals()
        self._noted[id(removed)] = removed
        try:
            yield removed
        finally:
            del self._noted[id(removed)]

    def _in_file(self, room: str) -> int:
        """Return the number up to which a room's events must be read from the file."""
        floor = self._ring.floor(room)
        first = self._unwritten.first_number(room)
        if floor is None:
            # Of a room that is not known at all, anything may be in the file.
            floor = self._lasts.get(room, _BEYOND - 1)
        return floor if first is None else min(floor, first - 1)

    def _backwards(self, room: str, before: int) -> Iterator[RoomEvent]:
        """Yield a room's events that are not only in the file, the newest first."""
        yield from self._ring.backwards(room, before)
        floor = self._ring.floor(room)
        first = self._unwritten.first_number(room)
        if first is not None and (floor is None or first <= floor):
            # The ring is too small for all that is not written yet.
            before = before if floor is None else min(before, floor + 1)
            yield from self._unwritten.backwards(room, before)

    def _forwards(self, room: str, after: int, limit: int) -> list[RoomEvent]:
        """Return so many of them behind a number, which is in the file or the last in it."""
        floor = self._ring.floor(room)
        if floor is not None and after >= floor:
            return self._ring.between(room, after, _BEYOND)
        return self._unwritten.after(room, after, limit)

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

    def _close(self) -> None:
        self._reader.close()
        self._store.close()
