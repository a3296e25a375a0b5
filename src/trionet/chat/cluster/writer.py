"""The task that writes: one entry at a time, and the same one again until it is in.

Before the first entry on each connection it looks whether the entry would come after all that
nodes have told.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import trio

from trionet.chat.cluster.agreement import LOOK_AGAIN, Opinion
from trionet.chat.cluster.entries import Agreed, Bye, encode_item
from trionet.chat.cluster.link import ErrorAnswer, Link, LinkLost, OpenLink
from trionet.chat.cluster.loading import FIELD, FIRST_PAUSE, LONGEST_PAUSE, PATIENCE
from trionet.chat.cluster.node_lives import BEATS
from trionet.chat.cluster.node_standing import Standing
from trionet.chat.cluster.options import RedisError
from trionet.chat.cluster.outgoing import Flight, Phase


class Writer:
    """Writes what a node has to say.

    Args:
        standing: how the node stands.
        open_link: makes a connection.
        on_room: called whenever an entry is in.

    Attributes:
        resends: how many entries were sent again.
        written: set when the node has ended its life.
    """

    def __init__(
        self, standing: Standing, open_link: OpenLink, on_room: Callable[[], object]
    ) -> None:
        self.resends = 0
        self.written = trio.Event()
        self._standing = standing
        self._open_link = open_link
        self._on_room = on_room
        # The start of Redis that this node writes to.
        self._run = ""

    async def run(self) -> None:
        """Write into the stream until the node has ended its life.

        Cancellation: the connection is closed.
        """
        link = self._open_link()
        try:
            while True:
                await self._wait_for_work()
                out = self._standing.out
                is_last = self._standing.is_leaving and out.phase is Phase.LIVING and not len(out)
                if is_last:
                    out.append_own(encode_item(Bye()))
                await self._send(link, out.take(trio.current_time()))
                self._on_room()
                if is_last:
                    self.written.set()
                    return
        finally:
            link.close()

    async def _wait_for_work(self) -> None:
        """Wait until there is something to write, or a heartbeat is due.

        Whoever appends wakes the writer, which runs in the scheduler's next round. So the entry has
        what all tasks of this round append. With one more round, entries were up to a quarter
        larger, but the rate was the same, and a lone message came 0.2 to 0.5 ms later.
        """
        out, beat = self._standing.out, self._standing.lease / BEATS
        until = trio.current_time() + beat
        while (
            out.is_idle
            and not (self._standing.is_leaving and not len(out))
            # Others wait for this node to come.
            and self._standing.agreement.is_settled
        ):
            self._standing.wake = trio.Event()
            with trio.move_on_at(until) as scope:
                await self._standing.wake.wait()
            if scope.cancelled_caught:
                break

    async def _send(self, link: Link, flight: Flight) -> None:
        """Send an entry until it is in, or its life is over."""
        command = b"XADD", self._standing.stream, b"*", FIELD, flight.data
        pause, is_first = FIRST_PAUSE, True
        while self._standing.out.is_unread(flight):
            try:
                if await self._is_in_place(link):
                    if not await self._is_agreed(link):
                        await trio.sleep(LOOK_AGAIN)
                        continue
                    if not self._standing.out.is_unread(flight):
                        return
                    self.resends += not is_first
                    is_first = False
                    (answer,) = await link.calls(command, seconds=PATIENCE, opens=False)
                    if not isinstance(answer, ErrorAnswer):
                        return
            except (LinkLost, RedisError):
                # A password that was changed meanwhile may be changed back.
                pass
            with trio.move_on_after(pause * (1 + random.random())):
                while self._standing.out.is_unread(flight):
                    await self._standing.news.wait()
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _is_in_place(self, link: Link) -> bool:
        """Tell whether an entry that is written now comes after what this node has read.

        A Redis that has lost its newest part has started anew, so only another connection has to be
        looked at. Until the reader has found its place again nothing is written: it would get
        numbers that were told already.
        """
        run = self._standing.agreement.run
        if link.is_open and self._run == run:
            return True
        self._run, is_there = await self._standing.locate(link)
        if not is_there or self._run != self._standing.agreement.run:
            # The reader has not looked there yet. So that the next entry asks again.
            link.close()
        return link.is_open

    async def _is_agreed(self, link: Link) -> bool:
        """Tell whether the stream that this node writes to is known to have its end."""
        agreement, run = self._standing.agreement, self._standing.agreement.run
        if agreement.is_settled:
            return True
        if self._standing.replica.run == run or not run:
            agreement.settled = run
            return True
        living = self._standing.replica.lives.by_node
        opinion = await agreement.ask(
            link, living, trio.current_time(), lease=self._standing.lease, seconds=PATIENCE
        )
        if opinion is Opinion.UNKNOWN or agreement.run != run or agreement.is_settled:
            return agreement.is_settled
        agreement.settled = run
        if opinion is Opinion.COMPLETE:
            self._standing.out.append_own(encode_item(Agreed(run)))
        else:
            self._standing.begin_epoch()
        return True
