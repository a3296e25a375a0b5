"""Run a handler in memory, and connect to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import trio

from trionet.connection import Connection
from trionet.server import Server, serve
from trionet.testing.client import LineClient
from trionet.testing.network import MemoryNetwork
from trionet.testing.streams import Link


class Connect(Protocol):
    """Connects clients to a handler that runs; what `run_handler` gives.

    Attributes:
        server: the running server, to look at or to drain.
        network: the network that it listens on.
    """

    server: Server
    network: MemoryNetwork

    async def __call__(
        self, name: str = "client", *, source: str = "127.0.0.1", link: Link | None = None
    ) -> LineClient:
        """Connect one more client.

        Args:
            name: who it is in the record of its conversation.
            source: the host that it comes from, as the server sees it.
            link: what its connection is like; default the network's.
        """


class _Connect:
    def __init__(self, server: Server, network: MemoryNetwork) -> None:
        self.server = server
        self.network = network
        self.clients: list[LineClient] = []

    async def __call__(
        self, name: str = "client", *, source: str = "127.0.0.1", link: Link | None = None
    ) -> LineClient:
        address = self.server.addresses[0]
        stream = await self.network.connect(address, source=source, link=link)
        self.clients.append(LineClient(stream, name=name))
        return self.clients[-1]


@asynccontextmanager
async def run_handler(
    handler: Callable[[Connection], Awaitable[object]],
    *,
    network: MemoryNetwork | None = None,
    **options: Any,
) -> AsyncIterator[Connect]:
    """Serve a handler in memory for as long as the block runs.

    Args:
        handler: what `trionet.serve` would be given.
        network: where to serve; default a new `MemoryNetwork`.
        options: as for `trionet.serve`: ``limits``, ``when_full`` and so on.

    Returns:
        A context manager that gives a `Connect`.

    Resource handling: at the end of the block the server is cancelled and the clients are closed.
    """
    network = network or MemoryNetwork()
    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(
            lambda task_status: serve(
                handler, "localhost:0", network=network, task_status=task_status, **options
            )
        )
        connect = _Connect(server, network)
        try:
            yield connect
        finally:
            for client in connect.clients:
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(client.stream)
            nursery.cancel_scope.cancel()
