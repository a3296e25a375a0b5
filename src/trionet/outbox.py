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
from collections import deque
from collections.abc import Callable

import trio

from trionet.stream import SendsNow

# What one write takes together: as much as the kernel takes of a stream at once, more or less.
# With a stream that cannot send at once this much is beyond dropping while it is being sent.
_PIECE = 65536

_NEWLINE = 0x0A


class WhenSlow(enum.Enum):
    """What happens to a peer that reads more slowly than it is sent to."""

    DISCONNECT = "give the peer up and drop all that waits for it"
    DROP_OLDEST = "drop the oldest lines that wait, and tell the peer how many"


def _tell_missed(count: int) -> bytes:
    return b"error: missed %d lines\n" % count


class Outbox:
    """The bytes that wait for one peer.

    Args:
        stream: where they go. The outbox sends on it but never closes it.
        nursery: where the writer task runs while it is needed; it must outlive the outbox's use.
        max_waiting: bytes that may wait.
        when_slow: what happens beyond that.
        tell_missed: with `WhenSlow.DROP_OLDEST`, makes the lines that tell a peer how many lines
            it missed; default ``error: missed 37 lines``.
        on_overflow: with `WhenSlow.DISCONNECT`, called once when the peer is given up.

    Attributes:
        waiting: bytes that wait.
        dropped: lines that were put and will never be sent, for whatever reason.
        broken: whether the stream broke, or the peer was given up; nothing is sent any more.
    """

    __slots__ = (
        "_closed",
        "_emptied",
        "_head",
        "_lines",
        "_max_waiting",
        "_missed",
        "_nursery",
        "_on_overflow",
        "_send_nowait",
        "_started",
        "_stream",
        "_tell_missed",
        "_when_slow",
        "_writing",
        "broken",
        "dropped",
        "waiting",
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
    ) -> None:
        self._stream: trio.abc.SendStream | SendsNow = stream
        self._send_nowait: Callable[[bytes], int] | None = getattr(stream, "send_nowait", None)
        self._nursery = nursery
        self._max_waiting = max_waiting
        self._when_slow = when_slow
        self._tell_missed = tell_missed or _tell_missed
        self._on_overflow = on_overflow
        # The rest of a line whose beginning the peer has: it can no longer be dropped.
        self._started = b""
        # Whole lines; of the first entry, those from _head on.
        self._lines: deque[bytes] = deque()
        self._head = 0
        # Lines dropped between _started and _lines that the peer was not told of yet.
        self._missed = 0
        self._writing = False
        self._emptied: trio.Event | None = None
        self._closed = False
        self.waiting = 0
        self.dropped = 0
        self.broken = False

    def put(self, lines: bytes) -> None:
        """Send whole lines, now or as soon as the peer takes them. Never a checkpoint.

        Never blocks and never raises for what the peer did: what cannot be sent any more is
        counted in `dropped`.

        Args:
            lines: any number of lines, each with its end.
        """
        if self._put(lines) and self.waiting > self._max_waiting:
            self._overflow()

    async def send(self, lines: bytes) -> None:
        """Put lines behind what waits, and wait until they are sent. Always a checkpoint.

        They do not count against the bound: the producer who waits is bound enough.

        Args:
            lines: any number of lines, each with its end.

        Raises:
            trio.BrokenResourceError: the peer is gone, or was given up.

        Cancellation: what was put stays put.
        """
        self._put(lines)
        await self.flush()
        if self.broken:
            raise trio.BrokenResourceError("the peer is gone")

    async def flush(self) -> None:
        """Wait until nothing waits, or the outbox is broken. Always a checkpoint.

        Cancellation: loses nothing.
        """
        if not self._writing:
            await trio.lowlevel.checkpoint()
        while self._writing:
            if self._emptied is None:
                self._emptied = trio.Event()
            await self._emptied.wait()

    def close(self) -> None:
        """Take no more: later puts are only counted. What waits is still sent."""
        self._closed = True

    def _put(self, lines: bytes) -> bool:
        """Send or keep lines; False: they are dropped or nothing had to be kept."""
        if self._closed or self.broken:
            self.dropped += lines.count(b"\n")
            return False
        if self._send_nowait is not None and not self._writing:
            try:
                sent = self._send_nowait(lines)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self.dropped += lines.count(b"\n")
                self._break()
                return False
            if sent == len(lines):
                return False
            self._keep_from(lines, sent, droppable_from=0)
            self.waiting += len(lines) - sent
        elif lines:
            self._lines.append(lines)
            self.waiting += len(lines)
        if not self._writing and self.waiting:
            self._writing = True
            self._nursery.start_soon(self._write)
        return True

    def _keep_from(self, data: bytes, sent: int, *, droppable_from: int) -> None:
        """Put back what a send left over of whole lines, in front of all that waits."""
        keep = max(sent, droppable_from)
        if keep and data[keep - 1] != _NEWLINE:
            keep = data.index(b"\n", keep) + 1
        self._started = data[sent:keep]
        if keep < len(data):
            self._lines.appendleft(data)
            self._head = keep

    def _take(self) -> tuple[bytes, int]:
        """Take a piece of what waits, and how much of its beginning can no longer be dropped."""
        if self._missed:
            told = self._tell_missed(self._missed)
            self._started += told
            self.waiting += len(told)
            self._missed = 0
        pieces: list[bytes | memoryview] = [self._started]
        size = droppable_from = len(self._started)
        self._started = b""
        while self._lines and size < _PIECE:
            lines = self._lines.popleft()
            pieces.append(memoryview(lines)[self._head :] if self._head else lines)
            size += len(lines) - self._head
            self._head = 0
        return b"".join(pieces), droppable_from

    async def _write(self) -> None:
        try:
            if self._send_nowait is None:
                await self._write_all()
            else:
                await self._write_now()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._break()
        except trio.Cancelled:
            # Lines may be cut: whatever followed them would be misread.
            self._break()
            raise
        finally:
            self._writing = False
            if self._emptied is not None:
                self._emptied.set()
                self._emptied = None

    async def _write_now(self) -> None:
        assert self._send_nowait is not None
        while self.waiting:
            await self._stream.wait_writable()  # type: ignore[union-attr]
            while self.waiting:
                piece, droppable_from = self._take()
                sent = self._send_nowait(piece)
                self.waiting -= sent
                if sent < len(piece):
                    self._keep_from(piece, sent, droppable_from=droppable_from)
                    break

    async def _write_all(self) -> None:
        while self.waiting:
            piece, _ = self._take()
            await self._stream.send_all(piece)  # type: ignore[union-attr]
            self.waiting -= len(piece)

    def _overflow(self) -> None:
        if self._when_slow is WhenSlow.DISCONNECT:
            self._break()
            if self._on_overflow is not None:
                self._on_overflow()
            return
        excess = self.waiting - self._max_waiting
        while excess > 0 and self._lines:
            lines = self._lines[0]
            # The whole lines from the head on that hold the excess.
            cut = self._head + excess
            cut = len(lines) if cut >= len(lines) else lines.index(b"\n", cut - 1) + 1
            missed = lines.count(b"\n", self._head, cut)
            self._missed += missed
            self.dropped += missed
            self.waiting -= cut - self._head
            excess -= cut - self._head
            if cut == len(lines):
                self._lines.popleft()
                self._head = 0
            else:
                self._head = cut

    def _break(self) -> None:
        self.broken = True
        self.dropped += sum(lines.count(b"\n") for lines in self._lines)
        if self._lines:
            self.dropped -= self._lines[0].count(b"\n", 0, self._head)
        self.dropped += self._started.count(b"\n")
        self._started = b""
        self._lines.clear()
        self._head = self._missed = self.waiting = 0
