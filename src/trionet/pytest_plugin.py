"""pytest fixtures for services built on trionet. They need pytest-trio.

On a machine that has trionet, pytest loads this module in every run, through an entry point. So the
module itself loads nothing until a fixture is used.
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
    """A new `trionet.testing.MemoryNetwork`, shared by all fixtures of one test."""
    from trionet.testing import MemoryNetwork

    return MemoryNetwork()


# Not an async fixture: pytest-trio runs any fixture that asks for its `nursery`, whether the project
# is in trio mode or not.
@pytest.fixture
def line_client(nursery: trio.Nursery, memory_network: MemoryNetwork) -> LineClientFactory:
    """Runs any handler in memory and returns a client; see `LineClientFactory`."""
    return LineClientFactory(nursery, memory_network)


class LineClientFactory:
    """Runs handlers for one test, and connects clients to them.

    ``client = await line_client(handler)`` serves the handler on `memory_network` until the test
    ends, and connects a `trionet.testing.LineClient`. Called again with the same handler, it
    connects another client to the same server.
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
        """Connect a client to a handler, which is served from the first call on.

        Args:
            handler: as for `trionet.serve`.
            name: the client's name in the transcript of its conversation.
            source: the host that the client comes from, as the server sees it.
            link: the quality of its connection; default: the network's.
            back: the quality from the server to the client; default: the same as `link`.
            options: as for `trionet.serve`: ``limits``, ``when_full`` and so on. Only the first
                call for a handler takes them.

        Raises:
            ValueError: there are options, but the handler is served already.
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
            ValueError: no client of the handler was asked for yet.
        """
        if handler not in self._running:
            raise ValueError(f"{handler!r} is not served yet: ask for a client of it first")
        return self._running[handler].server
