"""Turn away connections that are not served: tell each peer why, and close so that it arrives.

A flood of newcomers must not cost much:

- Each answer has `trionet.Limits.linger_seconds`, and the number of connections that linger is
  bounded (`Lingerers`).
- Over TLS the answer needs a handshake, and so it does over a WebSocket. Only a few are made at a
  time for this purpose alone; beyond that, newcomers get a TLS alert, or a 503.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from trionet.connection.peer import host_of_peer, peer_of
from trionet.events import Refused
from trionet.limits import Limits
from trionet.notices import EncodeNotice, Notice
from trionet.user_faults import FaultLog

# TLS handshakes made at a time only to say why nobody is served. More newcomers than that are a
# flood, and get an alert, which costs neither memory nor arithmetic.
_MAX_HANDSHAKES = 16


class TurningAway:
    """The connections of one server that are being turned away.

    Args:
        limits: the server's.
        lingerers: the server's connections that are being closed.
        numbers: counts the connections.
        notices_of: returns the format of the notices that a connection gets.
        report: called with each connection that was turned away. That is at once, except for a
            browser: it may only want a page, which it gets.
        faults: where the faults of their streams are logged.
    """

    __slots__ = (
        "_faults", "_handshakes", "_limits", "_lingerers", "_notices_of", "_numbers", "_report",
    )  # fmt: skip

    def __init__(
        self,
        limits: Limits,
        lingerers: Lingerers,
        *,
        numbers: Iterator[int],
        notices_of: Callable[[trio.abc.Stream], EncodeNotice],
        report: Callable[[Refused], object],
        faults: FaultLog,
    ) -> None:
        self._limits = limits
        self._faults = faults
        self._lingerers = lingerers
        self._numbers = numbers
        self._notices_of = notices_of
        self._report = report
        self._handshakes = 0

    def turn_away(
        self,
        stream: trio.abc.Stream,
        notice: Notice,
        nursery: trio.Nursery,
        *,
        without_handshake: bool = False,
    ) -> None:
        """Answer and close a connection, in a task of its own. Never a checkpoint.

        Args:
            stream: the connection.
            notice: what the peer is told.
            nursery: where the task runs.
            without_handshake: no handshake is made to say why; whoever needs one to read the answer
                gets an alert or a 503.
        """
        number = next(self._numbers)
        try:
            peer = peer_of(stream, number)
            refused = Refused(id=number, peer=peer, reason=notice.reason, code=notice.code)
            answer = self._notices_of(stream)(notice)
            self._start(nursery, stream, answer, refused, without_handshake=without_handshake)
        except Exception as error:
            self._faults.report(error, type(stream), FAULT_OF_STREAM, stream)
            nursery.start_soon(close_whatever_happens, stream, self._faults)

    def _start(
        self,
        nursery: trio.Nursery,
        stream: trio.abc.Stream,
        answer: bytes,
        refused: Refused,
        *,
        without_handshake: bool,
    ) -> None:
        refuse = getattr(stream, "refuse", None)
        if refuse is not None and (without_handshake or self._handshakes >= _MAX_HANDSHAKES):
            refuse()
            self._report(refused)
            return
        self._handshakes += refuse is not None
        # First the task, which closes the connection whatever `report` raises.
        nursery.start_soon(self._answer, stream, answer, refused)
        if not hasattr(stream, "framing"):
            self._report(refused)

    async def _answer(
        self,
        stream: trio.abc.Stream,
        answer: bytes,
        refused: Refused,
    ) -> None:
        seconds = self._limits.linger_seconds
        try:
            host = host_of_peer(stream, ipv6_prefix=self._limits.ipv6_prefix)
            with self._lingerers.lingering(stream, peer=refused.peer, host=host) as scope:
                with trio.move_on_after(seconds), suppress(trio.BrokenResourceError):
                    await stream.send_all(answer)
                if hasattr(stream, "framing") and not cast(Framed, stream).is_quiet:
                    self._report(refused)
                await linger_and_close(
                    stream, scope, seconds=seconds, stall_seconds=seconds, total_seconds=seconds
                )
        except Exception as error:
            self._faults.report(error, type(stream), FAULT_OF_STREAM, refused.peer)
        finally:
            self._handshakes -= hasattr(stream, "refuse")
            await close_whatever_happens(stream, self._faults)
