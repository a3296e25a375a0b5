"""The room against a model: whatever its members do, each sees one common sequence.

Hypothesis writes a script of joining, talking, leaving, resetting and stalling. What the server's
console shows is the whole sequence; the model says what each connection should have seen of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from trionet import Limits, Server, chat
from trionet.testing import Link, MemoryNetwork, MemoryStream

# Small, so that a stalled member's lines are dropped after a few messages.
LIMITS = Limits(max_waiting=80)
LINK = Link(capacity=50)

PEOPLE = ("ann", "bob", "cid", "dan")

Step: TypeAlias = tuple[str, str]

people = st.sampled_from(PEOPLE)
steps = st.one_of(
    st.tuples(st.just("say"), people),
    st.tuples(st.just("say a lot"), people),
    st.tuples(st.sampled_from(["join", "join", "stall", "resume"]), people),
    st.tuples(st.sampled_from(["q", "/quit", "end of input", "close", "reset"]), people),
    st.just(("settle", "")),
)
scripts = st.lists(steps, min_size=20, max_size=60).map(
    lambda script: [("join", "ann"), ("join", "bob"), *script]
)

# How many messages a talkative member sends: enough for a stalled member to miss some.
A_LOT = 20


# The model: ten lines that define the room.
def should_see(log: list[str], joined_at: int, name: str) -> Iterator[str]:
    """What a member sees of the room's log, if its joining is at this place in it."""
    present = list(members_after(log[: joined_at + 1]))
    yield f"*** welcome, {name} ({len(present)} here: {', '.join(present)})"
    for line in log[joined_at + 1 :]:
        if line.startswith(f"*** {name} left "):
            return
        if not line.startswith(f"{name}: "):
            yield line


def members_after(log: Iterable[str]) -> list[str]:
    """Who is in the room at the end of a log; fails if no room can write such a log."""
    members: list[str] = []
    for line in log:
        if notice := re.fullmatch(r"\*\*\* (\w+) (joined|left) \((\d+) here\)", line):
            name, what, count = notice.groups()
            assert (name in members) is (what == "left"), f"{line!r} with {members} there"
            members = [one for one in members if one != name] + [name] * (what == "joined")
            assert int(count) == len(members), f"{line!r} with {members} there"
        elif said := re.fullmatch(r"(\w+): \d+", line):
            assert said[1] in members, f"{line!r} with {members} there"
        else:
            assert line == "*** server is closing"
    return members


@dataclass
class Visit:
    """One connection of one person: what was sent and what was received."""

    name: str
    stream: MemoryStream
    received: bytearray = field(default_factory=bytearray)
    sent: list[str] = field(default_factory=list)
    left_gently: bool = False
    was_cut: bool = False

    async def read(self) -> None:
        try:
            while data := await self.stream.receive_some():
                self.received += data
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.was_cut = True

    @property
    def lines(self) -> list[str]:
        return bytes(self.received).decode().split("\n")[:-1]


class Script:
    """People who follow a script, each with one connection at a time."""

    def __init__(self, network: MemoryNetwork, address: str, nursery: trio.Nursery) -> None:
        self._network = network
        self._address = address
        self._nursery = nursery
        self._present: dict[str, Visit] = {}
        self._said = 0
        self.visits: list[Visit] = []

    async def play(self, what: str, who: str) -> None:
        visit = self._present.get(who)
        if what == "settle":
            await wait_all_tasks_blocked()
        elif what == "join":
            if visit is None:
                await self._join(who)
        elif visit is None:
            return
        elif what == "say":
            self._say(visit, 1)
        elif what == "say a lot":
            self._say(visit, A_LOT)
        elif what == "stall":
            visit.stream.stall()
        elif what == "resume":
            visit.stream.resume()
        else:
            await self._leave(visit, what)

    def _say(self, visit: Visit, count: int) -> None:
        said = range(self._said, self._said + count)
        self._said += count
        self._nursery.start_soon(self._send, visit, said)

    async def _join(self, who: str) -> None:
        stream = await self._network.connect(self._address)
        visit = Visit(who, stream)
        self._nursery.start_soon(visit.read)
        await stream.send_all(f"{who}\n".encode())
        await wait_all_tasks_blocked()
        if visit.lines == [f"error: the name {who} is taken"]:
            # Its member has left, but the room does not know yet: what it sent is stalled.
            await stream.send_eof()
            return
        self.visits.append(visit)
        self._present[who] = visit

    async def _leave(self, visit: Visit, how: str) -> None:
        del self._present[visit.name]
        if how == "close":
            visit.stream.close()
        elif how == "reset":
            visit.stream.reset()
        else:
            # After what is still being sent.
            await wait_all_tasks_blocked()
            visit.stream.resume()
            await wait_all_tasks_blocked()
            visit.left_gently = True
            if how == "end of input":
                await visit.stream.send_eof()
            else:
                await visit.stream.send_all(f"{how}\n".encode())

    async def _send(self, visit: Visit, said: Iterable[int]) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
            for number in said:
                await visit.stream.send_all(f"{number}\n".encode())
                visit.sent.append(f"{visit.name}: {number}")

    async def end(self) -> None:
        for visit in list(self._present.values()):
            await self._leave(visit, "end of input")


async def play(script: list[Step]) -> tuple[list[str], list[Visit]]:
    """Play a script from beginning to end; return the log and the visits."""
    network = MemoryNetwork(link=LINK)
    log: list[str] = []
    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(
            partial(
                chat.serve,
                "localhost:0",
                limits=LIMITS,
                forever=True,
                show=log.append,
                show_messages=True,
                network=network,
            )
        )
        people = Script(network, server.addresses[0], nursery)
        for what, who in script:
            await people.play(what, who)
        await people.end()
        await wait_all_tasks_blocked()
        for stream in network.streams:
            stream.resume()
        await wait_all_tasks_blocked()
        assert await server.drain(5) == ()
    return log, people.visits


def compare(visit: Visit, log: list[str], joined_at: int) -> None:
    """Check that a visit saw what it should, except for the lines it was told it missed."""
    expected = list(should_see(log, joined_at, visit.name))
    position = 0
    for line in visit.lines:
        if missed := re.fullmatch(r"\*\*\* you missed (\d+) lines", line):
            position += int(missed[1])
            assert position <= len(expected), f"{visit.name} missed more than there was"
        else:
            assert position < len(expected), f"{visit.name} saw {line!r} besides {expected}"
            assert line == expected[position], f"{visit.name} at {position} of {expected}"
            position += 1
    if visit.left_gently:
        assert not visit.was_cut, f"{visit.name} was cut off"
        assert position == len(expected), f"{visit.name} did not see {expected[position:]}"


@settings(max_examples=75, deadline=None)
@given(scripts)
@example([("join", "ann"), ("join", "bob"), ("stall", "bob"), *[("say a lot", "ann")] * 9])
@example([("join", "ann"), ("say", "ann"), ("q", "ann"), ("join", "ann"), ("say", "ann")])
def test_each_member_sees_the_common_sequence_without_its_own_and_missed_lines(
    script: list[Step],
) -> None:
    log, visits = trio.run(partial(play, script), clock=MockClock(autojump_threshold=0))

    assert members_after(log) == [], "somebody is still there"
    joinings = [place for place, line in enumerate(log) if " joined (" in line]
    assert len(joinings) == len(visits)
    for visit, joined_at in zip(visits, joinings, strict=True):
        assert log[joined_at].startswith(f"*** {visit.name} ")
        compare(visit, log, joined_at)
        said = [line for line in log if line in set(visit.sent)]
        if visit.left_gently:
            assert said == visit.sent, f"what {visit.name} said is not all there, or not in order"
        else:
            assert said == visit.sent[: len(said)], f"what {visit.name} said is not in order"


def test_stalled_members_do_miss_lines_in_these_scripts() -> None:
    script = [("join", "ann"), ("join", "bob"), ("stall", "bob")]
    script += [("say a lot", "ann"), ("settle", "")] * 9
    _, (_ann, bob) = trio.run(partial(play, script), clock=MockClock(autojump_threshold=0))
    assert any("you missed" in line for line in bob.lines)
