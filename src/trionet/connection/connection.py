"""What a handler gets: one peer's lines in, one peer's lines out, and its deadlines.

A `Connection` ties four things together, each with a file of its own: the `LineReader` of what
comes in (`reader.py`), the `Outbox` of what goes out (`outbox.py`), the deadlines
(`peer_deadlines.py`), and the end (`hanging_up.py`). `lifetime.py` says what a server does
with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Generic, cast

import trio

from trionet.abc import CallsOnInput, Framed, Framing
from trionet.argument_checks import check_stream
from trionet.connection.answer_on_input import Answer, AtOnce
from trionet.connection.deadlines import Deadlines
from trionet.connection.deferred_sends import DeferredSends
from trionet.connection.first_line import Opening
from trionet.connection.hanging_up import Ends
from trionet.connection.input_end import InputEnd
from trionet.connection.outbox import Outbox
from trionet.connection.paced_reader import PacedLineReader
from trionet.connection.peer import host_of_peer, peer_of
from trionet.connection.reader import READ_SIZE, LineReader
from trionet.connection.received import LineRules
from trionet.connection.safe_notices import SafeNotices
from trionet.connection.serving_options import ServingOptions
from trionet.connection.when_slow import WhenSlow
from trionet.encoding import encode_lines, join_lines
from trionet.errors import BadLine
from trionet.function_checks import check_callback
from trionet.limits import Limits
from trionet.lines import LineT
from trionet.notices import EncodeNotice, LineRejected, Notice
from trionet.type_checks import check_kind, shown

if TYPE_CHECKING:
    from trionet.running_server import Server

# Bytes received at a time from a peer that has not logged in: enough for a name and a few lines.
# Whatever such a peer sends, it costs some 10 KiB; the rest of its input waits in the kernel.
_STRANGER_READ_SIZE = 4096

# Looked up once: on Python 3.11, each look at an enum's member takes 1,200 instructions.
_DISCONNECT = WhenSlow.DISCONNECT


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """What the connections of one server share.

    A thousand may come at once. To hand each of these values to each of them took 4,000
    instructions a connection.

    Attributes:
        options: those of the server.
        deadlines: watches theirs.
        notices: turns a notice into lines.
        deferred: the server's deferred sends; default ``None``: nothing is deferred.
        on_identified: called with each connection that is identified, and its name; default
            ``None``.
        server: the server; default ``None``: other code makes the connections by hand.
        rules: what lines may be, by the options.

    Raises:
        TypeError: one is of the wrong kind; the message says what to write.
    """

    options: ServingOptions
    deadlines: Deadlines
    notices: SafeNotices
    deferred: DeferredSends | None = None
    on_identified: Callable[[Connection[Any], str], object] | None = None
    server: Server | None = None
    rules: LineRules = field(init=False)

    def __post_init__(self) -> None:
        check_kind("options", self.options, ServingOptions, hint="ServingOptions()")
        check_kind("deadlines", self.deadlines, Deadlines, hint="Deadlines()")
        limits, options = self.options.limits, self.options
        rules = LineRules(
            max_line=limits.max_line,
            max_unending=limits.max_unending,
            refuse_http=options.refuse_http,
            opening=options.opening,
            decode=options.decode,
        )
        # It cannot be set in any other way: the class is frozen.
        object.__setattr__(self, "rules", rules)


class Connection(Ends, Generic[LineT]):
    """One peer of a server.

    `trionet.serve` makes it, and closes it when the handler returns: it sends what waits in the
    outbox, ends the sending, and closes the stream once everything has arrived.

    For a type checker, its lines are texts. With ``decode=False`` annotate the handler's argument
    as ``connection: trionet.Connection[bytes]``.

    Attributes:
        id: its number: 1, 2, 3 and so on, in the order in which connections came; see ``numbers``
            of `trionet.serve`.
        peer: the peer's display address. Peers on a Unix socket have no address of their own, and
            are told apart by their number: ``unix:/run/room#17``.
        host: what counts as the peer's host, for limits on what one host may have; ``None``: it has
            none, as on a Unix socket.
        lines: the peer's lines. ``async for line in connection.lines`` gives each good line and
            answers each bad one, by default with ``error: REASON``; ``receive_batch`` gives both.
            They end when the peer ends or resets the connection, when a deadline has passed, and
            when the server drains. The answer to a bad line is sent directly, as by `send`. So a
            service that answers through a `trionet.Hub` reads with ``receive_batch``; see there.
        name: who the peer is, once `identify` was called; ``None`` before.
        outbox: what goes to the peer. Everything that is sent passes through it, in order.
        stream: the stream under both, for what they do not cover. Do not send on it.
        server: the `Server` that it belongs to; ``server.state`` is what the lifespan has made.
        state: a namespace for what the service keeps about this peer:
            ``connection.state.room = "builds"``. Empty at first.
        opened_at: when it was opened, on the Trio clock.
        bytes_in: bytes received from the peer so far.
        bytes_out: bytes sent to the peer so far.
        waiting: bytes that wait for the peer; see `Limits.max_waiting`.
        decode: whether lines are texts. If not (`trionet.serve(decode=False)`), they are bytes with
            their ends, in `lines` and for `send`.
        closed_because: what `close` was given; ``None``: it was not called.
    """

    __slots__ = (
        "_shared",
        "_state",
        "decode",
        "host",
        "id",
        "peer",
        "server",
    )

    def __init__(
        self, stream: trio.abc.Stream, nursery: trio.Nursery, shared: Shared, number: int = 0
    ) -> None:
        if not (hasattr(stream, "send_all") and hasattr(stream, "receive_some")):
            check_stream(stream, methods=["send_all", "receive_some"])
        if type(nursery) is not trio.Nursery:
            check_kind("nursery", nursery, trio.Nursery, hint="an open nursery")
        if type(shared) is not Shared:
            check_kind("shared", shared, Shared, hint="Shared(...)")
        options = shared.options
        limits, identifies, decode = options.limits, options.identifies, options.decode
        # Each class of a connection calls its base without `super`, which takes 900 instructions
        # on Python 3.11. The seven of a connection are 1.2 % of a login.
        Ends.__init__(self, limits, identifies=identifies)
        self._shared = shared
        self.stream = stream
        self.id = number
        self.meet_peer()
        # Only a connection that other code made by hand has none.
        self.server: Server = shared.server  # type: ignore[assignment]
        self._state: SimpleNamespace | None = None
        self.lines: LineReader[LineT]
        if limits.rate:
            paced: PacedLineReader[LineT]
            self.lines = paced = PacedLineReader.of_server(stream, shared.rules, self._answer)
            paced.pace(limits.rate, limits.burst)
        else:
            self.lines = LineReader.of_server(stream, shared.rules, self._answer)
        self.opened_at = self.lines.waiting_since
        if identifies:
            self.lines.read_size = _STRANGER_READ_SIZE
        wire: trio.abc.SendStream = stream
        framing: Framing | None = None
        if hasattr(stream, "framing"):
            framed = cast(Framed, stream)
            wire, framing = framed.wire, framed.framing
            framed.max_line = longest_line(limits, options.opening)
        self.outbox = Outbox.of_server(
            wire,
            nursery,
            limits.max_waiting,
            options.when_slow,
            shared.notices,
            self._give_up if options.when_slow is _DISCONNECT else None,
            self._watch if limits.write_timeout else None,
            shared.deferred,
            framing,
        )
        self.decode = decode
        self.outbox.takes_tail = not decode
        if framing is not None:
            if not decode:
                raise ValueError("the lines of a WebSocket are texts: serve it with decode=True")
            cast(Framed, stream).answer_with(self.outbox.put_frame)
        self._watch()

    def __repr__(self) -> str:
        lines, outbox = self.lines, self.outbox
        who = self.peer if self.name is None else f"{self.peer} ({self.name})"
        state = "open" if lines.end is None else f"input ended: {lines.end.value}"
        return (
            f"<Connection with {who}, {state}, {lines.lines_in} lines in, "
            f"{outbox.lines_sent} out, {outbox.waiting} bytes waiting>"
        )

    @property
    def state(self) -> SimpleNamespace:
        """What the service keeps about this peer."""
        # Made when it is first used: most services keep what they need in their handler.
        if self._state is None:
            self._state = SimpleNamespace()
        return self._state

    @property
    def bytes_in(self) -> int:
        """Bytes received from the peer so far."""
        return self.lines.bytes_in

    @property
    def bytes_out(self) -> int:
        """Bytes sent to the peer so far."""
        return self.outbox.bytes_out

    @property
    def waiting(self) -> int:
        """Bytes that wait for the peer."""
        return self.outbox.waiting

    async def send(self, *lines: LineT) -> None:
        """Send lines after everything that waits in the outbox, and wait until they are sent.

        They are texts without their ends. With ``decode=False`` they are bytes, which are sent as
        they are: each has its end, but the last one that is ever sent may have none.

        Always a checkpoint. A handler that must not wait calls ``outbox.put``. Both overtake what a
        `trionet.Hub` has for this peer and has not delivered yet. A service with a hub answers with
        `Hub.tell` instead.

        Raises:
            TypeError: a line is a text where it must be bytes, or the other way round.
            UnsendableLine: a text does not fit in one line; nothing was sent.
            trio.BrokenResourceError: the peer is gone. A handler may let this through: the server
                does not take it for a fault.

        Cancellation: the lines may still be sent.
        """
        await self.outbox.send(self.encode_lines(lines))

    def encode_lines(self, lines: Iterable[LineT]) -> bytes:
        """Return the bytes of lines as `send` sends them.

        Raises:
            TypeError, UnsendableLine: as `send`.
        """
        if self.decode:
            return encode_lines(cast(Iterable[str], lines))
        return join_lines(cast(Iterable[bytes], lines))

    def tell(self, notice: Notice) -> None:
        """Put a notice into the outbox, in the service's wire format. Never a checkpoint.

        The server tells its own notices. A handler that reads with ``lines.receive_batch`` calls
        this with a `trionet.LineRejected` for each bad line that it wants to answer. With a
        `trionet.Hub` it hands the encoded notice to `Hub.tell_lines` instead.
        """
        if getattr(self.stream, "is_open", True):
            self.outbox.put(self.encoded(notice))

    def encoded(self, notice: Notice) -> bytes:
        """Return the lines that tell a notice, in the service's wire format."""
        return self.outbox.notices(notice)

    def speak(self, encode_notice: EncodeNotice) -> None:
        """Tell this peer the toolkit's notices in another wire format. Never a checkpoint.

        A service with several formats calls this when it knows which one the peer speaks.

        Args:
            encode_notice: see `trionet.serve`.
        """
        # All peers share the function, so a fault in it is logged once and not for each peer.
        self.outbox.notices = self.outbox.notices.replaced(encode_notice)

    def meet_peer(self) -> None:
        """Look at the stream who the peer is: a handshake may tell more. Never a checkpoint.

        The server calls it.
        """
        stream = self.stream
        self.peer = peer_of(stream, self.id)
        self.host = host_of_peer(stream, ipv6_prefix=self._limits.ipv6_prefix)

    def note_passed(self, deadline: str) -> None:
        """Count a deadline that has passed, in the server's metrics. Never a checkpoint."""
        self._shared.deadlines.passed[deadline] += 1

    def identify(self, name: str) -> None:
        """Note who the peer is: it has logged in. Never a checkpoint.

        This ends the login deadline, and the server's ``on_event`` gets a `trionet.Identified`.
        A service that calls it says so with ``serve(identifies=True)``. It may call it again when
        the peer's name changes.

        Args:
            name: the peer's name, safe to show: it will stand in logs (`trionet.safe_text`).

        Raises:
            TypeError: it is not a ``str``.
        """
        if not isinstance(name, str):
            raise TypeError(f"a name is a text, such as 'Ann', not {shown(name)}")
        self.name = name
        self.lines.read_size = READ_SIZE
        if self._shared.on_identified is not None:
            self._shared.on_identified(self, name)

    def answer_at_once(self, answer: Answer | None) -> None:
        """Answer lines without waking the handler's task, where that is possible. No checkpoint.

        It is possible on TCP on Linux, while the handler waits in ``lines.receive_batch``. The
        handler must answer the same lines in the same way itself: it gets all others, and those
        that ``answer`` leaves to it.

        Args:
            answer: takes lines that came together, good and bad. It returns whole lines to send,
                perhaps none, and the lines that it leaves to the handler: the last ones, or all. It
                must be quick, because it holds up all other connections. If it raises, that is
                logged, each fault once, and the handler gets the lines. ``None``: the handler gets
                all lines again.

        Raises:
            TypeError: `answer` is not an ordinary function with one argument.
        """
        if answer is not None and not callable(answer):
            check_callback("answer", answer)
        if hasattr(self.stream, "call_on_input"):
            hook = None
            if answer is not None:
                hook = AtOnce(self.lines, self.outbox, answer, self.outbox.notices.faults).serve
            cast(CallsOnInput, self.stream).call_on_input(hook)

    async def _answer(self, bad_line: BadLine) -> None:
        await self.outbox.send(self.encoded(LineRejected(bad_line)))

    def _give_up(self) -> None:
        self.lines.stop(InputEnd.SLOW)

    def _watch(self) -> None:
        self._shared.deadlines.watch(self)


def longest_line(limits: Limits, opening: Opening | None) -> int:
    """Return how many bytes the longest line of a peer may have."""
    return limits.max_line if opening is None else max(limits.max_line, opening.max_line)
