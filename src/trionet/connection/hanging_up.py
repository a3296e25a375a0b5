"""How a connection ends from this side, whether its handler, another task or the server ends it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import trio

from trionet.abc import Framed
from trionet.connection.broken import is_broken
from trionet.connection.closing import linger_and_close, unarrived_of
from trionet.connection.peer_deadlines import PeerDeadlines
from trionet.connection.web_close_codes import code_of
from trionet.limits import Limits
from trionet.text.safe import safe_text
from trionet.type_checks import shown


class Ends(PeerDeadlines):
    """The base of `trionet.Connection` that ends it.

    A subclass sets `stream`, `lines` and `outbox`.

    Args:
        limits: the server's.
        identifies: see `PeerDeadlines`.
    """

    __slots__ = ("closed_because",)

    def __init__(self, limits: Limits, *, identifies: bool) -> None:
        PeerDeadlines.__init__(self, limits, identifies=identifies)
        self.closed_because: str | None = None

    async def finish_sending(self, *, has_handler_failed: bool = False) -> None:
        """Take no more input or output, and send what waits. The server calls it.

        Args:
            has_handler_failed: where a peer is told a reason, it is this; default ``False``.

        Cancellation: some of it may not be sent, and the outbox stays open.
        """
        if hasattr(self.stream, "framing"):
            code = code_of(self.lines.end, has_handler_failed=has_handler_failed)
            self.outbox.put_frame(cast(Framed, self.stream).goodbye(code))
        self.lines.stop()
        # Nothing waits at the end of most connections: this spares each a round of the scheduler.
        if self.outbox.waiting:
            await self.outbox.flush()
        self.outbox.close()

    @property
    def is_done(self) -> bool:
        """Whether the peer has ended too and everything has arrived: no lingering is needed."""
        end = self.lines.end
        return end is not None and end.peer_has_ended and unarrived_of(self.stream) == 0

    @property
    def is_broken(self) -> bool:
        """Whether nothing more can be sent to the peer, or nothing more comes from it."""
        # If the handler uses the stream itself, neither the outbox nor the reader has noticed.
        return self.outbox.broken or self.lines.end is not None or is_broken(self.stream)

    async def close(self, reason: str = "this side closed the connection") -> None:
        """End the conversation from this side, once what waits for the peer is sent.

        The handler may call it, and so may any other task of the service, such as that of an
        operator who looks through ``server.connections``. The input ends: ``connection.lines`` hand
        out nothing more, not even lines that have been received. What waits is sent, and what
        is put later is dropped. The connection is closed when its handler returns. The handler is
        not cancelled, but finds the end of its lines, or a ``trio.ClosedResourceError`` when it
        sends, which it may let through.

        Args:
            reason: why, in words for the log: it stands in the `trionet.Closed` event. The peer is
                not told; send it a line beforehand. Of several calls the first counts. Default:
                that this side closed the connection.

        Raises:
            TypeError: it is not a ``str``.

        Cancellation: the input has ended all the same, and what waits is still being sent.

        Always a checkpoint. It takes no longer than the peer takes for what waits, and not longer
        than `Limits.write_timeout` after the peer has stopped reading.
        """
        if not isinstance(reason, str):
            raise TypeError(f"a reason is a text, such as 'kicked by Ann', not {shown(reason)}")
        if self.closed_because is None:
            self.closed_because = safe_text(reason)
        self.lines.stop()
        self.lines.discard()
        try:
            await self.outbox.flush()
        finally:
            self.outbox.close()

    async def linger(
        self, scope: trio.CancelScope, on_settled: Callable[[int], object] | None = None
    ) -> None:
        """Close the stream so that nothing on its way is lost. The server calls it.

        Args:
            scope: what the caller is inside; its deadline is set.
            on_settled: called with a number of bytes; default ``None``. See
                `trionet.lingering_close`.

        Cancellation: closes at once.
        """
        limits, end = self._limits, self.lines.end
        await linger_and_close(
            self.stream,
            scope,
            seconds=limits.linger_seconds,
            stall_seconds=limits.write_timeout or math.inf,
            total_seconds=limits.linger_total_seconds,
            input_ended=end is not None and end.peer_has_ended,
            on_settled=on_settled,
        )
