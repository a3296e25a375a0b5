"""The deadlines of one peer: which is due next, what counts as meeting it, and what happens if not.

A peer has to log in, to write now and then, and to read what it is sent. `deadlines.py` watches the
deadlines of all peers with one task, and asks here.
"""

from __future__ import annotations

import math
from typing import Any

import trio

from trionet.connection.deadlines import CHECK_AGAIN, CHECKS, LATE
from trionet.connection.input_end import InputEnd
from trionet.connection.outbox import Outbox
from trionet.connection.reader import LineReader
from trionet.limits import Limits
from trionet.notices import IdleTimedOut, LoginTimedOut, Notice

# One object for all connections: the minus in ``-math.inf`` makes a new one each time.
_AT_ANY_TIME = -math.inf

# Looked up once: on Python 3.11, each look at an enum's member takes 1,200 instructions.
_SLOW, _LOGIN, _IDLE = InputEnd.SLOW, InputEnd.LOGIN, InputEnd.IDLE


class PeerDeadlines:
    """The base of `trionet.Connection` that has its deadlines; see `trionet.abc.Watched`.

    A subclass sets `stream`, `lines`, `outbox` and `opened_at`.

    Args:
        limits: the server's.
        identifies: whether the login deadline runs until the peer has a name, and not only until
            its first line has come.
    """

    __slots__ = (
        "_check_again_at",
        "_checks",
        "_identifies",
        "_limits",
        "_postponed",
        "lines",
        "name",
        "opened_at",
        "outbox",
        "stream",
    )

    stream: trio.abc.Stream
    lines: LineReader[Any]
    outbox: Outbox
    opened_at: float

    def __init__(self, limits: Limits, *, identifies: bool) -> None:
        self._limits = limits
        self._identifies = identifies
        self._checks = 0
        self._check_again_at = _AT_ANY_TIME
        # Seconds for which the service itself delayed the peer's login.
        self._postponed = 0.0
        self.name: str | None = None

    def tell(self, notice: Notice) -> None:
        """Tell the peer which deadline has passed; see `trionet.Connection`."""
        raise NotImplementedError

    def postpone_login(self, seconds: float) -> None:
        """Let the login deadline pass later, because the service makes the peer wait.

        Never a checkpoint.

        Args:
            seconds: how much later. Keep it bounded: until it has logged in, a peer holds a place.
        """
        self._postponed += seconds

    def next_deadline(self) -> float:
        """Return when `check_deadlines` may have something to do, on the Trio clock.

        `Deadlines` calls it. Never a checkpoint.
        """
        _, due = self._first_deadline()
        lines, idle_timeout = self.lines, self._limits.idle_timeout
        if idle_timeout and lines.end is None and lines.waiting_since == math.inf:
            # Idle time begins when the handler is done with its lines: now, at the earliest.
            due = min(due, trio.current_time() + idle_timeout)
        return max(self._check_again_at, due)

    def check_deadlines(self) -> str | None:
        """If a deadline has passed, tell the peer which, and end its input. Never a checkpoint.

        Returns:
            Which has passed: ``login``, ``idle`` or ``write``; ``None``: none has.
        """
        now = trio.current_time()
        end, due = self._first_deadline()
        if due > now:
            self._checks = 0
        elif self._checks < CHECKS and self._may_be_met_yet(end, due, now):
            self._checks += 1
            self._check_again_at = now + CHECK_AGAIN
        elif end is _SLOW:
            self.outbox.give_up()
            self.lines.stop(_SLOW)
            return "write"
        elif end is _LOGIN:
            self._time_out(end, LoginTimedOut(self._limits.login_timeout))
            # Lines that are held back would come too late.
            self.lines.discard()
            return "login"
        else:
            self._time_out(end, IdleTimedOut(self._limits.idle_timeout))
            return "idle"
        return None

    def _first_deadline(self) -> tuple[InputEnd, float]:
        """Return what is due next, and when; ``math.inf``: nothing, as things stand."""
        limits, lines = self._limits, self.lines
        end, due = _SLOW, math.inf
        if limits.write_timeout:
            due = self.outbox.progressed_at + limits.write_timeout
        if lines.end is None:
            if (
                limits.login_timeout
                and self.name is None
                and (self._identifies or not lines.lines_in)
            ):
                login = self.opened_at + limits.login_timeout + self._postponed
                if login < due:
                    end, due = _LOGIN, login
            if limits.idle_timeout:
                idle = lines.waiting_since + limits.idle_timeout
                if idle < due:
                    end, due = _IDLE, idle
        return end, due

    def _may_be_met_yet(self, end: InputEnd, due: float, now: float) -> bool:
        """Tell whether this deadline may have been met after all without this side noticing.

        For example, the line that the peer had to send lies unread in the kernel.
        """
        if end is _SLOW:
            # While this process is stopped it sends nothing, however much the peer would read.
            return bool(self._checks) or now - due > LATE
        lines = self.lines
        if lines.waiting_since == math.inf:
            return lines.bytes_in > 0
        has_input = getattr(self.stream, "has_input", None)
        return lines.waiting_since <= now and has_input is not None and has_input()

    def _time_out(self, end: InputEnd, notice: Notice) -> None:
        self.tell(notice)
        self.lines.stop(end)
