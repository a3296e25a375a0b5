"""Listening sockets for several processes: a parent opens them, and its workers serve on them.

- A TCP port is shared by ``SO_REUSEPORT``: each worker has a socket of its own with a queue of its
  own, and the kernel divides the connections among them. The parent opens all of them, and holds
  each as long as its worker may be started again. So the queue of a worker that dies is not lost:
  its successor gets the same socket.
- Besides, the parent holds a socket that is bound and does not listen. So the port stays its own
  while no worker listens, and a port that the kernel picked stays the same.
- A Unix socket is one for all workers, because it has one file, and so is each socket that a
  supervisor has passed on. Whoever is free accepts.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trionet.argument_checks import check_backlog
from trionet.errors import ListenError, TrionetError
from trionet.transport.addresses import (
    Address,
    InheritedAddress,
    TCPAddress,
    TLSAddress,
    UnixAddress,
    WebAddress,
    parse_address,
)
from trionet.transport.inherited import open_inherited
from trionet.transport.listener import SocketListener
from trionet.transport.network import DEFAULT_BACKLOG, SystemNetwork, reason_of
from trionet.transport.socket_addresses import structured
from trionet.transport.tcp import reserve_tcp, share_tcp
from trionet.transport.unixsockets import listen_unix


@dataclass(frozen=True, slots=True)
class SharedAddress:
    """An address on which several processes serve; made by `share_address`.

    Attributes:
        address: the address.
        shown: the display addresses with the real port, one for each socket of a worker.
        backlog: connections that the kernel holds ready in each socket.
        reserved: sockets that hold the port, one for each display address.
        inherited: sockets that a supervisor has passed on.
        unix: the Unix socket, if it is one.
    """

    address: Address
    shown: tuple[str, ...]
    backlog: int
    reserved: Sequence[socket.socket] = ()
    inherited: Sequence[socket.socket] = ()
    unix: SocketListener | None = None

    def open(self) -> list[socket.socket]:
        """Return the listening sockets of one worker, which the caller closes.

        Raises:
            ListenError: they cannot be opened.
        """
        socks: list[socket.socket] = []
        try:
            if self.unix is not None:
                socks += [self.unix.duplicate()]
            for inherited in self.inherited:
                socks += [inherited.dup()]
            for reserved in self.reserved:
                socks += [share_tcp(reserved, self.backlog)]
        except OSError as error:
            for sock in socks:
                sock.close()
            raise ListenError(f"cannot listen on {self.address}: {reason_of(error)}") from error
        return socks

    async def aclose(self) -> None:
        """Let go of the address, and remove the file of a Unix socket.

        Workers go on with the sockets that they have. A checkpoint, but it closes at once even when
        cancelled.
        """
        for sock in (*self.reserved, *self.inherited):
            sock.close()
        if self.unix is not None:
            await self.unix.aclose()


async def share_address(
    address: str, *, backlog: int | None = None, unix_mode: int | None = None
) -> SharedAddress:
    """Take an address for several processes. Nobody can connect before one of them listens.

    Args:
        address: see `trionet.parse_address`; port 0: a free one, the same for all.
        backlog: connections that the kernel holds ready, for each process; default 4,096, or what
            the kernel allows.
        unix_mode: the permissions of Unix sockets; default: what the umask leaves.

    Raises:
        AddressError, ListenError, ValueError: as `trionet.SystemNetwork.listen`.

    Cancellation: leaves nothing behind.
    """
    where = parse_address(address)
    check_backlog(backlog)
    if backlog is None:
        backlog = DEFAULT_BACKLOG
    try:
        if isinstance(where, UnixAddress):
            unix = await listen_unix(where, backlog=backlog, mode=unix_mode)
            return SharedAddress(where, (unix.address,), backlog, unix=unix)
        if isinstance(where, InheritedAddress):
            inherited = open_inherited(where.name)
            at = tuple(f"{where.scheme}{structured(sock.getsockname())}" for sock in inherited)
            return SharedAddress(where, at, backlog, inherited=inherited)
        if not isinstance(where, TCPAddress | TLSAddress | WebAddress):
            # A kind of address that this file does not know.
            raise TrionetError("several processes cannot share it")
        reserved = await reserve_tcp(where if isinstance(where, TCPAddress) else where.tcp)
    except (OSError, UnicodeError) as error:
        raise ListenError(f"cannot listen on {address}: {reason_of(error)}") from error
    except TrionetError as error:
        raise ListenError(f"cannot listen on {address}: {error}") from error
    shown = tuple(str(_at(where, sock)) for sock in reserved)
    return SharedAddress(where, shown, backlog, reserved=reserved)


def _at(where: TCPAddress | TLSAddress | WebAddress, sock: socket.socket) -> Address:
    """Return an address with the numeric host and port of a socket."""
    if isinstance(where, WebAddress):
        below = _at(where.below, sock)
        assert isinstance(below, TCPAddress | TLSAddress)
        return WebAddress(below)
    if isinstance(where, TLSAddress):
        tcp = _at(where.tcp, sock)
        assert isinstance(tcp, TCPAddress)
        return TLSAddress(tcp)
    found = structured(sock.getsockname())
    assert isinstance(found, TCPAddress)
    return found


class WorkerNetwork(SystemNetwork):
    """The network of a worker: its parent has opened the sockets on which it listens.

    Args:
        opened: for each address the sockets of each time that it is listened on. `listen` takes
            them over. Closing one ends it for this process; a Unix socket's file is the parent's.
        settings: those of `trionet.SystemNetwork`.
    """

    def __init__(
        self, opened: Mapping[str, Sequence[Sequence[socket.socket]]], **settings: Any
    ) -> None:
        super().__init__(**settings)
        self._opened = {address: [*each] for address, each in opened.items()}

    async def _bind_unix(self, where: UnixAddress, backlog: int) -> SocketListener:  # noqa: ARG002
        (sock,) = self._take(where)
        return SocketListener(sock, is_shared=True)

    async def _bind(
        self,
        whole: Address,
        where: TCPAddress,  # noqa: ARG002
        backlog: int,  # noqa: ARG002
    ) -> Sequence[socket.socket]:
        return self._take(whole)

    def _inherit(self, where: InheritedAddress) -> Sequence[socket.socket]:
        return self._take(where)

    def _take(self, where: Address) -> Sequence[socket.socket]:
        try:
            return self._opened[str(where)].pop(0)
        except LookupError:
            # For example, a configuration file has changed since the parent read it.
            raise TrionetError("the parent process does not serve there") from None
