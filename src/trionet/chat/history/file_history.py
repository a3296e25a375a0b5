"""A history in a file: `--history FILE`.

One task writes. It takes what has come since the last batch, has a thread write it as one
transaction, and so on; nobody ever waits for the disk, except a member who talks faster than the
disk writes. What is not in the file yet stays in memory (`unwritten.py`), and the newest events of
each room too (`ring.py`): a page comes from the file until it meets these.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from math import inf
from pathlib import Path
from typing import TypeVar

import trio

from trionet.chat.events import RoomEvent
from trionet.chat.history import runs
from trionet.chat.history.kept import PAGE_SIZE, Found, Page, Query
from trionet.chat.history.opening import FAULTS, HistoryError, reason_of
from trionet.chat.history.reading import Reader
from trionet.chat.history.ring import Ring
from trionet.chat.history.store import Store
from trionet.chat.history.unwritten import Unwritten
from trionet.chat.history.words import Wanted
from trionet.chat.operations import Restore

T = TypeVar("T")

# How long what comes is collected before it is written, in seconds. Of 10,000 messages/s, batches
# of 2,000 take half as long to index as batches of 100. A kill -9 loses this and one batch.
_COLLECT = 0.2

# How many messages are one batch: some 50 ms.
_BATCH = 2_048

# From here on nothing is collected any more.
_MANY_BYTES = 1 << 20

# From here on members wait until some of it is written: some 10,000 messages, or 0.3 s.
_AHEAD = 4 << 20

# After so many seconds without progress nobody waits any more.
_STUCK = 1.0

# How often a disk that has failed is tried again, in seconds.
_RETRY = 1.0

# How often old events are looked for, in seconds.
_FORGET_EVERY = 60.0

# Threads that read at a time.
_READERS = 4

# Rooms whose last number is known without asking the file. (Each takes some 200 bytes.)
_ROOMS_KNOWN = 50_000

_BEYOND = 1 << 62

_DAY = 24 * 60 * 60 * 1000


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
            nursery.start_soon(history._write_on)  # noqa: SLF001
            try:
                yield history
            finally:
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        # The nursery put the block's own error in a group. It is none of the block's business.
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None
        raise
    finally:
        with trio.CancelScope(shield=True):
            await history._finish(stop_within)  # noqa: SLF001


def _open(file: Path) -> tuple[Store, Reader, dict[str, int]]:
    store = Store(file)
    try:
        return store, Reader(file), store.last_numbers(_ROOMS_KNOWN)
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
        self._days = days
        self._tell = tell
        self._clock = clock
        self._ring = Ring(is_all=False)
        self._unwritten = Unwritten()
        # The last number of each room, the one that was used longest ago first.
        self._lasts = OrderedDict(reversed(lasts.items()))
        self._wake = trio.Event()
        # Set, and replaced, whenever something was written, done or has failed.
        self._change = trio.Event()
        self._progress = trio.current_time()
        self._has_failed = False
        self._has_told = False
        self._write_limiter = trio.CapacityLimiter(1)
        self._read_limiter = trio.CapacityLimiter(_READERS)
        self._next_forget = 0.0

    def __repr__(self) -> str:
        return f"<trionet.chat.FileHistory: {self._file}, {len(self._unwritten)} unwritten>"

    def append(self, events: Sequence[RoomEvent]) -> None:
        """Keep some events. A `Removed` erases the text that it names. Never a checkpoint."""
        if not self._unwritten:
            self._progress = trio.current_time()
        for event in events:
            self._unwritten.append(event, self._ring.append(event))
            self._note_last(event.room, runs.last_number(event))
        self._wake.set()

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
        removed = tuple(self._unwritten.removed(room))
        # One more shows that there is more.
        most = limit + 1 + len(removed)
        if after is None:
            beyond = _BEYOND if before is None else before
            events = list(islice(self._backwards(room, beyond), most))
            if sum(map(runs.count, events)) < most:
                below = min(self._in_file(room) + 1, beyond)
                events += await self._read(self._reader.before, room, below, most)
            page = runs.newest(events, limit, most_bytes, removed)
        else:
            in_file = self._in_file(room)
            newer = self._forwards(room, max(after, in_file), most)
            events = []
            if after < in_file:
                events = await self._read(self._reader.after, room, after, in_file + 1, most)
            page = runs.oldest([*events, *newer], limit, most_bytes, removed)
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
        removed = self._unwritten.removals()
        return await self._read(_search, self._reader, unwritten, removed, wanted, query)

    async def find(self, room: str, number: int) -> Found | None:
        """Return one message; ``None``: no message has this number, or it was removed.

        Raises:
            trionet.chat.HistoryError: the file cannot be read.

        Cancellation:
            Always a checkpoint. A thread that hangs in the disk is abandoned.
        """
        if number in self._unwritten.removed(room):
            await trio.lowlevel.checkpoint()
            return None
        if number <= self._in_file(room):
            event = await self._read(self._reader.one, room, number)
        else:
            await trio.lowlevel.checkpoint()
            here = self._forwards(room, number - 1, 1)
            event = runs.cut(here[0], number - 1, number + 1) if here else None
        return None if event is None else runs.found(event)

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

    async def wait(self) -> None:
        """Wait while the disk is behind, but not for one that has failed or stands still.

        Cancellation:
            A checkpoint only if it waits.
        """
        while self._unwritten.bytes >= _AHEAD and not self._has_failed:
            patience = self._progress + _STUCK - trio.current_time()
            if patience <= 0:
                return
            with trio.move_on_after(patience):
                await self._change.wait()

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
        if len(self._lasts) > _ROOMS_KNOWN:
            self._lasts.popitem(last=False)

    async def _read(self, function: Callable[..., T], *given: object) -> T:
        try:
            return await trio.to_thread.run_sync(
                partial(function, *given), abandon_on_cancel=True, limiter=self._read_limiter
            )
        except FAULTS as error:
            raise HistoryError(f"cannot read {self._file}: {reason_of(error)}") from None

    # -- the task that writes

    async def _write_on(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            while True:
                try:
                    if self._unwritten:
                        await self._write_batch()
                    has_more = await self._take_care()
                except FAULTS as error:
                    self._failed(error)
                    await trio.sleep(_RETRY)
                    continue
                await self._collect(has_more)

    async def _collect(self, has_more: bool) -> None:
        """Wait until it is time to write again, or to go on with what else there is to do."""
        if not self._unwritten:
            if has_more:
                return
            self._wake = trio.Event()
            seconds = inf if self._days is None else _FORGET_EVERY
            with trio.move_on_after(_RETRY if self._store.has_work else seconds):
                await self._wake.wait()
        if self._unwritten and self._unwritten.bytes < _MANY_BYTES:
            await trio.sleep(_COLLECT)

    async def _take_care(self) -> bool:
        """Do a step of what must be done some time; return whether another can follow at once."""
        if self._store.has_work:
            await self._in_thread(self._store.work)
            self._changed()
            # While somebody reads, the log cannot be cut off. That is tried again later.
            return self._store.has_work and not self._store.must_truncate
        if self._days is None or trio.current_time() < self._next_forget:
            return False
        before = self._clock() - self._days * _DAY
        self._ring.drop_before(before)
        if await self._in_thread(partial(self._store.forget, before)):
            return True
        self._next_forget = trio.current_time() + _FORGET_EVERY
        self._changed()
        return False

    async def _write_batch(self) -> None:
        batch, position = self._unwritten.first(_BATCH), self._unwritten.position
        written = await self._in_thread(partial(self._store.write, batch, position))
        self._unwritten.written(written)
        self._progress = trio.current_time()
        self._has_failed = False
        self._changed()
        if self._has_told:
            self._has_told = False
            self._tell(f"the history is written to {self._file} again")

    def _failed(self, error: Exception | str) -> None:
        self._has_failed = True
        # Nobody waits for it any more.
        self._changed()
        if not self._has_told:
            self._has_told = True
            reason = error if isinstance(error, str) else reason_of(error)
            self._tell(f"cannot write to {self._file}: {reason}; the chat keeps it in memory")

    def _changed(self) -> None:
        self._change.set()
        self._change = trio.Event()

    async def _watch(self) -> None:
        """Tell of a disk that stands still."""
        while True:
            await self._wake.wait()
            await trio.sleep(_STUCK)
            stands_still = trio.current_time() - self._progress >= _STUCK + _COLLECT
            if self._unwritten and stands_still and not self._has_told:
                self._failed("it does not answer")

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(
            function, abandon_on_cancel=True, limiter=self._write_limiter
        )

    async def _finish(self, seconds: float) -> None:
        """Write what is left, as far as there is time, and close the file."""
        # A new limiter: a thread that was given up may hold the old one.
        self._write_limiter = trio.CapacityLimiter(1)
        began = trio.current_time()
        problem = f"it took longer than {seconds:g} s"
        with trio.move_on_after(seconds):
            try:
                while self._unwritten:
                    await self._write_batch()
                if not self._unwritten.has_lost:
                    await self._in_thread(self._store.mark_clean)
                problem = ""
                # The index is large, and the next start goes on with it.
                while self._store.has_work and not self._store.must_truncate:
                    if trio.current_time() - began > seconds / 2:
                        break
                    await self._in_thread(self._store.work)
            except FAULTS as error:
                problem = reason_of(error)
            await self._in_thread(self._close)
        if problem:
            self._tell(f"could not write all of the history to {self._file}: {problem}")

    def _close(self) -> None:
        self._reader.close()
        self._store.close()


def _search(
    reader: Reader,
    unwritten: list[RoomEvent],
    removed: set[tuple[str, int]],
    wanted: Wanted,
    query: Query,
) -> Page:
    """Search what is not written yet, then the file. Runs in a thread."""
    before = _BEYOND if query.before is None else query.before
    found: list[RoomEvent] = []
    for event in reversed(unwritten):
        part = runs.cut(event, 0, before)
        if part is not None:
            found += [one for one in wanted.among(part) if (one.room, one.number) not in removed]
        if len(found) > query.limit:
            break
    gave_up = False
    if len(found) <= query.limit:
        # What was written meanwhile is in both.
        known = removed.union([(one.room, one.number) for one in found])
        more, gave_up = reader.search(query, query.limit + 1 + len(known))
        found += [one for one in more if (one.room, one.number) not in known]
    page = runs.newest(found, query.limit, query.most_bytes)
    return Page(page.events, True) if gave_up else page
