"""Virtual time and what does not follow it: threads, subprocesses and real sockets."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from trio.testing import MockClock


@contextmanager
def clock_stands_still(clock: MockClock) -> Iterator[None]:
    """Keep pytest-trio's ``autojump_clock`` from jumping, for as long as the block runs.

    It jumps when every task waits, and a task that waits for a thread does: deadlines pass before
    the thread has done anything. In the block no virtual time passes, however long the thread
    takes; behind it the clock jumps again.

    Nothing that waits for the clock goes on meanwhile: await in the block only what ends by itself.

    Args:
        clock: the ``autojump_clock``.
    """
    threshold = clock.autojump_threshold
    clock.autojump_threshold = math.inf
    try:
        yield
    finally:
        clock.autojump_threshold = threshold
