"""Output that never blocks the program, even when it stands still (Ctrl-S, a full pipe).

The plan of this file:

- What is printed waits in memory, bounded in bytes. Beyond the bound the oldest lines go, and their
  number is printed in their place.
- One task writes it, a batch at a time, in a thread: nothing tells beforehand whether a write to a
  terminal or a file will block.
- An output that nobody reads any more is given up, and so is one that fails for good. A full device
  is tried again, and a line that the failure tore is ended first.
"""

from __future__ import annotations

import errno
import os
import select
import stat
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import trio

from trionet.program.descriptors import write_some

# How many bytes may wait for an output that stands still: several thousand screens, and less than
# the interpreter itself needs.
_MAX_WAITING = 4 << 20

# How many bytes may wait before `wait_room` waits.
_ROOM = 1 << 20

# What a waiting text costs in addition to its bytes: the object and its place in the queue.
_TEXT_COST = 56

# How many bytes the kernel gets at a time: what a pipe holds. More would only be held twice.
_BATCH = 65536

# Whoever prints this many bytes at a time prints a lot and is likely to go on, so there is a pause
# before the next write. Each write takes a thread, and without the pause a busy calculator needed
# one for every 100 lines, which cost a third of its rate. Whoever prints a line and waits for an
# answer never meets a pause.
_MANY = 1024
_PAUSE_SECONDS = 0.005

# How much time the last lines have at the end of the program.
_GOODBYE_SECONDS = 1.0

# How often to check an output that cannot be waited for; see `wait_reader_gone`.
_LOOK_SECONDS = 1.0

# Errors that pass: a full device may have room again.
_PASSING = (errno.ENOSPC, errno.EDQUOT)


class Console:
    """One output of the program; made by `open_console`.

    Attributes:
        failure: why something could not be written; ``None`` if all went well or only the reader
            has gone.
        ended: is set when the output has failed, or nobody reads it any more.
        tell_dropped: returns the line, without its newline, that stands in place of a number of
            lines that were dropped.
    """

    def __init__(self, fd: int, *, on_failure: Callable[[OSError], object] | None = None) -> None:
        self.failure: OSError | None = None
        self.ended = trio.Event()
        self.tell_dropped: Callable[[int], str] = "… {} lines are not shown …".format
        self._fd = fd
        self._on_failure = on_failure
        self._texts: deque[bytes] = deque()
        # The bytes that wait or are being written, with the cost of each text.
        self._waiting = 0
        self._dropped = 0
        self._is_closed = False
        # How much of the current batch has been written, and whether a failure tore a line.
        self._written_of_batch = 0
        self._is_torn = False
        self._put = trio.Event()
        self._written = trio.Event()
        self._written.set()
        self._room = trio.lowlevel.ParkingLot()

    @property
    def waiting(self) -> int:
        """Bytes that wait or are being written, with what it costs to keep them."""
        return self._waiting

    def print(self, line: str) -> None:
        """Print a line as soon as the output takes it. Never a checkpoint, never blocks.

        When too many bytes wait, the oldest lines are dropped, and their number is printed in their
        place. If the output has been closed, nothing is printed, which is not an error.
        """
        self.write(line + "\n")

    def write(self, text: str) -> None:
        """Print a text that need not be a line, such as a prompt. Otherwise like `print`."""
        if self._is_closed:
            return
        # Arguments by keyword would take 25 ns longer, for each line.
        data = text.encode("utf-8", "replace")
        if not self._texts:
            # Otherwise it has been noted already that something waits.
            if self._written.is_set():
                self._written = trio.Event()
            self._put.set()
        self._texts.append(data)
        self._waiting += len(data) + _TEXT_COST
        while self._waiting > _MAX_WAITING and len(self._texts) > 1:
            self._waiting -= len(self._texts.popleft()) + _TEXT_COST
            self._dropped += 1

    async def run(self) -> None:
        """Write what has been printed, until cancelled.

        Cancellation: what is not written by then is lost.
        """
        while True:
            await self._put.wait()
            self._put = trio.Event()
            while self._texts:
                size = await self._write_batch()
                if not self._texts:
                    self._written.set()
                # If a full batch was waiting, so may the next one.
                if _MANY <= size < _BATCH:
                    await trio.sleep(_PAUSE_SECONDS)

    async def _write_batch(self) -> int:
        """Write as much as the kernel gets at a time, and return how many bytes that was."""
        told = f"{self.tell_dropped(self._dropped)}\n" if self._dropped else ""
        dropped, self._dropped = self._dropped, 0
        batch = [b"\n" * self._is_torn + told.encode()]
        size = 0
        while self._texts and size < _BATCH:
            text = self._texts.popleft()
            batch.append(text)
            size += len(text)
        lines = len(batch) - 1
        cost = size + lines * _TEXT_COST
        data = b"".join(batch)
        del batch
        try:
            # In a thread, because nothing says beforehand whether a write will block. A write
            # that does is abandoned when the program ends, and what it had not written is lost.
            await trio.to_thread.run_sync(self._write_now, data, abandon_on_cancel=True)
        except OSError as error:
            self._fail(error)
            if not self._is_closed:
                written = data[: self._written_of_batch]
                self._is_torn = not written.endswith(b"\n") if written else self._is_torn
                self._dropped += dropped + lines - written.count(b"\n")
        else:
            self._is_torn = False
        self._waiting = 0 if self._is_closed else self._waiting - cost
        if self._waiting < _ROOM:
            self._room.unpark_all()
        return size

    def _write_now(self, data: bytes) -> None:
        self._written_of_batch = 0
        rest = memoryview(data)
        while rest:
            written = write_some(self._fd, rest)
            self._written_of_batch += written
            rest = rest[written:]

    def _fail(self, error: OSError) -> None:
        self._is_closed = error.errno not in _PASSING
        if self._is_closed:
            self._texts.clear()
        self.ended.set()
        if error.errno != errno.EPIPE and self.failure is None:
            self.failure = error
            if self._on_failure is not None:
                self._on_failure(error)

    async def wait_room(self) -> None:
        """Wait until less than 1 MiB waits, so that no line is dropped. Always a checkpoint.

        Cancellation: loses nothing.
        """
        await trio.lowlevel.checkpoint()
        while self._waiting >= _ROOM:
            await self._room.park()

    async def flush(self) -> None:
        """Wait until everything is written, or the output is given up.

        Always a checkpoint.

        Cancellation: loses nothing.
        """
        await self._written.wait()

    async def wait_ended(self) -> None:
        """Wait until the output has failed, or nobody reads it any more. Always a checkpoint.

        Cancellation: loses nothing.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_reader)
            await self.ended.wait()
            nursery.cancel_scope.cancel()

    async def _watch_reader(self) -> None:
        await wait_reader_gone(self._fd)
        self.ended.set()


async def wait_reader_gone(fd: int) -> None:
    """Wait until nobody reads a pipe or a socket any more; with any other output, for ever.

    Always a checkpoint, except where nobody reads it already.

    Args:
        fd: the writing end.

    Cancellation: loses nothing.
    """
    if not _can_tell_its_reader(fd):
        await trio.sleep_forever()
    while not is_reader_gone(fd):
        # The writing end of a pipe never becomes readable, but epoll reports its errors. A socket,
        # or a pipe opened for reading too, can be readable all the same. It is checked again later,
        # because otherwise this would spin.
        with suppress(OSError):
            await trio.lowlevel.wait_readable(fd)
        if not is_reader_gone(fd):
            await trio.sleep(_LOOK_SECONDS)


def is_reader_gone(fd: int) -> bool:
    """Tell whether a descriptor is a pipe or a socket that nobody reads any more."""
    if not _can_tell_its_reader(fd):
        return False
    poll = select.poll()
    # `poll` reports errors and hang-ups without being asked.
    poll.register(fd, 0)
    return bool(poll.poll(0))


def _can_tell_its_reader(fd: int) -> bool:
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)) and hasattr(select, "poll")


@asynccontextmanager
async def open_console(
    fd: int, *, on_failure: Callable[[OSError], object] | None = None
) -> AsyncIterator[Console]:
    """Print to a file descriptor for as long as the block runs.

    Args:
        fd: 1 for standard output, 2 for standard error.
        on_failure: is called once when something cannot be written, for example to a full device;
            not when the reader has gone.

    Cancellation: ends the block; what is waiting is written all the same, as at its end.

    Resource handling: at the end, what is waiting is written within one second, or lost. The file
    descriptor stays open.
    """
    console = Console(fd, on_failure=on_failure)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(console.run)
        try:
            yield console
        finally:
            with trio.move_on_after(_GOODBYE_SECONDS) as goodbye:
                goodbye.shield = True
                await console.flush()
            nursery.cancel_scope.cancel()
