"""One connection's outgoing bytes.

A producer (a hub with thousands of members, a handler in its ``finally``) calls `Outbox.put` and is
done: it never waits for the peer. The plan of this file:

- While the peer keeps up, `put` is one non-blocking send and nothing else: no task, no buffer.
- When the kernel takes no more, the rest waits here, and a writer task sends it. The task ends when
  everything is sent, so an idle connection has none. (A task takes 10 to 20 µs to wake up. Waking
  one for each line is what makes the usual chat server slow.)
- The bytes that wait are bounded. Beyond the bound, `WhenSlow` decides: the peer is given up, or
  the oldest whole lines are dropped and the peer is told how many, in their place.

Streams without the `trionet.SendsNow` capability are served too, always by the writer task.
"""

from __future__ import annotations

import enum
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, TypeVar, cast

import trio

from trionet.abc import Count, SendsDirectly, SendsNow
from trionet.checks import check_choice, check_kind, check_stream
from trionet.connection.linequeue import PIECE, SMALL, LineQueue
from trionet.connection.safe_notices import safe_notices
from trionet.function_checks import check_callback
from trionet.limits import BOUNDS
from trionet.lines import check_lines
from trionet.notices import EncodeNotice, encode_notice

T = TypeVar("T")

# A stream that cannot send at once gets this much at a time, because its progress within one call
# is invisible: one TLS record (RFC 8446, 5.1).
_SLICE = 16384

# What a stream that cannot send at once itself holds for a peer that does not read: two TLS records
# (35 KB were measured). Where lines can be dropped, these count against the bound too, unless the
# bound is so small that little would be left of it.
_RECORDS = 2 * _SLICE

# At most this many pieces are sent without joining them. Where there are more, they are small, and
# joining them is as fast as having the kernel take them one by one. Besides, the kernel takes a
# thousand at most, so the rest would wait without need.
_MOST_PIECES = 16

# What a writer sends between two checkpoints: the kernel takes 256 KiB in 0.1 ms, or in 2 ms where
# it has to find memory for them first.
_PIECES_AT_ONCE = 4

# The errors of a peer that is gone: the kernel's own, and what streams raise in their place.
_GONE = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)

_NEWLINE = 0x0A

logger = logging.getLogger("trionet.connection")


class WhenSlow(enum.Enum):
    """What happens to a peer that reads more slowly than lines come for it."""

    DISCONNECT = "give the peer up and drop all that waits for it"
    DROP_OLDEST = "drop the oldest lines that wait, and tell the peer how many"


def _direct_send(stream: trio.abc.SendStream) -> Callable[[bytes], int] | None:
    """Return the shortest way to send at once; ``None``: there is none."""
    if hasattr(stream, "direct_send"):
        return cast(SendsDirectly, stream).direct_send()
    return getattr(stream, "send_nowait", None)


class Outbox:
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
        on_blocked: called whenever something begins to wait.
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
        notices: turns what the peer missed into lines. It may be changed at any time.
        broken: whether the stream broke, or the peer was given up; nothing is sent any more.
    """

    __slots__ = (
        "_awaited",
        "_bytes",
        "_closed",
        "_emptied",
        "_lines",
        "_max_waiting",
        "_nursery",
        "_on_blocked",
        "_on_overflow",
        "_queue",
        "_sends_now",
        "_shared",
        "_stream",
        "_when_slow",
        "_writer",
        "broken",
        "direct",
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
        self._stream = stream
        self._sends_now = hasattr(stream, "send_nowait")
        self.direct = _direct_send(stream)
        self._nursery = nursery
        self._max_waiting = max_waiting
        self._when_slow = when_slow
        self.notices = safe_notices(encode_notice)
        self._on_overflow = on_overflow
        self._on_blocked = on_blocked
        # Both exist only while something waits: thousands of idle outboxes have neither.
        self._queue: LineQueue | None = None
        self._writer: trio.CancelScope | None = None
        self._emptied: trio.Event | None = None
        # Bytes whose producers wait for them in `send`.
        self._awaited = 0
        self._closed = False
        # Lines put and bytes sent, without what `_shared` counts. They are negative after joining a
        # count that is ahead.
        self._lines = 0
        self._bytes = 0
        self._shared: Count | None = None
        self.dropped = 0
        self.progressed_at = math.inf
        self.broken = False

    def __repr__(self) -> str:
        state = "broken" if self.broken else "closed" if self._closed else "open"
        return (
            f"<trionet.Outbox to {getattr(self._stream, 'peer', 'unknown peer')}: {state}, "
            f"{self.lines_out} lines ({self.bytes_out} bytes) out, "
            f"{self.waiting} bytes waiting, {self.dropped} lines dropped>"
        )

    @property
    def bytes_out(self) -> int:
        """Bytes sent so far."""
        return self._bytes + (0 if self._shared is None else self._shared.bytes)

    @property
    def lines_out(self) -> int:
        """Lines put so far. Those of them that `dropped` counts were not sent."""
        return self._lines + (0 if self._shared is None else self._shared.lines)

    @property
    def waiting(self) -> int:
        """Bytes that wait."""
        return 0 if self._queue is None else self._queue.size

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
        is_able = self.direct is not None and hasattr(self._stream, "send_pieces_nowait")
        sent = 0
        if is_able and len(pieces) <= _MOST_PIECES:
            sent = self._sent(cast(SendsDirectly, self._stream).send_pieces_nowait, pieces)
        elif self.direct is not None:
            sent = self._sent(self.direct, b"".join(pieces))
        self._lines += lines
        self._bytes += size
        if sent != size:
            for piece in _joined(pieces):
                if sent < len(piece):
                    self.keep(piece, piece.count(b"\n"), sent)
                    sent = 0
                else:
                    sent -= len(piece)

    def join_count(self, count: Count) -> bool:
        """Add a shared count to this outbox's own from now on. Never a checkpoint.

        Returns:
            Whether it does: it adds one shared count at a time.
        """
        if self._shared is not None:
            return False
        self._shared = count
        self._lines -= count.lines
        self._bytes -= count.bytes
        return True

    def leave_count(self) -> None:
        """Keep what the shared count holds so far, and count alone again."""
        if self._shared is not None:
            self._lines += self._shared.lines
            self._bytes += self._shared.bytes
            self._shared = None

    def uncount(self, lines: int, size: int) -> None:
        """Take out lines and bytes that the shared count includes and this outbox was not put."""
        self._lines -= lines
        self._bytes -= size

    async def send(self, lines: bytes) -> None:
        """Put lines after those that wait, and wait until all are sent. Always a checkpoint.

        They do not count against the bound: a producer that waits is bounded enough.

        Args:
            lines: any number of lines, each with its end.

        Raises:
            trio.BrokenResourceError: the peer is gone, or was given up.
            trio.ClosedResourceError: the outbox is closed.

        Cancellation: the lines stay put and will be sent.
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
        self.broken = True
        self.direct = None
        self.progressed_at = math.inf
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
        if not isinstance(error, _GONE):
            return False
        self.give_up()
        return True

    def close(self) -> None:
        """Take no more: later puts are only counted as dropped. What waits is still sent."""
        self._closed = True
        self.direct = None

    def keep(self, lines: bytes, count: int, sent: int) -> None:
        """Keep what was not sent and make sure that it will be, or count it as dropped.

        Args:
            lines: whole lines, which are already counted as sent.
            count: how many lines they are.
            sent: how many bytes of them were sent.
        """
        self._bytes -= len(lines) - sent
        if self._closed or self.broken:
            self.dropped += count
            return
        if self._queue is None:
            queue = LineQueue(self._tell_missed, self._max_waiting)
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

    def _tell_missed(self, count: int) -> bytes:
        return self.notices.missed(count)

    def _sent(self, send: Callable[[T], int], data: T) -> int:
        """Send what the kernel takes at once, and return how many bytes that was."""
        try:
            return send(data)
        except BlockingIOError:
            return 0
        except _GONE:
            self.give_up()
            return 0

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
                self.direct = _direct_send(self._stream)
            self.progressed_at = math.inf
            if self._emptied is not None:
                self._emptied.set()
                self._emptied = None

    async def _write_now(self, queue: LineQueue, stream: SendsNow) -> None:
        while queue:
            await stream.wait_writable()
            sent = size = 0
            for _ in range(_PIECES_AT_ONCE):
                if sent != size or not queue:
                    break
                piece = queue.take()
                size = len(piece)
                sent = stream.send_nowait(piece)
                queue.settle(sent)
                self._progress(sent)

    async def _write_all(self, queue: LineQueue) -> None:
        # What is being written can no longer be dropped: at most a quarter of what may wait.
        wanted = min(PIECE, max(_SLICE, self._max_waiting // 4))
        while queue:
            piece = queue.take(wanted)
            with memoryview(piece) as view:
                for begin in range(0, len(view), _SLICE):
                    with view[begin : begin + _SLICE] as part:
                        await self._stream.send_all(part)
                        self._progress(len(part))
            queue.settle(len(piece))

    def _progress(self, sent: int) -> None:
        if sent:
            self._bytes += sent
            self.progressed_at = trio.current_time()


def _joined(pieces: Sequence[bytes | memoryview]) -> Iterator[bytes]:
    """Join pieces that have to wait, except large ones, which other outboxes may share."""
    run: list[bytes | memoryview] = []
    for piece in pieces:
        if type(piece) is bytes and len(piece) >= SMALL:
            if run:
                yield b"".join(run)
                run = []
            yield piece
        else:
            run.append(piece)
    if run:
        yield b"".join(run)
