"""Asking Redis until it answers, and loading what a chat has there."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import trio

from trionet.chat.cluster.link import Command, ErrorAnswer, Link, LinkLost
from trionet.chat.cluster.replica import BEGINNING, Replica
from trionet.chat.cluster.snapshots import load_snapshot

# How long one command may take, in seconds. Redis answers in a millisecond, or is stopped.
PATIENCE = 2.0

# How much is read at a time, in entries.
READ = 1000

# The pauses after a failure, in seconds. A random part keeps nodes from coming back all at once.
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 0.5

# The only field of each entry of the stream.
FIELD = b"e"


async def ask(link: Link, *commands: Command) -> list[Any]:
    """Ask until there are answers.

    Cancellation: the connection is closed.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            return list(await link.calls(*commands, seconds=PATIENCE))
        except LinkLost:
            await trio.sleep(pause * (1 + random.random()))
            pause = min(2 * pause, LONGEST_PAUSE)


async def load_stream(
    link: Link, stream: bytes, snapshot: bytes
) -> tuple[Replica, list[tuple[str, bytes]]]:
    """Return the state of the snapshot, and what the stream has after it.

    Args:
        link: a connection.
        stream: the key of the stream.
        snapshot: the key of the snapshot.

    Raises:
        RedisError: the snapshot is of something else, or of another version.
    """
    while True:
        (data,) = await ask(link, (b"GET", snapshot))
        if isinstance(data, ErrorAnswer):
            await trio.sleep(LONGEST_PAUSE)
            continue
        replica = Replica() if data is None else load_snapshot(data)
        tail: list[tuple[str, bytes]] = []
        start = b"-" if replica.position == BEGINNING else b"(" + replica.position.encode()
        while True:
            (page,) = await ask(link, (b"XRANGE", stream, start, b"+", b"COUNT", b"%d" % READ))
            if isinstance(page, ErrorAnswer):
                break
            tail += entries_of(page or [])
            if not page or len(page) < READ:
                if data is None and await _has_snapshot(link, snapshot):
                    # Another node has saved one meanwhile, and may have trimmed the stream to it.
                    break
                return replica, tail
            start = b"(" + tail[-1][0].encode()
        await trio.sleep(LONGEST_PAUSE)


async def _has_snapshot(link: Link, snapshot: bytes) -> bool:
    """Tell whether there is a snapshot; also if Redis does not say."""
    (head,) = await ask(link, (b"GETRANGE", snapshot, b"0", b"0"))
    return bool(head)


def entries_of(page: Iterable[Any]) -> list[tuple[str, bytes]]:
    """Return ids and entries of what Redis has answered."""
    return [(bytes(id_).decode(), _data(fields)) for id_, fields in page]


def place_of(position: str) -> tuple[int, int]:
    """Return a position as numbers, which can be compared."""
    time, _, number = position.partition("-")
    return int(time), int(number)


def _data(fields: Any) -> bytes:
    if isinstance(fields, dict):
        return bytes(fields.get(FIELD, b""))
    return bytes(fields[1]) if fields and fields[0] == FIELD else b""
