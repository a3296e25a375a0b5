"""A server for tests of clients: the test plays the server, line by line."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import trio

from trionet.abc import Listener
from trionet.argument_checks import check_network, check_seconds
from trionet.testing.client import LineClient
from trionet.testing.network import MemoryNetwork
from trionet.transport.addresses import parse_address


class ScriptedServer:
    """A server whose every line the test sends, to see what a client does.

    It is an async context manager. Entering it starts to listen; leaving it stops listening and
    closes all connections that it accepted.

        async with ScriptedServer(network, "localhost:7000") as server:
            nursery.start_soon(client_under_test, network)
            peer = await server.accept()
            await peer.expect("hello")
            await peer.send("good day")
            peer.stream.reset()

    Args:
        network: where it listens; the client must connect over the same network.
        address: see `trionet.parse_address`; by default a free port, told by the attribute.
        patience: seconds on the Trio clock to wait for a client, and for each of its lines; default
            60.

    Entering raises:
        AddressError: the address cannot be read.
        ListenError: the address is in use.

    Attributes:
        address: where it listens, numeric, with the real port; empty before it is entered.

    Cancellation: entering leaves nothing behind, and leaving closes everything all the same.

    Resource handling: leaving the block closes what it listens on and what it has accepted.
    """

    def __init__(
        self, network: MemoryNetwork, address: str = "localhost:0", *, patience: float = 60.0
    ) -> None:
        check_network(network)
        parse_address(address)
        check_seconds("patience", patience)
        self._network = network
        self._wanted = address
        self._patience = patience
        self._listeners: Sequence[Listener] = ()
        # There is a listener for each family, so two clients may come at once, and none is lost.
        self._accepted: deque[trio.abc.Stream] = deque()
        self._streams: list[trio.abc.Stream] = []
        self.address = ""

    def __repr__(self) -> str:
        where = self.address or f"{self._wanted} (not yet)"
        return f"<{type(self).__name__} on {where}: {len(self._streams)} connections>"

    async def accept(self, name: str = "server") -> LineClient:
        """Wait for a client, and return the server's end of its connection.

        A `LineClient` works the same at either end: here it sends and expects lines as the server.
        Its ``stream`` can misbehave, by ``reset()``, ``close()`` or ``stall()``.

        Args:
            name: the server's name in the record of the conversation; default ``server``.

        Raises:
            AssertionError: no client came in time.

        Cancellation: no client is lost. Always a checkpoint.
        """
        if not self._accepted:
            with trio.move_on_after(self._patience):
                async with trio.open_nursery() as nursery:
                    for listener in self._listeners:
                        nursery.start_soon(self._accept, listener, nursery.cancel_scope)
        else:
            await trio.lowlevel.checkpoint()
        if not self._accepted:
            raise AssertionError(
                f"{name} expected a client, but none came within {self._patience} s"
            )
        return LineClient(self._accepted.popleft(), name=name, patience=self._patience)

    async def _accept(self, listener: Listener, others: trio.CancelScope) -> None:
        stream = await listener.accept()
        self._accepted.append(stream)
        self._streams.append(stream)
        others.cancel()

    async def __aenter__(self) -> Self:
        self._listeners = await self._network.listen(self._wanted)
        self.address = self._listeners[0].address
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Shielded, because everything must be closed. Nothing here waits.
        with trio.CancelScope(shield=True):
            for listener in self._listeners:
                await listener.aclose()
            for stream in self._streams:
                await trio.aclose_forcefully(stream)
