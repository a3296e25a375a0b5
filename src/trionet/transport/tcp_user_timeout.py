"""Keep a client's own kernel from cutting it off while a server is alive but takes nothing.

``TCP_USER_TIMEOUT`` ends a connection whose peer acknowledges nothing for that long. But Linux also
ends a connection whose peer answers each probe and has no room: for example a client that has sent
more than the server's kernel holds, and waits for its turn in the listen backlog. That wait may
take longer than a peer may vanish for. So a task that waits looks from time to time what kind of
silence it is, and lifts the timeout for as long as it is this kind.

Patience costs a cancel scope for each wait, and most waits need none. So a client waits plainly
until it has sent much.

Only Linux has this timeout; elsewhere there is nothing to lift.
"""

from __future__ import annotations

import enum
import errno
import os
import socket
import struct
import sys
from collections.abc import Awaitable, Callable

import trio

from trionet.transport.kernel import unsent

# How long a kernel waits for an acknowledgement, in milliseconds; see `trionet.transport.tcp`.
USER_TIMEOUT = 100_000

# How often a task that waits looks. Three looks come before the timeout.
_LOOK_SECONDS = 30.0

# To a server that takes nothing, more bytes than this are on their way; to one that answers
# requests, seldom as many.
_MUCH = 4096

# Places in struct tcp_info (linux/tcp.h): how many probes are unanswered, how many packets are on
# their way, how many milliseconds ago the last acknowledgement came, how many bytes are not sent
# yet; and the size up to there.
_PROBES, _UNACKED, _LAST_ACK, _NOT_SENT, _SIZE = 3, 24, 56, 144, 148

HAS_PATIENCE = sys.platform == "linux"


class _Waiting(enum.Enum):
    """How a task waits for a client's input."""

    OTHERWISE = "patiently, or not at all"
    PLAINLY = "without the patience that it may need by now"
    RECALLED = "plainly until it runs again, and then with patience"


class Patience:
    """Decides for one client's connection when the kernel may give it up.

    Args:
        sock: a connected TCP socket whose ``TCP_USER_TIMEOUT`` is set to `USER_TIMEOUT`.

    Attributes:
        is_lifted: whether the timeout is lifted now.
    """

    __slots__ = ("_sock", "_waiting", "is_lifted")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._waiting = _Waiting.OTHERWISE
        self.is_lifted = False

    async def wait_readable(self) -> None:
        """Wait for input, plainly while little is on its way, and otherwise with patience.

        Raises:
            OSError: the server has vanished while it took nothing.
            trio.ClosedResourceError: as Trio's ``wait_readable``.

        Cancellation: loses nothing. Always a checkpoint.
        """
        while not self.is_lifted and (unsent(self._sock) or 0) < _MUCH:
            self._waiting = _Waiting.PLAINLY
            try:
                await trio.lowlevel.wait_readable(self._sock)
                return
            except trio.ClosedResourceError:
                if self._waiting is not _Waiting.RECALLED or self._sock.fileno() < 0:
                    raise
            finally:
                self._waiting = _Waiting.OTHERWISE
        await self.wait(trio.lowlevel.wait_readable)

    def note_sent(self) -> None:
        """Make a task that waits plainly look again if much is on its way by now.

        Call this after each send. Never a checkpoint.
        """
        if self._waiting is _Waiting.PLAINLY and (unsent(self._sock) or 0) >= _MUCH:
            self._waiting = _Waiting.RECALLED
            trio.lowlevel.notify_closing(self._sock)

    def note_interruption(self) -> None:
        """Make the next waking of a waiting task count as an interruption. Never a checkpoint."""
        self._waiting = _Waiting.OTHERWISE

    async def wait(self, wait_for: Callable[[socket.socket], Awaitable[None]]) -> None:
        """Wait for a socket, and look from time to time.

        Args:
            wait_for: Trio's ``wait_readable`` or ``wait_writable``.

        Raises:
            OSError: the server has vanished while it took nothing.

        Cancellation: loses nothing. Always a checkpoint.
        """
        while True:
            with trio.move_on_after(_LOOK_SECONDS) as look:
                await wait_for(self._sock)
            if not look.cancelled_caught:
                return
            self.look()

    def look(self) -> None:
        """Lift the timeout if the server is alive and takes nothing; otherwise set it.

        Never a checkpoint.

        Raises:
            OSError: the server has vanished while it took nothing.
        """
        info = self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SIZE)
        unanswered = info[_PROBES]
        unacked, last_ack, not_sent = (
            struct.unpack_from("@I", info, place)[0] for place in (_UNACKED, _LAST_ACK, _NOT_SENT)
        )
        takes_nothing = not unacked and not_sent > 0
        if takes_nothing and unanswered >= 2 and last_ack >= USER_TIMEOUT:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        # One probe may be unanswered because it was sent just now.
        lifts = takes_nothing and unanswered <= 1
        if lifts != self.is_lifted:
            self.is_lifted = lifts
            timeout = 0 if lifts else USER_TIMEOUT
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout)
