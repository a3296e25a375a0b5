from __future__ import annotations

import errno
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import pytest
import trio
import trio.testing

from trionet.errors import ReceiveInterrupted
from trionet.transport import listener as listener_module
from trionet.transport.listener import SocketListener
from trionet.transport.readiness import HAS_EPOLL, Readiness
from trionet.transport.socket_addresses import local_address, remote_address
from trionet.transport.sockets import SocketStream

resource = pytest.importorskip("resource")

KINDS = ["ipv4", "ipv6", "unix"]
CHUNK = bytes(65536)


def socket_pair(kind: str) -> tuple[socket.socket, socket.socket]:
    if kind == "unix":
        near, far = socket.socketpair()
    else:
        family, host = {
            "ipv4": (socket.AF_INET, "127.0.0.1"),
            "ipv6": (socket.AF_INET6, "::1"),
        }[kind]
        with socket.create_server((host, 0), family=family) as server:
            near = socket.create_connection(server.getsockname()[:2])
            far, _ = server.accept()
    for sock in (near, far):
        # So that a broken test fails instead of hanging.
        sock.settimeout(5)
    return near, far


@asynccontextmanager
async def stream_and_peer(kind: str = "ipv4") -> AsyncIterator[tuple[SocketStream, socket.socket]]:
    near, far = socket_pair(kind)
    with far:
        async with SocketStream(near, peer="the peer") as stream:
            yield stream, far


async def fill(stream: SocketStream) -> int:
    """Send until the kernel takes no more, even after it has had time to move data on."""
    total = 0
    while True:
        before = total
        while sent := stream.send_nowait(CHUNK):
            total += sent
        if total == before:
            return total
        await trio.testing.wait_all_tasks_blocked()


def receive_exactly(sock: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(size - len(data))
        assert piece
        data += piece
    return bytes(data)


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


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


# --- the stream ---


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


@pytest.mark.parametrize("kind", KINDS)
async def test_send_nowait_on_a_full_socket_takes_nothing_until_the_peer_reads(kind: str) -> None:
    async with stream_and_peer(kind) as (stream, peer):
        filled = await fill(stream)
        assert filled > 0
        assert stream.send_nowait(b"x") == 0
        receive_exactly(peer, filled)
        await stream.wait_writable()
        assert stream.send_nowait(b"x") == 1
        assert peer.recv(10) == b"x"


async def test_send_nowait_returns_how_much_of_a_large_piece_was_taken() -> None:
    async with stream_and_peer("unix") as (stream, peer):
        data = os.urandom(1 << 24)
        taken = stream.send_nowait(memoryview(data))
        assert 0 < taken < len(data)
        assert receive_exactly(peer, taken) == data[:taken]


async def test_send_nowait_is_refused_while_a_task_sends() -> None:
    async with stream_and_peer() as (stream, _), trio.open_nursery() as nursery:
        await fill(stream)
        nursery.start_soon(stream.send_all, b"more")
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            stream.send_nowait(b"in between")
        nursery.cancel_scope.cancel()


async def test_sending_after_the_end_or_the_close_raises_closed() -> None:
    async with stream_and_peer() as (stream, peer):
        await stream.send_eof()
        assert peer.recv(1) == b""
        with pytest.raises(trio.ClosedResourceError):
            stream.send_nowait(b"x")
        peer.sendall(b"received all the same")
        assert await stream.receive_some() == b"received all the same"
        stream.close()
        with pytest.raises(trio.ClosedResourceError):
            stream.send_nowait(b"x")
        with pytest.raises(trio.ClosedResourceError):
            await stream.send_all(b"x")
        with pytest.raises(trio.ClosedResourceError):
            await stream.wait_writable()


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


async def test_a_reset_wakes_a_task_that_waits_to_send() -> None:
    async with stream_and_peer() as (stream, peer), trio.open_nursery() as nursery:
        await fill(stream)

        @nursery.start_soon
        async def send() -> None:
            with pytest.raises(trio.BrokenResourceError):
                await stream.send_all(b"x")

        await trio.testing.wait_all_tasks_blocked()
        reset(peer)


async def test_ending_the_sending_to_a_peer_that_is_gone_is_no_error() -> None:
    async with stream_and_peer() as (stream, peer):
        reset(peer)
        with suppress(trio.BrokenResourceError):
            await stream.receive_some()
        await stream.send_eof()


async def test_close_is_at_once_and_may_be_repeated() -> None:
    async with stream_and_peer() as (stream, peer):
        with trio.testing.assert_no_checkpoints():
            stream.close()
            stream.close()
        assert peer.recv(1) == b""


# --- the listener ---


class FailingSocket(socket.socket):
    """A listening socket whose `accept` fails in the given ways, and then works."""

    failures: list[int]

    def accept(self) -> tuple[socket.socket, Any]:
        if self.failures:
            number = self.failures.pop(0)
            raise OSError(number, os.strerror(number))
        return super().accept()


def make_listener(*failures: int, host: str = "127.0.0.1", **options: Any) -> SocketListener:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = FailingSocket(family, socket.SOCK_STREAM)
    sock.failures = list(failures)
    sock.bind((host, 0))
    sock.listen(16)
    return SocketListener(sock, address=local_address(sock), **options)


def connect_to(listener: SocketListener) -> socket.socket:
    client = socket.create_connection(listener._sock.getsockname()[:2])
    client.settimeout(5)
    return client


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_connection_is_accepted_and_knows_its_peers_address(host: str) -> None:
    async with make_listener(host=host) as listener:
        with connect_to(listener) as client:
            async with await listener.accept() as stream:
                assert stream.peer == local_address(client)
                assert listener.address == remote_address(client)
                await stream.send_all(b"hello")
                assert client.recv(10) == b"hello"


async def test_a_peer_without_an_address_is_shown_with_the_listeners(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = str(tmp_path_factory.mktemp("s") / "s")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(path)
    sock.listen()
    async with SocketListener(sock, address=f"unix:{path}") as listener:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(path)
            async with await listener.accept() as stream:
                assert stream.peer == listener.address == remote_address(client) == f"unix:{path}"


async def test_a_path_that_a_peer_has_chosen_is_shown_safely(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = str(tmp_path_factory.mktemp("s"))
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(f"{folder}/s")
    sock.listen()
    async with SocketListener(sock, address=f"unix:{folder}/s") as listener:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.bind(f"{folder}/a\n\x1b[2J\u202e".encode() + b"\xff")
            client.connect(f"{folder}/s")
            async with await listener.accept() as stream:
                assert stream.peer == f"unix:{folder}/a��[2J��"


async def test_all_waiting_connections_are_accepted_at_once_and_then_it_would_block() -> None:
    async with make_listener() as listener:
        clients = [connect_to(listener) for _ in range(5)]
        accepted = [await listener.accept()]
        with trio.testing.assert_no_checkpoints(), suppress(trio.WouldBlock):
            while True:
                accepted.append(listener.accept_nowait())
        assert [stream.peer for stream in accepted] == [local_address(one) for one in clients]
        for client in clients:
            client.close()
        for stream in accepted:
            stream.close()


async def test_cancelling_an_accept_loses_no_connection() -> None:
    async with make_listener() as listener:
        with trio.move_on_after(0) as scope:
            await listener.accept()
        assert scope.cancelled_caught
        with connect_to(listener):
            (await listener.accept()).close()


async def test_closing_a_listener_wakes_the_task_that_accepts() -> None:
    async with make_listener() as listener, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def accept() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await listener.accept()

        await trio.testing.wait_all_tasks_blocked()
        await listener.aclose()
        with pytest.raises(trio.ClosedResourceError):
            listener.accept_nowait()
        with pytest.raises(trio.ClosedResourceError):
            await listener.accept()


async def test_closing_a_listener_calls_back_once_even_when_cancelled() -> None:
    # The socket is still open at the call: until then nobody can take the address for abandoned.
    told: list[bool] = []

    def tell() -> None:
        told.append(listener.closed)

    listener = make_listener(on_close=tell)
    await trio.aclose_forcefully(listener)
    assert told == [False]
    await listener.aclose()
    assert told == [False]


async def test_a_closed_listener_leaves_no_descriptor_open() -> None:
    listener = make_listener()
    reserve = listener._reserve
    assert reserve is not None
    await listener.aclose()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reserve)


async def test_only_one_task_accepts_at_a_time() -> None:
    async with make_listener() as listener, trio.open_nursery() as nursery:
        nursery.start_soon(listener.accept)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await listener.accept()
        nursery.cancel_scope.cancel()


async def test_connections_that_are_gone_before_they_are_accepted_are_skipped() -> None:
    async with make_listener(errno.ECONNABORTED, errno.EPROTO, errno.ETIMEDOUT) as listener:
        with connect_to(listener) as client:
            async with await listener.accept() as stream:
                assert stream.peer == local_address(client)


async def test_an_error_of_the_listener_itself_is_raised() -> None:
    async with make_listener(errno.EINVAL) as listener:
        with connect_to(listener), pytest.raises(OSError, match="Invalid argument"):
            await listener.accept()


async def test_out_of_descriptors_waiting_clients_are_told_and_the_service_resumes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    accepted: list[SocketStream] = []
    async with make_listener() as listener, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def accept() -> None:
            accepted.append(await listener.accept())

        early = [connect_to(listener), connect_to(listener)]
        # Input that nobody reads would turn the refusal into a reset.
        early[0].sendall(b"Ann\n")
        with no_descriptors_left():
            await trio.testing.wait_all_tasks_blocked()
            for client in early:
                with client:
                    assert receive_exactly(client, 22) == b"error: server is full\n"
                    assert client.recv(1) == b""
                    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        assert accepted == []
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert listener.address in caplog.text
        with connect_to(listener) as late:
            await trio.testing.wait_all_tasks_blocked()
            assert [stream.peer for stream in accepted] == [local_address(late)]
            await accepted[0].aclose()
        assert listener._reserve is not None


async def test_accept_nowait_out_of_descriptors_refuses_one_and_would_block() -> None:
    async with make_listener() as listener:
        with connect_to(listener) as refused, connect_to(listener) as waits:
            with no_descriptors_left(), pytest.raises(trio.WouldBlock):
                listener.accept_nowait()
            assert receive_exactly(refused, 22) == b"error: server is full\n"
            async with listener.accept_nowait() as stream:
                assert stream.peer == local_address(waits)


async def test_each_shortage_is_logged_once_and_the_next_one_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with make_listener() as listener:
        for shortages in (1, 2):
            with connect_to(listener), connect_to(listener), no_descriptors_left():
                for _ in range(2):
                    with pytest.raises(trio.WouldBlock):
                        listener.accept_nowait()
            assert len(caplog.records) == shortages
            with connect_to(listener):
                (await listener.accept()).close()


async def test_without_even_the_reserve_it_pauses_instead_of_spinning(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = iter([None, None, None])
    open_reserve = listener_module._open_reserve
    async with make_listener(*[errno.EMFILE] * 4) as listener:
        monkeypatch.setattr(listener_module, "_open_reserve", lambda: next(tries, open_reserve()))
        with connect_to(listener) as client:
            async with await listener.accept() as stream:
                assert stream.peer == local_address(client)
        assert trio.current_time() == pytest.approx(0.2)


async def test_out_of_memory_it_pauses_and_refuses_nobody(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with make_listener(errno.ENOBUFS, errno.ENOMEM) as listener:
        with connect_to(listener) as client:
            async with await listener.accept() as stream:
                assert stream.peer == local_address(client)
        assert trio.current_time() == pytest.approx(0.2)
        assert listener._reserve is not None


@pytest.mark.parametrize("wrong", [None, 7, ("127.0.0.1", 7)])
def test_what_is_no_socket_is_refused_with_what_it_must_be(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"sock must be a connected socket\.socket, not"):
        SocketStream(wrong, peer="")
    with pytest.raises(TypeError, match=r"sock must be a listening socket\.socket, not"):
        SocketListener(wrong)
