"""A stream on a socket: what it does as Trio's own, and what it can besides."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from socket_pairs import KINDS, fill, receive_exactly, reset, socket_pair, stream_and_peer
from trionet.errors import ReceiveInterrupted
from trionet.transport.addresses import UnixAddress
from trionet.transport.readiness import HAS_EPOLL, Readiness
from trionet.transport.sockets import SocketStream, adopt


class BeforeItRuns(trio.abc.Instrument):
    """Calls something after a task was woken and before it runs."""

    def __init__(self, task_name: str, then: Callable[[], None]) -> None:
        self._task_name = task_name
        self._then = then
        self.done = False

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if not self.done and self._task_name in task.name:
            self._then()
            self.done = True


NEEDS_EPOLL = pytest.mark.skipif(not HAS_EPOLL, reason="only Linux has epoll")


@pytest.mark.parametrize("watched", [False, pytest.param(True, marks=NEEDS_EPOLL)])
@pytest.mark.parametrize("kind", KINDS)
async def test_the_stream_does_all_that_trio_asks_of_a_half_closeable_stream(
    kind: str, watched: bool
) -> None:
    async def make() -> tuple[SocketStream, SocketStream]:
        near, far = socket_pair(kind)
        pair = SocketStream(near, peer="far"), SocketStream(far, peer="near")
        if readiness is not None:
            for stream in pair:
                stream.wait_with(readiness)
        return pair

    async def make_clogged() -> tuple[SocketStream, SocketStream]:
        near, far = await make()
        # What one direction sends can tell the other that there is room again.
        while await fill(near) + await fill(far):
            pass
        assert near.send_nowait(b"x") == far.send_nowait(b"x") == 0
        return near, far

    async with trio.open_nursery() as nursery:
        readiness = Readiness() if watched else None
        if readiness:
            nursery.start_soon(readiness.run)
        await trio.testing.check_half_closeable_stream(make, make_clogged)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("kind", ["ipv4", "ipv6"])
async def test_a_line_is_sent_without_waiting_for_more_and_the_socket_never_blocks(
    kind: str,
) -> None:
    async with stream_and_peer(kind) as (stream, _):
        assert stream._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert not stream._sock.getblocking()


async def test_receive_takes_no_more_than_it_is_asked_for() -> None:
    async with stream_and_peer() as (stream, peer):
        peer.sendall(b"abcde")
        assert await stream.receive_some(2) == b"ab"
        assert await stream.receive_some() == b"cde"


async def test_cancelling_a_receive_loses_nothing() -> None:
    async with stream_and_peer() as (stream, peer):
        with trio.move_on_after(0) as scope:
            await stream.receive_some()
        assert scope.cancelled_caught
        peer.sendall(b"late")
        assert await stream.receive_some() == b"late"


@pytest.mark.parametrize("kind", KINDS)
async def test_an_interrupt_ends_a_waiting_receive_and_the_stream_lives_on(kind: str) -> None:
    async with stream_and_peer(kind) as (stream, peer), trio.open_nursery() as nursery:
        interrupted = trio.Event()

        @nursery.start_soon
        async def wait_for_input() -> None:
            with pytest.raises(ReceiveInterrupted):
                await stream.receive_some()
            interrupted.set()

        await trio.testing.wait_all_tasks_blocked()
        stream.interrupt_receive()
        await interrupted.wait()
        peer.sendall(b"still here")
        assert await stream.receive_some() == b"still here"
        assert stream.send_nowait(b"too") == 3
        assert peer.recv(10) == b"too"


async def test_an_interrupt_without_a_waiting_task_does_not_affect_the_next_receive() -> None:
    async with stream_and_peer() as (stream, peer):
        stream.interrupt_receive()
        peer.sendall(b"data")
        assert await stream.receive_some() == b"data"
    stream.interrupt_receive()


async def test_input_that_came_just_before_the_interrupt_is_returned() -> None:
    async with stream_and_peer() as (stream, peer):
        interrupt = BeforeItRuns("reading_task", stream.interrupt_receive)

        async def reading_task() -> None:
            assert await stream.receive_some() == b"data"

        async with trio.open_nursery() as nursery:
            nursery.start_soon(reading_task)
            await trio.testing.wait_all_tasks_blocked()
            trio.lowlevel.add_instrument(interrupt)
            peer.sendall(b"data")
        assert interrupt.done


async def test_an_interrupt_leaves_a_waiting_sender_waiting() -> None:
    async with stream_and_peer() as (stream, peer), trio.open_nursery() as nursery:
        filled = await fill(stream)
        sent = trio.Event()

        @nursery.start_soon
        async def send() -> None:
            await stream.send_all(b"the end")
            sent.set()

        @nursery.start_soon
        async def receive() -> None:
            with pytest.raises(ReceiveInterrupted):
                await stream.receive_some()

        await trio.testing.wait_all_tasks_blocked()
        stream.interrupt_receive()
        await trio.testing.wait_all_tasks_blocked()
        assert not sent.is_set()
        receive_exactly(peer, filled)
        await sent.wait()
        assert receive_exactly(peer, 7) == b"the end"


async def test_a_receive_that_was_woken_for_nothing_goes_on_waiting() -> None:
    async with stream_and_peer() as (stream, peer):

        def take_away() -> None:
            assert stream._sock.recv(100) == b"gone"

        taken_away = BeforeItRuns("reading_task", take_away)

        async def reading_task() -> None:
            assert await stream.receive_some() == b"data"

        async with trio.open_nursery() as nursery:
            nursery.start_soon(reading_task)
            await trio.testing.wait_all_tasks_blocked()
            trio.lowlevel.add_instrument(taken_away)
            peer.sendall(b"gone")
            await trio.testing.wait_all_tasks_blocked()
            assert taken_away.done
            peer.sendall(b"data")


async def test_a_stream_that_is_closed_between_waking_and_reading_is_closed_not_broken() -> None:
    async with stream_and_peer() as (stream, peer):
        close = BeforeItRuns("reading_task", stream.close)

        async def reading_task() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await stream.receive_some()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(reading_task)
            await trio.testing.wait_all_tasks_blocked()
            trio.lowlevel.add_instrument(close)
            peer.sendall(b"too late")
        assert close.done


@pytest.mark.parametrize("kind", ["ipv4", "ipv6"])
async def test_a_reset_raises_broken_in_both_directions(kind: str) -> None:
    async with stream_and_peer(kind) as (stream, peer):
        reset(peer)
        with pytest.raises(trio.BrokenResourceError, match="connection reset by peer"):
            await stream.receive_some()
        with pytest.raises(trio.BrokenResourceError):
            stream.send_nowait(b"x")
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x")


async def test_close_is_at_once_and_may_be_repeated() -> None:
    async with stream_and_peer() as (stream, peer):
        with trio.testing.assert_no_checkpoints():
            stream.close()
            stream.close()
        assert peer.recv(1) == b""


@pytest.mark.parametrize("wrong", [None, 7, ("127.0.0.1", 7)])
def test_what_is_not_a_socket_is_refused_with_what_it_must_be(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"sock must be a connected socket\.socket, not"):
        SocketStream(wrong, peer="")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_peer_has_ended_even_if_its_last_input_is_unread(kind: str) -> None:
    async with stream_and_peer(kind) as (stream, peer):
        assert not stream.has_ended()
        peer.send(b"last words\n")
        assert not stream.has_ended()
        peer.shutdown(socket.SHUT_WR)
        assert stream.has_ended()
        assert await stream.receive_some() == b"last words\n"
        assert stream.has_ended()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_peer_that_has_closed_has_ended(kind: str) -> None:
    async with stream_and_peer(kind) as (stream, peer):
        peer.close()
        assert stream.has_ended()
        await stream.aclose()
        assert stream.has_ended()


async def test_a_client_of_another_family_of_sockets_says_what_its_servers_address_is() -> None:
    def address_of(address: tuple[str, int]) -> UnixAddress:
        return UnixAddress(f"@port{address[1]}")

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connected = await trio.open_tcp_stream("127.0.0.1", port)
        async with adopt(connected, address_of=address_of) as stream:
            assert stream.remote == UnixAddress(f"@port{port}")
            assert stream.peer == f"unix:@port{port}"


async def test_a_socket_whose_options_cannot_be_set_is_closed() -> None:
    made: list[socket.socket] = []

    def prepare(sock: socket.socket) -> None:
        made.append(sock)
        raise OSError("no such option")

    with socket.create_server(("127.0.0.1", 0)) as server:
        connected = await trio.open_tcp_stream("127.0.0.1", server.getsockname()[1])
        with pytest.raises(OSError, match="no such option"):
            adopt(connected, prepare=prepare)
    assert made[0].fileno() == -1
