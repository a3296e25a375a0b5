"""What the calculator can read, and what comes of it: two numbers and an operator.

    operation = number operator number
    number    = [ sign ] ( digits [ "." [ digits ] ] | "." digits ) [ exponent ]
    exponent  = ( "e" | "E" ) [ sign ] digits
    operator  = "+" | "-" | "*" | "/" | "×" | "÷" | "−"
    sign      = "+" | "-" | "−"

Spaces and tabs may stand between the parts, and between a sign and its number; digits are ASCII.

Arithmetic is decimal and exact: the operands are taken as they are written, however many digits
they have, and the result alone is rounded, half even, to the precision.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import (
    MAX_EMAX,
    MIN_EMIN,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
)

from trionet.errors import TrionetError

# decimal128's (IEEE 754-2008 has 34) less some; bc has 20, desk calculators 10 to 14.
DEFAULT_PRECISION = 28
# At 1,000 digits a division is still cheap but later functions are not: one power took 19 ms.
MAX_PRECISION = 100

# What Python's decimal has by default. Beyond it nobody means the number that they wrote.
MAX_EXPONENT = 999_999

# Results between 1E-28 and 1E+28 are written out.
_POSITIONAL = range(-28, 28)

# The quantifiers are possessive (`++`): without it a line of 4,096 digits backtracks for 0.1 s.
_NUMBER = (
    r"(?:[+\-−][ \t]*+)?+"
    r"(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)"
    r"(?:[eE][+\-−]?+[0-9]++)?+"
)
_OPERATION = re.compile(
    rf"[ \t]*+(?P<left>{_NUMBER})[ \t]*+(?P<operator>[+\-*/×÷−])[ \t]*+(?P<right>{_NUMBER})[ \t]*+"
)
_EXPONENT = re.compile(r"[eE]([+\-]?[0-9]+)$")

# As people write them, and as Python's decimal does.
_PLAIN = str.maketrans({"×": "*", "÷": "/", "−": "-", " ": None, "\t": None})


class CalculationError(TrionetError):
    """An operation that has no result; the message says why."""


class MalformedOperation(CalculationError):
    """A line that is no operation; the message says how to write one."""


@dataclass(frozen=True, slots=True)
class Operation:
    """Two numbers and what to do with them.

    Attributes:
        left: the first number, exact.
        operator: one of ``+ - * /``.
        right: the second number, exact.
    """

    left: Decimal
    operator: str
    right: Decimal


def parse(text: str) -> Operation:
    """Read an operation such as ``12 + 42``.

    Args:
        text: one line.

    Raises:
        MalformedOperation: it is none.
        CalculationError: a number in it is out of all bounds.
    """
    match = _OPERATION.fullmatch(text)
    if match is None:
        raise MalformedOperation("expected NUMBER OPERATOR NUMBER, such as 12 + 42")
    return Operation(
        _number(match["left"]), match["operator"].translate(_PLAIN), _number(match["right"])
    )


def _number(text: str) -> Decimal:
    plain = text.translate(_PLAIN)
    exponent = _EXPONENT.search(plain)
    # Judged by its digits first: an exponent of 4,000 digits is no number that anybody computes.
    if exponent is not None and len(exponent[1].lstrip("+-0")) > len(str(MAX_EXPONENT)):
        raise _out_of_bounds()
    number = Decimal(plain)
    if number and abs(number.adjusted()) > MAX_EXPONENT:
        raise _out_of_bounds()
    return number


def _out_of_bounds() -> CalculationError:
    return CalculationError(f"exponents go from -{MAX_EXPONENT} to {MAX_EXPONENT}")


class Arithmetic:
    """Decimal arithmetic at one precision.

    Args:
        precision: significant digits of a result, 1 to 100.
    """

    __slots__ = ("_context",)

    def __init__(self, precision: int = DEFAULT_PRECISION) -> None:
        if not 1 <= precision <= MAX_PRECISION:
            raise ValueError(f"precision must be from 1 to {MAX_PRECISION}")
        # The context's own bounds are as wide as they go: it would judge a result that is too small
        # before it is rounded, and one that is too large after it.
        self._context = Context(
            prec=precision,
            rounding=ROUND_HALF_EVEN,
            Emin=MIN_EMIN,
            Emax=MAX_EMAX,
            traps=[DivisionByZero, InvalidOperation],
        )

    def evaluate(self, operation: Operation) -> Decimal:
        """Return the result, rounded half even to the precision.

        Raises:
            CalculationError: a division by zero, or a result out of all bounds.
        """
        result = self._compute(operation)
        if result and result.adjusted() > MAX_EXPONENT:
            raise CalculationError("the result is too large")
        if result and result.adjusted() < -MAX_EXPONENT:
            raise CalculationError("the result is too close to zero")
        return result

    def _compute(self, operation: Operation) -> Decimal:
        left, right = operation.left, operation.right
        match operation.operator:
            case "+":
                return self._context.add(left, right)
            case "-":
                return self._context.subtract(left, right)
            case "*":
                return self._context.multiply(left, right)
            case _ if not right:
                raise CalculationError("division by zero")
            case _:
                return self._context.divide(left, right)


def format_number(number: Decimal) -> str:
    """Return a number as it is shown: no trailing zeros, no sign on zero, written out if short.

    >>> format_number(Decimal("0.50") + Decimal("0.50"))
    '1'
    >>> format_number(Decimal("15E39"))
    '1.5E+40'
    """
    if not number:
        return "0"
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{number} is no number that can be shown")
    significant = "".join(map(str, digits)).rstrip("0")
    exponent += len(digits) - len(significant)
    reduced = Decimal((sign, tuple(map(int, significant)), exponent))
    return f"{reduced:f}" if reduced.adjusted() in _POSITIONAL else f"{reduced:E}"
