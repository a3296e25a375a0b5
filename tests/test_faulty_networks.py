"""A network of one's own that has faults: each costs its own connection at most, and is logged.

The server's ends of all connections from ``127.0.0.9`` fail in one of their methods, by raising or
by returning something of the wrong type. Everybody else is served as if nothing had happened.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from trionet import Connection, Limits, Server, ServerEvent, chat, serve
from trionet.abc import Listener
from trionet.testing import LineClient, Link, MemoryNetwork

ADDRESS = "127.0.0.1:7000"
BAD = "127.0.0.9"

# All deadlines are on, so that everything is called.
LIMITS = Limits(
    handshake_timeout=5, login_timeout=10, idle_timeout=600, write_timeout=10, drain_seconds=5
)

METHODS = [
    "receive_some", "send_all", "aclose", "send_eof", "send_nowait", "wait_writable", "close",
    "has_input", "interrupt_receive", "unarrived", "is_over", "discard_nowait", "is_broken",
    "do_handshake", "refuse", "peer", "remote", "is_truncated", "call_on_input", "wait_with",
    "direct_send", "receive_nowait", "wait_input",
]  # fmt: skip
ASYNC = {"receive_some", "send_all", "aclose", "send_eof", "wait_writable", "do_handshake"}
PROPERTIES = {"peer", "remote", "is_truncated"}
ABSTRACT = {"receive_some", "send_all", "aclose", "send_eof"}


def faulty(inner: trio.abc.Stream, method: str, *, raises: bool) -> trio.abc.Stream:
    """Return a stream with one method that raises, or returns something of the wrong type."""

    def fail(*_: object, **__: object) -> Any:
        if raises:
            raise LookupError(f"a fault of {method}")
        return "nonsense"

    async def fail_later(*_: object, **__: object) -> Any:
        await trio.lowlevel.checkpoint()
        return fail()

    class Faulty(trio.abc.HalfCloseableStream):
        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            return bytes(await inner.receive_some(max_bytes))

        async def send_all(self, data: bytes | bytearray | memoryview) -> None:
            await inner.send_all(data)

        async def wait_send_all_might_not_block(self) -> None:
            await inner.wait_send_all_might_not_block()

        async def send_eof(self) -> None:
            await inner.send_eof()  # type: ignore[attr-defined]

        async def aclose(self) -> None:
            await inner.aclose()

        def __getattr__(self, name: str) -> Any:
            if method == "aclose" and name == "close":
                raise AttributeError(name)
            return getattr(inner, name)

    if method in PROPERTIES:
        setattr(Faulty, method, property(fail))
    else:
        setattr(Faulty, method, fail_later if method in ASYNC else fail)
    Faulty.__abstractmethods__ = frozenset()
    return Faulty()


class FaultyNetwork(MemoryNetwork):
    def __init__(self, method: str, *, raises: bool) -> None:
        super().__init__()
        self.method, self.raises = method, raises

    async def listen(self, address: str, *, backlog: int | None = None) -> Sequence[Listener]:
        inner = await super().listen(address, backlog=backlog)
        return [FaultyListener(listener, self) for listener in inner]


class FaultyListener:
    def __init__(self, inner: Listener, network: FaultyNetwork) -> None:
        self._inner, self._network = inner, network
        self.address = inner.address

    async def accept(self) -> trio.abc.Stream:
        return self._spoilt(await self._inner.accept())

    def accept_nowait(self) -> trio.abc.Stream:
        return self._spoilt(self._inner.accept_nowait())

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _spoilt(self, stream: Any) -> trio.abc.Stream:
        if BAD not in stream.peer:
            spoilt: trio.abc.Stream = stream
            return spoilt
        return faulty(stream, self._network.method, raises=self._network.raises)


async def echo(connection: Connection) -> None:
    async for line in connection.lines:
        # The second one is what does not wait for a slow peer.
        await connection.send(line)
        connection.outbox.put(line.encode() + b"\n")


async def use(network: MemoryNetwork, *, reads: bool) -> None:
    """Be the peer of a stream with a fault, for as long as anything comes of it."""
    link = None if reads else Link(capacity=16)
    with trio.move_on_after(30), suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        async with await network.connect(ADDRESS, source=BAD, link=link) as stream:
            await stream.send_all(b"bad\n" + b"x" * 2000 + b"\nyes\n")
            if not reads:
                await trio.sleep(20)
            with trio.move_on_after(3):
                while await stream.receive_some():
                    pass
            await stream.send_eof()
            while await stream.receive_some():
                pass


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged, without repetitions about each connection."""
    told = [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR]
    return list(dict.fromkeys(one.partition(";")[0] for one in told))


# Nobody can tell that a wait was over too early.
FAULTS = [
    (method, raises)
    for method in METHODS
    for raises in (True, False)
    if raises or not method.startswith("wait")
]


@pytest.mark.parametrize(("method", "raises"), FAULTS)
async def test_a_fault_of_a_stream_costs_its_own_connection_at_most(
    method: str, raises: bool, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    network = FaultyNetwork(method, raises=raises)
    events: list[ServerEvent] = []
    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(
            lambda *, task_status: serve(
                echo,
                ADDRESS,
                limits=LIMITS,
                network=network,
                on_event=events.append,
                task_status=task_status,
            )
        )
        good = LineClient(await network.connect(ADDRESS))
        for reads in (True, False, True):
            await use(network, reads=reads)
            await good.send("still here")
            assert [await good.receive() for _ in range(2)] == ["still here"] * 2
        assert len(server.connections) == 1
        # Some are still there when the server drains.
        nursery.start_soon(partial(use, network, reads=False))
        nursery.start_soon(partial(use, network, reads=True))
        await trio.sleep(0.1)
        await server.drain()
    assert len(errors(caplog)) <= 2, errors(caplog)


@pytest.mark.parametrize(("method", "raises"), FAULTS)
async def test_a_fault_of_a_stream_harms_nobody_else_in_a_chat(
    method: str, raises: bool, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    network = FaultyNetwork(method, raises=raises)
    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(
            lambda *, task_status: chat.serve(
                ADDRESS, limits=LIMITS, network=network, forever=True, task_status=task_status
            )
        )
        good = LineClient(await network.connect(ADDRESS))
        await good.send("Ann")
        await good.receive()
        other = LineClient(await network.connect(ADDRESS))
        await other.send("Bob")
        await other.receive()
        for number, reads in enumerate((True, False, True)):
            async with trio.open_nursery() as users:
                users.start_soon(partial(use, network, reads=reads))
                for turn in range(5):
                    await trio.sleep(5)
                    await good.send(f"{number} {turn}")
                    with trio.fail_after(5):
                        while await other.receive() != f"Ann: {number} {turn}":
                            pass
        assert len(server.connections) == 2
        nursery.start_soon(partial(use, network, reads=False))
        await trio.sleep(0.1)
        await server.drain()
    assert len(errors(caplog)) <= 2, errors(caplog)


class FaultyAccept:
    """A listener whose `accept` fails as many times as it is told, and works then."""

    def __init__(self, inner: Listener, failures: float, error: Exception | None) -> None:
        self._inner, self._failures, self._error = inner, failures, error
        self.address = inner.address
        self.calls = 0

    async def accept(self) -> Any:
        return self._fail() or await self._inner.accept()

    def accept_nowait(self) -> Any:
        return self._fail() or self._inner.accept_nowait()

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _fail(self) -> object:
        self.calls += 1
        if self.calls > self._failures:
            return None
        if self._error is not None:
            raise self._error
        return object()


class FaultyAccepting(MemoryNetwork):
    def __init__(self, failures: float, error: Exception | None) -> None:
        super().__init__()
        self.failures, self.error = failures, error
        self.listeners: list[FaultyAccept] = []

    async def listen(self, address: str, *, backlog: int | None = None) -> Sequence[Listener]:
        inner = await super().listen(address, backlog=backlog)
        if address != ADDRESS:
            return inner
        self.listeners += [FaultyAccept(one, self.failures, self.error) for one in inner]
        return self.listeners


ACCEPT_FAULTS = [LookupError("a fault of accept"), OSError(5, "Input/output error"), None]


@pytest.mark.parametrize("error", ACCEPT_FAULTS)
async def test_a_listener_that_fails_for_a_while_is_tried_again(
    error: Exception | None, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    network = FaultyAccepting(3, error)
    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(
            lambda *, task_status: serve(echo, ADDRESS, network=network, task_status=task_status)
        )
        client = LineClient(await network.connect(ADDRESS))
        await client.send("hello")
        assert await client.receive() == "hello"
        await server.drain()
    assert len(errors(caplog)) == 1


@pytest.mark.parametrize("error", ACCEPT_FAULTS)
async def test_a_broken_listener_neither_spins_nor_ends_the_other_one(
    error: Exception | None, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    network = FaultyAccepting(float("inf"), error)
    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(
            lambda *, task_status: serve(
                echo, ADDRESS, "127.0.0.1:7001", network=network, task_status=task_status
            )
        )
        await trio.sleep(60)
        client = LineClient(await network.connect("127.0.0.1:7001"))
        await client.send("hello")
        assert await client.receive() == "hello"
        assert network.listeners[0].calls < 60 * 11
        await server.drain()
    assert len(errors(caplog)) == 1
