"""`trionet chat history`: a history file without a server."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from trionet.chat.history.faults import HistoryError
from trionet.chat.history.store import Store
from trionet.chat.history.upkeep import Selection, back_up, select
from trionet.chat.state.events import Acted, Joined, Left, Removed, RoomEvent, Said, TopicSet
from trionet.cli.chat_history import parse_since

if TYPE_CHECKING:
    from tests.cli.conftest import Program, Programs

START = 1_795_833_300_000  # 2026-11-28T02:35:00Z

EVENTS: list[RoomEvent] = [
    Joined("lobby", 1, START, 0, "Ann", 1, "an-id"),
    Said("lobby", 2, START + 1_000, 0, "Ann", ["red beans", "two\nlines"], ["x", 5], b"\x01" * 32),
    TopicSet("builds", 3, START + 60_000, 0, "Bob", "green beans"),
    Acted("builds", 4, START + 61_000, 0, "Bob", "counts beans", 7, b"\x02" * 32),
    Removed("lobby", 4, START + 62_000, 0, "Ann", 99),
    Left("lobby", 5, START + 120_000, 0, "Ann", 0, "quit"),
]

_IN_UTC = [
    "[2026-11-28 02:35:00] *** Ann joined (1 here)",
    "[2026-11-28 02:35:01] Ann: red beans",
    "[2026-11-28 02:35:01] Ann: two",
    "[2026-11-28 02:35:01] Ann: lines",
    "[2026-11-28 02:36:00] [builds] *** Bob set the topic: green beans",
    "[2026-11-28 02:36:01] [builds] * Bob counts beans",
    "[2026-11-28 02:36:02] *** Ann removed a message",
    "[2026-11-28 02:37:00] *** Ann left (0 here)",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "kept"
    store = Store(file)
    store.write(EVENTS, 0)
    store.mark_clean()
    store.close()
    return file


def at_local_time(line: str) -> str:
    """Return a line with its time, which is in UTC above, as this machine has it."""
    time = datetime.strptime(line[1:20], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    return f"[{time.astimezone():%Y-%m-%d %H:%M:%S}{line[20:]}"


TEXT = [at_local_time(line) for line in _IN_UTC]


async def history(programs: Programs, *arguments: object) -> Program:
    return await programs.start("chat", "history", *map(str, arguments))


async def test_all_events_are_printed_with_local_time_and_room(
    programs: Programs, file: Path
) -> None:
    program = await history(programs, file)
    await program.expect(*TEXT)
    await program.expect_end(0)


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        (["--search", "BEANS"], [1, 5]),
        (["--search", "beans red"], [1]),
        (["--search", "bean"], []),
        (["--search", "..."], []),
        (["--search", "beans", "--room", "#Builds"], [5]),
        (["--room", "builds"], [4, 5]),
        (["--from", "bob"], [5]),
        (["--from", "Bob", "--search", "red"], []),
        (["--from", "ann", "--search", "beans"], [1]),
        (["--since", "2026-11-28T02:36:01Z"], [5, 6, 7]),
        (["--since", "2026-11-28T03:36:01+01:00"], [5, 6, 7]),
        (["--since", "1s"], []),
    ],
    ids=str,
)
async def test_options_select_what_is_printed(
    programs: Programs, file: Path, options: list[str], lines: list[int]
) -> None:
    program = await history(programs, file, *options)
    await program.expect(*[TEXT[line] for line in lines])
    await program.expect_end(0)


async def test_as_json_each_event_is_a_line_without_author_and_id(
    programs: Programs, file: Path
) -> None:
    program = await history(programs, file, "--format", "jsonl", "--search", "beans")
    await program.expect(
        '{"type":"said","room":"lobby","number":2,"time":"2026-11-28T02:35:01.000Z","name":"Ann",'
        '"text":"red beans"}',
        '{"type":"acted","room":"builds","number":4,"time":"2026-11-28T02:36:01.000Z","name":"Bob",'
        '"text":"counts beans"}',
    )
    await program.expect_end(0)


async def test_on_a_terminal_no_message_begins_at_the_left_edge(
    programs: Programs, tmp_path: Path
) -> None:
    file = tmp_path / "kept"
    forged = "*** server is closing"
    store = Store(file)
    store.write([Said("lobby", 1, START, 0, "Eve", [" " * 53 + forged], [None], b"\x01" * 32)], 0)
    store.mark_clean()
    store.close()
    program = await programs.start_on_terminal("chat", "history", str(file))
    await program.expect_end(0)
    assert "    " + forged in program.screen.lines
    assert forged not in program.screen.lines


async def test_a_file_is_checked(programs: Programs, file: Path) -> None:
    program = await history(programs, file, "--check")
    await program.expect("7 events in 2 rooms: all can be read")
    await program.expect_end(0)
    with sqlite3.connect(file) as at:
        at.execute("UPDATE rooms SET last = 1")
    at.close()
    program = await history(programs, file, "--check")
    await program.expect_error(
        f"error: {file} is damaged: the room lobby has events beyond its last number"
    )
    await program.expect_end(1)


def damage(file: Path) -> None:
    data = bytearray(file.read_bytes())
    # The second half; what is read at the start is in the first.
    data[len(data) // 2 :] = b"\xaa" * (len(data) - len(data) // 2)
    file.write_bytes(data)


async def test_damage_is_told_in_one_line(programs: Programs, file: Path) -> None:
    store = Store(file)
    store.write([Said("lobby", n, n, 0, "Ann", ["some words " * 9]) for n in range(6, 3000)], 0)
    store.close()
    damage(file)
    for options in (["--check"], []):
        program = await history(programs, file, *options)
        told = await program.within_patience(program.err.rest)
        await program.within_patience(program.out.rest)
        await program.expect_end(1)
        assert told.startswith("error: ")
        assert told.count("\n") == 1
        assert str(file) in told


async def test_a_backup_has_all_of_it_and_begins_a_new_epoch(
    programs: Programs, file: Path
) -> None:
    to = file.with_name("copy")
    store = Store(file)
    epoch = store.restored.epoch
    store.write([Said("lobby", 6, START + 200_000, 0, "Ann", ["newest"])], 0)
    program = await history(programs, file, "--backup", to)
    await program.expect_end(0)
    store.mark_clean()
    store.close()
    assert [path.name for path in file.parent.glob("copy*")] == ["copy"]
    program = await history(programs, to, "--search", "newest")
    await program.expect(at_local_time("[2026-11-28 02:38:20] Ann: newest"))
    await program.expect_end(0)
    copy = Store(to)
    assert copy.restored.epoch != epoch
    assert copy.restored.highest == 6
    copy.close()


async def test_a_backup_overwrites_nothing(programs: Programs, file: Path) -> None:
    to = file.with_name("diary")
    to.write_text("today")
    program = await history(programs, file, "--backup", to)
    await program.expect_error(f"error: cannot write to {to}: file exists")
    await program.expect_end(1)
    assert to.read_text() == "today"


@pytest.mark.parametrize("options", [[], ["--search", "x"], ["--check"], ["--backup", "to"]])
async def test_a_missing_file_is_an_error_and_is_never_made(
    programs: Programs, tmp_path: Path, options: list[str]
) -> None:
    file = tmp_path / "nothing"
    program = await history(programs, file, *options)
    await program.expect_error(f"error: there is no file {file}")
    await program.expect_end(1)
    assert not file.exists()


async def test_a_room_that_the_file_does_not_have_is_an_error(
    programs: Programs, file: Path
) -> None:
    program = await history(programs, file, "--room", "nowhere")
    await program.expect_error(f"error: there is no room nowhere in {file}")
    await program.expect_end(1)


async def test_a_file_that_is_something_else_is_an_error(
    programs: Programs, tmp_path: Path
) -> None:
    file = tmp_path / "diary"
    file.write_text("today")
    program = await history(programs, file)
    await program.expect_error(f"error: {file} is not the history of a trionet chat")
    await program.expect_end(1)


def test_reading_leaves_nothing_beside_the_file(file: Path) -> None:
    before = file.read_bytes()
    assert len(list(select(file, Selection()))) == 7
    assert [path.name for path in file.parent.iterdir()] == ["kept"]
    assert file.read_bytes() == before


def test_what_the_index_lacks_is_found_too(file: Path) -> None:
    with sqlite3.connect(file) as at:
        at.execute("UPDATE facts SET value = 2 WHERE name = 'indexed'")
        at.execute("INSERT INTO words (words) VALUES ('delete-all')")
    at.close()
    found = list(select(file, Selection(text="beans")))
    assert [event.number for event in found] == [4]


def test_a_failed_backup_leaves_nothing(file: Path) -> None:
    store = Store(file)
    store.write([Said("lobby", n, n, 0, "Ann", ["some words " * 9]) for n in range(6, 3000)], 0)
    store.close()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, limits[1]))
    try:
        with pytest.raises(HistoryError, match=f"cannot copy {file} to"):
            back_up(file, file.with_name("copy"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(file.parent.glob("copy*")) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("2h", 7200), ("3d", 259_200), ("0s", 0)],
)
def test_a_time_may_be_so_long_ago(text: str, seconds: int) -> None:
    now = datetime(2026, 11, 28, 2, 35, tzinfo=UTC)
    assert parse_since(text, now) == START - 1000 * seconds


@pytest.mark.parametrize(
    "text", ["2026-11-28T02:35:00Z", "2026-11-28 02:35", "2026-11-28T03:35:00+01:00"]
)
def test_a_time_without_a_zone_is_utc(text: str) -> None:
    assert parse_since(text) == START


@pytest.mark.parametrize("text", ["", "x", "10", "-1s", "1y", "yesterday"])
def test_anything_else_is_not_a_time(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time: write 90s, 10m, 2h, 3d or"):
        parse_since(text)


def test_the_command_loads_no_trio(file: Path) -> None:
    program = (
        "import sys; from trionet.cli.main import app; "
        f"app(['chat', 'history', {str(file)!r}, '--check'], standalone_mode=False); "
        "assert 'trio' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
