"""What can be wrong with a line; ``str()`` of each error is one line that says what."""

from __future__ import annotations

from trionet.errors import TrionetError


class CalculationError(TrionetError):
    """An expression that has no result; the message says why."""


class MalformedExpression(CalculationError):
    """A line that cannot be read; the message says what was expected, and where.

    Attributes:
        column: where the mistake is, counted from 1 in characters of the line as it was given;
            ``None``: in no one place.
    """

    def __init__(self, reason: str, column: int | None = None) -> None:
        super().__init__(reason)
        self.column = column


class LimitExceeded(MalformedExpression):
    """A line that asks for more than anybody gets; the message names the limit."""
