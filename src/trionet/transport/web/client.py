"""The other end: a stream of lines over a WebSocket to a server.

For programs that reach a server on its ``web:`` address alone, and for tests. It is small, and made
neither for thousands of connections nor for many lines a second.
"""

from __future__ import annotations

import base64
import secrets
from contextlib import suppress
from typing import cast

import trio
from websockets.utils import accept_key

from trionet.abc import Transport
from trionet.lines import MAX_UNENDING
from trionet.transport.addresses import RemoteAddress, TCPAddress
from trionet.transport.web.heads import END, MAX_HEAD
from trionet.transport.web.messages import Messages

_NORMAL = 1000


class WebSocketClientStream(trio.abc.HalfCloseableStream):
    """Lines over a WebSocket to a server. Made by `open_web_socket`.

    Attributes:
        peer: the server's display address.
        remote: the server's address; ``None``: not known.
    """

    __slots__ = ("_is_over", "_lines", "_messages", "_transport", "peer", "remote")

    def __init__(self, transport: trio.abc.HalfCloseableStream, messages: Messages) -> None:
        self._transport = transport
        self._messages = messages
        self._lines = b""
        self._is_over = False
        self.peer: str = getattr(transport, "peer", "unknown peer")
        self.remote: RemoteAddress | None = getattr(transport, "remote", None)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for lines and return some of them; empty: the server will send no more.

        Raises what the stream below raises.

        Cancellation: nothing that was received is lost.
        """
        while not (self._lines or self._is_over):
            data = await self._transport.receive_some(max_bytes)
            self._is_over = not data
            await self.take(bytes(data))
        size = len(self._lines) if max_bytes is None else max_bytes
        lines, self._lines = self._lines[:size], self._lines[size:]
        return lines

    async def take(self, data: bytes) -> None:
        """Take received bytes, and answer what is to be answered."""
        lines, answers = self._messages.receive(data)
        self._lines += lines
        self._is_over |= self._messages.is_over
        if answers:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._transport.send_all(answers)

    def has_input(self) -> bool:
        """Tell whether something has come that was not received yet. Never a checkpoint."""
        return bool(self._lines) or cast(Transport, self._transport).has_input()

    def interrupt_receive(self) -> None:
        """Make a `receive_some` that waits now raise `ReceiveInterrupted`."""
        cast(Transport, self._transport).interrupt_receive()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send whole lines, as one message. Raises what the stream below raises."""
        await self._transport.send_all(self._messages.frame(bytes(data)))

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until `send_all` of a little data is likely not to block."""
        await self._transport.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """End the sending with a close frame. The server answers what it has, and closes."""
        await self._transport.send_all(self._messages.goodbye(_NORMAL))

    async def aclose(self) -> None:
        """Close. A checkpoint, but it closes at once even when cancelled."""
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """Close at once. Never a checkpoint."""
        cast(Transport, self._transport).close()


async def open_web_socket(
    transport: trio.abc.HalfCloseableStream,
    where: TCPAddress,
    *,
    path: str = "/ws",
    max_line: int = MAX_UNENDING,
) -> WebSocketClientStream:
    """Ask a server for a WebSocket.

    Args:
        transport: a connection to it, on which nothing was sent yet. The stream that is returned
            closes it.
        where: what to call the server; no host: localhost.
        path: what to ask for; default ``/ws``, as the chat has it.
        max_line: bytes that a message of the server may have.

    Raises:
        trio.BrokenResourceError: the server does not grant it; the message has its answer.

    Cancellation: only closing the transport is right after it.
    """
    host = where if where.host else TCPAddress("localhost", where.port)
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await transport.send_all(request.encode())
    received = bytearray()
    while END not in received:
        data = await transport.receive_some(4096)
        received += data
        if not data or len(received) > MAX_HEAD:
            raise trio.BrokenResourceError("the server does not speak HTTP")
    head, _, rest = bytes(received).partition(END)
    first, *fields = head.decode("latin-1").split("\r\n")
    accepted = f"sec-websocket-accept: {accept_key(key)}".lower()
    if " 101 " not in first or accepted not in [field.lower() for field in fields]:
        raise trio.BrokenResourceError(f"the server grants no WebSocket: {first}")
    stream = WebSocketClientStream(transport, Messages(max_line, is_client=True))
    if rest:
        await stream.take(rest)
    return stream
