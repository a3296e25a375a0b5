"""Listening and connecting on the real network: families, ports, TLS, and what goes wrong."""

from __future__ import annotations

import datetime
import errno
import ipaddress
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import trio
import trio.testing

from listening import listening
from socket_pairs import local_address
from trionet.abc import Listener
from trionet.errors import AddressError, ConnectError, ListenError, TrionetError
from trionet.testing import MemoryNetwork
from trionet.transport import tcp
from trionet.transport.addresses import TCPAddress, TLSAddress, parse_address
from trionet.transport.network import DEFAULT_BACKLOG, SYSTEM, SystemNetwork
from trionet.transport.socket_addresses import structured
from trionet.transport.sockets import SocketStream, adopt
from trionet.transport.tls import TLSStream

if TYPE_CHECKING:
    from tests.conftest import Certificates


def port_of(address: str) -> int:
    where = parse_address(address)
    assert isinstance(where, TCPAddress)
    return where.port


@pytest.fixture
def port_in_use() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of both families on which nobody listens, or can listen while the test runs."""
    while True:
        with socket.socket(socket.AF_INET) as four, socket.socket(socket.AF_INET6) as six:
            four.bind(("127.0.0.1", 0))
            with suppress(OSError):
                six.bind(("::1", four.getsockname()[1]))
            if six.getsockname()[1]:
                yield four.getsockname()[1]
                return


class Resolver(trio.abc.HostnameResolver):
    """Resolves names without asking a name server."""

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


@pytest.mark.parametrize("host", ["LOCALHOST", "localhost.", "LocalHost."])
async def test_localhost_is_both_families_however_it_is_written(host: str) -> None:
    async with listening(f"{host}:0") as listeners:
        port = port_of(listeners[0].address)
        assert [one.address for one in listeners] == [f"127.0.0.1:{port}", f"[::1]:{port}"]
        await (await SYSTEM.connect(f"{host}:{port}")).aclose()


async def test_an_ipv4_address_written_as_ipv6_works_for_both_sides() -> None:
    async with listening("[::ffff:127.0.0.1]:0") as (listener,):
        port = port_of(listener.address)
        assert listener.address == f"127.0.0.1:{port}"
        async with await SYSTEM.connect(f"[::ffff:127.0.0.1]:{port}") as client:
            assert client.peer == listener.address


@pytest.mark.skipif(not hasattr(socket, "if_nameindex"), reason="no names of interfaces")
async def test_the_interface_of_an_address_that_needs_none_may_be_named() -> None:
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    async with listening(f"[::1%{loopback}]:0") as (listener,):
        port = port_of(listener.address)
        assert listener.address == f"[::1]:{port}"
        async with await SYSTEM.connect(f"[::1%{loopback}]:{port}") as client:
            assert client.peer == listener.address


def link_local() -> str | None:
    """A link-local address of this machine, with its interface."""
    with suppress(OSError):
        for line in Path("/proc/net/if_inet6").read_text().splitlines():
            number, *_, interface = line.split()
            if number.startswith("fe80"):
                return f"{ipaddress.IPv6Address(int(number, 16))}%{interface}"
    return None


@pytest.mark.skipif(link_local() is None, reason="this machine has no link-local address")
async def test_a_link_local_address_works_and_is_shown_with_its_interface() -> None:
    host = link_local()
    async with listening(f"[{host}]:0") as (listener,):
        assert listener.address == f"[{host}]:{port_of(listener.address)}"
        async with await SYSTEM.connect(listener.address) as client:
            assert client.peer == listener.address
            async with await listener.accept() as accepted:
                assert isinstance(accepted, SocketStream)
                assert accepted.peer.startswith(f"[{host}]:")
                assert accepted.remote == parse_address(accepted.peer)
                assert local_address(client._sock) == accepted.peer  # type: ignore[union-attr]


def test_an_interface_is_part_of_the_bound_address() -> None:
    bound = tcp._socket_address(socket.AF_INET6, "fe80::1%7", 80)
    assert bound == ("fe80::1", 80, 0, 7)
    (number, name) = socket.if_nameindex()[0]
    bound = tcp._socket_address(socket.AF_INET6, f"fe80::1%{name}", 80)
    assert bound == ("fe80::1", 80, 0, number)
    assert str(structured(bound)) == f"[fe80::1%{name}]:80"
    assert tcp._socket_address(socket.AF_INET6, "::1", 80) == ("::1", 80)


def test_an_interface_that_is_gone_is_shown_by_its_number() -> None:
    assert str(structured(("fe80::1", 80, 0, 1 << 30))) == f"[fe80::1%{1 << 30}]:80"


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("fe80::1%nowhere0", "there is no network interface 'nowhere0'"),
        ("fe80::1", r"a link-local address needs its interface: \[fe80::1%eth0\]:7000, if .*"),
    ],
)
async def test_a_link_local_address_without_a_good_interface_is_an_error(
    host: str, why: str
) -> None:
    with pytest.raises(ListenError, match=rf"^cannot listen on \[{host}\]:7000: {why}$"):
        await SYSTEM.listen(f"[{host}]:7000")
    with pytest.raises(ConnectError, match=rf"^cannot connect to \[{host}\]:7000: {why}$"):
        await SYSTEM.connect(f"[{host}]:7000")


def test_all_interfaces_of_ipv6_leave_those_of_ipv4_alone() -> None:
    # It only binds: tests listen on loopback and nowhere else.
    with tcp._bind(socket.AF_INET6, "::", 0) as sock:
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


async def test_without_a_host_it_is_all_interfaces_of_both_families() -> None:
    # It only resolves: tests listen on loopback and nowhere else.
    targets = await tcp._resolve_to_listen(TCPAddress("", 0))
    assert targets == [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]


async def test_an_address_that_the_resolver_returns_twice_is_used_once() -> None:
    trio.socket.set_custom_hostname_resolver(Resolver())
    async with listening("twice.example:0") as listeners:
        assert [one.address.rpartition(":")[0] for one in listeners] == ["127.0.0.1"]


async def test_if_a_port_is_taken_in_the_other_family_another_port_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bind = tcp._bind
    taken: list[socket.socket] = []

    def collide_three_times(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
        if family == socket.AF_INET6 and len(taken) < 3:
            taken.append(socket.create_server((host, port), family=family))
        return bind(family, host, port)

    monkeypatch.setattr(tcp, "_bind", collide_three_times)
    async with listening("localhost:0") as listeners:
        ports = {port_of(one.address) for one in listeners}
        assert len(listeners) == 2
        assert len(ports) == 1
        assert len(taken) == 3
        assert not ports & {one.getsockname()[1] for one in taken}
    for one in taken:
        one.close()


async def test_endless_collisions_end_in_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries = 0

    def never(*_: object) -> NoReturn:
        nonlocal tries
        tries += 1
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))

    monkeypatch.setattr(tcp, "_bind", never)
    with pytest.raises(ListenError, match="address already in use"):
        await SYSTEM.listen("localhost:0")
    assert tries == 64


async def test_a_port_in_use_is_an_error_of_one_line_and_not_tried_again(port_in_use: int) -> None:
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
    bind = tcp._bind

    def without_ipv6(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(reason, os.strerror(reason))
        return bind(family, host, port)

    monkeypatch.setattr(tcp, "_bind", without_ipv6)
    async with listening("localhost:0") as listeners:
        assert [one.address.rpartition(":")[0] for one in listeners] == ["127.0.0.1"]
    with pytest.raises(ListenError):
        await SYSTEM.listen("[::1]:0")


async def test_a_port_is_free_again_as_soon_as_its_server_is_closed() -> None:
    async with listening("127.0.0.1:0") as (listener,):
        client = await SYSTEM.connect(listener.address)
        # The side that closes first keeps the port in TIME_WAIT.
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
async def test_an_address_that_leads_nowhere_is_an_error_of_one_line(address: str) -> None:
    trio.socket.set_custom_hostname_resolver(Resolver())
    with pytest.raises(ListenError, match=r"^cannot listen on ") as no_listener:
        await SYSTEM.listen(address)
    with pytest.raises(ConnectError, match=r"^cannot connect to ") as no_stream:
        await SYSTEM.connect(address)
    for error in (no_listener.value, no_stream.value):
        assert address in str(error)
        assert len(str(error).splitlines()) == 1


async def test_an_unknown_name_is_an_error_in_the_resolvers_words() -> None:
    trio.socket.set_custom_hostname_resolver(Resolver())
    with pytest.raises(ListenError, match=r"name or service not known$"):
        await SYSTEM.listen("nowhere.example:80")
    with pytest.raises(ConnectError, match=r"name or service not known$"):
        await SYSTEM.connect("nowhere.example:80")


async def test_an_unreadable_address_is_an_address_error_on_both_sides() -> None:
    with pytest.raises(AddressError):
        await SYSTEM.listen("nowhere")
    with pytest.raises(AddressError):
        await SYSTEM.connect("nowhere")


# --- connect ---


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", ""])
async def test_a_refused_connection_is_an_error_of_one_line_as_in_memory(
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


async def test_a_connection_that_is_reset_before_its_address_is_known_is_a_connect_error(
    monkeypatch: pytest.MonkeyPatch, port_in_use: int
) -> None:
    def gone(_address: object) -> NoReturn:
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    monkeypatch.setattr(tcp, "adopt", partial(adopt, address_of=gone))
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


# --- TLS ---


def options(certificates: Certificates) -> dict[str, Any]:
    return {"certificate": certificates.certificate, "private_key": certificates.key}


@asynccontextmanager
async def serving_tls(address: str, **settings: Any) -> AsyncIterator[str]:
    """Make the handshake with each client, and say hello."""

    async def serve(listener: Listener) -> None:
        async with trio.open_nursery() as handlers:
            while True:
                handlers.start_soon(greet, await listener.accept())

    async def greet(stream: trio.abc.Stream) -> None:
        async with stream:
            with suppress(trio.BrokenResourceError):
                await stream.send_all(b"hello")

    listeners = await SystemNetwork(**settings).listen(address)
    async with trio.open_nursery() as nursery:
        for listener in listeners:
            nursery.start_soon(serve, listener)
        yield listeners[0].address
        nursery.cancel_scope.cancel()
    for listener in listeners:
        await listener.aclose()


async def why_not(address: str, ca: Path) -> str:
    with pytest.raises(ConnectError) as refusal:
        await SystemNetwork(ca=ca).connect(address)
    told = str(refusal.value)
    assert len(told.splitlines()) == 1
    return told.removeprefix(f"cannot connect to {address}: ")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
async def test_clients_can_connect_to_the_address_that_a_tls_listener_shows(
    certificates: Certificates, host: str
) -> None:
    network = SystemNetwork(ca=certificates.ca)
    async with serving_tls(f"tls:{host}:0", **options(certificates)) as address:
        where = parse_address(address)
        assert isinstance(where, TLSAddress)
        assert where.tcp.port > 0
        assert str(where) == address
        names = [address]
        if host == "localhost":
            names += [f"tls:localhost:{where.tcp.port}", f"tls::{where.tcp.port}"]
        for name in names:
            async with await network.connect(name) as client:
                assert client.peer == str(where.tcp)
                assert await client.receive_some() == b"hello"
                assert await client.receive_some() == b""


async def test_a_certificate_of_somebody_else_is_an_error(certificates: Certificates) -> None:
    async with serving_tls("tls:localhost:0", **options(certificates)) as address:
        with pytest.raises(ConnectError) as refusal:
            await SYSTEM.connect(address)
        assert str(refusal.value).startswith(
            f"cannot connect to {address}: certificate verify failed: "
        )


async def test_a_certificate_for_another_name_is_an_error(certificates: Certificates) -> None:
    certificate, key = certificates.issue("other.example")
    async with serving_tls("tls:localhost:0", certificate=certificate, private_key=key) as address:
        assert await why_not(address, certificates.ca) == (
            "certificate verify failed: IP address mismatch, "
            "certificate is not valid for '127.0.0.1'"
        )
        by_name = address.replace("127.0.0.1", "localhost")
        assert await why_not(by_name, certificates.ca) == (
            "certificate verify failed: Hostname mismatch, certificate is not valid for 'localhost'"
        )


async def test_an_expired_certificate_is_an_error(certificates: Certificates) -> None:
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    certificate, key = certificates.issue("127.0.0.1", not_after=past)
    async with serving_tls("tls:127.0.0.1:0", certificate=certificate, private_key=key) as address:
        assert await why_not(address, certificates.ca) == (
            "certificate verify failed: certificate has expired"
        )


@pytest.mark.parametrize("says", [b"error: server is full\n", b""])
async def test_a_plain_text_server_is_an_error(certificates: Certificates, says: bytes) -> None:
    async with listening("127.0.0.1:0") as (listener,), trio.open_nursery() as nursery:

        @nursery.start_soon
        async def serve() -> None:
            async with await listener.accept() as stream:
                await stream.receive_some()
                await stream.send_all(says)

        told = await why_not(f"tls:{listener.address}", certificates.ca)
    assert told == (
        "the other side does not speak TLS"
        if says
        else "the other side ended the connection in the TLS handshake"
    )


async def test_a_client_does_not_wait_forever_for_a_silent_server(
    certificates: Certificates, port_in_use: int, autojump_clock: trio.testing.MockClock
) -> None:
    told = await why_not(f"tls:127.0.0.1:{port_in_use}", certificates.ca)
    assert told == "no TLS handshake within 30 seconds"
    assert trio.current_time() == pytest.approx(30)


async def test_a_cancelled_handshake_leaves_no_connection_behind(
    certificates: Certificates,
) -> None:
    async with listening("127.0.0.1:0") as (listener,), trio.open_nursery() as nursery:
        network = SystemNetwork(ca=certificates.ca)
        nursery.start_soon(network.connect, f"tls:{listener.address}")
        async with await listener.accept() as accepted:
            assert await accepted.receive_some()
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                assert await accepted.receive_some() == b""


async def test_listening_with_tls_needs_a_certificate(port_in_use: int) -> None:
    # This error comes first: the port, which is in use, was not tried.
    with pytest.raises(ListenError) as refusal:
        await SYSTEM.listen(f"tls:127.0.0.1:{port_in_use}")
    assert str(refusal.value) == (
        f"cannot listen on tls:127.0.0.1:{port_in_use}: "
        "TLS needs a certificate and its private key, and none was given"
    )


async def test_a_port_in_use_is_an_error_with_tls_too(
    certificates: Certificates, port_in_use: int
) -> None:
    with pytest.raises(ListenError, match=r"^cannot listen on tls:.*: address already in use$"):
        await SystemNetwork(**options(certificates)).listen(f"tls:127.0.0.1:{port_in_use}")


async def test_unusable_files_are_an_error_of_one_line(
    certificates: Certificates, tmp_path: Path
) -> None:
    missing = tmp_path / "missing.pem"
    with pytest.raises(ListenError) as no_listener:
        await SystemNetwork(certificate=missing).listen("tls:127.0.0.1:0")
    told = f"127.0.0.1:0: {missing}: no such file or directory"
    assert str(no_listener.value) == f"cannot listen on tls:{told}"
    assert await why_not("tls:127.0.0.1:0", missing) == f"{missing}: no such file or directory"


async def test_the_next_listener_reads_a_renewed_certificate(
    certificates: Certificates, tmp_path: Path
) -> None:
    file = tmp_path / "renewed.pem"
    network = SystemNetwork(certificate=file)
    with pytest.raises(ListenError):
        await network.listen("tls:127.0.0.1:0")
    file.write_bytes(certificates.certificate.read_bytes() + certificates.key.read_bytes())
    (listener,) = await network.listen("tls:127.0.0.1:0")
    await listener.aclose()


# --- reload ---


async def served_by(network: SystemNetwork, listener: Listener, ca: Path) -> bytes | None:
    """Return the certificate that a listener shows to a new client, in DER."""
    shown: bytes | None = None

    async def accept() -> None:
        async with await listener.accept() as accepted:
            assert isinstance(accepted, TLSStream)
            await accepted.do_handshake()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept)
        async with await SystemNetwork(ca=ca).connect(listener.address) as client:
            assert isinstance(client, TLSStream)
            shown = client._engine._ssl.getpeercert(binary_form=True)
    return shown


def write_pair(certificates: Certificates, file: Path) -> bytes:
    """Write a new certificate with its key, and return what a client sees of it, in DER."""
    certificate, key = certificates.issue("127.0.0.1")
    pem = certificate.read_text()
    file.write_text(pem + key.read_text())
    first = pem[: pem.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n"
    return ssl.PEM_cert_to_DER_cert(first)


async def test_a_reload_gives_new_connections_the_new_certificate(
    certificates: Certificates, tmp_path: Path
) -> None:
    file = tmp_path / "pair.pem"
    old = write_pair(certificates, file)
    network = SystemNetwork(certificate=file)
    async with listening("tls:127.0.0.1:0", network=network) as (listener,):
        assert await served_by(network, listener, certificates.ca) == old
        new = write_pair(certificates, file)
        assert await served_by(network, listener, certificates.ca) == old
        assert network.reload() is True
        assert await served_by(network, listener, certificates.ca) == new


@pytest.mark.parametrize("spoil", ["missing", "no PEM", "key of another"])
async def test_a_reload_of_unusable_files_keeps_the_old_certificate(
    certificates: Certificates, tmp_path: Path, spoil: str
) -> None:
    file = tmp_path / "pair.pem"
    old = write_pair(certificates, file)
    network = SystemNetwork(certificate=file)
    async with listening("tls:127.0.0.1:0", network=network) as (listener,):
        if spoil == "missing":
            file.unlink()
        elif spoil == "no PEM":
            file.write_text("half a file")
        else:
            other, _ = certificates.issue("127.0.0.1")
            _, key = certificates.issue("127.0.0.1")
            file.write_text(other.read_text() + key.read_text())
        with pytest.raises(TrionetError) as refusal:
            network.reload()
        assert str(refusal.value).startswith(f"{file}: ")
        assert len(str(refusal.value).splitlines()) == 1
        assert await served_by(network, listener, certificates.ca) == old


async def test_without_a_tls_listener_there_is_nothing_to_reload(
    certificates: Certificates,
) -> None:
    assert SYSTEM.reload() is False
    network = SystemNetwork(**options(certificates))
    async with listening("127.0.0.1:0", network=network):
        assert network.reload() is False
    async with listening("tls:127.0.0.1:0", network=network):
        assert network.reload() is True
    assert network.reload() is False


def test_a_private_key_without_its_certificate_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="certificate"):
        SystemNetwork(private_key="key.pem")


async def test_a_memory_network_has_no_tls_and_says_so() -> None:
    with pytest.raises(ListenError, match="in memory has no TLS"):
        await MemoryNetwork().listen("tls:localhost:0")
    with pytest.raises(ConnectError, match="in memory has no TLS"):
        await MemoryNetwork().connect("tls:localhost:1")


async def test_keep_alive_finds_vanished_peers() -> None:
    async with listening("127.0.0.1:0") as (listener,), await SYSTEM.connect(listener.address):
        accepted = await listener.accept()
        assert isinstance(accepted, SocketStream)
        async with accepted:
            sock = accepted._sock
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            if hasattr(socket, "TCP_KEEPIDLE"):
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="there is no such option")
@pytest.mark.parametrize("scheme", ["", "tls:"])
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_both_sides_find_a_vanished_peer_within_two_minutes_whatever_is_on_its_way(
    certificates: Certificates, scheme: str, host: str
) -> None:
    network = SystemNetwork(**options(certificates), ca=certificates.ca)
    async with (
        listening(f"{scheme}{host}:0", network=network) as (listener,),
        trio.open_nursery() as nursery,
    ):

        @nursery.start_soon
        async def accept() -> None:
            async with await listener.accept() as accepted:
                check(accepted)
                if isinstance(accepted, TLSStream):
                    await accepted.do_handshake()

        def check(stream: object) -> None:
            if isinstance(stream, TLSStream):
                stream = stream._transport
            assert isinstance(stream, SocketStream)
            get = stream._sock.getsockopt
            assert get(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            idle, gap, count = (
                get(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
            assert idle + gap * count <= 120
            timeout = get(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            # The kernel compares at each probe.
            assert 60 <= timeout / 1000 < idle + gap * (count - 1) < 120

        async with await network.connect(listener.address) as client:
            check(client)
