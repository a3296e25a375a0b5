"""Where a prompt begins after its terminal has changed its width.

Terminals treat a row that is longer than their new width in one of two ways. Most break it into
several rows, so that the prompt now begins higher up; some cut it. The cursor's new position tells
which, so `trionet.cli.prompt_thread` asks the terminal for it before it draws the prompt again.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from prompt_toolkit.data_structures import Point
from prompt_toolkit.layout.screen import Char, Screen
from prompt_toolkit.output import Output

from trionet.cli.key_bindings import LineState

# How long a terminal may take to say where its cursor is: several round trips to the other side of
# the world, or a busy machine: with one second, tests failed on one. One that does not understand
# the question never answers. prompt_toolkit gives the same time.
_ANSWER_SECONDS = 2.0

# How often to ask a terminal whose width keeps changing, because somebody drags its edge. Keys wait
# meanwhile.
_MAX_QUESTIONS = 8


async def rows_higher(app: Any, output: Output, state: LineState) -> int:
    """Return how many rows higher a prompt begins than it was drawn, at the present width.

    Args:
        app: the prompt.
        output: its terminal.
        state: gets the terminal's answers.
    """
    for _ in range(_MAX_QUESTIONS):
        columns = output.get_size().columns
        if columns == state.drawn_columns:
            # Only the height has changed, or the width is back to what it was.
            return 0
        state.asked_column = asyncio.get_running_loop().create_future()
        output.ask_for_cpr()
        output.flush()
        column = None
        with suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER_SECONDS):
                column = await state.asked_column
        if output.get_size().columns == columns:
            break
    drawn = app.renderer.last_rendered_screen
    if drawn is None:
        return 0
    cursor = drawn.get_cursor_position(app.layout.current_window)
    rows, under, blank = rows_to_cursor(drawn, cursor)
    return rows_added(rows, under, columns, column, blank)


def rows_added(
    rows: list[list[int]], under: int, columns: int, column: int | None, blank: int = 0
) -> int:
    """Return how many rows higher a prompt begins, now that its terminal has become narrower.

    Args:
        rows: the rows as they were drawn, down to the cursor: the width of each character.
        under: the width of the character under the cursor.
        columns: how many columns the terminal has now.
        column: the cursor's column now, from 0; ``None`` if the terminal does not say.
        blank: how many columns before the cursor were left blank, after all that was drawn. Some
            terminals move a cursor that stands there to the end of what was drawn.
    """
    above = sum(_broken(row, columns)[0] for row in rows[:-1])
    for own_row in (rows[-1], rows[-1][: len(rows[-1]) - blank]):
        own, end = _broken(own_row, columns)
        if column == 0 and end + under > columns:
            # The cursor stands where the next character begins, and not after the last column.
            return above + own + 1
        # Some terminals count a cursor after the last column as one column further.
        if column is not None and min(column, columns - 1) == min(end, columns - 1):
            return above + own
    # The terminal cuts rows, or is too simple to do anything else.
    return 0


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


def rows_to_cursor(drawn: Screen, cursor: Point) -> tuple[list[list[int]], int, int]:
    """Return what `rows_added` asks for: the rows, the width under the cursor, and the blanks.

    Args:
        drawn: what prompt_toolkit drew.
        cursor: where it drew the cursor.
    """
    own = drawn.data_buffer[cursor.y]
    rows = [cell_widths(drawn.data_buffer[y]) for y in range(cursor.y)]
    blank = max(cursor.x - drawn_width(own), 0)
    return [*rows, cell_widths(own, cursor.x)], max(own[cursor.x].width, 1), blank


def drawn_width(row: dict[int, Char]) -> int:
    """Return how wide a row is: prompt_toolkit does not draw the spaces at its end."""
    return max((x + 1 for x, cell in row.items() if cell.char != " "), default=0)


def cell_widths(row: dict[int, Char], end: int | None = None) -> list[int]:
    """Return the width of each character in a row of the screen.

    Args:
        row: the row as prompt_toolkit drew it.
        end: the column to stop at; default: where what was drawn ends.
    """
    if end is None:
        end = drawn_width(row)
    widths: list[int] = []
    x = 0
    while x < end:
        # There is no character under the second half of a wide one.
        widths.append(max(row[x].width, 1))
        x += widths[-1]
    return widths
