"""How the grammar reads numbers, and how sessions show them."""

from __future__ import annotations

from decimal import Decimal

from trionet.calc.bounds import BOUNDS
from trionet.calc.errors import LimitExceeded
from trionet.type_checks import check_kind, shown

ZERO = Decimal(0)

# Results between 1E-28 and 1E+28 are written out.
_POSITIONAL = range(-28, 28)

_EXPONENT_DIGITS = len(str(BOUNDS.max_exponent))


def read_number(text: str, column: int | None = None) -> Decimal:
    """Return exactly the number that a token stands for.

    Args:
        text: the token, as `trionet.calc.tokens.NUMBER` matches it: no sign in front, no blanks.
        column: where the token stands, for the error.

    Raises:
        LimitExceeded: the exponent, as written or adjusted, is out of bounds.
    """
    mantissa, mark, exponent = text.replace("E", "e").partition("e")
    if not mark:
        return Decimal(text) or ZERO
    exponent = exponent.replace("−", "-").replace("–", "-")
    # Count the digits first, so that an exponent of 4,000 digits is never made into a number.
    if len(exponent.lstrip("+-0")) > _EXPONENT_DIGITS:
        raise _out_of_bounds(column)
    number = Decimal(f"{mantissa}e{exponent}")
    # Sign and exponent of a zero mean nothing here, so there is only one zero.
    if not number:
        return ZERO
    if abs(number.adjusted()) > BOUNDS.max_exponent:
        raise _out_of_bounds(column)
    return number


def _out_of_bounds(column: int | None) -> LimitExceeded:
    bound = BOUNDS.max_exponent
    return LimitExceeded(f"exponents go from -{bound} to {bound}", column)


def format_number(number: Decimal) -> str:
    """Return a number as it is shown: written out if short, no trailing zeros, no sign on zero.

    Raises:
        TypeError: `number` is not a ``Decimal``.
        ValueError: it is not finite.

    >>> format_number(Decimal("0.50") + Decimal("0.50"))
    '1'
    >>> format_number(Decimal("15E39"))
    '1.5E+40'
    """
    if not number:
        if type(number) is not Decimal:
            check_kind("number", number, Decimal, hint="Decimal(0)")
        return "0"
    try:
        is_finite = number.is_finite()
    except AttributeError:
        check_kind("number", number, Decimal, hint=f"Decimal({shown(number)})")
        raise
    if not is_finite:
        raise ValueError(f"{number} cannot be shown as a number")
    if number.adjusted() in _POSITIONAL:
        text = f"{number:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, _, exponent = f"{number:E}".partition("E")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}E{exponent}"
