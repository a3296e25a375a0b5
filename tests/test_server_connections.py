"""A server's connections as objects: listed, looked at, closed from outside, and counted."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from typing import Any

import pytest
import trio

from trionet import Closed, Connection, Limits, ServerEvent, Statistics, serve
from trionet.testing import Link, run_handler


async def echo(connection: Connection) -> None:
    async for line in connection.lines:
        await connection.send(line)


def shout(line: str) -> str:
    return line.upper()


def closed(events: list[ServerEvent]) -> list[Closed]:
    return [event for event in events if isinstance(event, Closed)]


# Looking


async def test_the_connections_are_listed_from_the_oldest_on() -> None:
    async with run_handler(echo) as connect:
        assert not connect.server.connections
        ann, bob = await connect(), await connect()
        await ann.send("hello")
        await ann.expect("hello")
        await bob.send("hi")
        await bob.expect("hi")
        first, second = connect.server.connections
        assert (first.id, second.id) == (1, 2)
        assert (first.bytes_in, second.bytes_in) == (6, 3)
        assert (first.bytes_out, second.bytes_out) == (6, 3)
        assert first.waiting == 0
        assert first.server is connect.server


async def test_servers_that_share_a_count_number_their_connections_together() -> None:
    numbers = itertools.count(7)
    async with (
        run_handler(echo, numbers=numbers) as first,
        run_handler(echo, numbers=numbers) as second,
        run_handler(echo) as other,
    ):
        for connect in (first, second, first, other):
            client = await connect()
            await client.send("hello")
            await client.expect("hello")
        ids = [[one.id for one in connect.server.connections] for connect in (first, second, other)]
        assert ids == [[7, 9], [8], [1]]


@pytest.mark.parametrize(
    "numbers", [1, iter([1, 2]), itertools.count(1.5), itertools.count(1, 0.5), range(9)]
)
async def test_what_cannot_number_connections_is_refused(numbers: Any) -> None:
    with pytest.raises(TypeError, match=r"numbers must be itertools.count\(1\), not "):
        await serve(echo, "localhost:0", numbers=numbers)


async def test_what_waits_for_a_peer_is_told_in_bytes() -> None:
    async with run_handler(shout, limits=Limits(rate=0)) as connect:
        ann = await connect(link=Link(capacity=65536), back=Link(capacity=1000))
        await ann.stream.send_all(b"x" * 99 + b"\n" + b"y" * 2999 + b"\n")
        await trio.testing.wait_all_tasks_blocked()
        (connection,) = connect.server.connections
        assert connection.waiting == 3100 - 1000


async def test_a_service_keeps_what_it_knows_of_a_peer_in_its_state() -> None:
    async def counting(connection: Connection) -> None:
        connection.state.count = 0
        async for line in connection.lines:
            connection.state.count += 1
            await connection.send(f"{line} {connection.state.count}")

    async with run_handler(counting) as connect:
        ann, bob = await connect(), await connect()
        for client in (ann, ann, bob):
            await client.send("line")
        await ann.expect("line 1", "line 2")
        await bob.expect("line 1")
        assert [one.state.count for one in connect.server.connections] == [2, 1]


async def test_handlers_share_what_stands_in_the_servers_state() -> None:
    async def greet(connection: Connection) -> None:
        await connection.send(connection.server.state["greeting"])

    async with run_handler(greet) as connect:
        assert connect.server.state is None
        connect.server.state = {"greeting": "hello"}
        await (await connect()).expect("hello")


# Closing


@pytest.mark.parametrize("handler", [echo, shout])
async def test_another_task_closes_a_connection_and_the_log_says_why(handler: Any) -> None:
    events: list[ServerEvent] = []
    async with run_handler(handler, on_event=events.append) as connect:
        ann, bob = await connect(), await connect()
        for client in (ann, bob):
            await client.send("HELLO")
            await client.expect("HELLO")
        await connect.server.connections[0].close("kicked by Bob")
        await ann.expect_end()
        await bob.send("STILL HERE")
        await bob.expect("STILL HERE")
        assert [event.reason for event in closed(events)] == ["kicked by Bob"]


async def test_a_handler_closes_its_own_connection() -> None:
    events: list[ServerEvent] = []

    async def one_line(connection: Connection) -> None:
        await connection.send(await connection.lines.receive())
        await connection.close("one line is enough")

    async with run_handler(one_line, on_event=events.append) as connect:
        client = await connect()
        await client.send("first", "second")
        await client.expect("first")
        await client.expect_end()
    assert [event.reason for event in closed(events)] == ["one line is enough"]


async def test_what_waits_is_sent_before_a_connection_is_closed() -> None:
    lines = [f"line {number}" for number in range(1000)]

    async def flood(connection: Connection) -> None:
        for line in lines:
            connection.outbox.put(f"{line}\n".encode())
        await connection.close()

    async with run_handler(flood) as connect:
        client = await connect(back=Link(capacity=100))
        await client.expect(*lines)
        await client.expect_end()


async def test_lines_that_were_received_are_not_handed_out_after_a_close() -> None:
    seen = []

    async def slow(connection: Connection) -> None:
        async for line in connection.lines:
            seen.append(line)
            await trio.sleep(1)

    async with run_handler(slow) as connect:
        client = await connect()
        await client.send("one", "two", "three")
        await trio.testing.wait_all_tasks_blocked()
        await connect.server.connections[0].close()
        await client.expect_end()
    assert seen == ["one"]


async def test_a_send_after_a_close_is_not_a_fault_of_the_handler(
    caplog: pytest.LogCaptureFixture, autojump_clock: trio.testing.MockClock
) -> None:
    events: list[ServerEvent] = []

    async def ticking(connection: Connection) -> None:
        while True:
            await connection.send("tick")
            await trio.sleep(1)

    with caplog.at_level(logging.ERROR, "trionet"):
        async with run_handler(ticking, on_event=events.append) as connect:
            client = await connect()
            await client.expect("tick")
            await connect.server.connections[0].close("enough")
            await client.expect_end()
    assert [event.reason for event in closed(events)] == ["enough"]
    assert not caplog.records


async def test_the_first_reason_counts_and_is_safe_to_show() -> None:
    events: list[ServerEvent] = []
    async with run_handler(echo, on_event=events.append) as connect:
        client = await connect()
        await client.send("hello")
        await client.expect("hello")
        (connection,) = connect.server.connections
        await connection.close("bell\a and\nline")
        await connection.close("second")
        await client.expect_end()
    (event,) = closed(events)
    assert "second" not in event.reason
    assert event.reason.isprintable()


async def test_a_reason_must_be_a_text() -> None:
    async with run_handler(echo) as connect:
        await connect()
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(TypeError, match="a reason is a text"):
            await connect.server.connections[0].close(3)  # type: ignore[arg-type]


async def test_a_peer_that_does_not_read_delays_a_close_for_the_write_timeout_at_most(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with run_handler(shout, limits=Limits(write_timeout=30, rate=0)) as connect:
        client = await connect(back=Link(capacity=10))
        await client.send("x" * 100)
        await trio.testing.wait_all_tasks_blocked()
        started = trio.current_time()
        await connect.server.connections[0].close("too slow")
        assert 25 < trio.current_time() - started < 35


# Counting


async def test_the_statistics_count_what_is_served_and_what_was(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with run_handler(shout, limits=Limits(max_clients=2)) as connect:
        ann, bob = await connect(), await connect()
        await ann.send("one", "two")
        await ann.expect("ONE", "TWO")
        await bob.send("three")
        await bob.expect("THREE")
        refused = await connect()
        await refused.expect("error: server is full")
        expected = Statistics(
            connections=2,
            opened=2,
            refused=1,
            lines_in=3,
            lines_out=3,
            bytes_in=14,
            bytes_out=14,
        )
        assert connect.server.statistics() == expected
        await ann.stream.aclose()
        await trio.sleep(1)
        assert connect.server.statistics() == dataclasses.replace(expected, connections=1)
