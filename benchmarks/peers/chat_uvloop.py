"""A protocol on uvloop: callbacks, and a `write` to each of the others."""

from __future__ import annotations

import asyncio
from typing import cast

import uvloop

from benchmarks.peers.wire import (
    BACKLOG,
    host_and_port,
    joined,
    left,
    message,
    say_listening,
    welcome,
)

clients: dict[str, Chat] = {}


class Chat(asyncio.Protocol):
    """One client's session."""

    transport: asyncio.Transport
    name: str | None = None
    part = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        *lines, self.part = (self.part + data).split(b"\n")
        for line in lines:
            if line.rstrip() == b"q":
                self.transport.close()
                break
            self.line_received(line.rstrip())

    def line_received(self, line: bytes) -> None:
        if self.name is None:
            self.name = line.decode()
            clients[self.name] = self
            self.transport.write(welcome(self.name, clients))
            self.broadcast(joined(self.name, len(clients)))
        else:
            self.broadcast(message(self.name, line))

    def broadcast(self, line: bytes) -> None:
        for client in clients.values():
            if client is not self:
                client.transport.write(line)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self.name is not None:
            del clients[self.name]
            self.broadcast(left(self.name, len(clients)))


async def main() -> None:
    """Serve until killed."""
    host, port = host_and_port()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Chat, host, port, backlog=BACKLOG)
    say_listening(server.sockets[0].getsockname())
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
