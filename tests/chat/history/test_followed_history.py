"""A history in a file that another process writes: nothing is missing and nothing comes twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.chat.history.faults import HistoryError
from trionet.chat.history.file_history import FileHistory, open_history
from trionet.chat.history.followed_history import FollowedHistory, follow_history
from trionet.chat.history.history import History, Page, Query
from trionet.chat.history.memory import MemoryHistory
from trionet.chat.history.ring import Ring
from trionet.chat.state.events import Removed, RoomEvent, Said


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@asynccontextmanager
async def both(file: Path) -> AsyncIterator[tuple[FileHistory, FollowedHistory]]:
    """Yield a history and one that follows it."""
    async with open_history(file) as writer, follow_history(file) as follower:
        yield writer, follower


def said(number: int, text: str = "hi", room: str = "lobby") -> Said:
    return Said(room, number, number, 0, "Ann", [text])


def numbers(page: Page) -> list[int]:
    return [event.number for event in page.events]


async def write(history: FileHistory, *events: RoomEvent) -> None:
    history.append(events)
    while history._unwritten:
        await history._writer.change.wait()


async def test_what_was_written_before_it_began_comes_from_the_file(file: Path) -> None:
    async with open_history(file) as writer:
        await write(writer, *map(said, range(1, 6)))
    async with both(file) as (_, follower):
        kept: History = follower
        assert kept.last("lobby") == 5
        assert numbers(await kept.page("lobby", limit=2)) == [4, 5]
        assert (await kept.page("lobby", limit=2)).more
        assert numbers(await kept.page("lobby", before=3, limit=9)) == [1, 2]
        assert numbers(await kept.page("lobby", after=3, limit=9)) == [4, 5]
        assert kept.recent("lobby", 3) is None
        assert kept.recent("lobby", 5) == []
        assert numbers(await kept.search(Query(text="hi"))) == [1, 2, 3, 4, 5]
        found = await kept.find("lobby", 2)
        assert found is not None
        assert found.event.number == 2
        assert kept.gaps("lobby", 0) == []


async def test_a_page_begins_in_memory_and_goes_on_in_the_file(file: Path) -> None:
    async with both(file) as (writer, follower):
        follower.append([said(1)])
        await write(writer, said(1))
        # The writer is behind with these.
        follower.append([said(2), said(3)])
        assert numbers(await follower.page("lobby", limit=9)) == [1, 2, 3]
        assert numbers(await follower.page("lobby", after=0, limit=2)) == [1, 2]
        found = await follower.find("lobby", 3)
        assert found is not None
        assert await follower.find("lobby", 4) is None
        assert follower.recent("lobby", 0) == [said(1), said(2), said(3)]


async def test_what_memory_has_dropped_comes_from_the_file(file: Path) -> None:
    async with both(file) as (writer, follower):
        follower._ring = Ring(max_events=2, is_all=False)
        events = [said(number) for number in range(1, 8)]
        follower.append(events)
        await write(writer, *events)
        assert numbers(await follower.page("lobby", limit=9)) == [1, 2, 3, 4, 5, 6, 7]
        assert numbers(await follower.page("lobby", after=2, limit=4)) == [3, 4, 5, 6]
        assert follower.recent("lobby", 4) is None


async def test_a_search_finds_each_message_once_whether_or_not_it_is_written(file: Path) -> None:
    async with open_history(file) as writer, follow_history(file) as follower:
        follower._clock = lambda: 10
        follower.append([said(1, "red"), said(2, "blue")])
        await write(writer, said(1, "red"), said(2, "blue"))
        follower.append([said(3, "red"), said(1, "red", "kitchen")])
        assert numbers(await follower.search(Query(text="red", room="lobby"))) == [1, 3]
        assert len((await follower.search(Query(text="red"))).events) == 3
        assert (await follower.search(Query(text="", name=None))).events == []


async def test_only_what_is_fresh_is_searched_in_memory(file: Path) -> None:
    async with both(file) as (_, follower):
        follower._clock = lambda: 100_000
        follower.append([said(1), said(99_999)])
        assert [event.number for event in follower._fresh.of(None)] == [99_999]
        follower.append([said(number, "x" * 60_000) for number in range(100_000, 100_100)])
        assert follower._fresh.bytes <= 4 << 20
        assert follower._fresh.bytes == sum(taken for _, taken in follower._fresh._events)


async def test_a_removed_text_is_hidden_while_the_file_still_has_it(file: Path) -> None:
    async with both(file) as (writer, follower):
        await write(writer, said(1, "secret"), said(2))
        follower.append([Removed("lobby", 3, 3, 0, "Ann", 1)])
        assert numbers(await follower.page("lobby", limit=9)) == [2, 3]
        assert numbers(await follower.page("lobby", after=0, limit=9)) == [2, 3]
        assert await follower.find("lobby", 1) is None
        assert (await follower.search(Query(text="secret"))).events == []


async def test_what_never_came_here_is_read_from_the_file(file: Path) -> None:
    async with both(file) as (writer, follower):
        await write(writer, *map(said, range(1, 6)))
        follower.append([said(1)])
        follower.lose("lobby", 1, 5)
        follower.lose("kitchen", 0, 3)
        follower.append([said(5)])
        assert numbers(await follower.page("lobby", limit=9)) == [1, 2, 3, 4, 5]
        assert follower.recent("lobby", 1) is None
        assert follower.last("kitchen") == 2


async def test_a_room_that_only_the_file_knows_is_known_after_a_page(file: Path) -> None:
    async with both(file) as (writer, follower):
        await write(writer, said(7, room="attic"))
        assert follower.last("attic") is None
        assert numbers(await follower.page("attic", limit=9)) == [7]
        assert (await follower.page("cellar", limit=9)).events == []


async def test_what_is_older_than_its_days_is_forgotten_in_memory_too(file: Path) -> None:
    day = 86_400_000
    async with open_history(file), follow_history(file, days=2) as follower:
        follower._clock = lambda: 3
        follower.append([said(1), said(2), said(1, room="kitchen")])
        follower.append([Said("lobby", 3, day, 0, "Ann", ["later"])])
        assert numbers(await follower.page("lobby", limit=9)) == [1, 2, 3]
        # Nothing else happens: whoever asks now is told what the writer would tell.
        follower._clock = lambda: 2 * day + 100
        assert await follower.find("lobby", 2) is None
        assert follower.recent("lobby", 0) is None
        assert numbers(await follower.page("lobby", limit=9)) == [3]
        assert numbers(await follower.page("lobby", after=0, limit=9)) == [3]
        assert numbers(await follower.page("kitchen", limit=9)) == []
        assert (await follower.search(Query(text="hi"))).events == []
        assert follower.last("lobby") == 3


async def test_a_file_that_is_missing_is_an_error(file: Path) -> None:
    with pytest.raises(HistoryError, match="kept"):
        async with follow_history(file):
            pass
    # It was not made.
    with pytest.raises(FileNotFoundError):
        await trio.Path(file).stat()


async def test_a_file_that_goes_away_is_an_error_of_the_request(file: Path) -> None:
    async with both(file) as (writer, follower):
        await write(writer, said(1))
        follower._reader._free.pop().close()
        moved = await trio.Path(file).rename(file.with_name("moved"))
        with pytest.raises(HistoryError, match="cannot read"):
            await follower.page("lobby", limit=9)
        await moved.rename(file)


@given(st.data())
@settings(max_examples=60)
def test_pages_are_those_of_a_history_that_has_all(
    data: st.DataObject,
) -> None:
    async def main() -> None:
        file = Path(folder) / "kept"
        model = MemoryHistory()
        number = 0
        async with both(file) as (writer, follower):
            follower._ring = Ring(max_events=4, is_all=False)
            behind: list[RoomEvent] = []
            texts: list[int] = []
            for step in data.draw(st.lists(st.sampled_from(["say", "remove", "write", "page"]))):
                if step == "write" or len(behind) == 4:
                    # The ring holds what is not written yet.
                    await write(writer, *behind)
                    behind.clear()
                if step in ("say", "remove"):
                    number += 1
                    event: RoomEvent = said(number, f"text {number}")
                    if step == "remove" and texts:
                        of = texts.pop(data.draw(st.integers(0, len(texts) - 1)))
                        event = Removed("lobby", number, number, 0, "Ann", of)
                    else:
                        texts.append(number)
                    for one in (model, follower):
                        one.append([event])
                    behind.append(event)
                if step == "page":
                    at = start = data.draw(st.integers(0, number + 1))
                    limit = data.draw(st.integers(1, 6))
                    beside: list[dict[str, Any]] = [{"before": at}, {"after": at}, {}]
                    for where in beside:
                        expected = await model.page("lobby", limit=limit, **where)
                        assert await follower.page("lobby", limit=limit, **where) == expected
                    stretches: list[RoomEvent] = []
                    while stretch := await follower.since("lobby", at, 400):
                        stretches += stretch
                        at = stretch[-1].number
                    assert stretches == (await model.page("lobby", after=start, limit=999)).events

    with TemporaryDirectory() as folder:
        trio.run(main)
