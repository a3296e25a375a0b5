"""A history in a file that another process writes: what workers read of the first one's.

Each worker hears all events itself. So the newest of each room come from memory, as those of
`base_file_history.FiledHistory` do, and everything before them from the file. What the writer has
not written yet is in memory too: it is at most some seconds behind, and a ring holds far more.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from trionet.chat.history.base_file_history import BEYOND, ROOMS_KNOWN, FiledHistory
from trionet.chat.history.history import DAY, Backlog
from trionet.chat.history.newer_than_file import Fresh
from trionet.chat.history.reading import Reader
from trionet.chat.state.events import RoomEvent


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


class FollowedHistory(FiledHistory):
    """What was said, in a file of another process. `follow_history` makes it."""

    must_wait = False

    def __init__(
        self,
        file: Path,
        reader: Reader,
        lasts: dict[str, int],
        *,
        days: int | None = None,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._fresh = Fresh()
        super().__init__(file, reader, lasts, self._fresh)
        self._days = days
        self._clock = clock

    def __repr__(self) -> str:
        return f"<trionet.chat.FollowedHistory: {self._file}>"

    def append(self, events: Sequence[RoomEvent]) -> None:
        """Keep some events in memory. A `Removed` hides the text that it names.

        Never a checkpoint.
        """
        super().append(events)
        self._forget()

    def lose(self, room: str, after: int, before: int) -> None:  # noqa: ARG002
        """Note that events never come here. The file may have them. Never a checkpoint."""
        self._ring.forget_before(room, before)
        self._note_last(room, max(before - 1, self._lasts.get(room, 0)))

    def recent(self, room: str, after: int) -> list[RoomEvent] | None:
        """Return all events after a number; ``None``: some are not in memory.

        Never a checkpoint.
        """
        self._forget()
        if after < self._in_file(room):
            return None
        return self._ring.between(room, after, BEYOND)

    def gaps(self, room: str, after: int) -> list[tuple[int, int]]:  # noqa: ARG002
        """Return nothing: what the writer could not write, only the writer knows."""
        return []

    def backlog(self) -> Backlog:
        """Return how much is in memory; nothing waits to be written. Never a checkpoint."""
        return Backlog(memory=self._ring.bytes + self._fresh.bytes)

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
        self._fresh.forget(now)
