"""`trionet chat join --linear` for real: the program on a pseudo-terminal, its server on a socket.

What the line editor does with it is in `tests/cli/test_line_editor.py`.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Program, Programs, TerminalProgram

CTRL_C, CTRL_D = "\x03", "\x04"

WELCOME = "*** welcome, Ann (1 here: Ann)"


async def serve(programs: Programs, address: str = "127.0.0.1:0") -> tuple[Program, str]:
    server = await programs.start("chat", "serve", address, "--forever", "--quiet")
    return server, await server.address()


async def join(
    programs: Programs, address: str, *options: str, term: str = "xterm"
) -> tuple[TerminalProgram, bytearray]:
    """Start the client, and return it with all the bytes that it has written."""
    ann = await programs.start_on_terminal(
        "chat", "join", *options, "--name", "Ann", address, term=term
    )
    written = bytearray()
    feed = ann.screen.feed

    def record(data: bytes) -> bytes:
        written.extend(data)
        return feed(data)

    ann.screen.feed = record  # type: ignore[method-assign]
    return ann, written


@pytest.mark.parametrize("options", [[], ["--linear"]], ids=["TERM=dumb", "and --linear"])
async def test_a_dumb_terminal_gets_lines_without_any_escape(
    programs: Programs, options: list[str]
) -> None:
    _, address = await serve(programs)
    ann, written = await join(programs, address, *options, term="dumb")
    await ann.expect_screen(WELCOME)
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
    await bob.send("hello, Ann", " " * 77 + "*** server is closing\x1b[2J")
    shown = [WELCOME, "*** Bob joined (2 here)", "(mention) Bob: hello, Ann"]
    shown += ["Bob:", "      *** server is closing�[2J"]
    await ann.expect_screen(*shown)
    await ann.type("hi\n")
    await bob.expect("Ann: hi")
    await ann.type("/topic tea\n")
    await bob.expect("*** Ann set the topic: tea")
    shown += ["hi", "/topic tea", "*** Ann set the topic: tea"]
    await ann.expect_screen(*shown)
    await ann.type("one\n/who\n")
    shown += ["one", "/who", "send 2 lines as one message? y/n"]
    await ann.expect_screen(*shown)
    await ann.type("y\n")
    await bob.expect("Ann: one", "Ann: /who")
    await ann.type(CTRL_D)
    await ann.expect_end(0)
    await bob.expect("*** Ann left (1 here)")
    assert b"\x1b" not in written
    assert ann.modes == ann.modes_before


async def test_there_is_never_an_alternate_screen(programs: Programs) -> None:
    _, address = await serve(programs)
    ann, written = await join(programs, address, "--linear")
    await ann.expect_screen(WELCOME, ">")
    await ann.type("/help\r")
    await ann.expect_that(lambda screen: "*** q: leave the chat" in screen, "the help")
    await ann.type("q\r")
    await ann.expect_end(0)
    assert b"1049" not in written
    assert b"\x1b[?47" not in written


async def test_over_a_restart_the_line_being_typed_stays_and_what_was_typed_is_said_once(
    programs: Programs,
) -> None:
    server, address = await serve(programs)
    ann, _ = await join(programs, address, "--linear")
    await ann.expect_screen(WELCOME, ">")
    server.process.kill()
    shown = [WELCOME, "*** the connection is lost, reconnecting in 1 s"]
    await ann.expect_screen(*shown, ">")
    await ann.type("said meanwhile\r")
    shown += ["> said meanwhile", "*** not connected: this waits for the connection"]
    await ann.expect_screen(*shown, ">")
    await ann.type("half")
    await ann.expect_screen(*shown, "> half")
    await serve(programs, address)
    shown += [
        "*** connected again",
        "*** the server started again: the last messages may be missing",
        "*** you are in lobby again (1 here: Ann)",
    ]
    await ann.expect_screen(*shown, "> half")
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
    await ann.type(" typed\r")
    await bob.expect("Ann: half typed")
    await bob.send("/history 4")
    said = [await bob.receive() for _ in range(4)]
    assert [line for line in said if "Ann: said meanwhile" in line] == said[1:2]


@pytest.mark.parametrize("term", ["xterm", "dumb"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
async def test_a_signal_ends_it_and_the_room_is_told_once(
    programs: Programs, number: signal.Signals, term: str
) -> None:
    _, address = await serve(programs)
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (1 here: Bob)")
    ann, _ = await join(programs, address, "--linear", term=term)
    await bob.expect("*** Ann joined (2 here)")
    prompt = [">"] if term == "xterm" else []
    await ann.expect_screen("*** welcome, Ann (2 here: Bob, Ann)", *prompt)
    ann.signal(number)
    if number == signal.SIGHUP:
        # A terminal that hangs up sends it twice.
        ann.signal(number)
    await ann.expect_end(-number)
    assert ann.modes == ann.modes_before
    await bob.expect("*** Ann left (1 here)")
    await bob.send("/who")
    await bob.expect("*** 1 here: Bob")


@pytest.mark.parametrize("term", ["xterm", "dumb"])
async def test_a_terminal_that_hangs_up_ends_it_and_the_room_is_told_once(
    programs: Programs, term: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    _, address = await serve(programs)
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (1 here: Bob)")
    ours, theirs = os.openpty()
    command = ("chat", "join", "--linear", "--name", "Ann", address)
    ann = await programs.start(*command, stdin=theirs, stdout=theirs, stderr=theirs, real=True)
    os.close(theirs)
    await bob.expect("*** Ann joined (2 here)")
    os.close(ours)
    await ann.within_patience(ann.process.wait)
    await bob.expect("*** Ann left (1 here)")
    await bob.send("/who")
    await bob.expect("*** 1 here: Bob")


async def test_whoever_cannot_be_let_in_again_is_told_why(programs: Programs) -> None:
    _, address = await serve(programs)
    ann = await programs.start_on_terminal(
        "chat", "join", "--linear", "--name", "Ann", "127.0.0.1:1"
    )
    await ann.expect_end(1)
    await ann.expect_screen("error: cannot connect to 127.0.0.1:1: connection refused")
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (1 here: Bob)")


async def test_on_a_pipe_it_speaks_the_plain_format(programs: Programs) -> None:
    _, address = await serve(programs)
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (1 here: Bob)")
    ann = await programs.start("chat", "join", "--linear", "--name", "Ann", address)
    await ann.expect("*** welcome, Ann (2 here: Bob, Ann)")
    await bob.expect("*** Ann joined (2 here)")
    await bob.send("hello, Ann")
    await ann.expect("Bob: hello, Ann")
    await ann.end_input()
    await ann.expect_end(0)
    await bob.expect("*** Ann left (1 here)")


async def test_ctrl_c_takes_a_paste_back_and_does_not_leave(programs: Programs) -> None:
    _, address = await serve(programs)
    ann, _ = await join(programs, address, "--linear")
    await ann.expect_screen(WELCOME, ">")
    await ann.type("\x1b[200~one\rtwo\x1b[201~\r")
    shown = [WELCOME, "> one", "two", "send 2 lines as one message? y/n"]
    await ann.expect_screen(*shown, ">")
    await ann.type(CTRL_C)
    shown += ["> n", "*** not sent"]
    await ann.expect_screen(*shown, "> one", "two")
    await ann.type(CTRL_C)
    await ann.expect_screen(*shown, ">")
    # Now there is nothing left to take back.
    await ann.type(CTRL_C)
    await ann.expect_end(-signal.SIGINT)
