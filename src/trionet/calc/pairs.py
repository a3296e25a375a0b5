"""Two numbers and an operator, the short way: what most lines are, at a third of the cost.

It is there for speed alone, and knows only what is simple: ASCII, no exponents, few digits. What it
answers, it answers just as `trionet.calc.grammar` and `trionet.calc.evaluation` would; all else it
leaves to them. A test holds it to that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Context, Decimal

from trionet.calc.number import ZERO
from trionet.lines import Line

# In microseconds, see `trionet.calc.work`: the slowest that fits.
PAIR_COST = 3

# Nine digits on either side of the point: whatever comes of two such numbers is far from all bounds
# and is written out (between 1E-18 and 1E+18).
# Possessive (`++`), because nothing of it could be read in another way.
_NUMBER = r"([+-]?+[0-9]{1,9}+(?:\.[0-9]{1,9}+)?+)"
_PAIR = re.compile(rf"{_NUMBER} ?+([-+*/]) ?+{_NUMBER}")


class Pairs:
    """The short way, at one precision.

    Args:
        context: computes with this precision, and rounds half even.
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
        """Answer the first lines, up to one that needs the long way.

        Args:
            lines: any lines.

        Returns:
            The answers, perhaps none, and the last result.
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
