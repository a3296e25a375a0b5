"""Lines that an outbox sends at once, or holds until the end of a round.

`deferred_sends.py` says what a round is, and who ends it. While an outbox holds lines, its `direct`
is ``None``. So a hub, which bypasses `put`, ends up in `keep`, and that sends the held lines first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from trionet.abc import Framing
from trionet.connection.deferred_sends import DeferredSends
from trionet.connection.outbox_blocks import SMALL
from trionet.connection.outbox_counts import Counted
from trionet.connection.outbox_queue import LineQueue
from trionet.connection.outbox_writing import GONE

T = TypeVar("T")

# At most this many bytes are held until the end of a round. A larger send gains nothing by waiting,
# and each addition copies what is held already.
_MOST_HELD = SMALL


class Holds(Counted):
    """The base of `trionet.Outbox` that sends lines at once, or holds them for a round.

    Args:
        direct: see `trionet.Outbox`.
        max_waiting: bytes that may wait.
        deferred: the deferred sends of its server; ``None``: no send is deferred.
        framing: how the lines are framed in what is sent; ``None``: not at all.
    """

    __slots__ = (
        "_aside",
        "_closed",
        "_deferred",
        "_held",
        "_most_held",
        "_queue",
        "broken",
        "direct",
        "framing",
        "is_blocked",
        "max_waiting",
    )

    def __init__(
        self,
        direct: Callable[[bytes], int] | None,
        max_waiting: int,
        deferred: DeferredSends | None,
        framing: Framing | None,
    ) -> None:
        Counted.__init__(self)
        self.framing = framing
        self.direct = direct
        self.max_waiting = max_waiting
        # ``None`` once the outbox sends nothing more, so that it holds nothing either.
        self._deferred = deferred
        # Lines that are held until the end of a round, and the value of `direct` from before.
        self._held = b""
        self._most_held = min(max_waiting, _MOST_HELD)
        self._aside: Callable[[bytes], int] | None = None
        # Lines that wait for the peer.
        self._queue: LineQueue | None = None
        # Whether there is a queue. This is read for each request. Making it an attribute instead of
        # a property, with two smaller changes, spared a request 1,250 of 43,000 instructions
        # (callgrind).
        self.is_blocked = False
        self._closed = False
        self.broken = False

    @property
    def waiting(self) -> int:
        """Bytes that wait, and those that are held until the end of a round."""
        return len(self._held) if self._queue is None else self._queue.size

    def close(self) -> None:
        """Take no more: later puts are only counted as dropped. What waits is still sent."""
        self.release()
        self._closed = True
        self.direct = self._deferred = None

    def release(self) -> None:
        """Send what is held until the end of a round. Never a checkpoint."""
        if lines := self._held:
            self._held = b""
            data = lines if self.framing is None else self.framing.wrap(lines)
            direct = self.direct = self._aside
            size = len(data)
            sent = 0
            if direct is not None:
                try:
                    sent = direct(data)
                except Exception as error:
                    self._not_sent(error)
            self._bytes += size
            if sent != size:
                self.keep(data, lines.count(b"\n"), sent)

    def _sent(self, send: Callable[[T], int], data: T) -> int:
        """Send what the kernel takes at once, and return how many bytes that was."""
        try:
            return send(data)
        except Exception as error:
            return self._not_sent(error)

    def _not_sent(self, error: Exception) -> int:
        """Give the peer up, unless it merely has no room now; return 0."""
        if isinstance(error, BlockingIOError):
            return 0
        if not isinstance(error, GONE):
            # A fault of the stream. It is logged and not raised, because the task that puts lines
            # here often serves another peer.
            self._report(error)
        self.give_up()
        return 0

    def keep(self, data: bytes, count: int, sent: int) -> None:
        """Keep what was not sent; see `trionet.Outbox`."""
        raise NotImplementedError

    def _report(self, error: Exception) -> None:
        """Log a fault of the stream."""
        raise NotImplementedError

    def give_up(self) -> None:
        """Drop all that waits; see `trionet.Outbox`."""
        raise NotImplementedError
