"""A client for tests: sends lines, expects lines, and shows the conversation when they differ."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import trio

from trionet.argument_checks import check_seconds, check_stream
from trionet.connection.input_end import InputEnd
from trionet.connection.reader import LineReader
from trionet.encoding import encode_lines, join_lines
from trionet.errors import BadLine
from trionet.lines import MAX_LINE_TO_CLIENT
from trionet.type_checks import check_kind, check_kinds, shown

# How many characters of a line the conversation shows, of its beginning and of its end. A test that
# sends a megabyte without a line end would otherwise print all of it.
_SHOWN = 400, 100


class LineClient:
    """One end of a conversation in lines.

    It is an async context manager; leaving it closes the stream.

    Args:
        stream: a connection to the service under test; the client closes it.
        name: its name in the record of the conversation; default ``client``.
        patience: seconds on the Trio clock to wait for each expected line; default 60. On virtual
            time waiting costs nothing.
        decode: whether lines are texts; default ``True``. With ``False`` they are bytes with their
            ends, for all methods, as with `trionet.serve`.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind; the message says what to write.

    Cancellation: receiving loses no line. After a cancelled sending nobody knows how much was sent.
    Each async method is always a checkpoint.

    Resource handling: leaving the block closes the stream at once.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        *,
        name: str = "client",
        patience: float = 60.0,
        decode: bool = True,
    ) -> None:
        check_stream(stream, methods=["receive_some", "send_all"])
        check_kinds(name=(name, str))
        check_seconds("patience", patience)
        self.stream = stream
        self.name = name
        self._patience = patience
        self._lines = LineReader(stream, max_line=MAX_LINE_TO_CLIENT, decode=decode)
        self._kind = str if decode else bytes
        self._began = trio.current_time()
        self._record: list[str] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {self.stream!r}>"

    async def send(self, *lines: str | bytes) -> None:
        """Send lines, all in one write.

        Args:
            lines: the lines, without their ends.

        Raises:
            UnsendableLine: a text does not fit in one line; nothing was sent.
            trio.BrokenResourceError: the connection is gone.
        """
        for line in lines:
            self._note("→", line)
        encode: Any = encode_lines if self._kind is str else join_lines
        await self.stream.send_all(encode(lines))

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are, such as half a line, or bytes that are not text.

        Args:
            data: the bytes.

        Raises:
            TypeError: `data` is not bytes; `send` takes text.
            trio.BrokenResourceError: the connection is gone.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"send_bytes() takes bytes, and send() text: not {shown(data)}")
        self._note("→", repr(data))
        await self.stream.send_all(data)

    async def send_eof(self) -> None:
        """Stop sending, and go on receiving."""
        self._note("→", "(end of input)")
        if isinstance(self.stream, trio.abc.HalfCloseableStream):
            await self.stream.send_eof()
        else:
            await trio.lowlevel.checkpoint()

    async def receive(self) -> str:
        """Return the next line.

        Raises:
            AssertionError: no line came in time, or one that cannot be read.
        """
        try:
            with trio.fail_after(self._patience):
                line = await self._lines.receive()
        except trio.TooSlowError:
            raise self._failure(f"no line came within {self._patience} s") from None
        except trio.EndOfChannel:
            self._note("←", f"({self._end()})")
            raise self._failure(f"no more lines: {self._end()}") from None
        except BadLine as bad:
            raise self._failure(f"a line that cannot be read came: {bad}") from None
        self._note("←", line)
        return line

    async def expect(self, *lines: str | bytes) -> None:
        """Receive lines, and compare them with the expected ones.

        Args:
            lines: the expected lines, in order.

        Raises:
            AssertionError: another line came, or none. The message has the whole conversation.
        """
        for line in lines:
            check_kind("a line", line, self._kind)
        if not lines:
            await trio.lowlevel.checkpoint()
        for expected in lines:
            try:
                line = await self.receive()
            except AssertionError as failure:
                raise AssertionError(f"{self.name} expected {expected!r}, but {failure}") from None
            if line != expected:
                raise self._failure(f"{self.name} expected {expected!r}, but {line!r} came")

    async def expect_silence(self, seconds: float) -> None:
        """Wait this many seconds on the Trio clock, and check that nothing comes.

        Raises:
            AssertionError: a line came, or the end of the input.
        """
        check_seconds("seconds", seconds)
        with trio.move_on_after(seconds):
            try:
                line = await self._lines.receive()
            except trio.EndOfChannel:
                raise self._failure(f"{self.name} expected silence, but {self._end()}") from None
            except BadLine as bad:
                raise self._failure(f"a line that cannot be read came: {bad}") from None
            self._note("←", line)
            raise self._failure(f"{self.name} expected silence, but {line!r} came")
        self._note(" ", f"({seconds} s of silence)")

    async def expect_end(self) -> None:
        """Check that the server closes the connection without another line, or half of one.

        Raises:
            AssertionError: a line came, or the connection stayed open or was reset.
        """
        line: str | bytes
        try:
            line = await self.receive()
        except AssertionError:
            if self._lines.end is not InputEnd.EOF:
                raise
            line = self._lines.rest
            if not line:
                return
        raise self._failure(f"{self.name} expected an end, but {line!r} came")

    async def aclose(self) -> None:
        """Close the stream."""
        await self.stream.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await trio.aclose_forcefully(self.stream)

    def _end(self) -> str:
        return self._lines.end.value if self._lines.end is not None else "the stream is open"

    def _note(self, direction: str, text: str | bytes) -> None:
        text = text if isinstance(text, str) else repr(text)
        begin, end = _SHOWN
        if len(text) > begin + end:
            text = f"{text[:begin]} … {text[-end:]} ({len(text):,} characters)"
        self._record.append(f"{trio.current_time() - self._began:9.3f} s {direction} {text}")

    def _failure(self, what: str) -> AssertionError:
        record = "\n".join(f"  {entry}" for entry in self._record) or "  (nothing yet)"
        return AssertionError(f"{what}\nthe conversation of {self.name}:\n{record}")
