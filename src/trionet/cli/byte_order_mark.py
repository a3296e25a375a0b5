"""The byte order mark that some programs put at the beginning of UTF-8 text.

A file that was saved by such a program, or a pipe from one, begins with U+FEFF. It is no part of
the first line, and both readers of the standard input drop it here.
"""

from __future__ import annotations

from trionet.lines import Line

_BYTE_ORDER_MARK = "\ufeff"


def without_byte_order_mark(first: Line) -> Line:
    """Return the first line of standard input without its byte order mark, if it has one.

    Only for the user's own input. In a line from a peer nothing is guessed: there the mark is an
    invisible character like any other.

    Args:
        first: the line; a bad line is returned unchanged.
    """
    return first.removeprefix(_BYTE_ORDER_MARK) if isinstance(first, str) else first
