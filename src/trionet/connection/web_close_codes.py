"""Why a WebSocket is closed, as the code that its peer is told (RFC 6455, 7.4.1). No I/O.

A code that the peer has caused, by its own close frame or by breaking the protocol, counts more:
`trionet.transport.web.messages` knows these.
"""

from __future__ import annotations

from collections.abc import Mapping

from trionet.connection.input_end import InputEnd

NORMAL = 1000
GOING_AWAY = 1001
POLICY = 1008
INTERNAL = 1011

_CODES: Mapping[InputEnd | None, int] = {
    InputEnd.STOPPED: GOING_AWAY,
    InputEnd.LOGIN: POLICY,
    InputEnd.IDLE: POLICY,
}


def code_of(end: InputEnd | None, *, has_handler_failed: bool) -> int:
    """Return the code for a connection.

    Args:
        end: why its input has ended; ``None``: it has not.
        has_handler_failed: whether its handler has.
    """
    return INTERNAL if has_handler_failed else _CODES.get(end, NORMAL)
