"""What the kernel tells about a connected socket beyond its data.

For example, how many of the sent bytes the peer's kernel has not acknowledged. Most of it only
Linux tells. `trionet.transport.tcp_user_timeout` asks, to tell a server that takes nothing from one
that is gone. `trionet.transport.sockets` asks for a connection that is being closed: has everything
arrived?
"""

from __future__ import annotations

import socket
import sys

if sys.platform == "linux":
    import fcntl
    import termios

# The state of a connection that is reset or closed (tcp_states.h).
_TCP_CLOSE = 7
_INT = bytes(4)


def is_tcp(sock: socket.socket) -> bool:
    """Tell whether a socket is a TCP socket, and not a Unix socket."""
    return sock.family in (socket.AF_INET, socket.AF_INET6)


def unsent(sock: socket.socket) -> int | None:
    """Return how many sent bytes the kernel still holds, whether unsent or not acknowledged.

    ``None``: this OS does not tell.
    """
    if sys.platform != "linux":
        return None
    # SIOCOUTQ: tcp(7), unix(7).
    waiting = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, _INT)
    return int.from_bytes(waiting, sys.byteorder)


def is_closed(sock: socket.socket) -> bool:
    """Tell whether a TCP connection is reset, or closed by both sides. Linux alone tells."""
    if sys.platform != "linux":
        return False
    # The first byte of struct tcp_info (linux/tcp.h).
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSE
