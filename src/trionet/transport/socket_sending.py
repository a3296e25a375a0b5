"""The sending half of a socket stream.

`trionet.transport.sockets` adds the other half: receiving, and closing. What both need is here: the
socket, and the error by which the kernel told that the peer has vanished.

The plan of this file is that nothing is copied and nobody waits where the kernel takes the bytes at
once. Everything goes through one function, `SendingHalf._send_now`, which turns the kernel's errors
into Trio's; `SendingHalf.direct_send` alone leads past it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import trio

from trionet.argument_checks import shown
from trionet.errors import system_reason
from trionet.transport import kernel
from trionet.transport.tcp_user_timeout import Patience

T = TypeVar("T")


class SendingHalf(trio.abc.SendStream):
    """Sends on a connected stream socket: at once as far as that goes, or waiting.

    Args:
        sock: a connected stream socket; this makes it non-blocking.
        is_ready_tcp: see `trionet.transport.sockets.SocketStream`.

    Raises:
        TypeError: `sock` is something else, such as a socket of Trio's.
    """

    __slots__ = (
        "_is_tcp", "_patience", "_sending", "_sent_eof", "_sock", "_trio_waits", "_vanished",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, *, is_ready_tcp: bool = False) -> None:
        if not isinstance(sock, socket.socket):
            raise TypeError(f"sock must be a connected socket.socket, not {shown(sock)}")
        sock.setblocking(False)
        self._is_tcp = is_ready_tcp or kernel.is_tcp(sock)
        if self._is_tcp and not is_ready_tcp:
            # Lines are written whole: waiting for more to fill a packet would only delay them.
            with suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Trio also sets TCP_NOTSENT_LOWAT to 16 KiB, so that a sender learns early that its peer is
        # slow. That would give most bursts a task: on loopback the kernel takes 0.15 MB with it and
        # 3.9 without. What waits here, `Limits.max_waiting` bounds, and a deadline ends it.
        self._sock = sock
        # How many tasks wait for the socket in Trio's own epoll instance.
        self._trio_waits = 0
        # Whether a task is inside `send_all`, or waits for its turn to be.
        self._sending = False
        self._sent_eof = False
        # The kernel's report that the peer no longer answers. It comes only once.
        self._vanished: OSError | None = None
        self._patience: Patience | None = None

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        """Send what the kernel takes at once. Never a checkpoint.

        Returns:
            How many of the bytes were taken; 0: it would block.

        Raises:
            trio.BrokenResourceError: the peer reset or closed the connection.
            trio.ClosedResourceError: this side closed the stream, or ended its sending.
            trio.BusyResourceError: a task is inside `send_all`.
        """
        return self._send_now(self._sock.send, data)

    def direct_send(self) -> Callable[[bytes], int]:
        """Return the socket's own ``send``; see `trionet.SendsDirectly`.

        A message to a thousand members calls it a thousand times, each time for another socket that
        has left the CPU's caches. Any code in between costs three times what it costs when cached.
        """
        return self._sock.send

    def send_pieces_nowait(self, pieces: Sequence[bytes | memoryview]) -> int:
        """Send what the kernel takes of some pieces at once, without joining them.

        Never a checkpoint. Returns and raises what `send_nowait` does.
        """
        if not hasattr(self._sock, "sendmsg"):
            return self.send_nowait(b"".join(pieces))
        return self._send_now(self._sock.sendmsg, pieces)

    async def wait_writable(self) -> None:
        """Wait until `send_nowait` is likely to take something. Always a checkpoint.

        Raises:
            trio.BrokenResourceError: the peer has vanished, which only a patient stream notices
                here; any other finds out when it sends.
            trio.ClosedResourceError: this side closed the stream.

        Cancellation: nothing was sent.
        """
        while True:
            self._check_open()
            try:
                if self._patience is None:
                    return await self._wait_writable()
                return await self._patience.wait(trio.lowlevel.wait_writable)
            except OSError as error:
                raise self._vanish(error) from error
            except trio.ClosedResourceError:
                # `interrupt_receive` wakes the writer too: Trio cannot wake the reader alone.
                continue

    async def _wait_writable(self) -> None:
        self._trio_waits += 1
        try:
            await trio.lowlevel.wait_writable(self._sock)
        finally:
            self._trio_waits -= 1

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until `send_all` of a little data is likely not to block; see Trio's SendStream.

        Raises:
            trio.BrokenResourceError: see `wait_writable`.
            trio.ClosedResourceError: this side closed the stream.
            trio.BusyResourceError: another task is sending.

        Cancellation: nothing was sent.
        """
        if self._sending:
            raise _busy_error()
        # While this waits it counts as sending. That is Trio's contract, and a `send_eof` meanwhile
        # would leave it waiting for ever.
        self._sending = True
        try:
            await self.wait_writable()
        finally:
            self._sending = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`; see Trio's SendStream. Always a checkpoint.

        Raises:
            trio.BrokenResourceError: the peer reset or closed the connection, or has vanished.
            trio.ClosedResourceError: this side closed the stream, or ended its sending.
            trio.BusyResourceError: another task is sending.

        Cancellation: how much was sent is unknown; only closing is right after it.
        """
        if self._sending:
            raise _busy_error()
        self._sending = True
        try:
            await trio.lowlevel.checkpoint()
            self._check_open()
            with memoryview(data) as view:
                sent = 0
                while sent < len(view):
                    # This task is the one that sends, and no other can run in between.
                    self._sending = False
                    with view[sent:] as rest:
                        taken = self.send_nowait(rest)
                    self._sending = True
                    if not taken:
                        await self.wait_writable()
                    sent += taken
        finally:
            self._sending = False

    async def send_eof(self) -> None:
        """End the sending: the peer reads an end of input, and this side can go on receiving.

        Always a checkpoint. Ending it again does nothing, and a peer that is gone is no error.

        Raises:
            trio.ClosedResourceError: this side closed the stream.
            trio.BusyResourceError: another task is sending.

        Cancellation: the sending is not ended; call it again.
        """
        if self._sending:
            raise _busy_error()
        await trio.lowlevel.checkpoint()
        self.send_eof_nowait()

    def send_eof_nowait(self) -> None:
        """Do what `send_eof` does at once. Never a checkpoint."""
        if self._sending:
            raise _busy_error()
        self._check_open()
        if self._sent_eof:
            return
        self._sent_eof = True
        # The peer may already be gone; then nobody is left to tell.
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def unarrived(self) -> int | None:
        """Return how many bytes sent have not arrived; ``None``: the kernel does not tell.

        Never a checkpoint; see `trionet.TellsDelivery`.
        """
        if self._sock.fileno() < 0:
            return 0
        waiting = kernel.unsent(self._sock)
        if waiting and self._sent_eof and self._is_tcp:
            # The kernel counts the end of the sending as one byte.
            waiting -= 1
        return waiting

    def is_over(self) -> bool:
        """Return whether no more will arrive. Never a checkpoint; see `trionet.TellsDelivery`."""
        if self._sock.fileno() < 0:
            return True
        return self._is_tcp and kernel.is_closed(self._sock)

    def _send_now(self, send: Callable[[T], int], data: T) -> int:
        if self._sending:
            raise _busy_error()
        if self._sent_eof:
            raise trio.ClosedResourceError("sending was ended")
        try:
            sent = send(data)
            if self._patience is not None:
                self._patience.note_sent()
            return sent
        except BlockingIOError:
            return 0
        except OSError as error:
            self._check_open()
            if not isinstance(error, ConnectionError):
                # The kernel reports only once that the peer no longer answers. After that it shows
                # an ordinary end of input, so keep the error for the reader.
                self._vanished = error
            raise trio.BrokenResourceError(system_reason(error)) from error

    def _vanish(self, error: OSError) -> trio.BrokenResourceError:
        self._vanished = error
        return trio.BrokenResourceError(system_reason(error))

    def _check_open(self) -> None:
        if self._sock.fileno() < 0:
            raise closed_error()


def _busy_error() -> trio.BusyResourceError:
    return trio.BusyResourceError("another task is sending on this stream")


def closed_error() -> trio.ClosedResourceError:
    """Return the error for a call on a stream that this side closed."""
    return trio.ClosedResourceError("the stream is closed")
