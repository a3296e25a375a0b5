"""The classic exercise: a thread for each client, and a lock around the list of them.

A client that does not read stops everyone: `sendall` waits for it with the lock held.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from benchmarks.peers.wire import (
    BACKLOG,
    host_and_port,
    joined,
    left,
    message,
    say_listening,
    welcome,
)

clients: dict[str, socket.socket] = {}
lock = threading.Lock()


def broadcast(line: bytes, sender: str) -> None:
    """Send a line to all others. The lock is held."""
    for name, sock in clients.items():
        if name != sender:
            try:
                sock.sendall(line)
            except OSError:
                continue  # the client's own thread will notice


def serve(sock: socket.socket) -> None:
    """Run one client's session."""
    with sock, sock.makefile("rb") as lines:
        name = lines.readline().decode().strip()
        with lock:
            clients[name] = sock
            sock.sendall(welcome(name, clients))
            broadcast(joined(name, len(clients)), name)
        with suppress(OSError):
            for line in lines:
                line = line.rstrip()
                if line == b"q":
                    break
                with lock:
                    broadcast(message(name, line), name)
        with lock:
            del clients[name]
            broadcast(left(name, len(clients)), name)


def main() -> None:
    """Start a thread for each connection."""
    with socket.create_server(host_and_port(), backlog=BACKLOG) as listener:
        say_listening(listener.getsockname())
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(sock,), daemon=True).start()


if __name__ == "__main__":
    main()
