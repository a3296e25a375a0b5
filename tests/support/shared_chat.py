"""Several servers that are one chat, over a Redis in memory, on virtual time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
import trio

from fake_redis import FakeRedis
from trionet import Server
from trionet.chat import RedisOptions, serve
from trionet.chat.cluster.redis_log import RedisLog
from trionet.chat.cluster.snapshots import Snapshots
from trionet.chat.serving import shared_log
from trionet.testing import LineClient, MemoryNetwork


class Node:
    """One server of a chat."""

    def __init__(self, cluster: Cluster, number: int) -> None:
        self.cluster = cluster
        self.network = MemoryNetwork()
        self.shown: list[str] = []
        self.told: list[str] = []
        self.scope = trio.CancelScope()
        self.number = number
        self.ended = trio.Event()
        self.server: Server
        self.statistics: Callable[[], Any]

    async def run(self, *, task_status: trio.TaskStatus[None], **options: Any) -> None:
        def started(statistics: Callable[[], Any]) -> None:
            self.statistics = statistics

        name = f"node-{self.number}"
        redis = RedisOptions(url=f"redis://{name}", node=name, **self.cluster.options)
        with self.scope:
            async with trio.open_nursery() as nursery:
                self.server = await nursery.start(
                    partial(
                        serve,
                        "localhost:7777",
                        network=self.network,
                        redis=redis,
                        show=self.shown.append,
                        show_messages=True,
                        on_log=self.told.append,
                        on_log_statistics=started,
                        **options,
                    )
                )
                task_status.started()
        self.ended.set()

    @property
    def log(self) -> RedisLog:
        """The node's log."""
        log = getattr(self.statistics, "__self__", None)
        assert isinstance(log, RedisLog)
        return log

    def state_digest(self) -> str:
        """Return a short text that is the same for equal states at the same position."""
        return self.log.replica.state.dump().hex()

    def names(self) -> tuple[str, ...]:
        """Return who is in the lobby, as this node sees it."""
        return self.log.replica.state.names_in("lobby")

    async def connect(self, *lines: str) -> LineClient:
        name = lines[0] if lines else "stranger"
        client = LineClient(await self.network.connect(self.server.addresses[0]), name=name)
        if lines:
            await client.send(*lines)
        return client

    async def json(self, name: str, **fields: Any) -> Json:
        peer = Json(await self.connect())
        await peer.request("login", name=name, **fields)
        return peer


class Json:
    """A member that speaks JSON lines."""

    def __init__(self, client: LineClient) -> None:
        self.client = client

    async def request(self, kind: str, **fields: Any) -> None:
        await self.client.send(json.dumps({"type": kind, **fields}))

    async def next(self, kind: str) -> dict[str, Any]:
        """Read on to the next event of a type."""
        while True:
            event: dict[str, Any] = json.loads(await self.client.receive())
            if event["type"] == kind:
                return event


class Cluster:
    """All servers of a chat."""

    def __init__(self, nursery: trio.Nursery, **options: Any) -> None:
        self.redis = FakeRedis()
        self.options = options
        self.nodes: list[Node] = []
        self._nursery = nursery

    async def start(self, **options: Any) -> Node:
        node = Node(self, len(self.nodes))
        self.nodes.append(node)
        await self._nursery.start(partial(node.run, **options))
        return node

    def kill(self, node: Node) -> None:
        """Let a node vanish without a word."""
        node.scope.cancel()

    async def converge(self) -> None:
        """Wait until all nodes have applied the same entries."""
        for _ in range(1000):
            if len({node.log.replica.position for node in self.nodes}) == 1:
                return
            await trio.sleep(0.01)

    async def settle(self) -> None:
        await trio.sleep(2)


@pytest.fixture
def clusters(monkeypatch: pytest.MonkeyPatch) -> Any:
    @asynccontextmanager
    async def open_cluster(nodes: int, **options: Any) -> AsyncIterator[Cluster]:
        with trio.fail_after(3600):
            async with trio.open_nursery() as nursery:
                snapshots = options.pop("snapshots", None)
                cluster = Cluster(nursery, **options)
                if snapshots is not None:
                    made = partial(Snapshots, *snapshots)
                    monkeypatch.setattr("trionet.chat.cluster.upkeep.Snapshots", made)
                monkeypatch.setattr(
                    shared_log, "RedisLink", lambda server: cluster.redis.link(server.host)
                )
                for _ in range(nodes):
                    await cluster.start()
                yield cluster
                nursery.cancel_scope.cancel()

    return open_cluster


async def rest(client: LineClient) -> list[str]:
    """Return all lines until the end, or until nothing comes for a second."""
    lines: list[str] = []
    with trio.move_on_after(1) as scope, suppress(AssertionError):
        while True:
            lines.append(await client.receive())
            scope.deadline = trio.current_time() + 1
    return lines


async def messages(member: Json) -> list[dict[str, Any]]:
    """Return all events that have come."""
    return [json.loads(line) for line in await rest(member.client)]


def told(lines: list[str]) -> list[str]:
    """Return what a console has shown, except how the log is doing."""
    return [line for line in lines if not line.endswith(("out of reach", "is back"))]


def said(lines: list[str]) -> list[str]:
    """Return what members said, of what a console has shown."""
    return [line for line in lines if not line.startswith("***")]
