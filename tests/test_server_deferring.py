"""A line that a handler puts at an odd moment is sent, over each kind of connection.

Sends are deferred in every round here, so whatever forgets to flush would lose the line or keep it
for ever. `tests/connection/test_deferred_sends.py` has the mechanism itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import trio

from trionet import Connection, Limits, Server, WhenSlow, serve
from trionet.abc import Listener
from trionet.connection.deferred_sends import FORCED_BY
from trionet.testing import Link, MemoryNetwork
from trionet.transport.tls import TLSStream
from web_peer import WebPeer, text

if TYPE_CHECKING:
    from tests.conftest import Certificates

LINE = b"odd moment\n"

Handler: TypeAlias = Callable[[Connection], Awaitable[None]]


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FORCED_BY, "always")


class Wrapping(MemoryNetwork):
    """A network in memory that wraps the server's end of each connection."""

    def __init__(self, wrap: Callable[[Any], trio.abc.Stream], link: Link | None = None) -> None:
        super().__init__(link=link)
        self._wrap = wrap

    async def listen(self, address: str, *, backlog: int | None = None) -> Sequence[Listener]:
        listeners = await super().listen(address, backlog=backlog)
        for listener in listeners if not address.startswith("web:") else ():
            accept_nowait = listener.accept_nowait
            listener.accept_nowait = lambda accept=accept_nowait: self._wrap(accept())  # type: ignore
        return listeners


class Plain:
    """A client whose lines stand in the stream as they are."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._rest = b""

    async def send(self, line: str) -> None:
        await self._stream.send_all(f"{line}\n".encode())

    async def receive(self) -> bytes:
        """Return some of what has come; empty: nothing follows."""
        with suppress(trio.BrokenResourceError):
            return bytes(await self._stream.receive_some())
        return b""

    async def aclose(self) -> None:
        await self._stream.aclose()


class Web:
    """A client on a WebSocket."""

    def __init__(self, peer: WebPeer) -> None:
        self._peer = peer

    async def send(self, line: str) -> None:
        await self._peer.send(text(line))

    async def receive(self) -> bytes:
        with suppress(AssertionError):
            return bytes((await self._peer.frame()).data)
        return b""

    async def aclose(self) -> None:
        await self._peer.stream.aclose()


async def read(client: Plain | Web, size: int) -> bytes:
    received = b""
    while len(received) < size:
        data = await client.receive()
        if not data:
            break
        received += data
    return received


KINDS = ("memory", "waits to send", "slow", "stapled", "TLS", "web", "web over TLS", "TCP", "Unix")


class Carrier:
    """Serves over one kind of connection."""

    def __init__(self, kind: str, certificates: Certificates, folder: Path) -> None:
        self._kind = kind
        self._is_real = kind in ("TCP", "Unix")
        self.waits_to_send = kind in ("slow", "waits to send", "stapled")
        self._context = certificates.client()
        self._address = "localhost:8080"
        if kind.startswith("web"):
            self._address = f"web:{self._address}"
        elif self._is_real:
            self._address = "127.0.0.1:0" if kind == "TCP" else f"unix:{folder / 's'}"
        if kind == "stapled":
            self._network: Any = Wrapping(lambda stream: trio.StapledStream(stream, stream))
        elif kind.endswith("TLS"):
            server = certificates.server()
            self._network = Wrapping(lambda stream: TLSStream(stream, server, server_side=True))
        elif kind == "slow":
            self._network = MemoryNetwork(link=Link(capacity=4))
        else:
            self._network = MemoryNetwork(link=Link(sends_now=kind != "waits to send"))

    @asynccontextmanager
    async def serving(self, handler: Handler, **options: Any) -> AsyncIterator[Server]:
        network = {} if self._is_real else {"network": self._network}
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                server = await nursery.start(
                    partial(serve, handler, self._address, **network, **options)
                )
                self._served = server.addresses[0].removeprefix("web:")
                yield server
                nursery.cancel_scope.cancel()

    async def connect(self) -> Plain | Web:
        stream: Any
        if self._kind == "TCP":
            host, _, port = self._served.rpartition(":")
            return Plain(await trio.open_tcp_stream(host, int(port)))
        if self._kind == "Unix":
            return Plain(await trio.open_unix_socket(self._served.removeprefix("unix:")))
        stream = await self._network.connect("localhost:8080")
        if self._kind.endswith("TLS"):
            stream = TLSStream(stream, self._context, server_hostname="localhost")
            await stream.do_handshake()
        if not self._kind.startswith("web"):
            return Plain(stream)
        peer = WebPeer(stream)
        await peer.open()
        return Web(peer)


@pytest.fixture(params=KINDS)
def carrier(request: pytest.FixtureRequest, certificates: Certificates, tmp_path: Path) -> Carrier:
    return Carrier(request.param, certificates, tmp_path)


async def put_and_wait_for_ever(connection: Connection) -> None:
    connection.outbox.put(LINE)
    await trio.sleep_forever()


async def put_much_later(connection: Connection) -> None:
    """Long after the round that the peer's line began, and after the input has ended too."""
    for _ in range(20):
        await trio.lowlevel.checkpoint()
    connection.outbox.put(LINE)
    await trio.sleep_forever()


async def put_and_be_cancelled(connection: Connection) -> None:
    with trio.CancelScope() as scope:
        connection.outbox.put(LINE)
        scope.cancel()
        await trio.sleep_forever()
    await trio.sleep_forever()


async def put_and_be_cancelled_in_a_send(connection: Connection) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await connection.send(LINE.decode()[:-1])
    await trio.sleep_forever()


async def put_while_cancelled(connection: Connection) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.sleep_forever()
        finally:
            connection.outbox.put(LINE)
    await trio.sleep_forever()


async def put_in_a_task(connection: Connection) -> None:
    async def put() -> None:
        await trio.lowlevel.checkpoint()
        connection.outbox.put(LINE)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(put)
        await trio.sleep_forever()


async def put_in_a_system_task(connection: Connection) -> None:
    async def put() -> None:
        connection.outbox.put(LINE)

    trio.lowlevel.spawn_system_task(put)
    await trio.sleep_forever()


async def put_from_a_thread(connection: Connection) -> None:
    def work() -> None:
        trio.from_thread.run_sync(connection.outbox.put, LINE)

    await trio.to_thread.run_sync(work)
    await trio.sleep_forever()


async def put_by_a_call_from_outside(connection: Connection) -> None:
    token = trio.lowlevel.current_trio_token()
    token.run_sync_soon(connection.outbox.put, LINE)
    await trio.sleep_forever()


@pytest.mark.parametrize(
    "handler",
    [
        put_and_wait_for_ever,
        put_much_later,
        put_and_be_cancelled,
        put_and_be_cancelled_in_a_send,
        put_while_cancelled,
        put_in_a_task,
        put_in_a_system_task,
        put_from_a_thread,
        put_by_a_call_from_outside,
    ],
)
async def test_a_line_is_sent_although_its_handler_does_nothing_more(
    carrier: Carrier, handler: Handler
) -> None:
    async def handle(connection: Connection) -> None:
        async for _ in connection.lines:
            await handler(connection)

    async with carrier.serving(handle):
        client = await carrier.connect()
        await client.send("go")
        assert await read(client, len(LINE)) == LINE
        await client.aclose()


async def test_a_line_from_another_connections_task_is_sent(carrier: Carrier) -> None:
    async def handle(connection: Connection) -> None:
        async for line in connection.lines:
            if line == "hello":
                connection.outbox.put(b"hello\n")
                continue
            for other in connection.server.connections:
                if other is not connection:
                    other.outbox.put(LINE)
            await trio.sleep_forever()

    async with carrier.serving(handle):
        first, second = await carrier.connect(), await carrier.connect()
        await first.send("hello")
        assert await read(first, 6) == b"hello\n"
        await second.send("go")
        assert await read(first, len(LINE)) == LINE
        await first.aclose()
        await second.aclose()


async def returns(connection: Connection) -> None:
    connection.outbox.put(LINE)


async def fails(connection: Connection) -> None:
    connection.outbox.put(LINE)
    raise ZeroDivisionError


async def closes(connection: Connection) -> None:
    connection.outbox.put(LINE)
    await connection.close()


async def is_cut_off(connection: Connection) -> None:
    connection.outbox.put(LINE)
    # Whoever drains without any patience cancels this handler while its line is held.
    connection.state.server_nursery.start_soon(connection.server.drain, 0)
    await trio.sleep_forever()


async def cleans_up(connection: Connection) -> None:
    connection.state.server_nursery.start_soon(connection.server.drain, 0)
    try:
        await trio.sleep_forever()
    finally:
        connection.outbox.put(LINE)


@pytest.mark.parametrize("handler", [returns, fails, closes, is_cut_off, cleans_up])
async def test_the_last_line_is_sent_before_the_end(
    carrier: Carrier, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    async with trio.open_nursery() as nursery:

        async def handle(connection: Connection) -> None:
            connection.state.server_nursery = nursery
            async for _ in connection.lines:
                await handler(connection)
                return

        async with carrier.serving(handle):
            client = await carrier.connect()
            await client.send("go")
            received = await read(client, len(LINE) + 1)
            if carrier.waits_to_send and handler in (is_cut_off, cleans_up):
                # A drain without patience waits for nobody who takes it slowly.
                assert LINE.startswith(received)
            else:
                assert received == LINE
            await client.aclose()


@pytest.mark.parametrize("forced", ["always", "never"])
async def test_what_is_held_counts_towards_what_may_wait(
    carrier: Carrier, monkeypatch: pytest.MonkeyPatch, forced: str
) -> None:
    monkeypatch.setenv(FORCED_BY, forced)
    most = 0

    async def handle(connection: Connection) -> None:
        nonlocal most
        async for _ in connection.lines:
            for _ in range(200):
                connection.outbox.put(LINE)
                most = max(most, connection.outbox.waiting)
            connection.outbox.put(b"end\n")

    limits = Limits(max_waiting=100)
    async with carrier.serving(handle, limits=limits, when_slow=WhenSlow.DROP_OLDEST):
        client = await carrier.connect()
        await client.send("go")
        received = b""
        while not received.endswith(b"end\n"):
            data = await client.receive()
            assert data
            received += data
        told = [line for line in received.splitlines() if b"missed" in line]
        missed = sum(int(word) for line in told for word in line.split() if word.isdigit())
        assert received.count(LINE) + missed == 200
        assert most <= 100
        await client.aclose()
