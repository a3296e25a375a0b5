"""Several lines that arrive at once are a paste."""

from __future__ import annotations

import os
import select
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.keys import Keys

from trionet.cli import keyboard
from trionet.cli.keyboard import ENTER_WITHIN_PASTE, Keyboard, merge_pastes

ENTER, UP, PASTE = Keys.ControlM, Keys.Up, Keys.BracketedPaste


def parse(text: str) -> list[KeyPress]:
    keys: list[KeyPress] = []
    Vt100Parser(keys.append).feed_and_flush(text)
    return keys


def told(keys: list[KeyPress]) -> list[str | Keys]:
    """Return keys, and for a paste its text."""
    return [key.data if key.key == PASTE else key.key for key in keys]


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("", []),
        ("ab", ["a", "b"]),
        ("q\r", ["q", ENTER]),
        ("q\n", ["q", ENTER]),
        ("q\r\n", ["q", ENTER]),
        ("\r", [ENTER]),
        # A line end with text behind it, and two line ends.
        ("a\rb", ["a", ENTER_WITHIN_PASTE, "b"]),
        ("one\rq\r", ["one\rq", ENTER]),
        ("one\nq\ntw", ["one\nq", ENTER_WITHIN_PASTE, "t", "w"]),
        ("one\r\nq\r\n", ["one\r\nq", ENTER]),
        ("\rq\r", ["\rq", ENTER]),
        ("a\tb\rc\r", ["a\tb\rc", ENTER]),
        # A key that no paste contains divides the text around it.
        ("one\r\x1b[Atwo\r", ["o", "n", "e", ENTER, UP, "t", "w", "o", ENTER]),
        ("one\r\x03\r", ["o", "n", "e", ENTER, Keys.ControlC, ENTER]),
        ("\x1bb\r", [Keys.Escape, "b", ENTER]),
        # A marked paste is left alone.
        ("\x1b[200~one\rq\x1b[201~\r", ["one\rq", ENTER]),
    ],
)
def test_lines_that_come_at_once_become_one_paste(typed: str, keys: list[str]) -> None:
    assert told(merge_pastes(parse(typed))) == keys


@given(st.text(st.sampled_from("aq/\t \r\n"), max_size=20))
def test_no_character_is_lost_or_added(typed: str) -> None:
    data = "".join(key.data for key in merge_pastes(parse(typed)))
    assert data.replace("\r\n", "\r").replace("\n", "\r") == typed.replace("\r\n", "\r").replace(
        "\n", "\r"
    )


class Terminal:
    """A terminal in raw mode, on which a test can type."""

    def __init__(self) -> None:
        self.ours, theirs = os.openpty()
        tty.setraw(theirs, termios.TCSANOW)
        self.stream = os.fdopen(theirs, encoding="utf-8")
        self.keyboard = Keyboard(self.stream)

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.stream.close()
    with suppress(OSError):
        os.close(terminal.ours)


def test_one_line_is_read_without_waiting_for_another(terminal: Terminal) -> None:
    terminal.type("q\r")
    assert told(terminal.keyboard.read_keys()) == ["q", ENTER]
    # Nothing to read does not mean that the terminal has hung up.
    assert terminal.keyboard.read_keys() == []
    assert not terminal.keyboard.closed


def test_a_paste_is_read_to_its_end_in_whatever_pieces_it_comes(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The thread that writes may wait for its turn on a busy machine.
    monkeypatch.setattr(keyboard, "_QUIET_SECONDS", 1)
    lines = "".join(f"line {number}\r" for number in range(5000))
    writer = threading.Thread(target=terminal.type, args=[lines + "q\r"], daemon=True)
    writer.start()
    select.select([terminal.stream], [], [])
    assert told(terminal.keyboard.read_keys()) == [lines + "q", ENTER]
    writer.join()


def test_a_terminal_that_has_hung_up_counts_as_closed(terminal: Terminal) -> None:
    os.close(terminal.ours)
    assert terminal.keyboard.read_keys() == []
    assert terminal.keyboard.closed
