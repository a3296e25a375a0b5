"""An ordinary client of a server that is under attack: how long its lines take.

Lines are sent by the clock, whether or not earlier ones have come back. A server that stalls
for a second delays all lines of that second, and the delay of each counts from when it was due.
"""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType

from benchmarks.processes import Failed

# Lines a second: what a chat room takes from a member in the long run by default.
PER_SECOND = 50

# How many seconds the first answer may take.
LOGIN_PATIENCE = 10.0


@dataclass
class Latencies:
    """How long lines took.

    Attributes:
        seconds: the delay of each line; one that is late counts with the time it waited.
        lost: how many lines did not come, although later ones did, or nothing came in time.
    """

    seconds: list[float] = field(default_factory=list)
    lost: int = 0

    def percentile(self, percent: float) -> float:
        """Return a percentile, in seconds."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class Probe:
    """Two members of a room, of whom one talks; or one client of a calculator.

    Args:
        server: its address.
        is_calculator: whether it is a calculator.
    """

    def __init__(self, server: tuple[str, int], *, is_calculator: bool) -> None:
        prefix = rb"" if is_calculator else rb"prober: p"
        self._pattern = re.compile(prefix + rb"(\d+)")
        self._is_calculator = is_calculator
        self._server = server
        self._part = b""

    def __enter__(self) -> Probe:
        with ExitStack() as stack:
            self._talker = self._listener = self._log_in(b"prober\n", stack)
            if not self._is_calculator:
                self._listener = self._log_in(b"witness\n", stack)
            # The very first line is not measured.
            self._talker.sendall(self._line(0))
            end = time.monotonic() + LOGIN_PATIENCE
            while not self._hear():
                if time.monotonic() > end:
                    raise Failed("the server does not answer")
                select.select([self._listener], [], [], 0.1)
            self._close = stack.pop_all().close
        return self

    def _log_in(self, name: bytes, stack: ExitStack) -> socket.socket:
        sock = stack.enter_context(socket.create_connection(self._server, timeout=LOGIN_PATIENCE))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(name)
        if not self._is_calculator:
            # Before that they are not members, and receive nothing.
            sock.recv(1 << 16)
        sock.setblocking(False)
        return sock

    def _line(self, number: int) -> bytes:
        return b"%d + 0\n" % number if self._is_calculator else b"p%d\n" % number

    def watch(self, seconds: float, patience: float, look: Callable[[], object]) -> Latencies:
        """Send lines for some time, and wait for the last one.

        Args:
            seconds: how long lines are sent.
            patience: how many seconds to wait for the last lines.
            look: a function that is called about a hundred times a second.
        """
        latencies = Latencies()
        began = time.perf_counter()
        due = {number: began + number / PER_SECOND for number in range(int(seconds * PER_SECOND))}
        waiting: dict[int, float] = {}
        unsent = b""
        number = 0
        while number < len(due) or waiting:
            now = time.perf_counter()
            while number < len(due) and due[number] <= now:
                unsent += self._line(number)
                waiting[number] = due[number]
                number += 1
            try:
                unsent = unsent[self._talker.send(unsent) :] if unsent else b""
            except BlockingIOError:
                pass
            except OSError as error:
                raise Failed(f"the server lost another client: {error}") from None
            select.select([self._listener, self._talker], [], [], 0.005)
            for heard in self._hear():
                now = time.perf_counter()
                if heard in waiting:
                    latencies.seconds.append(now - waiting.pop(heard))
                # Lines stay in order: what was sent before this one is lost.
                for missing in [other for other in waiting if other < heard]:
                    del waiting[missing]
                    latencies.lost += 1
            look()
            if time.perf_counter() > began + seconds + patience:
                latencies.lost += len(waiting)
                latencies.seconds += [time.perf_counter() - since for since in waiting.values()]
                break
        return latencies

    def _hear(self) -> list[int]:
        """Return the numbers of the lines that have come back."""
        if self._talker is not self._listener:
            _read(self._talker)
        *lines, self._part = (self._part + _read(self._listener)).split(b"\n")
        return [int(found[1]) for line in lines if (found := self._pattern.fullmatch(line))]

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()


def _read(sock: socket.socket) -> bytes:
    pieces = []
    try:
        # Bounded: reading on for as long as anything comes would never look at the clock.
        for _ in range(64):
            piece = sock.recv(1 << 18)
            if not piece:
                raise Failed("the server closed the connection of another client")
            pieces.append(piece)
    except BlockingIOError:
        pass
    except OSError as error:
        raise Failed(f"the server lost another client: {error}") from None
    return b"".join(pieces)
