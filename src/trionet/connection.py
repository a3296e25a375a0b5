"""What a handler gets: one peer's lines in, one peer's lines out."""

from __future__ import annotations

from collections.abc import Callable

import trio

from trionet.errors import BadLine
from trionet.limits import Limits
from trionet.lines import encode_lines
from trionet.outbox import Outbox, WhenSlow
from trionet.stream import InputEnd, LineReader, lingering_close


class Connection:
    """One peer of a server.

    Made by `trionet.serve`, which also closes it when the handler returns: what waits in the
    outbox is sent first, then the sending is ended, then the stream is closed.

    Attributes:
        peer: the peer's address as it is to be shown.
        lines: its lines. ``async for line in connection.lines`` gives each good line and answers
            each bad one with ``error: REASON``; ``receive_batch`` gives both. They end when the
            peer ends or resets the connection, and when the server drains.
        outbox: what goes to it. Everything that is sent passes through here, in order.
        stream: the stream under both, for what these do not cover. Do not send on it.
    """

    __slots__ = ("_limits", "lines", "outbox", "peer", "stream")

    def __init__(
        self,
        stream: trio.abc.Stream,
        nursery: trio.Nursery,
        *,
        limits: Limits,
        when_slow: WhenSlow,
        tell_missed: Callable[[int], bytes] | None,
        refuse_http: bool,
    ) -> None:
        self._limits = limits
        self.stream = stream
        self.peer: str = getattr(stream, "peer", "unknown peer")
        self.lines = LineReader(
            stream,
            max_line=limits.max_line,
            max_unending=limits.max_unending,
            refuse_http=refuse_http,
            on_bad_line=self._answer,
        )
        self.outbox = Outbox(
            stream,
            nursery,
            max_waiting=limits.max_waiting,
            when_slow=when_slow,
            tell_missed=tell_missed,
            on_overflow=self._give_up,
        )

    async def send(self, *lines: str) -> None:
        """Send lines behind all that waits in the outbox, and wait until they are sent.

        Always a checkpoint. A handler that must not wait uses ``outbox.put``.

        Raises:
            UnsendableLine: a text does not fit in one line; nothing was sent.
            trio.BrokenResourceError: the peer is gone. A handler may let it pass: the server takes
                it for what it is.

        Cancellation: the lines may still be sent.
        """
        await self.outbox.send(encode_lines(lines))

    async def _answer(self, bad_line: BadLine) -> None:
        await self.send(f"error: {bad_line}")

    def _give_up(self) -> None:
        self.lines.stop(InputEnd.SLOW)

    async def finish_sending(self) -> None:
        """Take no more input and no more output, and send what waits. The server calls it."""
        self.lines.stop()
        await self.outbox.flush()
        self.outbox.close()

    async def close(self) -> None:
        """Close so that nothing on its way is lost. The server calls it."""
        end = self.lines.end
        await lingering_close(
            self.stream,
            seconds=self._limits.linger_seconds,
            max_bytes=self._limits.linger_bytes,
            input_ended=end is not None and end.peer_has_ended,
        )
