"""Plain Trio: `trio.serve_tcp`, and one `send_all` for each line."""

from __future__ import annotations

from functools import partial

import trio

from benchmarks.peers.wire import BACKLOG, calculate, host_and_port, say_listening


async def serve(stream: trio.SocketStream) -> None:
    """Run one client's session."""
    part = b""
    named = False
    async for data in stream:
        *lines, part = (part + data).split(b"\n")
        for line in lines:
            if line.strip() == b"q":
                return
            if named:
                await stream.send_all(calculate(line))
            named = True


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
