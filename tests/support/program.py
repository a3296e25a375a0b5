"""A program at a chat on a network held in memory: it speaks JSON lines."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio

import json_schema
from trionet import Server, chat
from trionet.testing import LineClient, MemoryNetwork, MemoryStream

Event = dict[str, Any]

_A_WEEK = 7 * 24 * 3600


class Program:
    """One connection.

    Args:
        stream: the connection.
        name: who it is, for messages of failed tests.
    """

    def __init__(self, stream: trio.abc.Stream, name: str) -> None:
        self.stream = stream
        self.client = LineClient(stream, name=name)

    async def request(self, type: str, **fields: Any) -> None:  # noqa: A002  its name in the protocol
        """Send a request."""
        await self.client.send(json.dumps({"type": type, **fields}))

    async def receive(self) -> Event:
        """Return the next event."""
        return json_schema.check_said(await self.client.receive())

    async def expect(self, type: str, **fields: Any) -> Event:  # noqa: A002
        """Return the next event, which must have these fields."""
        event = await self.receive()
        wanted = {"type": type, **fields}
        assert {name: event.get(name) for name in wanted} == wanted, event
        return event

    async def ask(self, type: str, **fields: Any) -> Event:  # noqa: A002
        """Send a request with an id, and return its answer, which must be next."""
        await self.request(type, **{"id": "ask", **fields})
        event = await self.receive()
        assert event.get("re") == fields.get("id", "ask"), event
        return event

    async def ask_behind(self, last: str, type: str, **fields: Any) -> Event:  # noqa: A002
        """Do the same when an event of the type `last` has come."""
        while (await self.receive())["type"] != last:
            pass
        return await self.ask(type, **fields)

    async def ask_behind_all(self, type: str, **fields: Any) -> Event:  # noqa: A002
        """Do the same, whatever comes in front of the answer."""
        await self.request(type, **{"id": "ask", **fields})
        while (event := await self.receive()).get("re") != "ask":
            pass
        return event

    async def expect_quiet(self) -> None:
        """See that nothing has come."""
        await self.request("ping", id="quiet")
        await self.expect("pong", re="quiet")

    async def expect_closed(self) -> None:
        """See that the connection ends without another line."""
        await self.client.expect_end()

    def reset(self) -> None:
        """Break the connection."""
        assert isinstance(self.stream, MemoryStream)
        self.stream.reset()


class Served:
    """A chat that is being served.

    Attributes:
        network: the network.
        server: the server.
        ended: whether it has ended.
    """

    def __init__(self, network: MemoryNetwork, server: Server, ended: trio.Event) -> None:
        self.network = network
        self.server = server
        self.ended = ended

    async def connect(self, name: str = "stranger", **options: Any) -> Program:
        """Connect a program."""
        address = self.server.addresses[0]
        return Program(await self.network.connect(address, **options), name)

    async def log_in(self, name: str, **fields: Any) -> tuple[Program, Event]:
        """Log a program in, and return it with its welcome."""
        program = await self.connect(name)
        await program.request("login", name=name, **fields)
        return program, await program.expect("welcome")

    async def join(self, name: str, **fields: Any) -> tuple[Program, Event]:
        """Log a program in that enters the lobby, and return it with its welcome."""
        program, welcome = await self.log_in(name, **fields)
        await program.expect("entered", room="lobby")
        return program, welcome

    async def plain(self, *lines: str) -> LineClient:
        """Connect a plain client that sends lines."""
        client = LineClient(await self.network.connect(self.server.addresses[0]), name=lines[0])
        await client.send(*lines)
        return client


@asynccontextmanager
async def served(**options: Any) -> AsyncIterator[Served]:
    """Serve a chat for as long as the block runs, or the server does."""
    network = MemoryNetwork()
    ended = trio.Event()

    async def run(*, task_status: trio.TaskStatus[Server]) -> None:
        serve = partial(chat.serve, "127.0.0.1:0", network=network, task_status=task_status)
        await serve(**options)
        ended.set()

    with trio.fail_after(_A_WEEK):
        async with trio.open_nursery() as nursery:
            yield Served(network, await nursery.start(run), ended)
            nursery.cancel_scope.cancel()
