"""The short way for two plain numbers and an operator, as most lines are.

It exists only for speed: a line takes 1.0 µs instead of 5.2. It handles only simple lines (ASCII,
no exponents, few digits) and leaves all others to `trionet.calc.grammar` and
`trionet.calc.evaluation`. A test checks that both ways give the same answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Context, Decimal

from trionet.calc.number import ZERO
from trionet.lines import Line

# In microseconds (see `trionet.calc.work`), for the slowest line that the short way can take.
PAIR_COST = 3

# Nine digits on either side of the point: the result of two such numbers is far from all limits and
# is written out (it is between 1E-18 and 1E+18).
# The quantifiers are possessive (`++`), because there is only one way to read such a line.
_NUMBER = r"([+-]?+[0-9]{1,9}+(?:\.[0-9]{1,9}+)?+)"
_PAIR = re.compile(rf"{_NUMBER} ?+([-+*/]) ?+{_NUMBER}")


class Pairs:
    """The short way, at one precision.

    Args:
        context: has the precision, and rounds half even.
    """

    __slots__ = ("_operations",)

    def __init__(self, context: Context) -> None:
        self._operations: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
            "+": context.add,
            "-": context.subtract,
            "*": context.multiply,
            "/": context.divide,
        }

    def answer(self, lines: Sequence[Line]) -> tuple[list[str], Decimal]:
        """Answer the first lines, up to the first one that needs the long way.

        Args:
            lines: any lines.

        Returns:
            The answers, perhaps none, and the last result (zero if there are no answers).
        """
        answers: list[str] = []
        result = ZERO
        for line in lines:
            match = _PAIR.fullmatch(line) if type(line) is str else None
            if match is None:
                break
            left, operator, right = match.groups()
            other = Decimal(right)
            if operator == "/" and not other:
                break
            # Zero has no sign and no exponent.
            result = self._operations[operator](Decimal(left), other) or ZERO
            text = str(result)
            if "E" in text:
                text = f"{result:f}"
            if text[-1] == "0" and "." in text:
                text = text.rstrip("0").rstrip(".")
            answers.append(text)
        return answers, result
