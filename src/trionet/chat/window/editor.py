"""The text that a person is typing: several lines, edited one grapheme at a time."""

from __future__ import annotations

from typing import TypeAlias

from trionet.chat.window.widths import grapheme_width, graphemes

# More than any message may have. A paste that would exceed it is refused.
MAX_CHARACTERS = 16_384

# How many cells behind a change are divided again at first. A change rarely reaches further.
_NEAR = 8

# The cursor, the columns and the most rows for which a view was made; and the view itself.
_View: TypeAlias = tuple[tuple[int, int, int], tuple[list[str], int, int]]


class Editor:
    r"""Text and a cursor in it.

    Attributes:
        cells: the graphemes of the text; ``"\n"`` is one.
        at: the index of the cell behind the cursor.
        is_returned: whether the text was refused and has not been edited since.
    """

    def __init__(self, text: str = "") -> None:
        self._killed = ""
        self.set(text)

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.cells)

    def set(self, text: str) -> None:
        """Replace the text, and put the cursor behind it."""
        self.cells = graphemes(text)
        self.at = len(self.cells)
        self.is_returned = False
        self._size = len(text)
        self._viewed: _View | None = None

    def give_back(self, text: str) -> None:
        """Give back a text that was refused. What is typed next replaces it.

        Otherwise a person who types on without looking would send the refused text again, with the
        new one behind it.
        """
        self.set(text)
        self.is_returned = True

    def insert(self, text: str) -> bool:
        """Insert a text at the cursor; ``False``: it does not fit.

        A combining mark becomes a part of the grapheme before it.
        """
        if self.is_returned:
            self.set("")
        if self._size + len(text) > MAX_CHARACTERS:
            return False
        self._replace(self.at, self.at, text)
        return True

    def replace_before(self, count: int, text: str) -> None:
        """Replace the last `count` cells before the cursor."""
        self._erase(self.at - count, self.at)
        self.insert(text)

    # Moving.

    def left(self) -> None:
        """Move one grapheme to the left."""
        self.at = max(0, self.at - 1)

    def right(self) -> None:
        """Move one grapheme to the right."""
        self.at = min(len(self.cells), self.at + 1)

    def home(self) -> None:
        """Move to the beginning of the line."""
        self.at = self._line_start(self.at)

    def end(self) -> None:
        """Move to the end of the line."""
        while self.at < len(self.cells) and self.cells[self.at] != "\n":
            self.at += 1

    def word_left(self) -> None:
        """Move to the beginning of the word."""
        self.at = self._word_start()

    def word_right(self) -> None:
        """Move to the end of the word."""
        while self.at < len(self.cells) and self.cells[self.at].isspace():
            self.at += 1
        while self.at < len(self.cells) and not self.cells[self.at].isspace():
            self.at += 1

    def up(self) -> bool:
        """Move to the line above; ``False``: this is the first."""
        start = self._line_start(self.at)
        if start == 0:
            return False
        self.at = min(self._line_start(start - 1) + self.at - start, start - 1)
        return True

    def down(self) -> bool:
        """Move to the line below; ``False``: this is the last."""
        column = self.at - self._line_start(self.at)
        start = self.at
        self.end()
        if self.at == len(self.cells):
            self.at = start
            return False
        start = self.at + 1
        self.at = start
        self.end()
        self.at = min(self.at, start + column)
        return True

    # Erasing.

    def backspace(self) -> None:
        """Erase the whole grapheme before the cursor."""
        if self.at:
            self._erase(self.at - 1, self.at)

    def delete(self) -> None:
        """Erase the whole grapheme behind the cursor."""
        self._erase(self.at, self.at + 1)

    def kill_to_start(self) -> None:
        """Cut up to the beginning of the line; there, cut the line break before it."""
        start = self._line_start(self.at)
        self._kill(start - 1 if start == self.at and start else start, self.at)

    def kill_to_end(self) -> None:
        """Cut up to the end of the line; there, cut the line break."""
        start = self.at
        self.end()
        end = self.at if self.at > start else self.at + 1
        self.at = start
        self._kill(start, end)

    def kill_word(self) -> None:
        """Cut the word before the cursor."""
        self._kill(self._word_start(), self.at)

    def kill_next_word(self) -> None:
        """Cut from the cursor to the end of the word."""
        start = self.at
        self.word_right()
        end, self.at = self.at, start
        self._kill(start, end)

    def yank(self) -> None:
        """Insert what was cut last."""
        self.insert(self._killed)

    def take(self) -> str:
        """Return the text, and start an empty one."""
        text = self.text
        self.set("")
        return text

    # Showing.

    def view(self, columns: int, max_rows: int) -> tuple[list[str], int, int]:
        """Return the rows to show, the cursor's row, and how many characters precede it there.

        Args:
            columns: the width of the rows; a cursor behind the last cell takes one column.
            max_rows: the most rows; if there are more, those around the cursor are returned.
        """
        if self._viewed is None or self._viewed[0] != (self.at, columns, max_rows):
            self._viewed = (self.at, columns, max_rows), self._break(columns, max_rows)
        return self._viewed[1]

    def _break(self, columns: int, max_rows: int) -> tuple[list[str], int, int]:
        rows: list[str] = [""]
        width = row = column = 0
        for index, cell in enumerate([*self.cells, ""]):
            # The cursor needs a column of its own at the end of a line.
            own = int(index == self.at) if cell in ("", "\n") else grapheme_width(cell)
            if width + own > columns and rows[-1]:
                rows.append("")
                width = 0
            if index == self.at:
                row, column = len(rows) - 1, len(rows[-1])
            if cell == "\n":
                rows.append("")
                width = 0
            else:
                rows[-1] += cell
                width += own
        first = max(0, min(row - max_rows + 1 + (row < len(rows) - 1), row, len(rows) - max_rows))
        return rows[first : first + max_rows], row - first, column

    def _line_start(self, at: int) -> int:
        while at and self.cells[at - 1] != "\n":
            at -= 1
        return at

    def _word_start(self) -> int:
        at = self.at
        while at and self.cells[at - 1].isspace():
            at -= 1
        while at and not self.cells[at - 1].isspace():
            at -= 1
        return at

    def _kill(self, start: int, end: int) -> None:
        self._killed = "".join(self.cells[start:end]) or self._killed
        self._erase(start, end)

    def _erase(self, start: int, end: int) -> None:
        self._replace(start, end, "")

    def _replace(self, start: int, end: int, text: str) -> None:
        """Replace cells by a text, and put the cursor behind it.

        Neighbours may join into one grapheme, such as a letter and a mark behind it. Only cells
        near the change are divided again: all 16,000 would take 8 ms a key.
        """
        end = min(end, len(self.cells))
        first = max(0, start - 1)
        before = "".join(self.cells[first:start]) + text
        near = _NEAR
        while True:
            behind = self.cells[end : end + near]
            joined = graphemes(before + "".join(behind))
            last = end + len(behind)
            # If the last cell is unchanged, so is everything behind it.
            if last == len(self.cells) or joined[-1] == behind[-1]:
                break
            near *= 2
        self._size += len(text) - sum(map(len, self.cells[start:end]))
        self.cells[first:last] = joined
        self._viewed = None
        self.at = first
        count = 0
        while count < len(before):
            count += len(self.cells[self.at])
            self.at += 1
