"""Defer sends until all tasks that input woke together have run.

A send between two tasks runs the kernel's whole path to the peer, and often the peer itself. When
it returns, what the interpreter needs has left the CPU's caches, and the next task pays for that.
With many connections, cold memory took half of a request's time. Here the tasks of one round run
one after the other, and then all their answers are sent in one loop.

The plan, and why nothing is ever left unsent:

- Whoever wakes tasks says how many it has woken: `DeferredSends.begin`. From three on, sends are
  *deferred*: an outbox holds what it is put and enters itself here. (Two gain nothing by waiting.)
- The first outbox that enters wakes the task of `DeferredSends.run`. It runs in the scheduler's
  next round, when all tasks of this one have run, whatever their order, and sends for everyone.
- So an outbox holds bytes only while that task is about to run. Nothing is deferred before `run`
  has begun or after it has ended. Whoever cannot wait for it calls `Outbox.release`: a close, a
  cancellation, the hub.
- Nobody's answer waits for long: after a millisecond, the next outbox that enters sends for
  everyone, and so does the next task that waits for its outbox. (A task with costly lines does that
  between its time slices.) A caller of `begin` that flushes has a limit of its own, two
  milliseconds.
"""

from __future__ import annotations

import logging
import math
import os
from time import perf_counter

import trio

from trionet.abc import Holding
from trionet.transport.readiness import WOKEN

# Sends are deferred if at least this many tasks were woken together. With two, a request took as
# long as without deferring, or 2 % longer.
LEAST_WOKEN: float = 3

# For the tests of trionet itself: this variable of the environment defers always or never.
FORCED_BY = "TRIONET_TESTS_DEFER"
_FORCED = {"always": 0, "never": math.inf}

# How long the first answer of a round may be held back, in seconds. A hundred short answers take
# that long; a client with costly lines must not delay the others' answers.
_LONGEST = 0.001

logger = logging.getLogger("trionet.connection")


class DeferredSends:
    """The deferred sends of one server.

    Args:
        least: how many tasks must be woken together; 0: defer always. Default: 3, or what
            `FORCED_BY` says.

    Attributes:
        is_on: whether an outbox should hold what it is put.
    """

    __slots__ = ("_boxes", "_flushes", "_is_woken", "_least", "_task", "_until", "is_on")

    def __init__(self, least: float | None = None) -> None:
        if least is None:
            least = _FORCED.get(os.environ.get(FORCED_BY, ""), LEAST_WOKEN)
        self._least = least
        self.is_on = False
        self._boxes: list[Holding] = []
        # The task of `run`, and whether it is about to run.
        self._task: trio.lowlevel.Task | None = None
        self._is_woken = False
        # Whether the caller of `begin` flushes, so that the task need not run.
        self._flushes = False
        # When the first of the boxes has waited long enough.
        self._until = 0.0

    def begin(self, woken: int, *, flushes: bool = False) -> None:
        """Note that this many connections are served now, one by one. Never a checkpoint.

        Args:
            woken: how many.
            flushes: the caller calls `flush` before it lets any other task run.
        """
        self.is_on = woken >= self._least and self._task is not None
        self._flushes = flushes

    def add(self, box: Holding) -> None:
        """Call a box's `release` soon: it holds something. Never a checkpoint."""
        boxes = self._boxes
        # A caller that flushes watches the clock itself.
        if boxes and (self._flushes or perf_counter() <= self._until):
            boxes.append(box)
            return
        if boxes:
            self.flush()
        self._boxes.append(box)
        if self._flushes:
            return
        self._until = perf_counter() + _LONGEST
        if not self._is_woken and self._task is not None:
            self._is_woken = True
            trio.lowlevel.reschedule(self._task, WOKEN)

    def flush_overdue(self) -> None:
        """Send all that is held if some of it has been held for a millisecond. No checkpoint.

        A task calls this before it lets others run. With costly lines it may have no answer yet,
        and so would not come to `add`.
        """
        if self._boxes and perf_counter() > self._until:
            self.flush()

    def flush(self) -> None:
        """Send everything that is held. Never a checkpoint."""
        self._flushes = False
        boxes, self._boxes = self._boxes, []
        for box in boxes:
            try:
                box.release()
            except Exception:
                # It is one peer's fault, and the others share this loop.
                logger.exception("an outbox could not send; it is given up")
                box.give_up()

    async def run(self) -> None:
        """Send what is held, round after round, until cancelled."""
        self._task = trio.lowlevel.current_task()
        self.is_on = not self._least
        try:
            while True:
                self._is_woken = False
                await trio.lowlevel.wait_task_rescheduled(self._abort)
                self.flush()
        finally:
            self._task = None
            self.is_on = False
            self.flush()

    def _abort(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        # The task is about to run for the last time, so nobody may wake it, and it will flush.
        self._task = None
        self.is_on = False
        return trio.lowlevel.Abort.SUCCEEDED
