"""Bound the number of connections that are being closed.

A server closes a connection slowly, so that nothing on its way is lost (`trionet.lingering_close`).
By then the connection has given up its place, or it never had one. So the limits on places do not
bound these connections, and a stranger could hold any number of them. They are counted here. When
there are too many, the one that has lingered longest is closed at once: it has had its time, and
the newest gets its answer too.
"""

from __future__ import annotations

import math
from types import TracebackType

import trio

from trionet.connection.closing import unarrived_of
from trionet.transport.hosts import Host

# From all hosts together. Each costs a task and a socket, some 10 KiB, and closes within seconds.
MAX_LINGERERS = 1024

# From one host, so that a flood from there cuts short its own connections and nobody else's. It is
# more than an office behind one address has in two seconds.
MAX_LINGERERS_OF_HOST = 256


class Lingerer:
    """One connection that is being closed: a context manager around the closing.

    When the connection has to make room, the block is cancelled, and nothing is raised.
    """

    __slots__ = ("_lingerers", "_scope", "host", "peer", "stream")

    def __init__(
        self,
        lingerers: Lingerers,
        stream: trio.abc.Stream,
        *,
        peer: str,
        host: Host | None,
        seconds: float,
    ) -> None:
        self._lingerers = lingerers
        # A deadline given here costs a third of one that is set after the scope was entered.
        self._scope = trio.CancelScope(deadline=trio.current_time() + seconds)
        self.host = host
        self.peer = peer
        self.stream = stream

    def make_room(self) -> None:
        """Have the connection closed at once."""
        self._scope.cancel()

    def __enter__(self) -> trio.CancelScope:
        return self._scope.__enter__()

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
        # Dicts, for their order: the oldest comes first.
        self._all: dict[Lingerer, None] = {}
        self._of_host: dict[Host, dict[Lingerer, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def lingering(
        self,
        stream: trio.abc.Stream,
        *,
        peer: str,
        host: Host | None,
        seconds: float = math.inf,
        bounded: bool = True,
    ) -> Lingerer:
        """Return a context manager; while its block runs, the connection counts as closing.

        Args:
            stream: the connection.
            peer: the peer's display address.
            host: what counts as the peer's host; ``None``: it has none.
            seconds: after how many seconds the block is cancelled, unless the deadline of its scope
                is moved; default: never.
            bounded: whether older connections make room for it. A draining server accepts nobody
                new, so the number of connections that it closes is bounded already.
        """
        one = Lingerer(self, stream, peer=peer, host=host, seconds=seconds)
        if bounded:
            self._make_room(host)
        self._all[one] = None
        if host is not None:
            self._of_host.setdefault(host, {})[one] = None
        return one

    def undelivered(self) -> list[str]:
        """Return the display addresses of the peers to whom something is still on its way."""
        return [one.peer for one in self._all if _has_undelivered(one.stream)]

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
        """Stop counting a connection; calling this again does nothing."""
        self._all.pop(one, None)
        if one.host is not None and (same := self._of_host.get(one.host)) is not None:
            same.pop(one, None)
            if not same:
                del self._of_host[one.host]


def _has_undelivered(stream: trio.abc.Stream) -> bool:
    try:
        return bool(unarrived_of(stream))
    except Exception:
        # A fault of the stream: its own task meets it too, and logs it.
        return False
