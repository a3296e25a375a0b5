"""A node whose log is lost, or that is cut off, while a member is told the past."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from shared_chat import Cluster, Json, clusters
from trionet.chat.serving import handling
from trionet.chat.session import returning
from trionet.testing import LineClient, Link

__all__ = ["clusters"]

Event = dict[str, Any]

ROOMS = ("lobby", "builds", "games")

# The last number that Bob has seen in each.
SEEN = 2


def roll_back(cluster: Cluster) -> None:
    cluster.redis.roll_back(6)


def flush(cluster: Cluster) -> None:
    cluster.redis.flush()


def cut_off(cluster: Cluster) -> None:
    cluster.redis.cut_off.add("node-1")


async def come_to_a_past(
    cluster: Cluster, nursery: trio.Nursery
) -> tuple[list[Event], list[Event]]:
    """Let Bob come, who has seen the beginning of each room and reads slowly.

    Ann, at another server, goes on talking.

    Returns:
        What each of them is told from now on.
    """
    one, two = cluster.nodes
    ann = await one.json("Ann", rooms=ROOMS)
    epoch = (await ann.next("welcome"))["epoch"]
    truth: list[Event] = []

    async def listen() -> None:
        while True:
            truth.append(json.loads(await ann.client.receive()))

    async def talk(messages: int, pause: float) -> None:
        for number in range(messages):
            text = f"{number} {'x' * 50}"
            await ann.request("say", room=ROOMS[number % len(ROOMS)], text=text)
            await trio.sleep(pause)

    async def talk_on() -> None:
        await talk(300, 0.15)
        await trio.sleep(20)
        await ann.request("say", room="games", text="the end")

    nursery.start_soon(listen)
    await talk(300, 0.001)
    await cluster.settle()
    link = Link(capacity=500)
    client = LineClient(await two.network.connect(two.server.addresses[0], link=link))
    seen = dict.fromkeys(ROOMS, SEEN)
    await Json(client).request("login", name="Bob", rooms=ROOMS, epoch=epoch, seen=seen)
    told: list[Event] = []

    async def hear() -> None:
        while True:
            told.append(json.loads(await client.receive()))
            # So that the past takes half a minute, and he keeps up with what happens then.
            await trio.sleep(0.1)

    nursery.start_soon(hear)
    nursery.start_soon(talk_on)
    return truth, told


def faults(truth: list[Event], told: list[Event]) -> list[Any]:
    """Return what Bob was told out of order, and what he lacks and was not told that he missed."""
    faults: list[Any] = []
    # He is not told of his own coming, nor that his server has lost him for a while.
    own = {
        (event["room"], event["number"])
        for event in truth
        if event["type"] in ("joined", "left") and event["name"] == "Bob"
    }
    last = dict.fromkeys(ROOMS, SEEN)
    entered: list[str] = []

    def follows(room: str, number: int, event: Event) -> None:
        lacking = {(room, one) for one in range(last[room] + 1, number)} - own
        if lacking or number <= last[room]:
            faults.append((last[room], event))
        last[room] = max(last[room], number)

    for event in told:
        match event:
            case {"type": "epoch", "rooms": rooms}:
                # Numbers up to these are past: nothing of them may follow.
                for room in ROOMS:
                    if room in entered:
                        follows(room, rooms.get(room, 0) + 1, event)
                    last[room] = max(last[room], rooms.get(room, 0))
            case {"type": "missed", "room": room, "before": before}:
                last[room] = max(last[room], before - 1)
            case {"type": "entered", "room": room, "last": number}:
                entered.append(room)
                follows(room, number + 1, event)
                last[room] = number
            case {"room": room, "number": number}:
                follows(room, number, event)
    if entered != list(ROOMS):
        faults.append(entered)
    return faults


@pytest.mark.parametrize("seconds", [1, 4, 12])
@pytest.mark.parametrize("lose", [roll_back, flush, cut_off])
async def test_whoever_is_told_the_past_meanwhile_is_told_all_or_that_it_has_missed_it(
    lose: Callable[[Cluster], None],
    seconds: int,
    clusters: Any,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(returning, "PAGE_BYTES", 3000)
    async with clusters(2) as cluster, trio.open_nursery() as nursery:
        truth, told = await come_to_a_past(cluster, nursery)
        await trio.sleep(2)
        lose(cluster)
        await trio.sleep(seconds)
        cluster.redis.heal()
        await trio.sleep(100)
        nursery.cancel_scope.cancel()
    assert told[-1]["text"] == "the end"
    assert faults(truth, told) == []


async def test_a_login_counts_before_all_of_the_past_is_told(
    clusters: Any, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returning, "PAGE_BYTES", 3000)
    async with clusters(2) as cluster, trio.open_nursery() as nursery:
        truth, told = await come_to_a_past(cluster, nursery)
        # The login deadline is 30 seconds.
        await trio.sleep(100)
        nursery.cancel_scope.cancel()
    assert faults(truth, told) == []


async def test_nothing_of_the_past_follows_a_new_epoch_that_no_server_can_write_yet(
    clusters: Any, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returning, "PAGE_BYTES", 3000)
    async with clusters(2) as cluster, trio.open_nursery() as nursery:
        _, told = await come_to_a_past(cluster, nursery)
        await trio.sleep(2)
        cluster.redis.before_command = lambda command: command[0] == b"XADD"
        cluster.redis.roll_back(1)
        await trio.sleep(6)
        cluster.redis.heal()
        await trio.sleep(100)
        nursery.cancel_scope.cancel()
    begins = [event["type"] for event in told].index("epoch")
    past = told[begins]["rooms"]
    after = [event for event in told[begins:] if event["type"] == "said"]
    assert after
    assert [event for event in after if event["number"] <= past[event["room"]]] == []


async def test_whoever_waits_for_the_log_takes_no_turn_from_others(
    clusters: Any, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returning, "PAGE_BYTES", 3000)
    monkeypatch.setattr(handling, "TURNS", 1)
    async with clusters(2) as cluster, trio.open_nursery() as nursery:
        # Bob's server knows him when the log is lost, and does not know Cid.
        _, told = await come_to_a_past(cluster, nursery)
        await trio.sleep(2)
        two, before = cluster.nodes[1], len(cluster.redis.entries)
        epoch = told[0]["epoch"]
        cid = await two.json("Cid", rooms=ROOMS, epoch=epoch, seen=dict.fromkeys(ROOMS, SEEN))
        await cid.next("said")
        cluster.redis.before_command = lambda command: command[0] == b"XADD"
        cluster.redis.roll_back(len(cluster.redis.entries) - before)
        await trio.sleep(20)
        assert "Cid" not in two.names()
        # He is told that he has missed the rest.
        assert [event["room"] for event in told if event["type"] == "entered"] == list(ROOMS)
        nursery.cancel_scope.cancel()
