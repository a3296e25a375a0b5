"""A service that is a plain function: the same answers with and without waking a task."""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from answers_at_once import recorded_calls
from trionet import Closed, Limits, Server, ServerEvent, serve
from trionet.connection import line_function
from trionet.connection.reader import LineReader
from trionet.testing import Link, MemoryNetwork, run_handler
from trionet.transport import readiness
from trionet.transport.readiness import HAS_EPOLL

TCP = pytest.mark.skipif(not HAS_EPOLL, reason="only a shared epoll instance calls the function")


def shout(line: str) -> str | None:
    """Answer a line, say nothing to an empty one, and fail or return nonsense when asked to."""
    if line == "fail":
        raise RuntimeError("asked to")
    if line == "number":
        return 5  # type: ignore[return-value]
    if line == "two lines":
        return "a\nb"
    return line.upper() or None


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy this machine is, no line takes long."""
    for module in (line_function, readiness):
        monkeypatch.setattr(module, "perf_counter", lambda: 0.0)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What `AtOnce` has returned each time: whether the task could go on waiting."""
    return recorded_calls(monkeypatch)


@asynccontextmanager
async def on_tcp(handler: Any, **options: Any) -> AsyncIterator[tuple[Server, Callable[[], Any]]]:
    """Serve on a real socket; yields the server, and a function that connects to it."""
    sockets: list[trio.SocketStream] = []
    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(partial(serve, handler, "127.0.0.1:0", **options))
        port = int(server.addresses[0].rpartition(":")[2])

        async def connect() -> trio.SocketStream:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            sockets.append(stream)
            return stream

        try:
            yield server, connect
        finally:
            for stream in sockets:
                trio.lowlevel.notify_closing(stream.socket)
                stream.socket.close()
        nursery.cancel_scope.cancel()


async def read(stream: trio.abc.ReceiveStream, until: bytes) -> bytes:
    received = b""
    while not received.endswith(until):
        data = await stream.receive_some()
        assert data, received
        received += data
    return received


async def read_all(stream: trio.abc.ReceiveStream) -> bytes:
    return b"".join([data async for data in stream])


# The function


async def test_each_line_is_answered_and_none_means_no_answer(autojump_clock: object) -> None:
    async with run_handler(shout) as connect:
        client = await connect()
        await client.send("one", "", "two")
        await client.expect("ONE", "TWO")
        await client.expect_silence(3600)


async def test_bad_lines_are_answered_in_their_places(autojump_clock: object) -> None:
    async with run_handler(shout, limits=Limits(max_line=20)) as connect:
        client = await connect()
        await client.send_bytes(b"one\n\xff\ntwo\n" + b"x" * 30 + b"\nthree\n")
        await client.expect(
            "ONE", "error: line is not UTF-8", "TWO", "error: line is longer than 20 bytes"
        )
        await client.expect("THREE")


@pytest.mark.parametrize(
    ("line", "error"), [("fail", RuntimeError), ("number", TypeError), ("two lines", Exception)]
)
async def test_a_failure_costs_its_own_connection_and_no_answer_before_it(
    line: str, error: type[Exception], caplog: pytest.LogCaptureFixture, autojump_clock: object
) -> None:
    async with run_handler(shout) as connect:
        other, client = await connect(), await connect()
        with caplog.at_level(logging.ERROR):
            await client.send("one", line, "three")
            await client.expect("ONE")
            await client.expect_end()
        await other.send("still here")
        await other.expect("STILL HERE")
    (record,) = caplog.records
    assert "a handler failed" in record.message
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], error)


async def test_a_peer_that_does_not_read_is_not_read_from(autojump_clock: object) -> None:
    called: list[str] = []

    def answer(line: str) -> str:
        called.append(line)
        return "x" * 100

    async with run_handler(answer) as connect:
        client = await connect(link=Link(capacity=1 << 20), back=Link(capacity=50))
        for _ in range(20):
            await client.send(*["line"] * 500)
            await wait_all_tasks_blocked()
        assert len(called) <= 512
        await client.expect(*["x" * 100] * 10_000)


@pytest.mark.parametrize("size", [300, 30_000])
async def test_a_peer_that_asks_for_much_at_once_and_reads_it_stays(
    size: int, autojump_clock: object
) -> None:
    def repeat(line: str) -> str:
        return line * size

    limits = Limits(max_waiting=max(4096, size + 1000))
    async with run_handler(repeat, limits=limits) as connect:
        client = await connect(back=Link(capacity=1000))
        await client.send(*"abc" * 30)
        await wait_all_tasks_blocked()
        await client.expect(*[letter * size for letter in "abc" * 30])


@TCP
async def test_a_peer_that_asks_for_much_without_waking_the_task_stays() -> None:
    size = 1 << 19

    def repeat(line: str) -> str:
        return line * size

    async with on_tcp(repeat) as (_, connect):
        client = await connect()
        await client.send_all(b"a\n" * 20)
        await client.send_eof()
        await wait_all_tasks_blocked(0.01)
        assert await read_all(client) == (b"a" * size + b"\n") * 20


async def test_others_have_their_turn_after_two_milliseconds(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    now = 0.0
    order: list[str] = []

    def answer(line: str) -> str:
        nonlocal now
        now += 0.0009
        order.append(line)
        return line

    monkeypatch.setattr(line_function, "perf_counter", lambda: now)
    async with run_handler(answer) as connect:
        clients = await connect(), await connect()
        await wait_all_tasks_blocked()
        for name, stream in zip("ab", connect.network.streams, strict=True):
            # Without a checkpoint, so that both come at the same time.
            stream.send_nowait(f"{name}\n".encode() * 9)  # type: ignore[attr-defined]
        for name, client in zip("ab", clients, strict=True):
            await client.expect(*[name] * 9)
    # Three lines each in every round of the scheduler, whichever of the two comes first in it.
    rounds = ["".join(order[begin : begin + 6]) for begin in range(0, 18, 6)]
    assert set(rounds) <= {"aaabbb", "bbbaaa"}


async def test_a_drain_answers_what_was_received(autojump_clock: object) -> None:
    async with run_handler(shout) as connect:
        client = await connect()
        await client.send("one", "two")
        await wait_all_tasks_blocked()
        await client.expect("ONE", "TWO")
        await connect.server.drain()
        await client.expect_end()


# Without waking the task


@TCP
async def test_whole_lines_are_answered_without_waking_the_task(calls: list[bool]) -> None:
    async with on_tcp(shout) as (_, connect):
        client = await connect()
        # The first line might be one of HTTP's, so the task reads it.
        for line in (b"first\n", b"second\n", b"\n", b"third\nfourth\n"):
            await client.send_all(line)
            if line.strip():
                assert await read(client, b"\n") == line.upper()
            else:
                await wait_all_tasks_blocked(0.01)
        assert calls.count(False) == 1
        assert calls.count(True) == 3


@TCP
async def test_input_that_cannot_be_taken_costs_no_other_connection(
    calls: list[bool], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with on_tcp(shout) as (_, connect):
        client = await connect()
        await client.send_all(b"first\n")
        assert await read(client, b"\n") == b"FIRST\n"
        calls.clear()

        def fail(_lines: object) -> list[str]:
            raise TypeError("not bytes")

        with monkeypatch.context() as patch:
            patch.setattr(LineReader, "receive_batch_nowait", fail)
            await client.send_all(b"second\n")
            while not calls:
                await trio.lowlevel.checkpoint()
        assert "not bytes" in caplog.text
        other = await connect()
        await other.send_all(b"third\n")
        assert await read(other, b"\n") == b"THIRD\n"


@TCP
async def test_the_task_takes_half_a_line_a_bad_line_and_the_end(calls: list[bool]) -> None:
    events: list[ServerEvent] = []
    async with on_tcp(shout, on_event=events.append) as (_, connect):
        client = await connect()
        await client.send_all(b"first\n")
        await read(client, b"FIRST\n")
        calls.clear()
        await client.send_all(b"half ")
        await wait_all_tasks_blocked(0.01)
        await client.send_all(b"a line\nand \xff\nmore\n")
        assert await read(client, b"MORE\n") == (b"HALF A LINE\nerror: line is not UTF-8\nMORE\n")
        assert True not in calls
        await client.send_all(b"last\n")
        await client.send_eof()
        assert await read_all(client) == b"LAST\n"
    closed = events[-1]
    assert isinstance(closed, Closed)
    assert (closed.lines_in, closed.lines_out) == (5, 5)


@TCP
async def test_a_failure_without_the_task_is_logged_and_closes_its_connection(
    caplog: pytest.LogCaptureFixture, calls: list[bool]
) -> None:
    async with on_tcp(shout) as (server, connect):
        other, client = await connect(), await connect()
        for one in (other, client):
            await one.send_all(b"hello\n")
            await read(one, b"HELLO\n")
        with caplog.at_level(logging.ERROR):
            await client.send_all(b"one\nfail\ntwo\n")
            assert await read(client, b"\n") == b"ONE\n"
            assert await client.receive_some() == b""
        await other.send_all(b"again\n")
        await read(other, b"AGAIN\n")
        assert len(server.connections) == 1
    (record,) = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], RuntimeError)


@TCP
async def test_a_rate_holds_without_the_task_too(calls: list[bool]) -> None:
    async with on_tcp(shout, limits=Limits(rate=1000, burst=4)) as (_, connect):
        client = await connect()
        await client.send_all(b"first\n")
        await read(client, b"FIRST\n")
        for number in range(20):
            # More than there are tokens for, and more while some is held.
            await client.send_all(b"%d\n%d\n%d\n" % (number, number, number))
        expected = b"".join(b"%d\n" % number * 3 for number in range(20))
        received = b""
        while len(received) < len(expected):
            received += await client.receive_some()
        assert received == expected


@TCP
async def test_a_reset_ends_the_connection_and_no_other(calls: list[bool]) -> None:
    async with on_tcp(shout) as (server, connect):
        other, client = await connect(), await connect()
        await client.send_all(b"first\n")
        await read(client, b"FIRST\n")
        linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        await client.aclose()
        await other.send_all(b"still here\n")
        await read(other, b"STILL HERE\n")
        while len(server.connections) > 1:
            await trio.lowlevel.checkpoint()


@TCP
async def test_a_drain_ends_a_task_that_waits_while_others_answer_for_it(
    calls: list[bool],
) -> None:
    async with on_tcp(shout) as (server, connect):
        client = await connect()
        for line in (b"first\n", b"second\n"):
            await client.send_all(line)
            await read(client, line.upper())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.drain)
            assert await client.receive_some() == b""
            await client.aclose()


@TCP
async def test_an_idle_deadline_counts_from_the_last_line_that_was_answered_at_once(
    calls: list[bool],
) -> None:
    async with on_tcp(shout, limits=Limits(idle_timeout=60)) as (server, connect):
        client = await connect()
        await client.send_all(b"first\n")
        await read(client, b"FIRST\n")
        (connection,) = server._places.connections
        await wait_all_tasks_blocked(0.01)
        before = connection.lines.waiting_since
        await client.send_all(b"second\n")
        await read(client, b"SECOND\n")
        assert calls[-1]
        assert before < connection.lines.waiting_since < math.inf


# Both ways give the same answers


pieces = st.lists(
    st.one_of(
        st.sampled_from(
            [b"one\n", b"two\r\n", b"\n", b"\xff\n", b"half", b" and half\n", b"x" * 80 + b"\n"]
        ),
        st.lists(st.sampled_from([b"a\n", b"b\n", b"\xc3\xa9\n"]), max_size=700).map(b"".join),
        st.sampled_from([b"fail\n", b"number\n"]),
    ),
    max_size=8,
)


async def said_in_memory(sent: list[bytes]) -> bytes:
    network = MemoryNetwork(link=Link(capacity=1 << 20))
    async with run_handler(shout, network=network, limits=Limits(max_line=64)):
        stream = await network.connect("localhost:49152")
        return await said(stream, sent)


async def said_on_tcp(sent: list[bytes]) -> bytes:
    async with on_tcp(shout, limits=Limits(max_line=64)) as (_, connect):
        return await said(await connect(), sent)


async def said(stream: Any, sent: list[bytes]) -> bytes:
    for data in sent:
        if not data:
            continue
        with suppress(trio.BrokenResourceError):
            await stream.send_all(data)
        # So that each piece comes by itself.
        await wait_all_tasks_blocked(0.001)
    with suppress(trio.BrokenResourceError):
        await stream.send_eof()
    return await read_all(stream)


@TCP
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sent=pieces)
@example(sent=[b"one\n", b"two\nfail\nthree\n", b"four\n"])
@example(sent=[b"one\n", b"two\n", b"half", b" and half\nx\n\xff\n", b"a\n" * 600])
def test_both_ways_give_the_same_answers(sent: list[bytes]) -> None:
    logging.disable(logging.CRITICAL)
    try:
        assert trio.run(said_on_tcp, sent) == trio.run(said_in_memory, sent)
    finally:
        logging.disable(logging.NOTSET)
