"""The clients on a terminal, in front of a person: the real program on a pseudo-terminal."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Programs, TerminalProgram

UP = "\x1b[A"
CTRL_C, CTRL_D = "\x03", "\x04"
WELCOME = "*** welcome, Ann (1 here: Ann)"


async def start_room(programs: Programs) -> str:
    server = await programs.start("chat", "serve", "127.0.0.1:0", "--quiet")
    return await server.address()


async def join(programs: Programs, address: str) -> TerminalProgram:
    ann = await programs.start_on_terminal("chat", "join", "--name", "Ann", address)
    await ann.expect_screen(WELCOME, ">")
    return ann


async def test_calc_connect_asks_for_a_name_and_calculates(programs: Programs) -> None:
    server = await programs.start("calc", "serve", "127.0.0.1:0", "--precision", "5")
    address = await server.address()
    ann = await programs.start_on_terminal("calc", "connect", address)
    modes = ann.modes
    await ann.expect_screen("name:")
    assert ann.modes != modes
    await ann.type("x" * 65 + "\r")
    refused = ["name: " + "x" * 65, "warning: the name is longer than 64 characters"]
    await ann.expect_screen(*refused, "name:")
    await ann.type(" Ann Lee\r")
    shown = [*refused, "name:  Ann Lee"]
    await ann.expect_screen(*shown, ">")
    await server.expect("Ann Lee connected")
    for typed, answer in (
        ("2 / 3", "0.66667"),
        ("2 plus 3", "warning: 2 plus 3: expected NUMBER OPERATOR NUMBER, such as 12 + 42"),
        ("1 / 0", "error: division by zero"),
    ):
        await ann.type(f"{typed}\r")
        shown += [f"> {typed}", answer]
        await ann.expect_screen(*shown, ">")
    await ann.type(" \r")
    await ann.expect_screen(*shown, ">", ">")
    await ann.type("q\r")
    await ann.expect_screen(*shown, ">", "> q", "Session ended")
    await ann.expect_end(0)
    assert ann.modes == modes
    await server.expect("Ann Lee: 2 / 3 = 0.66667", "Ann Lee: 1 / 0: error: division by zero")
    await server.expect("Session ended")


async def test_chat_join_asks_for_a_name_again_while_it_is_refused(programs: Programs) -> None:
    address = await start_room(programs)
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (1 here: Bob)")
    ann = await programs.start_on_terminal("chat", "join", "--name", "bob", address)
    shown = ["warning: the name bob is taken"]
    await ann.expect_screen(*shown, "name:")
    for typed, seen, reason in (
        ("An n", "An n", "a name cannot have white space"),
        ("caf\udce9", "caf?", "half of a surrogate pair in a line"),
    ):
        await ann.type(f"{typed}\r")
        shown += [f"name: {seen}", f"warning: {reason}"]
        await ann.expect_screen(*shown, "name:")
    await ann.type("Ann\r")
    shown += ["name: Ann", "*** welcome, Ann (2 here: Bob, Ann)"]
    await ann.expect_screen(*shown, ">")
    # What was asked for is no message to be brought back.
    await ann.type(UP)
    await ann.type("x\r")
    await bob.expect("*** Ann joined (2 here)", "Ann: x")


async def test_lines_of_others_appear_above_the_line_being_typed(programs: Programs) -> None:
    address = await start_room(programs)
    ann = await join(programs, address)
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
    shown = [WELCOME, "*** Bob joined (2 here)"]
    await ann.expect_screen(*shown, ">")
    await ann.type("hel")
    await ann.expect_screen(*shown, "> hel")
    await bob.send("one", "grüße ← \x1b[2J", "three")
    shown += ["Bob: one", "Bob: grüße ← �[2J", "Bob: three"]
    await ann.expect_screen(*shown, "> hel")
    await ann.type("lo\r")
    await bob.expect("Ann: hello")
    shown += ["> hello"]
    await ann.expect_screen(*shown, ">")
    await bob.send("four")
    shown += ["Bob: four"]
    await ann.expect_screen(*shown, ">")
    await ann.type("/who\r")
    shown += ["> /who", "*** 2 here: Ann, Bob"]
    await ann.expect_screen(*shown, ">")
    # Arrow up: the last line, and the one before it.
    await ann.type(UP + UP)
    await ann.expect_screen(*shown, "> hello")
    await ann.type(" again\r")
    await bob.expect("Ann: hello again")
    shown += ["> hello again"]
    await ann.expect_screen(*shown, ">")
    await ann.type("q\r")
    await ann.expect_screen(*shown, "> q")
    await ann.expect_end(0)
    await bob.expect("*** Ann left (1 here)")


async def test_a_line_that_comes_while_enter_is_pressed_is_not_lost(programs: Programs) -> None:
    address = await start_room(programs)
    ann = await join(programs, address)
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
    own = [f"> own {number}" for number in range(30)]
    theirs = [f"Bob: {number}" for number in range(30)]
    for number in range(30):
        await ann.type(f"own {number}\r")
        await bob.send(f"{number}")
        await bob.expect(f"Ann: own {number}")
        await ann.expect_that(
            lambda screen, number=number: own[number] in screen and screen[-1] == ">",  # type: ignore[misc]
            f"a prompt after {own[number]}",
        )

    def is_all_there(screen: list[str]) -> bool:
        return (
            [line for line in screen if line.startswith("> ")] == own
            and [line for line in screen if line.startswith("Bob: ")] == theirs
            and screen[-1] == ">"
        )

    await ann.expect_that(is_all_there, "every line once, and in order")


async def test_a_paste_of_lines_is_sent_as_lines(programs: Programs) -> None:
    address = await start_room(programs)
    ann = await join(programs, address)
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
    await ann.expect_screen(WELCOME, "*** Bob joined (2 here)", ">")
    await ann.type("\x1b[200~one\r\ntwo\x1b[201~\r")
    await bob.expect("Ann: one", "Ann: two")
    await ann.expect_screen(WELCOME, "*** Bob joined (2 here)", "> one", "two", ">")
    await ann.type(CTRL_D)
    await ann.expect_end(0)
    await bob.expect("*** Ann left (1 here)")


async def test_what_is_no_text_or_too_long_is_warned_of_and_not_sent(programs: Programs) -> None:
    address = await start_room(programs)
    ann = await join(programs, address)
    # As a terminal sends it that is set to Latin-1.
    await ann.type("caf\udce9\r")
    shown = [WELCOME, "> caf?", "warning: line is not UTF-8"]
    await ann.expect_screen(*shown, ">")
    await ann.type("\x1b[200~" + "x" * 4097 + "\x1b[201~\r")
    await ann.expect_that(
        lambda screen: screen[-2:] == ["warning: line is longer than 4096 bytes", ">"],
        "a warning of an over-long line",
    )


@pytest.mark.parametrize(("key", "status"), [(CTRL_D, 0), (CTRL_C, 130)], ids=["D", "C"])
async def test_ctrl_d_quits_and_ctrl_c_interrupts(
    programs: Programs, key: str, status: int
) -> None:
    address = await start_room(programs)
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (1 here: Bob)")
    asked = await programs.start_on_terminal("chat", "join", address)
    modes = asked.modes
    ann = await programs.start_on_terminal("chat", "join", "--name", "Ann", address)
    await asked.expect_screen("name:")
    await asked.type(key)
    await bob.expect("*** Ann joined (2 here)")
    await ann.expect_screen("*** welcome, Ann (2 here: Bob, Ann)", ">")
    await ann.type(key)
    for person in (asked, ann):
        await person.expect_end(status)
        assert person.modes == modes
        assert "error" not in "".join(person.screen.lines)
    await bob.expect("*** Ann left (1 here)")


async def test_a_lost_server_ends_the_prompt_and_leaves_the_terminal_whole(
    programs: Programs,
) -> None:
    calc = await programs.start("calc", "serve", "127.0.0.1:0", "--quiet")
    chat = await programs.start("chat", "serve", "127.0.0.1:0", "--quiet")
    calc_address, chat_address = await calc.address(), await chat.address()
    ann = await programs.start_on_terminal("calc", "connect", "--name", "ann", calc_address)
    bob = await programs.start_on_terminal("chat", "join", "--name", "Bob", chat_address)
    modes = ann.modes
    welcome = "*** welcome, Bob (1 here: Bob)"
    for person, shown in ((ann, []), (bob, [welcome])):
        await person.expect_screen(*shown, ">")
        await person.type("half")
        await person.expect_screen(*shown, "> half")
    chat.signal(signal.SIGTERM)
    calc.process.kill()
    error = "error: the server closed the connection"
    await ann.expect_screen("> half", error)
    # The notice comes with the end, so either the prompt or its end has printed it.
    closing = "*** server is closing"
    await bob.expect_that(
        lambda screen: (
            sorted(screen) == sorted([welcome, "> half", closing, error]) and screen[-1] == error
        ),
        "the notice and the error",
    )
    for person in (ann, bob):
        await person.expect_end(1)
        assert person.modes == modes


async def test_an_interrupt_from_elsewhere_ends_the_prompt_too(programs: Programs) -> None:
    ann = await join(programs, await start_room(programs))
    ann.signal(signal.SIGINT)
    await ann.expect_end(130)
    assert "Traceback" not in "".join(ann.screen.lines)


@pytest.mark.parametrize(
    ("term", "options"), [("xterm", ["--plain"]), ("dumb", [])], ids=["--plain", "a dumb terminal"]
)
async def test_without_an_editor_the_terminal_itself_edits(
    programs: Programs, term: str, options: list[str]
) -> None:
    address = await start_room(programs)
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (1 here: Bob)")
    ann = await programs.start_on_terminal("chat", "join", *options, address, term=term)
    modes = ann.modes
    await ann.expect_screen("name:")
    assert ann.modes == modes
    await ann.type("caf\udce9\n")
    shown = ["name: caf�", "warning: line is not UTF-8"]
    await ann.expect_screen(*shown, "name:")
    await ann.type("bob\n")
    shown += ["name: bob", "warning: the name bob is taken"]
    await ann.expect_screen(*shown, "name:")
    await ann.type("Ann\n")
    shown += ["name: Ann", "*** welcome, Ann (2 here: Bob, Ann)"]
    await ann.expect_screen(*shown)
    await ann.type("hello\n")
    await bob.expect("*** Ann joined (2 here)", "Ann: hello")
    await bob.send("hi")
    shown += ["hello", "Bob: hi"]
    await ann.expect_screen(*shown)
    await ann.type(CTRL_C if options else CTRL_D)
    await ann.expect_end(130 if options else 0)
    await bob.expect("*** Ann left (1 here)")


async def test_a_q_where_a_name_is_asked_for_leaves(programs: Programs) -> None:
    room = await start_room(programs)
    server = await programs.start("calc", "serve", "127.0.0.1:0")
    for command in (("chat", "join", room), ("calc", "connect", await server.address())):
        person = await programs.start_on_terminal(*command)
        await person.expect_screen("name:")
        await person.type("q\r")
        await person.expect_end(0)


async def test_who_is_thinking_of_a_name_keeps_nobody_waiting(programs: Programs) -> None:
    server = await programs.start("calc", "serve", "127.0.0.1:0")
    address = await server.address()
    thinking = await programs.start_on_terminal("calc", "connect", address)
    await thinking.expect_screen("name:")
    other = await programs.start_on_terminal("calc", "connect", "--name", "Bob", address)
    await other.expect_screen(">")
    await other.type("1+1\r")
    await other.expect_screen("> 1+1", "2", ">")
