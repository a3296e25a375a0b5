"""Connections that are being closed: how many there may be, for how long, and in a drain."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from trionet import Closed, Connection, Limits, Server, ServerEvent, SystemNetwork, serve
from trionet.connection.lingering import MAX_LINGERERS, MAX_LINGERERS_OF_HOST, Lingerers
from trionet.testing import memory_stream_pair, run_handler
from trionet.transport.network import SYSTEM
from trionet.transport.tls import TLSStream
from trionet.transport.tlshandshake import REFUSAL

if TYPE_CHECKING:
    from tests.conftest import Certificates

# Seconds for what takes a fraction of one, even on a loaded machine. A connection whose peer takes
# nothing may linger for three times as long.
PATIENCE = 10

needs_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="other systems do not tell what has arrived"
)


# --- how many ---


async def linger(lingerers: Lingerers, host: str | None, **options: Any) -> None:
    near, _ = memory_stream_pair()
    with lingerers.lingering(near, peer="peer", host=host, **options):
        await trio.sleep_forever()


async def count_of(hosts: list[str | None], **options: Any) -> int:
    """Have connections from these hosts linger, one after another, and count those that do."""
    lingerers = Lingerers()
    async with trio.open_nursery() as nursery:
        for host in hosts:
            nursery.start_soon(partial(linger, lingerers, host, **options))
        await trio.testing.wait_all_tasks_blocked()
        lingering = len(lingerers)
        assert len(nursery.child_tasks) == lingering
        nursery.cancel_scope.cancel()
    assert len(lingerers) == 0
    assert not lingerers._of_host
    return lingering


async def test_the_lingering_connections_of_one_host_are_bounded() -> None:
    assert await count_of(["a"] * (MAX_LINGERERS_OF_HOST + 100)) == MAX_LINGERERS_OF_HOST


async def test_the_lingering_connections_of_all_hosts_together_are_bounded() -> None:
    hosts: list[str | None] = [str(number) for number in range(MAX_LINGERERS + 100)]
    assert await count_of(hosts) == MAX_LINGERERS
    assert await count_of([None] * (MAX_LINGERERS + 100)) == MAX_LINGERERS


async def test_a_draining_server_keeps_all_that_it_served() -> None:
    assert await count_of(["a"] * (MAX_LINGERERS + 100), bounded=False) == MAX_LINGERERS + 100


async def test_the_oldest_makes_room_and_a_flooding_host_cuts_short_only_its_own() -> None:
    lingerers = Lingerers()
    ended: list[str] = []

    async def one(name: str, host: str) -> None:
        near, _ = memory_stream_pair()
        with lingerers.lingering(near, peer=name, host=host):
            await trio.sleep_forever()
        ended.append(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(one, "other", "other")
        await trio.testing.wait_all_tasks_blocked()
        for number in range(MAX_LINGERERS_OF_HOST + 2):
            nursery.start_soon(one, str(number), "flood")
            await trio.testing.wait_all_tasks_blocked()
        assert ended == ["0", "1"]
        nursery.cancel_scope.cancel()


# --- a server on real sockets ---


@asynccontextmanager
async def served(
    handler: Any, *addresses: str, network: Any = SYSTEM, **options: Any
) -> AsyncIterator[Server]:
    async with trio.open_nursery() as nursery:
        yield await nursery.start(partial(serve, handler, *addresses, network=network, **options))
        nursery.cancel_scope.cancel()


async def hear(connection: Connection) -> None:
    async for _ in connection.lines:
        pass


async def until(condition: Callable[[], bool]) -> None:
    """Wait, on the real clock, for something that the server does a moment later."""
    with trio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.01)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def connect_to(address: str) -> socket.socket:
    host, _, port = address.removeprefix("tls:").rpartition(":")
    sock = socket.create_connection((host, int(port)))
    sock.settimeout(PATIENCE)
    return sock


@needs_linux
@pytest.mark.parametrize("scheme", ["", "tls:"])
async def test_a_refused_flood_costs_little_memory(certificates: Certificates, scheme: str) -> None:
    network = SystemNetwork(certificate=certificates.certificate, private_key=certificates.key)
    limits = Limits(max_per_address=2, linger_seconds=60)
    with ExitStack() as stack:
        async with served(hear, f"{scheme}127.0.0.1:0", network=network, limits=limits) as server:
            before = descriptors()
            flood = 2 * MAX_LINGERERS_OF_HOST
            for _ in range(flood):
                stack.enter_context(connect_to(server.addresses[0]))
                await trio.lowlevel.checkpoint()
            for _ in range(20):
                await trio.sleep(0.01)
            held = descriptors() - before - flood
            assert len(server.connections) == 2
            assert held <= 2 + MAX_LINGERERS_OF_HOST
            if scheme:
                assert held <= 2 + 16


async def test_beyond_a_few_tls_clients_are_refused_with_an_alert(
    certificates: Certificates,
) -> None:
    network = SystemNetwork(certificate=certificates.certificate, private_key=certificates.key)
    limits = Limits(max_clients=1)
    with ExitStack() as stack:
        async with served(hear, "tls:127.0.0.1:0", network=network, limits=limits) as server:
            socks = [stack.enter_context(connect_to(server.addresses[0])) for _ in range(18)]
            told = await trio.to_thread.run_sync(socks[-1].recv, 100)
            assert told == REFUSAL
            assert await trio.to_thread.run_sync(socks[-1].recv, 100) == b""


async def test_a_few_tls_clients_are_told_why_they_are_refused(
    certificates: Certificates,
) -> None:
    network = SystemNetwork(
        certificate=certificates.certificate, private_key=certificates.key, ca=certificates.ca
    )
    limits = Limits(max_clients=1)
    async with (
        served(hear, "tls:127.0.0.1:0", network=network, limits=limits) as server,
        await network.connect(server.addresses[0]),
        await network.connect(server.addresses[0]) as refused,
    ):
        assert await refused.receive_some() == b"error: server is full\n"


async def test_a_silent_tls_client_costs_no_tls_object(certificates: Certificates) -> None:
    network = SystemNetwork(certificate=certificates.certificate, private_key=certificates.key)
    async with served(hear, "tls:127.0.0.1:0", network=network) as server:
        with connect_to(server.addresses[0]) as sock:
            await until(lambda: len(server.connections) == 1)
            await trio.testing.wait_all_tasks_blocked()
            (connection,) = server._places.connections
            assert isinstance(connection.stream, TLSStream)
            engine = connection.stream._engine
            assert not engine.started
            sock.send(b"\x16\x03\x01")
            await until(lambda: engine.started)


# --- a slow reader at the end ---


LINE = b"*" * 999 + b"\n"


async def pour(connection: Connection) -> None:
    """Send 4 MB, more than a kernel holds for a peer that reads nothing at first."""
    connection.outbox.put(LINE * 4000)
    await hear(connection)


def wide() -> Limits:
    return Limits(max_waiting=1 << 30)


@asynccontextmanager
async def slow_client(address: str) -> AsyncIterator[socket.socket]:
    if address.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(address.removeprefix("unix:"))
    else:
        sock = connect_to(address)
    sock.settimeout(PATIENCE)
    with sock:
        yield sock


@needs_linux
@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_a_slow_reader_who_also_types_gets_everything_at_a_drain(
    kind: str, path: str
) -> None:
    events: list[ServerEvent] = []
    address = "127.0.0.1:0" if kind == "tcp" else f"unix:{path}"
    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(
            partial(serve, pour, address, limits=wide(), on_event=events.append)
        )
        async with slow_client(server.addresses[0]) as sock:
            received = len(await trio.to_thread.run_sync(sock.recv, 1))
            cut: list[tuple[str, ...]] = []

            @nursery.start_soon
            async def drain() -> None:
                cut.append(await server.drain(30))

            while data := await trio.to_thread.run_sync(sock.recv, 200_000):
                received += len(data)
                if received < 4_000_000:
                    sock.sendall(b"one more line\n")
                await trio.sleep(0.02)
    assert received == 4_000_000
    assert cut == [()]
    closed = events[-1]
    assert isinstance(closed, Closed)
    assert (closed.lines_out, closed.bytes_out, closed.bytes_unconfirmed) == (4000, 4_000_000, 0)
    assert "unconfirmed" not in str(closed)


@needs_linux
async def test_the_log_tells_how_much_was_not_sent() -> None:
    events: list[ServerEvent] = []

    async def say_much(connection: Connection) -> None:
        connection.outbox.put(LINE * 4000)
        await connection.outbox.flush()

    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(
            partial(serve, say_much, "127.0.0.1:0", limits=wide(), on_event=events.append)
        )
        async with slow_client(server.addresses[0]) as sock:
            # Read just enough for the kernel to hold the rest.
            received = 0
            sock.setblocking(False)
            while server.connections or not events:
                with suppress(BlockingIOError):
                    received += len(sock.recv(100_000))
                await trio.sleep(0.005)
            # Only the deadline of this drain ends it so soon.
            with trio.fail_after(PATIENCE):
                assert await server.drain(0.3) == (events[0].peer,)
    closed = events[-1]
    assert isinstance(closed, Closed)
    assert closed.bytes_out == 4_000_000
    assert closed.bytes_unconfirmed > 0
    assert f"bytes out, {closed.bytes_unconfirmed} of them unconfirmed; " in str(closed)


@needs_linux
async def test_the_deadline_of_a_drain_covers_the_lingering() -> None:
    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(partial(serve, pour, "127.0.0.1:0", limits=wide()))
        async with slow_client(server.addresses[0]) as sock:
            assert await trio.to_thread.run_sync(sock.recv, 1)
            began = trio.current_time()
            # Only the deadline of this drain ends it so soon.
            with trio.fail_after(PATIENCE):
                cut = await server.drain(0.5)
            assert trio.current_time() - began >= 0.5
            assert len(cut) == 1


async def test_the_earliest_deadline_of_several_drains_counts(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def stay(connection: Connection) -> None:
        await trio.sleep_forever()

    async with run_handler(stay) as connect:
        await connect()
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connect.server.drain, 60)
            await trio.sleep(1)
            assert connect.server.drain_deadline == 60
            nursery.start_soon(connect.server.drain, 5)
            assert len(await connect.server.drain(30)) == 1
        assert len(caplog.messages) == 1, "told once, and not by each of the three"
        assert trio.current_time() == pytest.approx(6)
        assert connect.server.drain_deadline == 6


@needs_linux
async def test_a_drain_ends_at_once_with_hundreds_of_stuck_connections(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def stay(connection: Connection) -> None:
        await trio.sleep_forever()

    with ExitStack() as stack:
        async with trio.open_nursery() as nursery:
            server: Server = await nursery.start(partial(serve, stay, "127.0.0.1:0"))
            for _ in range(500):
                stack.enter_context(connect_to(server.addresses[0]))
                await trio.lowlevel.checkpoint()
            await until(lambda: len(server.connections) == 500)
            began = trio.current_time()
            assert len(await server.drain(0)) == 500
            assert trio.current_time() == began
