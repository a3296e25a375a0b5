"""What the listeners of a ``web:`` address share with their connections. No I/O."""

from __future__ import annotations

from collections.abc import Collection

from trionet.transport.addresses import RemoteAddress, TCPAddress
from trionet.transport.web.hosts import is_within
from trionet.transport.web.requests import Place
from trionet.transport.web.settings import WebSettings


class Site:
    """What the listeners of one ``web:`` address share with their connections.

    Args:
        settings: what is served, and who is trusted.
        port: the port that is listened on.
        is_tls: whether TLS is spoken there.
        names: the machine's own names.

    Attributes:
        settings: as given.
        is_tls: as given.
        is_draining: whether the server is about to end.
    """

    __slots__ = ("_names", "_port", "is_draining", "is_tls", "settings")

    def __init__(
        self, settings: WebSettings, *, port: int, is_tls: bool, names: Collection[str]
    ) -> None:
        self.settings = settings
        self._port = port
        self.is_tls = is_tls
        self._names = names
        self.is_draining = False

    @property
    def place(self) -> Place:
        """Where a request comes in now."""
        return Place(
            port=self._port,
            is_tls=self.is_tls,
            names=self._names,
            is_draining=self.is_draining,
        )

    def is_proxy(self, remote: RemoteAddress | None) -> bool:
        """Tell whether an address is that of a trusted proxy."""
        networks = self.settings.networks
        return (
            bool(networks) and isinstance(remote, TCPAddress) and is_within(remote.host, networks)
        )

    def counted(self, remote: RemoteAddress | None) -> RemoteAddress | None:
        """Return the address that a connection counts for until its request is read."""
        return None if self.is_proxy(remote) else remote
