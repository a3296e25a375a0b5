r"""Lines in bytes: a decoder and an encoder, with no I/O.

What a line is: UTF-8 text ended by LF; a CR just before the LF is no part of it and never
counts. Nothing else ends a line: not a lone CR, not U+2028.

How the decoder works:

- The same lines come out however the input is cut. That is what the property tests hold it to.
- Memory is bounded by the limit, not by the peer: a line that passes it is told at once, as a
  `LineTooLong` in its place, and then skipped to its end.
- Each byte is searched once. What came before the last LF is decoded as one block and split by
  the C code of ``str``; only a block that could hold a bad line is taken apart line by line.
- Bad lines are values in the list, not exceptions raised: raising would lose the good lines of
  the same read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Self, TypeAlias

from trionet.errors import BadLine, LineNotUTF8, LineTooLong, LineUnending, UnsendableLine

# Towards a server: far above what a person types, and small enough that ten thousand peers who
# each leave a line unfinished hold 40 MB. (IRC: 512; SMTP: 1,000; HTTP servers' header lines:
# 8,192.)
MAX_LINE = 4096

# Towards a client: a server's line can be a list of many names.
MAX_LINE_TO_CLIENT = 65536

# A peer that has sent this much without an end of line is not writing lines at all.
MAX_UNENDING = 1 << 20

Line: TypeAlias = str | BadLine


# In a tally, what one byte counts; what is below it counts lines. A million million of them.
TALLY_BYTE = 1 << 40


def tally(lines: bytes) -> int:
    """Return how many lines and bytes there are, as one number.

    Who keeps count of both for thousands of peers touches one object for each and not two, which
    are in no cache any more: that was a quarter of a microsecond for each delivery.
    """
    try:
        return lines.count(b"\n") + len(lines) * TALLY_BYTE
    except (AttributeError, TypeError):
        raise TypeError("a peer takes bytes, such as trionet.encode_line(text)") from None


def check_lines(lines: bytes) -> bytes:
    """Return lines if they are some: bytes that end with a newline, or nothing.

    Raises:
        TypeError: they are no bytes.
        ValueError: the last line has no end, so that the next one would be joined to it.
    """
    if isinstance(lines, bytearray | memoryview):
        lines = bytes(lines)
    if not isinstance(lines, bytes):
        kind = type(lines).__name__
        raise TypeError(f"lines are bytes, such as trionet.encode_line(text), not {kind}")
    if lines and lines[-1] != 0x0A:
        raise ValueError("the last line has no end: write trionet.encode_line(text), or add b'\\n'")
    return lines


class Lines(bytes):
    """Whole lines, each with its end, that know how many they are.

    What goes to a thousand outboxes is counted once: to count 20 KiB of short lines takes 7 µs, and
    200 KiB of long ones 100, a tenth of what it takes to send them.

    Attributes:
        tally: how many lines and bytes; see `tally`.
    """

    tally: int

    def __new__(cls, data: bytes) -> Self:
        """Copy and count."""
        lines = super().__new__(cls, data)
        lines.tally = tally(data)
        return lines


class LineDecoder:
    r"""Turns bytes, cut anywhere, into lines.

    Args:
        max_line: content bytes that a line may have, its line end not counted.
        max_unending: bytes without an end of line after which the decoder gives up.

    Attributes:
        gave_up: whether the peer was given up for sending no end of line.

    A `LineUnending` is always the last line: what is fed after it is dropped.

    >>> decoder = LineDecoder()
    >>> decoder.feed(b"12 + 42\r\n3.24 -")
    ['12 + 42']
    >>> decoder.feed(b" 45\nq")
    ['3.24 - 45']
    >>> decoder.rest
    b'q'
    """

    __slots__ = ("_max_line", "_max_unending", "_rest", "_skipped", "gave_up")

    def __init__(self, *, max_line: int = MAX_LINE, max_unending: int = MAX_UNENDING) -> None:
        self._max_line = max_line
        self._max_unending = max(max_unending, max_line + 2)
        self._rest = b""
        # Bytes of an over-long line that are gone already; 0: no such line is under way.
        self._skipped = 0
        self.gave_up = False

    @property
    def rest(self) -> bytes:
        """What stands unterminated after the last end of line; empty for a line being skipped."""
        return self._rest

    def feed(self, data: bytes | bytearray | memoryview) -> list[Line]:
        """Take what was received and return the lines that it completes, in order.

        Args:
            data: any number of bytes.

        Returns:
            Each line as a ``str`` without its end, or as the `BadLine` that stands for it.
        """
        if type(data) is not bytes:
            data = bytes(data)
        if self.gave_up:
            return []
        # Whole lines, as nearly all input is: there is nothing to join, and nothing to keep.
        are_whole = data[-1:] == b"\n" and not (self._rest or self._skipped)
        if are_whole and (clean := self._split_clean(data[:-1])) is not None:
            return clean
        lines: list[Line] = []
        block, newline, rest = data.rpartition(b"\n")
        if not newline:
            return self._keep(data, lines)
        if self._skipped:
            end, newline, block = block.partition(b"\n")
            if self._skipped + len(end) >= self._max_unending:
                return self._give_up(lines)
            self._skipped = 0
            if not newline:
                return self._keep(rest, lines)
        if self._rest:
            block = self._rest + block
            self._rest = b""
        clean = self._split_clean(block)
        if clean is not None:
            lines += clean
        elif not self._split(block, lines):
            return lines
        return self._keep(rest, lines)

    def finish(self) -> list[Line]:
        """Take the end of the input: what it left unterminated counts as a line.

        For input where that is right, such as a pipe; on a connection it is not, because there
        the end may have come in mid-line: leave it in `rest`.

        Returns:
            At most one line.
        """
        return self.feed(b"\n") if self._rest else []

    def _split_clean(self, block: bytes) -> list[Line] | None:
        """Split a block in which no line is bad; ``None``: some may be."""
        try:
            text = block.decode()
        except UnicodeDecodeError:
            return None
        lines: list[Any] = text.split("\n")
        if len(block) > self._max_line:
            # Of ASCII the characters are the bytes: there is no need to split these too.
            measured = lines if text.isascii() else block.split(b"\n")
            if max(map(len, measured)) > self._max_line:
                return None
        if "\r" in text:
            return [line.removesuffix("\r") for line in lines]
        return lines

    def _split(self, block: bytes, lines: list[Line]) -> bool:
        """Split any block; False: the peer was given up in it."""
        for raw in block.split(b"\n"):
            line = raw.removesuffix(b"\r")
            if len(line) > self._max_line:
                lines.append(LineTooLong(self._max_line, line))
                if len(raw) >= self._max_unending:
                    self._give_up(lines)
                    return False
            else:
                lines.append(_decode(line))
        return True

    def _keep(self, data: bytes, lines: list[Line]) -> list[Line]:
        """Keep what has no end yet, or tell that it is too long already."""
        if self._skipped:
            self._skipped += len(data)
        else:
            self._rest = self._rest + data if self._rest else data
            # A CR at the end may yet turn out to be half of a line end, which never counts.
            if len(self._rest) - self._rest.endswith(b"\r") <= self._max_line:
                return lines
            lines.append(LineTooLong(self._max_line, self._rest))
            self._skipped = len(self._rest)
            self._rest = b""
        return self._give_up(lines) if self._skipped >= self._max_unending else lines

    def _give_up(self, lines: list[Line]) -> list[Line]:
        self.gave_up = True
        lines.append(LineUnending(self._max_unending, b""))
        return lines


def _decode(line: bytes) -> Line:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return LineNotUTF8(line)


def encode_line(text: str) -> bytes:
    r"""Return `text` as the bytes of one line, which a `LineDecoder` turns into `text` again.

    Args:
        text: the line without its end.

    Raises:
        UnsendableLine: `text` holds an LF or half of a surrogate pair: there is no such line.

    >>> encode_line("54")
    b'54\n'
    """
    return encode_lines((text,))


def encode_lines(texts: Iterable[str]) -> bytes:
    """Return many texts as the bytes of one line each; see `encode_line`."""
    texts = list(texts)
    block = "\n".join(texts)
    if "\r" not in block and block.count("\n") == len(texts) - 1:
        # Nothing to look at one by one: six times as fast for short lines.
        try:
            return f"{block}\n".encode()
        except UnicodeEncodeError:
            pass  # It is told below.
    encoded = bytearray()
    for text in texts:
        if "\n" in text:
            raise UnsendableLine("a line end inside a line (the one at its end is added)")
        try:
            encoded += text.encode()
        except UnicodeEncodeError:
            raise UnsendableLine("half of a surrogate pair in a line") from None
        # One CR before the LF is taken for a part of the line end. Where the text itself ends in
        # one, it needs a second.
        encoded += b"\r\n" if text.endswith("\r") else b"\n"
    return bytes(encoded)


# RFC 9112, section 3: method SP request-target SP HTTP-version.
_HTTP_REQUEST = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ ]+ HTTP/")
# The same cut short, by the limit or by what a `BadLine` keeps: only the forms of a target that
# browsers send are left to judge by.
_HTTP_START = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ (/|\*|https?:)")


def is_http_request(line: Line) -> bool:
    """Tell whether a connection's first line is an HTTP request line.

    A web page can make its visitor's browser talk to a server on the visitor's own machine. To
    such a server the request line is the first thing that gives it away; a server that hangs up
    on it never reads the lines that the page chose.

    Args:
        line: the first line, good or bad.
    """
    raw = line.encode() if isinstance(line, str) else line.start
    if _HTTP_REQUEST.match(raw):
        return True
    is_cut = not isinstance(line, str) and len(raw) == BadLine.START
    return (is_cut or isinstance(line, LineTooLong)) and _HTTP_START.match(raw) is not None
