"""Why a peer's input has ended."""

from __future__ import annotations

import enum
import errno

import trio


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


# How the kernel tells that a peer has not answered for too long: by its own timeout, or by what a
# router on the way has told it meanwhile.
_UNANSWERED = {
    getattr(errno, name)
    for name in ("ETIMEDOUT", "EHOSTUNREACH", "EHOSTDOWN", "ENETUNREACH", "ENETDOWN")
    if hasattr(errno, name)
}


def end_of_broken(error: trio.BrokenResourceError) -> InputEnd:
    """Return why the input of a broken stream has ended."""
    cause = error.__cause__
    is_unanswered = isinstance(cause, OSError) and cause.errno in _UNANSWERED
    return InputEnd.VANISHED if is_unanswered else InputEnd.RESET


def end_of_input(stream: object) -> InputEnd:
    """Return why the input of a stream has ended that receives no more."""
    """Tell the end that the peer has said from one that anybody on the way can cause."""
    return InputEnd.TRUNCATED if getattr(stream, "is_truncated", False) else InputEnd.EOF


def why_lost(end: InputEnd | None) -> str:
    """Return what a client tells its user when the server went first."""
    if end is InputEnd.VANISHED:
        return "the server went away: it has not answered for two minutes"
    return "the server closed the connection"
