"""The task that reads: it applies what the stream has, and finds its place again if it is gone.

With each read it asks for its own last position too. If that is missing, one of two things has
happened, and the node finds its place again from the snapshot (`Reader._resync`):

- The stream was *trimmed*, and this node was too far behind. The snapshot has all that it missed.
  Its members are told at once what they have missed, and its life goes on if the snapshot has it.
- The stream has *another past*: it was cut, flushed or rolled back. What members here were told may
  never have happened there. What was told here already is applied without a word. The node begins
  another life in a new epoch, and differences are told only after some seconds, in which members of
  all nodes come in again.

In either case a node that begins another life first notes whose connection each unwritten operation
is for. Only then do members get other numbers (`Away.jump`).
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable

import trio

from trionet.chat.cluster.link import ErrorAnswer, Link, LinkLost, OpenLink
from trionet.chat.cluster.loading import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    PATIENCE,
    READ,
    entries_of,
    place_of,
)
from trionet.chat.cluster.node_lives import Verdict
from trionet.chat.cluster.node_standing import LIFT, Standing
from trionet.chat.cluster.options import RedisError
from trionet.chat.cluster.outgoing import SAFE_AFTER, Phase
from trionet.chat.cluster.replica import Applied, Part, epoch_of, time_of
from trionet.chat.cluster.starting import load_past
from trionet.chat.cluster.untold_events import Telling
from trionet.chat.cluster.upkeep import GAP_PATIENCE, Upkeep

# How long Redis holds a read until something comes, in milliseconds.
_BLOCK = 1000

# For how long entries are applied until others may run, in seconds.
_STRETCH = 0.005

# A node that has not read for this many seconds may have missed what others no longer repeat.
_BEHIND = SAFE_AFTER - 2.0


class Reader:
    """Reads what all nodes have written.

    Args:
        standing: how the node stands.
        open_link: makes a connection.
        telling: tells the events that follow.
        upkeep: looks after the snapshot.
        clock: returns the time, in milliseconds since 1970, UTC.
        on_news: called after each stretch of entries.

    Attributes:
        before: awaited before each stretch of entries is applied.
        after: awaited after entries have been applied, before Redis is asked for more, unless this
            node has more to write.
        lag: how old the newest entry was, in seconds.
        resyncs: how often the place in the stream had to be found again.
    """

    def __init__(
        self,
        standing: Standing,
        open_link: OpenLink,
        telling: Telling,
        upkeep: Upkeep,
        *,
        clock: Callable[[], int],
        on_news: Callable[[], object],
    ) -> None:
        self.before: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint
        self.after: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint
        self.lag = 0.0
        self.resyncs = 0
        self._standing = standing
        self._open_link = open_link
        self._telling = telling
        self._upkeep = upkeep
        self._clock = clock
        self._on_news = on_news
        # When the stream was last read to its end, or nearly.
        self._last_read = 0.0

    async def run(self) -> None:
        """Read the stream and apply its entries until cancelled.

        Cancellation: the connection is closed.
        """
        link = self._open_link()
        pause = FIRST_PAUSE
        try:
            while True:
                position = self._standing.replica.position.encode()
                try:
                    if not link.is_open and not await self._look_around(link):
                        continue
                    news, own = await link.calls(
                        (
                            *(b"XREAD", b"COUNT", b"%d" % READ, b"BLOCK", b"%d" % _BLOCK),
                            *(b"STREAMS", self._standing.stream, position),
                        ),
                        (b"XRANGE", self._standing.stream, position, position),
                        seconds=_BLOCK / 1000 + PATIENCE,
                        opens=False,
                    )
                except (LinkLost, RedisError):
                    news, own = ErrorAnswer("lost"), None
                if isinstance(news, ErrorAnswer) or isinstance(own, ErrorAnswer):
                    await trio.sleep(pause * (1 + random.random()))
                    pause = min(2 * pause, LONGEST_PAUSE)
                    continue
                pause = FIRST_PAUSE
                if not self._standing.has_place(own):
                    await self._resync(link, self._standing.agreement.run)
                    continue
                self._last_read = trio.current_time()
                if news:
                    entries = news[self._standing.stream] if isinstance(news, dict) else news[0][1]
                    await self._take_all(entries_of(entries))
                    # In a busy chat Redis does its part meanwhile. Where 20 of 100 members kept
                    # talking, a node that always waited took 4 to 8 % more of the CPU.
                    if not len(self._standing.out):
                        await self.after()
                    await self._upkeep.save(link)
                await self._upkeep.care(link)
        finally:
            link.close()

    async def _look_around(self, link: Link) -> bool:
        """Open a connection, and find this node's place where it leads; return whether it is there.

        If it is not, the node has another past afterwards.
        """
        run, is_there = await self._standing.locate(link)
        if not is_there:
            await self._resync(link, run)
            return False
        if run != self._standing.agreement.run:
            self._standing.agreement.run = run
            if self._standing.audience is not None:
                # Whoever has left by then repeats nothing.
                self._standing.audience.may_have_missed(LIFT)
            self._standing.wake.set()
        return True

    async def _take_all(self, entries: Iterable[tuple[str, bytes]]) -> None:
        until = 0.0
        for position, data in entries:
            if trio.current_time() >= until:
                await self.before()
                until = trio.current_time() + _STRETCH
            self._next(position, data)
        self._on_news()

    def _next(self, position: str, data: bytes) -> None:
        """Apply an entry, and tell the events that follow."""
        self._telling.begin_entry()
        self._note(self._standing.replica.apply(position, data, self._telling.tell), position)

    def _note(self, applied: Applied, position: str) -> None:
        """Note how far this node's own entries are."""
        self._upkeep.snapshots.entries += 1
        out = self._standing.out
        if applied.life == out.life:
            if applied.verdict is Verdict.FENCED:
                self._standing.begin_life()
            elif applied.verdict is not None:
                out.read_back(applied.life, applied.seq, trio.current_time())
        if self._standing.node in applied.over:
            # Also if another life was to begin: what waits is for members who are lost now.
            living = self._standing.replica.lives.by_node.get(self._standing.node)
            if living is None or living.life != out.life:
                self._standing.begin_life()
        self.lag = max(0.0, (self._clock() - time_of(position)) / 1000)
        if out.phase is not Phase.LIVING:
            self._standing.advance()

    async def _resync(self, link: Link, run: str) -> None:
        """Find the place in the stream again: this node's position is not in it any more.

        Args:
            link: a connection.
            run: the start of Redis where it leads.
        """
        self.resyncs += 1
        audience = self._standing.audience
        assert audience is not None, "`run` has set it"
        former = self._standing.replica
        # No snapshot overtakes the other nodes while they find their places too.
        self._upkeep.pause()
        replica, tail, has_gap = await load_past(link, self._standing, patience=GAP_PATIENCE)
        chat, generation = self._standing.told
        is_trimmed = (
            not has_gap
            and place_of(replica.position) > place_of(former.position)
            and (replica.chat, replica.generation) == self._standing.told
        )
        # The snapshot may have what was never told here, and nothing else has its events.
        has_untold = any(self._telling.is_new(life, seq) for life, seq in replica.lives.all_last())
        untold = replica.state.last_numbers() if has_untold else {}
        is_behind = has_untold or trio.current_time() > self._last_read + _BEHIND
        # What was told here already changes the state only.
        rest = iter(tail)
        ahead: list[Part] = []
        if is_trimmed:
            self._telling.note_shown(replica)
        else:
            for position, data in rest:
                applied = replica.apply(position, data)
                if applied.verdict is Verdict.TAKEN and any(
                    self._telling.is_new(part.life, part.seq) for part in applied.parts
                ):
                    ahead = applied.parts
                    break
        self._standing.replica = replica
        self._standing.agreement.run = run
        settings = replica.settings or self._standing.settings
        living = replica.lives.by_node.get(self._standing.node)
        if not is_trimmed:
            # Its hello says all that an agreement would.
            self._standing.agreement.settled = run
            self._standing.lift(former.state)
            self._standing.topics = former.state.kept_rooms() if replica.settings is None else ()
            if replica.chat in ("", chat):
                self._standing.told = chat, max(replica.generation, generation + 1)
            else:
                self._standing.told = replica.chat, replica.generation
        # Operations are addressed by connections before members get other numbers.
        if not is_trimmed or living is None or living.life != self._standing.out.life:
            self._standing.begin_life()
        else:
            self._standing.out.read_back(living.life, living.seq, trio.current_time())
        if is_trimmed:
            audience.jump(replica.state, until=None)
        else:
            until = replica.lives.now + settings.lease * 3 // 2
            audience.jump(replica.state, until=until, was_behind=is_behind, lift=LIFT)
            audience.tell_epoch(epoch_of(*self._standing.told), untold)
        self._upkeep.snapshots.restart()
        self._telling.begin_entry()
        for part in ahead:
            self._telling.tell(part)
        await self._take_all(rest)
        # It may have been lost and opened again meanwhile, and lead elsewhere.
        link.close()
