"""One chat on three nodes: whatever breaks, all are told the same, and everything once."""

from __future__ import annotations

import json
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from cluster import Node, all_talk, mark, open_cluster, open_watcher, watched
from faulty_line import BREAKS, Fault
from redis_server import RedisServer, need_redis
from trionet import chat

# Seconds for a whole test.
PATIENCE = 120

# tools/cluster.py runs more of them.
SEEDS = [int(seed) for seed in os.environ.get("TRIONET_TESTS_CLUSTER_SEEDS", "1 2").split()]
LOSSES = os.environ.get("TRIONET_TESTS_CLUSTER_LOSSES", "cut flush replica").split()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    need_redis()
    with RedisServer(tmp_path / "redis") as redis:
        yield redis


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


async def test_all_nodes_tell_the_same(redis: RedisServer, folder: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with open_cluster(redis, folder) as cluster, watched(cluster) as watchers:
            await all_talk(cluster, talkers=3, texts=30)
            await mark(cluster, watchers, "end")
            cluster.check(watchers)
            assert len(cluster.accepted) == 3 * 3 * 30


@pytest.mark.parametrize("seed", SEEDS)
async def test_lines_that_break_seventy_times_lose_and_double_nothing(
    seed: int, redis: RedisServer, folder: Path
) -> None:
    chance = random.Random(seed)

    def choose(request: bytes) -> Fault:
        if b"XADD" in request and chance.random() < 0.3:
            return chance.choice(BREAKS)
        return Fault.LOSES_LINE if chance.random() < 0.02 else Fault.NONE

    with trio.fail_after(PATIENCE):
        async with open_cluster(redis, folder) as cluster, watched(cluster) as watchers:
            for node in cluster.nodes:
                node.line.choose = choose
            rounds = 0
            while cluster.breaks < 70:
                rounds += 1
                async with trio.open_nursery() as nursery:
                    for node in cluster.nodes:
                        for number in range(3):
                            name = f"{node.name}-{rounds}-{number}"
                            nursery.start_soon(cluster.talk, node, name, 20)
            for node in cluster.nodes:
                node.line.choose = lambda _request: Fault.NONE
            await mark(cluster, watchers, "end")
            cluster.check(watchers)
            assert len(cluster.accepted) == len(cluster.said)


# What becomes of Redis


async def test_redis_that_is_killed_stands_still_and_loses_its_clients_is_only_a_pause(
    redis: RedisServer, folder: Path
) -> None:
    with trio.fail_after(PATIENCE):
        async with open_cluster(redis, folder) as cluster, watched(cluster) as watchers:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(all_talk, cluster, talkers=2, texts=60, pause=0.05))
                await trio.sleep(0.5)
                redis.kill()
                await trio.sleep(0.5)
                await trio.to_thread.run_sync(redis.start)
                await trio.sleep(0.7)
                redis.pause()
                await trio.sleep(1)
                redis.resume()
                await trio.sleep(0.5)
                for _ in range(5):
                    redis.kill_clients()
                    await trio.sleep(0.2)
            await mark(cluster, watchers, "end")
            cluster.check(watchers)
            assert len(cluster.accepted) == len(cluster.said)
            for watcher in watchers:
                assert watcher.count("epoch") == 0
                assert watcher.count("left", reason="lost") == 0


async def test_an_outage_is_told_once_and_what_is_said_meanwhile_waits(
    redis: RedisServer, folder: Path
) -> None:
    with trio.fail_after(PATIENCE):
        async with open_cluster(redis, folder) as cluster, watched(cluster) as watchers:
            redis.kill()
            for watcher in watchers:
                await watcher.wait_for(lambda event: event.type == "log" and not event.available)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(all_talk, cluster, talkers=1, texts=3))
                # Nobody can log in, so this waits with them.
                await trio.sleep(1)
                await trio.to_thread.run_sync(redis.start)
                for watcher in watchers:
                    await watcher.wait_for(lambda event: event.type == "log" and event.available)
            await mark(cluster, watchers, "end")
            cluster.check(watchers)
            for watcher in watchers:
                assert watcher.count("log") == 2
                assert watcher.count("left", reason="lost") == 0


@pytest.mark.parametrize("how", LOSSES)
async def test_a_stream_that_lost_its_end_gives_each_member_the_same_new_epoch(
    how: str, redis: RedisServer, folder: Path
) -> None:
    with (
        trio.fail_after(PATIENCE),
        RedisServer(folder / "replica") as replica,
    ):
        async with open_cluster(redis, folder) as cluster, watched(cluster) as watchers:
            await all_talk(cluster, talkers=2, texts=20)
            if how == "replica":
                await trio.to_thread.run_sync(replica.follow, redis)
                replica.promote()
            size = redis.log_size()
            await all_talk(cluster, talkers=1, texts=20)
            # All have heard it. Whoever has not heard of a leave yet is told of it later, since the
            # stream has lost it, and so at another place.
            cluster.said.add("before")
            await mark(cluster, watchers, "before")
            for watcher in watchers:
                await watcher.wait_for(
                    lambda event: event.type == "left" and event.name == "marks-before"
                )
            if how == "flush":
                redis.command("FLUSHALL")
            elif how == "cut":
                redis.kill()
                redis.cut_log(size)
                await trio.to_thread.run_sync(redis.start)
            else:
                redis.kill()
                for node in cluster.nodes:
                    node.line.target = replica.port
            epochs = {
                (await watcher.wait_for(lambda event: event.type == "epoch")).epoch
                for watcher in watchers
            }
            assert len(epochs) == 1
            await all_talk(cluster, talkers=1, texts=20)
            await mark(cluster, watchers, "end")
            cluster.check(watchers, numbers=False)
            for watcher in watchers:
                assert watcher.count("epoch") == 1
                assert watcher.count("left", reason="lost") == 0
                numbers = [number for number, *_ in watcher.transcript()]
                assert numbers == sorted(set(numbers))


async def test_a_node_that_missed_what_redis_has_lost_gives_no_number_again(
    redis: RedisServer, folder: Path
) -> None:
    with trio.fail_after(PATIENCE):
        async with open_cluster(redis, folder) as cluster, watched(cluster) as watchers:
            one, two, three = cluster.nodes
            three.line.is_up = False
            three.line.cut()
            size = redis.log_size()
            async with trio.open_nursery() as nursery:
                for node in (one, two):
                    nursery.start_soon(cluster.talk, node, f"{node.name}-lost", 20)
            for node in (one, two):
                node.line.is_up = False
                node.line.cut()
            redis.kill()
            redis.cut_log(size)
            await trio.to_thread.run_sync(redis.start)
            three.line.is_up = True
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cluster.talk, three, "early", 20)
                await trio.sleep(2)
                for node in (one, two):
                    node.line.is_up = True
            await mark(cluster, watchers, "end")
            for watcher in watchers:
                told = watcher.transcript()
                numbers = [number for number, *_ in told]
                assert numbers == sorted(set(numbers))
                texts = Counter(text for _, kind, _, text in told if kind == "said")
                if watcher is watchers[2]:
                    # Whoever said it has left since, so it cannot be had any more.
                    assert watcher.count("missed") == 1
                    texts += Counter(text for text in cluster.accepted if "lost" in text)
                assert texts == Counter([*cluster.accepted])
                assert watcher.count("epoch") == 1


# What becomes of nodes


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_a_node_that_dies_has_its_members_told_as_lost_once(
    how: str, redis: RedisServer, folder: Path
) -> None:
    with trio.fail_after(PATIENCE):
        async with (
            open_cluster(redis, folder, "--lease", "1") as cluster,
            watched(cluster) as watchers,
        ):
            dying = cluster.nodes[2]
            lost = [await _plain(dying, f"lost{number}") for number in range(5)]
            async with trio.open_nursery() as nursery:
                for node in cluster.nodes[:2]:
                    nursery.start_soon(partial(cluster.talk, node, node.name, 40, pause=0.05))
                if how == "killed":
                    await dying.kill()
                else:
                    dying.send_signal(signal.SIGSTOP)
                for watcher in watchers[:2]:
                    for number in range(5):
                        await watcher.wait_for(partial(_is_lost, name=f"lost{number}"))
            if how == "killed":
                await dying.start()
            else:
                dying.send_signal(signal.SIGCONT)
            await mark(cluster, watchers, "end")
            cluster.check(watchers[:2])
            for number in range(5):
                for watcher in watchers[:2]:
                    assert watcher.count("left", name=f"lost{number}") == 1
            for stream in lost:
                await trio.aclose_forcefully(stream)


async def test_a_rolling_restart_loses_nothing(redis: RedisServer, folder: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with open_cluster(redis, folder) as cluster, watched(cluster) as watchers:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(all_talk, cluster, talkers=2, texts=60, pause=0.1))
                for node in cluster.nodes:
                    await trio.sleep(0.5)
                    node.send_signal(signal.SIGTERM)
                    assert await node.wait() == 0
                    await node.start()
            await mark(cluster, watchers, "end")
            cluster.check(watchers)
            assert len(cluster.accepted) == len(cluster.said)
            for watcher in watchers:
                assert watcher.count("epoch") == 0


def _is_lost(event: Any, *, name: str) -> bool:
    return bool(event.type == "left" and event.name == name and event.reason == "lost")


async def _plain(node: Node, name: str) -> trio.SocketStream:
    """Join as a member that is not held."""
    host, _, port = node.address.rpartition(":")
    stream = await trio.open_tcp_stream(host, int(port))
    await stream.send_all(f"{name}\n".encode())
    assert (await stream.receive_some()).startswith(b"*** welcome")
    return stream


# Names


@pytest.mark.parametrize("names", [("Ann", "Ann"), ("Ann", "\u0391nn"), ("Bob", "B\u043eb")])
async def test_a_name_or_its_look_alike_asked_for_on_two_nodes_at_once_has_one_owner(
    names: tuple[str, str], redis: RedisServer, folder: Path
) -> None:
    def note(name: str, outcome: list[str]) -> None:
        outcome.append(name)
        if len(entered) + len(refused) == 2:
            both.set()

    async def enter(node: Node, name: str) -> None:
        try:
            async with chat.Client(node.address, name=name):
                note(name, entered)
                await both.wait()
        except chat.NameTaken:
            note(name, refused)

    with trio.fail_after(PATIENCE):
        async with open_cluster(redis, folder, nodes=2) as cluster:
            for _ in range(10):
                entered: list[str] = []
                refused: list[str] = []
                both = trio.Event()
                async with trio.open_nursery() as nursery:
                    for node, name in zip(cluster.nodes, names, strict=True):
                        nursery.start_soon(enter, node, name)
                assert len(entered) == len(refused) == 1


async def test_a_member_that_quits_while_its_join_is_on_its_way_leaves_nothing_behind(
    redis: RedisServer, folder: Path
) -> None:
    with trio.fail_after(PATIENCE):
        async with open_cluster(redis, folder, nodes=2) as cluster, watched(cluster) as watchers:
            for node in cluster.nodes:
                node.line.delay = 0.02
            for number in range(20):
                node = cluster.nodes[number % 2]
                host, _, port = node.address.rpartition(":")
                stream = await trio.open_tcp_stream(host, int(port))
                lines = [
                    {"type": "login", "name": f"quick{number}"},
                    {"type": "join", "room": "other"},
                    {"type": "quit"},
                ]
                await stream.send_all("".join(f"{json.dumps(line)}\n" for line in lines).encode())
                if number % 4 >= 2:
                    await trio.aclose_forcefully(stream)
                    continue
                while await stream.receive_some():
                    pass
                await stream.aclose()
            await mark(cluster, watchers, "end")
            cluster.check(watchers)
            async with chat.Client(cluster.nodes[1].address, name="looks") as member:
                # The last ones may still be on their way: nobody waited for the end of those.
                while len(rooms := await member.list_rooms()) > 1 or rooms[0].count > 3:  # noqa: ASYNC110
                    await trio.sleep(0.05)
                assert {room.room: room.count for room in rooms} == {"lobby": 3}


async def test_a_name_taken_while_a_node_was_cut_off_is_the_others_when_it_is_back(
    redis: RedisServer, folder: Path
) -> None:
    with trio.fail_after(PATIENCE):
        async with (
            open_cluster(redis, folder, "--lease", "1", nodes=2) as cluster,
            open_watcher(cluster.nodes[1], "watcher") as watcher,
        ):
            first, second = cluster.nodes
            old = await _plain(first, "Ann")
            await watcher.wait_for(lambda event: event.type == "joined" and event.name == "Ann")
            first.line.is_up = False
            first.line.cut()
            await watcher.wait_for(partial(_is_lost, name="Ann"))
            async with chat.Client(second.address, name="Ann") as new:
                first.line.is_up = True
                told = b""
                while data := await old.receive_some():
                    told += data
                assert b"taken" in told or b"already" in told, told
                await new.say("lobby", "it is mine")
                await watcher.wait_said("it is mine")
            await old.aclose()
