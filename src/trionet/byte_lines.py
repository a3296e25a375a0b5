r"""Lines as bytes, with their ends: what ``decode=False`` hands out. No I/O.

For a service that passes lines on as they came, such as a proxy. Which lines there are and how long
they may be is the same as for texts (`lines.py`); nothing is decoded, so no line is "not UTF-8".
"""

from __future__ import annotations

from typing import cast

from trionet.lines import PART_BYTES, Line, LineDecoder
from trionet.type_checks import as_bytes


class ByteLineDecoder(LineDecoder):
    r"""Turns bytes, cut anywhere, into lines that are bytes with their ends.

    The arguments and the attributes are those of `trionet.LineDecoder`. The good lines, joined, are
    the bytes that came, if no line was too long.

    >>> decoder = ByteLineDecoder()
    >>> decoder.feed(b"12 + 42\r\n\xff\nq")
    [b'12 + 42\r\n', b'\xff\n']
    >>> decoder.finish()
    [b'q']
    """

    __slots__ = ()

    def begin(self, data: bytes, max_lines: int, max_bytes: int = PART_BYTES) -> list[Line]:
        """Take received bytes, and return their first lines; see `LineDecoder.begin`."""
        self.hold(as_bytes("data", data))
        return self.take(max_lines, max_bytes)

    def finish(self) -> list[Line]:
        """Return the bytes after the last line end, as a line without an end; or nothing."""
        rest, self._rest = self._rest, None
        return cast(list[Line], [bytes(rest)]) if rest else []

    def _split_clean(self, block: bytes, max_lines: int) -> tuple[list[Line], int]:
        lines = block.split(b"\n", max_lines)
        size = len(block) + 1
        if len(lines) > max_lines:
            size -= len(lines.pop()) + 1
        if lines and max(map(len, lines)) > self.max_line:
            # It may still be a good one: a CR before the LF does not count.
            fits = [len(line) <= self.max_line for line in lines]
            del lines[fits.index(False) :]
            size = sum(map(len, lines)) + len(lines)
        return cast(list[Line], [line + b"\n" for line in lines]), size

    def _good(self, raw: bytes) -> Line:
        return cast(Line, raw + b"\n")
