"""How many rows of the terminal the line being typed fills.

prompt_toolkit divides the width of a line by that of the terminal. But a character of two columns
does not fit into the last column of a row, which then stays free; and a control character, which
is drawn as two characters, counts as none. So a line got fewer rows than it fills, and its end
could not be seen.
"""

from __future__ import annotations

from functools import lru_cache

from prompt_toolkit.formatted_text import fragment_list_to_text, to_formatted_text
from prompt_toolkit.layout.controls import BufferControl, GetLinePrefixCallable, UIContent
from prompt_toolkit.layout.screen import Char


def count_rows_as_drawn(control: BufferControl) -> None:
    """Have prompt_toolkit give each line in a control as many rows as the line will fill."""
    create = control.create_content

    def create_content(width: int, height: int, preview_search: bool = False) -> UIContent:
        content = create(width, height, preview_search)
        return _Content(
            content.get_line,
            content.line_count,
            content.cursor_position,
            content.menu_position,
            content.show_cursor,
        )

    control.create_content = create_content  # type: ignore[method-assign]


class _Content(UIContent):
    """The lines in a control, each with the rows that it fills."""

    def get_height_for_line(
        self,
        lineno: int,
        width: int,
        get_line_prefix: GetLinePrefixCallable | None,
        slice_stop: int | None = None,
    ) -> int:
        """Return how many rows a line fills, or its part up to the cursor and with it."""
        key = lineno, width, slice_stop
        if key not in self._line_heights_cache:
            text = fragment_list_to_text(self.get_line(lineno))
            end = None if slice_stop is None else slice_stop + 1
            self._line_heights_cache[key] = _rows(text[:end], lineno, width, get_line_prefix)
        return self._line_heights_cache[key]


def _rows(text: str, lineno: int, width: int, get_line_prefix: GetLinePrefixCallable | None) -> int:
    """Count rows in the way in which prompt_toolkit draws them (``Window._copy_body``)."""

    def prefix(wraps: int) -> str:
        if get_line_prefix is None:
            return ""
        return fragment_list_to_text(to_formatted_text(get_line_prefix(lineno, wraps)))

    wraps = 0
    rows, column = _place(prefix(0), 1, 0, width)
    for character in text:
        rows_before = rows
        rows, column = _place(character, rows, column, width)
        if rows > rows_before:
            wraps += 1
            rows, column = _place(prefix(wraps), rows, 0, width)
            column += drawn_width(character)
    return rows


def _place(text: str, rows: int, column: int, width: int) -> tuple[int, int]:
    """Put text into the last of some rows, and return how many there are then, and its end."""
    for character in text:
        own = drawn_width(character)
        if column + own > width:
            rows, column = rows + 1, 0
        column += own
    return rows, column


@lru_cache(maxsize=4096)
def drawn_width(character: str) -> int:
    """Return how many columns prompt_toolkit draws a character in; a control character in two."""
    return Char(character).width
