"""One order for all: 200 members of both formats in 50 rooms, with stalls and resets.

The chat has one log. So each member must see some of its entries, in its order, whatever rooms it
is in. Whether such an order exists can be told from what the members saw, without knowing it.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from typing import TypeAlias

import pytest
import trio
import trio.testing

from trionet import Limits
from trionet.chat import serve
from trionet.lines import LineDecoder
from trionet.testing import MemoryNetwork, MemoryStream

MEMBERS, ROOMS, TEXTS = 200, 50, 10

# A message: the room, and a text that is said once.
Said: TypeAlias = tuple[str, str]


class Member:
    """One connection: what it says in which rooms, and what it has seen.

    Attributes:
        seen: the messages in the order of their coming.
        numbers: those with a number, in JSON.
    """

    def __init__(self, number: int, dice: random.Random, stream: MemoryStream) -> None:
        self.name = f"m{number}"
        self.is_json = number % 2 == 0
        rooms = [f"room{one}" for one in range(ROOMS)]
        self.rooms = dice.sample(rooms, dice.randint(2, 6) if self.is_json else 1)
        self.seen: list[Said] = []
        self.numbers: dict[tuple[str, int], str] = {}
        self.last: dict[str, int] = {}
        self._dice = dice
        self._stream = stream

    async def run(self) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read)
                await self._talk()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def _talk(self) -> None:
        if self.is_json:
            await self._send({"type": "login", "name": self.name, "rooms": self.rooms})
        else:
            await self._stream.send_all(f"{self.name}\n/join {self.rooms[0]}\n".encode())
        # Whoever talks first has come to its rooms.
        await trio.sleep(5)
        for number in range(TEXTS):
            await trio.sleep(self._dice.uniform(0, 2))
            text = f"{self.name}-{number}"
            if self.is_json:
                room = self._dice.choice(self.rooms)
                await self._send({"type": "say", "room": room, "text": text, "id": number})
            else:
                await self._stream.send_all(f"{text}\n".encode())
            if self._dice.random() < 0.02:
                self._stream.reset()
                return
        await trio.sleep(30)
        await self._stream.send_all(b'{"type": "quit"}\n' if self.is_json else b"q\n")

    async def _send(self, request: dict[str, object]) -> None:
        await self._stream.send_all(json.dumps(request).encode() + b"\n")

    async def _read(self) -> None:
        decoder = LineDecoder(max_line=1 << 20)
        while data := await self._stream.receive_some():
            for line in decoder.feed(data):
                assert isinstance(line, str)
                self._note_event(json.loads(line)) if self.is_json else self._note_line(line)
            if self._dice.random() < 0.05:
                await trio.sleep(self._dice.uniform(0, 20))

    def _note_event(self, event: dict[str, object]) -> None:
        assert event["type"] not in ("error", "missed"), event
        room, number = event.get("room"), event.get("number")
        if isinstance(room, str) and isinstance(number, int) and event["type"] != "entered":
            assert number > self.last.get(room, 0), event
            self.last[room] = number
            if event["type"] == "said":
                self.seen.append((room, str(event["text"])))
                self.numbers[room, number] = str(event["text"])

    def _note_line(self, line: str) -> None:
        name, _, text = line.partition(": ")
        if text.startswith(f"{name}-"):
            self.seen.append((self.rooms[0], text))


def in_one_order(members: list[Member]) -> list[Said]:
    """Return one order that agrees with what each member saw; `CycleError`: there is none."""
    before: dict[Said, set[Said]] = defaultdict(set)
    for member in members:
        for earlier, later in zip(member.seen, member.seen[1:], strict=False):
            before[later].add(earlier)
    return list(TopologicalSorter(before).static_order())


def gaps(member: Member, of_room: dict[str, list[str]]) -> Iterator[str]:
    """Yield what a member missed between its first and its last message of a room."""
    for room in member.rooms:
        # A plain member sees nothing of its own.
        own = () if member.is_json else (f"{member.name}-",)
        told = [text for text in of_room[room] if not text.startswith(own or ("\0",))]
        seen = [text for where, text in member.seen if where == room]
        if seen:
            begin = told.index(seen[0])
            yield from set(told[begin : begin + len(seen)]) ^ set(seen)


@pytest.mark.parametrize("seed", range(3))
async def test_all_members_see_one_order(seed: int, autojump_clock: trio.testing.MockClock) -> None:
    dice = random.Random(seed)
    network = MemoryNetwork(seed=seed)
    limits = Limits(max_clients=0, max_per_address=0, rate=0, max_waiting=16 << 20)
    async with trio.open_nursery() as nursery:
        server = await nursery.start(
            lambda task_status: serve(
                "localhost:1", limits=limits, forever=True, network=network, task_status=task_status
            )
        )
        members: list[Member] = []
        async with trio.open_nursery() as talking:
            for number in range(MEMBERS):
                link = network.random_link(capacity=1 << 12, latency=dice.uniform(0, 0.3))
                stream = await network.connect(str(server.addresses[0]), link=link)
                assert isinstance(stream, MemoryStream)
                members.append(Member(number, random.Random(f"{seed}:{number}"), stream))
                talking.start_soon(members[-1].run)
        nursery.cancel_scope.cancel()

    order = in_one_order(members)
    assert len(order) > 0.8 * MEMBERS * TEXTS
    of_room: dict[str, list[str]] = defaultdict(list)
    by_number: dict[str, dict[int, str]] = defaultdict(dict)
    for member in members:
        for (room, number), text in member.numbers.items():
            assert by_number[room].setdefault(number, text) == text
    for room, texts in by_number.items():
        of_room[room] = [texts[number] for number in sorted(texts)]
        assert len(set(of_room[room])) == len(texts)
    for member in members:
        assert len(set(member.seen)) == len(member.seen)
        if member.is_json:
            assert not list(gaps(member, of_room)), member.name
