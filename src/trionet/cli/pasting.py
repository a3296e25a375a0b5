"""Lines that were pasted together. None of them is a command, because nobody typed it.

For example, a ``q`` in a pasted text does not leave the chat. The readers of a terminal
(`trionet.cli.line_editor`, `trionet.cli.standard_input`) mark the lines, and the two clients look
for the mark.
"""

from __future__ import annotations

from collections.abc import Sequence

from trionet.errors import BadLine
from trionet.lines import Line


class PastedLine(str):
    """One line of a paste of several lines.

    Attributes:
        paste: all lines of the paste, including this one.
        at: where it is among them.
        behind: how many lines of the paste come after this one, not counting blank ones.
    """

    __slots__ = ("at", "behind", "paste")

    paste: Sequence[Line]
    at: int
    behind: int


def mark_paste(lines: Sequence[Line], *, goes_on: bool = False) -> list[Line]:
    """Return lines that came at once, marked as a paste if there are several.

    Blank lines do not count.

    Args:
        lines: the lines that came.
        goes_on: whether another line follows that has no end yet.
    """
    count = sum(map(_is_filled, lines)) + goes_on
    if count < 2:
        return list(lines)
    marked: list[Line] = []
    for at, line in enumerate(lines):
        count -= _is_filled(line)
        if isinstance(line, str):
            line = PastedLine(line)
            line.paste, line.at, line.behind = lines, at, count
        marked.append(line)
    return marked


def _is_filled(line: Line) -> bool:
    return isinstance(line, BadLine) or bool(line.strip())
