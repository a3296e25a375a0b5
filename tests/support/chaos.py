"""Three servers of one chat on virtual time, and a Redis to which everything happens.

What happens follows from a seed, and so does what is said. `order_tasks` seeds the rest.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import trio
import trio._core._run as scheduler

from shared_chat import Cluster, Json, said

NAMES = ("Ann", "Bob", "Cid")

# How long something that is broken may stay so, in seconds: for less and for more than the lease.
_WHILES = (0.3, 2.0, 4.0, 6.0, 12.0)


def order_tasks(seed: int, order: int, patch: Callable[[Any, str, Any], object] = setattr) -> None:
    """Let everything that is drawn at random in a run follow from two numbers.

    Args:
        seed: one of them.
        order: the other.
        patch: sets an attribute of an object; a test's sets it back afterwards.
    """
    random.seed(f"{seed} {order}")
    # As the plugin of Hypothesis does; Trio has no other way.
    patch(scheduler, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    scheduler._r.seed(f"{seed} {order}")


class Chaos:
    """One run.

    Args:
        cluster: the servers; three of them run.
        seed: what happens.

    Attributes:
        happened: what happened, for the one who reads a failure.
        told: the events that each member was told.
    """

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.happened: list[str] = []
        self.told: list[list[dict[str, Any]]] = [[] for _ in NAMES]
        self._cluster = cluster
        self._drawn = random.Random(seed)
        self._sent = [0 for _ in NAMES]
        self._members: list[Json] = []
        self._goes_on = True
        self._digests: set[str] = set()

    async def run(self) -> None:
        """Talk while everything happens; then wait until all is well again."""
        cluster, drawn = self._cluster, self._drawn
        async with trio.open_nursery() as nursery:
            for index, name in enumerate(NAMES):
                member = await cluster.nodes[index].json(name, hold=drawn.random() < 0.3)
                self._members.append(member)
                nursery.start_soon(self._hear, index)
                await cluster.settle()
            for index in range(len(NAMES)):
                nursery.start_soon(self._talk, index)
            await trio.sleep(1)
            for _ in range(drawn.randrange(1, 5)):
                await self._break_something()
                await trio.sleep(drawn.choice([0.01, 0.3, 2.0, 8.0]))
            self._goes_on = False
            await trio.sleep(30)
            for member in self._members:
                await member.request("ping")
            await trio.sleep(5)
            await cluster.converge()
            # At once: the next heartbeat may reach one node sooner than another.
            self._digests = {node.state_digest() for node in cluster.nodes}
            nursery.cancel_scope.cancel()

    def faults(self) -> list[str]:
        """Return what is wrong in the end."""
        nodes = self._cluster.nodes
        faults = []
        if len(self._digests) > 1:
            faults.append("the states differ")
        if set(nodes[0].names()) != set(NAMES):
            faults.append(f"who is here: {nodes[0].names()}")
        for index, node in enumerate(nodes):
            events = self.told[index]
            # What a node could not have any more is told as missed: so many numbers.
            untold = sum(
                event["before"] - event["after"] - 1
                for event in events
                if event["type"] == "missed"
            )
            heard = [event["text"] for event in events if event["type"] == "said"]
            for who, texts in ((NAMES[index], heard), (f"node {index}", said(node.shown))):
                if max(Counter(texts).values(), default=1) > 1:
                    faults.append(f"{who} was told something twice")
                lost = sum(self._sent) - len(texts)
                if lost > untold:
                    faults.append(f"{who} misses {lost}, and was told of {untold}")
            if [event["type"] for event in events].count("pong") != 1:
                faults.append(f"{NAMES[index]} got no answer")
        return faults

    async def _hear(self, index: int) -> None:
        client = self._members[index].client
        while True:
            with trio.move_on_after(10):
                self.told[index].append(json.loads(await client.receive()))

    async def _talk(self, index: int) -> None:
        while self._goes_on:
            text = f"{index} {self._sent[index]}"
            self._sent[index] += 1
            await self._members[index].request("say", room="lobby", text=text)
            await trio.sleep(self._drawn.random() * 0.2)

    async def _break_something(self) -> None:
        redis, drawn = self._cluster.redis, self._drawn
        ways: list[Callable[[], Any]] = [
            redis.flush,
            redis.entries.clear,
            partial(redis.roll_back, drawn.randrange(1, 30)),
            self._cut_off,
            self._stop,
            self._flicker,
            self._roll_back_twice,
        ]
        way = drawn.choice(ways)
        name, given = getattr(way, "func", way).__name__, getattr(way, "args", ())
        self.happened.append(" ".join([f"{trio.current_time():.2f} s: {name}", *map(str, given)]))
        waits = way()
        if waits is not None:
            await waits
        redis.changed()

    async def _cut_off(self) -> None:
        redis = self._cluster.redis
        redis.cut_off.add(f"node-{self._drawn.randrange(3)}")
        await trio.sleep(self._drawn.choice(_WHILES))
        redis.cut_off.clear()

    async def _stop(self) -> None:
        redis = self._cluster.redis
        redis.is_down = True
        await trio.sleep(self._drawn.choice(_WHILES))
        redis.is_down = False

    async def _flicker(self) -> None:
        self._cluster.redis.cut_at_random(self._drawn.randrange(1000), 0.4)
        await trio.sleep(3)
        self._cluster.redis.heal()

    async def _roll_back_twice(self) -> None:
        redis = self._cluster.redis
        redis.roll_back(self._drawn.randrange(1, 10))
        await trio.sleep(self._drawn.random() * 0.1)
        redis.roll_back(self._drawn.randrange(1, 10))
