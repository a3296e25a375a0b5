"""A stream of lines over a WebSocket: what a server has in front of a browser.

The plan of this file:

- The stream is a shell around another one, in the clear or encrypted. Rules are elsewhere, and
  pure: `requests.py` says what a request gets, `messages.py` what frames mean.
- `WebSocketStream.do_handshake` is the whole HTTP of a connection (`opening.py`,
  `first_request.py`). So it has the deadline of a handshake, and a page or a refusal is a handshake
  that leads to no lines.
- An outbox sends whole frames on `WebSocketStream.wire`, past this stream: it wraps a batch once
  for all browsers. This stream's own frames, such as answers to pings, go through the outbox too
  (`WebSocketStream.answer_with`, `own_frames.py`), so frames never tear each other.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar, cast

import trio

from trionet.abc import Framing, Transport
from trionet.errors import ReceiveInterrupted
from trionet.lines import MAX_LINE
from trionet.transport.addresses import RemoteAddress
from trionet.transport.readiness import Readiness, let_wait_with
from trionet.transport.sockets import receive_size
from trionet.transport.web.answers import encode_refusal
from trionet.transport.web.frame_pace import AT_ONCE, FramePace
from trionet.transport.web.framing import FRAMES
from trionet.transport.web.messages import Messages
from trionet.transport.web.opening import Opening
from trionet.transport.web.own_frames import OwnFrames
from trionet.transport.web.site import Site

# The code of an end that needs no explanation (RFC 6455, 7.4.1).
_NORMAL = 1000

# How much input is looked through for the peer's goodbye once this side has ended its sending, in
# bytes. Further input is thrown away unread: 64 KiB of empty messages take 4 ms to take apart, and
# 300 peers who sent nothing else while they were being closed delayed everyone by 5 s.
_LOOKED_THROUGH = 16384


class WebSocketStream(trio.abc.HalfCloseableStream):
    """Lines over a WebSocket. The first call that needs the handshake makes it.

    What is sent must be whole lines; each call is a text message, or a few if it is long.

    Args:
        transport: the stream under it, on which nothing was received or sent yet. This stream
            closes it, and nobody else uses it, except as `wire` says.
        site: what the server serves and whom it trusts.

    Attributes:
        framing: how lines stand in what is sent on `wire`.
        wire: the stream under it, for an outbox that sends whole frames.
        max_line: bytes that a message may have, without its last line end; set it before the
            handshake. A longer one ends the connection with 1009.
    """

    framing: ClassVar[Framing] = FRAMES

    __slots__ = (
        "_discards", "_is_closed", "_is_interrupted", "_lines", "_messages", "_opening",
        "_own_frames", "_pace", "_resting", "_sending", "_sent_eof", "_to_look_through", "max_line",
        "wire",
    )  # fmt: skip

    def __init__(self, transport: trio.abc.HalfCloseableStream, site: Site) -> None:
        self.wire = transport
        self.max_line = MAX_LINE
        self._opening = Opening(transport, site)
        self._own_frames = OwnFrames(transport)
        self._messages: Messages | None = None
        # Lines that have come and that nobody has asked for yet.
        self._lines = b""
        # ``None`` as long as every frame has brought a line.
        self._pace: FramePace | None = None
        # The scope of a pause in `receive_some`; ``None``: there is none.
        self._resting: trio.CancelScope | None = None
        self._is_interrupted = False
        self._sending = False
        # Whether input was thrown away, so that nothing can be read any more.
        self._discards = False
        self._sent_eof = False
        # Bytes to look through once that is true.
        self._to_look_through = _LOOKED_THROUGH
        self._is_closed = False

    def __repr__(self) -> str:
        state = "" if self.is_open else ": not open yet"
        if self._is_closed:
            state = ": closed"
        elif self._opening.refused is not None:
            state = f": {self._opening.refused or 'answered'}"
        return f"<{type(self).__name__} to {self.peer}{state}>"

    @property
    def is_open(self) -> bool:
        """Whether frames can be sent: the handshake has led to a WebSocket."""
        return self._messages is not None

    @property
    def peer(self) -> str:
        """The other end's display address; see `Opening`."""
        return self._opening.peer

    @property
    def remote(self) -> RemoteAddress | None:
        """The other end's address; ``None``: not known, or not yet; see `Opening`."""
        return self._opening.remote

    @property
    def is_quiet(self) -> bool:
        """Whether its outcome is too ordinary for a line in a log; see `Opening`."""
        return self._opening.is_quiet

    @property
    def is_private(self) -> bool:
        """Whether nobody on the way can read along, as far as this server can know."""
        return self._opening.is_private

    @property
    def has_failed(self) -> bool:
        """Whether the input has ended because the peer broke the protocol."""
        return self._messages is not None and self._messages.has_failed

    @property
    def is_truncated(self) -> bool:
        """Whether the input has ended without a goodbye from the peer, of any kind."""
        if self._messages is not None and self._messages.is_over:
            return False
        return bool(getattr(self.wire, "is_truncated", False))

    @property
    def awaits_header(self) -> bool:
        """Whether a proxy has not said yet for whom it speaks; see `trionet.abc.NamesPeer`."""
        return self._opening.awaits_header

    async def learn_peer(self) -> None:
        """Learn for whom a proxy below speaks; see `trionet.abc.NamesPeer`.

        Raises and cancellation: as `do_handshake`.
        """
        self._check_usable()
        await self._opening.learn_peer()

    async def do_handshake(self) -> None:
        """Answer the request, or go on with that. Once it is made, this is only a checkpoint.

        Raises:
            trio.BrokenResourceError: there is no WebSocket, and all other calls will fail too. The
                message says why; it is empty where the request was answered with a file.
            trio.ClosedResourceError: this side closed the stream.
            ReceiveInterrupted: `interrupt_receive` ended the wait.

        Cancellation: before the answer nothing is lost: the next call goes on.
        """
        self._check_usable()
        if self._messages is not None:
            await trio.lowlevel.checkpoint()
            return
        rest = await self._opening.make()
        if self._messages is None:
            self._messages = Messages(self.max_line)
        if rest:
            self._take(rest)

    def answer_with(self, put: Callable[[bytes], object]) -> None:
        """Send this stream's own frames with a function from now on: that of an outbox."""
        self._own_frames.put_with(put)

    def wait_with(self, readiness: Readiness) -> None:
        """Wait for input through a shared epoll instance; see `SocketStream.wait_with`."""
        let_wait_with(self.wire, readiness)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for lines and return some of them; empty: the peer will send no more.

        Args:
            max_bytes: at most this many bytes; default 65,536.

        Raises:
            trio.BrokenResourceError: the peer reset the connection.
            trio.ClosedResourceError: this side closed the stream.
            ReceiveInterrupted: `interrupt_receive` ended the wait.

        Cancellation: nothing that was received is lost.
        """
        max_bytes = receive_size(max_bytes)
        self._is_interrupted = False
        has_failed = self._sent_eof and self.has_failed
        if self._opening.refused is not None or self._discards or has_failed:
            # Nobody must take it for lines.
            return bytes(len(await self.wire.receive_some(max_bytes)))
        if self._messages is None:
            await self.do_handshake()
        messages = self._messages
        assert messages is not None
        if self._lines or messages.is_over:
            await trio.lowlevel.checkpoint()
        while not self._lines and not messages.is_over:
            if self._pace is not None:
                await self._keep_pace(self._pace)
            # The wire only knows of an interruption while it waits.
            if self._is_interrupted:
                raise ReceiveInterrupted("interrupt_receive was called")
            data = b""
            if not messages.holds_more:
                most = min(max_bytes, self._to_look_through) if self._sent_eof else max_bytes
                data = bytes(await self.wire.receive_some(most))
                if not data:
                    return b""
            self._take(data)
            if self._sent_eof:
                self._to_look_through -= len(data)
                if self._to_look_through <= 0:
                    self._discards = True
                    return bytes(len(data))
        return self._handed_out(max_bytes)

    async def _keep_pace(self, pace: FramePace) -> None:
        """Let others run, and wait if the peer has sent too many frames without a line."""
        pause = pace.pause(trio.current_time())
        if pause <= 0:
            await trio.lowlevel.checkpoint()
        else:
            with trio.move_on_after(pause) as self._resting:
                await trio.sleep_forever()
            self._resting = None
        self._check_usable()

    def has_input(self) -> bool:
        """Tell whether something has come that was not received yet. Never a checkpoint."""
        holds_more = self._messages is not None and self._messages.holds_more
        if (self._lines or holds_more) and not self._discards:
            return True
        return not self._is_closed and cast(Transport, self.wire).has_input()

    def has_ended(self) -> bool:
        """Return whether the peer sends no more, though input may be unread. Never a checkpoint."""
        below = getattr(self.wire, "has_ended", None)
        return below is not None and bool(below())

    def interrupt_receive(self) -> None:
        """Make a `receive_some` or `do_handshake` that waits now raise `ReceiveInterrupted`."""
        self._is_interrupted = True
        if self._resting is not None:
            self._resting.cancel()
        cast(Transport, self.wire).interrupt_receive()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send whole lines; see Trio's SendStream.

        Raises:
            trio.BrokenResourceError: the connection is broken, or there is no WebSocket.
            trio.ClosedResourceError: this side closed the stream, or ended its sending.
            trio.BusyResourceError: another task is sending.
            ValueError: the last line has no end.

        Cancellation: how much was sent is unknown; only closing is right after it.
        """
        lines = bytes(data)
        if lines and not lines.endswith(b"\n"):
            raise ValueError("what is sent over a WebSocket must be whole lines")
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this stream")
        self._sending = True
        try:
            await self._prepare_sending()
            if self._own_frames.are_ended:
                raise trio.ClosedResourceError("sending was ended")
            await self._send(self._own_frames.take() + FRAMES.wrap(lines))
        finally:
            self._sending = False

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until `send_all` of a little data is likely not to block; see Trio's SendStream."""
        await self._prepare_sending()
        await self.wire.wait_send_all_might_not_block()

    def goodbye(self, code: int) -> bytes:
        """Return the frame that ends the sending; empty: it was returned before.

        Whoever calls this sends it, or knows that nothing can be sent any more.

        Args:
            code: why; a code that the peer sent or caused counts more.
        """
        if self._own_frames.are_ended or self._messages is None:
            return b""
        self._own_frames.are_ended = True
        return self._messages.goodbye(code)

    async def send_eof(self) -> None:
        """End the sending with a close frame; this side can go on receiving.

        Raises:
            trio.BrokenResourceError: the connection is broken.
            trio.ClosedResourceError: this side closed the stream.
            trio.BusyResourceError: another task is sending.

        Cancellation: call it again, or close.
        """
        if self._is_closed:
            raise trio.ClosedResourceError("the stream is closed")
        if not self._own_frames.are_ended and self._messages is not None:
            await self._send(self._own_frames.take() + self.goodbye(_NORMAL))
        self._sent_eof = True
        await self.wire.send_eof()

    def unarrived(self) -> int | None:
        """Return how many bytes have not arrived; ``None``: nobody tells. Never a checkpoint."""
        below = getattr(self.wire, "unarrived", None)
        return None if below is None else cast("int | None", below())

    def is_over(self) -> bool:
        """Return whether no more will arrive. Never a checkpoint; see `trionet.TellsDelivery`."""
        below = getattr(self.wire, "is_over", None)
        return self._is_closed or (below is not None and bool(below()))

    def is_broken(self) -> bool:
        """Return whether nothing more can be sent, whatever the reason. Never a checkpoint."""
        if self._is_closed or self._opening.refused is not None:
            return True
        below = getattr(self.wire, "is_broken", None)
        if below is not None:
            return bool(below())
        try:
            cast(Transport, self.wire).send_nowait(b"")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return not self._sent_eof
        except trio.BusyResourceError:
            pass
        return False

    def discard_nowait(self) -> int:
        """Read and discard what is there; see `SocketStream.discard_nowait`. Never raises.

        From then on `receive_some` returns a zero in place of each byte.
        """
        self._discards = True
        discard = getattr(self.wire, "discard_nowait", None)
        return 0 if discard is None else cast(int, discard())

    def refuse(self) -> None:
        """Turn the other side away without reading its request, and close. Never a checkpoint."""
        below = getattr(self.wire, "refuse", None)
        if below is not None:
            below()
        else:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                answer = encode_refusal(503, "the server is full")
                cast(Transport, self.wire).send_nowait(answer)
            self.discard_nowait()
        self.close()

    async def aclose(self) -> None:
        """Close. A checkpoint, but it closes at once even when cancelled."""
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """Close at once, without a close frame. Never a checkpoint; again does nothing."""
        self._is_closed = True
        if self._resting is not None:
            self._resting.cancel()
        cast(Transport, self.wire).close()

    def _take(self, data: bytes) -> None:
        """Take received bytes, and answer what is to be answered."""
        assert self._messages is not None
        lines, answers = self._messages.receive(data, AT_ONCE)
        if self._messages.bare_frames:
            self._pace = self._pace or FramePace()
            self._pace.charge(self._messages.bare_frames, trio.current_time())
        self._lines = self._lines + lines if self._lines else lines
        self._own_frames.answer(answers, is_free=not self._sending)

    def _handed_out(self, max_bytes: int) -> bytes:
        lines, self._lines = self._lines[:max_bytes], self._lines[max_bytes:]
        return lines

    async def _send(self, frames: bytes) -> None:
        is_sent = False
        try:
            await self.wire.send_all(frames)
            is_sent = True
        finally:
            if not is_sent:
                # A frame may be half sent: a close frame after it would be misread.
                self._own_frames.are_ended = True

    async def _prepare_sending(self) -> None:
        """Make the handshake for a sender, which is never interrupted."""
        while True:
            with suppress(ReceiveInterrupted):
                return await self.do_handshake()

    def _check_usable(self) -> None:
        if self._is_closed:
            raise trio.ClosedResourceError("the stream is closed")
        if self._opening.refused is not None:
            raise trio.BrokenResourceError(self._opening.refused)
