"""TLS over any stream that can send at once.

`TLSStream` is to ``trio.SSLStream`` what `trionet.SocketStream` is to ``trio.SocketStream``: a
drop-in that also has what a server of lines needs. The protocol itself (`tlsengine.py`) does no
I/O. The plan is that no task waits while it holds ciphertext of its own:

- Ciphertext goes through one buffer, in order (`ciphertext.py`). So a cancelled call leaves nothing
  half-sent behind: unlike with Trio's stream, the next call goes on, and ``close_notify`` can still
  be sent.
- A sender makes one record at a time, and the next one when the last is gone. Where the transport
  takes a record at once, no task is needed (`tlssending.py`).
- A receiver never waits to send. What TLS itself answers leaves at once or with the next send.
- The first call that needs the handshake makes it (`tlshandshake.py`).
- Half-close is TLS's own (RFC 8446, 6.1): `TLSStream.send_eof` sends ``close_notify`` and goes on
  receiving. That is how a connection closes without losing what was sent last.

Many programs end a connection without ``close_notify``. But so can anybody on the wire, so such an
end proves nothing: `TLSStream.is_truncated` reports it, and line readers drop a line that it cuts.
"""

from __future__ import annotations

import ssl
from typing import cast

import trio

from trionet.abc import NamesPeer, Transport
from trionet.argument_checks import check_flag, check_kind, shown
from trionet.transport.addresses import RemoteAddress
from trionet.transport.readiness import Readiness, let_wait_with
from trionet.transport.sockets import receive_size
from trionet.transport.tlsengine import TLSEngine, check_context
from trionet.transport.tlshandshake import REFUSAL, send_in_the_clear
from trionet.transport.tlssending import SendingHalf

# More plain text than an engine can hold.
_ALL = 1 << 30


class TLSStream(SendingHalf, trio.abc.HalfCloseableStream):
    """An encrypted stream over another. The first call that needs the handshake makes it.

    Args:
        transport: the stream under it, on which nothing was received or sent yet. This stream
            closes it, and nobody else uses it.
        context: certificates and settings; see `trionet.transport.certificates`.
        server_side: this side accepted the connection; default ``False``.
        server_hostname: for a client: the name or address that the server's certificate must
            have; default ``None``.

    Attributes:
        peer: the other end's display address, from the transport.
        remote: the other end's address, from the transport; ``None``: not known.

    Raises:
        TypeError: `transport` or `context` is something else.

    Resource handling: `aclose` closes the transport too; whoever made the stream calls it.
    """

    __slots__ = ("_discards", "_plain", "peer", "remote")

    def __init__(
        self,
        transport: Transport,
        context: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
    ) -> None:
        if not hasattr(transport, "send_nowait"):
            kinds = "a trionet.SocketStream or another trionet.abc.Transport"
            raise TypeError(f"transport must be {kinds}, not {shown(transport)}")
        check_context(context)
        check_flag("server_side", server_side)
        if server_hostname is not None:
            check_kind("server_hostname", server_hostname, str)
        engine = TLSEngine(context, server_side=server_side, server_hostname=server_hostname)
        super().__init__(transport, engine)
        # Plain text that had to be decrypted before it was asked for.
        self._plain = b""
        # Whether records were thrown away, so that nothing can be decrypted any more.
        self._discards = False
        self.peer = transport.peer
        self.remote: RemoteAddress | None = getattr(transport, "remote", None)

    def __repr__(self) -> str:
        state = "closed" if self._ciphertext.is_closed else self._engine.broken
        return f"<{type(self).__name__} to {self.peer}{f': {state}' if state else ''}>"

    @property
    def is_private(self) -> bool:
        """Always true: nobody on the way can read along."""
        return True

    @property
    def awaits_header(self) -> bool:
        """Whether a proxy has not said yet for whom it speaks; see `trionet.abc.NamesPeer`."""
        return bool(getattr(self._transport, "awaits_header", False))

    @property
    def is_truncated(self) -> bool:
        """Whether the input has ended without the other side's ``close_notify``."""
        return self._engine.truncated

    async def learn_peer(self) -> None:
        """Learn for whom a proxy below speaks; see `trionet.abc.NamesPeer`.

        Raises:
            trio.BrokenResourceError: it does not say so.
            trio.ClosedResourceError: this side closed the stream.
            ReceiveInterrupted: `interrupt_receive` ended the wait.

        Cancellation: nothing is lost: the next call goes on.
        """
        self._ciphertext.check_open()
        await cast(NamesPeer, self._transport).learn_peer()
        self.peer = self._transport.peer
        self.remote = getattr(self._transport, "remote", None)

    async def do_handshake(self) -> None:
        """Make the handshake, or go on with it. If it is made, this is only a checkpoint.

        A server calls it in the handler's task, under a deadline of its own, so a silent peer keeps
        no other peer waiting.

        Raises:
            trio.BrokenResourceError: it failed, and so will all other calls; the message says why,
                such as ``certificate verify failed: certificate has expired``.
            trio.ClosedResourceError: this side closed the stream.
            ReceiveInterrupted: `interrupt_receive` ended the wait.

        Cancellation: nothing is lost, as with an interruption: the next call goes on.
        """
        self._ciphertext.is_interrupted = False
        await trio.lowlevel.checkpoint()
        self._ciphertext.check_usable()
        if self._handshake is not None:
            if self.awaits_header:
                await self.learn_peer()
            await self._handshake.make()
            self._handshake = None

    def wait_with(self, readiness: Readiness) -> None:
        """Wait for input through `readiness`, an epoll instance; see `SocketStream.wait_with`."""
        let_wait_with(self._transport, readiness)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for input and return some of it; empty: the peer will send no more.

        Args:
            max_bytes: at most this many bytes; default 65,536.

        Raises:
            trio.BrokenResourceError: the peer reset the connection, or the handshake failed.
            trio.ClosedResourceError: this side closed the stream.
            trio.BusyResourceError: another task is receiving.
            ReceiveInterrupted: `interrupt_receive` ended the wait.

        Cancellation: nothing that was received is lost, and sending goes on as if nothing had
        happened.
        """
        max_bytes = receive_size(max_bytes)
        self._ciphertext.is_interrupted = False
        if self._discards:
            self._ciphertext.check_open()
            # Nobody must take it for decrypted text.
            return bytes(len(await self._transport.receive_some(max_bytes)))
        if self._handshake is not None:
            await self.do_handshake()
        await trio.lowlevel.checkpoint_if_cancelled()
        waited = False
        while True:
            self._ciphertext.check_usable()
            data = self._take(max_bytes)
            if data or (self._engine.input_ended and not self._engine.broken):
                if not waited:
                    # A cancellation must not lose what was taken.
                    await trio.lowlevel.cancel_shielded_checkpoint()
                return data
            if not self._engine.broken:
                waited = True
                await self._ciphertext.receive(max_bytes)

    def has_input(self) -> bool:
        """Return whether something has come that was not received yet. Never a checkpoint.

        It may turn out to be part of a record, or nothing of the peer's text.
        """
        return not self._ciphertext.is_closed and (
            bool(self._plain) or self._engine.has_input() or self._transport.has_input()
        )

    def has_ended(self) -> bool:
        """Return whether the peer sends no more, though input may be unread. Never a checkpoint."""
        below = getattr(self._transport, "has_ended", None)
        return below is not None and bool(below())

    def interrupt_receive(self) -> None:
        """Make a `receive_some` or `do_handshake` that waits now raise `ReceiveInterrupted`.

        This harms neither the connection nor the handshake. Never a checkpoint.
        """
        self._ciphertext.interrupt()

    async def send_eof(self) -> None:
        """End the sending with ``close_notify``; this side can go on receiving.

        To a client that does not speak TLS this ends the plain answer, and its input is discarded
        as `discard_nowait` says.

        Raises:
            trio.BrokenResourceError: the connection is broken, or there was no handshake: then
                there is nothing to end, and nobody should wait for the handshake to begin.
            trio.ClosedResourceError: this side closed the stream.
            trio.BusyResourceError: another task is sending.

        Cancellation: call it again, or close.
        """
        self._begin_sending()
        try:
            await trio.lowlevel.checkpoint()
            if self._engine.met_plain_text:
                self._ciphertext.check_open()
                self._discards = True
                return await self._transport.send_eof()
            self._ciphertext.check_usable()
            if not self._engine.secured:
                raise trio.BrokenResourceError("there was no TLS handshake")
            if not self._ciphertext.is_ended:
                self._plain += self._engine.decrypt(_ALL)
                self._ciphertext.end()
            await self._ciphertext.flush()
            # For a peer that looks only at the end of the connection.
            await self._transport.send_eof()
        finally:
            self._sending = False

    def is_broken(self) -> bool:
        """Return whether nothing more can be sent, whatever the reason. Never a checkpoint.

        A server asks when a handler raised ``trio.BrokenResourceError``: this stream may have
        raised it, or another one.
        """
        if self._ciphertext.is_closed or self._engine.broken:
            return True
        try:
            # Nothing is sent, but a transport that is broken says so.
            self._transport.send_nowait(b"")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # After the end of the sending the transport takes nothing either, and is not broken.
            return not self._ciphertext.is_ended
        return False

    def discard_nowait(self) -> int:
        """Read and discard what is there, undecrypted, and return how many bytes that was.

        For a close; see `SocketStream.discard_nowait`. Never a checkpoint, and never raises. From
        then on `receive_some` returns a zero in place of each byte of raw input.
        """
        self._discards = True
        discard = getattr(self._transport, "discard_nowait", None)
        return 0 if discard is None else discard()

    def refuse(self) -> None:
        """Turn the other side away without a handshake, and close. Never a checkpoint.

        The other side gets a fatal alert in the clear: a handshake would cost this side a hundred
        times what it costs to ask for one.
        """
        if not self._ciphertext.is_closed and not self._engine.started:
            send_in_the_clear(self._transport, REFUSAL)
            self.discard_nowait()
        self.close()

    async def aclose(self) -> None:
        """Close. A checkpoint, but it closes at once even when cancelled."""
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """Send ``close_notify`` if that is possible at once, and close. Never a checkpoint.

        Closing again does nothing.
        """
        self._ciphertext.close()

    def _take(self, max_bytes: int) -> bytes:
        """Return plain text that is there; empty: none is there yet, or none will come."""
        if self._plain:
            data, self._plain = self._plain[:max_bytes], self._plain[max_bytes:]
            return data
        if self._engine.input_ended:
            return b""
        data = self._engine.decrypt(max_bytes)
        # The engine may have answers of its own.
        self._ciphertext.answer()
        return data
