"""The handshake of a connection that a server has accepted: TLS, HTTP, or both.

The server's task for the connection calls `shake_hands` before the handler. A listener only
accepts, so a peer that never answers holds up nobody else's handshake.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import cast

import trio

from trionet.abc import NamesPeer
from trionet.connection.connection import Connection
from trionet.connection.deadlines import CHECK_AGAIN, CHECKS, LATE, Deadlines
from trionet.connection.input_end import InputEnd
from trionet.errors import ReceiveInterrupted
from trionet.notices import ServerClosing

_TOO_LONG = "it took too long"


def has_handshake(stream: object) -> bool:
    """Tell whether a stream has a handshake to make."""
    return hasattr(stream, "do_handshake")


async def shake_hands(connection: Connection, deadlines: Deadlines, seconds: float) -> str | None:
    """Make the handshake, where the stream has one. Otherwise not a checkpoint.

    Args:
        connection: what a server has accepted.
        deadlines: the server's.
        seconds: how long the handshake may take; ``math.inf``: as long as it likes.

    Returns:
        Why it failed, in words; ``None``: it succeeded, or there is none.

    Cancellation: loses nothing; the next call goes on.
    """
    do_handshake = getattr(connection.stream, "do_handshake", None)
    if do_handshake is None:
        return None
    return await _within(seconds, do_handshake, connection, deadlines)


def awaits_peer(stream: object) -> bool:
    """Tell whether a stream has yet to learn who its peer is; see `trionet.abc.NamesPeer`."""
    return bool(getattr(stream, "awaits_header", False))


async def learn_peer(connection: Connection, deadlines: Deadlines, seconds: float) -> str | None:
    """Learn who the peer of a connection is, where `awaits_peer`.

    The arguments, the return and the cancellation are those of `shake_hands`.
    """
    learn = cast(NamesPeer, connection.stream).learn_peer
    no_peer = await _within(seconds, learn, connection, deadlines)
    connection.meet_peer()
    return no_peer


async def _within(
    seconds: float,
    do_handshake: Callable[[], Awaitable[object]],
    connection: Connection,
    deadlines: Deadlines,
) -> str | None:
    scope = trio.CancelScope()
    deadline = _HandshakeDeadline(connection.stream, scope, trio.current_time() + seconds)
    deadlines.watch(deadline)
    try:
        with scope:
            await do_handshake()
    except trio.BrokenResourceError as error:
        return str(error)
    except ReceiveInterrupted:
        # A deadline has passed, or the server drains: this peer will not be served.
        is_draining = connection.lines.end is InputEnd.STOPPED
        return ServerClosing.reason if is_draining else _TOO_LONG
    finally:
        deadlines.forget(deadline)
    return _TOO_LONG if scope.cancelled_caught else None


class _HandshakeDeadline:
    """The deadline of one handshake; see `trionet.abc.Watched`.

    A cancel scope's own deadline would pass although the peer was in time: after this process was
    stopped or busy, what the peer sent meanwhile is still unread.
    """

    __slots__ = ("_checks", "_due", "_scope", "_stream")

    def __init__(self, stream: object, scope: trio.CancelScope, due: float) -> None:
        self._stream = stream
        self._scope = scope
        self._due = due
        self._checks = 0

    def next_deadline(self) -> float:
        """Return when to check this next."""
        return self._due

    def check_deadlines(self) -> str | None:
        """End the handshake, unless the peer may have been in time; see `trionet.abc.Watched`."""
        now = trio.current_time()
        if now < self._due:
            return None
        if self._checks < CHECKS and (self._checks or self._may_be_met_yet(now)):
            self._checks += 1
            self._due = now + CHECK_AGAIN
        else:
            self._due = math.inf
            self._scope.cancel()
            return "handshake"
        return None

    def _may_be_met_yet(self, now: float) -> bool:
        has_input = getattr(self._stream, "has_input", None)
        return now - self._due > LATE or (has_input is not None and has_input())
