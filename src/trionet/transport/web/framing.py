r"""Whole lines in WebSocket frames, as a server sends them. No I/O.

A server's frames are not masked, so one frame serves all browsers: a batch is wrapped once
(RFC 6455, 5.2). A text frame holds whole lines, as many as fit in 32 KiB, or one longer line. So
what waits for a slow browser can be dropped frame by frame. It cannot be dropped line by line: the
beginning of a frame tells how long the frame is, and may hold a 0x0A itself.

>>> FRAMES.wrap(b"one\ntwo\n")
b'\x81\x08one\ntwo\n'
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

# How many bytes of lines a frame has at most, unless one line is longer. It is what a hub's slow
# members keep as one part (`trionet.fanout.group`), and holds some 200 messages: Chromium then
# shows 260,000 events a second, where it shows 4,900 at one event a frame.
MOST_IN_FRAME = 32768

# The first byte of a whole text frame, and the first of all control frames.
_TEXT = 0x81
_CONTROL = 0x88


def header_of(size: int) -> bytes:
    """Return what precedes `size` bytes of lines."""
    if size < 126:
        return bytes((_TEXT, size))
    if size < 65536:
        return bytes((_TEXT, 126)) + size.to_bytes(2, "big")
    return bytes((_TEXT, 127)) + size.to_bytes(8, "big")


class Frames:
    """The rules of frames; see `trionet.abc.Framing`. `FRAMES` is the one object of it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "FRAMES"

    def wrap(self, lines: bytes) -> bytes:
        """Return whole lines in frames; of no lines, nothing."""
        if len(lines) <= MOST_IN_FRAME:
            return header_of(len(lines)) + lines if lines else b""
        pieces: list[bytes] = []
        begin = 0
        while begin < len(lines):
            end = len(lines)
            if end - begin > MOST_IN_FRAME:
                end = lines.rfind(b"\n", begin, begin + MOST_IN_FRAME) + 1
                end = end or lines.index(b"\n", begin + MOST_IN_FRAME) + 1
            pieces += (header_of(end - begin), lines[begin:end])
            begin = end
        return b"".join(pieces)

    def wrap_pieces(
        self, pieces: Sequence[bytes | memoryview], size: int
    ) -> Sequence[bytes | memoryview] | None:
        """Return pieces of whole lines as the pieces of one frame; ``None``: they are too many."""
        return [header_of(size), *pieces] if 0 < size <= MOST_IN_FRAME else None

    def end_from(self, block: bytes, begin: int, at: int) -> int:
        """Return the first end of a frame at `at` or after it."""
        if at <= begin:
            return begin
        return next(end for _, _, end in _frames(block, begin) if end >= at)

    def last_end(self, block: bytes, begin: int, most: int) -> int:
        """Return the end of the last frame that fits in `most` bytes, or of the first frame."""
        last = begin
        for _, _, end in _frames(block, begin):
            if end - begin > most and last > begin:
                break
            last = end
        return last

    def count(self, block: bytes, begin: int, end: int) -> int:
        """Count the lines of the frames from one end to another."""
        return sum(
            block.count(b"\n", inside, stop)
            for at, inside, stop in _frames(block, begin, end)
            if block[at] == _TEXT
        )

    def lines_of(self, block: bytes, begin: int, end: int) -> bytes:
        """Return the lines of the frames from one end to another."""
        return b"".join(
            [
                block[inside:stop]
                for at, inside, stop in _frames(block, begin, end)
                if block[at] == _TEXT
            ]
        )

    def undroppable(self, block: bytes, begin: int, end: int) -> bytes:
        """Return the frames from one end to another that hold no lines: answers to pings."""
        return b"".join(
            [block[at:stop] for at, _, stop in _frames(block, begin, end) if block[at] >= _CONTROL]
        )

    def parts(self, block: bytes, most: int) -> list[tuple[bytes, int]]:  # noqa: ARG002
        """Return each frame of a block with how many lines it holds; none is much longer."""
        return [
            (block[at:stop], block.count(b"\n", inside, stop))
            for at, inside, stop in _frames(block, 0)
        ]


FRAMES = Frames()


def _frames(block: bytes, at: int, end: int | None = None) -> Iterator[tuple[int, int, int]]:
    """Yield where each frame begins, where what is in it begins, and where it ends."""
    until = len(block) if end is None else end
    while at < until:
        size = block[at + 1]
        inside = at + 2
        if size == 126:
            inside = at + 4
            size = int.from_bytes(block[at + 2 : inside], "big")
        elif size == 127:
            inside = at + 10
            size = int.from_bytes(block[at + 2 : inside], "big")
        yield at, inside, inside + size
        at = inside + size
