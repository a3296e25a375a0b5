"""What a handler gets: one peer's lines in, one peer's lines out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import trio

from trionet.addresses import RemoteAddress, UnixAddress
from trionet.deadlines import Deadlines
from trionet.errors import BadLine
from trionet.limits import Limits
from trionet.lines import encode_line, encode_lines
from trionet.outbox import Outbox, WhenSlow
from trionet.paced import PacedLineReader
from trionet.stream import InputEnd, LineReader, lingering_close, unarrived_of


class Connection:
    """One peer of a server.

    Made by `trionet.serve`, which also closes it when the handler returns: what waits in the
    outbox is sent first, then the sending is ended, then the stream is closed.

    Attributes:
        id: its number at this server: 1, 2, 3 and so on, in the order in which connections came.
        peer: the peer's address as it is to be shown. Peers on a Unix socket have no address of
            their own, and are told apart by their number: ``unix:/run/room#17``.
        lines: its lines. ``async for line in connection.lines`` gives each good line and answers
            each bad one with ``error: REASON``; ``receive_batch`` gives both. They end when the
            peer ends or resets the connection, when a deadline has passed, and when the server
            drains.
        outbox: what goes to it. Everything that is sent passes through here, in order.
        stream: the stream under both, for what these do not cover. Do not send on it.
    """

    __slots__ = (
        "_deadlines",
        "_limits",
        "id",
        "lines",
        "opened_at",
        "outbox",
        "peer",
        "stream",
    )

    def __init__(
        self,
        stream: trio.abc.Stream,
        nursery: trio.Nursery,
        deadlines: Deadlines,
        *,
        limits: Limits,
        when_slow: WhenSlow,
        tell_missed: Callable[[int], bytes] | None,
        refuse_http: bool,
        number: int = 0,
    ) -> None:
        self._limits = limits
        self._deadlines = deadlines
        self.stream = stream
        self.id = number
        self.peer = peer_of(stream, number)
        self.opened_at = trio.current_time()
        self.lines = _line_reader(
            stream,
            limits,
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
            on_overflow=self._give_up if when_slow is WhenSlow.DISCONNECT else None,
            on_blocked=self._watch if limits.write_timeout else None,
        )
        self._watch()

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

    def _watch(self) -> None:
        self._deadlines.watch(self)

    @property
    def _login_by(self) -> float:
        return self.opened_at + (self._limits.login_timeout or math.inf)

    def next_deadline(self) -> float:
        """Return when `check_deadlines` may have something to do; `trionet.deadlines` asks."""
        limits = self._limits
        due = math.inf
        if self.lines.end is None:
            if not self.lines.lines_in:
                due = self._login_by
            if limits.idle_timeout:
                due = min(due, self.lines.received_at + limits.idle_timeout)
        if limits.write_timeout:
            due = min(due, self.outbox.progressed_at + limits.write_timeout)
        return due

    def check_deadlines(self) -> None:
        """Tell the peer which deadline has passed, if one has, and end its input."""
        now = trio.current_time()
        limits = self._limits
        if limits.write_timeout and self.outbox.progressed_at + limits.write_timeout <= now:
            self.outbox.give_up()
            self.lines.stop(InputEnd.SLOW)
        elif self.lines.end is not None:
            return
        elif not self.lines.lines_in and self._login_by <= now:
            self._time_out(InputEnd.LOGIN, f"no login within {limits.login_timeout:g} seconds")
        elif limits.idle_timeout and self.lines.received_at + limits.idle_timeout <= now:
            self._time_out(InputEnd.IDLE, f"nothing came for {limits.idle_timeout:g} seconds")

    def _time_out(self, end: InputEnd, reason: str) -> None:
        self.outbox.put(encode_line(f"error: {reason}"))
        self.lines.stop(end)

    async def finish_sending(self) -> None:
        """Take no more input and no more output, and send what waits. The server calls it."""
        self.lines.stop()
        await self.outbox.flush()
        self.outbox.close()

    @property
    def is_done(self) -> bool:
        """Whether the peer has ended too and all has arrived: there is nothing to linger for."""
        end = self.lines.end
        return end is not None and end.peer_has_ended and unarrived_of(self.stream) == 0

    async def close(self, on_settled: Callable[[int], object] | None = None) -> None:
        """Close so that nothing on its way is lost. The server calls it.

        Args:
            on_settled: see `trionet.lingering_close`.
        """
        limits, end = self._limits, self.lines.end
        await lingering_close(
            self.stream,
            seconds=limits.linger_seconds,
            stall_seconds=limits.write_timeout or math.inf,
            total_seconds=limits.linger_total_seconds,
            input_ended=end is not None and end.peer_has_ended,
            on_settled=on_settled,
        )


def peer_of(stream: trio.abc.Stream, number: int) -> str:
    """Return the address of a stream's other end, as it is to be shown.

    Args:
        stream: the stream.
        number: the connection's, which tells the peers of a Unix socket apart.
    """
    peer = str(getattr(stream, "peer", "unknown peer"))
    return f"{peer}#{number}" if isinstance(remote_of(stream), UnixAddress) else peer


def remote_of(stream: trio.abc.Stream) -> RemoteAddress | None:
    """Return the structured address of a stream's other end; ``None``: it does not tell."""
    return getattr(stream, "remote", None)


def _line_reader(stream: trio.abc.Stream, limits: Limits, **options: Any) -> LineReader:
    if limits.rate:
        return PacedLineReader(stream, rate=limits.rate, burst=limits.burst, **options)
    return LineReader(stream, **options)
