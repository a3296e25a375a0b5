"""Connections that are being closed and hold no place any more: a bounded number of them.

A server closes a connection slowly, so that nothing on its way is lost (`trionet.lingering_close`).
The place is free before that, or was never taken. So a stranger could hold any number of such
connections, one behind the other. Here they are counted: where there are too many, the one that has
lingered longest is closed at once. It has had its time, and the newest gets its answer too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from trionet.addresses import Host
from trionet.stream import unarrived_of

# Of all hosts together. One costs a task and a socket, some 10 KiB, and closes within seconds.
MAX_LINGERERS = 1024

# Of one host, so that a flood from there closes its own connections early and nobody else's. More
# than an office behind one address has in two seconds.
MAX_LINGERERS_OF_HOST = 256


class _Lingerer:
    """One connection that is being closed."""

    __slots__ = ("host", "peer", "scope", "stream")

    def __init__(self, host: Host | None, peer: str, stream: trio.abc.Stream) -> None:
        self.host = host
        self.peer = peer
        self.scope = trio.CancelScope()
        self.stream = stream


class Lingerers:
    """The connections of one server that are being closed."""

    def __init__(self) -> None:
        # Dicts for their order: the oldest comes first.
        self._all: dict[_Lingerer, None] = {}
        self._of_host: dict[Host, dict[_Lingerer, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    @contextmanager
    def lingering(
        self, stream: trio.abc.Stream, *, peer: str, host: Host | None, bounded: bool = True
    ) -> Iterator[None]:
        """Count a connection for as long as the block runs.

        The block is cancelled, and nothing raised, when the connection has to make room.

        Args:
            stream: the connection.
            peer: its other end's address as it is to be shown.
            host: what counts as the peer's host; ``None``: it has none.
            bounded: whether older ones make room for it. A server that drains takes nobody new, so
                that what it closes is bounded already.
        """
        one = _Lingerer(host, peer, stream)
        if bounded:
            self._make_room(host)
        self._all[one] = None
        if host is not None:
            self._of_host.setdefault(host, {})[one] = None
        try:
            with one.scope:
                yield
        finally:
            self._forget(one)

    def undelivered(self) -> list[str]:
        """Return the peers to whom something is still on its way."""
        return [one.peer for one in self._all if unarrived_of(one.stream)]

    def _make_room(self, host: Host | None) -> None:
        same = self._of_host.get(host, {}) if host is not None else {}
        if len(same) >= MAX_LINGERERS_OF_HOST:
            self._evict(next(iter(same)))
        elif len(self._all) >= MAX_LINGERERS:
            self._evict(next(iter(self._all)))

    def _evict(self, one: _Lingerer) -> None:
        self._forget(one)
        one.scope.cancel()

    def _forget(self, one: _Lingerer) -> None:
        self._all.pop(one, None)
        if one.host is not None and (same := self._of_host.get(one.host)) is not None:
            same.pop(one, None)
            if not same:
                del self._of_host[one.host]
