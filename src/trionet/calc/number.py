"""Numbers as they are read and as they are shown."""

from __future__ import annotations

from decimal import Decimal

from trionet.calc.bounds import BOUNDS
from trionet.calc.errors import LimitExceeded

ZERO = Decimal(0)

# Results between 1E-28 and 1E+28 are written out.
_POSITIONAL = range(-28, 28)

_EXPONENT_DIGITS = len(str(BOUNDS.max_exponent))


def read_number(text: str, column: int | None = None) -> Decimal:
    """Return the number that a token is, exactly.

    Args:
        text: as `trionet.calc.tokens.NUMBER` has it: no sign in front, no blanks.
        column: where it stands, for the error.

    Raises:
        LimitExceeded: its exponent, as written or adjusted, is out of all bounds.
    """
    mantissa, mark, exponent = text.replace("E", "e").partition("e")
    if not mark:
        return Decimal(text) or ZERO
    exponent = exponent.replace("−", "-").replace("–", "-")
    # Judged by its digits first: an exponent of 4,000 digits is no number that anybody computes.
    if len(exponent.lstrip("+-0")) > _EXPONENT_DIGITS:
        raise _out_of_bounds(column)
    number = Decimal(f"{mantissa}e{exponent}")
    # No sign and no exponent is left on a zero: neither means anything here.
    if not number:
        return ZERO
    if abs(number.adjusted()) > BOUNDS.max_exponent:
        raise _out_of_bounds(column)
    return number


def _out_of_bounds(column: int | None) -> LimitExceeded:
    bound = BOUNDS.max_exponent
    return LimitExceeded(f"exponents go from -{bound} to {bound}", column)


def format_number(number: Decimal) -> str:
    """Return a number as it is shown: no trailing zeros, no sign on zero, written out if short.

    >>> format_number(Decimal("0.50") + Decimal("0.50"))
    '1'
    >>> format_number(Decimal("15E39"))
    '1.5E+40'
    """
    if not number:
        return "0"
    if not number.is_finite():
        raise ValueError(f"{number} is no number that can be shown")
    if number.adjusted() in _POSITIONAL:
        text = f"{number:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, _, exponent = f"{number:E}".partition("E")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}E{exponent}"
