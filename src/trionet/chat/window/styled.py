"""Styled text, and how it is broken into rows.

A style is a word, such as ``time`` or ``name3``. `trionet.cli.window.styles` decides what it looks
like.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias
from zlib import crc32

from trionet.chat.window.widths import cut, grapheme_width, graphemes, text_width

# A style and a text without control characters.
Span: TypeAlias = tuple[str, str]
Row: TypeAlias = list[Span]

# A name has one of this many styles, and the same one in every window.
NAME_STYLES = 8

# A span of this style has no text. It marks the place of the cursor in a row.
CURSOR = "cursor"

_WORDS = re.compile(r" +|[^ ]+")


def name_style(name: str) -> str:
    """Return the style of a member's name."""
    return f"name{crc32(name.encode(errors='replace')) % NAME_STYLES}"


def row_width(row: Sequence[Span]) -> int:
    """Return how many columns a row takes."""
    return sum(text_width(text) for _, text in row)


def row_text(row: Sequence[Span]) -> str:
    """Return the text of a row without its styles."""
    return "".join(text for _, text in row)


def cut_row(row: Sequence[Span], columns: int) -> Row:
    """Return the beginning of a row that fits."""
    kept: Row = []
    for style, text in row:
        shown = cut(text, columns)
        kept.append((style, shown))
        columns -= text_width(shown)
        if columns <= 0 or shown != text:
            break
    return kept


def wrap(spans: Sequence[Span], columns: int, indent: int) -> list[Row]:
    """Break styled text into rows, at spaces where possible and never within a grapheme.

    Args:
        spans: the text; an LF in it begins a new row.
        columns: the width of the rows; at least 2, the width of the widest common character.
        indent: how far each row but the first is indented, so that no member's text can look like
            a name or a notice.
    """
    wrapping = _Wrapping(max(columns, 2), min(indent, max(columns, 2) - 2))
    for style, text in spans:
        lines = text.split("\n")
        for at, line in enumerate(lines):
            if at:
                wrapping.begin_row()
            for word in _WORDS.findall(line):
                wrapping.put(style, word)
    return wrapping.rows


class _Wrapping:
    """The rows so far, the last of which is not full yet."""

    def __init__(self, columns: int, indent: int) -> None:
        self.rows: list[Row] = [[]]
        self._columns = columns
        self._indent = indent
        self._left = columns

    def begin_row(self) -> None:
        self.rows.append([("text", " " * self._indent)] if self._indent else [])
        self._left = self._columns - self._indent

    def put(self, style: str, word: str) -> None:
        width = text_width(word)
        if width <= self._left:
            self.rows[-1].append((style, word))
            self._left -= width
        elif word[0] == " ":
            # The row ends here, and the spaces are dropped.
            self._left = 0
        elif width <= self._columns - self._indent:
            self.begin_row()
            self.rows[-1].append((style, word))
            self._left -= width
        else:
            self._put_long(style, word)

    def _put_long(self, style: str, word: str) -> None:
        piece = ""
        for grapheme in graphemes(word):
            width = grapheme_width(grapheme)
            if width > self._left and (piece or len(self.rows[-1]) > 1 or self._is_partly_full()):
                if piece:
                    self.rows[-1].append((style, piece))
                self.begin_row()
                piece = ""
            # A grapheme wider than a whole row gets its own row, and loses its end.
            piece += grapheme
            self._left -= width
        self.rows[-1].append((style, piece))

    def _is_partly_full(self) -> bool:
        room = self._columns if len(self.rows) == 1 else self._columns - self._indent
        return self._left < room
