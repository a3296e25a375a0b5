"""Paints rows on the terminal: it writes only those that differ from what the terminal shows.

No table of widths fits all terminals, so nothing here counts columns. The list beside the log is
placed by a jump to its column. The terminal itself saves the cursor's place (DECSC) where it
belongs in its row, and restores it (DECRC) after everything is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trionet.chat.window.composition import ScreenRow
from trionet.chat.window.styled import CURSOR

# Synchronized output: terminals that support it show all of this at once. Others ignore it.
_BEGIN, _END = "\x1b[?2026h\x1b[?25l", "\x1b8\x1b[?25h\x1b[?2026l"
_RESET, _ERASE_REST, _ERASE_ALL, _SAVE = "\x1b[0m", "\x1b[K", "\x1b[2J", "\x1b7"


class Painter:
    """Keeps what the terminal shows, and paints what differs.

    Args:
        styles: the escape sequence of each style.
    """

    def __init__(self, styles: Mapping[str, str]) -> None:
        self._styles = styles
        self._shown: list[ScreenRow] = []
        self._columns = 0

    def forget(self) -> None:
        """Repaint everything next time, because another program has written on the terminal."""
        self._shown = []

    def paint(self, rows: Sequence[ScreenRow], columns: int) -> str:
        """Return what makes the terminal show these rows; an empty text if it does already.

        Args:
            rows: as many as the terminal has.
            columns: the terminal's width.
        """
        pieces: list[str] = []
        if len(rows) != len(self._shown) or columns != self._columns:
            self._columns = columns
            pieces.append(_RESET + _ERASE_ALL)
            differing = list(range(len(rows)))
        else:
            differing = [at for at, row in enumerate(rows) if row != self._shown[at]]
        pieces += [self._row(at, rows[at]) for at in differing]
        self._shown = list(rows)
        return f"{_BEGIN}{''.join(pieces)}{_END}" if pieces else ""

    def _row(self, at: int, row: ScreenRow) -> str:
        # Erase the rest of the row before the list is written. Erasing afterwards would remove the
        # list's last character where the cursor stays on the last column.
        text = f"\x1b[{at + 1};1H{self._spans(row.main)}{_RESET}{_ERASE_REST}"
        if row.side:
            text += f"\x1b[{row.side_at + 1}G{self._spans(row.side)}{_RESET}"
        return text

    def _spans(self, spans: Sequence[tuple[str, str]]) -> str:
        return "".join(
            _SAVE if style == CURSOR else f"{self._styles[style]}{text}" for style, text in spans
        )
