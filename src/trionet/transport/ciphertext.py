"""Ciphertext on its way between the engine of TLS and the transport, in both directions.

The plan of this file is that no task holds ciphertext of its own, so a cancelled call leaves
nothing half-sent or half-received behind:

- What TLS wants to send goes into one buffer, in order, and from there into the transport as far as
  that takes it without waiting. Less than one record waits there, and a receiver's answers to
  requests for new keys.
- What is received goes into the engine, in the same stretch.
"""

from __future__ import annotations

from contextlib import suppress

import trio

from trionet.abc import Transport
from trionet.errors import ReceiveInterrupted
from trionet.transport.tlsengine import RECORD_SIZE, TLSEngine

# A receiver's answers to requests for new keys wait while the peer reads nothing. Each is some
# 20 bytes, and honest peers ask once in millions of records.
_MAX_UNSENT = 65536

# Ciphertext is received in pieces of at least this many bytes: a handshake fits, and a caller that
# asks for one byte at a time does not cause a system call for each. Beyond that, no more is
# received than the caller asked for, because OpenSSL keeps a copy: it made a stranger whose input
# was read 4 KiB at a time cost 170 KiB.
LEAST = 4096

# A piece has at most one full record, with what encryption adds (RFC 8446, 5.2). OpenSSL never
# shrinks its buffer: with 64 KiB at a time, each peer that had sent as much went on costing 87 KiB.
_MOST = RECORD_SIZE + 5 + 256


class BrokenTLS(trio.BrokenResourceError):
    """TLS has failed, for example on input that is not TLS. The transport may still work."""


class Ciphertext:
    """Carries ciphertext between the engine and the transport of one TLS connection.

    Args:
        engine: encrypts and decrypts.
        transport: sends and receives. `close` closes it.

    Attributes:
        unsent: the ciphertext that waits for the transport.
        is_ended: whether ``close_notify`` is the last of it.
        is_closed: whether `close` was called.
        is_interrupted: whether `interrupt` was called. Whoever begins to receive sets it back.
    """

    __slots__ = ("_engine", "_transport", "is_closed", "is_ended", "is_interrupted", "unsent")

    def __init__(self, engine: TLSEngine, transport: Transport) -> None:
        self._engine = engine
        self._transport = transport
        self.unsent = b""
        self.is_ended = False
        self.is_closed = False
        self.is_interrupted = False

    def check_open(self) -> None:
        """Refuse a call on a closed connection.

        Raises:
            trio.ClosedResourceError: this side closed it.
        """
        if self.is_closed:
            raise trio.ClosedResourceError("the stream is closed")

    def check_usable(self) -> None:
        """Refuse a call on a closed or broken connection.

        Raises:
            trio.ClosedResourceError: this side closed it.
            trio.BrokenResourceError: it is broken; the message says why.
        """
        self.check_open()
        if self._engine.broken:
            raise BrokenTLS(self._engine.broken)

    def check_sendable(self) -> None:
        """Refuse to send on a connection that is closed or broken, or whose sending is ended.

        Raises what `check_usable` does.
        """
        self.check_usable()
        if self.is_ended:
            raise trio.ClosedResourceError("sending was ended")

    async def receive(self, max_bytes: int) -> None:
        """Wait for ciphertext and hand it to the engine, or the connection's end.

        Args:
            max_bytes: about how many bytes the caller wants; `LEAST` are received in any case, and
                never more than one record.

        Raises:
            trio.BrokenResourceError: the transport is broken.
            trio.ClosedResourceError: it is closed.
            trio.BusyResourceError: another task is receiving.
            ReceiveInterrupted: `interrupt` was called.

        Cancellation: nothing that was received is lost.
        """
        # An interruption may have come after part of a record had already woken the task.
        if self.is_interrupted:
            raise ReceiveInterrupted("interrupt_receive was called")
        size = min(max(max_bytes, LEAST), _MOST)
        self._engine.feed(await self._transport.receive_some(size))

    def interrupt(self) -> None:
        """Make a `receive` that waits now raise `ReceiveInterrupted`. Never a checkpoint."""
        self.is_interrupted = True
        if not self.is_closed:
            self._transport.interrupt_receive()

    def end(self) -> None:
        """Add ``close_notify``, unless it is there already; nothing comes after it."""
        if not self.is_ended:
            self._engine.close_notify()
            self.unsent += self._engine.take_output()
            self.is_ended = True

    async def flush(self) -> None:
        """Wait until the transport has taken everything. No checkpoint if it does so at once.

        Raises:
            trio.BrokenResourceError: the transport is broken.
            trio.ClosedResourceError: it is closed.

        Cancellation: what is left goes with the next call.
        """
        while self.push():
            await self._transport.wait_writable()

    def answer(self) -> None:
        """Send what TLS itself answers to the records received. Never a checkpoint.

        Breaks the connection if too much of that waits for the peer.
        """
        self.push_what_leaves()
        if len(self.unsent) > _MAX_UNSENT:
            self._engine.broken = "the other side asks for more answers than it reads"

    def push_what_leaves(self) -> None:
        """Send as much as leaves at once, if the transport still works. Never a checkpoint."""
        # Tasks that need the connection find out for themselves that it broke.
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            self.push()

    def push(self) -> bool:
        """Send as much as leaves at once, and return whether some is left. Never a checkpoint.

        Raises:
            trio.BrokenResourceError: the transport is broken.
            trio.ClosedResourceError: it is closed.
        """
        output = self._engine.take_output()
        # After ``close_notify`` the peer ignores anything else from the engine.
        if output and not self.is_ended:
            self.unsent += output
        if self.unsent:
            try:
                self.unsent = self.unsent[self._transport.send_nowait(self.unsent) :]
            except trio.BrokenResourceError:
                self.unsent = b""
                raise
        return bool(self.unsent)

    def close(self) -> None:
        """Send ``close_notify`` if that is possible at once, and close. Never a checkpoint.

        Closing again does nothing.
        """
        if self.is_closed:
            return
        self.is_closed = True
        try:
            if self._engine.secured and not self._engine.broken:
                self.end()
                self.push_what_leaves()
        finally:
            self._transport.close()
