"""A history in a file: what comes back is one order, from memory and from the file."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import trio

from trionet.chat.history import message_runs, reading
from trionet.chat.history.file_history import FileHistory, open_history
from trionet.chat.history.history import Found, History, Page, Query
from trionet.chat.names.room_names import LOBBY_NAME, parse_room
from trionet.chat.state.events import (
    Acted,
    Joined,
    Left,
    Removed,
    Renamed,
    RoomEvent,
    Said,
    TopicSet,
)
from trionet.chat.state.operations import KeptRoom


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def said(number: int, *texts: str, room: str = "lobby", time: int = 0, name: str = "Ann") -> Said:
    return Said(room, number, time or number, 0, name, list(texts) or ["hi"])


def numbers(page: Page) -> list[int]:
    return [event.number for event in page.events]


EVENTS: list[RoomEvent] = [
    Joined("lobby", 1, 1, 0, "Ann", 1, 7),
    Said("lobby", 2, 2, 0, "Ann", ["a red bean"], ["x"], b"\x01" * 32),
    Said("lobby", 3, 2, 0, "Ann", ["two"], None, b""),
    Acted("lobby", 4, 3, 0, "Ann", "waves\nat 日本語", 1 << 53, b"\x02" * 32),
    Renamed("lobby", 5, 4, 0, "Ann", "Anna", "i"),
    TopicSet("lobby", 6, 5, 0, "Anna", "beans", None),
    Removed("lobby", 7, 6, 0, "Anna", 99),
    Left("lobby", 8, 7, 0, "Anna", 0, "quit"),
]


async def written(history: FileHistory) -> None:
    """Wait until all of it is in the file, and nothing of it in memory."""
    while history._unwritten:
        await history._writer.change.wait()


async def test_every_event_comes_back_as_it_was(file: Path) -> None:
    async with open_history(file) as history:
        kept: History = history
        kept.append(EVENTS)
        assert (await kept.page("lobby", limit=99)).events == EVENTS
    async with open_history(file) as history:
        assert (await history.page("lobby", limit=99)).events == EVENTS
        assert (await history.page("lobby", limit=99, after=0)).events == EVENTS
        assert history.last("lobby") == 8
        assert history.recent("lobby", 8) == []
        assert history.recent("lobby", 7) is None
        assert await history.find("lobby", 2) == Found(EVENTS[1], b"\x01" * 32, "x")  # type: ignore[arg-type]
        assert await history.find("lobby", 1) is None
        assert await history.find("lobby", 99) is None


async def test_a_clean_end_keeps_the_epoch_rooms_topics_and_numbers(file: Path) -> None:
    async with open_history(file) as history:
        first = history.restored
        assert (first.rooms, first.highest) == ((), 0)
        history.append(EVENTS)
        history.append([TopicSet("kitchen", 70, 9, 0, "Ann", "soup"), said(90, room="other")])
        history.append([TopicSet("hall", 71, 10, 0, "Ann", "coats")])
        history.append([TopicSet("hall", 72, 11, 0, "Ann", "")])
    async with open_history(file) as history:
        assert history.restored.epoch == first.epoch != ""
        assert history.restored.highest == 90
        assert history.restored.rooms == (
            KeptRoom(LOBBY_NAME, 8, "beans", 7),
            KeptRoom(parse_room("kitchen"), 70, "soup", 9),
        )
        assert [history.last(room) for room in ("kitchen", "other", "hall")] == [70, 90, 72]


async def test_an_end_that_was_not_clean_begins_a_new_epoch_and_keeps_the_numbers(
    file: Path,
) -> None:
    async with open_history(file) as history:
        history.append(EVENTS)
        await written(history)
        copies = [file.with_name(f"copy{end}") for end in ("", "-wal")]
        for copy in copies:
            copy.write_bytes(file.with_name(copy.name.replace("copy", "kept")).read_bytes())
        epoch = history.restored.epoch
    async with open_history(copies[0]) as history:
        assert history.restored.epoch not in ("", epoch)
        assert history.restored.highest == 8
        assert (await history.page("lobby", limit=99)).events == EVENTS


async def test_pages_go_from_the_file_to_memory_without_a_seam(file: Path) -> None:
    async with open_history(file) as history:
        history.append([said(number, room="a") for number in range(1, 1500)])
        await written(history)
        history.append([said(1500, *["x"] * 100, room="a")])
        seen: list[int] = []
        before: int | None = None
        more = True
        while more:
            page = await history.page("a", before=before, limit=70)
            seen = numbers(page) + seen
            before, more = seen[0], page.more
        assert seen == list(range(1, 1600))
        seen, more = [], True
        while more:
            page = await history.page("a", after=seen[-1] if seen else 0, limit=70)
            seen += numbers(page)
            more = page.more
        assert seen == list(range(1, 1600))
        recent = history.recent("a", 900)
        assert recent is not None
        assert recent[0].number == 901
        assert history.recent("a", 500) is None


async def test_stretches_go_from_the_file_to_memory_without_a_seam(file: Path) -> None:
    async with open_history(file) as history:
        history.append([said(number, room="a") for number in range(1, 1500)])
        await written(history)
        history.append([said(1500, *["x"] * 100, room="a"), said(1600, room="a")])
        seen: list[int] = []
        while stretch := await history.since("a", seen[-1] if seen else 0, 9_000):
            seen += [one.number for event in stretch for one in message_runs.singly(event)]
        assert seen == list(range(1, 1601))
        assert await history.since("nowhere", 0, 9_000) == []


async def test_a_stretch_is_bounded_in_bytes_though_its_texts_suddenly_are_long(
    file: Path,
) -> None:
    long = "x" * 4_000
    async with open_history(file) as history:
        history.append([said(number, "hi" if number < 600 else long) for number in range(1, 3_000)])
        await written(history)
        assert len(await history.since("lobby", 0, 32 << 10)) > 300
        # At most 256 rows are read before their length is known.
        sizes = [len(await history.since("lobby", after, 64 << 10)) for after in (300, 599)]
        assert 299 < sizes[0] <= 299 + 256
        assert sizes[1] == 32


async def test_a_stretch_whose_texts_are_all_removed_is_not_taken_for_the_end(file: Path) -> None:
    async with open_history(file) as history:
        # More than the ring holds.
        history.append([said(number) for number in range(1, 1_200)])
        await written(history)
        removals = [Removed("lobby", 1_199 + of, 9, 0, "Ann", of) for of in range(1, 101)]
        history.append(removals)
        stretch = await history.since("lobby", 0, 1_000)
        assert [event.number for event in stretch][:2] == [101, 102]


async def test_a_stretch_is_of_one_moment_though_old_events_are_forgotten_meanwhile(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, ask = 0, reading._ask
    async with open_history(file) as history:
        history.append([said(number) for number in range(1, 1_201)])
        await written(history)

        def ask_and_forget(*given: Any) -> Any:
            nonlocal asked
            answer, asked = ask(*given), asked + 1
            history._store.forget(101, 2_000)
            return answer

        monkeypatch.setattr(reading, "_ask", ask_and_forget)
        stretch = await history.since("lobby", 0, 64 << 10)
        assert asked > 1
        assert [event.number for event in stretch] == list(range(1, 201))
        assert [event.number for event in await history.since("lobby", 0, 1)][:2] == [101, 102]


async def test_a_stretch_leaves_nothing_out_though_memory_moves_on_while_the_file_is_read(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_history(file) as history:
        # More than memory holds, and what it does not hold is forgotten.
        history.append([said(number) for number in range(1, 1_101)])
        await written(history)
        history._store.forget(101, 2_000)
        read, next_ = history._read, 1_101

        async def read_slowly(*given: Any) -> Any:
            nonlocal next_
            answer = await read(*given)
            history.append([said(number) for number in range(next_, next_ + 10)])
            next_ += 10
            await written(history)
            return answer

        monkeypatch.setattr(history, "_read", read_slowly)
        stretch = await history.since("lobby", 0, 64 << 10)
        # In memory when the file was first read, and in the file by now.
        assert [event.number for event in stretch][:2] == [101, 102]


async def test_the_newest_messages_that_match_are_found_wherever_they_are(file: Path) -> None:
    async with open_history(file) as history:
        history.append([said(1, "red beans", "peas"), said(7, "beans", room="kitchen")])
        history.append([Acted("lobby", 3, 8, 0, "Bob", "grows BEANS"), said(4, "東京タワー")])
        for _ in range(2):
            found = await history.search(Query(text="beans"))
            assert [(one.room, one.number) for one in found.events] == [
                ("lobby", 1),
                ("kitchen", 7),
                ("lobby", 3),
            ]
            assert not found.more
            two = await history.search(Query(text="beans", limit=2))
            assert (numbers(two), two.more) == ([7, 3], True)
            assert numbers(await history.search(Query(text="beans", room="lobby"))) == [1, 3]
            old = await history.search(Query(text="beans", room="lobby", before=3))
            assert numbers(old) == [1]
            assert numbers(await history.search(Query(text="beans", name="bob"))) == [3]
            assert numbers(await history.search(Query(text="red beans"))) == [1]
            assert numbers(await history.search(Query(text="京タ"))) == [4]
            assert numbers(await history.search(Query(text="タ京"))) == []
            assert numbers(await history.search(Query(text="beans", room="nowhere"))) == []
            assert numbers(await history.search(Query(text="..."))) == []
            assert numbers(await history.search(Query(text='"beans" OR peas'))) == []
            await written(history)


async def test_a_removed_text_is_gone_at_once_from_pages_and_searches(file: Path) -> None:
    async with open_history(file) as history:
        history.append([said(1, "a", "my secret", "b")])
        await written(history)
        history.append([Removed("lobby", 4, 4, 0, "Ann", 2)])
        for _ in range(2):
            assert numbers(await history.page("lobby", limit=99)) == [1, 3, 4]
            assert numbers(await history.page("lobby", limit=2, before=4)) == [1, 3]
            assert numbers(await history.page("lobby", limit=2, after=0)) == [1, 3]
            assert await history.search(Query(text="secret")) == Page([], False)
            assert await history.find("lobby", 2) is None
            await written(history)


async def test_no_byte_of_a_removed_text_stays_in_any_file(file: Path) -> None:
    async with open_history(file) as history:
        history.append([said(n, "other words stay", "xyzzyplugh") for n in range(1, 60, 2)])
        await written(history)
        history.append([said(61, "the frobnicator")])
        await written(history)
        history.append([Removed("lobby", 62, 4, 0, "Ann", 61)])
        await written(history)
        while history._store.has_work:
            await history._writer.change.wait()
        assert not holds(file, b"frobnicator")
        assert holds(file, b"xyzzyplugh")
    assert not holds(file, b"frobnicator")
    assert holds(file, b"xyzzyplugh")


def holds(file: Path, text: bytes) -> bool:
    return any(text in one.read_bytes() for one in file.parent.glob(f"{file.name}*"))


async def test_a_text_that_was_removed_before_it_was_written_is_in_no_file_at_the_end(
    file: Path,
) -> None:
    async with open_history(file) as history:
        history.append([said(1, "the frobnicator"), Removed("lobby", 2, 4, 0, "Ann", 1)])
        assert numbers(await history.page("lobby", limit=9)) == [2]
    assert not holds(file, b"frobnicator")


async def test_what_was_appended_last_is_written_even_if_the_block_is_cancelled(
    file: Path,
) -> None:
    with trio.CancelScope() as scope:
        async with open_history(file) as history:
            history.append(EVENTS)
            scope.cancel()
            await trio.sleep_forever()
    async with open_history(file) as history:
        assert (await history.page("lobby", limit=99)).events == EVENTS


async def test_an_error_of_the_block_comes_out_as_it_is(file: Path) -> None:
    with pytest.raises(ValueError, match="mine"):
        async with open_history(file):
            raise ValueError("mine")


async def test_old_events_are_forgotten_after_some_days(file: Path) -> None:
    day = 24 * 60 * 60 * 1000
    async with open_history(file) as history:
        history.append([said(1, "old beans", time=day), said(2, room="gone", time=day)])
        history.append(
            [TopicSet("kitchen", 3, day, 0, "Ann", "soup"), said(4, "beans", time=9 * day)]
        )
    async with open_history(file, days=7, clock=lambda: 10 * day) as history:
        while not history._writer.has_looked:
            await history._writer.change.wait()
    async with open_history(file) as history:
        assert numbers(await history.page("lobby", limit=9)) == [4]
        assert numbers(await history.search(Query(text="beans"))) == [4]
        assert history.last("gone") is None
        assert history.last("kitchen") == 3
        assert history.restored.highest == 4


DAY = 24 * 60 * 60 * 1000


async def forgotten(file: Path, days: int, now: int) -> None:
    """Let a server of this time forget what it has to."""
    async with open_history(file, days=days, clock=lambda: now) as history:
        while not history._writer.has_looked:
            await history._writer.change.wait()


async def test_an_event_is_kept_for_exactly_so_many_days(file: Path) -> None:
    async with open_history(file) as history:
        history.append([said(1, time=DAY - 1), said(2, time=DAY), said(3, time=DAY + 1)])
    for now, kept in ((3 * DAY - 1, [1, 2, 3]), (3 * DAY, [2, 3]), (3 * DAY + 1, [3])):
        await forgotten(file, 2, now)
        async with open_history(file) as history:
            assert numbers(await history.page("lobby", limit=9)) == kept


async def test_a_clock_that_goes_back_forgets_nothing(file: Path) -> None:
    async with open_history(file) as history:
        history.append([said(1, time=5 * DAY), said(2, time=6 * DAY)])
    await forgotten(file, 1, 0)
    async with open_history(file) as history:
        assert numbers(await history.page("lobby", limit=9)) == [1, 2]


async def test_an_event_of_a_clock_that_was_ahead_keeps_no_older_one(file: Path) -> None:
    async with open_history(file) as history:
        ahead = said(2, time=400 * DAY)
        history.append([said(1, time=DAY), ahead, said(3, time=2 * DAY), said(4, time=9 * DAY)])
    await forgotten(file, 5, 10 * DAY)
    async with open_history(file) as history:
        assert numbers(await history.page("lobby", limit=9)) == [4]


async def test_an_event_of_the_future_alone_is_not_forgotten(file: Path) -> None:
    async with open_history(file) as history:
        history.append([said(1, time=DAY), said(2, time=400 * DAY), said(3, time=9 * DAY)])
    await forgotten(file, 5, 10 * DAY)
    async with open_history(file) as history:
        assert numbers(await history.page("lobby", limit=9)) == [2, 3]


async def test_what_was_forgotten_is_in_no_page_of_the_file_after_a_clean_end(file: Path) -> None:
    async with open_history(file) as history:
        history.append([said(n, "the frobnicator", time=DAY) for n in range(1, 20)])
        history.append([said(20, "xyzzyplugh", time=9 * DAY)])
    await forgotten(file, 5, 10 * DAY)
    assert not holds(file, b"frobnicator")
    assert holds(file, b"xyzzyplugh")


async def test_a_room_that_nobody_used_for_long_is_known_after_its_first_page(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trionet.chat.history.file_history.ROOMS_KNOWN", 1)
    async with open_history(file) as history:
        history.append([said(1, room="old"), said(2, room="new")])
    async with open_history(file) as history:
        assert (history.last("old"), history.last("new")) == (None, 2)
        assert numbers(await history.page("old", after=1, limit=9)) == []
        assert history.last("old") == 1
        await history.page("nowhere", limit=9)
        assert history.last("nowhere") is None


async def test_rows_are_never_numbered_again_after_all_was_forgotten(file: Path) -> None:
    async with open_history(file) as history:
        history.append([said(number, "old beans") for number in range(1, 30)])
    async with open_history(file, days=1) as history:
        while not history._writer.has_looked:
            await history._writer.change.wait()
    async with open_history(file) as history:
        history.append([said(30, "new beans")])
        await written(history)
        assert not history._store.has_work
        assert numbers(await history.search(Query(text="beans"))) == [30]


async def test_the_end_is_clean_although_somebody_reads(file: Path) -> None:
    async with open_history(file) as history:
        epoch = history.restored.epoch
        history.append(EVENTS)
        await written(history)
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN")
        other.execute("SELECT * FROM events").fetchone()
        history.append([Removed("lobby", 9, 9, 0, "Ann", 2)])
    other.close()
    async with open_history(file) as history:
        assert history.restored.epoch == epoch
        assert not holds(file, b"red bean")
