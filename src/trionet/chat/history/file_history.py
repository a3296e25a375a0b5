"""A history in a file: `--history FILE`.

One task writes (`writing.py`). What is not in the file yet stays in memory (`unwritten.py`).
`base_file_history.py` answers from both.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from math import inf
from pathlib import Path

import trio

from trionet.chat.history import message_runs
from trionet.chat.history.base_file_history import BEYOND, ROOMS_KNOWN, FiledHistory
from trionet.chat.history.history import Backlog
from trionet.chat.history.reading import Reader
from trionet.chat.history.store import Store
from trionet.chat.history.unwritten import Unwritten
from trionet.chat.history.writing import Writer
from trionet.chat.state.events import RoomEvent
from trionet.chat.state.operations import Restore


@asynccontextmanager
async def open_history(
    file: Path,
    *,
    days: int | None = None,
    stop_within: float = 5.0,
    stop_by: Callable[[], float] = lambda: inf,
    tell: Callable[[str], object] = lambda _: None,
    clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> AsyncIterator[FileHistory]:
    """Keep a history in a file while the block runs.

    Args:
        file: the file; it is made if it does not exist.
        days: for how many days events are kept; ``None``: for ever.
        stop_within: how many seconds the end may take to write what is left.
        stop_by: called at the end, returns until when it may take, on the Trio clock, if that is
            sooner; default: it never is.
        tell: called with one line when the disk begins to fail, and when it works again.
        clock: returns the time, in milliseconds since 1970, UTC.

    Yields:
        The history. `FileHistory.restored` is what the chat begins with.

    Raises:
        trionet.chat.HistoryError: the file cannot be used. It was not changed.

    Cancellation:
        Opening is not shielded. The end writes what is left, under a shield, for `stop_within`
        seconds at most, and not beyond `stop_by`.

    Resource handling:
        The file is closed at the end. If a thread hangs in the disk by then, it is abandoned, the
        file is closed when that thread is done, and the next start counts this end as unclean.
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
            until = min(trio.current_time() + stop_within, stop_by())
            await history._writer.finish(until, history._close)  # noqa: SLF001


def _open(file: Path) -> tuple[Store, Reader, dict[str, int]]:
    store = Store(file)
    try:
        return store, Reader(file), store.last_numbers(ROOMS_KNOWN)
    except BaseException:
        store.close()
        raise


class FileHistory(FiledHistory):
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
        self._unwritten = Unwritten()
        super().__init__(file, reader, lasts, self._unwritten)
        self._store = store
        self._writer = Writer(
            file,
            store,
            self._unwritten,
            days=days,
            forget=self._ring.drop_before,
            tell=tell,
            clock=clock,
        )

    def __repr__(self) -> str:
        return f"<trionet.chat.FileHistory: {self._file}, {len(self._unwritten)} unwritten>"

    def append(self, events: Sequence[RoomEvent]) -> None:
        """Keep some events. A `Removed` erases the text that it names. Never a checkpoint."""
        self._writer.expect()
        super().append(events)

    def lose(self, room: str, after: int, before: int) -> None:
        """Note that the events between two numbers never come. Never a checkpoint."""
        self._ring.forget_before(room, before)
        self._unwritten.lose(room, after, before)

    def recent(self, room: str, after: int) -> list[RoomEvent] | None:
        """Return all events after a number; ``None``: some are not in memory.

        Never a checkpoint.
        """
        if after < self._in_file(room):
            return None
        removed = self._unwritten.removed(room)
        events = self._forwards(room, after, BEYOND)
        if not removed:
            return events
        return [
            one for part in events for one in message_runs.singly(part) if one.number not in removed
        ]

    def gaps(self, room: str, after: int) -> list[tuple[int, int]]:
        """Return what was lost after a number, oldest first. Never a checkpoint."""
        return self._unwritten.gaps(room, after)

    def backlog(self) -> Backlog:
        """Return how much waits to be written. Never a checkpoint."""
        return Backlog(
            memory=self._ring.bytes,
            messages=self._unwritten.messages,
            seconds=self._writer.age(),
        )

    @property
    def must_wait(self) -> bool:
        """Whether `wait` may wait: the disk is behind."""
        return self._writer.must_wait

    async def wait(self) -> None:
        """Wait while the disk is behind, but not for one that has failed or stands still.

        Cancellation:
            A checkpoint only if it waits.
        """
        await self._writer.wait()

    def _close(self) -> None:
        self._reader.close()
        self._store.close()
