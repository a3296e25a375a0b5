"""Rows of a terminal: only the first begins at the left edge."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wcwidth import wcswidth

from trionet.cli.wrapping import character_width, indent_width, wrap
from trionet.text.safe import safe_text

LINES = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=300),
    # The kinds of text that matter: words, spaces, wide characters, marks, joiners, emoji.
    st.text(st.sampled_from("a *:\u0301漢ｗ\u200d👩❤\ufe0fה🇩"), max_size=300),
).map(safe_text)


@given(LINES, st.integers(3, 120))
@example(" " * 200, 3)
@example("👩\u200d" * 50, 10)
@example("a" + "\u0301" * 8, 3)
def test_only_the_first_row_begins_with_the_text(line: str, columns: int) -> None:
    rows = wrap(line, columns)
    indent = " " * indent_width(columns)
    assert indent
    assert all(row.startswith(indent) for row in rows[1:])
    # Without the breaks and indents the rows are the line.
    assert rows[0] + "".join(row.removeprefix(indent) for row in rows[1:]) == line
    for row in rows:
        # For terminals that know joined emoji, and for those that do not.
        assert wcswidth(row) <= columns
        assert sum(map(character_width, row)) <= columns
    # Each break was needed, and each row has a part of the line.
    assert all(len(row) > len(indent) for row in rows[1:])
    if sum(map(character_width, line)) <= columns:
        assert rows == [line]


@pytest.mark.parametrize("padding", range(60, 100))
def test_a_padded_message_puts_nothing_at_the_left_edge(padding: int) -> None:
    rows = wrap(f"Mallory: {' ' * padding}*** server is closing", 80)
    assert not any(row.startswith("*** ") for row in rows)


def test_a_row_ends_after_a_space_if_that_leaves_it_half_full() -> None:
    assert wrap("Ann: the quick brown fox jumps", 16) == [
        "Ann: the quick ",
        "    brown fox ",
        "    jumps",
    ]
    assert wrap("Ann: " + "x" * 20, 16) == ["Ann: " + "x" * 11, "    " + "x" * 9]
    assert wrap("x" * 16, 16) == ["x" * 16]


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [
        ("漢字漢字漢", 5, ["漢字", " 漢字", " 漢"]),
        # A mark stays with its letter, and the parts of an emoji stay together.
        ("abce\u0301f", 4, ["abce\u0301", " f"]),
        ("ab👩\u200d🚀", 5, ["ab", " 👩\u200d🚀"]),
        ("", 80, [""]),
        ("abc", 1, ["abc"]),
        ("abcd", 1, ["abc", " d"]),
    ],
)
def test_each_row_ends_in_the_right_place(text: str, columns: int, rows: list[str]) -> None:
    assert wrap(text, columns) == rows


@pytest.mark.parametrize(
    ("character", "width"),
    [
        *(("a", 1), ("é", 1), ("я", 1), ("漢", 2), ("Ａ", 2), ("👩", 2), ("🇩", 2), ("🖐", 2)),
        *(("\u0301", 0), ("\u20dd", 0), ("\u200d", 0), ("\u200c", 0), ("\U000e0067", 0)),
        # It can make the character before it wide.
        ("\ufe0f", 1),
        # A spacing mark, half a syllable, a mark that old terminals do not know, a number sign.
        *(("\u0903", 1), ("\u1161", 1), ("\u1ac1", 1), ("\u0600", 1), ("\ufffd", 1)),
    ],
)
def test_a_character_counts_as_wide_as_the_widest_terminal_draws_it(
    character: str, width: int
) -> None:
    assert character_width(character) == width
