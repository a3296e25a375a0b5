"""Redis starts anew: what it may have lost, only the nodes together can know."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import trio
import trio.testing

from shared_chat import Cluster, Json, clusters, messages

__all__ = ["clusters"]


async def one_on_each(cluster: Cluster, names: str) -> list[Json]:
    members = []
    for node, name in zip(cluster.nodes, names.split(), strict=True):
        members.append(await node.json(name))
        await cluster.settle()
    return members


def cut_off(cluster: Cluster, *numbers: int) -> None:
    cluster.redis.cut_off.update(f"node-{number}" for number in numbers)
    cluster.redis.changed()


def said_numbers(events: list[dict[str, Any]]) -> list[int]:
    return [event["number"] for event in events if event["type"] == "said"]


async def lose_what_node_2_has_not_heard(cluster: Cluster, ann: Json) -> None:
    """Cut node 2 off, go on without it, and lose that."""
    cut_off(cluster, 2)
    kept = len(cluster.redis.entries)
    for number in range(30):
        await ann.request("say", room="lobby", text=f"lost {number}", id=number)
    await trio.sleep(0.5)
    cut_off(cluster, 0, 1)
    # What node 2 has read is all still there, so it sees nothing amiss.
    cluster.redis.roll_back(len(cluster.redis.entries) - kept)


@pytest.mark.parametrize("seconds", [0.1, 3.0, 10.0])
async def test_a_node_that_missed_what_redis_has_lost_gives_no_number_again(
    seconds: float, clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(3) as cluster:
        ann, bob, cid = await one_on_each(cluster, "Ann Bob Cid")
        await lose_what_node_2_has_not_heard(cluster, ann)
        cluster.redis.cut_off.discard("node-2")
        cluster.redis.changed()
        for number in range(5):
            await cid.request("say", room="lobby", text=f"early {number}", id=number)
        await trio.sleep(seconds)
        cluster.redis.heal()
        await trio.sleep(20)
        epochs: set[str] = set()
        for member in (ann, bob, cid):
            events = await messages(member)
            assert len(said_numbers(events)) == 35
            assert said_numbers(events) == sorted(set(said_numbers(events)))
            epochs.update(event["epoch"] for event in events if event["type"] == "epoch")
            assert Counter(event["type"] for event in events)["epoch"] == 1
        assert len(epochs) == 1
        assert len({node.state_digest() for node in cluster.nodes}) == 1


async def test_a_node_that_is_new_after_redis_has_lost_something_gives_no_number_again(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(3) as cluster:
        ann, bob, cid = await one_on_each(cluster, "Ann Bob Cid")
        await lose_what_node_2_has_not_heard(cluster, ann)
        node = await cluster.start()
        dan = await node.json("Dan")
        await dan.request("say", room="lobby", text="new here", id=1)
        await trio.sleep(2)
        cluster.redis.heal()
        await trio.sleep(20)
        for member in (ann, bob, cid):
            events = await messages(member)
            assert len(said_numbers(events)) == 31
            assert said_numbers(events) == sorted(set(said_numbers(events)))
            assert Counter(event["type"] for event in events)["epoch"] == 1
        assert len({node.state_digest() for node in cluster.nodes}) == 1


@pytest.mark.parametrize("how", ["all at once", "one is late", "nobody may ask"])
async def test_a_redis_that_has_lost_nothing_is_only_a_pause(
    how: str, clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(3) as cluster:
        cluster.redis.tells_info = how != "nobody may ask"
        members = await one_on_each(cluster, "Ann Bob Cid")
        cluster.redis.restart()
        if how == "one is late":
            cut_off(cluster, 1)
        for number, member in enumerate(members):
            await member.request("say", room="lobby", text=str(number), id=number)
        await trio.sleep(2.5)
        cluster.redis.heal()
        await trio.sleep(3)
        # One that comes later need not ask anybody.
        began = trio.current_time()
        await cluster.start()
        assert trio.current_time() - began < 0.5
        for member in members:
            events = await messages(member)
            numbers = said_numbers(events)
            assert numbers == list(range(numbers[0], numbers[0] + 3))
            assert Counter(event["type"] for event in events)["epoch"] == 0
        if how != "one is late":
            assert not [line for line in cluster.nodes[0].shown if "reach" in line]


async def test_whoever_is_dead_is_waited_for_no_longer_than_its_lease(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(3) as cluster:
        ann, bob, _ = await one_on_each(cluster, "Ann Bob Cid")
        cluster.kill(cluster.nodes[2])
        cluster.redis.restart()
        began = trio.current_time()
        await ann.request("say", room="lobby", text="on", id=1)
        await bob.next("said")
        assert 3.5 < trio.current_time() - began < 5.5
        # Perhaps it has told what is lost now.
        assert "epoch" in [event["type"] for event in await messages(ann)]


async def test_nobody_waits_where_all_nodes_have_said_good_bye(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        for node in cluster.nodes:
            await node.server.drain()
            await node.ended.wait()
        cluster.redis.restart()
        began = trio.current_time()
        await cluster.start()
        assert trio.current_time() - began < 0.5
