"""Keeping a client from being cut off by its own kernel while a living server takes nothing.

``TCP_USER_TIMEOUT`` ends a connection whose peer acknowledges nothing for so long. But Linux also
ends one whose peer answers each question and has no room: a client that sent more than a server's
kernel holds, and waits for its turn in the listen backlog. That may take longer than a peer may
vanish for. So whoever waits looks from time to time what kind of silence it is, and lifts the
timeout for as long as it is this one.

Elsewhere than on Linux there is no such timeout, and nothing to lift.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Awaitable, Callable

import trio

# What a kernel waits for an acknowledgement, in milliseconds; see `trionet.transport.network`.
USER_TIMEOUT = 100_000

# How often a task that waits looks. Three looks come before the timeout.
_LOOK_SECONDS = 30.0

# Of struct tcp_info (linux/tcp.h): where it has how many questions are unanswered, how many packets
# are on their way, how many milliseconds ago the last acknowledgement came, and how many bytes are
# not sent yet.
_PROBES, _UNACKED, _LAST_ACK, _NOT_SENT, _SIZE = 3, 24, 56, 144, 148

HAS_PATIENCE = sys.platform == "linux"


class Patience:
    """Looks after one client's connection.

    Args:
        sock: a connected TCP socket whose ``TCP_USER_TIMEOUT`` is set to `USER_TIMEOUT`.
    """

    __slots__ = ("_sock", "is_lifted")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        # Whether the timeout is lifted now.
        self.is_lifted = False

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
        """Lift the timeout if the server lives and takes nothing, else set it.

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
        # One may be unanswered because it was asked just now.
        lifts = takes_nothing and unanswered <= 1
        if lifts != self.is_lifted:
            self.is_lifted = lifts
            timeout = 0 if lifts else USER_TIMEOUT
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout)
