"""What a stranger sees of a chat in Redis: its nodes, its stream and its snapshot."""

from __future__ import annotations

import trio
from msgspec import Struct

from trionet.chat.cluster.link import ErrorAnswer, Link, LinkLost, RedisLink
from trionet.chat.cluster.loading import load_stream
from trionet.chat.cluster.options import RedisError, RedisOptions
from trionet.chat.cluster.replica import time_of


class NodeReport(Struct, frozen=True, kw_only=True):
    """One node that lives.

    Attributes:
        node: its name.
        life: the number of its life.
        lag: how long ago its last entry came, in seconds, by the clock of Redis. A heartbeat comes
            each quarter of the lease.
        members: how many members are connected there.
    """

    node: str
    life: int
    lag: float
    members: int


class ClusterReport(Struct, frozen=True, kw_only=True):
    """A chat in Redis.

    Attributes:
        nodes: the nodes that live, the oldest first.
        members: how many members there are, held ones too.
        epoch: the epoch; empty: nobody has ever said hello.
        stream_entries: how many entries the stream has.
        stream_bytes: how much memory it takes, in bytes; ``None``: Redis does not tell.
        last_id: the id of the last entry; empty: there is none.
        snapshot_id: up to where the snapshot reaches; empty: there is none.
        snapshot_bytes: how long the snapshot is.
        snapshot_age: how old it is, in seconds, by the clock of Redis; ``None``: there is none.
    """

    nodes: tuple[NodeReport, ...]
    members: int
    epoch: str
    stream_entries: int
    stream_bytes: int | None
    last_id: str
    snapshot_id: str
    snapshot_bytes: int
    snapshot_age: float | None


async def inspect(options: RedisOptions) -> ClusterReport:
    """Look at a chat in Redis, and change nothing.

    Args:
        options: where it is. It waits for `options.wait` seconds at most.

    Raises:
        RedisError: Redis does not answer, or what is there is of no chat.

    Cancellation: immediate.

    Resource handling: closes its connection.
    """
    with trio.move_on_after(options.wait):
        link = RedisLink(options.server)
        try:
            return await _look(options, link)
        finally:
            link.close()
    raise RedisError(f"Redis at {options.place} does not answer")


async def _look(options: RedisOptions, link: Link) -> ClusterReport:
    stream, key = options.stream_key.encode(), options.snapshot_key.encode()
    try:
        now, length, memory, snapshot = await link.calls(
            (b"TIME",),
            (b"XLEN", stream),
            (b"MEMORY", b"USAGE", stream, b"SAMPLES", b"100"),
            (b"GETRANGE", key, b"0", b"40"),
            seconds=options.wait,
        )
    except LinkLost:
        raise RedisError(f"Redis at {options.place} does not answer") from None
    if isinstance(length, ErrorAnswer):
        raise RedisError(f"Redis at {options.place} answers: {length.reason}")
    replica, tail = await load_stream(link, stream, key)
    snapshot_id = replica.position if snapshot else ""
    (size,) = await link.calls((b"STRLEN", key), seconds=options.wait)
    last_heard = replica.last_heard()
    for position, data in tail:
        applied = replica.apply(position, data)
        if applied.node:
            last_heard[applied.node] = time_of(position)
    moment = int(now[0]) * 1000 + int(now[1]) // 1000
    members = list(replica.state.members.values())
    nodes = [
        NodeReport(
            node=node,
            life=life.life,
            lag=max(0, moment - last_heard.get(node, moment)) / 1000,
            members=sum([any(one[0] == node for one in member.connections) for member in members]),
        )
        for node, life in replica.lives.by_node.items()
    ]
    return ClusterReport(
        nodes=tuple(nodes),
        members=len(members),
        epoch=replica.state.epoch,
        stream_entries=length,
        stream_bytes=memory if isinstance(memory, int) else None,
        last_id=tail[-1][0] if tail else snapshot_id,
        snapshot_id=snapshot_id,
        snapshot_bytes=size if isinstance(size, int) else 0,
        snapshot_age=(moment - time_of(snapshot_id)) / 1000 if snapshot_id else None,
    )
