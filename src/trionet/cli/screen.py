"""The terminal that prompt_toolkit draws on: writing to it, its size, and what a resize does.

The thread of the line editor (`trionet.cli.prompt_thread`) makes one `Screen`, and gives it to
prompt_toolkit in place of ``sys.stdout``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from prompt_toolkit.data_structures import Point, Size
from prompt_toolkit.layout.screen import Char
from prompt_toolkit.layout.screen import Screen as Drawn

from trionet.program.descriptors import write_all

# How many characters of one drawing are held back. More is written in pieces: a flicker is better
# than a copy of everything.
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


def rows_added(rows: list[list[int]], under: int, columns: int, column: int | None) -> int:
    """Return how many rows higher a prompt begins, now that its terminal has become narrower.

    Args:
        rows: the rows as they were drawn, down to the cursor: the width of each character.
        under: the width of the character under the cursor.
        columns: how many columns the terminal has now.
        column: the cursor's column now, from 0; ``None`` if the terminal does not say.
    """
    own, end = _broken(rows[-1], columns)
    if column == 0 and end + under > columns:
        # The cursor stands where the next character begins, and not behind the last column.
        own += 1
    elif column != min(end, columns - 1):
        # The terminal cuts rows, or is too simple to do anything else.
        return 0
    return own + sum(_broken(row, columns)[0] for row in rows[:-1])


def _broken(row: list[int], columns: int) -> tuple[int, int]:
    """Return how many more rows a row takes on a narrower terminal, and how wide the last is.

    No terminal breaks a wide character: where it does not fit, a column stays free.
    """
    more = width = 0
    for character in row:
        if width + character > columns:
            more, width = more + 1, 0
        width += character
    return more, width


def rows_to_cursor(drawn: Drawn, cursor: Point) -> tuple[list[list[int]], int]:
    """Return the widths of the characters down to the cursor, and of the one under it.

    Args:
        drawn: what prompt_toolkit drew.
        cursor: where it drew the cursor.
    """
    own = drawn.data_buffer[cursor.y]
    rows = [cell_widths(drawn.data_buffer[y]) for y in range(cursor.y)]
    return [*rows, cell_widths(own, cursor.x)], max(own[cursor.x].width, 1)


def cell_widths(row: dict[int, Char], end: int | None = None) -> list[int]:
    """Return the width of each character in a row of the screen.

    Args:
        row: the row as prompt_toolkit drew it.
        end: the column to stop at; default: behind the last character that is not a space.
    """
    if end is None:
        end = max((x + 1 for x, cell in row.items() if cell.char != " "), default=0)
    widths: list[int] = []
    x = 0
    while x < end:
        # Under the second half of a wide character there is none.
        widths.append(max(row[x].width, 1))
        x += widths[-1]
    return widths
