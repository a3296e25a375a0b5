"""A protocol on uvloop: a callback for each piece of input, and no task or stream."""

from __future__ import annotations

import asyncio
from typing import cast

import uvloop

from benchmarks.peers.wire import BACKLOG, calculate, host_and_port, say_listening


class Session(asyncio.Protocol):
    """One client's session."""

    def __init__(self) -> None:
        self._part = b""
        self._named = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where the answers go."""
        # uvloop's transports do not derive from asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer the lines that are whole now."""
        *lines, self._part = (self._part + data).split(b"\n")
        if lines and not self._named:
            del lines[0]
            self._named = True
        if b"q" in lines:
            del lines[lines.index(b"q") :]
            self._transport.write(b"".join(map(calculate, lines)))
            self._transport.close()
        elif lines:
            self._transport.write(b"".join(map(calculate, lines)))


async def main() -> None:
    """Serve until killed."""
    host, port = host_and_port()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Session, host, port, backlog=BACKLOG)
    say_listening(server.sockets[0].getsockname())
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
