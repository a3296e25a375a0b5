"""The state of a cluster: the chat's state, and who may change it. Pure.

Every node applies the whole stream. At the same position all of them have the same state, however
often entries came, and whichever never counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import TypeAlias

import msgspec
from msgspec import Struct

from trionet.chat.cluster.entries import (
    VERSION,
    Again,
    Agreed,
    Bye,
    Hello,
    Item,
    Settings,
    UnknownFormat,
    decode_entry,
)
from trionet.chat.cluster.node_lives import Lives, LivesDump, Verdict
from trionet.chat.state.events import StateEvent
from trionet.chat.state.operations import Detach, Entry, Evict, Join, LogIn, Operation, Renew
from trionet.chat.state.state import State

# The number of a part that tells that a life is over.
EXPIRY = -1

# The position before the first entry.
BEGINNING = "0-0"

_ORIGIN = "stream"

# What a node may ask of a member that is not connected to it: both say themselves whom they mean.
_OF_ANY_NODE = (Detach, Evict)

# Version, position, count, settings, chat, generation, lives, state, entries of the state, run.
_Dump: TypeAlias = tuple[int, str, int, Settings | None, str, int, LivesDump, bytes, int, str]


class Part(Struct):
    """The events of one entry of a life.

    Attributes:
        life: the life.
        seq: the number of the entry. Of what is said again, that of the entry that was lost;
            `EXPIRY`: it belongs to no entry.
        events: what happened.
    """

    life: int
    seq: int
    events: list[StateEvent]


class Applied(Struct):
    """What an entry in the stream has changed.

    Attributes:
        verdict: whether it counted; ``None``: it was not an entry.
        node: who wrote it.
        life: in which life.
        seq: its number.
        parts: its events, in order, if nobody was told meanwhile.
        over: the nodes whose lives ended with it.
    """

    verdict: Verdict | None
    node: str = ""
    life: int = 0
    seq: int = 0
    parts: list[Part] = []
    over: list[str] = []


class Replica:
    """The state that follows from a stream.

    Attributes:
        position: the id of the last entry that was applied.
        count: how many were applied.
        settings: what holds for all nodes; ``None``: nobody has said hello yet.
        chat: the epoch's first part.
        generation: how often the order was lost.
        run: the last start of Redis that the nodes have agreed on.
        lives: which nodes live.
        state: the chat's state.
    """

    def __init__(self) -> None:
        self.position = BEGINNING
        self.count = 0
        self.settings: Settings | None = None
        self.chat = ""
        self.generation = 0
        self.run = ""
        self.lives = Lives()
        self.state = State()
        self._applied = 0

    def __repr__(self) -> str:
        return f"<trionet.chat.cluster.Replica at {self.position}: {self.state!r}>"

    def apply(
        self, position: str, data: bytes, tell: Callable[[Part], object] | None = None
    ) -> Applied:
        """Apply the next entry of the stream.

        Args:
            position: its id.
            data: the entry.
            tell: called with its events, part by part: whoever logs in or joins is told what
                is there at that moment. Default ``None``: all parts are returned.

        Raises:
            UnknownFormat: another version has written it. This node cannot go on.
        """
        parsed = decode_entry(data)
        self.position = position
        self.count += 1
        if parsed is None:
            return Applied(None)
        node, life, seq, items = parsed
        time = time_of(position)
        over: list[str] = []
        parts: list[Part] = []
        tell = tell or parts.append
        if self.settings is not None:
            over = self.lives.pass_time(time, self.settings.lease)
            for gone in over:
                tell(Part(life, EXPIRY, self._apply(time, self._end(gone))))
        begun = self._begin(node, life, items) if seq == 0 else None
        verdict = begun or self.lives.judge(node, life, seq)
        if verdict is Verdict.TAKEN:
            for own, number, operations in self._parts(node, life, seq, items):
                tell(Part(own, number, self._apply(time, operations)))
        return Applied(verdict, node, life, seq, parts, over)

    def digest(self) -> str:
        """Return a short text that is the same for equal states only."""
        return sha256(self.dump()).hexdigest()[:16]

    def dump(self) -> bytes:
        """Return all of it as bytes; equal states have equal bytes."""
        dump: _Dump = (
            VERSION,
            self.position,
            self.count,
            self.settings,
            self.chat,
            self.generation,
            self.lives.dump(),
            self.state.dump(),
            self._applied,
            self.run,
        )
        return _encoder.encode(dump)

    @classmethod
    def load(cls, data: bytes) -> Replica:
        """Make a state of what `dump` returned.

        Raises:
            UnknownFormat: another version has written it.
            msgspec.MsgspecError: these are not the bytes of a state.
        """
        version = _any_decoder.decode(data)[0]
        if version != VERSION:
            raise UnknownFormat(version)
        replica = cls()
        dump = _decoder.decode(data)
        _, replica.position, replica.count, replica.settings, replica.chat, *_ = dump
        replica.generation, replica._applied, replica.run = dump[5], dump[8], dump[9]
        replica.lives, replica.state = Lives.load(dump[6]), State.load(dump[7])
        return replica

    def epoch(self) -> str:
        """Return the epoch that belongs to the chat and the generation."""
        return epoch_of(self.chat, self.generation)

    def last_heard(self) -> dict[str, int]:
        """Return when each node was heard last, as a time of the stream; no later than it was."""
        now, lives = time_of(self.position), self.lives
        return {node: now - (lives.now - one.seen) for node, one in lives.by_node.items()}

    def _parts(
        self, node: str, life: int, seq: int, items: list[Item]
    ) -> Iterator[tuple[int, int, list[Operation]]]:
        """Yield what an entry asks for, in order: the life, the number and the operations."""
        operations: list[Operation] = []
        for item in items:
            if isinstance(item, Again):
                if item.seq > self.lives.over.get(item.life, -1):
                    yield life, seq, operations
                    operations = []
                    yield (
                        item.life,
                        item.seq,
                        [op for op in item.operations if self._counts(node, op)],
                    )
                    self.lives.note_over(item.life, item.seq)
            elif isinstance(item, Bye):
                # Whoever came in with this entry is one of its members.
                yield life, seq, operations
                operations = self._end(node) if node in self.lives.by_node else []
            elif isinstance(item, Hello):
                self.run = item.run or self.run
                operations += self._renew(item)
            elif isinstance(item, Agreed):
                self.run = item.run
            elif self._counts(node, item):
                operations.append(item)
                if isinstance(item, LogIn | Join):
                    yield life, seq, operations
                    operations = []
        yield life, seq, operations

    def _counts(self, node: str, operation: Operation) -> bool:
        """Tell whether an operation comes from where its member is connected.

        What a node was told before it was cut off may come long after the member has gone on at
        another node, and has repeated there whatever had no receipt. By then these receipts may be
        forgotten, and what comes late would be said twice.
        """
        number = getattr(operation, "member", None)
        member = self.state.members.get(number or 0)
        if member is None or type(operation) in _OF_ANY_NODE:
            return True
        return node in [machine for machine, _ in member.connections]

    def _begin(self, node: str, life: int, items: list[Item]) -> Verdict:
        if not items or type(hello := items[0]) is not Hello:
            return Verdict.FENCED
        if hello.version != VERSION:
            raise UnknownFormat(hello.version)
        if self.settings is None:
            self.settings = hello.settings
            # The same object: a switchboard has it already.
            self.state.limit(max_rooms=hello.settings.max_rooms, grace=hello.settings.grace)
        return self.lives.begin(node, life)

    def _renew(self, hello: Hello) -> list[Operation]:
        """Return what a hello changes of the epoch and the numbers."""
        if not self.chat:
            self.chat = hello.chat
        if self.chat == hello.chat:
            self.generation = max(self.generation, hello.generation)
        epoch = self.epoch()
        if epoch == self.state.epoch and not hello.highest and not hello.rooms:
            return []
        return [Renew(epoch, hello.highest, hello.rooms)]

    def _end(self, node: str) -> list[Operation]:
        """End the life of a node; return what happens to its members."""
        self.lives.end(node)
        return [
            Detach(member.id, connection)
            for member in self.state.members.values()
            for connection in member.connections
            if connection[0] == node
        ]

    def _apply(self, time: int, operations: list[Operation]) -> list[StateEvent]:
        self._applied += 1
        entry = Entry(_ORIGIN, self._applied, time, operations, self.lives.now)
        return self.state.apply(entry)


def time_of(position: str) -> int:
    """Return the time of a position, in milliseconds since 1970, UTC."""
    return int(position.partition("-")[0])


def epoch_of(chat: str, generation: int) -> str:
    """Return the epoch of a chat whose order was lost `generation` times."""
    return f"{chat}.{generation}" if generation else chat


_encoder = msgspec.msgpack.Encoder()
_any_decoder: msgspec.msgpack.Decoder[list[object]] = msgspec.msgpack.Decoder(list[object])
_decoder: msgspec.msgpack.Decoder[_Dump] = msgspec.msgpack.Decoder(_Dump)
