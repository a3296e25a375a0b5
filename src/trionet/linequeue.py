"""Whole lines that wait to be sent to a peer that reads slowly, with no I/O.

What can be dropped of them is whole lines that the peer has nothing of yet, the oldest first. The
peer is told how many it missed, in their place: behind the rest of the line that it has the
beginning of, and in front of all that still waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

# What one write takes together: as much as a kernel takes of a stream at once, more or less.
_PIECE = 65536

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

    Attributes:
        size: bytes that wait. A notice counts from when its sending begins.
    """

    __slots__ = (
        "_head",
        "_lines",
        "_missed",
        "_started",
        "_taken",
        "_tell_missed",
        "_telling",
        "size",
    )

    def __init__(self, tell_missed: Callable[[int], bytes]) -> None:
        self._tell_missed = tell_missed
        # The rest of a line, or of a notice, whose beginning the peer has: it cannot be dropped.
        self._started = b""
        self._telling = False
        # Whole lines; of the first entry, those from _head on.
        self._lines: deque[bytes] = deque()
        self._head = 0
        # Lines dropped between _started and _lines that the peer was not told of yet.
        self._missed = 0
        self._taken = _NOTHING
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self.size or self._missed)

    def put(self, lines: bytes, *, sent: int = 0) -> None:
        """Add whole lines at the end.

        Args:
            lines: any number of lines, each with its end.
            sent: how many bytes of them the peer has already; only when nothing waits.
        """
        self.size += len(lines)
        if sent:
            self._taken = _Piece(lines, 0, 0, 0)
            self.settle(sent)
        elif lines:
            self._lines.append(lines)

    def take(self) -> bytes:
        """Return some of what waits, to be sent; `settle` must follow."""
        missed, self._missed = self._missed, 0
        notice = self._tell_missed(missed) if missed else b""
        begin = len(self._started)
        end = size = begin + len(notice)
        pieces: list[bytes | memoryview] = [self._started, notice]
        self._started = b""
        while self._lines and size < _PIECE:
            lines = self._lines.popleft()
            pieces.append(memoryview(lines)[self._head :] if self._head else lines)
            size += len(lines) - self._head
            self._head = 0
        self._taken = _Piece(b"".join(pieces), begin, end, missed)
        return self._taken.data

    def settle(self, sent: int) -> None:
        """Note how much of what was taken is sent; the rest waits again, in front of all else.

        After a `clear` meanwhile there is nothing to note.
        """
        if not self._taken.data:
            return
        data, begin, end, missed = self._taken
        self._taken = _NOTHING
        self.size -= sent
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
            self._lines.appendleft(data)
            self._head = cut

    def drop_oldest(self, excess: int) -> int:
        """Drop the oldest lines that can be dropped, of at least so many bytes if there are.

        Returns:
            How many lines were dropped.
        """
        dropped = 0
        while excess > 0 and self._lines:
            lines = self._lines[0]
            # The whole lines from the head on that hold the excess.
            cut = self._head + excess
            cut = len(lines) if cut >= len(lines) else lines.index(b"\n", cut - 1) + 1
            dropped += lines.count(b"\n", self._head, cut)
            excess -= cut - self._head
            self.size -= cut - self._head
            self._head = cut
            if cut == len(lines):
                self._lines.popleft()
                self._head = 0
        self._missed += dropped
        return dropped

    def clear(self) -> int:
        """Drop all that waits, and return how many lines that were, notices not counted.

        What is taken counts as not sent: how much of it was, nobody knows.
        """
        self.settle(0)
        dropped = sum(lines.count(b"\n") for lines in self._lines)
        if self._lines:
            dropped -= self._lines[0].count(b"\n", 0, self._head)
        if not self._telling:
            dropped += self._started.count(b"\n")
        self._started = b""
        self._lines.clear()
        self._head = self._missed = self.size = 0
        return dropped
