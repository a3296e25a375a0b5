"""The window's terminal: its modes, and bytes in and out.

It is opened again, so that it can be non-blocking without affecting the shell and other programs.
However the window ends, the terminal is restored, even if it no longer reads anything.
"""

from __future__ import annotations

import os
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import trio

# The alternate screen, no automatic wrapping, bracketed paste.
_ON = "\x1b[?1049h\x1b[?7l\x1b[?2004h\x1b[2J"
_MOUSE_ON, _MOUSE_OFF = "\x1b[?1000h\x1b[?1006h", "\x1b[?1006l\x1b[?1000l"
# Ends synchronized output first, because a paint may have been cut off.
OFF = f"\x1b[?2026l{_MOUSE_OFF}\x1b[?2004l\x1b[?7h\x1b[0m\x1b[?25h\x1b[?1049l"

_READ_SIZE = 65_536

# How many bytes are written at a time. Between writes to a slow terminal, signals are handled.
_WRITE_SIZE = 4096


class Terminal:
    """A terminal, shown as a window while `shown` runs.

    Args:
        fd: an open descriptor of the terminal, which only tells its name.

    Attributes:
        has_mouse: whether the window takes the mouse.
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
        """Echo nothing while the block runs. What is typed waits for the next reader.

        Raises:
            OSError: the terminal cannot be opened, or has hung up.

        Resource handling: the terminal's modes are restored however the block ends.
        """
        with self._opened():
            try:
                saved = termios.tcgetattr(self._fd)
                modes = termios.tcgetattr(self._fd)
                modes[3] &= ~(termios.ECHO | termios.ICANON)
                # Ctrl-C still works. Ctrl-Z must not: it would leave the shell without echo.
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
        """Show the window while the block runs, then restore what was there before.

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
            # After `su` it belongs to another user, and in a container its name may not exist.
            self._fd = os.open("/dev/tty", flags)
        try:
            yield
        finally:
            os.close(self._fd)

    def enter(self) -> None:
        """Take the terminal over. Never blocks."""
        try:
            if not self._is_on:
                self._saved = termios.tcgetattr(self._fd)
            self._is_on = True
            tty.setraw(self._fd, termios.TCSANOW)
        except termios.error as error:
            raise OSError(*error.args) from None
        self._write_now(_ON + (_MOUSE_ON if self.has_mouse else ""))

    def leave(self) -> None:
        """Restore the terminal. Never blocks."""
        if not self._is_on:
            return
        self._is_on = False
        with suppress(termios.error):
            # Drop unwritten output, which is for a screen that goes away. If the terminal reads
            # nothing, there would be no room for what restores it.
            termios.tcflush(self._fd, termios.TCOFLUSH)
        self._write_now(OFF)
        with suppress(termios.error):
            # Drop unread keys: they are not meant for the shell.
            termios.tcflush(self._fd, termios.TCIFLUSH)
            termios.tcsetattr(self._fd, termios.TCSANOW, self._saved)

    def take_mouse(self, on: bool) -> str:
        """Return what takes the mouse, or gives it back to the terminal."""
        self.has_mouse = on
        return _MOUSE_ON if on else _MOUSE_OFF

    def bare(self, text: str) -> str:
        """Return what shows a text that the terminal itself wraps, and so selects whole."""
        return f"{_MOUSE_OFF}\x1b[?7h\x1b[0m\x1b[2J\x1b[H{text}"

    def not_bare(self) -> str:
        """Return what ends the bare view."""
        return f"\x1b[?7l{_MOUSE_ON if self.has_mouse else ''}"

    def size(self) -> tuple[int, int]:
        """Return its columns and rows; 80 and 24 if they are unknown."""
        try:
            size = os.get_terminal_size(self._fd)
        except OSError:
            size = os.terminal_size((0, 0))
        return size.columns or 80, size.lines or 24

    async def write(self, text: str) -> None:
        """Write a text. A checkpoint only if the terminal has no room for it.

        Raises:
            OSError: the terminal has hung up.

        Cancellation: a part may have been written; `leave` copes with that.
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
        # Nothing may wait here, so what the terminal does not take at once is lost.
        with suppress(OSError):
            os.write(self._fd, text.encode())
