"""Lines over any Trio stream, and the close that loses nothing.

`LineReader` is the receiving half, a ``trio.abc.ReceiveChannel`` of lines; `LineStream` is both
halves, a ``trio.abc.Channel``. Both hold to the rules of `trionet.lines`.
"""

from __future__ import annotations

import enum
import errno
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, cast

import trio

from trionet.errors import BadLine, ReceiveInterrupted
from trionet.lines import (
    MAX_LINE,
    MAX_LINE_TO_CLIENT,
    MAX_UNENDING,
    Line,
    LineDecoder,
    encode_lines,
    is_http_request,
)


class SendsNow(Protocol):
    """An optional capability of a stream: sending without a task.

    `trionet.Outbox` uses it where it is there. trionet's sockets and memory streams have it.
    """

    def send_nowait(self, data: bytes | memoryview) -> int:
        """Send what is taken at once and return how many bytes that was; 0: it would block."""

    async def wait_writable(self) -> None:
        """Wait until `send_nowait` is likely to take something."""


class SendsDirectly(SendsNow, Protocol):
    """A stream that sends at once, and that a sender to thousands can spare the way through.

    `trionet.Outbox` uses it where it is there. trionet's sockets have it.
    """

    def direct_send(self) -> Callable[[bytes], int]:
        """Return a function that does what `send_nowait` does, and nothing else besides.

        It raises what the system raises, such as a ``BlockingIOError``. It does not see whether a
        task is sending: there must be none.
        """

    def send_pieces_nowait(self, pieces: Sequence[bytes | memoryview]) -> int:
        """Do what `send_nowait` does for up to 16 pieces, as if they were joined."""


class ReceivesNow(Protocol):
    """An optional capability of a stream: waiting for input and taking it, one by one.

    `LineReader` uses it where it is there. trionet's sockets have it. It is ``receive_some`` with
    one coroutine less to walk through at each waking: 3 % of what a request costs.
    """

    def wait_input(self) -> Awaitable[object]:
        """Wait until `receive_nowait` is likely to return something."""

    def receive_nowait(self) -> bytes:
        """Return what is there; empty: the peer sends no more.

        Raises:
            trio.WouldBlock: nothing is there.
        """


class Interruptible(Protocol):
    """An optional capability of a stream: calling a waiting receive off.

    `LineReader.stop` uses it where it is there, and a cancel scope around each read elsewhere.
    """

    def interrupt_receive(self) -> None:
        """Make the ``receive_some`` that waits now raise `trionet.ReceiveInterrupted`."""


class InputEnd(enum.Enum):
    """Why there are no more lines."""

    EOF = "the peer ended its sending"
    TRUNCATED = "the peer ended the connection without a TLS goodbye"
    RESET = "the peer reset the connection"
    VANISHED = "the peer stopped answering"
    UNENDING = "the peer sent no end of line"
    HTTP = "the peer sent an HTTP request"
    STOPPED = "this side stopped reading"
    SLOW = "the peer reads too slowly"
    LOGIN = "the peer did not log in in time"
    IDLE = "nothing came from the peer for too long"

    @property
    def peer_has_ended(self) -> bool:
        """Whether nothing more can come from the peer."""
        return self in (InputEnd.EOF, InputEnd.TRUNCATED, InputEnd.RESET, InputEnd.VANISHED)


class LineReader(trio.abc.ReceiveChannel[str]):
    """Lines from a stream.

    ``async for line in reader`` is the simple way in; `receive_batch` is the fast one.

    Args:
        stream: where the bytes come from; closing the reader closes it.
        max_line: content bytes that a line may have.
        max_unending: bytes without an end of line after which reading ends.
        refuse_http: end the input at once when the first line is an HTTP request line, so that
            no web page can speak to this server through a visitor's browser.
        on_bad_line: awaited with each `trionet.BadLine` that `receive` meets, which then goes on
            to the next line; left out: `receive` raises it, and can be called again.

    Attributes:
        end: why there are no more lines; ``None``: there may be more.
        bytes_in: bytes received so far.
        lines_in: lines received so far, bad ones counted.
        received_at: when something was received last, on the Trio clock; at first, when this was
            made.
    """

    __slots__ = (
        "_decoder",
        "_interruptible",
        "_judge_first",
        "_now",
        "_on_bad_line",
        "_pending",
        "_reading",
        "_receives_now",
        "_stream",
        "bytes_in",
        "end",
        "lines_in",
        "received_at",
    )

    def __init__(
        self,
        stream: trio.abc.ReceiveStream,
        *,
        max_line: int = MAX_LINE,
        max_unending: int = MAX_UNENDING,
        refuse_http: bool = False,
        on_bad_line: Callable[[BadLine], Awaitable[None]] | None = None,
    ) -> None:
        self.end: InputEnd | None = None
        self.bytes_in = 0
        self.lines_in = 0
        # `trio.current_time` looks for the clock each time, and takes twice as long.
        self._now = trio.lowlevel.current_clock().current_time
        self.received_at = self._now()
        self._stream = stream
        self._interruptible = hasattr(stream, "interrupt_receive")
        self._receives_now: ReceivesNow | None = None
        if self._interruptible and hasattr(stream, "receive_nowait"):
            self._receives_now = cast(ReceivesNow, stream)
        self._reading: trio.CancelScope | None = None
        self._decoder = LineDecoder(max_line=max_line, max_unending=max_unending)
        self._judge_first = refuse_http
        self._on_bad_line = on_bad_line
        # What `receive` has not handed out yet; an idle connection has no deque.
        self._pending: deque[Line] | None = None

    @property
    def rest(self) -> bytes:
        """What stands unterminated behind the last line."""
        return self._decoder.rest

    async def receive_batch(self) -> list[Line]:
        """Return all lines that are there, or wait for some.

        Returns:
            Lines, good and bad, in order; an empty list means that `end` is set.

        Raises:
            trio.ClosedResourceError: this side closed the stream.

        Cancellation: no line is lost. Always a checkpoint.
        """
        if self._pending or self.end is not None:
            await trio.lowlevel.checkpoint()
            batch = list(self._pending or ())
            self._pending = None
            return batch
        # Asked again after each read: when input has just woken this task, `stop` finds nobody
        # whom it could interrupt.
        data: bytes | bytearray
        while self.end is None:
            try:
                if self._receives_now is not None:
                    await self._receives_now.wait_input()
                    data = self._receives_now.receive_nowait()
                elif self._interruptible:
                    data = await self._stream.receive_some()
                else:
                    data = await self._receive_some()
            except (ReceiveInterrupted, trio.WouldBlock):
                continue
            except trio.BrokenResourceError as error:
                self.end = self.end or _end_of_broken(error)
                break
            if not data:
                self.end = self.end or _end_of_input(self._stream)
                break
            self.received_at = self._now()
            self.bytes_in += len(data)
            batch = self._decoder.feed(data)
            if self._decoder.gave_up:
                self.end = InputEnd.UNENDING
            if batch:
                if self._judge_first:
                    self._judge_first = False
                    if is_http_request(batch[0]):
                        self.end = InputEnd.HTTP
                        break
                self.lines_in += len(batch)
                return batch
        return []

    async def receive(self) -> str:
        """Return the next line.

        Raises:
            trio.EndOfChannel: there are no more; `end` says why.
            trio.ClosedResourceError: this side closed the stream.
            BadLine: the next line cannot be read, and there is no ``on_bad_line``.

        Cancellation: no line is lost. Always a checkpoint.
        """
        while True:
            if self._pending:
                await trio.lowlevel.checkpoint()
            else:
                self._pending = deque(await self.receive_batch())
                if not self._pending:
                    raise trio.EndOfChannel
            line = self._pending.popleft()
            if isinstance(line, str):
                return line
            if self._on_bad_line is None:
                raise line
            await self._on_bad_line(line)

    def stop(self, end: InputEnd = InputEnd.STOPPED) -> None:
        """End the input at a line boundary. Never a checkpoint.

        Lines that were received already are still handed out; a task that waits for more finds
        the end of the input. The stream stays open. An input that has ended stays as it is.

        Args:
            end: the reason that is left in `end`.
        """
        if self.end is not None:
            return
        self.end = end
        if self._interruptible:
            cast(Interruptible, self._stream).interrupt_receive()
        elif self._reading is not None:
            self._reading.cancel()

    async def _receive_some(self) -> bytes | bytearray:
        with trio.CancelScope() as self._reading:
            return await self._stream.receive_some()
        return b""

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()


# How the kernel tells that a peer has not answered for too long: by its own timeout, or by what a
# router on the way has told it meanwhile.
_UNANSWERED = {
    getattr(errno, name)
    for name in ("ETIMEDOUT", "EHOSTUNREACH", "EHOSTDOWN", "ENETUNREACH", "ENETDOWN")
    if hasattr(errno, name)
}


def _end_of_broken(error: trio.BrokenResourceError) -> InputEnd:
    cause = error.__cause__
    is_unanswered = isinstance(cause, OSError) and cause.errno in _UNANSWERED
    return InputEnd.VANISHED if is_unanswered else InputEnd.RESET


def _end_of_input(stream: object) -> InputEnd:
    """Tell the end that the peer has said from one that anybody on the way can cause."""
    return InputEnd.TRUNCATED if getattr(stream, "is_truncated", False) else InputEnd.EOF


def why_lost(end: InputEnd | None) -> str:
    """Return what a client tells its user when the server went first."""
    if end is InputEnd.VANISHED:
        return "the server went away: it has not answered for two minutes"
    return "the server closed the connection"


class LineStream(LineReader, trio.abc.Channel[str]):
    """Lines over a stream, both ways.

    Args:
        stream: the stream; closing this closes it.
        max_line: content bytes that a line from the peer may have; the default is what a client
            takes from a server.
        max_unending: bytes without an end of line after which reading ends.
        on_bad_line: see `LineReader`.
    """

    __slots__ = ()

    _stream: trio.abc.Stream

    def __init__(
        self,
        stream: trio.abc.Stream,
        *,
        max_line: int = MAX_LINE_TO_CLIENT,
        max_unending: int = MAX_UNENDING,
        on_bad_line: Callable[[BadLine], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(
            stream, max_line=max_line, max_unending=max_unending, on_bad_line=on_bad_line
        )

    async def send(self, *lines: str) -> None:
        """Send lines, all in one write.

        Raises:
            UnsendableLine: a text does not fit in one line; nothing was sent.
            trio.BrokenResourceError: the peer is gone.
            trio.ClosedResourceError: this side closed the stream.

        Cancellation: how much was sent is unknown; only closing is right after it.
        """
        await self._stream.send_all(encode_lines(lines))

    async def send_eof(self) -> None:
        """End the sending and go on receiving, where the stream can (a half-close)."""
        if isinstance(self._stream, trio.abc.HalfCloseableStream):
            await self._stream.send_eof()


# While a close lingers, how often to ask how much has arrived: the kernel does not tell. What a
# peer takes at once is noticed at once; ten thousand slow peers cost a tenth of a core.
_FIRST_LOOK = 0.05
_LONGEST_LOOK = 1.0

# How long to let a peer that still sends much wait between two reads. Sixteen reads empty what is
# on the way from an honest peer (1 MiB) in a third of a second; one that goes on is read at 256
# KiB/s, which costs it its speed and this side next to nothing.
_SMALL = 65536
_BREATH = 0.02
_LONG_BREATH = 0.25
_HONEST = 1 << 20


class TellsDelivery(Protocol):
    """An optional capability of a stream: telling how much of what was sent has arrived.

    `lingering_close` uses it where it is there. trionet's sockets have it on Linux.
    """

    def unarrived(self) -> int | None:
        """Return how many bytes have not arrived yet; ``None``: that cannot be told.

        On TCP: what the peer's kernel has not acknowledged. On a Unix socket: what the peer has not
        read. Never a checkpoint, and never raises.
        """

    def is_over(self) -> bool:
        """Return whether no more will arrive, because the connection is reset or closed."""


def unarrived_of(stream: object) -> int | None:
    """Return how many bytes have not arrived yet; ``None``: the stream cannot tell."""
    tells = getattr(stream, "unarrived", None)
    return None if tells is None else cast("int | None", tells())


async def lingering_close(
    stream: trio.abc.Stream,
    *,
    seconds: float = 2.0,
    stall_seconds: float = 30.0,
    total_seconds: float = 60.0,
    input_ended: bool = False,
    on_settled: Callable[[int], object] | None = None,
) -> None:
    """Close a stream so that what was sent arrives.

    A socket that is closed with input unread resets the connection, and so does one that gets input
    after its close. The reset destroys what the peer has not read yet (RFC 1122, 4.2.2.13;
    measured: 113,152 of 200,000 bytes arrived). So: end the sending, read on and discard until all
    has arrived and the peer ends too, then close.

    How long that may take goes by what arrives, if the stream can tell (`TellsDelivery`), and never
    by how much the peer sends meanwhile: a peer that floods is read slowly.

    Args:
        stream: the stream.
        seconds: how long to wait for the peer's end once all has arrived, counted anew whenever the
            peer sends something; where the stream cannot tell, how long to linger altogether.
        stall_seconds: how long to wait while nothing more arrives although something is missing.
        total_seconds: how long to linger at most.
        input_ended: the peer's end of input was read already.
        on_settled: called once, with how many bytes were not known to have arrived: with 0 as soon
            as all has or where the stream cannot tell, else when the stream is closed. It must not
            raise.

    Cancellation: closes at once.

    Resource handling: the stream is closed in any case.
    """
    settled = False
    began = moved_at = trio.current_time()
    left = unarrived_of(stream)
    tells = left is not None
    look, discarded, ended_sending = _FIRST_LOOK, 0, False
    try:
        if not isinstance(stream, trio.abc.HalfCloseableStream):
            with trio.move_on_after(seconds):
                await stream.aclose()
            return
        while True:
            now = trio.current_time()
            due = began + seconds
            if tells:
                before, left = left or 0, unarrived_of(stream) or 0
                if left < before:
                    moved_at = now
                due = min(moved_at + (stall_seconds if left else seconds), began + total_seconds)
                if left and cast(TellsDelivery, stream).is_over():
                    return
            if not left and not settled:
                settled = True
                if on_settled is not None:
                    on_settled(0)
            if now >= due or (input_ended and ended_sending and not left):
                return
            with trio.CancelScope(deadline=min(due, now + look) if left else due) as scope:
                if not ended_sending:
                    # It may have to wait for what is still to be sent, and the peer may be one that
                    # reads only when it is read from: do both in turns.
                    await stream.send_eof()
                    ended_sending = True
                if input_ended:
                    if not left:
                        return
                    await trio.sleep_forever()
                else:
                    data = await stream.receive_some()
                    input_ended = not data
                    if data:
                        discarded += len(data)
                        if not left:
                            moved_at = trio.current_time()
                        if discarded >= _SMALL:
                            await trio.sleep(_BREATH if discarded < _HONEST else _LONG_BREATH)
            if scope.cancelled_caught:
                look = min(look * 2, _LONGEST_LOOK)
                if not ended_sending:
                    discarded += _discard_now(stream)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        # The peer is gone: there is nothing left that could be lost.
        pass
    finally:
        if not settled and on_settled is not None:
            on_settled(unarrived_of(stream) or 0)
        # Closed with nothing unread, the kernel goes on sending what is left by itself.
        _discard_now(stream)
        await close_at_once(stream)


def _discard_now(stream: object) -> int:
    """Read what is there away, where that takes no waiting; return how many bytes that was."""
    discard = getattr(stream, "discard_nowait", None)
    return 0 if discard is None else cast(int, discard())


async def close_at_once(stream: trio.abc.AsyncResource) -> None:
    """Close a stream without waiting for anything; closing again does nothing.

    Where a stream can be closed without a task's help, it is: a cancelled scope and a checkpoint
    around each closing were a tenth of what it costs to end a session.
    """
    close = getattr(stream, "close", None)
    if close is not None:
        close()
    else:
        await trio.aclose_forcefully(stream)
