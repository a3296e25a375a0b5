"""The classic exercise: a thread for each client."""

from __future__ import annotations

import socket
import threading

from benchmarks.peers.wire import BACKLOG, calculate, host_and_port, say_listening


def serve(sock: socket.socket) -> None:
    """Run one client's session."""
    with sock, sock.makefile("rb") as lines:
        lines.readline()  # the name
        for line in lines:
            if line.strip() == b"q":
                break
            sock.sendall(calculate(line))


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
