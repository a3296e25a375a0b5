"""A listener whose connections speak TLS.

`trionet.SystemNetwork` makes one for each ``tls:`` address, around the listener of the TCP socket.
It hands out connections before their handshake, which takes round trips to the peer; the server
makes it in the connection's own task (`trionet.connection.handshake`).
"""

from __future__ import annotations

import ssl

import trio

from trionet.argument_checks import shown
from trionet.transport.listener import SocketListener
from trionet.transport.tls import TLSStream
from trionet.transport.tlsengine import check_context


class TLSListener(trio.abc.Listener[TLSStream]):
    """A listener whose connections are encrypted. Its streams make the handshakes; it makes none.

    Args:
        transport: the listener under it; closed with this one.
        context: the server's certificate and settings; see `trionet.transport.certificates`.

    Attributes:
        address: its own display address.
        context: the settings of the next connections. They may be replaced at any time;
            connections that were accepted earlier keep theirs.

    Raises:
        TypeError: `transport` or `context` is something else.

    Resource handling: `aclose` closes the transport too; whoever made the listener calls it.
    """

    # `trionet.SystemNetwork` keeps weak references to its listeners.
    __slots__ = ("__weakref__", "_transport", "address", "context")

    def __init__(self, transport: SocketListener, context: ssl.SSLContext) -> None:
        if not isinstance(transport, SocketListener):
            raise TypeError(f"transport must be a trionet.SocketListener, not {shown(transport)}")
        check_context(context)
        self._transport = transport
        self.context = context
        self.address = f"tls:{transport.address}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self.address}, {self._transport!r}>"

    @property
    def closed(self) -> bool:
        """Whether the listener was closed."""
        return self._transport.closed

    @property
    def is_inherited(self) -> bool:
        """Whether somebody else goes on holding the socket; see `trionet.abc.OutlivesServer`."""
        return self._transport.is_inherited

    async def accept(self) -> TLSStream:
        """Wait for a connection and return it before its handshake.

        Raises:
            trio.ClosedResourceError: the listener was closed.
            trio.BusyResourceError: another task is in `accept`.

        Cancellation: no connection is lost.
        """
        return TLSStream(await self._transport.accept(), self.context, server_side=True)

    def accept_nowait(self) -> TLSStream:
        """Return a connection that already waits. Never a checkpoint.

        Raises:
            trio.WouldBlock: none waits, or the kernel lacks the resources to accept it.
            trio.ClosedResourceError: the listener was closed.
        """
        return TLSStream(self._transport.accept_nowait(), self.context, server_side=True)

    async def aclose(self) -> None:
        """Close the socket. A checkpoint, but it closes at once even when cancelled."""
        await self._transport.aclose()
