"""The exception tree: everything that trionet itself raises.

    TrionetError
    ├── AddressError        an address that cannot be read (also a ValueError)
    ├── ListenError         an address that cannot be listened on
    ├── ConnectError        an address that cannot be connected to
    ├── ConnectionLost      the other side went away first
    ├── UnsendableLine      text that does not fit in one line (also a ValueError)
    ├── BadLine             a line from a peer that cannot be read as text
    │   ├── LineTooLong
    │   ├── LineNotUTF8
    │   └── LineUnending
    ├── ReceiveInterrupted  a waiting receive was called off (only authors of streams meet it)
    ├── trionet.calc.CalculationError           an expression that has no result
    │   └── trionet.calc.MalformedExpression    one that cannot be read; with its column
    │       └── trionet.calc.LimitExceeded      one that asks for more than anybody gets
    ├── trionet.calc.UnfitName          a name that a calculator session cannot have
    ├── trionet.calc.NotServed          a calculator server does not serve this client
    ├── trionet.chat.NameRefused        a name that nobody can have here
    │   └── trionet.chat.NameTaken      one that a member has, or that looks like a member's
    └── trionet.chat.Misunderstood      a line that a wire format of the chat cannot read

``str()`` of each is one line, fit to be shown behind ``error: ``: it says what is wrong and,
where somebody can do something about it, what. Broken and closed streams are told by Trio's
own exceptions (``trio.BrokenResourceError``, ``trio.ClosedResourceError``), as on any stream.
"""


class TrionetError(Exception):
    """The base of all errors that trionet raises."""


class AddressError(TrionetError, ValueError):
    """An address cannot be read; the message says how to write it."""


class ListenError(TrionetError):
    """An address cannot be listened on; the message names it and the system's reason."""


class ConnectError(TrionetError):
    """An address cannot be connected to; the message names it and the system's reason."""


class ConnectionLost(TrionetError):
    """The other side ended the conversation before this side did."""


class ReceiveInterrupted(TrionetError):
    """A waiting ``receive_some`` was called off by ``interrupt_receive``; nothing was lost."""


class UnsendableLine(TrionetError, ValueError):
    """A text cannot be sent as one line: the peer would read something else."""


class BadLine(TrionetError):
    """A line from a peer that cannot be read as text.

    A decoder hands it out in the line's place, as a value: one bad line harms neither the lines
    before it nor those after it.

    Attributes:
        start: the line's first bytes, as received, at most `START` of them; of a `LineUnending`,
            none.
    """

    # An attribute in a slot: a flood of bad lines need not make a dict for each.
    __slots__ = ("start",)

    # Enough for a log to show what kind of peer it was; what is kept of a flood stays small.
    START = 256

    def __init__(self, reason: str, start: bytes) -> None:
        super().__init__(reason)
        self.start = start[: self.START]


class LineTooLong(BadLine):
    """A line passed the limit; it is skipped to its end."""

    __slots__ = ()

    def __init__(self, limit: int, start: bytes) -> None:
        # Cut at the limit, so that it does not depend on how much was received when it was passed.
        super().__init__(f"line is longer than {limit} bytes", start[:limit])


class LineNotUTF8(BadLine):
    """A line holds bytes that are not UTF-8."""

    __slots__ = ()

    def __init__(self, start: bytes) -> None:
        super().__init__("line is not UTF-8", start)


class LineUnending(BadLine):
    """A line went on so far beyond the limit that there is no waiting for its end."""

    __slots__ = ()

    def __init__(self, limit: int, start: bytes) -> None:
        super().__init__(f"no end of line within {limit} bytes", start)


def system_reason(error: OSError) -> str:
    """Return why the system refused something, in its own words, as the end of one line."""
    return (error.strerror or str(error)).lower()
