"""Lines from the standard input: a pipe, a file, or a terminal without an editor."""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from typing import Self

import trio

from trionet.cli.byte_order_mark import without_byte_order_mark
from trionet.cli.pasting import mark_paste
from trionet.errors import BadLine
from trionet.lines import MAX_LINE, Line, LineDecoder
from trionet.program.console import Console

_READ_SIZE = 65536

# A terminal hands out one line at a time, even of a paste. Lines that follow each other faster than
# this are a paste: nobody types so fast, and nobody notices so short a wait.
_QUIET_SECONDS = 0.02

# Lines of one paste. What follows is a paste of its own.
_MAX_PASTE = 10_000


class StandardInput:
    """An async iterator over lines, good and bad; a last piece without a newline is a line too.

    A byte order mark at the beginning is not part of the first line. Lines that a terminal has at
    once are marked as a paste.

    Args:
        console: where questions are asked.
        fd: the file descriptor to read.
    """

    def __init__(self, console: Console, fd: int = 0) -> None:
        self._console = console
        self._fd = fd
        # A line may be as long as a server takes. But however long one gets, reading goes on: this
        # is the user's own input.
        self._decoder = LineDecoder(max_line=MAX_LINE, max_unending=1 << 62)
        self._lines: deque[Line] = deque()
        self._is_terminal = os.isatty(fd)
        # The lines so far of a paste that may go on.
        self._arrived: list[Line] = []
        self._is_at_start = True
        self._at_end = False

    async def ask(self, question: str) -> str | None:
        """Ask for a line; ``None``: the input has ended.

        Raises:
            BadLine: the line cannot be read; the caller may ask again.

        Cancellation: the line of the question is ended.
        """
        self._console.write(question)
        try:
            async for line in self:
                if isinstance(line, BadLine):
                    raise line
                return line
        except trio.Cancelled:
            # What is printed next begins a line of its own.
            self._console.write("\n")
            raise
        return None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Line:
        while not self._lines:
            if self._arrived and not await self._goes_on():
                self._lines.extend(mark_paste(self._arrived))
                self._arrived = []
                break
            if self._at_end:
                raise StopAsyncIteration
            data = await self._read()
            self._at_end = not data
            lines = self._decoder.feed(data) if data else self._decoder.finish()
            if self._is_at_start and lines:
                self._is_at_start = False
                lines[0] = without_byte_order_mark(lines[0])
            (self._arrived if self._is_terminal else self._lines).extend(lines)
        return self._lines.popleft()

    async def _goes_on(self) -> bool:
        """Wait until a terminal has another line, and return whether it is of the same paste."""
        if self._at_end or len(self._arrived) >= _MAX_PASTE:
            return False
        with trio.move_on_after(_QUIET_SECONDS) as waits, suppress(OSError):
            await trio.lowlevel.wait_readable(self._fd)
        return not waits.cancelled_caught

    async def _read(self) -> bytes:
        while True:
            try:
                await trio.lowlevel.wait_readable(self._fd)
            except PermissionError:
                # epoll refuses regular files; reading them never blocks for long.
                return await trio.to_thread.run_sync(self._read_now, abandon_on_cancel=True)
            except OSError:
                return b""
            try:
                return self._read_now()
            except BlockingIOError:
                # Another program shares it, has made it non-blocking, and was faster.
                continue

    def _read_now(self) -> bytes:
        try:
            return os.read(self._fd, _READ_SIZE)
        except BlockingIOError:
            raise
        except OSError:
            # The terminal has hung up, or there is no standard input at all.
            return b""
