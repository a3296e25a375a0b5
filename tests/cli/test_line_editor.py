"""The clients as a person sees them: the real program on a pseudo-terminal."""

from __future__ import annotations

import os
import signal
import termios
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from shell import SHELL
from trionet.calc.grammar import NAMES
from trionet.cli.line_editor import LineEditor
from trionet.cli.prompt_thread import PromptThread

if TYPE_CHECKING:
    from tests.cli.conftest import Program, Programs, Screen, TerminalProgram

UP, RIGHT, LEFT, HOME, END = "\x1b[A", "\x1b[C", "\x1b[D", "\x1b[H", "\x1b[F"
CTRL_C, CTRL_D = "\x03", "\x04"
WELCOME = "*** welcome, Ann (1 here: Ann)"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where the programs keep their history, instead of this user's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "trionet"


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.exists() else []


async def start_calculator(programs: Programs, *options: str) -> tuple[Program, str]:
    server = await programs.start("calc", "serve", "127.0.0.1:0", *options)
    return server, await server.address()


async def calculate(programs: Programs, address: str) -> TerminalProgram:
    ann = await programs.start_on_terminal("calc", "connect", "--name", "ann", address)
    await ann.expect_screen(">")
    return ann


async def start_room(programs: Programs) -> str:
    server = await programs.start("chat", "serve", "127.0.0.1:0", "--quiet")
    return await server.address()


async def join(programs: Programs, address: str) -> TerminalProgram:
    ann = await programs.start_on_terminal("chat", "join", "--linear", "--name", "Ann", address)
    await ann.expect_screen(WELCOME, ">")
    return ann


async def test_calc_connect_asks_for_a_name_and_calculates(programs: Programs) -> None:
    server = await programs.start("calc", "serve", "127.0.0.1:0", "--precision", "5")
    address = await server.address()
    ann = await programs.start_on_terminal("calc", "connect", address, real=True)
    await ann.expect_screen("name:")
    assert ann.modes != ann.modes_before
    await ann.type("x" * 65 + "\r")
    refused = ["name: " + "x" * 65, "warning: the name is longer than 64 characters"]
    await ann.expect_screen(*refused, "name:")
    await ann.type(" Ann Lee\r")
    shown = [*refused, "name:  Ann Lee"]
    await ann.expect_screen(*shown, ">")
    await server.expect("Ann Lee connected")
    for typed, answer in (
        ("2 / 3", "0.66667"),
        ("3 * ans", "2"),
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
    assert ann.modes == ann.modes_before
    await server.expect("Ann Lee: 2 / 3 = 0.66667", "Ann Lee: 3 * ans = 2")
    await server.expect("Ann Lee: 1 / 0: error: division by zero", "Session ended")


async def test_a_caret_shows_the_mistake_and_the_line_comes_back_for_correction(
    programs: Programs,
) -> None:
    _, address = await start_calculator(programs, "--quiet")
    ann = await calculate(programs, address)
    await ann.type("12 + (3 - 4\r")
    shown = ["> 12 + (3 - 4", "       ^", "warning: unclosed ( at column 6"]
    await ann.expect_screen(*shown, "> 12 + (3 - 4")
    # The cursor is at the mistake: after an editing key, text is inserted there.
    await ann.type(LEFT + RIGHT + "2 * \r")
    shown += ["> 12 + 2 * (3 - 4", "           ^", "warning: unclosed ( at column 10"]
    await ann.expect_screen(*shown, "> 12 + 2 * (3 - 4")
    await ann.type(END + ")\r")
    shown += ["> 12 + 2 * (3 - 4)", "10"]
    # A line that was accepted does not come back.
    await ann.expect_screen(*shown, ">")
    await ann.type("\x1b[200~" + "1" * 4097 + "\x1b[201~\r")
    warning = "warning: line is longer than 4096 bytes"
    await ann.expect_that(
        lambda screen: warning in screen and set(screen[-1]) == {"1"},
        "the warning, and what is too long again",
    )


async def test_typing_replaces_a_refused_line(programs: Programs) -> None:
    server, address = await start_calculator(programs)
    ann = await calculate(programs, address)
    await ann.type("1 +\r")
    shown = ["> 1 +", "     ^", "warning: expected a number at column 4"]
    await ann.expect_screen(*shown, "> 1 +")
    # Enter alone sends the line again.
    await ann.type("\r")
    shown *= 2
    await ann.expect_screen(*shown, "> 1 +")
    await ann.type("2 + 2\r")
    shown += ["> 2 + 2", "4"]
    await ann.expect_screen(*shown, ">")
    await ann.type("3 +\r")
    shown += ["> 3 +", "     ^", "warning: expected a number at column 4"]
    await ann.expect_screen(*shown, "> 3 +")
    # A paste replaces it too.
    await ann.type("\x1b[200~4 + 4\x1b[201~\r")
    shown += ["> 4 + 4", "8"]
    await ann.expect_screen(*shown, ">")
    # Backspace edits it; and `q` quits, whatever the line contains.
    await ann.type("5 5\r")
    shown += ["> 5 5", "    ^", "warning: expected an operator at column 3"]
    await ann.expect_screen(*shown, "> 5 5")
    await ann.type("\x7f\r")
    shown += ["> 55", "55"]
    await ann.expect_screen(*shown, ">")
    await ann.type("6 +\r")
    shown += ["> 6 +", "     ^", "warning: expected a number at column 4"]
    await ann.expect_screen(*shown, "> 6 +")
    await ann.type("q\r")
    await ann.expect_screen(*shown, "> q", "Session ended")
    await ann.expect_end(0)
    told = ["2 + 2 = 4", "4 + 4 = 8", "55 = 55"]
    await server.expect("ann connected", *(f"ann: {line}" for line in told), "Session ended")


@pytest.mark.parametrize("key", [LEFT, RIGHT, HOME, END, "\x01", "\x05"])
async def test_an_editing_key_keeps_a_refused_line(programs: Programs, key: str) -> None:
    _, address = await start_calculator(programs, "--quiet")
    ann = await calculate(programs, address)
    await ann.type("7 +\r")
    shown = ["> 7 +", "     ^", "warning: expected a number at column 4"]
    await ann.expect_screen(*shown, "> 7 +")
    await ann.type(key + END + "1\r")
    await ann.expect_screen(*shown, "> 7 +1", "8", ">")


async def test_only_the_lines_of_a_paste_that_have_mistakes_come_back(programs: Programs) -> None:
    server, address = await start_calculator(programs)
    ann = await calculate(programs, address)
    await ann.type("\x1b[200~1 + 1\n2 2\n3 * 3\n44 4\x1b[201~\r")
    shown = ["> 1 + 1", "2 2", "3 * 3", "44 4", "2"]
    shown += ["warning: 2 2: expected an operator at column 3", "9"]
    shown += ["warning: 44 4: expected an operator at column 4"]
    await ann.expect_screen(*shown, "> 2 2", "44 4")
    await ann.type(LEFT + RIGHT + "- \r")
    await server.expect("ann connected", "ann: 1 + 1 = 2", "ann: 3 * 3 = 9", "ann: 2 - 2 = 0")


@pytest.mark.parametrize(
    ("typed", "line", "column", "pointer", "again", "cursor"),
    [
        ("1 + + x", "1 + + x", 7, "        ^", "1 + + x", 6),
        # At the end, where something is missing.
        ("1 +", "1 +", 4, "     ^", "1 +", 3),
        # Characters that take two columns on the screen; a tab is shown as ^I.
        ("漢字 x", "漢字 x", 4, "       ^", "漢字 x", 3),
        ("\tx", "\tx", 2, "    ^", "\tx", 1),
        # As wide as fits in one row of 80 with the cursor behind it, and one wider.
        ("x" * 77, "x" * 77, 1, "  ^", "x" * 77, 0),
        ("x" * 78, "x" * 78, 1, "", "x" * 78, 0),
        ("漢" * 39, "漢" * 39, 1, "", "漢" * 39, 0),
        # A mistake without a place, and a line that is not text.
        ("1 1", "1 1", None, "", "1 1", 3),
        ("caf\udce9", "", None, "", "caf\udce9", 4),
        # One line of a paste.
        ("1\nx", "x", 1, None, "x", 0),
    ],
)
async def test_the_caret_and_the_cursor_are_at_the_mistake(
    typed: str, line: str, column: int | None, pointer: str | None, again: str, cursor: int
) -> None:
    class OfEighty:
        def columns(self) -> int:
            return 80

    editor = LineEditor("> ", cast(PromptThread, OfEighty()))
    editor._take_typed(typed, False)
    while editor._lines:
        await anext(editor)
    assert editor.give_back(line, column) == pointer
    document = editor._take_returned()
    assert (document.text, document.cursor_position) == (again, cursor)
    assert editor._take_returned().text == ""


async def test_a_question_mark_shows_help_and_is_not_sent(programs: Programs) -> None:
    server, address = await start_calculator(programs)
    ann = await calculate(programs, address)
    await ann.type(" ? \r")
    await ann.expect_that(lambda screen: screen[-1] == ">" and len(screen) > 5, "help")
    told = "\n".join(ann.screen.lines)
    for name in (*NAMES, "(", "+", "-", "*", "/", "//", "%", "^", "q", "?", "Ctrl-D"):
        assert name in told, name
    await ann.type("1 + 1\r")
    await server.expect("ann connected", "ann: 1 + 1 = 2")


async def test_the_next_session_has_the_history_of_the_last(
    programs: Programs, state: Path
) -> None:
    _, address = await start_calculator(programs, "--quiet", "--max-clients", "2")
    ann = await programs.start_on_terminal("calc", "connect", address)
    await ann.expect_screen("name:")
    await ann.type("Ann\r")
    await ann.expect_screen("name: Ann", ">")
    await ann.type("6 * 7\r")
    await ann.expect_screen("name: Ann", "> 6 * 7", "42", ">")
    ben = await calculate(programs, address)
    await ann.type("6 +\r")
    shown = ["name: Ann", "> 6 * 7", "42", "> 6 +", "     ^"]
    shown += ["warning: expected a number at column 4"]
    await ann.expect_screen(*shown, "> 6 +")
    await ann.type(END + " 6\r")
    shown += ["> 6 + 6", "12"]
    await ann.expect_screen(*shown, ">")
    await ann.type("q\r")
    await ann.expect_end(0)
    await ben.type("?\r")
    await ben.expect_that(lambda screen: screen[-1] == ">" and len(screen) > 5, "help")
    await ben.type("5 * 5\r")
    await ben.expect_that(lambda screen: screen[-2:] == ["25", ">"], "the result")
    await ben.type("q\r")
    await ben.expect_end(0)
    # It has neither names nor commands, nor the messages of a chat.
    assert (state / "calc_history").read_text() == "6 * 7\n6 +\n6 + 6\n5 * 5\n"
    cid = await calculate(programs, address)
    await cid.type(UP)
    await cid.expect_screen("> 5 * 5")
    await cid.type(UP * 3)
    await cid.expect_screen("> 6 * 7")
    await cid.type("\r")
    await cid.expect_screen("> 6 * 7", "42", ">")
    assert files_in(state) == ["calc_history"]


async def test_messages_of_a_chat_are_not_kept(programs: Programs, state: Path) -> None:
    ann = await join(programs, await start_room(programs))
    await ann.type("a secret\r")
    await ann.expect_screen(WELCOME, "> a secret", ">")
    await ann.type("q\r")
    await ann.expect_end(0)
    assert files_in(state) == []


async def test_a_history_that_cannot_be_kept_is_one_warning(
    programs: Programs, state: Path
) -> None:
    state.parent.touch()
    _, address = await start_calculator(programs, "--quiet")
    ann = await calculate(programs, address)
    await ann.type("1 + 1\r")

    def is_warned_after(results: int) -> Callable[[list[str]], bool]:
        def is_so(screen: list[str]) -> bool:
            warned = [
                line for line in screen if line.startswith("warning: history is not kept in ")
            ]
            return len(warned) == 1 and screen.count("2") == results and screen[-1] == ">"

        return is_so

    await ann.expect_that(is_warned_after(1), "one warning, and the result")
    await ann.type("2 + 0\r")
    await ann.expect_that(is_warned_after(2), "no other warning")
    await ann.type(UP)
    await ann.expect_that(lambda screen: screen[-1] == "> 2 + 0", "the last line again")
    await ann.type(UP + "\r")
    await ann.expect_that(is_warned_after(3), "the result of the first line again")


async def test_chat_join_asks_for_a_name_until_one_is_accepted(programs: Programs) -> None:
    address = await start_room(programs)
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (1 here: Bob)")
    ann = await programs.start_on_terminal("chat", "join", "--linear", "--name", "bob", address)
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
    # The answer to a question is not in the history of messages.
    await ann.type(UP)
    await ann.type("x\r")
    await bob.expect("*** Ann joined (2 here)", "Ann: x")


async def test_lines_from_others_appear_above_the_line_being_typed(programs: Programs) -> None:
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


async def test_a_line_that_arrives_while_enter_is_pressed_is_not_lost(programs: Programs) -> None:
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


async def test_a_paste_of_lines_is_asked_about_and_sent_as_one_message(programs: Programs) -> None:
    address = await start_room(programs)
    ann = await join(programs, address)
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
    shown = [WELCOME, "*** Bob joined (2 here)"]
    await ann.expect_screen(*shown, ">")
    await ann.type("\x1b[200~one\r\ntwo\x1b[201~\r")
    shown += ["> one", "two", "send 2 lines as one message? y/n"]
    await ann.expect_screen(*shown, ">")
    await ann.type("n\r")
    # They come back as if selected.
    shown += ["> n", "*** not sent"]
    await ann.expect_screen(*shown, "> one", "two")
    await ann.type(END + " too\r")
    shown += ["> one", "two too", "send 2 lines as one message? y/n"]
    await ann.expect_screen(*shown, ">")
    await ann.type("\r")
    await bob.expect("Ann: one", "Ann: two too")
    await ann.expect_screen(*shown, ">", ">")
    await ann.type(CTRL_D)
    await ann.expect_end(0)
    await bob.expect("*** Ann left (1 here)")


@pytest.mark.parametrize("marks", [True, False], ids=["marked", "unmarked"])
async def test_within_a_paste_nothing_is_a_command(programs: Programs, marks: bool) -> None:
    address = await start_room(programs)
    ann = await join(programs, address)
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
    shown = [WELCOME, "*** Bob joined (2 here)"]
    await ann.expect_screen(*shown, ">")
    lines = ["one", "q", "/quit", "/me waves", "quit", "//two", " q", "/say x"]
    if marks:
        await ann.type(f"\x1b[200~{chr(10).join(lines)}\x1b[201~\r")
    else:
        await ann.type("\r".join(lines) + "\r")
    shown += ["> one", *lines[1:], "send 8 lines as one message? y/n"]
    await ann.expect_screen(*shown, ">")
    await ann.type("y\r")
    await bob.expect(*(f"Ann: {line}" for line in lines))
    await ann.expect_screen(*shown, "> y", ">")
    await ann.type("q\r")
    await ann.expect_end(0)
    await bob.expect("*** Ann left (1 here)")


async def test_a_paste_that_ends_within_a_line_loses_nothing(programs: Programs) -> None:
    address = await start_room(programs)
    ann = await join(programs, address)
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
    await ann.type("q\rmore")
    await bob.expect("Ann: q")
    await ann.expect_that(lambda screen: screen[-1] == "> more", "the rest, to be sent")
    await ann.type("\r")
    await bob.expect("Ann: more")


async def test_lines_pasted_after_the_name_are_said(programs: Programs) -> None:
    address = await start_room(programs)
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (1 here: Bob)")
    ann = await programs.start_on_terminal("chat", "join", "--linear", address)
    await ann.expect_screen("name:")
    await ann.type("Ann\rhello\rq\r")
    await bob.expect("*** Ann joined (2 here)")
    await ann.expect_screen(
        *("name: Ann", "hello", "q", "*** welcome, Ann (2 here: Bob, Ann)"),
        *("send 2 lines as one message? y/n", ">"),
    )
    await ann.type("y\r")
    await bob.expect("Ann: hello", "Ann: q")


async def test_a_pasted_q_with_lines_after_it_does_not_end_the_session(programs: Programs) -> None:
    _, address = await start_calculator(programs, "--quiet")
    ann = await calculate(programs, address)
    told = "a q in a paste does not end the session: it was skipped"
    await ann.type("1 + 1\rq\r2 + 2\r")
    shown = ["> 1 + 1", "q", "2 + 2", "2", told, "4"]
    await ann.expect_screen(*shown, ">")
    # A `q` in the last line loses nothing, so it ends the session.
    await ann.type("\x1b[200~3 + 3\nq\n\x1b[201~\r")
    last = ["6", "Session ended"]
    await ann.expect_that(lambda screen: screen[-2:] == last, f"at its end {last}")
    await ann.expect_end(0)


async def test_a_paste_is_text_without_a_line_editor_too(programs: Programs) -> None:
    address = await start_room(programs)
    ann = await programs.start_on_terminal("chat", "join", "--plain", "--name", "Ann", address)
    await ann.expect_screen(WELCOME)
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
    await ann.type("one\nq\n/who\nlast\n")
    for said in ("one", "q", "/who", "last"):
        await bob.expect(f"Ann: {said}")
    await ann.type("q\n")
    await ann.expect_end(0)


async def test_a_tab_becomes_four_spaces_on_both_sides(programs: Programs) -> None:
    address = await start_room(programs)
    ann = await join(programs, address)
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
    shown = [WELCOME, "*** Bob joined (2 here)"]
    await ann.expect_screen(*shown, ">")
    await ann.type("a\tb\x1b[200~\tc\x1b[201~\r")
    await bob.expect("Ann: a    b    c")
    await ann.expect_screen(*shown, "> a    b    c", ">")


@pytest.mark.parametrize("word", ["quit", "exit", ":q", "Q", "QUIT", " exit "])
async def test_a_word_that_may_mean_to_leave_causes_a_question(
    programs: Programs, word: str
) -> None:
    address = await start_room(programs)
    ann = await join(programs, address)
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
    shown = [WELCOME, "*** Bob joined (2 here)"]
    await ann.expect_screen(*shown, ">")
    await ann.type(f"{word}\r")
    shown += [f"> {word}".rstrip(), "leave? (q)"]
    await ann.expect_screen(*shown, ">")
    await ann.type(f"/say {word}\r")
    await bob.expect(f"Ann: {word}".rstrip())
    await ann.type("q\r")
    await ann.expect_end(0)
    await bob.expect("*** Ann left (1 here)")


async def test_the_calculator_asks_too(programs: Programs) -> None:
    _, address = await start_calculator(programs, "--quiet")
    ann = await calculate(programs, address)
    await ann.type("exit\r")
    await ann.expect_screen("> exit", "leave? (q)", ">")
    await ann.type("q\r")
    await ann.expect_screen("> exit", "leave? (q)", "> q", "Session ended")


async def test_text_from_others_never_begins_at_the_left_edge(programs: Programs) -> None:
    address = await start_room(programs)
    ann = await join(programs, address)
    plain = await programs.start_on_terminal("chat", "join", "--plain", "--name", "Cid", address)
    await plain.expect_that(lambda screen: bool(screen), "the welcome")
    pipe = await programs.start("chat", "join", "--name", "Dan", address)
    await pipe.expect("*** welcome, Dan (3 here: Ann, Cid, Dan)")
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (4 here: Ann, Cid, Dan, Bob)")
    forged = " " * 77 + "*** server is closing"
    await bob.send(forged, "漢" * 60)
    rows = ["Bob:", "      *** server is closing", "Bob: " + "漢" * 37, "    " + "漢" * 23]

    def has_rows(screen: list[str]) -> bool:
        # A wide character takes only one cell of the test's terminal.
        lines = [line for line in screen if line != ">"]
        return lines[-4:] == rows

    for terminal in (ann, plain):
        await terminal.expect_that(has_rows, f"{rows}")
    await pipe.expect("*** Bob joined (4 here)", f"Bob: {forged}", "Bob: " + "漢" * 60)
    # The new width counts.
    for terminal in (ann, plain):
        terminal.resize(40)
    await bob.send("x" * 60)
    rows = ["Bob: " + "x" * 35, "    " + "x" * 25]
    for terminal in (ann, plain):
        await terminal.expect_that(
            lambda screen: [line for line in screen if line != ">"][-2:] == rows, f"{rows}"
        )


async def announced(server: TerminalProgram) -> str:
    """Return where a server listens. Its log is on the same screen, before or behind that."""

    def found(screen: list[str]) -> list[str]:
        return [line for line in screen if line.startswith("listening on ")]

    await server.expect_that(lambda screen: bool(found(screen)), "where it listens")
    return found(server.screen.lines)[0].removeprefix("listening on ")


async def test_the_console_of_the_server_indents_too(programs: Programs) -> None:
    server = await programs.start_on_terminal("chat", "serve", "127.0.0.1:0", "--messages")
    address = await announced(server)
    ann = await programs.connect(address, "Ann")
    await ann.send(" " * 77 + "*** Ann joined (9 here)")
    # The log is on the same screen, and which of the two outputs comes first is chance.
    await server.expect_that(
        lambda screen: "      *** Ann joined (9 here)" in screen, "an indented row"
    )
    assert "*** Ann joined (9 here)" not in server.screen.lines


async def test_the_calculators_console_indents_too(programs: Programs) -> None:
    server = await programs.start_on_terminal("calc", "serve", "127.0.0.1:0")
    address = await announced(server)
    name = "eve" + " " * 40 + "no log line"
    eve = await programs.connect(address, name, "1 + 1" + " " * 75 + "bob: 2")
    await eve.expect("error: expected an operator at column 81 (bob is not one)")
    await server.expect_that(
        lambda screen: any(line.lstrip().startswith("bob: 2") for line in screen), "its row"
    )
    await server.expect_that(
        lambda screen: any(" info login " in line for line in screen), "its name"
    )
    own = ("listening on", "2", "eve", "    ")
    assert [line for line in server.screen.lines if not line.startswith(own)] == []


async def test_input_that_is_not_text_or_too_long_causes_a_warning_and_is_not_sent(
    programs: Programs,
) -> None:
    address = await start_room(programs)
    ann = await join(programs, address)
    # This comes from a terminal that is set to Latin-1.
    await ann.type("caf\udce9\r")
    shown = [WELCOME, "> caf?", "warning: line is not UTF-8"]
    # The line comes back, so nothing that was typed is lost.
    await ann.expect_screen(*shown, "> caf?")
    await ann.type("\x1b[200~" + "x" * 4097 + "\x1b[201~\r")
    await ann.expect_that(
        lambda screen: (
            "warning: line is longer than 4096 bytes" in screen and set(screen[-1]) == {"x"}
        ),
        "a warning of an over-long line, and what is too long again",
    )


@pytest.mark.parametrize(("key", "status"), [(CTRL_D, 0), (CTRL_C, -signal.SIGINT)], ids=["D", "C"])
async def test_ctrl_d_quits_and_ctrl_c_interrupts(
    programs: Programs, key: str, status: int
) -> None:
    address = await start_room(programs)
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (1 here: Bob)")
    asked = await programs.start_on_terminal("chat", "join", "--linear", address)
    ann = await programs.start_on_terminal("chat", "join", "--linear", "--name", "Ann", address)
    await asked.expect_screen("name:")
    await asked.type(key)
    await bob.expect("*** Ann joined (2 here)")
    await ann.expect_screen("*** welcome, Ann (2 here: Bob, Ann)", ">")
    await ann.type(key)
    for person in (asked, ann):
        await person.expect_end(status)
        assert person.modes == person.modes_before
        assert "error" not in "".join(person.screen.lines)
    await bob.expect("*** Ann left (1 here)")


async def test_ctrl_c_clears_a_line_first(programs: Programs) -> None:
    ann = await join(programs, await start_room(programs))
    await ann.type("half")
    await ann.expect_screen(WELCOME, "> half")
    await ann.type(CTRL_C)
    await ann.expect_screen(WELCOME, ">")
    await ann.type("/who\r")
    await ann.expect_screen(WELCOME, "> /who", "*** 1 here: Ann", ">")
    await ann.type(CTRL_C)
    await ann.expect_end(-signal.SIGINT)
    assert ann.modes == ann.modes_before


async def test_a_client_that_waits_for_the_calculator_says_so_and_loses_no_input(
    programs: Programs,
) -> None:
    _, address = await start_calculator(programs, "--quiet")
    first = await programs.connect(address, "first", "1 + 1")
    await first.expect("2")
    ann = await calculate(programs, address)
    await ann.type("2 + 2\r")
    waiting = ["> 2 + 2", "waiting: the calculator seems to be serving somebody else"]
    await ann.expect_screen(*waiting)
    # The next prompt shows what was typed ahead once, and Ctrl-C discards it.
    await ann.type("lost")
    await ann.type(CTRL_C)
    await ann.type("3 + 3\rhal")
    pipe = await programs.start("calc", "connect", "--name", "pipe", address)
    await pipe.type("4 + 4\n")
    await pipe.expect_error(waiting[1])
    await first.send("q")
    shown = [*waiting, "it is your turn", "4", "> 3 + 3", "6"]
    await ann.expect_screen(*shown, "> hal")
    await ann.type("\x15q\r")
    await ann.expect_end(0)
    await pipe.expect_error("it is your turn")
    await pipe.expect("8")
    await pipe.end_input()
    await pipe.expect("Session ended")
    await pipe.expect_end(0)


async def test_ctrl_c_ends_a_client_that_waits_for_the_calculator(programs: Programs) -> None:
    _, address = await start_calculator(programs, "--quiet")
    first = await programs.connect(address, "first", "1 + 1")
    await first.expect("2")
    ann = await calculate(programs, address)
    await ann.type("2 + 2\r")
    await ann.expect_that(lambda screen: "waiting: " in screen[-1], "that it waits")
    await ann.type(CTRL_C)
    await ann.expect_end(-signal.SIGINT)
    assert ann.modes == ann.modes_before


async def test_ctrl_z_suspends_and_the_prompt_comes_back(programs: Programs) -> None:
    address = await start_room(programs)
    ann = await programs.start_on_terminal(
        "chat", "join", "--linear", "--name", "Ann", address, interpreter=("-c", SHELL)
    )
    await ann.expect_screen(WELCOME, ">")
    shown = [WELCOME]
    for _ in range(2):
        await ann.type("half")
        await ann.expect_screen(*shown, "> half")
        await ann.type("\x1a")
        shown.append("stopped")
        await ann.expect_screen(*shown)
        # The terminal echoes this.
        await ann.type("fg\n")
        shown.append("fg")
        await ann.expect_screen(*shown, "> half")
        await ann.type(CTRL_C)
        await ann.expect_screen(*shown, ">")
    await ann.type("q\r")
    await ann.expect_end(0)
    assert ann.modes == ann.modes_before


async def test_a_program_in_the_background_leaves_the_terminal_alone(programs: Programs) -> None:
    address = await start_room(programs)
    ann = await programs.start_on_terminal(
        "chat", "join", "--linear", "--name", "Ann", address, interpreter=("-c", SHELL)
    )
    await ann.expect_screen(WELCOME, ">")
    await ann.type("half\x1a")
    await ann.expect_screen(WELCOME, "stopped")
    await ann.type("bg\n")
    await ann.expect_screen(WELCOME, "stopped", "bg", "stopped")
    await ann.type("fg\n")
    await ann.expect_screen(WELCOME, "stopped", "bg", "stopped", "fg", "> half")
    await ann.type(CTRL_C + "q\r")
    await ann.expect_end(0)
    assert ann.modes == ann.modes_before


# Simulates a machine so busy that the prompt thread does not run for longer than a terminal may
# stand still.
_BUSY = """
import time
from trionet.cli.prompt_thread import PromptThread
def delayed(leave):
    def wait_and_leave(*arguments):
        time.sleep(1.5)
        leave(*arguments)
    return wait_and_leave
PromptThread._leave_screen = delayed(PromptThread._leave_screen)
PromptThread._end = delayed(PromptThread._end)
"""


async def test_the_prompt_is_removed_before_the_program_is_suspended_even_on_a_busy_machine(
    programs: Programs,
) -> None:
    address = await start_room(programs)
    ann = await programs.start_on_terminal(
        "chat", "join", "--linear", "--name", "Ann", address, interpreter=("-c", _BUSY + SHELL)
    )
    await ann.expect_screen(WELCOME, ">")
    await ann.type("half")
    await ann.expect_screen(WELCOME, "> half")
    await ann.type("\x1a")
    await ann.expect_screen(WELCOME, "stopped")
    await ann.type("fg\n")
    await ann.expect_screen(WELCOME, "stopped", "fg", "> half")
    await ann.type(CTRL_C + "q\r")
    await ann.expect_end(0)
    assert ann.modes == ann.modes_before


async def test_ctrl_z_without_a_shell_changes_nothing(programs: Programs) -> None:
    # The program leads its session. No shell could resume it, so the kernel does not stop it.
    ann = await join(programs, await start_room(programs))
    await ann.type("half")
    await ann.expect_screen(WELCOME, "> half")
    ann.signal(signal.SIGTSTP)
    ann.signal(signal.SIGCONT)
    await ann.type(" more")
    await ann.expect_screen(WELCOME, "> half more")
    await ann.type(CTRL_C + "q\r")
    await ann.expect_end(0)


async def test_ctrl_s_and_ctrl_r_open_no_search(programs: Programs) -> None:
    ann = await join(programs, await start_room(programs))
    await ann.type("ab\x13\x12cd")
    await ann.expect_screen(WELCOME, "> abcd")


async def test_after_the_terminal_becomes_narrower_there_is_one_prompt(programs: Programs) -> None:
    ann = await join(programs, await start_room(programs))
    await ann.type("x" * 60)
    await ann.expect_screen(WELCOME, "> " + "x" * 60)
    # The test's terminal does not break rows.
    ann.resize(40)
    await ann.expect_screen(WELCOME, "> " + "x" * 38, "x" * 22)
    ann.resize(80)
    await ann.expect_screen(WELCOME, "> " + "x" * 60)


async def test_after_a_resize_the_prompt_is_drawn_once(programs: Programs) -> None:
    # A second drawing, for no line to print, could meet the next resize.
    address = await start_room(programs)
    ann = await join(programs, address)
    bob = await programs.connect(address, "Bob")
    shown = [WELCOME, "*** Bob joined (2 here)"]
    await ann.type("x" * 60)
    await ann.expect_screen(*shown, "> " + "x" * 60)
    screen = cast("Screen", ann.screen)
    before = screen.erased
    ann.resize(40)
    await ann.expect_screen(*shown, "> " + "x" * 38, "x" * 22)
    await bob.send("hi")
    await ann.expect_screen(*shown, "Bob: hi", "> " + "x" * 38, "x" * 22)
    # One drawing erases twice: what stood there, and what stands below it.
    assert screen.erased <= before + 4


async def test_what_is_typed_while_the_terminal_changes_its_width_is_drawn_in_place(
    programs: Programs,
) -> None:
    address = await start_room(programs)
    ann = await join(programs, address)
    bob = await programs.connect(address, "Bob")
    shown = [WELCOME, "*** Bob joined (2 here)"]
    await ann.expect_screen(*shown, ">")
    await ann.type("x" * 70)
    await ann.expect_screen(*shown, "> " + "x" * 70)
    ann.answers = False
    ann.resize(40, breaks_rows=True)
    await ann.expect_question()
    await ann.type("yz")
    ann.answer()
    await ann.expect_screen(*shown, "> " + "x" * 38, "x" * 32 + "yz")
    # An Enter waits as well, and so does what is typed after it.
    ann.resize(30, breaks_rows=True)
    await ann.expect_question()
    await ann.type("\r")
    await ann.type("more")
    ann.answer()
    await bob.expect("*** welcome, Bob (2 here: Ann, Bob)", "Ann: " + "x" * 70 + "yz")
    await ann.expect_screen(*shown, "> " + "x" * 28, "x" * 30, "x" * 12 + "yz", "> more")


async def test_a_width_that_changes_while_the_terminal_is_asked_is_asked_about_again(
    programs: Programs,
) -> None:
    ann = await join(programs, await start_room(programs))
    await ann.type("x" * 70)
    await ann.expect_screen(WELCOME, "> " + "x" * 70)
    ann.answers = False
    ann.resize(60, breaks_rows=True)
    await ann.expect_question()
    ann.resize(33, breaks_rows=True)
    ann.answer()
    ann.answers = True
    await ann.type("y")
    await ann.expect_screen(WELCOME, "> " + "x" * 31, "x" * 33, "x" * 6 + "y")


async def test_a_terminal_that_stands_still_does_not_keep_the_client_from_ending(
    programs: Programs,
) -> None:
    address = await start_room(programs)
    bob = await programs.connect(address, "Bob")
    await bob.expect("*** welcome, Bob (1 here: Bob)")
    ours, theirs = os.openpty()
    try:
        modes = termios.tcgetattr(theirs)
        command = ("chat", "join", "--linear", "--name", "Ann", address)
        ann = await programs.start(*command, stdin=theirs, stdout=theirs, stderr=theirs)
        await bob.expect("*** Ann joined (2 here)")
        # A terminal holds a few KiB, and nobody reads them.
        for _ in range(100):
            await bob.send("x" * 4000)
        ann.signal(signal.SIGINT)
        await ann.expect_end(-signal.SIGINT)
        assert termios.tcgetattr(theirs) == modes
        await bob.expect("*** Ann left (1 here)")
    finally:
        os.close(ours)
        os.close(theirs)


async def test_a_lost_server_ends_the_prompt_and_restores_the_terminal(
    programs: Programs,
) -> None:
    calc = await programs.start("calc", "serve", "127.0.0.1:0", "--quiet")
    chat = await programs.start("chat", "serve", "127.0.0.1:0", "--quiet")
    calc_address, chat_address = await calc.address(), await chat.address()
    ann = await programs.start_on_terminal("calc", "connect", "--name", "ann", calc_address)
    bob = await programs.start_on_terminal(
        "chat", "join", "--linear", "--name", "Bob", chat_address
    )
    welcome = "*** welcome, Bob (1 here: Bob)"
    for person, shown in ((ann, []), (bob, [welcome])):
        await person.expect_screen(*shown, ">")
        await person.type("half")
        await person.expect_screen(*shown, "> half")
    chat.signal(signal.SIGTERM)
    calc.process.kill()
    error = "error: the server closed the connection"
    await ann.expect_screen("> half", error)
    # The chat's client waits for its server, and keeps the line that is being typed.
    lost = "*** the connection is lost, reconnecting in 1 s"
    await bob.expect_screen(welcome, "*** server is closing", lost, "> half")
    await bob.type(CTRL_C + "q\r")
    await ann.expect_end(1)
    await bob.expect_end(0)
    for person in (ann, bob):
        assert person.modes == person.modes_before


async def test_a_sigint_from_elsewhere_ends_the_prompt_too(programs: Programs) -> None:
    ann = await join(programs, await start_room(programs))
    ann.signal(signal.SIGINT)
    await ann.expect_end(-signal.SIGINT)
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
    await ann.expect_screen("name:")
    assert ann.modes == ann.modes_before
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
    await ann.expect_end(-signal.SIGINT if options else 0)
    await bob.expect("*** Ann left (1 here)")


async def test_a_q_instead_of_a_name_leaves(programs: Programs) -> None:
    room = await start_room(programs)
    server = await programs.start("calc", "serve", "127.0.0.1:0")
    for command in (
        ("chat", "join", "--linear", room),
        ("calc", "connect", await server.address()),
    ):
        person = await programs.start_on_terminal(*command)
        await person.expect_screen("name:")
        await person.type("quit\r")
        await person.expect_screen("name: quit", "leave? (q)", "name:")
        await person.type("q\r")
        await person.expect_end(0)


async def test_a_client_still_without_a_name_keeps_nobody_waiting(programs: Programs) -> None:
    server = await programs.start("calc", "serve", "127.0.0.1:0")
    address = await server.address()
    thinking = await programs.start_on_terminal("calc", "connect", address)
    await thinking.expect_screen("name:")
    other = await programs.start_on_terminal("calc", "connect", "--name", "Bob", address)
    await other.expect_screen(">")
    await other.type("1+1\r")
    await other.expect_screen("> 1+1", "2", ">")
