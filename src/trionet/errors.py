"""The exception tree: everything that trionet itself raises.

    TrionetError
    ├── AddressError        an address that cannot be read (also a ValueError)
    ├── ListenError         an address that cannot be listened on
    ├── ConnectError        an address that cannot be connected to
    ├── ConnectionLost      the other side went away first
    ├── AnswerTimedOut      a request that a server did not answer in time (also a TimeoutError)
    ├── UnsendableLine      text that does not fit in one line (also a ValueError)
    ├── BadLine             a line from a peer that cannot be read as text
    │   ├── LineTooLong
    │   ├── LineNotUTF8
    │   └── LineUnending
    ├── ReceiveInterrupted  a waiting receive was called off (only authors of streams meet it)
    ├── trionet.calc.CalculationError           an expression that has no result
    │   └── trionet.calc.MalformedExpression    one that cannot be read; with its column
    │       └── trionet.calc.LimitExceeded      one that is beyond a limit
    ├── trionet.calc.UnfitName          a name that a calculator session cannot have
    ├── trionet.calc.NotServed          a calculator server does not serve this client
    ├── trionet.chat.NameRefused        a name that nobody can have here
    │   └── trionet.chat.NameTaken      one that a member has, or that looks like a member's
    ├── trionet.chat.PasswordWanted     a chat that a client knows no password of, or a wrong one
    ├── trionet.chat.HistoryError       a file that no history is kept in
    ├── trionet.chat.RedisError         a Redis that no chat can be shared by
    ├── trionet.chat.RequestRefused     a request of a client that the chat's server refused
    └── trionet.chat.Misunderstood      a line that a wire format of the chat cannot read

``str()`` of each is one line that can follow ``error: ``. It says what is wrong, and what to do
about it where somebody can do something. Broken and closed streams raise Trio's own exceptions
(``trio.BrokenResourceError``, ``trio.ClosedResourceError``), as any stream does.
"""

from trionet.type_checks import check_kinds


class TrionetError(Exception):
    """The base of all errors that trionet raises."""


class AddressError(TrionetError, ValueError):
    """An address cannot be read; the message says how to write it."""


class ListenError(TrionetError):
    """An address cannot be listened on; the message has the address and the kernel's reason."""


class ConnectError(TrionetError):
    """An address cannot be connected to; the message has the address and the kernel's reason."""


class ConnectionLost(TrionetError):
    """The other side ended the conversation before this side did."""


class AnswerTimedOut(TrionetError, TimeoutError):
    """A request was not answered in time; the connection goes on."""


class ReceiveInterrupted(TrionetError):
    """A waiting ``receive_some`` was called off by ``interrupt_receive``; nothing was lost."""


class UnsendableLine(TrionetError, ValueError):
    """A text cannot be sent as one line: the peer would read something else."""


class BadLine(TrionetError):
    """A line from a peer that cannot be read as text.

    A decoder puts it in the line's place as a value, so that one bad line harms neither the lines
    before it nor those after it.

    Attributes:
        start: the line's first bytes, as received, at most `START` of them; empty for a
            `LineUnending`.
        stream: the stream that it came from, once `LineReader.receive` has raised it; else
            ``None``.
    """

    # In a slot, so that a flood of bad lines does not need a dict for each.
    __slots__ = ("start", "stream")

    # Enough for a log to show what kind of peer it was, and little to keep in a flood.
    START = 256

    def __init__(self, reason: str, start: bytes) -> None:
        super().__init__(reason)
        if type(start) is not bytes:
            check_kinds(start=(start, bytes))
        if type(reason) is not str:
            check_kinds(reason=(reason, str))
        self.start = start[: self.START]
        self.stream: object = None


class LineTooLong(BadLine):
    """A line is longer than the limit; it is skipped to its end."""

    __slots__ = ()

    def __init__(self, limit: int, start: bytes) -> None:
        # Cut at the limit, so that `start` does not depend on how the input was cut.
        super().__init__(f"line is longer than {limit} bytes", start[:limit])


class LineNotUTF8(BadLine):
    """A line has bytes in it that are not UTF-8."""

    __slots__ = ()

    def __init__(self, start: bytes) -> None:
        super().__init__("line is not UTF-8", start)


class LineUnending(BadLine):
    """A line went on so far beyond the limit that its end is not waited for."""

    __slots__ = ()

    def __init__(self, limit: int, start: bytes) -> None:
        super().__init__(f"no end of line within {limit} bytes", start)


def system_reason(error: OSError) -> str:
    """Return why the kernel refused something, in its own words, to end a message with."""
    return (error.strerror or str(error)).lower()
