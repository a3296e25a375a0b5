"""A terminal in memory: what a program writes, as a person would see it."""

from __future__ import annotations

import codecs
import copy
import unicodedata
from typing import Any

import pyte
from wcwidth import wcwidth


class _Screen(pyte.Screen):
    """A screen that keeps emoji sequences whole: pyte's own drops all that follows a joiner."""

    def draw(self, data: str) -> None:
        for character in data:
            if wcwidth(character) == 0 and not unicodedata.combining(character):
                line = self.buffer[self.cursor.y]
                at = max(0, self.cursor.x - 1)
                while at and not line[at].data:
                    at -= 1
                line[at] = line[at]._replace(data=line[at].data + character)
            else:
                super().draw(character)

    def restore_cursor(self) -> None:
        # A terminal keeps the place that was saved; pyte's own forgets it.
        kept = copy.deepcopy(self.savepoints[-1:])
        super().restore_cursor()
        self.savepoints[:] = kept


class Emulator:
    """A terminal of some size.

    Attributes:
        screen: pyte's screen.
    """

    def __init__(self, columns: int, height: int) -> None:
        self.screen = _Screen(columns, height)
        self._stream = pyte.Stream(self.screen)

    def feed(self, text: str) -> None:
        """Take what a program writes."""
        self._stream.feed(text)

    def rows(self) -> list[str]:
        """Return the rows as text, without spaces at the end."""
        # `display` of pyte fails on half characters.
        return [
            "".join(self.screen.buffer[y][x].data for x in range(self.screen.columns)).rstrip()
            for y in range(self.screen.lines)
        ]

    def cells(self) -> list[list[Any]]:
        """Return all cells with their styles."""
        columns = range(self.screen.columns)
        return [[self.screen.buffer[y][x] for x in columns] for y in range(self.screen.lines)]

    @property
    def cursor(self) -> tuple[int, int]:
        """The cursor's column and row, counted from 0."""
        return self.screen.cursor.x, self.screen.cursor.y


class WindowScreen(Emulator):
    """A terminal that takes bytes, as the programs of `tests/cli` need it.

    Attributes:
        written: all that the program has written.
    """

    def __init__(self, columns: int, height: int) -> None:
        super().__init__(columns, height)
        self.written = ""
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    @property
    def lines(self) -> list[str]:
        """The rows of the screen."""
        return self.rows()

    def resize(self, columns: int, height: int) -> None:
        """Have another size."""
        self.screen.resize(height, columns)

    def feed(self, data: bytes) -> bytes:  # type: ignore[override]
        """Show bytes, and return the terminal's answers to where its cursor is."""
        text = self._decode(data)
        self.written += text
        super().feed(text)
        column, row = self.cursor
        return f"\x1b[{row + 1};{column + 1}R".encode() * text.count("\x1b[6n")
