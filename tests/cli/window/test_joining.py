"""`trionet chat join` on a terminal: the real program, with sockets to its server."""

from __future__ import annotations

import os
import signal
import termios
from typing import TYPE_CHECKING, Any

import pytest

from shell import SHELL

if TYPE_CHECKING:
    from tests.cli.conftest import Program, Programs, TerminalProgram

    from emulator import WindowScreen
    from trionet.testing import LineClient

CTRL_C, CTRL_D, CTRL_Z = "\x03", "\x04", "\x1a"


async def start_room(programs: Programs, *options: str) -> tuple[Program, str]:
    server = await programs.start("chat", "serve", "127.0.0.1:0", "--quiet", *options)
    return server, await server.address()


async def join(programs: Programs, address: str, **started: Any) -> TerminalProgram:
    command = ("chat", "join", "--name", "Ann", address)
    ann = await programs.start_on_terminal(*command, window=(80, 24), **started)
    await ann.expect_that(lambda rows: "connected" in rows[22], "the window")
    return ann


async def bob_in(programs: Programs, address: str) -> LineClient:
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (1 here: Bob)")
    return bob


def screen_of(program: TerminalProgram) -> WindowScreen:
    return program.screen  # type: ignore[return-value]


def count_taken(program: TerminalProgram) -> int:
    """Return how many times the window has taken the terminal."""
    return screen_of(program).written.count("\x1b[?1049h")


async def see_window_again(program: TerminalProgram, before: int) -> None:
    """Wait until the window has taken the terminal more often than before."""
    await program.expect_that(lambda _: count_taken(program) > before, "a window")


async def check_whole(program: TerminalProgram) -> None:
    """Check that the terminal is as it was before the program."""
    assert program.modes == program.modes_before
    screen = screen_of(program)

    def is_whole(_: list[str]) -> bool:
        ended = ("\x1b[?{}l", "\x1b[?{}h", ("2004", "1000", "1006", "1049"))
        begun = ("\x1b[?{}h", "\x1b[?{}l", ("7", "25"))
        return all(
            screen.written.rfind(last.format(mode)) > screen.written.rfind(first.format(mode))
            for last, first, modes in (ended, begun)
            for mode in modes
        )

    await program.expect_that(is_whole, "no modes of the window")


async def test_the_window_shows_what_is_said_and_sends_what_is_typed(programs: Programs) -> None:
    _, address = await start_room(programs)
    bob = await bob_in(programs, address)
    ann = await join(programs, address)
    await bob.expect("*** Ann joined (2 here)")
    await bob.send("hello 👨‍👩‍👧 日本")
    await ann.expect_that(lambda rows: any("Bob: hello 👨‍👩‍👧 日本" in row for row in rows), "it")
    await ann.type("hi Bob\r")
    await bob.expect("Ann: hi Bob")
    await ann.type("q\r")
    await ann.expect_end(0)
    await check_whole(ann)
    await bob.expect("*** Ann left (1 here)")


async def test_a_name_is_asked_for_until_one_is_accepted(programs: Programs) -> None:
    _, address = await start_room(programs)
    bob = await bob_in(programs, address)
    ann = await programs.start_on_terminal("chat", "join", address, window=(80, 24))
    shown: list[str] = []

    async def see(*rows: str) -> None:
        shown.extend(rows)
        await ann.expect_that(lambda rows: rows[: len(shown)] == shown, f"{shown}")

    await see("name:")
    for typed, seen, reason in (
        ("bob", "bob", "the name bob is taken"),
        ("An n", "An n", "a name cannot have white space"),
        ("caf\udce9", "caf?", "half of a surrogate pair in a line"),
    ):
        await ann.type(f"{typed}\r")
        shown[-1] = f"name: {seen}"
        await see(f"warning: {reason}", "name:")
    await ann.type("quit\r")
    shown[-1] = "name: quit"
    await see("leave? (q)", "name:")
    await ann.type("Ann\r")
    await ann.expect_that(lambda rows: "connected" in rows[22], "the window")
    await bob.expect("*** Ann joined (2 here)")
    await ann.type(CTRL_D)
    await ann.expect_end(0)
    await check_whole(ann)


async def test_a_name_that_was_given_and_is_taken_is_asked_for_again(programs: Programs) -> None:
    _, address = await start_room(programs)
    await bob_in(programs, address)
    command = ("chat", "join", "--name", "bob", address)
    ann = await programs.start_on_terminal(*command, window=(80, 24))
    shown = ["warning: the name bob is taken", "name:"]
    await ann.expect_that(lambda rows: rows[:2] == shown, "the question")
    await ann.type("q\r")
    await ann.expect_end(0)
    assert ann.modes == ann.modes_before


@pytest.mark.parametrize(("key", "status"), [(CTRL_D, 0), (CTRL_C, -signal.SIGINT)], ids=["D", "C"])
async def test_ctrl_d_and_ctrl_c_leave_when_a_name_is_asked_for(
    programs: Programs, key: str, status: int
) -> None:
    _, address = await start_room(programs)
    ann = await programs.start_on_terminal("chat", "join", address, window=(80, 24))
    await ann.expect_that(lambda rows: rows[0] == "name:", "the question")
    await ann.type(key)
    await ann.expect_end(status)
    assert ann.modes == ann.modes_before


async def test_a_server_that_is_not_there_is_one_error(programs: Programs) -> None:
    command = ("chat", "join", "--name", "Ann", "127.0.0.1:1")
    ann = await programs.start_on_terminal(*command, window=(80, 24))
    await ann.expect_end(1)
    error = "error: cannot connect to 127.0.0.1:1: connection refused"
    await ann.expect_that(lambda rows: rows[:2] == [error, ""], "the error")
    assert ann.modes == ann.modes_before


@pytest.mark.parametrize(
    ("keys", "status"),
    [("q\r", 0), ("/quit\r", 0), (CTRL_D, 0), (CTRL_C, -signal.SIGINT), ("x\x03\x03", -2)],
    ids=["q", "/quit", "Ctrl-D", "Ctrl-C", "Ctrl-C twice"],
)
async def test_each_key_that_leaves_tells_the_room_once(
    programs: Programs, keys: str, status: int
) -> None:
    _, address = await start_room(programs)
    bob = await bob_in(programs, address)
    ann = await join(programs, address)
    await ann.type(keys)
    await ann.expect_end(status)
    await check_whole(ann)
    await bob.expect("*** Ann joined (2 here)", "*** Ann left (1 here)")
    await bob.send("/who")
    await bob.expect("*** 1 here: Bob")


@pytest.mark.parametrize(
    "numbers",
    [
        [signal.SIGTERM],
        [signal.SIGINT],
        [signal.SIGQUIT],
        [signal.SIGHUP],
        # A terminal that hangs up and its shell both send it.
        [signal.SIGHUP, signal.SIGHUP],
    ],
    ids=lambda numbers: " ".join(number.name for number in numbers),
)
async def test_a_signal_ends_it_and_tells_the_room_once(
    programs: Programs, numbers: list[signal.Signals]
) -> None:
    _, address = await start_room(programs)
    bob = await bob_in(programs, address)
    ann = await join(programs, address)
    for number in numbers:
        ann.signal(number)
    await ann.expect_end(-numbers[0])
    await check_whole(ann)
    await bob.expect("*** Ann joined (2 here)", "*** Ann left (1 here)")


async def test_a_terminal_that_hangs_up_ends_it(programs: Programs) -> None:
    _, address = await start_room(programs)
    bob = await bob_in(programs, address)
    ours, theirs = os.openpty()
    command = ("chat", "join", "--name", "Ann", address)
    ann = await programs.start(*command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    await bob.expect("*** Ann joined (2 here)")
    os.close(ours)
    await bob.expect("*** Ann left (1 here)")
    await ann.expect_end(-signal.SIGHUP)


async def test_a_terminal_that_reads_nothing_ends_it_all_the_same(programs: Programs) -> None:
    _, address = await start_room(programs)
    bob = await bob_in(programs, address)
    ours, theirs = os.openpty()
    try:
        modes = termios.tcgetattr(theirs)
        command = ("chat", "join", "--name", "Ann", address)
        ann = await programs.start(*command, stdin=theirs, stdout=theirs, stderr=theirs)
        await bob.expect("*** Ann joined (2 here)")
        # A terminal holds a few KiB, and nobody reads them.
        for _ in range(100):
            await bob.send("x" * 4000)
        ann.signal(signal.SIGTERM)
        await ann.expect_end(-signal.SIGTERM)
        assert termios.tcgetattr(theirs) == modes
        await bob.expect("*** Ann left (1 here)")
    finally:
        os.close(ours)
        os.close(theirs)


async def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(programs: Programs) -> None:
    _, address = await start_room(programs)
    ann = await join(programs, address, interpreter=("-c", SHELL))
    for _ in range(2):
        await ann.type(f"half{CTRL_Z}")
        await ann.expect_that(lambda rows: any(row.endswith("stopped") for row in rows), "a shell")
        written = screen_of(ann).written
        assert written.rfind("\x1b[?1049l") > written.rfind("\x1b[?1049h")
        before = count_taken(ann)
        await ann.type("fg\n")
        await see_window_again(ann, before)
        await ann.expect_that(lambda rows: rows[23] == "> half", "the text")
        await ann.type(CTRL_C)
        await ann.expect_that(lambda rows: rows[23] == ">", "no text")
    await ann.type("q\r")
    await ann.expect_end(0)
    await check_whole(ann)


async def test_in_the_background_it_leaves_the_terminal_alone(programs: Programs) -> None:
    _, address = await start_room(programs)
    ann = await join(programs, address, interpreter=("-c", SHELL))

    async def see_stopped(times: int) -> None:
        written = screen_of(ann)
        await ann.expect_that(lambda _: written.written.count("stopped") == times, "a shell")

    await ann.type(f"half{CTRL_Z}")
    await see_stopped(1)
    await ann.type("bg\n")
    await see_stopped(2)
    before = count_taken(ann)
    await ann.type("fg\n")
    await see_window_again(ann, before)
    await ann.expect_that(lambda rows: rows[23] == "> half", "the text")
    await ann.type(f"{CTRL_C}q\r")
    await ann.expect_end(0)
    await check_whole(ann)


async def test_ctrl_z_without_a_shell_changes_nothing(programs: Programs) -> None:
    # The program leads its session. No shell could resume it, so the kernel does not stop it.
    _, address = await start_room(programs)
    ann = await join(programs, address)
    await ann.type("half")
    await ann.expect_that(lambda rows: rows[23] == "> half", "the text")
    for number in (signal.SIGTSTP, signal.SIGCONT):
        before = count_taken(ann)
        ann.signal(number)
        await see_window_again(ann, before)
    before = count_taken(ann)
    await ann.type(CTRL_Z)
    await see_window_again(ann, before)
    await ann.type(" more")
    await ann.expect_that(lambda rows: rows[23] == "> half more", "the text")
    await ann.type(f"{CTRL_C}q\r")
    await ann.expect_end(0)


# Makes the window stuck at the first message.
STUCK = """
import fcntl, os, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from trionet.cli import main, running
from trionet.chat.window import model

hear = model.Window.hear

def hear_or_be_stuck(window, event):
    if "Bob" in repr(event):
        os.write(1, b"stuck")
        while True:
            pass
    hear(window, event)

model.Window.hear = hear_or_be_stuck
running._STUCK_SECONDS = {seconds}
main.main()
"""


@pytest.mark.parametrize(
    ("signals", "statuses"), [(1, (128 + signal.SIGTERM,)), (2, (-signal.SIGTERM, -signal.SIGINT))]
)
async def test_a_stuck_window_ends_and_the_terminal_is_whole(
    programs: Programs, signals: int, statuses: tuple[int, ...]
) -> None:
    _, address = await start_room(programs)
    script = STUCK.format(seconds=0.2 if signals == 1 else 100)
    ann = await join(programs, address, interpreter=("-c", script))
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
    await ann.expect_that(lambda _: screen_of(ann).written.endswith("stuck"), "that it is stuck")
    for number in (signal.SIGTERM, signal.SIGINT)[:signals]:
        ann.signal(number)
    # Of two that wait, the kernel may deliver either first.
    assert await ann.within_patience(ann.process.wait) in statuses
    await check_whole(ann)


@pytest.mark.parametrize(
    ("term", "option"), [("xterm", "--plain"), ("xterm", "--linear"), ("dumb", None)]
)
async def test_there_is_no_window_where_none_is_wanted_or_possible(
    programs: Programs, term: str, option: str | None
) -> None:
    _, address = await start_room(programs)
    command = ["chat", "join", "--name", "Ann", address, *([option] if option else [])]
    ann = await programs.start_on_terminal(*command, term=term)
    await ann.expect_that(lambda rows: bool(rows), "something")
    await ann.type("q\r")
    await ann.expect_end(0)
    assert "\x1b[?1049h" not in ann.out.text
