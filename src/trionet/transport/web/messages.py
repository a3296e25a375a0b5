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

from typing import TypeAlias

from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

# The first byte of a frame that closes.
_CLOSE = 0x88

# What a message may have besides a line: its end, CR LF at most. And the library's limit, which it
# judges by each frame's header, holds for pings too, and in the middle of a message for what is
# left: a ping may have 125 bytes (RFC 6455, 5.5).
_LINE_END = 2
_CONTROL = 125


def _limit(max_line: int) -> int:
    return max_line + _LINE_END + _CONTROL


class _Text:
    """The text message that is being received, and the lines of those before.

    Attributes:
        rest: the fragments so far.
        lines: whole lines.
        max_line: bytes that a message may have, without its last line end.
        has_failed: whether the peer has made a mistake.
    """

    __slots__ = ("has_failed", "lines", "max_line", "rest")

    def __init__(self, max_line: int) -> None:
        self.max_line = max_line
        self.rest = bytearray()
        self.lines = b""
        self.has_failed = False


class _Server(ServerProtocol):
    """The library's server, which takes each frame apart before it reads the next."""

    def __init__(self, max_line: int) -> None:
        super().__init__(state=State.OPEN, max_size=_limit(max_line))
        self.text = _Text(max_line)

    def recv_frame(self, frame: Frame) -> None:
        super().recv_frame(frame)
        _take(self, frame)

    def fail(self, code: int, reason: str = "") -> None:
        self.text.has_failed = True
        super().fail(code, reason)


class _Client(ClientProtocol):
    """The same for the other end."""

    def __init__(self, max_line: int) -> None:
        uri = parse_uri("ws://localhost/")
        super().__init__(uri, state=State.OPEN, max_size=_limit(max_line))
        self.text = _Text(max_line)

    def recv_frame(self, frame: Frame) -> None:
        super().recv_frame(frame)
        _take(self, frame)

    def fail(self, code: int, reason: str = "") -> None:
        self.text.has_failed = True
        super().fail(code, reason)


_Side: TypeAlias = _Server | _Client


def _take(side: _Side, frame: Frame) -> None:
    """Take a frame that is in order; this is where a message is judged."""
    side.events.clear()
    if frame.opcode == Opcode.BINARY:
        side.fail(CloseCode.UNSUPPORTED_DATA, "only text is spoken here")
    elif frame.opcode in (Opcode.TEXT, Opcode.CONT):
        text = side.text
        if text.rest or not frame.fin:
            text.rest += frame.data
        message = text.rest or frame.data
        end = (message[-1:] == b"\n") + (message[-2:] == b"\r\n") if frame.fin else _LINE_END
        if len(message) - end > text.max_line:
            side.fail(CloseCode.MESSAGE_TOO_BIG, f"a message has at most {text.max_line} bytes")
            return
        if not frame.fin:
            return
        message = bytes(message)
        text.rest = bytearray()
        # Not UTF-8: the library makes the close code of the error.
        message.decode()
        text.lines += message if message.endswith(b"\n") else message + b"\n"


class Messages:
    """The messages of one WebSocket.

    Args:
        max_line: bytes that a message may have, without its last line end.
        is_client: whether this is the end that connected: what it sends is masked.

    Attributes:
        is_over: whether nothing more will come: the peer has closed, or has made a mistake.
        has_failed: whether it has made a mistake.
    """

    __slots__ = ("_goodbye", "_side", "has_failed", "is_over")

    def __init__(self, max_line: int, *, is_client: bool = False) -> None:
        self._side: _Side = _Client(max_line) if is_client else _Server(max_line)
        self._goodbye = b""
        self.is_over = False
        self.has_failed = False

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """Take received bytes.

        Returns:
            The lines that they complete, and the frames to answer with.
        """
        if self.is_over:
            return b"", b""
        side = self._side
        side.receive_data(data)
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
