r"""Bytes to lines: the decoder, with no I/O. `encoding.py` has the way back.

A line is UTF-8 text that ends with LF. A CR just before the LF is not part of the line and never
counts. Nothing else ends a line: not a lone CR, not U+2028.

The plan of the decoder:

- The same lines come out however the input is cut. The property tests check that.
- The limit bounds the memory, not the peer: a line that exceeds it is reported at once, as a
  `LineTooLong` in its place, and then skipped to its end.
- Received bytes are held as bytes. A reader takes their lines in parts, so that 64 KiB of short
  lines never become thousands of objects at once.
- The work is linear in the bytes. Whole lines are decoded as one block and split by the C code of
  ``str``. Only where a line may be bad, some are taken one by one.
- Bad lines are values in the list. Raising them would lose the good lines of the same read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from trionet.errors import BadLine, LineNotUTF8, LineTooLong, LineUnending
from trionet.type_checks import as_bytes, shown

# Towards a server: far more than a person types, and small enough that ten thousand peers who each
# leave a line unfinished hold 40 MB. (IRC: 512; SMTP: 1,000; HTTP servers' header lines: 8,192.)
MAX_LINE = 4096

# Towards a client: a server's line may list many names.
MAX_LINE_TO_CLIENT = 65536

# 1 MiB: a peer that has sent this much without an end of line is not writing lines at all.
MAX_UNENDING = 1 << 20

# What a reader decodes at a time: a *part* of what was received. Decoded, a part takes up to 64 KiB
# of memory, because a byte becomes up to four in a ``str``. A part of short lines takes less, some
# 11 KiB: each line is a ``str`` of some 60 bytes and a place in the list, and there are only 100. A
# member's part stays in memory while the member waits for its turn in a busy room: with parts of
# 512 lines, 200 members held 8 MiB more. Decoding 32-byte lines in parts costs 0.02 µs a line more
# than decoding them at once.
# A service that shares the processor fairly handles a hundred lines at a time. If a part is not a
# multiple of that, each part leaves a small piece over: the calculator answered 7 % fewer lines a
# second over TLS, where each piece that is sent is a record and a task.
PART_BYTES = 16384
PART_LINES = 100

# The same for callers that want all lines anyway.
_FEED_BYTES = 65536
_FEED_LINES = 4096

_LF = 0x0A

# Lines taken one by one at a time where one may be bad. A bad line is an object of 200 to 500
# bytes.
_SUSPECTS = 64

Line: TypeAlias = str | BadLine

# What a good line is: `str`, or `bytes` where a reader, a server or a client has ``decode=False``.
if TYPE_CHECKING:
    # With a default, so that `LineReader` alone is one of texts. Python has them from 3.13 on.
    from typing_extensions import TypeVar

    LineT = TypeVar("LineT", bound=str | bytes, default=str)
else:
    from typing import TypeVar

    LineT = TypeVar("LineT")


class LineDecoder:
    r"""Turns bytes, cut anywhere, into lines.

    There are two ways to use it. `feed` returns all lines at once. `begin` and `take` hold the
    received bytes and hand out their lines in bounded parts, for a reader that must not hold
    thousands of decoded lines for one peer.

    Args:
        max_line: content bytes that a line may have, without its line end; default 4,096.
        max_unending: bytes without an end of line after which the decoder gives up; default 1 MiB.

    Raises:
        TypeError: a limit is not a whole number.
        ValueError: it is negative.

    Attributes:
        gave_up: whether the decoder has given up, because the peer sent no end of line.
        max_line: as given. It may be changed at any time, for lines that have not come out yet.
        held: the received bytes of which something is still to be taken. What was taken already
            may stand before it: bytes are dropped only when all have been taken. Empty: there
            is nothing to take.

    A `LineUnending` is always the last line: whatever is fed after it is dropped.

    >>> decoder = LineDecoder()
    >>> decoder.feed(b"12 + 42\r\n3.24 -")
    ['12 + 42']
    >>> decoder.feed(b" 45\nq")
    ['3.24 - 45']
    >>> decoder.rest
    b'q'
    >>> decoder.begin(b"uit\n1\n2\n3\n", 2)
    ['quit', '1']
    >>> decoder.take(2)
    ['2', '3']
    """

    __slots__ = ("_at", "_max_unending", "_rest", "_skipped", "gave_up", "held", "max_line")

    def __init__(self, *, max_line: int = MAX_LINE, max_unending: int = MAX_UNENDING) -> None:
        if type(max_line) is not int or max_line < 0:
            _check_limit("max_line", max_line)
        if type(max_unending) is not int or max_unending < max_line + 2:
            _check_limit("max_unending", max_unending)
            max_unending = max_line + 2
        self.max_line = max_line
        self._max_unending = max_unending
        self.held = b""
        # How many bytes of `held` have been taken.
        self._at = 0
        # The unfinished line; a bytearray, because it may grow by one byte a million times.
        self._rest: bytearray | None = None
        # Bytes skipped so far of an unfinished line that is too long; 0: there is no such line.
        self._skipped = 0
        self.gave_up = False

    @property
    def rest(self) -> bytes:
        """The unfinished line after the last one taken; empty while a line is being skipped."""
        return b"" if self._rest is None else bytes(self._rest)

    @property
    def held_lines(self) -> int:
        """How many lines are held. Each call counts them."""
        return self.held.count(b"\n", self._at)

    def feed(self, data: bytes | bytearray | memoryview) -> list[Line]:
        """Take received bytes, and return the lines that they complete, in order.

        Args:
            data: any number of bytes.

        Returns:
            Each line as a ``str`` without its end, or as the `BadLine` in its place.
        """
        if type(data) is not bytes:
            data = as_bytes("data", data)
        lines = self.begin(data, _FEED_LINES, _FEED_BYTES)
        while self.held:
            lines += self.take(_FEED_LINES, _FEED_BYTES)
        return lines

    def begin(self, data: bytes, max_lines: int, max_bytes: int = PART_BYTES) -> list[Line]:
        """Take received bytes, and return their first lines; `take` returns the others.

        Args:
            data: any number of bytes; nothing may be held.
            max_lines: how many lines to return at most; see `take`.
            max_bytes: see `take`; default 16,384.

        Returns:
            See `take`.
        """
        # Nearly all input is whole lines.
        if self._rest is None and not self._skipped:
            if len(data) <= max_lines and len(data) <= self.max_line:
                # So short that neither limit can be exceeded: nearly all input, again. (Bytes are
                # compared with a number of lines, because each line has at least one byte, its LF.)
                try:
                    text = data.decode()
                except UnicodeDecodeError:
                    pass
                else:
                    if "\r" not in text:
                        lines: list[Any] = text.split("\n")
                        if not lines.pop():
                            return lines
            if data and data[-1] == _LF and len(data) <= max_bytes:
                lines, size = self._split_clean(data[:-1], max_lines)
                if size == len(data):
                    return lines
        self.hold(data)
        return self.take(max_lines, max_bytes)

    def take(self, max_lines: int, max_bytes: int = PART_BYTES) -> list[Line]:
        """Return the next held lines, perhaps none. Once `held` is empty, all have been taken.

        The cost depends on what is returned, not on what is held.

        Args:
            max_lines: how many lines to return at most; at least 1. There are two exceptions. A
                `LineUnending` may come as one more, because nothing follows it. Where one of the
                next lines is bad, fewer lines are returned, though more are held: bad lines take
                more memory.
            max_bytes: how many bytes of whole lines to decode at most; default 16,384. A longer
                line comes alone.

        Returns:
            Each line as a ``str`` without its end, or as the `BadLine` in its place.
        """
        lines: list[Line] = []
        if self.held and (self._rest is not None or self._skipped):
            self._complete(lines)
        if not self.held or len(lines) >= max_lines:
            return lines
        start = self._at
        end = self.held.rfind(b"\n", start, start + max_bytes)
        if end < 0:
            end = self.held.find(b"\n", start + max_bytes)
        if end >= 0:
            block = self.held[start:end]
            room = max_lines - len(lines)
            more, size = self._split_clean(block, room)
            lines += more
            self._at += size
            if size <= len(block) and len(more) < room:
                # The next line may be bad.
                more, size = self._split_any(block[size:], room - len(more))
                lines += more
                self._at += size
            if self.gave_up or self._at == len(self.held):
                self.discard()
                return lines
            if self._at <= end or start + max_bytes < len(self.held) or len(lines) >= max_lines:
                return lines
        rest = self.held[self._at :]
        self.discard()
        self._keep(rest, lines)
        return lines

    def hold(self, data: bytes) -> None:
        """Hold received bytes, all of `data`, for `take`. Nothing else may be held."""
        if not self.gave_up:
            self.held = data
            self._at = 0

    def discard(self) -> None:
        """Drop what is held."""
        self.held = b""
        self._at = 0

    def finish(self) -> list[Line]:
        """Take the end of the input: an unfinished line counts as a line.

        This is right for a pipe. On a connection it is not: the peer may have gone in the middle of
        a line. There, leave the unfinished line in `rest`.

        Returns:
            At most one line.
        """
        return self.feed(b"\n") if self._rest is not None else []

    def _split_clean(self, block: bytes, max_lines: int) -> tuple[list[Line], int]:
        """Split a block into lines, up to the first that may be bad.

        Args:
            block: whole lines, without the LF of the last one.
            max_lines: how many lines to return at most.

        Returns:
            The lines, and how many bytes they are with their ends; 0: the first may be bad.
        """
        try:
            text = block.decode()
        except UnicodeDecodeError as error:
            end = block.rfind(b"\n", 0, error.start)
            if end < 0:
                return [], 0
            block = block[:end]
            text = block.decode()
        size = len(block) + 1
        lines: list[Any] = text.split("\n", max_lines)
        if len(lines) > max_lines:
            rest = lines.pop()
            size = size - 1 - len(rest) if text.isascii() else _size(lines)
        if len(block) > self.max_line:
            # In ASCII, each character is one byte: there is no need to split the bytes too.
            measured = lines if text.isascii() else block.split(b"\n", max_lines)[: len(lines)]
            if max(map(len, measured)) > self.max_line:
                fits = [len(line) <= self.max_line for line in measured]
                del lines[fits.index(False) :]
                size = _size(lines)
        if "\r" in text:
            return [line.removesuffix("\r") for line in lines], size
        return lines, size

    def _split_any(self, block: bytes, max_lines: int) -> tuple[list[Line], int]:
        """Split off the first few lines, good and bad; otherwise the same as `_split_clean`."""
        lines: list[Line] = []
        size = 0
        few = min(max_lines, _SUSPECTS)
        for raw in block.split(b"\n", few)[:few]:
            self._judge(raw, lines)
            size += len(raw) + 1
            if self.gave_up:
                break
        return lines, size

    def _judge(self, raw: bytes, lines: list[Line]) -> None:
        """Append one whole line, good or bad, that has not been reported yet."""
        line = raw.removesuffix(b"\r")
        if len(line) <= self.max_line:
            lines.append(self._good(raw))
            return
        lines.append(LineTooLong(self.max_line, line))
        if len(raw) >= self._max_unending:
            self._give_up(lines)

    def _good(self, raw: bytes) -> Line:
        """Return a whole line that is not too long; `raw` has no LF, but may end with its CR."""
        return _decode(raw.removesuffix(b"\r"))

    def _complete(self, lines: list[Line]) -> None:
        """Go on with the unfinished line."""
        end = self.held.find(b"\n", self._at)
        more = self.held[self._at : end if end >= 0 else None]
        if end < 0 or end + 1 == len(self.held):
            self.discard()
        else:
            self._at = end + 1
        if end < 0:
            self._keep(more, lines)
        elif self._rest is not None:
            raw = bytes(self._rest + more)
            self._rest = None
            self._judge(raw, lines)
        elif self._skipped + len(more) >= self._max_unending:
            self._give_up(lines)
        else:
            self._skipped = 0

    def _keep(self, data: bytes, lines: list[Line]) -> None:
        """Keep an unfinished line, or report that it is too long already."""
        if self._skipped:
            self._skipped += len(data)
        else:
            if self._rest is None:
                self._rest = bytearray()
            self._rest += data
            # A CR at the end may turn out to belong to the line end, which never counts.
            if len(self._rest) - self._rest.endswith(b"\r") <= self.max_line:
                return
            lines.append(LineTooLong(self.max_line, bytes(self._rest[: BadLine.START])))
            self._skipped = len(self._rest)
            self._rest = None
        if self._skipped >= self._max_unending:
            self._give_up(lines)

    def _give_up(self, lines: list[Line]) -> None:
        self.gave_up = True
        # From here on, everything is skipped.
        self._skipped = self._max_unending
        self.discard()
        lines.append(LineUnending(self._max_unending, b""))


def _check_limit(name: str, limit: object) -> None:
    if type(limit) is not int:
        raise TypeError(f"{name} must be a whole number of bytes, not {shown(limit)}")
    if limit < 0:
        raise ValueError(f"{name} must be a number of bytes, and not negative")


def _size(lines: list[str]) -> int:
    """Return how many bytes lines are with their ends."""
    return len("\n".join(lines).encode()) + 1 if lines else 0


def _decode(line: bytes) -> Line:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return LineNotUTF8(line)
