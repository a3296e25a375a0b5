"""A service's own wire format for what the toolkit tells a peer, over memory streams."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, assert_never

import pytest
import trio
import trio.testing

from trionet import (
    SYSTEM,
    AddressFull,
    BadLine,
    ConnectingTooFast,
    Connection,
    IdleTimedOut,
    Limits,
    LineRejected,
    LinesMissed,
    Listener,
    LoginTimedOut,
    Notice,
    RequestTimedOut,
    ServerClosing,
    ServerFull,
    SocketListener,
    WhenFull,
    WhenSlow,
    serve,
)
from trionet.testing import LineClient, Link, MemoryNetwork, run_handler
from trionet.testing.running import RunningHandler


def encode_json(notice: Notice) -> bytes:
    """Write a notice as one JSON object, with its facts for programs."""
    match notice:
        case LineRejected(error):
            facts: dict[str, Any] = {"kind": type(error).__name__}
        case LoginTimedOut(seconds) | IdleTimedOut(seconds) | RequestTimedOut(seconds):
            facts = {"seconds": seconds}
        case LinesMissed(count):
            facts = {"count": count}
        case ServerFull() | AddressFull() | ConnectingTooFast() | ServerClosing():
            facts = {}
        case _:
            assert_never(notice)
    return json.dumps({"error": notice.code, **facts}).encode() + b"\n"


async def echo(connection: Connection) -> None:
    async for line in connection.lines:
        await connection.send(line)


@asynccontextmanager
async def run_json(**options: Any) -> AsyncIterator[RunningHandler]:
    options.setdefault("handler", echo)
    async with run_handler(encode_notice=encode_json, **options) as connect:
        yield connect


async def expect_object(client: LineClient, **expected: object) -> None:
    assert json.loads(await client.receive()) == expected


async def test_a_bad_line_is_answered_in_the_format() -> None:
    async with run_json(limits=Limits(max_line=10, max_unending=100)) as connect:
        client = await connect()
        await client.send("12345678901")
        await expect_object(client, error="bad-line", kind="LineTooLong")
        await client.send_bytes(b"\xff\n")
        await expect_object(client, error="bad-line", kind="LineNotUTF8")
        await client.send("good")
        await client.expect("good")
        await client.send_bytes(bytes(101))
        await expect_object(client, error="bad-line", kind="LineTooLong")
        await expect_object(client, error="bad-line", kind="LineUnending")
        await client.expect_end()


async def test_a_bad_line_that_a_handler_raises_is_answered_in_the_format() -> None:
    async def raise_bad_lines(connection: Connection) -> None:
        for line in await connection.lines.receive_batch():
            if isinstance(line, BadLine):
                raise line

    async with run_json(handler=raise_bad_lines) as connect:
        client = await connect()
        await client.send_bytes(b"\xff\n")
        await expect_object(client, error="bad-line", kind="LineNotUTF8")
        await client.expect_end()


async def test_a_handler_tells_a_notice_in_the_format() -> None:
    async def tell(connection: Connection) -> None:
        connection.tell(ServerClosing())

    async with run_json(handler=tell) as connect:
        client = await connect()
        await expect_object(client, error="closing")
        await client.expect_end()


async def test_deadlines_are_told_in_the_format(autojump_clock: trio.testing.MockClock) -> None:
    async with run_json(limits=Limits(login_timeout=30, idle_timeout=40)) as connect:
        client = await connect()
        await expect_object(client, error="timeout", seconds=30)
        await client.expect_end()
        client = await connect()
        await client.send("hello")
        await client.expect("hello")
        await expect_object(client, error="timeout", seconds=40)
        await client.expect_end()


async def test_a_full_server_and_a_full_address_answer_in_the_format() -> None:
    async with run_json(limits=Limits(max_clients=2, max_per_address=1)) as connect:
        first, _ = await connect(), await connect(source="10.0.0.1")
        await trio.testing.wait_all_tasks_blocked()
        await expect_object(await connect(), error="full")
        await first.aclose()
        await trio.testing.wait_all_tasks_blocked()
        await expect_object(await connect(source="10.0.0.1"), error="address-full")


async def test_a_drain_answers_those_who_wait_in_the_format() -> None:
    async with run_json(limits=Limits(max_clients=1), when_full=WhenFull.WAIT) as connect:
        client = await connect()
        await trio.testing.wait_all_tasks_blocked()
        waiting = [await connect() for _ in range(2)]
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connect.server.drain)
            for other in waiting:
                await expect_object(other, error="closing")
                await other.aclose()
            await client.aclose()


async def test_missed_lines_are_told_in_the_format() -> None:
    async def flood(connection: Connection) -> None:
        for number in range(100):
            connection.outbox.put(b"%09d\n" % number)
        await connection.outbox.flush()

    limits = Limits(max_waiting=30)
    async with run_json(handler=flood, limits=limits, when_slow=WhenSlow.DROP_OLDEST) as connect:
        client = await connect(link=Link(capacity=10))
        await client.expect(f"{0:09}")
        await expect_object(client, error="missed", count=96)
        await client.expect(f"{97:09}", f"{98:09}", f"{99:09}")


async def test_a_socket_listener_out_of_descriptors_answers_in_the_format() -> None:
    listeners: list[Listener] = []

    class Watching:
        async def listen(self, address: str, *, backlog: int | None = None) -> Sequence[Listener]:
            opened = await SYSTEM.listen(address, backlog=backlog)
            listeners.extend(opened)
            return opened

        async def connect(self, address: str) -> trio.abc.Stream:
            return await SYSTEM.connect(address)

    async def run(task_status: trio.TaskStatus[Any]) -> None:
        await serve(
            echo,
            "127.0.0.1:0",
            network=Watching(),
            encode_notice=encode_json,
            task_status=task_status,
        )

    async with trio.open_nursery() as nursery:
        await nursery.start(run)
        (listener,) = listeners
        assert isinstance(listener, SocketListener)
        assert listener.refusal == b'{"error": "full"}\n'
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("result", [None, "text\n", b"no end", b"", ZeroDivisionError])
async def test_a_format_that_fails_is_logged_once_and_the_peer_told_in_plain_words(
    result: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(notice: Notice) -> bytes:
        return bytes(1 // 0) if result is ZeroDivisionError else result

    async with run_handler(
        echo, network=MemoryNetwork(), limits=Limits(max_clients=2), encode_notice=fail
    ) as connect:
        clients = [await connect(), await connect()]
        for client in clients:
            for _ in range(2):
                await client.send_bytes(b"\xff\n")
                await client.expect("error: line is not UTF-8")
            await client.send("good")
            await client.expect("good")
        await (await connect()).expect("error: server is full")
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("trionet.connection", logging.ERROR)
    assert "encode_notice failed" in record.getMessage()
