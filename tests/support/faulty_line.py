"""A line between a client and a server that breaks on demand: between request and reply, mostly.

It runs in the test's own event loop, and speaks no protocol: it sees what one side has sent in one
go. A client that has one request under way at a time sends each request so.
"""

from __future__ import annotations

import enum
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import trio

_LOST = (trio.BrokenResourceError, trio.ClosedResourceError)


class Fault(enum.Enum):
    """What happens to a request."""

    NONE = "it is passed on, and so is its reply"
    LOSES_REQUEST = "the line breaks before it is passed on"
    HALVES_REQUEST = "the line breaks when half of it is passed on"
    LOSES_REPLY = "it is passed on; the line breaks when the reply comes, which is lost"
    LOSES_LINE = "it is passed on, and the line breaks at once"


BREAKS = tuple(fault for fault in Fault if fault is not Fault.NONE)


class FaultyLine:
    """A line to a port; made by `open_line`.

    Args:
        port: where the server listens, on 127.0.0.1.
        choose: called with what a client has sent; returns what happens to it. It may be replaced
            at any time. Default: nothing goes wrong.

    Attributes:
        port: where clients connect, on 127.0.0.1.
        target: the server's port; may be changed, for the connections to come.
        faults: how often each fault has happened.
        is_up: whether new connections are passed on; else they are closed at once.
        delay: seconds by which each reply is late.
    """

    def __init__(
        self, port: int, choose: Callable[[bytes], Fault] = lambda _request: Fault.NONE
    ) -> None:
        self.target = port
        self.choose = choose
        self.faults: Counter[Fault] = Counter()
        self.is_up = True
        self.delay = 0.0
        self.port = 0
        self._connections: set[_Connection] = set()

    def cut(self) -> int:
        """Break every connection now, and return how many there were."""
        connections = [*self._connections]
        for connection in connections:
            connection.scope.cancel()
        return len(connections)

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Pass on what comes, until cancelled."""
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, self._serve, listeners)
            task_status.started()

    async def _serve(self, client: trio.SocketStream) -> None:
        if not self.is_up:
            _reset(client)
            return
        try:
            server = await trio.open_tcp_stream("127.0.0.1", self.target)
        except OSError:
            _reset(client)
            return
        connection = _Connection()
        self._connections.add(connection)
        try:
            with connection.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._pass_requests, client, server, connection)
                    nursery.start_soon(self._pass_replies, client, server, connection)
        finally:
            self._connections.discard(connection)
            _reset(client)
            # Not reset: what has been passed on must arrive.
            server.socket.close()

    async def _pass_requests(
        self, client: trio.SocketStream, server: trio.SocketStream, connection: _Connection
    ) -> None:
        with suppress(*_LOST):
            async for data in client:
                fault = self.choose(bytes(data))
                self.faults[fault] += 1
                if fault is Fault.LOSES_REQUEST:
                    break
                if fault is Fault.HALVES_REQUEST:
                    await server.send_all(data[: len(data) // 2])
                    break
                connection.loses_reply = fault is Fault.LOSES_REPLY
                await server.send_all(data)
                if fault is Fault.LOSES_LINE:
                    break
        connection.scope.cancel()

    async def _pass_replies(
        self, client: trio.SocketStream, server: trio.SocketStream, connection: _Connection
    ) -> None:
        with suppress(*_LOST):
            async for data in server:
                if connection.loses_reply:
                    break
                if self.delay:
                    await trio.sleep(self.delay)
                await client.send_all(data)
        connection.scope.cancel()


class _Connection:
    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.loses_reply = False


def _reset(stream: trio.SocketStream) -> None:
    """Break a connection: what is under way to the other side is lost."""
    with suppress(OSError):
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


@asynccontextmanager
async def open_line(port: int) -> AsyncIterator[FaultyLine]:
    """Pass connections on to a port for as long as the block runs."""
    line = FaultyLine(port)
    async with trio.open_nursery() as nursery:
        await nursery.start(line.run)
        yield line
        nursery.cancel_scope.cancel()
