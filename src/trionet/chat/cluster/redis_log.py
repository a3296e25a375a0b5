"""The log of a cluster: operations go into a Redis stream, and are applied when they come back.

Two tasks, each with a connection of its own:

- The *writer* sends one entry at a time, and sends the same entry again until it is in. `seq` makes
  sure that it counts once.
- The *reader* applies what the stream has. It asks for its own last position too: if that is
  missing, the stream was trimmed, cut, flushed or rolled back, and the node has to `_resync`.

Reading proves nothing about writing: a Redis that is full, or a replica, can be read. So the log
counts as out of reach when an entry has not come back for 2 s. There is one with each heartbeat.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count
from typing import Any, Protocol

import trio

from trionet.chat.cluster.entries import VERSION, Bye, Hello, Settings, encode_item, is_beginning
from trionet.chat.cluster.link import ErrorAnswer, Link, LinkLost, OpenLink
from trionet.chat.cluster.lives import BEATS, Verdict
from trionet.chat.cluster.loading import (
    FIELD,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    PATIENCE,
    READ,
    ask,
    entries_of,
    load_stream,
    place_of,
)
from trionet.chat.cluster.options import RedisError, RedisOptions
from trionet.chat.cluster.outgoing import SAFE_AFTER, Flight, Outgoing, Phase
from trionet.chat.cluster.replica import (
    BEGINNING,
    EXPIRY,
    Applied,
    Part,
    Replica,
    epoch_of,
    time_of,
)
from trionet.chat.cluster.snapshots import SAVE, Snapshots
from trionet.chat.cluster.statistics import LogStatistics
from trionet.chat.state.events import EpochBegan, StateEvent
from trionet.chat.state.operations import ConnectionId, KeptRoom, LogIn, Operation, Restore
from trionet.chat.state.state import State

# When members are told that the log is out of reach, in seconds.
TOLD_AFTER = 2.0

# How long Redis holds a read until something comes, in milliseconds.
_BLOCK = 1000

# For how long entries are applied until others may run, in seconds.
_STRETCH = 0.005

# A node that has not read for so long, in seconds, may have missed what others no longer repeat.
_BEHIND = SAFE_AFTER - 2.0

# After the log has lost a part, numbers go on so far above the highest that this node has told. The
# first node to come back may not be the one that told most, and no number must be told twice.
_LIFT = 1 << 20

# How often a node looks after the snapshot, in seconds: the oldest node, and others more rarely.
# And how long a node waits for a snapshot that fits the stream: when it starts, and later. After
# the stream has lost something, all of them look for their place first.
_CARE = 1.0
_GAP_PATIENCE = 4 * _CARE
_CARE_AFTER = 10.0
_START_PATIENCE = _CARE_AFTER + _GAP_PATIENCE

# How many operations may wait while Redis answers. More would only make each of them wait longer.
_QUEUE = 2048


class Audience(Protocol):
    """Something that is told what the log has applied, and knows the members of this node.

    `trionet.chat.session.away.Away` implements it.
    """

    def coming_in_again(self) -> list[LogIn]:
        """Return the logins of members that the log has lost."""

    def connection_of(self, member: int) -> ConnectionId | None:
        """Return the connection of a member, also if the log has just lost it."""

    def members(self) -> dict[ConnectionId, int]:
        """Return the members of this node by connection."""

    def jump(
        self, state: State, *, until: int | None, was_behind: bool = False, lift: int = 0
    ) -> None:
        """Go on with another state."""

    def tell_epoch(self, epoch: str) -> None:
        """Tell everyone that an epoch has begun."""


class RedisLog:
    """A log that several machines share; see `trionet.chat.session.log.Log`.

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
        self.replica = Replica()
        self._options = options
        self._open_link = open_link
        self._settings = settings
        self._first_chat = chat
        self._restored = restored
        self._clock = clock
        self._tell = tell
        self._out = Outgoing(node, lambda: random.getrandbits(48))
        self._stream = options.stream_key.encode()
        self._snapshot_key = options.snapshot_key.encode()
        self._snapshots = Snapshots()
        self._show: Callable[[list[StateEvent]], object] = lambda _: None
        self._audience: Audience | None = None
        self._on_available: Callable[[bool], object] = lambda _: None
        self._before: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint
        self._wake = trio.Event()
        self._news = trio.Event()
        self._room: trio.Event | None = None
        self._written = trio.Event()
        self._ready = trio.Event()
        self._waiting: list[tuple[int, int, trio.Event]] = []
        self._order = count()
        # The last entry of each life whose events were told here.
        self._shown: dict[int, int] = {}
        # The epoch that members here were told: chat and generation.
        self._told = chat, 0
        # The entries whose parts are being told, and whether they are told for the first time.
        self._telling: dict[tuple[int, int], bool] = {}
        self._highest = 0
        self._topics: tuple[KeptRoom, ...] = ()
        self._available = True
        self._is_leaving = False
        self._lag = 0.0
        self._resends = self._resyncs = 0
        # When the stream was last read to its end, or nearly.
        self._last_read = 0.0
        # A position that need not be in the stream.
        self._unanchored = BEGINNING
        self._next_care = 0.0

    def __repr__(self) -> str:
        return f"<trionet.chat.cluster.RedisLog of {self.origin} at {self.replica.position}>"

    # -- what the switchboard and its sessions use

    @property
    def applied(self) -> int:
        """The operations with this ticket and smaller ones have been applied."""
        return self._out.applied

    @property
    def must_wait(self) -> bool:
        """Whether whoever has more to append has to wait first."""
        out = self._out
        if out.bytes > self._options.max_pending:
            return True
        # While Redis is out of reach, members may say as much as there is room for.
        return self._available and out.waiting > _QUEUE

    @property
    def available(self) -> bool:
        """Whether Redis takes what is written."""
        return self._available

    def append(self, *operations: Operation) -> int:
        """Append operations; see `trionet.chat.session.log.Log`. Never a checkpoint."""
        ticket = self._out.append(*operations)
        self._wake.set()
        return ticket

    async def wait(self, ticket: int) -> None:
        """Wait until the operations with a ticket have been applied."""
        if ticket > self._out.applied:
            applied = trio.Event()
            heappush(self._waiting, (ticket, next(self._order), applied))
            await applied.wait()

    async def wait_news(self) -> None:
        """Wait until operations have been applied, of whatever machine."""
        await self._news.wait()

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
            lag=self._lag,
            pending=len(self._out),
            pending_bytes=self._out.bytes,
            entries=self.replica.count,
            resends=self._resends,
            resyncs=self._resyncs,
            lives=self._out.lives,
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
        link = self._open_link()
        try:
            await self._wait_for_redis(link)
            await self._check(link)
            self.replica, tail, has_gap = await self._load(link, patience=_START_PATIENCE)
            for position, data in tail:
                self.replica.apply(position, data, lambda part: keep(part.events))
            self._note_shown(self.replica)
            is_new = self.replica.settings is None
            if not is_new:
                self._told = self.replica.chat, self.replica.generation + has_gap
            restored = self._restored
            if restored is not None and restored.highest > self.replica.state.highest:
                # No number that the history has may come twice.
                self._highest = restored.highest
                self._topics = restored.rooms if is_new else ()
            self._begin_life()
        finally:
            link.close()

    async def run(
        self,
        show: Callable[[list[StateEvent]], object],
        audience: Audience,
        *,
        on_available: Callable[[bool], object] = lambda _: None,
        before: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Write and read until cancelled. Call `load` first.

        Args:
            show: called with the events of each entry.
            audience: who knows the members of this node.
            on_available: called when the log is out of reach, and when it is back.
            before: awaited before each stretch of entries is applied.
            task_status: started once the node has said hello.
        """
        self._show, self._audience = show, audience
        self._on_available, self._before = on_available, before
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write)
            nursery.start_soon(self._read)
            nursery.start_soon(self._watch)
            with trio.move_on_after(max(self._options.wait, PATIENCE)):
                await self._ready.wait()
            if not self._ready.is_set():
                raise RedisError(f"Redis at {self._options.place} takes nothing that is written")
            task_status.started()

    async def leave(self) -> None:
        """Write all that waits, and end the life of this node. Cancel it after a while."""
        self._is_leaving = True
        self._wake.set()
        await self._written.wait()

    # -- the start

    async def _wait_for_redis(self, link: Link) -> None:
        """Wait until Redis answers, and has loaded what it has."""
        place, was_told = self._options.place, False
        reason = "does not answer"
        with trio.move_on_after(self._options.wait):
            pause = FIRST_PAUSE
            while True:
                try:
                    (answer,) = await link.calls((b"XLEN", self._stream), seconds=PATIENCE)
                except LinkLost:
                    answer = None
                if isinstance(answer, int):
                    return
                if isinstance(answer, ErrorAnswer):
                    reason = f"answers: {answer.reason}"
                    if "wrong kind" in answer.reason or "WRONGTYPE" in answer.reason:
                        break
                if not was_told:
                    was_told = True
                    self._tell(f"waiting for Redis at {place}")
                await trio.sleep(pause * (1 + random.random()))
                pause = min(2 * pause, LONGEST_PAUSE)
        raise RedisError(f"Redis at {place} {reason}")

    async def _check(self, link: Link) -> None:
        """Refuse a Redis that forgets, and warn of one that keeps nothing."""
        place = self._options.place
        answers = await ask(
            link,
            (b"CONFIG", b"GET", b"maxmemory-policy"),
            (b"CONFIG", b"GET", b"appendonly"),
        )
        policy, append_only = [_setting(answer) for answer in answers]
        if policy not in ("", "noeviction"):
            raise RedisError(
                f"Redis at {place} has maxmemory-policy {policy}: set it to noeviction, "
                "or Redis throws the chat away when memory is short"
            )
        if append_only == "no":
            self._tell(
                f"warning: Redis at {place} has appendonly no: "
                "set it to yes, or the chat is lost when Redis stops"
            )

    async def _load(
        self, link: Link, *, patience: float
    ) -> tuple[Replica, list[tuple[str, bytes]], bool]:
        """Load what is there, and tell whether something is missing before the stream.

        Somebody has cut the stream then. A node that lives saves another snapshot soon. If none
        does within so many seconds, what is missing is lost for good.
        """
        until = trio.current_time() + patience
        while True:
            replica, tail = await load_stream(link, self._stream, self._snapshot_key)
            # The position of a snapshot alone need not be in the stream.
            self._unanchored = replica.position
            if replica.position == BEGINNING:
                has_gap = bool(tail) and not is_beginning(tail[0][1])
                # A node that was there before knows that everything was lost.
                if self.replica.position != BEGINNING:
                    return replica, tail, has_gap
            else:
                place = replica.position.encode()
                (own,) = await ask(link, (b"XRANGE", self._stream, place, place))
                has_gap = not own
            if not (has_gap and tail) or trio.current_time() >= until:
                return replica, tail, has_gap
            await trio.sleep(_CARE)

    # -- lives

    def _begin_life(self) -> None:
        chat, generation = self._told
        highest, topics = self._highest, self._topics
        is_first = self.replica.settings is None
        hello = Hello(VERSION, self._settings, chat, generation, highest, topics, is_first)
        data = encode_item(hello)
        audience = self._audience
        connection_of = audience.connection_of if audience is not None else lambda _: None
        self._out.begin_life(data, self.replica.lives.last_seq, connection_of)
        self._wake.set()

    def _advance(self) -> None:
        """Go on with a new life once its hello, and then the members, have come back."""
        out, audience = self._out, self._audience
        if audience is None:
            return
        if out.phase is Phase.HELLO and not out.has_returns and out.is_idle:
            self._highest, self._topics = 0, ()
            logins = audience.coming_in_again()
            out.come_in_again(logins)
            self._ready.set()
        if out.phase is Phase.RETURNING and not out.has_returns:
            out.go_on(audience.members())
        self._wake.set()

    # -- writing

    async def _write(self) -> None:
        link = self._open_link()
        try:
            while True:
                await self._wait_for_work()
                out = self._out
                is_last = self._is_leaving and out.phase is Phase.LIVING and not len(out)
                if is_last:
                    out.append_own(encode_item(Bye()))
                await self._send(link, out.take(trio.current_time()))
                self._make_room()
                if is_last:
                    self._written.set()
                    return
        finally:
            link.close()

    async def _wait_for_work(self) -> None:
        """Wait until there is something to write, or a heartbeat is due."""
        out, beat = self._out, self._settings.lease / 1000 / BEATS
        if self.replica.settings is not None:
            beat = self.replica.settings.lease / 1000 / BEATS
        until = trio.current_time() + beat
        while out.is_idle and not (self._is_leaving and not len(out)):
            self._wake = trio.Event()
            with trio.move_on_at(until) as scope:
                await self._wake.wait()
            if scope.cancelled_caught:
                break
        # Whatever else comes in this moment goes with it.
        await trio.lowlevel.checkpoint()

    async def _send(self, link: Link, flight: Flight) -> None:
        """Send an entry until it is in, or its life is over."""
        command = b"XADD", self._stream, b"*", FIELD, flight.data
        pause, is_first = FIRST_PAUSE, True
        while self._out.is_unread(flight):
            if not is_first:
                self._resends += 1
            is_first = False
            try:
                if await self._is_in_place(link):
                    (answer,) = await link.calls(command, seconds=PATIENCE)
                    if not isinstance(answer, ErrorAnswer):
                        return
            except (LinkLost, RedisError):
                # A password that was changed meanwhile may be changed back.
                pass
            with trio.move_on_after(pause * (1 + random.random())):
                while self._out.is_unread(flight):
                    await self._news.wait()
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _is_in_place(self, link: Link) -> bool:
        """Tell whether an entry that is written now comes behind what this node has read.

        A Redis that has lost its newest part has started anew, so only another connection has to be
        looked at. Until the reader has found its place again nothing is written: it would get
        numbers that were told already.
        """
        if link.is_open:
            return True
        position = self.replica.position
        place = position.encode()
        (found,) = await link.calls((b"XRANGE", self._stream, place, place), seconds=PATIENCE)
        is_there = bool(found) and not isinstance(found, ErrorAnswer)
        if not is_there and position not in (BEGINNING, self._unanchored):
            # So that the next entry asks again.
            link.close()
        return link.is_open

    def _make_room(self) -> None:
        if self._room is not None and not self.must_wait:
            self._room.set()
            self._room = None

    async def _watch(self) -> None:
        """Tell when the log is out of reach."""
        while True:
            self._look()
            await trio.sleep(TOLD_AFTER / 8)

    def _look(self) -> None:
        """Tell when the log is out of reach, and when it is back."""
        oldest = self._out.oldest_unread
        available = oldest is None or trio.current_time() < oldest + TOLD_AFTER
        if available is not self._available:
            self._available = available
            self._make_room()
            self._on_available(available)

    # -- reading

    async def _read(self) -> None:
        link = self._open_link()
        pause = FIRST_PAUSE
        try:
            while True:
                position = self.replica.position.encode()
                try:
                    news, own = await link.calls(
                        (
                            *(b"XREAD", b"COUNT", b"%d" % READ, b"BLOCK", b"%d" % _BLOCK),
                            *(b"STREAMS", self._stream, position),
                        ),
                        (b"XRANGE", self._stream, position, position),
                        seconds=_BLOCK / 1000 + PATIENCE,
                    )
                except (LinkLost, RedisError):
                    news, own = ErrorAnswer("lost"), None
                if isinstance(news, ErrorAnswer) or isinstance(own, ErrorAnswer):
                    await trio.sleep(pause * (1 + random.random()))
                    pause = min(2 * pause, LONGEST_PAUSE)
                    continue
                pause = FIRST_PAUSE
                if not own and self.replica.position not in (BEGINNING, self._unanchored):
                    await self._resync(link)
                    continue
                self._last_read = trio.current_time()
                if news:
                    entries = news[self._stream] if isinstance(news, dict) else news[0][1]
                    await self._take_all(entries_of(entries))
                    await self._save(link)
                await self._care(link)
        finally:
            link.close()

    async def _take_all(self, entries: Iterable[tuple[str, bytes]]) -> None:
        until = 0.0
        for position, data in entries:
            if trio.current_time() >= until:
                await self._before()
                until = trio.current_time() + _STRETCH
            self._next(position, data)
        self._tell_news()

    def _next(self, position: str, data: bytes) -> None:
        """Apply an entry, and tell what came of it."""
        self._telling.clear()
        self._note(self.replica.apply(position, data, self._tell_part), position)

    def _note(self, applied: Applied, position: str) -> None:
        """Note how far this node's own entries are."""
        self._snapshots.entries += 1
        out = self._out
        if applied.life == out.life:
            if applied.verdict is Verdict.FENCED:
                self._begin_life()
            elif applied.verdict is not None:
                out.read_back(applied.life, applied.seq, trio.current_time())
        if self.origin in applied.over and self.replica.lives.last_seq(out.life) >= 0:
            living = self.replica.lives.by_node.get(self.origin)
            if living is None or living.life != out.life:
                self._begin_life()
        self._lag = max(0.0, (self._clock() - time_of(position)) / 1000)
        if out.phase is not Phase.LIVING:
            self._advance()

    def _tell_part(self, part: Part) -> None:
        """Tell what came of a part of an entry, unless it was told before."""
        if part.seq != EXPIRY:
            # An entry may have several parts of its own; all are new, or none is.
            key = part.life, part.seq
            is_new = self._telling.get(key)
            if is_new is None:
                is_new = self._telling[key] = part.seq > self._shown.get(part.life, -1)
                if is_new:
                    self._shown[part.life] = part.seq
            if not is_new:
                return
        if part.events or self._audience:
            self._snapshots.note(part.events)
            self._tell_of(part.events)

    def _tell_of(self, events: list[StateEvent]) -> None:
        kept = events
        for event in events:
            if type(event) is EpochBegan:
                if event.epoch == epoch_of(*self._told):
                    kept = [one for one in kept if one is not event]
                else:
                    self._told = self.replica.chat, self.replica.generation
        self._show(kept)

    def _tell_news(self) -> None:
        """Wake whoever waits for operations to come back."""
        applied, waiting = self._out.applied, self._waiting
        while waiting and waiting[0][0] <= applied:
            heappop(waiting)[2].set()
        self._news.set()
        self._news = trio.Event()
        if not self._available:
            self._look()
        self._make_room()

    # -- another past

    async def _resync(self, link: Link) -> None:
        """Find the place in the stream again: this node's position is not in it any more."""
        self._resyncs += 1
        audience = self._audience
        assert audience is not None, "`run` has set it"
        former = self.replica
        # No snapshot overtakes the other nodes while they find their places too.
        self._next_care = trio.current_time() + _CARE_AFTER
        replica, tail, has_gap = await self._load(link, patience=_GAP_PATIENCE)
        chat, generation = self._told
        is_trimmed = (
            not has_gap
            and place_of(replica.position) > place_of(former.position)
            and (replica.chat, replica.generation) == self._told
        )
        # The snapshot may have what was never told here.
        is_behind = trio.current_time() > self._last_read + _BEHIND or any(
            seq > self._shown.get(life, -1) for life, seq in replica.lives.all_last()
        )
        # What was told here already changes the state only.
        rest = iter(tail)
        ahead: list[Part] = []
        if is_trimmed:
            self._note_shown(replica)
        else:
            for position, data in rest:
                applied = replica.apply(position, data)
                if applied.verdict is Verdict.TAKEN and any(
                    part.seq > self._shown.get(part.life, -1) for part in applied.parts
                ):
                    ahead = applied.parts
                    break
        self.replica = replica
        settings = replica.settings or self._settings
        living = replica.lives.by_node.get(self.origin)
        if not is_trimmed:
            self._highest = max(self._highest, former.state.highest + _LIFT)
            self._topics = former.state.kept_rooms() if replica.settings is None else ()
            if replica.chat in ("", chat):
                self._told = chat, max(replica.generation, generation + 1)
            else:
                self._told = replica.chat, replica.generation
        # Operations are addressed by connections before members get other numbers.
        if not is_trimmed or living is None or living.life != self._out.life:
            self._begin_life()
        else:
            self._out.read_back(living.life, living.seq, trio.current_time())
        if is_trimmed:
            audience.jump(replica.state, until=None)
        else:
            until = replica.lives.now + settings.lease * 3 // 2
            audience.jump(replica.state, until=until, was_behind=is_behind, lift=_LIFT)
            audience.tell_epoch(epoch_of(*self._told))
        self._snapshots.restart()
        self._telling.clear()
        for part in ahead:
            self._tell_part(part)
        await self._take_all(rest)

    def _note_shown(self, replica: Replica) -> None:
        """Take what a state knows as told."""
        for life, seq in replica.lives.all_last():
            self._shown[life] = max(seq, self._shown.get(life, -1))

    # -- snapshots

    async def _care(self, link: Link) -> None:
        """See that a new node has a snapshot to start from, whose end is in the stream."""
        lives = list(self.replica.lives.by_node)
        if trio.current_time() < self._next_care or self.origin not in lives:
            return
        # The oldest node looks most often; another one does if that is not well.
        self._next_care = trio.current_time() + _CARE * (1 + lives.index(self.origin))
        try:
            (head,) = await link.calls(
                (b"GETRANGE", self._snapshot_key, b"0", b"40"), seconds=PATIENCE
            )
            if isinstance(head, ErrorAnswer):
                return
            # Without a snapshot, the stream must have all from its beginning on.
            place = head.partition(b" ")[0]
            (found,) = await link.calls(
                (b"XRANGE", self._stream, place or b"-", b"+", b"COUNT", b"1"), seconds=PATIENCE
            )
            if isinstance(found, ErrorAnswer):
                return
            first = entries_of(found)
            if place:
                is_whole = bool(first) and first[0][0].encode() == place
            else:
                is_whole = bool(first) and is_beginning(first[0][1])
        except (LinkLost, RedisError):
            return
        if not is_whole and self.replica.position != self._unanchored:
            # Without a trim: other nodes may be behind this one.
            await self._write_snapshot(
                link, self.replica.position, self.replica.dump(), trims=False
            )

    async def _save(self, link: Link) -> None:
        """Save a snapshot, if it is this node's turn and there is something to save."""
        lives = self.replica.lives.by_node
        is_oldest = next(iter(lives), None) == self.origin
        saved = self._snapshots.due(self.replica) if is_oldest else None
        if saved is None:
            return
        await self._write_snapshot(link, *saved, trims=True)

    async def _write_snapshot(self, link: Link, position: str, data: bytes, *, trims: bool) -> None:
        place = position.encode()
        command = b"EVAL", SAVE, b"2", self._stream, self._snapshot_key, place, data, b"%d" % trims
        # If it is not saved, the next one will be.
        with suppress(LinkLost, RedisError):
            await link.calls(command, seconds=PATIENCE)


def _setting(answer: Any) -> str:
    """Return the value of a setting; empty: Redis does not tell it."""
    if isinstance(answer, dict):
        answer = [part for pair in answer.items() for part in pair]
    if not isinstance(answer, list) or len(answer) < 2:
        return ""
    return bytes(answer[1]).decode()
