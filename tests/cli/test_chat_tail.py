"""What `trionet chat tail` does about gaps: the test plays the server, in memory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from trionet.chat import Client, RequestRefused
from trionet.chat.client.events import ChatEvent, Missed
from trionet.cli.chat_tail import follow
from trionet.testing import LineClient, MemoryNetwork, ScriptedServer

ADDRESS = "localhost:22223"
TIME = "2026-11-28T02:35:00.123Z"


def line(type_: str, **fields: Any) -> str:
    return json.dumps({"type": type_, **fields})


def said(number: int, name: str = "bob") -> dict[str, Any]:
    return {
        "type": "said", "room": "lobby", "number": number, "time": TIME, "name": name, "text": "x",
    }  # fmt: skip


async def let_in(server: ScriptedServer, peers: list[LineClient]) -> None:
    peer = await server.accept()
    login, ping = [json.loads(await peer.receive()) for _ in range(2)]
    fields = {"topic": "", "members": ["ear"], "count": 1, "last": 5, "re": login["id"]}
    await peer.send(
        line("welcome", name="ear", token="t", epoch="e", resumed=False, re=login["id"]),
        line("entered", room="lobby", **fields),
        line("pong", re=ping["id"]),
    )
    peers.append(peer)


@pytest.fixture
async def ear(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> AsyncIterator[tuple[Client, LineClient]]:
    network, peers = MemoryNetwork(), list[LineClient]()
    async with ScriptedServer(network, ADDRESS) as server:
        nursery.start_soon(let_in, server, peers)
        async with Client(ADDRESS, name="ear", network=network) as client:
            yield client, peers[0]


async def request(peer: LineClient) -> Any:
    """Return the next request that is not the client's own question after a gap."""
    while (asked := json.loads(await peer.receive()))["type"] == "join":
        pass
    return asked


async def answer(peer: LineClient, *events: dict[str, Any], more: bool = False) -> Any:
    asked = await request(peer)
    page = line("history", room="lobby", events=events, more=more, re=asked["id"])
    await peer.send(page)
    return asked


async def take(client: Client, count: int, since: int | None = None) -> list[ChatEvent]:
    events: list[ChatEvent] = []
    async with aclosing(follow(client, since)) as told:
        with trio.fail_after(10):
            while len(events) < count:
                events.append(await anext(told))
    return events


def numbers(events: list[ChatEvent]) -> list[object]:
    return [getattr(event, "number", event.type) for event in events]


async def test_a_gap_is_filled_from_the_history(
    ear: tuple[Client, LineClient], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    client, peer = ear
    await peer.send(line("missed", room="lobby", after=5, before=9), json.dumps(said(9)))
    nursery.start_soon(answer, peer, said(6), said(7), said(8), said(9))
    assert numbers(await take(client, 6)) == ["welcome", "entered", 6, 7, 8, 9]


async def test_what_the_history_lacks_is_told(
    ear: tuple[Client, LineClient], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    client, peer = ear
    await peer.send(line("missed", room="lobby", after=5, before=9), json.dumps(said(9)))
    nursery.start_soon(answer, peer, said(8), said(9))
    events = await take(client, 5)
    assert numbers(events) == ["welcome", "entered", "missed", 8, 9]
    assert events[2] == Missed("lobby", 5, 8)


async def test_a_history_that_is_not_kept_leaves_the_gap(
    ear: tuple[Client, LineClient], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    client, peer = ear
    await peer.send(line("missed", room="lobby", after=5, before=9))

    async def refuse() -> None:
        asked = await request(peer)
        await peer.send(line("error", code="unavailable", reason="no history", re=asked["id"]))

    nursery.start_soon(refuse)
    events = await take(client, 3)
    assert events[2] == Missed("lobby", 5, 9)


async def test_the_past_comes_first_and_ends_in_front_of_the_own_entering(
    ear: tuple[Client, LineClient], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    client, peer = ear

    async def pages() -> None:
        asked = await answer(peer, said(3), said(4))
        assert asked["before"] == 5
        asked = await answer(peer, said(3), said(4))
        assert asked["after"] == 2

    nursery.start_soon(pages)
    assert numbers(await take(client, 4, since=0)) == ["welcome", 3, 4, "entered"]


async def test_a_room_that_cannot_be_entered_is_an_error(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    network = MemoryNetwork()

    async def refuse(server: ScriptedServer) -> None:
        peer = await server.accept()
        login, ping = [json.loads(await peer.receive()) for _ in range(2)]
        await peer.send(
            line("welcome", name="ear", token="t", epoch="e", resumed=False, re=login["id"]),
            line("error", code="name-refused", reason="no", room="lobby", re=login["id"]),
            line("pong", re=ping["id"]),
        )

    async with ScriptedServer(network, ADDRESS) as server:
        nursery.start_soon(refuse, server)
        async with Client(ADDRESS, name="ear", network=network) as client:
            with pytest.raises(RequestRefused):
                await take(client, 3)


@pytest.mark.parametrize("first", [1, 7])
async def test_what_was_said_in_a_new_epoch_comes_once_behind_its_gap(
    autojump_clock: MockClock, nursery: trio.Nursery, first: int
) -> None:
    network = MemoryNetwork()
    old = {**said(6), "time": "2026-11-28T02:35:01.000Z"}
    new = [{**said(first + i), "time": f"2026-11-28T02:35:0{2 + i}.000Z"} for i in range(4)]

    async def restart() -> None:
        peers: list[LineClient] = []
        await let_in(server, peers)
        await peers[0].send(json.dumps(old))
        await peers[0].send_eof()
        peer = await server.accept()
        login, ping = [json.loads(await peer.receive()) for _ in range(2)]
        last = first + 3
        fields = {"topic": "", "members": ["ear"], "count": 1, "last": last, "re": login["id"]}
        await peer.send(
            line("welcome", name="ear", token="u", epoch="f", resumed=False, re=login["id"]),
            line("missed", room="lobby", after=6, before=last + 1),
            line("entered", room="lobby", **fields),
            line("pong", re=ping["id"]),
        )
        # A history that goes on has what was seen, too.
        kept = [said(5), old] if first > 1 else []
        asked = await answer(peer, *kept, *new)
        assert asked["before"] == last + 1
        asked = await answer(peer, *new)
        assert asked["after"] == first - 1

    async with ScriptedServer(network, ADDRESS) as server:
        nursery.start_soon(restart)
        async with Client(ADDRESS, name="ear", network=network) as client:
            events = await take(client, 10)
    assert numbers(events) == [
        "welcome", "entered", 6, "welcome", "missed", *(one["number"] for one in new), "entered",
    ]  # fmt: skip
