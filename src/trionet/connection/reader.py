"""Lines from any Trio stream.

`LineReader` is a ``trio.abc.ReceiveChannel`` of lines. `trionet.lines` decides what a line is.

The plan of the reader:

- Hand out whatever has been received (`received.py`) before receiving more. So a peer that is
  served slowly is slowed down by its own kernel.
- Wake with as few coroutines as possible: a stream that can take input without waiting
  (`trionet.ReceivesNow`) is asked to, and one whose receive can be called off
  (`trionet.Interruptible`) needs no cancel scope around each read.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Literal, Self, cast, overload

import trio

from trionet.abc import Interruptible, ReceivesNow
from trionet.argument_checks import check_choice, check_flag, check_kind, check_stream
from trionet.connection.first_line import Opening
from trionet.connection.input_end import InputEnd, end_of_broken, end_of_input
from trionet.connection.peer import name_of_peer
from trionet.connection.received import LineRules, Received
from trionet.errors import BadLine, ReceiveInterrupted
from trionet.function_checks import check_answering
from trionet.lines import MAX_LINE, MAX_UNENDING, LineT
from trionet.type_checks import as_bytes

# Bytes that a reader asks a stream for at a time: what Linux has ready on a fast connection.
READ_SIZE = 65536


class LineReader(Received[LineT], trio.abc.ReceiveChannel[LineT]):
    """Lines from a stream.

    ``async for line in reader`` is the simple way to read; `receive_batch` is the fast one.

    For a type checker, ``LineReader`` reads texts, and ``LineReader[bytes]`` reads bytes.

    Args:
        stream: where the bytes come from; closing the reader closes it.
        max_line: content bytes that a line may have; default 4,096.
        max_unending: bytes without an end of line after which reading ends; default 1 MiB.
        refuse_http: end the input at once when the first line is an HTTP request line, so that
            no web page can talk to this server through a visitor's browser; default ``False``.
        on_bad_line: awaited with each `trionet.BadLine` that `receive` meets; `receive` then goes
            on to the next line. Default ``None``: `receive` raises the bad line, and can be
            called again.
        opening: a first line that allows the peer longer lines than `max_line`; default ``None``.
            With it, a first line that begins like it is handed out alone.
        decode: whether lines are texts; default ``True``. With ``False`` they are bytes with their
            ends, LF or CR LF, as they came. Only the last one may have none: what the peer, or a
            drain, has left unfinished.

    Resource handling: `aclose` closes the stream; whoever made the reader calls it.

    Attributes:
        end: why there are no more lines; ``None``: there may be more.
        bytes_in: bytes received so far.
        read_size: how many bytes are received at a time at most (65,536). It can be changed at any
            time.
        on_first_input: called once, when the first bytes have come; ``None``: nothing is called.
        waiting_since: when the reader began to wait for the peer, on the Trio clock; at first, when
            it was made. A time in the future: until then the reader holds the peer's lines back.
            ``math.inf``: it is not waiting, because lines that it has handed out are being handled.
    """

    __slots__ = (
        "_clock",
        "_handed",
        "_is_closed",
        "_on_bad_line",
        "_receives_now",
        "_scope",
        "_stream",
        "bytes_in",
        "on_first_input",
        "read_size",
    )

    @overload
    def __init__(
        self: LineReader[bytes],
        stream: trio.abc.ReceiveStream,
        *,
        max_line: int = MAX_LINE,
        max_unending: int = MAX_UNENDING,
        refuse_http: bool = False,
        on_bad_line: Callable[[BadLine], Awaitable[None]] | None = None,
        opening: Opening | None = None,
        decode: Literal[False],
    ) -> None: ...

    @overload
    def __init__(
        self,
        stream: trio.abc.ReceiveStream,
        *,
        max_line: int = MAX_LINE,
        max_unending: int = MAX_UNENDING,
        refuse_http: bool = False,
        on_bad_line: Callable[[BadLine], Awaitable[None]] | None = None,
        opening: Opening | None = None,
        decode: bool = True,
    ) -> None: ...

    def __init__(
        self,
        stream: trio.abc.ReceiveStream,
        *,
        max_line: int = MAX_LINE,
        max_unending: int = MAX_UNENDING,
        refuse_http: bool = False,
        on_bad_line: Callable[[BadLine], Awaitable[None]] | None = None,
        opening: Opening | None = None,
        decode: bool = True,
    ) -> None:
        check_flag("decode", decode)
        check_stream(stream, methods=["receive_some"])
        check_flag("refuse_http", refuse_http)
        if opening is not None:
            check_kind("opening", opening, Opening, hint="trionet.Opening(...)")
        if on_bad_line is not None:
            check_answering("on_bad_line", on_bad_line)
        rules = LineRules(
            max_line=max_line,
            max_unending=max_unending,
            refuse_http=refuse_http,
            opening=opening,
            decode=decode,
        )
        self._begin(stream, rules, on_bad_line)

    @classmethod
    def of_server(
        cls,
        stream: trio.abc.ReceiveStream,
        rules: LineRules,
        on_bad_line: Callable[[BadLine], Awaitable[None]],
    ) -> Self:
        """Make the reader of a server's connection: the server has checked the arguments.

        The rules are the server's. So each connection is spared what is the same for all.

        Args:
            stream: as in the constructor.
            rules: what the peer's lines may be.
            on_bad_line: as in the constructor.
        """
        reader = cls.__new__(cls)
        cls._begin(reader, stream, rules, on_bad_line)
        return reader

    def _begin(
        self,
        stream: trio.abc.ReceiveStream,
        rules: LineRules,
        on_bad_line: Callable[[BadLine], Awaitable[None]] | None,
    ) -> None:
        Received.__init__(self, rules)
        self.bytes_in = 0
        self.on_first_input: Callable[[], None] | None = None
        self.read_size = READ_SIZE
        # `trio.current_time` looks the clock up each time, and takes twice as long. The clock is
        # everybody's; its method would be an object for each connection.
        self._clock = trio.lowlevel.current_clock()
        self.waiting_since = self._clock.current_time()
        self._stream = stream
        self._receives_now: ReceivesNow | None = None
        if hasattr(stream, "receive_nowait") and hasattr(stream, "interrupt_receive"):
            self._receives_now = stream  # type: ignore[assignment]
        self._is_closed = False
        # Around a wait that only a cancellation ends.
        self._scope: trio.CancelScope | None = None
        self._on_bad_line = on_bad_line
        # Lines that were received on behalf of a waiting task, which has not taken them yet.
        self._handed: list[LineT | BadLine] | None = None

    def __repr__(self) -> str:
        if self._is_closed:
            state = "closed"
        elif self.end is not None:
            state = f"ended: {self.end.value}"
        else:
            state = "waiting" if self.waiting_since < math.inf else "busy"
        return (
            f"<{type(self).__name__} from {name_of_peer(self._stream)}, {state}, "
            f"{self.lines_in} lines, {self.bytes_in} bytes in>"
        )

    async def receive_batch(self) -> list[LineT | BadLine]:
        """Return the lines that are there, or wait for some.

        Returns:
            Up to 100 lines, good and bad, in order, and perhaps a `LineUnending` after them; an
            empty list means that `end` is set.

        Raises:
            trio.ClosedResourceError: this side closed the stream.

        Cancellation: no line is lost. Always a checkpoint.
        """
        if self._pending or self._decoder.held or self.end is not None:
            await trio.lowlevel.checkpoint()
            part = self._take_pending() or self._take()
            if part:
                return part
        # Checked again after each read: when input has just woken this task, `stop` finds no
        # waiting task that it could interrupt.
        data: bytes | bytearray
        while self.end is None:
            if self._decoder.held:
                await self._wait_until_due()
                if part := self._take():
                    return part
                continue
            self.waiting_since = self._clock.current_time()
            try:
                if self._receives_now is not None:
                    await self._receives_now.wait_input()
                    if self._handed is not None:
                        part, self._handed = self._handed, None
                        if part:
                            return part
                        continue
                    data = self._receives_now.receive_nowait(self.read_size)
                elif hasattr(self._stream, "interrupt_receive"):
                    data = await self._stream.receive_some(self.read_size)
                else:
                    data = await self._receive_some()
            except (ReceiveInterrupted, trio.WouldBlock):
                continue
            except trio.BrokenResourceError as error:
                self.end = self.end or end_of_broken(error)
                break
            if not data:
                self.end = self.end or end_of_input(self._stream)
                break
            if type(data) is not bytes:
                data = as_bytes("what a stream's receive_some() returns", data)
            self.bytes_in += len(data)
            if self.on_first_input is not None:
                self._tell_first_input()
            if part := self._take(data):
                return part
        # A `stop` ends the wait, but the lines that were held are still handed out.
        return self._take() or self._take_tail()

    def _tell_first_input(self) -> None:
        tell, self.on_first_input = self.on_first_input, None
        if tell is not None:
            tell()

    def receive_batch_nowait(self) -> list[LineT | BadLine]:
        """Return lines that have just come, while a task waits in `receive_batch`.

        For `AtOnce` alone. Never a checkpoint.

        Returns:
            What `receive_batch` would return; an empty list: the task must go on itself, because
            there is no whole line, or the input has ended, or it has to wait.
        """
        receives = self._receives_now
        # The first line is judged in the connection's own task: if a service's function raises,
        # that costs this connection alone.
        if receives is None or self._first_line is not None or self.end is not None:
            return []
        try:
            data = receives.receive_nowait(self.read_size)
        except (trio.WouldBlock, trio.ClosedResourceError):
            return []
        except trio.BrokenResourceError as error:
            self.end = end_of_broken(error)
            return []
        if not data:
            return []
        if type(data) is not bytes:
            data = as_bytes("what a stream's receive_nowait() returns", data)
        self.bytes_in += len(data)
        if self.on_first_input is not None:
            self._tell_first_input()
        part = self._take(data)
        if not part:
            self.hand_back([], self._clock.current_time())
        return part

    def hand_back(self, lines: list[LineT | BadLine], now: float) -> bool:
        """Leave lines of `receive_batch_nowait` to the waiting task, or let it go on waiting.

        Args:
            lines: the lines that are not handled yet.
            now: the time in seconds, on the Trio clock.

        Returns:
            Whether the task can go on waiting. If not, wake it: there are lines for it, or there is
            something else for it to return.
        """
        if lines or self._decoder.held or self.end is not None:
            # It must not read more before it has dealt with this.
            self._handed = lines
            if not lines:
                self.waiting_since = now
            return False
        self.waiting_since = now
        return True

    async def receive(self) -> LineT:
        """Return the next line.

        Raises:
            trio.EndOfChannel: there are no more; `end` says why.
            trio.ClosedResourceError: this side closed the stream.
            BadLine: the next line is bad, and there is no ``on_bad_line``.

        Cancellation: no line is lost. Always a checkpoint.
        """
        while True:
            if self._pending:
                await trio.lowlevel.checkpoint()
            else:
                part = await self.receive_batch()
                if not part:
                    raise trio.EndOfChannel
                part.reverse()
                self._pending = part
            line = self._pending.pop()
            if not self._pending:
                self._pending = None
            if not isinstance(line, BadLine):
                return line
            if self._on_bad_line is None:
                line.stream = self._stream
                try:
                    raise line
                finally:
                    # The traceback holds this frame, and the frame would hold the line: a cycle.
                    del line
            await self._on_bad_line(line)

    def charge(self, tokens: int) -> None:
        """Charge the peer for something that its lines caused. Never a checkpoint.

        Without a rate limit, as here, this does nothing. A `PacedLineReader` hands out no more
        lines until the peer has paid.

        Args:
            tokens: how much; a line costs one token.

        Raises:
            TypeError: `tokens` is not a whole number.
            ValueError: it is negative.
        """
        if type(tokens) is not int:
            check_kind("tokens", tokens, int)
        if tokens < 0:
            raise ValueError("tokens must not be negative")

    def stop(self, end: InputEnd = InputEnd.STOPPED) -> None:
        """End the input at a line boundary. Never a checkpoint.

        Lines that were already received are still handed out; a task that waits for more finds the
        end of the input. The stream stays open. If the input has ended already, this does nothing.

        Args:
            end: what the attribute `end` is set to; default ``InputEnd.STOPPED``.

        Raises:
            TypeError: `end` is not an `InputEnd`.
        """
        if type(end) is not InputEnd:
            check_choice("end", end, InputEnd)
        if self.end is not None:
            return
        self.end = end
        if hasattr(self._stream, "interrupt_receive"):
            cast(Interruptible, self._stream).interrupt_receive()
        if self._scope is not None:
            self._scope.cancel()

    async def _wait_until_due(self) -> None:
        """Wait until a held line may be handed out. Perhaps a checkpoint."""

    async def _receive_some(self) -> bytes | bytearray:
        with trio.CancelScope() as self._scope:
            return await self._stream.receive_some(self.read_size)
        return b""

    async def aclose(self) -> None:
        """Close the stream.

        Always a checkpoint.

        Cancellation: the stream is closed all the same, but perhaps not gracefully.
        """
        self._is_closed = True
        await self._stream.aclose()
