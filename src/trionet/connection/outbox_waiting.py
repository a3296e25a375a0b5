"""What waits for a peer that does not take it yet, and the task that sends it.

- The task ends when everything is sent, so an idle connection has none. (A task takes 10 to 20 µs
  to wake up. Waking one for each line is what makes the usual chat server slow.)
- The bytes that wait are bounded. Beyond the bound, `WhenSlow` decides: the peer is given up, or
  the oldest whole lines are dropped and the peer is told how many, in their place.

Streams without the `trionet.SendsNow` capability are served too, always by the task.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from typing import cast

import trio

from trionet.abc import Framing, SendsNow
from trionet.connection.deferred_sends import DeferredSends
from trionet.connection.outbox_holding import Holds
from trionet.connection.outbox_queue import LineQueue
from trionet.connection.outbox_writing import GONE, RECORD, direct_send, write_all, write_now
from trionet.connection.safe_notices import SafeNotices
from trionet.connection.when_slow import WhenSlow
from trionet.transport.boundaries import LINES

# A stream that cannot send at once holds this much itself for a peer that does not read: two TLS
# records (35 KB were measured). Where lines can be dropped, these bytes count against the bound
# too, unless the bound is so small that little of it would be left.
_RECORDS = 2 * RECORD

logger = logging.getLogger("trionet.connection")


class Waits(Holds):
    """The base of `trionet.Outbox` that keeps what the kernel does not take, and sends it later.

    The arguments and the attributes are those of `trionet.Outbox.of_server`.
    """

    __slots__ = (
        "_awaited",
        "_emptied",
        "_nursery",
        "_on_blocked",
        "_on_overflow",
        "_stream",
        "_told",
        "_when_slow",
        "_writer",
        "dropped",
        "missed",
        "notices",
        "progressed_at",
        "takes_tail",
    )

    def __init__(
        self,
        stream: trio.abc.SendStream,
        nursery: trio.Nursery,
        max_waiting: int,
        when_slow: WhenSlow,
        notices: SafeNotices,
        on_overflow: Callable[[], None] | None,
        on_blocked: Callable[[], None] | None,
        deferred: DeferredSends | None,
        framing: Framing | None,
    ) -> None:
        Holds.__init__(self, direct_send(stream), max_waiting, deferred, framing)
        self._stream = stream
        self._nursery = nursery
        self._when_slow = when_slow
        self.notices = notices
        self._on_overflow = on_overflow
        self._on_blocked = on_blocked
        # Like the queue, this exists only while something waits: an idle outbox has neither.
        self._writer: trio.CancelScope | None = None
        self._emptied: trio.Event | None = None
        # Bytes whose producers wait for them in `send`.
        self._awaited = 0
        self.dropped = self.missed = self._told = 0
        self.takes_tail = False
        self.progressed_at = math.inf

    @property
    def lines_sent(self) -> int:
        """Lines that were sent or wait, notices of missed lines included."""
        told = self._told if self._queue is None else self._told + self._queue.told
        return self.lines_out - self.dropped + told

    async def flush(self) -> None:
        """Wait until nothing waits, or the outbox is broken. Always a checkpoint.

        Cancellation: loses nothing.
        """
        if self._queue is None:
            if self._deferred is not None:
                self._deferred.flush_overdue()
            await trio.lowlevel.checkpoint()
            if self._held and self._deferred is not None:
                # The round is over. Whoever comes first sends for all, so that nobody sends between
                # two other tasks.
                self._deferred.flush()
        while self._queue is not None:
            if self._emptied is None:
                self._emptied = trio.Event()
            await self._emptied.wait()

    def give_up(self) -> None:
        """Drop all that waits, and send nothing more. Never a checkpoint."""
        self.broken = True
        self.direct = self._aside = self._deferred = None
        self.progressed_at = math.inf
        if self._held:
            self.dropped += self._held.count(b"\n")
            self._held = b""
        if self._queue is not None:
            self.dropped += self._queue.clear()
        if self._writer is not None:
            # Nobody waits for a peer that is given up.
            self._writer.cancel()

    def give_up_after(self, error: Exception) -> bool:
        """Give the peer up if an error of a send means that it is gone. Never a checkpoint.

        Returns:
            Whether it means that.
        """
        if not isinstance(error, GONE):
            return False
        self.give_up()
        return True

    def keep(self, data: bytes, count: int, sent: int) -> None:
        """Keep what was not sent and make sure that it will be, or count it as dropped.

        Args:
            data: whole lines, as they are sent, which are already counted as sent.
            count: how many lines they are.
            sent: how many bytes of them were sent.
        """
        if self._held:
            self.release()
            if self.direct is not None:
                sent = self._sent(self.direct, data)
        self._bytes -= len(data) - sent
        if sent == len(data):
            return
        if self._closed or self.broken:
            self.dropped += count
            return
        if self._queue is None:
            queue = LineQueue(self.notices, self.max_waiting, framing=self.framing or LINES)
            writer = trio.CancelScope()
            # First, because a closed nursery raises: nothing may wait without a writer.
            self._nursery.start_soon(self._write, queue, writer)
            self.direct = None
            self._queue, self._writer = queue, writer
            self.is_blocked = True
            self.progressed_at = trio.current_time()
            if self._on_blocked is not None:
                self._on_blocked()
        if isinstance(data, bytearray):
            # Its owner may change it.
            data = bytes(data)
        limit = self.max_waiting + self._awaited
        if self._when_slow is WhenSlow.DROP_OLDEST:
            sends_now = hasattr(self._stream, "send_nowait")
            if not sends_now and self.max_waiting >= 2 * _RECORDS:
                limit -= _RECORDS
            dropped = self._queue.put(data, count=count, sent=sent, limit=limit)
            self.dropped += dropped
            self.missed += dropped
            return
        self._queue.put(data, sent=sent)
        if self._queue.size > limit:
            self.give_up()
            if self._on_overflow is not None:
                self._on_overflow()

    def keep_parts(self, parts: Iterable[tuple[bytes, int]], sent: int) -> None:
        """Do what `keep` does for lines in parts.

        Args:
            parts: whole lines each, as they are sent, and how many they are.
            sent: how many bytes of them all were sent.
        """
        for data, count in parts:
            if sent < len(data):
                self.keep(data, count, sent)
                sent = 0
            else:
                sent -= len(data)

    async def _write(self, queue: LineQueue, scope: trio.CancelScope) -> None:
        """Send what waits for a peer that reads slowly, until nothing waits any more."""
        done = False
        try:
            with scope:
                if hasattr(self._stream, "send_nowait"):
                    await write_now(queue, cast(SendsNow, self._stream), self._progress)
                else:
                    # What is being written can no longer be dropped: at most a quarter of what may
                    # wait.
                    at_once = self.max_waiting // 4
                    await write_all(queue, self._stream, self._progress, at_once=at_once)
                done = True
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except trio.BusyResourceError:
            # Raised, it would end the nursery that all writers share, and it is one peer's fault.
            logger.exception(
                "another task sends on the stream of an outbox; the outbox is given up"
            )
        except Exception as error:
            # A fault of a stream that is not trionet's. It must not end the nursery either.
            self._report(error)
        finally:
            if not done:
                # A line may be half sent: whatever followed it would be misread.
                self.give_up()
            self._told += queue.told
            self._queue = self._writer = None
            self.is_blocked = False
            if not (self._closed or self.broken):
                self.direct = direct_send(self._stream)
            self.progressed_at = math.inf
            if self._emptied is not None:
                self._emptied.set()
                self._emptied = None

    def _report(self, error: Exception) -> None:
        self.notices.faults.report(
            error, type(self._stream), "a stream could not send; its outbox is given up", self
        )

    def _progress(self, sent: int) -> None:
        if sent:
            self._bytes += sent
            self.progressed_at = trio.current_time()
