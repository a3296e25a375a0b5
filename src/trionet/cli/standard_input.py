"""Lines from the standard input: a pipe, a file, or a terminal without an editor."""

from __future__ import annotations

import os
from collections import deque
from typing import Self

import trio

from trionet.cli.byte_order_mark import without_byte_order_mark
from trionet.errors import BadLine
from trionet.lines import MAX_LINE, Line, LineDecoder
from trionet.program.console import Console

_READ_SIZE = 65536


class StandardInput:
    """An async iterator over lines, good and bad; a last piece without a newline is a line too.

    A byte order mark at the beginning is not part of the first line.

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
        self._is_at_start = True
        self._at_end = False

    async def ask(self, question: str) -> str | None:
        """Ask for a line; ``None``: the input has ended.

        Raises:
            BadLine: the line cannot be read; the caller may ask again.
        """
        self._console.write(question)
        async for line in self:
            if isinstance(line, BadLine):
                raise line
            return line
        return None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Line:
        while not self._lines:
            if self._at_end:
                raise StopAsyncIteration
            data = await self._read()
            self._at_end = not data
            lines = self._decoder.feed(data) if data else self._decoder.finish()
            if self._is_at_start and lines:
                self._is_at_start = False
                lines[0] = without_byte_order_mark(lines[0])
            self._lines.extend(lines)
        return self._lines.popleft()

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
