"""Calculations that can be done in turns.

A piece of work is a generator: it yields what its next stretch costs, does it when it is resumed,
and returns its result at the end. So the pure modules say what things cost, and whoever runs
the work decides when others have their turn.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")

# Costs are in microseconds, as the slowest input took on the machine of the measurements.
Work: TypeAlias = Generator[int, None, T]

# A stretch may cost this much before it is told. A turn is longer, so that telling costs little.
STRETCH = 200


def finish(work: Work[T]) -> T:
    """Do the work in one go and return its result."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            result: T = done.value
            return result
