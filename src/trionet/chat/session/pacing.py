"""How fast members are told the past: no faster than they read, and not all at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from math import inf
from typing import Any, TypeVar

import trio

from trionet.chat.formats.answers import Event
from trionet.chat.session.passwords import LONGEST_WAIT
from trionet.chat.session.returning import PAGE_BYTES
from trionet.connection.outbox import Outbox
from trionet.errors import TrionetError
from trionet.fanout.hub import Hub

T = TypeVar("T")

# How many bytes of pages may be held at a time for all members that have a turn, and so how many
# have one, which ends when the member has read its page, or has not for a moment. The lines of a
# page take up to twice its size. (Only what the threads read, four at a time, is there as rows and
# as objects too.) What a member has not read after its turn waits in its outbox: one page at most.
BYTES_IN_ALL = 32 << 20
TURNS = BYTES_IN_ALL // (2 * PAGE_BYTES)

# How long a history may take to answer, in seconds. It takes milliseconds, unless the disk hangs.
_ANSWER_WITHIN = 10.0

# How often a wait checks whether somebody still waits.
_LOOK_SECONDS = 0.25


class Pacer:
    """The pace of one connection's errands; see `trionet.chat.session.history_errands.Pace`.

    Args:
        hub: what delivers to the outbox.
        outbox: the outbox of the connection.
        turns: shared by all connections of a server: `TURNS` tokens.
        gate: shared by all connections of a server: who asks the history goes through it.
        ended: tells whether the peer is not served any more; default: it always is.
        postpone_login: called before a `sleep`, with its seconds: they do not count against the
            peer.
    """

    __slots__ = ("_ended", "_gate", "_hub", "_outbox", "_postpone_login", "_turns")

    def __init__(
        self,
        hub: Hub[Event],
        outbox: Outbox,
        turns: trio.CapacityLimiter,
        gate: trio.Lock,
        ended: Callable[[], bool] = lambda: False,
        postpone_login: Callable[[float], object] = lambda _: None,
    ) -> None:
        self._ended = ended
        self._gate = gate
        self._hub = hub
        self._outbox = outbox
        self._turns = turns
        self._postpone_login = postpone_login

    async def ask(self, function: Callable[..., Awaitable[T]], *given: Any, **named: Any) -> T:
        """Await a function of the history.

        Raises:
            TrionetError: the history cannot answer, or not within 10 s.
        """
        # One in each round of the scheduler: a page and its answer take 2 to 6 ms. With 200 members
        # in one round, a message took 0.7 s (p50), and a drain of 1 s took 3.
        async with self._gate:
            await trio.lowlevel.checkpoint()
        with trio.move_on_after(_ANSWER_WITHIN):
            return await function(*given, **named)
        raise TrionetError("the history does not answer")

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, and hold it while the block runs."""
        async with self._turns:
            yield

    def put(self, lines: bytes) -> None:
        """Send lines past the hub. Never a checkpoint."""
        self._outbox.put(lines)

    async def sleep(self, seconds: float) -> bool:
        """Wait, and return whether the peer is still served; if not, this ends early."""
        # Tries of a host wait one after the other. Only the longest wait of one counts: behind
        # thousands of others a peer would hold its place for hours.
        self._postpone_login(min(seconds, LONGEST_WAIT))
        until = trio.current_time() + seconds
        # Nothing tells that the input has ended: the task that waits here is the one that reads.
        while not self._ended() and (left := until - trio.current_time()) > 0:  # noqa: ASYNC110
            await trio.sleep(min(left, _LOOK_SECONDS))
        return not self._ended()

    async def settle(self, within: float = inf) -> bool:
        """Wait until the peer has taken what it was sent; return whether it is still there.

        Args:
            within: how long to wait at most, in seconds. A peer that reads nothing for longer than
                the write timeout is given up in any case.
        """
        await self._hub.wait_delivered()
        with trio.move_on_after(within):
            await self._outbox.flush()
        return not self._outbox.broken
