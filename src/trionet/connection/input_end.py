"""Why a peer's input has ended: the reasons, and how to tell them apart.

A `trionet.LineReader` has one of them as its ``end``. Handlers look there, the server's log shows
the words, and a close depends on whether the peer itself has ended.
"""

from __future__ import annotations

import enum
import errno

import trio

from trionet.transport.ciphertext import BrokenTLS
from trionet.transport.tlsengine import CERTIFICATE_REQUIRED, CERTIFICATE_UNTRUSTED


class InputEnd(enum.Enum):
    """Why there are no more lines."""

    EOF = "the peer ended its sending"
    TRUNCATED = "the peer ended the connection without a TLS goodbye"
    RESET = "the peer reset the connection"
    VANISHED = "the peer stopped answering"
    TLS = "the peer broke the TLS protocol"
    UNCERTIFIED = CERTIFICATE_REQUIRED
    UNTRUSTED = CERTIFICATE_UNTRUSTED
    UNENDING = "the peer sent no end of line"
    PROTOCOL = "the peer broke the WebSocket protocol"
    HTTP = "the peer sent an HTTP request"
    STOPPED = "this side stopped reading"
    SLOW = "the peer reads too slowly"
    LOGIN = "the peer did not log in in time"
    IDLE = "nothing came from the peer for too long"

    @property
    def peer_has_ended(self) -> bool:
        """Whether nothing more can come from the peer."""
        return self in _ENDS_OF_PEER


_ENDS_OF_PEER = (
    InputEnd.EOF,
    InputEnd.TRUNCATED,
    InputEnd.RESET,
    InputEnd.VANISHED,
    InputEnd.TLS,
    InputEnd.UNCERTIFIED,
    InputEnd.UNTRUSTED,
)


# The errors by which the kernel tells that a peer has stopped answering: its own timeout, or what a
# router on the way has reported meanwhile.
_UNANSWERED = {
    getattr(errno, name)
    for name in ("ETIMEDOUT", "EHOSTUNREACH", "EHOSTDOWN", "ENETUNREACH", "ENETDOWN")
    if hasattr(errno, name)
}


def end_of_broken(error: trio.BrokenResourceError) -> InputEnd:
    """Return why the input has ended, for a stream that raised this error."""
    # A server of TLS 1.3 judges a client's certificate after the client's own handshake is made.
    if str(error) in (CERTIFICATE_REQUIRED, CERTIFICATE_UNTRUSTED):
        return InputEnd(str(error))
    if isinstance(error, BrokenTLS):
        return InputEnd.TLS
    cause = error.__cause__
    is_unanswered = isinstance(cause, OSError) and cause.errno in _UNANSWERED
    return InputEnd.VANISHED if is_unanswered else InputEnd.RESET


def end_of_input(stream: object) -> InputEnd:
    """Return why the input has ended, for a stream that returned no more bytes.

    Over TLS, this tells an end that the peer has announced from one that anybody on the way can
    cause; over a WebSocket, from one that is the answer to a peer's mistake.
    """
    if getattr(stream, "has_failed", False):
        return InputEnd.PROTOCOL
    return InputEnd.TRUNCATED if getattr(stream, "is_truncated", False) else InputEnd.EOF


def why_lost(end: InputEnd | None) -> str:
    """Return what a client tells its user when the server ended the connection first."""
    if end is InputEnd.VANISHED:
        return "the server went away: it has not answered for two minutes"
    if end is InputEnd.TLS:
        return "the server broke the TLS protocol"
    if end is InputEnd.UNCERTIFIED:
        return "the server requires a certificate from its clients"
    if end is InputEnd.UNTRUSTED:
        return "the server does not trust this client's certificate"
    return "the server closed the connection"
