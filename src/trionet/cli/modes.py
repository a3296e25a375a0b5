"""A terminal's modes, put back however the program ends: without them the shell has no echo."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

# What ends the bracketed paste mode of a line editor that could not do so itself.
_END_OF_PASTE_MODE = b"\x1b[?2004l\r\n"


class TerminalModes:
    """The modes of the standard input as they are when this is made; nothing if it is no terminal.

    The line editor puts them back itself; this is for when it cannot.
    """

    def __init__(self) -> None:
        self._saved = _modes()

    def restore(self) -> bool:
        """Put the modes back, and return whether they had been changed. Never blocks."""
        if self._saved is None or not is_in_foreground():
            # In the background the modes are the shell's own.
            return False
        now = _modes()
        if now is None or now == self._saved:
            return False
        import termios

        with suppress(termios.error):
            termios.tcsetattr(0, termios.TCSANOW, self._saved)
        return True

    def reset(self) -> None:
        """Put the modes back, and end what the line editor has begun. Never blocks."""
        if self.restore():
            # A description of its own: others may not like theirs to be non-blocking.
            with suppress(OSError):
                fd = os.open(os.ttyname(0), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
                os.write(fd, _END_OF_PASTE_MODE)


def _modes() -> list[Any] | None:
    try:
        import termios
    except ImportError:
        # Windows has none.
        return None
    try:
        return termios.tcgetattr(0)
    except termios.error:
        return None


def is_in_foreground() -> bool:
    """Tell whether the terminal is this program's now, and not the shell's or another's."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        # No terminal of this session's; nobody else changes its modes.
        return True
