"""The chat's door for browsers, in memory: JSON lines over WebSockets, in the same rooms."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock
from websockets.frames import Opcode

from trionet import Limits, Server, chat
from trionet.chat.limits import OPEN_ROOM
from trionet.testing import LineClient, Link, MemoryNetwork
from web_peer import WebPeer, masked, opened, text


@asynccontextmanager
async def served(**options: Any) -> AsyncIterator[tuple[MemoryNetwork, Server]]:
    network = MemoryNetwork()
    options.setdefault("forever", True)
    async with trio.open_nursery() as nursery:
        serve = partial(chat.serve, "localhost:7000", "web:localhost:8080", network=network)
        server: Server = await nursery.start(partial(serve, **options))
        yield network, server
        nursery.cancel_scope.cancel()


async def events(peer: WebPeer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in await peer.lines()]


async def log_in(network: MemoryNetwork, name: str, **options: Any) -> WebPeer:
    peer = await opened(network, **options)
    await peer.send(text(json.dumps({"type": "login", "name": name, "hold": True})))
    seen: list[str] = []
    while "entered" not in seen:
        seen += [event["type"] for event in await events(peer)]
    return peer


async def test_members_of_all_doors_see_one_order(autojump_clock: MockClock) -> None:
    async with served() as (network, _):
        web = await log_in(network, "Web")
        tcp = LineClient(await network.connect("localhost:7000"))
        await tcp.send('{"type":"login","name":"Tcp"}')
        plain = LineClient(await network.connect("localhost:7000"))
        await plain.send("Plain")
        await plain.expect("*** welcome, Plain (3 here: Web, Tcp, Plain)")
        for number in range(20):
            await web.send(text(f'{{"type":"say","room":"lobby","text":"w{number}"}}'))
            await tcp.send(f'{{"type":"say","room":"lobby","text":"t{number}"}}')
            await plain.send(f"p{number}")
        heard: list[str] = []
        while len(heard) < 60:
            heard += [one["text"] for one in await events(web) if one["type"] == "said"]
        by_tcp: list[str] = []
        while len(by_tcp) < 60:
            event = json.loads(await tcp.receive())
            by_tcp += [event["text"]] if event["type"] == "said" else []
        by_plain = [(await plain.receive()).partition(": ")[2] for _ in range(40)]
        assert heard == by_tcp
        assert by_plain == [one for one in heard if not one.startswith("p")]


@pytest.mark.parametrize("first", ["Ann", "", "[]", '{"type":"login"', "x" * 10_000])
async def test_only_json_is_spoken(first: str, autojump_clock: MockClock) -> None:
    async with served() as (network, _):
        peer = await opened(network)
        await peer.send(text(first), text('{"type":"login","name":"Ann"}'))
        (error,) = await events(peer)
        assert (error["type"], error["code"]) == ("error", "bad-json")
        assert await peer.closed() == 1000
        assert peer.frames == []


async def test_what_the_toolkit_tells_a_browser_is_json_too(autojump_clock: MockClock) -> None:
    limits = Limits(max_clients=1, login_timeout=10)
    async with served(limits=limits) as (network, _):
        late = await opened(network)
        full = await opened(network)
        (error,) = await events(full)
        assert error == {"type": "error", "code": "full", "reason": "server is full"}
        assert await full.closed() == 1000
        (error,) = await events(late)
        assert error["code"] == "timeout"
        assert await late.closed() == 1008


async def test_a_message_has_the_length_of_a_json_line(autojump_clock: MockClock) -> None:
    async with served(limits=Limits(max_line=1000)) as (network, _):
        peer = await log_in(network, "Ann")
        ping = '{"type":"ping","id":1}'
        await peer.send(text(ping + " " * (4000 - len(ping))))
        assert await events(peer) == [{"type": "pong", "re": 1}]
        await peer.send(text(ping + " " * (4001 - len(ping))))
        assert await peer.closed() == 1009


async def test_a_browser_that_does_not_read_is_told_what_it_missed(
    autojump_clock: MockClock,
) -> None:
    limits = Limits(max_waiting=5000, rate=0, write_timeout=0)
    async with served(limits=limits) as (network, _):
        slow = await log_in(network, "Slow", back=Link(capacity=2000))
        ann = await log_in(network, "Ann")
        for number in range(300):
            await ann.send(text(f'{{"type":"say","room":"lobby","text":"{number:050}"}}'))
            await trio.testing.wait_all_tasks_blocked()
        await slow.send(masked(Opcode.PING, b"still here"))
        await trio.testing.wait_all_tasks_blocked()
        # Everything that it reads from now on is whole, and the gaps are told.
        seen, missed, ponged, number = 0, 0, False, 0
        while not (ponged and number == 302):
            frame = await slow.frame()
            if frame.opcode == Opcode.PONG:
                ponged = bytes(frame.data) == b"still here"
                continue
            for line in bytes(frame.data).decode().splitlines():
                event = json.loads(line)
                if event["type"] == "missed":
                    assert event["after"] >= number
                    missed += event["before"] - event["after"] - 1
                elif event["type"] == "said":
                    assert event["number"] > number
                    number = event["number"]
                    seen += 1
        assert missed > 100
        assert seen + missed == 300


async def test_a_browser_comes_back_with_its_token(autojump_clock: MockClock) -> None:
    async with served() as (network, _):
        peer = await opened(network)
        await peer.send(text('{"type":"login","name":"Ann","hold":true}'))
        told = await events(peer)
        while told[-1]["type"] != "entered":
            told += await events(peer)
        token, epoch = told[0]["token"], told[0]["epoch"]
        network.streams[-1].reset()
        bob = await log_in(network, "Bob")
        await bob.send(text('{"type":"say","room":"lobby","text":"while you were away"}'))
        await events(bob)
        again = await opened(network)
        back = {
            "type": "login",
            "name": "Ann",
            "token": token,
            "epoch": epoch,
            "seen": {"lobby": 1},
        }
        await again.send(text(json.dumps({**back, "hold": True})))
        told = []
        while not told or told[-1]["type"] != "entered":
            told += await events(again)
        assert told[0]["resumed"]
        assert [event.get("text") for event in told if event["type"] == "said"] == [
            "while you were away"
        ]


async def test_a_drain_tells_a_browser_before_it_closes(autojump_clock: MockClock) -> None:
    async with served(limits=OPEN_ROOM) as (network, server):
        peer = await log_in(network, "Ann")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.drain)
            assert [event["type"] for event in await events(peer)] == ["closing"]
            assert await peer.closed() == 1001
            await peer.stream.aclose()
