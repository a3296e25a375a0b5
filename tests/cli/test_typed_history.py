"""The history: a file that its user can rely on, and that several programs share."""

from __future__ import annotations

import fcntl
import os
import resource
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from trionet.cli import typed_history as history_module
from trionet.cli.typed_history import MAX_BYTES, KeptHistory, history_path


class Typed:
    """One run of the program: what was typed before, what is typed, and the warnings."""

    def __init__(self, path: Path) -> None:
        self.warnings: list[str] = []
        self._history = KeptHistory(path, on_failure=self.warnings.append)
        self.before = list(reversed(list(self._history.load_history_strings())))
        self._history._loaded_strings = list(reversed(self.before))
        self._history._loaded = True

    def type(self, *entries: str) -> None:
        for entry in entries:
            self._history.append_string(entry)

    @property
    def known(self) -> list[str]:
        return self._history.get_strings()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "trionet" / "calc_history"


@pytest.fixture
def _umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_the_next_run_knows_what_was_typed(path: Path) -> None:
    first = Typed(path)
    assert first.before == []
    first.type("12 + 42", "  2 × 3 ")
    second = Typed(path)
    assert second.before == ["12 + 42", "  2 × 3 "]
    second.type("1 / 3")
    assert second.known == ["12 + 42", "  2 × 3 ", "1 / 3"]
    assert Typed(path).before == second.known
    # People can read the file too.
    assert path.read_text(encoding="utf-8") == "12 + 42\n  2 × 3 \n1 / 3\n"


def test_two_programs_at_a_time_keep_what_is_typed_in_both(path: Path) -> None:
    first, second = Typed(path), Typed(path)
    first.type("1")
    second.type("2")
    first.type("3")
    assert (first.known, second.known) == (["1", "3"], ["2"])
    assert Typed(path).before == ["1", "2", "3"]


@pytest.mark.usefixtures("_umask")
def test_the_file_is_private_whatever_the_umask(path: Path) -> None:
    Typed(path).type("12 + 42")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (path.parent, path.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_files_and_folders_that_exist_keep_their_modes(path: Path) -> None:
    path.parent.mkdir(parents=True, mode=0o755)
    path.touch(mode=0o644)
    Typed(path).type("12 + 42")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755


def test_no_file_is_made_before_something_is_typed(path: Path) -> None:
    Typed(path).type("q", "?", " ", " q ")
    assert not path.parent.parent.exists()


def test_commands_are_not_kept(path: Path) -> None:
    run = Typed(path)
    run.type("1 + 1", "?", " q ")
    assert run.known == Typed(path).before == ["1 + 1"]


def test_each_line_of_a_paste_is_an_entry_in_the_next_run(path: Path) -> None:
    run = Typed(path)
    run.type("1 + 1\n\n2 + 2")
    assert run.known == ["1 + 1\n\n2 + 2"]
    assert Typed(path).before == ["1 + 1", "2 + 2"]


def test_input_that_is_not_text_or_too_long_does_no_harm(path: Path) -> None:
    run = Typed(path)
    run.type("caf\udce9", "x" * 5000, "1 + 1")
    assert run.known == ["caf\udce9", "x" * 5000, "1 + 1"]
    assert Typed(path).before == ["caf?", "1 + 1"]
    path.write_bytes(b"\xff\r\n\n2 + 2\n3 +")
    assert Typed(path).before == ["�\r", "2 + 2", "3 +"]


def test_the_file_is_bounded_and_loses_the_oldest_entries(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "MAX_BYTES", 1000)
    run = Typed(path)
    entries = [f"{number:05} + 1" for number in range(500)]
    largest = 0
    for entry in entries:
        run.type(entry)
        largest = max(largest, path.stat().st_size)
    assert 1900 < largest <= 2000
    kept = Typed(path).before
    assert 99 <= len(kept) <= 200
    assert kept == entries[-len(kept) :]


def test_only_the_end_of_a_huge_file_is_read(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("9 + 9\n" * 1_000_000)
    run = Typed(path)
    assert len(run.before) == 2 * MAX_BYTES // 6
    assert set(run.before) == {"9 + 9"}
    run.type("1 + 1")
    assert path.stat().st_size <= MAX_BYTES
    assert Typed(path).before[-2:] == ["9 + 9", "1 + 1"]


def test_a_program_writes_only_while_no_other_does(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked: list[tuple[int, int]] = []

    def flock(fd: int, how: int) -> None:
        locked.append((how, os.fstat(fd).st_size))

    monkeypatch.setattr(fcntl, "flock", flock)
    Typed(path).type("1 + 1", "2 + 2")
    how = fcntl.LOCK_EX | fcntl.LOCK_NB
    assert locked == [(how, 0), (how, 6)]


def test_programs_that_write_and_cut_at_the_same_time_lose_no_recent_entries(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from trionet.cli import typed_history;"
        "typed_history.MAX_BYTES = 4096;"
        "kept = typed_history.KeptHistory(Path(sys.argv[1]), on_failure=sys.exit);"
        "[kept.store_string(f'{sys.argv[2]} {number:06}') for number in range(1000)]"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(path), name]) for name in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    lines = path.read_text().splitlines()
    assert path.stat().st_size <= 2 * 4096
    # The entries of each are whole, in order, and without a gap up to the last.
    for name in "ab":
        numbers = [int(line[2:]) for line in lines if line.startswith(name)]
        assert numbers == list(range(numbers[0], 1000)) if numbers else True
    assert all(len(line) == 8 for line in lines)
    assert lines[-1].endswith("000999")


def test_a_history_that_cannot_be_kept_is_one_warning_and_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    path = blocked / "trionet" / "calc_history"
    run = Typed(path)
    run.type("1 + 1", "2 + 2")
    assert run.known == ["1 + 1", "2 + 2"]
    assert run.warnings == [f"history is not kept in {path}: not a directory"]


def test_a_history_that_cannot_be_read_is_not_an_error(path: Path) -> None:
    path.mkdir(parents=True)
    run = Typed(path)
    assert run.before == []
    run.type("1 + 1")
    assert run.warnings == [f"history is not kept in {path}: is a directory"]


def test_a_link_to_dev_null_keeps_nothing_and_harms_nothing(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.symlink_to(os.devnull)
    before = Path(os.devnull).stat().st_mode
    run = Typed(path)
    run.type("1 + 1")
    assert (run.known, run.warnings) == (["1 + 1"], [])
    assert Path(os.devnull).stat().st_mode == before
    assert Typed(path).before == []


@pytest.mark.parametrize("kind", ["pipe", "full device", "link to a pipe", "socket"])
def test_something_other_than_a_file_is_one_warning_and_never_waited_for(
    path: Path, kind: str
) -> None:
    path.parent.mkdir(parents=True)
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "full device":
            path.symlink_to("/dev/full")
        case "link to a pipe":
            os.mkfifo(path.with_name("pipe"))
            path.symlink_to(path.with_name("pipe"))
        case "socket":
            os.mknod(path, stat.S_IFSOCK | 0o600)
    run = Typed(path)
    run.type("1 + 1", "2 + 2")
    assert run.known == ["1 + 1", "2 + 2"]
    assert run.warnings == [f"history is not kept in {path}: it is not a regular file"]


def test_the_wait_for_another_programs_lock_is_short(path: Path) -> None:
    Typed(path).type("1 + 1")
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        run = Typed(path)
        assert run.before == ["1 + 1"]
        began = time.monotonic()
        run.type("2 + 2", "3 + 3")
        assert time.monotonic() - began < 1
        assert run.known == ["1 + 1", "2 + 2", "3 + 3"]
        assert run.warnings == [f"history is not kept in {path}: another program has locked it"]
    assert Typed(path).before == ["1 + 1"]


def test_a_lock_that_is_released_in_time_is_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir(parents=True)
    path.touch()
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        monkeypatch.setattr(time, "sleep", lambda _seconds: fcntl.flock(other, fcntl.LOCK_UN))
        run = Typed(path)
        run.type("1 + 1")
    assert run.warnings == []
    assert Typed(path).before == ["1 + 1"]


def test_half_an_entry_is_never_kept_on_a_full_device(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Typed(path).type("1 + 1")
    room = path.stat().st_size + 3
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the file's size stands in for a full device. Python ignores its signal.
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        run = Typed(path)
        run.type("2 + 2")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert run.warnings == [f"history is not kept in {path}: no space left on device"]
    assert path.read_text() == "1 + 1\n"


def test_without_a_home_folder_nothing_is_kept_and_there_is_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_home(*_arguments: object, **_options: object) -> Path:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr(history_module, "user_state_path", no_home)
    assert history_path("calc_history") is None
    monkeypatch.setattr(history_module, "user_state_path", lambda *_a, **_o: Path("~/.local/state"))
    assert history_path("calc_history") is None
    warnings: list[str] = []
    history = KeptHistory(None, on_failure=warnings.append)
    assert list(history.load_history_strings()) == []
    history.append_string("1 + 1")
    history.append_string("2 + 2")
    assert warnings == ["history is not kept: your home folder cannot be found: set HOME"]


def test_the_file_is_in_the_users_state_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert history_path("calc_history") == tmp_path / "trionet" / "calc_history"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert history_path("x") == tmp_path / ".local" / "state" / "trionet" / "x"


def test_the_history_is_kept_on_systems_without_locks_too(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setattr(history_module, "MAX_BYTES", 40)
    Typed(path).type(*(f"{number} + 1" for number in range(100)))
    assert Typed(path).before[-1] == "99 + 1"
    assert path.stat().st_size <= 80
