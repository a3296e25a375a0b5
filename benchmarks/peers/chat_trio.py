"""Plain Trio: `trio.serve_tcp`, and a memory channel with a writer task for each client.

A writer empties its channel before it sends. A client loses the lines that come while its channel
is full.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

import trio

from benchmarks.peers.wire import (
    BACKLOG,
    host_and_port,
    joined,
    left,
    message,
    say_listening,
    welcome,
)

# How many lines may wait for one client.
WAITING = 1024

clients: dict[str, trio.MemorySendChannel[bytes]] = {}


def broadcast(line: bytes, sender: str) -> None:
    """Give a line to the writers of all others."""
    for name, channel in clients.items():
        if name != sender:
            try:
                channel.send_nowait(line)
            except trio.WouldBlock:
                continue


async def lines_of(stream: trio.SocketStream) -> AsyncIterator[bytes]:
    """Cut the input into lines."""
    part = b""
    async for data in stream:
        *lines, part = (part + data).split(b"\n")
        for line in lines:
            yield line.rstrip()


async def write(stream: trio.SocketStream, channel: trio.MemoryReceiveChannel[bytes]) -> None:
    """Send the lines from a channel."""
    async for line in channel:
        lines = [line]
        with suppress(trio.WouldBlock):
            while True:
                lines.append(channel.receive_nowait())
        await stream.send_all(b"".join(lines))


async def serve(stream: trio.SocketStream) -> None:
    """Run one client's session."""
    lines = lines_of(stream)
    name = (await anext(lines, b"")).decode()
    send, receive = trio.open_memory_channel[bytes](WAITING)
    clients[name] = send
    send.send_nowait(welcome(name, clients))
    broadcast(joined(name, len(clients)), name)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write, stream, receive)
            async for line in lines:
                if line == b"q":
                    break
                broadcast(message(name, line), name)
            nursery.cancel_scope.cancel()
    except* trio.BrokenResourceError:
        pass
    finally:
        del clients[name]
        broadcast(left(name, len(clients)), name)


async def main() -> None:
    """Serve until killed."""
    host, port = host_and_port()
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(
            partial(trio.serve_tcp, serve, port, host=host, backlog=BACKLOG)
        )
        say_listening(listeners[0].socket.getsockname())


if __name__ == "__main__":
    trio.run(main)
