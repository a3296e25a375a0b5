"""Clients whose connections break at random moments hear and say what they would on a good line.

One client listens over a connection that is never touched. Two others talk over connections that
are reset, stall or are half closed, by a seed. The server holds them for a moment only, so that
they often come back as somebody else. `TRIONET_SEEDS` says how many seeds are tried.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from trionet import ConnectionLost
from trionet.chat import Client, RequestRefused, serve
from trionet.chat.client.events import (
    Acted,
    ChatEvent,
    Missed,
    Removed,
    RoomEvent,
    Said,
    Told,
    TopicSet,
)
from trionet.testing import Link, MemoryNetwork, MemoryStream

ADDRESS = "localhost:22223"
SEEDS = int(os.environ.get("TRIONET_SEEDS", "20"))
GRACE = 3.0
SECONDS = 20.0

# What everyone in a room is told of, whoever did it.
HEARD = (Said, Acted, TopicSet, Removed)


class Line:
    """A network whose newest connection can be broken."""

    def __init__(self, network: MemoryNetwork, choose: random.Random) -> None:
        self._network = network
        self._choose = choose
        self._streams: list[MemoryStream] = []

    async def listen(self, address: str, *, backlog: int | None = None) -> Any:
        return await self._network.listen(address, backlog=backlog)

    async def connect(self, address: str) -> MemoryStream:
        stream = await self._network.connect(address)
        self._streams.append(stream)
        return stream

    async def break_often(self) -> None:
        """Do something bad to the newest connection now and then."""
        while True:
            await trio.sleep(self._choose.choice([0.05, 0.3, 1, 2]) * self._choose.random())
            stream = self._streams[-1]
            match self._choose.randrange(4):
                case 0:
                    stream.sever()
                case 1:
                    stream.stall()
                    await trio.sleep(self._choose.uniform(0, 1.5 * GRACE))
                    if self._choose.random() < 0.5:
                        stream.sever()
                    else:
                        stream.resume()
                case 2:
                    # The end of the server's sending arrives, or seems to.
                    stream._in._depart(b"")
                case 3:
                    stream._out._depart(b"")


class Talker:
    """Asks for one thing after the other, and keeps what came of it."""

    def __init__(self, client: Client, choose: random.Random, *, has_history: bool) -> None:
        self.client = client
        self._has_history = has_history
        self._choose = choose
        self.done: Counter[str] = Counter()
        self.maybe: Counter[str] = Counter()
        self.heard: list[tuple[object, ...]] = []
        self.missed: set[int] = set()
        self.failed: list[Exception] = []

    async def listen(self) -> None:
        async for event in self.client:
            if is_heard(event):
                self.heard.append(what(event))
            if isinstance(event, Missed) and event.room == "lobby":
                self.missed |= {*range((event.after or 0) + 1, event.before or 0)}

    async def talk(self) -> None:
        name, number = self.client.name, 0
        ends = trio.current_time() + SECONDS
        while trio.current_time() < ends:
            await trio.sleep(self._choose.random() * 0.3)
            number += 1
            text = f"{name} {number}"
            match self._choose.randrange(8):
                case 0 | 1 | 2:
                    await self._do(text, self.client.say("lobby", text))
                case 3:
                    await self._do(text, self.client.act("lobby", text))
                case 4:
                    await self._do(text, self.client.topic("lobby", text))
                case 5:
                    await self._do("to ear " + text, self.client.tell("ear", text))
                case 6:
                    await self._do("again", self.client.say("lobby", "again"))
                case 7 if self._has_history:
                    await self._ask()

    async def _do(self, text: str, call: Awaitable[Any]) -> None:
        patience = self._choose.choice([60.0, 60.0, 60.0, 0.2])
        try:
            with trio.move_on_after(patience) as scope:
                await call
        except (ConnectionLost, RequestRefused) as error:
            # Nobody can know of a private message if the server has forgotten the member, nor of
            # any if it keeps no history.
            is_known = self._has_history and not text.startswith("to ear ")
            self.failed += [error] * is_known
            self.maybe[text] += 1
            return
        assert not scope.cancelled_caught or patience < 60, f"{text} hangs"
        (self.maybe if scope.cancelled_caught else self.done)[text] += 1

    async def _ask(self) -> None:
        with trio.fail_after(60):
            client = self.client
            receipt = await client.say("lobby", "a secret")
            try:
                assert (await client.remove("lobby", receipt.number)).of == receipt.number
            except RequestRefused as error:
                # It was lost for so long, twice, that this was said by somebody else.
                self.failed += [error] * (error.code != "forbidden")
            assert client.name in await client.who("lobby")
            assert [event async for event in client.history("lobby", after=receipt.number)]
            await client.join("builds")
            await client.leave("builds")


def is_heard(event: ChatEvent) -> bool:
    # What was removed is not replayed.
    return isinstance(event, HEARD) and getattr(event, "text", "") != "a secret"


def what(event: ChatEvent) -> tuple[object, ...]:
    assert isinstance(event, RoomEvent)
    return event.type, event.number, event.name, getattr(event, "text", getattr(event, "of", 0))


@asynccontextmanager
async def chat_server(network: MemoryNetwork, history: str) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        serving = partial(serve, history=history, forever=True, grace=GRACE)
        start: Callable[..., Any] = partial(serving, network=network)
        await nursery.start(start, ADDRESS)
        yield
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_bad_line_changes_nothing_that_is_said_or_heard(
    seed: int, autojump_clock: MockClock
) -> None:
    choose = random.Random(seed)
    # A small capacity makes a replay take its time, so that it is cut off, too.
    link = Link(latency=choose.choice([0, 0.01, 0.2]), capacity=choose.choice([500, 65536]))
    network = MemoryNetwork(link=link, seed=seed)
    hold = choose.random() < 0.7
    history = choose.choice(["memory", "memory", "none"])
    lines = [Line(network, choose) for _ in range(2)]
    everything: list[tuple[object, ...]] = []
    private: Counter[str] = Counter()

    async def listen(ear: Client) -> None:
        async for event in ear:
            if is_heard(event):
                everything.append(what(event))
            elif isinstance(event, Told):
                private["to ear " + event.text] += 1

    async with (
        chat_server(network, history),
        Client(ADDRESS, name="ear", network=network) as ear,
        Client(ADDRESS, name="ann", network=lines[0], hold=hold) as ann,
        Client(ADDRESS, name="bob", network=lines[1], hold=hold) as bob,
        trio.open_nursery() as nursery,
    ):
        talkers = [
            Talker(
                client,
                random.Random(f"{seed} {client.name}"),
                has_history=history == "memory",
            )
            for client in (ann, bob)
        ]
        nursery.start_soon(listen, ear)
        for talker in talkers:
            nursery.start_soon(talker.listen)
        async with trio.open_nursery() as bad:
            for line in lines:
                bad.start_soon(line.break_often)
            async with trio.open_nursery() as talking:
                for talker in talkers:
                    talking.start_soon(talker.talk)
            bad.cancel_scope.cancel()
        for line in lines:
            line._streams[-1].resume()
        with trio.fail_after(120):
            for client in (ann, bob, ear):
                await client.ping()
        await trio.sleep(2)
        nursery.cancel_scope.cancel()

    # A topic that is set twice is the same topic: where nobody can know, it is set again.
    said = Counter(
        {str(text) for type_, _, _, text in everything if type_ == "topic"}
        if history == "none"
        else [str(text) for type_, _, _, text in everything if type_ == "topic"]
    )
    said += Counter(str(text) for type_, _, _, text in everything if type_ != "topic")
    said += private
    removed = {of for type_, _, _, of in everything if type_ == "removed"}
    for talker in talkers:
        assert not talker.failed
        if history == "memory":
            assert talker.heard == everything
            # The server does not know any more that these were in this room.
            assert talker.missed <= removed
        else:
            heard = {*talker.heard}
            assert [one for one in everything if one in heard] == talker.heard
        own = talker.done + talker.maybe
        for text, count in own.items():
            if text != "again":
                assert talker.done[text] <= said[text] <= count == 1, (text, said[text])
    agains = [sum(counts["again"] for counts in (one.done, one.maybe)) for one in talkers]
    assert sum(one.done["again"] for one in talkers) <= said["again"] <= sum(agains)
