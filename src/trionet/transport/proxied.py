"""Connections from proxies that say for whom they speak, with the PROXY protocol.

The plan of this file:

- A connection from a network that is given as a proxy's must begin with a header
  (`proxy_header.py`). This file does nothing about other connections.
- `ProxiedStream` is an ordinary `SocketStream`, so it costs nothing once the header is read. It
  looks at what has come before it takes it (``MSG_PEEK``), and takes only the header: what follows,
  a line or the first bytes of TLS, stays with the kernel.
- Until the header is read nobody knows whose connection this is, so it counts for no host.
  `MOST_UNFINISHED` and the deadline of a handshake bound a proxy's connections without a header.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

import trio

from trionet.errors import ReceiveInterrupted, system_reason
from trionet.events import SAID_NOTHING
from trionet.transport.addresses import RemoteAddress, TCPAddress
from trionet.transport.hosts import is_local
from trionet.transport.proxy_header import BadHeader, HeaderReader
from trionet.transport.sockets import SocketStream
from trionet.transport.web.hosts import is_within, parse_networks
from trionet.type_checks import check_kind, shown

# Connections of all proxies that may wait for their header at a time. A proxy sends it together
# with its connection, so a busy one has a few of them. One more is closed, unless its header is
# there already.
MOST_UNFINISHED = 1024


class Proxies:
    """The proxies whose connections begin with a header, and how many wait for theirs.

    Args:
        networks: addresses and networks, such as ``10.0.0.7`` and ``10.0.0.0/8``. An address
            ``::ffff:a.b.c.d`` is in a network of ``a.b.c.d``.

    Raises:
        TypeError: `networks` is not a list of texts.
        ValueError: one cannot be read; the message names it.

    Attributes:
        unfinished: connections whose header is not read yet.
    """

    __slots__ = ("_networks", "unfinished")

    def __init__(self, networks: Sequence[str]) -> None:
        if isinstance(networks, str) or not isinstance(networks, Sequence):
            raise TypeError(f"proxy_from must be a list of texts, not {shown(networks)}")
        for text in networks:
            check_kind("a network", text, str, hint="'10.0.0.0/8'")
        self._networks = parse_networks(networks)
        self.unfinished = 0

    def __bool__(self) -> bool:
        return bool(self._networks)

    def has(self, remote: RemoteAddress | None) -> bool:
        """Tell whether a connection from an address must begin with a header."""
        return isinstance(remote, TCPAddress) and is_within(remote.host, self._networks)


class ProxiedStream(SocketStream):
    """A connection from a proxy. `learn_peer` must come first; then it is any socket's stream.

    Args:
        sock: a connected TCP socket; the stream makes it non-blocking and closes it.
        peer: the proxy's display address.
        remote: the proxy's address.
        proxies: counts it until its header is read.

    Attributes:
        peer: the other end's display address: the proxy's until the header is read, then that of
            whom it names.
        remote: the other end's address; ``None`` until the header is read.
    """

    __slots__ = ("_header", "_is_counted", "_proxies", "_proxy")

    def __init__(
        self, sock: socket.socket, *, peer: str, remote: RemoteAddress, proxies: Proxies
    ) -> None:
        super().__init__(sock, peer=peer)
        self._proxy = remote
        self._proxies = proxies
        # ``None``: it is read.
        self._header: HeaderReader | None = HeaderReader()
        self._is_counted = True
        proxies.unfinished += 1

    @property
    def awaits_header(self) -> bool:
        """Whether the proxy has not said yet for whom it speaks."""
        return self._header is not None

    @property
    def is_private(self) -> bool:
        """Whether nobody on the way can read along: neither to the proxy nor from it to here."""
        return is_local(self._proxy) and is_local(self.remote)

    async def learn_peer(self) -> None:
        """Read the header. Always a checkpoint; once it is read, nothing more.

        One task at a time may call this.

        Raises:
            trio.BrokenResourceError: there is no good header; the message says what is wrong.
            trio.ClosedResourceError: this side closed the stream.
            ReceiveInterrupted: `interrupt_receive` ended the wait.

        Cancellation: nothing is lost: the next call goes on.
        """
        self._is_interrupted = False
        await trio.lowlevel.checkpoint()
        header = self._header
        while header is not None and not header.is_complete:
            self._check_open()
            if self._take(header):
                continue
            if self._proxies.unfinished > MOST_UNFINISHED:
                # Those whose header has come are not turned away.
                raise trio.BrokenResourceError("too many connections wait for a PROXY header")
            await self.wait_input()
            if self._is_interrupted:
                raise ReceiveInterrupted("interrupt_receive was called")
        if header is not None:
            self._finish(header)

    # Without TLS or HTTP above it, reading the header is the whole handshake.
    do_handshake = learn_peer

    def close(self) -> None:
        """Close the socket at once. Never a checkpoint; closing again does nothing."""
        self._count_no_more()
        super().close()

    def _take(self, header: HeaderReader) -> bool:
        """Take the header's part of what has come, and return whether anything had come."""
        try:
            data = self._sock.recv(header.wanted, socket.MSG_PEEK)
            if not data:
                ended = "the proxy ended the connection in its PROXY header"
                raise trio.BrokenResourceError(ended if header.has_begun else SAID_NOTHING)
            self._sock.recv(header.feed(data))
        except BlockingIOError:
            return False
        except BadHeader as bad:
            raise trio.BrokenResourceError(str(bad)) from None
        except OSError as error:
            raise trio.BrokenResourceError(system_reason(error)) from error
        return True

    def _finish(self, header: HeaderReader) -> None:
        self._header = None
        self._count_no_more()
        self.remote = self._proxy if header.source is None else header.source
        self.peer = str(self.remote)
        if self._input is not None:
            # Epoll does not report again what came together with the header.
            self._input.more()

    def _count_no_more(self) -> None:
        self._proxies.unfinished -= self._is_counted
        self._is_counted = False
