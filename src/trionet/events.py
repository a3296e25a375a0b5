"""What a server tells its operator of its connections, as values.

`trionet.serve` hands each to its ``on_event``, at once and in order. Each carries the number of the
connection, so that what is told of one connection can be put together. ``str()`` of each is one
line for a log. Nothing in it comes from a peer, except the name in `Identified`, which the service
has checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A connection is being served.

    Attributes:
        id: the connection's number: 1, 2, 3 and so on for one server, refused ones counted.
        peer: the peer's address.
    """

    id: int
    peer: str

    def __str__(self) -> str:
        return f"opened {self.peer}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A connection was answered and closed without being served.

    Attributes:
        id: the connection's number, see `Opened`.
        peer: the peer's address.
        reason: what it was answered, after ``error:``.
    """

    id: int
    peer: str
    reason: str

    def __str__(self) -> str:
        return f"refused {self.peer}: {self.reason}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Identified:
    """The service knows who a peer is: somebody has logged in.

    Attributes:
        id: the connection's number.
        peer: the peer's address.
        name: who it is, as the service told `trionet.Connection.identify`.
    """

    id: int
    peer: str
    name: str

    def __str__(self) -> str:
        return f"{self.peer} is {self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Closed:
    """A connection is served no more.

    Attributes:
        id: the connection's number, see `Opened`.
        peer: the peer's address.
        reason: why, in words.
        seconds: how long it was served.
        bytes_in: bytes received.
        bytes_out: bytes sent.
        bytes_unconfirmed: how many of these were not known to have arrived when the connection was
            closed, encrypted ones as they are on the wire; 0 also where the system cannot tell.
        lines_in: lines received, bad ones counted.
        lines_out: lines put into its outbox, less those that were dropped.
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

    def __str__(self) -> str:
        lost = f", {self.bytes_unconfirmed} of them unconfirmed" if self.bytes_unconfirmed else ""
        return (
            f"closed {self.peer}: {self.reason} "
            f"({self.lines_in} lines, {self.bytes_in} bytes in; "
            f"{self.lines_out} lines, {self.bytes_out} bytes out{lost}; {self.seconds:.1f} s)"
        )


ServerEvent: TypeAlias = Opened | Refused | Identified | Closed
