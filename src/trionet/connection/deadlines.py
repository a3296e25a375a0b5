"""Watch thousands of deadlines with one task.

A cancel scope with a deadline would cost 1 KiB for each connection, and moving it a heap operation
for each line. Here a connection has one entry in one heap, and moving its deadline to a later time
costs nothing: when the entry comes due, the connection is asked what its deadline is by now. If
that has moved, the entry goes back into the heap.
"""

from __future__ import annotations

import heapq
import logging
import math
from collections import Counter

import trio

from trionet.abc import Watched
from trionet.user_faults import FaultLog

# Entries of connections that have gone are swept out when they outnumber both this and the others.
# So a host that comes and goes thousands of times a second does not fill the heap.
_FEW_STALE = 64

# A deadline may pass although the peer was in time: after this process was stopped, or was busy for
# longer than the deadline, what the peer sent meanwhile is still unread. Then the deadline is not
# enforced yet. It is checked again `CHECK_AGAIN` seconds later, up to `CHECKS` times. Two rounds
# of the scheduler are enough to read and answer what had arrived, and at least one passes between
# two checks. More checks would let a peer that sends a byte now and then postpone its login.
CHECK_AGAIN = 0.05
CHECKS = 20

# A check that comes this many seconds late means that the process was stopped or busy. A peer that
# seems not to read may have had no chance.
LATE = 0.1


logger = logging.getLogger("trionet.server")


class _Entry:
    """When to check one object; ``watched`` is ``None`` once the entry is stale."""

    __slots__ = ("due", "watched")

    def __init__(self, due: float, watched: Watched) -> None:
        self.due = due
        self.watched: Watched | None = watched

    def __lt__(self, other: _Entry) -> bool:
        # Entries that are due at the same time come in any order.
        return self.due < other.due


class Deadlines:
    """The deadlines of one server's connections.

    Args:
        faults: where the faults of what is watched are logged; default: a log of its own.

    Attributes:
        passed: how many deadlines have passed, by their names.
    """

    def __init__(self, faults: FaultLog | None = None) -> None:
        self._faults = faults or FaultLog(logger)
        self.passed: Counter[str] = Counter()
        self._heap: list[_Entry] = []
        self._entries: dict[Watched, _Entry] = {}
        self._earlier = trio.Event()
        # How many entries of the heap belong to nothing any more.
        self._stale = 0

    def watch(self, watched: Watched) -> None:
        """Check an object when its next deadline comes. Never a checkpoint.

        Call this again when the deadline has moved to an earlier time; there is no need to when it
        has moved to a later one.
        """
        due = watched.next_deadline()
        entry = self._entries.get(watched)
        if due == math.inf or (entry is not None and entry.due <= due):
            return
        if entry is not None:
            self._drop(entry)
        entry = _Entry(due, watched)
        self._entries[watched] = entry
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry:
            self._earlier.set()

    def forget(self, watched: Watched) -> None:
        """Stop checking an object. Never a checkpoint."""
        entry = self._entries.pop(watched, None)
        if entry is not None:
            self._drop(entry)

    def _drop(self, entry: _Entry) -> None:
        # The entry stays in the heap until it is due or swept out, but keeps nothing alive.
        entry.watched = None
        self._stale += 1
        if self._stale > max(_FEW_STALE, len(self._entries)):
            self._heap = [entry for entry in self._heap if entry.watched is not None]
            heapq.heapify(self._heap)
            self._stale = 0

    async def run(self) -> None:
        """Watch all deadlines until cancelled."""
        while True:
            with trio.CancelScope(deadline=self._heap[0].due if self._heap else math.inf):
                await self._earlier.wait()
            self._earlier = trio.Event()
            now = trio.current_time()
            while self._heap and self._heap[0].due <= now:
                watched = heapq.heappop(self._heap).watched
                if watched is None:
                    self._stale -= 1
                else:
                    del self._entries[watched]
                    try:
                        passed = watched.check_deadlines()
                        if passed is not None:
                            self.passed[passed] += 1
                        # An object that is still due was told once. Telling it again would spin.
                        if watched.next_deadline() > now:
                            self.watch(watched)
                    except Exception as error:
                        # A stream that is not trionet's has a fault. All other connections need
                        # this task.
                        self._faults.report(
                            error, type(watched), "a deadline could not be enforced", watched
                        )
