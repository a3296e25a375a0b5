"""Run handlers in memory, and connect clients to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio

from trionet.argument_checks import check_flag, check_kind, check_network
from trionet.nurseries import single_error
from trionet.server import Handler as Handler
from trionet.server import Server, serve
from trionet.testing.client import LineClient
from trionet.testing.links import Link
from trionet.testing.network import MemoryNetwork
from trionet.testing.streams import MemoryStream


class RunningHandler:
    """A handler that is being served in memory. Each call connects one more client.

    Args:
        server: the server.
        network: the network that it listens on.
        decode: whether the clients' lines are texts, as the server's are; default ``True``.

    Attributes:
        server: the server, to inspect or to drain.
        network: the network that it listens on.
    """

    def __init__(self, server: Server, network: MemoryNetwork, *, decode: bool = True) -> None:
        check_kind("server", server, Server, hint="start_handler(nursery, handler, ...)")
        check_kind("network", network, MemoryNetwork, hint="MemoryNetwork()")
        self.server = server
        self.network = network
        check_flag("decode", decode)
        self._decode = decode
        self._streams: list[MemoryStream] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.server!r}>"

    async def __call__(
        self,
        name: str = "client",
        *,
        source: str = "127.0.0.1",
        link: Link | None = None,
        back: Link | None = None,
    ) -> LineClient:
        """Connect a client, and return it.

        Args:
            name: the client's name in the record of its conversation; default ``client``.
            source: the host that it connects from, as the server sees it; default 127.0.0.1.
            link: what its connection is like; default the network's link.
            back: what it is like from the server to the client; default as `link`.

        Raises:
            TypeError: an argument is of the wrong kind; the message says what to write.
            ConnectError: the server has ended.

        Cancellation: leaves nothing behind. Always a checkpoint.

        Resource handling: the client is closed by `close_clients`, or by its own block.
        """
        stream = await self.network.connect(
            self.server.addresses[0], source=source, link=link, back=back
        )
        self._streams.append(stream)
        return LineClient(stream, name=name, decode=self._decode)

    def close_clients(self) -> None:
        """Close the connections of all clients. Never a checkpoint."""
        for stream in self._streams:
            stream.close()


async def start_handler(
    nursery: trio.Nursery, handler: Handler, *, network: MemoryNetwork, **options: Any
) -> RunningHandler:
    """Serve a handler in memory, in a nursery, and return it.

    Args:
        nursery: the nursery that runs the server; cancelling it ends the server.
        handler: as for `trionet.serve`.
        network: where to listen.
        options: as for `trionet.serve`: ``limits``, ``when_full`` and so on. With
            ``decode=False`` the clients' lines are bytes too.

    Raises:
        TypeError: an argument is of the wrong kind; the message says what to write.

    Cancellation: nothing is served. Always a checkpoint.

    Resource handling: the server ends with the nursery, and closes its connections.
    """
    check_kind("nursery", nursery, trio.Nursery, hint="an open nursery")
    check_network(network)
    server: Server = await nursery.start(
        partial(serve, handler, "localhost:0", network=network, **options)
    )
    return RunningHandler(server, network, decode=options.get("decode", True))


@asynccontextmanager
async def run_handler(
    handler: Handler, *, network: MemoryNetwork | None = None, **options: Any
) -> AsyncIterator[RunningHandler]:
    """Serve a handler in memory for as long as the block runs.

    Args:
        handler: as for `trionet.serve`.
        network: where to listen; default a new `MemoryNetwork`.
        options: as for `trionet.serve`: ``limits``, ``when_full`` and so on. With
            ``decode=False`` the clients' lines are bytes too.

    Returns:
        An async context manager that yields a `RunningHandler`.

    Raises:
        Whatever the block raises, not wrapped in a group.

    Cancellation: ends the block, and with it the server. Entering and leaving are checkpoints.

    Resource handling: at the end of the block the server is cancelled and the clients are closed.
    """
    if network is not None:
        check_network(network)
    with single_error(BaseException):
        async with trio.open_nursery() as nursery:
            running = await start_handler(
                nursery, handler, network=network or MemoryNetwork(), **options
            )
            try:
                yield running
            finally:
                running.close_clients()
            nursery.cancel_scope.cancel()
