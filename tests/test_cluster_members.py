"""Members of a chat on three nodes who lose their connections, and go on at any node."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from cluster import Cluster, mark, open_cluster, watched
from faulty_line import BREAKS, Fault
from redis_server import RedisServer, need_redis

# Seconds for a whole test.
PATIENCE = 120

# tools/cluster.py runs more of them.
SEEDS = [int(seed) for seed in os.environ.get("TRIONET_TESTS_CLUSTER_SEEDS", "1").split()]

# How often each member loses its connection.
CUTS = 15


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    need_redis()
    with RedisServer(tmp_path / "redis") as redis:
        yield redis


class Wanderer:
    """A member with hold, which goes on at any node after its connection was cut.

    Attributes:
        told: what it was told of the lobby, by number.
        twice: the numbers that it was told more than once, other than as a receipt.
        unresumed: what it got where it should have been resumed.
        missed: what it was told that it missed.
        open: requests without an answer, by id.
        is_quiet: set when it has said all, and has all receipts.
        has_settled: set when it has its last connection.
        cuts: how many connections it has had before this one.
    """

    def __init__(self, cluster: Cluster, name: str, seed: int) -> None:
        self.name = name
        self.told: dict[int, dict[str, Any]] = {}
        self.twice: list[int] = []
        self.unresumed: list[dict[str, Any]] = []
        self.missed: list[dict[str, Any]] = []
        self.open: dict[int, str] = {}
        self.is_quiet = trio.Event()
        self.has_settled = trio.Event()
        self.cuts = 0
        self._cluster = cluster
        self._chance = random.Random(seed)
        self._token = ""
        self._epoch = ""
        self._next = 0
        self._texts: list[str] = []

    async def run(self, texts: int, cuts: int) -> None:
        """Say so many texts, over so many cut connections, and stay."""
        self._texts = [f"{self.name} {number}" for number in range(texts)]
        self._cluster.said.update(self._texts)
        while True:
            node = self._chance.choice(self._cluster.nodes)
            host, _, port = node.address.rpartition(":")
            try:
                stream = await trio.open_tcp_stream(host, int(port))
            except OSError:
                await trio.sleep(0.1)
                continue
            # Whoever is cut off before it has its token cannot come back.
            is_cut = self._token and self.cuts < cuts
            if self.cuts >= cuts:
                self.has_settled.set()
            until = self._chance.uniform(0.0, 0.8) if is_cut else 1000
            try:
                with trio.move_on_after(until) as self._scope:
                    await self._talk(stream)
                self.cuts += 1
            finally:
                await trio.aclose_forcefully(stream)

    async def _talk(self, stream: trio.SocketStream) -> None:
        login: dict[str, Any] = {"type": "login", "name": self.name, "hold": True}
        if self._token:
            last = max(self.told, default=0)
            login |= {"token": self._token, "seen": {"lobby": last}, "epoch": self._epoch}
        await stream.send_all(json.dumps(login).encode() + b"\n")
        unread = b""
        try:
            while data := await stream.receive_some(1 << 16):
                *lines, unread = (unread + data).split(b"\n")
                for line in lines:
                    await self._take(json.loads(line), stream)
        except trio.BrokenResourceError:
            pass

    async def _take(self, event: dict[str, Any], stream: trio.SocketStream) -> None:
        kind = event["type"]
        if kind == "welcome":
            if self._token and not event.get("resumed"):
                self.unresumed.append(event)
            if not self._token:
                self._scope.deadline = trio.current_time() + 0.5
            self._token, self._epoch = event["token"], event["epoch"]
        elif kind == "missed":
            self.missed.append(event)
        elif kind == "error":
            self.unresumed.append(event)
        elif kind == "entered":
            for id_, text in sorted(self.open.items()):
                await self._send(stream, id_, text)
        if event.get("room") == "lobby" and "number" in event and kind != "entered":
            if event["number"] in self.told:
                if event.get("re") is None:
                    self.twice.append(event["number"])
            else:
                self.told[event["number"]] = event
        if event.get("re") is not None:
            self.open.pop(event["re"], None)
        if kind == "entered" or event.get("re") is not None:
            while self._texts and len(self.open) < 4:
                id_, text = self._next, self._texts.pop(0)
                self._next += 1
                self.open[id_] = text
                await self._send(stream, id_, text)
            if not self._texts and not self.open:
                self.is_quiet.set()

    async def _send(self, stream: trio.SocketStream, id_: int, text: str) -> None:
        line = {"type": "say", "room": "lobby", "text": text, "id": id_}
        await stream.send_all(json.dumps(line).encode() + b"\n")


@pytest.mark.parametrize("seed", SEEDS)
async def test_members_that_resume_on_any_node_are_told_all_and_say_everything_once(
    seed: int, redis: RedisServer, tmp_path: Path
) -> None:
    with trio.fail_after(PATIENCE):
        async with (
            open_cluster(redis, tmp_path, "--max-per-address", "0") as cluster,
            watched(cluster) as watchers,
            trio.open_nursery() as nursery,
        ):
            wanderers = [Wanderer(cluster, f"w{n}", seed * 100 + n) for n in range(6)]
            for one in wanderers:
                nursery.start_soon(one.run, 150, CUTS)

            def choose(request: bytes) -> Fault:
                if b"XADD" in request and chance.random() < 0.1:
                    return chance.choice(BREAKS)
                return Fault.LOSES_LINE if chance.random() < 0.02 else Fault.NONE

            chance = random.Random(seed)
            for node in cluster.nodes:
                node.line.choose = choose
            for one in wanderers:
                await one.is_quiet.wait()
            for node in cluster.nodes:
                node.line.choose = lambda _request: Fault.NONE
            for one in wanderers:
                await one.has_settled.wait()
            await trio.sleep(1)
            await mark(cluster, watchers, "end")
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
            for one in wanderers:
                assert one.unresumed == [], one.name
            cluster.check(watchers)
            whole = watchers[0].transcript()
            texts = Counter(text for _, kind, _, text in whole if kind == "said")
            assert cluster.said <= texts.keys()
            for one in wanderers:
                assert one.missed == []
                assert one.twice == []
                mine = [
                    (number, event["type"], event.get("name"), event.get("text", ""))
                    for number, event in sorted(one.told.items())
                ]
                first = mine[0][0]
                end = next(number for number, *_, text in mine if text == "end")
                own = [entry for entry in mine if entry[0] < end]
                assert own == [entry for entry in whole if entry[0] >= first], one.name
