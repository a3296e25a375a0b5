"""The terminal that the window is on: its modes, and bytes in and out.

It is opened anew, so that it can be non-blocking without the shell and other programs noticing. It
is left as it was found however the window ends, also if it reads nothing any more.
"""

from __future__ import annotations

import os
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import trio

# The alternate screen, no automatic wrapping, pastes in brackets.
_ON = "\x1b[?1049h\x1b[?7l\x1b[?2004h\x1b[2J"
_MOUSE_ON, _MOUSE_OFF = "\x1b[?1000h\x1b[?1006h", "\x1b[?1006l\x1b[?1000l"
# The end of synchronized output comes first: a paint may have been cut off.
OFF = f"\x1b[?2026l{_MOUSE_OFF}\x1b[?2004l\x1b[?7h\x1b[0m\x1b[?25h\x1b[?1049l"

_READ_SIZE = 65_536

# What is written at a time. A terminal that is slow takes little, and a signal comes between.
_WRITE_SIZE = 4096


class Terminal:
    """A terminal, shown as a window while `shown` runs.

    Args:
        fd: a descriptor of it; only its name is used.

    Attributes:
        has_mouse: whether the wheel is the window's.
    """

    def __init__(self, fd: int = 0) -> None:
        self.has_mouse = True
        try:
            self._name = os.ttyname(fd)
        except OSError:
            self._name = "/dev/tty"
        self._fd = -1
        self._saved: list[Any] = []
        self._is_on = False

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Echo nothing while the block runs. What is typed waits for whoever reads next.

        Raises:
            OSError: the terminal cannot be opened, or has hung up.

        Resource handling: the terminal's modes are restored however the block ends.
        """
        with self._opened():
            try:
                saved = termios.tcgetattr(self._fd)
                modes = termios.tcgetattr(self._fd)
                modes[3] &= ~(termios.ECHO | termios.ICANON)
                # Ctrl-C works as ever. Stopped by Ctrl-Z, it would leave the shell without echo.
                modes[6][termios.VSUSP] = b"\0"
                termios.tcsetattr(self._fd, termios.TCSANOW, modes)
            except termios.error as error:
                raise OSError(*error.args) from None
            try:
                yield
            finally:
                with suppress(termios.error):
                    termios.tcsetattr(self._fd, termios.TCSANOW, saved)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the window while the block runs, and then what was there before.

        Raises:
            OSError: the terminal cannot be opened, or has hung up.

        Resource handling: the terminal's modes are restored however the block ends.
        """
        with self._opened():
            try:
                self.enter()
                yield
            finally:
                self.leave()

    @contextmanager
    def _opened(self) -> Iterator[None]:
        flags = os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            self._fd = os.open(self._name, flags)
        except (PermissionError, FileNotFoundError):
            # After `su` it is another user's, and in a container it may have no name.
            self._fd = os.open("/dev/tty", flags)
        try:
            yield
        finally:
            os.close(self._fd)

    def enter(self) -> None:
        """Take the terminal. Never blocks."""
        try:
            if not self._is_on:
                self._saved = termios.tcgetattr(self._fd)
            self._is_on = True
            tty.setraw(self._fd, termios.TCSANOW)
        except termios.error as error:
            raise OSError(*error.args) from None
        self._write_now(_ON + (_MOUSE_ON if self.has_mouse else ""))

    def leave(self) -> None:
        """Give the terminal back as it was. Never blocks."""
        if not self._is_on:
            return
        self._is_on = False
        with suppress(termios.error):
            # What waits there is for a screen that goes away. A terminal that reads nothing would
            # keep what follows out, and so stay broken.
            termios.tcflush(self._fd, termios.TCOFLUSH)
        self._write_now(OFF)
        with suppress(termios.error):
            # Keys that the window has not read are not for the shell.
            termios.tcflush(self._fd, termios.TCIFLUSH)
            termios.tcsetattr(self._fd, termios.TCSANOW, self._saved)

    def take_mouse(self, on: bool) -> str:
        """Return what takes the wheel, or gives it back to the terminal."""
        self.has_mouse = on
        return _MOUSE_ON if on else _MOUSE_OFF

    def bare(self, text: str) -> str:
        """Return what shows a text that the terminal itself breaks, and selects as it is."""
        return f"{_MOUSE_OFF}\x1b[?7h\x1b[0m\x1b[2J\x1b[H{text}"

    def not_bare(self) -> str:
        """Return what ends the bare view."""
        return f"\x1b[?7l{_MOUSE_ON if self.has_mouse else ''}"

    def size(self) -> tuple[int, int]:
        """Return its columns and rows; 80 and 24 if it does not know."""
        try:
            size = os.get_terminal_size(self._fd)
        except OSError:
            size = os.terminal_size((0, 0))
        return size.columns or 80, size.lines or 24

    async def write(self, text: str) -> None:
        """Write a text. A checkpoint if the terminal takes no more at the moment.

        Raises:
            OSError: the terminal has hung up.

        Cancellation: a part may have been written; `leave` makes good for it.
        """
        data = memoryview(text.encode("utf-8", "replace"))
        while data:
            try:
                data = data[os.write(self._fd, data[:_WRITE_SIZE]) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._fd)

    async def read(self) -> bytes:
        """Return what was typed; nothing if the terminal has hung up. Always a checkpoint.

        Cancellation: loses nothing.
        """
        while True:
            await trio.lowlevel.wait_readable(self._fd)
            try:
                return os.read(self._fd, _READ_SIZE)
            except BlockingIOError:
                continue
            except OSError:
                return b""

    def _write_now(self, text: str) -> None:
        # What it does not take at once is lost: nothing may wait here.
        with suppress(OSError):
            os.write(self._fd, text.encode())
