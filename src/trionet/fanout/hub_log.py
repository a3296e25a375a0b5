"""A hub's log: the entries not delivered yet, in order, and how long it may become.

- The log goes through one memory channel, a batch at a time. A *batch* is all that is appended
  until the hub's task takes it: the first entry puts it into the channel, and it grows there.
  (When each entry went through the channel on its own, that was a third of what a line cost.)
- Appending is synchronous, so it works in ``finally`` and under cancellation. The log stays short
  because the tasks that append wait, with `BatchLog.wait_room`, before they append what a peer
  caused.

`trionet.Hub` is a log with members. It is a subclass, so that appending a line costs no extra call.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Coroutine, Hashable, Iterable
from time import perf_counter
from typing import Any, Generic, TypeVar

import trio

from trionet.abc import Box
from trionet.argument_checks import check_kind
from trionet.fanout.batch import Batch
from trionet.fanout.encoded import Encode
from trionet.fanout.gate import Gate, Much
from trionet.metrics import Histogram, Reading
from trionet.user_faults import FaultLog, Kind

E = TypeVar("E")

# Entries that may be pending before readers wait. A large batch costs less per line, but its first
# line waits for its last: 1,024 lines take some 5 ms.
HIGH_WATER = 1024

# Bytes that may be pending before readers wait: 1,024 lines of 512 bytes. Half as many cost a
# twelfth of the throughput in a room of 1,000 members; more gain nothing.
HIGH_WATER_BYTES = 1 << 19

# Tasks with up to this many entries do not wait for those that have more: a person seldom pastes
# more at a time, and 300 members with as many fill the log five times.
_FEW = 16

# Nor do they wait for those whose entries have more bytes than this: nobody types as much in a
# second. Where 200 members said 1,000 bytes 50 times a second each, five at a time, another's line
# took 700 ms in the same queue, and 30 ms before them.
_FEW_BYTES = 2048

# The buckets of the histograms: entries of a batch, and seconds until one is delivered. Most
# batches of a quiet room have one entry, and a full log has some 1,024.
_ENTRIES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)

_NOT_RUNNING = (
    "the hub is not running: write nursery.start_soon(hub.run) before anything is published"
)

logger = logging.getLogger("trionet.fanout")


class BatchLog(Generic[E]):
    """The base of `trionet.Hub`: batches that are appended to, and delivered one after another.

    A subclass appends to the batch that is open, and says in `_deliver` who gets a batch.

    Args:
        formats_of: returns the formats of the members that have a topic; see `Batch`.
    """

    def __init__(self, formats_of: Callable[[Hashable], Iterable[Encode[E]]]) -> None:
        self._formats_of = formats_of
        self._log_send, self._log_receive = trio.open_memory_channel[Batch[E, Box]](math.inf)
        # The batch that entries are added to, which is in the channel already, and the event that
        # is set when it is delivered.
        self._batch: Batch[E, Box] | None = None
        self._delivered: trio.Event | None = None
        # Entries and bytes of the batch that is being delivered.
        self._delivering = 0
        self._delivering_bytes = 0
        # When the batch that entries are added to began, and when the one that is being delivered
        # did. One time for each batch is enough: its first line waits longest, so no line waits
        # longer than this says. And all its lines share one look at the clock. With both histograms
        # that is 0.4 µs a batch, or 1,300 instructions; a batch to two members takes 227,000, not
        # counting the kernel's.
        self._began = self._delivering_since = 0.0
        self._batches, self._latency = Histogram(_ENTRIES), Histogram(_SECONDS)
        # Tasks that wait for room.
        self._gate = Gate()
        self._faults = FaultLog(logger)
        self._started = False
        self._ended = False

    @property
    def is_full(self) -> bool:
        """Whether the log is as long as it may be: in entries, or in bytes.

        Ask before each line that costs something. Appending works all the same.
        """
        entries, size = self.waiting
        return entries > HIGH_WATER or size > HIGH_WATER_BYTES

    @property
    def waiting(self) -> tuple[int, int]:
        """How many entries are not delivered yet, and how many bytes."""
        batch = self._batch
        if batch is None:
            return self._delivering, self._delivering_bytes
        return self._delivering + batch.size, self._delivering_bytes + batch.bytes

    @property
    def must_wait(self) -> bool:
        """Whether `wait_room` would wait: the log is full, or others already wait for room."""
        return self._gate.waiting > 0 or self.is_full

    @property
    def others_wait(self) -> bool:
        """Whether tasks wait for room: whoever appends without waiting takes it from them."""
        return self._gate.waiting > 0

    def readings(self) -> list[Reading]:
        """Return what can be told of this hub in numbers. Never a checkpoint.

        A service with a hub tells them with ``server.metrics.add(hub.readings)``.
        """
        entries, _ = self.waiting
        since = self._delivering_since if self._delivering else self._began
        return [
            self._batches.reading("trionet_batch_entries", "Entries of a batch of a hub's log."),
            self._latency.reading(
                "trionet_delivery_seconds",
                "From a batch's first entry until each member was sent it, or has it waiting.",
            ),
            Reading.gauge(
                "trionet_log_entries", "Entries of a hub's log that are not delivered.", entries
            ),
            Reading.gauge(
                "trionet_log_lag_seconds",
                "How long the oldest of them has been waiting.",
                perf_counter() - since if entries else 0,
                combine="max",
            ),
        ]

    async def wait_room(self, entries: int = HIGH_WATER, *, size: int = 0) -> None:
        """Wait until the log is short, and take turns with the other tasks that wait.

        Always a checkpoint.

        This is the backpressure on tasks that append, and there is one rule: call it when you have
        read lines from a peer, before you append what they cause. Then append, without another
        checkpoint: at the next one, the hub may let the next task in, and the room is gone. Up to
        100 lines, what ``receive_batch`` returns, may share one call.

        Two properties are for services that count microseconds. If `must_wait` is false, the call
        can be left out. If `is_full` becomes true while you append for many lines, call it again
        before the next line.

        Args:
            entries: about how many entries the task will append; default 1,024: it is not known.
                Tasks with up to 16 entries wait in one queue, tasks with more in another, and those
                that do not know in a third. The queues take turns, each in order of arrival. So a
                line that somebody types does not wait for the bursts of others.
            size: about how many bytes these entries have; more than 2,048 count as many entries.
                Default: the entries alone count.

        Raises:
            RuntimeError: `run` has not been called yet.

        Cancellation: gives up the place in the queue.
        """
        if type(entries) is not int:
            check_kind("entries", entries, int)
        if type(size) is not int:
            check_kind("size", size, int)
        self._check_started()
        await trio.lowlevel.checkpoint()
        if self._ended or not self.must_wait:
            return
        much = Much.UNKNOWN if entries >= HIGH_WATER else Much.MUCH
        if entries <= _FEW and size <= _FEW_BYTES:
            much = Much.LITTLE
        try:
            await self._gate.wait(lambda: self._ended or not self.is_full, much)
        finally:
            if self._gate.waiting and not self._ended and self._batch is None:
                # This task may append nothing, and then no batch would come that lets the others
                # in. An empty batch does.
                self._open_batch()

    async def wait_delivered(self) -> None:
        """Wait until all that was appended so far is in the boxes. Always a checkpoint.

        Raises:
            RuntimeError: `run` has not been called yet.
        """
        if (self._batch or self._open_batch()) is None:
            await trio.lowlevel.checkpoint()
            return
        if self._delivered is None:
            self._delivered = trio.Event()
        await self._delivered.wait()

    def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> Coroutine[Any, Any, None]:
        """Deliver until cancelled. Run it once, in a nursery that outlives the members.

        The hub counts as running from this call on, not from the first step of its task: entries
        appended after ``nursery.start_soon(hub.run)`` wait for that step.

        Raises:
            RuntimeError: it was called before.

        Cancellation: entries appended later are dropped silently.
        """
        if self._started:
            raise RuntimeError("the hub was run already: a hub is run once, make another one")
        self._started = True
        return self._run(task_status)

    async def _run(self, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        try:
            while True:
                batch = await self._log_receive.receive()
                # Two rounds of the scheduler let other tasks append to this batch, the second only
                # if the first brought something. Fewer and larger batches are cheaper. The first
                # round gains a quarter more lines a second in a busy room. The second saves a tenth
                # of the CPU time among 1,000 members, and up to 5 % among 100. A third gained
                # nothing.
                for _ in range(2):
                    size = batch.size
                    await trio.lowlevel.checkpoint()
                    if batch.size == size:
                        break
                delivered, self._delivered = self._delivered, None
                self._batch = None
                size = self._delivering = batch.size
                self._delivering_bytes, self._delivering_since = batch.bytes, self._began
                try:
                    await self._deliver(batch)
                finally:
                    # Also when the delivery is cancelled: no other batch will release the waiters.
                    if delivered is not None:
                        delivered.set()
                self._delivering = self._delivering_bytes = 0
                if size:
                    self._batches.observe(size)
                    self._latency.observe(perf_counter() - self._delivering_since)
                # Do not keep the batch alive until the next one comes.
                del batch
                if self._gate.waiting and not self.is_full:
                    self._gate.let_some_in()
        finally:
            self._end()

    def _check_started(self) -> None:
        if not self._started:
            raise RuntimeError(_NOT_RUNNING)

    def _open_batch(self) -> Batch[E, Box] | None:
        """Begin a batch; ``None``: the hub has ended."""
        self._check_started()
        if self._ended:
            return None
        self._began = perf_counter()
        self._batch = Batch(self._formats_of, self._leave_out)
        self._log_send.send_nowait(self._batch)
        return self._batch

    def _end(self) -> None:
        """Release every task that waits for this hub."""
        self._ended = True
        self._batch = None
        self._delivering = self._delivering_bytes = 0
        if self._delivered is not None:
            self._delivered.set()
        self._gate.let_all_in()

    def _deliver(self, batch: Batch[E, Box]) -> Coroutine[Any, Any, None]:
        """Put a batch into the boxes of all members that it concerns."""
        raise NotImplementedError

    def _leave_out(self, encode: Encode[E], event: E, error: Exception) -> None:
        told = "an event could not be encoded and is left out"
        self._faults.report(error, encode, told, Kind(event))
