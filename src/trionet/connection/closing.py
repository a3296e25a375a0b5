"""Close a connection without losing what was sent.

A socket that is closed with unread input resets the connection, and so does one that receives input
after its close. The reset destroys what the peer has not read yet (RFC 1122, 4.2.2.13; measured:
113,152 of 200,000 bytes arrived). So `lingering_close` ends the sending, reads on and discards
until everything has arrived and the peer has ended too, and only then closes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import trio

from trionet.abc import TellsDelivery
from trionet.argument_checks import check_flag, check_seconds, check_stream
from trionet.function_checks import check_callback
from trionet.type_checks import shown
from trionet.user_faults import FaultLog

# Seconds between two checks of how much has arrived: the kernel does not tell by itself. The first
# interval notices at once what a peer reads at once; with the longest, ten thousand slow peers cost
# a tenth of a core.
_FIRST_INTERVAL = 0.05
_LONGEST_INTERVAL = 1.0

# A peer that still sends is read without a pause up to the first of these, with short pauses (in
# seconds) up to the second, and with long ones beyond. Sixteen reads empty what is on its way from
# an honest peer (1 MiB) in a third of a second. A peer that goes on is read at 256 KiB/s, which
# slows it down and costs this side next to nothing.
_READ_FREELY = 65536
_HONEST = 1 << 20
_SHORT_PAUSE = 0.02
_LONG_PAUSE = 0.25

# What the log says when a stream that is not trionet's raises what no stream should.
FAULT_OF_STREAM = "a stream failed, and its connection is closed"


def unarrived_of(stream: object) -> int | None:
    """Return how many bytes sent have not arrived yet; ``None``: the stream cannot tell."""
    tells = getattr(stream, "unarrived", None)
    if tells is None:
        return None
    left = tells()
    if left is not None and not isinstance(left, int):
        raise TypeError(f"unarrived() must return a number of bytes or None, not {shown(left)}")
    return left


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

    A plain close can lose data: if input is unread or still comes, the kernel resets the
    connection, and what the peer has not read yet is gone. How long this close may take depends on
    what arrives, if the stream can tell (`trionet.TellsDelivery`). It never depends on how much the
    peer sends meanwhile: a peer that floods is read slowly.

    Args:
        stream: the stream.
        seconds: how long to wait for the peer's end once everything has arrived, counted anew
            whenever the peer sends something; default 2. If the stream cannot tell what has
            arrived: how long to linger in all.
        stall_seconds: how long to wait while nothing more arrives although something is missing;
            default 30.
        total_seconds: how long to linger at most; default 60.
        input_ended: whether the peer's end of input was already read; default ``False``.
        on_settled: called once with the number of bytes not known to have arrived: with 0 as soon
            as everything has arrived, or if the stream cannot tell; otherwise when the stream is
            closed. What it raises is raised here, once the stream is closed. Default ``None``.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind; the message says what to write. The
            stream stays open.

    Cancellation: closes at once.

    Resource handling: the stream is closed, unless an argument is of the wrong kind.
    """
    check_stream(stream, methods=["receive_some", "send_all", "aclose"])
    check_seconds("seconds", seconds)
    check_seconds("stall_seconds", stall_seconds)
    check_seconds("total_seconds", total_seconds)
    check_flag("input_ended", input_ended)
    check_callback("on_settled", on_settled)
    with trio.CancelScope() as scope:
        await linger_and_close(
            stream,
            scope,
            seconds=seconds,
            stall_seconds=stall_seconds,
            total_seconds=total_seconds,
            input_ended=input_ended,
            on_settled=on_settled,
        )


async def linger_and_close(
    stream: trio.abc.Stream,
    scope: trio.CancelScope,
    *,
    seconds: float,
    stall_seconds: float,
    total_seconds: float,
    input_ended: bool = False,
    on_settled: Callable[[int], object] | None = None,
) -> None:
    """Do what `lingering_close` does, without checking the arguments.

    A server closes thousands of connections, and its own arguments are right. The caller has
    entered `scope`. This moves the scope's deadline, which may already be `seconds` from now.
    """
    lingering = _Lingering(
        stream,
        scope,
        seconds=seconds,
        stall_seconds=stall_seconds,
        total_seconds=total_seconds,
        input_ended=input_ended,
        on_settled=on_settled,
    )
    try:
        if not isinstance(stream, trio.abc.HalfCloseableStream):
            with trio.move_on_after(seconds):
                await stream.aclose()
            return
        while lingering.goes_on():
            await lingering.step(stream)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        # The peer is gone: nothing is left that could be lost.
        pass
    finally:
        try:
            lingering.settle()
        finally:
            # If nothing is unread at the close, the kernel itself goes on sending what is left.
            if not lingering.input_ended:
                _discard_now(stream)
            await close_at_once(stream)


class _Lingering:
    """How far one lingering close is, and how long it may still take.

    Attributes:
        input_ended: whether the peer's end of input was read.
    """

    __slots__ = (
        "_began",
        "_discarded",
        "_due",
        "_ended_sending",
        "_interval",
        "_is_over",
        "_left",
        "_on_settled",
        "_scope",
        "_seconds",
        "_stall_seconds",
        "_stream",
        "_total_seconds",
        "input_ended",
    )

    def __init__(
        self,
        stream: trio.abc.Stream,
        scope: trio.CancelScope,
        *,
        seconds: float,
        stall_seconds: float,
        total_seconds: float,
        input_ended: bool,
        on_settled: Callable[[int], object] | None,
    ) -> None:
        self._stream = stream
        self._scope = scope
        self._seconds = seconds
        self._stall_seconds = stall_seconds
        self._total_seconds = total_seconds
        self.input_ended = input_ended
        # ``None``: it was called, or nobody wants to know.
        self._on_settled = on_settled
        self._began = trio.current_time()
        # Bytes that have not arrived yet; ``None``: the stream cannot tell.
        self._left = unarrived_of(stream)
        self._due = self._due_from(self._began)
        if not self._left:
            self._due = min(self._due, scope.deadline)
        self._interval = _FIRST_INTERVAL
        self._discarded = 0
        self._ended_sending = False
        self._is_over = False

    def settle(self) -> None:
        """Report how many bytes are not known to have arrived, the first time this is called."""
        if self._on_settled is not None:
            self._settle(unarrived_of(self._stream) or 0)

    def _settle(self, unarrived: int) -> None:
        on_settled, self._on_settled = self._on_settled, None
        if on_settled is not None:
            on_settled(unarrived)

    def _due_from(self, moved_at: float) -> float:
        """Return when to give up if nothing more happens after `moved_at`."""
        if self._left is None:
            return self._began + self._seconds
        patience = self._stall_seconds if self._left else self._seconds
        return min(moved_at + patience, self._began + self._total_seconds)

    def goes_on(self) -> bool:
        """Return whether there is something to wait for."""
        if self._is_over:
            return False
        if self._left:
            if cast(TellsDelivery, self._stream).is_over():
                return False
        else:
            self._settle(0)
            if self.input_ended and self._ended_sending:
                return False
        return trio.current_time() < self._due

    async def step(self, stream: trio.abc.HalfCloseableStream) -> None:
        """End the sending, or discard some input, and look at what has arrived."""
        if self._left:
            # The inner scope ends each wait: the kernel does not tell when something has arrived.
            self._scope.deadline = math.inf
            until = min(self._due, trio.current_time() + self._interval)
            with trio.CancelScope(deadline=until) as scope:
                await self._advance(stream)
            if scope.cancelled_caught:
                self._interval = min(self._interval * 2, _LONGEST_INTERVAL)
                if not self._ended_sending:
                    self._discarded += _discard_now(stream)
        else:
            # Most closes come here, so this step has no scope of its own: with one, a member who
            # joins and leaves took 3 % more bytecodes.
            self._scope.deadline = self._due
            await self._advance(stream)
        if self._left and not self._is_over:
            before, self._left = self._left, unarrived_of(self._stream) or 0
            if self._left < before:
                self._due = self._due_from(trio.current_time())

    async def _advance(self, stream: trio.abc.HalfCloseableStream) -> None:
        """End the sending, or discard some input, or wait until the scope ends."""
        if not self._ended_sending:
            # This may wait until the rest is sent, and some peers read only while somebody reads
            # what they send. So the scope in `step` ends the wait, some input is discarded, and the
            # wait begins again.
            await _end_sending(stream)
            self._ended_sending = True
        if not self.input_ended:
            await self._discard_some(stream)
        elif self._left:
            await trio.sleep_forever()
        else:
            # TLS's goodbye, if there is one, is with the kernel now, which goes on sending it.
            self._is_over = True

    async def _discard_some(self, stream: trio.abc.ReceiveStream) -> None:
        """Wait for input and discard it, with a pause if there is much of it already."""
        data = await stream.receive_some()
        self.input_ended = not data
        if data:
            self._discarded += len(data)
            if not self._left:
                self._due = self._due_from(trio.current_time())
            if self._discarded >= _READ_FREELY:
                await trio.sleep(_SHORT_PAUSE if self._discarded < _HONEST else _LONG_PAUSE)


async def _end_sending(stream: trio.abc.HalfCloseableStream) -> None:
    """End the sending of a stream; a checkpoint only if the stream may have to wait."""
    if not end_sending_now(stream):
        await stream.send_eof()


def end_sending_now(stream: object) -> bool:
    """End the sending of a stream if it can do so at once; return whether it can."""
    send_eof_nowait = getattr(stream, "send_eof_nowait", None)
    if send_eof_nowait is None:
        return False
    send_eof_nowait()
    return True


def _discard_now(stream: object) -> int:
    """Discard the input that is there, if the stream can; return how many bytes that was."""
    discard = getattr(stream, "discard_nowait", None)
    return 0 if discard is None else cast(int, discard())


async def close_at_once(stream: trio.abc.AsyncResource) -> None:
    """Close a stream without waiting for anything; closing again does nothing.

    A stream that has a ``close`` is closed without a checkpoint: a cancelled scope and a checkpoint
    around each close were a tenth of what it costs to end a session.
    """
    close = getattr(stream, "close", None)
    if close is not None:
        close()
    else:
        await trio.aclose_forcefully(stream)


async def close_whatever_happens(stream: trio.abc.AsyncResource, faults: FaultLog) -> None:
    """Close a stream as `close_at_once` does, and log what that raises.

    Args:
        stream: the stream, which may be somebody's own.
        faults: where a fault is logged.
    """
    try:
        await close_at_once(stream)
    except Exception as error:
        faults.report(error, type(stream), FAULT_OF_STREAM, stream)
