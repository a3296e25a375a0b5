"""Listeners that are closed at the end of a block."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trionet.abc import Listener, Network
from trionet.transport.network import SYSTEM


@asynccontextmanager
async def listening(
    address: str, *, network: Network = SYSTEM, backlog: int | None = None
) -> AsyncIterator[list[Listener]]:
    """Listen on an address while the block runs."""
    listeners = await network.listen(address, backlog=backlog)
    try:
        yield list(listeners)
    finally:
        for listener in listeners:
            await listener.aclose()
