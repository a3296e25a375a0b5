"""A listening socket that goes on when the process is out of descriptors."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import trio
import trio.testing

from socket_pairs import local_address, receive_exactly
from trionet.transport import kernel
from trionet.transport import listener as listener_module
from trionet.transport.addresses import TCPAddress, UnixAddress
from trionet.transport.listener import SocketListener
from trionet.transport.socket_addresses import structured
from trionet.transport.sockets import SocketStream
from trionet.transport.tcp import bind_tcp

resource = pytest.importorskip("resource")


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
                assert listener.address == str(structured(client.getpeername()))
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
                assert (
                    stream.peer
                    == listener.address
                    == str(structured(client.getpeername()))
                    == f"unix:{path}"
                )


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


async def test_another_family_of_sockets_says_itself_what_its_addresses_are() -> None:
    def address_of(address: tuple[str, int]) -> UnixAddress:
        return UnixAddress(f"@port{address[1]}")

    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    async with SocketListener(sock, address_of=address_of) as listener:
        assert listener.address == f"unix:@port{port}"
        with socket.create_connection(("127.0.0.1", port)) as client:
            async with await listener.accept() as stream:
                assert stream.remote == UnixAddress(f"@port{client.getsockname()[1]}")
                assert stream.peer == str(stream.remote)


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


@pytest.mark.parametrize("inherits", [True, False])
async def test_every_connection_sends_at_once_whether_or_not_the_option_is_inherited(
    inherits: bool,
) -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    if not inherits:
        sock.close()
        sock = RefusesOptions(socket.AF_INET, socket.SOCK_STREAM)
        sock.bind(("127.0.0.1", 0))
        sock.listen()
    async with SocketListener(sock) as listener:
        for _ in range(2):
            with socket.create_connection(sock.getsockname()):
                async with await listener.accept() as stream:
                    assert stream._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


class RefusesOptions(socket.socket):
    """A listening socket whose connections inherit nothing from it."""

    def setsockopt(self, *_args: Any) -> None:
        pass


async def test_a_listening_socket_tells_plain_numbers_and_accepts_ordinary_sockets() -> None:
    (sock,) = await bind_tcp(TCPAddress("127.0.0.1", 0), 1)
    with sock, socket.create_connection(sock.getsockname()):
        accepted, _ = sock.accept()
        with accepted:
            assert type(accepted) is socket.socket
            assert accepted.family is socket.AF_INET
            assert accepted.type is socket.SOCK_STREAM
        assert (type(sock.family), type(sock.type)) == (int, int)
        assert kernel.is_tcp(sock)


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
def test_what_is_not_a_socket_is_refused_with_what_it_must_be(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"sock must be a listening socket\.socket, not"):
        SocketListener(wrong)
