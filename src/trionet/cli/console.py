"""Output that may stand still (Ctrl-S, a full pipe) without its program standing still with it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from trionet.cli.descriptors import write_all

# Lines that may wait for an output that stands still: some 10 MB of what a console shows.
_MAX_WAITING = 100_000

# Lines that may wait before those who can wait for room do so.
_ROOM = 4096

# How long the last lines have at the end of the program.
_GOODBYE_SECONDS = 1.0


class Console:
    """One output of the program; `open_console` makes it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._closed = False
        self._put = trio.Event()
        self._written = trio.Event()
        self._written.set()
        self._room = trio.lowlevel.ParkingLot()

    def print(self, line: str) -> None:
        """Print a line as soon as the output takes it. Never a checkpoint, never blocks.

        When too many wait, the oldest is dropped, and their number is printed in their place.
        When the output was closed, nothing is printed: that is no error.
        """
        self.write(line + "\n")

    def write(self, text: str) -> None:
        """Print a text that need not be a line, such as a prompt; otherwise as `print`."""
        if self._closed:
            return
        if len(self._lines) >= _MAX_WAITING:
            self._lines.popleft()
            self._dropped += 1
        self._lines.append(text)
        self._written = trio.Event() if self._written.is_set() else self._written
        self._put.set()

    async def run(self) -> None:
        """Write what is printed, until cancelled."""
        while True:
            await self._put.wait()
            self._put = trio.Event()
            told = f"… {self._dropped} lines are not shown …\n" if self._dropped else ""
            data = (told + "".join(self._lines)).encode(errors="replace")
            self._dropped = 0
            self._lines.clear()
            self._room.unpark_all()
            try:
                # In a thread, because nothing tells beforehand whether a write will block. One
                # that does is abandoned when the program ends; what it had is lost then.
                await trio.to_thread.run_sync(write_all, self._fd, data, abandon_on_cancel=True)
            except OSError:
                self._closed = True
                self._lines.clear()
            if not self._lines:
                self._written.set()

    async def wait_room(self) -> None:
        """Wait until few lines wait: so whoever can wait has none dropped. Always a checkpoint."""
        await trio.lowlevel.checkpoint()
        while len(self._lines) >= _ROOM:
            await self._room.park()

    async def flush(self) -> None:
        """Wait until all is written."""
        await self._written.wait()


@asynccontextmanager
async def open_console(fd: int) -> AsyncIterator[Console]:
    """Print to a file descriptor for as long as the block runs.

    Args:
        fd: 1 for the standard output, 2 for the standard error.

    Resource handling: at the end, what waits is written within one second, or lost. The file
    descriptor stays open.
    """
    console = Console(fd)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(console.run)
        try:
            yield console
        finally:
            with trio.move_on_after(_GOODBYE_SECONDS) as goodbye:
                goodbye.shield = True
                await console.flush()
            nursery.cancel_scope.cancel()
