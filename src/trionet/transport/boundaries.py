"""Where one line ends and the next begins, on a stream whose lines are not in frames. No I/O.

`trionet.connection.outbox_queue` drops whole lines. Where lines travel in frames, it drops whole
frames: `trionet.transport.web.framing` has the same functions for these.
"""

from __future__ import annotations

from collections.abc import Sequence


class Lines:
    """The rules of lines that end with LF; see `trionet.abc.Framing`. `LINES` is its one object.

    The end of a block ends its last line too: where lines are bytes, a peer's last one may have no
    end of its own.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "LINES"

    def wrap(self, lines: bytes) -> bytes:
        """Return the lines as they are."""
        return lines

    def wrap_pieces(
        self,
        pieces: Sequence[bytes | memoryview],
        size: int,  # noqa: ARG002
    ) -> Sequence[bytes | memoryview]:
        """Return the pieces as they are."""
        return pieces

    def end_from(self, block: bytes, begin: int, at: int) -> int:
        """Return the first end of a line at `at` or after it."""
        return begin if at <= begin else block.find(b"\n", at - 1) + 1 or len(block)

    def last_end(self, block: bytes, begin: int, most: int) -> int:
        """Return the end of the last line that fits in `most` bytes, or of the first line."""
        end = block.rfind(b"\n", begin, begin + most) + 1
        return end or block.find(b"\n", begin + most) + 1 or len(block)

    def count(self, block: bytes, begin: int, end: int) -> int:
        """Count the lines from one end to another."""
        return block.count(b"\n", begin, end)

    def lines_of(self, block: bytes, begin: int, end: int) -> bytes:
        """Return the lines from one end to another."""
        # A whole block is handed on as it is: where a thousand members drop the same one, the
        # format need not read it a thousand times.
        return bytes(block if end - begin == len(block) else block[begin:end])

    def undroppable(self, block: bytes, begin: int, end: int) -> bytes:  # noqa: ARG002
        """Return nothing: all lines can be dropped."""
        return b""

    def parts(self, block: bytes, most: int) -> list[tuple[bytes, int]]:
        """Cut a block into parts of at most `most` bytes, if no line is longer."""
        parts: list[tuple[bytes, int]] = []
        begin = 0
        while begin < len(block):
            end = len(block) if len(block) - begin <= most else self.last_end(block, begin, most)
            part = block[begin:end]
            parts.append((part, part.count(b"\n")))
            begin = end
        return parts


LINES = Lines()
