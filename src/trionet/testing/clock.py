"""Virtual time beside what does not follow it: threads, subprocesses and real sockets."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from trio.testing import MockClock

from trionet.checks import check_kind


@contextmanager
def clock_stands_still(clock: MockClock) -> Iterator[None]:
    """Keep pytest-trio's ``autojump_clock`` from jumping while the block runs.

    The clock jumps when every task waits, also when one of them waits for a thread. So deadlines
    pass before the thread has done anything. In the block no virtual time passes, however long the
    thread takes; after it the clock jumps again.

    Nothing that waits for the clock proceeds in the meantime: in the block, await only what ends
    without it.

    Args:
        clock: the ``autojump_clock``.
    """
    check_kind("clock", clock, MockClock, hint="autojump_clock")
    threshold = clock.autojump_threshold
    clock.autojump_threshold = math.inf
    try:
        yield
    finally:
        clock.autojump_threshold = threshold
