"""Whole lines that wait, in blocks: little memory beyond the lines, and few copies. No I/O.

- Small lines are joined as they come. An object for each two-byte line would take twenty times the
  line's size.
- A large block is kept as it came, without a copy, so a thousand slow members share what all of
  them were sent. When some of it has been sent or dropped, the rest is copied into smaller blocks:
  otherwise the last line would keep all of it alive.
- So only the first block is ever partly gone, and little of it.
- Each block remembers how many lines it holds, if its caller knows. Counting the line ends of what
  200 slow members drop took two thirds of a busy server's time: 1 ns for each byte.

Where lines travel in frames (`trionet.abc.Framing`), all this holds for whole frames.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from trionet.abc import Framing
from trionet.connection.missed_lines import MissedLines

# Lines are joined into blocks of this size. (A block's object and its place take 50 bytes.)
SMALL = 4096

# The count of a block whose lines nobody has counted.
UNKNOWN = -1


class LineBlocks:
    """Blocks of whole lines, in order.

    Iterating yields the blocks; some of the first one may be gone.

    Args:
        waste: how many bytes of the first block may be gone before the rest is copied. The copies
            have at most this size, or are one long line.
        framing: how the lines are framed in the blocks.

    Attributes:
        waste: as given.
    """

    __slots__ = ("_blocks", "_counts", "_framing", "_head", "waste")

    def __init__(self, waste: int, framing: Framing) -> None:
        self.waste = waste
        self._framing = framing
        # In the first block the lines begin at _head.
        self._blocks: deque[bytes] = deque()
        self._head = 0
        # How many lines each block holds, without those before _head; or UNKNOWN.
        self._counts: deque[int] = deque()

    def __len__(self) -> int:
        return len(self._blocks)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._blocks)

    @property
    def kept(self) -> int:
        """Bytes that this keeps alive, with shared blocks counted in full."""
        return sum(map(len, self._blocks))

    def append(self, lines: bytes, count: int) -> None:
        """Add lines to the last block if both are small, or as a block of their own.

        Args:
            lines: whole lines.
            count: how many they are, or `UNKNOWN`.
        """
        blocks = self._blocks
        if len(lines) < SMALL // 2 and blocks and len(blocks[-1]) + len(lines) <= SMALL:
            # If it is also the first block, leave out the part that is gone.
            if len(blocks) == 1 and self._head:
                blocks[-1] = blocks[-1][self._head :]
                self._head = 0
            blocks[-1] += lines
            known = self._counts[-1]
            self._counts[-1] = UNKNOWN if UNKNOWN in (known, count) else known + count
        else:
            blocks.append(lines)
            self._counts.append(count)

    def put_first(self, block: bytes, begin: int, count: int = UNKNOWN) -> None:
        """Put the rest of a block before everything else.

        Args:
            block: whole lines.
            begin: where the rest begins: at a line, and before the end.
            count: how many lines the rest has, or `UNKNOWN`.
        """
        if self._head:
            self._blocks[0] = self._blocks[0][self._head :]
        self._blocks.appendleft(block)
        self._counts.appendleft(count)
        self._head = begin

    def take_first(self) -> bytes | memoryview:
        """Take out the first block, or the first part of it if it is large. There must be one."""
        if len(self._blocks[0]) > 2 * self.waste:
            self.split_first()
        block, begin = self._blocks.popleft(), self._head
        self._counts.popleft()
        self._head = 0
        return memoryview(block)[begin:] if begin else block

    def drop_oldest(self, excess: int, slack: int, missed: MissedLines) -> tuple[int, int]:
        """Drop the oldest lines, at least `excess` bytes of them if there are that many.

        Args:
            excess: bytes to drop.
            slack: drop up to this many bytes more rather than cut a block in two.
            missed: is told what was dropped.

        Returns:
            How many lines were dropped, and how many bytes.
        """
        blocks, head = self._blocks, self._head
        lines = size = 0
        while size < excess and blocks:
            block = blocks[0]
            # Cut after the line that holds the last byte of the excess.
            cut = head + excess - size
            if cut >= len(block) - slack:
                cut = len(block)
            else:
                cut = self._framing.end_from(block, head, cut)
            count = self._count_of_first(head, cut)
            missed.add(count, block, head, cut)
            lines += count
            size += cut - head
            head = cut
            if cut == len(block):
                blocks.popleft()
                self._counts.popleft()
                head = 0
        self._head = head
        if head > self.waste:
            self.split_first()
        return lines, size

    def clear(self) -> int:
        """Drop everything, and return how many lines that was."""
        count = self._framing.count
        lines = sum(count(block, 0, len(block)) for block in self._blocks)
        if self._blocks:
            lines -= count(self._blocks[0], 0, self._head)
        self._blocks.clear()
        self._counts.clear()
        self._head = 0
        return lines

    def free(self) -> None:
        """Let go of the first block if too much of it is gone, and keep a copy of the rest."""
        if self._head > self.waste:
            self.split_first()

    def split_first(self) -> None:
        """Copy what is left of the first block into smaller blocks."""
        block, begin, size = self._blocks.popleft(), self._head, self.waste
        count = self._counts.popleft()
        parts: list[bytes] = []
        while len(block) - begin > size:
            end = self._framing.last_end(block, begin, size)
            parts.append(bytes(block[begin:end]))
            begin = end
        if begin < len(block):
            parts.append(bytes(block[begin:]))
        self._blocks.extendleft(reversed(parts))
        self._counts.extendleft([count] if len(parts) == 1 else [UNKNOWN] * len(parts))
        self._head = 0

    def _count_of_first(self, head: int, cut: int) -> int:
        """Return how many lines of the first block are about to go, and lower its own count."""
        block, known = self._blocks[0], self._counts[0]
        if known == UNKNOWN:
            return self._framing.count(block, head, cut)
        # Count the shorter side.
        if cut == len(block):
            count = known
        elif len(block) - cut < cut - head:
            count = known - self._framing.count(block, cut, len(block))
        else:
            count = self._framing.count(block, head, cut)
        self._counts[0] = known - count
        return count
