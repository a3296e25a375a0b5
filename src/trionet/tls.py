"""TLS over any stream that can send at once: encrypted lines on trionet's own sockets.

`TLSStream` is to ``trio.SSLStream`` what `trionet.SocketStream` is to ``trio.SocketStream``: a
drop-in with what a server of lines needs besides. The protocol itself (`trionet.tlsengine`) does
no I/O. The plan of this file is that nobody waits while he holds ciphertext of his own:

- All ciphertext goes into one buffer, in its order, and from there into the transport as far as
  that takes it without waiting. So a call that is cancelled leaves nothing half-sent behind:
  unlike with Trio's stream, the next one goes on, and the good-bye can still be said.
- A sender makes one record at a time, and the next when the last is gone: what waits in here
  stays below one record.
- A receiver never waits to send. What TLS wants to answer by itself leaves at once or with what
  is sent next.
- Half-close is TLS's own (RFC 8446, 6.1): `TLSStream.send_eof` says ``close_notify`` and goes on
  receiving, which is how a connection is closed without losing what was sent last.

A peer that ends the connection without ``close_notify``, as many programs do, has ended its
input. Whoever sits on the wire can do the same, so such an end proves nothing:
`TLSStream.is_truncated` tells it, and a line that was cut is dropped by those who read lines.
"""

from __future__ import annotations

import operator
import ssl
from contextlib import suppress
from typing import Protocol

import trio

from trionet.addresses import RemoteAddress
from trionet.errors import ReceiveInterrupted
from trionet.readiness import Readiness, let_wait_with
from trionet.sockets import RECEIVE_SIZE, SocketListener
from trionet.tlsengine import RECORD_SIZE, TLSEngine

# A receiver's answers (to requests for new keys) wait while the peer reads nothing. Each is some
# 20 bytes, and honest peers ask once in millions of records.
_MAX_UNSENT = 65536

_ALL = 1 << 30

# Ciphertext is received in pieces of at least so many bytes: a handshake fits, and whoever asks for
# a byte at a time does not cause a system call for each. No more is received than was asked for,
# because OpenSSL keeps a copy: a stranger that is read 4 KiB at a time cost 170 KiB.
_LEAST = 4096

# And of at most one full record, with what encryption adds (RFC 8446, 5.2). OpenSSL never gives
# back what its buffer took once: 64 KiB at a time left 87 KiB with each peer that had sent so much.
_MOST = RECORD_SIZE + 5 + 256

# A fatal alert, `internal_error`, in the clear as before any handshake: all that can be said to a
# client whose handshake there is no descriptor for.
REFUSAL = b"\x15\x03\x03\x00\x02\x02\x50"


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


class TLSStream(trio.abc.HalfCloseableStream):
    """An encrypted stream over another.

    The handshake is made by `do_handshake`, or by whatever else is called first.

    Args:
        transport: the stream under it, with nothing received or sent yet; closed with this one.
            Nobody else uses it.
        context: certificates and settings; see `trionet.certificates`.
        server_side: this side accepted the connection.
        server_hostname: to connect: the name or address that the server's certificate must have.

    Attributes:
        peer: the other end's address as it is to be shown, the transport's.
        remote: the other end's address, the transport's; ``None``: not known.
    """

    __slots__ = (
        "_closed",
        "_discards",
        "_engine",
        "_handshake",
        "_is_interrupted",
        "_plain",
        "_sending",
        "_sent_eof",
        "_transport",
        "_unsent",
        "peer",
        "remote",
    )

    def __init__(
        self,
        transport: Transport,
        context: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
    ) -> None:
        self._transport = transport
        self._engine = TLSEngine(context, server_side=server_side, server_hostname=server_hostname)
        # Held by the task that makes the handshake; none: it is made.
        self._handshake: trio.Lock | None = trio.Lock()
        # Ciphertext that the transport did not take yet.
        self._unsent = b""
        # Plain text that had to be decrypted before anybody asked for it.
        self._plain = b""
        self._sending = False
        self._sent_eof = False
        self._closed = False
        # Records were thrown away: nothing can be decrypted any more.
        self._discards = False
        self._is_interrupted = False
        self.peer = transport.peer
        self.remote: RemoteAddress | None = getattr(transport, "remote", None)

    def __repr__(self) -> str:
        if self._closed:
            state = ": closed"
        else:
            state = f": {self._engine.broken}" if self._engine.broken else ""
        return f"<{type(self).__name__} to {self.peer}{state}>"

    @property
    def is_truncated(self) -> bool:
        """Whether the input has ended without the other side's ``close_notify``."""
        return self._engine.truncated

    async def do_handshake(self) -> None:
        """Make the handshake, or go on with it. Made already: only a checkpoint.

        A server calls it under a deadline of its own, in the handler's task: a peer that says
        nothing keeps nobody else waiting.

        Raises:
            trio.BrokenResourceError: it failed, and so will all else; the message says why, such
                as ``certificate verify failed: certificate has expired``.
            trio.ClosedResourceError: this side closed the stream.
            ReceiveInterrupted: `interrupt_receive` called the wait off.

        Cancellation: nothing is lost, as after an interruption: called again, it goes on.
        """
        self._is_interrupted = False
        await trio.lowlevel.checkpoint()
        self._check_usable()
        if self._handshake is None:
            return
        async with self._handshake:
            while not self._engine.secured:
                self._check_usable()
                self._engine.shake_hands()
                if self._engine.broken:
                    # An alert tells the other side why, if it can be told.
                    self._push_what_leaves()
                    continue
                await self._flush()
                if not self._engine.secured:
                    await self._feed(_LEAST)
            self._handshake = None

    def wait_with(self, readiness: Readiness) -> None:
        """Have all waiting for input done by an object made for many; see `SocketStream`."""
        let_wait_with(self._transport, readiness)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for input and return some of it; empty: the peer sends no more.

        Args:
            max_bytes: at most this many bytes; default 65,536.

        Raises:
            trio.BrokenResourceError: the peer reset the connection, or what it sent is no TLS.
            trio.ClosedResourceError: this side closed the stream.
            trio.BusyResourceError: another task is receiving.
            ReceiveInterrupted: `interrupt_receive` called the wait off.

        Cancellation: nothing that was received is lost, and sending goes on as if nothing
        happened.
        """
        if max_bytes is None:
            max_bytes = RECEIVE_SIZE
        elif operator.index(max_bytes) < 1:
            raise ValueError("max_bytes must be at least 1")
        self._is_interrupted = False
        if self._discards:
            self._check_usable()
            return bytes(await self._transport.receive_some(max_bytes))
        if self._handshake is not None:
            await self.do_handshake()
        await trio.lowlevel.checkpoint_if_cancelled()
        waited = False
        while True:
            self._check_usable()
            data = self._take(max_bytes)
            if data or (self._engine.input_ended and not self._engine.broken):
                if not waited:
                    # What was taken must not be lost to a cancellation.
                    await trio.lowlevel.cancel_shielded_checkpoint()
                return data
            if not self._engine.broken:
                waited = True
                await self._feed(max_bytes)

    def has_input(self) -> bool:
        """Tell whether something came that was not received yet. Never a checkpoint.

        It may turn out to be a part of a record, or none of the peer's text.
        """
        return not self._closed and (
            bool(self._plain) or self._engine.has_input() or self._transport.has_input()
        )

    def interrupt_receive(self) -> None:
        """Make the `receive_some` or `do_handshake` that waits now raise `ReceiveInterrupted`.

        The connection is none the worse for it, and neither is the handshake.
        """
        self._is_interrupted = True
        if not self._closed:
            self._transport.interrupt_receive()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`; see Trio's SendStream.

        Raises:
            trio.BrokenResourceError: the connection is broken, or the handshake failed.
            trio.ClosedResourceError: this side closed the stream, or ended its sending.
            trio.BusyResourceError: another task is sending.

        Cancellation: how much was sent is unknown, but it is whole records: the stream can be
        sent on, ended and closed as if nothing happened.
        """
        self._begin_sending()
        try:
            await self._ensure_handshake()
            self._check_sendable()
            with memoryview(data) as view:
                for start in range(0, len(view), RECORD_SIZE):
                    # What an earlier call left behind comes first.
                    await self._flush()
                    self._check_sendable()
                    with view[start : start + RECORD_SIZE] as piece:
                        self._engine.encrypt(piece)
            await self._flush()
            self._check_usable()
        finally:
            self._sending = False

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until `send_all` of a little data is likely not to block; see Trio's SendStream."""
        self._begin_sending()
        try:
            await self._ensure_handshake()
            self._check_sendable()
            await self._flush()
            await self._transport.wait_writable()
        finally:
            self._sending = False

    async def send_eof(self) -> None:
        """End the sending with ``close_notify``; this side can go on receiving.

        Raises:
            trio.BrokenResourceError: the connection is broken, or there was no handshake: then
                nothing was said that could be ended, and nobody is to wait for it to begin.
            trio.ClosedResourceError: this side closed the stream.
            trio.BusyResourceError: another task is sending.

        Cancellation: call it again, or close.
        """
        self._begin_sending()
        try:
            await trio.lowlevel.checkpoint()
            self._check_usable()
            if not self._engine.secured:
                raise trio.BrokenResourceError("there was no TLS handshake")
            if not self._sent_eof:
                self._plain += self._engine.decrypt(_ALL)
                self._say_goodbye()
            await self._flush()
            # For a peer that goes by the connection's own end.
            await self._transport.send_eof()
        finally:
            self._sending = False

    def unarrived(self) -> int | None:
        """Return how many encrypted bytes have not arrived; see `trionet.stream.TellsDelivery`."""
        below = getattr(self._transport, "unarrived", None)
        waiting: int | None = None if below is None else below()
        return None if waiting is None else waiting + len(self._unsent)

    def is_over(self) -> bool:
        """Return whether no more will arrive; see `trionet.stream.TellsDelivery`."""
        below = getattr(self._transport, "is_over", None)
        return self._closed or (below is not None and below())

    def discard_nowait(self) -> int:
        """Read away what is there, undecrypted, for a close; see `SocketStream`.

        From then on `receive_some` returns what comes as it comes, and it can only be discarded.
        """
        self._discards = True
        discard = getattr(self._transport, "discard_nowait", None)
        return 0 if discard is None else discard()

    def refuse(self) -> None:
        """Turn the other side away without a handshake, and close. Never a checkpoint.

        All it hears is a fatal alert in the clear: a handshake would cost this side a hundred times
        what it costs to ask for one.
        """
        if not self._closed and not self._engine.started:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                self._transport.send_nowait(REFUSAL)
            self.discard_nowait()
        self.close()

    async def aclose(self) -> None:
        """Close; a checkpoint, but closed at once also when cancelled."""
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """Say ``close_notify`` if that can be sent at once, and close. Never a checkpoint.

        Closing again does nothing.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if self._engine.secured and not self._engine.broken:
                if not self._sent_eof:
                    self._say_goodbye()
                self._push_what_leaves()
        finally:
            self._transport.close()

    async def _ensure_handshake(self) -> None:
        """Make the handshake for a sender, whom nobody interrupts."""
        while True:
            with suppress(ReceiveInterrupted):
                return await self.do_handshake()

    async def _feed(self, max_bytes: int) -> None:
        # An interruption may have come when the task was woken already, by a part of a record.
        if self._is_interrupted:
            raise ReceiveInterrupted("interrupt_receive was called")
        size = min(max(max_bytes, _LEAST), _MOST)
        self._engine.feed(await self._transport.receive_some(size))

    def _take(self, max_bytes: int) -> bytes:
        """Return plain text that is there; empty: there is none yet, or no more."""
        if self._plain:
            data, self._plain = self._plain[:max_bytes], self._plain[max_bytes:]
            return data
        if self._engine.input_ended:
            return b""
        data = self._engine.decrypt(max_bytes)
        # What the engine answers by itself.
        self._push_what_leaves()
        if len(self._unsent) > _MAX_UNSENT:
            self._engine.broken = "the other side asks for more answers than it reads"
        return data

    def _say_goodbye(self) -> None:
        self._engine.say_goodbye()
        self._unsent += self._engine.take_output()
        self._sent_eof = True

    async def _flush(self) -> None:
        while self._push():
            await self._transport.wait_writable()

    def _push_what_leaves(self) -> None:
        # That the connection broke is for those to find out who need it.
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            self._push()

    def _push(self) -> bool:
        """Send ciphertext as far as it leaves at once, and return whether some is left."""
        output = self._engine.take_output()
        # After the good-bye the engine has nothing to say that anybody hears.
        if output and not self._sent_eof:
            self._unsent += output
        if self._unsent:
            try:
                self._unsent = self._unsent[self._transport.send_nowait(self._unsent) :]
            except trio.BrokenResourceError:
                self._unsent = b""
                raise
        return bool(self._unsent)

    def _begin_sending(self) -> None:
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this stream")
        self._sending = True

    def _check_sendable(self) -> None:
        self._check_usable()
        if self._sent_eof:
            raise trio.ClosedResourceError("sending was ended")

    def _check_usable(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("the stream is closed")
        if self._engine.broken:
            raise trio.BrokenResourceError(self._engine.broken)


class TLSListener(trio.abc.Listener[TLSStream]):
    """A listener whose connections are encrypted. It makes no handshakes: its streams do.

    Args:
        transport: the listener under it; closed with this one.
        context: the server's certificate and settings; see `trionet.certificates`.

    Attributes:
        address: its own address as it is to be shown.
        context: what the next connections get. It may be replaced at any time; connections that
            were accepted before keep theirs.
    """

    # `trionet.SystemNetwork` holds its listeners weakly.
    __slots__ = ("__weakref__", "_transport", "address", "context")

    def __init__(self, transport: SocketListener, context: ssl.SSLContext) -> None:
        self._transport = transport
        self.context = context
        self.address = f"tls:{transport.address}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self.address}, {self._transport!r}>"

    @property
    def closed(self) -> bool:
        """Whether the listener was closed."""
        return self._transport.closed

    async def accept(self) -> TLSStream:
        """Wait for a connection and return it, its handshake not begun.

        Raises:
            trio.ClosedResourceError: the listener was closed.
            trio.BusyResourceError: another task is in `accept`.

        Cancellation: no connection is lost.
        """
        return TLSStream(await self._transport.accept(), self.context, server_side=True)

    def accept_nowait(self) -> TLSStream:
        """Return a connection that waits already. Never a checkpoint.

        Raises:
            trio.WouldBlock: none waits, or the system lacks the means to take it.
            trio.ClosedResourceError: the listener was closed.
        """
        return TLSStream(self._transport.accept_nowait(), self.context, server_side=True)

    async def aclose(self) -> None:
        """Close the socket; a checkpoint, but closed at once also when cancelled."""
        await self._transport.aclose()
