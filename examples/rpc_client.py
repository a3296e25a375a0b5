"""A client of rpc.py: any number of tasks call at the same time over one connection.

Run it:  python examples/rpc_client.py [ADDRESS]     (default localhost:7006)
"""

import itertools
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

import trionet


class CallFailed(Exception):
    """The server's answer to a call is an error."""


class Caller:
    """Calls a server; several tasks may do so at the same time."""

    def __init__(self, requests: trionet.Requests) -> None:
        self.requests = requests
        self.ids = itertools.count(1)

    async def call(self, name: str, *arguments: object) -> Any:
        """Call a function of the server, and return its result."""
        number = next(self.ids)
        line = json.dumps({"id": number, "call": name, "with": arguments})
        answer = json.loads(await self.requests.ask(line, id=number))
        if "error" in answer:
            raise CallFailed(answer["error"])
        return answer["result"]


@asynccontextmanager
async def connected(
    address: str, network: trionet.Network = trionet.SYSTEM
) -> AsyncIterator[Caller]:
    """Connect to a server. A call raises an error if the answer does not come in time."""
    async with (
        trionet.connect(address, network=network) as server,
        server.requests(id_of=lambda line: json.loads(line)["id"], timeout=10) as requests,
    ):
        yield Caller(requests)


async def main(address: str) -> None:
    """Print two results, of which the slow one comes last."""

    async def show(name: str, *arguments: object) -> None:
        print(name, await caller.call(name, *arguments))

    async with connected(address) as caller, trio.open_nursery() as nursery:
        nursery.start_soon(show, "wait", 0.1)
        nursery.start_soon(show, "add", 1, 2)


if __name__ == "__main__":
    trio.run(main, sys.argv[1] if sys.argv[1:] else "localhost:7006")
