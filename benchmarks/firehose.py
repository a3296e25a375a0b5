"""Writes lines to all its clients as fast as it can, to see how much the load generator can take.

It writes pieces as large as a batch of `chat_limit` with 512 messages in flight.
"""

from __future__ import annotations

import selectors
import socket
from contextlib import suppress

from benchmarks.peers.wire import BACKLOG, host_and_port, say_listening

PIECE = b"m17: 000000000 abcdefghijklmnopqrstu\n" * 512


def main() -> None:
    """Serve until killed."""
    with (
        socket.create_server(host_and_port(), backlog=BACKLOG) as listener,
        selectors.DefaultSelector() as selector,
    ):
        say_listening(listener.getsockname())
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    sock, _ = listener.accept()
                    sock.setblocking(False)
                    # The rest of the piece is written next, so that lines stay whole.
                    selector.register(sock, selectors.EVENT_WRITE, memoryview(PIECE))
                else:
                    assert isinstance(key.fileobj, socket.socket)
                    with suppress(BlockingIOError):
                        rest = key.data[key.fileobj.send(key.data) :]
                        selector.modify(
                            key.fileobj, selectors.EVENT_WRITE, rest or memoryview(PIECE)
                        )


if __name__ == "__main__":
    main()
