"""The limit, for machines without a C compiler or without epoll: `chat_limit.c` in Python.

One pass of the loop reads everything readable, appends it to one text, and makes one send for each
member: the text without the member's own lines. Only output that would block is kept.
"""

from __future__ import annotations

import selectors
import socket
from contextlib import suppress

from benchmarks.machine import allow_descriptors
from benchmarks.peers.wire import (
    BACKLOG,
    host_and_port,
    joined,
    left,
    message,
    say_listening,
    welcome,
)


class Client:
    """One connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.name: str | None = None
        self.part = b""
        self.pending = bytearray()
        self.welcome = b""
        self.begins = 0  # the first piece of this pass that is for them


class Room:
    """All connections, and the pieces of this pass with their authors."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._members: dict[str, Client] = {}
        self._batch: list[bytes] = []
        self._authors: list[Client | None] = []
        # Members that do not get the whole text.
        self._special: set[Client] = set()

    def run(self) -> None:
        """Serve until killed."""
        while True:
            for key, events in self._selector.select():
                if key.data is None:
                    self._accept()
                    continue
                if events & selectors.EVENT_WRITE:
                    self._deliver(key.data, b"")
                if events & selectors.EVENT_READ:
                    self._receive(key.data)
            if self._batch:
                self._send_batch()

    def _accept(self) -> None:
        try:
            while True:
                sock, _ = self._listener.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._selector.register(sock, selectors.EVENT_READ, Client(sock))
        except BlockingIOError:
            pass

    def _append(self, author: Client | None, piece: bytes) -> None:
        self._batch.append(piece)
        self._authors.append(author)

    def _receive(self, client: Client) -> None:
        try:
            data = client.sock.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._leave(client)
            return
        *lines, client.part = (client.part + data).split(b"\n")
        said: list[bytes] = []
        for line in lines:
            if line == b"q":
                self._append(client, b"".join(said))
                self._leave(client)
                return
            if client.name is None:
                self._join(client, line.decode())
            else:
                said.append(message(client.name, line))
        if said:
            self._append(client, b"".join(said))
            self._special.add(client)

    def _join(self, client: Client, name: str) -> None:
        client.name = name
        self._members[name] = client
        self._append(client, joined(name, len(self._members)))
        client.welcome = welcome(name, self._members)
        client.begins = len(self._batch)
        self._special.add(client)

    def _leave(self, client: Client) -> None:
        self._selector.unregister(client.sock)
        client.sock.close()
        self._special.discard(client)
        if client.name is not None:
            del self._members[client.name]
            self._append(None, left(client.name, len(self._members)))

    def _send_batch(self) -> None:
        text = b"".join(self._batch)
        for client in self._members.values():
            if client not in self._special:
                self._deliver(client, text)
                continue
            pieces = zip(self._authors[client.begins :], self._batch[client.begins :], strict=True)
            others = b"".join(piece for author, piece in pieces if author is not client)
            self._deliver(client, client.welcome + others)
            client.welcome = b""
            client.begins = 0
        self._batch.clear()
        self._authors.clear()
        self._special.clear()

    def _deliver(self, client: Client, data: bytes) -> None:
        waited = bool(client.pending)
        client.pending += data
        if not waited or not data:
            # It would block, or the connection is broken: then a recv will tell.
            with suppress(OSError):
                del client.pending[: client.sock.send(client.pending)]
        if bool(client.pending) != waited:
            writing = selectors.EVENT_WRITE if client.pending else 0
            self._selector.modify(client.sock, selectors.EVENT_READ | writing, client)


def main() -> None:
    """Serve until killed."""
    allow_descriptors()
    with socket.create_server(host_and_port(), backlog=BACKLOG) as listener:
        listener.setblocking(False)
        say_listening(listener.getsockname())
        Room(listener).run()


if __name__ == "__main__":
    main()
