"""What becomes of a connection whatever its handler raises, and whatever its peer does."""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
import trio.testing

from trionet import (
    SYSTEM,
    BadLine,
    Closed,
    Connection,
    InputEnd,
    Limits,
    LineReader,
    LineStream,
    Server,
    ServerEvent,
    WhenFull,
    serve,
)
from trionet.testing import LineClient, Link, memory_stream_pair, run_handler
from trionet.transport.sockets import SocketStream

Handler = Callable[[Connection], Awaitable[object]]


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


async def fail_at_bang(connection: Connection) -> None:
    async for line in connection.lines:
        if line == "bang":
            raise ValueError("bang")
        await connection.send(line)


async def fail_in_a_child_task(connection: Connection) -> None:
    async def child() -> None:
        raise ValueError("bang")

    async for line in connection.lines:
        if line == "bang":
            async with trio.open_nursery() as nursery:
                nursery.start_soon(child)
                nursery.start_soon(trio.sleep_forever)
        await connection.send(line)


@pytest.mark.parametrize("handler", [fail_at_bang, fail_in_a_child_task])
async def test_a_crash_in_one_handler_is_logged_once_and_nobody_else_notices(
    handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    async with run_handler(handler) as connect:
        ann, bob = await connect("ann"), await connect("bob")
        await ann.send("before", "bang", "after")
        await ann.expect("before")
        await ann.expect_end()
        await bob.send("still here?")
        await bob.expect("still here?")
        await (await connect()).send("hello")
        (record,) = errors(caplog)
        assert record.name == "trionet.server"
        assert "a handler failed; 127.0.0.1:" in record.getMessage()
        assert record.exc_info is not None
        error = record.exc_info[1]
        while isinstance(error, BaseExceptionGroup):
            (error,) = error.exceptions
        assert isinstance(error, ValueError)


async def test_waiting_lines_are_sent_even_when_the_handler_crashes() -> None:
    async def handler(connection: Connection) -> None:
        connection.outbox.put(b"last words, more than the link takes at once\n")
        raise ValueError("bang")

    async with run_handler(handler) as connect:
        client = await connect(link=Link(capacity=5))
        await client.expect("last words, more than the link takes at once")
        await client.expect_end()


async def test_two_errors_at_once_are_logged_together(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handler(connection: Connection) -> None:
        raise ExceptionGroup("both", [ValueError("a"), trio.BrokenResourceError(), KeyError("b")])

    async with run_handler(handler) as connect:
        await (await connect()).expect_end()
    (record,) = errors(caplog)
    assert record.exc_info is not None
    group = record.exc_info[1]
    assert isinstance(group, ExceptionGroup)
    assert {type(error) for error in group.exceptions} == {ValueError, KeyError}


async def test_a_peer_that_goes_away_is_not_an_error(caplog: pytest.LogCaptureFixture) -> None:
    ends: list[InputEnd | None] = []

    async def tick(connection: Connection) -> None:
        try:
            async for line in connection.lines:
                await connection.send(line)
            await connection.send("one", "more")
        finally:
            ends.append(connection.lines.end)

    async with run_handler(tick) as connect:
        for _ in range(2):
            client = await connect()
            await client.send("x")
            await client.expect("x")
            connect.network.streams[-1].reset()
            await trio.testing.wait_all_tasks_blocked()
    assert ends == [InputEnd.RESET] * 2
    assert errors(caplog) == []


async def receives_for_ever(connection: Connection) -> None:
    while True:
        await connection.lines.receive()


async def receives_in_a_task(connection: Connection) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(receives_for_ever, connection)
        nursery.start_soon(trio.sleep_forever)


async def answers_in_tasks(connection: Connection) -> None:
    async def say(word: str) -> None:
        while True:
            await connection.send(word)
            await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receives_for_ever, connection)
        nursery.start_soon(say, "tick")
        nursery.start_soon(say, "tock")


@pytest.mark.parametrize("handler", [receives_for_ever, receives_in_a_task, answers_in_tasks])
@pytest.mark.parametrize(
    ("leave", "reasons"),
    [
        ("ends", {"the peer ended its sending"}),
        ("resets", {"the peer reset the connection", "the peer went away"}),
        ("is silent", {"nothing came from the peer for too long"}),
        ("meets a drain", {"server is closing"}),
    ],
)
async def test_a_handler_may_let_the_end_of_its_lines_through(
    handler: Handler,
    leave: str,
    reasons: set[str],
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    closed: list[str] = []

    def note(event: ServerEvent) -> None:
        if isinstance(event, Closed):
            closed.append(event.reason)

    async with run_handler(handler, limits=Limits(idle_timeout=30), on_event=note) as connect:
        client = await connect()
        await client.send("hello")
        await trio.sleep(1)
        if leave == "ends":
            await client.send_eof()
        elif leave == "resets":
            client.stream.reset()  # type: ignore[attr-defined]
        elif leave == "meets a drain":
            assert await connect.server.drain(5) == ()
        await trio.sleep(40)
    assert errors(caplog) == []
    assert len(closed) == 1
    assert closed[0] in reasons


async def test_the_end_of_a_channel_of_the_handlers_own_is_a_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(connection: Connection) -> None:
        await connection.lines.receive()
        raise trio.EndOfChannel

    async with run_handler(fail) as connect:
        client = await connect()
        await client.send("hello")
        await client.expect_end()
    (record,) = errors(caplog)
    assert "a handler failed" in record.getMessage()


async def test_only_the_fault_is_logged_if_the_peer_caused_an_error_too(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(connection: Connection) -> None:
        try:
            await receives_for_ever(connection)
        finally:
            raise ExceptionGroup("both", [trio.EndOfChannel(), ValueError("the fault")])

    async with run_handler(fail) as connect:
        client = await connect()
        await client.send_eof()
        await client.expect_end()
    (record,) = errors(caplog)
    assert record.exc_info is not None
    assert repr(record.exc_info[1]) == "ValueError('the fault')"


async def test_a_bad_line_that_a_handler_raises_is_told_to_the_peer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    closed: list[str] = []

    async def be_strict(connection: Connection) -> None:
        async with trio.open_nursery():
            while batch := await connection.lines.receive_batch():
                for line in batch:
                    if isinstance(line, BadLine):
                        raise line
                    await connection.send(line)

    def note(event: ServerEvent) -> None:
        if isinstance(event, Closed):
            closed.append(event.reason)

    async with run_handler(be_strict, on_event=note) as connect:
        client = await connect()
        await client.send_bytes(b"1\n\xff\n2\n")
        await client.expect("1", "error: line is not UTF-8")
        await client.expect_end()
    assert errors(caplog) == []
    assert closed == ["the peer sent a line that cannot be read"]


@pytest.mark.parametrize("is_group", [False, True])
async def test_a_bad_line_of_another_server_is_a_fault_and_not_the_peers(
    is_group: bool, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask_another(connection: Connection) -> None:
        ours, theirs = memory_stream_pair()
        async for _line in connection.lines:
            await theirs.send_all(b"\xff\n")
            if is_group:
                async with trio.open_nursery():
                    await LineStream(ours).receive()
            await LineStream(ours).receive()

    async with run_handler(ask_another) as connect:
        client = await connect()
        await client.send("1")
        await client.expect_end()  # it is not told of a line that it did not send
    (record,) = errors(caplog)
    assert "a handler failed" in record.getMessage()


async def test_a_bad_line_that_a_handler_reads_from_the_peers_stream_is_the_peers_mistake(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def read_alone(connection: Connection) -> None:
        await LineReader(connection.stream).receive()

    async with run_handler(read_alone) as connect:
        client = await connect()
        await client.send_bytes(b"\xff\n")
        await client.expect("error: line is not UTF-8")
        await client.expect_end()
    assert errors(caplog) == []


async def test_a_closed_outbox_is_not_an_error_if_the_peer_was_given_up(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def talk(connection: Connection) -> None:
        while True:
            await connection.send("x" * 99)

    reasons: list[str] = []

    def note(event: ServerEvent) -> None:
        if isinstance(event, Closed):
            reasons.append(event.reason)

    limits = Limits(write_timeout=30)
    async with run_handler(talk, limits=limits, on_event=note) as connect:
        await connect(link=Link(capacity=1000))
        await trio.sleep(40)
    assert errors(caplog) == []
    assert reasons == ["the peer reads too slowly"]


async def test_a_reset_socket_is_not_an_error(caplog: pytest.LogCaptureFixture) -> None:
    ended = trio.Event()

    async def handler(connection: Connection) -> None:
        try:
            while True:
                await connection.send("x" * 1000)
        finally:
            ended.set()

    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(partial(serve, handler, "127.0.0.1:0"))
        host, port = server.addresses[0].split(":")
        with socket.create_connection((host, int(port))) as sock:
            # From now on, closing resets the connection.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await ended.wait()
        client = LineClient(await SYSTEM.connect(server.addresses[0]))
        await client.expect("x" * 1000)
        await client.aclose()
        nursery.cancel_scope.cancel()
    assert errors(caplog) == []


@pytest.mark.parametrize("sends_now", [True, False])
async def test_a_peer_that_does_not_read_is_given_up_and_its_place_is_freed(
    sends_now: bool, autojump_clock: trio.testing.MockClock
) -> None:
    ends: list[InputEnd | None] = []

    async def handler(connection: Connection) -> None:
        async with trio.open_nursery() as nursery:

            async def flood() -> None:
                while True:
                    connection.outbox.put(b"x" * 99 + b"\n")
                    await trio.sleep(1)

            nursery.start_soon(flood)
            ends.extend([connection.lines.end async for _ in connection.lines])
            ends.append(connection.lines.end)
            nursery.cancel_scope.cancel()

    limits = Limits(max_waiting=1000, max_clients=1)
    link = Link(capacity=2000, sends_now=sends_now)
    async with run_handler(handler, limits=limits, when_full=WhenFull.WAIT) as connect:
        slow = await connect("slow", link=link)
        waiting = await connect("waiting", link=link)
        await waiting.expect("x" * 99)
        # 20 lines on the link, 10 in the outbox, and one more.
        assert trio.current_time() == pytest.approx(30)
        assert ends == [InputEnd.SLOW]
        await trio.sleep(limits.linger_seconds)
        with pytest.raises(trio.BrokenResourceError):
            await slow.send("too late")


async def test_an_error_that_comes_with_the_deadlines_cancellation_does_not_vanish(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("bang")

    async def handler(connection: Connection) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_when_cancelled)
            nursery.start_soon(trio.sleep_forever)

    async with run_handler(handler) as connect:
        await connect()
        await trio.testing.wait_all_tasks_blocked()
        assert len(await connect.server.drain(1)) == 1
    (record,) = errors(caplog)
    assert "a handler failed" in record.getMessage()
    assert "ValueError: bang" in caplog.text


async def test_another_stream_that_breaks_is_a_fault_of_the_handler(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[ServerEvent] = []

    async def proxy(_connection: Connection) -> None:
        upstream, other_end = memory_stream_pair()
        await other_end.aclose()
        await upstream.send_all(b"hello\n")

    async with run_handler(proxy, on_event=events.append) as connect:
        client = await connect()
        await client.expect_end()
    assert [event.reason for event in events if isinstance(event, Closed)] == ["the handler failed"]
    assert "a handler failed" in caplog.text
    caplog.clear()


@pytest.mark.parametrize("misbehave", ["reset", "close"])
async def test_what_the_peer_does_to_a_handler_that_uses_the_stream_itself_is_not_a_fault(
    misbehave: str, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def raw(connection: Connection) -> None:
        while await connection.stream.receive_some():
            pass
        while True:
            await connection.stream.send_all(b"good-bye\n")

    async with run_handler(raw) as connect:
        client = await connect()
        await client.send("hello")
        getattr(client.stream, misbehave)()
        await trio.sleep(1)
        assert len(connect.server.connections) == 0
    assert not caplog.records


async def test_in_a_drain_every_peer_sees_the_end_before_the_first_connection_is_reported_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[str] = []

    async def answer(connection: Connection) -> None:
        async for line in connection.lines:
            await connection.send(line)

    def send_eof_nowait(self: SocketStream) -> None:
        order.append("sending ended")
        real_send_eof(self)

    def note(event: object) -> None:
        if isinstance(event, Closed):
            order.append("closed")

    real_send_eof = SocketStream.send_eof_nowait
    clients = []
    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(partial(serve, answer, "127.0.0.1:0", on_event=note))
        for _ in range(5):
            client = await SYSTEM.connect(server.addresses[0])
            await client.send_all(b"hello\n")
            assert await client.receive_some() == b"hello\n"
            clients.append(client)
        monkeypatch.setattr(SocketStream, "send_eof_nowait", send_eof_nowait)
        nursery.start_soon(server.drain, 5)
        for client in clients:
            assert await client.receive_some() == b""
            await client.aclose()
    assert order[:5] == ["sending ended"] * 5
    assert order.count("closed") == 5
