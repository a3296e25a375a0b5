"""How much memory an idle connection takes, so that it does not grow unnoticed.

Counted is what trionet's own files allocate and still hold: objects, coroutines, entries of dicts.
What Trio and the kernel hold for a connection is not. The bounds are what CPython 3.11 takes, and
2 % more. A change that needs more raises them, and says why.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

import trionet
from trionet import Connection, Limits, Server, calc, chat

SOURCES = tracemalloc.Filter(True, str(Path(trionet.__file__).parent / "*"))

ANY_PORT = "127.0.0.1:0"
EVERYBODY = {"max_clients": 0, "max_per_address": 0}

# Dicts grow by leaps. With these numbers the entries of nearly all of them are counted.
BEFORE, MORE = 100, 200


async def echo(connection: Connection) -> None:
    async for line in connection.lines:
        await connection.send(line)


def shout(line: str) -> str:
    return line.upper()


async def connect(address: str, line: bytes, answer: bytes) -> trio.SocketStream:
    """Connect, send a line, and wait until an answer like this has come."""
    host, _, port = address.rpartition(":")
    stream = await trio.open_tcp_stream(host, int(port))
    await stream.send_all(line)
    heard = b""
    while answer not in heard:
        heard += await stream.receive_some()
        assert heard
    return stream


async def bytes_of_each(
    serve: Callable[..., Awaitable[None]], line: Callable[[int], bytes], answer: bytes
) -> float:
    """Return how many bytes a server takes for each connection that has said one line."""

    async def run(task_status: trio.TaskStatus[Server]) -> None:
        await serve(ANY_PORT, task_status=task_status)

    def held() -> int:
        gc.collect()
        snapshot = tracemalloc.take_snapshot().filter_traces([SOURCES])
        return sum(statistic.size for statistic in snapshot.statistics("filename"))

    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(run)
        peers = [
            await connect(server.addresses[0], line(number), answer) for number in range(BEFORE)
        ]
        before = held()
        peers += [
            await connect(server.addresses[0], line(number), answer)
            for number in range(BEFORE, BEFORE + MORE)
        ]
        after = held()
        for peer in peers:
            await peer.aclose()
        nursery.cancel_scope.cancel()
    return (after - before) / MORE


def login(number: int) -> bytes:
    return b"member%d\n" % number


def json_login(number: int) -> bytes:
    return b'{"type":"login","name":"member%d"}\n' % number


def number_line(number: int) -> bytes:
    return b"%d\n" % number


def calculation(number: int) -> bytes:
    return b"user%d\n%d + 1\n" % (number, number)


CASES = {
    "a handler": (
        partial(trionet.serve, echo, limits=Limits(**EVERYBODY)),
        number_line,
        b"\n",
        2185,
    ),
    "a function": (
        partial(trionet.serve, shout, limits=Limits(**EVERYBODY)),
        number_line,
        b"\n",
        2555,
    ),
    "the calculator": (partial(calc.serve, limits=Limits(**EVERYBODY)), calculation, b"\n", 2945),
    "the chat": (chat.serve, login, b"*** welcome", 3475),
    "the chat in JSON lines": (chat.serve, json_login, b'"welcome"', 3630),
}


@pytest.mark.parametrize(("serve", "line", "answer", "bound"), CASES.values(), ids=CASES)
async def test_an_idle_connection_takes_no_more_than_it_did(
    serve: Callable[..., Awaitable[Any]],
    line: Callable[[int], bytes],
    answer: bytes,
    bound: int,
) -> None:
    tracemalloc.start()
    try:
        with trio.fail_after(60):
            taken = await bytes_of_each(serve, line, answer)
    finally:
        tracemalloc.stop()
    assert taken <= bound
