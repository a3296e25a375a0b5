"""Turn away connections that are not served: tell each peer why, and close so that it arrives.

A flood of newcomers must not cost much:

- Each answer has `trionet.Limits.linger_seconds`, and the number of connections that linger is
  bounded (`Lingerers`).
- Over TLS the answer needs a handshake, and so it does over a WebSocket. Only a few are made at a
  time for this purpose alone; beyond that, newcomers get a TLS alert, or a 503.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import cast

import trio

from trionet.abc import Framed
from trionet.connection.closing import (
    FAULT_OF_STREAM,
    close_whatever_happens,
    linger_and_close,
)
from trionet.connection.lingering import Lingerers
from trionet.connection.peer import host_of_peer
from trionet.faults import FaultLog
from trionet.limits import Limits

# TLS handshakes made at a time only to say why nobody is served. More newcomers than that are a
# flood, and get an alert, which costs neither memory nor arithmetic.
_MAX_HANDSHAKES = 16


class TurningAway:
    """The connections of one server that are being turned away.

    Args:
        limits: the server's.
        lingerers: the server's connections that are being closed.
        faults: where the faults of their streams are logged.
    """

    __slots__ = ("_faults", "_handshakes", "_limits", "_lingerers")

    def __init__(self, limits: Limits, lingerers: Lingerers, faults: FaultLog) -> None:
        self._limits = limits
        self._faults = faults
        self._lingerers = lingerers
        self._handshakes = 0

    def start(
        self,
        nursery: trio.Nursery,
        stream: trio.abc.Stream,
        *,
        answer: bytes,
        peer: str,
        report: Callable[[], object],
        without_handshake: bool = False,
    ) -> None:
        """Answer and close a connection, in a task of its own. Never a checkpoint.

        Args:
            nursery: where the task runs.
            stream: the connection.
            answer: what the peer is told.
            peer: its display address.
            report: called when the peer has been turned away. That is at once, except for a
                browser: it may only want a page, which it gets.
            without_handshake: no handshake is made to say why; whoever needs one to read the answer
                gets an alert or a 503.
        """
        refuse = getattr(stream, "refuse", None)
        if refuse is not None and (without_handshake or self._handshakes >= _MAX_HANDSHAKES):
            refuse()
            report()
            return
        self._handshakes += refuse is not None
        is_later = hasattr(stream, "framing")
        # First the task, which closes the connection whatever `report` raises.
        nursery.start_soon(self._answer, stream, answer, peer, report if is_later else None)
        if not is_later:
            report()

    async def _answer(
        self,
        stream: trio.abc.Stream,
        answer: bytes,
        peer: str,
        report: Callable[[], object] | None,
    ) -> None:
        seconds = self._limits.linger_seconds
        try:
            host = host_of_peer(stream, ipv6_prefix=self._limits.ipv6_prefix)
            with self._lingerers.lingering(stream, peer=peer, host=host) as scope:
                with trio.move_on_after(seconds), suppress(trio.BrokenResourceError):
                    await stream.send_all(answer)
                if report is not None and not cast(Framed, stream).is_quiet:
                    report()
                await linger_and_close(
                    stream, scope, seconds=seconds, stall_seconds=seconds, total_seconds=seconds
                )
        except Exception as error:
            self._faults.report(error, type(stream), FAULT_OF_STREAM, peer)
        finally:
            self._handshakes -= hasattr(stream, "refuse")
            await close_whatever_happens(stream, self._faults)
