"""Which rows and columns of the terminal the line being typed fills.

prompt_toolkit divides the width of a line by that of the terminal. But a character of two columns
does not fit into the last column of a row, which then stays free; and a control character, which
is drawn as two characters, counts as none. So a line got fewer rows than it fills, and its end
could not be seen.

It also adds up the widths of the parts of an emoji sequence, such as a family. Terminals that know
the sequence draw one emoji of two columns instead, and then the cursor is not where prompt_toolkit
takes it to be: edits appeared in the wrong place. So the line is shown with the parts separate. It
is sent as it was typed.
"""

from __future__ import annotations

import re
from functools import lru_cache

from prompt_toolkit.formatted_text import (
    StyleAndTextTuples,
    fragment_list_to_text,
    to_formatted_text,
)
from prompt_toolkit.layout.controls import BufferControl, GetLinePrefixCallable, UIContent
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.screen import Char

# A joiner next to a picture, or the selector after it that asks for colour. In Indic scripts
# joiners are part of the spelling, and stay.
_PICTURE = "[\u2190-\u2bff\U0001f000-\U0001ffff\ufe0f]"
_JOINS = re.compile(f"(?<={_PICTURE})[\u200d\ufe0f]|\u200d(?={_PICTURE})")

# No terminal gives it a column, or joins its neighbours.
_ZWNJ = "\u200c"

# The letters that make a flag become wide letters, and skin tones become a square. Each is two
# columns wide by itself.
_ALONE = {0x1F1E6 + at: chr(0xFF21 + at) for at in range(26)}
_ALONE |= dict.fromkeys(range(0x1F3FB, 0x1F400), "\U0001f7eb")


def parts_of_emoji(text: str) -> str:
    """Return a text of the same length in which emoji sequences are in parts of known widths."""
    return _JOINS.sub(_ZWNJ, text).translate(_ALONE)


class EmojiInParts(Processor):
    """Shows the parts of an emoji sequence, as every terminal draws them in the same columns."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """Return what is shown instead of the fragments of a line."""
        fragments = transformation_input.fragments
        shown = parts_of_emoji("".join(text for _, text, *_ in fragments))
        at = 0
        changed: StyleAndTextTuples = []
        for style, text, *_ in fragments:
            changed.append((style, shown[at : at + len(text)]))
            at += len(text)
        return Transformation(changed)


def count_rows_as_drawn(control: BufferControl) -> None:
    """Make prompt_toolkit give each line in a control as many rows as the line fills."""
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
        """Return how many rows a line fills, or its part up to and including the cursor."""
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
