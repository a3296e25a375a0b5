"""A listener whose connections are WebSockets, or ask for a page.

`trionet.SystemNetwork` and `trionet.testing.MemoryNetwork` make one for each address that a
``web:`` address stands for, around the listener below. It hands out connections before their
request has come; the server reads that in the connection's own task, as it makes a TLS handshake.
"""

from __future__ import annotations

import socket
from collections.abc import Collection
from typing import cast

import trio

from trionet.abc import Listener
from trionet.transport.addresses import WebAddress, parse_address
from trionet.transport.web.answers import encode_refusal
from trionet.transport.web.settings import WebSettings
from trionet.transport.web.site import Site
from trionet.transport.web.stream import WebSocketStream

# What a connection is sent when there is no descriptor for it.
NO_DESCRIPTOR = encode_refusal(503, "the server is full")


class WebListener(trio.abc.Listener[WebSocketStream]):
    """A listener for browsers.

    Args:
        below: the listener under it; closed with this one.
        settings: what is served, and who is trusted.

    Attributes:
        address: its own display address.
    """

    __slots__ = ("_below", "_site", "address")

    def __init__(self, below: Listener, settings: WebSettings) -> None:
        self._below = below
        self.address = f"web:{below.address}"
        where = parse_address(self.address)
        assert isinstance(where, WebAddress)
        self._site = Site(
            settings,
            port=where.tcp.port,
            is_tls=where.below is not where.tcp,
            names=own_names(),
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self.address}, {self._below!r}>"

    @property
    def is_inherited(self) -> bool:
        """Whether somebody else goes on holding the socket; see `trionet.abc.OutlivesServer`."""
        return getattr(self._below, "is_inherited", False)

    def begin_drain(self) -> None:
        """Answer every request that comes from now on with 503. Never a checkpoint."""
        self._site.is_draining = True

    async def accept(self) -> WebSocketStream:
        """Wait for a connection and return it before its request.

        Raises:
            trio.ClosedResourceError: the listener was closed.
            trio.BusyResourceError: another task is in `accept`.

        Cancellation: no connection is lost.
        """
        return self._wrapped(await self._below.accept())

    def accept_nowait(self) -> WebSocketStream:
        """Return a connection that already waits. Never a checkpoint.

        Raises:
            trio.WouldBlock: none waits, or the kernel lacks the resources to accept it.
            trio.ClosedResourceError: the listener was closed.
        """
        return self._wrapped(self._below.accept_nowait())

    async def aclose(self) -> None:
        """Stop listening. A checkpoint, but it closes at once even when cancelled."""
        await self._below.aclose()

    def _wrapped(self, stream: trio.abc.Stream) -> WebSocketStream:
        return WebSocketStream(cast(trio.abc.HalfCloseableStream, stream), self._site)


def own_names() -> Collection[str]:
    """Return the machine's own names, in lower case, without asking a name server."""
    name = socket.gethostname().lower()
    return {name, name.partition(".")[0]}
