"""The TLS handshake of a connection that a server has accepted.

The server's task for the connection calls `shake_hands` before the handler. A listener only
accepts, so a peer that never answers holds up nobody else's handshake.
"""

from __future__ import annotations

import trio

from trionet.connection.connection import Connection
from trionet.connection.input_end import InputEnd
from trionet.errors import ReceiveInterrupted
from trionet.notices import ServerClosing

_TOO_LONG = "it took too long"


async def shake_hands(connection: Connection, seconds: float) -> str | None:
    """Make the handshake, where the stream has one. Otherwise not a checkpoint.

    Args:
        connection: what a server has accepted.
        seconds: how long the handshake may take; ``math.inf``: as long as it likes.

    Returns:
        Why it failed, in words; ``None``: it succeeded, or there is none.

    Cancellation: loses nothing; the next call goes on.
    """
    do_handshake = getattr(connection.stream, "do_handshake", None)
    if do_handshake is None:
        return None
    try:
        with trio.fail_after(seconds):
            await do_handshake()
    except trio.TooSlowError:
        return _TOO_LONG
    except trio.BrokenResourceError as error:
        return str(error)
    except ReceiveInterrupted:
        # A deadline has passed, or the server drains: this peer will not be served.
        is_draining = connection.lines.end is InputEnd.STOPPED
        return ServerClosing.reason if is_draining else _TOO_LONG
    return None
