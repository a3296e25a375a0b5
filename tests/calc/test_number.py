"""Numbers as they are read and as they are shown."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.calc import LimitExceeded, format_number
from trionet.calc.number import read_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", "12"),
        ("007", "7"),
        ("5.", "5"),
        (".5", "0.5"),
        ("3.240", "3.24"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("1.5e+3", "1500"),
        ("15e-1", "1.5"),
        ("1e−1", "0.1"),
        (".5e0001", "5"),
        ("1e999999", "1e999999"),
        ("1E-999999", "1e-999999"),
        ("1e−0000999999", "1e-999999"),
        ("0.1e999999", "1e999998"),
        ("0e-999999", "0"),
        ("7" * 4096, "7" * 4096),
    ],
)
def test_a_number_is_what_its_digits_say(text: str, number: str) -> None:
    assert read_number(text) == Decimal(number)


@pytest.mark.parametrize(
    "text",
    [
        "1e1000000",
        "1e-1000000",
        "1e−1000000",
        "1e+0001000000",
        "0e1000000",
        "10e999999",
        "0.1e-999999",
        "1e" + "9" * 4000,
        "1e-" + "9" * 4000,
    ],
)
def test_an_exponent_beyond_all_bounds_is_told_as_such(text: str) -> None:
    with pytest.raises(LimitExceeded, match=r"^exponents go from -999999 to 999999$") as caught:
        read_number(text, 5)
    assert caught.value.column == 5


@pytest.mark.parametrize("text", ["0", "0.000", "0e5", "0e999999", ".0e-999999"])
def test_every_zero_is_the_same(text: str) -> None:
    assert read_number(text).as_tuple() == Decimal(0).as_tuple()


@settings(deadline=None, max_examples=150)
@given(
    number=st.builds(
        lambda sign, digits, exponent: Decimal((sign, tuple(digits), exponent)),
        st.integers(0, 1),
        st.lists(st.integers(0, 9), min_size=1, max_size=40),
        st.one_of(st.integers(-80, 60), st.integers(-999_999, 999_950)),
    )
)
def test_a_number_is_written_in_its_one_shortest_way(number: Decimal) -> None:
    text = format_number(number)
    assert Decimal(text) == number
    if not number:
        assert text == "0"
        return
    assert text.startswith("-") == (number < 0)
    assert not text.startswith("+")
    mantissa, exponential, exponent = text.partition("E")
    assert ("." not in mantissa) or mantissa[-1] not in ".0"
    assert bool(exponential) == (not -28 <= number.adjusted() < 28)
    if exponential:
        assert exponent == f"{number.adjusted():+d}"
        assert mantissa.lstrip("-").partition(".")[0] in tuple("123456789")
    else:
        whole = mantissa.lstrip("-").partition(".")[0]
        assert whole == "0" or whole[0] != "0"


@pytest.mark.parametrize("number", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_what_is_no_finite_number_cannot_be_shown(number: str) -> None:
    with pytest.raises(ValueError, match="cannot be shown as a number"):
        format_number(Decimal(number))
