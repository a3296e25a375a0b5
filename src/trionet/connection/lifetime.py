"""One connection of a server, from its handshake to its close, in one task.

The handler has the connection in between. Whatever it raises concerns this connection alone: a
fault is logged once and closes it. What the peer does, such as a reset, is not a fault.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import CoroutineType
from typing import Any

import trio

from trionet.connection.closing import (
    FAULT_OF_STREAM,
    close_whatever_happens,
    end_sending_now,
    unarrived_of,
)
from trionet.connection.connection import Connection
from trionet.connection.connection_places import Places
from trionet.connection.deadlines import Deadlines
from trionet.connection.end_report import CUT_OFF, closed, end_of, why_ended, why_failed
from trionet.connection.handshake import awaits_peer, has_handshake, learn_peer, shake_hands
from trionet.connection.lingering import Lingerers
from trionet.connection.statistics import NO_HANDSHAKE, Totals
from trionet.events import Closed, Opened, Refused
from trionet.function_checks import check_awaitable
from trionet.limits import Limits
from trionet.notices import AddressFull, ConnectingTooFast, ServerClosing
from trionet.user_faults import FaultLog

# The notices with which a connection is refused after its handshake, or in the middle of it.
_CODES = {notice.reason: notice.code for notice in (AddressFull, ConnectingTooFast, ServerClosing)}


class Lifetimes:
    """Serves the connections of one server.

    Args:
        handler: called with each connection.
        limits: the server's.
        deadlines: the server's.
        places: where each connection that is served has taken a place.
        lingerers: the server's connections that are being closed.
        totals: adds up what the connections have counted.
        report: called with each connection's end; and where there is a handshake, with the
            beginning once that is made, or with why it was refused.
        faults: where the faults of streams are logged.

    Attributes:
        bounds_lingering: whether older connections that linger make room for newer ones; ``False``
            once nobody new is accepted.
    """

    __slots__ = (
        "_deadlines",
        "_drained_seconds",
        "_faults",
        "_handler",
        "_linger_seconds",
        "_lingerers",
        "_places",
        "_report",
        "_seconds",
        "_totals",
        "bounds_lingering",
    )

    def __init__(
        self,
        handler: Callable[[Connection[Any]], Awaitable[object]],
        limits: Limits,
        deadlines: Deadlines,
        places: Places,
        lingerers: Lingerers,
        totals: Totals,
        *,
        report: Callable[[Opened | Refused | Closed], object],
        faults: FaultLog,
    ) -> None:
        self._handler = handler
        self._faults = faults
        # How long a handshake may take.
        self._seconds = limits.handshake_timeout or math.inf
        # How long a peer may take to end its handshake once the server drains.
        self._drained_seconds = min(self._seconds, limits.linger_seconds)
        self._linger_seconds = limits.linger_seconds
        self._deadlines = deadlines
        self._places = places
        self._lingerers = lingerers
        self._totals = totals
        self._report = report
        self.bounds_lingering = True

    async def run(self, connection: Connection) -> None:
        """Serve a connection, free its place, and close it.

        Cancellation: closes it at once.
        """
        # The handler is awaited here: each coroutine between a task and what it waits for costs an
        # idle connection a quarter of a KiB, and each local variable of this one 16 bytes.
        reason, settle, refused = CUT_OFF, None, ""
        is_opened = not has_handshake(connection.stream)
        try:
            try:
                failed = no_handshake = None
                # `except*`, not `except`: a handler that is cancelled at the drain's deadline while
                # a task of its own fails raises both in one group, and the error must not vanish
                # behind the cancellation.
                try:
                    if awaits_peer(connection.stream):
                        no_handshake = await learn_peer(connection, self._deadlines, self._seconds)
                        if no_handshake is None and self._places.comes_too_fast(connection.stream):
                            refused = self._refuse(connection)
                    # Without a handshake the connection was opened already.
                    if no_handshake is None and not refused and not is_opened:
                        no_handshake = await shake_hands(connection, self._deadlines, self._seconds)
                    if no_handshake == ServerClosing.reason and await self._finish(connection):
                        no_handshake, refused = None, ServerClosing.reason
                        connection.tell(ServerClosing())
                    if no_handshake is None and not refused and not is_opened:
                        is_opened = self._open(connection)
                        refused = "" if is_opened else AddressFull.reason
                    if no_handshake is None and not refused:
                        await self._conversation(connection)
                except* Exception as group:
                    failed = why_failed(connection, group)
                if failed is not None:
                    reason = failed
                elif no_handshake is None:
                    reason = why_ended(connection)
                else:
                    refused = f"no handshake: {no_handshake}"
                    # Without a handshake nothing can be sent, not even that it took too long.
                    connection.outbox.give_up()
                await connection.finish_sending(has_handler_failed=failed is not None)
                if not self.bounds_lingering:
                    # A drain ends all sessions at once, and each end of a sending wakes a peer.
                    # Peers on the same machine then slow down what has still to be done here. So
                    # all sendings end first, and then the sessions: of 2,500 clients the last saw
                    # its close after 0.58 of the time (the median of nine pairs of runs).
                    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                        end_sending_now(connection.stream)
                    await trio.lowlevel.cancel_shielded_checkpoint()
            finally:
                # Before the lingering: the next connection does not wait for this one's goodbye.
                settle = self._end(connection, reason, is_opened=is_opened, refused=refused)
            if not connection.is_done:
                await self._linger(connection, settle)
        except Exception as error:
            # The handler's errors are dealt with above. This is a fault of a stream that is not
            # trionet's, and it must not end the nursery that all connections share.
            self._faults.report(error, type(connection.stream), FAULT_OF_STREAM, connection)
        finally:
            if settle is not None:
                settle(None)
            await close_whatever_happens(connection.stream, self._faults)

    def _conversation(self, connection: Connection) -> Awaitable[object]:
        """Call the handler, and return what to await."""
        conversation = self._handler(connection)
        if type(conversation) is not CoroutineType:
            check_awaitable(self._handler, conversation)
        return conversation

    async def _linger(self, connection: Connection, settle: Callable[[int | None], None]) -> None:
        """Wait until all has arrived; `settle` is what `_end` has returned."""
        with self._lingerers.lingering(
            connection.stream,
            peer=connection.peer,
            host=connection.host,
            seconds=self._linger_seconds,
            bounded=self.bounds_lingering,
        ) as scope:
            await connection.linger(scope, settle)

    async def _finish(self, connection: Connection) -> bool:
        """Finish a handshake that a drain has interrupted, so that the peer can be told why.

        Without this a peer that was accepted just before a drain would be closed unanswered.

        Returns:
            Whether that succeeded in time.
        """
        seconds = self._drained_seconds
        failed = None
        if awaits_peer(connection.stream):
            failed = await learn_peer(connection, self._deadlines, seconds)
        return failed is None and not await shake_hands(connection, self._deadlines, seconds)

    def _unarrived(self, connection: Connection) -> int:
        """Return how many bytes are not known to have arrived, although the stream may fail."""
        try:
            return unarrived_of(connection.stream) or 0
        except Exception as error:
            self._faults.report(error, type(connection.stream), FAULT_OF_STREAM, connection)
            return connection.outbox.bytes_out

    def _refuse(self, connection: Connection) -> str:
        """Refuse a connection of a host that opens too many, and return why.

        Over TLS it gets no handshake, which costs a hundred times what this does.
        """
        refuse = getattr(connection.stream, "refuse", None)
        if refuse is None:
            connection.tell(ConnectingTooFast())
        else:
            refuse()
            connection.outbox.give_up()
        return ConnectingTooFast.reason

    def _open(self, connection: Connection) -> bool:
        """Report that a connection is being served, if the host that it shows has a place left.

        Returns:
            Whether it is; otherwise the peer was told why not.
        """
        connection.meet_peer()
        if not self._places.move(connection):
            connection.tell(AddressFull())
            return False
        self._report(Opened(id=connection.id, peer=connection.peer))
        return True

    def _end(
        self, connection: Connection, reason: str, *, is_opened: bool, refused: str
    ) -> Callable[[int | None], None]:
        """Free a connection's place.

        Args:
            connection: the connection, which is no longer served.
            reason: why.
            is_opened: whether it was reported as being served.
            refused: why not, if it was not.

        Returns:
            A function that reports `Closed`, once, when it is known how many bytes did not arrive;
            with ``None`` it asks the stream.
        """
        self._deadlines.forget(connection)
        self._places.free(connection)
        try:
            connection.answer_at_once(None)
            # The handler may have put its last words just now.
            connection.outbox.release()
        except Exception as error:
            self._faults.report(error, type(connection.stream), FAULT_OF_STREAM, connection)
        if connection.outbox.waiting:
            # The connection was cut off: what still waits is not sent, and must not count as sent.
            connection.outbox.give_up()
        connection.outbox.close()
        self._totals.add(connection)
        seconds = trio.current_time() - connection.opened_at
        reported = not is_opened
        if is_opened:
            self._totals.ends[end_of(connection, reason)] += 1
        if refused and not getattr(connection.stream, "is_quiet", False):
            code = _CODES.get(refused, NO_HANDSHAKE)
            self._report(Refused(id=connection.id, peer=connection.peer, reason=refused, code=code))

        def settle(unarrived: int | None) -> None:
            nonlocal reported
            if not reported:
                reported = True
                if unarrived is None:
                    unarrived = self._unarrived(connection)
                self._report(closed(connection, reason, seconds=seconds, unarrived=unarrived))

        return settle
