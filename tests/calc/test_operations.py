"""Results and errors of each operation; constants and roots are right to the last digit."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from math import factorial, isqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.calc import MAX_PRECISION, Arithmetic, CalculationError, format_number, parse


def calculate(text: str, precision: int = 28, ans: Decimal | None = None) -> str:
    return format_number(Arithmetic(precision).evaluate(parse(text), ans))


def refusal_of(text: str, precision: int = 28) -> str:
    with pytest.raises(CalculationError) as caught:
        calculate(text, precision)
    return str(caught.value)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("7 // 2", "3"),
        ("-7 // 2", "-3"),
        ("7 // -2", "-3"),
        ("7.5 // 0.5", "15"),
        ("7 % 3", "1"),
        ("-7 % 3", "-1"),
        ("7 % -3", "1"),
        ("-7 % -3", "-1"),
        ("7.5 % 2", "1.5"),
        ("1 // 3", "0"),
        ("1e-999999 % 3", "1E-999999"),
        ("1e27 // 1", "1" + "0" * 27),
        ("2 ^ 10", "1024"),
        ("2 ^ -1", "0.5"),
        ("2 ^ 0.5", "1.414213562373095048801688724"),
        ("4 ^ 0.5", "2"),
        ("(-2) ^ 3", "-8"),
        ("-2 ^ 2", "-4"),
        ("(-8) ^ 3.0", "-512"),
        ("0 ^ 5", "0"),
        ("0 ^ 0.5", "0"),
        ("5 ^ 0", "1"),
        ("1 ^ 1e999999", "1"),
        ("10 ^ 999999", "1E+999999"),
        ("10 ^ -999999", "1E-999999"),
        ("1.0000001 ^ 999999999", "2.688103432454580565047543797E+43"),
        ("sqrt(2)", "1.414213562373095048801688724"),
        ("sqrt(0.25)", "0.5"),
        ("sqrt(0)", "0"),
        ("sqrt(-0)", "0"),
        ("sqrt(1e999998)", "1E+499999"),
        ("abs(-3)", "3"),
        ("abs(3)", "3"),
        ("abs(-0)", "0"),
        ("round(2.5)", "2"),
        ("round(3.5)", "4"),
        ("round(-2.5)", "-2"),
        ("round(2.345, 2)", "2.34"),
        ("round(2.355, 2)", "2.36"),
        ("round(2.345, 2.0)", "2.34"),
        ("round(12345, -2)", "12300"),
        ("round(12355, -1)", "12360"),
        ("round(5, -1)", "0"),
        ("round(15, -1)", "20"),
        ("round(7, -999999)", "0"),
        ("round(1e999999, 999999)", "1E+999999"),
        ("round(1e-999999, 999999)", "1E-999999"),
        ("round(1e-999999, 999998)", "0"),
        ("round(9.99, 1)", "10"),
        ("round(1.5, 999999)", "1.5"),
        ("min(3, 1, 2)", "1"),
        ("max(3, 1, 2)", "3"),
        ("min(-1, 1)", "-1"),
        ("max(7)", "7"),
        ("max(1, 111)", "111"),
        ("min(1, 1.0)", "1"),
        ("pi", "3.141592653589793238462643383"),
        ("e", "2.718281828459045235360287471"),
    ],
)
def test_each_operation_gives_its_result(line: str, answer: str) -> None:
    assert calculate(line) == answer


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1 / 0", "division by zero"),
        ("0 / 0", "division by zero"),
        ("1 // 0", "division by zero"),
        ("0 // 0", "division by zero"),
        ("1 % 0", "division by zero"),
        ("0 % (1 - 1)", "division by zero"),
        ("0 ^ -1", "division by zero"),
        ("0 ^ -0.5", "division by zero"),
        ("0 ^ 0", "0^0 is not defined"),
        ("(1 - 1) ^ (2 - 2)", "0^0 is not defined"),
        ("(-8) ^ (1 / 3)", "a negative number to a fractional power"),
        ("(-2) ^ 0.5", "a negative number to a fractional power"),
        ("sqrt(-1)", "square root of a negative number"),
        ("sqrt(-1e-999999)", "square root of a negative number"),
        ("1e28 // 1", "the whole part of the quotient has more than 28 digits"),
        ("1e28 % 0.3", "the whole part of the quotient has more than 28 digits"),
        ("1e999999 // 3", "the whole part of the quotient has more than 28 digits"),
        ("1 % 1e-999999", "the whole part of the quotient has more than 28 digits"),
        ("round(1, 0.5)", "round takes a whole number of digits"),
        ("round(1, 1 / 3)", "round takes a whole number of digits"),
        ("round(1, 1000000)", "round takes from -999999 to 999999 digits"),
        ("round(1, -1e999999)", "round takes from -999999 to 999999 digits"),
        ("9^9^9^9", "the result is too large"),
        ("9^9^9", "the result is too large"),
        ("-9^9^9", "the result is too large"),
        ("10 ^ 1000000", "the result is too large"),
        ("2 ^ 1e999999", "the result is too large"),
        ("0.5 ^ -1e999999", "the result is too large"),
        ("1.1 ^ 1e999999", "the result is too large"),
        ("10 ^ -1000000", "the result is too close to zero"),
        ("2 ^ -1e999999", "the result is too close to zero"),
        ("0.5 ^ 1e999999", "the result is too close to zero"),
        ("(-2) ^ -1e999999", "the result is too close to zero"),
        ("1" * 101 + " ^ 0.5", "^ takes numbers of at most 100 digits"),
        ("2 ^ 0." + "1" * 101, "^ takes numbers of at most 100 digits"),
    ],
)
def test_an_operation_without_a_result_says_why(line: str, reason: str) -> None:
    assert refusal_of(line) == reason


def test_the_quotient_may_have_as_many_digits_as_the_precision() -> None:
    assert calculate("99999 // 1", precision=5) == "99999"
    assert refusal_of("100000 // 1", 5) == "the whole part of the quotient has more than 5 digits"
    assert calculate("99999.9 % 1", precision=5) == "0.9"


def test_numbers_of_a_hundred_digits_are_raised_to_powers() -> None:
    base = "1." + "0" * 98 + "1"
    # (1 + x)^n is 1 + nx + … for small x.
    assert calculate(f"{base} ^ 2", MAX_PRECISION) == "1." + "0" * 98 + "2"
    assert calculate(f"2 ^ {'0' * 3000}2") == "4"


# Rounding, in fractions: once, to the digits that were asked for or to the precision.


def half_even(number: Fraction, last: int) -> Fraction:
    unit = Fraction(10) ** last
    return round(number / unit) * unit


NUMBERS = st.builds(
    lambda sign, digits, exponent: Decimal((sign, tuple(digits), exponent)),
    st.integers(0, 1),
    st.lists(st.sampled_from([0, 4, 5, 9, 1]), min_size=1, max_size=12),
    st.integers(-12, 4),
)


@settings(deadline=None, max_examples=200)
@given(number=NUMBERS, digits=st.integers(-6, 14), precision=st.integers(1, 14))
def test_round_rounds_once(number: Decimal, digits: int, precision: int) -> None:
    if not number:
        return
    last = max(-digits, number.adjusted() - precision + 1)
    assert Fraction(
        Arithmetic(precision).evaluate(parse(f"round({number:f}, {digits})"))
    ) == half_even(Fraction(number), last)


# Right to the last digit at every precision: computed again with integers.


def rounded(number: int, scale: int, precision: int) -> Decimal:
    """Round number / 10^scale half even, although the last digits of number are not right."""
    exact = Decimal((0, tuple(map(int, str(number))), -scale))
    shorter = Decimal((0, tuple(map(int, str(number)[:-20])), -scale + 20))
    context = Context(prec=precision, rounding=ROUND_HALF_EVEN)
    # The last twenty digits make no difference.
    assert context.plus(exact) == context.plus(shorter)
    return context.plus(exact)


def arctan_of_inverse(divisor: int, unit: int) -> int:
    total, term, n = 0, unit // divisor, 0
    while term:
        total += (-1) ** n * (term // (2 * n + 1))
        term //= divisor**2
        n += 1
    return total


def test_pi_is_right_to_the_last_digit_at_every_precision() -> None:
    # Machin, 1706.
    unit = 10**140
    pi = 4 * (4 * arctan_of_inverse(5, unit) - arctan_of_inverse(239, unit))
    for precision in range(1, MAX_PRECISION + 1):
        assert Arithmetic(precision).evaluate(parse("pi")) == rounded(pi, 140, precision)


def test_e_is_right_to_the_last_digit_at_every_precision() -> None:
    e = sum(10**140 // factorial(n) for n in range(100))
    for precision in range(1, MAX_PRECISION + 1):
        assert Arithmetic(precision).evaluate(parse("e")) == rounded(e, 140, precision)


@settings(deadline=None, max_examples=60)
@given(
    number=st.one_of(st.integers(0, 10**40), st.integers(0, 10**12).map(lambda n: n * n)),
    exponent=st.integers(-20, 20),
    precision=st.integers(1, MAX_PRECISION),
)
def test_a_square_root_is_right_to_the_last_digit(
    number: int, exponent: int, precision: int
) -> None:
    root = Arithmetic(precision).evaluate(parse(f"sqrt({number}e{exponent})"))
    square = Fraction(number) * Fraction(10) ** exponent
    if not square:
        assert root == 0
        return
    # It is within half a unit in the last place, which can be checked without a root.
    half = Fraction(10) ** (root.adjusted() - precision + 1) / 2
    assert (Fraction(root) - half) ** 2 <= square <= (Fraction(root) + half) ** 2
    if isqrt(square.numerator) ** 2 == square.numerator:
        exact = Fraction(isqrt(square.numerator), isqrt(square.denominator))
        if exact**2 == square:
            assert Fraction(root) == half_even(exact, root.adjusted() - precision + 1)
