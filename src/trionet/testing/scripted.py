"""A server for tests of clients: the test itself plays it, line by line."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import trio

from trionet.abc import Listener
from trionet.checks import check_network
from trionet.testing.client import LineClient
from trionet.testing.network import MemoryNetwork


class ScriptedServer:
    """A server whose every word the test says, to see what a client does.

    An async context manager: entering it listens, leaving it stops listening and closes all
    connections that it accepted.

        async with ScriptedServer(network, "localhost:7000") as server:
            nursery.start_soon(client_under_test, network)
            peer = await server.accept()
            await peer.expect("hello")
            await peer.send("good day")
            peer.stream.reset()

    Args:
        network: where it listens; the client must connect over the same one.
        address: see `trionet.parse_address`; default a free port, see `address`.
        patience: seconds on the Trio clock after which a client counts as not coming, and what is
            expected of it too.

    Entering raises:
        AddressError: the address cannot be read.
        ListenError: it is in use.

    Attributes:
        address: where it listens, numeric, with the real port; empty before it does.
    """

    def __init__(
        self, network: MemoryNetwork, address: str = "localhost:0", *, patience: float = 60.0
    ) -> None:
        check_network(network)
        self._network = network
        self._wanted = address
        self._patience = patience
        self._listeners: Sequence[Listener] = ()
        # A listener for each family: two clients may come at once, and each counts.
        self._accepted: deque[trio.abc.Stream] = deque()
        self._streams: list[trio.abc.Stream] = []
        self.address = ""

    def __repr__(self) -> str:
        where = self.address or f"{self._wanted} (not yet)"
        return f"<{type(self).__name__} on {where}: {len(self._streams)} connections>"

    async def accept(self, name: str = "server") -> LineClient:
        """Wait for a client, and return the server's end of its connection.

        What it has to say and to expect, the other end gets to hear: a `LineClient` has no side.
        Its ``stream`` can misbehave, as by ``reset()``, ``close()`` and ``stall()``.

        Args:
            name: who this is in the record of the conversation.

        Raises:
            AssertionError: no client came.

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
        # Shielded: nothing here waits, and each must be closed.
        with trio.CancelScope(shield=True):
            for listener in self._listeners:
                await listener.aclose()
            for stream in self._streams:
                await trio.aclose_forcefully(stream)
