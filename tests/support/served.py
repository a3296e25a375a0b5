"""One of the two services, served in memory for as long as a block runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import trio

from trionet import Server
from trionet.testing import LineClient, Link, MemoryNetwork, MemoryStream

LOOPBACK = "127.0.0.1:0"

# What has not happened within a week of virtual time never will.
A_WEEK = 7 * 86400.0


@dataclass
class Served:
    """A server in memory, its console, and whether it has returned."""

    server: Server
    network: MemoryNetwork
    shown: list[str]
    ended: trio.Event

    async def connect(self, *lines: str, link: Link | None = None) -> LineClient:
        """Connect a client that sends these lines at once."""
        client = LineClient(
            await self.network.connect(self.server.addresses[0], link=link),
            name=lines[0] if lines else "stranger",
        )
        if lines:
            await client.send(*lines)
        return client


S = TypeVar("S", bound=Served)


@asynccontextmanager
async def served(
    serve: Callable[..., Awaitable[None]], kind: type[S], **options: Any
) -> AsyncIterator[S]:
    """Serve for as long as the block runs, or the server does."""
    network = MemoryNetwork()
    shown: list[str] = []
    ended = trio.Event()

    async def run(*, task_status: trio.TaskStatus[Server]) -> None:
        await serve(
            LOOPBACK, show=shown.append, network=network, task_status=task_status, **options
        )
        ended.set()

    with trio.fail_after(A_WEEK):
        async with trio.open_nursery() as nursery:
            yield kind(await nursery.start(run), network, shown, ended)
            nursery.cancel_scope.cancel()


def reset(client: LineClient) -> None:
    """Close a client's connection by a reset."""
    assert isinstance(client.stream, MemoryStream)
    client.stream.reset()
