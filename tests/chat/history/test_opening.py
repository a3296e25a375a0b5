"""Which files can be opened as a history, what is said of the others, and how one is left."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trionet.chat.history import opening, schema, upkeep
from trionet.chat.history.faults import HistoryError
from trionet.chat.history.opening import open_for_reading
from trionet.chat.history.reading import Reader
from trionet.chat.history.store import Store
from trionet.chat.state.events import Said


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder / "chat.db"


def fill(file: Path, count: int = 1) -> None:
    store = Store(file)
    store.write([Said("lobby", n + 1, n, 0, "Ann", ["some words"]) for n in range(count)], 0)
    store.mark_clean()
    store.close()


def text(file: Path) -> None:
    file.write_text("a diary\n" * 100)


def other_database(file: Path) -> None:
    with sqlite3.connect(file) as at:
        at.execute("CREATE TABLE accounts (name)")
    at.close()


def newer(file: Path) -> None:
    fill(file)
    with sqlite3.connect(file) as at:
        at.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    at.close()


def damaged(file: Path) -> None:
    fill(file)
    data = bytearray(file.read_bytes())
    data[4096:] = b"\xaa" * (len(data) - 4096)
    file.write_bytes(data)


def cut_off(file: Path) -> None:
    fill(file, 2_000)
    os.truncate(file, 8192)


def no_table(file: Path) -> None:
    fill(file)
    with sqlite3.connect(file) as at:
        at.execute("DROP TABLE rooms")
    at.close()


def pipe(file: Path) -> None:
    os.mkfifo(file)


REFUSED: list[tuple[Callable[[Path], object], str]] = [
    (text, "is not the history of a trionet chat"),
    (other_database, "is not the history of a trionet chat"),
    (newer, "was written by a newer version of trionet"),
    (damaged, "malformed"),
    (cut_off, "malformed"),
    (no_table, "no such table: rooms"),
    (Path.mkdir, "it is not a regular file"),
    (pipe, "it is not a regular file"),
]


@pytest.mark.parametrize(("make", "reason"), REFUSED)
def test_a_file_that_cannot_be_used_is_named_and_not_changed(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    file = tmp_path / "kept"
    make(file)
    before = file.read_bytes() if file.is_file() else b""
    for use in (Store, open_for_reading):
        with pytest.raises(HistoryError) as caught:
            use(file)
        assert str(file) in str(caught.value)
        assert reason in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not file.is_file() or file.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]


def test_a_file_in_no_directory_and_a_missing_one_to_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="no such file or directory"):
        Store(tmp_path / "nowhere" / "kept")
    with pytest.raises(HistoryError, match="there is no file"):
        open_for_reading(tmp_path / "kept")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    fill(file)
    file.chmod(0o400)
    with pytest.raises(HistoryError, match="readonly"):
        Store(file)


def test_a_file_that_another_server_holds_is_refused_until_it_lets_go(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    first = Store(file)
    with pytest.raises(HistoryError, match=f"another server holds {file}"):
        Store(file)
    first.close()
    Store(file).close()


def test_a_file_with_two_names_is_refused_to_a_server_and_can_be_read(tmp_path: Path) -> None:
    file, other = tmp_path / "kept", tmp_path / "other"
    first = Store(file)
    # Under each name SQLite would have another log, and the server another lock.
    other.hardlink_to(file)
    with pytest.raises(HistoryError, match=f"cannot use {other}: the file has 2 names"):
        Store(other)
    first.close()
    with pytest.raises(HistoryError, match=f"cannot use {file}: the file has 2 names"):
        Store(file)
    open_for_reading(file).close()
    other.unlink()
    Store(file).close()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_file_that_another_program_has_locked_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_PATIENCE", 0.01)
    file = tmp_path / "kept"
    fill(file)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(HistoryError, match=f"cannot write to {file}: database is locked"):
        Store(file)
    other.close()
    Store(file).close()


def test_an_empty_file_becomes_a_history(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    file.touch()
    Store(file).close()
    open_for_reading(file).close()


def test_a_history_says_whose_it_is_and_has_the_settings_that_erasing_needs(
    tmp_path: Path,
) -> None:
    file = tmp_path / "kept"
    store = Store(file)

    def setting(name: str) -> object:
        return store._at.execute(f"PRAGMA {name}").fetchone()[0]

    assert setting("application_id") == schema.APPLICATION_ID
    assert setting("user_version") == schema.VERSION
    assert setting("journal_mode") == "wal"
    assert setting("secure_delete") == 1
    store.close()


def test_each_version_leads_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "kept"
    fill(file)
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 2)
    steps = {
        schema.VERSION - 2: ("ALTER TABLE rooms ADD COLUMN one",),
        schema.VERSION - 1: ("ALTER TABLE rooms ADD COLUMN two", "UPDATE rooms SET two = 2"),
    }
    monkeypatch.setattr(schema, "MIGRATIONS", steps)
    store = Store(file)
    assert store._at.execute("SELECT two FROM rooms").fetchall() == [(2,)]
    assert store._at.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
    store.close()


def test_without_full_text_search_a_file_with_an_index_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kept"
    fill(file)
    if not opening.has_index(open_for_reading(file)):
        pytest.skip("this SQLite has no FTS5")
    monkeypatch.setattr(opening, "has_fts5", lambda _: False)
    with pytest.raises(HistoryError, match="this SQLite has no FTS5"):
        Store(file)


def test_a_program_that_reads_does_not_take_the_log_from_under_a_server(file: Path) -> None:
    store = Store(file)
    reader = Reader(file)
    store.write([Said("lobby", 1, 0, 0, "Ann", ["some words"])], 0)
    for _ in range(2):
        code = "import sys, pathlib\nfrom trionet.chat.history import upkeep\n"
        code += "print(upkeep.check(pathlib.Path(sys.argv[1])))"
        subprocess.run([sys.executable, "-c", code, file], check=True)
    assert file.with_name("chat.db-wal").exists()
    store.write([Said("lobby", 2, 0, 0, "Ann", ["more"])], 1)
    assert [event.number for event in upkeep.select(file, upkeep.Selection())] == [1, 2]
    with pytest.raises(HistoryError, match="holds"):
        Store(file)
    assert upkeep.check(file) == (2, 1)
    reader.close()
    store.close()


def test_a_link_to_a_file_that_a_server_holds_is_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "link").mkdir()
    link = tmp_path / "link" / "chat.db"
    link.symlink_to(file)
    store = Store(file)
    with pytest.raises(HistoryError, match=f"another server holds {link}"):
        Store(link)
    store.close()
    Store(link).close()
    with pytest.raises(FileNotFoundError):
        link.with_name("chat.db-lock").stat()


def test_a_file_whose_making_was_killed_is_made_again(file: Path, tmp_path: Path) -> None:
    # What a kill -9 may leave at the first commit: all pages, and a journal that takes them back.
    at = sqlite3.connect(file, isolation_level=None)
    opening._create(at)
    at.close()
    other = tmp_path / "other.db"
    at = sqlite3.connect(other, isolation_level=None)
    at.execute("PRAGMA cache_size = 1")
    at.execute("BEGIN IMMEDIATE")
    for number in range(200):
        at.execute(f"CREATE TABLE t{number} (x)")
    Path(f"{file}-journal").write_bytes(Path(f"{other}-journal").read_bytes())
    at.close()
    fill(file)
    assert upkeep.check(file) == (1, 1)


def test_a_file_whose_log_was_carried_over_only_in_part_has_all(file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    store = Store(file)
    store.write([Said("lobby", n + 1, n, 0, "Ann", ["some words"]) for n in range(2_000)], 0)
    Path(f"{copy}-wal").write_bytes(Path(f"{file}-wal").read_bytes())
    before = file.stat().st_size
    store.mark_clean()
    copy.write_bytes(file.read_bytes()[:before])
    store.close()
    assert int.from_bytes(copy.read_bytes()[28:32], "big") * 4096 > before
    assert upkeep.check(copy) == (2_000, 1)
    store = Store(copy)
    assert store.last_numbers(1) == {"lobby": 2_000}
    store.close()


@pytest.mark.parametrize(
    "change",
    [
        "PRAGMA user_version = 0",
        "DELETE FROM facts",
        "DELETE FROM facts WHERE name = 'highest'",
        "UPDATE facts SET value = 'many' WHERE name = 'highest'",
        "UPDATE facts SET value = 'many' WHERE name = 'indexed'",
        "UPDATE facts SET value = NULL WHERE name = 'epoch'",
        "UPDATE rooms SET skeletons = '['",
        "UPDATE rooms SET last = 'many'",
        "UPDATE rooms SET topic = x'ff'",
        "ALTER TABLE events DROP COLUMN detail",
    ],
)
def test_a_file_with_impossible_contents_is_refused_and_not_changed(
    file: Path, change: str
) -> None:
    fill(file)
    with sqlite3.connect(file) as at:
        at.execute(change)
    at.close()
    before = file.read_bytes()
    with pytest.raises(HistoryError, match=str(file)):
        Store(file)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_file_in_a_directory_that_may_not_be_written_can_be_read(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(file)
    # The superuser may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, _: path != file.parent)
    assert opening._mode(file).endswith("immutable=1")
    monkeypatch.undo()
    assert opening._mode(file) == "mode=rw"
