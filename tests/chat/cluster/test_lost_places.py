"""A log that loses its newest part: everyone is again who and where they were."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from shared_chat import Cluster, Json, Node, clusters, messages, rest
from trionet.chat.history.history import Found
from trionet.chat.history.memory import MemoryHistory
from trionet.testing import LineClient

__all__ = ["clusters"]


class Past:
    """The stream as it is now; what comes next can be lost."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._length = len(cluster.redis.entries)

    async def lose(self, *, first: str = "", seconds: float = 2) -> None:
        """Lose what has come since, and wait until all is well.

        Args:
            first: the node that comes back before all others; default: any.
            seconds: how long the others cannot write; default 2.
        """
        await trio.sleep(0.05)
        redis = self._cluster.redis
        redis.roll_back(len(redis.entries) - self._length)
        redis.before_command = lambda command: bool(
            first and command[0] == b"XADD" and first.encode() not in command[-1]
        )
        redis.changed()
        await trio.sleep(seconds)
        redis.heal()
        await trio.sleep(10)


async def two_with_bob(cluster: Cluster) -> tuple[Json, Json]:
    """Connect Ann and Bob, who are in two rooms, to two nodes."""
    one, two = cluster.nodes
    ann = await one.json("Ann", rooms=["lobby", "builds"])
    await cluster.settle()
    bob = await two.json("Bob", rooms=["lobby", "builds"])
    await cluster.settle()
    await messages(ann)
    await messages(bob)
    return ann, bob


async def names(member: Json, room: str) -> list[str]:
    await member.request("who", room=room)
    found: list[str] = (await member.next("members"))["members"]
    return found


async def changed_numbers(cluster: Cluster, ann: Node, cid: Node) -> tuple[LineClient, Any, Any]:
    """Connect Bob, and then Ann and Cid to other nodes, so that the log can lose both.

    Cid's node comes back first, and then each of them has the other's number.
    """
    bob = await cluster.nodes[1].connect("Bob")
    await cluster.settle()
    past = Past(cluster)
    one = await ann.connect("Ann")
    await trio.sleep(0.01)
    other = await cid.connect("Cid")
    await trio.sleep(0.01)
    return bob, (one, other), past


async def test_whoever_has_gone_to_another_room_is_there_though_the_log_has_lost_it(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        ann, bob = await two_with_bob(cluster)
        past = Past(cluster)
        await bob.request("leave", room="lobby")
        await bob.request("join", room="games")
        await bob.request("say", room="games", text="before", id=1)
        await trio.sleep(0.05)
        await messages(bob)
        await past.lose()
        await bob.request("say", room="games", text="after", id=2)
        heard = await messages(bob)
        assert [event["type"] for event in heard] == ["epoch", "said"]
        assert heard[-1]["re"] == 2
        assert [event["type"] for event in await messages(ann)] == ["left", "epoch"]
        assert await names(ann, "lobby") == ["Ann"]
        assert await names(ann, "games") == ["Bob"]


async def test_whoever_has_another_name_keeps_it_though_the_log_has_lost_it(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        ann, bob = await two_with_bob(cluster)
        past = Past(cluster)
        await bob.request("nick", name="Bert")
        await past.lose()
        for member in (ann, bob):
            kinds = [event["type"] for event in await messages(member)]
            assert kinds == ["renamed", "renamed", "epoch"]
            assert await names(member, "lobby") == ["Ann", "Bert"]


async def test_whoever_is_held_until_its_server_can_write_is_who_and_where_it_was(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        ann = await cluster.nodes[0].json("Ann", rooms=["lobby", "builds"])
        await cluster.settle()
        bob = await cluster.nodes[1].json("Bob", rooms=["lobby", "builds"], hold=True)
        await cluster.settle()
        await messages(bob)
        past = Past(cluster)
        await bob.request("nick", name="Bert")
        await bob.request("leave", room="lobby")
        await past.lose(first="node-0", seconds=10)
        assert await names(ann, "lobby") == ["Ann"]
        assert await names(ann, "builds") == ["Ann", "Bert"]
        # And it is told nothing of the way back.
        kinds = [event["type"] for event in await messages(bob)]
        assert kinds[:3] == ["renamed", "renamed", "left"]
        assert set(kinds[3:]) == {"epoch", "log"}
        await ann.request("say", room="lobby", text="not for Bert")
        await bob.request("say", room="builds", text="here", id=1)
        assert [event.get("re") for event in await messages(bob)] == [1]


async def test_a_move_that_came_late_is_not_repeated_when_the_log_is_lost_again(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        ann, bob = await two_with_bob(cluster)
        await bob.request("leave", room="builds", id=1)
        await bob.next("left")
        # Redis loses something while Bob's requests are on their way.
        cluster.redis.before_command = lambda command: command[0] == b"XADD"
        await bob.request("join", room="builds", id=2)
        await bob.request("nick", name="Bert", id=3)
        await trio.sleep(0.05)
        cluster.redis.roll_back(1)
        cluster.redis.heal()
        await trio.sleep(2)
        await bob.request("leave", room="builds", id=4)
        await bob.request("nick", name="Bob", id=5)
        await trio.sleep(0.05)
        # All four requests have been answered.
        assert {event.get("re") for event in await messages(bob)} >= {2, 3, 4, 5}
        cluster.redis.flush()
        cluster.redis.changed()
        await trio.sleep(10)
        assert sorted(await names(ann, "lobby")) == ["Ann", "Bob"]
        assert await names(ann, "builds") == ["Ann"]
        assert [event["type"] for event in await messages(bob)] == ["epoch"]


async def test_whoever_comes_meanwhile_is_told_the_names_that_all_others_know(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        ann, bob = await two_with_bob(cluster)
        past = Past(cluster)
        await bob.request("nick", name="Bert")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(past.lose, first="node-0", seconds=3))
            await trio.sleep(2)
            # The log still has Bob, and nobody will be told that this is Bert.
            cid = await cluster.nodes[0].json("Cid")
            assert (await cid.next("entered"))["members"] == ["Ann", "Bert", "Cid"]
            assert sorted(await names(ann, "lobby")) == ["Ann", "Bert", "Cid"]
        assert sorted(await names(cid, "lobby")) == ["Ann", "Bert", "Cid"]
        assert "renamed" not in [event["type"] for event in await messages(cid)]


async def test_what_was_known_before_two_losses_is_not_told_again(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        ann, bob = await two_with_bob(cluster)
        past = Past(cluster)
        await bob.request("nick", name="Bert")
        await trio.sleep(0.05)
        assert {event["type"] for event in await messages(ann)} == {"renamed"}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(past.lose, first="node-0", seconds=5))
            await trio.sleep(2)
            cluster.redis.roll_back(1)
            cluster.redis.changed()
        assert {event["type"] for event in await messages(ann)} <= {"epoch", "log"}
        assert sorted(await names(ann, "lobby")) == ["Ann", "Bert"]


async def test_whoever_is_cut_off_after_a_loss_is_not_told_that_it_has_left(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        ann, bob = await two_with_bob(cluster)
        past = Past(cluster)
        await bob.request("nick", name="Bert")
        await past.lose(seconds=0)
        await messages(ann)
        await messages(bob)
        cluster.redis.roll_back(1)
        cluster.redis.changed()
        await trio.sleep(1)
        # Longer than the lease, and until after the differences are told.
        cluster.redis.cut_off.add("node-1")
        await trio.sleep(12)
        cluster.redis.heal()
        await trio.sleep(10)
        assert {event["type"] for event in await messages(bob)} == {"epoch", "log"}
        heard = [
            (event["type"], event["name"])
            for event in await messages(ann)
            if event.get("room") == "lobby"
        ]
        assert heard == [("left", "Bert"), ("joined", "Bert")]


async def test_whoever_was_lost_before_the_log_lost_that_is_back(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        _, bob = await two_with_bob(cluster)
        redis = cluster.redis
        redis.before_command = lambda command: command[0] == b"XADD" and b"node-1" in command[-1]
        await trio.sleep(3.5)
        # The lease of Bob's node has just ended.
        redis.roll_back(1)
        redis.changed()
        await trio.sleep(5)
        redis.heal()
        await trio.sleep(10)
        assert "left" not in [event["type"] for event in await messages(bob)]
        assert await names(bob, "builds") == ["Ann", "Bob"]


async def test_whoever_is_lost_with_the_first_entry_after_a_loss_is_not_told_that_it_has_left(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        _, bob = await two_with_bob(cluster)
        redis = cluster.redis
        redis.before_command = lambda command: command[0] == b"XADD" and b"node-1" in command[-1]
        await trio.sleep(3)
        length = len(redis.entries)
        redis.heal()
        # Bob's node writes something, and Redis loses that.
        await trio.sleep(0.6)
        redis.cut_off.add("node-1")
        redis.roll_back(len(redis.entries) - length)
        redis.changed()
        await trio.sleep(3)
        redis.heal()
        await trio.sleep(10)
        assert "left" not in [event["type"] for event in await messages(bob)]
        assert await names(bob, "builds") == ["Ann", "Bob"]


async def test_whoever_cannot_have_its_name_back_is_told_and_still_gets_answers(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        ann, bob = await two_with_bob(cluster)
        past = Past(cluster)
        await bob.request("nick", name="Bert", id=1)
        await trio.sleep(0.05)
        await messages(bob)
        await messages(ann)
        async with trio.open_nursery() as nursery:
            # Less than the lease: whoever logs in with a name that is taken is turned away.
            nursery.start_soon(partial(past.lose, first="node-0", seconds=2))
            await trio.sleep(1.6)
            # The log does not know that the name is taken.
            await ann.request("nick", name="Bert", id=2)
        assert (await ann.next("renamed"))["re"] == 2
        await bob.request("nick", name="Ben", id=3)
        await bob.request("leave", room="lobby", id=4)
        heard = await messages(bob)
        refused = [event for event in heard if event["type"] == "error"]
        assert [event["code"] for event in refused] == ["name-taken"]
        own = [
            (event["room"], event["name"], event["to"], event.get("re"))
            for event in heard
            if event["type"] == "renamed" and event["to"] in ("Bob", "Ben")
        ]
        assert own == [
            ("lobby", "Bert", "Bob", None),
            ("builds", "Bert", "Bob", None),
            ("lobby", "Bob", "Ben", 3),
            ("builds", "Bob", "Ben", 3),
        ]
        assert [event.get("re") for event in heard if event["type"] == "left"] == [4]


async def test_whose_answer_was_trimmed_away_is_told_where_it_is(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2, snapshots=(20, 20)) as cluster:
        ann, bob = await two_with_bob(cluster)
        # The last that Redis takes from Bob's node before it is cut off.
        cluster.redis.before_answer = lambda command: (
            command[0] == b"XADD" and b"games" in command[-1] and cut_off()
        )

        def cut_off() -> bool:
            cluster.redis.cut_off.add("node-1")
            return True

        await bob.request("join", room="games", id=1)
        for number in range(150):
            await trio.sleep(0.02)
            await ann.request("say", room="lobby", text=str(number))
        cluster.redis.heal()
        await trio.sleep(5)
        entered = [event for event in await messages(bob) if event["type"] == "entered"]
        assert [(event["room"], event["members"]) for event in entered] == [("games", ["Bob"])]
        await bob.request("say", room="games", text="here", id=2)
        assert (await bob.next("said"))["re"] == 2


async def test_what_a_plain_member_says_goes_where_it_was_when_the_log_lost_its_move(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(2) as cluster:
        ann, _ = await two_with_bob(cluster)
        dee = await cluster.nodes[1].connect("Dee")
        await cluster.settle()
        past = Past(cluster)
        await dee.send("/join builds")
        await trio.sleep(0.05)
        await rest(dee)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(past.lose)
            for number in range(100):
                await dee.send(f"line {number}")
                await trio.sleep(0.05)
        said = [event for event in await messages(ann) if event["type"] == "said"]
        assert {event["room"] for event in said} == {"builds"}
        assert [event["text"] for event in said] == [f"line {number}" for number in range(100)]
        assert await rest(dee) == []


async def test_a_reply_goes_to_who_has_written_though_somebody_else_has_the_number(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(3) as cluster:
        bob, (ann, cid), past = await changed_numbers(cluster, cluster.nodes[0], cluster.nodes[2])
        await ann.send("/msg Bob hello")
        await past.lose(first="node-2")
        await bob.send("/reply for Ann alone")
        assert "[Bob to you] for Ann alone" in await rest(ann)
        assert "[Bob to you] for Ann alone" not in await rest(cid)


async def test_whoever_was_ignored_stays_so_and_nobody_else_is(
    clusters: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with clusters(3) as cluster:
        bob, (ann, cid), past = await changed_numbers(cluster, cluster.nodes[0], cluster.nodes[2])
        await bob.send("/ignore Ann")
        await past.lose(first="node-2")
        await rest(bob)
        await ann.send("I am Ann")
        await cid.send("I am Cid")
        assert await rest(bob) == ["Cid: I am Cid"]


async def test_a_removal_is_carried_out_though_the_member_has_got_another_number(
    clusters: Any, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, may_answer = MemoryHistory.find, trio.Event()

    async def find_later(history: MemoryHistory, room: str, number: int) -> Found | None:
        await may_answer.wait()
        return await find(history, room, number)

    monkeypatch.setattr(MemoryHistory, "find", find_later)
    async with clusters(2) as cluster:
        ann, _ = await two_with_bob(cluster)
        await ann.request("say", room="lobby", text="mine")
        number = (await ann.next("said"))["number"]
        await ann.request("remove", room="lobby", number=number, id=1)
        # Longer than the lease.
        cluster.redis.cut_off.add("node-0")
        await trio.sleep(7)
        cluster.redis.heal()
        await trio.sleep(2)
        may_answer.set()
        removed = await ann.next("removed")
        assert (removed["of"], removed["re"]) == (number, 1)
