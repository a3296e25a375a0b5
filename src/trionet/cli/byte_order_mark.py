"""The mark that some programs put at the beginning of a text, to tell that it is UTF-8."""

from __future__ import annotations

from trionet.lines import Line

_BYTE_ORDER_MARK = "\ufeff"


def without_byte_order_mark(first: Line) -> Line:
    """Return the first line of the standard input without the mark, if it has one.

    For one's own input alone: in a line from a peer nothing is guessed, and it is an invisible
    character like any other.

    Args:
        first: the line; a bad one stays as it is.
    """
    return first.removeprefix(_BYTE_ORDER_MARK) if isinstance(first, str) else first
