"""Twisted's LineReceiver: a protocol for each client, and a `sendLine` to each of the others."""

from __future__ import annotations

from twisted.internet import reactor
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from benchmarks.peers.wire import (
    BACKLOG,
    host_and_port,
    joined,
    left,
    message,
    say_listening,
    welcome,
)

clients: dict[str, Chat] = {}


class Chat(LineReceiver):
    """One client's session."""

    delimiter = b"\n"
    name: str | None = None

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)

    def lineReceived(self, line: bytes) -> None:
        line = line.rstrip()
        if line == b"q":
            self.transport.loseConnection()
        elif self.name is None:
            self.name = line.decode()
            clients[self.name] = self
            self.transport.write(welcome(self.name, clients))
            self.broadcast(joined(self.name, len(clients)))
        else:
            self.broadcast(message(self.name, line))

    def broadcast(self, line: bytes) -> None:
        for client in clients.values():
            if client is not self:
                client.sendLine(line[:-1])

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        if self.name is not None:
            del clients[self.name]
            self.broadcast(left(self.name, len(clients)))


def main() -> None:
    """Serve until killed."""
    host, port = host_and_port()
    listener = reactor.listenTCP(port, Factory.forProtocol(Chat), BACKLOG, host)
    say_listening((listener.getHost().host, listener.getHost().port))
    reactor.run()


if __name__ == "__main__":
    main()
