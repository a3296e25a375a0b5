"""Two services in one process: one shouts, and one shows its connections to the operator.

Run it:  python examples/two_services.py [ADDRESS OPERATOR_ADDRESS]
         (default localhost:7010 and localhost:7011; port 0 picks a free one)
Try it:  nc localhost 7010, and in another terminal nc localhost 7011     (list, count or close ID)
"""

import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import trionet

# Where the operator's service finds the other one.
running: list[trionet.Server] = []


def shout(line: str) -> str:
    """Answer a line."""
    return line.upper()


@asynccontextmanager
async def shouting(server: trionet.Server) -> AsyncIterator[None]:
    """Note the server for as long as it runs."""
    running.append(server)
    yield
    running.remove(server)


def listed(connections: Iterable[trionet.Connection]) -> list[str]:
    """Return a line for each connection, and one that ends them."""
    lines = [f"{one.id} {one.peer} {one.bytes_in} bytes in" for one in connections]
    return [*lines, "end"]


async def operate(operator: trionet.Connection) -> None:
    """Do what the operator asks."""
    async for line in operator.lines:
        connections = {str(one.id): one for server in running for one in server.connections}
        match line.split():
            case ["list"]:
                await operator.send(*listed(connections.values()))
            case ["count"]:
                await operator.send(*[str(server.statistics()) for server in running])
            case ["close", number] if number in connections:
                await connections[number].close("closed by the operator")
                await operator.send("ok")
            case _:
                await operator.send("error: write list, count or close ID")


def services(address: str, operators: str) -> list[trionet.Service]:
    """Return both services, each with limits of its own."""
    few = trionet.Limits(max_clients=3)
    return [
        trionet.Service(shout, address, lifespan=shouting),
        trionet.Service(operate, operators, limits=few),
    ]


if __name__ == "__main__":
    trionet.run(*services(*(sys.argv[1:] or ["localhost:7010", "localhost:7011"])))
