"""What is written to make a terminal show rows."""

from __future__ import annotations

from emulator import Emulator
from trionet.chat.window.composition import ScreenRow
from trionet.chat.window.styled import CURSOR
from trionet.cli.window.painting import Painter
from trionet.cli.window.styles import styles_for

ROWS = [
    ScreenRow([("name1", "名前"), ("text", ": hello")], [("notice", "│"), ("own", "Ann")], 20),
    ScreenRow([("status", " lobby")]),
    ScreenRow([("prompt", "> "), ("text", "日"), (CURSOR, ""), ("text", "x")]),
]


def painter() -> Painter:
    return Painter(styles_for({"TERM": "xterm"}))


def test_rows_the_list_and_the_cursor_are_where_they_belong() -> None:
    emulator = Emulator(30, 3)
    emulator.feed(painter().paint(ROWS, 30))
    assert emulator.rows() == ["名前: hello         │Ann", " lobby", "> 日x"]
    assert emulator.cursor == (4, 2)


def test_what_is_shown_already_is_not_written() -> None:
    one = painter()
    one.paint(ROWS, 30)
    assert one.paint(list(ROWS), 30) == ""
    changed = [*ROWS[:1], ScreenRow([("status", " builds")]), ROWS[2]]
    text = one.paint(changed, 30)
    assert "builds" in text
    assert "hello" not in text


def test_all_is_written_anew_after_another_size_or_another_program() -> None:
    one = painter()
    one.paint(ROWS, 30)
    assert "hello" in one.paint(ROWS, 31)
    one.forget()
    assert "hello" in one.paint(ROWS, 31)


def test_no_color_means_no_colours() -> None:
    for environment in ({"TERM": "xterm-256color", "NO_COLOR": "1"}, {"TERM": "vt100"}):
        looks = "".join(styles_for(environment).values())
        assert "3" not in looks.replace("0;3m", "")
    assert "38;5;" in styles_for({"TERM": "xterm-256color"})["name0"]
    assert styles_for({"TERM": "xterm"})["name0"] == "\x1b[0;1;31m"
