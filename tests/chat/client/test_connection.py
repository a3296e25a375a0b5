"""The chat's client with servers that break, lie, or say nothing: the test plays the server."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from trionet import ConnectionLost
from trionet.chat import OPEN_ROOM, Client, NameRefused, RequestRefused, serve
from trionet.testing import LineClient, MemoryNetwork, MemoryStream, ScriptedServer

ADDRESS = "localhost:22223"
TIME = "2026-11-28T02:35:00.123Z"


def line(type_: str, **fields: Any) -> str:
    return json.dumps({"type": type_, **fields})


def said(number: int, text: str = "x", **fields: Any) -> str:
    fields = {"room": "lobby", "name": "bob", **fields}
    return line("said", number=number, time=TIME, text=text, **fields)


async def let_in(
    peer: LineClient, *replay: str, token: str = "t", resumed: bool = False, last: int = 1
) -> Any:
    """Read a login and welcome it, and return the login."""
    login = json.loads(await peer.receive())
    ping = json.loads(await peer.receive())
    assert (login["type"], ping["type"]) == ("login", "ping")
    entered = {"topic": "", "members": ["ann"], "count": 1, "last": last, "re": login["id"]}
    await peer.send(
        line("welcome", name="ann", token=token, epoch="e", resumed=resumed, re=login["id"]),
        *replay,
        *(line("entered", room=room, **entered) for room in login["rooms"]),
        line("pong", re=ping["id"]),
    )
    return login


def reset(peer: LineClient) -> None:
    assert isinstance(peer.stream, MemoryStream)
    peer.stream.reset()


async def request(peer: LineClient) -> Any:
    return json.loads(await peer.receive())


@pytest.fixture
async def network(autojump_clock: MockClock) -> MemoryNetwork:
    return MemoryNetwork()


@pytest.fixture
async def server(network: MemoryNetwork) -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(network, ADDRESS) as server:
        yield server


@pytest.fixture
async def ann(
    network: MemoryNetwork, server: ScriptedServer, nursery: trio.Nursery
) -> AsyncIterator[tuple[Client, LineClient]]:
    peers: list[LineClient] = []

    async def welcome() -> None:
        peers.append(await server.accept())
        await let_in(peers[0])

    nursery.start_soon(welcome)
    async with Client(ADDRESS, name="ann", network=network) as client:
        yield client, peers[0]


Outcome = list[Any]


async def record(outcome: Outcome, call: Callable[..., Any], *args: Any) -> None:
    try:
        outcome.append(await call(*args))
    except Exception as error:
        outcome.append(error)


async def test_a_lost_receipt_is_asked_for_with_the_same_id(
    ann: tuple[Client, LineClient],
    server: ScriptedServer,
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    client, peer = ann
    outcome: Outcome = []
    nursery.start_soon(record, outcome, client.say, "lobby", "hello")
    first = await request(peer)
    reset(peer)
    peer = await server.accept()
    login = await let_in(peer, resumed=True)
    assert (login["token"], login["seen"]) == ("t", {"lobby": 1})
    assert await request(peer) == first
    await peer.send(said(2, "hello", name="ann", re=first["id"]))
    await trio.sleep(1)
    assert outcome[0].number == 2


async def test_a_server_that_is_full_says_so_and_the_client_tries_again(
    network: MemoryNetwork, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    start = partial(serve, network=network, forever=True, limits=replace(OPEN_ROOM, max_clients=2))
    await nursery.start(start, ADDRESS)
    async with Client(ADDRESS, name="ann", network=network) as ann:
        async with Client(ADDRESS, name="bob", network=network, hold=False) as bob:
            with pytest.raises(ConnectionLost, match="server is full"):
                async with Client(ADDRESS, name="cid", network=network):
                    pass
            network.streams[1].sever()
            await trio.testing.wait_all_tasks_blocked()
            plain = LineClient(await network.connect(ADDRESS), name="plain")
            await plain.send("dan")
            outcome: Outcome = []
            nursery.start_soon(record, outcome, bob.say, "lobby", "back")
            await trio.sleep(20)
            assert outcome == []
            await plain.aclose()
            await trio.sleep(40)
            assert outcome[0].text == "back"
        assert (await ann.say("lobby", "still here")).text == "still here"
    nursery.cancel_scope.cancel()


async def test_a_server_that_never_answers_a_login_is_given_up(
    network: MemoryNetwork, server: ScriptedServer, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    began = trio.current_time()
    refused = pytest.raises(ConnectionLost, match="did not answer the login within 30 seconds")
    with refused, trio.fail_after(60):
        async with Client(ADDRESS, name="ann", network=network):
            pass
    assert 30 <= trio.current_time() - began < 32


async def test_a_proxy_whose_server_is_gone_does_not_stop_the_client_from_coming_back(
    ann: tuple[Client, LineClient],
    server: ScriptedServer,
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    client, peer = ann
    outcome: Outcome = []
    reset(peer)
    nursery.start_soon(record, outcome, client.say, "lobby", "hello")
    await server.accept()
    with trio.fail_after(60):
        peer = await server.accept()
        await let_in(peer, resumed=True)
        asked = await request(peer)
    await peer.send(said(2, "hello", name="ann", re=asked["id"]))
    await trio.sleep(1)
    assert outcome[0].number == 2


@pytest.mark.parametrize("rubbish", ["220 mail.example ESMTP", "x" * 70_000, line("pong", re=[])])
async def test_rubbish_before_a_login_does_not_stop_the_client_from_coming_back(
    ann: tuple[Client, LineClient],
    server: ScriptedServer,
    nursery: trio.Nursery,
    rubbish: str,
    autojump_clock: MockClock,
) -> None:
    client, peer = ann
    outcome: Outcome = []
    reset(peer)
    nursery.start_soon(record, outcome, client.say, "lobby", "hello")
    with trio.fail_after(60):
        # What stands in for a server that is being restarted.
        for _ in range(3):
            await (await server.accept()).send(rubbish)
        peer = await server.accept()
        await let_in(peer, resumed=True)
        asked = await request(peer)
    await peer.send(said(2, "hello", name="ann", re=asked["id"]))
    await trio.sleep(1)
    assert outcome[0].number == 2


@pytest.mark.parametrize(
    "lie",
    [
        "220 mail.example ESMTP",
        "[]",
        line("said", room="lobby", number="seven", time=TIME, name="bob", text="x"),
        line("said", room="lobby", number=2, time=TIME, name=None, text="x"),
        line("entered", room="lobby", topic="", members="bob", count=1, last=1),
        line("epoch", epoch="f", rooms=[]),
        "[" * 60_000,
        "x" * 70_000,
    ],
    ids=lambda lie: lie[:40],
)
async def test_what_is_no_event_ends_the_client_and_every_call(
    ann: tuple[Client, LineClient], nursery: trio.Nursery, lie: str, autojump_clock: MockClock
) -> None:
    client, peer = ann
    outcome: Outcome = []
    nursery.start_soon(record, outcome, client.say, "lobby", "hello")
    await request(peer)
    await peer.send(lie)
    await trio.sleep(1)
    assert isinstance(outcome[0], ConnectionLost)
    assert "does not speak this protocol" in str(outcome[0])
    with pytest.raises(ConnectionLost):
        async for _ in client:
            pass
    with pytest.raises(ConnectionLost):
        await client.ping()


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.say("lobby", "x"),
        lambda client: client.tell("bob", "x"),
        lambda client: client.join("builds"),
        lambda client: client.leave("lobby"),
        lambda client: client.topic("lobby", "x"),
        lambda client: client.remove("lobby", 1),
        lambda client: client.who("lobby"),
        lambda client: client.list_rooms(),
        lambda client: client.search("x"),
        lambda client: anext(client.history("lobby")),
    ],
)
async def test_an_answer_of_another_kind_is_an_error_of_the_tree(
    ann: tuple[Client, LineClient],
    nursery: trio.Nursery,
    ask: Callable[[Client], Any],
    autojump_clock: MockClock,
) -> None:
    client, peer = ann
    outcome: Outcome = []
    nursery.start_soon(record, outcome, ask, client)
    asked = await request(peer)
    await peer.send(line("pong", re=asked["id"]))
    await trio.sleep(1)
    assert isinstance(outcome[0], ConnectionLost)
    assert "does not speak this protocol" in str(outcome[0])


async def test_events_of_unknown_rooms_types_and_requests_do_no_harm(
    ann: tuple[Client, LineClient], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    client, peer = ann
    await peer.send(
        said(5, room="elsewhere"),
        line("left", room="elsewhere", number=6, time=TIME, name="ann", count=0, reason="lost"),
        said(2, "a stranger's receipt", re=4711),
        line("error", code="no-such-room", reason="what?", re=4712),
        line("members", room="elsewhere", members=["x"], re="text"),
        line("of-tomorrow", room="lobby"),
        line("missed", count=3, re=[4713, "text", None]),
    )
    outcome: Outcome = []
    nursery.start_soon(record, outcome, client.say, "lobby", "hello")
    asked = await request(peer)
    await peer.send(said(3, "hello", name="ann", re=asked["id"]))
    await trio.sleep(1)
    assert outcome[0].number == 3
    assert [*client.rooms] == ["lobby"]


@pytest.mark.parametrize("before_login", [True, False])
async def test_a_token_that_is_refused_is_an_error_of_the_tree(
    ann: tuple[Client, LineClient],
    server: ScriptedServer,
    nursery: trio.Nursery,
    before_login: bool,
    autojump_clock: MockClock,
) -> None:
    client, peer = ann
    reset(peer)
    peer = await server.accept()
    login = await request(peer)
    fields = {"re": login["id"]} if before_login else {}
    await peer.send(line("error", code="forbidden", reason="this token is revoked", **fields))
    with pytest.raises(RequestRefused, match="this token is revoked"):
        async for _ in client:
            pass


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x" * 5000, "too-long"),
        ("x" * 100_000, "too-long"),
        ("x\n" * 60, "too-long"),
        ("\x01" * 4000, "bad-line"),
        ("half \ud800", "bad-json"),
        ("", "bad-request"),
        (" \n ", "bad-request"),
    ],
    ids=lambda value: repr(value)[:12],
)
async def test_a_text_that_cannot_be_said_is_refused_and_the_client_goes_on(
    network: MemoryNetwork, nursery: trio.Nursery, text: str, code: str, autojump_clock: MockClock
) -> None:
    await nursery.start(partial(serve, ADDRESS, network=network, forever=True))
    async with Client(ADDRESS, name="ann", network=network) as client:
        with trio.fail_after(10):
            with pytest.raises(RequestRefused) as refused:
                await client.say("lobby", text)
            assert refused.value.code == code
            assert (await client.say("lobby", "hello")).text == "hello"
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("number", [-1, 0, 1 << 60, 1 << 80])
async def test_numbers_out_of_range_are_refused(
    network: MemoryNetwork, nursery: trio.Nursery, number: int, autojump_clock: MockClock
) -> None:
    await nursery.start(partial(serve, ADDRESS, network=network, forever=True))
    async with Client(ADDRESS, name="ann", network=network) as client:
        with trio.fail_after(10), pytest.raises(RequestRefused):
            await client.remove("lobby", number)
        with trio.fail_after(10):
            await record([], anext, client.history("lobby", after=number))
    nursery.cancel_scope.cancel()


# An escape sequence, a C1 control, a line break and a character that turns the writing around.
STEERING = "\x1b]0;x\x07\x9b31m\r\nno\u202e"


@pytest.mark.parametrize("code", ["name-taken", "name-refused", "bad-password", "bad-request"])
async def test_the_reason_of_a_refused_login_cannot_steer_a_terminal(
    code: str,
    network: MemoryNetwork,
    server: ScriptedServer,
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    outcome: Outcome = []
    nursery.start_soon(record, outcome, Client(ADDRESS, name="ann", network=network).__aenter__)
    peer = await server.accept()
    login = await request(peer)
    await peer.send(line("error", code=code, reason=STEERING, re=login["id"]))
    await trio.sleep(3)
    assert str(outcome[0]) == "\ufffd]0;x\ufffd\ufffd31m\ufffd\ufffdno\ufffd"


async def test_the_reason_of_a_refused_request_cannot_steer_a_terminal(
    ann: tuple[Client, LineClient], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    client, peer = ann
    outcome: Outcome = []
    nursery.start_soon(record, outcome, client.say, "lobby", "hello")
    asked = await request(peer)
    await peer.send(line("error", code="x\x1b", reason=STEERING, re=asked["id"]))
    await trio.sleep(1)
    assert outcome[0].reason == "\ufffd]0;x\ufffd\ufffd31m\ufffd\ufffdno\ufffd"
    assert outcome[0].code == "x\ufffd"


async def test_a_name_that_no_line_can_have_is_refused(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    with pytest.raises(NameRefused):
        async with Client(ADDRESS, name="\ud800", network=network):
            pass


async def test_a_history_without_an_end_ends(
    ann: tuple[Client, LineClient], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    client, peer = ann
    got: list[int] = []

    async def page() -> None:
        got.extend([event.number async for event in client.history("lobby")])
        got.append(-1)

    nursery.start_soon(page)
    for _ in range(2):
        asked = await request(peer)
        events = [json.loads(said(number)) for number in (7, 8)]
        await peer.send(line("history", room="lobby", events=events, more=True, re=asked["id"]))
    await trio.sleep(1)
    assert got == [8, 7, -1]


async def test_events_that_nobody_takes_are_bounded(
    ann: tuple[Client, LineClient], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    client, peer = ann
    short = [line("done"), line("rooms", rooms=[], more=True)] * 500
    tracemalloc.start()
    try:
        for first in range(2, 10_002, 1000):
            told = [said(number, "x" * 100) for number in range(first, first + 1000)]
            await peer.stream.send_all("\n".join([*told, *short, ""]).encode())
        del told
        await trio.sleep(1)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 6 << 20
    event = await anext(client)
    assert event.type == "missed"


async def test_leaving_a_server_that_never_answers_takes_two_seconds(
    network: MemoryNetwork, server: ScriptedServer, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def welcome() -> None:
        await let_in(await server.accept())

    nursery.start_soon(welcome)
    async with Client(ADDRESS, name="ann", network=network):
        began = trio.current_time()
    assert trio.current_time() - began < 2.5


async def test_a_call_that_waits_for_a_turn_can_be_cancelled_and_ends_with_the_client(
    ann: tuple[Client, LineClient], nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    client, peer = ann
    outcome: Outcome = []
    for _ in range(70):
        nursery.start_soon(record, outcome, client.say, "lobby", "hello")
    with trio.move_on_after(1):
        await client.say("lobby", "cancelled")
    for _ in range(64):
        await request(peer)
    await peer.expect_silence(1)
    await peer.send(line("closing", reason="taken over"))
    await peer.send_eof()
    await trio.sleep(1)
    assert len(outcome) == 70
    assert all(isinstance(one, ConnectionLost) for one in outcome)
