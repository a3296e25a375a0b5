"""A chat's numbers are what its members have sent, heard and seen."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

import program
from trionet import Limits, Server
from trionet.chat.history.file_history import open_history
from trionet.chat.serving.chat_metrics import readings_of
from trionet.chat.state.events import Said
from trionet.chat.state.state import State


def numbers(server: Server) -> dict[str, float]:
    """Return the metrics that have one value."""
    return {one.name: one.values[""] for one in server.metrics.read() if one.values.keys() == {""}}


def sides(server: Server, name: str) -> dict[str, float]:
    (reading,) = [one for one in server.metrics.read() if one.name == name]
    return reading.values


async def test_members_rooms_lines_and_bytes_are_as_the_members_know_them(
    autojump_clock: MockClock,
) -> None:
    async with program.served() as chat:
        sent = heard = sent_bytes = heard_bytes = 0
        members = []
        for name in ("Ann", "Bob", "Cid"):
            members.append(await chat.plain(name))
            sent += 1
            sent_bytes += len(name) + 1
        for number in range(50):
            for member in members:
                line = f"number {number}"
                await member.send(line)
                sent += 1
                sent_bytes += len(line) + 1
        await members[2].send("/join builds")
        sent += 1
        sent_bytes += len("/join builds") + 1
        await trio.testing.wait_all_tasks_blocked()
        now = numbers(chat.server)
        assert (now["trionet_members"], now["trionet_rooms"]) == (3, 2)
        assert now["trionet_connections_open"] == 3
        for member in members:
            await member.send("q")
            sent += 1
            sent_bytes += 2
            while True:
                try:
                    line = await member.receive()
                except AssertionError:
                    break
                heard += 1
                heard_bytes += len(line.encode()) + 1
        await chat.ended.wait()
        assert sides(chat.server, "trionet_lines_total") == {"in": sent, "out": heard}
        assert sides(chat.server, "trionet_bytes_total") == {"in": sent_bytes, "out": heard_bytes}
        ends = sides(chat.server, "trionet_connections_total")
        assert {end: count for end, count in ends.items() if count} == {"finished": 3}
        now = numbers(chat.server)
        assert (now["trionet_members"], now["trionet_connections_open"]) == (0, 0)
        assert now["trionet_log_entries"] == 0
        assert now["trionet_log_lag_seconds"] == 0


async def test_batches_and_their_delivery_are_counted(autojump_clock: MockClock) -> None:
    async with program.served() as chat:
        ann, bob = await chat.plain("Ann"), await chat.plain("Bob")
        await bob.receive()
        for number in range(5):
            await ann.send(f"{number}", "again")
            await bob.expect(f"Ann: {number}", "Ann: again")
        readings = {one.name: one for one in chat.server.metrics.read()}
        sizes, seconds = readings["trionet_batch_entries"], readings["trionet_delivery_seconds"]
        # Five times what Ann said, and that the two have come.
        assert sizes.sum >= 10
        assert sum(sizes.values.values()) == sum(seconds.values.values()) >= 5
        assert 0 < seconds.sum < 60


async def test_no_name_of_a_member_or_a_room_is_in_the_metrics(autojump_clock: MockClock) -> None:
    async with program.served() as chat:
        ann = await chat.plain("Annabella")
        await ann.send("/join bikesheds", "hello there")
        await trio.testing.wait_all_tasks_blocked()
        text = repr(chat.server.metrics.read())
        assert not [word for word in ("Annabella", "bikesheds", "hello") if word in text]


async def test_a_held_member_is_a_member(autojump_clock: MockClock) -> None:
    async with program.served(forever=True) as chat:
        held, _ = await chat.join("Ann", hold=True)
        held.reset()
        await trio.testing.wait_all_tasks_blocked()
        now = numbers(chat.server)
        assert (now["trionet_members"], now["trionet_members_held"]) == (1, 1)


async def test_what_a_slow_member_is_told_to_have_missed_is_counted(
    autojump_clock: MockClock,
) -> None:
    limits = Limits(max_waiting=4096, rate=0)
    async with program.served(limits=limits) as chat:
        slow, ann = await chat.plain("Slow"), await chat.plain("Ann")
        for _ in range(200):
            await ann.send(*["x" * 500] * 10)
            await trio.testing.wait_all_tasks_blocked()
        counted = numbers(chat.server)["trionet_lines_dropped_total"]
        missed = said = 0
        while missed + said < 2000:
            line = await slow.receive()
            if line.startswith("*** you missed "):
                missed += int(line.split()[3])
            said += line.startswith("Ann: ")
        assert missed
        assert counted == numbers(chat.server)["trionet_lines_dropped_total"] == missed


async def test_a_file_that_is_behind_shows_how_far(tmp_path: Path) -> None:
    state = State()
    async with open_history(tmp_path / "chat.db") as history:
        event = Said("lobby", 1, 1000, 1, "Ann", ["one", "two"])
        assert told(state, history)["trionet_history_unwritten_messages"] == 0
        history.append([event])
        behind = told(state, history)
        assert behind["trionet_history_unwritten_messages"] == 2
        assert behind["trionet_history_memory_bytes"] > 0
        await trio.lowlevel.checkpoint()
        assert told(state, history)["trionet_history_lag_seconds"] > 0
        with trio.fail_after(60):
            while history.backlog().messages:
                await history._writer.change.wait()
        assert told(state, history)["trionet_history_lag_seconds"] == 0


def told(state: State, history: object) -> dict[str, float]:
    return {one.name: one.values[""] for one in readings_of(state, history)}  # type: ignore[arg-type]


@pytest.mark.parametrize("history", ["none", "memory"])
async def test_every_history_has_the_same_metrics(autojump_clock: MockClock, history: str) -> None:
    async with program.served(history=history) as chat:
        assert numbers(chat.server)["trionet_history_lag_seconds"] == 0
