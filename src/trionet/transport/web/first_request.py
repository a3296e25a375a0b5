"""The first request of one connection: answered, or the beginning of a WebSocket.

Nothing but the first request is ever read: an answer ends the connection, and what follows a
granted upgrade is frames.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import trio
from websockets.utils import accept_key

from trionet.transport.web.answers import encode_refusal
from trionet.transport.web.heads import BadHead, Head, end_of_head, read_head
from trionet.transport.web.hosts import forwarded_for
from trionet.transport.web.requests import Answer, decide
from trionet.transport.web.site import Site

# A head is received in pieces of at most this many bytes: a browser's fits in one.
_PIECE = 4096


@dataclass(frozen=True, slots=True)
class Granted:
    """An upgrade that is answered.

    Attributes:
        host: for whom a trusted proxy speaks; ``None``: it does not say, or there is none.
        rest: what came after the request.
    """

    host: str | None
    rest: bytes


class FirstRequest:
    """The request of one connection.

    Args:
        transport: where it comes from, and where the answer goes.
        site: what the server serves.

    Attributes:
        has_begun: whether any of it has come.
    """

    __slots__ = ("_data", "_granted", "_lock", "_site", "_transport", "has_begun")

    def __init__(self, transport: trio.abc.HalfCloseableStream, site: Site) -> None:
        self._transport = transport
        self._site = site
        self._data = bytearray()
        self._granted: Granted | None = None
        # Held by the task that answers the request; the others wait for it.
        self._lock = trio.Lock()
        self.has_begun = False

    async def make(self) -> Granted:
        """Answer the request, or wait while another task does. Always a checkpoint.

        Raises:
            trio.BrokenResourceError: it does not lead to a WebSocket; the message says why, and is
                empty where it was answered with what it asked for.
            trio.ClosedResourceError: this side closed the connection.
            ReceiveInterrupted: the wait for the other side was interrupted.

        Cancellation: until the answer is being sent, the next call goes on.
        """
        async with self._lock:
            if self._granted is None:
                self._granted = await self._answer_request()
        return self._granted

    async def _answer_request(self) -> Granted:
        shake_hands = getattr(self._transport, "do_handshake", None)
        if shake_hands is not None:
            await shake_hands()
        try:
            end = await self._receive_head()
            head = read_head(bytes(self._data[:end]))
            decision = decide(head, self._site.settings, self._site.place)
        except BadHead as bad:
            # Nobody has read so far, so nothing else is answered on this connection.
            is_head = self._data[:5] == b"HEAD "
            await self._send(encode_refusal(bad.status, str(bad), without_body=is_head))
            reason = "" if bad.status == 404 else f"{bad.status} {bad}"
            raise trio.BrokenResourceError(reason) from None
        if isinstance(decision, Answer):
            await self._send(decision.data)
            raise trio.BrokenResourceError("")
        answer = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_key(decision.key)}\r\n\r\n"
        )
        await self._transport.send_all(answer.encode())
        return Granted(self._forwarded(head), bytes(self._data[end:]))

    async def _receive_head(self) -> int:
        """Receive until the head is whole, and return where it ends."""
        seen = 0
        while not (end := end_of_head(self._data, seen=seen)):
            seen = len(self._data)
            data = await self._transport.receive_some(_PIECE)
            if not data:
                reason = "the peer ended the connection in its request" if self._data else ""
                raise trio.BrokenResourceError(reason)
            self.has_begun = True
            self._data += data
        return end

    def _forwarded(self, head: Head) -> str | None:
        if not self._site.is_proxy(getattr(self._transport, "remote", None)):
            return None
        return forwarded_for(head.all("x-forwarded-for"), self._site.settings.networks)

    async def _send(self, answer: bytes) -> None:
        """Send the last answer; whoever does not take it has gone."""
        with suppress(trio.BrokenResourceError):
            await self._transport.send_all(answer)
