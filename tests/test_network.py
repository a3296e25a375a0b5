from __future__ import annotations

import errno
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import pytest
import trio
import trio.testing

from trionet import network
from trionet.addresses import TCPAddress, parse_address
from trionet.errors import AddressError, ConnectError, ListenError
from trionet.network import DEFAULT_BACKLOG, SYSTEM, Listener
from trionet.sockets import SocketStream
from trionet.testing import MemoryNetwork


def port_of(address: str) -> int:
    where = parse_address(address)
    assert isinstance(where, TCPAddress)
    return where.port


@asynccontextmanager
async def listening(address: str, *, backlog: int | None = None) -> AsyncIterator[list[Listener]]:
    listeners = await SYSTEM.listen(address, backlog=backlog)
    try:
        yield list(listeners)
    finally:
        for listener in listeners:
            await listener.aclose()


@pytest.fixture
def path() -> Iterator[str]:
    # Not tmp_path: its names are longer than a socket's may be on some systems.
    with tempfile.TemporaryDirectory() as folder:
        yield str(Path(folder) / "s")


@pytest.fixture
def port_in_use() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of both families that nobody listens on, nor can while the test runs."""
    while True:
        with socket.socket(socket.AF_INET) as four, socket.socket(socket.AF_INET6) as six:
            four.bind(("127.0.0.1", 0))
            with suppress(OSError):
                six.bind(("::1", four.getsockname()[1]))
            if six.getsockname()[1]:
                yield four.getsockname()[1]
                return


class Resolver(trio.abc.HostnameResolver):
    """Answers without asking a name server."""

    async def getaddrinfo(self, host: Any, port: Any, *_: Any, **__: Any) -> Any:
        await trio.lowlevel.checkpoint()
        four = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        six = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0))
        known = {b"twice.example": [four, four], b"localhost": [six, four]}
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return known[host]

    async def getnameinfo(self, sockaddr: Any, flags: int) -> NoReturn:
        raise NotImplementedError


# --- listen ---


async def test_localhost_is_both_families_on_one_port() -> None:
    async with listening("localhost:0") as listeners:
        port = port_of(listeners[0].address)
        assert port > 0
        assert [one.address for one in listeners] == [f"127.0.0.1:{port}", f"[::1]:{port}"]
        for listener in listeners:
            assert isinstance(listener, Listener)
            async with await SYSTEM.connect(listener.address) as client:
                assert client.peer == listener.address
                async with await listener.accept() as accepted:
                    await accepted.send_all(b"hello")
                    assert await client.receive_some() == b"hello"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_a_numeric_host_is_one_listener(host: str) -> None:
    async with listening(f"{host}:0") as (listener,):
        assert listener.address == f"{host}:{port_of(listener.address)}"


def test_all_interfaces_of_ipv6_leave_those_of_ipv4_alone() -> None:
    # Bound only: a test listens on loopback and nowhere else.
    with network._bind(socket.AF_INET6, "::", 0) as sock:
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


async def test_no_host_is_all_interfaces_of_both_families() -> None:
    # Resolved only: a test listens on loopback and nowhere else.
    targets = await network._resolve_to_listen(TCPAddress("", 0))
    assert targets == [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]


async def test_an_address_that_the_resolver_gives_twice_is_listened_on_once() -> None:
    trio.socket.set_custom_hostname_resolver(Resolver())
    async with listening("twice.example:0") as listeners:
        assert [one.address.rpartition(":")[0] for one in listeners] == ["127.0.0.1"]


async def test_a_port_that_is_taken_in_the_other_family_is_tried_again_with_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bind = network._bind
    taken: list[socket.socket] = []

    def collide_three_times(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
        if family == socket.AF_INET6 and len(taken) < 3:
            taken.append(socket.create_server((host, port), family=family))
        return bind(family, host, port)

    monkeypatch.setattr(network, "_bind", collide_three_times)
    async with listening("localhost:0") as listeners:
        ports = {port_of(one.address) for one in listeners}
        assert len(listeners) == 2
        assert len(ports) == 1
        assert len(taken) == 3
        assert not ports & {one.getsockname()[1] for one in taken}
    for one in taken:
        one.close()


async def test_collisions_without_end_are_an_error_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries = 0

    def never(*_: object) -> NoReturn:
        nonlocal tries
        tries += 1
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))

    monkeypatch.setattr(network, "_bind", never)
    with pytest.raises(ListenError, match="address already in use"):
        await SYSTEM.listen("localhost:0")
    assert tries == 64


async def test_a_port_in_use_is_told_in_one_line_and_not_tried_again(port_in_use: int) -> None:
    with pytest.raises(ListenError) as refusal:
        await SYSTEM.listen(f"127.0.0.1:{port_in_use}")
    assert str(refusal.value) == f"cannot listen on 127.0.0.1:{port_in_use}: address already in use"


async def test_localhost_with_a_port_in_use_in_one_family_listens_on_none() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as six:
        port = six.getsockname()[1]
        with pytest.raises(ListenError, match=r"^cannot listen on localhost"):
            await SYSTEM.listen(f"localhost:{port}")
        with pytest.raises(ConnectError):
            await SYSTEM.connect(f"127.0.0.1:{port}")


@pytest.mark.parametrize("reason", [errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT])
async def test_a_family_that_the_machine_lacks_is_skipped(
    monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    bind = network._bind

    def without_ipv6(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(reason, os.strerror(reason))
        return bind(family, host, port)

    monkeypatch.setattr(network, "_bind", without_ipv6)
    async with listening("localhost:0") as listeners:
        assert [one.address.rpartition(":")[0] for one in listeners] == ["127.0.0.1"]
    with pytest.raises(ListenError):
        await SYSTEM.listen("[::1]:0")


async def test_a_port_is_free_again_as_soon_as_its_server_is_closed() -> None:
    async with listening("127.0.0.1:0") as (listener,):
        client = await SYSTEM.connect(listener.address)
        # Who closes first keeps the port in TIME_WAIT.
        await (await listener.accept()).aclose()
    async with client:
        assert await client.receive_some() == b""
    async with listening(listener.address) as (again,):
        assert again.address == listener.address


@pytest.mark.parametrize(("given", "used"), [(None, DEFAULT_BACKLOG), (0, 0), (5, 5)])
async def test_the_backlog_is_the_one_that_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, path: str, given: int | None, used: int
) -> None:
    backlogs: list[int] = []
    listen = socket.socket.listen

    def record(sock: socket.socket, backlog: int) -> None:
        backlogs.append(backlog)
        listen(sock, backlog)

    monkeypatch.setattr(socket.socket, "listen", record)
    async with listening("localhost:0", backlog=given), listening(f"unix:{path}", backlog=given):
        pass
    assert backlogs == [used] * 3


BAD_HOSTS = ["a..b:80", "x" * 64 + ".example:80", "\u2488com:80", "é..b:80", "nowhere.example:80"]


@pytest.mark.parametrize("address", [*BAD_HOSTS, "unix:\ud800", "unix:" + "a" * 200])
async def test_an_address_that_leads_nowhere_is_told_in_one_line(address: str) -> None:
    trio.socket.set_custom_hostname_resolver(Resolver())
    with pytest.raises(ListenError, match=r"^cannot listen on ") as no_listener:
        await SYSTEM.listen(address)
    with pytest.raises(ConnectError, match=r"^cannot connect to ") as no_stream:
        await SYSTEM.connect(address)
    for error in (no_listener.value, no_stream.value):
        assert address in str(error)
        assert len(str(error).splitlines()) == 1


async def test_a_name_that_nobody_knows_is_told_in_the_resolvers_words() -> None:
    trio.socket.set_custom_hostname_resolver(Resolver())
    with pytest.raises(ListenError, match=r"name or service not known$"):
        await SYSTEM.listen("nowhere.example:80")
    with pytest.raises(ConnectError, match=r"name or service not known$"):
        await SYSTEM.connect("nowhere.example:80")


async def test_what_cannot_be_read_is_an_address_error_on_either_side() -> None:
    with pytest.raises(AddressError):
        await SYSTEM.listen("nowhere")
    with pytest.raises(AddressError):
        await SYSTEM.connect("nowhere")


# --- connect ---


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", ""])
async def test_a_refused_connection_is_told_in_one_line_as_in_memory(
    host: str, closed_port: int
) -> None:
    address = f"{host}:{closed_port}"
    with pytest.raises(ConnectError) as refused:
        await SYSTEM.connect(address)
    assert str(refused.value) == f"cannot connect to {address}: connection refused"
    with pytest.raises(ConnectError) as refused_in_memory:
        await MemoryNetwork().connect(address)
    assert str(refused_in_memory.value) == str(refused.value)


@pytest.mark.parametrize("bound", ["127.0.0.1", "[::1]"])
@pytest.mark.parametrize("host", ["localhost", ""])
async def test_localhost_connects_to_whichever_family_answers(bound: str, host: str) -> None:
    trio.socket.set_custom_hostname_resolver(Resolver())
    async with (
        listening(f"{bound}:0") as (listener,),
        await SYSTEM.connect(f"{host}:{port_of(listener.address)}") as client,
        await listener.accept() as accepted,
    ):
        assert isinstance(client, SocketStream)
        assert isinstance(accepted, SocketStream)
        assert client.peer == listener.address
        await client.send_all(b"hello")
        assert await accepted.receive_some() == b"hello"


async def test_a_connection_that_was_reset_before_it_was_asked_who_it_is_is_a_connect_error(
    monkeypatch: pytest.MonkeyPatch, port_in_use: int
) -> None:
    def gone(sock: socket.socket) -> NoReturn:
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    monkeypatch.setattr(network, "remote_address", gone)
    with pytest.raises(ConnectError, match=r"not connected$"):
        await SYSTEM.connect(f"127.0.0.1:{port_in_use}")


async def test_connecting_can_be_cancelled() -> None:
    class Unanswering(Resolver):
        async def getaddrinfo(self, *_: Any, **__: Any) -> Any:
            await trio.sleep_forever()

    trio.socket.set_custom_hostname_resolver(Unanswering())
    for wait in (SYSTEM.connect, SYSTEM.listen):
        with trio.move_on_after(0) as scope:
            await wait("slow.example:80")
        assert scope.cancelled_caught


# --- Unix sockets ---


def exists(path: str) -> bool:
    return Path(path).exists()


def is_socket(path: str) -> bool:
    return Path(path).is_socket()


def remove(path: str) -> None:
    Path(path).unlink()


def leave_stale(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        sock.listen()


async def test_a_unix_socket_is_served_and_its_file_removed_on_close(path: str) -> None:
    async with listening(f"unix:{path}") as (listener,):
        assert listener.address == f"unix:{path}"
        async with await SYSTEM.connect(listener.address) as client:
            assert client.peer == listener.address
            async with await listener.accept() as accepted:
                await accepted.send_all(b"hello")
                assert await client.receive_some() == b"hello"
    assert not exists(path)
    await listener.aclose()
    with pytest.raises(ConnectError, match=r"no such file or directory$"):
        await SYSTEM.connect(f"unix:{path}")


async def test_the_socket_file_of_a_dead_server_is_replaced(path: str) -> None:
    leave_stale(path)
    with pytest.raises(ConnectError, match=r"connection refused$"):
        await SYSTEM.connect(f"unix:{path}")
    async with listening(f"unix:{path}"):
        await (await SYSTEM.connect(f"unix:{path}")).aclose()


async def test_a_server_that_lives_is_never_replaced(path: str) -> None:
    async with listening(f"unix:{path}"):
        with pytest.raises(ListenError) as refusal:
            await SYSTEM.listen(f"unix:{path}")
        assert str(refusal.value) == f"cannot listen on unix:{path}: address already in use"
        await (await SYSTEM.connect(f"unix:{path}")).aclose()


async def test_a_server_that_lives_but_is_too_busy_to_answer_is_never_replaced(path: str) -> None:
    waiting: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(path)
        live.listen(0)
        while True:
            waiting.append(socket.socket(socket.AF_UNIX))
            waiting[-1].setblocking(False)
            try:
                waiting[-1].connect(path)
            except BlockingIOError:
                break
        with pytest.raises(ListenError, match=r"address already in use$"):
            await SYSTEM.listen(f"unix:{path}")
        assert is_socket(path)
        for sock in waiting:
            sock.close()


async def test_a_socket_of_another_kind_is_never_replaced(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(path)
        with pytest.raises(ListenError, match=r"address already in use$"):
            await SYSTEM.listen(f"unix:{path}")
        assert is_socket(path)


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
async def test_what_is_no_socket_is_never_replaced(
    path: str, make: Callable[[Path], object]
) -> None:
    make(Path(path))
    with pytest.raises(ListenError, match=r"address already in use$"):
        await SYSTEM.listen(f"unix:{path}")
    assert exists(path)


async def test_the_file_of_another_server_is_left_alone_on_close(path: str) -> None:
    async with listening(f"unix:{path}") as (old,):
        remove(path)
        async with listening(f"unix:{path}"):
            await old.aclose()
            await (await SYSTEM.connect(f"unix:{path}")).aclose()
    assert not exists(path)


async def test_a_folder_that_is_missing_is_told(path: str) -> None:
    with pytest.raises(ListenError, match=r"no such file or directory$"):
        await SYSTEM.listen(f"unix:{path}/missing/s")
