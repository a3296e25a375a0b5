"""A socket stream and the plain socket at its other end."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
import trio.testing

from trionet.transport.socket_addresses import structured
from trionet.transport.sockets import SocketStream

KINDS = ["ipv4", "ipv6", "unix"]
CHUNK = bytes(65536)


def socket_pair(kind: str) -> tuple[socket.socket, socket.socket]:
    if kind == "unix":
        near, far = socket.socketpair()
    else:
        family, host = {
            "ipv4": (socket.AF_INET, "127.0.0.1"),
            "ipv6": (socket.AF_INET6, "::1"),
        }[kind]
        with socket.create_server((host, 0), family=family) as server:
            near = socket.create_connection(server.getsockname()[:2])
            far, _ = server.accept()
    for sock in (near, far):
        # So that a broken test fails instead of hanging.
        sock.settimeout(5)
    return near, far


def real_pair() -> tuple[SocketStream, socket.socket]:
    """Return a stream over TCP, and the socket at its other end."""
    near, far = socket_pair("ipv4")
    return SocketStream(near, peer="far"), far


def local_address(sock: socket.socket) -> str:
    """Return the display address that a socket is bound to."""
    return str(structured(sock.getsockname()))


@asynccontextmanager
async def stream_and_peer(kind: str = "ipv4") -> AsyncIterator[tuple[SocketStream, socket.socket]]:
    near, far = socket_pair(kind)
    with far:
        async with SocketStream(near, peer="the peer") as stream:
            yield stream, far


async def fill(stream: SocketStream) -> int:
    """Send until the kernel takes no more, even after it has had time to move data on."""
    total = 0
    while True:
        before = total
        while sent := stream.send_nowait(CHUNK):
            total += sent
        if total == before:
            return total
        await trio.testing.wait_all_tasks_blocked()


def receive_exactly(sock: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(size - len(data))
        assert piece
        data += piece
    return bytes(data)


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
