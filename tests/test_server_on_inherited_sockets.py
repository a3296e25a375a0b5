"""A server on sockets that a supervisor keeps: a drain leaves their queues to the next server."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from passing_on import passed_on
from trionet import Connection, Limits, Refused, Server, WebSettings, WhenFull, serve
from trionet.transport.network import SYSTEM, SystemNetwork

if TYPE_CHECKING:
    from tests.conftest import Certificates

PATIENCE = 20


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock, passed_on(chat=[sock]):
        yield sock


async def echo(connection: Connection) -> None:
    async for line in connection.lines:
        await connection.send(line)


async def begin(nursery: trio.Nursery, *addresses: str, **options: Any) -> Server:
    server = await nursery.start(partial(serve, echo, *addresses, **options))
    assert isinstance(server, Server)
    return server


Connect = Callable[[socket.socket], Awaitable[trio.SocketStream]]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Connects, and closes all connections at the end of the test."""
    streams: list[trio.SocketStream] = []

    async def connect(sock: socket.socket) -> trio.SocketStream:
        streams.append(await trio.open_tcp_stream(*sock.getsockname()))
        return streams[-1]

    yield connect
    for stream in streams:
        if stream.socket.fileno() >= 0:
            os.close(stream.socket.detach())


async def read(stream: trio.abc.ReceiveStream) -> bytes:
    """Return the next line, or what came before the end."""
    data = b""
    while not data.endswith(b"\n") and (more := await stream.receive_some()):
        data += more
    return data


async def test_who_waits_in_the_queue_at_a_drain_meets_the_next_server(
    sock: socket.socket, connect: Connect
) -> None:
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            server = await begin(
                nursery,
                "fd:chat",
                limits=Limits(max_clients=1),
                when_full=WhenFull.WAIT,
            )
            first = await connect(sock)
            await first.send_all(b"one\n")
            assert await read(first) == b"one\n"
            waiting = [await connect(sock) for _ in range(3)]
            for stream in waiting:
                await stream.send_all(b"two\n")
            # Whatever the server does about them, it has done.
            await first.send_all(b"three\n")
            assert await read(first) == b"three\n"
            await server.drain()
            assert await read(first) == b""
            late = await connect(sock)
            await late.send_all(b"two\n")
        async with trio.open_nursery() as nursery:
            await begin(nursery, "fd:chat")
            for stream in (*waiting, late):
                assert await read(stream) == b"two\n"
            nursery.cancel_scope.cancel()


async def test_who_waits_while_no_place_is_free_gets_the_next_free_one(
    sock: socket.socket, connect: Connect
) -> None:
    limits = Limits(max_clients=1)
    with trio.fail_after(PATIENCE), socket.create_server(("127.0.0.1", 0)) as other:
        async with trio.open_nursery() as nursery:
            with passed_on(a=[sock], b=[other]):
                await begin(nursery, "fd:a", "fd:b", limits=limits, when_full=WhenFull.WAIT)
            streams = [await connect(where) for where in (sock, other, other, sock, other)]
            for stream in streams:
                await stream.send_all(b"hello\n")
            for _ in range(len(streams)):
                async with trio.open_nursery() as asking:
                    served: list[trio.SocketStream] = []

                    async def ask(stream: trio.SocketStream) -> None:
                        assert await read(stream) == b"hello\n"
                        served.append(stream)  # noqa: B023
                        asking.cancel_scope.cancel()

                    for stream in streams:
                        asking.start_soon(ask, stream)
                [stream] = served
                streams.remove(stream)
                await stream.aclose()
            nursery.cancel_scope.cancel()


async def test_whoever_was_accepted_and_said_nothing_hears_that_the_server_is_closing(
    sock: socket.socket, connect: Connect
) -> None:
    async def greet(connection: Connection) -> None:
        async for _ in connection.lines:
            pass
        await connection.send("goodbye")

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            server = await nursery.start(partial(serve, greet, "fd:chat"))
            stream = await connect(sock)
            while not server.connections:
                await trio.testing.wait_all_tasks_blocked()
            await server.drain()
            assert await read(stream) == b"goodbye\n"


async def test_browsers_that_come_during_a_drain_are_left_to_the_next_server(
    sock: socket.socket, connect: Connect
) -> None:
    network = SystemNetwork(web=WebSettings())
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    lets_go = trio.Event()

    async def hold(connection: Connection) -> None:
        async for line in connection.lines:
            await connection.send(line)
        await lets_go.wait()

    with trio.fail_after(PATIENCE):
        with socket.create_server(("127.0.0.1", 0)) as web, passed_on(chat=[sock], web=[web]):
            async with trio.open_nursery() as nursery:
                server = await nursery.start(
                    partial(serve, hold, "fd:chat", "web:fd:web", network=network)
                )
                first = await connect(sock)
                await first.send_all(b"one\n")
                assert await read(first) == b"one\n"
                nursery.start_soon(server.drain)
                await trio.testing.wait_all_tasks_blocked()
                browser = await connect(web)
                await browser.send_all(request)
                await trio.testing.wait_all_tasks_blocked()
                lets_go.set()
            async with trio.open_nursery() as nursery:
                await begin(nursery, "web:fd:web", network=network)
                assert (await browser.receive_some()).startswith(b"HTTP/1.1 200 ")
                nursery.cancel_scope.cancel()


async def test_a_socket_of_its_own_is_turned_away_as_ever_beside_an_inherited_one(
    sock: socket.socket, connect: Connect
) -> None:
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            server = await begin(
                nursery,
                "127.0.0.1:0",
                "fd:chat",
                limits=Limits(max_clients=1),
                when_full=WhenFull.WAIT,
            )
            first = await connect(sock)
            await first.send_all(b"one\n")
            assert await read(first) == b"one\n"
            async with await SYSTEM.connect(server.addresses[0]) as refused:
                await first.send_all(b"two\n")
                assert await read(first) == b"two\n"
                nursery.start_soon(server.drain)
                assert await read(refused) == b"error: server is closing\n"


async def test_whoever_is_in_the_handshake_at_a_drain_hears_that_the_server_is_closing(
    sock: socket.socket, connect: Connect, certificates: Certificates
) -> None:
    network = SystemNetwork(
        certificate=certificates.certificate, private_key=certificates.key, proxy_from=["127.0.0.1"]
    )
    events: list[object] = []
    header = b"PROXY TCP4 203.0.113.9 127.0.0.1 5000 6000\r\n"
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            server = await begin(nursery, "tls:fd:chat", network=network, on_event=events.append)
            stream = await connect(sock)
            await stream.send_all(header[:20])
            while not server.connections:
                await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(server.drain)
            await trio.testing.wait_all_tasks_blocked()
            await stream.send_all(header[20:])
            encrypted = trio.SSLStream(
                stream, certificates.client(), server_hostname="localhost", https_compatible=True
            )
            assert await read(encrypted) == b"error: server is closing\n"
    [refused] = [event for event in events if isinstance(event, Refused)]
    assert refused.peer == "203.0.113.9:5000"
    assert (refused.reason, refused.code) == ("server is closing", "closing")
