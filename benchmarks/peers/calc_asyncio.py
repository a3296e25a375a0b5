"""asyncio streams: `readline`, `write`, `drain`."""

from __future__ import annotations

import asyncio

from benchmarks.peers.wire import BACKLOG, calculate, host_and_port, say_listening


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Run one client's session."""
    await reader.readline()  # the name
    while line := await reader.readline():
        if line.strip() == b"q":
            break
        writer.write(calculate(line))
        await writer.drain()
    writer.close()


async def main() -> None:
    """Serve until killed."""
    host, port = host_and_port()
    server = await asyncio.start_server(serve, host, port, backlog=BACKLOG)
    say_listening(server.sockets[0].getsockname())
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
