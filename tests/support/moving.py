"""Members of three servers who go from room to room and change names, while Redis loses its past.

What happens follows from a seed. In the end each member must know where it is, what it is called,
and who else is there: as it was told, and as the state has it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import trio

from shared_chat import Cluster, Json

NAMES = ("Ann", "Bob", "Cid", "Dee", "Eve", "Fay")
ROOMS = ("lobby", "builds", "games", "tea")

# How many requests each member makes.
REQUESTS = 60


class Mover:
    """A member, and what it knows from what it was told.

    Args:
        peer: its connection.
        name: its name.

    Attributes:
        rooms: the rooms that it is in, and the names of those who are there.
        answered: the ids of its requests that were answered.
        faults: what it was told that cannot be.
        heard: what was said, after `listen`.
    """

    def __init__(self, peer: Json, name: str) -> None:
        self.peer = peer
        self.name = name
        self.rooms: dict[str, set[str]] = {}
        self.answered: set[int | str] = set()
        self.faults: list[str] = []
        self.heard: list[str] = []
        self._names: dict[int, str] = {}

    async def hear(self) -> None:
        """Note what it is told until cancelled."""
        while True:
            self._note(json.loads(await self.peer.client.receive()))

    async def rename(self, name: str, id_: int) -> None:
        """Ask for another name."""
        self._names[id_] = name
        await self.peer.request("nick", name=name, id=id_)

    def _note(self, event: dict[str, Any]) -> None:
        kind, room, name = event["type"], event.get("room", ""), event.get("name", "")
        id_ = event.get("re")
        if id_ is not None:
            self.answered.add(id_)
        if kind == "entered":
            self.rooms[room] = set(event["members"])
        elif kind == "done" and id_ is not None:
            self.name = self._names[id_]
        elif kind in ("joined", "left", "renamed", "said") and room not in self.rooms:
            self.faults.append(f"{self.name} is told of a room that it is not in: {event}")
        elif kind == "joined":
            if name in self.rooms[room]:
                self.faults.append(f"{self.name} knows that already: {event}")
            self.rooms[room].add(name)
        elif kind in ("left", "renamed") and name not in self.rooms[room]:
            self.faults.append(f"{self.name} does not know who that is: {event}")
        elif kind == "left" and name == self.name:
            del self.rooms[room]
        elif kind == "left":
            self.rooms[room].discard(name)
        elif kind == "renamed":
            self.rooms[room] = self.rooms[room] - {name} | {event["to"]}
            # It is told so once for each room.
            if id_ is not None or name == self.name:
                self.name = event["to"]
        elif kind == "said":
            self.heard.append(event["text"])


class Moving:
    """One run.

    Args:
        cluster: the servers; three of them run.
        seed: what happens.

    Attributes:
        happened: what happened, for the one who reads a failure.
    """

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.happened: list[str] = []
        self._cluster = cluster
        self._drawn = random.Random(seed)
        self._movers: list[Mover] = []

    async def run(self) -> list[str]:
        """Let members move while Redis loses its past; return what is wrong in the end."""
        async with trio.open_nursery() as nursery:
            for index, name in enumerate(NAMES):
                node = self._cluster.nodes[index % 3]
                peer = await node.json(name, rooms=ROOMS[:2], hold=bool(index % 2))
                self._movers.append(Mover(peer, name))
                nursery.start_soon(self._movers[-1].hear)
            await self._cluster.settle()
            for index, mover in enumerate(self._movers):
                nursery.start_soon(self._move, index, mover)
            for _ in range(4):
                await self._break_something()
            await trio.sleep(35)
            for mover in self._movers:
                mover.heard.clear()
                for room in mover.rooms:
                    await mover.peer.request("say", room=room, text=f"{mover.name} in {room}")
            await trio.sleep(5)
            await self._cluster.converge()
            nursery.cancel_scope.cancel()
        return self._faults()

    async def _move(self, index: int, mover: Mover) -> None:
        drawn = self._drawn
        for id_ in range(REQUESTS):
            kind, room = drawn.choice(["say", "say", "join", "leave", "nick"]), drawn.choice(ROOMS)
            if kind == "nick":
                await mover.rename(f"{NAMES[index]}{id_}", id_)
            elif kind == "say":
                await mover.peer.request("say", room=room, text="-", id=id_)
            else:
                await mover.peer.request(kind, room=room, id=id_)
            await trio.sleep(drawn.uniform(0, 0.5))

    async def _break_something(self) -> None:
        redis, drawn = self._cluster.redis, self._drawn
        await trio.sleep(drawn.uniform(1, 4))
        lose = partial(redis.roll_back, drawn.randint(1, 12))
        node = f"node-{drawn.randrange(3)}"
        ways: dict[str, Callable[[], object]] = {
            "roll back": lose,
            "flush": redis.flush,
            "cut off": partial(redis.cut_off.add, node),
            "block": partial(self._block, node, lose),
        }
        way = drawn.choice(list(ways))
        self.happened.append(f"{trio.current_time():.2f} s: {way} {node} {lose.args}")
        ways[way]()
        redis.changed()
        await trio.sleep(drawn.choice([0.5, 2, 6]))
        redis.heal()

    def _block(self, node: str, lose: Callable[[], object]) -> None:
        """Lose something, and let all nodes write again but one."""
        self._cluster.redis.before_command = lambda command: (
            command[0] == b"XADD" and node.encode() in command[-1]
        )
        lose()

    def _faults(self) -> list[str]:
        nodes, faults = self._cluster.nodes, []
        state = nodes[0].log.replica.state
        if len({node.state_digest() for node in nodes}) > 1:
            faults.append("the states differ")
        names = {key: set(state.names_in(key)) for key in state.rooms}
        for mover in self._movers:
            faults += mover.faults
            there = {key: here for key, here in names.items() if mover.name in here}
            if mover.rooms != there:
                faults.append(f"{mover.name} knows {mover.rooms}, and this is so: {there}")
            lacking = set(range(REQUESTS)) - mover.answered
            if lacking:
                faults.append(f"{mover.name} has no answer to {lacking}")
            said = [f"{name} in {room}" for room in there for name in there[room]]
            if sorted(mover.heard) != sorted(said):
                faults.append(f"{mover.name} hears {mover.heard} instead of {said}")
        return faults
