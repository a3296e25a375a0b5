"""The rows of a batch: SQLite makes of them what was said, and they are made a few at a time."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.chat.history import batch
from trionet.chat.history.prepared_rows import Prepared
from trionet.chat.history.reading import Reader
from trionet.chat.history.store import Store
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
    made = {type(value) for part in prepared(events)[0].parts for value in part.values}
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
    assert sum(len(entry or "") for entry in longest.entries) < 300 << 10


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


def test_the_thread_pauses_after_each_part_but_not_in_haste(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(batch, "sleep", pauses.append)
    store = Store(tmp_path / "history")
    for in_haste in (True, False):
        assert pauses == []
        rows = Prepared(has_index=True, in_haste=in_haste)
        first = store.position
        for _ in rows.add(
            [Said("lobby", first + n, n, 0, "Ann", ["some words"]) for n in range(1, 201)]
        ):
            pass
        store.write_rows(rows, first)
    assert len(pauses) == len(rows.parts) > 1
    store.close()
