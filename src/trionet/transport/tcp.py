"""Connect over TCP, and bind TCP sockets: several addresses on one port, with keep-alive."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Sequence
from typing import Any, TypeAlias

import trio

from trionet.errors import TrionetError
from trionet.transport.addresses import TCPAddress
from trionet.transport.socket_addresses import structured
from trionet.transport.sockets import SocketStream, adopt
from trionet.transport.tcp_user_timeout import HAS_PATIENCE, USER_TIMEOUT

# A port that is free in one family can be taken in the other. Each try has an independent chance.
_PORT_TRIES = 64

_NO_SUCH_FAMILY = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}

_Target: TypeAlias = tuple[socket.AddressFamily, str]

# With these the kernel finds a silently vanished peer within two minutes. While nothing is on its
# way to the peer, the kernel probes: first after a minute of silence, then every 15 seconds, and it
# gives up after the fourth probe. While something is on its way it does not probe but retransmits,
# on Linux for 15 minutes unless TCP_USER_TIMEOUT says otherwise. That time also limits the probes:
# the one after 105 seconds is the last.
_KEEP_ALIVE = (
    ("TCP_KEEPIDLE", 60),
    ("TCP_KEEPALIVE", 60),  # as macOS calls it
    ("TCP_KEEPINTVL", 15),
    ("TCP_KEEPCNT", 4),
    ("TCP_USER_TIMEOUT", USER_TIMEOUT),
)


class ListeningSocket(socket.socket):
    """A socket that tells its family and type as plain numbers.

    Python's own tells them as members of enums, which it looks up each time. ``accept`` asks for
    both and checks what they are, which takes 16,000 instructions, the thirtieth part of a login.
    """

    __slots__ = ()

    family = socket.SocketType.family  # type: ignore[assignment]
    type = socket.SocketType.type  # type: ignore[assignment]


async def connect_tcp(where: TCPAddress) -> SocketStream:
    """Connect over TCP. ``localhost`` means both families, whatever the resolver says.

    Args:
        where: the host and the port; no host: localhost.

    Returns:
        The stream; the caller closes it.

    Raises:
        OSError: the kernel's or the resolver's reason why not.
        UnicodeError: no resolver can be asked for such a name.
        TrionetError: the interface of a link-local address is missing, or there is none.

    Cancellation: leaves nothing behind.
    """
    stream = adopt(await _open(where), prepare=keep_alive)
    if HAS_PATIENCE:
        stream.be_patient()
    return stream


async def _open(where: TCPAddress) -> trio.SocketStream:
    _check_interface(where)
    if where.host not in ("", "localhost"):
        return await trio.open_tcp_stream(_with_interface_number(where.host), where.port)
    try:
        return await trio.open_tcp_stream("127.0.0.1", where.port)
    except OSError:
        return await trio.open_tcp_stream("::1", where.port)


async def bind_tcp(where: TCPAddress, backlog: int) -> list[socket.socket]:
    """Listen on every address that `where` stands for, with one port for all.

    Args:
        where: the host and the port; no host: all interfaces; port 0: a free one.
        backlog: connections that the kernel holds ready before they are accepted.

    Returns:
        One socket for each address; the caller closes them.

    Raises what `connect_tcp` does.

    Cancellation: leaves nothing behind.
    """
    return _listen_together(await _resolve_to_listen(where), where.port, backlog)


async def reserve_tcp(where: TCPAddress) -> list[socket.socket]:
    """Take the port of every address that `where` stands for, and share it by ``SO_REUSEPORT``.

    Nobody can connect to it until `share_tcp` has opened a socket that listens.

    Args:
        where: as for `bind_tcp`.

    Returns:
        One socket for each address. The port is taken until the caller closes them.

    Raises what `connect_tcp` does; a TrionetError also where the OS cannot share a port.

    Cancellation: leaves nothing behind.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise TrionetError("several processes cannot share a port on this system")
    socks = _listen_together(await _resolve_to_listen(where), where.port, None)
    for sock in socks:
        # Only now: bound with this option, it would join another program that shares its port.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return socks


def share_tcp(reserved: socket.socket, backlog: int) -> socket.socket:
    """Listen on the port that a socket of `reserve_tcp` has taken, beside others that do.

    The kernel divides the connections among all sockets that listen there.

    Args:
        reserved: the socket.
        backlog: as for `bind_tcp`.

    Returns:
        A socket that listens; the caller closes it.

    Raises:
        OSError: the kernel's reason why not.
    """
    sock = _new_socket(reserved.family)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(reserved.getsockname())
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


async def _resolve_to_listen(where: TCPAddress) -> list[_Target]:
    """Return the families and numeric hosts that an address to listen on stands for.

    The resolver is not asked about the two hosts that stand for both families: whether it has an
    IPv6 address for ``localhost`` differs from machine to machine.
    """
    if where.host == "localhost":
        return [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
    if not where.host:
        return [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]
    _check_interface(where)
    found = await trio.socket.getaddrinfo(
        _with_interface_number(where.host), where.port, type=socket.SOCK_STREAM
    )
    return list(dict.fromkeys((family, _host(address)) for family, *_, address in found))


def _host(address: Any) -> str:
    """Return the host in an address of the resolver, with its interface if it has one."""
    where = structured(address)
    assert isinstance(where, TCPAddress)
    return where.host


def _check_interface(where: TCPAddress) -> None:
    """Check the interface of a link-local address, because systems explain its lack badly.

    Raises:
        TrionetError: the address needs an interface, or this machine does not have the one it
            names.
    """
    host, percent, interface = where.host.partition("%")
    if percent:
        try:
            _interface_number(interface)
        except OSError:
            raise TrionetError(f"there is no network interface {interface!r}") from None
    elif ":" in host and ipaddress.IPv6Address(host).is_link_local:
        raise TrionetError(
            f"a link-local address needs its interface: [{host}%eth0]:{where.port}, if it is eth0"
        )


def _interface_number(interface: str) -> int:
    if interface.isascii() and interface.isdigit():
        return int(interface)
    return socket.if_nametoindex(interface)


def _with_interface_number(host: str) -> str:
    """Return a host with its interface, if it has one, as a number.

    Resolvers know the name of an interface with link-local addresses alone, and not in ``::1%lo``.
    """
    numeric, percent, interface = host.partition("%")
    return f"{numeric}%{_interface_number(interface)}" if percent else host


def _socket_address(family: socket.AddressFamily, host: str, port: int) -> tuple[Any, ...]:
    """Return a numeric host and a port as an address of the socket module."""
    numeric, percent, interface = host.partition("%")
    if family == socket.AF_INET6 and percent:
        return numeric, port, 0, _interface_number(interface)
    return host, port


def _listen_together(
    targets: Sequence[_Target], port: int, backlog: int | None
) -> list[socket.socket]:
    """Listen on all targets with one port; without a backlog, only bind."""
    tries_left = 1 if port else _PORT_TRIES
    while True:
        tries_left -= 1
        try:
            return _bind_together(targets, port, backlog)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not tries_left:
                raise


def _bind_together(
    targets: Sequence[_Target], port: int, backlog: int | None
) -> list[socket.socket]:
    """Try once. Leave out a family that the machine lacks, unless that leaves nothing."""
    socks: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for family, host in targets:
            try:
                socks.append(_bind(family, host, port))
            except OSError as error:
                if error.errno not in _NO_SUCH_FAMILY:
                    raise
                missing = error
            else:
                port = socks[-1].getsockname()[1]
        if missing is not None and not socks:
            raise missing
        if backlog is not None:
            for sock in socks:
                sock.listen(backlog)
    except BaseException:
        for sock in socks:
            sock.close()
        raise
    return socks


def _bind(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = _new_socket(family)
    try:
        sock.bind(_socket_address(family, host, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _new_socket(family: int) -> socket.socket:
    sock = ListeningSocket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # Without this, a restarted server waits out the TIME_WAIT of its last connections. On
            # Windows the option means something else: two servers on one port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        keep_alive(sock)
    except BaseException:
        sock.close()
        raise
    return sock


def keep_alive(sock: socket.socket) -> None:
    """Make the kernel find peers that vanished silently, where no deadline would.

    Connections inherit it from the socket that accepts them.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE:
        # An OS without one of these options decides for itself: usually two hours.
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
