"""Connections that are being closed and hold no place any more: a bounded number of them.

A server closes a connection slowly, so that nothing on its way is lost (`trionet.lingering_close`).
The place is free before that, or was never taken. So a stranger could hold any number of such
connections, one behind the other. Here they are counted: where there are too many, the one that has
lingered longest is closed at once. It has had its time, and the newest gets its answer too.
"""

from __future__ import annotations

from types import TracebackType

import trio

from trionet.connection.closing import unarrived_of
from trionet.transport.addresses import Host

# Of all hosts together. One costs a task and a socket, some 10 KiB, and closes within seconds.
MAX_LINGERERS = 1024

# Of one host, so that a flood from there closes its own connections early and nobody else's. More
# than an office behind one address has in two seconds.
MAX_LINGERERS_OF_HOST = 256


class Lingerer:
    """One connection that is being closed: a context manager around its closing.

    The block is cancelled, and nothing raised, when the connection has to make room.
    """

    __slots__ = ("_lingerers", "_scope", "host", "peer", "stream")

    def __init__(
        self, lingerers: Lingerers, host: Host | None, peer: str, stream: trio.abc.Stream
    ) -> None:
        self._lingerers = lingerers
        self._scope = trio.CancelScope()
        self.host = host
        self.peer = peer
        self.stream = stream

    def make_room(self) -> None:
        """Close it at once."""
        self._scope.cancel()

    def __enter__(self) -> None:
        self._scope.__enter__()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._lingerers.forget(self)
        return self._scope.__exit__(exc_type, exc, traceback)


class Lingerers:
    """The connections of one server that are being closed."""

    def __init__(self) -> None:
        # Dicts for their order: the oldest comes first.
        self._all: dict[Lingerer, None] = {}
        self._of_host: dict[Host, dict[Lingerer, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def lingering(
        self, stream: trio.abc.Stream, *, peer: str, host: Host | None, bounded: bool = True
    ) -> Lingerer:
        """Count a connection from now on, until the block is left that it is to be entered for.

        Args:
            stream: the connection.
            peer: its other end's address as it is to be shown.
            host: what counts as the peer's host; ``None``: it has none.
            bounded: whether older ones make room for it. A server that drains takes nobody new, so
                that what it closes is bounded already.
        """
        one = Lingerer(self, host, peer, stream)
        if bounded:
            self._make_room(host)
        self._all[one] = None
        if host is not None:
            self._of_host.setdefault(host, {})[one] = None
        return one

    def undelivered(self) -> list[str]:
        """Return the peers to whom something is still on its way."""
        return [one.peer for one in self._all if unarrived_of(one.stream)]

    def _make_room(self, host: Host | None) -> None:
        same = self._of_host.get(host, {}) if host is not None else {}
        if len(same) >= MAX_LINGERERS_OF_HOST:
            self._evict(next(iter(same)))
        elif len(self._all) >= MAX_LINGERERS:
            self._evict(next(iter(self._all)))

    def _evict(self, one: Lingerer) -> None:
        self.forget(one)
        one.make_room()

    def forget(self, one: Lingerer) -> None:
        """Count a connection no more; again does nothing."""
        self._all.pop(one, None)
        if one.host is not None and (same := self._of_host.get(one.host)) is not None:
            same.pop(one, None)
            if not same:
                del self._of_host[one.host]
