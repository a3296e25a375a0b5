"""Lines that an outbox sends at once, or holds until the end of a round.

`deferred_sends.py` says what a round is, and who ends it. While an outbox holds lines, its `direct`
is ``None``, so whoever sends past `put` comes to `keep`, and that sends what is held first.
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

# At most this many bytes are held until the end of a round. Whoever sends more at a time gains
# nothing by it, and adding to what is held copies it.
_MOST_HELD = SMALL


class Holds(Counted):
    """The base of `trionet.Outbox` that holds lines and sends them at once.

    Args:
        direct: see `trionet.Outbox`.
        max_waiting: bytes that may wait.
        deferred: the deferred sends of its server; ``None``: none is deferred.
        framing: how lines stand in what is sent; ``None``: as they are.
    """

    __slots__ = (
        "_aside",
        "_closed",
        "_deferred",
        "_held",
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
        *,
        max_waiting: int,
        deferred: DeferredSends | None,
        framing: Framing | None,
    ) -> None:
        super().__init__()
        self.framing = framing
        self.direct = direct
        self.max_waiting = max_waiting
        self._deferred = deferred
        # Lines that are held until the end of a round, and meanwhile the value of `direct`.
        self._held = b""
        self._aside: Callable[[bytes], int] | None = None
        # Lines that wait for the peer.
        self._queue: LineQueue | None = None
        # Whether there is one. It is read for each request. As an attribute rather than a property,
        # with two smaller changes, it spared a request 1,250 of 43,000 instructions (callgrind).
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
        self.direct = None

    def release(self) -> None:
        """Send what is held until the end of a round. Never a checkpoint."""
        if lines := self._held:
            self._held = b""
            data = lines if self.framing is None else self.framing.wrap(lines)
            direct = self.direct = self._aside
            self._aside = None
            size = len(data)
            sent = self._sent(direct, data) if direct is not None else 0
            self._bytes += size
            if sent != size:
                self.keep(data, lines.count(b"\n"), sent)

    def _hold(self, deferred: DeferredSends, lines: bytes, size: int, count: int) -> bool:
        """Hold lines until the end of the round, if that does no harm; tell whether they are."""
        held = self._held
        if held:
            size += len(held)
        elif not size or self.is_blocked or self.broken or self._closed:
            return False
        if size > _MOST_HELD or size > self.max_waiting:
            return False
        if held:
            self._held = held + lines
        else:
            deferred.add(self)
            self._aside, self.direct = self.direct, None
            # Copy a `bytearray` or a view: its owner may change it.
            self._held = lines if type(lines) is bytes else bytes(lines)
        self._lines += count
        return True

    def _sent(self, send: Callable[[T], int], data: T) -> int:
        """Send what the kernel takes at once, and return how many bytes that was."""
        try:
            return send(data)
        except BlockingIOError:
            return 0
        except GONE:
            self.give_up()
            return 0
        except Exception as error:
            # A fault of the stream. The task that puts lines here often serves another peer.
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
