"""What can be wrong with an expression; ``str()`` of each error is one line that says it."""

from __future__ import annotations

from trionet.errors import TrionetError


class CalculationError(TrionetError):
    """An expression has no result; the message says why."""


class MalformedExpression(CalculationError):
    """A line cannot be read; the message says what was expected, and where.

    Args:
        reason: the message.
        column: see below; default ``None``.

    Attributes:
        column: where the mistake is, counted from 1 in characters of the original line; ``None`` if
            it is in no single place.
    """

    def __init__(self, reason: str, column: int | None = None) -> None:
        super().__init__(reason)
        self.column = column


class LimitExceeded(MalformedExpression):
    """A line is beyond a limit of the calculator; the message names the limit."""
