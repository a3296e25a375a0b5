"""Which rows and columns the line being typed fills, on terminals of any width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.layout.containers import Window
from prompt_toolkit.layout.controls import BufferControl
from prompt_toolkit.layout.mouse_handlers import MouseHandlers
from prompt_toolkit.layout.screen import Screen, WritePosition

from trionet.cli.input_rows import count_rows_as_drawn, parts_of_emoji

ZWJ, ZWNJ, VS16 = "\u200d", "\u200c", "\ufe0f"
FAMILY = "👨\u200d👩\u200d👧"

TYPED = st.lists(
    st.sampled_from(["a", " ", "漢", "é", "e\u0301", "\x01", "😀", FAMILY]), max_size=80
)


def window(text: str, cursor: int = 0) -> Window:
    """A prompt and a line of input, as prompt_toolkit lays them out."""
    buffer = Buffer(document=Document(text, cursor))
    # Loading needs an event loop.
    buffer.load_history_if_not_yet_loaded = lambda: None  # type: ignore[method-assign]
    control = BufferControl(buffer)
    count_rows_as_drawn(control)
    return Window(control, wrap_lines=True, get_line_prefix=lambda _, row: "" if row else "名: ")


def draw(line: Window, columns: int, rows: int) -> None:
    position = WritePosition(xpos=0, ypos=0, width=columns, height=rows)
    line.write_to_screen(Screen(), MouseHandlers(), position, "", erase_bg=False, z_index=None)


def rows_given(line: Window, columns: int) -> int:
    return line.preferred_height(columns, 10_000).preferred


def rows_filled(line: Window, columns: int) -> int:
    draw(line, columns, 400)
    assert line.render_info is not None
    return 1 + max(line.render_info.visible_line_to_row_col)


@pytest.mark.parametrize("columns", range(38, 44))
@pytest.mark.parametrize(
    "typed", ["漢" * 59, "漢" * 60, "ab漢" * 20, FAMILY * 12, "\x01" * 60, "a" * 76]
)
def test_a_line_is_given_the_rows_that_it_fills(typed: str, columns: int) -> None:
    line = window(typed)
    assert rows_given(line, columns) == rows_filled(line, columns)


@given(typed=TYPED, columns=st.integers(5, 50))
def test_every_line_is_given_the_rows_that_it_fills(typed: list[str], columns: int) -> None:
    line = window("".join(typed))
    assert rows_given(line, columns) == rows_filled(line, columns)


@given(typed=TYPED, columns=st.integers(5, 50), rows=st.integers(1, 4), data=st.data())
def test_the_cursor_is_in_sight_where_the_line_is_higher_than_the_terminal(
    typed: list[str], columns: int, rows: int, data: st.DataObject
) -> None:
    text = "".join(typed)
    # prompt_toolkit has no place for a cursor on a mark behind the last column.
    cursor = len("".join(typed[: data.draw(st.integers(0, len(typed)))]))
    line = window(text, cursor)
    draw(line, columns, rows)
    assert line.render_info is not None
    assert (0, cursor) in line.render_info._rowcol_to_yx


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        # A family, a pilot with a skin tone, a rainbow flag, a heart on fire, an eye.
        (f"👨{ZWJ}👩{ZWJ}👧", f"👨{ZWNJ}👩{ZWNJ}👧"),
        (f"👩🏽{ZWJ}✈{VS16}", f"👩🟫{ZWNJ}✈{ZWNJ}"),
        (f"🏳{VS16}{ZWJ}🌈", f"🏳{ZWNJ}{ZWNJ}🌈"),
        (f"❤{VS16}{ZWJ}🔥", f"❤{ZWNJ}{ZWNJ}🔥"),
        (f"👁{VS16}", f"👁{ZWNJ}"),
        # The flag of Germany.
        ("🇩🇪", "ＤＥ"),
        # Somebody types a letter into a family.
        (f"👨y{ZWJ}👧", f"👨y{ZWNJ}👧"),
    ],
)
def test_an_emoji_sequence_is_shown_in_parts(typed: str, shown: str) -> None:
    assert parts_of_emoji(typed) == shown


@pytest.mark.parametrize("text", ["ක්\u200dෂ", "می\u200cخواهم", "क्\u200dष", "plain", "漢字", "👍"])
def test_other_text_is_shown_as_it_is(text: str) -> None:
    assert parts_of_emoji(text) == text
