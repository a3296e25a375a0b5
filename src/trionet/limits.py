"""Which limits and deadlines a server has: `Limits`, one frozen object, and the bounds of each.

Sizes are in bytes, times in seconds; 0 switches a limit off where its entry says so.

The other files about limits are about their values. `trionet.calc.limits` and `trionet.chat.limits`
say what the two services set them to, and `trionet.cli.limit_options` what they are called on the
command line. `trionet.calc.bounds` has to do with none of this: it bounds one expression.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from trionet.lines import MAX_LINE, MAX_UNENDING

# The bounds of sensible values. A value beyond them is a mistake, and is refused where it is given.
# Otherwise it would fail at the first peer, in arithmetic or in a system call.

# For one peer's bytes: less than the 2 GiB that one system call takes.
_MOST_BYTES = 1 << 30
# How many descriptors Linux lets one process open by default (fs.nr_open).
_MOST_CLIENTS = 1 << 20
# A million lines a second is more than one core reads: whoever asks for more wants no limit.
_MOST_LINES = 1_000_000
# About one line in a quarter of an hour. Anything slower is hardly a rate.
_LEAST_RATE = 0.001
# An event loop's clock counts milliseconds. No process runs for a year.
_LEAST_SECONDS, _MOST_SECONDS = 0.001, 365 * 24 * 3600
# For a long time the kernel's queue length had 16 bits.
_MOST_BACKLOG = 65_535

# Longer numbers on the command line are not read.
_MOST_CHARACTERS = 40

# How a number is written. Python reads more, such as `1_000` and `٣`: on a command line these are
# typing mistakes.
_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """Which values a limit may have.

    Args:
        least: the smallest value.
        most: the greatest value.
        whole: whether the value must be an integer.
        or_zero: whether 0 is allowed too.
    """

    least: float
    most: float
    whole: bool = True
    or_zero: bool = False

    def __str__(self) -> str:
        return f"0 or {self._range}" if self.or_zero else self._range

    @property
    def _range(self) -> str:
        number = "a whole number" if self.whole else "a number"
        return f"{number} from {self.least:,} to {self.most:,}"

    def check(self, name: str, value: object) -> None:
        """Refuse a value that the limit may not have.

        Args:
            name: the limit.
            value: what was given for it.

        Raises:
            TypeError: `value` is not a number of the right kind.
            ValueError: it is out of bounds.
        """
        kinds = int if self.whole else int | float
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise TypeError(f"{name} must be {self}, not {repr(value)[:60]}")
        if not self._takes(value):
            # Python refuses to print an integer of thousands of digits.
            shown = f", not {value}" if isinstance(value, float) or abs(value) < 10**15 else ""
            raise ValueError(f"{name} must be {self}{shown}")

    def parse(self, text: str) -> int | float:
        """Read a value from a command line.

        Raises:
            ValueError: it is not a number, or out of bounds; the message says what to write.
        """
        written = text.strip(" \t\r\n")
        form = _WHOLE if self.whole else _NUMBER
        if len(text) <= _MOST_CHARACTERS and form.fullmatch(written):
            value = int(written) if self.whole else float(written)
            if self._takes(value):
                return value
        shown = text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."
        neither = f"neither 0 nor {self._range}" if self.or_zero else f"not {self._range}"
        raise ValueError(f"{shown!r} is {neither}")

    def _takes(self, value: float) -> bool:
        # A NaN is within no bounds.
        return self.least <= value <= self.most or (self.or_zero and value == 0)


_COUNT = Bound(least=0, most=_MOST_CLIENTS)
_SIZE = Bound(least=1, most=_MOST_BYTES)
_SECONDS = Bound(least=_LEAST_SECONDS, most=_MOST_SECONDS, whole=False, or_zero=True)

BOUNDS: Mapping[str, Bound] = {
    "max_line": _SIZE,
    "max_unending": _SIZE,
    "max_clients": _COUNT,
    "max_per_address": _COUNT,
    # A prefix of 0 would make all addresses one host.
    "ipv6_prefix": Bound(least=1, most=128),
    "connect_rate": Bound(least=_LEAST_RATE, most=_MOST_LINES, whole=False, or_zero=True),
    "max_waiting": _SIZE,
    "rate": Bound(least=_LEAST_RATE, most=_MOST_LINES, whole=False, or_zero=True),
    "burst": Bound(least=1, most=_MOST_LINES),
    "handshake_timeout": _SECONDS,
    "login_timeout": _SECONDS,
    "idle_timeout": _SECONDS,
    "write_timeout": _SECONDS,
    "linger_seconds": _SECONDS,
    "linger_total_seconds": _SECONDS,
    "drain_seconds": _SECONDS,
    # Not a field of `Limits`: it belongs to a listener.
    "backlog": Bound(least=0, most=_MOST_BACKLOG),
}
"""The bounds of each limit, for `Limits`, `trionet.serve` and the command line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one server accepts, from one peer and from all of them.

    Args:
        max_line: content bytes of one line from a peer; default 4,096: what an IRC server with long
            messages accepts, far more than a person types. A longer one is answered with an error
            and skipped to its end.
        max_unending: bytes without an end of line, after which the peer is cut off; default 1 MiB.
        max_clients: connections served at a time; default 0: as many as there are descriptors. The
            server's `trionet.WhenFull` decides what happens to one more.
        max_per_address: connections served at a time from one host; default 0: no limit for hosts.
            One more is answered and closed. Peers on Unix sockets have no host.
        ipv6_prefix: how many leading bits of an IPv6 address make one host, 1 to 128; default 64:
            the smallest network that providers hand out, so all its addresses belong to one
            customer.
        connect_rate: new connections a second that one host may open in the long run, and five
            times as many at once; default 0: any number. One more is answered and closed, without a
            handshake. Peers on Unix sockets have no host.
        max_waiting: bytes that may wait for one peer that does not read; default 1 MiB: minutes of
            a lively room. The server's `trionet.WhenSlow` decides what happens beyond that.
        rate: lines a second that one peer may send in the long run; default 0: any number. A peer
            that sends more is not read from for a while, and so its own kernel slows it down.
        burst: lines that one peer may send at once, with `rate`; default 100.
        handshake_timeout: seconds for the TLS handshake and a browser's request; default 10:
            several round trips around the world and a busy server. 0: no limit.
        login_timeout: seconds until the first whole line has come or, in a service that identifies
            its peers (`trionet.serve`), until it has identified this one. Then the peer is told and
            closed. Default 0: no limit, because not every service waits for a line.
        idle_timeout: seconds without a byte from the peer; then the peer is told and closed. While
            the handler works on lines that it was handed, the time does not count. Default 0: no
            limit, because many services have silent listeners.
        write_timeout: seconds without progress although there is something to send; then the peer
            is given up. Default 30: TCP itself takes up to 15 minutes. 0: no limit.
        linger_seconds: how long a closing connection waits for the peer's end once all answers have
            arrived, or if nothing is known about that, so that no reset destroys them; default 2:
            several round trips around the world. While answers are on their way, it waits for
            `write_timeout` without progress.
        linger_total_seconds: how long a connection may take to close; default 60: what a kernel
            holds for a peer, 4 MB, at half a megabit a second. A drain's deadline ends it sooner.
        drain_seconds: how long a drain waits for the sessions before it closes by force; default 5:
            less than the 10 s after which container runtimes kill.

    Raises:
        TypeError: a limit is not a number, or not a whole one where it counts bytes, lines or
            peers.
        ValueError: a limit is negative, infinite or beyond reason; the message has its bounds.
    """

    # Each has its row in `BOUNDS`, above.
    max_line: int = MAX_LINE
    max_unending: int = MAX_UNENDING
    max_clients: int = 0
    max_per_address: int = 0
    ipv6_prefix: int = 64
    connect_rate: float = 0
    max_waiting: int = 1 << 20
    rate: float = 0
    burst: int = 100
    handshake_timeout: float = 10.0
    login_timeout: float = 0
    idle_timeout: float = 0
    write_timeout: float = 30.0
    linger_seconds: float = 2.0
    linger_total_seconds: float = 60.0
    drain_seconds: float = 5.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            BOUNDS[name].check(name, getattr(self, name))
