"""What TLS wants to send: one buffer between the engine and the transport, in order.

No task holds ciphertext of its own, so a cancelled call leaves nothing half-sent behind.
"""

from __future__ import annotations

from contextlib import suppress

import trio

from trionet.abc import Transport
from trionet.transport.tlsengine import TLSEngine

# A receiver's answers to requests for new keys wait while the peer reads nothing. Each is some
# 20 bytes, and honest peers ask once in millions of records.
MAX_UNSENT = 65536


class Ciphertext:
    """The ciphertext of one TLS connection that the transport has not taken yet.

    Args:
        engine: where it comes from.
        transport: where it goes. The caller closes it.

    Attributes:
        unsent: the ciphertext that waits for the transport.
        is_ended: whether ``close_notify`` is the last of it.
    """

    __slots__ = ("_engine", "_transport", "is_ended", "unsent")

    def __init__(self, engine: TLSEngine, transport: Transport) -> None:
        self._engine = engine
        self._transport = transport
        self.unsent = b""
        self.is_ended = False

    def end(self) -> None:
        """Add ``close_notify``; nothing comes after it."""
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
        # After ``close_notify`` nobody listens to anything else from the engine.
        if output and not self.is_ended:
            self.unsent += output
        if self.unsent:
            try:
                self.unsent = self.unsent[self._transport.send_nowait(self.unsent) :]
            except trio.BrokenResourceError:
                self.unsent = b""
                raise
        return bool(self.unsent)
