"""One connection's outgoing bytes.

A producer (a hub with thousands of members, a handler in its ``finally``) calls `Outbox.put` and is
done: it never waits for the peer. The plan of this file:

- While the peer keeps up, `put` is one non-blocking send and nothing else: no task, no buffer.
- When the kernel takes no more, the rest waits here, and a writer task sends it. The task ends when
  everything is sent, so an idle connection has none. (A task takes 10 to 20 µs to wake up. Waking
  one for each line is what makes the usual chat server slow.)
- Where a server defers sends (`deferred.py`), lines are held for a moment and then sent in one go.
  While they are, `direct` is ``None``, so whoever sends past `put` comes to `keep`, and that sends
  what is held first.
- The bytes that wait are bounded. Beyond the bound, `WhenSlow` decides: the peer is given up, or
  the oldest whole lines are dropped and the peer is told how many, in their place.

Streams without the `trionet.SendsNow` capability are served too, always by the writer task.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import ClassVar, TypeVar, cast

import trio

from trionet.abc import SendsDirectly, SendsNow
from trionet.checks import check_choice, check_kind, check_stream
from trionet.connection.deferred import DeferredSends
from trionet.connection.held import Holds
from trionet.connection.linequeue import LineQueue
from trionet.connection.safe_notices import safe_notices
from trionet.connection.when_slow import WhenSlow
from trionet.connection.writing import (
    GONE,
    SLICE,
    direct_send,
    joined,
    write_all,
    write_now,
)
from trionet.encoding import check_lines
from trionet.function_checks import check_callback
from trionet.limits import BOUNDS
from trionet.notices import EncodeNotice, encode_notice

T = TypeVar("T")

# What a stream that cannot send at once itself holds for a peer that does not read: two TLS records
# (35 KB were measured). Where lines can be dropped, these count against the bound too, unless the
# bound is so small that little would be left of it.
_RECORDS = 2 * SLICE

# At most this many pieces are sent without joining them. Where there are more, they are small, and
# joining them is as fast as having the kernel take them one by one. Besides, the kernel takes a
# thousand at most, so the rest would wait without need.
_MOST_PIECES = 16

_NEWLINE = 0x0A

logger = logging.getLogger("trionet.connection")


class Outbox(Holds):
    """The bytes that wait for one peer.

    Args:
        stream: where they go. The outbox sends on it but never closes it, and nobody else sends.
        nursery: where the writer task runs while it is needed; it must outlive the outbox's use.
        max_waiting: bytes that may wait; the memory they take is hardly more.
        when_slow: what happens beyond that.
        encode_notice: with `WhenSlow.DROP_OLDEST`, turns the `trionet.LinesMissed` that tells the
            peer how many lines it missed into lines. Default: ``error: missed 37 lines``, which
            also replaces the lines of a function that raises or returns none.
        on_overflow: with `WhenSlow.DISCONNECT`, called once when the peer is given up.
        on_blocked: called whenever something begins to wait for the peer.
        deferred: the sends that the server puts off; ``None``: lines are sent at once.
        is_checked: the caller knows that the other arguments are right, as a server does, which
            makes an outbox for each peer.

    Raises:
        TypeError: an argument is of the wrong kind; the message says what to write.
        ValueError: `max_waiting` is out of bounds.

    Attributes:
        direct: sends lines at once, as far as the kernel takes them, and counts nothing; ``None``:
            the next ones have to wait.
        progressed_at: while something waits, when progress was last made, on the Trio clock.
        dropped: lines that were put and will never be sent, for whatever reason.
        notices: turns what the peer missed into lines. It may be changed while nothing waits.
        broken: whether the stream broke, or the peer was given up; nothing is sent any more.
    """

    __slots__ = (
        "_awaited",
        "_emptied",
        "_nursery",
        "_on_blocked",
        "_on_overflow",
        "_sends_now",
        "_stream",
        "_when_slow",
        "_writer",
        "dropped",
        "notices",
        "progressed_at",
    )

    # See `trionet.abc.DirectBox`.
    may_bypass_put: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        # A subclass does not qualify: it may override `put`.
        cls.may_bypass_put = False

    def __init__(
        self,
        stream: trio.abc.SendStream,
        nursery: trio.Nursery,
        *,
        max_waiting: int = 1 << 20,
        when_slow: WhenSlow = WhenSlow.DISCONNECT,
        encode_notice: EncodeNotice = encode_notice,
        on_overflow: Callable[[], None] | None = None,
        on_blocked: Callable[[], None] | None = None,
        deferred: DeferredSends | None = None,
        is_checked: bool = False,
    ) -> None:
        if not is_checked:
            check_stream(stream, methods=["send_all"])
            check_kind("nursery", nursery, trio.Nursery, hint="an open nursery")
            BOUNDS["max_waiting"].check("max_waiting", max_waiting)
            check_choice("when_slow", when_slow, WhenSlow)
            check_callback("encode_notice", encode_notice, optional=False)
            check_callback("on_overflow", on_overflow, arguments=0)
            check_callback("on_blocked", on_blocked, arguments=0)
        super().__init__(direct_send(stream), max_waiting=max_waiting, deferred=deferred)
        self._stream = stream
        self._sends_now = hasattr(stream, "send_nowait")
        self._nursery = nursery
        self._when_slow = when_slow
        self.notices = safe_notices(encode_notice)
        self._on_overflow = on_overflow
        self._on_blocked = on_blocked
        # Like the queue it exists only while something waits: idle outboxes have neither.
        self._writer: trio.CancelScope | None = None
        self._emptied: trio.Event | None = None
        # Bytes whose producers wait for them in `send`.
        self._awaited = 0
        self.dropped = 0
        self.progressed_at = math.inf

    def __repr__(self) -> str:
        state = "broken" if self.broken else "closed" if self._closed else "open"
        return (
            f"<trionet.Outbox to {getattr(self._stream, 'peer', 'unknown peer')}: {state}, "
            f"{self.lines_out} lines ({self.bytes_out} bytes) out, "
            f"{self.waiting} bytes waiting, {self.dropped} lines dropped>"
        )

    def put(self, lines: bytes) -> None:
        """Send whole lines, now or as soon as the peer takes them. Never a checkpoint.

        Never blocks, and never raises for what the peer did: lines that can no longer be sent are
        counted in `dropped`.

        Args:
            lines: any number of lines, each with its end.

        Raises:
            TypeError: they are not bytes.
            ValueError: the last line has no end: the next one would be joined to it.
        """
        try:
            count = lines.count(b"\n")
        except (AttributeError, TypeError):
            raise TypeError("a peer takes bytes, such as trionet.encode_line(text)") from None
        size = len(lines)
        if size and lines[-1] != _NEWLINE:
            check_lines(lines)
        deferred = self._deferred
        if deferred is not None and deferred.is_on and self._hold(deferred, lines, size, count):
            return
        if self._held:
            self.release()
        sent = self._sent(self.direct, lines) if self.direct is not None else 0
        self._lines += count
        self._bytes += size
        if sent != size:
            self.keep(lines, count, sent)

    def put_pieces(self, pieces: Sequence[bytes | memoryview], lines: int, size: int) -> None:
        """Do what `put` does for lines in pieces, and join them only if they have to wait.

        Args:
            pieces: whole lines with their ends each.
            lines: how many lines they are.
            size: how many bytes they are.
        """
        if self._held:
            self.release()
        is_able = self.direct is not None and hasattr(self._stream, "send_pieces_nowait")
        sent = 0
        if is_able and len(pieces) <= _MOST_PIECES:
            sent = self._sent(cast(SendsDirectly, self._stream).send_pieces_nowait, pieces)
        elif self.direct is not None:
            sent = self._sent(self.direct, b"".join(pieces))
        self._lines += lines
        self._bytes += size
        if sent != size:
            for piece in joined(pieces):
                if sent < len(piece):
                    self.keep(piece, lines if len(piece) == size else piece.count(b"\n"), sent)
                    sent = 0
                else:
                    sent -= len(piece)

    async def send(self, lines: bytes) -> None:
        """Put lines after those that wait, and wait until all are sent. Always a checkpoint.

        They do not count against the bound: a producer that waits is bounded enough.

        Args:
            lines: any number of lines, each with its end.

        Raises:
            TypeError, ValueError: as `put`.
            trio.BrokenResourceError: the peer is gone, or was given up.
            trio.ClosedResourceError: the outbox is closed.

        Cancellation: the lines stay put and will be sent.
        """
        if self._closed:
            await trio.lowlevel.checkpoint()
            raise trio.ClosedResourceError("the outbox is closed")
        if type(lines) is not bytes:
            check_lines(lines)
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
        self.direct = self._aside = None
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

    def keep(self, lines: bytes, count: int, sent: int) -> None:
        """Keep what was not sent and make sure that it will be, or count it as dropped.

        Args:
            lines: whole lines, which are already counted as sent.
            count: how many lines they are.
            sent: how many bytes of them were sent.
        """
        if self._held:
            self.release()
            if self.direct is not None:
                sent = self._sent(self.direct, lines)
        self._bytes -= len(lines) - sent
        if sent == len(lines):
            return
        if self._closed or self.broken:
            self.dropped += count
            return
        if self._queue is None:
            queue = LineQueue(self.notices, self._max_waiting)
            writer = trio.CancelScope()
            # First, because a closed nursery raises: nothing may wait without a writer.
            self._nursery.start_soon(self._write, queue, writer)
            self.direct = None
            self._queue, self._writer = queue, writer
            self.progressed_at = trio.current_time()
            if self._on_blocked is not None:
                self._on_blocked()
        if isinstance(lines, bytearray):
            # Its owner may change it.
            lines = bytes(lines)
        limit = self._max_waiting + self._awaited
        if self._when_slow is WhenSlow.DROP_OLDEST:
            if not self._sends_now and self._max_waiting >= 2 * _RECORDS:
                limit -= _RECORDS
            self.dropped += self._queue.put(lines, count=count, sent=sent, limit=limit)
            return
        self._queue.put(lines, sent=sent)
        if self._queue.size > limit:
            self.give_up()
            if self._on_overflow is not None:
                self._on_overflow()

    async def _write(self, queue: LineQueue, scope: trio.CancelScope) -> None:
        done = False
        try:
            with scope:
                if self._sends_now:
                    await write_now(queue, cast(SendsNow, self._stream), self._progress)
                else:
                    # What is being written can no longer be dropped: at most a quarter of what may
                    # wait.
                    at_once = self._max_waiting // 4
                    await write_all(queue, self._stream, self._progress, at_once=at_once)
                done = True
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except trio.BusyResourceError:
            # This concerns one peer alone, and not the nursery that all writers share.
            logger.exception(
                "another task sends on the stream of an outbox; the outbox is given up"
            )
        finally:
            if not done:
                # A line may be half sent: whatever followed it would be misread.
                self.give_up()
            self._queue = self._writer = None
            if not (self._closed or self.broken):
                self.direct = direct_send(self._stream)
            self.progressed_at = math.inf
            if self._emptied is not None:
                self._emptied.set()
                self._emptied = None

    def _progress(self, sent: int) -> None:
        if sent:
            self._bytes += sent
            self.progressed_at = trio.current_time()
