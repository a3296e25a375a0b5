"""Lines over a Trio stream, both ways: a ``trio.abc.Channel`` for clients.

The clients of the chat and the calculator use it, and so can yours. A server's handlers have a
`trionet.Connection` instead, with an outbox and deadlines.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Literal, cast, overload

import trio

from trionet.argument_checks import check_stream
from trionet.connection.reader import LineReader
from trionet.encoding import encode_lines, join_lines
from trionet.errors import BadLine
from trionet.function_checks import check_answering
from trionet.lines import MAX_LINE_TO_CLIENT, MAX_UNENDING, LineT


class LineStream(LineReader[LineT], trio.abc.Channel[LineT]):
    """Lines over a stream, both ways. For a type checker, as `LineReader`.

    Args:
        stream: the stream; closing this closes it.
        max_line: content bytes that a line from the peer may have; default 65,536, because a
            server's line may list many names.
        max_unending: bytes without an end of line after which reading ends; default 1 MiB.
        on_bad_line: see `LineReader`; default ``None``.
        decode: whether lines are texts; default ``True``. With ``False`` they are bytes with their
            ends, in both directions; see `LineReader`.

    Resource handling: `aclose` closes the stream; whoever made the line stream calls it.
    """

    __slots__ = ("_is_text", "_sending")

    _stream: trio.abc.Stream

    @overload
    def __init__(
        self: LineStream[bytes],
        stream: trio.abc.Stream,
        *,
        max_line: int = MAX_LINE_TO_CLIENT,
        max_unending: int = MAX_UNENDING,
        on_bad_line: Callable[[BadLine], Awaitable[None]] | None = None,
        decode: Literal[False],
    ) -> None: ...

    @overload
    def __init__(
        self,
        stream: trio.abc.Stream,
        *,
        max_line: int = MAX_LINE_TO_CLIENT,
        max_unending: int = MAX_UNENDING,
        on_bad_line: Callable[[BadLine], Awaitable[None]] | None = None,
        decode: bool = True,
    ) -> None: ...

    def __init__(
        self,
        stream: trio.abc.Stream,
        *,
        max_line: int = MAX_LINE_TO_CLIENT,
        max_unending: int = MAX_UNENDING,
        on_bad_line: Callable[[BadLine], Awaitable[None]] | None = None,
        decode: bool = True,
    ) -> None:
        check_stream(stream, methods=["send_all", "receive_some"])
        check_answering("on_bad_line", on_bad_line)
        super().__init__(
            stream,
            max_line=max_line,
            max_unending=max_unending,
            on_bad_line=on_bad_line,
            decode=decode,
        )
        self._is_text = decode
        self._sending = trio.Lock()

    async def send(self, *lines: LineT) -> None:
        """Send lines, all in one write. Always a checkpoint.

        Several tasks may call this at the same time: the lines of each call stay together, and the
        calls take their turns in order.

        They are texts without their ends; with ``decode=False`` they are bytes, which are sent as
        they are.

        Raises:
            TypeError: a line is a text where it must be bytes, or the other way round.
            UnsendableLine: a text does not fit in one line; nothing was sent.
            trio.BrokenResourceError: the peer is gone.
            trio.ClosedResourceError: this side closed the stream.

        Cancellation: it is unknown how much was sent, and the stream can only be closed. A call
        that is cancelled while it waits for others has sent nothing.
        """
        data = self.encode_lines(lines)
        await self._begin_sending()
        try:
            await self._stream.send_all(data)
        finally:
            self._sending.release()

    @property
    def stream(self) -> trio.abc.Stream:
        """The stream under it."""
        return self._stream

    def encode_lines(self, lines: Iterable[LineT]) -> bytes:
        """Return the bytes of lines as `send` sends them.

        Raises:
            TypeError, UnsendableLine: as `send`.
        """
        if self._is_text:
            return encode_lines(cast(Iterable[str], lines))
        return join_lines(cast(Iterable[bytes], lines))

    async def send_eof(self) -> None:
        """End the sending and go on receiving, if the stream can (a half-close).

        What other tasks are sending is sent first. A checkpoint if the stream can do it; otherwise
        this does nothing.

        Raises:
            trio.BrokenResourceError: the peer is gone.
            trio.ClosedResourceError: this side closed the stream.

        Cancellation: call it again, or close.
        """
        if isinstance(self._stream, trio.abc.HalfCloseableStream):
            await self._begin_sending()
            try:
                await self._stream.send_eof()
            finally:
                self._sending.release()

    async def _begin_sending(self) -> None:
        # Usually there is nobody to wait for, and sending is itself a checkpoint.
        try:
            self._sending.acquire_nowait()
        except trio.WouldBlock:
            await self._sending.acquire()
