"""Text with styles, and how wide it is."""

from __future__ import annotations

import pytest

from trionet.chat.window.styled import cut_row, name_style, row_text, row_width, wrap
from trionet.chat.window.widths import cut, graphemes, text_width


def wrapped(text: str, columns: int, indent: int = 2) -> list[str]:
    return [row_text(row) for row in wrap([("text", text)], columns, indent)]


def test_rows_end_at_spaces_and_all_but_the_first_are_indented() -> None:
    assert wrapped("one two three four", 9) == ["one two ", "  three ", "  four"]


def test_a_word_longer_than_a_row_is_broken_between_graphemes() -> None:
    assert wrapped("aé" * 5, 6, 2) == ["aéaéaé", "  aéaé"]
    assert wrapped("日本語日本語", 7, 2) == ["日本語", "  日本", "  語"]


def test_a_line_feed_begins_a_row() -> None:
    assert wrapped("one\n\n  two", 20) == ["one", "  ", "    two"]


def test_a_grapheme_wider_than_a_row_stays_whole() -> None:
    family = "👨‍👩‍👧‍👦"
    assert "".join(row.strip() for row in wrapped(f"a{family}b", 4, 1)) == f"a{family}b"


def test_a_width_is_the_most_that_any_terminal_gives() -> None:
    # A terminal that does not know the sequence draws four people.
    assert text_width("👨‍👩‍👧‍👦") == 8
    assert text_width("日é👍") == 5
    assert graphemes("é👍🏽") == ["é", "👍🏽"]


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [("hello", 5, "hello"), ("hello!", 5, "hell…"), ("日本語", 5, "日本…"), ("日本語", 4, "日…")],
)
def test_a_text_is_cut_to_what_fits(text: str, columns: int, expected: str) -> None:
    assert cut(text, columns) == expected


def test_a_row_is_cut_to_what_fits() -> None:
    row = cut_row([("a", "12345"), ("b", "日本語")], 8)
    assert row == [("a", "12345"), ("b", "日…")]
    assert row_width(row) <= 8


def test_a_name_has_the_same_style_in_every_window() -> None:
    assert [name_style(name) for name in ("Ann", "Bea", "名前")] == ["name3", "name0", "name0"]
