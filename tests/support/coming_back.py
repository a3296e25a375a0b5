"""Members who are cut off again and again, and what they must have been told in the end.

All is on virtual time, also what threads would do. What happens follows from a seed. Connections
are narrow, pages are small and memory holds little, so that most members are cut off while they are
told the past, and most of the past comes from the file.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, TypeVar

import trio

from follower import Event, Follower
from program import Program, Served, served
from trionet.chat import server
from trionet.chat.history import base_file_history, batch, file_history, writing
from trionet.chat.history.ring import Ring
from trionet.chat.session import returning
from trionet.testing import Link, MemoryStream

T = TypeVar("T")

History = Literal["memory", "file", "file that forgets"]
HISTORIES: tuple[History, ...] = ("memory", "file", "file that forgets")

NAMES = ("Ann", "Bob", "Cid", "Dee")
ROOMS = ("lobby", "builds", "games")

# For how long all this goes on, in seconds, and for how long a file that forgets keeps something.
_SECONDS = 40
_KEPT = 4

Patch = Callable[[Any, str, Any], None]


def make_small(patch: Patch, seed: int) -> None:
    """Make everything small, and let a thread do its work at once and take its time.

    Args:
        patch: sets an attribute of an object.
        seed: how long a thread takes follows from it.
    """
    dice = random.Random(seed)

    async def run_inline(function: Callable[..., T], *given: Any, **_options: Any) -> T:
        await trio.sleep(dice.choice([0, 0.01, 0.2]))
        answer = function(*given)
        await trio.sleep(dice.choice([0, 0.01, 0.2]))
        return answer

    patch(trio.to_thread, "run_sync", run_inline)
    patch(trio.lowlevel, "start_thread_soon", lambda function, _deliver: function())
    patch(returning, "PAGE_BYTES", 1_500)
    patch(base_file_history, "Ring", partial(Ring, max_events=20))
    patch(batch, "_PAUSE", 0)
    patch(server, "_milliseconds", lambda: round(trio.current_time() * 1_000))
    patch(server, "monotonic", trio.current_time)
    patch(file_history, "time", SimpleNamespace(time_ns=lambda: trio.current_time() * 10**9))
    patch(writing, "DAY", _KEPT * 1_000)
    patch(writing, "_FORGET_EVERY", 0.5)


class ComingBack:
    """One run.

    Args:
        seed: what happens.
        history: where the past is kept.
        folder: for the file.

    Attributes:
        truth: each event of the rooms, by room and number, as somebody saw it who was always there.
        followers: the members who come back.
        cuts: how often each way to lose a connection was tried.
    """

    def __init__(self, seed: int, history: History, folder: Path) -> None:
        self.truth: dict[str, dict[int, Event]] = defaultdict(dict)
        self.followers: list[Follower] = []
        self.cuts: Counter[str] = Counter()
        self._history = history
        self._options: dict[str, Any] = {}
        if history != "memory":
            self._options["history"] = folder / f"{seed}.db"
        if history == "file that forgets":
            self._options["history_days"] = 1
        self._dice = random.Random(seed)
        self._goes_on = True

    async def run(self) -> None:
        """Let them talk and lose their connections; then wait until all is well again."""
        async with served(forever=True, **self._options) as room, trio.open_nursery() as nursery:
            for name in ("Witness", "Talker"):
                program, _ = await room.log_in(name, rooms=ROOMS)
                nursery.start_soon(self._hear, program)
                if name == "Talker":
                    nursery.start_soon(self._talk_on, program)
            connect = partial(self._connect, room)
            for name in NAMES:
                follower = Follower(name, connect, rooms=ROOMS, pause=self._pause)
                self.followers.append(follower)
                nursery.start_soon(follower.run)
                nursery.start_soon(self._talk, follower)
                nursery.start_soon(cut_off, follower, self._dice, self.cuts, lambda: self._goes_on)
            await trio.sleep(_SECONDS)
            self._goes_on = False
            await trio.sleep(30)
            for follower in self.followers:
                await follower.settled()
            nursery.cancel_scope.cancel()

    def counts(self) -> Counter[str]:
        """Return how often what happened, so that one sees what a run is worth."""
        counts = Counter(self.cuts)
        counts["events"] = sum(map(len, self.truth.values()))
        for follower in self.followers:
            counts["resumed"] += follower.resumed
            counts["gaps told"] += len(follower.missed)
        return counts

    def faults(self) -> Iterator[str]:
        """Yield what is wrong in the end."""
        for follower in self.followers:
            name = follower.name
            for room in ROOMS:
                if lost := list(self._untold(follower, room)):
                    yield f"{name} was not told of {lost} in {room}"
            for event in follower.transcript:
                if event != self.truth[event["room"]].get(event["number"]):
                    yield f"{name} was told something else: {event}"
            said = [event["text"] for event in self._said() if event["name"] == name]
            if said != [f"{name} {number}" for number in range(len(said))]:
                yield f"{name} said something twice or not at all: {said}"
            if follower.missed and self._history != "file that forgets":
                yield f"{name} missed {follower.missed}"

    def _untold(self, follower: Follower, room: str) -> Iterator[int]:
        """Yield the numbers that a follower was neither told of nor told that it missed them."""
        told = {event["number"] for event in follower.transcript if event["room"] == room}
        for number, event in self.truth[room].items():
            is_own = event["type"] == "joined" and event["name"] == follower.name
            is_told = number in told or is_own or follower.has_missed(room, number)
            if number > min(told) and not is_told:
                yield number

    def _said(self) -> Iterator[Event]:
        events = [event for room in self.truth.values() for event in room.values()]
        for event in sorted(events, key=lambda event: (event["time"], event["number"])):
            if event["type"] == "said":
                yield event

    async def _connect(self, room: Served) -> trio.abc.Stream:
        link = Link(capacity=self._dice.choice([500, 1 << 16]), latency=self._dice.uniform(0, 0.1))
        return await room.network.connect(room.server.addresses[0], link=link)

    def _pause(self) -> float:
        return self._dice.uniform(0, 5) if self._goes_on else 0.01

    async def _hear(self, program: Program) -> None:
        while True:
            event: Event = json.loads(await program.client.receive())
            if "number" in event:
                self.truth[event["room"]][event["number"]] = event

    async def _talk_on(self, program: Program) -> None:
        while self._goes_on:
            text = "x" * self._dice.choice([1, 30, 300])
            await program.request("say", room=self._dice.choice(ROOMS), text=text)
            await trio.sleep(self._dice.uniform(0, 0.1))

    async def _talk(self, follower: Follower) -> None:
        number = 0
        while self._goes_on:
            await follower.say(f"{follower.name} {number}", self._dice.choice(ROOMS))
            await follower.settled()
            number += 1
            await trio.sleep(self._dice.uniform(0, 1))


async def cut_off(
    follower: Follower, dice: random.Random, cuts: Counter[str], goes_on: Callable[[], bool]
) -> None:
    """Cut a follower off in one way or another, again and again.

    Args:
        follower: whose connections these are.
        dice: what happens follows from it.
        cuts: counts how often each way was tried.
        goes_on: tells whether to go on.
    """
    # Before its first welcome it has no token, and cannot come back.
    await follower.entered()
    while goes_on():
        await trio.sleep(dice.uniform(0, 2))
        how = dice.choice(["reset", "stall", "stall of what it is told", "stall and close"])
        stream = follower.stream
        if not isinstance(stream, MemoryStream):
            continue
        cuts[how if follower.is_in else f"{how} during the replay"] += 1
        if how == "reset":
            stream.reset()
            continue
        # Where what it asks for still arrives, answers wait as well.
        stream.stall(outgoing=how != "stall of what it is told")
        await trio.sleep(dice.uniform(0, 3))
        if how == "stall and close":
            # The server notices nothing: the next connection takes this one over.
            await stream.aclose()
        else:
            stream.resume()
