"""How long a client waits between two tries to connect. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat

# A server that restarts is back in a second or two, and the network of a laptop that wakes up in a
# few more. The pauses should add little to that.
_FIRST = (0.25, 0.5)
_STEADY = 1.0
_STEADY_SECONDS = 30.0
# What is still gone by then is gone for minutes or for good.
_LONGEST = 30.0

# Clients that lost one server at the same moment should not all come back at the same moment.
_JITTER = 0.25


def pauses_without_end() -> Iterator[float]:
    """Yield pauses in seconds: short at first, a second for half a minute, then up to 30.

    They are 0.25, 0.5, then 1 until 30 seconds have been spent in pauses, then 2, 4, 8, 16, and 30
    for ever.
    """
    steady = round((_STEADY_SECONDS - sum(_FIRST)) / _STEADY)
    yield from chain(_FIRST, repeat(_STEADY, steady))
    pause = 2 * _STEADY
    while pause < _LONGEST:
        yield pause
        pause *= 2
    yield from repeat(_LONGEST)


def jittered(pause: float, chance: float) -> float:
    """Return a pause made a quarter longer or shorter at most.

    Args:
        pause: in seconds.
        chance: a random number from 0 to 1.
    """
    return pause * (1 + _JITTER * (2 * chance - 1))
