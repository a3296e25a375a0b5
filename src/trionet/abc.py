"""Every Protocol of the toolkit: what its parts need from each other, and nothing more.

Each Protocol names who implements it and who uses it. Write a class with the methods of `Network`,
and trionet serves on it; nothing has to be derived or registered.

Most are *capabilities* of a stream, and optional. The toolkit runs on any ``trio.abc.Stream``; it
looks for a capability with ``hasattr``, and takes a longer way without it.

Docstrings tell errors and cancellation only where they differ from what Trio asks of streams and
listeners.

Layout: networks and listeners; what a stream can do; what stands between the parts of a server;
what a hub sends to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import trio

# Networks and listeners


@runtime_checkable
class Listener(Protocol):
    """A ``trio.abc.Listener`` that knows its own address and can accept without waiting.

    `trionet.SocketListener`, `trionet.TLSListener` and `trionet.testing.MemoryListener` implement
    it. A `Network` returns them, and `trionet.serve` accepts from them.

    Resource handling: whoever got it from a network closes it.
    """

    @property
    def address(self) -> str:
        """The display address: numeric, with the real port."""

    async def accept(self) -> trio.abc.Stream:
        """Wait for a connection and return it. Always a checkpoint.

        Cancellation: no connection is lost.
        """

    def accept_nowait(self) -> trio.abc.Stream:
        """Return a connection that is already waiting, or raise ``trio.WouldBlock``."""

    async def aclose(self) -> None:
        """Stop listening. Always a checkpoint, and complete even if cancelled."""


class AnswersWhileDraining(Protocol):
    """A capability of a listener: answering for a server that is about to end.

    `trionet.transport.web.listener.WebListener` implements it. `trionet.serve` goes on accepting
    from it until it has ended, so that whoever asks how the server is gets an answer.
    """

    def begin_drain(self) -> None:
        """Answer from now on that the server is about to end. Never a checkpoint."""


class OutlivesServer(Protocol):
    """A capability of a listener: its queue may be another server's after this one.

    `trionet.SocketListener` implements it, and so do the listeners around it. When the server
    drains, it leaves the connections in the queue of an inherited socket where they are: the next
    server accepts them. Nor does it accept from there to answer questions about its health.
    """

    @property
    def is_inherited(self) -> bool:
        """Whether somebody else, such as the supervisor, goes on holding the socket."""


class SharesQueue(Protocol):
    """A capability of a listener: other processes accept from the same queue.

    `trionet.SocketListener` implements it for the Unix sockets that workers share. When a server
    drains, it leaves the queue to the others.
    """

    @property
    def is_shared(self) -> bool:
        """Whether others accept from it as well."""


class TurnsAway(Protocol):
    """A capability of a listener: turning connections away that it cannot accept.

    `trionet.SocketListener` implements it: when the process is out of file descriptors, it accepts
    one connection at a time with a spare descriptor, sends `refusal` and closes. `trionet.serve`
    sets `refusal`, so that these peers too are answered in the service's wire format.
    """

    refusal: bytes


class Network(Protocol):
    """A network to serve on and to connect over.

    `trionet.SystemNetwork` and `trionet.testing.MemoryNetwork` implement it. `trionet.serve`
    listens on it, and the clients of the calculator and of the chat connect over it.
    """

    async def listen(self, address: str, *, backlog: int | None = None) -> Sequence[Listener]:
        """Listen on every address that `address` stands for, and return the listeners.

        Args:
            address: see `trionet.parse_address`.
            backlog: connections that the kernel holds ready; default ``None``: the network's own.

        Raises:
            AddressError: `address` cannot be read.
            ListenError: it cannot be listened on.

        Cancellation: nothing is listened on. Always a checkpoint.

        Resource handling: the caller closes the listeners.
        """

    async def connect(self, address: str) -> trio.abc.Stream:
        """Connect to the first address that answers, and return the stream.

        Raises:
            AddressError: `address` cannot be read.
            ConnectError: nobody answers there.

        Cancellation: leaves nothing behind. Always a checkpoint.

        Resource handling: the caller closes the stream.
        """


class Reloads(Protocol):
    """A capability of a network: reading its certificates again.

    `trionet.SystemNetwork` implements it. `trionet.run` and the serve commands use it on SIGHUP.
    """

    def reload(self) -> bool:
        """Read the certificates again, and return whether there were any to read."""


class TellsExpiry(Protocol):
    """A capability of a network: telling until when its certificate is good.

    `trionet.SystemNetwork` implements it. `trionet.serve` makes a metric of it.
    """

    def certificate_expiry(self) -> float | None:
        """Return when its listeners' certificate expires, in Unix time; ``None``: none is used."""


class WebFile(Protocol):
    """A file that a network serves to browsers.

    `trionet.chat.page.PageFile` implements it, and `trionet.transport.web.settings.WebSettings`
    uses it.
    """

    @property
    def media_type(self) -> str:
        """What it is, such as ``text/html; charset=utf-8``."""

    @property
    def body(self) -> bytes:
        """What is in it."""


# What a stream can do


class SendsNow(Protocol):
    """A capability of a stream: sending without a task.

    `trionet.SocketStream`, `trionet.TLSStream` and the memory streams of `trionet.testing`
    implement it. `trionet.Outbox` uses it, and needs a writer task only while the peer does not
    keep up.
    """

    def send_nowait(self, data: bytes | memoryview) -> int:
        """Send as much of `data` as possible at once; return how many bytes, perhaps 0."""

    async def wait_writable(self) -> None:
        """Wait until `send_nowait` is likely to send something. Always a checkpoint."""


class SendsDirectly(SendsNow, Protocol):
    """A capability of a stream: a shortcut to the kernel for senders to thousands.

    `trionet.SocketStream` implements it. `trionet.Outbox` and the hub's format groups use it.
    """

    def direct_send(self) -> Callable[[bytes], int]:
        """Return a function that does what `send_nowait` does, with nothing around it.

        It raises what the kernel reports, such as a ``BlockingIOError``. It does not notice whether
        a task is sending at the same time: no task may be.
        """

    def send_pieces_nowait(self, pieces: Sequence[bytes | memoryview]) -> int:
        """Send up to 16 pieces as `send_nowait` does; return how many bytes that was."""


class ReceivesNow(Protocol):
    """A capability of a stream: waiting for input apart from taking it.

    `trionet.SocketStream` implements it. `trionet.LineReader` uses it where the stream is
    `Interruptible` too; any other stream it reads with ``receive_some``. Each wakeup then passes
    through one coroutine less: 3 % of what a request costs.
    """

    def wait_input(self) -> Awaitable[object]:
        """Wait until `receive_nowait` is likely to return something."""

    def receive_nowait(self, max_bytes: int = 65536) -> bytes:
        """Return the input that is there; empty: the peer sends no more.

        Args:
            max_bytes: at most this many bytes; default 65,536.

        Raises:
            trio.WouldBlock: there is none.
        """


# See `CallsOnInput`.
OnInput: TypeAlias = Callable[[float], bool]


class CallsOnInput(Protocol):
    """A capability of a stream: calling a function when input comes.

    `trionet.SocketStream` implements it for TCP on Linux. `trionet.Connection` uses it to answer
    lines without waking the connection's task.
    """

    def call_on_input(self, function: OnInput | None, /) -> None:
        """Call a function whenever input comes while a task waits for it in `wait_input`.

        The function takes input with `receive_nowait`. It is called with the time on the Trio
        clock, and returns whether the task may go on waiting; if not, the task is woken. It must
        not raise. The time may be 2 ms old; after a call that takes longer, the task is woken in
        any case. ``None``: call nothing any more.
        """


class PeeksInput(Protocol):
    """A capability of a stream: telling whether there is input, without taking it.

    `trionet.SocketStream`, `trionet.TLSStream` and the memory streams of `trionet.testing`
    implement it. `trionet.Connection` uses it, so that no deadline passes over input that came in
    time.
    """

    def has_input(self) -> bool:
        """Return whether there is input now; its end does not count. Never a checkpoint."""


class TellsEnd(Protocol):
    """A capability of a stream: telling whether the peer has ended, without receiving.

    `trionet.SocketStream`, `trionet.TLSStream` and the memory streams of `trionet.testing`
    implement it. The chat uses it for a peer that has gone before its login came back.
    """

    def has_ended(self) -> bool:
        """Return whether the peer sends no more, though input may be unread. Never a checkpoint."""


class Interruptible(Protocol):
    """A capability of a stream: calling off a receive that waits.

    `trionet.SocketStream`, `trionet.TLSStream` and the memory streams of `trionet.testing`
    implement it. `trionet.LineReader.stop` uses it; without it, each read needs a cancel scope of
    its own.
    """

    def interrupt_receive(self) -> None:
        """Make a waiting ``receive_some`` raise `trionet.ReceiveInterrupted`."""


class TellsDelivery(Protocol):
    """A capability of a stream: telling how much of what was sent has arrived.

    `trionet.SocketStream` and `trionet.TLSStream` implement it on Linux. `trionet.lingering_close`
    uses it to close as soon as everything has arrived, and no sooner.
    """

    def unarrived(self) -> int | None:
        """Return how many bytes have not arrived yet; ``None``: the kernel does not tell.

        On TCP: what the peer's kernel has not acknowledged. On a Unix socket: what the peer has not
        read. Never a checkpoint, and never raises.
        """

    def is_over(self) -> bool:
        """Return whether nothing more can arrive, because the connection is reset or closed."""


class Framing(Protocol):
    """How whole lines stand in what a stream is sent: as they are, or in frames.

    `trionet.transport.boundaries.Lines` and `trionet.transport.web.framing.Frames` implement it.
    `trionet.Outbox` and its queue use it, and so do a hub's format groups: what goes to all of them
    is wrapped once. A *block* is whole lines or whole frames; `begin` and the values that are
    returned are places in it where one ends.
    """

    def wrap(self, lines: bytes, /) -> bytes:
        """Return whole lines as they are to be sent."""

    def wrap_pieces(
        self, pieces: Sequence[bytes | memoryview], size: int, /
    ) -> Sequence[bytes | memoryview] | None:
        """Do the same for lines in pieces, without joining them; ``None``: it cannot be done."""

    def end_from(self, block: bytes, begin: int, at: int, /) -> int:
        """Return the first end at `at` or after it."""

    def last_end(self, block: bytes, begin: int, most: int, /) -> int:
        """Return the last end within `most` bytes from `begin`, or else the first end."""

    def count(self, block: bytes, begin: int, end: int, /) -> int:
        """Count the lines from one end to another."""

    def lines_of(self, block: bytes, begin: int, end: int, /) -> bytes:
        """Return the lines from one end to another."""

    def undroppable(self, block: bytes, begin: int, end: int, /) -> bytes:
        """Return what must be sent although the lines around it are dropped."""

    def parts(self, block: bytes, most: int, /) -> list[tuple[bytes, int]]:
        """Cut a block into parts of at most `most` bytes, and count the lines of each."""


class Framed(Protocol):
    """A capability of a stream: lines that travel in frames of a protocol.

    `trionet.transport.web.stream.WebSocketStream` implements it. `trionet.Connection` sends whole
    frames on `wire` through its outbox, and lets the stream send its own frames the same way.
    """

    framing: Framing
    wire: trio.abc.SendStream

    max_line: int

    @property
    def is_open(self) -> bool:
        """Whether frames can be sent: the handshake is made."""

    @property
    def is_quiet(self) -> bool:
        """Whether the outcome of the handshake is too ordinary for a line in a log."""

    @property
    def has_failed(self) -> bool:
        """Whether the input has ended because the peer broke the protocol."""

    def answer_with(self, put: Callable[[bytes], object], /) -> None:
        """Send the stream's own frames, such as answers to pings, with this function."""

    def goodbye(self, code: int, /) -> bytes:
        """Return the frame that ends the sending, with this close code unless the peer sent one."""


class TellsPrivacy(Protocol):
    """A capability of a stream: telling whether nobody on the way can read along.

    `trionet.TLSStream` and `trionet.transport.web.stream.WebSocketStream` implement it. The chat
    takes a password only there, and from peers on this machine.
    """

    @property
    def is_private(self) -> bool:
        """Whether nobody can read along, as far as this side can know."""


class TellsBreakage(Protocol):
    """A capability of a stream: telling whether it is broken.

    `trionet.TLSStream` implements it. `trionet.Connection` uses it to tell whether a handler's
    ``BrokenResourceError`` is its own peer's doing; any other stream it tries with `send_nowait`.
    """

    def is_broken(self) -> bool:
        """Return whether nothing more can be sent. Never a checkpoint."""


class TellsTruncation(Protocol):
    """A capability of a stream: telling whether its end was announced by the peer.

    `trionet.TLSStream` implements it. `trionet.LineReader` uses it to recognise an end that anybody
    on the way could have caused.
    """

    @property
    def is_truncated(self) -> bool:
        """Whether the input has ended without a goodbye from the peer."""


class DiscardsInput(Protocol):
    """A capability of a stream: throwing input away without waiting.

    `trionet.SocketStream` and `trionet.TLSStream` implement it. `trionet.lingering_close` uses it,
    because closing a socket with unread input resets the connection.
    """

    def discard_nowait(self) -> int:
        """Throw away what has come, and return how many bytes that was. Never raises."""


class EndsSendingNow(Protocol):
    """A capability of a stream: ending its sending without waiting.

    `trionet.SocketStream` implements it. `trionet.lingering_close` uses it, and waits for
    ``send_eof`` of other streams.
    """

    def send_eof_nowait(self) -> None:
        """End the sending at once; again does nothing. Never a checkpoint.

        Raises:
            trio.ClosedResourceError: this side closed the stream.
            trio.BusyResourceError: a task is sending.
        """


class ClosesNow(Protocol):
    """A capability of a stream: closing without a checkpoint.

    All streams of trionet implement it. `trionet.serve` uses it at the end of each connection.
    """

    def close(self) -> None:
        """Close at once; closing again does nothing."""


class KnowsItsPeer(Protocol):
    """A capability of a stream: telling who is at the other end.

    All streams of trionet implement it. `trionet.Connection` shows ``peer``, and the limits on one
    host go by ``remote``. Without it, the peer is unknown and has no host.
    """

    @property
    def peer(self) -> str:
        """The peer's display address."""

    @property
    def remote(self) -> object:
        """The peer's address as `trionet.parse_address` returns it; ``None``: not known."""


class NamesPeer(Protocol):
    """A capability of a stream: learning who the peer is from what comes first.

    `trionet.transport.proxied.ProxiedStream` implements it, for proxies that speak for others, and
    so do the TLS and WebSocket streams around it. `trionet.serve` learns the peer in the handler's
    task, under `trionet.Limits.handshake_timeout`, before any other handshake: the peer may come
    too often for one.
    """

    @property
    def awaits_header(self) -> bool:
        """Whether the peer is not known yet."""

    async def learn_peer(self) -> None:
        """Read what says who the peer is. From then on ``peer`` and ``remote`` are the peer's."""


class ShakesHands(Protocol):
    """A capability of a stream: a handshake before the first line.

    `trionet.TLSStream` and `trionet.transport.web.stream.WebSocketStream` implement it.
    `trionet.serve` makes the handshake in the handler's task, under
    `trionet.Limits.handshake_timeout`, and refuses a flood of newcomers without one.
    """

    async def do_handshake(self) -> None:
        """Make the handshake. Always a checkpoint.

        Raises:
            trio.BrokenResourceError: there is none; the message is the reason.

        Cancellation: the stream is useless afterwards; close it.
        """

    def refuse(self) -> None:
        """Turn the peer away without a handshake, and close. Never a checkpoint."""


class Transport(SendsNow, Interruptible, PeeksInput, ClosesNow, Protocol):
    """What TLS needs from the stream under it.

    `trionet.SocketStream` and the streams of `trionet.testing` implement it, and
    `trionet.TLSStream` runs over it.
    """

    @property
    def peer(self) -> str:
        """The peer's display address."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for input and return some of it; empty: the peer sends no more."""

    async def send_eof(self) -> None:
        """End the sending."""


# Between the parts of a server


class Holding(Protocol):
    """Something that holds lines back until the end of a round.

    `trionet.Outbox` implements it, and `trionet.connection.deferred_sends.DeferredSends` uses it.
    """

    def release(self) -> None:
        """Send what is held back. Never a checkpoint."""

    def give_up(self) -> None:
        """Drop all that waits, and send nothing more. Never a checkpoint."""


class Rounds(Protocol):
    """Something that is told which tasks run together.

    `trionet.connection.deferred_sends.DeferredSends` implements it, and
    `trionet.transport.readiness.Readiness` tells it.
    """

    def begin(self, woken: int, /, *, flushes: bool = False) -> None:
        """Note that this many connections are served now, one after the other.

        Args:
            woken: how many.
            flushes: the caller calls `flush` before it lets any other task run.
        """

    def flush(self) -> None:
        """Send what these connections have left unsent."""


class Missing(Protocol):
    """What a slow peer has missed and not been told, for a format that tells more than a count.

    `trionet.chat.formats.json_missing.Missing` implements it for JSON lines, and `TellsMissed` uses
    it. The outbox makes one when it drops the first line, and forgets it once the peer has the
    beginning of the notice. It must be bounded in bytes, whatever is dropped.
    """

    def add(self, lines: bytes, /) -> None:
        """Note whole lines that were dropped, after all that were noted before."""

    def add_all(self, later: Self, /) -> None:
        """Note what another object has noted, which was dropped later."""

    def encode(self) -> bytes:
        """Return the lines, at least one, that tell the peer."""


class TellsMissed(Protocol):
    """Makes the lines that tell a slow peer what it missed.

    `trionet.connection.safe_notices.SafeNotices` implements it, and the queue of a `trionet.Outbox`
    uses it.
    """

    @property
    def notes_lines(self) -> bool:
        """Whether the lines that are dropped must be noted, and not only counted."""

    def note(self, noted: Missing | None, lines: bytes, /) -> Missing | None:
        """Note dropped lines, and return what has noted them."""

    def joined(self, earlier: Missing | None, later: Missing | None, /) -> Missing | None:
        """Return one object that has noted what both have noted."""

    def missed(self, count: int, noted: Missing | None, /) -> bytes:
        """Return the lines that tell a peer what it missed."""


class Watched(Protocol):
    """Something with a deadline that moves.

    `trionet.Connection` implements it. `trionet.connection.deadlines.Deadlines` watches thousands
    of them with one task.
    """

    def next_deadline(self) -> float:
        """Return when to check this next, on the Trio clock; ``math.inf``: never."""

    def check_deadlines(self) -> str | None:
        """Do what is due. Never a checkpoint.

        Returns:
            The name of the deadline that has passed, to be counted; ``None``: none has.
        """


# What a hub sends to


class Box(Protocol):
    """Where a hub sends a member's lines.

    `trionet.Outbox` is one, and so is anything else that takes lines. `trionet.Hub` uses it.
    """

    def put(self, lines: bytes, /) -> None:
        """Take whole lines, without blocking and without raising."""


class Count(Protocol):
    """How many lines and bytes a whole group of outboxes was sent, counted once for all of them.

    If a hub sends ten lines to a thousand members, it adds ten to one shared count, not to a
    thousand. A hub's format group keeps the count, and `trionet.Outbox` adds it to its own.
    """

    lines: int
    bytes: int


class DirectBox(Box, Protocol):
    """A box whose `put` a hub may bypass: the hub does the work of `put` itself.

    `trionet.Outbox` is one. A hub's format groups use it to serve a thousand members in one loop,
    without a call for each: they call `direct`, and hand what it did not send to `keep_parts`.

    Attributes:
        may_bypass_put: whether the hub may do so. The hub looks at the class, not at the object. A
            subclass that may override `put` sets it to ``False``.
        direct: sends lines at once, as many bytes as the kernel takes, and counts nothing;
            ``None``: lines already wait, so the next ones have to wait behind them.
    """

    may_bypass_put: ClassVar[bool]
    direct: Callable[[bytes], int] | None

    @property
    def framing(self) -> Framing | None:
        """How lines must stand in what `direct` and `keep_parts` get; ``None``: as they are."""

    def put_pieces(self, pieces: Sequence[bytes | memoryview], lines: int, size: int) -> None:
        """Do what `put` does for `lines` lines of `size` bytes, in pieces of whole lines each."""

    def keep_parts(self, parts: Iterable[tuple[bytes, int]], sent: int) -> None:
        """Keep what was not sent of lines that are counted as sent, or count it as dropped.

        The lines come in parts: whole lines each, and how many they are.
        """

    def give_up_after(self, error: Exception) -> bool:
        """Give the peer up if an error of `direct` means that it is gone, and return whether."""

    def join_count(self, count: Count) -> bool:
        """Add a shared count to this box's own from now on; ``False``: it shares another one."""

    def leave_count(self) -> None:
        """Keep what the shared count holds so far, and count alone again."""

    def uncount(self, lines: int, size: int) -> None:
        """Take out lines and bytes that the shared count includes and this box was not sent."""
