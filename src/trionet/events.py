"""What a server tells its operator about its connections, as values.

`trionet.serve` hands each event to its ``on_event``, at once and in order. Each has the number of
its connection, so that the events of one connection can be put together. ``str()`` of each is one
line for a log. Nothing in an event comes from a peer, except the name in `Identified`, which the
service has checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from trionet.type_checks import check_kinds

# Why there was no handshake with a peer that has sent no byte. The log leaves such peers out.
SAID_NOTHING = "the other side ended the connection and had said nothing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A connection is being served: it was accepted, and its handshake, if it has one, is made.

    Attributes:
        id: the connection's number: 1, 2, 3 and so on, with the refused ones. The services of a
            `trionet.run` are numbered together, other servers each on their own; see
            `trionet.serve`.
        peer: the peer's display address.
    """

    id: int
    peer: str

    def __post_init__(self) -> None:
        check_kinds(id=(self.id, int), peer=(self.peer, str))

    def __str__(self) -> str:
        return f"opened {self.peer}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A connection was answered and closed without being served.

    Attributes:
        id: the connection's number, see `Opened`.
        peer: the peer's display address.
        reason: why, in the words of the `trionet.Notice` that the peer was told; or
            ``no handshake: WHY``, where a handshake (TLS, a request for a WebSocket) has failed.
        code: the same as a short stable word for programs: the code of the notice, such as
            ``full``, or ``no-handshake``.
    """

    id: int
    peer: str
    reason: str
    code: str = ""

    def __post_init__(self) -> None:
        check_kinds(
            id=(self.id, int),
            peer=(self.peer, str),
            reason=(self.reason, str),
            code=(self.code, str),
        )

    def __str__(self) -> str:
        return f"refused {self.peer}: {self.reason}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Identified:
    """The service knows who a peer is: somebody has logged in.

    Attributes:
        id: the connection's number, see `Opened`.
        peer: the peer's display address.
        name: who it is, as the service said in `trionet.Connection.identify`.
    """

    id: int
    peer: str
    name: str

    def __post_init__(self) -> None:
        check_kinds(id=(self.id, int), peer=(self.peer, str), name=(self.name, str))

    def __str__(self) -> str:
        return f"{self.peer} is {self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Closed:
    """A connection is no longer served.

    Attributes:
        id: the connection's number, see `Opened`.
        peer: the peer's display address.
        reason: why, in words.
        seconds: how long it was served.
        bytes_in: bytes received.
        bytes_out: bytes sent.
        bytes_unconfirmed: how many of these were not known to have arrived when the connection was
            closed, encrypted ones as on the wire; also 0 where the kernel does not tell.
        lines_in: lines received, including bad ones.
        lines_out: lines put into its outbox, without those that were dropped.
    """

    id: int
    peer: str
    reason: str
    seconds: float
    bytes_in: int
    bytes_out: int
    lines_in: int
    lines_out: int
    bytes_unconfirmed: int = 0

    def __post_init__(self) -> None:
        check_kinds(
            id=(self.id, int),
            peer=(self.peer, str),
            reason=(self.reason, str),
            seconds=(self.seconds, float),
            bytes_in=(self.bytes_in, int),
            bytes_out=(self.bytes_out, int),
            lines_in=(self.lines_in, int),
            lines_out=(self.lines_out, int),
            bytes_unconfirmed=(self.bytes_unconfirmed, int),
        )

    def __str__(self) -> str:
        return f"closed {self.peer}: {self.reason} ({self.traffic})"

    @property
    def traffic(self) -> str:
        """What passed over the connection, in words."""
        lost = f", {self.bytes_unconfirmed} of them unconfirmed" if self.bytes_unconfirmed else ""
        return (
            f"{self.lines_in} lines, {self.bytes_in} bytes in; "
            f"{self.lines_out} lines, {self.bytes_out} bytes out{lost}; {self.seconds:.1f} s"
        )

    @property
    def figures(self) -> dict[str, object]:
        """What passed over the connection, in numbers: the attributes by their names."""
        return {
            "seconds": round(self.seconds, 3),
            "lines_in": self.lines_in,
            "bytes_in": self.bytes_in,
            "lines_out": self.lines_out,
            "bytes_out": self.bytes_out,
            "bytes_unconfirmed": self.bytes_unconfirmed,
        }


ServerEvent: TypeAlias = Opened | Refused | Identified | Closed
