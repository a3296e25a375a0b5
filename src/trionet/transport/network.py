"""Where listeners and streams come from: the system's network, or another with the same two calls.

`Network` is all that `trionet.serve` and the clients ask of a network, so that the same code runs
on `SYSTEM` and on `trionet.testing.MemoryNetwork`.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import ssl
import weakref
from collections.abc import Sequence
from typing import Any, TypeAlias

import trio

from trionet.abc import Listener
from trionet.checks import check_backlog, check_file, check_unix_mode
from trionet.errors import ConnectError, ListenError, TrionetError, system_reason
from trionet.transport.addresses import TCPAddress, TLSAddress, UnixAddress, parse_address
from trionet.transport.certificates import File, client_context, server_context
from trionet.transport.listener import SocketListener
from trionet.transport.patience import HAS_PATIENCE, USER_TIMEOUT
from trionet.transport.socket_addresses import remote_address, structured
from trionet.transport.sockets import SocketStream
from trionet.transport.tls import REFUSAL, TLSListener, TLSStream
from trionet.transport.unixsockets import listen_unix, socket_name

# What Linux allows by default since 5.4 (net.core.somaxconn); systems cut a larger one down.
DEFAULT_BACKLOG = 4096

# A free port of one family can be taken in the other. Each try has an independent chance.
_PORT_TRIES = 64

# A server of plain text waits for a line while a TLS client waits for an answer: one of the two
# must give up. Long enough for several round trips around the world to a busy server.
_HANDSHAKE_SECONDS = 30

_NO_SUCH_FAMILY = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}


class SystemNetwork:
    """TCP over IPv4 and IPv6, in the clear or encrypted, and Unix sockets.

    Args:
        certificate: a PEM file with the certificate of ``tls:`` listeners, followed by those that
            lead to one that clients trust; read anew by each `listen` and by `reload`.
        private_key: a PEM file with its private key, not encrypted; default: it stands in
            `certificate` too.
        ca: a PEM file with the certificates that `connect` trusts, and no others; default: those
            that the system trusts. Read once, by the first ``tls:`` connection.
        unix_mode: the permissions of Unix sockets, such as 0o600; default: what the umask leaves.
            Whoever may write to one may connect.

    Raises:
        ValueError: `private_key` without `certificate`, or a `unix_mode` that is none.
        TypeError: a file that is no path, or a `unix_mode` that is no number.
    """

    def __init__(
        self,
        *,
        certificate: File | None = None,
        private_key: File | None = None,
        ca: File | None = None,
        unix_mode: int | None = None,
    ) -> None:
        if private_key is not None and certificate is None:
            raise ValueError("a private key needs its certificate")
        for name, file in (
            ("certificate", certificate), ("private_key", private_key), ("ca", ca)
        ):  # fmt: skip
            check_file(name, file)
        check_unix_mode(unix_mode)
        self._certificate = certificate
        self._private_key = private_key
        self._ca = ca
        self._unix_mode = unix_mode
        self._client_context: ssl.SSLContext | None = None
        # Listeners that are still in use, for `reload`; one that nobody holds any more drops out.
        self._tls_listeners: weakref.WeakSet[TLSListener] = weakref.WeakSet()

    def __repr__(self) -> str:
        given = {
            "certificate": self._certificate,
            "private_key": self._private_key,
            "ca": self._ca,
        }
        parts = [f"{name}={str(file)!r}" for name, file in given.items() if file is not None]
        if self._unix_mode is not None:
            parts.append(f"unix_mode=0o{self._unix_mode:o}")
        return f"SystemNetwork({', '.join(parts)})"

    async def listen(self, address: str, *, backlog: int | None = None) -> Sequence[Listener]:
        """Listen on every address that `address` stands for.

        Args:
            address: see `trionet.parse_address`; port 0: a free one, the same for all.
            backlog: connections that the system holds ready before they are accepted; default
                4,096 or what the system allows.

        Returns:
            One listener for each address; the caller closes them.

        Raises:
            AddressError: `address` cannot be read.
            ListenError: it cannot be listened on, such as a port in use, or a ``tls:`` address
                with no certificate or one that cannot be used.
            ValueError: `backlog` is out of bounds.
        """
        where = parse_address(address)
        check_backlog(backlog)
        if backlog is None:
            backlog = DEFAULT_BACKLOG
        try:
            if isinstance(where, UnixAddress):
                return [await listen_unix(where, backlog=backlog, mode=self._unix_mode)]
            if isinstance(where, TCPAddress):
                socks = await _bind_tcp(where, backlog)
                return [SocketListener(sock) for sock in socks]
            context = self._server_settings()
            listeners = [_listen_tls(sock, context) for sock in await _bind_tcp(where.tcp, backlog)]
            self._tls_listeners.update(listeners)
            return listeners
        except (OSError, UnicodeError) as error:
            raise ListenError(f"cannot listen on {address}: {_reason(error)}") from error
        except TrionetError as error:
            raise ListenError(f"cannot listen on {address}: {error}") from error

    def reload(self) -> bool:
        """Read certificate and private key anew, for the connections that come from now on.

        The ``tls:`` listeners of this network stay open, and connections that stand keep what they
        have. Never a checkpoint: it blocks while it reads the files.

        Returns:
            Whether there was anything to reload: no ``tls:`` listener, nothing to do.

        Raises:
            TrionetError: the new files cannot be used; the message says in one line which, and why.
                The listeners keep the certificate that they had.
        """
        listeners = [listener for listener in self._tls_listeners if not listener.closed]
        if not listeners:
            return False
        # Made whole before any listener has it, so that a bad file changes nothing.
        context = self._server_settings()
        for listener in listeners:
            listener.context = context
        return True

    async def connect(self, address: str) -> SocketStream | TLSStream:
        """Connect to the first address that answers, both families tried (RFC 8305).

        With a ``tls:`` address the handshake is made too: who answers has shown a certificate for
        the host of the address, and it leads to a trusted one.

        Args:
            address: see `trionet.parse_address`; no host: localhost.

        Returns:
            The stream; the caller closes it.

        Raises:
            AddressError: `address` cannot be read.
            ConnectError: nobody answers there, or not with a certificate that is good.

        Cancellation: leaves nothing behind.
        """
        where = parse_address(address)
        try:
            if isinstance(where, TLSAddress):
                context = self._client_settings()
                return await _secure(await _open(where.tcp), context, where.tcp.host)
            return await _open(where)
        except (OSError, UnicodeError) as error:
            raise ConnectError(f"cannot connect to {address}: {_reason(error)}") from error
        except (TrionetError, trio.BrokenResourceError) as error:
            raise ConnectError(f"cannot connect to {address}: {error}") from error

    def _server_settings(self) -> ssl.SSLContext:
        if self._certificate is None:
            raise TrionetError("TLS needs a certificate and its private key, and none was given")
        return server_context(self._certificate, self._private_key)

    def _client_settings(self) -> ssl.SSLContext:
        if self._client_context is None:
            self._client_context = client_context(self._ca)
        return self._client_context


SYSTEM = SystemNetwork()


async def _open(where: TCPAddress | UnixAddress) -> SocketStream:
    if isinstance(where, UnixAddress):
        trio_stream = await trio.open_unix_socket(socket_name(where))
    else:
        trio_stream = await _open_tcp(where)
    sock = socket.socket(fileno=trio_stream.socket.detach())
    try:
        if isinstance(where, TCPAddress):
            _keep_alive(sock)
        remote = structured(sock.getpeername())
        stream = SocketStream(sock, peer=remote_address(sock), remote=remote)
        if HAS_PATIENCE and isinstance(where, TCPAddress):
            stream.be_patient()
        return stream
    except BaseException:
        # Such as one that was reset before it could be asked who it is.
        sock.close()
        raise


def _listen_tls(sock: socket.socket, context: ssl.SSLContext) -> TLSListener:
    transport = SocketListener(sock, refusal=REFUSAL)
    return TLSListener(transport, context)


async def _secure(transport: SocketStream, context: ssl.SSLContext, host: str) -> TLSStream:
    """Make the handshake with a server that must be `host`."""
    # Neither the scope of a link-local address nor the dot of a full name is in a certificate.
    name = host.partition("%")[0].removesuffix(".") or "localhost"
    try:
        stream = TLSStream(transport, context, server_hostname=name)
        with trio.move_on_after(_HANDSHAKE_SECONDS) as handshake:
            await stream.do_handshake()
        if handshake.cancelled_caught:
            raise TrionetError(f"no TLS handshake within {_HANDSHAKE_SECONDS} seconds")
    except BaseException:
        transport.close()
        raise
    return stream


async def _open_tcp(where: TCPAddress) -> trio.SocketStream:
    """Connect over TCP; ``localhost`` is both families, whatever the resolver says."""
    _check_interface(where)
    if where.host not in ("", "localhost"):
        return await trio.open_tcp_stream(_with_interface_number(where.host), where.port)
    try:
        return await trio.open_tcp_stream("127.0.0.1", where.port)
    except OSError:
        return await trio.open_tcp_stream("::1", where.port)


_Target: TypeAlias = tuple[socket.AddressFamily, str]


async def _bind_tcp(where: TCPAddress, backlog: int) -> list[socket.socket]:
    return _listen_together(await _resolve_to_listen(where), where.port, backlog)


async def _resolve_to_listen(where: TCPAddress) -> list[_Target]:
    """Return the families and numeric hosts that an address to listen on stands for.

    The two hosts that stand for both families are not left to the resolver: whether ``localhost``
    has an IPv6 address there differs from machine to machine.
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
    """Return the host of what the resolver calls an address, with its interface if it has one."""
    where = structured(address)
    assert isinstance(where, TCPAddress)
    return where.host


def _check_interface(where: TCPAddress) -> None:
    """Tell what is wrong with a link-local address, for which systems have few words.

    Raises:
        TrionetError: it has no interface, or one that this machine has not.
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

    The name of one is known to resolvers with link-local addresses alone: ``::1%lo`` is not.
    """
    numeric, percent, interface = host.partition("%")
    return f"{numeric}%{_interface_number(interface)}" if percent else host


def _socket_address(family: socket.AddressFamily, host: str, port: int) -> tuple[Any, ...]:
    """Return what the socket module calls a numeric host and a port."""
    numeric, percent, interface = host.partition("%")
    if family == socket.AF_INET6 and percent:
        return numeric, port, 0, _interface_number(interface)
    return host, port


def _listen_together(targets: Sequence[_Target], port: int, backlog: int) -> list[socket.socket]:
    """Listen on all targets with one port."""
    tries_left = 1 if port else _PORT_TRIES
    while True:
        tries_left -= 1
        try:
            return _bind_together(targets, port, backlog)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not tries_left:
                raise


def _bind_together(targets: Sequence[_Target], port: int, backlog: int) -> list[socket.socket]:
    """Try once; a family that the machine lacks is left out, unless that leaves nothing."""
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
        for sock in socks:
            sock.listen(backlog)
    except BaseException:
        for sock in socks:
            sock.close()
        raise
    return socks


# What a kernel is to do to find, within two minutes, a peer that vanished without a word. Where
# nothing is on its way to the peer it asks: first after a minute of silence, then each 15 seconds,
# and gives up after the fourth. Where something is on its way it does not ask but repeats, on Linux
# for 15 minutes unless it is told otherwise. That time also stands in for the number of questions:
# the one after 105 seconds is the last.
_KEEP_ALIVE = (
    ("TCP_KEEPIDLE", 60),
    ("TCP_KEEPALIVE", 60),  # as macOS calls it
    ("TCP_KEEPINTVL", 15),
    ("TCP_KEEPCNT", 4),
    ("TCP_USER_TIMEOUT", USER_TIMEOUT),
)


def _keep_alive(sock: socket.socket) -> None:
    """Have the kernel find peers that vanished without a word, where no deadline would.

    Connections inherit it from the socket that accepts them.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE:
        # What a system does not have it decides itself: commonly two hours.
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _bind(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # Without it a restarted server waits out the TIME_WAIT of its last connections. On
            # Windows the option means something else: two servers on one port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _keep_alive(sock)
        sock.bind(_socket_address(family, host, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _reason(error: OSError | UnicodeError) -> str:
    """Return the system's reason in its own words, also for an error that gathers several."""
    if isinstance(error, UnicodeError):
        # What no resolver or file system can be asked for: a host name with an empty or over-long
        # part, or with characters that none may have; a path with half of a surrogate pair.
        return "not a valid name"
    causes = error.__cause__
    while isinstance(causes, BaseExceptionGroup):
        causes = causes.exceptions[-1]
    if isinstance(causes, OSError):
        error = causes
    # Trio puts the address in front of the system's words, and it is told already. The numbers of
    # name look-ups are not the system's: some systems have them negative, others not.
    if error.errno is not None and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno).lower()
    return system_reason(error)
