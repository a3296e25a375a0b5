"""Clients of a server: connect, send, receive, and run one pass of the loop. Like ``clients.c``."""

from __future__ import annotations

import selectors
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.load.messages import Reader

# After this many seconds without a line, missing lines count as lost.
PATIENCE = 10.0


class GaveUp(Exception):
    """The server did not do what it should."""


class Client:
    """One client, and what it has received."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self.known = 0  # members at its welcome, including itself; 0: not welcomed yet
        self.heard = 0  # lines since its welcome
        self.owed = 0  # lines that it should have received
        self.said = 0  # messages so far
        self.began = 0  # lines owed and messages sent when talking began
        self.asked = 0  # calculator: operation to ask next
        self.answered = 0  # calculator: operation whose reply comes next
        self.part = b""  # the beginning of an incomplete line: the first one, or a reply
        self.out = b""  # output that the socket did not take
        self.reader: Reader | None = None

    @property
    def progress(self) -> int:
        """How many messages of this talk it has, including its own.

        This is negative while it is still owed lines from before: those are in flight too.
        """
        return self.heard + self.said - self.began

    def receive(self, *, or_fail: bool = False) -> bytes:
        """Return the input that is there; ``b""`` at its end."""
        try:
            data = self.sock.recv(1 << 18)
        except ConnectionError:
            if or_fail:
                raise
            return b""
        if not data and or_fail:
            raise GaveUp(f"member {self.number}: the server closed the connection")
        return data


class Crowd:
    """All clients of one server, in one selector."""

    def __init__(self, server: tuple[str, int], server_pid: int) -> None:
        self.server = server
        self.server_pid = server_pid
        self.selector = selectors.DefaultSelector()
        self.clients: list[Client] = []
        self.stalled: list[socket.socket] = []
        self.welcomed = 0
        self.lines_heard = 0  # by all clients, without the welcomes
        self.members_known = 0  # by all clients, as their welcomes say

    def add(self) -> Client:
        """Connect one more client, and send its name."""
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(BlockingIOError):
            sock.connect(self.server)
        client = Client(sock, len(self.clients))
        self.clients.append(client)
        self.selector.register(sock, selectors.EVENT_READ, client)
        self.send(client, b"m%d\n" % client.number)
        return client

    def send(self, client: Client, data: bytes) -> None:
        """Send what is waiting and these bytes; the selector tells when the rest can go."""
        waited = bool(client.out)
        client.out += data
        if client.out:
            # The socket takes nothing while it is connecting.
            with suppress(BlockingIOError):
                client.out = client.out[client.sock.send(client.out) :]
        if bool(client.out) != waited:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.out else 0)
            self.selector.modify(client.sock, events, client)

    def loop_once(self, until: float) -> bool:
        """Let every client with input read once. ``False``: nothing came in time."""
        ready = self.selector.select(max(0.0, until - time.perf_counter()))
        for key, events in ready:
            if events & selectors.EVENT_WRITE:
                self.send(key.data, b"")
            if events & selectors.EVENT_READ:
                self._hear(key.data)
        return bool(ready)

    def _hear(self, client: Client) -> None:
        data = client.receive(or_fail=True)
        if not client.known:
            line, end, data = (client.part + data).partition(b"\n")
            client.part = b"" if end else line
            if not end:
                return
            if not line.startswith(b"*** welcome") or b"(" not in line:
                raise GaveUp(f"member {client.number}: in place of a welcome: {line.decode()}")
            client.known = int(line.partition(b"(")[2].split()[0])
            self.members_known += client.known
            self.welcomed += 1
        lines = data.count(b"\n")
        client.heard += lines
        self.lines_heard += lines
        if client.reader is not None:
            client.reader.read(data)

    def missing(self) -> int:
        """Return how many lines clients have too few or too many."""
        return sum(abs(client.owed - client.heard) for client in self.clients)

    def catch_up(self, patience: float) -> int:
        """Read until all clients have what they are owed, or nothing comes any more."""
        while (lines := self.missing()) and self.loop_once(time.perf_counter() + patience):
            pass
        return lines
