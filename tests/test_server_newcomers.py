"""Who a newcomer is, and whether it comes too fast: `Limits.connect_rate` and `proxy_from`."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from trionet import Connection, Limits, Server, SystemNetwork, serve
from trionet.events import Opened, Refused, ServerEvent
from trionet.testing import LineClient, MemoryNetwork
from trionet.transport.listener import SocketListener
from trionet.transport.tlshandshake import REFUSAL

if TYPE_CHECKING:
    from tests.conftest import Certificates

TOO_FAST = "too many connections, try again later"


def named(host: str, port: int = 4711) -> bytes:
    return f"PROXY TCP4 {host} 198.51.100.1 {port} 7000\r\n".encode()


async def shout(connection: Connection) -> None:
    async for line in connection.lines:
        await connection.send(f"{connection.peer}: {line.upper()}")


@asynccontextmanager
async def serving(
    *addresses: str, **options: Any
) -> AsyncIterator[tuple[Server, list[ServerEvent]]]:
    events: list[ServerEvent] = []
    async with trio.open_nursery() as nursery:

        async def run(*, task_status: trio.TaskStatus[Server]) -> None:
            await serve(
                shout, *addresses, on_event=events.append, task_status=task_status, **options
            )

        yield await nursery.start(run), events
        nursery.cancel_scope.cancel()


def through_proxies(**options: Any) -> SystemNetwork:
    return SystemNetwork(proxy_from=["127.0.0.1"], **options)


async def dial(server: Server) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", int(server.addresses[0].rpartition(":")[2]))


async def rest_of(stream: trio.abc.ReceiveStream) -> bytes:
    data = b""
    with trio.fail_after(100):
        while piece := await stream.receive_some(1000):
            data += piece
    return data


def told(events: Iterable[ServerEvent]) -> list[str]:
    return [str(event) for event in events if isinstance(event, Opened | Refused)]


async def test_a_host_that_connects_too_fast_is_refused(
    autojump_clock: trio.testing.MockClock,
) -> None:
    network = MemoryNetwork()
    limits = Limits(connect_rate=1)
    async with serving("127.0.0.1:0", network=network, limits=limits) as (server, events):
        for _ in range(7):
            await network.connect(server.addresses[0])
        refused = LineClient(await network.connect(server.addresses[0]))
        await refused.expect(f"error: {TOO_FAST}")
        await refused.expect_end()
        assert len(server.connections) == 5
        await trio.sleep(1)
        await network.connect(server.addresses[0])
        await trio.testing.wait_all_tasks_blocked()
        assert len(server.connections) == 6
        kinds = [type(event) for event in events if isinstance(event, Opened | Refused)]
        assert kinds == [Opened] * 5 + [Refused] * 3 + [Opened]
        assert {one.reason for one in events if isinstance(one, Refused)} == {TOO_FAST}
        assert server.statistics().refused == 3


async def test_a_host_of_ipv6_is_a_network(autojump_clock: trio.testing.MockClock) -> None:
    network = MemoryNetwork()
    limits = Limits(connect_rate=1, ipv6_prefix=64)
    async with serving("[::1]:0", network=network, limits=limits) as (server, _):
        for _ in range(6):
            await network.connect(server.addresses[0])
        await trio.testing.wait_all_tasks_blocked()
        assert len(server.connections) == 5


async def test_peers_on_a_unix_socket_have_no_rate(path: str) -> None:
    limits = Limits(connect_rate=1)
    async with serving(f"unix:{path}", limits=limits) as (server, _):
        streams = [await trio.open_unix_socket(path) for _ in range(20)]
        while len(server.connections) < 20:
            await trio.testing.wait_all_tasks_blocked()
        for stream in streams:
            await stream.aclose()


async def test_a_proxys_connection_is_told_as_that_of_the_peer() -> None:
    async with serving("127.0.0.1:0", network=through_proxies()) as (server, events):
        async with await dial(server) as stream:
            await stream.send_all(named("192.0.2.7") + b"hello\n")
            assert await stream.receive_some() == b"192.0.2.7:4711: HELLO\n"
            assert [one.peer for one in server.connections] == ["192.0.2.7:4711"]
        assert told(events) == ["opened 192.0.2.7:4711"]


async def test_until_the_header_has_come_nothing_is_opened() -> None:
    async with (
        serving("127.0.0.1:0", network=through_proxies()) as (server, events),
        await dial(server) as stream,
    ):
        await stream.send_all(b"PROXY TCP4 ")
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert told(events) == []


async def test_a_header_that_does_not_come_has_the_deadline_of_a_handshake(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = Limits(handshake_timeout=10)
    began = trio.current_time()
    async with serving("127.0.0.1:0", network=through_proxies(), limits=limits) as (server, events):
        async with await dial(server) as stream:
            assert await rest_of(stream) == b""
        assert 10 <= trio.current_time() - began < 11
        assert [one.reason for one in events if isinstance(one, Refused)] == [
            "no handshake: it took too long"
        ]


async def test_connections_without_a_header_count_for_no_host() -> None:
    limits = Limits(max_per_address=1)
    async with serving("127.0.0.1:0", network=through_proxies(), limits=limits) as (server, _):
        silent = [await dial(server) for _ in range(3)]
        async with await dial(server) as stream:
            await stream.send_all(named("127.0.0.1") + b"hello\n")
            assert await stream.receive_some() == b"127.0.0.1:4711: HELLO\n"
        for one in silent:
            await one.aclose()


async def test_a_drain_ends_the_wait_for_a_header() -> None:
    async with serving("127.0.0.1:0", network=through_proxies()) as (server, events):
        async with await dial(server) as stream:
            while not server.connections:
                await trio.testing.wait_all_tasks_blocked()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.drain)
                assert await rest_of(stream) == b""
                await stream.aclose()
        assert [one.reason for one in events if isinstance(one, Refused)] == [
            "no handshake: server is closing"
        ]


async def test_a_rate_goes_by_the_host_that_a_proxy_names() -> None:
    limits = Limits(connect_rate=0.1)
    async with serving("127.0.0.1:0", network=through_proxies(), limits=limits) as (server, events):
        for host in "192.0.2.1", "192.0.2.2":
            async with await dial(server) as stream, await dial(server) as other:
                await stream.send_all(named(host, 1) + b"hello\n")
                assert await stream.receive_some() == f"{host}:1: HELLO\n".encode()
                await other.send_all(named(host, 2))
                await other.send_eof()
                assert await rest_of(other) == f"error: {TOO_FAST}\n".encode()
        assert told(events) == [
            line
            for host in ("192.0.2.1", "192.0.2.2")
            for line in (f"opened {host}:1", f"refused {host}:2: {TOO_FAST}")
        ]


async def test_over_tls_a_host_that_a_proxy_names_gets_no_handshake_beyond_its_rate(
    certificates: Certificates,
) -> None:
    network = through_proxies(certificate=certificates.certificate, private_key=certificates.key)
    limits = Limits(connect_rate=0.1)
    async with serving("tls:127.0.0.1:0", network=network, limits=limits) as (server, events):
        async with await dial(server) as stream:
            await stream.send_all(named("192.0.2.7"))
            context: ssl.SSLContext = certificates.client()
            tls = trio.SSLStream(stream, context, server_hostname="localhost")
            await tls.send_all(b"hello\n")
            assert await tls.receive_some() == b"192.0.2.7:4711: HELLO\n"
            async with await dial(server) as other:
                await other.send_all(named("192.0.2.7", 2))
                assert await rest_of(other) == REFUSAL
        assert told(events) == ["opened 192.0.2.7:4711", f"refused 192.0.2.7:2: {TOO_FAST}"]


async def test_a_failed_handshake_is_told_under_the_address_that_a_proxy_names(
    certificates: Certificates,
) -> None:
    network = through_proxies(certificate=certificates.certificate, private_key=certificates.key)
    async with serving("tls:127.0.0.1:0", network=network) as (server, events):
        async with await dial(server) as stream:
            await stream.send_all(named("192.0.2.7") + b"hello\n")
            await stream.send_eof()
            assert await rest_of(stream) == b"error: this port speaks TLS\n"
        while not told(events):
            await trio.testing.wait_all_tasks_blocked()
        assert told(events) == [
            "refused 192.0.2.7:4711: no handshake: the other side does not speak TLS"
        ]


@pytest.mark.parametrize("scheme", ["web", "web:tls"])
async def test_a_web_socket_may_come_through_a_proxy(
    certificates: Certificates, scheme: str
) -> None:
    network = through_proxies(certificate=certificates.certificate, private_key=certificates.key)
    request = (
        b"GET / HTTP/1.1\r\nHost: localhost:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    async with serving(f"{scheme}:127.0.0.1:0", network=network) as (server, events):
        async with await dial(server) as below:
            await below.send_all(named("192.0.2.7"))
            stream: trio.abc.Stream = below
            if scheme == "web:tls":
                stream = trio.SSLStream(below, certificates.client(), server_hostname="localhost")
            await stream.send_all(request % int(server.addresses[0].rpartition(":")[2]))
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 101 ")
        assert told(events) == ["opened 192.0.2.7:4711"]


async def test_a_browser_without_a_header_is_told_as_refused() -> None:
    async with serving("web:127.0.0.1:0", network=through_proxies()) as (server, events):
        async with await dial(server) as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await rest_of(stream) == b""
        while not told(events):
            await trio.testing.wait_all_tasks_blocked()
        (refused,) = told(events)
        assert refused.endswith(": no handshake: there is no PROXY header")


async def test_a_server_that_is_full_tells_a_proxys_peer_so_at_once() -> None:
    limits = Limits(max_clients=1)
    async with (
        serving("127.0.0.1:0", network=through_proxies(), limits=limits) as (server, _),
        await dial(server) as first,
        await dial(server) as second,
    ):
        await first.send_all(named("192.0.2.1") + b"hello\n")
        assert await first.receive_some() == b"192.0.2.1:4711: HELLO\n"
        await second.send_all(named("192.0.2.2"))
        await second.send_eof()
        assert await rest_of(second) == b"error: server is full\n"


async def test_a_listener_takes_proxies_and_no_list_of_networks() -> None:
    with socket.socket() as sock, pytest.raises(TypeError, match="proxies must be"):
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        SocketListener(sock, proxies=["127.0.0.1"])  # type: ignore[arg-type]
