"""Evaluates an expression: a stack machine on Python's `decimal`, at one precision.

Numbers keep all the digits they were written with. The result of each operation is rounded half
even to the precision. A number alone is rounded too, as decimal's unary plus does it. Signs and
parentheses round nothing.
"""

from __future__ import annotations

from decimal import (
    MAX_EMAX,
    MIN_EMIN,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    Underflow,
)

from trionet.calc.bounds import BOUNDS, DEFAULT_PRECISION, PRECISIONS
from trionet.calc.errors import CalculationError
from trionet.calc.expression import Expression, Step
from trionet.calc.fast_path import Pairs
from trionet.calc.number import ZERO
from trionet.calc.work import STRETCH, Work, finish
from trionet.type_checks import check_kind


class Arithmetic:
    """Decimal arithmetic at one precision.

    Args:
        precision: significant digits of a result, 1 to 100; default 28.

    Raises:
        TypeError: `precision` is not a whole number.
        ValueError: it is out of bounds.

    Attributes:
        pairs: the short way for lines of two plain numbers and an operator.
    """

    __slots__ = ("_context", "pairs")

    def __init__(self, precision: int = DEFAULT_PRECISION) -> None:
        PRECISIONS.check("precision", precision)
        # The context's exponent limits are as wide as possible, and `_bounded` applies ours: the
        # context would check for underflow before rounding, and for overflow after it.
        self._context = Context(
            prec=precision,
            rounding=ROUND_HALF_EVEN,
            Emin=MIN_EMIN,
            Emax=MAX_EMAX,
            traps=[DivisionByZero, InvalidOperation, Overflow, Underflow],
        )
        self.pairs = Pairs(self._context)

    def __repr__(self) -> str:
        return f"Arithmetic(precision={self.precision})"

    @property
    def precision(self) -> int:
        """Significant digits of a result."""
        return self._context.prec

    def evaluate(self, expression: Expression, ans: Decimal | None = None) -> Decimal:
        """Return the result of an expression.

        Args:
            expression: what to compute.
            ans: the last result; default ``None``: there is none yet.

        Raises:
            TypeError: `expression` is not an `Expression`, or `ans` is not a ``Decimal``.
            CalculationError: it has no result, such as a division by zero.
        """
        check_kind("expression", expression, Expression, hint='calc.parse("12 + 42")')
        if ans is not None:
            check_kind("ans", ans, Decimal, hint="the last result")
        return finish(self.evaluating(expression, ans))

    def evaluating(self, expression: Expression, ans: Decimal | None = None) -> Work[Decimal]:
        """Return work that computes `expression` with `ans` piece by piece; see `evaluate`."""
        stack: list[Decimal] = []
        spent = 0
        for item in expression.program:
            if isinstance(item, Decimal):
                stack.append(item)
            elif isinstance(item, Step):
                operation, count = item
                spent += operation.cost + count
                if spent >= STRETCH:
                    yield spent
                    spent = 0
                first = len(stack) - count
                operands = stack[first:]
                del stack[first:]
                stack.append(self._checked(item, operands))
            elif ans is None:
                raise CalculationError("ans is the last result, and there is none yet")
            else:
                stack.append(ans)
        yield spent
        (result,) = stack
        return self._bounded(self._context.plus(result))

    def _checked(self, step: Step, operands: list[Decimal]) -> Decimal:
        try:
            return self._bounded(step.operation.compute(self._context, *operands))
        except Overflow:
            raise _too_large() from None
        except Underflow:
            raise _too_close_to_zero() from None

    def _bounded(self, result: Decimal) -> Decimal:
        if not result:
            return ZERO
        power = result.adjusted()
        if power > BOUNDS.max_exponent:
            raise _too_large()
        if power < -BOUNDS.max_exponent:
            raise _too_close_to_zero()
        return result


def _too_large() -> CalculationError:
    return CalculationError("the result is too large")


def _too_close_to_zero() -> CalculationError:
    return CalculationError("the result is too close to zero")
