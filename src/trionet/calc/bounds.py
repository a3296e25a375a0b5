"""How much one expression may ask for.

These limits bound the cost of a line before any of it is spent. A line beyond a limit gets an error
that names the limit. No limit cuts anything off or rounds anything: only the precision rounds.
"""

from __future__ import annotations

from dataclasses import dataclass

from trionet.limits import Bound

# Python's default, and a little less than the 34 digits of IEEE 754-2008's decimal128. bc has 20,
# desk calculators 10 to 14.
DEFAULT_PRECISION = 28
# At 1,000 digits a division would still be cheap, but a power would not: one took 19 ms.
MAX_PRECISION = 100
PRECISIONS = Bound(least=1, most=MAX_PRECISION)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """The limits of an expression.

    Args:
        max_length: characters; default 4,096, the bytes of a line towards a server. It also bounds
            the digits of a number: multiplying two numbers that fill such a line takes 70 µs.
        max_operations: operators, signs, functions and commas; default 1,000, so that a column of
            numbers can be summed in one line. The worst case, nothing but powers, takes 50 ms at 28
            digits, in time slices between which others are served.
        max_depth: parentheses within each other; default 100, more than anybody can tell apart.
            Nothing here recurses; the limit keeps lines readable for whoever reads the log.
        max_exponent: the adjusted exponents of every number and every result are within plus and
            minus this; default 999,999, as in Python's decimal. A number beyond it is a mistake.
        max_power_digits: digits of a number that is raised to a power, and of the exponent; default
            100, because no result has more. One power takes 0.5 ms with 100, and 1,300 ms with
            4,000.
    """

    max_length: int = 4096
    max_operations: int = 1000
    max_depth: int = 100
    max_exponent: int = 999_999
    max_power_digits: int = 100


BOUNDS = Bounds()
