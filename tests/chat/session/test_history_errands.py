"""Asking for the past: history, search and remove, in both formats."""

from __future__ import annotations

import re
from typing import Any

import pytest
import trio
import trio.testing

from program import Event, Program, served
from trionet.chat.history.history import Page
from trionet.chat.history.memory import MemoryHistory
from trionet.errors import TrionetError


async def say(program: Program, *texts: str) -> None:
    for text in texts:
        await program.request("say", room="lobby", text=text, id=text)
        await program.expect("said", re=text)


def told(page: Event) -> list[tuple[int, str]]:
    return [(event["number"], event.get("text", event["type"])) for event in page["events"]]


async def test_history_is_paged_in_both_directions(autojump_clock: trio.testing.MockClock) -> None:
    async with served() as room:
        ann, _ = await room.join("Ann")
        await say(ann, "two", "three", "four")
        page = await ann.ask("history", room="Lobby")
        assert told(page) == [(1, "joined"), (2, "two"), (3, "three"), (4, "four")]
        assert (page["room"], page["more"]) == ("lobby", False)
        assert not any("re" in event for event in page["events"])
        for fields, wanted, more in (
            ({"limit": 2}, [3, 4], True),
            ({"before": 3}, [1, 2], False),
            ({"before": 3, "limit": 1}, [2], True),
            ({"after": 1, "limit": 2}, [2, 3], True),
            ({"after": 3}, [4], False),
            ({"after": 4}, [], False),
        ):
            page = await ann.ask("history", room="lobby", **fields)
            assert [number for number, _ in told(page)] == wanted
            assert page["more"] is more


async def test_a_room_that_is_over_still_has_its_history_and_nobody_in_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served() as room:
        ann, _ = await room.join("Ann")
        await ann.request("join", room="builds")
        await ann.expect("entered")
        await ann.request("say", room="builds", text="green")
        await ann.expect("said")
        await ann.request("leave", room="builds")
        await ann.expect("left")
        page = await ann.ask("history", room="builds")
        assert [event["type"] for event in page["events"]] == ["joined", "said", "left"]
        assert (await ann.ask("who", room="builds"))["members"] == []
        assert [one["room"] for one in (await ann.ask("rooms"))["rooms"]] == ["lobby"]
        assert (await ann.ask("search", room="builds", text="GREEN"))["events"]
        for fields in ({"type": "history"}, {"type": "search", "text": "x"}, {"type": "who"}):
            for room_ in ("nowhere", ""):
                error = await ann.ask(**fields, room=room_)
                assert error["code"] == "no-such-room"


async def test_search_finds_whole_words_of_messages_and_actions(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served() as room:
        ann, _ = await room.join("Ann")
        bob, _ = await room.join("Bob")
        await ann.expect("joined")
        await say(ann, "the build is green", "the building")
        await bob.request("act", room="lobby", text="starts a Build", id=1)
        found = await ann.ask_behind("acted", "search", text="build")
        assert told(found) == [(3, "the build is green"), (5, "starts a Build")]
        for fields, wanted in (
            ({"name": "bob"}, [5]),
            ({"room": "lobby", "before": 5}, [3]),
            ({"limit": 1}, [5]),
            ({"text": "green build"}, [3]),
            ({"text": "!?"}, []),
        ):
            found = await ann.ask("search", **{"text": "build", **fields})
            assert [number for number, _ in told(found)] == wanted
        assert (await ann.ask("search", text="build", limit=1))["more"]


async def test_only_the_author_removes_a_message_and_it_is_gone_for_everyone(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served() as room:
        ann, _ = await room.join("Ann")
        bob, _ = await room.join("Bob")
        cid = await room.plain("Cid", "said by a terminal")
        for name in ("Bob", "Cid"):
            await ann.expect("joined", name=name)
        await ann.expect("said", name="Cid", number=4)
        await say(ann, "secret")
        for number, code in ((5, "forbidden"), (1, "no-such-message"), (9, "no-such-message")):
            error = await bob.ask_behind_all("remove", room="lobby", number=number)
            assert error["code"] == code, number
        assert (await ann.ask("remove", room="lobby", number=4))["code"] == "forbidden"
        assert (await ann.ask("remove", room="builds", number=5))["code"] == "not-in-room"
        removed = await ann.ask("remove", room="lobby", number=5)
        assert (removed["type"], removed["of"], removed["number"]) == ("removed", 5, 6)
        assert "re" not in await bob.expect("removed", of=5)
        assert (await ann.ask("search", text="secret"))["events"] == []
        page = await ann.ask("history", room="lobby", after=4)
        assert [event["type"] for event in page["events"]] == ["removed"]
        assert (await ann.ask("remove", room="lobby", number=5))["code"] == "no-such-message"
        await cid.send("q")


async def test_without_a_history_all_of_it_is_unavailable(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served(history="none") as room:
        ann, _ = await room.join("Ann")
        for type_, fields in (
            ("history", {"room": "lobby"}),
            ("search", {"text": "x"}),
            ("remove", {"room": "lobby", "number": 1}),
        ):
            assert (await ann.ask(type_, **fields))["code"] == "unavailable"
        assert (await ann.ask("history", room="@"))["events"] == []
        cid = await room.plain("Cid", "/history")
        await cid.receive()
        await cid.expect("error: no history is kept here")


async def test_a_terminal_is_shown_what_was_said_with_the_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served() as room:
        ann, _ = await room.join("Ann")
        await say(ann, "one", "two\nlines")
        bob = await room.plain("Bob", "mine", "/me waves", "/history", "/history 2", "/history x")
        await bob.receive()
        shown = [await bob.receive() for _ in range(7 + 2)]
        assert all(re.match(r"\[[0-2]\d:[0-5]\d\] ", line) for line in shown)
        assert [line[8:] for line in shown[:7]] == [
            "*** Ann joined (1 here)", "Ann: one", "Ann: two", "Ann: lines",
            "*** Bob joined (2 here)", "Bob: mine", "* Bob waves",
        ]  # fmt: skip
        assert [line[8:] for line in shown[7:]] == ["Bob: mine", "* Bob waves"]
        await bob.expect("error: /history takes a number from 1 to 200")


async def test_a_terminal_is_shown_all_that_it_asks_for_however_long(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served() as room:
        ann, _ = await room.join("Ann")
        texts = [f"{number:03} {'x' * 3_900}" for number in range(210)]
        for text in texts:
            await ann.request("say", room="lobby", text=text)
            await ann.expect("said", text=text)
        await ann.ask("remove", room="lobby", number=150)
        bob = await room.plain("Bob", "/history 200")
        await bob.receive()
        # A terminal has no words for the removal.
        shown = [await bob.receive() for _ in range(199)]
        left = [text for number, text in enumerate(texts, 2) if number != 150]
        assert [line[8:] for line in shown[:-1]] == [f"Ann: {text}" for text in left[-198:]]
        assert shown[-1][8:] == "*** Bob joined (2 here)"


async def test_lines_after_an_errand_wait_for_it_and_answers_stay_in_order(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with served() as room:
        ann, _ = await room.join("Ann")
        await ann.request("history", room="lobby", id=1)
        await ann.request("say", room="lobby", text="later", id=2)
        await ann.request("search", text="later", id=3)
        await ann.request("ping", id=4)
        assert len((await ann.expect("history", re=1))["events"]) == 1
        await ann.expect("said", re=2)
        assert len((await ann.expect("found", re=3))["events"]) == 1
        await ann.expect("pong", re=4)


async def test_a_history_that_hangs_or_fails_costs_an_answer_and_nothing_else(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: Any, **__: Any) -> Page:
        await trio.sleep_forever()
        raise AssertionError

    async def fail(*_: Any, **__: Any) -> Page:
        await trio.lowlevel.checkpoint()
        raise TrionetError("the disk is gone")

    async with served() as room:
        ann, welcome = await room.join("Ann")
        await say(ann, "one")
        monkeypatch.setattr(MemoryHistory, "page", hang)
        error = await ann.ask("history", room="lobby")
        assert (error["code"], error["reason"]) == ("unavailable", "the history does not answer")
        monkeypatch.setattr(MemoryHistory, "page", fail)
        error = await ann.ask("history", room="lobby")
        assert (error["code"], error["reason"]) == ("unavailable", "the disk is gone")
        # What memory does not have is missed, then, for one who comes back.
        monkeypatch.setattr(MemoryHistory, "recent", lambda *_: None)
        monkeypatch.setattr(MemoryHistory, "since", fail)
        bob, _ = await room.log_in("Bob", seen={"lobby": 1}, epoch=welcome["epoch"])
        await bob.expect("missed", after=1, before=3)
        await bob.expect("entered", last=3)


async def test_whoever_talks_faster_than_the_history_writes_waits(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served() as room:
        ann, _ = await room.join("Ann")
        bob, _ = await room.join("Bob")
        await ann.expect("joined")
        written = trio.Event()

        async def wait(_: MemoryHistory) -> None:
            await written.wait()

        monkeypatch.setattr(MemoryHistory, "wait", wait)
        await ann.request("say", room="lobby", text="too fast")
        with trio.move_on_after(5) as scope:
            await bob.receive()
        assert scope.cancelled_caught
        written.set()
        await bob.expect("said", text="too fast")


@pytest.mark.parametrize("fails", [False, True])
async def test_whoever_is_taken_over_while_it_asks_is_told_so_as_its_last_line(
    fails: bool, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, may_answer = MemoryHistory.page, trio.Event()

    async def answer_later(history: MemoryHistory, room: str, **given: Any) -> Page:
        await may_answer.wait()
        if fails:
            raise TrionetError("the disk is gone")
        return await page(history, room, **given)

    monkeypatch.setattr(MemoryHistory, "page", answer_later)
    async with served() as room:
        old, welcome = await room.join("Ann", hold=True)
        await old.request("history", room="lobby")
        await room.join("Ann", hold=True, token=welcome["token"])
        may_answer.set()
        await old.expect("closing", reason="taken over")
        await old.expect_closed()
