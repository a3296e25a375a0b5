"""A history whose disk fails, hangs or is full: the chat goes on, and says what it lost."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from served import Served, served
from trionet.chat import serve
from trionet.chat.history import file_history, opening, upkeep, writing
from trionet.chat.history.batch import Batch
from trionet.chat.history.faults import HistoryError
from trionet.chat.history.file_history import FileHistory, open_history
from trionet.chat.history.history import Query
from trionet.chat.history.reading import Reader
from trionet.chat.history.store import Store
from trionet.chat.history.unwritten import Unwritten
from trionet.chat.state.events import Removed, RoomEvent, Said


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "kept"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_RETRY", 0.01)
    monkeypatch.setattr(opening, "_PATIENCE", 0.01)


def said(number: int, text: str = "hi") -> Said:
    return Said("lobby", number, number, 0, "Ann", [text])


async def numbers(history: FileHistory) -> list[int]:
    page = await history.page("lobby", limit=500)
    return [event.number for event in page.events]


class Told:
    """What an operator is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._changed = trio.Event()

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, part: str) -> None:
        while not any(part in line for line in self.lines):
            await self._changed.wait()


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def test_a_full_disk_is_told_once_and_what_waits_is_written_when_there_is_room(
    file: Path,
) -> None:
    told = Told()
    async with open_history(file, tell=told) as history:
        history.append([said(1)])
        await history._writer.change.wait()
        with files_no_larger_than(4096):
            history.append([said(number, "x" * 1000) for number in range(2, 30)])
            await told.until("cannot write to")
            for _ in range(3):
                await history._writer.change.wait()
            await history.wait()
            assert len(told.lines) == 1
            assert await numbers(history) == list(range(1, 30))
        await told.until("again")
        assert len(told.lines) == 2
    async with open_history(file) as history:
        assert await numbers(history) == list(range(1, 30))


async def test_an_end_on_a_full_disk_is_told_and_is_not_clean(file: Path) -> None:
    told = Told()
    async with open_history(file) as history:
        epoch = history.restored.epoch
        history.append([said(1)])
    with files_no_larger_than(80_000):
        async with open_history(file, tell=told) as history:
            assert history.restored.epoch == epoch
            history.append([said(2, "x" * 100_000)])
    assert [line.rpartition(":")[0] for line in told.lines] == [
        f"could not write all of the history to {file}"
    ]
    async with open_history(file) as history:
        assert history.restored.epoch != epoch
        assert await numbers(history) == [1]


async def test_a_lock_of_another_program_is_told_once_and_passes(file: Path) -> None:
    told = Told()
    async with open_history(file, tell=told) as history:
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        history.append([said(1)])
        await told.until("database is locked")
        history.append([said(2)])
        assert await numbers(history) == [1, 2]
        other.execute("ROLLBACK")
        other.close()
        await told.until("again")
    assert len(told.lines) == 2


async def test_a_directory_that_is_taken_away_is_told_and_may_come_back(file: Path) -> None:
    told = Told()
    away = file.parent.with_name("away")
    async with open_history(file, tell=told) as history:
        history.append([said(1)])
        await history._writer.change.wait()
        file.parent.rename(away)
        history.append([said(2)])
        await told.until("the file was taken away")
        assert await numbers(history) == [1, 2]
        away.rename(file.parent)
        await told.until("again")
    async with open_history(file) as history:
        assert await numbers(history) == [1, 2]


async def test_a_directory_that_never_comes_back_makes_nobody_wait(file: Path) -> None:
    told = Told()
    async with open_history(file, tell=told) as history:
        file.parent.rename(file.parent.with_name("away"))
        history.append([said(1)])
        await told.until("the file was taken away")
    assert len(told.lines) == 2
    assert "could not write all" in told.lines[1]


async def test_damage_that_shows_later_is_told_and_readers_get_an_error(file: Path) -> None:
    # Five seconds, which are usual, may not be enough on a busy machine.
    async with open_history(file, stop_within=60) as history:
        history.append([said(number, "x" * 100) for number in range(1, 5_000)])
    told = Told()
    async with open_history(file, tell=told) as history:
        damage(file)
        with pytest.raises(HistoryError, match=f"cannot read {file}"):
            await history.page("lobby", before=2_000, limit=500)
        history.append([said(5_000)])
        await told.until("cannot write to")
        assert history.recent("lobby", 4_999) == [said(5_000)]


async def test_a_file_that_is_put_in_its_place_is_not_changed(file: Path) -> None:
    other = file.with_name("other")
    async with open_history(other) as history:
        history.append([said(1, "other")])
    before = content(other)
    told = Told()
    async with open_history(file, tell=told, stop_within=1) as history:
        history.append([said(number) for number in range(1, 50)])
        while history._unwritten:
            await history._writer.change.wait()
        # Its log, which has all of that, keeps the name under which SQLite looks for one.
        other.replace(file)
        history.append([said(50)])
        await told.until("the file was taken away")
    assert list(upkeep.select(file, upkeep.Selection())) == [said(1, "other")]
    assert content(file) == before


def content(file: Path) -> bytes:
    return file.read_bytes()


@pytest.mark.parametrize(
    "change",
    ["time = 'then'", "name = x'ff'", "author = 'xyz'", "text = 7, name = 8"],
)
async def test_what_cannot_be_in_a_row_is_damage_and_harms_nobody(file: Path, change: str) -> None:
    # Five seconds, which are usual, may not be enough on a busy machine.
    async with open_history(file, stop_within=60) as history:
        history.append([said(number) for number in range(1, 5_000)])
    with sqlite3.connect(file) as at:
        # Affinity would make texts of numbers, and bytes of a page know no affinity.
        at.execute("PRAGMA writable_schema = ON")
        at.execute("UPDATE sqlite_schema SET sql = replace(sql, ' TEXT', '') WHERE name = 'events'")
    at.close()
    with sqlite3.connect(file) as at:
        at.execute(f"UPDATE events SET {change} WHERE number = 100")
    at.close()
    with pytest.raises(HistoryError, match=r"cannot be|malformed|non-text"):
        upkeep.check(file)
    with pytest.raises(HistoryError, match=f"cannot read {file}"):
        list(upkeep.select(file, upkeep.Selection()))
    told = Told()
    # Whoever forgets what is old does not look at authors, and would delete the row.
    days = None if "author" in change else 1
    async with open_history(file, tell=told, days=days) as history:
        with pytest.raises(HistoryError, match=f"cannot read {file}"):
            await history.page("lobby", before=2_000, limit=2_000)
        history.append([said(5_000)])
        await told.until("cannot write to") if days is not None else None
        assert history.recent("lobby", 4_999) == [said(5_000)]


def damage(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[:16384] + b"\xaa" * (len(data) - 16384))


class Hanging:
    """A disk that does not answer until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Event()
        self.reached = threading.Event()
        write = Batch.write

        def hang(batch: Batch, *given: Any) -> None:
            self.reached.set()
            self.go.wait()
            write(batch, *given)

        monkeypatch.setattr(Batch, "write", hang)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    disk = Hanging(monkeypatch)
    yield disk
    disk.go.set()


async def test_members_wait_for_a_disk_that_is_behind_and_not_for_one_that_hangs(
    file: Path, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_AHEAD", 2_000)
    told = Told()
    async with open_history(file, tell=told) as history:
        history.append([said(1)])
        await history.wait()
        history.append([said(number, "x" * 1000) for number in range(2, 6)])
        began = trio.current_time()
        await history.wait()
        assert 0.5 < trio.current_time() - began < 3
        await told.until("it does not answer")
        with trio.testing.assert_no_checkpoints():
            await history.wait()
        hanging.go.set()
        await told.until("again")
        await history.wait()
    async with open_history(file) as history:
        assert await numbers(history) == [1, 2, 3, 4, 5]


async def test_a_flood_of_searches_on_a_disk_that_hangs_takes_two_threads_and_stops_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, begun = threading.Event(), threading.Semaphore(0)
    reading: list[int] = []
    search = Reader.search

    def hang(self: Reader, query: Query, limit: int) -> tuple[list[RoomEvent], bool]:
        reading.append(1)
        begun.release()
        go.wait()
        return search(self, query, limit)

    monkeypatch.setattr(Reader, "search", hang)
    async with open_history(file) as history:
        history.append([said(1, "red beans")])
        while history._unwritten:
            await history._writer.change.wait()
        scopes: list[trio.CancelScope] = []

        async def ask() -> None:
            with trio.CancelScope() as scope:
                scopes.append(scope)
                await history.search(Query(text="beans"))

        async with trio.open_nursery() as nursery:
            for _ in range(200):
                nursery.start_soon(ask)
            for _ in range(2):
                await trio.to_thread.run_sync(begun.acquire)
            await trio.testing.wait_all_tasks_blocked()
            for scope in scopes:
                scope.cancel()
        assert sum(scope.cancelled_caught for scope in scopes) == 200
        assert len(reading) == 2
        # Pages and the writer have threads of their own.
        assert await numbers(history) == [1]
        assert await history.find("lobby", 1)
        history.append([said(2)])
        while history._unwritten:
            await history._writer.change.wait()
        go.set()
        assert len((await history.search(Query(text="beans"))).events) == 1


async def test_whoever_talks_waits_as_soon_as_something_waits_long_for_the_disk(
    file: Path, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However few bytes it is: a kill -9 loses it.
    monkeypatch.setattr(writing, "_STUCK", 1000)
    async with open_history(file) as history:
        history.append([said(1)])
        monkeypatch.setattr(writing, "_BEHIND", 1000)
        await history.wait()
        monkeypatch.setattr(writing, "_BEHIND", 0)
        async with trio.open_nursery() as nursery:
            waited = trio.Event()

            async def wait() -> None:
                await history.wait()
                waited.set()

            nursery.start_soon(wait)
            await trio.to_thread.run_sync(hanging.reached.wait)
            await trio.testing.wait_all_tasks_blocked()
            assert not waited.is_set()
            hanging.go.set()
            await waited.wait()
        assert not history._unwritten


async def test_a_message_that_is_removed_while_it_is_looked_for_is_not_found(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, go = threading.Event(), threading.Event()
    one = Reader.one

    def slowly(self: Reader, room: str, number: int) -> object:
        found = one(self, room, number)
        reads.set()
        assert go.wait(10)
        return found

    async with open_history(file) as history:
        history.append([said(1), said(2)])
    monkeypatch.setattr(Reader, "one", slowly)
    async with open_history(file) as history, trio.open_nursery() as nursery:
        found: list[object] = []

        async def find(number: int) -> None:
            found.append(await history.find("lobby", number))

        nursery.start_soon(find, 1)
        await trio.to_thread.run_sync(reads.wait)
        history.append([Removed("lobby", 3, 3, 0, "Ann", 1)])
        # By then it is in the file, and the memory knows nothing of it any more.
        while history._unwritten:
            await history._writer.change.wait()
        go.set()
    assert found == [None]


async def test_the_end_gives_a_hanging_disk_up_and_the_file_is_closed_once_it_answers(
    file: Path, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, closed, close = Told(), threading.Event(), Store.close

    def close_and_say_so(store: Store) -> None:
        close(store)
        closed.set()

    monkeypatch.setattr(Store, "close", close_and_say_so)
    async with open_history(file, stop_within=0.1, tell=told) as history:
        epoch = history.restored.epoch
        history.append([said(1)])
        await trio.to_thread.run_sync(hanging.reached.wait)
    (line,) = told.lines
    assert line.startswith(f"could not write all of the history to {file}: ")
    assert line.endswith(": it took longer than 0.1 seconds; 1 event may be lost, such as messages")
    with pytest.raises(HistoryError, match="another server holds"):
        async with open_history(file):
            pass
    hanging.go.set()
    assert await trio.to_thread.run_sync(closed.wait, 10)
    async with open_history(file) as again:
        # That end was not clean.
        assert again.restored.epoch != epoch
        assert await numbers(again) == [1]


@pytest.mark.parametrize(("seconds", "most"), [(1.2, 1.2), (0, 0.6)])
async def test_a_drain_ends_in_time_although_the_disk_hangs(
    file: Path,
    hanging: Hanging,
    caplog: pytest.LogCaptureFixture,
    seconds: float,
    most: float,
) -> None:
    async with served(serve, Served, history=file, forever=True) as chat:
        ann = await chat.connect("Ann", "hi")
        await ann.expect("*** welcome, Ann (1 here: Ann)")
        await trio.to_thread.run_sync(hanging.reached.wait)
        await ann.aclose()
        began = trio.current_time()
        await chat.server.drain(seconds)
        await chat.ended.wait()
        # Well below the 5 s that the history may take where no drain bounds it.
        assert most <= trio.current_time() - began < most + 2
    assert f"could not write all of the history to {file}: it took longer than" in caplog.text
    assert "events may be lost" in caplog.text


def test_a_process_ends_although_its_disk_hangs(file: Path) -> None:
    program = """
import sys, threading, time, trio
from pathlib import Path
from typing import Any
from trionet.chat.state.events import Said
from trionet.chat.history.file_history import open_history
from trionet.chat.history.store import Store
Store.write_rows = lambda *_, **__: time.sleep(1000)
async def main():
    async with open_history(Path(sys.argv[1]), stop_within=0.1) as history:
        history.append([Said("lobby", 1, 1, 0, "Ann", ["hi"])])
        await trio.sleep(0.5)
trio.run(main)
"""
    ended = subprocess.run([sys.executable, "-c", program, file], timeout=30, check=True)
    assert ended.returncode == 0


WRITES = """
import sys, trio
from pathlib import Path
from typing import Any
from trionet.chat.state.events import Said
from trionet.chat.history.file_history import open_history
async def main():
    async with open_history(Path(sys.argv[1])) as history:
        number = history.restored.highest
        while True:
            for _ in range(20):
                number += 1
                history.append([Said("lobby", number, number, 0, "Ann", [f"message {number}"])])
            print(number, flush=True)
            await history.wait()
            await trio.sleep(0.002)
trio.run(main)
"""


def test_kill_9_loses_at_most_the_last_second_and_tears_nothing(file: Path) -> None:
    last, epochs = 0, set()
    # Whether a run lost what was told more than a second before. It is written after 0.3 s, and on
    # a busy machine perhaps later.
    late: list[bool] = []
    for moment in (0.2, 0.5, 0.9, 1.2, 1.5):
        with subprocess.Popen(
            [sys.executable, "-c", WRITES, file], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            told = [(0.0, last)]
            began = None
            for line in writer.stdout:
                now = time.monotonic()
                began = began or now
                told.append((now, int(line)))
                if now - began >= moment:
                    os.kill(writer.pid, signal.SIGKILL)
                    break
        last, epoch = check_kept(file, last)
        assert last <= told[-1][1] + 2_000
        late.append(last < max(number for at, number in told if at <= now - 1))
        epochs.add(epoch)
    assert len(epochs) == 5
    # The last two took longer than a second.
    assert not all(late[-2:])


def check_kept(file: Path, safe: int) -> tuple[int, str]:
    """Check that every number is there once, up to a safe one; return the last, and the epoch."""
    at = opening.open_for_reading(file)
    assert at.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    kept = [number for (number,) in at.execute("SELECT number FROM events ORDER BY id")]
    assert kept == list(range(1, len(kept) + 1))
    assert len(kept) >= safe
    epoch = at.execute("SELECT value FROM facts WHERE name = 'epoch'").fetchone()[0]
    indexed = at.execute("SELECT count(*) FROM words WHERE words MATCH 'message'").fetchone()[0]
    assert indexed == len(kept)
    at.close()
    return len(kept), epoch


async def test_what_is_too_much_to_keep_is_a_gap_and_the_end_is_not_clean(
    file: Path, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_history, "Unwritten", lambda: Unwritten(most=3_500))
    async with open_history(file) as history:
        epoch = history.restored.epoch
        history.append([said(number) for number in range(1, 6)])
        history.append([said(number, "x" * 700) for number in (6, 7)])
        assert history.gaps("lobby", 0) == [(0, 6)]
        assert history.gaps("lobby", 3) == [(3, 6)]
        assert history.gaps("lobby", 5) == []
        hanging.go.set()
    async with open_history(file) as history:
        assert history.restored.epoch != epoch
        assert await numbers(history) == [6, 7]


async def test_pages_have_all_that_is_not_written_even_beyond_the_ring(
    file: Path, hanging: Hanging
) -> None:
    async with open_history(file) as history:
        hanging.go.set()
        history.append([said(number) for number in range(1, 11)])
        while history._unwritten:
            await history._writer.change.wait()
        hanging.go.clear()
        history.append([said(number) for number in range(11, 1_501)])
        seen: list[int] = []
        before, more = None, True
        while more:
            page = await history.page("lobby", before=before, limit=400)
            seen = [event.number for event in page.events] + seen
            before, more = seen[0], page.more
        assert seen == list(range(1, 1_501))
        seen, more = [], True
        while more:
            page = await history.page("lobby", after=seen[-1] if seen else 0, limit=400)
            seen += [event.number for event in page.events]
            more = page.more
        assert seen == list(range(1, 1_501))
        recent = history.recent("lobby", 20)
        assert recent is not None
        assert [event.number for event in recent] == list(range(21, 1_501))
        found = await history.find("lobby", 12)
        assert found is not None
        assert found.event == said(12)
        history.append([Removed("lobby", 1_501, 1_501, 0, "Ann", 12)])
        assert await history.find("lobby", 12) is None
        assert (await history.page("lobby", after=10, limit=2)).events == [said(11), said(13)]
        hanging.go.set()


async def test_a_text_that_only_the_file_has_is_hidden_until_it_is_erased_there(
    file: Path, hanging: Hanging
) -> None:
    hanging.go.set()
    async with open_history(file) as history:
        history.append([said(number, f"message {number}") for number in range(1, 6)])
    async with open_history(file) as history:
        hanging.go.clear()
        history.append([Removed("lobby", 6, 6, 0, "Ann", 3)])
        assert await numbers(history) == [1, 2, 4, 5, 6]
        page = await history.page("lobby", before=5, limit=2)
        assert ([event.number for event in page.events], page.more) == ([2, 4], True)
        page = await history.page("lobby", after=1, limit=2)
        assert ([event.number for event in page.events], page.more) == ([2, 4], True)
        found = await history.search(Query(text="message", limit=4))
        assert ([event.number for event in found.events], found.more) == ([1, 2, 4, 5], False)
        assert await history.find("lobby", 3) is None
        hanging.go.set()


async def test_without_full_text_search_texts_are_looked_at_one_by_one(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.setattr(opening, "has_fts5", lambda _: False)
        without.setattr("trionet.chat.history.reading._SCANNED", 10)
        async with open_history(file) as history:
            history.append([said(n, "beans" if n % 10 == 0 else "peas") for n in range(1, 101)])
            history.append([Removed("lobby", 101, 101, 0, "Ann", 50)])
        async with open_history(file) as history:
            assert not history._store.has_index
            await found_beans(history)
    # A SQLite that has it makes the index by and by, and finds the same meanwhile.
    async with open_history(file) as history:
        if history._store.has_index:
            await found_beans(history)
            while history._store.has_work:
                await history._writer.change.wait()
            at = opening.open_for_reading(file)
            query = "SELECT count(*) FROM words WHERE words MATCH 'beans'"
            assert at.execute(query).fetchone() == (9,)
            at.close()
            await found_beans(history)


async def found_beans(history: FileHistory) -> None:
    found = await history.search(Query(text="beans", limit=3))
    assert ([one.number for one in found.events], found.more) == ([80, 90, 100], True)
    found = await history.search(Query(text="beans", room="lobby", before=60))
    assert ([one.number for one in found.events], found.more) == ([10, 20, 30, 40], False)


def test_a_search_of_texts_one_by_one_gives_up_some_time(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "has_fts5", lambda _: False)
    monkeypatch.setattr("trionet.chat.history.reading._SCANNED", 10)
    monkeypatch.setattr("trionet.chat.history.reading._SEARCH_SECONDS", -1)
    store = Store(file)
    store.write([said(number) for number in range(1, 101)], 0)
    reader = Reader(file)
    assert reader.search(Query(text="beans"), 10) == ([], True)
    reader.close()
    store.close()
