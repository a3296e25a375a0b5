"""The log of a cluster: operations go into a Redis stream, and are applied when they come back.

The parts, each with a file of its own:

- `starting` waits for Redis and loads what is there.
- `writer` sends one entry at a time, and the same entry again until it is in. `seq` makes sure that
  it counts once.
- `reader` applies what the stream has, and finds its place again where that is gone.
- `untold_events` tells each event once, and `upkeep` saves snapshots.
- `node_standing` is what they share.

Reading proves nothing about writing: a Redis that is full, or a replica, can be read. So the log
counts as out of reach when an entry has not come back for 2 s. There is one with each heartbeat.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from heapq import heappop, heappush
from itertools import count

import trio

from trionet.chat.cluster.entries import Settings
from trionet.chat.cluster.link import OpenLink
from trionet.chat.cluster.loading import PATIENCE
from trionet.chat.cluster.node_standing import Audience, Standing
from trionet.chat.cluster.options import RedisError, RedisOptions
from trionet.chat.cluster.reader import Reader
from trionet.chat.cluster.replica import Replica
from trionet.chat.cluster.starting import (
    agree_at_start,
    check_settings,
    load_past,
    wait_for_redis,
)
from trionet.chat.cluster.statistics import LogStatistics
from trionet.chat.cluster.untold_events import Telling
from trionet.chat.cluster.upkeep import START_PATIENCE, Upkeep
from trionet.chat.cluster.writer import Writer
from trionet.chat.state.events import StateEvent
from trionet.chat.state.operations import Operation, Restore

# When members are told that the log is out of reach, in seconds.
TOLD_AFTER = 2.0

# How many operations may wait while Redis answers. More would only make each of them wait longer.
_QUEUE = 2048


class RedisLog:
    """A log that several machines share; see `trionet.chat.session.operation_log.Log`.

    Args:
        options: where Redis is.
        open_link: makes a connection.
        node: the name of this node.
        settings: what holds for all nodes, if this is the first.
        chat: the epoch, if this is the first node.
        restored: what this node's history has kept, if it is the first node; ``None``: nothing.
        clock: returns the time, in milliseconds since 1970, UTC.
        tell: called with one line for people when something is wrong.
    """

    is_shared = True

    def __init__(
        self,
        options: RedisOptions,
        open_link: OpenLink,
        *,
        node: str,
        settings: Settings,
        chat: str,
        restored: Restore | None = None,
        clock: Callable[[], int],
        tell: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.origin = node
        self._options = options
        self._open_link = open_link
        self._restored = restored
        self._tell = tell
        self._standing = Standing(options, node=node, settings=settings, chat=chat)
        self._upkeep = Upkeep(self._standing)
        self._telling = Telling(self._standing, self._upkeep.snapshots.note)
        self._writer = Writer(self._standing, open_link, self._make_room)
        self._reader = Reader(
            self._standing,
            open_link,
            self._telling,
            self._upkeep,
            clock=clock,
            on_news=self._tell_news,
        )
        self._on_available: Callable[[bool], object] = lambda _: None
        self._room: trio.Event | None = None
        self._waiting: list[tuple[int, int, trio.Event]] = []
        self._order = count()
        self._available = True

    @property
    def replica(self) -> Replica:
        """The state of the cluster, as far as this node has read."""
        return self._standing.replica

    def __repr__(self) -> str:
        return f"<trionet.chat.cluster.RedisLog of {self.origin} at {self.replica.position}>"

    # -- what the switchboard and its sessions use

    @property
    def applied(self) -> int:
        """The operations with this ticket and smaller ones have been applied."""
        return self._standing.out.applied

    @property
    def must_wait(self) -> bool:
        """Whether whoever has more to append has to wait first."""
        out = self._standing.out
        if out.bytes > self._options.max_pending:
            return True
        # While Redis is out of reach, members may say as much as there is room for.
        return self._available and out.waiting > _QUEUE

    @property
    def available(self) -> bool:
        """Whether Redis takes what is written."""
        return self._available

    def append(self, *operations: Operation) -> int:
        """Append operations; see `trionet.chat.session.operation_log.Log`. Never a checkpoint."""
        ticket = self._standing.out.append(*operations)
        self._standing.wake.set()
        return ticket

    async def wait(self, ticket: int) -> None:
        """Wait until the operations with a ticket have been applied."""
        if ticket > self._standing.out.applied:
            applied = trio.Event()
            heappush(self._waiting, (ticket, next(self._order), applied))
            await applied.wait()

    async def wait_news(self) -> None:
        """Wait until operations have been applied, of whatever machine."""
        await self._standing.news.wait()

    async def wait_room(self) -> None:
        """Wait until more can be appended."""
        while self.must_wait:
            if self._room is None:
                self._room = trio.Event()
            await self._room.wait()

    def statistics(self) -> LogStatistics:
        """Return how the log is doing."""
        return LogStatistics(
            available=self._available,
            lag=self._reader.lag,
            pending=len(self._standing.out),
            pending_bytes=self._standing.out.bytes,
            entries=self.replica.count,
            resends=self._writer.resends,
            resyncs=self._reader.resyncs,
            lives=self._standing.out.lives,
            nodes=len(self.replica.lives.by_node),
        )

    # -- what the server uses

    async def load(self, keep: Callable[[list[StateEvent]], object]) -> None:
        """Wait for Redis, see whether it can be used, and load what is there.

        Args:
            keep: called with the events that the stream still has.

        Raises:
            RedisError: Redis does not answer, or cannot be used.
        """
        link, standing = self._open_link(), self._standing
        try:
            await wait_for_redis(link, self._options, standing.stream, self._tell)
            await check_settings(link, self._options.place, self._tell)
            standing.replica, tail, has_gap = await load_past(
                link, standing, patience=START_PATIENCE
            )
            for position, data in tail:
                standing.replica.apply(position, data, lambda part: keep(part.events))
            is_doubtful = not await agree_at_start(link, standing, self._options.key, keep)
            self._telling.note_shown(standing.replica)
            is_new = standing.replica.settings is None
            if not is_new:
                standing.told = (
                    standing.replica.chat,
                    standing.replica.generation + (has_gap or is_doubtful),
                )
            restored = self._restored
            if restored is not None and restored.highest > standing.replica.state.highest:
                # No number that the history has may come twice.
                standing.highest = restored.highest
                standing.topics = restored.rooms if is_new else ()
            if is_doubtful:
                standing.lift(standing.replica.state)
            standing.begin_life()
        finally:
            link.close()

    async def run(
        self,
        show: Callable[[list[StateEvent]], object],
        audience: Audience,
        *,
        on_available: Callable[[bool], object] = lambda _: None,
        before: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint,
        after: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Write and read until cancelled. Call `load` first.

        Args:
            show: called with the events of each entry.
            audience: who knows the members of this node.
            on_available: called when the log is out of reach, and when it is back.
            before: awaited before each stretch of entries is applied.
            after: awaited after entries have been applied, before Redis is asked for more, unless
                this node has more to write.
            task_status: started once the node has said hello.
        """
        self._telling.show, self._standing.audience = show, audience
        self._on_available = on_available
        self._reader.before, self._reader.after = before, after
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._writer.run)
            nursery.start_soon(self._reader.run)
            nursery.start_soon(self._watch)
            with trio.move_on_after(max(self._options.wait, PATIENCE)):
                await self._standing.ready.wait()
            if not self._standing.ready.is_set():
                raise RedisError(f"Redis at {self._options.place} takes nothing that is written")
            task_status.started()

    async def leave(self) -> None:
        """Write all that waits, and end the life of this node. Cancel it after a while."""
        self._standing.is_leaving = True
        self._standing.wake.set()
        await self._writer.written.wait()

    # -- who waits

    def _make_room(self) -> None:
        if self._room is not None and not self.must_wait:
            self._room.set()
            self._room = None

    def _tell_news(self) -> None:
        """Wake whoever waits for operations to come back."""
        applied, waiting = self._standing.out.applied, self._waiting
        while waiting and waiting[0][0] <= applied:
            heappop(waiting)[2].set()
        self._standing.news.set()
        self._standing.news = trio.Event()
        if not self._available:
            self._look()
        self._make_room()

    async def _watch(self) -> None:
        """Tell when the log is out of reach."""
        while True:
            self._look()
            await trio.sleep(TOLD_AFTER / 8)

    def _look(self) -> None:
        """Tell when the log is out of reach, and when it is back."""
        oldest = self._standing.out.oldest_unread
        available = oldest is None or trio.current_time() < oldest + TOLD_AFTER
        if available is not self._available:
            self._available = available
            self._make_room()
            self._on_available(available)
