"""The targets of tools/fuzz.py that talk to a whole chat server, or to its client, in memory.

Each case runs on virtual time. `fuzz_json` is a hostile program that logs in, resumes with its own
and with wrong tokens, and asks for anything; `fuzz_client` is a hostile server.
"""

from __future__ import annotations

import json
import logging
import random
import sys
from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import trio
from trio.testing import MockClock

from trionet import Limits, TrionetError, chat
from trionet.testing import LineClient, Link, MemoryNetwork, ScriptedServer
from trionet.testing.links import cut_at_random

sys.path.append(str(Path(__file__).parent.parent / "tests" / "support"))

from json_schema import check_said

ADDRESS = "127.0.0.1:22223"

# No rate limit, so that a case is over soon.
LIMITS = Limits(
    rate=0, max_line=4096, max_clients=50, login_timeout=30, idle_timeout=600, drain_seconds=5
)

NAMES = ["Ann", "Bob", "Eve", "eve", "Еve", "error", "q", "", " ", "x" * 200, "é", "a b", "\u202e"]
ROOMS = ["lobby", "Lobby", "#lobby", "r1", "r2", "@", "", "*", "x" * 300, "комната", "\0", "a\nb"]
TEXTS = ["hi", "", " ", "a\nb", "\n" * 60, "é" * 3000, "\0", "/who", "q", "*** x", "\ud800"]
NUMBERS = [0, 1, 2, 3, -1, 7, 50, 500, 501, 10**6, 2**53, 2**53 + 1, -(2**63), 10**30, 1.0, 1e308]
VALUES: list[Any] = [None, True, False, [], {}, [[]], {"a": 1}, "1", *NUMBERS, *TEXTS]
TYPES = [
    "login", "say", "act", "tell", "join", "leave", "topic", "nick", "who", "rooms", "ping",
    "remove", "history", "search",
]  # fmt: skip
FIELDS = ["room", "text", "to", "name", "number", "before", "after", "limit", "id"]


class Attacker:
    """What a hostile program knows: its tokens, and what it has seen of the chat."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.tokens: list[str] = ["", "0" * 32, "\0"]
        self.epochs: list[str] = ["", "x"]

    def value(self, field: str) -> Any:
        """Return a value for a field: mostly one that fits."""
        chance = self.chance
        if chance.random() < 0.12:
            return chance.choice(VALUES)
        match field:
            case "room":
                return chance.choice(ROOMS[:4] if chance.random() < 0.7 else ROOMS)
            case "name" | "to":
                return chance.choice(NAMES)
            case "text":
                return chance.choice(TEXTS)
            case "id":
                return chance.choice((None, 1, 2, "a", "b" * 64, "b" * 65, ""))
            case "hold":
                return chance.random() < 0.7
            case "token":
                return chance.choice(self.tokens)
            case "epoch":
                return chance.choice(self.epochs)
            case "rooms":
                return [self.value("room") for _ in range(chance.randrange(4))]
            case "seen":
                rooms = [*ROOMS[:5], "@"]
                return {chance.choice(rooms): chance.choice(NUMBERS[:12]) for _ in range(3)}
        return chance.choice(NUMBERS)

    def login(self) -> dict[str, Any]:
        fields = ["name", *("rooms", "hold", "token", "seen", "epoch", "id", "password")]
        login = {one: self.value(one) for one in fields if self.chance.random() < 0.7}
        return {"type": "login", "name": "Eve", **login}

    def request(self) -> dict[str, Any]:
        if self.chance.random() < 0.05:
            return self.login()
        fields = [one for one in FIELDS if self.chance.random() < 0.6]
        return {"type": self.chance.choice(TYPES), **{one: self.value(one) for one in fields}}

    def line(self, request: dict[str, Any]) -> bytes:
        """Return a request as a line, perhaps a broken one."""
        chance = self.chance
        line = json.dumps(request, ensure_ascii=chance.random() < 0.5)
        data = bytearray(line.encode("utf-8", "surrogatepass"))
        if chance.random() < 0.15:
            for _ in range(chance.randrange(1, 4)):
                at = chance.randrange(len(data) + 1)
                with_what = chance.choice(
                    (b'"', b"{", b"}", b"[" * 2000, b"\\u", b",", b"\xff", b"\0", b"1e999", b"\n")
                )
                data[at : at + chance.randrange(3)] = with_what
        return bytes(data) + chance.choice((b"\n", b"\n", b"\r\n", b" \n", b"\n\n"))

    def learn(self, event: dict[str, Any]) -> None:
        if event["type"] == "welcome":
            self.tokens.append(event["token"])
            self.epochs.append(event["epoch"])


async def attack(network: MemoryNetwork, attacker: Attacker) -> None:
    """Be a program for as long as the server lets it, and leave in some way."""
    chance = attacker.chance
    small = Link(
        capacity=chance.choice((16, 4096, 65536)), cut=lambda: cut_at_random(chance.randrange(99))
    )
    stream = await network.connect(ADDRESS, link=chance.choice((None, small)))
    lines = LineClient(stream, patience=5)
    with trio.move_on_after(20):
        async with trio.open_nursery() as nursery:
            if chance.random() < 0.9:
                nursery.start_soon(read_all, lines, attacker)
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await stream.send_all(attacker.line(attacker.login()))
                for _ in range(chance.randrange(25)):
                    await stream.send_all(attacker.line(attacker.request()))
                    if chance.random() < 0.2:
                        await trio.sleep(chance.random())
                await trio.sleep(1)
                if chance.random() < 0.3:
                    await stream.send_all(b'{"type": "quit"}\n')
            nursery.cancel_scope.cancel()
    if chance.random() < 0.5:
        stream.reset()
    await trio.aclose_forcefully(stream)


async def read_all(lines: LineClient, attacker: Attacker) -> None:
    """Check everything that the server sends against the schema, except plain errors."""
    with suppress(AssertionError):
        # It has ended, or is silent.
        while True:
            line = await lines.receive()
            if line.startswith("{"):
                attacker.learn(check_heard(line))


class Unfit(Exception):
    """The server has sent something that the schema does not allow."""


def check_heard(line: str) -> dict[str, Any]:
    try:
        return check_said(line)
    except AssertionError as error:
        raise Unfit(str(error)) from None


class Errors(logging.Handler):
    """Keeps what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(self.format(record))


def run_case(case: Any) -> None:
    """Run a case on virtual time, and check that nothing was logged as an error."""
    errors = Errors()
    logger = logging.getLogger("trionet")
    logger.addHandler(errors)
    propagates, logger.propagate = logger.propagate, False
    try:
        trio.run(case, clock=MockClock(autojump_threshold=0))
    finally:
        logger.removeHandler(errors)
        logger.propagate = propagates
    assert not errors.told, errors.told[0]


def fuzz_json(chance: random.Random) -> None:
    """Whatever a program sends, it gets answers that fit the schema, and harms no other member."""
    run_case(partial(_fuzz_json, chance))


async def _fuzz_json(chance: random.Random) -> None:
    network = MemoryNetwork(seed=chance.randrange(1 << 30))
    async with trio.open_nursery() as nursery:
        server = await nursery.start(
            partial(
                chat.serve,
                ADDRESS,
                limits=LIMITS,
                network=network,
                forever=True,
                grace=chance.choice((0, 5, 60)),
                history=chance.choice(("memory", "none")),
                max_rooms=chance.choice((1, 3, 100)),
            )
        )
        ann = LineClient(await network.connect(ADDRESS))
        await ann.send("Ann")
        bob = LineClient(await network.connect(ADDRESS))
        await bob.send('{"type": "login", "name": "Bob"}')
        attacker = Attacker(chance)
        for turn in range(3):
            for _ in range(chance.choice((1, 1, 2))):
                nursery.start_soon(attack, network, attacker)
            await trio.sleep(chance.choice((0, 3, 30)))
            await ann.send(f"turn {turn}")
            while True:
                event = check_heard(await bob.receive())
                if event["type"] == "said" and event["name"] == "Ann":
                    assert event["text"] == f"turn {turn}"
                    break
        await trio.sleep(30)
        await server.drain()


SERVER_LINES: list[dict[str, Any]] = [
    {"type": "said", "room": "lobby", "number": 1, "time": "2026-11-28T02:35:00.123Z",
     "name": "Bob", "text": "hi"},
    {"type": "acted", "room": "lobby", "number": 2, "time": "x", "name": "Bob", "text": "hi"},
    {"type": "joined", "room": "lobby", "number": 3, "time": "x", "name": "Bob", "count": 2},
    {"type": "left", "room": "lobby", "number": 4, "time": "x", "name": "Bob", "count": 1,
     "reason": "quit"},
    {"type": "renamed", "room": "lobby", "number": 5, "time": "x", "name": "Bob", "to": "Rob"},
    {"type": "topic", "room": "lobby", "number": 6, "time": "x", "name": "Bob", "text": "t"},
    {"type": "removed", "room": "lobby", "number": 7, "time": "x", "name": "Bob", "of": 1},
    {"type": "told", "number": 1, "time": "x", "from": "Bob", "to": "ann", "text": "psst"},
    {"type": "members", "room": "lobby", "members": ["ann"], "more": False},
    {"type": "rooms", "rooms": [{"room": "lobby", "topic": "", "count": 1}]},
    {"type": "missed", "room": "lobby", "after": 1, "before": 5},
    {"type": "missed", "count": 3, "re": [1, 2]},
    {"type": "history", "room": "lobby", "events": [], "more": False},
    {"type": "found", "events": [], "more": True},
    {"type": "epoch", "epoch": "e2", "rooms": {"lobby": 3}},
    {"type": "error", "code": "bad-request", "reason": "no"},
    {"type": "error", "code": "name-taken", "reason": "no"},
    {"type": "closing", "reason": "server is closing"},
    {"type": "pong"}, {"type": "done"}, {"type": "strange", "field": 1},
    {"type": "entered", "room": "lobby", "topic": "", "members": ["ann"], "count": 1, "last": 0},
    {"type": "welcome", "name": "ann", "token": "t", "epoch": "e", "resumed": True},
]  # fmt: skip


def any_server_line(chance: random.Random, ids: list[object]) -> bytes:
    """Return what a server might say, perhaps with fields that do not fit."""
    event = dict(chance.choice(SERVER_LINES))
    if chance.random() < 0.6 and ids:
        event["re"] = chance.choice(ids)
    if chance.random() < 0.3:
        event[chance.choice([*event, "extra"])] = chance.choice(VALUES)
    if chance.random() < 0.1:
        event.pop(chance.choice([*event]), None)
    data = bytearray(json.dumps(event).encode())
    if chance.random() < 0.08:
        at = chance.randrange(len(data))
        data[at : at + 2] = chance.choice((b"", b'"', b"}", b"\xff", b"[" * 3000, b"\0"))
    return bytes(data) + b"\n"


async def be_server(server: ScriptedServer, chance: random.Random) -> None:
    """Accept one connection after the other, and say anything."""
    while True:
        try:
            peer = await server.accept()
        except AssertionError:
            return
        ids: list[object] = [1, 2, 3, None]
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, AssertionError):
            ids = [json.loads(await peer.receive())["id"] for _ in range(2)]
            if chance.random() < 0.9:
                login, ping = ids
                for event, re in (
                    (SERVER_LINES[-1], login),
                    (SERVER_LINES[-2], login),
                    ({"type": "pong"}, ping),
                ):
                    await peer.stream.send_all(json.dumps({**event, "re": re}).encode() + b"\n")
            ids += range(8)
            for _ in range(chance.randrange(30)):
                with trio.move_on_after(0.1):
                    asked = json.loads(await peer.receive())
                    ids.append(asked.get("id"))
                await peer.stream.send_all(any_server_line(chance, ids[-4:]))
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await trio.aclose_forcefully(peer.stream)


async def ask_anything(client: chat.Client, chance: random.Random) -> None:
    """Ask for anything; only the errors that a program may expect come out."""
    for _ in range(10):
        room, number = chance.choice(("lobby", "r1")), chance.choice((0, 1, 7))
        ask: Callable[[], Awaitable[object]] = chance.choice(
            (
                partial(client.say, room, "hello"),
                partial(client.act, room, "waves"),
                partial(client.tell, "Bob", "psst"),
                partial(client.join, room),
                partial(client.leave, room),
                partial(client.topic, room, "t"),
                partial(client.nick, "anna"),
                partial(client.remove, room, number),
                partial(client.who, room),
                client.list_rooms,
                client.ping,
                partial(take_all, client.history(room)),
                partial(client.search, "x"),
            )
        )
        with trio.move_on_after(5), suppress(TrionetError, trio.ClosedResourceError):
            await ask()


async def take_all(events: AsyncIterable[object]) -> None:
    async for _ in events:
        pass


async def hear_anything(client: chat.Client) -> None:
    with suppress(TrionetError):
        async for event in client:
            repr((event, client, dict(client.rooms)))


def fuzz_client(chance: random.Random) -> None:
    """Whatever a server sends, a client's program gets only trionet's own errors."""
    run_case(partial(_fuzz_client, chance))


async def _fuzz_client(chance: random.Random) -> None:
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery, ScriptedServer(network, ADDRESS) as server:
        nursery.start_soon(be_server, server, chance)
        with trio.move_on_after(120), suppress(TrionetError):
            async with chat.Client(ADDRESS, name="ann", network=network) as client:
                with trio.move_on_after(chance.choice((1, 20))):
                    async with trio.open_nursery() as users:
                        users.start_soon(hear_anything, client)
                        for _ in range(3):
                            users.start_soon(ask_anything, client, chance)
        nursery.cancel_scope.cancel()
