"""Fan-out: one ordered log, out to every member.

What the plan is:

- Everything that touches the order is appended to one log: publish, tell, add, discard. Whoever
  appends a few entries without a checkpoint between them appends them as one.
- The log goes through one memory channel, a turn at a time. A turn is all that is appended between
  two takings of the hub: the first entry puts it into the channel, the others join it there. (When
  each entry went through the channel by itself, that was a third of what a line cost.)
- One task takes a turn, encodes each event once for each format, joins them once, and puts the
  turn into each member's outbox with one call. So a turn costs one send for each member, however
  many lines it has; and the more there is to do, the larger the turns get.
- Members who wrote, were told something, came or went in a turn get their own cut of it.
- Appending is synchronous, so that it works in ``finally`` and under cancellation. What keeps
  the log short is that readers wait: `Hub.wait_room`, after each batch of lines.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain
from typing import Generic, TypeVar

import trio

from trionet.audience import MEMBERS_AT_ONCE, Audience, Box, is_outbox
from trionet.turn import Cut, Encode, EncodedTurn, Share, Turn

E = TypeVar("E")

# Entries that may be pending before readers wait. Large turns are cheap for each line, but the
# first line of a turn waits for its last: 1,024 lines take some 5 ms.
HIGH_WATER = 1024

# Members who take as long as one who gets less than the whole.
_SHARE = 2

logger = logging.getLogger("trionet.hub")


class Hub(Generic[E]):
    """One log of events, and the members whom it goes to.

    Every member sees one common sequence, less the events that leave it out, plus what it alone is
    told, in the place where it was told.

    Members are boxes: anything with ``put``. A hub neither opens nor closes them.
    """

    def __init__(self) -> None:
        self._log_send, self._log_receive = trio.open_memory_channel[Turn[E, Box]](math.inf)
        # The turn that is being appended to, in the channel already, and who waits for its end.
        self._turn: Turn[E, Box] | None = None
        self._delivered: trio.Event | None = None
        # As of the log's end.
        self._members: dict[Box, Audience[E]] = {}
        self._audiences: dict[Encode[E], Audience[E]] = {}
        # Entries of the turn that is being delivered.
        self._delivering = 0
        self._room: trio.Event | None = None
        self._ended = False

    def add(self, box: Box, encode: Callable[[E], bytes]) -> None:
        """Make a box a member: what is published from here on goes to it. Never a checkpoint.

        Args:
            box: the member.
            encode: turns an event into whole lines in the member's format; empty: the event is
                not for it. Members that share a format must share this function: each event is
                encoded once for each, without a checkpoint. There should be few.
        """
        turn = self._turn or self._open_turn()
        if turn is not None and box not in self._members:
            audience = self._audiences.get(encode)
            if audience is None:
                audience = self._audiences[encode] = Audience(encode)
            audience.add(box)
            self._members[box] = audience
            turn.add(box)

    def discard(self, box: Box) -> None:
        """Send nothing more to a box; what stands in the log before this still goes to it.

        Never a checkpoint. A box that is no member is no error.
        """
        encode = self._remove(box)
        if encode is not None:
            turn = self._turn or self._open_turn()
            if turn is not None:
                turn.discard(box, encode)

    def publish(self, event: E, *, exclude: Box | None = None) -> None:
        """Send an event to all members, less `exclude`. Never a checkpoint."""
        turn = self._turn or self._open_turn()
        if turn is not None:
            turn.publish(event, exclude if exclude in self._members else None)

    def publish_all(self, events: list[E], *, exclude: Box | None = None) -> None:
        """Send events, in their order, to all members, less `exclude`. Never a checkpoint."""
        turn = self._turn or self._open_turn()
        if turn is not None:
            turn.publish_all(events, exclude if exclude in self._members else None)

    def tell(self, box: Box, event: E) -> None:
        """Send an event to one member alone, in its place in the order. Never a checkpoint.

        A box that is no member (any more) is not told.
        """
        turn = self._turn or self._open_turn()
        if turn is not None and box in self._members:
            turn.tell(box, event)

    @property
    def is_full(self) -> bool:
        """Whether `wait_room` would wait."""
        turn = self._turn
        return self._delivering + (0 if turn is None else turn.size) > HIGH_WATER

    async def wait_room(self) -> None:
        """Wait until the log is short. Always a checkpoint.

        This is the backpressure on whoever appends: call it after each batch of lines read from a
        peer (only if `is_full`, where the read is checkpoint enough).
        """
        await trio.lowlevel.checkpoint()
        while self.is_full and not self._ended:
            if self._room is None:
                self._room = trio.Event()
            await self._room.wait()

    async def wait_delivered(self) -> None:
        """Wait until all that was appended so far is in the boxes. Always a checkpoint."""
        if (self._turn or self._open_turn()) is None:
            await trio.lowlevel.checkpoint()
            return
        if self._delivered is None:
            self._delivered = trio.Event()
        await self._delivered.wait()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Deliver, until cancelled. Run it once, in a nursery that outlives the members.

        A box or a format that raises loses its place, or its line; it is logged, and the others
        notice nothing.

        Cancellation: what is appended later is dropped without a word.
        """
        task_status.started()
        try:
            while True:
                turn = await self._log_receive.receive()
                # One more round of the scheduler, in which whoever has something to say joins this
                # turn. Fewer and larger turns: a quarter more lines a second in a busy room.
                await trio.lowlevel.checkpoint()
                delivered, self._delivered = self._delivered, None
                self._turn = None
                self._delivering = turn.size
                try:
                    await self._deliver(turn)
                finally:
                    # Also of a turn that is cancelled: there will be no other to wait for.
                    if delivered is not None:
                        delivered.set()
                self._delivering = 0
                if self._room is not None and not self.is_full:
                    self._room.set()
                    self._room = None
        finally:
            self._end()

    def _open_turn(self) -> Turn[E, Box] | None:
        """Begin a turn; ``None``: the hub runs no more."""
        if self._ended:
            return None
        self._turn = Turn()
        self._log_send.send_nowait(self._turn)
        return self._turn

    def _end(self) -> None:
        """Let go of whoever waits for a hub that runs no more."""
        self._ended = True
        self._turn = None
        for event in (self._room, self._delivered):
            if event is not None:
                event.set()

    async def _deliver(self, turn: Turn[E, Box]) -> None:
        # All is looked up before the first checkpoint: who comes or goes meanwhile belongs to the
        # next turn.
        formats: dict[Encode[E], EncodedTurn[E]] = {}
        cuts = [
            (box, cut, _encoded(turn, self._members[box].encode, formats))
            for box, cut in turn.cuts.items()
            if box in self._members
        ]
        deliveries = [
            audience.deliver(whole, without=turn.cuts, on_error=self._lose)
            for encode, audience in (self._audiences.items() if turn.events else ())
            if (whole := _encoded(turn, encode, formats).whole)
        ]
        with ExitStack() as stack:
            for delivery in deliveries:
                stack.callback(delivery.close)
            served = 0
            for number in chain(self._put_shares(turn, cuts, formats), *deliveries):
                served += number
                if served >= MEMBERS_AT_ONCE:
                    served = 0
                    await trio.lowlevel.checkpoint()

    def _put_shares(
        self,
        turn: Turn[E, Box],
        cuts: list[tuple[Box, Cut[E], EncodedTurn[E]]],
        formats: dict[Encode[E], EncodedTurn[E]],
    ) -> Iterator[int]:
        """Serve those who do not get the whole of it, in steps as `Audience.deliver` does."""
        # Who has gone comes first: it may have come back.
        for box, encode, cut, end in turn.departures:
            self._put_share(box, _encoded(turn, encode, formats).apply(cut, end))
            yield _SHARE
        for box, cut, encoded in cuts:
            self._put_share(box, encoded.apply(cut))
            yield _SHARE

    def _put_share(self, box: Box, share: Share) -> None:
        pieces, tally = share
        if not pieces:
            return
        try:
            if is_outbox(box):
                box.put_pieces(pieces, tally)
            else:
                box.put(b"".join(pieces))
        except Exception:
            self._lose(box)

    def _lose(self, box: Box) -> None:
        logger.exception("a member's box failed and is discarded: %r", box)
        self._remove(box)

    def _remove(self, box: Box) -> Encode[E] | None:
        """Forget a member and return its format; ``None``: it was none."""
        audience = self._members.pop(box, None)
        if audience is None:
            return None
        audience.discard(box)
        if not audience:
            del self._audiences[audience.encode]
        return audience.encode


def _encoded(
    turn: Turn[E, Box], encode: Encode[E], formats: dict[Encode[E], EncodedTurn[E]]
) -> EncodedTurn[E]:
    if encode not in formats:
        formats[encode] = EncodedTurn(turn.events, encode, _leave_out)
    return formats[encode]


def _leave_out(event: object) -> None:
    logger.exception("an event could not be encoded and is left out: %r", event)
