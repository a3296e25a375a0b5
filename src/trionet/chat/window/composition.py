"""The whole screen as rows of styled text.

From the top: the topic, the log with the list of rooms and members beside it, the status line, and
the text that is being typed. A low screen has no topic, a narrow one no list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from trionet.chat.window.entries import plain_text
from trionet.chat.window.keys import key_help
from trionet.chat.window.layout import Layout
from trionet.chat.window.sidebar import sidebar_rows
from trionet.chat.window.state import State
from trionet.chat.window.status import status_row
from trionet.chat.window.styled import CURSOR, Row, cut_row, row_width, wrap
from trionet.chat.window.widths import cut, text_width

_PROMPT = "> "

BARE_HINT = "-- bare view: press any key to go back"


class ScreenRow(NamedTuple):
    """One row of the screen.

    Attributes:
        main: the part that begins at the left edge.
        side: the part that begins further right; may be empty.
        side_at: the column at which it begins, counted from 0.
    """

    main: Sequence[tuple[str, str]]
    side: Sequence[tuple[str, str]] = ()
    side_at: int = 0


def compose(window: State) -> list[ScreenRow]:
    """Return the rows of a window's screen: exactly as many as the screen has."""
    shape = window.layout
    room = window.rooms.shown
    rows: list[ScreenRow] = []
    if shape.topic:
        text = f" {room.name}: {room.topic}" if room.topic else f" {room.name}"
        rows.append(ScreenRow([("topic", _full(text, shape.columns))]))
    body = _help(shape, window.help_page) if window.help_page else room.log.rows()
    side = sidebar_rows(window, shape.log) if shape.log_columns < shape.columns else []
    for at, row in enumerate(body):
        beside = side[at] if side else []
        rows.append(ScreenRow(row, beside, shape.log_columns if side else 0))
    if window.question:
        rows.append(ScreenRow([("question", _full(f" {window.question}", shape.columns))]))
    else:
        row = cut_row(status_row(window), shape.columns)
        rows.append(ScreenRow([*row, ("status", " " * (shape.columns - row_width(row)))]))
    rows += _input(window, shape)
    # Even a single row shows the text that is being typed.
    return rows[len(rows) - shape.height :] if len(rows) > shape.height else rows


def bare_lines(window: State) -> list[str]:
    """Return the visible messages as whole lines, which the terminal itself wraps.

    The terminal then knows where a line ends, so selected text has no line breaks and no list in
    it.
    """
    shape = window.layout
    lines: list[str] = []
    rows = 0
    for entry in window.rooms.shown.log.seen():
        for line in plain_text(entry, window.offset).split("\n"):
            lines.append(line)
            rows += max(1, -(-text_width(line) // shape.columns))
    # One row is for the hint below. If not all fit, the newest stay.
    while len(lines) > 1 and rows > shape.height - 1:
        rows -= max(1, -(-text_width(lines.pop(0)) // shape.columns))
    return [*lines, BARE_HINT[: shape.columns - 1]]


def _full(text: str, columns: int) -> str:
    """Return a text cut or padded to the width of the screen."""
    shown = cut(text, columns)
    return shown + " " * (columns - text_width(shown))


def count_help_pages(shape: Layout) -> int:
    """Return how many pages the keys take."""
    return -(-len(_help_rows(shape)) // max(1, shape.log))


def _help_rows(shape: Layout) -> list[Row]:
    rows: list[Row] = []
    for line in [*key_help(), "/help lists the commands."]:
        rows += wrap([("text", f" {line}")], shape.log_columns, 3)
    return rows


def _help(shape: Layout, page: int) -> list[Row]:
    rows = _help_rows(shape)[(page - 1) * shape.log : page * shape.log]
    return rows + [[]] * (shape.log - len(rows))


def _input(window: State, shape: Layout) -> list[ScreenRow]:
    editor = window.rooms.shown.draft
    rows, row, column = editor.view(max(1, shape.columns - len(_PROMPT)), shape.input)
    rows = rows + [""] * (shape.input - len(rows))
    made = []
    style = "found" if editor.is_returned else "text"
    for at, text in enumerate(rows):
        prompt = _PROMPT if at == 0 else " " * len(_PROMPT)
        spans: Row = [("prompt", prompt), (style, text)]
        if at == row:
            spans = [
                ("prompt", prompt),
                (style, text[:column]),
                (CURSOR, ""),
                (style, text[column:]),
            ]
        made.append(ScreenRow(spans))
    return made
