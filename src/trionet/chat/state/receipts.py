"""The outcome of a member's last requests, so that none is carried out twice. Pure.

When a connection ends between a message and its receipt, the peer cannot know whether the message
was said. It sends the message again, with the same id. An id names one request of a member, however
often it comes, and whatever it comes with.

Receipts are kept as bytes, within bounds: 64 of a member, and 64 MiB in all, in which 5,000 members
with usual names and ids have room for 64 each. Beyond that, whoever got a receipt longest ago loses
its oldest.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal, TypeAlias, assert_never

import msgspec
from msgspec import Struct

from trionet.chat.state.events import Acted, Repeated, Said, Told
from trionet.chat.state.operations import RequestId

# How many receipts a member has. A client that relies on them leaves at most as many requests
# unanswered.
MOST = 64

# How many bytes all receipts of all members take.
BYTES_IN_ALL = 64 << 20

# What a receipt takes besides what is in it and its id, and a member besides its receipts, in
# bytes: measured on CPython 3.11 with 64 bits, with 64 receipts that came and went. (Where all ids
# are texts, they take less.)
OVERHEAD = 100
EMPTY = 600

# All receipts as data: by member, those of whoever got one longest ago first.
ReceiptsDump: TypeAlias = list[tuple[int, list[tuple[int | str, bytes]]]]


class Receipt(Struct, frozen=True, gc=False, array_like=True):
    """The outcome of a message, an action or a private message, without its text.

    Attributes:
        kind: which event it was.
        number, time: as in that event.
        name: what the member was called then.
        room: where it was; empty for a private message.
        to: what the receiver of a private message was called.
        receiver: the number of that receiver.
    """

    kind: Literal["said", "acted", "told"]
    number: int
    time: int
    name: str
    room: str = ""
    to: str = ""
    receiver: int = 0

    @classmethod
    def of(cls, event: Acted | Told) -> Receipt:
        """Return the receipt for the outcome of a request."""
        if isinstance(event, Acted):
            return cls("acted", event.number, event.time, event.name, event.room)
        return cls("told", event.number, event.time, event.name, "", event.to, event.receiver)

    def encode(self) -> bytes:
        """Return it as bytes, which take half of what the object takes."""
        # Copied, because the encoder's own bytes take up to half as much again as they show.
        return bytes(memoryview(_encoder.encode(self)))

    def event(self, member: int, author: bytes, text: str, id_: RequestId) -> Said | Acted | Told:
        """Return the outcome of the request, with the new text.

        Args:
            member: the member that the receipt belongs to.
            author: the SHA-256 of its token.
            text: the text of the request.
            id_: its id.
        """
        number, time, name = self.number, self.time, self.name
        match self.kind:
            case "said":
                return Said(self.room, number, time, member, name, [text], [id_], author)
            case "acted":
                return Acted(self.room, number, time, member, name, text, id_, author)
            case "told":
                return Told(number, time, member, self.receiver, name, self.to, text, id_)
            case _:
                assert_never(self.kind)


class _Kept(Struct):
    """One member's receipts, by the ids of its requests, the oldest first; they take `size`."""

    by_id: dict[int | str, bytes]
    size: int = EMPTY


class Receipts:
    """The receipts of all members that have `hold`.

    Attributes:
        size: what all of them take, in bytes.
    """

    __slots__ = ("_kept", "size")

    def __init__(self) -> None:
        self.size = 0
        # By member; whoever got a receipt longest ago comes first.
        self._kept: OrderedDict[int, _Kept] = OrderedDict()

    def again(self, member: int, author: bytes, text: str, id_: RequestId) -> Repeated | None:
        """Return what to tell of a request that was carried out before.

        Args:
            member: whose request it is.
            author: the SHA-256 of its token.
            text: the text of the request.
            id_: its id.

        Returns:
            The first outcome, with the new text; ``None``: it is new, or has no id.
        """
        kept = self._kept.get(member)
        data = None if kept is None or id_ is None else kept.by_id.get(id_)
        return None if data is None else _repeated(data, member, author, text, id_)

    def keep(self, member: int, id_: RequestId, receipt: Receipt) -> None:
        """Keep the outcome of a new request, if it has an id; forget what is beyond the bounds."""
        if id_ is not None:
            self._add(self._kept_for(member), id_, receipt.encode())
            self._bound()

    def sort_out(self, run: Said, room: str) -> tuple[list[Said | Repeated], int]:
        """Take what was said before out of a run, and keep receipts for the rest.

        Args:
            run: the run, with ids, as if all of it were new.
            room: its room.

        Returns:
            What to tell, in the order of the requests, and how many messages are new. New messages
            are numbered from the number of the run on.
        """
        parts: list[Said | Repeated] = []
        number, member, name, author = run.number, run.member, run.name, run.author
        kept = self._kept_for(member)
        texts: list[str] = []
        ids: list[RequestId] = []
        for text, id_ in zip(run.texts, run.ids or (), strict=True):
            if id_ is not None and (data := kept.by_id.get(id_)) is not None:
                parts.append(_repeated(data, member, author, text, id_))
                texts, ids = [], []
                continue
            if not texts:
                parts.append(Said(room, number, run.time, member, name, texts, ids, author))
            texts.append(text)
            ids.append(id_)
            if id_ is not None:
                self._add(kept, id_, Receipt("said", number, run.time, name, room).encode())
            number += 1
        self._bound()
        return parts, number - run.number

    def forget(self, member: int) -> None:
        """Forget all receipts of a member, who is gone or does not hold any more."""
        kept = self._kept.pop(member, None)
        if kept is not None:
            self.size -= kept.size

    def dump(self) -> ReceiptsDump:
        """Return all receipts as data."""
        return [(member, list(kept.by_id.items())) for member, kept in self._kept.items()]

    @classmethod
    def load(cls, dump: ReceiptsDump) -> Receipts:
        """Keep the receipts of a dump."""
        receipts = cls()
        for member, by_id in dump:
            kept = receipts._kept_for(member)
            for id_, data in by_id:
                receipts._add(kept, id_, data)
        return receipts

    def _kept_for(self, member: int) -> _Kept:
        kept = self._kept.get(member)
        if kept is None:
            kept = self._kept[member] = _Kept({})
            self.size += EMPTY
        self._kept.move_to_end(member)
        return kept

    def _add(self, kept: _Kept, id_: int | str, data: bytes) -> None:
        kept.by_id[id_] = data
        size = _size(id_, data)
        if len(kept.by_id) > MOST:
            size -= self._first_size(kept)
            del kept.by_id[next(iter(kept.by_id))]
        kept.size += size
        self.size += size

    def _bound(self) -> None:
        while self.size > BYTES_IN_ALL and self._kept:
            member, kept = next(iter(self._kept.items()))
            if not kept.by_id:
                self.forget(member)
                continue
            size = self._first_size(kept)
            del kept.by_id[next(iter(kept.by_id))]
            kept.size -= size
            self.size -= size

    @staticmethod
    def _first_size(kept: _Kept) -> int:
        return _size(*next(iter(kept.by_id.items())))


def _size(id_: int | str, data: bytes) -> int:
    """Return what a receipt takes, in bytes; the same on every machine."""
    if isinstance(id_, int):
        return OVERHEAD + len(data) + 32
    return OVERHEAD + len(data) + (56 + len(id_) if id_.isascii() else 80 + 4 * len(id_))


def _repeated(data: bytes, member: int, author: bytes, text: str, id_: RequestId) -> Repeated:
    return Repeated(member, _decoder.decode(data).event(member, author, text, id_))


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Receipt)
