r"""One connection's outgoing bytes.

The producer (a hub with thousands of members, a handler in its ``finally``) calls `Outbox.put` and
is done: it never waits for the peer. What the plan is:

- While the peer keeps up, `put` is one non-blocking send and nothing else: no task, no buffer.
- When the system takes no more, the rest waits here, and a writer task sends it. It ends when
  all is sent, so that an idle connection has none. (A task wakes up in 10 to 20 µs; a task woken
  for each line is what makes the usual chat server slow.)
- What waits is bounded in bytes. Over the bound, `WhenSlow` decides: the peer is given up, or the
  oldest whole lines are dropped and the peer is told how many, in their place.

Streams without the `trionet.stream.SendsNow` capability are served too, always by the writer task.
"""

from __future__ import annotations

import enum
import logging
import math
from collections.abc import Callable
from typing import cast

import trio

from trionet.linequeue import LineQueue
from trionet.lines import Lines
from trionet.stream import SendsNow

# What a stream that cannot send at once is given at a time, because its progress within is
# invisible: one TLS record (RFC 8446, 5.1).
_SLICE = 16384

logger = logging.getLogger("trionet.outbox")


class WhenSlow(enum.Enum):
    """What happens to a peer that reads more slowly than it is sent to."""

    DISCONNECT = "give the peer up and drop all that waits for it"
    DROP_OLDEST = "drop the oldest lines that wait, and tell the peer how many"


def _count(lines: bytes) -> int:
    try:
        return lines.count(b"\n")
    except TypeError:
        raise TypeError("an outbox takes bytes, such as trionet.encode_line(text)") from None


def _tell_missed(count: int) -> bytes:
    return b"error: missed %d lines\n" % count


class Outbox:
    """The bytes that wait for one peer.

    Args:
        stream: where they go. The outbox sends on it but never closes it, and nobody else sends.
        nursery: where the writer task runs while it is needed; it must outlive the outbox's use.
        max_waiting: bytes that may wait.
        when_slow: what happens beyond that.
        tell_missed: with `WhenSlow.DROP_OLDEST`, makes the lines that tell a peer how many lines
            it missed; default ``error: missed 37 lines``.
        on_overflow: with `WhenSlow.DISCONNECT`, called once when the peer is given up.
        on_blocked: called whenever something begins to wait.

    Attributes:
        bytes_out: bytes sent so far.
        lines_out: lines put so far; those of them in `dropped` were not sent.
        progressed_at: since when there was no progress, on the Trio clock, while something waits.
        dropped: lines that were put and will never be sent, for whatever reason.
        broken: whether the stream broke, or the peer was given up; nothing is sent any more.
    """

    __slots__ = (
        "_awaited",
        "_closed",
        "_emptied",
        "_is_direct",
        "_max_waiting",
        "_nursery",
        "_on_blocked",
        "_on_overflow",
        "_queue",
        "_sends_now",
        "_stream",
        "_tell_missed",
        "_when_slow",
        "_writer",
        "broken",
        "bytes_out",
        "dropped",
        "lines_out",
        "progressed_at",
    )

    def __init__(
        self,
        stream: trio.abc.SendStream,
        nursery: trio.Nursery,
        *,
        max_waiting: int = 1 << 20,
        when_slow: WhenSlow = WhenSlow.DISCONNECT,
        tell_missed: Callable[[int], bytes] | None = None,
        on_overflow: Callable[[], None] | None = None,
        on_blocked: Callable[[], None] | None = None,
    ) -> None:
        self._stream = stream
        # Not the bound method itself, which is an object of 64 bytes.
        self._sends_now = hasattr(stream, "send_nowait")
        # Whether the next lines can be sent at once: one question instead of four.
        self._is_direct = self._sends_now
        self._nursery = nursery
        self._max_waiting = max_waiting
        self._when_slow = when_slow
        self._tell_missed = tell_missed or _tell_missed
        self._on_overflow = on_overflow
        self._on_blocked = on_blocked
        # Both only while something waits: thousands of idle outboxes have neither.
        self._queue: LineQueue | None = None
        self._writer: trio.CancelScope | None = None
        self._emptied: trio.Event | None = None
        # Bytes whose producers wait for them in `send`.
        self._awaited = 0
        self._closed = False
        self.bytes_out = 0
        self.lines_out = 0
        self.dropped = 0
        self.progressed_at = math.inf
        self.broken = False

    @property
    def waiting(self) -> int:
        """Bytes that wait."""
        return 0 if self._queue is None else self._queue.size

    def put(self, lines: bytes) -> None:
        """Send whole lines, now or as soon as the peer takes them. Never a checkpoint.

        Never blocks and never raises for what the peer did: what cannot be sent any more is
        counted in `dropped`.

        Args:
            lines: any number of lines, each with its end.
        """
        count = lines.number if type(lines) is Lines else _count(lines)
        self.lines_out += count
        sent = 0
        if self._is_direct:
            try:
                sent = self._stream.send_nowait(lines)  # type: ignore[attr-defined]
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self.dropped += count
                self._break()
                return
            self.bytes_out += sent
            if sent == len(lines):
                return
        elif self._closed or self.broken or not lines:
            self.dropped += count
            return
        if self._queue is None:
            self._is_direct = False
            self._queue = LineQueue(self._tell_missed)
            self._writer = trio.CancelScope()
            self._nursery.start_soon(self._write, self._queue, self._writer)
            self.progressed_at = trio.current_time()
            if self._on_blocked is not None:
                self._on_blocked()
        self._queue.put(lines, sent=sent)
        excess = self._queue.size - self._max_waiting - self._awaited
        if excess > 0:
            self._overflow(excess)

    async def send(self, lines: bytes) -> None:
        """Put lines behind what waits, and wait until all is sent. Always a checkpoint.

        They do not count against the bound: a producer who waits is bound enough.

        Args:
            lines: any number of lines, each with its end.

        Raises:
            trio.BrokenResourceError: the peer is gone, or was given up.
            trio.ClosedResourceError: the outbox is closed.

        Cancellation: what was put stays put.
        """
        if self._closed:
            await trio.lowlevel.checkpoint()
            raise trio.ClosedResourceError("the outbox is closed")
        self._awaited += len(lines)
        try:
            self.put(lines)
            await self.flush()
        finally:
            self._awaited -= len(lines)
        if self.broken:
            raise trio.BrokenResourceError("the peer is gone")

    async def flush(self) -> None:
        """Wait until nothing waits, or the outbox is broken. Always a checkpoint.

        Cancellation: loses nothing.
        """
        if self._queue is None:
            await trio.lowlevel.checkpoint()
        while self._queue is not None:
            if self._emptied is None:
                self._emptied = trio.Event()
            await self._emptied.wait()

    def give_up(self) -> None:
        """Drop all that waits, and send nothing more. Never a checkpoint."""
        self._break()

    def close(self) -> None:
        """Take no more: later puts are only counted. What waits is still sent."""
        self._closed = True
        self._is_direct = False

    def _overflow(self, excess: int) -> None:
        assert self._queue is not None
        if self._when_slow is WhenSlow.DROP_OLDEST:
            self.dropped += self._queue.drop_oldest(excess)
            return
        self._break()
        if self._on_overflow is not None:
            self._on_overflow()

    def _break(self) -> None:
        self.broken = True
        self._is_direct = False
        self.progressed_at = math.inf
        if self._queue is not None:
            self.dropped += self._queue.clear()
        if self._writer is not None:
            # Who is given up is not waited for.
            self._writer.cancel()

    async def _write(self, queue: LineQueue, scope: trio.CancelScope) -> None:
        done = False
        try:
            with scope:
                if self._sends_now:
                    await self._write_now(queue, cast(SendsNow, self._stream))
                else:
                    await self._write_all(queue)
                done = True
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except trio.BusyResourceError:
            # It concerns this peer alone, and not the nursery that all writers share.
            logger.exception("somebody else sends on the stream of an outbox; it is given up")
        finally:
            if not done:
                # Lines may be cut: whatever followed them would be misread.
                self._break()
            self._queue = self._writer = None
            self._is_direct = self._sends_now and not (self._closed or self.broken)
            self.progressed_at = math.inf
            if self._emptied is not None:
                self._emptied.set()
                self._emptied = None

    async def _write_now(self, queue: LineQueue, stream: SendsNow) -> None:
        while queue:
            await stream.wait_writable()
            sent = size = 0
            while sent == size and queue:
                piece = queue.take()
                size = len(piece)
                sent = stream.send_nowait(piece)
                queue.settle(sent)
                self._progress(sent)

    async def _write_all(self, queue: LineQueue) -> None:
        while queue:
            piece = queue.take()
            with memoryview(piece) as view:
                for begin in range(0, len(view), _SLICE):
                    with view[begin : begin + _SLICE] as part:
                        await self._stream.send_all(part)
                        self._progress(len(part))
            queue.settle(len(piece))

    def _progress(self, sent: int) -> None:
        if sent:
            self.bytes_out += sent
            self.progressed_at = trio.current_time()
