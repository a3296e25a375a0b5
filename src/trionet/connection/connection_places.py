"""The places of one server: which connections are being served, in all and from each host.

`trionet.Limits.max_clients` places are for everybody, and ``max_per_address`` of them for one host.
A host may not open connections faster than `trionet.Limits.connect_rate`, either.
The server asks here whether a newcomer finds one, and turns it away or lets it wait if not. A
connection frees its place when its handler has ended; what still lingers then is counted in
`trionet.connection.lingering`.
"""

from __future__ import annotations

from collections import Counter

import trio

from trionet.connection.connect_rate import ConnectRate
from trionet.connection.connection import Connection
from trionet.connection.peer import host_of_peer
from trionet.limits import Limits
from trionet.transport.hosts import Host


class Places:
    """Counts the connections that are being served against `Limits`.

    Args:
        limits: the server's.

    Attributes:
        connections: what is being served, the oldest first, and the host that each counts for.
    """

    __slots__ = ("_from_host", "_limits", "_rate", "_vacancy", "connections")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._rate = ConnectRate(limits.connect_rate)
        self._from_host: Counter[Host] = Counter()
        self._vacancy = trio.lowlevel.ParkingLot()
        self.connections: dict[Connection, Host | None] = {}

    @property
    def are_taken(self) -> bool:
        """Whether `Limits.max_clients` are being served."""
        return 0 < self._limits.max_clients <= len(self.connections)

    def are_taken_from(self, stream: trio.abc.Stream) -> bool:
        """Tell whether `Limits.max_per_address` are being served from the host of a stream."""
        if not self._limits.max_per_address:
            return False
        host = self.host_of(stream)
        return host is not None and self._limits.max_per_address <= self._from_host[host]

    def comes_too_fast(self, stream: trio.abc.Stream) -> bool:
        """Count a new connection, and tell whether its host opens more than it may.

        Ask once for each connection, when it is known whose it is.
        """
        if not self._limits.connect_rate:
            return False
        return not self._rate.admit(self.host_of(stream), trio.current_time())

    def host_of(self, stream: trio.abc.Stream) -> Host | None:
        """Return what counts as the host of a stream's peer; ``None``: it has none."""
        return host_of_peer(stream, ipv6_prefix=self._limits.ipv6_prefix)

    async def wait_vacancy(self) -> None:
        """Wait until a place is free. A checkpoint only if none is.

        The place is not taken: whoever runs first may take it.

        Cancellation: loses nothing.
        """
        while self.are_taken:
            await self._vacancy.park()

    async def wait_possible(self) -> None:
        """Wait as `wait_vacancy`, before there is a connection for the place."""
        while self.are_taken:
            await self._vacancy.park()
            if not self.are_taken:
                # Somebody behind may have a connection already.
                self._vacancy.unpark()

    def take(self, connection: Connection) -> None:
        """Count a connection from now on. Never a checkpoint."""
        host = connection.host
        self.connections[connection] = host
        if host is not None:
            self._from_host[host] += 1

    def move(self, connection: Connection) -> bool:
        """Count a connection for the host that its handshake has shown. Never a checkpoint.

        Returns:
            Whether there is a place for it: `Limits.max_per_address` are for that host.
        """
        if connection.host == self.connections[connection]:
            return True
        is_full = self.are_taken_from(connection.stream)
        self._leave_host(self.connections[connection])
        self.take(connection)
        return not is_full

    def free(self, connection: Connection) -> None:
        """Count a connection no longer. Never a checkpoint."""
        self._leave_host(self.connections.pop(connection))
        self._vacancy.unpark()

    def _leave_host(self, host: Host | None) -> None:
        if host is not None:
            self._from_host[host] -= 1
            if not self._from_host[host]:
                # There are many hosts: a server must not remember each that ever came.
                del self._from_host[host]
