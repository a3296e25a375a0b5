"""A listening socket that survives running out of file descriptors.

When the process has no descriptor left, `SocketListener` gives up one that it holds in reserve,
accepts, says why it refuses, closes, and takes the reserve back. So clients get an answer, and
accepting never spins on a socket that stays readable.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import trio

from trionet.argument_checks import check_flag, check_kind, shown
from trionet.function_checks import check_callback
from trionet.text.safe import safe_text
from trionet.transport import kernel
from trionet.transport.addresses import RemoteAddress
from trionet.transport.proxied import ProxiedStream, Proxies
from trionet.transport.socket_addresses import structured
from trionet.transport.sockets import RECEIVE_SIZE, SocketStream

# accept() reports errors of the connection that it would have returned (Linux: accept(2), "Error
# handling"). That connection is gone; the next one is not affected.
_GONE_BEFORE_ACCEPT = {
    getattr(errno, name)
    for name in (
        "ECONNABORTED", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH", "ENONET",
        "ENOPROTOOPT", "EOPNOTSUPP", "EPERM", "EPROTO", "ETIMEDOUT",
    )
    if hasattr(errno, name)
}  # fmt: skip

# The process, or the whole system, has no descriptor left. The reserve is one.
_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE}

# The kernel has no memory left, and refusing somebody would not free any.
_NO_RESOURCES = {errno.ENOBUFS, errno.ENOMEM}

# How long a listener pauses when the kernel is out of something that a refusal does not free.
# Nobody notices a tenth of a second, and ten tries a second cost nothing.
_PAUSE_SECONDS = 0.1

logger = logging.getLogger("trionet.transport")


class SocketListener(trio.abc.Listener[SocketStream]):
    """A listening socket.

    Args:
        sock: a listening stream socket; the listener makes it non-blocking and closes it.
        address: its own display address; default: the address that it is bound to.
        address_of: turns an address of the socket module into a value, for a family of sockets that
            `structured` does not know; ``None``: there is no address. Default: `structured`, which
            knows TCP and Unix sockets.
        on_close: called once, just before the socket is closed; default ``None``.
        refusal: what a connection is sent when there is no descriptor for it; default
            ``error: server is full``.
        is_inherited: whether somebody else goes on holding the socket, such as the supervisor that
            opened it; see `trionet.abc.OutlivesServer`. Default: no.
        is_shared: whether other processes accept from the same queue, as from a Unix socket. A
            server that can serve nobody leaves its connections to them. Default: no.
        proxies: whose connections begin with a header that says for whom they are; default:
            nobody's.

    Raises:
        TypeError: `sock` is something else, such as a socket of Trio's.

    Resource handling: `aclose` closes the socket; whoever made the listener calls it.
    """

    __slots__ = (
        "_address_of",
        "_hands_on",
        "_on_close",
        "_out_of_descriptors",
        "_own",
        "_proxies",
        "_reserve",
        "_sock",
        "address",
        "is_inherited",
        "is_shared",
        "refusal",
    )

    def __init__(
        self,
        sock: socket.socket,
        *,
        address: str | None = None,
        address_of: Callable[[Any], RemoteAddress | None] = structured,
        on_close: Callable[[], None] | None = None,
        refusal: bytes = b"error: server is full\n",
        is_inherited: bool = False,
        is_shared: bool = False,
        proxies: Proxies | None = None,
    ) -> None:
        if not isinstance(sock, socket.socket):
            raise TypeError(f"sock must be a listening socket.socket, not {shown(sock)}")
        if address is not None:
            check_kind("address", address, str)
        check_callback("address_of", address_of, optional=False)
        check_callback("on_close", on_close, arguments=0)
        check_kind("refusal", refusal, bytes)
        check_flag("is_inherited", is_inherited)
        check_flag("is_shared", is_shared)
        self.is_inherited = is_inherited
        self.is_shared = is_shared
        sock.setblocking(False)
        self._sock = sock
        # Whether a new connection has TCP_NODELAY from the listening socket, as on Linux; ``None``:
        # the first one will show it. Asking each for its family and setting the option would take
        # 8 µs, of the 250 that it takes to join a chat.
        self._hands_on: bool | None = False
        if kernel.is_tcp(sock):
            with suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._hands_on = None
        self._on_close = on_close
        self.refusal = refusal
        if proxies is not None:
            check_kind("proxies", proxies, Proxies)
        self._proxies = proxies or None
        self._out_of_descriptors = False
        self._reserve = _open_reserve()
        # Stands in for the address of a peer that has none.
        self._address_of = address_of
        self._own = address_of(sock.getsockname())
        self.address = str(self._own or "") if address is None else address

    @property
    def closed(self) -> bool:
        """Whether the listener was closed."""
        return self._sock.fileno() < 0

    def __repr__(self) -> str:
        state = ": closed" if self._sock.fileno() < 0 else ""
        return f"<{type(self).__name__} on {self.address}{state}>"

    async def accept(self) -> SocketStream:
        """Wait for a connection and return it.

        Skips errors that belong to one connection. When out of descriptors, answers and closes the
        waiting connections one by one, and goes on.

        Raises:
            trio.ClosedResourceError: the listener was closed.
            trio.BusyResourceError: another task is in `accept`.

        Cancellation: no connection is lost.
        """
        while True:
            self._check_open()
            await trio.lowlevel.wait_readable(self._sock)
            with suppress(trio.WouldBlock):
                return self.accept_nowait()
            if self._reserve is None:
                # It cannot even refuse now. Do not spin on a socket that stays readable.
                await trio.sleep(_PAUSE_SECONDS)
                self._reserve = _open_reserve()

    def accept_nowait(self) -> SocketStream:
        """Return a connection that already waits. Never a checkpoint.

        Raises:
            trio.WouldBlock: none waits, or the kernel lacks the resources to accept it.
            trio.ClosedResourceError: the listener was closed.
        """
        while True:
            try:
                sock, address = self._sock.accept()
            except BlockingIOError:
                raise trio.WouldBlock from None
            except OSError as error:
                self._check_open()
                if error.errno in _GONE_BEFORE_ACCEPT:
                    continue
                if error.errno in _NO_DESCRIPTORS:
                    self._refuse_one()
                elif error.errno in _NO_RESOURCES:
                    self._drop_reserve()
                else:
                    raise
                raise trio.WouldBlock from None
            self._out_of_descriptors = False
            remote = self._address_of(address) or self._own
            peer = safe_text(str(remote))
            if self._proxies is not None and remote is not None and self._proxies.has(remote):
                return ProxiedStream(sock, peer=peer, remote=remote, proxies=self._proxies)
            if self._hands_on is None:
                option = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                self._hands_on = bool(option)
            return SocketStream(sock, peer=peer, remote=remote, is_ready_tcp=self._hands_on)

    def _refuse_one(self) -> None:
        """Use the reserve descriptor to answer and close one waiting connection."""
        if not self._out_of_descriptors:
            self._out_of_descriptors = True
            told = "out of file descriptors: refusing connections on %s"
            logger.warning(told, self.address, extra={"event": "descriptors"})
        self._drop_reserve()
        with suppress(OSError):
            sock, _ = self._sock.accept()
            with sock, suppress(OSError):
                sock.setblocking(False)
                sock.send(self.refusal)
                sock.shutdown(socket.SHUT_WR)
                # Closing with unread input is a reset, which would destroy the answer.
                sock.recv(RECEIVE_SIZE)
        self._reserve = _open_reserve()

    def _drop_reserve(self) -> None:
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None

    def duplicate(self) -> socket.socket:
        """Return another descriptor of the socket, for another process. Never a checkpoint.

        The caller closes it. Closing the listener does not end it.

        Raises:
            OSError: there is no descriptor left.
        """
        return self._sock.dup()

    async def aclose(self) -> None:
        """Close the socket. A checkpoint, but it closes at once even when cancelled."""
        if self._sock.fileno() >= 0:
            if self._on_close is not None:
                self._on_close()
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()
            self._drop_reserve()
        await trio.lowlevel.checkpoint()

    def _check_open(self) -> None:
        if self.closed:
            raise trio.ClosedResourceError("the listener is closed")


def _open_reserve() -> int | None:
    try:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
