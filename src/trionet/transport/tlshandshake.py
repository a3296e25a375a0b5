"""The handshake of a TLS connection, and the answers to those with whom there is none.

Any number of tasks may need the handshake at the same time, and the first of them makes it. A
cancelled or interrupted handshake goes on with the next call, because what was received is in the
engine, and what is to be sent in the ciphertext's buffer.

Two kinds of peers get no handshake, but an answer that they can read: one that does not speak TLS,
and one for which a busy server has no time.
"""

from __future__ import annotations

from contextlib import suppress

import trio

from trionet.abc import Transport
from trionet.transport.ciphertext import LEAST, Ciphertext
from trionet.transport.tlsengine import TLSEngine

# A fatal alert, `internal_error`, in the clear like every record before a handshake. It is the only
# possible answer to a client when there is no descriptor, or no time, for its handshake.
REFUSAL = b"\x15\x03\x03\x00\x02\x02\x50"

# The only answer for a client that does not speak TLS, such as a person with `nc` or a program with
# the wrong address.
PLAIN_ANSWER = b"error: this port speaks TLS\n"


class Handshake:
    """The handshake of one TLS connection, until it is made.

    Args:
        engine: knows how far it is.
        ciphertext: carries what it sends and receives.
        transport: takes the answer to a client that does not speak TLS.
    """

    __slots__ = ("_ciphertext", "_engine", "_lock", "_transport")

    def __init__(self, engine: TLSEngine, ciphertext: Ciphertext, transport: Transport) -> None:
        self._engine = engine
        self._ciphertext = ciphertext
        self._transport = transport
        # Held by the task that makes it; the others wait here.
        self._lock = trio.Lock()

    async def make(self) -> None:
        """Make it, or wait while another task does. Always a checkpoint.

        Raises:
            trio.BrokenResourceError: it failed; the message says why.
            trio.ClosedResourceError: this side closed the connection.
            ReceiveInterrupted: the wait for the other side was interrupted.

        Cancellation: nothing is lost: the next call goes on.
        """
        async with self._lock:
            while not self._engine.secured:
                self._ciphertext.check_usable()
                self._engine.shake_hands()
                if self._engine.broken:
                    # An alert tells the other side why, if it can be sent.
                    self._ciphertext.push_what_leaves()
                    continue
                await self._ciphertext.flush()
                if not self._engine.secured:
                    await self._ciphertext.receive(LEAST)
                    if self._engine.met_plain_text:
                        # Nothing else was sent, so this leaves whole. What the client goes on
                        # sending must be read, or the answer may be lost:
                        # `trionet.lingering_close` does so.
                        send_in_the_clear(self._transport, PLAIN_ANSWER)


def send_in_the_clear(transport: Transport, answer: bytes) -> None:
    """Send an answer that is not ciphertext, if the transport still works. Never a checkpoint."""
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        transport.send_nowait(answer)
