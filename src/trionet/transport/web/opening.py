"""The opening of one WebSocket: the handshake, and whom it shows at the other end."""

from __future__ import annotations

from typing import cast

import trio

from trionet.abc import NamesPeer
from trionet.transport.addresses import RemoteAddress, TCPAddress
from trionet.transport.hosts import is_local
from trionet.transport.web.first_request import FirstRequest
from trionet.transport.web.site import Site


class Opening:
    """The opening of one connection.

    Args:
        transport: the stream under it, on which nothing was received or sent yet.
        site: what the server serves and whom it trusts.

    Attributes:
        refused: why there is no WebSocket, empty where the request was answered with a file;
            ``None``: there is one, or may be.
        peer: the other end's display address; once the opening is made, with the host for which a
            trusted proxy speaks.
        remote: the other end's address; ``None``: not known, as that of a trusted proxy is not
            until the opening is made.
    """

    __slots__ = ("_request", "_site", "_transport", "peer", "refused", "remote")

    def __init__(self, transport: trio.abc.HalfCloseableStream, site: Site) -> None:
        self._transport = transport
        self._site = site
        # ``None``: it is answered, and need not be kept.
        self._request: FirstRequest | None = FirstRequest(transport, site)
        self.refused: str | None = None
        self.peer: str = getattr(transport, "peer", "unknown peer")
        self.remote: RemoteAddress | None = site.counted(getattr(transport, "remote", None))

    def __repr__(self) -> str:
        state = "made" if self._request is None else self.refused or "not made"
        return f"<{type(self).__name__} of {self.peer}: {state}>"

    @property
    def is_quiet(self) -> bool:
        """Whether its outcome is too ordinary for a line in a log.

        That is so for a file, and for a connection that a browser has kept in reserve.
        """
        if self.refused is None:
            return self._request is not None and not self._request.has_begun
        return not self.refused

    @property
    def is_private(self) -> bool:
        """Whether nobody on the way can read along, as far as this server can know.

        Nobody can with TLS, or where the connection does not leave the machine. An operator who
        trusts a proxy also trusts the way to it.
        """
        remote = getattr(self._transport, "remote", None)
        below = getattr(self._transport, "is_private", None)
        if below is None:
            below = is_local(remote)
        return self._site.is_tls or self._site.is_proxy(remote) or bool(below)

    @property
    def awaits_header(self) -> bool:
        """Whether a proxy has not said yet for whom it speaks; see `trionet.abc.NamesPeer`."""
        return bool(getattr(self._transport, "awaits_header", False))

    async def learn_peer(self) -> None:
        """Learn for whom a proxy below speaks; see `trionet.abc.NamesPeer`.

        Raises and cancellation: as `make`.
        """
        try:
            await cast(NamesPeer, self._transport).learn_peer()
        except trio.BrokenResourceError as error:
            self.refused = str(error)
            raise
        self.peer = getattr(self._transport, "peer", self.peer)
        self.remote = self._site.counted(getattr(self._transport, "remote", None))

    async def make(self) -> bytes:
        """Answer the request, or go on with that. Always a checkpoint.

        Returns:
            What came after the request; to all but the first of several callers, nothing.

        Raises:
            trio.BrokenResourceError: it does not lead to a WebSocket; the message says why, and is
                empty where the request was answered with what it asked for.
            trio.ClosedResourceError: this side closed the connection.
            ReceiveInterrupted: the wait for the other side was interrupted.

        Cancellation: before the answer nothing is lost: the next call goes on.
        """
        request = self._request
        assert request is not None
        try:
            if self.awaits_header:
                await self.learn_peer()
            granted = await request.make()
        except trio.BrokenResourceError as error:
            self.refused = str(error)
            raise
        if self._request is None:
            # Another task was quicker.
            return b""
        self._request = None
        if granted.host is not None:
            self.remote = TCPAddress(granted.host, 0)
            self.peer = f"{granted.host} by {self.peer}"
        elif self.remote is None:
            self.remote = getattr(self._transport, "remote", None)
        return granted.rest
