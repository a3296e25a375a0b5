"""A browser's side of a connection, in the hands of a test: HTTP and frames over any stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio
from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

import trionet
from trionet import Server, ServerEvent
from trionet.testing import MemoryNetwork, MemoryStream

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

ADDRESS = "web:localhost:8080"
HOST = "localhost:8080"


def request(
    line: str = "GET /ws HTTP/1.1", *fields: str, host: str | None = HOST, upgrade: bool = True
) -> bytes:
    """Return a request, by default a good one for a WebSocket."""
    lines = [line, *([f"Host: {host}"] if host is not None else []), *fields]
    if upgrade:
        lines += ["Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {KEY}"]
        lines += ["Sec-WebSocket-Version: 13"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def page(line: str = "GET / HTTP/1.1", *fields: str, host: str | None = HOST) -> bytes:
    """Return a request for anything but a WebSocket."""
    return request(line, *fields, host=host, upgrade=False)


def masked(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    """Return a frame as a client sends it."""
    return Frame(opcode, data, fin=fin).serialize(mask=True)


def text(data: str) -> bytes:
    return masked(Opcode.TEXT, data.encode())


class WebPeer:
    """A WebSocket client that takes apart what it gets frame by frame.

    Attributes:
        stream: the connection.
        frames: what has come and was not read yet.
        close: the server's close frame; ``None``: it has not come.
        has_ended: whether the server has ended its sending.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.frames: list[Frame] = []
        self.close: Close | None = None
        self.has_ended = False
        self._protocol = ClientProtocol(
            parse_uri("ws://localhost/"), state=State.OPEN, max_size=None
        )

    async def open(self, *fields: str, host: str = HOST) -> None:
        """Ask for the WebSocket, and see that it is granted."""
        await self.stream.send_all(request("GET /ws HTTP/1.1", *fields, host=host))
        head, rest = await read_head(self.stream)
        assert head.startswith("HTTP/1.1 101 "), head
        assert f"Sec-WebSocket-Accept: {ACCEPT}" in head
        self._feed(rest)

    async def send(self, *frames: bytes) -> None:
        await self.stream.send_all(b"".join(frames))

    async def frame(self) -> Frame:
        """Return the next frame."""
        while not self.frames:
            assert await self._receive(), f"no frame, but the end with {self.close}"
        return self.frames.pop(0)

    async def lines(self) -> list[str]:
        """Return the lines of the next text message."""
        frame = await self.frame()
        assert frame.opcode == Opcode.TEXT, frame
        return bytes(frame.data).decode().splitlines()

    async def closed(self) -> int | None:
        """Read to the end, and return the code of the close frame; ``None``: there is none."""
        while await self._receive():
            pass
        return None if self.close is None else self.close.code

    async def _receive(self) -> bool:
        if self.has_ended:
            return False
        try:
            data = await self.stream.receive_some()
        except trio.BrokenResourceError:
            data = b""
        self.has_ended = not data
        self._feed(bytes(data))
        return bool(data)

    def _feed(self, data: bytes) -> None:
        if data:
            self._protocol.receive_data(data)
            assert self._protocol.parser_exc is None, self._protocol.parser_exc
        for event in self._protocol.events_received():
            assert isinstance(event, Frame)
            if event.opcode == Opcode.CLOSE:
                self.close = self._protocol.close_rcvd
            else:
                self.frames.append(event)


async def read_head(stream: trio.abc.Stream) -> tuple[str, bytes]:
    """Return the head of an answer, and what came behind it."""
    received = bytearray()
    while b"\r\n\r\n" not in received:
        data = await stream.receive_some()
        assert data, f"an answer was expected, and this came: {bytes(received)!r}"
        received += data
    head, _, rest = bytes(received).partition(b"\r\n\r\n")
    return head.decode("latin-1"), rest


async def read_all(stream: trio.abc.Stream) -> bytes:
    """Return everything up to the end."""
    received = bytearray()
    async for data in stream:
        received += data
    return bytes(received)


async def answer_to(data: bytes, network: MemoryNetwork, **options: Any) -> tuple[int, bytes]:
    """Send a request, and return the status and all that was answered."""
    stream = await network.connect(HOST, **options)
    await stream.send_all(data)
    answer = await read_all(stream)
    await stream.aclose()
    return int(answer.split(b" ", 2)[1]), answer


@asynccontextmanager
async def serving(
    handler: Any, *, network: MemoryNetwork, events: list[ServerEvent] | None = None, **options: Any
) -> AsyncIterator[Server]:
    """Serve a handler for browsers while the block runs."""
    async with trio.open_nursery() as nursery:
        server = await nursery.start(
            partial(
                trionet.serve,
                handler,
                ADDRESS,
                network=network,
                on_event=None if events is None else events.append,
                **options,
            )
        )
        yield server
        nursery.cancel_scope.cancel()


async def opened(network: MemoryNetwork, *fields: str, host: str = HOST, **options: Any) -> WebPeer:
    """Connect, and ask for a WebSocket."""
    peer = WebPeer(await network.connect(HOST, **options))
    await peer.open(*fields, host=host)
    return peer


def below(peer: WebPeer) -> MemoryStream:
    """Return the stream in memory under a peer."""
    assert isinstance(peer.stream, MemoryStream)
    return peer.stream
