"""Nodes that start, stop and move their members to others, over a Redis in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from fake_redis import FakeRedis
from shared_chat import clusters, messages, rest, said, told
from trionet.chat import RedisError
from trionet.chat.cluster.entries import UnknownFormat
from trionet.nurseries import single_error

__all__ = ["clusters"]


# Moving


async def test_a_member_that_loses_its_node_resumes_on_another_and_misses_nothing(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        one, two = cluster.nodes
        ann = await one.connect("Ann")
        await cluster.settle()
        bob = await two.json("Bob", hold=True, rooms=["lobby", "builds"])
        welcome = await bob.next("welcome")
        await bob.next("entered")
        await ann.send("one")
        seen = (await bob.next("said"))["number"]
        cluster.kill(two)
        await ann.send("two")
        await trio.sleep(10)
        await ann.send("three")
        await trio.sleep(1)
        again = await one.json(
            "Bob",
            hold=True,
            token=welcome["token"],
            epoch=welcome["epoch"],
            seen={"lobby": seen},
        )
        events = await messages(again)
        assert events[0]["type"] == "welcome"
        assert events[0]["resumed"] is True
        assert [event["text"] for event in events if event["type"] == "said"] == ["two", "three"]
        assert {event["room"] for event in events if event["type"] == "entered"} == {
            "lobby", "builds",
        }  # fmt: skip
        assert not [line for line in one.shown if "Bob left" in line]


async def test_a_login_with_a_token_takes_over_a_connection_on_another_node(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        one, two = cluster.nodes
        first = await one.json("Ann", hold=True)
        welcome = await first.next("welcome")
        second = await two.json("Ann", hold=True, token=welcome["token"])
        assert (await second.next("welcome"))["resumed"] is True
        assert (await first.next("closing"))["reason"] == "taken over"
        await first.client.expect_end()
        await cluster.settle()
        assert one.names() == two.names() == ("Ann",)


# Starting and stopping


async def test_a_draining_node_tells_its_members_once_and_the_others_that_they_are_lost(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        one, two = cluster.nodes
        ann = await one.json("Ann")
        await cluster.settle()
        bob = await two.connect("Bob")
        await cluster.settle()
        cid = await two.json("Cid", hold=True)
        await cluster.settle()
        await bob.send("last words")
        await two.server.drain()
        await two.ended.wait()
        assert (await rest(bob))[-1] == "*** server is closing"
        assert (await messages(cid))[-1]["type"] == "closing"
        await trio.sleep(1)
        events = await messages(ann)
        assert [event["text"] for event in events if event["type"] == "said"] == ["last words"]
        left = [event for event in events if event["type"] == "left"]
        assert [(event["name"], event["reason"]) for event in left] == [("Bob", "lost")]
        assert one.names() == ("Ann", "Cid")
        # It has said good-bye: nobody waits for it.
        assert list(one.log.replica.lives.by_node) == ["node-0"]


@pytest.mark.parametrize("trouble", ["hangs", "is_down"])
async def test_a_node_that_drains_without_its_redis_tells_everyone_and_ends_in_time(
    trouble: str,
    clusters: Any,
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with clusters(1) as cluster:
        (node,) = cluster.nodes
        ann = await node.connect("Ann")
        await cluster.settle()
        bob = await node.json("Bob", hold=True)
        await cluster.settle()
        setattr(cluster.redis, trouble, True)
        await ann.send("last words")
        began = trio.current_time()
        await node.server.drain()
        await node.ended.wait()
        # Another quarter of a second is left for the end of the process (L45).
        assert trio.current_time() - began <= 5.75
        assert (await rest(ann))[-2:] == [
            "*** messages wait: the log is out of reach",
            "*** server is closing",
        ]
        events = await messages(bob)
        assert [event["type"] for event in events[-2:]] == ["log", "closing"]
        assert "did not take the last of it: 3 operations" in caplog.text


async def test_a_node_that_drains_writes_what_was_said_before_redis_came_back(
    clusters: Any, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with clusters(2) as cluster:
        one, two = cluster.nodes
        ann = await one.connect("Ann")
        await cluster.settle()
        bob = await two.json("Bob")
        await cluster.settle()
        cluster.redis.cut_off.add("node-0")
        await ann.send("last words")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.server.drain)
            await trio.sleep(3)
            cluster.redis.cut_off.clear()
        await one.ended.wait()
        assert (await rest(ann))[-1] == "*** server is closing"
        assert (await bob.next("said"))["text"] == "last words"
        assert "did not take" not in caplog.text


async def test_a_rolling_restart_loses_nothing(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        ann = await cluster.nodes[0].connect("Ann")
        await ann.send("one")
        await cluster.settle()
        epoch = cluster.nodes[0].log.replica.epoch()
        for node in tuple(cluster.nodes):
            await node.server.drain()
            await node.ended.wait()
            await cluster.start()
        _, _, three, four = cluster.nodes
        bob = await four.json("Bob")
        await bob.next("entered")
        await bob.request("history", room="lobby")
        past = (await bob.next("history"))["events"]
        assert [event["text"] for event in past if event["type"] == "said"] == ["one"]
        assert three.log.replica.epoch() == epoch
        await trio.sleep(0.1)
        assert three.state_digest() == four.state_digest()


async def test_all_nodes_may_stop_and_the_chat_goes_on_later(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        ann = await cluster.nodes[0].connect("Ann", "/topic of old", "hello")
        await cluster.settle()
        for node in tuple(cluster.nodes):
            cluster.kill(node)
            await node.ended.wait()
        await trio.sleep(1800)
        node = await cluster.start()
        bob = await node.json("Bob")
        # Ann is there until the lease of her node is over: an outage is no time.
        assert (await bob.next("entered"))["members"] == ["Ann", "Bob"]
        left = await bob.next("left")
        assert (left["name"], left["reason"]) == ("Ann", "lost")
        await bob.request("rooms")
        assert (await bob.next("rooms"))["rooms"][0]["topic"] == "of old"
        assert ann is not None


async def test_a_node_that_starts_without_redis_says_so_once_and_waits(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(0, wait=30) as cluster:
        cluster.redis.is_down = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cluster.start)
            await trio.sleep(20)
            assert cluster.nodes[0].told == ["waiting for Redis at node-0:6379"]
            cluster.redis.heal()
        ann = await cluster.nodes[0].connect("Ann")
        await ann.expect("*** welcome, Ann (1 here: Ann)")


async def test_a_node_that_waits_in_vain_ends_with_one_line(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(0) as cluster:
        cluster.redis.is_down = True
        began = trio.current_time()
        with pytest.raises(RedisError, match=r"^Redis at node-0:6379 does not answer$"):
            await failing(cluster)
        assert trio.current_time() - began == pytest.approx(10, abs=1)


async def test_a_redis_that_evicts_is_refused(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(0) as cluster:
        cluster.redis.settings[b"maxmemory-policy"] = b"allkeys-lru"
        with pytest.raises(RedisError, match="has maxmemory-policy allkeys-lru: set it to noev"):
            await failing(cluster)


async def test_a_redis_without_a_file_is_warned_of(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(0) as cluster:
        cluster.redis.settings[b"appendonly"] = b"no"
        node = await cluster.start()
        (line,) = node.told
        assert line.startswith("warning: Redis at node-0:6379 has appendonly no")


async def test_a_node_refuses_a_stream_of_another_version_and_harms_nobody(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(0) as cluster:
        cluster.redis.add(msgspec.msgpack.encode(["new", 9, 0, [["hello", 2, "whatever"]]]))
        before = dict(cluster.redis.entries)
        with pytest.raises(UnknownFormat, match="use entry format 2, and this trionet uses 1"):
            await failing(cluster)
        assert cluster.redis.entries == before


async def failing(cluster: Any) -> None:
    """Start a node, and raise what it raises."""
    with single_error(RedisError):
        await cluster.start()


# What others keep


async def test_the_file_of_a_node_has_what_was_said_on_all_of_them(
    clusters: Any, tmp_path: Path
) -> None:
    # With the real clock: SQLite writes in a thread.
    async with clusters(0) as cluster:
        one = await cluster.start(history=tmp_path / "one.db")
        two = await cluster.start()
        ann, bob = await one.connect("Ann", "from one"), await two.connect("Bob", "from two")
        with trio.fail_after(10):
            while len(said(one.shown)) < 2:  # noqa: ASYNC110  the console has no event
                await trio.sleep(0.01)
        await one.server.drain()
        await one.ended.wait()
        three = await cluster.start(history=tmp_path / "one.db")
        cid = await three.json("Cid")
        welcome = await cid.next("welcome")
        await cid.request("history", room="lobby")
        past = (await cid.next("history"))["events"]
        texts = [event["text"] for event in past if event["type"] == "said"]
        assert sorted(texts) == ["from one", "from two"]
        numbers = [event["number"] for event in past]
        assert numbers == sorted(set(numbers))
        assert welcome["epoch"] == two.log.replica.epoch()
        assert ann is not None
        assert bob is not None
        assert told(one.shown)
        assert isinstance(cluster.redis, FakeRedis)
