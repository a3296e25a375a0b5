"""What stands in the stream: `[node, life, seq, operations]`, written with msgpack. Pure.

A *node* is one process. A *life* of a node is a stretch of its entries without a gap: they have the
numbers (`seq`) 0, 1, 2 and so on. The first is its `Hello`; an entry without operations is a
heartbeat. A node that was declared dead, or whose entries were lost, begins another life.

The time of an entry is that of its id in the stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from trionet.chat.cluster.options import RedisError
from trionet.chat.state.operations import KeptRoom, Operation

# The version of all this, and of snapshots. A node that meets another one ends.
VERSION = 1


class UnknownFormat(RedisError):
    """Another version of trionet has written this.

    Args:
        version: which one.
    """

    def __init__(self, version: object) -> None:
        super().__init__(
            f"the nodes of this chat use entry format {version}, and this trionet uses {VERSION}: "
            "run the same version of trionet on all nodes"
        )
        self.version = version


class Settings(Struct, frozen=True, array_like=True):
    """What must be the same on all nodes. That of the first node counts.

    Attributes:
        lease: how long a node may be silent, in milliseconds.
        grace: how long a member is held, in milliseconds.
        max_rooms: how many rooms there may be.
    """

    lease: int
    grace: int
    max_rooms: int


class Hello(Struct, frozen=True, array_like=True, tag="hello"):
    """A node begins a life. If it had another one, its members go on in this one.

    Attributes:
        version: the version of its entries.
        settings: what it would have if it were the first node.
        chat: the epoch's first part: which chat this is. The first node decides.
        generation: how often the order was lost, as far as the node knows.
        highest: the highest number that it has told of any room.
        rooms: the rooms with topics that it knows; only if some of the order was lost.
        is_first: whether the node knows of no other before it: a stream begins with such a hello,
            unless somebody has cut it.
        run: the start of Redis that the node has agreed on (`agreement.py`); empty: none yet.
    """

    version: int
    settings: Settings
    chat: str
    generation: int = 0
    highest: int = 0
    rooms: tuple[KeptRoom, ...] = ()
    is_first: bool = False
    run: str = ""


class Bye(Struct, frozen=True, array_like=True, tag="bye"):
    """A node ends its life: it is not waited for."""


class Again(Struct, frozen=True, array_like=True, tag="again"):
    """Operations that a node has written before, and that may have been lost since.

    Attributes:
        life: the life in which it wrote them.
        seq: the number of their entry.
        operations: the operations.
    """

    life: int
    seq: int
    operations: list[Operation]


class Agreed(Struct, frozen=True, array_like=True, tag="agreed"):
    """A Redis that has started anew has all that was told; `run` says which start."""

    run: str


Item: TypeAlias = Operation | Hello | Bye | Again | Agreed

Parsed: TypeAlias = tuple[str, int, int, list[Item]]

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Parsed] = msgspec.msgpack.Decoder(Parsed)
_item_decoder: msgspec.msgpack.Decoder[Item] = msgspec.msgpack.Decoder(Item)
_any_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder()

encode_item = _encoder.encode
decode_item = _item_decoder.decode


def encode_entry(node: str, life: int, seq: int, items: Sequence[bytes]) -> bytes:
    """Return an entry whose items are encoded already."""
    count = len(items)
    if count < 16:
        head = bytes([0x90 | count])
    elif count < 1 << 16:
        head = b"\xdc" + count.to_bytes(2, "big")
    else:
        head = b"\xdd" + count.to_bytes(4, "big")
    begin = _encoder.encode([node, life, seq])
    # An array of four, whose last is the array of items.
    return b"".join([b"\x94", begin[1:], head, *items])


def is_beginning(data: bytes) -> bool:
    """Tell whether an entry is the first that a stream ever had."""
    parsed = decode_entry(data)
    if parsed is None or not parsed[3]:
        return False
    hello = parsed[3][0]
    return isinstance(hello, Hello) and hello.is_first


def decode_entry(data: bytes) -> Parsed | None:
    """Read an entry; ``None``: it is not one, but something that somebody else put there.

    Raises:
        UnknownFormat: it is the hello of a node with another format.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    try:
        _, _, seq, items = _any_decoder.decode(data)
        if seq == 0 and items[0][0] == "hello" and items[0][1] != VERSION:
            raise UnknownFormat(items[0][1])
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, ValueError, LookupError):
        pass
    return None
