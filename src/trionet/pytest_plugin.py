"""Fixtures of pytest for services on trionet; they need pytest-trio.

pytest loads this file in every run on a machine that has trionet (through an entry point), so the
file loads nothing itself until a fixture is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import trio

    from trionet.server import Server
    from trionet.testing import Handler, LineClient, Link, MemoryNetwork, RunningHandler


@pytest.fixture
def memory_network() -> MemoryNetwork:
    """A new `trionet.testing.MemoryNetwork` for each test."""
    from trionet.testing import MemoryNetwork

    return MemoryNetwork()


# Not an async fixture: pytest-trio runs a fixture that asks for its `nursery`, whether or not the
# project is in trio mode.
@pytest.fixture
def line_client(nursery: trio.Nursery, memory_network: MemoryNetwork) -> LineClientFactory:
    """Serves any handler in memory and returns a client of it; see `LineClientFactory`."""
    return LineClientFactory(nursery, memory_network)


class LineClientFactory:
    """Serves handlers for one test, and connects clients to them.

    ``client = await line_client(handler)`` serves the handler on `memory_network` until the test
    ends, and connects a `trionet.testing.LineClient`. Another call with the same handler connects
    one more client to the same server.
    """

    def __init__(self, nursery: trio.Nursery, network: MemoryNetwork) -> None:
        self._nursery = nursery
        self._network = network
        self._running: dict[Handler, RunningHandler] = {}

    async def __call__(
        self,
        handler: Handler,
        name: str = "client",
        *,
        source: str = "127.0.0.1",
        link: Link | None = None,
        back: Link | None = None,
        **options: Any,
    ) -> LineClient:
        """Connect a client to a handler. The first call starts to serve it.

        Args:
            handler: as for `trionet.serve`.
            name: the client's name in the record of its conversation.
            source: the host that it connects from, as the server sees it.
            link: what its connection is like; default the network's link.
            back: what it is like from the server to the client; default as `link`.
            options: as for `trionet.serve`: ``limits``, ``when_full`` and so on. Only the first
                call takes them.

        Raises:
            ValueError: the handler is served already, and options were given.
        """
        from trionet.testing import start_handler

        if handler not in self._running:
            self._running[handler] = await start_handler(
                self._nursery, handler, network=self._network, **options
            )
        elif options:
            raise ValueError(
                f"{handler!r} is served already: give its options when you ask for the first client"
            )
        return await self._running[handler](name, source=source, link=link, back=back)

    def server(self, handler: Handler) -> Server:
        """Return the running server of a handler, to inspect or to drain.

        Raises:
            ValueError: no client has been connected to this handler.
        """
        if handler not in self._running:
            raise ValueError(f"{handler!r} is not served yet: ask for a client of it first")
        return self._running[handler].server
