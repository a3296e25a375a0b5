"""Print a line as rows of a terminal, all but the first indented: so no peer can forge a line."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trionet.program.console import Console

# The width of a terminal that does not know its own.
_USUAL_COLUMNS = 80


def rows_maker(fd: int) -> Callable[[str], str]:
    """Return a function that breaks lines from peers into rows, all but the first indented.

    Args:
        fd: where they are printed. If it is not a terminal, lines stay as they are.
    """
    if not os.isatty(fd):
        return lambda line: line
    # Imported only where it is needed, for a quick start.
    from trionet.cli.wrapping import wrap

    def rows_of(line: str) -> str:
        try:
            # The current width; some terminals do not know theirs.
            columns = os.get_terminal_size(fd).columns or _USUAL_COLUMNS
        except OSError:
            columns = _USUAL_COLUMNS
        return "\n".join(wrap(line, columns))

    return rows_of


def rows_printer(console: Console, fd: int) -> Callable[[str], object]:
    """Return a function that prints lines from peers, with all rows but the first indented.

    Args:
        console: prints the lines.
        fd: the console's file descriptor. If it is not a terminal, lines are printed unchanged.
    """
    if not os.isatty(fd):
        return console.print
    rows_of = rows_maker(fd)
    return lambda line: console.print(rows_of(line))
