"""Whole lines that wait to be sent to a peer that reads slowly, with no I/O.

What can be dropped of them is whole lines that the peer has nothing of yet, the oldest first. The
peer is told how many it missed, in their place: behind the rest of the line that it has the
beginning of, and in front of all that still waits.

What is kept alive is hardly more than what waits:

- Lines wait in blocks, each of whole lines. Small ones are joined as they come: an object for each
  line of two bytes would be twenty times their size.
- A large block is kept as it came, without a copy, so that a thousand slow members share what they
  were all sent. When some of it is sent or dropped, what is left is copied into smaller blocks:
  otherwise the last line would keep all of it alive.
- So only the first block is ever partly gone, and little of it.
- What is sent is taken a write at a time, and no more of it is joined than is likely to be sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

# What one write takes together: as much as a kernel takes of a stream at once, more or less.
PIECE = 65536

# Lines are joined into blocks of so many bytes. (A block's object and its place take 50 bytes.)
SMALL = 4096

# Which part of what may wait may be gone already and still be kept alive.
_GONE_PART = 32

# What a write takes of a peer that took only a few bytes of the last one. To join 64 KiB each time
# for a peer that takes 100 bytes at a time would copy each byte 650 times.
_LEAST = 4096

_NEWLINE = 0x0A


class _Piece(NamedTuple):
    """What one write takes: the rest of a line, a notice of missed lines, whole lines.

    Attributes:
        data: all of it.
        begin: where the notice begins.
        end: where it ends.
        missed: how many lines it tells of.
    """

    data: bytes
    begin: int
    end: int
    missed: int


_NOTHING = _Piece(b"", 0, 0, 0)


class LineQueue:
    """Lines that wait.

    Args:
        tell_missed: makes the lines that tell a peer how many lines it missed.
        bound: bytes that are to wait. Of what is gone, a thirty-second of it may be kept alive, and
            4 KiB in any case.

    Attributes:
        size: bytes that wait. A notice counts from when its sending begins.
    """

    __slots__ = (
        "_blocks",
        "_head",
        "_missed",
        "_part",
        "_started",
        "_started_at",
        "_taken",
        "_tell_missed",
        "_telling",
        "_wanted",
        "_waste",
        "size",
    )

    def __init__(self, tell_missed: Callable[[int], bytes], bound: int = 1 << 20) -> None:
        self._tell_missed = tell_missed
        # Bytes that may be gone of the first block.
        self._waste = min(PIECE, max(SMALL, bound // _GONE_PART))
        # The rest of a line, or of a notice, whose beginning the peer has, from _started_at on: it
        # cannot be dropped.
        self._started = b""
        self._started_at = 0
        self._telling = False
        # How much is taken where that is a part of _started alone.
        self._part = 0
        # Whole lines; of the first block, those from _head on.
        self._blocks: deque[bytes] = deque()
        self._head = 0
        # Lines dropped between _started and _blocks that the peer was not told of yet.
        self._missed = 0
        self._taken = _NOTHING
        # What the next write takes.
        self._wanted = PIECE
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self.size or self._missed)

    @property
    def kept(self) -> int:
        """Bytes that this keeps alive, those of shared blocks counted in full."""
        return len(self._started) + len(self._taken.data) + sum(map(len, self._blocks))

    def put(
        self, lines: bytes, *, count: int | None = None, sent: int = 0, limit: int | None = None
    ) -> int:
        """Add whole lines at the end.

        Args:
            lines: any number of lines, each with its end.
            count: how many lines they are, where that is known.
            sent: how many bytes of them the peer has already; only when nothing waits.
            limit: bytes that may wait; where there are more, the oldest lines are dropped.

        Returns:
            How many lines were dropped.
        """
        if limit is not None and not sent and len(lines) > limit:
            return self._put_newest(lines, count, limit)
        self.size += len(lines) - sent
        if sent:
            cut = sent
            if lines[sent - 1] != _NEWLINE:
                cut = lines.index(b"\n", sent) + 1
                self._started = bytes(lines[sent:cut])
                self._telling = False
            if cut < len(lines):
                self._blocks.append(lines)
                self._head = cut
        elif lines:
            self._append(lines)
        if limit is not None and self.size > limit:
            return self.drop_oldest(self.size - limit)
        self._free()
        return 0

    def take(self, wanted: int = PIECE) -> bytes:
        """Return some of what waits, to be sent; `settle` must follow.

        Args:
            wanted: bytes after which no more is taken.
        """
        wanted = min(wanted, self._wanted)
        started, at = self._started, self._started_at
        if len(started) - at > wanted:
            self._part = wanted
            return started[at : at + wanted]
        missed, self._missed = self._missed, 0
        notice = self._tell_missed(missed) if missed else b""
        begin = len(started) - at
        end = size = begin + len(notice)
        pieces: list[bytes | memoryview] = [started[at:], notice]
        self._started, self._started_at = b"", 0
        while self._blocks and size < wanted:
            if len(self._blocks[0]) > 2 * self._waste:
                self._split_first()
            block = self._blocks.popleft()
            pieces.append(memoryview(block)[self._head :] if self._head else block)
            size += len(block) - self._head
            self._head = 0
        data = pieces[-1] if size == len(pieces[-1]) else b"".join(pieces)
        self._taken = _Piece(data if isinstance(data, bytes) else bytes(data), begin, end, missed)
        return self._taken.data

    def settle(self, sent: int) -> None:
        """Note how much of what was taken is sent; the rest waits again, in front of all else.

        After a `clear` meanwhile there is nothing to note.
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
        if sent > begin or sent == len(data):
            self.size += end - begin
            self._telling = sent < end
            cut = max(sent, end)
            if cut < len(data) and cut and data[cut - 1] != _NEWLINE:
                cut = data.index(b"\n", cut) + 1
            self._started = data[sent:cut]
        else:
            # The notice did not begin: by the time it does it may have more to tell. (Kept as it
            # is, it would be followed by another for each few bytes that the peer takes.)
            self._missed += missed
            self._started = data[sent:begin]
            cut = end
        if cut < len(data):
            # Nothing is gone of the block that comes next: it is behind what was taken.
            self._blocks.appendleft(data)
            self._head = cut
            self._free()

    def drop_oldest(self, excess: int) -> int:
        """Drop the oldest lines that can be dropped, of at least so many bytes if there are.

        Returns:
            How many lines were dropped.
        """
        dropped = 0
        while excess > 0 and self._blocks:
            block = self._blocks[0]
            # The whole lines from the head on that hold the excess.
            cut = self._head + excess
            cut = len(block) if cut >= len(block) else block.index(b"\n", cut - 1) + 1
            dropped += block.count(b"\n", self._head, cut)
            excess -= cut - self._head
            self.size -= cut - self._head
            self._head = cut
            if cut == len(block):
                self._blocks.popleft()
                self._head = 0
        self._missed += dropped
        self._free()
        return dropped

    def clear(self) -> int:
        """Drop all that waits, and return how many lines that were, notices not counted.

        What is taken counts as not sent: how much of it was, nobody knows.
        """
        self.settle(0)
        dropped = sum(block.count(b"\n") for block in self._blocks)
        if self._blocks:
            dropped -= self._blocks[0].count(b"\n", 0, self._head)
        if not self._telling:
            dropped += self._started.count(b"\n", self._started_at)
        self._started, self._started_at = b"", 0
        self._blocks.clear()
        self._head = self._missed = self.size = 0
        return dropped

    def _put_newest(self, lines: bytes, count: int | None, limit: int) -> int:
        """Drop all that can be dropped, and add the last of some lines, as far as they may wait."""
        dropped = self.drop_oldest(self.size)
        room = limit - self.size
        # Behind the first newline that leaves no more than there is room for.
        begin = lines.find(b"\n", max(0, len(lines) - room - 1)) + 1 if room > 0 else len(lines)
        if count is None:
            count = lines.count(b"\n")
        skipped = count - lines.count(b"\n", begin)
        self._missed += skipped
        if begin < len(lines):
            self.size += len(lines) - begin
            self._blocks.append(lines)
            self._head = begin
            # Into blocks of the size that was just freed: larger ones would not fit in there.
            self._split_first()
        return dropped + skipped

    def _append(self, lines: bytes) -> None:
        """Add lines as a block of their own, or to the last block where both are small."""
        blocks = self._blocks
        if len(lines) < SMALL // 2 and blocks and len(blocks[-1]) + len(lines) <= SMALL:
            # It may be the first one, too: what is gone of it does not come back.
            if len(blocks) == 1 and self._head:
                blocks[-1] = blocks[-1][self._head :]
                self._head = 0
            blocks[-1] += lines
        else:
            blocks.append(lines)

    def _settle_started(self, sent: int) -> None:
        """Note how much of a long line is sent, whose beginning the peer has."""
        self._started_at += sent
        # Copied now and then only: each time would take as long as the line is long.
        if self._started_at > max(SMALL, len(self._started) // 8):
            self._started = self._started[self._started_at :]
            self._started_at = 0

    def _free(self) -> None:
        """Keep little alive that is gone."""
        if self._head > self._waste:
            self._split_first()

    def _split_first(self) -> None:
        """Copy what is left of the first block into smaller blocks."""
        block, begin, size = self._blocks.popleft(), self._head, self._waste
        parts: list[bytes] = []
        while len(block) - begin > size:
            end = block.rfind(b"\n", begin, begin + size) + 1
            end = end or block.index(b"\n", begin + size) + 1
            parts.append(bytes(block[begin:end]))
            begin = end
        if begin < len(block):
            parts.append(bytes(block[begin:]))
        self._blocks.extendleft(reversed(parts))
        self._head = 0
