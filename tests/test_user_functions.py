"""A user's own function that goes wrong costs at most its own connection, and is logged once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from trionet import (
    SYSTEM,
    Closed,
    Connection,
    Hub,
    Limits,
    Notice,
    Opened,
    Opening,
    Refused,
    Server,
    ServerEvent,
    encode_line,
    lingering_close,
    serve,
)
from trionet.testing import LineClient, MemoryNetwork, memory_stream_pair, run_handler

WHERE = "127.0.0.1:7000"


async def echo(connection: Connection) -> None:
    async for line in connection.lines:
        await connection.send(line)


def shout(line: str) -> str:
    return line.upper()


async def later(*_arguments: object) -> None:
    pass


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


# What nobody awaits


async def test_a_callback_that_returns_a_coroutine_is_reported_once(
    autojump_clock: trio.abc.Clock, caplog: pytest.LogCaptureFixture
) -> None:
    # Python's own warning, that a coroutine was never awaited, would fail this test.
    async with run_handler(
        echo, on_event=lambda event: later(event), on_drain=lambda: later()
    ) as connect:
        for _ in range(2):
            async with await connect() as client:
                await client.send("hello")
                await client.expect("hello")
        await connect.server.drain()
    on_event, on_drain = errors(caplog)
    assert on_event.startswith("on_event failed, and the server goes on: Opened(id=1")
    assert on_drain.startswith("on_drain failed, and the server goes on")
    told = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert told[0] == "on_event must be an ordinary function: nothing awaits what it returned"


async def test_an_encode_that_returns_a_coroutine_is_reported_once(
    autojump_clock: trio.abc.Clock, caplog: pytest.LogCaptureFixture
) -> None:
    encode: Any = lambda event: later(event)  # noqa: E731
    async with run_handler(echo, encode_notice=encode) as connect:
        client = await connect()
        await client.send_bytes(b"\xff\n")
        await client.expect("error: line is not UTF-8")
    async with trio.open_nursery() as nursery:
        hub: Hub[str] = Hub()
        nursery.start_soon(hub.run)
        hub.add(Connected(), encode)
        hub.publish("one")
        hub.publish("two")
        await hub.wait_delivered()
        nursery.cancel_scope.cancel()
    notice, event = errors(caplog)
    assert notice.startswith("encode_notice failed")
    assert event.startswith("an event could not be encoded")


class Connected:
    def put(self, lines: bytes, /) -> None:
        raise AssertionError(lines)


async def test_a_plain_function_that_returns_a_coroutine_loses_its_own_connection(
    autojump_clock: trio.abc.Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(line: str) -> Any:
        return later(line) if line == "later" else line

    async with run_handler(answer) as connect:
        wrong, right = await connect(), await connect()
        await wrong.send("now", "later", "now")
        await wrong.expect("now")
        await wrong.expect_end()
        await right.send("hello")
        await right.expect("hello")
    assert len(errors(caplog)) == 1


async def test_a_lambda_that_returns_nothing_to_await_is_told_what_to_write(
    autojump_clock: trio.abc.Clock, caplog: pytest.LogCaptureFixture
) -> None:
    sync: Any = lambda connection: connection.outbox.put(b"hello\n")  # noqa: E731
    async with run_handler(sync) as connect:
        client = await connect()
        await client.expect("hello")
        await client.expect_end()
    (told,) = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert told.startswith("the handler <lambda> returned None, which cannot be awaited: write an")


# What ends a program ends the server, and leaves nothing open


def leave_at(kind: type[ServerEvent]) -> Callable[[ServerEvent], None]:
    def on_event(event: ServerEvent) -> None:
        if isinstance(event, kind):
            raise SystemExit(3)

    return on_event


@pytest.mark.parametrize("kind", [Opened, Refused, Closed])
async def test_an_exit_in_on_event_ends_the_server_and_closes_the_connection(
    kind: type[ServerEvent], autojump_clock: trio.abc.Clock
) -> None:
    network = MemoryNetwork()
    limits = Limits(max_clients=1)
    streams: list[Any] = []
    with pytest.RaisesGroup(SystemExit, flatten_subgroups=True):
        async with trio.open_nursery() as nursery:
            await nursery.start(
                partial(serve, echo, WHERE, network=network, limits=limits, on_event=leave_at(kind))
            )
            with trio.CancelScope(shield=True):
                streams += [await network.connect(WHERE) for _ in range(2)]
                await trio.sleep(0.1)
                if kind is Closed:
                    await streams[0].send_eof()
                await trio.sleep(100)
                ends = [await end_of(stream) for stream in streams]
    assert ends == ["end", "end"]


async def end_of(stream: trio.abc.Stream) -> str:
    with trio.move_on_after(5):
        try:
            while await stream.receive_some():
                pass
        except trio.BrokenResourceError:
            pass
        return "end"
    return "open"


async def test_a_stream_is_closed_although_on_settled_raises() -> None:
    def fail(_unarrived: int) -> None:
        raise ValueError("no")

    near, far = memory_stream_pair()
    await far.send_eof()
    with pytest.raises(ValueError, match="no"):
        await lingering_close(near, on_settled=fail)
    assert repr(near).endswith("closed>")


async def test_all_listeners_are_closed_although_closing_one_raises(
    autojump_clock: trio.abc.Clock,
) -> None:
    class Failing(MemoryNetwork):
        async def listen(self, address: str, *, backlog: int | None = None) -> Any:
            listeners = await super().listen(address, backlog=backlog)

            async def fail() -> None:
                raise ValueError("cannot close")

            listeners[0].aclose = fail  # type: ignore[method-assign]
            return listeners

    network = Failing()
    with pytest.RaisesGroup(ValueError, flatten_subgroups=True, allow_unwrapped=True):
        async with trio.open_nursery() as nursery:
            server: Server = await nursery.start(
                partial(serve, echo, "localhost:7000", "localhost:7001", network=network)
            )
            await server.drain()
    # Only those whose closing failed.
    assert repr(network).startswith(
        "<Failing listening on 127.0.0.1:7000, 127.0.0.1:7001: 0 connections"
    )


# On sockets, where the task that finds out about input answers for all connections


async def test_an_opening_that_raises_loses_its_own_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def is_met(line: object) -> bool:
        if line == "{bad":
            raise ValueError("not that one")
        return False

    opening = Opening(begins=b"{", max_line=9000, is_met=is_met)
    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(
            partial(serve, shout, "127.0.0.1:0", refuse_http=False, opening=opening)
        )
        clients = [LineClient(await SYSTEM.connect(server.addresses[0])) for _ in range(4)]
        with trio.fail_after(20):
            await trio.testing.wait_all_tasks_blocked(0.05)
            await clients[0].send("{bad")
            for client in clients[1:]:
                await client.send("{good")
                await client.expect("{GOOD")
            await clients[0].expect_end()
            for client in clients:
                await client.aclose()
            await server.drain(5)
    (told,) = errors(caplog)
    assert told.startswith("a handler failed")


WRONG_ANSWERS: list[Callable[[list[Any]], Any]] = [
    lambda lines: 1 / len(lines[99:]),
    lambda _lines: None,
    lambda _lines: ("text\n", []),
    lambda _lines: (b"no end", []),
    lambda lines: later(lines),
]


@pytest.mark.parametrize("answer", WRONG_ANSWERS)
async def test_an_answer_at_once_that_goes_wrong_is_left_to_the_handler(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(connection: Connection) -> None:
        connection.answer_at_once(answer)
        while batch := await connection.lines.receive_batch():
            await connection.send(*(str(line) for line in batch))

    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(
            partial(serve, handler, "127.0.0.1:0", refuse_http=False)
        )
        clients = [LineClient(await SYSTEM.connect(server.addresses[0])) for _ in range(3)]
        with trio.fail_after(20):
            await trio.testing.wait_all_tasks_blocked(0.05)
            for line in ("one", "two"):
                for client in clients:
                    await client.send(line)
                    await client.expect(line)
            for client in clients:
                await client.aclose()
            await server.drain(5)
    assert [told.partition(" (")[0] for told in errors(caplog)] in (
        # Other systems than Linux call it nowhere.
        ["answer_at_once failed; its handler answers"],
        [],
    )


# What a peer or a drain does is no fault of a handler that reads the stream itself


async def test_a_drain_that_interrupts_a_handler_at_its_stream_is_not_a_fault(
    autojump_clock: trio.abc.Clock, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[ServerEvent] = []

    async def count(connection: Connection) -> None:
        while await connection.stream.receive_some():
            pass

    async with run_handler(count, on_event=events.append) as connect:
        client = await connect()
        await client.send("hello")
        await client.expect_silence(1)
        await connect.server.drain()
    assert errors(caplog) == []
    assert [event.reason for event in events if isinstance(event, Closed)] == ["server is closing"]


# Faults are told apart by code, not by name


async def test_two_formats_that_fail_in_the_same_line_are_two_faults(
    caplog: pytest.LogCaptureFixture,
) -> None:
    formats: list[Any] = [lambda event: event, lambda _event: None]
    async with trio.open_nursery() as nursery:
        hub: Hub[str] = Hub()
        nursery.start_soon(hub.run)
        for encode in formats:
            hub.add(Connected(), encode)
        for _ in range(3):
            hub.publish("one")
            await hub.wait_delivered()
        nursery.cancel_scope.cancel()
    assert len(errors(caplog)) == 2


async def test_a_callback_made_for_each_peer_is_one_fault(
    autojump_clock: trio.abc.Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(connection: Connection) -> None:
        def notices(notice: Notice) -> bytes:
            return encode_line(f"{connection.nobody} {notice}")  # type: ignore[attr-defined]

        connection.speak(notices)
        await echo(connection)

    async with run_handler(handler) as connect:
        for _ in range(3):
            async with await connect() as client:
                await client.send_bytes(b"\xff\n\xff\n")
                await client.expect("error: line is not UTF-8", "error: line is not UTF-8")
    assert len(errors(caplog)) == 1
