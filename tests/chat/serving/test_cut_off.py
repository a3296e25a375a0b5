"""A client that is cut off twenty times in a busy room ends with what one has that never was."""

from __future__ import annotations

import random
from typing import Any

import pytest
import trio
import trio.lowlevel
import trio.testing

from follower import Follower
from program import Served, served
from trionet.testing import MemoryStream

CUTS = ("reset", "stall", "half-close", "receipt lost")


async def cut(follower: Follower, how: str, rng: random.Random) -> None:
    """Cut a follower off while it says something."""
    await follower.entered()
    stream = follower.stream
    assert isinstance(stream, MemoryStream)
    said = f"in front of the cut, {rng.random()}"
    match how:
        case "reset":
            await follower.say(said)
            if rng.random() < 0.5:
                await trio.lowlevel.checkpoint()
            stream.reset()
        case "stall":
            # The server notices nothing: the next connection takes this one over.
            await follower.say(said)
            stream.stall()
            await trio.sleep(rng.random())
            await stream.aclose()
        case "half-close":
            await follower.say(said)
            try:
                await stream.send_eof()
            except trio.BrokenResourceError:
                return
            await trio.sleep(0.5)
            await stream.aclose()
        case "receipt lost":
            stream.stall(incoming=True, outgoing=False)
            await follower.say(said)
            await trio.sleep(0.2)
            stream.reset()


async def talk(room: Served, name: str, rng: random.Random) -> None:
    talker, _ = await room.join(name)

    async def listen() -> None:
        while True:
            await talker.client.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        for number in range(1_000_000):
            await talker.request("say", room="lobby", text=f"{name} {number}")
            await trio.sleep(rng.random() / 20)


@pytest.mark.parametrize("seed", range(3))
async def test_a_client_cut_off_twenty_times_ends_with_what_an_unbroken_one_has(
    seed: int, autojump_clock: trio.testing.MockClock
) -> None:
    rng = random.Random(seed)
    async with served() as room, trio.open_nursery() as nursery:
        address = room.server.addresses[0]

        async def connect() -> trio.abc.Stream:
            return await room.network.connect(address)

        whole, broken = Follower("Whole", connect), Follower("Broken", connect)
        nursery.start_soon(whole.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(broken.run)
        for name in ("Ann", "Bob", "Cid"):
            nursery.start_soon(talk, room, name, rng)
        await trio.sleep(1)
        for how in CUTS * 5:
            await cut(broken, how, rng)
            await trio.sleep(rng.random() * 2)
        await broken.settled()
        nursery.cancel_scope.cancel()
    assert broken.resumed == 20
    assert not broken.missed
    check(broken, whole, own=20)


def check(broken: Follower, whole: Follower, *, own: int) -> None:
    """Compare what two followers have: all that both can have."""
    first = broken.transcript[0]["number"]
    last = min(whole.transcript[-1]["number"], broken.transcript[-1]["number"])
    between: list[list[dict[str, Any]]] = [
        [event for event in one.transcript if first <= event["number"] <= last]
        for one in (broken, whole)
    ]
    assert between[0] == between[1]
    assert len(between[0]) == last - first + 1
    said = [event for event in broken.transcript if event.get("name") == "Broken"]
    texts = [event["text"] for event in said if event["type"] == "said"]
    assert len(texts) == len(set(texts)) == own
    assert sorted(set(broken.answered)) == list(range(1, own + 1))
