"""A pseudo-terminal whose other end is a terminal in memory."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import select
import struct
import termios
from collections.abc import Callable
from typing import Any

import trio

from emulator import Emulator


class PseudoTerminal:
    """Two ends: `program` is the program's, and this object is the terminal and the person.

    Attributes:
        program: the file descriptor that the program gets.
        written: all that the program has written.
    """

    def __init__(self, columns: int = 80, height: int = 24) -> None:
        self._own, self.program = pty.openpty()
        os.set_blocking(self._own, False)
        self.emulator = Emulator(columns, height)
        self.written = ""
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self.resize(columns, height)

    def resize(self, columns: int, height: int) -> None:
        """Have another size. The program gets no signal unless this is its own terminal."""
        size = struct.pack("HHHH", height, columns, 0, 0)
        fcntl.ioctl(self._own, termios.TIOCSWINSZ, size)
        self.emulator.screen.resize(height, columns)

    def modes(self) -> list[Any]:
        """Return the terminal's modes."""
        return termios.tcgetattr(self._own)

    def type(self, text: str) -> None:
        """Type keys."""
        os.write(self._own, text.encode())

    async def until(self, is_shown: Callable[[list[str]], bool]) -> list[str]:
        """Read what the program writes until the rows are as expected, and return them."""
        while not is_shown(self.emulator.rows()):
            await trio.lowlevel.wait_readable(self._own)
            self.read()
        return self.emulator.rows()

    async def until_shown(self, text: str) -> list[str]:
        """Read until some row has a text."""
        return await self.until(lambda rows: any(text in row for row in rows))

    def read(self) -> None:
        """Read what the program has written up to now."""
        while True:
            try:
                data = os.read(self._own, 65_536)
            except (BlockingIOError, OSError):
                return
            if not data:
                return
            text = self._decode(data)
            self.written += text
            self.emulator.feed(text)

    @property
    def is_hung_up(self) -> bool:
        """Whether the terminal's end is closed."""
        return self._own < 0

    def takes_more(self) -> bool:
        """Tell whether a program can write: not while nobody reads and it is full."""
        return bool(select.select([], [self.program], [], 0)[1])

    def hang_up(self) -> None:
        """Close the terminal's end."""
        os.close(self._own)
        self._own = -1

    def close(self) -> None:
        """Close both ends."""
        for fd in (self._own, self.program):
            if fd >= 0:
                os.close(fd)
