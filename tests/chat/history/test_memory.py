"""A history in memory alone: what it keeps, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from trionet.chat.history import memory, message_runs
from trionet.chat.history.history import Found, History, Page, Query
from trionet.chat.history.memory import MemoryHistory
from trionet.chat.history.ring import Ring
from trionet.chat.history.words import Wanted
from trionet.chat.state.events import Acted, Joined, Removed, RoomEvent, Said


def said(number: int, *texts: str, room: str = "lobby", time: int = 0, name: str = "Ann") -> Said:
    return Said(room, number, time or number, 1, name, list(texts) or ["hi"])


def numbers(page: Page) -> list[int]:
    return [event.number for event in page.events]


def history(*events: RoomEvent) -> MemoryHistory:
    kept = MemoryHistory(Ring(max_events=10))
    kept.append(events)
    return kept


async def test_a_page_is_the_newest_or_beside_a_number_and_says_whether_there_is_more() -> None:
    kept: History = history(said(1, "a", "b", "c"), Joined("lobby", 4, 4, 1, "Bob", 2), said(5))
    page = await kept.page("lobby", limit=3)
    assert page == Page([said(3, "c", time=1), Joined("lobby", 4, 4, 1, "Bob", 2), said(5)], True)
    assert numbers(await kept.page("lobby", limit=9)) == [1, 2, 3, 4, 5]
    assert (await kept.page("lobby", limit=5)).more is False
    assert numbers(await kept.page("lobby", before=3, limit=9)) == [1, 2]
    assert await kept.page("lobby", after=1, limit=1) == Page([said(2, "b", time=1)], True)
    assert numbers(await kept.page("lobby", after=3, limit=9)) == [4, 5]
    assert await kept.page("nowhere", limit=9) == Page([], False)


async def test_a_page_holds_what_fits_and_at_least_one_event() -> None:
    kept = history(*[said(number, "x" * 1_000) for number in (1, 2, 3)])
    one = message_runs.size(said(1, "x" * 1_000))
    assert numbers(await kept.page("lobby", limit=9, most_bytes=2 * one)) == [2, 3]
    assert numbers(await kept.page("lobby", after=0, limit=9, most_bytes=2 * one)) == [1, 2]
    assert numbers(await kept.page("lobby", limit=9, most_bytes=1)) == [3]


async def test_the_newest_messages_that_match_are_found_oldest_first() -> None:
    kept = history(
        said(1, "red beans", time=1),
        said(2, "peas", time=2),
        said(7, "beans", room="kitchen", time=3),
        said(3, "more beans", "green BEANS", time=4, name="Bob"),
    )
    found = await kept.search(Query(text="beans"))
    assert [(one.room, one.number) for one in found.events] == [
        ("lobby", 1),
        ("kitchen", 7),
        ("lobby", 3),
        ("lobby", 4),
    ]
    assert not found.more
    assert numbers(await kept.search(Query(text="beans", room="lobby", before=4))) == [1, 3]
    assert numbers(await kept.search(Query(text="beans", name="bob"))) == [3, 4]
    two = await kept.search(Query(text="beans", limit=2))
    assert (numbers(two), two.more) == ([3, 4], True)
    assert await kept.search(Query(text="bean")) == Page([], False)
    assert await kept.search(Query(text="...")) == Page([], False)
    assert await kept.search(Query(text="beans", room="nowhere")) == Page([], False)


async def test_one_message_is_found_with_its_author_and_the_id_of_its_request() -> None:
    kept = history(
        Said("lobby", 1, 1, 1, "Ann", ["a", "b"], [5, "x"], b"ann"),
        Acted("lobby", 3, 1, 1, "Bob", "waves", 9, b"bob"),
        Joined("lobby", 4, 4, 1, "Cid", 3),
    )
    one = Said("lobby", 2, 1, 1, "Ann", ["b"], ["x"], b"ann")
    assert await kept.find("lobby", 2) == Found(one, b"ann", "x")
    act = await kept.find("lobby", 3)
    assert act is not None
    assert (act.author, act.id) == (b"bob", 9)
    assert await kept.find("lobby", 4) is None
    assert await kept.find("lobby", 5) is None
    assert await kept.find("nowhere", 1) is None


async def test_a_removed_text_is_in_no_page_no_search_and_cannot_be_found() -> None:
    kept = history(said(1, "a secret", "b"), Removed("lobby", 3, 3, 1, "Ann", 1))
    assert numbers(await kept.page("lobby", limit=9)) == [2, 3]
    assert await kept.search(Query(text="secret")) == Page([], False)
    assert await kept.find("lobby", 1) is None


async def test_recent_events_are_known_as_far_back_as_the_ring_reaches() -> None:
    kept = history(*[said(number) for number in range(1, 16)])
    assert kept.recent("lobby", 13) == [said(14), said(15)]
    assert kept.recent("lobby", 15) == []
    assert len(kept.recent("lobby", 5) or []) == 10
    assert kept.recent("lobby", 4) is None
    assert kept.recent("nowhere", 0) is None
    assert kept.gaps("lobby", 5) == []
    assert kept.gaps("lobby", 3) == [(3, 6)]
    assert (kept.last("lobby"), kept.last("nowhere")) == (15, None)


async def test_a_stretch_has_about_so_many_bytes_whole_runs_and_at_least_one_event() -> None:
    kept = history(said(1, "one", "two"), said(3), said(4))
    one = message_runs.size(said(4))
    assert await kept.since("lobby", 0, 3 * one + 9) == [said(1, "one", "two"), said(3)]
    assert await kept.since("lobby", 1, one + 9) == [said(2, "two", time=1)]
    assert await kept.since("lobby", 0, 1) == [said(1, "one", "two")]
    assert await kept.since("lobby", 3, 99 * one) == [said(4)]
    assert await kept.since("lobby", 4, 99 * one) == []
    assert await kept.since("nowhere", 0, 99 * one) == []


async def test_memory_is_always_fast_enough() -> None:
    await history().wait()


async def test_many_searches_at_a_time_keep_others_waiting_no_longer_than_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at = 0

    class Counting(Wanted):
        def among(self, event: RoomEvent) -> Iterator[Said | Acted]:
            nonlocal looked_at
            looked_at += 1
            return super().among(event)

    monkeypatch.setattr(memory, "Wanted", Counting)
    monkeypatch.setattr(memory, "_STRETCH", 3 * message_runs.size(said(1)))
    kept = history(*[said(number) for number in range(1, 10)])
    found: list[int] = []

    async def search() -> None:
        found.extend(numbers(await kept.search(Query(text="hi"))))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(search)
        most = 0
        while len(nursery.child_tasks):
            before = looked_at
            await trio.lowlevel.checkpoint()
            most = max(most, looked_at - before)
    assert looked_at == 5 * 9
    assert len(found) == 5 * 9
    # One search's stretch in front of the other task's turn, and one behind it.
    assert most <= 2 * 3


async def test_a_search_lets_others_run_after_so_many_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "_STRETCH", 8_000)
    kept = history(*[said(number, "é" * 2_000) for number in range(1, 10)])
    steps = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kept.search, Query(text="hi"))
        while len(nursery.child_tasks):
            await trio.lowlevel.checkpoint()
            steps += 1
    assert steps > 4
