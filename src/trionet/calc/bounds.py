"""What one expression may ask for.

Whatever a line costs is bounded here before it is paid. A limit is an error that names it: it
cuts nothing off, and rounds nothing that the precision would not.
"""

from __future__ import annotations

from dataclasses import dataclass

from trionet.limits import Bound

# decimal128's (IEEE 754-2008 has 34) less some; bc has 20, desk calculators 10 to 14.
DEFAULT_PRECISION = 28
# At 1,000 digits a division is still cheap but a power is not: one took 19 ms.
MAX_PRECISION = 100
PRECISIONS = Bound(least=1, most=MAX_PRECISION)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """The limits of an expression.

    Args:
        max_length: characters (4,096: the bytes of a line towards a server). It bounds how many
            digits a number can have: multiplying two that fill such a line takes 70 µs.
        max_operations: operators, signs, functions and commas (1,000: a column of numbers is
            summed in one line). Powers alone, which are the worst of it, then take 50 ms at 28
            digits, in turns with everybody else.
        max_depth: parentheses within each other (100: nobody can tell more apart). Nothing here
            recurses; the limit keeps what a reader of the log must follow within reason.
        max_exponent: the adjusted exponents of a number and of every result go from minus this to
            this (999,999, as Python's decimal has by default). Beyond it nobody means the
            number that they wrote.
        max_power_digits: digits of a number that is raised to a power, and of the power (100: any
            result has as many at most). One power takes 0.5 ms with 100, and 1,300 ms with 4,000.
    """

    max_length: int = 4096
    max_operations: int = 1000
    max_depth: int = 100
    max_exponent: int = 999_999
    max_power_digits: int = 100


BOUNDS = Bounds()
