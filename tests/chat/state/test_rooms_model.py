"""The chat with rooms against a model: each member sees what is its own, in one order.

Hypothesis writes a script of joining, moving, talking, renaming, whispering, ignoring, leaving,
resetting and stalling. What the server's console shows is the whole sequence of all rooms; the
model says what each connection should have seen of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias

import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from json_schema import check_said
from trionet import Limits, Server, chat
from trionet.testing import Link, MemoryNetwork, MemoryStream

# Small, so that a stalled member's lines are dropped after a few messages.
LIMITS = Limits(max_waiting=1000)
LINK = Link(capacity=1000)

# These speak plain lines, and these JSON.
PLAIN = ("ann", "bob")
PROGRAMS = ("cid", "dan")
ROOMS = ("lobby", "x", "y")

# A line of the console: its room, and what it says.
Shown: TypeAlias = tuple[str, str]
Step: TypeAlias = tuple[str, str, str]

people = st.sampled_from(PLAIN + PROGRAMS)
steps = st.one_of(
    st.tuples(
        st.sampled_from(["join", "say", "say", "act", "say a lot", "nick"]), people, st.just("")
    ),
    st.tuples(st.sampled_from(["go", "leave"]), people, st.sampled_from(ROOMS)),
    st.tuples(st.sampled_from(["tell", "ignore", "unignore"]), people, people),
    st.tuples(st.sampled_from(["stall", "resume", "quit", "close", "reset"]), people, st.just("")),
)
scripts = st.lists(steps, min_size=15, max_size=50).map(
    lambda script: [*[("join", who, "") for who in PLAIN + PROGRAMS], *script]
)


# The model: what a connection sees of the console's lines, from its login on.
def should_see(visit: Visit, log: list[Shown]) -> Iterator[Shown]:
    me, here = visit.login, set[str]()
    for place, (room, line) in enumerate(log):
        if place < visit.began:
            continue
        if line.startswith(f"*** {me} joined ("):
            here.add(room)
        elif room not in here:
            continue
        elif line.startswith(f"*** {me} left ("):
            if place >= visit.ended:
                return
            here.remove(room)
            if visit.is_json:
                yield room, line
        elif line.startswith(f"*** {me} is now "):
            me = line.split(" ")[-1]
            yield room, line
        elif re.match(rf"{me}: |\* {me} ", line):
            if visit.is_json:
                yield room, line
        elif not any(
            begin <= place < end and re.match(r"\w+: |\* ", line) and who == person_of(line)
            for who, begin, end in visit.ignored
        ):
            yield room, line


def person_of(line: str) -> str:
    """Return who said something: what a person is called begins with the person's own name."""
    return str(re.findall(r"\w+", line)[0])[:3]


@dataclass
class Visit:
    """One connection of one person: what was sent and what was received."""

    person: str
    login: str
    stream: MemoryStream
    is_json: bool
    began: int
    ended: float = float("inf")
    rooms: list[str] = field(default_factory=lambda: ["lobby"])
    ignored: list[tuple[str, int, float]] = field(default_factory=list)
    whispers: list[str] = field(default_factory=list)
    received: bytearray = field(default_factory=bytearray)
    is_stalled: bool = False
    was_stalled: bool = False
    left_gently: bool = False

    async def read(self) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while data := await self.stream.receive_some():
                self.received += data

    @property
    def lines(self) -> list[str]:
        return bytes(self.received).decode().split("\n")[:-1]

    def seen(self) -> tuple[list[Shown], list[str], int]:
        """Return what it saw of rooms, the private texts it got, and how many lines it missed."""
        rooms: list[Shown] = []
        private: list[str] = []
        missed = 0
        for line in self.lines:
            if self.is_json:
                event = check_said(line)
                if event["type"] == "missed":
                    missed += event.get("count") or event["before"] - event["after"] - 1
                elif event["type"] == "told":
                    # Its own copies of what it said itself come back too.
                    private += [event["text"]] * (event["from"][:3] != self.person)
                elif shown := as_shown(event):
                    rooms.append(shown)
            elif told := re.fullmatch(r"\*\*\* you missed (\d+) lines", line):
                missed += int(told[1])
            elif told := re.fullmatch(r"\[(\w+) to you\] (.*)", line):
                private.append(told[2])
            elif not re.match(r"\*\*\* (welcome|you )|error: |\[you to ", line):
                rooms.append(("", line))
        return rooms, private, missed

    def numbers(self) -> list[tuple[tuple[str, int], tuple[str, int]]]:
        """Return the room and number of each event and the one before it in its room."""
        events = [json.loads(line) for line in self.lines] if self.is_json else []
        seen = [(one["room"], one["number"]) for one in events if {"room", "number"} <= one.keys()]
        seen.sort(key=lambda one: one[0])
        return list(pairwise(seen))


def as_shown(event: dict[str, Any]) -> Shown | None:
    """Return an event as the console shows it; ``None``: it shows no such event."""
    texts = {
        "said": "{name}: {text}",
        "acted": "* {name} {text}",
        "joined": "*** {name} joined ({count} here)",
        "left": "*** {name} left ({count} here)",
        "renamed": "*** {name} is now {to}",
        "closing": "*** server is closing",
    }
    text = texts.get(event["type"])
    return None if text is None else (event.get("room", "lobby"), text.format(**event))


class Script:
    """People who follow a script, each with one connection at a time."""

    def __init__(self, network: MemoryNetwork, address: str, nursery: trio.Nursery) -> None:
        self._network = network
        self._address = address
        self._nursery = nursery
        self._present: dict[str, Visit] = {}
        self._names: dict[str, str] = {}
        self._said = 0
        self.log: list[Shown] = []
        self.visits: list[Visit] = []

    def show(self, line: str) -> None:
        room, _, rest = line.partition("] ")
        self.log.append((room[1:], rest) if line.startswith("[") else ("lobby", line))

    async def play(self, what: str, who: str, whom: str) -> None:
        await wait_all_tasks_blocked()
        visit = self._present.get(who)
        if what == "join" and visit is None:
            await self._join(who)
        elif visit is None:
            return
        elif what == "stall":
            visit.stream.stall()
            visit.is_stalled = visit.was_stalled = True
        elif what == "resume":
            visit.stream.resume()
            visit.is_stalled = False
        elif what in ("close", "reset", "quit"):
            await self._leave(visit, what)
        elif what in ("say", "act", "say a lot"):
            self._speak(visit, what)
        elif not visit.is_stalled:
            await self._act(visit, what, whom)
        await wait_all_tasks_blocked()

    async def _join(self, who: str) -> None:
        stream = await self._network.connect(self._address)
        visit = Visit(who, who, stream, who in PROGRAMS, began=len(self.log))
        self._nursery.start_soon(visit.read)
        await self._send(visit, "login", name=who)
        await wait_all_tasks_blocked()
        if len(self.log) == visit.began:
            # Its member has left, but the chat does not know yet: what it sent is stalled.
            assert any(one.person == who and one.was_stalled for one in self.visits)
            await stream.send_eof()
            return
        self.visits.append(visit)
        self._present[who] = visit
        self._names[who] = who

    def _speak(self, visit: Visit, what: str) -> None:
        said = range(self._said, self._said + (12 if what == "say a lot" else 1))
        self._said = said.stop
        self._nursery.start_soon(self._say_all, visit, "act" if what == "act" else "say", said)

    async def _say_all(self, visit: Visit, kind: str, said: range) -> None:
        for number in said:
            await self._send(visit, kind, text=f"t{number}")

    async def _act(self, visit: Visit, what: str, whom: str) -> None:
        other = self._present.get(whom)
        if what == "go":
            await self._send(visit, "join", room=whom)
            visit.rooms = [*dict.fromkeys([*visit.rooms, whom])] if visit.is_json else [whom]
        elif what == "leave":
            if visit.is_json and whom in visit.rooms and len(visit.rooms) > 1:
                await self._send(visit, "leave", room=whom)
                visit.rooms.remove(whom)
        elif what == "nick":
            # To another name, and back.
            other_name = f"{visit.person}2"
            is_first = self._names[visit.person] == visit.person
            self._names[visit.person] = other_name if is_first else visit.person
            await self._send(visit, "nick", name=self._names[visit.person])
        elif other is None or other is visit:
            return
        elif what == "tell":
            self._said += 1
            if all(who != visit.person or end < 1e9 for who, _, end in other.ignored):
                other.whispers.append(f"p{self._said}")
            await self._send(visit, "tell", to=self._names[whom], text=f"p{self._said}")
        elif not visit.is_json:
            await self._send(visit, what, name=self._names[whom])
            await wait_all_tasks_blocked()
            now = len(self.log)
            visit.ignored = [
                (who, begin, min(end, now) if who == whom else end)
                for who, begin, end in visit.ignored
            ]
            if what == "ignore":
                visit.ignored.append((whom, now, float("inf")))

    async def _send(self, visit: Visit, what: str, **fields: Any) -> None:
        """Send a request in the format of a visit."""
        if visit.is_json:
            if what in ("say", "act"):
                fields["room"] = visit.rooms[0]
            line = json.dumps({"type": what, **fields})
        else:
            value = " ".join(fields.values())
            words = {"login": value, "say": value, "act": f"/me {value}", "tell": f"/msg {value}"}
            line = words.get(what, f"/{what} {value}")
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
            await visit.stream.send_all(f"{line}\n".encode())

    async def _leave(self, visit: Visit, how: str) -> None:
        if how == "quit":
            # What was stalled comes first: it is said before the member leaves.
            visit.stream.resume()
            await wait_all_tasks_blocked()
        del self._present[visit.person]
        visit.ended = len(self.log)
        for other in self._present.values():
            # Whoever comes again is somebody else.
            other.ignored = [
                (who, begin, min(end, len(self.log)) if who == visit.person else end)
                for who, begin, end in other.ignored
            ]
        if how == "close":
            visit.stream.close()
        elif how == "reset":
            visit.stream.reset()
        else:
            visit.left_gently = True
            await self._send(visit, "quit")

    async def end(self) -> None:
        for visit in list(self._present.values()):
            await self._leave(visit, "quit")
            await wait_all_tasks_blocked()


async def play(script: list[Step]) -> Script:
    """Play a script from beginning to end."""
    network = MemoryNetwork(link=LINK)
    show: Callable[[str], None] = print
    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(
            partial(
                chat.serve,
                "localhost:0",
                limits=LIMITS,
                forever=True,
                show=lambda line: show(line),
                show_messages=True,
                network=network,
            )
        )
        played = Script(network, server.addresses[0], nursery)
        show = played.show
        for step in script:
            await played.play(*step)
        await played.end()
        for stream in network.streams:
            stream.resume()
        await wait_all_tasks_blocked()
        assert await server.drain(5) == ()
    return played


def check(visit: Visit, log: list[Shown]) -> None:
    """Check that a visit saw what it should, in that order, but for what it missed."""
    expected = list(should_see(visit, log))
    if not visit.is_json:
        expected = [("", line) for _, line in expected]
    rooms, private, missed = visit.seen()
    numbers = visit.numbers()
    assert all(room != before or number > last for (before, last), (room, number) in numbers)
    position = 0
    for shown in rooms:
        begin, position = position, position + 1
        while expected[begin : begin + 1] != [shown]:
            begin += 1
            assert begin < len(expected), f"{visit.login} saw {shown} besides {expected}"
        skipped = begin + 1 - position
        assert missed or not skipped, f"{visit.login} did not see {expected[position - 1 : begin]}"
        position = begin + 1
    left = len(expected) - len(rooms)
    if visit.left_gently:
        assert left <= missed, f"{visit.login} missed {left} lines, and was told of {missed}"
    assert [text for text in visit.whispers if text in private] == private, visit.login
    if visit.left_gently and not missed:
        assert private == visit.whispers, visit.login


@settings(max_examples=75, deadline=None)
@given(scripts)
@example(
    [
        *[("join", who, "") for who in PLAIN + PROGRAMS],
        *[("stall", "cid", ""), ("say", "cid", ""), ("ignore", "ann", "cid"), ("quit", "cid", "")],
    ]
)
@example(
    [
        *[("join", who, "") for who in PLAIN + PROGRAMS],
        *[("go", "bob", "x"), ("go", "cid", "x"), ("say", "bob", ""), ("nick", "bob", "")],
        *[("ignore", "ann", "cid"), ("say", "cid", ""), ("nick", "cid", ""), ("say", "cid", "")],
        *[
            ("unignore", "ann", "cid"),
            ("nick", "ann", ""),
            ("quit", "ann", ""),
            ("join", "ann", ""),
        ],
        *[("go", "dan", "y"), ("leave", "dan", "y")] * 2,
        *[("leave", "cid", "lobby"), ("say", "cid", ""), ("go", "ann", "x"), ("act", "cid", "")],
        *[("tell", "ann", "dan"), ("tell", "dan", "ann"), ("quit", "bob", ""), ("join", "bob", "")],
    ]
)
def test_each_member_sees_what_happens_in_its_rooms_and_is_told_alone_what_is_its_own(
    script: list[Step],
) -> None:
    people = trio.run(partial(play, script), clock=MockClock(autojump_threshold=0))
    for visit in people.visits:
        check(visit, people.log)


def test_stalled_members_do_miss_lines_in_these_scripts() -> None:
    script = [("join", who, "") for who in PLAIN + PROGRAMS]
    script += [("stall", "bob", ""), ("stall", "dan", ""), *[("say a lot", "ann", "")] * 30]
    people = trio.run(partial(play, script), clock=MockClock(autojump_threshold=0))
    assert [visit.person for visit in people.visits if visit.seen()[2]] == ["bob", "dan"]
