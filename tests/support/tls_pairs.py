"""Pairs of TLS streams over a connection in memory."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, cast

import pytest
import trio
import trio.testing

from trionet.abc import Transport
from trionet.testing import Link, memory_stream_pair
from trionet.transport.tls import TLSStream

if TYPE_CHECKING:
    from tests.conftest import Certificates

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


class Pairs:
    """Makes connections in memory, with TLS on one side or on both."""

    def __init__(self, certificates: Certificates, version: ssl.TLSVersion) -> None:
        self.server_context = certificates.server()
        self.client_context = certificates.client()
        self.client_context.maximum_version = version

    def transports(self, link: Link | None = None) -> tuple[Transport, Transport]:
        near, far = memory_stream_pair(link, names=("here:1", "there:2"))
        return cast("Transport", near), cast("Transport", far)

    def client(self, transport: Transport) -> TLSStream:
        return TLSStream(transport, self.client_context, server_hostname="localhost")

    def server(self, transport: Transport) -> TLSStream:
        return TLSStream(transport, self.server_context, server_side=True)

    def fresh(self, link: Link | None = None) -> tuple[TLSStream, TLSStream]:
        near, far = self.transports(link)
        return self.client(near), self.server(far)

    async def ready(self, link: Link | None = None) -> tuple[TLSStream, TLSStream]:
        client, server = self.fresh(link)
        await shake_hands(client, server)
        return client, server


async def shake_hands(*streams: Any) -> None:
    async with trio.open_nursery() as nursery:
        for stream in streams:
            nursery.start_soon(stream.do_handshake)


async def receive_all(stream: trio.abc.ReceiveStream) -> bytes:
    return b"".join([bytes(piece) async for piece in stream])


async def receive_exactly(stream: trio.abc.ReceiveStream, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = await stream.receive_some(count - len(data))
        assert piece, f"ended after {len(data)} of {count} bytes"
        data += piece
    return data


async def broken(stream: TLSStream) -> str:
    """Return why a stream is broken, which is the same for each call."""
    with pytest.raises(trio.BrokenResourceError) as first:
        await stream.receive_some()
    for call in (stream.do_handshake, stream.send_eof, stream.wait_send_all_might_not_block):
        with pytest.raises(trio.BrokenResourceError) as next_one:
            await call()
        assert str(next_one.value) == str(first.value)
    with pytest.raises(trio.BrokenResourceError):
        await stream.send_all(b"more")
    return str(first.value)
