"""The window's link, with a real server on a network in memory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.testing

from trionet import chat
from trionet.chat.person import calls
from trionet.chat.window.model import Window
from trionet.cli.client_link import ClientLink
from trionet.testing import Link, MemoryNetwork, ScriptedServer

ADDRESS = "localhost:22223"


@asynccontextmanager
async def linked(
    network: MemoryNetwork, name: str = "Ann"
) -> AsyncIterator[tuple[Window, ClientLink]]:
    window, link = Window(name), ClientLink(ADDRESS, name=name, network=network)
    await link.open()
    try:
        async with trio.open_nursery() as nursery:

            def changed() -> None:
                for call in window.take_calls():
                    link.ask(call)  # type: ignore[arg-type]

            nursery.start_soon(link.run, window, changed)
            yield window, link
            nursery.cancel_scope.cancel()
    finally:
        await link.quit()


def enter(window: Window, link: ClientLink, text: str) -> None:
    for key in [*text, "enter"]:
        window.press(key)
    for call in window.take_calls():
        link.ask(call)  # type: ignore[arg-type]


async def settle() -> None:
    # Virtual time: all that was sent has arrived.
    await trio.sleep(0.1)


def texts(window: Window, room: str = "lobby") -> list[str]:
    return [entry.text for entry in window.rooms.get(room).log.entries]


async def serving(network: MemoryNetwork, nursery: trio.Nursery) -> trio.CancelScope:
    scope = trio.CancelScope()

    async def serve(task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        with scope:
            await chat.serve(ADDRESS, network=network, forever=True, task_status=task_status)

    await nursery.start(serve)
    return scope


async def test_what_is_said_at_once_arrives_in_its_order_and_once(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    network = MemoryNetwork()
    await serving(network, nursery)
    async with linked(network) as (ann, link), linked(network, "Bea") as (bea, _):
        for number in range(100):
            link.ask(calls.Say("lobby", f"line {number}"))
        await settle()
        expected = [f"line {number}" for number in range(100)]
        assert [text for text in texts(bea) if "line" in text] == expected
        assert [text for text in texts(ann) if "line" in text] == expected
        assert ann.waiting == 0
        assert ann.lag is not None
    nursery.cancel_scope.cancel()


async def test_what_was_said_before_is_loaded_and_refusals_are_told(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    network = MemoryNetwork()
    await serving(network, nursery)
    async with linked(network) as (_, link):
        for number in range(30):
            link.ask(calls.Say("lobby", f"line {number}"))
        await settle()
        async with linked(network, "Bea") as (bea, other):
            await settle()
            assert [text for text in texts(bea) if "line" in text][-1] == "line 29"
            other.ask(calls.Say("nowhere", "hello"))
            enter(bea, other, "/who")
            enter(bea, other, "/rooms")
            other.ask(calls.Join("builds"))
            await settle()
            assert "here: Ann, Bea" in texts(bea)
            assert "lobby (2)" in texts(bea)
            assert bea.rooms.get("builds").members == ["Bea"]
            assert any(entry.kind == "error" for entry in bea.rooms.shown.log.entries)
    nursery.cancel_scope.cancel()


async def test_what_is_typed_right_after_join_is_said_in_the_new_room(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    network = MemoryNetwork()
    await serving(network, nursery)
    async with linked(network) as (ann, link), linked(network, "Bea") as (bea, _):
        await settle()
        for line in ("/join builds", "one", "/join web", "two", "/join no!", "three"):
            enter(ann, link, line)
        await settle()
        assert [text for text in texts(ann, "builds") if text in ("one", "two", "three")] == ["one"]
        assert [text for text in texts(ann, "web") if text in ("one", "two", "three")] == ["two"]
        assert ann.rooms.shown.name == "web"
        # The room was refused, so its text is there to be changed.
        assert ann.rooms.shown.draft.text == "three"
        assert not {"one", "two", "three"} & {*texts(bea), *texts(ann)}
    nursery.cancel_scope.cancel()


async def test_what_the_server_finds_is_shown_in_its_place(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    network = MemoryNetwork()
    await serving(network, nursery)
    async with linked(network) as (_, link):
        for number in range(900):
            link.ask(calls.Say("lobby", f"line {number}"))
        await trio.sleep(60)
        async with linked(network, "Bea") as (bea, other):
            await settle()
            assert bea.rooms.shown.log.entries[0].text == "line 701"
            for key in [*"line 500", "c-r"]:
                bea.press(key)
            other.ask(*bea.take_calls())  # type: ignore[arg-type]
            await settle()
            log = bea.rooms.shown.log
            assert log.found is not None
            assert log[log.found].text == "line 500"
            # The gap below it is filled from above, and then from below.
            for key in ["pagedown"] * 30 + ["m-end"] + ["pageup"] * 40:
                bea.press(key)
                for call in bea.take_calls():
                    other.ask(call)  # type: ignore[arg-type]
                await settle()
            kept = [entry.text for entry in log.entries if entry.kind == "said"]
            assert kept == [f"line {number}" for number in range(900 - len(kept), 900)]
            assert len(kept) > 500
    nursery.cancel_scope.cancel()


async def test_a_restart_of_the_server_shows_a_countdown_and_loses_no_request(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    network = MemoryNetwork()
    first = await serving(network, nursery)
    async with linked(network) as (ann, link):
        await settle()
        assert ann.is_up
        first.cancel()
        await trio.sleep(5)
        assert not ann.is_up
        assert ann.link.startswith("reconnecting in ")
        link.ask(calls.Say("lobby", "while the line was down"))
        await settle()
        assert ann.waiting >= 1
        await serving(network, nursery)
        await trio.sleep(5)
        assert ann.is_up
        assert ann.lag is not None
        assert texts(ann).count("while the line was down") == 1
        assert texts(ann)[-4:] == [
            "the connection is lost",
            "connected again",
            "the server started again: the last messages may be missing",
            "while the line was down",
        ]
        assert ann.waiting == 0
    nursery.cancel_scope.cancel()


async def test_a_server_that_begins_anew_is_told_of_and_heard(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    network = MemoryNetwork()
    first = await serving(network, nursery)
    async with linked(network) as (ann, link), linked(network, "Bea") as (bea, other):
        for number in range(20):
            link.ask(calls.Say("lobby", f"line {number}"))
        await settle()
        first.cancel()
        link.ask(calls.Say("lobby", "while the line was down"))
        await trio.sleep(1)
        await serving(network, nursery)
        await trio.sleep(5)
        other.ask(calls.Say("lobby", "hello again"))
        await settle()
        for window in (ann, bea):
            assert "the server started again: the last messages may be missing" in texts(window)
            assert texts(window).count("hello again") == 1
            assert [text for text in texts(window) if "line " in text][:20] == [
                f"line {number}" for number in range(20)
            ]
        assert texts(ann).count("while the line was down") == 1
        for _ in range(3):
            ann.press("pageup")
        assert ann.take_calls() == []
    nursery.cancel_scope.cancel()


def cut(network: MemoryNetwork) -> None:
    """Break the newest connection: both ends lose what they have not read."""
    stream = network.streams[-1]
    stream._in.destroy()
    stream._out.destroy()


async def test_at_a_high_lag_a_cut_connection_loses_and_doubles_nothing(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    network = MemoryNetwork(link=Link(latency=1.5))
    await serving(network, nursery)
    async with linked(network, "Bea") as (bea, _), linked(network) as (ann, link):
        await trio.sleep(20)
        assert ann.lag == 3000
        for key in "half":
            ann.press(key)
        for number in range(40):
            link.ask(calls.Say("lobby", f"line {number}"))
            await trio.sleep(0.5)
            if number % 10 == 4:
                cut(network)
        await trio.sleep(60)
        expected = [f"line {number}" for number in range(40)]
        for window in (ann, bea):
            assert [text for text in texts(window) if "line " in text] == expected
        assert ann.waiting == 0
        assert ann.rooms.shown.draft.text == "half"
    nursery.cancel_scope.cancel()


async def test_the_lag_grows_while_a_server_does_not_answer(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    network = MemoryNetwork()
    await serving(network, nursery)
    async with linked(network) as (ann, _):
        await settle()
        assert ann.lag == 0
        network.partition()
        await trio.sleep(30)
        assert ann.is_up
        assert ann.lag is not None
        assert 15_000 < ann.lag < 31_000
        network.heal()
        await trio.sleep(11)
        assert ann.lag < 1000
    nursery.cancel_scope.cancel()


async def taken_over(server: ScriptedServer) -> None:
    """Let one member in, and at its third message let another connection take it over."""
    peer = await server.accept()
    messages = 0
    while True:
        request = json.loads(await peer.receive())
        kind, re = request["type"], request.get("id")
        if kind == "login":
            entered = {"room": "lobby", "topic": "", "members": ["Ann"], "count": 1, "last": 1}
            welcome = {"name": "Ann", "token": "t", "epoch": "e", "resumed": False}
            await peer.send(json.dumps({"type": "welcome", **welcome, "re": re}))
            await peer.send(json.dumps({"type": "entered", **entered, "re": re}))
        elif kind == "ping":
            await peer.send(json.dumps({"type": "pong", "re": re}))
        elif kind == "history":
            page = {"room": "lobby", "events": [], "more": False}
            await peer.send(json.dumps({"type": "history", **page, "re": re}))
        elif kind == "say" and (messages := messages + 1) == 3:
            # Closed with unread input, the connection would be reset.
            await peer.send(json.dumps({"type": "closing", "reason": "taken over"}))
            await peer.stream.aclose()
            return


async def test_no_text_is_lost_when_the_connection_is_over_for_good(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    network = MemoryNetwork()
    async with ScriptedServer(network, ADDRESS) as server:
        nursery.start_soon(taken_over, server)
        async with linked(network) as (ann, link):
            await settle()
            for text in ("one", "two", "three"):
                enter(ann, link, text)
            await settle()
            assert ann.link.startswith("disconnected: another connection")
            assert ann.rooms.shown.draft.text == "one"
            why = "another connection has taken this member over"
            assert texts(ann)[-3:] == [why, f"{why}: two", f"{why}: three"]
            enter(ann, link, "four")
            assert ann.rooms.shown.draft.text == "four"
            assert (ann.waiting, link.unanswered) == (0, [])
            nursery.cancel_scope.cancel()


async def test_a_text_too_many_comes_back(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    network = MemoryNetwork()
    await serving(network, nursery)
    async with linked(network) as (ann, link):
        await settle()
        for number in range(1002):
            link.ask(calls.Say("lobby", f"line {number}"))
        assert ann.rooms.shown.draft.text == "line 1001"
        assert texts(ann)[-1] == "too much is unsent"
    nursery.cancel_scope.cancel()
