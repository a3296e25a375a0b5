"""A hint suggests what was meant, and what it suggests can be parsed."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trionet import safe_text
from trionet.calc import Arithmetic, CalculationError, MalformedExpression, parse

SPACES = " \xa0\u2009\u202f"


def hint_for(line: str) -> str | None:
    """Return the text in parentheses at the end of the error; `None` if the line can be parsed."""
    try:
        parse(line)
    except MalformedExpression as error:
        match = re.fullmatch(r"[^(]*(?:\(? ?at column \d+)(?: \((?P<hint>.*)\))?", str(error))
        return (match["hint"] or "") if match else ""
    return None


def written(line: str) -> list[str]:
    """Return what the hint says to write."""
    hint = hint_for(line) or ""
    return hint.removeprefix("write ").split(" or ") if hint.startswith("write ") else []


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        # As people write numbers in different countries and programs.
        ("1,234.56", "write 1234.56"),
        ("1.234,5", "write 1234.5"),
        ("1.234,56", "write 1234.56"),
        ("1.234,567", "write 1234.567"),
        ("1,234.567", "write 1234.567"),
        ("1.234.567,89", "write 1234567.89"),
        ("1.234.567", "write 1234567"),
        ("12,345,678", "write 12345678"),
        ("12,345,678.90", "write 12345678.90"),
        ("12,34,567", "write 1234567"),
        ("1,23,45,678.5", "write 12345678.5"),
        ("1 234,56", "write 1234.56"),
        ("1 234.56", "write 1234.56"),
        ("12 345 678", "write 12345678"),
        ("1\u202f234", "write 1234"),
        ("1\xa0234,5", "write 1234.5"),
        ("1'234.5", "write 1234.5"),
        ("1’234’567,5", "write 1234567.5"),
        ("1_000", "write 1000"),
        ("1_000_000.25", "write 1000000.25"),
        ("0,5", "write 0.5"),
        ("1,5", "write 1.5"),
        ("1234,567", "write 1234.567"),
        ("0,234", "write 0.234"),
        ("1,5e3", "write 1.5e3"),
        ("1,234.5E−7", "write 1234.5E−7"),
        # Inside a longer line.
        ("2 * 1,5 + 3", "write 1.5"),
        ("(1.234,5)", "write 1234.5"),
        ("2 + 1 234,5 * 2", "write 1234.5"),
        ("max(1'234.5, 2)", "write 1234.5"),
        ("max(5, 1_000)", "write 1000"),
        # It depends on the country.
        ("1,234", "write 1234 or 1.234"),
        ("999,000", "write 999000 or 999.000"),
        ("1,234e5", "write 1234e5 or 1.234e5"),
        # Nobody can know what was meant.
        ("1,2,3", "numbers have no commas"),
        ("1,234,5", "numbers have no commas"),
        ("1,2.3", "numbers have no commas"),
        ("0.123,456", "numbers have no commas"),
        ("1,5 2", "numbers have no commas"),
        ("1,5x", "numbers have no commas"),
        ("1 234", ""),
        ("1 2", ""),
        ("1.5 000", ""),
        ("1.234 567", ""),
        ("max(1 234,5)", ""),
        ("max(1 234 567,8)", ""),
        ("max(5,1 234 567)", ""),
        # The number goes on beyond what separates it: only a part of it could be suggested.
        ("1\t234,5", ""),
        ("1\t1'234", ""),
        ("1\t 234,5", ""),
        ("1,234\t567.8", "numbers have no commas"),
        ("1,234\u2007567.8", "numbers have no commas"),
        ("1,234\u066c567", "numbers have no commas"),
        ("1,234\u00b4567", "numbers have no commas"),
        ("1,5 \u200b000", "numbers have no commas"),
        ("1,5e3,2", "numbers have no commas"),
        ("1,5e3\t2", "numbers have no commas"),
        ("max(1_000e3,2)", "write 1000e3"),
        ("2×1,5", "write 1.5"),
        ("2⋅1,5•3", "write 1.5"),
        ("1,5—2", "write 1.5"),
        ("1.2.3", "a number has one point"),
        ("1, 234", "a comma only separates the arguments of a function"),
        ("5,", "a comma only separates the arguments of a function"),
        ("1," + "234," * 20 + "567", "numbers have no commas"),
        ("5e-1,5", "numbers have no commas"),
        ("2e+3,25", "numbers have no commas"),
        ("2*e-1,5", "write 1.5"),
        # An operator is left out.
        ("1/2pi", "write 2*pi or (2*pi)"),
        ("6 // -2(1+2)", "write 2*(1+2) or (2*(1+2))"),
        ("2^3(4)", "write 3*(4) or (3*(4))"),
        ("1*2pi", "write 2*pi"),
        ("2(3)", "write 2*(3)"),
        ("2(3, 4)", "write 2*(…)"),
        ("pi()", "write pi"),
        ("1 + ans(  )", "write ans"),
        ("pi(2)", "write pi*(2)"),
        ("2()", "write 2*(…)"),
        ("2(3 4)", "write 2*(…)"),
        ("2(3\x1b)", "write 2*(…)"),
        ("2π", "write 2*pi"),
        ("2sqrt(4)", "write 2*sqrt(…)"),
        # Signs that look like signs of the grammar.
        ("7 ∗ 2", "write * for ∗"),
        ("7 ∕ 2", "write / for ∕"),
        ("7 — 2", "write - for —"),
        ("—7 + 2", "write - for —"),
        ("（7 + 2)", "write ( for （"),
        ("7²", "write ^2 for ²"),
        ("√2", "write sqrt(…) for √"),
        # Characters that cannot be seen.
        ("12\u200b + 3", "U+200B is not one"),
        ("12\u3000+ 3", "U+3000 is not one"),
        ("12 \ufeff+ 3", "U+FEFF is not one"),
        ("1\u0301", "U+0301 is not one"),
        ("2\u2800", "U+2800 is not one"),
        ("a\u3164 + 1", "U+3164 cannot be seen"),
    ],
)
def test_a_hint_suggests_what_was_meant_or_nothing(line: str, hint: str) -> None:
    assert hint_for(line) == hint


@pytest.mark.parametrize("character", ["\x1b", "\u200b", "\ufeff", "\u2003", "\u0301", "\xad"])
def test_an_invisible_character_in_place_of_a_number_is_named(character: str) -> None:
    with pytest.raises(MalformedExpression) as caught:
        parse(f"1 + {character}2")
    assert str(caught.value) == f"unexpected U+{ord(character):04X} at column 5"


@st.composite
def foreign_numbers(draw: st.DrawFn) -> tuple[str, Decimal]:
    """Draw a number as somebody writes it, and what they mean."""
    digits = str(draw(st.integers(0, 10**9)))
    decimals = draw(st.one_of(st.just(""), st.text("0123456789", min_size=1, max_size=4)))
    separator = draw(st.sampled_from([",", ".", "'", "’", "_", *SPACES]))
    point = draw(st.sampled_from([mark for mark in (",", ".") if mark != separator]))
    if separator == "_":
        point = "."
    first = len(digits) % 3 or 3
    groups = [digits[:first], *(digits[at : at + 3] for at in range(first, len(digits), 3))]
    text = separator.join(groups) + (f"{point}{decimals}" if decimals else "")
    exponent = draw(st.sampled_from(["", "", "e3", "E-2"]))
    return text + exponent, Decimal(f"{digits}.{decimals or 0}{exponent}")


@settings(deadline=None, max_examples=400)
@given(number=foreign_numbers(), around=st.sampled_from(["{}", "2 * {}", "({})", "{} + 1", "-{}"]))
@example(("1.234,5", Decimal("1234.5")), "{}")
@example(("1,234.56", Decimal("1234.56")), "{}")
def test_a_number_in_a_hint_is_the_one_that_was_meant(
    number: tuple[str, Decimal], around: str
) -> None:
    text, meant = number
    numbers = [Decimal(word.replace("−", "-")) for word in written(around.format(text))]
    assert not numbers or meant in numbers
    # There are two suggestions only if a comma can be either and follows one to three digits.
    assert len(numbers) < 2 or re.fullmatch(r"[1-9]\d{0,2},\d{3}(?:[eE]-?\d+)?", text)


@settings(deadline=None, max_examples=400)
@given(
    line=st.one_of(
        st.text("12305.,'’_  e()*-π\xa0\u202fx", max_size=14),
        st.lists(
            st.sampled_from(
                [
                    "1",
                    "234",
                    ",",
                    ".",
                    "(",
                    ")",
                    " ",
                    "2",
                    "max(",
                    "sqrt(",
                    "pi",
                    "'",
                    "_",
                    "Pi",
                    "*",
                ]
            ),
            max_size=9,
        ).map("".join),
    )
)
def test_whatever_a_hint_suggests_can_be_parsed(line: str) -> None:
    for word in written(line):
        if "…" in word or " for " in word:
            # It contains a placeholder, or is only a sign.
            continue
        if word.isalpha() and word in ("sqrt", "abs", "round", "min", "max"):
            # For a name in capitals: its arguments are already there.
            word = f"{word}(1)"
        try:
            Arithmetic().evaluate(parse(word), Decimal(2))
        except MalformedExpression as error:
            raise AssertionError(f"{line!r}: {word!r} cannot be read: {error}") from None
        except CalculationError:
            # It can be parsed, but has no result.
            pass


@settings(deadline=None, max_examples=300)
@given(line=st.text(st.characters(), max_size=20))
@example("\u3164")
@example("1\u2003")
@example("x\u2800")
def test_no_error_contains_an_invisible_character(line: str) -> None:
    try:
        parse(line)
    except MalformedExpression as error:
        message = str(error)
        assert safe_text(message) == message
        spaces = {c for c in message if unicodedata.category(c)[0] in "ZC"}
        assert spaces <= {" "}
