"""websockets on asyncio: a coroutine for each browser, and its own `broadcast` to all of them.

It speaks the JSON objects of trionet's chat that a room needs: a newcomer is told who is here,
and everybody gets each message, including its sender.
"""

from __future__ import annotations

import asyncio
import json
from itertools import islice

from websockets.asyncio.server import ServerConnection, broadcast, serve

from benchmarks.peers.wire import WELCOME_NAMES, host_and_port, say_listening

clients: dict[str, ServerConnection] = {}


def line(**fields: object) -> str:
    """Return an event as a line."""
    return json.dumps(fields, separators=(",", ":")) + "\n"


async def session(browser: ServerConnection) -> None:
    """Run one browser's session."""
    name = json.loads(await browser.recv())["name"]
    others = [*clients.values()]
    clients[name] = browser
    names = [*islice(clients, WELCOME_NAMES)]
    here = len(clients)
    await browser.send(line(type="welcome", name=name))
    await browser.send(line(type="entered", room="lobby", members=names, count=here))
    broadcast(others, line(type="joined", room="lobby", name=name, count=here))
    try:
        async for message in browser:
            text = json.loads(message)["text"]
            broadcast(clients.values(), line(type="said", room="lobby", name=name, text=text))
    finally:
        del clients[name]
        left = line(type="left", room="lobby", name=name, count=len(clients))
        broadcast(clients.values(), left)


async def main() -> None:
    """Serve until killed."""
    host, port = host_and_port()
    # Compression costs each browser 70 KiB, and trionet has none; nor has any other server here
    # pings of its own. And 1,000 browsers that join at once take longer than the 10 s that an
    # opening handshake may.
    async with serve(
        session, host, port, compression=None, ping_interval=None, open_timeout=None
    ) as server:
        say_listening(next(iter(server.sockets)).getsockname())
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
