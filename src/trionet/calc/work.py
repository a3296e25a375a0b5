"""Calculations that can be done piece by piece.

A calculation is a generator. Before each piece it yields what that piece will cost; when it is
resumed it does the piece; at the end it returns its result. So the pure modules know what things
cost, and whoever runs the work decides when to serve somebody else in between (see
`trionet.calc.time_slice`).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

from trionet.type_checks import check_kind

T = TypeVar("T")

# Yields microseconds: what the slowest input took on the machine where it was measured.
Work: TypeAlias = Generator[int, None, T]

# Work may cost this much before it must yield. A time slice is longer, so yielding costs little.
STRETCH = 200


def finish(work: Work[T]) -> T:
    """Do the work in one go and return its result.

    Raises:
        TypeError: `work` is not a generator.
    """
    try:
        while True:
            next(work)
    except StopIteration as done:
        result: T = done.value
        return result
    except TypeError:
        # From the work itself, unless `work` is not a generator.
        check_kind("work", work, Generator, hint="finish(parsing(text))")
        raise
