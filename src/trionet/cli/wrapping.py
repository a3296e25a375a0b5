"""Break a line into the rows of a terminal, with all rows but the first indented.

A terminal breaks a long line wherever it likes, and the rest begins at the left edge. So anybody
can pad a message with spaces until text that looks like a notice from the server stands there. The
rows made here never begin with what a peer wrote; the first one begins with what the server put
before the message.
"""

from __future__ import annotations

from functools import lru_cache
from unicodedata import ucd_3_2_0

from wcwidth import wcwidth

# Wide enough to tell an indented row from the left edge.
MAX_INDENT = 4

# Room for an indent of one column and one wide character.
_MIN_COLUMNS = 3

_ZWNJ, _ZWJ, _VS16 = "\u200c", "\u200d", "\ufe0f"
_FIRST_TAG, _LAST_TAG = "\U000e0000", "\U000e0fff"
_FIRST_PICTOGRAPH, _LAST_PICTOGRAPH = "\U0001f000", "\U0001ffff"


def indent_width(columns: int) -> int:
    """Return how far the rows after the first are indented on a terminal of this width."""
    return max(1, min(MAX_INDENT, columns // 4))


def wrap(text: str, columns: int) -> list[str]:
    """Break a line into rows. Never a checkpoint.

    Args:
        text: one line that is safe to show (`trionet.text.safe.safe_text`).
        columns: the width of the terminal; at least 3 is assumed.

    Returns:
        One row or more, none wider than the terminal. Each but the first begins with
        `indent_width` spaces; without those, the joined rows are the text. A row ends after a space
        if that leaves it at least half full, otherwise between two characters. Marks and emoji
        sequences stay whole if they fit.
    """
    if len(text) <= columns and text.isascii():
        return [text]
    columns = max(columns, _MIN_COLUMNS)
    indent = indent_width(columns)
    breaks = [0]
    room = columns
    row_start = width = 0
    # The place after the last space of this row, and the width of the row up to there.
    after_space = width_there = 0
    for start, end, piece_width in _pieces(text, columns - indent):
        while width + piece_width > room:
            if width_there * 2 >= room:
                row_start, width = after_space, width - width_there
            else:
                row_start, width = start, 0
            breaks.append(row_start)
            room = columns - indent
            width_there = 0
        width += piece_width
        if text[end - 1] == " ":
            after_space, width_there = end, width
    ends = [*breaks[1:], len(text)]
    rows = [text[start:end] for start, end in zip(breaks, ends, strict=True)]
    return [rows[0], *(" " * indent + row for row in rows[1:])]


def _pieces(text: str, max_width: int) -> list[tuple[int, int, int]]:
    """Return the start, end and width of each part that should stay whole."""
    if text.isascii():
        return [(at, at + 1, 1) for at in range(len(text))]
    pieces: list[tuple[int, int, int]] = []
    start = width = 0
    joins = False
    for at, character in enumerate(text):
        own = character_width(character)
        goes_on = at > 0 and (own == 0 or joins or character == _VS16)
        if at > 0 and not (goes_on and width + own <= max_width):
            pieces.append((start, at, width))
            start, width = at, 0
        width += own
        joins = character == _ZWJ
    pieces.append((start, len(text), width))
    return pieces


@lru_cache(maxsize=4096)
def character_width(character: str) -> int:
    """Return how many columns a character takes on a terminal: the most that any gives it.

    Terminals disagree. If one needs more columns than were counted, it breaks the row itself, and
    text ends up at the left edge after all; if it needs fewer, the row is only shorter, which does
    no harm. So every part of an emoji sequence counts, because terminals that do not know the
    sequence draw each part; a pictograph takes two columns; and a mark takes none only if Unicode
    3.2 already had it as a mark, because every terminal knows that version.
    """
    if character.isascii():
        return 1
    if character in (_ZWNJ, _ZWJ) or _FIRST_TAG <= character <= _LAST_TAG:
        return 0
    if ucd_3_2_0.category(character) in ("Mn", "Me"):
        return int(character == _VS16)
    if _FIRST_PICTOGRAPH <= character <= _LAST_PICTOGRAPH:
        return 2
    return max(wcwidth(character), 1)
