"""What a reader sees as one character, and how many columns it takes.

The only file of the chat that imports `wcwidth`.
"""

from __future__ import annotations

from functools import lru_cache

import wcwidth


def graphemes(text: str) -> list[str]:
    """Return the parts of a text that a reader sees as one character each; joined, they are it."""
    if text.isascii():
        return list(text)
    return list(wcwidth.iter_graphemes(text))


@lru_cache(maxsize=4096)
def grapheme_width(grapheme: str) -> int:
    """Return the columns of one grapheme: the most that any terminal gives it.

    Terminals disagree: one that does not know a family of emoji draws each of its members. The
    window turns automatic wrapping off, so a row that is wider than was counted loses its end. One
    that is narrower only has a gap.
    """
    parts = sum(max(wcwidth.wcwidth(character), 0) for character in grapheme)
    return max(parts, wcwidth.width(grapheme))


def text_width(text: str) -> int:
    """Return the columns of a text without control characters."""
    if text.isascii():
        return len(text)
    return sum(map(grapheme_width, wcwidth.iter_graphemes(text)))


def cut(text: str, columns: int) -> str:
    """Return the beginning of a text that fits; a text that does not fit ends in ``…``."""
    if text_width(text) <= columns:
        return text
    kept, room = "", columns - 1
    for grapheme in graphemes(text):
        room -= grapheme_width(grapheme)
        if room < 0:
            break
        kept += grapheme
    return f"{kept}…" if columns > 0 else ""
