"""What a handler gets: one peer's lines in, one peer's lines out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import trio

from trionet.connection.closing import lingering_close, unarrived_of
from trionet.connection.deadlines import Deadlines
from trionet.connection.input_end import InputEnd
from trionet.connection.outbox import Outbox, WhenSlow
from trionet.connection.paced import PacedLineReader
from trionet.connection.reader import READ_SIZE, LineReader
from trionet.connection.safe_notices import SafeNotices
from trionet.errors import BadLine
from trionet.limits import Limits
from trionet.lines import encode_lines
from trionet.notices import IdleTimedOut, LineRejected, LoginTimedOut, Notice
from trionet.transport.addresses import RemoteAddress, UnixAddress

# What is received at a time from a peer that has not logged in: enough for a name and a few lines.
# Whatever such a peer sends, it costs some 10 KiB; the rest of its input waits in the kernel.
_STRANGER_READ_SIZE = 4096


# A deadline that finds something still to be done looks again after so many seconds, and so many
# times. After the process was stopped, or was busy for longer than the deadline, two rounds of the
# scheduler are enough for what had arrived to be read and answered; between two looks there is one
# at least. More looks would let a peer that dribbles bytes put its login off.
_LOOK_AGAIN = 0.05
_LOOKS = 20

# A look that comes so many seconds late means that the process was stopped or busy: a peer that
# seems to take nothing may have had no chance.
_LATE = 0.1

_LONG_AGO = -math.inf


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
        name: who the peer is, once `identify` was told; ``None`` before.
        outbox: what goes to it. Everything that is sent passes through here, in order.
        stream: the stream under both, for what these do not cover. Do not send on it.
    """

    __slots__ = (
        "_deadlines",
        "_identifies",
        "_limits",
        "_looks",
        "_looks_again_at",
        "_notices",
        "_on_identified",
        "id",
        "lines",
        "name",
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
        notices: SafeNotices,
        refuse_http: bool,
        number: int = 0,
        identifies: bool = False,
        on_identified: Callable[[Connection, str], object] | None = None,
    ) -> None:
        self._limits = limits
        self._identifies = identifies
        self._on_identified = on_identified
        self._notices = notices
        self._looks = 0
        self._looks_again_at = _LONG_AGO
        self.name: str | None = None
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
        if identifies:
            self.lines.read_size = _STRANGER_READ_SIZE
        self.outbox = Outbox(
            stream,
            nursery,
            max_waiting=limits.max_waiting,
            when_slow=when_slow,
            encode_notice=notices,
            on_overflow=self._give_up if when_slow is WhenSlow.DISCONNECT else None,
            on_blocked=self._watch if limits.write_timeout else None,
        )
        self._watch()

    def __repr__(self) -> str:
        lines, outbox = self.lines, self.outbox
        who = self.peer if self.name is None else f"{self.peer} ({self.name})"
        state = "open" if lines.end is None else f"input ended: {lines.end.value}"
        return (
            f"<Connection with {who}, {state}, {lines.lines_in} lines in, "
            f"{outbox.lines_out - outbox.dropped} out, {outbox.waiting} bytes waiting>"
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

    def identify(self, name: str) -> None:
        """Note who the peer is: it has logged in. Never a checkpoint.

        This ends the login deadline, and the server's ``on_event`` gets a `trionet.Identified`.
        A service that calls it says so with ``serve(identifies=True)``. It may call it again when
        the peer's name changes.

        Args:
            name: the peer's name, safe to show: it will stand in logs (`trionet.safe_text`).
        """
        self.name = name
        self.lines.read_size = READ_SIZE
        if self._on_identified is not None:
            self._on_identified(self, name)

    async def _answer(self, bad_line: BadLine) -> None:
        await self.outbox.send(self._notices(LineRejected(bad_line)))

    def tell(self, notice: Notice) -> None:
        """Put a notice into the outbox, in the service's wire format. Never a checkpoint.

        The toolkit tells its own notices. A handler that reads ``lines.receive_batch`` calls this
        with a `trionet.LineRejected` for each bad line, if it answers them as ``lines`` would.
        """
        self.outbox.put(self._notices(notice))

    def _give_up(self) -> None:
        self.lines.stop(InputEnd.SLOW)

    def _watch(self) -> None:
        self._deadlines.watch(self)

    @property
    def _login_by(self) -> float:
        """When the login deadline passes; ``math.inf``: it does not, or not any more."""
        is_over = self.name is not None or (self.lines.lines_in and not self._identifies)
        if is_over or not self._limits.login_timeout:
            return math.inf
        return self.opened_at + self._limits.login_timeout

    def next_deadline(self) -> float:
        """Return when `check_deadlines` may have something to do. `Deadlines` asks."""
        _, due = self._first_deadline()
        lines, idle_timeout = self.lines, self._limits.idle_timeout
        if idle_timeout and lines.end is None and lines.waiting_since == math.inf:
            # Idle time begins when the handler is done with its lines, which is now at the soonest.
            due = min(due, trio.current_time() + idle_timeout)
        return max(due, self._looks_again_at)

    def check_deadlines(self) -> None:
        """Tell the peer which deadline has passed, if one has, and end its input."""
        now = trio.current_time()
        end, due = self._first_deadline()
        if due > now:
            self._looks = 0
        elif self._looks < _LOOKS and self._may_be_met_yet(end, due, now):
            self._looks += 1
            self._looks_again_at = now + _LOOK_AGAIN
        elif end is InputEnd.SLOW:
            self.outbox.give_up()
            self.lines.stop(InputEnd.SLOW)
        elif end is InputEnd.LOGIN:
            self._time_out(end, LoginTimedOut(self._limits.login_timeout))
            # Lines that are held back come too late.
            self.lines.discard()
        else:
            self._time_out(end, IdleTimedOut(self._limits.idle_timeout))

    def _first_deadline(self) -> tuple[InputEnd, float]:
        """Return what is due next, and when; ``math.inf``: nothing, as things stand."""
        limits = self._limits
        end, due = InputEnd.SLOW, math.inf
        if limits.write_timeout:
            due = self.outbox.progressed_at + limits.write_timeout
        if self.lines.end is None:
            if self._login_by < due:
                end, due = InputEnd.LOGIN, self._login_by
            if limits.idle_timeout:
                idle = self.lines.waiting_since + limits.idle_timeout
                if idle < due:
                    end, due = InputEnd.IDLE, idle
        return end, due

    def _may_be_met_yet(self, end: InputEnd, due: float, now: float) -> bool:
        """Tell whether the peer may have done in time what is due, and it was not noticed yet."""
        if end is InputEnd.SLOW:
            # A stopped process sends nothing, however much the peer would take.
            return bool(self._looks) or now - due > _LATE
        lines = self.lines
        if lines.waiting_since == math.inf:
            return lines.bytes_in > 0
        has_input = getattr(self.stream, "has_input", None)
        return lines.waiting_since <= now and has_input is not None and has_input()

    def _time_out(self, end: InputEnd, notice: Notice) -> None:
        self.tell(notice)
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
