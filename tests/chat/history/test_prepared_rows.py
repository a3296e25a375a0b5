"""The rows of a batch: SQLite makes of them what was said, and they are made a few at a time."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.chat.history import batch
from trionet.chat.history.prepared_rows import Prepared
from trionet.chat.history.reading import Reader
from trionet.chat.history.rows import NOTHING, index_entry
from trionet.chat.history.store import Store
from trionet.chat.history.words import words, words_of_each
from trionet.chat.state.events import Acted, Joined, Removed, RoomEvent, Said, TopicSet
from trionet.chat.state.operations import RequestId

NAMES = st.text("ab\x00é日\U0001f600 _?\"'\\", min_size=1, max_size=5)
TEXTS = st.text("aB\x00é日本ก \n_?.\"'\\u0\U0001f600", max_size=30)
IDS = st.none() | st.integers(-(1 << 53), 1 << 53) | NAMES


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def said(number: int, *texts: str, room: str = "lobby", name: str = "Ann") -> Said:
    return Said(room, number, number, 0, name, list(texts))


def prepared(events: list[RoomEvent]) -> tuple[Prepared, int]:
    """Return the events as rows, and in how many steps they were made."""
    rows = Prepared(has_index=True, in_haste=True)
    return rows, sum(1 for _ in rows.add(events))


@settings(max_examples=30)
@given(data=st.data())
def test_whatever_can_be_said_is_in_the_file_as_it_was(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    events: list[RoomEvent] = []
    number = 1
    for _ in range(data.draw(st.integers(1, 8))):
        texts = data.draw(st.lists(TEXTS, min_size=1, max_size=3))
        ids = data.draw(st.lists(IDS, min_size=len(texts), max_size=len(texts)))
        name = data.draw(NAMES)
        for text, id_ in zip(texts, ids, strict=True):
            author = data.draw(st.sampled_from([b"", b"\x01" * 32]))
            kept: list[RequestId] | None = None if id_ is None else [id_]
            events.append(Said("lobby", number, 5, 0, name, [text], kept, author))
            number += 1
        events.append(Acted("lobby", number, 6, 0, name, texts[0], ids[0]))
        events.append(Joined("lobby", number + 1, 7, 0, name, 3, ids[0]))
        number += 2
    file = tmp_path_factory.mktemp("kept") / "kept"
    # For values of any other type `sqlite3` looks for an adapter each time.
    columns = [column for part in prepared(events)[0].parts for column in part.columns.values()]
    made = {type(value) for column in columns for value in column}
    assert made <= {int, float, str}
    store = Store(file)
    assert store.write(events, 0) == len(events)
    reader = Reader(file)
    assert reader.before("lobby", number, number) == events[::-1]
    reader.close()
    store.close()


def test_rows_are_made_a_few_at_a_time() -> None:
    many: list[RoomEvent] = [said(number, "hi") for number in range(1, 1_025)]
    assert prepared(many)[1] == 16
    assert prepared([said(1, *["hi"] * 1_024)])[1] == 16
    assert prepared([said(number, "x" * 4_096) for number in range(1, 11)])[1] == 5


def test_long_texts_are_cut_into_parts() -> None:
    rows, _ = prepared([said(number, f"{number} " * 800) for number in range(1, 300)])
    assert sum([len(part.rooms) for part in rows.parts]) == 299
    assert len(rows.parts) > 3
    longest = max(rows.parts, key=lambda part: len(part.rooms))
    assert sum(map(len, longest.words)) < 150 << 10


def test_a_removal_erases_what_came_before_it_in_the_same_batch(file: Path) -> None:
    events: list[RoomEvent] = [
        said(1, "a", "b\x00", "c"),
        Removed("lobby", 4, 4, 0, "Ann", 2, "i\x00"),
        said(5, "d"),
        Removed("lobby", 6, 6, 0, "Ann", 5),
        TopicSet("lobby", 7, 7, 0, "Ann", "beans"),
        TopicSet("hall", 8, 8, 0, "Ann", "coats"),
    ]
    store = Store(file)
    store.write(events, 0)
    reader = Reader(file)
    assert [event.number for event in reader.before("lobby", 9, 9)] == [7, 6, 4, 3, 1]
    reader.close()
    topics = store._at.execute("SELECT key, topic, topic_row, last FROM rooms").fetchall()
    assert topics == [("lobby", "beans", 7, 7), ("hall", "coats", 8, 8)]
    store.close()


def test_what_another_thread_has_written_in_part_is_not_written_again(file: Path) -> None:
    store = Store(file)
    events: list[RoomEvent] = [said(number, "hi") for number in range(1, 6)]
    assert store.write(events[:3], 0) == 3
    # Whoever asks goes on from there.
    assert store.write(events[1:], 1) == 3
    assert store.write(events[3:], 3) == 5
    reader = Reader(file)
    assert [event.number for event in reader.before("lobby", 9, 9)] == [5, 4, 3, 2, 1]
    reader.close()
    store.close()


def test_only_in_haste_parts_are_long() -> None:
    events = [Said("lobby", n + 1, n, 0, "Ann", ["some words"]) for n in range(1_000)]
    counts = {}
    for in_haste in (False, True):
        rows = Prepared(has_index=True, in_haste=in_haste)
        for _ in rows.add(events):
            pass
        counts[in_haste] = [len(part.rooms) for part in rows.parts]
        assert sum(counts[in_haste]) == 1_000
    assert max(counts[False]) <= 64
    assert max(counts[True]) == 512


@given(texts=st.lists(TEXTS | st.text("aB _.9", max_size=9), min_size=1, max_size=4))
def test_the_words_of_texts_together_are_those_of_each_alone(texts: list[str]) -> None:
    assert words_of_each(texts) == [" ".join(words(text)) for text in texts]


def test_the_index_has_each_word_alone_and_with_its_room() -> None:
    assert index_entry("two words", "_nAnn", 7) == "two words two_7 words_7 _nAnn"
    assert index_entry("", "_nAnn", 7) == ""


def test_only_columns_that_have_something_in_them_are_written() -> None:
    plain, named = said(1, "hi"), Said("lobby", 2, 2, 0, "Bob", ["hi"], ["id"])
    assert set(prepared([plain])[0].parts[0].columns) == {"number", "time", "kind", "name", "text"}
    assert prepared([plain, named])[0].parts[0].columns["request"] == (NOTHING, "id")


def few_words(first: int, count: int) -> list[RoomEvent]:
    return [Said("lobby", first + n, n, 0, "Ann", ["some words"]) for n in range(1, count + 1)]


def index_parts(store: Store) -> int:
    # The upper bits of a page's id are the number of the part that it belongs to.
    parts = store._at.execute("SELECT count(DISTINCT id >> 37) FROM words_data WHERE id > 10")
    count: int = parts.fetchone()[0]
    return count


@pytest.mark.parametrize("in_haste", [False, True])
def test_the_thread_pauses_after_each_statement_but_not_in_haste(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_haste: bool
) -> None:
    done: list[str] = []
    insert, merge = batch._insert, batch.merge

    def insert_(at: sqlite3.Connection, into: tuple[str, str], values: list[object]) -> None:
        done.append("statement")
        insert(at, into, values)

    def merge_(at: sqlite3.Connection, pages: int) -> bool:
        has_merged = merge(at, pages)
        if has_merged:
            done.append("statement")
        return has_merged

    monkeypatch.setattr(batch, "_insert", insert_)
    monkeypatch.setattr(batch, "merge", merge_)
    monkeypatch.setattr(batch, "sleep", lambda _: done.append("pause"))
    store = Store(tmp_path / "history")
    rows = Prepared(has_index=True, in_haste=in_haste)
    for _ in rows.add(few_words(0, 2_048)):
        pass
    store.write_rows(rows, 0)
    statements = done.count("statement")
    assert statements >= 8
    assert done == (["statement"] * statements if in_haste else ["statement", "pause"] * statements)
    store.close()


def test_many_rows_are_one_part_of_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "sleep", lambda _: None)
    store = Store(tmp_path / "history")
    rows = Prepared(has_index=True, in_haste=False)
    for _ in rows.add(few_words(0, 512)):
        pass
    store.write_rows(rows, 0)
    assert index_parts(store) == 4
    store.close()


def test_the_index_is_merged_a_few_pages_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "sleep", lambda _: None)
    store = Store(tmp_path / "history")
    merged: list[int] = []
    real = batch.merge

    def merge(at: sqlite3.Connection, pages: int) -> bool:
        merged.append(pages)
        return real(at, pages)

    monkeypatch.setattr(batch, "merge", merge)
    parts = 0
    for start in range(0, 20_480, 1_024):
        rows = Prepared(has_index=True, in_haste=False)
        events: list[RoomEvent] = [
            Said("lobby", number, number, 0, "Ann", [f"word{number} with{number * 7 % 9973}"])
            for number in range(start + 1, start + 1_025)
        ]
        for _ in rows.add(events):
            pass
        store.write_rows(rows, start)
        parts = max(parts, index_parts(store))
    assert set(merged) == {8}
    # Without `merge` there would be 16 before SQLite merges all of them at once.
    assert parts < 16
    assert store._at.execute("SELECT count(*) FROM words WHERE words MATCH 'word9'").fetchone()[0]
    store._at.execute("INSERT INTO words (words) VALUES ('integrity-check')")
    store.close()
