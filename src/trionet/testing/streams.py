"""Streams held in memory that behave as TCP does, on the Trio clock.

Unlike ``trio.testing.memory_stream_pair`` they are bounded, so that a peer that does not read
blocks the one who writes; they can send at once, so that the fast path is what tests run; and they
show what makes TCP hard: input cut anywhere, latency, stalls, resets, and the reset that comes from
closing with input unread.

Nothing here needs a task of its own: bytes arrive because their reader looks at the clock.
"""

from __future__ import annotations

import math
import operator
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import trio

from trionet.checks import check_flag, check_kind
from trionet.errors import ReceiveInterrupted
from trionet.transport.addresses import RemoteAddress

# Small enough that a test fills it with a few lines of code, large enough for a turn of chat.
DEFAULT_CAPACITY = 65536

Cut: TypeAlias = Callable[[int], int]
"""How input is cut into reads: handed the bytes that are there, returns how many to hand out."""


def cut_whole() -> Cut:
    """Hand out all that is there, as a fast network does."""
    return lambda available: available


def cut_bytes(size: int = 1) -> Cut:
    """Hand out `size` bytes at a time."""
    return lambda available: min(size, available)


def cut_at(places: Iterable[int]) -> Cut:
    """Cut at the given places, counted in bytes from the beginning, and nowhere after the last.

    Args:
        places: in ascending order.
    """
    left = deque(places)
    position = 0

    def cut(available: int) -> int:
        nonlocal position
        while left and left[0] <= position:
            left.popleft()
        size = min(available, left[0] - position) if left else available
        position += size
        return size

    return cut


def cut_at_random(seed: int | str) -> Cut:
    """Cut at places that are random, and the same for the same seed."""
    choose = random.Random(seed)
    return lambda available: choose.randint(1, available)


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """What one direction of a connection is like, or both.

    Args:
        capacity: bytes on their way or waiting to be read, after which the sender blocks.
        latency: seconds on the Trio clock until what is sent arrives.
        cut: makes the `Cut` of one direction; default `cut_whole`.
        sends_now: whether the sending end has the `trionet.SendsNow` capability. Without it, it is
            like a TLS stream.
    """

    capacity: int = DEFAULT_CAPACITY
    latency: float = 0.0
    cut: Callable[[], Cut] = cut_whole
    sends_now: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.capacity, bool) or not isinstance(self.capacity, int):
            raise TypeError(f"capacity must be a whole number of bytes, not {self.capacity!r}")
        if self.capacity < 1:
            raise ValueError("capacity must be at least 1")
        if isinstance(self.latency, bool) or not isinstance(self.latency, int | float):
            raise TypeError(f"latency must be a number of seconds, not {self.latency!r}")
        if not 0 <= self.latency < math.inf:
            raise ValueError("latency must be finite and not negative")
        if not callable(self.cut):
            raise TypeError(f"cut must make a cut, as cut_bytes does, not be {self.cut!r}")
        check_flag("sends_now", self.sends_now)


def check_link(name: str, link: object) -> None:
    """Refuse what is neither ``None`` nor a `Link`.

    Raises:
        TypeError: it is another thing, such as the class itself.
    """
    if link is not None:
        check_kind(name, link, Link, hint="Link(capacity=100)")


class _Direction:
    """The bytes from one end to the other."""

    def __init__(self, link: Link) -> None:
        self._capacity = link.capacity
        self._latency = link.latency
        try:
            self._cut = link.cut()
        except TypeError:
            raise TypeError("a link's cut is made anew for each: lambda: cut_at([3])") from None
        # What is on its way: when it arrives, and what; empty: the end.
        self._in_flight: deque[tuple[float, bytes]] = deque()
        self._arrived = bytearray()
        self._used = 0
        self.ended_by_sender = False
        self.end_arrived = False
        self.broken = False
        self.stalled = False
        self.interrupted = False
        self.reader = trio.lowlevel.ParkingLot()
        self.writer = trio.lowlevel.ParkingLot()

    @property
    def room(self) -> int:
        return self._capacity - self._used

    @property
    def has_arrived(self) -> bool:
        return bool(self._arrived)

    @property
    def has_unread(self) -> bool:
        return bool(self._used)

    def send(self, data: bytes | memoryview) -> int:
        """Take what there is room for."""
        taken = bytes(data[: self.room])
        if taken:
            self._used += len(taken)
            self._depart(taken)
        return len(taken)

    def end(self) -> None:
        self.ended_by_sender = True
        self._depart(b"")

    def _depart(self, data: bytes) -> None:
        self._in_flight.append((trio.current_time() + self._latency, data))
        self.reader.unpark_all()

    def arrive(self) -> float:
        """Let arrive what is due, and return when the next bytes are."""
        now = trio.current_time()
        while self._in_flight and not self.stalled:
            due, data = self._in_flight[0]
            if due > now:
                return due
            self._in_flight.popleft()
            self._arrived += data
            self.end_arrived = not data
        return math.inf

    def receive(self, max_bytes: int) -> bytes:
        """Hand out what has arrived, cut; empty: nothing has."""
        if not self._arrived:
            return b""
        size = self._cut(min(max_bytes, len(self._arrived)))
        data = bytes(self._arrived[:size])
        del self._arrived[:size]
        self._used -= len(data)
        self.writer.unpark_all()
        return data

    def wake(self) -> None:
        self.reader.unpark_all()
        self.writer.unpark_all()

    def destroy(self) -> None:
        """Break: what was not read is lost."""
        self.broken = True
        self._in_flight.clear()
        self._arrived.clear()
        self._used = 0
        self.wake()


class MemoryStream(trio.abc.HalfCloseableStream):
    """One end of a connection in memory; see `memory_stream_pair`.

    Attributes:
        peer: the other end's address as it is to be shown.
        remote: the other end's address, as a server counts by it; ``None``: not known.
    """

    def __init__(self, incoming: _Direction, outgoing: _Direction, *, peer: str) -> None:
        self._in = incoming
        self._out = outgoing
        self._closed = False
        self._receiving = False
        self._sending = False
        self.peer = peer
        self.remote: RemoteAddress | None = None

    def __repr__(self) -> str:
        if self._closed:
            state = ": closed"
        elif self._in.broken:
            state = ": reset"
        else:
            state = ": stalled" if self._in.stalled or self._out.stalled else ""
        return f"<{type(self).__name__} to {self.peer}{state}>"

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for input and return some of it; empty: the peer sends no more.

        Raises:
            trio.BrokenResourceError: the connection was reset.
            trio.ClosedResourceError: this end is closed.
            trio.BusyResourceError: another task is receiving.
            ReceiveInterrupted: `interrupt_receive` called the wait off.

        Cancellation: nothing is lost.
        """
        max_bytes = DEFAULT_CAPACITY if max_bytes is None else operator.index(max_bytes)
        if max_bytes < 1:
            raise ValueError("max_bytes must be at least 1")
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving on this stream")
        self._receiving = True
        self._in.interrupted = False
        try:
            await trio.lowlevel.checkpoint()
            while True:
                next_arrival = self._in.arrive()
                self._check_open()
                if self._in.broken:
                    raise trio.BrokenResourceError("connection reset by peer")
                if self._in.interrupted:
                    raise ReceiveInterrupted("interrupt_receive was called")
                data = self._in.receive(max_bytes)
                if data or self._in.end_arrived:
                    return data
                with trio.CancelScope(deadline=next_arrival):
                    await self._in.reader.park()
        finally:
            self._receiving = False

    def has_input(self) -> bool:
        """Tell whether there is input to receive now, its end aside. Never a checkpoint."""
        self._in.arrive()
        return self._in.has_arrived

    def interrupt_receive(self) -> None:
        """Make the `receive_some` that waits now, if one does, raise `ReceiveInterrupted`."""
        self._in.interrupted = True
        self._in.reader.unpark_all()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`, waiting for room.

        Raises:
            trio.BrokenResourceError: the connection was reset, or the other end is closed.
            trio.ClosedResourceError: this end is closed, or has ended its sending.
            trio.BusyResourceError: another task is sending.

        Cancellation: how much was sent is unknown; only closing is right after it.
        """
        self._check_not_sending()
        self._sending = True
        try:
            await trio.lowlevel.checkpoint()
            rest = memoryview(bytes(data))
            while True:
                rest = rest[self._send(rest) :]
                if not rest:
                    return
                await self._out.writer.park()
        finally:
            self._sending = False

    def _send(self, data: bytes | memoryview) -> int:
        self._check_sendable()
        if self._out.broken:
            raise trio.BrokenResourceError("connection reset by peer")
        return self._out.send(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room; see Trio's SendStream."""
        self._check_not_sending()
        self._sending = True
        try:
            await self._wait_room()
        finally:
            self._sending = False

    async def _wait_room(self) -> None:
        await trio.lowlevel.checkpoint()
        self._check_sendable()
        while not self._out.room and not self._out.broken:
            await self._out.writer.park()
            self._check_sendable()

    async def send_eof(self) -> None:
        """End the sending: the peer reads an end of input, this end can go on receiving."""
        self._check_not_sending()
        await trio.lowlevel.checkpoint()
        self._check_open()
        if not self._out.ended_by_sender:
            self._out.end()

    async def aclose(self) -> None:
        """Close; a checkpoint, but closed at once also when cancelled."""
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """Close at once. Never a checkpoint; closing again does nothing.

        As on TCP, closing with input unread is a reset: what the peer has not read yet is lost.
        """
        if self._closed:
            return
        self._closed = True
        if self._in.has_unread:
            self._out.destroy()
        elif not self._out.ended_by_sender:
            self._out.end()
        # What the other end sends from here on meets nobody.
        self._in.destroy()
        self._out.wake()

    def reset(self) -> None:
        """Close by a reset: the other end loses what it has not read. Never a checkpoint."""
        self._closed = True
        self._out.destroy()
        self._in.destroy()

    def stall(self, *, incoming: bool = True, outgoing: bool = True) -> None:
        """Let nothing more arrive, until `resume`. What has arrived can still be read.

        Args:
            incoming: hold what the other end sends.
            outgoing: hold what this end sends.
        """
        self._in.arrive()
        self._out.arrive()
        self._in.stalled |= incoming
        self._out.stalled |= outgoing

    def resume(self) -> None:
        """Let arrive again what was held, both ways."""
        for direction in (self._in, self._out):
            direction.stalled = False
            direction.wake()

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("the stream is closed")

    def _check_sendable(self) -> None:
        self._check_open()
        if self._out.ended_by_sender:
            raise trio.ClosedResourceError("sending was ended")

    def _check_not_sending(self) -> None:
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this stream")


class SendingNowMemoryStream(MemoryStream):
    """A memory stream with the `trionet.SendsNow` capability."""

    def send_nowait(self, data: bytes | memoryview) -> int:
        """Send what there is room for and return how many bytes that was. Never a checkpoint.

        Raises:
            trio.BrokenResourceError: the connection was reset, or the other end is closed.
            trio.ClosedResourceError: this end is closed, or has ended its sending.
            trio.BusyResourceError: a task is inside `send_all`.
        """
        self._check_not_sending()
        return self._send(data)

    def send_pieces_nowait(self, pieces: Sequence[bytes | memoryview]) -> int:
        """Do what `send_nowait` does for pieces, as if they were joined."""
        return self.send_nowait(b"".join(pieces))

    async def wait_writable(self) -> None:
        """Wait until there is room, or the connection is broken.

        Raises:
            trio.ClosedResourceError: this end is closed, or has ended its sending.
        """
        await self._wait_room()


def memory_stream_pair(
    link: Link | None = None,
    back: Link | None = None,
    *,
    names: tuple[str, str] = ("left", "right"),
) -> tuple[MemoryStream, MemoryStream]:
    """Return the two ends of a connection in memory.

    Args:
        link: what it is like from the first end to the second; default ``Link()``.
        back: what it is like from the second end to the first; default as `link`.
        names: what each end's address is; an end's ``peer`` is the name of the other.

    Resource handling: nothing is leaked by ends that are never closed.
    """
    link = link or Link()
    back = back or link
    there_bytes, back_bytes = _Direction(link), _Direction(back)
    first = SendingNowMemoryStream if link.sends_now else MemoryStream
    second = SendingNowMemoryStream if back.sends_now else MemoryStream
    return (
        first(back_bytes, there_bytes, peer=names[1]),
        second(there_bytes, back_bytes, peer=names[0]),
    )
