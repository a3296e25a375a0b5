"""A client whose server is alive but takes nothing, on real sockets and the kernel's clock."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import trio
import trio.testing

from trionet.errors import ReceiveInterrupted
from trionet.transport import tcp_user_timeout
from trionet.transport.network import SYSTEM
from trionet.transport.sockets import SocketStream
from trionet.transport.tcp_user_timeout import HAS_PATIENCE, USER_TIMEOUT, Patience

pytestmark = pytest.mark.skipif(not HAS_PATIENCE, reason="only Linux has this timeout")


# In milliseconds: so long that a task on a busy machine looks in time.
TIMEOUT = 1000

# Seconds after which the kernel would have given the server up.
MORE_THAN_THAT = 2.5

# Seconds for what takes a fraction of one, or little more than the timeout.
PATIENCE = 20


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_user_timeout, "_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(tcp_user_timeout, "USER_TIMEOUT", TIMEOUT)


@asynccontextmanager
async def to_a_server_that_takes_nothing() -> AsyncIterator[tuple[SocketStream, socket.socket]]:
    """Yield a client, and the listener in whose backlog it waits."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        async with await SYSTEM.connect("127.0.0.1:{1}".format(*server.getsockname())) as client:
            assert isinstance(client, SocketStream)
            set_timeout(client, TIMEOUT)
            yield client, server


async def fill(client: SocketStream) -> int:
    """Send what the server's kernel takes, and more that waits in the client's kernel."""
    sent = 0
    while taken := client.send_nowait(bytes(50_000)):
        sent += taken
        await trio.sleep(0.002)
    return sent


def set_timeout(client: SocketStream, milliseconds: int) -> None:
    client._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def timeout_of(client: SocketStream) -> int:
    return client._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)


async def until_timeout_of(client: SocketStream, milliseconds: int) -> None:
    with trio.fail_after(PATIENCE):
        while timeout_of(client) != milliseconds:  # noqa: ASYNC110  the kernel has no event
            await trio.sleep(0.02)


async def serve(server: socket.socket, size: int) -> None:
    """Accept the client at last, read all that it sent, and answer."""
    sock, _ = await trio.to_thread.run_sync(server.accept)
    with sock:
        while size:
            size -= len(await trio.to_thread.run_sync(sock.recv, 100_000))
        sock.sendall(b"done")


async def test_without_patience_the_kernel_gives_up_a_living_server() -> None:
    # This is why the module exists, and it shows that the tests below can fail.
    async with to_a_server_that_takes_nothing() as (client, _):
        client._patience = None
        await fill(client)
        with trio.fail_after(PATIENCE), pytest.raises(trio.BrokenResourceError, match="timed out"):
            await client.receive_some()


async def test_a_client_that_waits_for_its_turn_after_sending_much_is_not_cut_off() -> None:
    async with to_a_server_that_takes_nothing() as (client, server), trio.open_nursery() as nursery:
        size = await fill(client)

        @nursery.start_soon
        async def wait() -> None:
            assert await client.receive_some() == b"done"

        await trio.sleep(MORE_THAN_THAT)
        assert timeout_of(client) == 0
        await serve(server, size)


async def test_a_client_that_already_waits_when_much_is_sent_is_not_cut_off() -> None:
    async with to_a_server_that_takes_nothing() as (client, server), trio.open_nursery() as nursery:

        @nursery.start_soon
        async def wait() -> None:
            assert await client.receive_some() == b"done"

        await trio.testing.wait_all_tasks_blocked()
        size = await fill(client)
        await trio.sleep(MORE_THAN_THAT)
        await serve(server, size)


async def test_a_client_that_waits_to_send_more_is_not_cut_off() -> None:
    async with to_a_server_that_takes_nothing() as (client, server), trio.open_nursery() as nursery:
        size = 20_000_000
        nursery.start_soon(client.send_all, bytes(size))
        await trio.sleep(MORE_THAN_THAT)
        await serve(server, size)


async def test_the_timeout_is_set_again_once_the_server_takes_everything() -> None:
    async with to_a_server_that_takes_nothing() as (client, server), trio.open_nursery() as nursery:
        size = await fill(client)
        nursery.start_soon(client.receive_some)
        await until_timeout_of(client, 0)
        sock, _ = server.accept()
        with sock:
            left = size
            while left:
                left -= len(await trio.to_thread.run_sync(sock.recv, 100_000))
            await until_timeout_of(client, TIMEOUT)
        nursery.cancel_scope.cancel()


async def test_an_interruption_works_however_the_client_waits() -> None:
    async with to_a_server_that_takes_nothing() as (client, _):
        for much in (False, True):
            if much:
                await fill(client)
            async with trio.open_nursery() as nursery:

                @nursery.start_soon
                async def wait() -> None:
                    with pytest.raises(ReceiveInterrupted):
                        await client.receive_some()

                await trio.testing.wait_all_tasks_blocked()
                client.interrupt_receive()


async def test_an_interruption_wins_over_much_being_sent_at_the_same_time() -> None:
    for first in ("interruption", "sending"):
        async with (
            to_a_server_that_takes_nothing() as (client, _),
            trio.open_nursery() as nursery,
        ):

            @nursery.start_soon
            async def wait(client: SocketStream = client) -> None:
                with pytest.raises(ReceiveInterrupted):
                    await client.receive_some()

            await trio.testing.wait_all_tasks_blocked()
            if first == "interruption":
                client.interrupt_receive()
            while client.send_nowait(bytes(50_000)):
                pass
            if first == "sending":
                client.interrupt_receive()


class ReportingSocket:
    """A socket whose kernel reports what the test says."""

    def __init__(self, *, probes: int, unacked: int, last_ack: int, not_sent: int) -> None:
        info = bytearray(tcp_user_timeout._SIZE)
        info[tcp_user_timeout._PROBES] = probes
        struct.pack_into("@I", info, tcp_user_timeout._UNACKED, unacked)
        struct.pack_into("@I", info, tcp_user_timeout._LAST_ACK, last_ack)
        struct.pack_into("@I", info, tcp_user_timeout._NOT_SENT, not_sent)
        self._info = bytes(info)
        self.set: list[int] = []

    def getsockopt(self, *_: Any) -> bytes:
        return self._info

    def setsockopt(self, _level: int, _option: int, value: int) -> None:
        self.set.append(value)


@pytest.mark.parametrize(
    ("reported", "lifted"),
    [
        ({"probes": 0, "unacked": 0, "last_ack": 90, "not_sent": 1}, True),
        ({"probes": 1, "unacked": 0, "last_ack": 2 * TIMEOUT, "not_sent": 1}, True),
        ({"probes": 2, "unacked": 0, "last_ack": TIMEOUT - 1, "not_sent": 1}, False),
        ({"probes": 0, "unacked": 3, "last_ack": 90, "not_sent": 1}, False),
        ({"probes": 0, "unacked": 0, "last_ack": 90, "not_sent": 0}, False),
    ],
)
def test_the_timeout_is_lifted_only_if_the_server_answers_and_takes_nothing(
    reported: dict[str, int], lifted: bool
) -> None:
    sock = ReportingSocket(**reported)
    looking = Patience(cast("socket.socket", sock))
    looking.look()
    looking.look()
    assert looking.is_lifted is lifted
    assert sock.set == ([0] if lifted else [])


def test_a_server_that_vanished_while_it_took_nothing_is_found() -> None:
    sock = ReportingSocket(probes=2, unacked=0, last_ack=TIMEOUT, not_sent=1)
    with pytest.raises(TimeoutError) as found:
        Patience(cast("socket.socket", sock)).look()
    assert found.value.errno == errno.ETIMEDOUT


async def test_waiting_tasks_are_told_that_the_server_has_vanished(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def find(_: Patience) -> None:
        raise TimeoutError(errno.ETIMEDOUT, "connection timed out")

    monkeypatch.setattr(Patience, "look", find)
    async with to_a_server_that_takes_nothing() as (client, _):
        await fill(client)
        for wait in (client.receive_some, lambda: client.send_all(bytes(20_000_000))):
            with pytest.raises(trio.BrokenResourceError, match="timed out"):
                await cast(Callable[[], Awaitable[object]], wait)()


def test_the_timeout_is_long_enough_for_three_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert USER_TIMEOUT > 3 * 1000 * tcp_user_timeout._LOOK_SECONDS
