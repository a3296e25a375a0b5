"""What every history in a file does: it answers from memory and from the file.

`file_history.FileHistory` also writes the file; `followed_history.FollowedHistory` reads what
another process writes. Both have in memory the newest events of each room (`ring.py`) and whatever
the file may lack. A page comes from the file until it meets them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

import trio

from trionet.chat.history import message_runs
from trionet.chat.history.faults import FAULTS, HistoryError, reason_of
from trionet.chat.history.history import PAGE_SIZE, Found, Page, Query
from trionet.chat.history.reading import Reader, search
from trionet.chat.history.ring import Ring
from trionet.chat.history.words import Wanted
from trionet.chat.state.events import Removed, RoomEvent

T = TypeVar("T")

# Threads that read at a time, and threads that search: a flood of searches keeps no page waiting.
_READERS = 4
_SEARCHERS = 2

# How many events that are not written yet are looked at for one stretch.
_LISTED = 1_000

# Rooms whose last number is known without asking the file. (Each takes some 200 bytes.)
ROOMS_KNOWN = 50_000

BEYOND = 1 << 62


class BesideFile(Protocol):
    """The events that the file may lack.

    `unwritten.Unwritten` and `newer_than_file.Fresh` implement it, and `FiledHistory` asks it.
    """

    def append(self, event: RoomEvent, taken: int) -> None:
        """Put an event after all others; `taken` is its `ring.cost`."""

    def of(self, room: str | None) -> list[RoomEvent]:
        """Return the events of a room, or of all, oldest first."""

    def first_number(self, room: str) -> int | None:
        """Return the number from which on the file may lack events of a room.

        ``None``: whatever the ring does not have is in the file.
        """

    def backwards(self, room: str, before: int) -> Iterator[RoomEvent]:
        """Yield the events of a room with numbers below one, the newest first. Runs are cut."""

    def after(self, room: str, number: int, limit: int) -> list[RoomEvent]:
        """Return at most `limit` events of a room with greater numbers, the oldest first."""

    def removed(self, room: str) -> Collection[int]:
        """Return the numbers of a room's texts that may still be in the file, but must not be."""

    def removals(self) -> set[tuple[str, int]]:
        """Return the same of all rooms, as pairs of room and number."""


class FiledHistory:
    """Answers from memory and from a file.

    Args:
        file: the file.
        reader: reads it.
        lasts: the last number of each room, the one that was used last first.
        beside: what the file may lack.
    """

    def __init__(
        self, file: Path, reader: Reader, lasts: dict[str, int], beside: BesideFile
    ) -> None:
        self._file = file
        self._reader = reader
        self._beside = beside
        self._ring = Ring(is_all=False)
        # The last number of each room, the one that was used longest ago first.
        self._lasts = OrderedDict(reversed(lasts.items()))
        self._read_limiter = trio.CapacityLimiter(_READERS)
        self._search_limiter = trio.CapacityLimiter(_SEARCHERS)
        # For each read that is going on: what was removed since it began.
        self._noted: dict[int, set[tuple[str, int]]] = {}

    def append(self, events: Sequence[RoomEvent]) -> None:
        """Keep some events. A `Removed` erases the text that it names. Never a checkpoint."""
        for event in events:
            if type(event) is Removed:
                for removed in self._noted.values():
                    removed.add((event.room, event.of))
            self._beside.append(event, self._ring.append(event))
            self._note_last(event.room, message_runs.last_number(event))

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

        Raises:
            trionet.chat.HistoryError: the file cannot be read.

        Cancellation:
            Always a checkpoint. A thread that hangs in the disk is abandoned.
        """
        await trio.lowlevel.checkpoint()
        with self._reading() as removed:
            # One more shows that there is more.
            most = limit + 1 + len(self._beside.removed(room))
            if after is None:
                beyond = BEYOND if before is None else before
                events = list(islice(self._backwards(room, beyond), most))
                if sum(map(message_runs.count, events)) < most:
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
            page = message_runs.newest(events, limit, most_bytes, hidden)
        else:
            page = message_runs.oldest(events, limit, most_bytes, hidden)
        if not page.events and room not in self._lasts:
            last = await self._read(self._reader.last, room)
            if last is not None:
                self._note_last(room, last)
        return page

    async def since(self, room: str, after: int, most_bytes: int) -> list[RoomEvent]:
        """Return the oldest events after a number, about so many bytes of them; runs are whole.

        Raises:
            trionet.chat.HistoryError: the file cannot be read.

        Cancellation:
            Always a checkpoint. A thread that hangs in the disk is abandoned.
        """
        await trio.lowlevel.checkpoint()
        with self._reading() as removed:
            while True:
                in_file, events = self._in_file(room), list[RoomEvent]()
                if after < in_file:
                    given = room, after, in_file + 1, most_bytes
                    events = await self._read(self._reader.since, *given)
                if not events:
                    after = max(after, in_file)
                    if after < self._in_file(room):
                        # While a thread looked in the file, memory has moved on, and what was in
                        # it then is in the file now.
                        continue
                    events = self._forwards(room, after, _LISTED)
                    events = events[: max(1, message_runs.fitting(events, most_bytes))]
                hidden = {number for key, number in removed if key == room}
                if not hidden or not events:
                    return events
                after = message_runs.last_number(events[-1])
                parts = (one for event in events for one in message_runs.singly(event))
                if left := [one for one in parts if one.number not in hidden]:
                    return left

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
        with self._reading() as removed:
            beside = self._beside.of(query.room)
            given = frozenset(removed)
            page = await self._read(
                search, self._reader, beside, given, wanted, query, limiter=self._search_limiter
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
        with self._reading() as removed:
            if number <= self._in_file(room):
                event = await self._read(self._reader.one, room, number)
            else:
                await trio.lowlevel.checkpoint()
                here = self._forwards(room, number - 1, 1)
                event = message_runs.cut(here[0], number - 1, number + 1) if here else None
        return None if event is None or (room, number) in removed else message_runs.found(event)

    def last(self, room: str) -> int | None:
        """Return the number of a room's last event; ``None``: nothing of it is kept.

        Of a room that nobody has used for long it is known after the first `page`. Never a
        checkpoint.
        """
        return self._lasts.get(room)

    def _forget(self) -> None:
        """Drop from memory what is too old; called before each answer. Here: nothing."""

    @contextmanager
    def _reading(self) -> Iterator[set[tuple[str, int]]]:
        """Forget what is too old, and yield which removed texts may still be read.

        They are pairs of room and number.

        What is removed within the block is noted too: by the time a thread is back with a text, its
        removal can be in the file, and nothing else would know of it.
        """
        self._forget()
        removed = self._beside.removals()
        self._noted[id(removed)] = removed
        try:
            yield removed
        finally:
            del self._noted[id(removed)]

    def _in_file(self, room: str) -> int:
        """Return the number up to which a room's events must be read from the file."""
        floor = self._ring.floor(room)
        first = self._beside.first_number(room)
        if floor is None:
            # Of a room that is not known at all, anything may be in the file.
            floor = self._lasts.get(room, BEYOND - 1)
        return floor if first is None else min(floor, first - 1)

    def _backwards(self, room: str, before: int) -> Iterator[RoomEvent]:
        """Yield a room's events that are not only in the file, the newest first."""
        yield from self._ring.backwards(room, before)
        floor = self._ring.floor(room)
        first = self._beside.first_number(room)
        if first is not None and (floor is None or first <= floor):
            # The ring is too small for all that is not written yet.
            before = before if floor is None else min(before, floor + 1)
            yield from self._beside.backwards(room, before)

    def _forwards(self, room: str, after: int, limit: int) -> list[RoomEvent]:
        """Return `limit` of them after a number, which is in the file or the last in it."""
        floor = self._ring.floor(room)
        if floor is not None and after >= floor:
            return self._ring.between(room, after, BEYOND)
        return self._beside.after(room, after, limit)

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
