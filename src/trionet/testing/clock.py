"""Virtual time beside what does not follow it: threads, subprocesses and real sockets."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from trio.testing import MockClock

from trionet.argument_checks import check_kind

# For each clock that stands still, its ordinary threshold and how many blocks are open. Blocks of
# several tasks may overlap, and end in any order.
_standing: WeakKeyDictionary[MockClock, tuple[float, int]] = WeakKeyDictionary()


@contextmanager
def clock_stands_still(clock: MockClock) -> Iterator[None]:
    """Keep pytest-trio's ``autojump_clock`` from jumping while the block runs.

    The clock jumps when every task waits, also when one of them waits for a thread. So deadlines
    pass before the thread has done anything. In the block no virtual time passes, however long the
    thread takes; after it the clock jumps again.

    Nothing that waits for the clock proceeds in the meantime: in the block, await only what ends
    without it. Blocks of several tasks may overlap: the clock stands still until the last one ends.

    Args:
        clock: the ``autojump_clock``.

    Resource handling: the clock jumps again once the last block has ended, however it ends.
    """
    check_kind("clock", clock, MockClock, hint="autojump_clock")
    threshold, blocks = _standing.get(clock, (clock.autojump_threshold, 0))
    _standing[clock] = threshold, blocks + 1
    clock.autojump_threshold = math.inf
    try:
        yield
    finally:
        threshold, blocks = _standing.pop(clock)
        if blocks > 1:
            _standing[clock] = threshold, blocks - 1
        else:
            clock.autojump_threshold = threshold
