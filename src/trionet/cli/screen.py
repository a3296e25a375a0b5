"""The terminal that prompt_toolkit draws on: writing to it, and its size.

The thread of the line editor (`trionet.cli.prompt_thread`) makes one `Screen`, and gives it to
prompt_toolkit in place of ``sys.stdout``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from prompt_toolkit.data_structures import Size

from trionet.program.descriptors import write_all

# How many characters of one drawing are held back. A longer one is written in pieces: flickering is
# better than copying everything.
_MAX_HELD = 1 << 16


class Screen:
    """The file that prompt_toolkit writes to: the terminal, but not through ``sys.stdout``.

    The interpreter flushes ``sys.stdout`` when it exits, and crashes if a thread is stuck in it.

    Attributes:
        is_muted: whether what is written is thrown away.
    """

    def __init__(self) -> None:
        self.encoding = sys.stdout.encoding
        self.is_muted = False
        self._held: list[str] | None = None

    def write(self, text: str) -> None:
        """Write text to the terminal, now or at the end of a `held` block."""
        if self.is_muted:
            return
        if self._held is not None:
            self._held.append(text)
            if sum(map(len, self._held)) < _MAX_HELD:
                return
            text = "".join(self._held)
            self._held.clear()
        # An error means that the terminal has hung up, and nobody is left to see it.
        with suppress(OSError):
            write_all(1, text.encode(self.encoding, errors="replace"))

    def flush(self) -> None:
        """Do nothing: everything has been written already, or is held until the block ends."""

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold back what the block writes until it ends, so that nothing flickers."""
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
            self.write("".join(held))


def screen_size() -> Size:
    """Return the size of the terminal; 24 rows of 80 columns if it does not know."""
    try:
        size = os.get_terminal_size(1)
    except OSError:
        size = os.terminal_size((0, 0))
    return Size(rows=size.lines or 24, columns=size.columns or 80)
