"""What the calculator can compute: each operation with its errors and its cost.

An operation is Python's own, in a `decimal` context that has the precision and rounds half even.
Where `decimal` would return NaN or infinity, or compute for minutes, it is an error here.

To add a function, write what it computes, and add it to `FUNCTIONS`: the grammar, the hints, the
limits and the help follow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from functools import reduce

from trionet.calc.bounds import BOUNDS
from trionet.calc.errors import CalculationError
from trionet.calc.number import ZERO


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """An operator, a function or a constant.

    Attributes:
        name: how it is written.
        compute: called with a context and the operands; returns the result, rounded to the
            context's precision.
        least: the fewest operands it takes.
        most: the most operands it takes; ``None`` for any number.
        cost: in microseconds, for the slowest operands at the highest precision.
        usage: an example of it, for the help.
        help: what it does, for the help.
    """

    name: str
    compute: Callable[..., Decimal]
    least: int
    most: int | None
    cost: int = 1
    usage: str = ""
    help: str = ""


def _divide(context: Context, dividend: Decimal, divisor: Decimal) -> Decimal:
    if not divisor:
        raise CalculationError("division by zero")
    return context.divide(dividend, divisor)


def _divide_whole(context: Context, dividend: Decimal, divisor: Decimal) -> Decimal:
    return _whole(context.divide_int, context, dividend, divisor)


def _remainder(context: Context, dividend: Decimal, divisor: Decimal) -> Decimal:
    return _whole(context.remainder, context, dividend, divisor)


def _whole(
    compute: Callable[[Decimal, Decimal], Decimal],
    context: Context,
    dividend: Decimal,
    divisor: Decimal,
) -> Decimal:
    if not divisor:
        raise CalculationError("division by zero")
    try:
        return compute(dividend, divisor)
    except InvalidOperation:
        raise CalculationError(
            f"the whole part of the quotient has more than {context.prec} digits"
        ) from None


def _power(context: Context, base: Decimal, exponent: Decimal) -> Decimal:
    if not base:
        if not exponent:
            raise CalculationError("0^0 is not defined")
        if exponent < 0:
            raise CalculationError("division by zero")
        return ZERO
    if base < 0 and exponent != exponent.to_integral_value():
        raise CalculationError("a negative number to a fractional power")
    limit = BOUNDS.max_power_digits
    if max(len(operand.as_tuple().digits) for operand in (base, exponent)) > limit:
        raise CalculationError(f"^ takes numbers of at most {limit} digits")
    return context.power(base, exponent)


def _square_root(context: Context, number: Decimal) -> Decimal:
    if number < 0:
        raise CalculationError("square root of a negative number")
    return context.sqrt(number)


def _round(context: Context, number: Decimal, digits: Decimal = ZERO) -> Decimal:
    limit = BOUNDS.max_exponent
    if abs(digits) > limit:
        raise CalculationError(f"round takes from -{limit} to {limit} digits")
    if digits != digits.to_integral_value():
        raise CalculationError("round takes a whole number of digits")
    # `last` is the power of ten of the last digit that is kept. Round only once: to the digits that
    # were asked for or to the precision, whichever is coarser.
    last = -int(digits)
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    if last <= max(exponent, number.adjusted() - context.prec + 1):
        return context.plus(number)
    return context.quantize(number, Decimal((0, (1,), last)))


def _least(context: Context, *numbers: Decimal) -> Decimal:
    return context.plus(reduce(context.min, numbers))


def _greatest(context: Context, *numbers: Decimal) -> Decimal:
    return context.plus(reduce(context.max, numbers))


# 110 decimals. Precisions go up to 100 digits, and at none of them is the rest so close to half a
# unit that ten more digits could not decide the rounding. The tests compute both constants and
# check this.
_PI = Decimal(
    "3.1415926535897932384626433832795028841971693993751058209749445923078164062862089986280348253"
    "4211706798214808651"
)
_E = Decimal(
    "2.7182818284590452353602874713526624977572470936999595749669676277240766303535475945713821785"
    "2516642742746639193"
)


def _pi(context: Context) -> Decimal:
    return context.plus(_PI)


def _e(context: Context) -> Decimal:
    return context.plus(_E)


def _negate(_context: Context, number: Decimal) -> Decimal:
    # Exact: the sign is part of a number, and a number keeps the digits it was written with.
    return number.copy_negate()


ADD = Operation("+", Context.add, 2, 2)
SUBTRACT = Operation("-", Context.subtract, 2, 2)
MULTIPLY = Operation("*", Context.multiply, 2, 2)
DIVIDE = Operation("/", _divide, 2, 2)
DIVIDE_WHOLE = Operation("//", _divide_whole, 2, 2)
REMAINDER = Operation("%", _remainder, 2, 2)
POWER = Operation("^", _power, 2, 2, cost=500)
NEGATE = Operation("-", _negate, 1, 1)

FUNCTIONS = {
    operation.name: operation
    for operation in (
        Operation("sqrt", _square_root, 1, 1, 10, "sqrt(2)", "the square root"),
        Operation("abs", Context.abs, 1, 1, 1, "abs(-1)", "without its sign"),
        Operation("round", _round, 1, 2, 1, "round(pi, 2)", "to 2 decimals; round(2.5) to none"),
        Operation("min", _least, 1, None, 1, "min(1, 2)", "the least of any number of them"),
        Operation("max", _greatest, 1, None, 1, "max(1, 2, 3)", "the greatest"),
    )
}
CONSTANTS = {
    operation.name: operation
    for operation in (Operation("pi", _pi, 0, 0), Operation("e", _e, 0, 0))
}
