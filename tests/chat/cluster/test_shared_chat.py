"""Several servers that are one chat, over a Redis in memory, on virtual time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from fake_redis import FakeLink
from shared_chat import clusters, rest, said, told
from trionet.chat.cluster.link import Command

__all__ = ["clusters"]


# One chat


async def test_members_of_two_nodes_are_in_one_room(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        one, two = cluster.nodes
        ann = await one.connect("Ann")
        await ann.expect("*** welcome, Ann (1 here: Ann)")
        bob = await two.connect("Bob")
        await bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
        await ann.expect("*** Bob joined (2 here)")
        await ann.send("hello", "/me waves")
        await bob.expect("Ann: hello", "* Ann waves")
        await bob.send("q")
        await ann.expect("*** Bob left (1 here)")


async def test_a_name_is_given_once_also_to_a_look_alike_that_asks_at_the_same_time(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        one, two = cluster.nodes
        ann = await one.connect("Ann")
        twin = await two.connect("аnn")
        first = {await ann.receive(), await twin.receive()}
        assert first in (
            {
                "*** welcome, Ann (1 here: Ann)",
                "error: the name аnn looks like Ann, which is taken",
            },
            {
                "*** welcome, аnn (1 here: аnn)",
                "error: the name Ann looks like аnn, which is taken",
            },
        )


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """Functions that are called whenever a node asks Redis for more."""
    calls = FakeLink.calls
    functions: list[Callable[[], object]] = []

    async def noted(link: FakeLink, *commands: Command, **options: Any) -> Sequence[Any]:
        if commands[0][0] == b"XREAD":
            for function in functions:
                function()
        return await calls(link, *commands, **options)

    monkeypatch.setattr(FakeLink, "calls", noted)
    return functions


async def served_when_asked(
    clusters: Any, asking: list[Callable[[], object]], *texts: str
) -> list[bool]:
    """Say texts quickly; return whether a member was served by then, each time Redis was asked."""
    async with clusters(1) as cluster:
        (node,) = cluster.nodes
        ann, bob = await node.connect("Ann"), await node.connect("Bob")
        await rest(bob)
        # Between two heartbeats.
        await trio.sleep(0.5)
        served: list[bool] = []
        asking.append(lambda: served.append(bob.stream.has_input()))
        for text in texts:
            await ann.send(text)
            await trio.sleep(0.0005)
        await trio.sleep(0.01)
        return served


async def test_members_are_served_before_redis_is_asked_for_more(
    clusters: Any, autojump_clock: trio.testing.MockClock, asking: list[Callable[[], object]]
) -> None:
    # To ask takes a system call that wakes Redis. Whoever waits for a message would wait for it.
    assert await served_when_asked(clusters, asking, "hello") == [True]


async def test_a_node_that_has_more_to_write_asks_redis_before_it_serves_members(
    clusters: Any, autojump_clock: trio.testing.MockClock, asking: list[Callable[[], object]]
) -> None:
    # Redis does its part while the node does its own.
    assert await served_when_asked(clusters, asking, "one", "two") == [False, True]


async def test_answers_stand_behind_the_same_connections_earlier_operations(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(1) as cluster:
        peer = await cluster.nodes[0].json("Ann", id=0)
        await peer.request("say", room="lobby", text="hello", id=1)
        await peer.request("ping", id=2)
        await peer.request("join", room="builds", id=3)
        await peer.request("nonsense", id=4)
        await peer.client.send("{")
        await peer.request("say", room="builds", text="there", id=5)
        await peer.request("nick", name="Anna", id=6)
        await peer.request("who", room="builds", id=7)
        await peer.request("quit")
        got = [json.loads(line) for line in await rest(peer.client)]
        assert [(event["type"], event.get("re")) for event in got] == [
            ("welcome", 0), ("entered", 0), ("said", 1), ("pong", 2), ("entered", 3),
            ("error", 4), ("error", None), ("said", 5), ("renamed", 6), ("renamed", 6),
            ("members", 7),
        ]  # fmt: skip
        assert got[-1]["members"] == ["Anna"]


async def test_a_line_after_a_move_is_said_in_the_new_room(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        one, two = cluster.nodes
        bob = await two.json("Bob", rooms=["builds"])
        await bob.next("entered")
        await one.connect("Ann", "in the lobby", "/join builds", "in builds", "q")
        event = await bob.next("said")
        assert (event["room"], event["text"]) == ("builds", "in builds")


async def test_what_a_peer_said_before_it_closed_is_said_and_answered(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        one, two = cluster.nodes
        bob = await two.connect("Bob")
        await bob.expect("*** welcome, Bob (1 here: Bob)")
        ann = await one.connect('{"type":"login","name":"Ann"}')
        await ann.send('{"type":"say","room":"lobby","text":"hello","id":1}')
        await ann.send_eof()
        kinds = [json.loads(line)["type"] for line in await rest(ann)]
        assert kinds == ["welcome", "entered", "said"]
        await bob.expect("*** Ann joined (2 here)", "Ann: hello", "*** Ann left (1 here)")


async def test_whoever_goes_while_its_login_is_on_its_way_is_gone(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        one, two = cluster.nodes
        bob = await two.connect("Bob")
        await bob.expect("*** welcome, Bob (1 here: Bob)")
        cluster.redis.hangs = True
        ann = await one.connect("Ann")
        await trio.sleep(0.5)
        await ann.aclose()
        await trio.sleep(0.5)
        cluster.redis.heal()
        await cluster.settle()
        await bob.send("/who")
        lines = [await bob.receive() for _ in range(3)]
        assert lines == ["*** Ann joined (2 here)", "*** Ann left (1 here)", "*** 1 here: Bob"]


# Dead nodes


async def test_the_members_of_a_dead_node_have_left_within_the_lease(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        one, two = cluster.nodes
        ann = await one.json("Ann")
        for number in range(20):
            await two.connect(f"m{number}")
        await two.json("Held", hold=True)
        await cluster.settle()
        cluster.kill(two)
        died = trio.current_time()
        gone = [await ann.next("left") for _ in range(20)]
        assert {event["reason"] for event in gone} == {"lost"}
        assert len({event["name"] for event in gone}) == 20
        assert trio.current_time() - died <= 4 + 1
        await trio.sleep(50)
        # It was held, and is gone by now.
        last = await ann.next("left")
        assert last["name"] == "Held"
        assert 60 <= trio.current_time() - died <= 60 + 4 + 2


async def test_a_node_that_was_cut_off_comes_back_with_its_members(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        one, two = cluster.nodes
        ann = await one.connect("Ann")
        await cluster.settle()
        bob = await two.connect("Bob")
        await cluster.settle()
        await two.json("Cid", hold=True)
        await cluster.settle()
        dan = await two.connect("Dan")
        await cluster.settle()
        cluster.redis.cut_off.add("node-1")
        await trio.sleep(1)
        await bob.send("while I was away")
        await ann.send("can you hear me")
        await trio.sleep(10)
        thief = await one.connect("Dan")
        await trio.sleep(1)
        cluster.redis.heal()
        await cluster.settle()
        await bob.send("back", "/who")
        await cluster.settle()
        assert told(one.shown) == told(two.shown)
        assert said(one.shown) == ["Ann: can you hear me", "Bob: while I was away", "Bob: back"]
        assert [line for line in one.shown if "left" in line or "joined" in line] == [
            "*** Ann joined (1 here)", "*** Bob joined (2 here)", "*** Cid joined (3 here)",
            "*** Dan joined (4 here)", "*** Bob left (3 here)", "*** Dan left (2 here)",
            "*** Dan joined (3 here)", "*** Bob joined (4 here)",
        ]  # fmt: skip
        heard = await rest(bob)
        assert "Ann: can you hear me" in heard
        assert not [line for line in heard if "Bob left" in line or "Bob joined" in line]
        assert heard[-1] == "*** 4 here: Ann, Cid, Dan, Bob"
        assert (await rest(dan))[-1] == "error: the name Dan is taken"
        assert "*** 4 here" not in (await rest(thief))


# Outages


async def test_an_outage_is_told_once_and_what_is_said_meanwhile_comes_afterwards(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        one, two = cluster.nodes
        ann = await one.connect("Ann")
        await ann.expect("*** welcome, Ann (1 here: Ann)")
        bob = await two.json("Bob")
        await bob.next("entered")
        await ann.expect("*** Bob joined (2 here)")
        cluster.redis.is_down = True
        await ann.send("one", "two")
        await trio.sleep(60)
        await ann.expect("*** messages wait: the log is out of reach")
        assert (await bob.next("log"))["available"] is False
        await bob.request("say", room="lobby", text="three")
        await trio.sleep(60)
        cluster.redis.heal()
        assert (await bob.next("log"))["available"] is True
        await cluster.settle()
        assert sorted(said(one.shown)) == ["Ann: one", "Ann: two", "Bob: three"]
        assert said(one.shown) == said(two.shown)
        # Nobody has left.
        assert not [line for line in one.shown if "left" in line]
        assert sorted(await rest(ann)) == ["*** the log is back", "Bob: three"]


@pytest.mark.parametrize("refusal", ["OOM command not allowed", "READONLY You can't write"])
async def test_a_redis_that_only_reads_is_out_of_reach_too(
    refusal: str, clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(1) as cluster:
        ann = await cluster.nodes[0].connect("Ann")
        await ann.expect("*** welcome, Ann (1 here: Ann)")
        cluster.redis.refuses = refusal
        await ann.send("hello")
        await ann.expect("*** messages wait: the log is out of reach")
        cluster.redis.heal()
        await ann.expect("*** the log is back")
        await cluster.settle()
        assert said(cluster.nodes[0].shown) == ["Ann: hello"]


async def test_what_waits_is_bounded_and_then_nothing_more_is_read(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(1, max_pending=65_536) as cluster:
        (node,) = cluster.nodes
        ann = await node.connect("Ann")
        await ann.expect("*** welcome, Ann (1 here: Ann)")
        cluster.redis.is_down = True
        await trio.sleep(3)
        async with trio.open_nursery() as nursery:
            lines = ["x" * 1000 + str(number) for number in range(1000)]
            nursery.start_soon(partial(ann.send, *lines))
            await trio.sleep(600)
            assert node.statistics().pending_bytes < 200_000
            cluster.redis.heal()
        await trio.sleep(600)
        assert [line.removeprefix("Ann: ") for line in said(node.shown)] == lines
