"""A port for a program that is told where to listen, and that nobody else gets meanwhile."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on.

    A port that was only looked up may be another socket's a moment later. So a connection to this
    one has ended, and for the minute that the kernel remembers that, it gives the port to nobody
    who does not ask for it. Whoever asks with SO_REUSEADDR gets it, as servers do.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = listener.getsockname()
        with socket.create_connection(place) as client:
            # The side that closes first is the one that is remembered.
            listener.accept()[0].close()
            assert client.recv(1) == b""
    port: int = place[1]
    return port
