"""The calculator against a second reading of its grammar and a second arithmetic."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trionet.calc import (
    DEFAULT_PRECISION,
    MAX_PRECISION,
    Arithmetic,
    CalculationError,
    MalformedOperation,
    Operation,
    format_number,
    parse,
)

LONGEST_LINE = 4096


def refusal_of(line: str) -> CalculationError | None:
    try:
        parse(line)
    except CalculationError as error:
        return error
    return None


def calculate(text: str, precision: int = DEFAULT_PRECISION) -> str:
    return format_number(Arithmetic(precision).evaluate(parse(text)))


# A second reading of the grammar: at which places of a line can a part end that begins at one of
# these places? It tries all ways at once, so that no choice of the first reading is repeated.

Places = set[int]


def one(line: str, places: Places, allowed: str) -> Places:
    return {place + 1 for place in places if line[place : place + 1] and line[place] in allowed}


def many(line: str, places: Places, allowed: str) -> Places:
    found, last = set(places), places
    while last := one(line, last, allowed) - found:
        found |= last
    return found


def blanks(line: str, places: Places) -> Places:
    return many(line, places, " \t")


def digits(line: str, places: Places) -> Places:
    return many(line, one(line, places, "0123456789"), "0123456789")


def number(line: str, places: Places) -> Places:
    places = places | blanks(line, one(line, places, "+-−"))
    whole = digits(line, places)
    point = one(line, whole, ".")
    value = whole | point | digits(line, point) | digits(line, one(line, places, "."))
    marked = one(line, value, "eE")
    return value | digits(line, marked | one(line, marked, "+-−"))


def is_operation(line: str) -> bool:
    left = blanks(line, number(line, blanks(line, {0})))
    right = blanks(line, one(line, left, "+-*/×÷−"))
    return len(line) in blanks(line, number(line, right))


# A second arithmetic, in fractions, and a second way to write its results.


def adjusted(value: Fraction) -> int:
    """Return the power of ten of the first significant digit."""
    value = abs(value)
    power = len(str(value.numerator)) - len(str(value.denominator))
    return power if value >= Fraction(10) ** power else power - 1


def expected_answer(left: Fraction, operator: str, right: Fraction, precision: int) -> str:
    match operator:
        case "+":
            exact = left + right
        case "-" | "−":
            exact = left - right
        case "*" | "×":
            exact = left * right
        case _:
            exact = left / right
    if not exact:
        return "0"
    unit = Fraction(10) ** (adjusted(exact) - precision + 1)
    # round() of a fraction is half even.
    rounded = round(abs(exact) / unit) * unit
    power = adjusted(rounded)
    significant = str(int(rounded / Fraction(10) ** (power - precision))).rstrip("0")
    sign = "-" if exact < 0 else ""
    if not -28 <= power < 28:
        tail = f".{significant[1:]}" if len(significant) > 1 else ""
        return f"{sign}{significant[0]}{tail}E{power:+d}"
    if power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{significant}"
    whole, tail = significant[: power + 1].ljust(power + 1, "0"), significant[power + 1 :]
    return f"{sign}{whole}.{tail}" if tail else sign + whole


BLANKS = st.text(" \t", max_size=2)
DIGITS = st.text("0123456789", min_size=1, max_size=40)
SIGNS = st.sampled_from(["", "+", "-", "−"])


@st.composite
def numbers(draw: st.DrawFn) -> tuple[str, Fraction]:
    """A number as somebody could write it, and what it means."""
    sign = draw(SIGNS)
    whole, decimals = draw(
        st.one_of(
            st.tuples(DIGITS, st.just("")),
            st.tuples(DIGITS, DIGITS),
            st.tuples(st.just(""), DIGITS),
        )
    )
    point = "." if decimals else draw(st.sampled_from(["", "."]))
    value = Fraction(int(whole + decimals), 10 ** len(decimals))
    if sign in ("-", "−"):
        value = -value
    text = whole + point + decimals
    if draw(st.booleans()):
        exponent_sign, exponent = draw(SIGNS), draw(st.integers(0, 60))
        text += draw(st.sampled_from("eE")) + exponent_sign + draw(st.sampled_from(["", "00"]))
        text += str(exponent)
        value *= Fraction(10) ** (-exponent if exponent_sign in ("-", "−") else exponent)
    return sign + (draw(BLANKS) if sign else "") + text, value


@st.composite
def operations(draw: st.DrawFn) -> tuple[str, Fraction, str, Fraction]:
    left, left_value = draw(numbers())
    right, right_value = draw(numbers())
    operator = draw(st.sampled_from("+-*/×÷−"))
    line = "".join((draw(BLANKS), left, draw(BLANKS), operator, draw(BLANKS), right, draw(BLANKS)))
    return line, left_value, operator, right_value


PRECISIONS = st.one_of(st.just(DEFAULT_PRECISION), st.integers(1, MAX_PRECISION))


@settings(deadline=None, max_examples=300)
@given(operation=operations(), precision=PRECISIONS)
def test_every_operation_of_the_grammar_has_the_result_of_exact_fractions(
    operation: tuple[str, Fraction, str, Fraction], precision: int
) -> None:
    line, left, operator, right = operation
    assert is_operation(line)
    parsed = parse(line)
    assert (Fraction(parsed.left), Fraction(parsed.right)) == (left, right)
    assert parsed.operator == {"×": "*", "÷": "/", "−": "-"}.get(operator, operator)
    if parsed.operator == "/" and not right:
        with pytest.raises(CalculationError, match=r"^division by zero$"):
            calculate(line, precision)
    else:
        assert calculate(line, precision) == expected_answer(left, operator, right, precision)


# The characters of the grammar, and some that only look as if they were of it.
NEARLY = st.text("015..eE++--*/×÷−  \t,_xn\N{ARABIC-INDIC DIGIT ONE}＋\xa0\r", max_size=14)


@st.composite
def damaged_operations(draw: st.DrawFn) -> str:
    line = draw(operations())[0]
    place = draw(st.integers(0, len(line)))
    cut = draw(st.integers(0, 2))
    return line[:place] + draw(NEARLY)[:3] + line[place + cut :]


@settings(deadline=None, max_examples=300)
@given(line=st.one_of(NEARLY, damaged_operations()))
@example("1e5")
@example("1e+5+3")
@example("1e5e5+1")
@example("1+-+1")
@example("1\n+1")
@example("1+1\n")
def test_a_line_is_read_exactly_if_it_is_of_the_grammar(line: str) -> None:
    # What is of the grammar can still be out of bounds, by an exponent of eight digits.
    assert isinstance(refusal_of(line), MalformedOperation) == (not is_operation(line))


@settings(deadline=None, max_examples=300)
@given(line=st.text(st.characters(), max_size=60))
def test_no_text_raises_anything_but_a_calculation_error(line: str) -> None:
    refusal = refusal_of(line)
    assert refusal is None or len(str(refusal).splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("12 + 42", "54"),
        ("3.24 - 45", "-41.76"),
        ("4.5 / -6", "-0.75"),
        ("0.1 + 0.2", "0.3"),
        ("0.50 + 0.50", "1"),
        ("50 + 50", "100"),
        ("1 / 3", "0." + "3" * 28),
        ("2 / 3", "0." + "6" * 27 + "7"),
        ("5. + .5", "5.5"),
        ("5.*.5", "2.5"),
        ("+.5e1--5.E-1", "5.5"),
        ("- 3 − − 4", "1"),
        ("6 ÷ 4", "1.5"),
        ("6×7", "42"),
        ("1.0000000000000000000000000005 + 0", "1"),
        ("1.0000000000000000000000000015 + 0", "1.000000000000000000000000002"),
        ("15e39 + 0", "1.5E+40"),
        ("1e-28 + 0", "0." + "0" * 27 + "1"),
        ("1e-29 + 0", "1E-29"),
        ("1e27 + 0", "1" + "0" * 27),
        ("1e28 + 0", "1E+28"),
        ("-1e28 * 1", "-1E+28"),
        ("9999999999999999999999999999 + 0.5", "1E+28"),
        ("0 * -5", "0"),
        ("-0 + -0", "0"),
        ("0e-999999 * 0e-999999", "0"),
        ("0 / -3", "0"),
        ("1e999999 + 1e-999999", "1E+999999"),
        ("1e-999999 + 0", "1E-999999"),
        ("9e999999 / 3e999999", "3"),
    ],
)
def test_results_are_as_the_protocol_says(line: str, answer: str) -> None:
    assert calculate(line) == answer


@pytest.mark.parametrize(
    "line",
    [
        "",
        " ",
        "12",
        "12 +",
        "+ 12",
        "1 2",
        "1 + 2 + 3",
        "1 ** 2",
        "1 // 2",
        "1 % 2",
        "(1 + 2)",
        "-(1) + 2",
        "--1 + 2",
        ". + 1",
        "1.2.3 + 1",
        "nan + 1",
        "inf - inf",
        "Infinity * 0",
        "sNaN + 1",
        "1_000 + 1",
        "0x10 + 1",
        "1,111 + 1",
        "1 111 + 1",
        "٤٢ + ١",
        "４２ + 1",
        "1² + 1",
        "1 e5 + 1",
        "1e 5 + 1",
        "1e + 1",
        "1e1.5 + 1",
        "1\xa0+ 1",
        "1 + 1\r",
        "1 + 1\n",
        "1 + 1\0",
    ],
)
def test_what_is_no_operation_is_refused_with_an_example_of_one(line: str) -> None:
    with pytest.raises(MalformedOperation, match=r"^expected NUMBER OPERATOR NUMBER, such as 12"):
        parse(line)


def test_operands_are_exact_however_many_digits_they_have() -> None:
    long = "1" + "0" * 2000 + "1"
    assert calculate(f"{long} - 1{'0' * 2001}") == "1"
    assert parse(f"{long} + 0") == Operation(Decimal(int(long)), "+", Decimal(0))


def test_a_result_is_rounded_once() -> None:
    # Rounded to 28 digits first, the left operand would be half of a unit at a precision of 1.
    left = "1.5" + "0" * 40 + "1"
    assert calculate(f"{left} + 0", precision=1) == "2"
    assert calculate(f"0.5 + 0.{'0' * 50}1", precision=1) == "0.5"
    assert calculate(f"2.5 + 0.{'0' * 50}1", precision=1) == "3"


@pytest.mark.parametrize("line", ["1 / 0", "0 / 0", "-1 ÷ 0.00", "0e5/-0", "1e999999 / 0e-9"])
def test_dividing_by_any_zero_is_a_division_by_zero(line: str) -> None:
    with pytest.raises(CalculationError, match=r"^division by zero$"):
        calculate(line)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1e999999 * 10", "the result is too large"),
        ("9e999999 + 1e999999", "the result is too large"),
        ("-9e999999 - 1e999999", "the result is too large"),
        ("1e999999 / 1e-999999", "the result is too large"),
        (f"{'9' * 29}e999971 + 0", "the result is too large"),
        ("1e-999999 / 10", "the result is too close to zero"),
        ("1e-999999 * 1e-999999", "the result is too close to zero"),
        ("1e-999999 * -0.1", "the result is too close to zero"),
        ("1.1e-999999 - 1e-999999", "the result is too close to zero"),
    ],
)
def test_a_result_beyond_all_exponents_is_an_error(line: str, reason: str) -> None:
    with pytest.raises(CalculationError, match=f"^{reason}$"):
        calculate(line)


def test_bounds_are_judged_on_the_rounded_result() -> None:
    assert calculate(f"{'9' * 28}e999972 + 0") == f"9.{'9' * 27}E+999999"
    # Smaller than the smallest result by a hair, until it is rounded.
    assert calculate(f"9.{'9' * 29}e-999999 / 10") == "1E-999999"


@pytest.mark.parametrize(
    "number",
    [
        "1e1000000",
        "1e-1000000",
        "1e+0001000000",
        "0e1000000",
        "10e999999",
        "0.1e-999999",
        "1e" + "9" * 4000,
        "1e-" + "9" * 4000,
        "1e−" + "9" * 4000,
    ],
)
def test_an_exponent_beyond_all_bounds_is_told_as_such(number: str) -> None:
    for line in (f"{number} + 1", f"1 + {number}"):
        with pytest.raises(CalculationError, match="exponents go from -999999 to 999999") as caught:
            parse(line)
        assert not isinstance(caught.value, MalformedOperation)


@pytest.mark.parametrize("number", ["1e999999", "1E-999999", "1e−0000999999", "0e-999999"])
def test_the_largest_exponents_are_read(number: str) -> None:
    parse(f"{number} + {number}")


@pytest.mark.parametrize(
    "piece",
    [
        "1", ".", "1.", ".1", "1e", "e", "1e+", "+", "-", "−", " ", "\t", "1 ", "+ ", " +", "1+",
        "+1", "*", "1*", "0", "9e9", "1-", "--1", "x", "٤",
    ],
)  # fmt: skip
def test_hostile_lines_of_the_full_length_are_soon_judged(piece: str) -> None:
    filling = (piece * LONGEST_LINE)[: LONGEST_LINE - 6]
    for line in (
        filling,
        f"{filling}x",
        f"1+{filling}",
        f"1+{filling}x",
        f"{filling}+1",
        f"{filling}+1x",
        f"1 {filling} 1 x",
    ):
        assert len(line) <= LONGEST_LINE
        assert isinstance(refusal_of(line), MalformedOperation) == (not is_operation(line))


@pytest.mark.parametrize("operator", "+-*/")
def test_operands_that_fill_a_line_are_computed(operator: str) -> None:
    line = "7" * 2000 + operator + "." + "3" * 2000
    left, right = Fraction(int("7" * 2000)), Fraction(int("3" * 2000), 10**2000)
    for precision in (1, DEFAULT_PRECISION, MAX_PRECISION):
        assert calculate(line, precision) == expected_answer(left, operator, right, precision)


@pytest.mark.parametrize("precision", [0, -1, 101, 10**9])
def test_a_precision_out_of_bounds_is_refused(precision: int) -> None:
    with pytest.raises(ValueError, match="precision must be from 1 to 100"):
        Arithmetic(precision)


@pytest.mark.parametrize("precision", [1, 28, 100])
def test_a_result_has_as_many_digits_as_the_precision(precision: int) -> None:
    assert calculate("1 / 3", precision) == "0." + "3" * precision


def test_the_precision_is_28_unless_told_otherwise() -> None:
    assert DEFAULT_PRECISION == 28
    assert format_number(Arithmetic().evaluate(parse("1 / 3"))) == "0." + "3" * 28


@settings(deadline=None, max_examples=400)
@given(
    number=st.builds(
        lambda sign, digits, exponent: Decimal((sign, tuple(digits), exponent)),
        st.integers(0, 1),
        st.lists(st.integers(0, 9), min_size=1, max_size=40),
        st.integers(-80, 60),
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
        assert mantissa.lstrip("-").partition(".")[0] in "123456789"
    else:
        whole = mantissa.lstrip("-").partition(".")[0]
        assert whole == "0" or whole[0] != "0"


@pytest.mark.parametrize("number", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_what_is_no_finite_number_cannot_be_shown(number: str) -> None:
    with pytest.raises(ValueError, match="no number that can be shown"):
        format_number(Decimal(number))
