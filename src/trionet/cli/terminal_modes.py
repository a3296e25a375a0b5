"""A terminal's modes, restored however the program ends. Otherwise the shell would have no echo.

For example, the line editor turns the echo off. `trionet.cli.running` notes the modes before that,
and restores them at the end, also when a signal ends the program.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

# Ends bracketed paste mode for a line editor that could not do so itself.
_END_OF_PASTE_MODE = b"\x1b[?2004l\r\n"


class TerminalModes:
    """The modes that the terminal at standard input has when this object is made.

    The line editor restores them itself; this is for when it cannot. If standard input is not a
    terminal, nothing is saved and nothing restored.

    Attributes:
        end: what to write to the terminal to end all modes that were begun there.
    """

    def __init__(self) -> None:
        self.end = _END_OF_PASTE_MODE
        self._saved = _modes()

    def restore(self) -> bool:
        """Restore the modes, and return whether they had been changed. Never blocks."""
        if self._saved is None or not is_in_foreground():
            # While this program is in the background, the modes are the shell's own.
            return False
        now = _modes()
        if now is None or now == self._saved:
            return False
        import termios

        with suppress(termios.error):
            termios.tcsetattr(0, termios.TCSANOW, self._saved)
        return True

    def reset(self) -> None:
        """Restore the modes, and end what the line editor had begun. Never blocks."""
        if self.restore():
            # Open it anew, so that the descriptors of other programs do not become non-blocking.
            with suppress(OSError):
                fd = os.open(os.ttyname(0), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
                os.write(fd, self.end)


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
    """Tell whether this program has the terminal now, rather than the shell or another program."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        # It is not the terminal of this session; nobody else changes its modes.
        return True
