"""A key-value store whose values expire: `set KEY SECONDS VALUE`, `get KEY` and `delete KEY`.

Run it:  python examples/key_value.py [ADDRESS]     (default localhost:7004; port 0: a free one)
Try it:  nc localhost 7004     (set colour 10 dark blue, then get colour; 0 seconds: for ever)
"""

import math
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

import trionet

MAX_KEYS = 100_000  # with lines of at most 4,096 bytes: 400 MB at the very most


class Store:
    """The values, each with the time at which it expires."""

    def __init__(self) -> None:
        self.values: dict[str, tuple[str, float]] = {}

    def get(self, key: str) -> str | None:
        """Return a value that has not expired."""
        value, until = self.values.get(key, (None, math.inf))
        return value if trio.current_time() < until else None

    async def sweep(self) -> None:
        """Remove what has expired, once in a second, for ever."""
        while True:
            await trio.sleep(1)
            now = trio.current_time()
            self.values = {key: kept for key, kept in self.values.items() if kept[1] > now}

    def obey(self, line: str) -> str:
        """Do what a line asks, and return the answer."""
        match line.split(maxsplit=3):
            case ["set", key, seconds, value] if seconds.isdecimal():
                if len(self.values) >= MAX_KEYS and key not in self.values:
                    return "error: the store is full"
                self.values[key] = (value, trio.current_time() + (int(seconds) or math.inf))
                return "ok"
            case ["get", key]:
                return self.get(key) or "error: no such key"
            case ["delete", key]:
                return "ok" if self.values.pop(key, None) else "error: no such key"
        return "error: write set KEY SECONDS VALUE, get KEY or delete KEY"


@asynccontextmanager
async def lifespan(_server: trionet.Server) -> AsyncIterator[Store]:
    """Make the store that all connections share, and a task that runs as long as the server."""
    store = Store()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.sweep)
        yield store
        nursery.cancel_scope.cancel()


async def serve(connection: trionet.Connection) -> None:
    """Answer a client's lines."""
    async for line in connection.lines:
        await connection.send(connection.server.state.obey(line))


if __name__ == "__main__":
    trionet.run(serve, sys.argv[1] if sys.argv[1:] else "localhost:7004", lifespan=lifespan)
