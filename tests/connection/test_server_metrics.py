"""What a server tells of itself in numbers is what its peers have seen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from trionet import Connection, Limits, Reading, Server, WhenSlow, respond, serve
from trionet.connection import server_metrics
from trionet.testing import LineClient, Link, MemoryNetwork, MemoryStream

ADDRESS = "127.0.0.1:7000"


class Asked:
    """A server in memory, and its numbers.

    Args:
        nursery: where it runs.
        options: those of `serve`.
    """

    def __init__(self, nursery: trio.Nursery, **options: Any) -> None:
        self.network = MemoryNetwork()
        self._nursery = nursery
        self._options = options

    async def start(self, handler: Any) -> None:
        self.server: Server = await self._nursery.start(
            partial(serve, handler, ADDRESS, network=self.network, **self._options)
        )

    async def client(self, link: Link | None = None) -> LineClient:
        return LineClient(await self.network.connect(ADDRESS, link=link), name="peer")

    def __getitem__(self, name: str) -> dict[str, float]:
        """Return the values of a metric that are not 0."""
        readings = {reading.name: reading for reading in self.server.metrics.read()}
        return {key: value for key, value in readings[name].values.items() if value}


async def echo(connection: Connection) -> None:
    async for line in connection.lines:
        if line == "end":
            return
        if line == "fail":
            raise ZeroDivisionError
        if line == "close":
            await connection.close("Ann asked for it")
        await connection.send(line)


async def test_connections_are_counted_by_their_ends(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        asked = Asked(nursery, limits=Limits(idle_timeout=60, login_timeout=30))
        await asked.start(echo)
        for line in ("end", "fail", "close", "fail"):
            client = await asked.client()
            await client.send(line)
            await client.expect_end()
        client = await asked.client()
        await client.send_eof()
        await client.expect_end()
        client = await asked.client()
        assert isinstance(client.stream, MemoryStream)
        client.stream.reset()
        browser = await asked.client()
        await browser.send("GET / HTTP/1.1")
        await browser.expect_end()
        # One says nothing, and one says something once.
        silent, idle = await asked.client(), await asked.client()
        await idle.send("x")
        await trio.sleep(100)
        assert asked["trionet_connections_total"] == {
            "finished": 1, "failed": 2, "closed": 1, "eof": 1, "reset": 1, "http": 1,
            "login": 1, "idle": 1,
        }  # fmt: skip
        assert asked["trionet_deadlines_total"] == {"login": 1, "idle": 1}
        assert asked["trionet_connections_opened_total"] == {"": 9}
        assert asked["trionet_connections_open"] == {}
        del silent
        nursery.cancel_scope.cancel()


async def test_what_only_grows_never_shrinks_while_connections_end_and_are_read_in_steps(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_metrics, "_AT_ONCE", 1)
    async with trio.open_nursery() as nursery:
        asked = Asked(nursery)
        await asked.start(echo)
        clients = [await asked.client() for _ in range(8)]
        before = {"in": 0.0, "out": 0.0}
        for first in range(8):
            for client in clients[first:]:
                await client.send("hello")
                await client.expect("hello")
            (ends,) = [
                reading.values
                async for reading in step_by_step(asked.server, partial(bye, clients[first]))
                if reading.name == "trionet_lines_total"
            ]
            assert all(ends[way] > before[way] for way in ends)
            before = ends
        assert asked["trionet_lines_total"] == {"in": 36 + 8, "out": 36}
        nursery.cancel_scope.cancel()


async def bye(client: LineClient) -> None:
    await client.send("end")
    await client.expect_end()


async def step_by_step(
    server: Server, between: Callable[[], Awaitable[object]]
) -> AsyncIterator[Reading]:
    """Yield the readings; something else happens in the first step."""
    steps = server.metrics.steps()
    assert next(steps) is None
    await between()
    for reading in steps:
        if reading is not None:
            yield reading


async def test_refusals_are_counted_by_the_code_of_what_the_peer_was_told(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        asked = Asked(nursery, limits=Limits(max_clients=2, max_per_address=1))
        await asked.start(echo)
        served = await asked.client()
        refused = await asked.client()
        await refused.expect("error: too many connections from your address")
        assert asked["trionet_refusals_total"] == {"address-full": 1}
        assert asked["trionet_connections_open"] == {"": 1}
        nursery.start_soon(asked.server.drain)
        await trio.testing.wait_all_tasks_blocked()
        await served.expect_end()
        assert asked.server.is_draining
        assert asked["trionet_connections_total"] == {"drained": 1}


async def test_lines_and_bytes_are_those_that_the_peers_have_sent_and_received(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        asked = Asked(nursery)
        await asked.start(echo)
        one, two = await asked.client(), await asked.client()
        for client in (one, two, one):
            await client.send("hello", "you")
            await client.expect("hello", "you")
        await two.send_bytes(b"\xff\n")
        await two.expect("error: line is not UTF-8")
        expected_lines = {"in": 7, "out": 7}
        expected_bytes = {"in": 32, "out": 30 + len("error: line is not UTF-8\n")}
        assert asked["trionet_lines_total"] == expected_lines
        assert asked["trionet_bytes_total"] == expected_bytes
        # The numbers of those who have gone stay.
        await one.send_eof()
        await one.expect_end()
        assert asked["trionet_lines_total"] == expected_lines
        assert asked["trionet_bytes_total"] == expected_bytes
        nursery.cancel_scope.cancel()


async def test_lines_that_a_slow_reader_misses_are_counted_as_it_is_told(
    autojump_clock: MockClock,
) -> None:
    async def flood(connection: Connection) -> None:
        for number in range(10_000):
            connection.outbox.put(b"%04d" % number + b"x" * 60 + b"\n")
        await connection.outbox.flush()

    async with trio.open_nursery() as nursery:
        limits = Limits(max_waiting=4096)
        asked = Asked(nursery, limits=limits, when_slow=WhenSlow.DROP_OLDEST)
        await asked.start(flood)
        client = await asked.client()
        await trio.testing.wait_all_tasks_blocked()
        assert 0 < asked["trionet_waiting_bytes"][""] <= 4096 + 64
        missed = received = 0
        while received + missed < 10_000:
            line = await client.receive()
            if line.startswith("error: missed "):
                missed += int(line.split()[2])
            else:
                received += 1
        assert missed
        assert asked["trionet_lines_dropped_total"] == {"": missed}
        await client.expect_end()
        assert asked["trionet_lines_dropped_total"] == {"": missed}
        assert asked["trionet_waiting_bytes"] == {}
        nursery.cancel_scope.cancel()


async def test_requests_that_took_too_long_are_counted(autojump_clock: MockClock) -> None:
    async def answer(line: str) -> str:
        await trio.sleep(float(line))
        return "done"

    async with trio.open_nursery() as nursery:
        asked = Asked(nursery)
        await asked.start(lambda connection: respond(connection, answer, timeout=5))
        client = await asked.client()
        await client.send("1", "10")
        await client.expect("done", "error: no answer within 5 seconds")
        assert asked["trionet_deadlines_total"] == {"request": 1}
        nursery.cancel_scope.cancel()
