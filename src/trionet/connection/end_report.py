"""How a connection ended, for the operator: why, in words, and what passed over it.

A handler may let through whatever its peer caused: a broken stream, the end of the lines, a bad
line. None of these is a fault of the handler, and none is logged. Everything else is logged here.
"""

from __future__ import annotations

import logging

import trio

from trionet.connection.connection import Connection
from trionet.connection.input_end import InputEnd
from trionet.errors import BadLine, ReceiveInterrupted
from trionet.events import Closed
from trionet.notices import LineRejected, ServerClosing
from trionet.nurseries import first_error

logger = logging.getLogger("trionet.server")

_FAILED = "the handler failed"
_UNREADABLE = "the peer sent a line that cannot be read"
_GONE = "the peer went away"
_ENDED = "the session ended"
CUT_OFF = "cut off"

# One stable word for each of the reasons in the log, to count the ends by. The reasons that a
# service gives to `Connection.close` do not stand here: there may be any number of them, with
# people's names in them. All of these are `CLOSED`.
ENDS = {
    _ENDED: "finished",
    ServerClosing.reason: "drained",
    CUT_OFF: "cut_off",
    _FAILED: "failed",
    _UNREADABLE: "bad_line",
    _GONE: "gone",
    **{end.value: end.name.lower() for end in InputEnd if end is not InputEnd.STOPPED},
}
CLOSED = "closed"


def end_of(connection: Connection, reason: str) -> str:
    """Return the word by which the end of a connection is counted."""
    return CLOSED if reason == connection.closed_because else ENDS[reason]


def why_failed(connection: Connection, group: BaseExceptionGroup[Exception]) -> str | None:
    """Return why a handler that raised has ended; ``None``: the end of its input tells why.

    A fault of the handler is logged. If the handler raised a `BadLine`, the peer is told.

    Args:
        connection: what the handler served.
        group: what it raised.
    """
    caused_by_peer, faults = group.split(lambda error: _is_caused_by_peer(error, connection))
    if faults is None and group.subgroup(trio.BrokenResourceError) and not connection.is_broken:
        # Another stream broke, such as one to a database. Nothing else would report it.
        faults = group
    if faults is not None:
        _log_fault(connection, faults)
        return _FAILED
    assert caused_by_peer is not None
    if bad_lines := caused_by_peer.subgroup(BadLine):
        bad_line = first_error(bad_lines)
        assert isinstance(bad_line, BadLine)
        connection.tell(LineRejected(bad_line))
        return _UNREADABLE
    if connection.closed_because is not None:
        return None
    if caused_by_peer.subgroup((trio.BrokenResourceError, trio.ClosedResourceError)):
        return None if connection.lines.end in (InputEnd.SLOW, InputEnd.TLS) else _GONE
    return None


def _is_caused_by_peer(error: BaseException, connection: Connection) -> bool:
    match error:
        case trio.BrokenResourceError():
            return True
        case BadLine():
            # One of another stream, such as one to another server, is not this peer's doing: the
            # peer is not told of it, and nothing else would report it.
            return error.stream is None or error.stream is connection.stream
        case trio.EndOfChannel() | ReceiveInterrupted():
            # Before the end of the lines they come from something of the handler's own: a fault.
            # A handler that reads the stream itself is interrupted where its lines would end.
            return connection.lines.end is not None
        case trio.ClosedResourceError():
            return connection.outbox.broken or connection.closed_because is not None
    return False


def _log_fault(connection: Connection, faults: BaseExceptionGroup[Exception]) -> None:
    error = faults.exceptions[0] if len(faults.exceptions) == 1 else faults
    whose = {"event": "failed", "connection": connection.id, "peer": connection.peer}
    told = "a handler failed; %s is closed"
    logger.error(told, connection.peer, exc_info=error, extra=whose)


def why_ended(connection: Connection) -> str:
    """Return why a connection ended if its handler returned or let through its peer's doing."""
    if connection.closed_because is not None:
        return connection.closed_because
    end = connection.lines.end
    if end is InputEnd.STOPPED:
        return ServerClosing.reason
    return _ENDED if end is None else end.value


def closed(connection: Connection, reason: str, *, seconds: float, unarrived: int) -> Closed:
    """Return the event that tells of the end of a connection.

    Args:
        connection: what was served.
        reason: why it ended, in words.
        seconds: how long it was served.
        unarrived: how many bytes, as they are on the wire, were not known to have arrived.
    """
    lines, outbox = connection.lines, connection.outbox
    bytes_out = outbox.bytes_out
    return Closed(
        id=connection.id,
        peer=connection.peer,
        reason=reason,
        seconds=seconds,
        bytes_in=lines.bytes_in,
        bytes_out=bytes_out,
        lines_in=lines.lines_in,
        lines_out=outbox.lines_sent,
        bytes_unconfirmed=min(unarrived, bytes_out),
    )
