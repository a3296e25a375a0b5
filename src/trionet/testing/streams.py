"""Streams held in memory that behave as TCP does, on the Trio clock.

They differ from ``trio.testing.memory_stream_pair`` in three ways. They are bounded, so a peer that
does not read makes its sender wait. They can send at once, so tests run the fast path. And they
show what makes TCP hard: input cut anywhere, latency, stalls, resets, and the reset that follows
from closing with unread input.

A stream is two directions, in and out; `direction.py` has the bytes on their way.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence

import trio

from trionet.argument_checks import check_flag, check_kind, check_kinds, shown
from trionet.errors import ReceiveInterrupted
from trionet.testing.direction import Direction
from trionet.testing.links import DEFAULT_CAPACITY, Link, check_link
from trionet.transport.addresses import RemoteAddress
from trionet.type_checks import as_bytes


class MemoryStream(trio.abc.HalfCloseableStream):
    """One end of a connection in memory; `memory_stream_pair` makes both.

    Attributes:
        peer: the other end's display address.
        remote: the other end's structured address, by which a server counts; ``None``: not known.

    Resource handling: `aclose` and `close` close this end; the other end reads its end of input.
    """

    def __init__(self, incoming: Direction, outgoing: Direction, *, peer: str) -> None:
        # `memory_stream_pair` makes these, and always right.
        check_kind("incoming", incoming, Direction, hint="memory_stream_pair()")
        check_kind("outgoing", outgoing, Direction, hint="memory_stream_pair()")
        check_kinds(peer=(peer, str))
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
        """Wait for input and return some of it; empty: the peer has ended its sending.

        Args:
            max_bytes: return no more than this many bytes; default 64 KiB.

        Raises:
            ValueError: `max_bytes` is less than 1.
            trio.BrokenResourceError: the connection was reset.
            trio.ClosedResourceError: this end is closed.
            trio.BusyResourceError: another task is receiving.
            ReceiveInterrupted: `interrupt_receive` was called.

        Cancellation: no input is lost.
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
        """Return whether there is input to receive; its end does not count. Never a checkpoint."""
        self._in.arrive()
        return self._in.has_arrived

    def has_ended(self) -> bool:
        """Return whether the peer sends no more, though input may be unread. Never a checkpoint."""
        self._in.arrive()
        return self._in.broken or self._in.end_arrived

    def interrupt_receive(self) -> None:
        """Make a `receive_some` that is waiting now raise `ReceiveInterrupted`."""
        self._in.interrupted = True
        self._in.reader.unpark_all()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`, waiting for room.

        Raises:
            trio.BrokenResourceError: the connection was reset, or the other end is closed.
            trio.ClosedResourceError: this end is closed, or has ended its sending.
            trio.BusyResourceError: another task is sending.

        Cancellation: nobody knows how much was sent, so all that is left to do is to close.
        """
        self._check_not_sending()
        self._sending = True
        try:
            await trio.lowlevel.checkpoint()
            rest = memoryview(as_bytes("data", data))
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
        """Wait until there is room, or the connection is broken. Always a checkpoint.

        Raises:
            trio.ClosedResourceError: this end is closed, or has ended its sending.
            trio.BusyResourceError: another task is sending.

        Cancellation: nothing happens.
        """
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
        """End the sending. The peer reads the end of its input; this end can go on receiving.

        Always a checkpoint. Ending it again does nothing.

        Raises:
            trio.ClosedResourceError: this end is closed.
            trio.BusyResourceError: another task is sending.

        Cancellation: the sending goes on.
        """
        self._check_not_sending()
        await trio.lowlevel.checkpoint()
        self._check_open()
        if not self._out.ended_by_sender:
            self._out.end()

    async def aclose(self) -> None:
        """Close. Always a checkpoint, and closed even if that is cancelled."""
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """Close at once. Never a checkpoint; closing again does nothing.

        As on TCP, closing with unread input is a reset: what the peer has not read yet is lost.
        """
        if self._closed:
            return
        self._closed = True
        if self._in.has_unread:
            self._out.destroy()
        elif not self._out.ended_by_sender:
            self._out.end()
        # Whatever the other end sends from now on is lost.
        self._in.destroy()
        self._out.wake()

    def reset(self) -> None:
        """Close by a reset: the other end loses whatever it has not read. Never a checkpoint."""
        self._closed = True
        self._out.destroy()
        self._in.destroy()

    def sever(self) -> None:
        """Break the connection on its way. Never a checkpoint.

        Both ends see a reset and lose what they have not read. A client that connects again does so
        as it would on a bad line; after `reset` it would find its own end closed.
        """
        self._out.destroy()
        self._in.destroy()

    def stall(self, *, incoming: bool = True, outgoing: bool = True) -> None:
        """Let nothing more arrive until `resume`. What has arrived can still be read.

        Args:
            incoming: hold back what the other end sends; default ``True``.
            outgoing: hold back what this end sends; default ``True``.
        """
        check_flag("incoming", incoming)
        check_flag("outgoing", outgoing)
        self._in.arrive()
        self._out.arrive()
        self._in.stalled |= incoming
        self._out.stalled |= outgoing

    def resume(self) -> None:
        """Deliver what `stall` held back, in both directions."""
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
    """A memory stream that can send at once, as `trionet.SendsNow`.

    `memory_stream_pair` makes both ends.

    Resource handling: `aclose` and `close` close this end.
    """

    def send_nowait(self, data: bytes | memoryview) -> int:
        """Send as many bytes as there is room for, and return how many. Never a checkpoint.

        Args:
            data: the bytes.

        Raises:
            trio.BrokenResourceError: the connection was reset, or the other end is closed.
            trio.ClosedResourceError: this end is closed, or has ended its sending.
            trio.BusyResourceError: a task is inside `send_all`.
        """
        self._check_not_sending()
        return self._send(as_bytes("data", data))

    def send_pieces_nowait(self, pieces: Sequence[bytes | memoryview]) -> int:
        """Send the pieces joined, as `send_nowait` does; return how many bytes that was."""
        return self.send_nowait(b"".join(pieces))

    async def wait_writable(self) -> None:
        """Wait until there is room or the connection is broken. Always a checkpoint.

        Raises:
            trio.ClosedResourceError: this end is closed, or has ended its sending.

        Cancellation: nothing happens.
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
        link: what the connection is like from the first end to the second; default ``Link()``.
        back: what it is like from the second end to the first; default as `link`.
        names: the address of each end; an end's ``peer`` is the name of the other. Default
            ``left`` and ``right``.

    Raises:
        TypeError: `link` or `back` is not a `Link`.

    Resource handling: ends that are never closed leak nothing.
    """
    check_link("link", link)
    check_link("back", back)
    if not isinstance(names, tuple | list) or len(names) != 2:
        raise TypeError(f"names must be two texts: write ('left', 'right'), not {shown(names)}")
    link = link or Link()
    back = back or link
    there_bytes, back_bytes = Direction(link), Direction(back)
    first = SendingNowMemoryStream if link.sends_now else MemoryStream
    second = SendingNowMemoryStream if back.sends_now else MemoryStream
    return (
        first(back_bytes, there_bytes, peer=names[1]),
        second(there_bytes, back_bytes, peer=names[0]),
    )
