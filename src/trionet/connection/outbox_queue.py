"""A queue of whole lines for a peer that reads slowly. No I/O.

The queue can drop whole lines, the oldest first, as long as the peer has nothing of them. A notice
in their place tells the peer how many it missed. It follows the rest of the line whose beginning
the peer has, and precedes everything that still waits.

The lines wait in blocks, which take little memory beyond the lines (`outbox_blocks.py`). Each write
takes some of them, and joins no more than the peer is likely to take.

Where lines travel in frames (`trionet.abc.Framing`), all this holds for whole frames: a block is
whole frames, and a frame of which the peer has nothing yet is dropped with all its lines.
"""

from __future__ import annotations

from typing import NamedTuple

from trionet.abc import Framing, TellsMissed
from trionet.connection.missed_lines import MissedLines
from trionet.connection.outbox_blocks import SMALL, UNKNOWN, LineBlocks
from trionet.transport.boundaries import LINES

# One write takes at most this much, about what a kernel accepts at once.
PIECE = 65536

# One part in this many of the bound may stay in memory after it was sent or dropped.
_GONE_PART = 32

# One part in this many of the bound may be dropped in excess, if that spares cutting a block. A cut
# counts the lines on one side, and for blocks of 32 KiB that took a third of a busy server's time.
_SLACK_PART = 16

# The size of a write to a peer that took only a few bytes of the last one. Joining 64 KiB each time
# for a peer that takes 100 bytes at a time would copy each byte 650 times.
_LEAST = 4096


class _Piece(NamedTuple):
    """The data of one write: the rest of a line, a notice of missed lines, then whole lines.

    Attributes:
        data: all of it.
        begin: where the notice begins.
        end: where it ends.
        missed: the lines that the notice reports; ``None``: there is no notice.
    """

    data: bytes
    begin: int
    end: int
    missed: MissedLines | None


_NOTHING = _Piece(b"", 0, 0, None)


class LineQueue:
    """Lines that wait.

    Args:
        tell_missed: makes the lines that tell a peer what it missed.
        bound: bytes that are expected to wait at most. A thirty-second of it, but 4 KiB at least
            and 64 KiB at most, may stay in memory after it was sent or dropped.
        framing: how the lines are framed in what is put; default: not at all.

    Attributes:
        size: bytes that wait. A notice counts from the moment its sending begins.
        told: lines of notices that were sent, or whose sending has begun.
    """

    __slots__ = (
        "_blocks",
        "_framing",
        "_missed",
        "_part",
        "_started",
        "_started_at",
        "_taken",
        "_telling",
        "_wanted",
        "size",
        "told",
    )

    def __init__(
        self, tell_missed: TellsMissed, bound: int = 1 << 20, *, framing: Framing = LINES
    ) -> None:
        self._framing = framing
        # From _started_at on: the rest of a line or notice whose beginning the peer has. It cannot
        # be dropped.
        self._started = b""
        self._started_at = 0
        self._telling = False
        # How much was taken, if it was only part of _started; 0: something else was taken.
        self._part = 0
        # Whole lines.
        self._blocks = LineBlocks(min(PIECE, max(SMALL, bound // _GONE_PART)), framing)
        # Lines dropped between _started and _blocks that the peer has not been told of yet.
        self._missed = MissedLines(tell_missed, framing)
        self._taken = _NOTHING
        # What the next write takes.
        self._wanted = PIECE
        self.size = self.told = 0

    def __bool__(self) -> bool:
        return bool(self.size or self._missed)

    @property
    def kept(self) -> int:
        """Bytes that this keeps alive, with shared blocks counted in full."""
        return len(self._started) + len(self._taken.data) + self._blocks.kept

    def put(
        self, lines: bytes, *, count: int | None = None, sent: int = 0, limit: int | None = None
    ) -> int:
        """Add whole lines at the end.

        Args:
            lines: any number of lines, each with its end.
            count: how many lines they are, if that is known.
            sent: how many bytes of them the peer already has; only when nothing waits.
            limit: bytes that may wait; if there are more, the oldest lines are dropped, and
                perhaps a sixteenth of the limit more than necessary.

        Returns:
            How many lines were dropped.
        """
        if limit is not None and not sent and len(lines) > limit:
            return self._put_newest(lines, count, limit)
        self.size += len(lines) - sent
        if sent:
            cut = self._framing.end_from(lines, 0, sent)
            if cut != sent:
                self._started = bytes(lines[sent:cut])
                self._telling = False
            if cut < len(lines):
                self._blocks.put_first(lines, cut)
        elif lines:
            self._blocks.append(lines, UNKNOWN if count is None else count)
        if limit is not None and self.size > limit:
            return self.drop_oldest(self.size - limit, slack=limit // _SLACK_PART)
        self._blocks.free()
        return 0

    def take(self, wanted: int = PIECE) -> bytes:
        """Return some of what waits, to be sent. Call `settle` afterwards.

        Args:
            wanted: stop taking after this many bytes.
        """
        wanted = min(wanted, self._wanted)
        started, at = self._started, self._started_at
        if len(started) - at > wanted:
            self._part = wanted
            return started[at : at + wanted]
        missed = self._missed.take() if self._missed else None
        notice = missed.encode() if missed else b""
        begin = len(started) - at
        end = size = begin + len(notice)
        pieces: list[bytes | memoryview] = [started[at:], notice]
        self._started, self._started_at = b"", 0
        while size < wanted and self._blocks:
            piece = self._blocks.take_first()
            pieces.append(piece)
            size += len(piece)
        data = pieces[-1] if size == len(pieces[-1]) else b"".join(pieces)
        self._taken = _Piece(data if isinstance(data, bytes) else bytes(data), begin, end, missed)
        return self._taken.data

    def settle(self, sent: int) -> None:
        """Record how much of what was taken is sent. The rest waits again, before everything else.

        If `clear` was called meanwhile, this does nothing.
        """
        data, begin, end, missed = self._taken
        taken = self._part or len(data)
        if not taken:
            return
        self.size -= sent
        if sent == taken:
            self._wanted = min(PIECE, 4 * self._wanted)
        else:
            self._wanted = min(PIECE, max(_LEAST, 2 * sent))
        if self._part:
            self._part = 0
            self._settle_started(sent)
            return
        self._taken = _NOTHING
        # What was dropped meanwhile stood after all of this.
        kept = b"" if sent == len(data) else self._missed.take_kept()
        if sent > begin or sent == len(data):
            self.size += end - begin
            self._telling = sent < end
            if end > begin:
                self.told += self._framing.count(data, begin, end)
            cut = self._framing.end_from(data, end, max(sent, end))
            self._started = data[sent:cut]
        else:
            # The peer has nothing of the notice yet, so make it again later, when it may have more
            # to report. (Otherwise another notice would follow for each few bytes that the peer
            # takes.)
            if missed is not None:
                missed.add_all(self._missed)
                self._missed = missed
            self._started = data[sent:begin]
            cut = end
        if kept:
            self._blocks.put_first(kept, 0, 0)
            self.size += len(kept)
        if cut < len(data):
            self._blocks.put_first(data, cut)
            self._blocks.free()

    def drop_oldest(self, excess: int, *, slack: int = 0) -> int:
        """Drop the oldest lines, at least `excess` bytes of them if that many can be dropped.

        Args:
            excess: bytes to drop.
            slack: drop up to this many bytes more rather than cut a block in two.

        Returns:
            How many lines were dropped.
        """
        dropped, size = self._blocks.drop_oldest(excess, slack, self._missed)
        self.size -= size
        return dropped

    def clear(self) -> int:
        """Drop all that waits, and return how many lines that was, not counting notices.

        What is taken counts as not sent, because nobody knows how much of it was.
        """
        self.settle(0)
        dropped = self._blocks.clear()
        if not self._telling:
            dropped += self._started.count(b"\n", self._started_at)
        else:
            self.told -= self._started.count(b"\n", self._started_at)
        self._started, self._started_at = b"", 0
        self.size = 0
        self._missed.take()
        return dropped

    def _put_newest(self, lines: bytes, count: int | None, limit: int) -> int:
        """Drop all that can be dropped, and add as many of the last lines as may wait."""
        dropped = self.drop_oldest(self.size)
        room = limit - self.size
        # Begin with the first line that leaves no more than there is room for.
        framing, size = self._framing, len(lines)
        begin = framing.end_from(lines, 0, size - room) if room > 0 else size
        if count is None:
            count = framing.count(lines, 0, size)
        kept = framing.count(lines, begin, size)
        skipped = count - kept
        self._missed.add(skipped, lines, 0, begin)
        if begin < len(lines):
            self.size += len(lines) - begin
            self._blocks.put_first(lines, begin, kept)
            # Into blocks of the size just freed: larger ones would need memory elsewhere.
            self._blocks.split_first()
        return dropped + skipped

    def _settle_started(self, sent: int) -> None:
        """Record how much is sent of a long line whose beginning the peer has."""
        self._started_at += sent
        # Copy only now and then: each copy takes as long as the line is long.
        if self._started_at > max(SMALL, len(self._started) // 8):
            self._started = self._started[self._started_at :]
            self._started_at = 0
