"""The messages of one WebSocket become lines. No I/O.

The library ``websockets`` reads the frames, answers pings, and knows which close code belongs to
which mistake. Here its events become lines, and what it wants to send is sorted: an answer goes out
at once, and the frame that closes waits until everything else is sent.

| a peer sends | it becomes |
|---|---|
| a text message | its lines; the last LF may be left out |
| a binary message | the end, with 1003 |
| a text that is not UTF-8 | the end, with 1007 |
| a longer message than a line may be | the end, with 1009 |
| frames that break the protocol | the end, with 1002 |
| a close frame | the end of the input; its code is repeated |
"""

from __future__ import annotations

from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Protocol as LibraryProtocol
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

try:
    from websockets.speedups import apply_mask
except ImportError:
    # The library has it in C only for some machines.
    from websockets.utils import apply_mask

# The first byte of a whole text message, and of a frame that closes.
_TEXT, _CLOSE = 0x81, 0x88

# A frame's second byte: whether it is masked, and how long it is, or that its length follows in two
# or eight bytes. The shortest masked frame has 6 bytes.
_MASKED, _LONG, _LONGER, _LEAST = 0x80, 126, 127, 6
_TWO_BYTES = 65535

# The end of a frame whose length is written in more bytes than it needs (RFC 6455, 5.2).
_BAD_LENGTH = -1

# What a message may have besides a line: its end, CR LF at most. The library applies its limit to
# the header of every frame. In the middle of a message the limit is what is left of the message,
# and it holds for pings too, which may have 125 bytes (RFC 6455, 5.5).
_LINE_END = 2
_CONTROL = 125


def _limit(max_line: int) -> int:
    return max_line + _LINE_END + _CONTROL


class _Text:
    """The text message that is being received, and the lines of those before.

    Attributes:
        rest: the fragments so far.
        is_fragmented: whether a message has begun whose other fragments are still to come. (Older
            versions of the library do not tell.)
        lines: whole lines.
        max_line: bytes that a message may have, without its last line end.
        has_failed: whether the peer has made a mistake.
    """

    __slots__ = ("has_failed", "is_fragmented", "lines", "max_line", "rest")

    def __init__(self, max_line: int) -> None:
        self.max_line = max_line
        self.rest = bytearray()
        self.is_fragmented = False
        self.lines = b""
        self.has_failed = False


class _Side(LibraryProtocol):
    """One of the library's two sides, which takes each frame apart before it reads the next."""

    text: _Text

    def recv_frame(self, frame: Frame) -> None:
        super().recv_frame(frame)
        self._take(frame)

    def fail(self, code: int, reason: str = "") -> None:
        self.text.has_failed = True
        super().fail(code, reason)

    def _take(self, frame: Frame) -> None:
        """Take a frame that is in order; this is where a message is judged."""
        self.events.clear()
        if frame.opcode == Opcode.BINARY:
            self.fail(CloseCode.UNSUPPORTED_DATA, "only text is spoken here")
        elif frame.opcode in (Opcode.TEXT, Opcode.CONT):
            text = self.text
            text.is_fragmented = not frame.fin
            if text.rest or not frame.fin:
                text.rest += frame.data
            message = text.rest or frame.data
            end = (message[-1:] == b"\n") + (message[-2:] == b"\r\n") if frame.fin else _LINE_END
            if len(message) - end > text.max_line:
                self.fail(CloseCode.MESSAGE_TOO_BIG, f"a message has at most {text.max_line} bytes")
                return
            if not frame.fin:
                return
            message = bytes(message)
            text.rest = bytearray()
            # Not UTF-8: the library makes the close code of the error.
            message.decode()
            text.lines += message if message.endswith(b"\n") else message + b"\n"


class _Server(_Side, ServerProtocol):
    def __init__(self, max_line: int) -> None:
        super().__init__(state=State.OPEN, max_size=_limit(max_line))
        self.text = _Text(max_line)


class _Client(_Side, ClientProtocol):
    def __init__(self, max_line: int) -> None:
        uri = parse_uri("ws://localhost/")
        super().__init__(uri, state=State.OPEN, max_size=_limit(max_line))
        self.text = _Text(max_line)


class Messages:
    """The messages of one WebSocket.

    Whole text messages in one frame, which nearly all are, are taken apart here. A short one takes
    0.4 µs, where the library takes 5, and everything that the chat does about it 3. All other
    frames go to the library, each as soon as it is whole or cannot be taken any more.

    Args:
        max_line: bytes that a message may have, without its last line end.
        is_client: whether this is the end that connected: what it sends is masked.

    Attributes:
        is_over: whether nothing more will come: the peer has closed, or has made a mistake.
        has_failed: whether it has made a mistake.
        bare_frames: how many frames of the last call of `receive` have brought no line.
        holds_more: whether frames wait because `receive` took no more of them.
    """

    __slots__ = (
        "_goodbye", "_held", "_masked", "_max_line", "_side", "bare_frames", "has_failed",
        "holds_more", "is_over",
    )  # fmt: skip

    def __init__(self, max_line: int, *, is_client: bool = False) -> None:
        self._side: _Side = _Client(max_line) if is_client else _Server(max_line)
        self._max_line = max_line
        # The bit beside a frame's length that says whether the frame is masked.
        self._masked = 0 if is_client else _MASKED
        # The beginning of a frame that is not whole yet.
        self._held = b""
        self._goodbye = b""
        self.is_over = False
        self.has_failed = False
        self.bare_frames = 0
        self.holds_more = False

    def receive(self, data: bytes, most_bare: int | None = None) -> tuple[bytes, bytes]:
        """Take received bytes.

        Args:
            data: the bytes; empty: go on with those that are held.
            most_bare: how many frames that bring no line are taken; the rest is held. Default
                ``None``: all.

        Returns:
            The lines that they complete, and the frames to answer with.
        """
        if self._held:
            data, self._held = self._held + data, b""
        lines: list[bytes] = []
        answers = b""
        at = bare = 0
        self.holds_more = False
        while at < len(data) and not self.is_over:
            if bare == most_bare:
                self._held, self.holds_more = data[at:], True
                break
            if self._masked and not self._side.text.is_fragmented:
                at = self._take_texts(data, at, lines)
            stop = self._end_of_frame(data, at)
            if stop == at:
                # The beginning of a frame, or nothing.
                self._held = data[at:]
                break
            if stop == _BAD_LENGTH:
                # The library takes it, and a reader on the way may take it for another.
                self._side.fail(CloseCode.PROTOCOL_ERROR, "a length takes more bytes than it needs")
            else:
                self._side.receive_data(data[at:stop])
            more, answered = self._outcome()
            lines.append(more)
            answers += answered
            bare += not more
            at = stop
        self.bare_frames = bare
        return b"".join(lines), answers

    def _take_texts(self, data: bytes, at: int, lines: list[bytes]) -> int:
        """Take whole text messages, as long as they are in order; return where they end."""
        end, most = len(data), min(self._max_line, _TWO_BYTES)
        while at + _LEAST <= end and data[at] == _TEXT:
            size = data[at + 1] - _MASKED
            begin = at + _LEAST
            if size > _LONG:
                break
            if size == _LONG:
                begin = at + _LEAST + 2
                size = data[at + 2] << 8 | data[at + 3]
                if size < _LONG:
                    break
            stop = begin + size
            # The library judges what is not masked, too long, or not whole.
            if not 0 <= size <= most or stop > end:
                break
            text = apply_mask(data[begin:stop], data[begin - 4 : begin])
            if not text.isascii():
                try:
                    text.decode()
                except UnicodeDecodeError:
                    break
            lines.append(text if text[-1:] == b"\n" else text + b"\n")
            at = stop
        return at

    def _end_of_frame(self, data: bytes, at: int) -> int:
        """Return where a frame ends; `at` itself: it is not whole yet; or `_BAD_LENGTH`.

        For a frame that can never be taken, this is the end of the data: the library says why not.
        """
        if len(data) < at + 2:
            return at
        size = data[at + 1] - self._masked
        if not 0 <= size <= _LONGER:
            return len(data)
        begin = at + 2
        if size >= _LONG:
            begin += 2 if size == _LONG else 8
            if len(data) < begin:
                return at
            least = _LONG if size == _LONG else _TWO_BYTES + 1
            size = int.from_bytes(data[at + 2 : begin], "big")
            if size < least:
                return _BAD_LENGTH
            if size > _limit(self._max_line):
                return len(data)
        if self._masked:
            begin += 4
        return begin + size if begin + size <= len(data) else at

    def _outcome(self) -> tuple[bytes, bytes]:
        """Return what frames have resulted in: lines, and the frames to answer with."""
        side = self._side
        answers = b"".join(self._sort_out(side))
        self.has_failed = side.text.has_failed
        self.is_over = self.has_failed or side.close_rcvd is not None
        lines, side.text.lines = side.text.lines, b""
        return lines, answers

    def _sort_out(self, side: _Side) -> list[bytes]:
        """Return what the library wants to send now, and keep the frame that closes."""
        answers = []
        for frame in side.data_to_send():
            if frame and frame[0] == _CLOSE:
                self._goodbye = frame
            elif frame:
                answers.append(frame)
        return answers

    def frame(self, lines: bytes) -> bytes:
        """Return whole lines as a client sends them."""
        self._side.send_text(lines)
        return b"".join(self._side.data_to_send())

    def goodbye(self, code: int) -> bytes:
        """Return the frame that closes, with this code unless the peer has caused another."""
        if not self._goodbye and self._side.state is State.OPEN:
            self._side.send_close(code)
            self._goodbye = b"".join(self._side.data_to_send())
        return self._goodbye
