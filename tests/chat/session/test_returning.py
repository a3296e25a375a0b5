"""Whoever comes back: held, resumed, taken over, and told what was said meanwhile."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from program import Event, Program, served
from trionet import Limits
from trionet.chat import server
from trionet.chat.history.memory import MemoryHistory
from trionet.chat.history.message_runs import last_number
from trionet.chat.serving import handling, history_choice
from trionet.chat.session import returning
from trionet.chat.state.events import RoomEvent
from trionet.testing import Link

HOLD: dict[str, Any] = {"hold": True}


async def told(program: Program, until: str) -> list[Event]:
    """Return the events up to the first of a type."""
    events = [await program.receive()]
    while events[-1]["type"] != until:
        events.append(await program.receive())
    return events


async def say(program: Program, *texts: str) -> None:
    for text in texts:
        await program.request("say", room="lobby", text=text, id=text)
        await program.expect("said", re=text)


def numbers(events: list[Event]) -> list[int]:
    return [event["number"] for event in events]


async def test_whoever_asked_to_be_held_comes_back_to_its_name_its_place_and_what_was_said(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served() as room:
        ann, _ = await room.join("Ann")
        bob, welcome = await room.join("Bob", **HOLD)
        await ann.expect("joined", name="Bob")
        assert len(welcome["token"]) == 32
        assert not welcome["resumed"]
        bob.reset()
        await trio.testing.wait_all_tasks_blocked()
        await say(ann, "one", "two")
        assert (await ann.ask("who", room="lobby"))["members"] == ["Ann", "Bob"]
        bob, again = await room.log_in(
            "Zed", token=welcome["token"], seen={"lobby": 2}, epoch=welcome["epoch"], **HOLD
        )
        assert again == {**welcome, "resumed": True}
        events = await told(bob, "entered")
        assert [event.get("text") for event in events] == ["one", "two", None]
        assert numbers(events[:2]) == [3, 4]
        assert (events[-1]["last"], events[-1]["count"]) == (4, 2)
        await say(ann, "three")
        await bob.expect("said", text="three", number=5)
        await ann.expect_quiet()


async def test_whoever_did_not_ask_leaves_when_its_connection_ends(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served() as room:
        ann, _ = await room.join("Ann")
        bob, welcome = await room.join("Bob")
        await ann.expect("joined")
        bob.reset()
        await ann.expect("left", name="Bob", reason="lost")
        _, again = await room.join("Bob", token=welcome["token"])
        assert not again["resumed"]
        assert again["token"] != welcome["token"]


async def test_a_held_member_leaves_when_its_grace_ends_and_the_last_one_ends_the_server(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The grace runs on the wall clock, which does not jump by itself.
    monkeypatch.setattr(server, "_milliseconds", lambda: round(trio.current_time() * 1000))
    async with served(grace=30) as room:
        ann, _ = await room.join("Ann", **HOLD)
        bob, _ = await room.join("Bob")
        await ann.expect("joined")
        began = trio.current_time()
        ann.reset()
        await bob.expect("left", name="Ann", reason="lost")
        assert trio.current_time() - began == pytest.approx(30, abs=0.1)
        await bob.request("quit")
        await room.ended.wait()


async def test_a_quit_is_a_leave_at_once_even_of_who_asked_to_be_held(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served() as room:
        ann, _ = await room.join("Ann")
        bob, welcome = await room.join("Bob", **HOLD)
        await ann.expect("joined")
        await bob.request("quit")
        await bob.expect_closed()
        await ann.expect("left", name="Bob", reason="quit")
        _, again = await room.join("Bob", token=welcome["token"])
        assert not again["resumed"]
        await ann.expect("joined")
        await ann.expect_quiet()


async def test_a_connection_that_still_stands_is_taken_over_and_nobody_else_is_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served() as room:
        ann, _ = await room.join("Ann")
        old, welcome = await room.join("Bob", **HOLD)
        await ann.expect("joined")
        new, again = await room.join("Bob", token=welcome["token"], **HOLD)
        assert again["resumed"]
        await old.expect("closing", reason="taken over")
        await old.expect_closed()
        await say(new, "still here")
        await ann.expect("said", name="Bob")
        await ann.expect_quiet()


async def test_a_message_that_is_repeated_gets_its_receipt_and_is_not_said_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served() as room:
        ann, _ = await room.join("Ann")
        bob, welcome = await room.join("Bob", **HOLD)
        await ann.expect("joined")
        await say(bob, "once")
        first = await ann.expect("said", text="once")
        bob.reset()
        bob, _ = await room.join("Bob", token=welcome["token"], **HOLD)
        await bob.request("say", room="lobby", text="once", id="once")
        assert await bob.receive() == {**first, "re": "once"}
        await ann.expect_quiet()


async def test_a_token_of_before_still_counts_for_who_is_cut_off_again_as_somebody_new(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served(forever=True) as room:
        bob, welcome = await room.join("Bob")
        await say(bob, "once")
        bob.reset()
        await trio.testing.wait_all_tasks_blocked()
        back = {"seen": {"lobby": 0}, "epoch": welcome["epoch"], **HOLD}
        bob, new = await room.log_in("Bob", token=welcome["token"], **back)
        assert not new["resumed"]
        # It has read nothing of the past.
        bob.reset()
        bob, again = await room.log_in("Bob", token=new["token"], **back)
        assert again["resumed"]
        events = await told(bob, "entered")
        assert [event.get("re") for event in events if event["type"] == "said"] == ["once"]
        page = await bob.ask("history", room="lobby")
        assert [one.get("re") for one in page["events"] if one["type"] == "said"] == ["once"]
        number = next(event["number"] for event in events if event["type"] == "said")
        removed = await bob.ask("remove", room="lobby", number=number)
        assert removed["type"] == "removed"


async def test_ones_own_messages_come_back_with_the_ids_of_their_requests(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served() as room:
        ann, _ = await room.join("Ann")
        bob, welcome = await room.join("Bob", **HOLD)
        await ann.expect("joined")
        for id_, text in ((None, "a"), (7, "b"), (8, "c")):
            fields = {} if id_ is None else {"id": id_}
            await bob.request("say", room="lobby", text=text, **fields)
            await ann.expect("said")
        await say(ann, "d")
        bob.reset()
        bob, _ = await room.log_in(
            "Bob", token=welcome["token"], seen={"lobby": 2}, epoch=welcome["epoch"], **HOLD
        )
        events = await told(bob, "entered")
        assert [event.get("re") for event in events] == [None, 7, 8, None, None]


async def test_private_messages_come_first_and_a_gap_among_them_is_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served() as room:
        ann, _ = await room.join("Ann")
        bob, welcome = await room.join("Bob", **HOLD)
        await ann.expect("joined")
        bob.reset()
        await trio.testing.wait_all_tasks_blocked()
        for number in range(1, 105):
            await ann.request("tell", to="Bob", text=f"psst {number}")
            await ann.expect("told", number=number)
        await say(ann, "aloud")
        back = {"token": welcome["token"], "epoch": welcome["epoch"], **HOLD}
        bob, _ = await room.log_in("Bob", seen={"lobby": 2, "@": 2}, **back)
        assert await bob.receive() == {"type": "missed", "room": "@", "after": 2, "before": 5}
        for number in range(5, 105):
            await bob.expect("told", number=number, text=f"psst {number}")
        await bob.expect("said", text="aloud")
        await bob.expect("entered")
        page = await bob.ask("history", room="@", limit=2)
        assert numbers(page["events"]) == [103, 104]
        assert page["more"]
        page = await bob.ask("history", room="@", after=100, limit=500)
        assert numbers(page["events"]) == [101, 102, 103, 104]
        assert not page["more"]


async def test_all_rooms_are_resumed_the_lobby_first_and_new_ones_are_joined(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served() as room:
        ann, _ = await room.log_in("Ann", rooms=["x", "y", "lobby"])
        await told(ann, "entered")
        for _ in range(2):
            await ann.expect("entered")
        bob, welcome = await room.log_in("Bob", rooms=["y", "x"], **HOLD)
        last = {}
        for name in ("y", "x"):
            last[name] = (await bob.expect("entered", room=name))["last"]
            await ann.expect("joined", room=name)
        bob.reset()
        await trio.testing.wait_all_tasks_blocked()
        for name in ("x", "y", "lobby"):
            await ann.request("say", room=name, text=f"to {name}")
            await ann.expect("said", room=name)
        bob, _ = await room.log_in(
            "Bob", token=welcome["token"], epoch=welcome["epoch"], rooms=["lobby", "x"],
            seen={**last, "z": 4}, **HOLD,
        )  # fmt: skip
        await ann.expect("joined", room="lobby", name="Bob")
        entered = await bob.expect("entered", room="lobby", count=2)
        assert entered["last"] == (await ann.ask("history", room="lobby"))["events"][-1]["number"]
        for name in ("y", "x"):
            await bob.expect("said", room=name, number=last[name] + 1)
            await bob.expect("entered", room=name)
        await ann.request("say", room="y", text="live")
        await bob.expect("said", room="y", text="live")


async def test_ones_own_joining_is_not_replayed(autojump_clock: trio.testing.MockClock) -> None:
    async with served() as room:
        ann, welcome = await room.join("Ann")
        bob, _ = await room.log_in("Bob", seen={"lobby": 1}, epoch=welcome["epoch"])
        await bob.expect("entered", last=2)
        await ann.expect("joined")
        _cid, _ = await room.log_in("Cid", seen={"lobby": 1}, epoch=welcome["epoch"])
        await _cid.expect("joined", name="Bob", number=2)
        await _cid.expect("entered", last=3)


async def test_with_another_epoch_nothing_is_replayed_and_each_room_is_missed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served() as room:
        ann, _ = await room.join("Ann")
        await say(ann, "one")
        for fields in ({"epoch": "another"}, {}):
            bob, _ = await room.log_in("Bob", seen={"lobby": 40, "nowhere": 3}, **fields)
            last = (await ann.expect("joined"))["number"]
            assert await bob.receive() == {
                "type": "missed", "room": "lobby", "after": 40, "before": last + 1,
            }  # fmt: skip
            await bob.expect("entered", last=last)
            await bob.request("quit")
            await ann.expect("left")


async def test_without_a_history_the_gap_is_told(autojump_clock: trio.testing.MockClock) -> None:
    async with served(history="none") as room:
        ann, welcome = await room.join("Ann")
        await say(ann, "one")
        epoch = welcome["epoch"]
        bob, _ = await room.log_in("Bob", seen={"lobby": 1}, epoch=epoch)
        assert await bob.receive() == {"type": "missed", "room": "lobby", "after": 1, "before": 3}
        await bob.expect("entered", last=3)
        cid, _ = await room.log_in("Cid", seen={"lobby": 3}, epoch=epoch)
        await cid.expect("entered", last=4)


@pytest.mark.parametrize("page", [returning.PAGE_BYTES, 3000])
async def test_what_memory_has_forgotten_is_told_as_missed(
    page: int, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returning, "PAGE_BYTES", page)
    async with served() as room:
        ann, welcome = await room.join("Ann")
        for number in range(1100):
            await ann.request("say", room="lobby", text=f"{number}")
            await ann.expect("said")
        bob, _ = await room.log_in("Bob", seen={"lobby": 1}, epoch=welcome["epoch"])
        # 1,000 events are kept, and Bob's joining is the last of them.
        assert await bob.receive() == {"type": "missed", "room": "lobby", "after": 1, "before": 103}
        events = await told(bob, "entered")
        assert numbers(events[:-1]) == list(range(103, 1102))


class Forgetful(MemoryHistory):
    """A history that forgets while it is told, and does not know later what it has had.

    One in a file is like that: it forgets what is too old, and another process may be late in
    writing it.

    Attributes:
        forgets: how many events it forgets beyond each stretch.
    """

    forgets = 0
    _floor = 0

    async def since(self, room: str, after: int, most_bytes: int) -> list[RoomEvent]:
        stretch = await super().since(room, max(after, self._floor), most_bytes)
        if stretch:
            self._floor = last_number(stretch[-1]) + self.forgets
        return stretch

    def recent(self, room: str, after: int) -> list[RoomEvent] | None:
        return super().recent(room, after) if after >= self._floor else None


@pytest.mark.parametrize("forgets", [0, 1, 15, 500])
async def test_what_is_forgotten_during_the_replay_is_told_as_missed(
    forgets: int, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returning, "PAGE_BYTES", 3000)
    monkeypatch.setattr(history_choice, "MemoryHistory", Forgetful)
    monkeypatch.setattr(Forgetful, "forgets", forgets)
    async with served() as room:
        ann, welcome = await room.join("Ann")
        await say(ann, *map(str, range(200)))
        bob, _ = await room.log_in("Bob", seen={"lobby": 1}, epoch=welcome["epoch"])
        events = await told(bob, "entered")
        last, gaps = 1, 0
        for event in events[:-1]:
            if event["type"] == "missed":
                assert event["after"] == last < event["before"] - 1
                last, gaps = event["before"] - 1, gaps + 1
            else:
                assert event["number"] == last + 1
                last = event["number"]
        # His own joining is the last.
        assert events[-1]["last"] == last + 1
        assert bool(gaps) is bool(forgets)


async def test_only_the_newest_events_are_replayed(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returning, "MOST", 10)
    async with served() as room:
        ann, welcome = await room.join("Ann")
        await say(ann, *map(str, range(30)))
        bob, _ = await room.log_in("Bob", seen={"lobby": 3}, epoch=welcome["epoch"])
        assert await bob.receive() == {"type": "missed", "room": "lobby", "after": 3, "before": 23}
        assert numbers((await told(bob, "entered"))[:-1]) == list(range(23, 32))


async def test_a_removed_text_is_not_replayed_but_its_removal_is(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served() as room:
        ann, welcome = await room.join("Ann")
        await say(ann, "one", "two")
        await ann.request("remove", room="lobby", number=2, id=1)
        await ann.expect("removed", of=2, number=4, re=1)
        bob, _ = await room.log_in("Bob", seen={"lobby": 1}, epoch=welcome["epoch"])
        events = await told(bob, "entered")
        # Whether number 2 was ever given cannot be seen any more.
        assert [event["type"] for event in events] == ["missed", "said", "removed", "entered"]
        assert events[1]["text"] == "two"


async def test_at_either_limit_the_one_who_is_held_longest_leaves(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served(limits=Limits(max_clients=3, max_per_address=3)) as room:
        ann, _ = await room.join("Ann")
        held: list[str] = []
        for name in ("Bob", "Cid"):
            other, welcome = await room.join(name, **HOLD)
            await ann.expect("joined")
            other.reset()
            held.append(welcome["token"])
            await trio.testing.wait_all_tasks_blocked()
        dan, _ = await room.join("Dan")
        await ann.expect("joined", name="Dan")
        await ann.expect("left", name="Bob", reason="lost")
        dan.reset()
        await ann.expect("left", name="Dan")
        _, again = await room.join("Cid", token=held[1], **HOLD)
        assert again["resumed"]
        await ann.expect_quiet()


async def test_an_unfit_name_is_not_an_error_with_a_valid_token(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served() as room:
        _, welcome = await room.join("Ann", **HOLD)
        program, again = await room.join("not a name", token=welcome["token"])
        assert (again["name"], again["resumed"]) == ("Ann", True)
        stranger = await room.connect()
        await stranger.request("login", name="not a name", token="wrong")
        await stranger.expect("error", code="name-refused")
        await program.expect_quiet()


async def test_nothing_of_the_past_is_told_after_the_good_bye_of_a_drain(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returning, "PAGE_BYTES", 3000)
    async with served(forever=True) as room:
        ann, welcome = await room.join("Ann")
        for _ in range(40):
            await ann.request("say", room="lobby", text="x" * 900)
            await ann.expect("said")
        bob = await room.connect("Bob", link=Link(capacity=2000))
        back = {"seen": {"lobby": 0}, "epoch": welcome["epoch"]}
        await bob.request("login", name="Bob", **back)
        await bob.expect("welcome")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(room.server.drain, 5)
            # Until the good-bye Bob reads nothing, so it is still told the past.
            await ann.ask_behind_all("ping")
            await ann.expect("closing")
            before = await told(bob, "closing")
            assert len(before) < 40
            await bob.expect_closed()


async def test_a_drain_holds_nobody(autojump_clock: trio.testing.MockClock) -> None:
    async with served() as room:
        ann, _ = await room.join("Ann", **HOLD)
        await room.server.drain()
        await ann.expect("closing", reason="server is closing")
        await room.ended.wait()


@pytest.mark.parametrize("rooms", [["lobby"], ["lobby", "x"]])
async def test_what_is_said_during_the_replay_comes_once_and_in_its_place(
    rooms: list[str], autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returning, "PAGE_BYTES", 3000)
    async with served() as room:
        ann, welcome = await room.log_in("Ann", rooms=rooms)
        for _ in rooms:
            await ann.expect("entered")
        for number in range(200):
            for name in rooms:
                await ann.request("say", room=name, text=f"{number}")
                await ann.expect("said")
        bob = await room.connect("Bob", link=Link(capacity=500))
        seen = dict.fromkeys(rooms, 5)
        await bob.request("login", name="Bob", seen=seen, epoch=welcome["epoch"], rooms=rooms)
        await bob.expect("welcome")
        told: dict[str, list[int]] = {name: [] for name in rooms}
        joined = dict.fromkeys(rooms, 0)
        for _ in rooms:
            event = await ann.expect("joined", name="Bob")
            joined[event["room"]] = event["number"]
        entered = 0
        for turn in range(1000):
            # She says a line for each few that he reads, as long as he is not there yet.
            name = rooms[turn % len(rooms)]
            await ann.request("say", room=name, text="meanwhile", id=turn)
            while (await ann.receive()).get("re") != turn:
                pass
            for _ in range(7):
                event = await bob.receive()
                if event["type"] == "entered":
                    entered += 1
                else:
                    assert event["type"] == "said"
                    told[event["room"]].append(event["number"])
                if entered == len(rooms):
                    break
            if entered == len(rooms):
                break
        await ann.request("say", room=rooms[-1], text="the end")
        while event.get("text") != "the end":
            event = await bob.receive()
            told[event["room"]].append(event["number"])
        for name in rooms:
            # Bob's own joining is not told to him.
            first = told[name][0]
            assert set(range(first, told[name][-1] + 1)) - set(told[name]) <= {joined[name]}
            assert told[name] == sorted(set(told[name]))


async def test_others_take_turns_with_one_who_does_not_read(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returning, "PAGE_BYTES", 3000)
    monkeypatch.setattr(handling, "TURNS", 1)
    async with served(limits=Limits(write_timeout=30)) as room:
        ann, welcome = await room.join("Ann")
        await say(ann, *map(str, range(200)))
        came = {"seen": {"lobby": 1}, "epoch": welcome["epoch"]}
        bob = await room.connect("Bob", link=Link(capacity=500))
        await bob.request("login", name="Bob", **came)
        await bob.expect("welcome")
        await trio.testing.wait_all_tasks_blocked()
        cid, _ = await room.log_in("Cid", **came)
        began = trio.current_time()
        assert numbers((await told(cid, "entered"))[:-1])[:3] == [2, 3, 4]
        assert began < trio.current_time() <= began + 1


# A restart, with a file.


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "chat.db"


async def test_over_a_clean_restart_with_a_file_what_was_seen_is_answered(file: Path) -> None:
    async with served(history=file, forever=True) as room:
        ann, welcome = await room.log_in("Ann", rooms=["lobby", "builds"])
        await told(ann, "entered")
        await ann.expect("entered", room="builds")
        await ann.request("topic", room="builds", text="green", id=1)
        await ann.expect("topic")
        await say(ann, "one", "two")
        await room.server.drain()
        await ann.expect("closing")
        await room.ended.wait()
    async with served(history=file, forever=True) as room:
        back = {"token": welcome["token"], "epoch": welcome["epoch"]}
        bob, again = await room.log_in("Ann", seen={"lobby": 2}, rooms=["lobby", "builds"], **back)
        assert again["epoch"] == welcome["epoch"]
        assert not again["resumed"]
        events = await told(bob, "entered")
        assert [(event["type"], event.get("re")) for event in events] == [
            ("said", "two"), ("left", None), ("entered", None),
        ]  # fmt: skip
        await bob.expect("entered", room="builds", topic="green")
        # The author is known by the token that the login brought.
        await bob.request("remove", room="lobby", number=2, id=2)
        await bob.expect("removed", of=2)
        await room.server.drain()
        await room.ended.wait()


def on_disk(file: Path) -> bytes:
    """Return all that a history has on the disk."""
    log = file.with_name(f"{file.name}-wal")
    return file.read_bytes() + (log.read_bytes() if log.exists() else b"")


def taken_from(file: Path) -> Path:
    """Return a copy of a history as a `kill -9` would leave it."""
    for part in ("", "-wal"):
        shutil.copy(f"{file}{part}", file.with_name(f"copy.db{part}"))
    return file.with_name("copy.db")


async def test_an_unclean_end_begins_a_new_epoch_and_numbers_go_on(file: Path) -> None:
    async with served(history=file, forever=True) as room:
        ann, welcome = await room.join("Ann")
        await say(ann, "one")
        # It is real time until a thread has written it.
        while b"one" not in on_disk(file):  # noqa: ASYNC110
            await trio.sleep(0.05)
        copy = taken_from(file)
    async with served(history=copy, forever=True) as room:
        bob, again = await room.log_in("Ann", seen={"lobby": 1}, epoch=welcome["epoch"])
        assert again["epoch"] != welcome["epoch"]
        missed = await bob.expect("missed", room="lobby", after=1)
        entered = await bob.expect("entered")
        assert missed["before"] == entered["last"] + 1 > 3


async def test_a_drain_that_cannot_wait_tells_nothing_of_the_past_after_its_notice(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returning, "PAGE_BYTES", 3_000)
    async with served(forever=True) as room, trio.open_nursery() as nursery:
        ann, welcome = await room.join("Ann")
        for number in range(500):
            await ann.request("say", room="lobby", text=str(number), id=number)
            await ann.expect("said")
        bob = await room.connect("Bob", link=Link(capacity=500))
        await bob.request("login", name="Bob", epoch=welcome["epoch"], seen={"lobby": 1})
        nursery.start_soon(room.server.drain)
        # He reads so slowly that a second before the deadline of 5 s everyone is told.
        with trio.move_on_after(4.1):
            while True:
                await bob.receive()
                await trio.sleep(0.1)
        while (event := await bob.receive())["type"] != "closing":
            assert event["type"] == "said"
        await bob.expect_closed()
