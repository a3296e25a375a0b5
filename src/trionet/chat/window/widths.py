"""Graphemes, which readers see as one character, and how many columns they take.

The only file of the chat that imports `wcwidth`.
"""

from __future__ import annotations

from functools import lru_cache

import wcwidth


def graphemes(text: str) -> list[str]:
    """Divide a text into what a reader sees as characters."""
    if text.isascii():
        return list(text)
    return list(wcwidth.iter_graphemes(text))


@lru_cache(maxsize=4096)
def grapheme_width(grapheme: str) -> int:
    """Return how many columns a grapheme takes at most, on any terminal.

    Terminals disagree: some draw each member of a family emoji by itself. The window turns
    automatic wrapping off, so a row that turns out wider than expected loses its end. One that
    turns out narrower just has a gap.
    """
    parts = sum(max(wcwidth.wcwidth(character), 0) for character in grapheme)
    return max(parts, wcwidth.width(grapheme))


def text_width(text: str) -> int:
    """Return how many columns a text without control characters takes."""
    if text.isascii():
        return len(text)
    return sum(map(grapheme_width, wcwidth.iter_graphemes(text)))


def cut(text: str, columns: int) -> str:
    """Return a text cut to a width; if anything is cut off, it ends in ``…``."""
    if text_width(text) <= columns:
        return text
    kept, room = "", columns - 1
    for grapheme in graphemes(text):
        room -= grapheme_width(grapheme)
        if room < 0:
            break
        kept += grapheme
    return f"{kept}…" if columns > 0 else ""
