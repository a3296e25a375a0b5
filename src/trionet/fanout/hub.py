"""Fan-out: one ordered log, out to every member.

What the plan is:

- Everything that touches the order is appended to one log: publish, tell, add, discard. Whoever
  appends a few entries without a checkpoint between them appends them as one.
- The log goes through one memory channel, a turn at a time. A turn (a batch) is all that is
  appended between two takings of the hub: the first entry puts it into the channel, the others
  join it there. (When each entry went through the channel by itself, that was a third of what a
  line cost.)
- An event is encoded once for each format when it is appended, so that the log's size is known in
  bytes. One task takes a turn, joins it once for each format, and puts it into each member's outbox
  with one call. So a turn costs one send for each member, however many lines it has; and the more
  there is to do, the larger the turns get.
- Members who wrote, were told something, came or went in a turn get their own cut of it.
- Appending is synchronous, so that it works in ``finally`` and under cancellation. What keeps
  the log short is that readers wait: `Hub.wait_room`, before each line that costs something.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from itertools import chain, islice
from time import perf_counter
from typing import Any, Generic, TypeVar

import trio

from trionet.abc import Box
from trionet.checks import check_box, check_encode
from trionet.fanout.batch import Cut, Encode, Payload, Share, Turn
from trionet.fanout.group import MEMBERS_AT_ONCE, Audience, is_outbox, weight_of
from trionet.faults import FaultLog
from trionet.lines import TALLY_BYTE

E = TypeVar("E")

# Entries that may be pending before readers wait. Large turns are cheap for each line, but the
# first line of a turn waits for its last: 1,024 lines take some 5 ms.
HIGH_WATER = 1024

# Bytes that may be pending before readers wait: 1,024 lines of 512 bytes. Half of it cost a twelfth
# of the throughput in a room of 1,000 members; more of it gains nothing.
HIGH_WATER_BYTES = 1 << 19

# How long the hub goes on between two checkpoints, whatever the members are. (What a send takes
# differs by a factor of a hundred: some sockets have room, others have to make it.)
_SECONDS_AT_ONCE = 0.002

# Members who take as long as one who gets less than the whole.
_SHARE = 2

# Of those who wait for room, some are let in at a time, who then look whether there is room left.
# To wake all of 10,000 for each turn, of whom 16 find room, would take longer than the turn.
_LET_IN_AT_LEAST = 4

# How often the first of them may find that others were quicker; then it is let in alone.
_TRIES = 2

_NOT_RUNNING = (
    "the hub is not running: write nursery.start_soon(hub.run) before anything is published"
)

logger = logging.getLogger("trionet.fanout")


class _Place:
    """A place in the queue of those who wait for room.

    Attributes:
        let_in: set when it is worth looking whether there is room.
        tries: how often it was set.
    """

    __slots__ = ("let_in", "tries")

    def __init__(self) -> None:
        self.let_in = trio.Event()
        self.tries = 0


class Hub(Generic[E]):
    """One log of events, and the members whom it goes to.

    Every member sees one common sequence, less the events that leave it out, plus what it alone is
    told, in the place where it was told.

    Members are boxes: anything with ``put``. A hub neither opens nor closes them.

    Members may come and go before `run` is called; all else raises a ``RuntimeError`` until then,
    because nobody would ever hear of it. ``nursery.start_soon(hub.run)`` is such a call: what is
    published in the next line already waits for the hub.

    What a box or a format raises costs at most its own place or its own line. Each such fault is
    logged once, and the hub goes on.
    """

    def __init__(self) -> None:
        self._log_send, self._log_receive = trio.open_memory_channel[Turn[E, Box]](math.inf)
        # The turn that is being appended to, in the channel already, and who waits for its end.
        self._turn: Turn[E, Box] | None = None
        self._delivered: trio.Event | None = None
        # As of the log's end.
        self._members: dict[Box, Audience[E]] = {}
        self._audiences: dict[Encode[E], Audience[E]] = {}
        # Entries and bytes of the turn that is being delivered.
        self._delivering = 0
        self._delivering_bytes = 0
        # Who waits for room, in order of coming, and how many were let in since the last turn.
        self._queue: dict[_Place, None] = {}
        self._let_in = 0
        self._faults = FaultLog(logger)
        self._started = False
        self._ended = False

    def __repr__(self) -> str:
        state = "ended" if self._ended else "running" if self._started else "not running yet"
        entries, size = self._pending
        return (
            f"<trionet.Hub {state}, {len(self._members)} members, "
            f"{entries} entries ({size} bytes) to deliver>"
        )

    def add(self, box: Box, encode: Callable[[E], bytes]) -> None:
        """Make a box a member: what is published from here on goes to it. Never a checkpoint.

        Args:
            box: the member.
            encode: turns an event into whole lines in the member's format; empty: the event is
                not for it. Members that share a format must share this function: each event is
                encoded once for each, when it is appended. There should be few. What raises, or
                returns anything but lines with their ends, loses that event for its members.

        Raises:
            TypeError: `box` has no ``put``, or `encode` is no ordinary function.
        """
        if self._ended or box in self._members:
            return
        if not hasattr(box, "put"):
            check_box(box)
        audience = self._audiences.get(encode)
        if audience is None:
            # For each format, not for each member.
            check_encode(encode)
            audience = self._audiences[encode] = Audience(encode)
        audience.add(box)
        self._members[box] = audience
        if self._started and (turn := self._turn or self._open_turn()) is not None:
            turn.add(box, encode)

    def discard(self, box: Box) -> None:
        """Send nothing more to a box; what stands in the log before this still goes to it.

        Never a checkpoint. A box that is no member is no error.
        """
        encode = self._remove(box)
        if encode is not None and self._started:
            turn = self._turn or self._open_turn()
            if turn is not None:
                turn.discard(box, encode)

    def publish(self, event: E, *, exclude: Box | None = None) -> None:
        """Send an event to all members, less `exclude`. Never a checkpoint.

        Raises:
            RuntimeError: `run` was not called yet.
        """
        turn = self._turn or self._open_turn()
        if turn is not None:
            turn.publish(event, exclude if exclude in self._members else None)

    def publish_all(self, events: list[E], *, exclude: Box | None = None) -> None:
        """Send events, in their order, to all members, less `exclude`. Never a checkpoint.

        Raises:
            RuntimeError: `run` was not called yet.
        """
        turn = self._turn or self._open_turn()
        if turn is not None:
            turn.publish_all(events, exclude if exclude in self._members else None)

    def tell(self, box: Box, event: E) -> int:
        """Send an event to one member alone, in its place in the order. Never a checkpoint.

        A box that is no member (any more) is not told. An event that is told to many is encoded
        once for each turn and format, if it is the same object.

        Returns:
            How many bytes the member is told.

        Raises:
            RuntimeError: `run` was not called yet.
        """
        turn = self._turn or self._open_turn()
        audience = self._members.get(box)
        if turn is None or audience is None:
            return 0
        return turn.tell(box, audience.encode, event)

    @property
    def is_full(self) -> bool:
        """Whether the log is as long as it may be: in entries, or in bytes.

        To be asked before each line that costs something. Appending works all the same.
        """
        entries, size = self._pending
        return entries > HIGH_WATER or size > HIGH_WATER_BYTES

    @property
    def must_wait(self) -> bool:
        """Whether `wait_room` would wait: the log is full, or others wait for room already."""
        return bool(self._queue) or self.is_full

    async def wait_room(self) -> None:
        """Wait until the log is short, and those who came before have appended.

        Always a checkpoint.

        This is the backpressure on whoever appends: call it before each batch of lines read from a
        peer (only if `must_wait`, where the read is checkpoint enough), and within a batch when
        `is_full`. Append without a checkpoint in between: the next one is let in after it.

        Raises:
            RuntimeError: `run` was not called yet.

        Cancellation: gives up the place in the queue.
        """
        self._check_started()
        await trio.lowlevel.checkpoint()
        if self._ended or not self.must_wait:
            return
        place = _Place()
        self._queue[place] = None
        try:
            while True:
                await place.let_in.wait()
                if self._ended or not self.is_full:
                    break
                place.let_in = trio.Event()
            self._let_in += 1
        finally:
            del self._queue[place]
            if self._queue and not self._ended:
                # Have the hub come round again, even if this one appends nothing.
                self._turn or self._open_turn()

    async def wait_delivered(self) -> None:
        """Wait until all that was appended so far is in the boxes. Always a checkpoint.

        Raises:
            RuntimeError: `run` was not called yet.
        """
        if (self._turn or self._open_turn()) is None:
            await trio.lowlevel.checkpoint()
            return
        if self._delivered is None:
            self._delivered = trio.Event()
        await self._delivered.wait()

    def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> Coroutine[Any, Any, None]:
        """Deliver, until cancelled. Run it once, in a nursery that outlives the members.

        The call itself counts as the beginning, not the first step of its task: what is appended
        behind ``nursery.start_soon(hub.run)`` waits for that.

        Raises:
            RuntimeError: it was called before.

        Cancellation: what is appended later is dropped without a word.
        """
        if self._started:
            raise RuntimeError("the hub was run already: a hub is run once, make another one")
        self._started = True
        return self._run(task_status)

    async def _run(self, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        try:
            while True:
                turn = await self._log_receive.receive()
                # One more round of the scheduler, in which whoever has something to say joins this
                # turn. Fewer and larger turns: a quarter more lines a second in a busy room.
                await trio.lowlevel.checkpoint()
                delivered, self._delivered = self._delivered, None
                self._turn = None
                self._delivering, self._delivering_bytes = turn.size, turn.bytes
                try:
                    await self._deliver(turn)
                finally:
                    # Also of a turn that is cancelled: there will be no other to wait for.
                    if delivered is not None:
                        delivered.set()
                self._delivering = self._delivering_bytes = 0
                # Not to be kept alive until the next one comes.
                del turn
                if self._queue and not self.is_full:
                    self._wake_waiters()
        finally:
            self._end()

    def _wake_waiters(self) -> None:
        """Let in the first of those who wait: twice as many as there was room for last time."""
        count, self._let_in = _LET_IN_AT_LEAST + 2 * self._let_in, 0
        if next(iter(self._queue)).tries >= _TRIES:
            count = 1
        for place in islice(self._queue, count):
            place.tries += 1
            place.let_in.set()

    @property
    def _pending(self) -> tuple[int, int]:
        turn = self._turn
        if turn is None:
            return self._delivering, self._delivering_bytes
        return self._delivering + turn.size, self._delivering_bytes + turn.bytes

    def _check_started(self) -> None:
        if not self._started:
            raise RuntimeError(_NOT_RUNNING)

    def _open_turn(self) -> Turn[E, Box] | None:
        """Begin a turn; ``None``: the hub runs no more."""
        self._check_started()
        if self._ended:
            return None
        self._turn = Turn(self._audiences, self._leave_out)
        self._log_send.send_nowait(self._turn)
        return self._turn

    def _end(self) -> None:
        """Let go of whoever waits for a hub that runs no more."""
        self._ended = True
        self._turn = None
        self._delivering = self._delivering_bytes = 0
        if self._delivered is not None:
            self._delivered.set()
        for place in self._queue:
            place.let_in.set()

    async def _deliver(self, turn: Turn[E, Box]) -> None:
        # All is looked up before the first checkpoint: who comes or goes meanwhile belongs to the
        # next turn.
        payloads = turn.close()
        cuts = [
            (box, cut, payloads[self._members[box].encode])
            for box, cut in turn.cuts.items()
            if box in self._members
        ]
        deliveries = [
            audience.deliver(whole, without=turn.cuts, on_error=self._lose)
            for encode, audience in self._audiences.items()
            if encode in payloads and (whole := payloads[encode].whole)
        ]
        with ExitStack() as stack:
            for delivery in deliveries:
                stack.callback(delivery.close)
            served, began = 0, perf_counter()
            for weight in chain(self._put_shares(turn, cuts, payloads), *deliveries):
                served += weight
                if served >= MEMBERS_AT_ONCE or perf_counter() - began > _SECONDS_AT_ONCE:
                    await trio.lowlevel.checkpoint()
                    served, began = 0, perf_counter()

    def _put_shares(
        self,
        turn: Turn[E, Box],
        cuts: list[tuple[Box, Cut, Payload]],
        payloads: dict[Encode[E], Payload],
    ) -> Iterator[int]:
        """Serve those who do not get the whole of it, in steps as `Audience.deliver` does."""
        # Who has gone comes first: it may have come back.
        for box, encode, cut, end in turn.departures:
            yield self._put_share(box, payloads[encode].share(cut, end))
        for box, cut, payload in cuts:
            yield self._put_share(box, payload.share(cut))

    def _put_share(self, box: Box, share: Share) -> int:
        """Put a member's share, and return what it weighs."""
        pieces, tally = share
        if pieces:
            try:
                if is_outbox(box):
                    box.put_pieces(pieces, tally)
                else:
                    box.put(b"".join(pieces))
            except Exception as error:
                self._lose(box, error)
        return _SHARE * weight_of(tally // TALLY_BYTE)

    def _lose(self, box: Box, error: Exception) -> None:
        self._faults.report(
            error, getattr(box, "put", box), "a member's box failed and is discarded", box
        )
        self._remove(box)

    def _leave_out(self, encode: Encode[E], event: E, error: Exception) -> None:
        self._faults.report(error, encode, "an event could not be encoded and is left out", event)

    def _remove(self, box: Box) -> Encode[E] | None:
        """Forget a member and return its format; ``None``: it was none."""
        audience = self._members.pop(box, None)
        if audience is None:
            return None
        audience.discard(box)
        if not audience:
            del self._audiences[audience.encode]
        return audience.encode
