"""Real servers that end in a busy room, and clients that come back to the next one."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

import trio

from follower import Event, Follower
from trionet.chat.formats import json_lines
from trionet.chat.history import upkeep

PATIENCE = 60

# While a server is down its port is free, and a server of another test may get it. No other test
# listens on this host, which only Linux has without asking.
HOST = "127.0.16.1" if sys.platform == "linux" else "127.0.0.1"


class Host:
    """Serves one chat, again and again, at one address and with one file.

    Args:
        file: the history.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._port = 0
        self._server: trio.Process | None = None

    @asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        """Have a server run, and end it."""
        await self.start()
        try:
            yield
        finally:
            await self.end(signal.SIGTERM)

    async def start(self) -> None:
        """Start a server."""
        command = [
            sys.executable, "-m", "trionet.cli.main", "chat", "serve", f"{HOST}:{self._port}",
            "--history", str(self._file), "--forever", "--rate", "0",
        ]  # fmt: skip
        server = self._server = await trio.lowlevel.open_process(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert server.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            line += await server.stdout.receive_some(1)
        self._port = int(line.rpartition(b":")[2])
        self._drained = server.stdout

    async def end(self, how: signal.Signals) -> None:
        """End the server."""
        assert self._server is not None
        self._server.send_signal(how)
        await self._server.wait()
        await self._drained.aclose()

    async def connect(self) -> trio.abc.Stream:
        """Connect a client."""
        return await trio.open_tcp_stream(HOST, self._port)


async def have(follower: Follower, more: int) -> None:
    """Wait until a follower has been told so many more events."""
    wanted = len(follower.transcript) + more
    await follower.wait_until(lambda: len(follower.transcript) >= wanted)


async def talk(follower: Follower) -> None:
    for number in range(1_000_000):
        await follower.say(f"{follower.name} {number}")
        await follower.settled()


def in_file(file: Path) -> list[Event]:
    """Return all events of a history's lobby, as JSON lines have them."""
    return [
        json.loads(line)
        for event in upkeep.select(file, upkeep.Selection(room="lobby"))
        for line in json_lines.encode(event).splitlines()
    ]


def seconds(earlier: Event, later: Event) -> float:
    """Return how long it was from one event to another."""
    times = [datetime.fromisoformat(event["time"]) for event in (earlier, later)]
    return (times[1] - times[0]).total_seconds()


def lasts(follower: Follower, first: int, began: str, span: float) -> bool:
    """Tell whether a follower has heard something for so many seconds, and enough before the last.

    Args:
        follower: the follower.
        first: where the epoch begins in its transcript.
        began: from when on, as a time in JSON lines.
        span: how many seconds.
    """
    told, enough = follower.transcript, first + 200
    return (
        seconds({"time": began}, told[-1]) > span
        and len(told) > enough
        and seconds(told[enough], told[-1]) > 1
    )


async def test_over_clean_restarts_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    file, rng = tmp_path / "chat.db", random.Random(1)
    host = Host(file)
    with trio.fail_after(PATIENCE):
        async with host.up(), trio.open_nursery() as nursery:
            followers = [Follower(name, host.connect) for name in ("Ann", "Bob", "Cid")]
            for follower in followers:
                nursery.start_soon(follower.run)
            for follower in followers:
                await follower.entered()
                nursery.start_soon(talk, follower)
            for _ in range(4):
                await have(followers[0], rng.randrange(20, 200))
                await host.end(signal.SIGTERM)
                await host.start()
            await have(followers[0], 100)
            for follower in followers:
                assert len(follower.epochs) == 1
                assert not follower.missed
            nursery.cancel_scope.cancel()
    kept = in_file(file)
    for follower in followers:
        # The history has their own joining too, and what came after they were gone.
        told = follower.transcript
        own = [e for e in kept if e["type"] == "joined" and e["name"] == follower.name]
        between = [
            e for e in kept
            if told[0]["number"] <= e["number"] <= told[-1]["number"] and e not in own
        ]  # fmt: skip
        assert told == between
        said = [e["text"] for e in kept if e["name"] == follower.name and e["type"] == "said"]
        assert said == [f"{follower.name} {number}" for number in range(len(said))]


async def test_after_a_kill_clients_are_told_the_truth(tmp_path: Path) -> None:
    file, rng = tmp_path / "chat.db", random.Random(2)
    host = Host(file)
    surely: list[Event] = []
    with trio.fail_after(PATIENCE):
        async with host.up(), trio.open_nursery() as nursery:
            ann, bob = (Follower(name, host.connect) for name in ("Ann", "Bob"))
            for follower in (ann, bob):
                nursery.start_soon(follower.run)
                await follower.entered()
                # Several messages of each are always on their way.
                for _ in range(10):
                    nursery.start_soon(talk, follower)
            for times in range(1, 6):
                first = len(ann.transcript)
                # Both have heard something of this epoch.
                for one in (ann, bob):
                    await have(one, 20)
                began, span = ann.transcript[-1]["time"], 1.1 + rng.random() / 2
                await ann.wait_until(partial(lasts, ann, first, began, span))
                await host.end(signal.SIGKILL)
                before = {one.name: one.transcript[-1] for one in (ann, bob)}
                # Of what was told in this epoch, all but the last second is kept.
                epoch = ann.transcript[first:]
                surely += [event for event in epoch if seconds(event, before["Ann"]) > 1]
                await host.start()
                for one in (ann, bob):
                    await one.wait_until(partial(lambda one, n: len(one.missed) >= n, one, times))
                    assert len(one.epochs) == times + 1
                    # It may have read a little more from its dead connection.
                    after = one.missed[-1]["after"]
                    assert after >= before[one.name]["number"]
                    assert after in [event["number"] for event in one.transcript]
            await have(ann, 50)
            nursery.cancel_scope.cancel()
    kept = in_file(file)
    numbers = [event["number"] for event in kept]
    assert numbers == sorted(set(numbers))
    # All but the last second is in the file, as it was told.
    there = {json.dumps(event) for event in kept}
    assert len(surely) >= 1_000
    assert not [event for event in surely if json.dumps(event) not in there]
