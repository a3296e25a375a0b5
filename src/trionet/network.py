"""Where listeners and streams come from: the system's network, or another with the same two calls.

`Network` is all that `trionet.serve` and the clients ask of a network, so that the same code runs
on `SYSTEM` and on `trionet.testing.MemoryNetwork`.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

import trio

from trionet.addresses import TCPAddress, UnixAddress, parse_address
from trionet.errors import ConnectError, ListenError
from trionet.sockets import SocketListener, SocketStream, local_address, remote_address

# What Linux allows by default since 5.4 (net.core.somaxconn); systems cut a larger one down.
DEFAULT_BACKLOG = 4096

# A free port of one family can be taken in the other. Each try has an independent chance.
_PORT_TRIES = 64

_NO_SUCH_FAMILY = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}


@runtime_checkable
class Listener(Protocol):
    """A ``trio.abc.Listener`` that knows its own address and can accept without waiting."""

    @property
    def address(self) -> str:
        """The address as it is to be shown, numeric, with the real port."""

    async def accept(self) -> trio.abc.Stream:
        """Wait for a connection and return it."""

    def accept_nowait(self) -> trio.abc.Stream:
        """Return a connection that waits already, or raise ``trio.WouldBlock``."""

    async def aclose(self) -> None:
        """Stop listening."""


class Network(Protocol):
    """A network to serve on and to connect over."""

    async def listen(self, address: str, *, backlog: int | None = None) -> Sequence[Listener]:
        """Listen on every address that `address` stands for.

        Raises:
            AddressError: `address` cannot be read.
            ListenError: it cannot be listened on.
        """

    async def connect(self, address: str) -> trio.abc.Stream:
        """Connect to the first address that answers.

        Raises:
            AddressError: `address` cannot be read.
            ConnectError: nobody answers there.
        """


class SystemNetwork:
    """TCP over IPv4 and IPv6, and Unix sockets."""

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
            ListenError: it cannot be listened on, such as a port in use.
        """
        where = parse_address(address)
        if backlog is None:
            backlog = DEFAULT_BACKLOG
        try:
            if isinstance(where, UnixAddress):
                return [await _listen_unix(where, backlog)]
            targets = await _resolve_to_listen(where)
            return _listen_together(targets, where.port, backlog)
        except (OSError, UnicodeError) as error:
            raise ListenError(f"cannot listen on {address}: {_reason(error)}") from error

    async def connect(self, address: str) -> SocketStream:
        """Connect to the first address that answers, both families tried (RFC 8305).

        Args:
            address: see `trionet.parse_address`; no host: localhost.

        Returns:
            The stream; the caller closes it.

        Raises:
            AddressError: `address` cannot be read.
            ConnectError: nobody answers there.

        Cancellation: leaves nothing behind.
        """
        where = parse_address(address)
        try:
            if isinstance(where, UnixAddress):
                trio_stream = await trio.open_unix_socket(where.path)
            else:
                trio_stream = await _open_tcp(where)
        except (OSError, UnicodeError) as error:
            raise ConnectError(f"cannot connect to {address}: {_reason(error)}") from error
        sock = socket.socket(fileno=trio_stream.socket.detach())
        try:
            return SocketStream(sock, peer=remote_address(sock))
        except OSError as error:
            # Reset between the handshake and the question who it is.
            sock.close()
            raise ConnectError(f"cannot connect to {address}: {_reason(error)}") from error


SYSTEM = SystemNetwork()


async def _open_tcp(where: TCPAddress) -> trio.SocketStream:
    """Connect over TCP; ``localhost`` is both families, whatever the resolver says."""
    if where.host not in ("", "localhost"):
        return await trio.open_tcp_stream(where.host, where.port)
    try:
        return await trio.open_tcp_stream("127.0.0.1", where.port)
    except OSError:
        return await trio.open_tcp_stream("::1", where.port)


_Target: TypeAlias = tuple[socket.AddressFamily, str]


async def _resolve_to_listen(where: TCPAddress) -> list[_Target]:
    """Return the families and numeric hosts that an address to listen on stands for.

    The two hosts that stand for both families are not left to the resolver: whether ``localhost``
    has an IPv6 address there differs from machine to machine.
    """
    if where.host == "localhost":
        return [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
    if not where.host:
        return [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]
    found = await trio.socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((family, str(address[0])) for family, *_, address in found))


def _listen_together(targets: Sequence[_Target], port: int, backlog: int) -> list[Listener]:
    """Listen on all targets with one port."""
    tries_left = 1 if port else _PORT_TRIES
    while True:
        tries_left -= 1
        try:
            socks = _bind_together(targets, port, backlog)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and tries_left:
                continue
            raise
        return [SocketListener(sock, address=local_address(sock)) for sock in socks]


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


def _bind(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # Without it a restarted server waits out the TIME_WAIT of its last connections. On
            # Windows the option means something else: two servers on one port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
    except BaseException:
        sock.close()
        raise
    return sock


async def _listen_unix(where: UnixAddress, backlog: int) -> SocketListener:
    """Listen on a Unix socket; a file that a dead server left is replaced, any other never."""
    if _is_socket(where.path) and not await _answers(where.path):
        _remove(where.path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(where.path)
        sock.listen(backlog)
        made = _identity(where.path)
    except BaseException:
        sock.close()
        raise
    return SocketListener(sock, address=str(where), on_close=partial(_remove_own, where.path, made))


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(Path(path).stat().st_mode)
    except OSError:
        return False


async def _answers(path: str) -> bool:
    try:
        await (await trio.open_unix_socket(path)).aclose()
    except ConnectionRefusedError:
        return False
    except OSError:
        # Such as one that this user may not connect to: somebody's, as far as can be told.
        return True
    return True


def _remove(path: str) -> None:
    Path(path).unlink(missing_ok=True)


def _identity(path: str) -> tuple[int, int]:
    status = Path(path).stat()
    return status.st_dev, status.st_ino


def _remove_own(path: str, made: tuple[int, int]) -> None:
    """Remove a socket file, unless another server has put its own there since."""
    with suppress(OSError):
        if _identity(path) == made:
            Path(path).unlink()


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
    return (error.strerror or str(error)).lower()
