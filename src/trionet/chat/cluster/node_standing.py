"""How one node stands with the others: its life, its place in the stream, what its members know.

The tasks of a log share this. It decides when another life begins, and what its hello says.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Protocol

import trio

from trionet.chat.cluster.agreement import ASK_RUN, Agreement, run_of
from trionet.chat.cluster.entries import VERSION, Hello, Settings, encode_item
from trionet.chat.cluster.link import ErrorAnswer, Link, LinkLost
from trionet.chat.cluster.loading import PATIENCE
from trionet.chat.cluster.options import RedisOptions
from trionet.chat.cluster.outgoing import Outgoing, Phase
from trionet.chat.cluster.replica import BEGINNING, Replica, epoch_of
from trionet.chat.state.operations import ConnectionId, KeptRoom, Operation
from trionet.chat.state.state import State

# After the log has lost a part, numbers go on this far above the highest that this node has told.
# The first node to come back may not be the one that told most, and no number must be told twice.
LIFT = 1 << 20


class Audience(Protocol):
    """Something that is told what the log has applied, and knows the members of this node.

    `trionet.chat.session.lost_members.Away` implements it.
    """

    def coming_in_again(self) -> list[Operation]:
        """Return what brings back the members that the log has lost: their logins above all."""

    def connection_of(self, member: int) -> ConnectionId | None:
        """Return the connection of a member, also if the log has just lost it."""

    def members(self) -> dict[ConnectionId, int]:
        """Return the members of this node by connection."""

    def jump(
        self, state: State, *, until: int | None, was_behind: bool = False, lift: int = 0
    ) -> None:
        """Go on with another state."""

    def tell_epoch(self, epoch: str, untold: Mapping[str, int]) -> None:
        """Tell everyone that an epoch has begun, and what of each room can't be told any more."""

    def may_have_missed(self, lift: int) -> None:
        """Note that others may have told what is lost; then numbers go on `lift` above theirs."""


class Standing:
    """How one node stands.

    Args:
        options: where Redis is.
        node: the name of this node.
        settings: what holds for all nodes, if this is the first.
        chat: the epoch, if this is the first node.

    Attributes:
        node, settings: as given.
        stream, snapshot_key: the keys of the stream and of the snapshot.
        replica: the state of the cluster.
        unanchored: a position that need not be in the stream.
        out: what this node has to write.
        agreement: which start of Redis this node reads from.
        told: the epoch that members here were told: chat and generation.
        highest: the highest number that the next hello says was told.
        topics: the rooms with topics that the next hello restores.
        audience: who knows the members of this node; ``None`` before the log runs.
        is_leaving: whether this node is about to end its life.
        wake: set when there is something to write.
        news: set when entries have been applied.
        ready: set once this node has said hello.
    """

    def __init__(self, options: RedisOptions, *, node: str, settings: Settings, chat: str) -> None:
        self.node = node
        self.settings = settings
        self.stream = options.stream_key.encode()
        self.snapshot_key = options.snapshot_key.encode()
        self.replica = Replica()
        self.unanchored = BEGINNING
        self.out = Outgoing(node, lambda: random.getrandbits(48))
        self.agreement = Agreement(options.key, node)
        self.told = chat, 0
        self.highest = 0
        self.topics: tuple[KeptRoom, ...] = ()
        self.audience: Audience | None = None
        self.is_leaving = False
        self.wake = trio.Event()
        self.news = trio.Event()
        self.ready = trio.Event()

    @property
    def lease(self) -> float:
        """How long a node may be silent, in seconds."""
        return (self.replica.settings or self.settings).lease / 1000

    def has_place(self, own: Any) -> bool:
        """Tell whether the stream has this node's position, from what Redis has answered."""
        return bool(own) or self.replica.position in (BEGINNING, self.unanchored)

    async def locate(self, link: Link) -> tuple[str, bool]:
        """Return to which start of Redis a connection leads, and whether it has this node's place.

        Opens the connection if need be.

        Raises:
            LinkLost: Redis does not answer, or not to this; then the connection is closed.
        """
        place = self.replica.position.encode()
        info, own = await link.calls(
            ASK_RUN, (b"XRANGE", self.stream, place, place), seconds=PATIENCE
        )
        if isinstance(own, ErrorAnswer):
            link.close()
            raise LinkLost(own.reason)
        return run_of(info), self.has_place(own)

    def lift(self, state: State) -> None:
        """Let numbers go on far above those of a state: others may have told higher ones."""
        self.highest = max(self.highest, state.highest + LIFT)

    def begin_life(self) -> None:
        """Begin another life: what has not come back is written again in it."""
        chat, generation = self.told
        highest, topics = self.highest, self.topics
        is_first = self.replica.settings is None
        agreement = self.agreement
        run = agreement.run if agreement.is_settled else ""
        hello = Hello(VERSION, self.settings, chat, generation, highest, topics, is_first, run)
        data = encode_item(hello)
        audience = self.audience
        connection_of = audience.connection_of if audience is not None else lambda _: None
        self.out.begin_life(data, self.replica.lives.last_seq, connection_of)
        self.wake.set()

    def advance(self) -> None:
        """Go on with a new life once its hello, and then the members, have come back."""
        out, audience = self.out, self.audience
        if audience is None:
            return
        if out.phase is Phase.HELLO and not out.has_returns and out.is_idle:
            self.highest, self.topics = 0, ()
            out.come_in_again(audience.coming_in_again(), audience.connection_of)
            self.ready.set()
        if out.phase is Phase.RETURNING and not out.has_returns:
            out.go_on(audience.members())
        self.wake.set()

    def begin_epoch(self) -> None:
        """Go on in another epoch: what others have told may be lost, and they cannot say so."""
        audience = self.audience
        assert audience is not None, "`run` has set it"
        chat, generation = self.told
        self.told = chat, max(self.replica.generation, generation) + 1
        self.lift(self.replica.state)
        self.begin_life()
        audience.tell_epoch(epoch_of(*self.told), {})
