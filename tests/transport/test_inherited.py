"""Listening sockets that a supervisor has passed on."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

import needs
from passing_on import passed_on
from trionet import ConnectError, ListenError, SocketStream, SystemNetwork, TCPAddress
from trionet.transport.inherited import (
    forget_inherited,
    inherited_addresses,
    inherited_descriptors,
)
from trionet.transport.network import SYSTEM

if TYPE_CHECKING:
    from tests.conftest import Certificates


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def address_of(sock: socket.socket) -> str:
    return f"127.0.0.1:{sock.getsockname()[1]}"


NOT_LISTENING = "it is not a listening stream socket: the unit needs ListenStream= and Accept=no"
OURS = str(os.getpid())


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, {}),
        ({"LISTEN_PID": OURS, "LISTEN_FDS": "0", "LISTEN_FDNAMES": ""}, {}),
        (
            {"LISTEN_PID": OURS, "LISTEN_FDS": "3", "LISTEN_FDNAMES": "a:b:a"},
            {"a": [7003, 7005], "b": [7004]},
        ),
        ({"LISTEN_PID": OURS, "LISTEN_FDS": "2"}, {"unknown": [7003, 7004]}),
        (
            {"LISTEN_PID": OURS, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a"},
            {"unknown": [7003, 7004]},
        ),
        (
            {"LISTEN_PID": OURS, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:"},
            {"a": [7003], "unknown": [7004]},
        ),
        ({"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "a"}, {}),
        ({"LISTEN_FDS": "1", "LISTEN_FDNAMES": "a"}, {}),
        *(
            ({"LISTEN_PID": OURS, "LISTEN_FDS": count}, {})
            for count in ("", "x", "-1", "1.0", "²", "99999", "9" * 5000)
        ),
    ],
)
def test_the_variables_say_which_sockets_are_there(
    variables: dict[str, str], found: dict[str, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trionet.transport.inherited._FIRST", 7003)
    assert inherited_descriptors(variables) == found


def test_no_child_gets_the_sockets(sock: socket.socket) -> None:
    with passed_on(chat=[sock]):
        [descriptor] = inherited_descriptors()["chat"]
        assert not os.get_inheritable(descriptor)
        forget_inherited()
        assert not [name for name in os.environ if name.startswith("LISTEN_")]
        assert inherited_addresses() == []


async def test_sockets_are_taken_by_their_name(sock: socket.socket) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as second,
        socket.create_server(("127.0.0.1", 0)) as other,
        passed_on(chat=[sock, second], other=[other]),
    ):
        assert inherited_addresses() == ["fd:chat", "fd:other"]
        listeners = await SYSTEM.listen("fd:chat")
        assert [one.address for one in listeners] == [address_of(sock), address_of(second)]
        for listener in listeners:
            await listener.aclose()


async def test_whoever_connects_after_the_end_waits_for_the_next_server(
    sock: socket.socket,
) -> None:
    with passed_on(chat=[sock]):
        [listener] = await SYSTEM.listen("fd:chat")
        await listener.aclose()
        with socket.create_connection(sock.getsockname()) as peer:
            peer.sendall(b"hello\n")
            [listener] = await SYSTEM.listen("fd:chat")
            stream = await listener.accept()
            assert await stream.receive_some() == b"hello\n"
            await stream.aclose()
            await listener.aclose()


async def test_the_file_of_an_inherited_unix_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
        with passed_on(chat=[sock]):
            [listener] = await SYSTEM.listen("fd:chat")
            assert listener.address == f"unix:{path}"
            await listener.aclose()
    assert await trio.Path(path).is_socket()


async def test_at_a_socket_for_both_families_an_ipv4_peer_has_its_own_address() -> None:
    if not socket.has_dualstack_ipv6():
        needs.lacking("there is no IPv6")
    both = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    with both, passed_on(chat=[both]):
        [listener] = await SYSTEM.listen("fd:chat")
        peer = await SYSTEM.connect(f"127.0.0.1:{both.getsockname()[1]}")
        async with peer, await listener.accept() as accepted:
            assert isinstance(accepted, SocketStream)
            assert isinstance(peer, SocketStream)
            host, port = peer._sock.getsockname()
            assert accepted.remote == TCPAddress(host, port)
            assert accepted.peer == f"{host}:{port}"
        await listener.aclose()


async def test_a_peer_that_vanishes_is_found(sock: socket.socket) -> None:
    with passed_on(chat=[sock]):
        [listener] = await SYSTEM.listen("fd:chat")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        await listener.aclose()


@pytest.mark.parametrize(
    ("address", "shown"),
    [("tls:fd:a", "tls:{}"), ("web:fd:a", "web:{}"), ("web:tls:fd:a", "web:tls:{}")],
)
async def test_tls_and_browsers_may_be_served_on_one(
    address: str, shown: str, sock: socket.socket, certificates: Certificates
) -> None:
    network = SystemNetwork(certificate=certificates.certificate, private_key=certificates.key)
    with passed_on(a=[sock]):
        [listener] = await network.listen(address)
        assert listener.address == shown.format(address_of(sock))
        assert network.reload() is ("tls" in address)
        assert listener.is_inherited  # type: ignore[attr-defined]
        await listener.aclose()


async def test_what_cannot_be_served_is_refused(sock: socket.socket, tmp_path: Path) -> None:
    refused = {
        "fd:b": "no inherited socket has this name: there are fd:a, fd:datagram, fd:bound, fd:file",
        "fd:datagram": NOT_LISTENING,
        "fd:bound": NOT_LISTENING,
        "web:fd:file": "TLS and browsers need TCP, and it is a Unix socket",
        "tls:fd:a": "TLS needs a certificate and its private key, and none was given",
    }
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram,
        socket.socket() as bound,
        socket.socket(socket.AF_UNIX) as file,
    ):
        bound.bind(("127.0.0.1", 0))
        file.bind(str(tmp_path / "s"))
        file.listen()
        with passed_on(a=[sock], datagram=[datagram], bound=[bound], file=[file]):
            for address, reason in refused.items():
                with pytest.raises(ListenError) as refusal:
                    await SYSTEM.listen(address)
                assert str(refusal.value) == f"cannot listen on {address}: {reason}"
    with pytest.raises(ListenError, match="the supervisor has passed on no socket"):
        await SYSTEM.listen("fd:a")


async def test_a_descriptor_that_is_no_socket_is_refused(sock: socket.socket) -> None:
    with passed_on(a=[sock]):
        [descriptor] = inherited_descriptors()["a"]
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, descriptor)
        os.close(null)
        with pytest.raises(ListenError, match=f"descriptor {descriptor} is not a socket"):
            await SYSTEM.listen("fd:a")


async def test_nobody_can_connect_to_a_name() -> None:
    with pytest.raises(ConnectError, match="an inherited socket is only for listening"):
        await SYSTEM.connect("fd:a")
