"""What the toolkit itself tells a peer, as values; a wire format turns them into bytes.

A service decides what its own lines look like. A few lines do not come from the service: the answer
to a line that nobody can read, to a deadline that passed, to a connection that cannot be served.
The toolkit makes each of these as a `Notice` and hands it to one function, ``encode_notice``. The
default is the one in this file, which writes ``error: REASON``; a service with another wire format
gives `trionet.serve` its own.

Each notice has two attributes:

- ``code``: a short stable word for programs, such as ``timeout``.
- ``reason``: what happened, in words for people, without a line end. It may change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from trionet.errors import BadLine
from trionet.type_checks import check_kind, check_kinds, shown


@dataclass(frozen=True, slots=True)
class LineRejected:
    """A line from the peer is too long, is not UTF-8, or never ends.

    Attributes:
        error: what is wrong with it. After a `trionet.LineUnending` the connection is closed; after
            any other the conversation goes on.
    """

    code: ClassVar[str] = "bad-line"
    error: BadLine

    def __post_init__(self) -> None:
        if not isinstance(self.error, BadLine):
            check_kind("error", self.error, BadLine, hint="LineRejected(bad_line)")

    @property
    def reason(self) -> str:
        """What is wrong with the line."""
        return str(self.error)


@dataclass(frozen=True, slots=True)
class LoginTimedOut:
    """The login deadline has passed; the connection is closed.

    Attributes:
        seconds: `trionet.Limits.login_timeout`.
    """

    code: ClassVar[str] = "timeout"
    seconds: float

    def __post_init__(self) -> None:
        check_kinds(seconds=(self.seconds, float))

    @property
    def reason(self) -> str:
        """What the peer did not do in time."""
        return f"no login within {self.seconds:g} seconds"


@dataclass(frozen=True, slots=True)
class IdleTimedOut:
    """The idle deadline has passed; the connection is closed.

    Attributes:
        seconds: `trionet.Limits.idle_timeout`.
    """

    code: ClassVar[str] = "timeout"
    seconds: float

    def __post_init__(self) -> None:
        check_kinds(seconds=(self.seconds, float))

    @property
    def reason(self) -> str:
        """What the peer did not do in time."""
        return f"nothing came for {self.seconds:g} seconds"


@dataclass(frozen=True, slots=True)
class RequestTimedOut:
    """A request was not answered in time, and was given up; the conversation goes on.

    Attributes:
        seconds: the ``timeout`` of `trionet.respond`.
    """

    code: ClassVar[str] = "timeout"
    seconds: float

    def __post_init__(self) -> None:
        check_kinds(seconds=(self.seconds, float))

    @property
    def reason(self) -> str:
        """What took too long."""
        return f"no answer within {self.seconds:g} seconds"


@dataclass(frozen=True, slots=True)
class ServerFull:
    """The server serves `trionet.Limits.max_clients` already; the connection is closed."""

    code: ClassVar[str] = "full"
    reason: ClassVar[str] = "server is full"


@dataclass(frozen=True, slots=True)
class AddressFull:
    """The peer's host has `trionet.Limits.max_per_address` already; the connection is closed."""

    code: ClassVar[str] = "address-full"
    reason: ClassVar[str] = "too many connections from your address"


@dataclass(frozen=True, slots=True)
class ConnectingTooFast:
    """The host connects faster than `trionet.Limits.connect_rate`; the connection is closed."""

    code: ClassVar[str] = "too-fast"
    reason: ClassVar[str] = "too many connections, try again later"


@dataclass(frozen=True, slots=True)
class ServerClosing:
    """The server drains and takes nobody new; the connection is closed."""

    code: ClassVar[str] = "closing"
    reason: ClassVar[str] = "server is closing"


@dataclass(frozen=True, slots=True)
class LinesMissed:
    """The peer reads too slowly, and lines were dropped where this notice stands.

    Attributes:
        count: how many lines were dropped.
    """

    code: ClassVar[str] = "missed"
    count: int

    def __post_init__(self) -> None:
        check_kinds(count=(self.count, int))

    @property
    def reason(self) -> str:
        """How many lines were dropped."""
        return f"missed {self.count} lines"


Notice: TypeAlias = (
    LineRejected
    | LoginTimedOut
    | IdleTimedOut
    | RequestTimedOut
    | ServerFull
    | AddressFull
    | ConnectingTooFast
    | ServerClosing
    | LinesMissed
)

EncodeNotice: TypeAlias = Callable[[Notice], bytes]


def encode_notice(notice: Notice) -> bytes:
    r"""Return a notice as one line, ``error: REASON``.

    A reason with a line end in it, which only a `BadLine` of a service's own can have, becomes one
    line.

    Raises:
        TypeError: `notice` is not a notice. For a notice it never raises.

    >>> encode_notice(LinesMissed(37))
    b'error: missed 37 lines\n'
    """
    if not isinstance(notice, Notice):
        raise TypeError(
            "notice must be a Notice: write ServerClosing() or LineRejected(line), "
            f"not {shown(notice)}"
        )
    return f"error: {notice.reason}".replace("\n", " ").encode("utf-8", "replace") + b"\n"
