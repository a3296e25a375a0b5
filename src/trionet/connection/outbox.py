r"""One connection's outgoing bytes.

The producer (a hub with thousands of members, a handler in its ``finally``) calls `Outbox.put` and
is done: it never waits for the peer. What the plan is:

- While the peer keeps up, `put` is one non-blocking send and nothing else: no task, no buffer.
- When the system takes no more, the rest waits here, and a writer task sends it. It ends when
  all is sent, so that an idle connection has none. (A task wakes up in 10 to 20 µs; a task woken
  for each line is what makes the usual chat server slow.)
- What waits is bounded in bytes. Over the bound, `WhenSlow` decides: the peer is given up, or the
  oldest whole lines are dropped and the peer is told how many, in their place.

Streams without the `trionet.SendsNow` capability are served too, always by the writer task.
"""

from __future__ import annotations

import enum
import logging
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TypeVar, cast

import trio

from trionet.abc import SendsDirectly, SendsNow
from trionet.connection.linequeue import BLOCK, PIECE, LineQueue
from trionet.connection.safe_notices import safe_notices
from trionet.lines import TALLY_BYTE, Lines, check_lines, tally
from trionet.notices import EncodeNotice, encode_notice

T = TypeVar("T")

# What a stream that cannot send at once is given at a time, because its progress within is
# invisible: one TLS record (RFC 8446, 5.1).
_SLICE = 16384

# What a stream that cannot send at once holds by itself for a peer that does not read: two records
# of TLS (35 KB were measured). Where lines can be dropped, these count against the bound too,
# unless it is so small that little would be left of it.
_RECORDS = 2 * _SLICE

# Pieces that are not joined. More of them are small, and joined as fast as the system takes them
# one by one; and it takes a thousand at most, so that the rest would wait without need.
_MOST_PIECES = 16

# What a writer sends between two checkpoints: 128 KiB take the kernel 0.1 ms, or 1 ms where it has
# to find memory for them first.
_PIECES_AT_ONCE = 2

# A peer that is gone: what the system says of it, and what streams make of that.
_GONE = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)

_NEWLINE = 0x0A

logger = logging.getLogger("trionet.connection")


class WhenSlow(enum.Enum):
    """What happens to a peer that reads more slowly than it is sent to."""

    DISCONNECT = "give the peer up and drop all that waits for it"
    DROP_OLDEST = "drop the oldest lines that wait, and tell the peer how many"


def _direct_send(stream: trio.abc.SendStream) -> Callable[[bytes], int] | None:
    """Return the shortest way to send at once; ``None``: there is none."""
    if hasattr(stream, "direct_send"):
        return cast(SendsDirectly, stream).direct_send()
    return getattr(stream, "send_nowait", None)


class SharedCount:
    """What many outboxes were put alike, counted once for all of them.

    It counts when a delivery begins: whoever has not been reached yet is ahead by it.

    Attributes:
        tally: see `trionet.lines.tally`.
    """

    __slots__ = ("tally",)

    def __init__(self) -> None:
        self.tally = 0


class Outbox:
    """The bytes that wait for one peer.

    Args:
        stream: where they go. The outbox sends on it but never closes it, and nobody else sends.
        nursery: where the writer task runs while it is needed; it must outlive the outbox's use.
        max_waiting: bytes that may wait, and hardly less than the memory that they take.
        when_slow: what happens beyond that.
        encode_notice: with `WhenSlow.DROP_OLDEST`, turns the `trionet.LinesMissed` that tells the
            peer how many lines it missed into lines; default ``error: missed 37 lines``, also
            in place of a function that raises or returns no lines.
        on_overflow: with `WhenSlow.DISCONNECT`, called once when the peer is given up.
        on_blocked: called whenever something begins to wait.

    Attributes:
        direct: sends lines at once, as far as the system takes them, and counts nothing; ``None``:
            the next ones have to wait.
        progressed_at: since when there was no progress, on the Trio clock, while something waits.
        dropped: lines that were put and will never be sent, for whatever reason.
        broken: whether the stream broke, or the peer was given up; nothing is sent any more.
    """

    __slots__ = (
        "_awaited",
        "_closed",
        "_emptied",
        "_max_waiting",
        "_notices",
        "_nursery",
        "_on_blocked",
        "_on_overflow",
        "_queue",
        "_sends_now",
        "_shared",
        "_stream",
        "_tally",
        "_when_slow",
        "_writer",
        "broken",
        "direct",
        "dropped",
        "progressed_at",
    )

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
    ) -> None:
        self._stream = stream
        self._sends_now = hasattr(stream, "send_nowait")
        self.direct = _direct_send(stream)
        self._nursery = nursery
        self._max_waiting = max_waiting
        self._when_slow = when_slow
        self._notices = safe_notices(encode_notice)
        self._on_overflow = on_overflow
        self._on_blocked = on_blocked
        # Both only while something waits: thousands of idle outboxes have neither.
        self._queue: LineQueue | None = None
        self._writer: trio.CancelScope | None = None
        self._emptied: trio.Event | None = None
        # Bytes whose producers wait for them in `send`.
        self._awaited = 0
        self._closed = False
        # Of lines put and bytes sent; see `trionet.lines.tally`. What others are sent too stands in
        # the count that it shares with them.
        self._tally = 0
        self._shared: SharedCount | None = None
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
        return self._counted // TALLY_BYTE

    @property
    def lines_out(self) -> int:
        """Lines put so far; those of them in `dropped` were not sent."""
        return self._counted % TALLY_BYTE

    @property
    def _counted(self) -> int:
        return self._tally + (self._shared.tally if self._shared is not None else 0)

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

        Raises:
            TypeError: they are no bytes.
            ValueError: the last line has no end: the next one would be joined to it.
        """
        amount = lines.tally if type(lines) is Lines else tally(lines)
        if lines and lines[-1] != _NEWLINE:
            check_lines(lines)
        sent = self._sent(self.direct, lines) if self.direct is not None else 0
        self._tally += amount
        if sent != len(lines):
            self.keep(lines, amount, sent)

    def put_pieces(self, pieces: Sequence[bytes | memoryview], amount: int) -> None:
        """Do what `put` does for lines in pieces; they are joined only if they have to wait.

        Args:
            pieces: each is whole lines with their ends.
            amount: their `trionet.lines.tally`.
        """
        is_able = self.direct is not None and hasattr(self._stream, "send_pieces_nowait")
        sent = 0
        if is_able and len(pieces) <= _MOST_PIECES:
            sent = self._sent(cast(SendsDirectly, self._stream).send_pieces_nowait, pieces)
        elif self.direct is not None:
            sent = self._sent(self.direct, b"".join(pieces))
        self._tally += amount
        if sent != amount // TALLY_BYTE:
            for piece in _joined(pieces):
                size = len(piece)
                if sent < size:
                    self.keep(piece, tally(piece), sent)
                    sent = 0
                else:
                    sent -= size

    def share(self, count: SharedCount) -> bool:
        """Count what `put_to_all` puts together with other outboxes. Never a checkpoint.

        Returns:
            Whether it does: it shares one count at a time.
        """
        if self._shared is not None:
            return False
        self._shared = count
        self._tally -= count.tally
        return True

    def unshare(self) -> None:
        """Count by itself again."""
        if self._shared is not None:
            self._tally += self._shared.tally
            self._shared = None

    def miss(self, amount: int) -> None:
        """Take out of the count what the others who share it were put, and this one was not."""
        self._tally -= amount

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
        self.broken = True
        self.direct = None
        self.progressed_at = math.inf
        if self._queue is not None:
            self.dropped += self._queue.clear()
        if self._writer is not None:
            # Who is given up is not waited for.
            self._writer.cancel()

    def close(self) -> None:
        """Take no more: later puts are only counted. What waits is still sent."""
        self._closed = True
        self.direct = None

    def keep(self, lines: bytes, amount: int, sent: int) -> None:
        """Keep what was not sent and see to it that it will be, or count it as dropped.

        Args:
            lines: whole lines, which are counted as sent already.
            amount: their `trionet.lines.tally`.
            sent: how many bytes of them were.
        """
        self._tally -= (len(lines) - sent) * TALLY_BYTE
        if self._closed or self.broken:
            self.dropped += amount % TALLY_BYTE
            return
        if self._queue is None:
            queue, writer = LineQueue(self._notices.missed), trio.CancelScope()
            # First, because a nursery that is closed raises: nothing is to wait without a writer.
            self._nursery.start_soon(self._write, queue, writer)
            self.direct = None
            self._queue, self._writer = queue, writer
            self.progressed_at = trio.current_time()
            if self._on_blocked is not None:
                self._on_blocked()
        if isinstance(lines, bytearray):
            # Its owner may go on with it.
            lines = bytes(lines)
        limit = self._max_waiting + self._awaited
        if self._when_slow is WhenSlow.DROP_OLDEST:
            if not self._sends_now and self._max_waiting >= 2 * _RECORDS:
                limit -= _RECORDS
            self.dropped += self._queue.put(
                lines, count=amount % TALLY_BYTE, sent=sent, limit=limit
            )
            return
        self._queue.put(lines, sent=sent)
        if self._queue.size > limit:
            self.give_up()
            if self._on_overflow is not None:
                self._on_overflow()

    def _sent(self, send: Callable[[T], int], data: T) -> int:
        """Send what is taken at once, and return how many bytes that was."""
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
            # It concerns this peer alone, and not the nursery that all writers share.
            logger.exception("somebody else sends on the stream of an outbox; it is given up")
        finally:
            if not done:
                # Lines may be cut: whatever followed them would be misread.
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
        # What is being written cannot be dropped any more: a quarter of what may wait, at most.
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
            self._tally += sent * TALLY_BYTE
            self.progressed_at = trio.current_time()


def put_to_all(
    outboxes: Iterable[Outbox],
    lines: Lines,
    without: Collection[object],
    on_error: Callable[[Outbox, Exception], object],
) -> None:
    """Do what `Outbox.put` does for many, and nothing else. Never a checkpoint.

    All in one loop: a call more for each of a thousand would be felt.

    Args:
        outboxes: they share a count, and the lines stand in it already.
        lines: whole lines.
        without: who does not get them.
        on_error: called with an outbox that raised, and what it raised.
    """
    amount, size = lines.tally, len(lines)
    for outbox in outboxes:
        if outbox in without:
            outbox.miss(amount)
            continue
        sent = 0
        try:
            if outbox.direct is not None:
                sent = outbox.direct(lines)
        except BlockingIOError:
            pass
        except _GONE:
            outbox.give_up()
        except Exception as error:
            outbox.miss(amount)
            on_error(outbox, error)
            continue
        if sent != size:
            try:
                outbox.keep(lines, amount, sent)
            except Exception as error:
                on_error(outbox, error)


def _joined(pieces: Sequence[bytes | memoryview]) -> Iterator[bytes]:
    """Join pieces that are to wait, but for large ones that others may share."""
    run: list[bytes | memoryview] = []
    for piece in pieces:
        if type(piece) is bytes and len(piece) >= BLOCK:
            if run:
                yield b"".join(run)
                run = []
            yield piece
        else:
            run.append(piece)
    if run:
        yield b"".join(run)
