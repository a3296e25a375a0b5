"""asyncio streams: a coroutine for each client, and a `write` to each of the others.

It does not wait for the others' `drain`, because one that does not read would stop the sender. So
the output that waits for such a client is not bounded.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from benchmarks.peers.wire import (
    BACKLOG,
    host_and_port,
    joined,
    left,
    message,
    say_listening,
    welcome,
)

clients: dict[str, asyncio.StreamWriter] = {}


def broadcast(line: bytes, sender: str) -> None:
    """Send a line to all others."""
    for name, writer in clients.items():
        if name != sender:
            writer.write(line)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Run one client's session."""
    name = (await reader.readline()).decode().strip()
    clients[name] = writer
    writer.write(welcome(name, clients))
    broadcast(joined(name, len(clients)), name)
    try:
        with suppress(ConnectionError):
            while line := await reader.readline():
                line = line.rstrip()
                if line == b"q":
                    break
                broadcast(message(name, line), name)
                await writer.drain()
    finally:
        del clients[name]
        broadcast(left(name, len(clients)), name)
        writer.close()


async def main() -> None:
    """Serve until killed."""
    host, port = host_and_port()
    server = await asyncio.start_server(serve, host, port, backlog=BACKLOG)
    say_listening(server.sockets[0].getsockname())
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
