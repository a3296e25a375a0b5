"""The byte order mark that some programs put at the beginning of UTF-8 text.

A file that was saved by such a program, or a pipe from one, begins with U+FEFF. It is not part of
the first line, so both readers of the standard input drop it.
"""

from __future__ import annotations

from trionet.lines import Line

_BYTE_ORDER_MARK = "\ufeff"


def without_byte_order_mark(first: Line) -> Line:
    """Return the first line of standard input without its byte order mark, if it has one.

    This is for the user's own input only. Nothing is guessed about a line from a peer: there the
    mark is an invisible character like any other.

    Args:
        first: the line; a bad line is returned unchanged.
    """
    return first.removeprefix(_BYTE_ORDER_MARK) if isinstance(first, str) else first
