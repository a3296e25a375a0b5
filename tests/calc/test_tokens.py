"""Splitting a line into tokens."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.calc.tokens import BLANK, Kind, tokens

# What a token can begin with, and what may come between tokens.
ANYTHING = st.text("0129..eE+-−–*/×⋅·•÷%^(),= \t\t  axπ_٤＋\xa0\u2009\u202f\r\n#", max_size=30)


def words(text: str) -> list[str]:
    return [token.text for token in tokens(text)]


def test_a_line_is_split_into_tokens_with_their_places() -> None:
    found = [(token.kind, token.text, token.column) for token in tokens(" max(1.5e3,\tans)**2 = ")]
    assert found == [
        (Kind.NAME, "max", 2),
        (Kind.SYMBOL, "(", 5),
        (Kind.NUMBER, "1.5e3", 6),
        (Kind.SYMBOL, ",", 11),
        (Kind.NAME, "ans", 13),
        (Kind.SYMBOL, ")", 16),
        (Kind.SYMBOL, "^", 17),
        (Kind.NUMBER, "2", 19),
        (Kind.SYMBOL, "=", 21),
        (Kind.END, "", 22),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1−2×3÷4", ["1", "-", "2", "*", "3", "/", "4", ""]),
        ("7//2/ /2", ["7", "//", "2", "/", "/", "2", ""]),
        ("2**3* *4", ["2", "^", "3", "*", "*", "4", ""]),
        ("1e5e5", ["1e5", "e5", ""]),
        ("1e+", ["1", "e", "+", ""]),
        ("1e -3", ["1", "e", "-", "3", ""]),
        ("1e−3", ["1e−3", ""]),
        ("1e–3–2", ["1e–3", "-", "2", ""]),
        ("1⋅2·3•4", ["1", "*", "2", "*", "3", "*", "4", ""]),
        ("\xa01\u2009+\u202f2\xa0", ["1", "+", "2", ""]),
        ("1\u20093", ["1", "3", ""]),
        ("2π πr", ["2", "pi", "πr", ""]),
        ("12..3", ["12.", ".3", ""]),
        ("1.2.3", ["1.2", ".3", ""]),
        ("0x10", ["0", "x10", ""]),
        ("1_000", ["1", "_000", ""]),
        ("٤1", ["٤", "1", ""]),
        ("", [""]),
        (" \t", [""]),
    ],
)
def test_the_longest_possible_token_is_taken(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@settings(deadline=None, max_examples=300)
@given(text=st.one_of(ANYTHING, st.text(max_size=30)))
def test_the_tokens_are_the_line_without_its_blanks_in_order(text: str) -> None:
    found = list(tokens(text))
    place = 0
    for token in found:
        assert not text[place : token.start].strip(BLANK)
        assert token.end == token.start + len(text[token.start : token.end])
        assert (token.end > token.start) == (token.kind is not Kind.END)
        place = token.end
    assert not text[place:].strip(BLANK)
    assert [token.kind for token in found].count(Kind.END) == 1
    assert found[-1].kind is Kind.END


@settings(deadline=None, max_examples=300)
@given(text=st.text("0129..eE+-−– _a٤", max_size=12))
def test_a_token_is_a_number_only_if_python_reads_it_as_one_too(text: str) -> None:
    for token in tokens(text):
        if token.kind is Kind.NUMBER:
            assert token.text.isascii() or "−" in token.text or "–" in token.text
            assert "_" not in token.text
            float(token.text.replace("−", "-").replace("–", "-"))
