"""What the parts of the toolkit ask of each other: every Protocol, once.

A Protocol says what its user needs, and nothing more. Who implements it and who uses it stands in
its first lines. Optional capabilities of a stream are looked for with ``hasattr``: a stream that
lacks one is served too, by a longer way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    import trio


@runtime_checkable
class Listener(Protocol):
    """A ``trio.abc.Listener`` that knows its own address and can accept without waiting."""

    @property
    def address(self) -> str:
        """The address as it is to be shown, numeric, with the real port."""

    async def accept(self) -> trio.abc.Stream:
        """Wait for a connection and return it."""

    def accept_nowait(self) -> trio.abc.Stream:
        """Return a connection that waits already, or raise ``trio.WouldBlock``."""

    async def aclose(self) -> None:
        """Stop listening."""


class TurnsAway(Protocol):
    """An optional capability of a listener: turning connections away that it cannot accept.

    `trionet.SocketListener` implements it: when the process is out of file descriptors, it accepts
    one connection at a time over a spare descriptor, sends `refusal` and closes. `trionet.serve`
    sets `refusal`, so that these peers too are answered in the service's wire format.
    """

    refusal: bytes


class Network(Protocol):
    """A network to serve on and to connect over."""

    async def listen(self, address: str, *, backlog: int | None = None) -> Sequence[Listener]:
        """Listen on every address that `address` stands for.

        Raises:
            AddressError: `address` cannot be read.
            ListenError: it cannot be listened on.
        """

    async def connect(self, address: str) -> trio.abc.Stream:
        """Connect to the first address that answers.

        Raises:
            AddressError: `address` cannot be read.
            ConnectError: nobody answers there.
        """


class Transport(Protocol):
    """What a `TLSStream` needs of the stream under it; trionet's own have it all."""

    @property
    def peer(self) -> str:
        """The other end's address as it is to be shown."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for input and return some of it; empty: the peer sends no more."""

    def interrupt_receive(self) -> None:
        """Make the `receive_some` that waits now raise `trionet.ReceiveInterrupted`."""

    def send_nowait(self, data: bytes | memoryview) -> int:
        """Send what is taken at once and return how many bytes that was."""

    async def wait_writable(self) -> None:
        """Wait until `send_nowait` is likely to take something."""

    def has_input(self) -> bool:
        """Tell whether there is input to receive now."""

    async def send_eof(self) -> None:
        """End the sending."""

    def close(self) -> None:
        """Close at once."""


class SendsNow(Protocol):
    """An optional capability of a stream: sending without a task.

    `trionet.Outbox` uses it where it is there. trionet's sockets and memory streams have it.
    """

    def send_nowait(self, data: bytes | memoryview) -> int:
        """Send what is taken at once and return how many bytes that was; 0: it would block."""

    async def wait_writable(self) -> None:
        """Wait until `send_nowait` is likely to take something."""


class SendsDirectly(SendsNow, Protocol):
    """A stream that sends at once, and that a sender to thousands can spare the way through.

    `trionet.Outbox` uses it where it is there. trionet's sockets have it.
    """

    def direct_send(self) -> Callable[[bytes], int]:
        """Return a function that does what `send_nowait` does, and nothing else besides.

        It raises what the system raises, such as a ``BlockingIOError``. It does not see whether a
        task is sending: there must be none.
        """

    def send_pieces_nowait(self, pieces: Sequence[bytes | memoryview]) -> int:
        """Do what `send_nowait` does for up to 16 pieces, as if they were joined."""


class ReceivesNow(Protocol):
    """An optional capability of a stream: waiting for input and taking it, one by one.

    `LineReader` uses it where it is there. trionet's sockets have it. It is ``receive_some`` with
    one coroutine less to walk through at each waking: 3 % of what a request costs.
    """

    def wait_input(self) -> Awaitable[object]:
        """Wait until `receive_nowait` is likely to return something."""

    def receive_nowait(self, max_bytes: int = 65536) -> bytes:
        """Return what is there, up to `max_bytes`; empty: the peer sends no more.

        Raises:
            trio.WouldBlock: nothing is there.
        """


class PeeksInput(Protocol):
    """An optional capability of a stream: telling whether there is input, without taking it.

    A `trionet.Connection` uses it where it is there, so that no deadline passes over input that
    came in time. trionet's sockets, TLS and memory streams have it.
    """

    def has_input(self) -> bool:
        """Tell whether there is input to receive now, its end aside. Never a checkpoint."""


class Interruptible(Protocol):
    """An optional capability of a stream: calling a waiting receive off.

    `LineReader.stop` uses it where it is there, and a cancel scope around each read elsewhere.
    """

    def interrupt_receive(self) -> None:
        """Make the ``receive_some`` that waits now raise `trionet.ReceiveInterrupted`."""


class TellsDelivery(Protocol):
    """An optional capability of a stream: telling how much of what was sent has arrived.

    `lingering_close` uses it where it is there. trionet's sockets have it on Linux.
    """

    def unarrived(self) -> int | None:
        """Return how many bytes have not arrived yet; ``None``: that cannot be told.

        On TCP: what the peer's kernel has not acknowledged. On a Unix socket: what the peer has not
        read. Never a checkpoint, and never raises.
        """

    def is_over(self) -> bool:
        """Return whether no more will arrive, because the connection is reset or closed."""


class Watched(Protocol):
    """Something with a deadline that moves."""

    def next_deadline(self) -> float:
        """Return when to look at this next, on the Trio clock; ``math.inf``: never."""

    def check_deadlines(self) -> None:
        """Do what is due. Never a checkpoint."""


class Box(Protocol):
    """Where a hub sends a member's lines.

    `trionet.Outbox` is one, and so is anything else that takes lines. `trionet.Hub` uses it.
    """

    def put(self, lines: bytes, /) -> None:
        """Take whole lines, without blocking and without raising."""


class Count(Protocol):
    """Lines and bytes that many outboxes were sent alike, counted once for all of them.

    A hub's format group keeps the count, and `trionet.Outbox` adds it to its own.
    """

    lines: int
    bytes: int


class DirectBox(Box, Protocol):
    """A box that a hub may send past: the hub does the work of its `put` itself.

    `trionet.Outbox` is one. A hub's format groups use it, so that they can serve a thousand members
    in one loop.

    Attributes:
        may_bypass_put: whether the hub may do so. It asks the class. A subclass that may override
            `put` says no.
        direct: sends lines at once, as far as the kernel takes them, and counts nothing; ``None``:
            the next lines have to wait.
    """

    may_bypass_put: ClassVar[bool]
    direct: Callable[[bytes], int] | None

    def put_pieces(self, pieces: Sequence[bytes | memoryview], lines: int, size: int) -> None:
        """Do what `put` does for lines in pieces, which are so many lines and bytes."""

    def keep(self, lines: bytes, count: int, sent: int) -> None:
        """Keep what was not sent of lines that are counted as sent, or count it as dropped."""

    def give_up_after(self, error: Exception) -> bool:
        """Give the peer up if an error of `direct` means that it is gone, and return whether."""

    def join_count(self, count: Count) -> bool:
        """Add a shared count to this box's own from now on; ``False``: it shares another one."""

    def leave_count(self) -> None:
        """Keep what the shared count holds so far, and count alone again."""

    def uncount(self, lines: int, size: int) -> None:
        """Take out lines and bytes that the shared count includes and this box was not sent."""
