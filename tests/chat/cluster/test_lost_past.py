"""A stream that loses its newest part, or all: nobody leaves, nothing is said twice or lost."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from shared_chat import Cluster, Json, clusters, messages, rest, said, told

__all__ = ["clusters"]


async def three(cluster: Cluster) -> list[Json]:
    """Connect a member to each node."""
    members = []
    for node, name in zip(cluster.nodes, ("Ann", "Bob", "Cid"), strict=False):
        members.append(await node.json(name))
        await cluster.settle()
    return members


async def two_of_whom_one_is_cut_off(cluster: Cluster) -> tuple[Json, Json]:
    """Connect Ann and Bob to two nodes, and cut Bob's node off from Redis."""
    one, two = cluster.nodes
    ann, bob = await one.json("Ann"), await two.json("Bob")
    await cluster.settle()
    cluster.redis.cut_off.add("node-1")
    return ann, bob


def roll_back(cluster: Cluster) -> None:
    cluster.redis.roll_back(6)


def flush(cluster: Cluster) -> None:
    cluster.redis.flush()


def cut(cluster: Cluster) -> None:
    cluster.redis.entries.clear()


@pytest.mark.parametrize("lose", [roll_back, flush, cut])
async def test_whoever_is_here_stays_and_gets_one_epoch_the_same_on_all_nodes(
    lose: Any, clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(3) as cluster:
        members = await three(cluster)
        for number, member in enumerate(members):
            await member.request("say", room="lobby", text=f"before {number}", id=number)
        await trio.sleep(0.1)
        lose(cluster)
        await trio.sleep(20)
        for number, member in enumerate(members):
            await member.request("say", room="lobby", text=f"after {number}", id=10 + number)
        await trio.sleep(5)
        for node in cluster.nodes:
            assert sorted(said(node.shown)) == [
                "Ann: after 0", "Ann: before 0", "Bob: after 1", "Bob: before 1",
                "Cid: after 2", "Cid: before 2",
            ]  # fmt: skip
            assert not [line for line in node.shown if "left" in line]
            assert told(node.shown) == told(cluster.nodes[0].shown)
        epochs = []
        for member in members:
            events = [event for event in await messages(member) if event["type"] != "entered"]
            kinds = Counter(event["type"] for event in events)
            assert kinds["said"] == 6
            assert kinds["epoch"] == 1
            assert kinds["left"] == 0
            at = [event["type"] for event in events].index("epoch")
            epochs.append(events[at]["epoch"])
            numbers = [event["number"] for event in events[at:] if event["type"] == "said"]
            assert numbers == sorted(set(numbers))
            highest = max(event.get("number", 0) for event in events[:at])
            assert min(numbers) > highest
        assert len(set(epochs)) == 1
        await cluster.converge()
        assert len({node.state_digest() for node in cluster.nodes}) == 1


async def test_what_a_member_says_while_redis_loses_its_past_is_said_once(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(3) as cluster:
        members = await three(cluster)

        async def talk(member: Json, name: str) -> None:
            for number in range(200):
                await member.request("say", room="lobby", text=f"{name} {number}")
                await trio.sleep(0.05)

        async with trio.open_nursery() as nursery:
            for number, member in enumerate(members):
                nursery.start_soon(partial(talk, member, str(number)))
            await trio.sleep(3)
            cluster.redis.is_down = True
            await trio.sleep(1)
            cluster.redis.roll_back(20)
            cluster.redis.heal()
        await trio.sleep(20)
        for node in cluster.nodes:
            count = Counter(said(node.shown))
            assert set(count.values()) == {1}
            wanted = {
                f"{name}: {number} {at}"
                for number, name in enumerate(("Ann", "Bob", "Cid"))
                for at in range(200)
            }
            assert wanted - set(count) == set()
        await cluster.converge()
        assert len({node.state_digest() for node in cluster.nodes}) == 1


async def test_a_stream_that_is_trimmed_while_a_node_is_cut_off_is_told_as_missed(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2, snapshots=(20, 20)) as cluster:
        ann, bob = await two_of_whom_one_is_cut_off(cluster)
        for number in range(100):
            await ann.request("say", room="lobby", text=str(number))
            await trio.sleep(0.1)
        cluster.redis.heal()
        await trio.sleep(10)
        await ann.request("say", room="lobby", text="now")
        await trio.sleep(2)
        events = await messages(bob)
        texts = [event["text"] for event in events if event["type"] == "said"]
        assert texts[-1] == "now"
        missed = [event for event in events if event["type"] == "missed"]
        assert len(missed) == 1
        assert missed[0]["before"] - missed[0]["after"] > 50
        assert not [event for event in events if event["type"] == "epoch"]
        await cluster.converge()
        assert len({node.state_digest() for node in cluster.nodes}) == 1
        assert "Bob" in cluster.nodes[0].names()


async def test_what_a_snapshot_of_another_past_has_is_told_as_missed(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2, snapshots=(20, 20)) as cluster:
        # Ann's node tells more than Bob's, and then Redis loses it.
        ann, bob = await two_of_whom_one_is_cut_off(cluster)
        for number in range(100):
            await ann.request("say", room="lobby", text=f"ann {number}")
        await trio.sleep(0.5)
        cluster.redis.cut_off.add("node-0")
        cluster.redis.roll_back(len(cluster.redis.entries) - 4)
        # Bob's node goes on alone, until a snapshot has what Bob has said.
        cluster.redis.cut_off.discard("node-1")
        cluster.redis.changed()
        for number in range(60):
            await bob.request("say", room="lobby", text=f"bob {number}")
            await trio.sleep(0.1)
        assert b"bob 12" not in b"".join(cluster.redis.entries.values())
        cluster.redis.heal()
        await trio.sleep(20)
        events = await messages(ann)
        kinds = [event["type"] for event in events]
        (missed,) = [event for event in events if event["type"] == "missed"]
        assert kinds.index("epoch") < kinds.index("missed")
        numbers = [event["number"] for event in events if event["type"] == "said"]
        assert missed["after"] in numbers
        assert not [number for number in numbers if missed["after"] < number < missed["before"]]
        heard = {event["text"] for event in events if event["type"] == "said"}
        lost = {f"bob {number}" for number in range(60)} - heard
        assert len(lost) > 10
        told_to_bob = [event for event in await messages(bob) if event["type"] == "said"]
        assert len(told_to_bob) == 160
        for event in told_to_bob:
            if event["text"] in lost:
                assert missed["after"] < event["number"] < missed["before"]
        await cluster.converge()
        assert len({node.state_digest() for node in cluster.nodes}) == 1


async def test_a_node_that_starts_after_a_cut_from_outside_gets_what_the_others_have(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        await three(cluster)
        # The newest entries stay, so nobody who reads notices.
        for place in list(cluster.redis.entries)[:-1]:
            del cluster.redis.entries[place]
        node = await cluster.start()
        await trio.sleep(1)
        assert node.names() == ("Ann", "Bob")
        await cluster.converge()
        assert len({node.state_digest() for node in cluster.nodes}) == 1
        assert all(node.log.replica.generation == 0 for node in cluster.nodes)


async def test_a_stream_that_was_deleted_under_its_snapshot_begins_one_epoch(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2, snapshots=(5, 5)) as cluster:
        ann, bob = await three(cluster)
        await trio.sleep(20)
        assert cluster.redis.snapshot
        cluster.redis.entries.clear()
        await trio.sleep(30)
        for member in (ann, bob):
            kinds = Counter(event["type"] for event in await messages(member))
            assert kinds["epoch"] == 1
            assert not kinds["left"]
        await cluster.converge()
        assert len({node.state_digest() for node in cluster.nodes}) == 1
        assert set(cluster.nodes[0].names()) == {"Ann", "Bob"}


@pytest.mark.parametrize("seed", range(5))
async def test_everything_is_said_once_and_in_one_order_through_cut_connections(
    seed: int, clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(3) as cluster:
        members = await three(cluster)
        cluster.redis.cut_at_random(seed, 0.3)
        for number in range(150):
            for index, member in enumerate(members):
                await member.request("say", room="lobby", text=f"{index} {number}")
            await trio.sleep(0.03)
        cluster.redis.heal()
        await trio.sleep(20)
        first = said(cluster.nodes[0].shown)
        assert set(Counter(first).values()) == {1}
        assert len(first) == 450
        for node in cluster.nodes:
            assert said(node.shown) == first
        await cluster.converge()
        assert len({node.state_digest() for node in cluster.nodes}) == 1
        assert sum(node.statistics().resends for node in cluster.nodes) > 10
    assert rest is not None


async def test_numbers_after_a_lost_past_stand_above_what_any_node_has_told(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(3) as cluster:
        ann, bob, cid = await three(cluster)
        # Cid's node does not see what Redis is about to lose, and is the first to come back.
        cluster.redis.cut_off.add("node-2")
        for number in range(100):
            await ann.request("say", room="lobby", text=f"ann {number}")
        await trio.sleep(0.5)
        cluster.redis.cut_off.update(("node-0", "node-1"))
        cluster.redis.roll_back(len(cluster.redis.entries) - 8)
        cluster.redis.cut_off.discard("node-2")
        cluster.redis.changed()
        for number in range(20):
            await cid.request("say", room="lobby", text=f"cid {number}", id=number)
            await trio.sleep(0.05)
        await trio.sleep(0.5)
        cluster.redis.heal()
        await trio.sleep(20)
        for member in (ann, bob, cid):
            events = await messages(member)
            numbers = [event["number"] for event in events if event["type"] == "said"]
            assert numbers == sorted(set(numbers))
            assert len(numbers) == 120
            assert Counter(event["type"] for event in events)["epoch"] == 1
        assert len({node.state_digest() for node in cluster.nodes}) == 1


async def test_nothing_is_written_into_a_rolled_back_stream_before_the_loss_is_noticed(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        ann, bob = await three(cluster)
        await trio.sleep(0.3)
        await ann.request("say", room="lobby", text="lost")
        await trio.sleep(0.05)
        assert b"lost" in list(cluster.redis.entries.values())[-1]
        cluster.redis.is_down = True
        cluster.redis.changed()
        await bob.request("say", room="lobby", text="later")
        await trio.sleep(1)
        cluster.redis.roll_back(1)
        # The nodes can write sooner than they can read again.
        cluster.redis.before_command = lambda command: command[0] == b"XREAD"
        cluster.redis.is_down = False
        await trio.sleep(3)
        cluster.redis.heal()
        await trio.sleep(20)
        for member in (ann, bob):
            events = await messages(member)
            numbers = [event["number"] for event in events if event["type"] == "said"]
            assert len(numbers) == 2
            assert numbers == sorted(set(numbers))
            assert Counter(event["type"] for event in events)["epoch"] == 1


async def test_a_member_whose_leaving_is_lost_leaves_again_and_is_not_held(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        one, two = cluster.nodes
        await one.json("Ann")
        await cluster.settle()
        bob = await two.json("Bob", hold=True)
        await cluster.settle()
        await trio.sleep(0.3)
        before = len(cluster.redis.entries)
        await bob.request("quit")
        await trio.sleep(0.05)
        cluster.redis.roll_back(len(cluster.redis.entries) - before)
        await trio.sleep(10)
        again = await two.json("Bob", hold=True)
        first, *_ = await messages(again)
        assert first["type"] == "welcome"


async def say_what_cannot_be_written(cluster: Cluster, bob: Json) -> None:
    """Have Redis lose something, and Bob speak at a node that reads and cannot write."""
    redis = cluster.redis
    redis.roll_back(1)
    redis.changed()
    redis.before_command = lambda command: command[0] == b"XADD" and b"node-1" in command[-1]
    await trio.sleep(1.5)
    await bob.request("say", room="lobby", text="in between")


async def hear_it_once(cluster: Cluster, *members: Json) -> None:
    """Let the nodes write again, and check that this is all that members hear."""
    cluster.redis.heal()
    await trio.sleep(8)
    for member in members:
        events = await messages(member)
        assert [event["text"] for event in events if event["type"] == "said"] == ["in between"]


async def test_what_is_said_between_a_lost_past_and_the_end_of_the_lease_is_said(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        ann, bob = await three(cluster)
        await say_what_cannot_be_written(cluster, bob)
        await trio.sleep(8)
        assert "*** Bob left" in " ".join(cluster.nodes[0].shown)
        await hear_it_once(cluster, ann, bob)


async def test_what_is_said_before_a_hello_that_ends_the_lease_itself_is_said(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        ann, bob = await three(cluster)
        redis = cluster.redis
        await say_what_cannot_be_written(cluster, bob)
        replica = cluster.nodes[0].log.replica
        silent = replica.lives.by_node["node-1"]
        with trio.fail_after(10):
            while replica.lives.now - silent.seen < 2600:
                await cluster.nodes[0].log.wait_news()
        # From now on the other one cannot write either. So the next entry, which is node 1's hello,
        # comes after the end of its lease.
        redis.before_command = lambda command: command[0] == b"XADD"
        await trio.sleep(1.5)
        assert "*** Bob left" not in " ".join(cluster.nodes[0].shown)
        redis.before_command = lambda command: command[0] == b"XADD" and b"node-0" in command[-1]
        await trio.sleep(1.5)
        assert "*** Bob left" in " ".join(cluster.nodes[0].shown)
        await hear_it_once(cluster, ann, bob)


async def test_what_was_lost_twice_is_said_again_in_its_order(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(3) as cluster:
        ann, bob, cid = await three(cluster)
        redis = cluster.redis
        redis.cut_off.add("node-2")
        redis.changed()
        await trio.sleep(0.1)
        for text in ("one", "two", "three"):
            await ann.request("say", room="lobby", text=text)
            await trio.sleep(0.1)
        # Nobody can write, so the last entries are these three and no heartbeat.
        assert b"three" in list(redis.entries.values())[-1]
        redis.before_command = lambda command: command[0] == b"XADD"
        redis.roll_back(1)
        await trio.sleep(1.5)
        # Both have found their places again, and neither has said hello.
        assert [node.statistics().resyncs for node in cluster.nodes] == [1, 1, 0]
        redis.roll_back(2)
        redis.heal()
        await trio.sleep(20)
        for member in (ann, bob, cid):
            events = await messages(member)
            texts = [event["text"] for event in events if event["type"] == "said"]
            assert texts == ["one", "two", "three"]
        await cluster.converge()
        assert len({node.state_digest() for node in cluster.nodes}) == 1


async def test_a_snapshot_that_is_saved_while_a_node_looks_for_its_place_is_loaded(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2, snapshots=(20, 20)) as cluster:
        ann, bob = await three(cluster)
        redis = cluster.redis
        redis.cut_off.add("node-1")
        redis.flush()
        await trio.sleep(2)
        assert [node.statistics().resyncs for node in cluster.nodes] == [1, 0]
        looked = trio.Event()

        def cut_between_snapshot_and_stream(command: Any) -> bool:
            if command[0] == b"GET":
                assert redis.snapshot is None
                redis.cut_off.add("node-1")
                looked.set()
            return False

        redis.heal()
        redis.before_answer = cut_between_snapshot_and_stream
        with trio.fail_after(5):
            await looked.wait()
        for number in range(100):
            await ann.request("say", room="lobby", text=str(number))
            await trio.sleep(0.05)
        assert redis.snapshot is not None
        assert len(redis.entries) < 60
        redis.heal()
        await trio.sleep(20)
        await ann.request("say", room="lobby", text="ann")
        await bob.request("say", room="lobby", text="bob")
        await trio.sleep(5)
        for member in (ann, bob):
            texts = [event["text"] for event in await messages(member) if event["type"] == "said"]
            assert sorted(texts[-2:]) == ["ann", "bob"]
        await cluster.converge()
        assert len({node.state_digest() for node in cluster.nodes}) == 1


async def test_whoever_comes_in_again_keeps_the_token_that_it_had_as_another_member(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(1) as cluster:
        [node] = cluster.nodes
        bob = await node.json("Bob")
        first = await bob.next("welcome")
        await bob.request("say", room="lobby", text="mine", id=1)
        number = (await bob.next("said"))["number"]
        await bob.client.aclose()
        await trio.sleep(1)
        bob = await node.json("Bob", token=first["token"], hold=True)
        second = await bob.next("welcome")
        assert not second["resumed"]
        flush(cluster)
        await trio.sleep(20)
        bob = await node.json("Bob", token=second["token"], hold=True)
        assert (await bob.next("welcome"))["resumed"]
        await bob.request("remove", room="lobby", number=number, id=2)
        assert (await bob.next("removed"))["of"] == number
