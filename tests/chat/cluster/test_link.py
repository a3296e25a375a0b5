"""The connection to Redis, against a server on a real socket that answers what a test says."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
import trio

from trionet.chat.cluster.link import ErrorAnswer, LinkLost, RedisLink
from trionet.chat.cluster.options import RedisError, server_of

HELLO = b"%1\r\n$5\r\nproto\r\n:3\r\n"
ENTRY = b"%1\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\ne\r\n$4\r\n\r\n$9\r\n"


class Server:
    """A server that answers each command with the next of its answers.

    Attributes:
        asked: all that it was sent.
        answers: what it answers; ``None``: it closes the connection.
        connections: how many it has accepted.
    """

    def __init__(self) -> None:
        self.asked = b""
        self.answers: list[bytes | None] = []
        self.connections = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        answered = self.asked.count(b"*")
        # The link closes its end in the middle of an answer that makes no sense.
        async with stream:
            with suppress(trio.BrokenResourceError):
                await self._answer(stream, answered)

    async def _answer(self, stream: trio.SocketStream, answered: int) -> None:
        async for data in stream:
            self.asked += data
            while self.asked.count(b"*") > answered:
                answered += 1
                answer = self.answers.pop(0) if self.answers else b""
                if answer is None:
                    return
                # So that an answer comes in many pieces.
                for byte in answer:
                    await stream.send_all(bytes([byte]))


@asynccontextmanager
async def opened(url: str = "") -> AsyncIterator[tuple[Server, RedisLink]]:
    """Run a server, and make a link to it."""
    server = Server()
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, server.serve, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        link = RedisLink(server_of(url.format(port) or f"redis://127.0.0.1:{port}/0"))
        try:
            yield server, link
        finally:
            link.close()
            nursery.cancel_scope.cancel()


async def test_answers_that_come_in_pieces_are_read_whole_and_in_order() -> None:
    async with opened() as (server, link):
        server.answers = [HELLO, ENTRY, b"*0\r\n", b"_\r\n"]
        asked = (b"XREAD", b"s", b"0-0"), (b"XRANGE", b"s"), (b"GET", b"k")
        answers = await link.calls(*asked, seconds=5)
        assert answers == [{b"s": [[b"1-0", [b"e", b"\r\n$9"]]]}, [], None]
        assert link.is_open
        assert server.asked.endswith(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")


async def test_a_refusal_is_an_answer_and_the_connection_stays_open() -> None:
    async with opened() as (server, link):
        server.answers = [HELLO, b"-OOM command not allowed\r\n", b":1\r\n"]
        refused, done = await link.calls((b"XADD",), (b"XLEN",), seconds=5)
        assert isinstance(refused, ErrorAnswer)
        assert refused.reason == "OOM command not allowed"
        assert done == 1
        assert link.is_open
        assert server.connections == 1


@pytest.mark.parametrize("answer", [None, b"?what\r\n"])
async def test_a_connection_that_ends_or_talks_nonsense_is_lost_and_opened_again(
    answer: bytes | None,
) -> None:
    async with opened() as (server, link):
        server.answers = [HELLO, b":1\r\n", answer, HELLO, b":2\r\n"]
        assert await link.calls((b"XLEN",), seconds=5) == [1]
        with pytest.raises(LinkLost):
            await link.calls((b"XLEN",), seconds=5)
        assert not link.is_open
        with pytest.raises(LinkLost):
            await link.calls((b"XLEN",), seconds=5, opens=False)
        assert server.connections == 1
        assert await link.calls((b"XLEN",), seconds=5) == [2]


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_no_late_answer_is_taken_for_the_next_one(
    autojump_clock: object, is_cancelled: bool
) -> None:
    async with opened() as (server, link):
        server.answers = [HELLO, b""]
        if is_cancelled:
            with trio.move_on_after(1):
                await link.calls((b"XREAD",), seconds=5)
        else:
            with pytest.raises(LinkLost):
                await link.calls((b"XREAD",), seconds=5)
        assert not link.is_open
        server.answers = [HELLO, b":2\r\n"]
        assert await link.calls((b"XLEN",), seconds=5) == [2]
        assert server.connections == 2


async def test_a_command_that_the_kernel_does_not_take_at_once_is_sent_whole() -> None:
    async with opened() as (server, link):
        server.answers = [HELLO, b":1\r\n", b":2\r\n", b":3\r\n"]
        assert await link.calls((b"XLEN",), seconds=5) == [1]
        # More than both kernels hold while nobody reads.
        snapshot = b"x" * (8 << 20)
        assert await link.calls((b"SET", snapshot), (b"GET",), seconds=30) == [2, 3]
        _, _, sent = server.asked.partition(b"SET\r\n")
        assert sent == b"$8388608\r\n" + snapshot + b"\r\n*1\r\n$3\r\nGET\r\n"


async def test_a_user_and_a_database_of_the_url_are_asked_for() -> None:
    async with opened("redis://ann:secret@127.0.0.1:{}/3") as (server, link):
        server.answers = [HELLO, b"+OK\r\n", b":1\r\n"]
        assert await link.calls((b"XLEN",), seconds=5) == [1]
        assert b"\r\nAUTH\r\n$3\r\nann\r\n$6\r\nsecret\r\n" in server.asked
        assert b"\r\nSELECT\r\n$1\r\n3\r\n" in server.asked


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"-WRONGPASS invalid username-password pair\r\n", RedisError),
        (b"-NOAUTH HELLO must be called with the client already authenticated\r\n", RedisError),
        (b"-ERR AUTH called without any password configured\r\n", RedisError),
        (b"-ERR max number of clients reached\r\n", LinkLost),
    ],
)
async def test_a_password_that_is_refused_is_told_from_a_redis_that_is_not_ready(
    answer: bytes, error: type[Exception]
) -> None:
    async with opened() as (server, link):
        server.answers = [answer]
        with pytest.raises(error):
            await link.calls((b"XLEN",), seconds=5)
        assert not link.is_open


def test_without_hiredis_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hiredis", None)
    with pytest.raises(RedisError, match=r"pip install 'trionet\[redis\]'"):
        RedisLink(server_of("redis://127.0.0.1/0"))
