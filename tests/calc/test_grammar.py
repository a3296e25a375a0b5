"""What is read, against a second reading of the grammar; and what is refused, with its place."""

from __future__ import annotations

import re
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trionet import safe_text
from trionet.calc import (
    CalculationError,
    Expression,
    LimitExceeded,
    MalformedExpression,
    parse,
    parsing,
)
from trionet.calc.grammar import parse_pair
from trionet.calc.operations import ADD, DIVIDE, FUNCTIONS, MULTIPLY, SUBTRACT, Operation
from trionet.calc.work import STRETCH

LONGEST_LINE = 4096


def refusal_of(line: str) -> MalformedExpression | None:
    try:
        parse(line)
    except MalformedExpression as error:
        return error
    return None


def written(expression: Expression) -> str:
    """The program in words, operands first."""
    words = []
    for item in expression.program:
        if isinstance(item, Decimal):
            words.append(str(item))
        elif isinstance(item, tuple):
            words.append(item[0].name if item[1] == 2 else f"{item[0].name}{item[1]}")
        else:
            words.append("ans")
    return " ".join(words)


# What binds how


@pytest.mark.parametrize(
    ("line", "program"),
    [
        ("7", "7"),
        ("ans", "ans"),
        ("pi", "pi0"),
        ("1 + 2 + 3", "1 2 + 3 +"),
        ("1 - 2 - 3", "1 2 - 3 -"),
        ("1 - 2 + 3", "1 2 - 3 +"),
        ("1 + 2 * 3", "1 2 3 * +"),
        ("1 * 2 + 3", "1 2 * 3 +"),
        ("8 / 4 / 2", "8 4 / 2 /"),
        ("8 // 4 * 2", "8 4 // 2 *"),
        ("8 * 4 % 3", "8 4 * 3 %"),
        ("8 % 4 // 3", "8 4 % 3 //"),
        ("(1 + 2) * 3", "1 2 + 3 *"),
        ("((1))", "1"),
        ("2 ^ 3 ^ 2", "2 3 2 ^ ^"),
        ("2 ** 3 ^ 2", "2 3 2 ^ ^"),
        ("2 * 3 ^ 2", "2 3 2 ^ *"),
        ("2 ^ 3 * 2", "2 3 ^ 2 *"),
        ("-1 ^ 2", "1 2 ^ -1"),
        ("(-1) ^ 2", "1 -1 2 ^"),
        ("2 ^ -1", "2 1 -1 ^"),
        ("2 ^ -1 ^ 2", "2 1 2 ^ -1 ^"),
        ("2 ^ -1 * 3", "2 1 -1 ^ 3 *"),
        ("2 ^ - - 1", "2 1 -1 -1 ^"),
        ("-2 * -3", "-2 -3 *"),
        ("--2 * -3", "2 -1 -1 3 -1 *"),
        ("-2 % 3 + 0", "2 -1 3 % 0 +"),
        ("+ + 1", "1"),
        ("1 - - - 2", "1 2 -1 -1 -"),
        ("-(1 + 2)", "1 2 + -1"),
        ("-sqrt(4) ^ 2", "4 sqrt1 2 ^ -1"),
        ("max(1, 2 + 3, -4)", "1 2 3 + 4 -1 max3"),
        ("max(1)", "1 max1"),
        ("min(max(1, 2), 3)", "1 2 max 3 min"),
        ("round(1.5)", "1.5 round1"),
        ("round(1.5, 0)", "1.5 0 round"),
        ("max((1), (2))", "1 2 max"),
        ("sqrt (4)", "4 sqrt1"),
        ("1 + 2 =", "1 2 +"),
        ("\t ( 1+ 2 )*3= \t", "1 2 + 3 *"),
        ("6 × 7 ÷ 2 − 1", "6 7 * 2 / 1 -"),
        ("2e3 + e", "2E+3 e0 +"),
        ("e * 3", "e0 3 *"),
        ("5.*.5", "5 0.5 *"),
    ],
)
def test_an_expression_is_read_in_the_usual_order(line: str, program: str) -> None:
    assert written(parse(line)) == program


# What is refused, and where


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "expected an expression, such as 12 + 42"),
        (" \t ", "expected an expression, such as 12 + 42"),
        ("12 +", "expected a number at column 5"),
        ("12 + ", "expected a number at column 5"),
        ("  12 +", "expected a number at column 7"),
        ("\t12 + * 2", "expected a number at column 7"),
        ("* 2", "expected a number at column 1"),
        ("=", "expected a number at column 1"),
        (".", "unexpected . at column 1"),
        (". + 1", "unexpected . at column 1"),
        ("()", "expected a number at column 2"),
        ("(", "expected a number at column 2"),
        (")", "expected a number at column 1"),
        ("sqrt()", "expected a number at column 6"),
        ("max(1, )", "expected a number at column 8"),
        ("max(, 1)", "expected a number at column 5"),
        ("7 ^ ^ 2", "expected a number at column 5"),
        ("1,111", "unexpected , at column 2 (write 1111 or 1.111)"),
        ("2 * 1,111,222 + 1", "unexpected , at column 6 (write 1111222)"),
        ("(1,111)", "unexpected , at column 3 (write 1111 or 1.111)"),
        ("max((1,111), 2)", "unexpected , at column 7 (write 1111 or 1.111)"),
        ("1,5", "unexpected , at column 2 (write 1.5)"),
        ("1,5,5", "unexpected , at column 2 (numbers have none)"),
        ("1, 2", "unexpected , at column 2 (it stands between the arguments of a function)"),
        ("sqrt(1,111)", "unexpected , at column 7 (sqrt takes one number)"),
        ("round(1, 2, 3)", "unexpected , at column 11 (round takes at most 2 numbers)"),
        ("2(3)", "expected an operator at column 2 (write 2*(3))"),
        ("2 (3)", "expected an operator at column 3 (write 2*(3))"),
        ("(1 + 2)(3)", "expected an operator at column 8 (write (…)*(3))"),
        ("2(3 * (4 + 5))", "expected an operator at column 2 (write 2*(…))"),
        ("2(\t3\x1b)", "expected an operator at column 2 (write 2*(…))"),
        ("ans(3)", "expected an operator at column 4 (write ans*(3))"),
        ("2pi", "expected an operator at column 2 (write 2*pi)"),
        ("2e", "expected an operator at column 2 (write 2*e)"),
        ("1e+", "expected an operator at column 2 (write 1*e)"),
        ("2 ans", "expected an operator at column 3 (write 2*ans)"),
        ("12..3", "unexpected . at column 4 (a number has one point)"),
        ("1.2.3", "unexpected . at column 4 (a number has one point)"),
        ("1. .3", "expected an operator at column 4"),
        ("1 2", "expected an operator at column 3"),
        ("12 plus 42", "expected an operator at column 4 (plus is none)"),
        ("1_000", "expected an operator at column 2 (write 1000)"),
        ("0x10", "expected an operator at column 2 (x10 is none)"),
        ("7 & 2", "expected an operator at column 3 (& is none)"),
        ("1 + 1\n", "expected an operator at column 6 (U+000A is none)"),
        ("(1 + 2", "unclosed ( at column 1"),
        ("1 + (2 * (3 + 4)", "unclosed ( at column 5"),
        ("max(1, 2", "unclosed ( at column 4"),
        ("1 + 2)", "unexpected ) at column 6 (no ( is open here)"),
        ("sqrt 4", "expected ( at column 6 (write sqrt(…))"),
        ("2 * max", "expected ( at column 8 (write max(…))"),
        ("1 + 2 = 3", "expected the end of the line at column 9 (nothing comes behind =)"),
        ("1 + 2 ==", "expected the end of the line at column 8 (nothing comes behind =)"),
        ("(1 =)", "expected the end of the line at column 5 (nothing comes behind =)"),
        ("(1 + 2 =", "unclosed ( at column 1"),
        ("Pi", "unknown name Pi at column 1 (write pi)"),
        ("1 + SQRT(4)", "unknown name SQRT at column 5 (write sqrt)"),
        ("1 + \x1b[2J", "unexpected U+001B at column 5"),
        ("٤٢ + ١", "unexpected ٤ at column 1"),
        ("1e2２", "expected an operator at column 4 (２ is none)"),
    ],
)
def test_a_mistake_is_told_with_its_place(line: str, reason: str) -> None:
    with pytest.raises(MalformedExpression) as caught:
        parse(line)
    assert str(caught.value) == reason
    column = re.search(r"at column (\d+)", reason)
    assert caught.value.column == (int(column[1]) if column else None)


def test_a_function_that_gets_too_few_numbers_says_how_many_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # None of the functions so far needs more than one.
    monkeypatch.setitem(FUNCTIONS, "mean", Operation("mean", lambda *_: Decimal(0), 2, None))
    assert str(refusal_of("mean(1) + 2")) == (
        "expected , at column 7 (mean takes at least 2 numbers)"
    )
    assert written(parse("mean(1, 2)")) == "1 2 mean"


@pytest.mark.parametrize(
    ("line", "name", "column"),
    [
        ("x + 1", "x", 1),
        ("1 + foo(3)", "foo", 5),
        ("nan + 1", "nan", 1),
        ("inf - inf", "inf", 1),
        ("Ω * 2", "Ω", 1),
        ("Q", "Q", 1),
        ("sin(1)", "sin", 1),
        ("a" * 17, "a" * 15 + "…", 1),
    ],
)
def test_an_unknown_name_is_told_and_which_there_are(line: str, name: str, column: int) -> None:
    known = "ans, pi, e, sqrt, abs, round, min, max"
    with pytest.raises(MalformedExpression) as caught:
        parse(line)
    assert str(caught.value) == f"unknown name {name} at column {column} (known are {known})"
    assert caught.value.column == column


# A second reading of the whole grammar, as a recursive descent that only tells yes or no, on words
# that another regular expression has cut.

WORD = re.compile(
    r"[\s\xa0\u2009\u202f]*((?:\d+\.?\d*|\.\d+)(?:[eE][+\-−–]?\d+)?|[a-zπ]+|\*\*|//|.)",
    re.ASCII | re.DOTALL,
)


class Reading:
    def __init__(self, line: str) -> None:
        self.words = [match[1] for match in WORD.finditer(line.strip(" \t\xa0\u2009\u202f"))]

    def next(self, *expected: str) -> bool:
        if self.words and self.words[0] in expected:
            del self.words[0]
            return True
        return False

    def is_expression(self) -> bool:
        while True:
            while self.next("+", "-", "−", "–"):
                pass
            if not self.is_operand():
                return False
            if not self.next(*"+-−–*×⋅·•/÷%^", "//", "**"):
                return True

    def is_operand(self) -> bool:
        if self.next("("):
            return self.is_expression() and self.next(")")
        for name, most in (("sqrt", 1), ("abs", 1), ("round", 2), ("min", 99), ("max", 99)):
            if self.next(name):
                return self.next("(") and self.are_arguments(most)
        if self.next("ans", "pi", "π", "e"):
            return True
        if self.words and re.fullmatch(r"[\d.]+(?:[eE][+\-−–]?\d+)?", self.words[0], re.ASCII):
            return self.words.pop(0) != "."
        return False

    def are_arguments(self, most: int) -> bool:
        count = 0
        while self.is_expression():
            count += 1
            if not self.next(","):
                return self.next(")") and count <= most
        return False

    def is_line(self) -> bool:
        if not self.is_expression():
            return False
        self.next("=")
        return not self.words


PIECES = [
    *["1", "2.5", ".5", "5.", "1e3", "0", "1e-2", "(", ")", "(", ")", ",", "+", "-", "−", "*", "/"],
    *["×", "÷", "//", "%", "^", "**", "ans", "pi", "e", "sqrt(", "abs(", "round(", "min(", "max("],
    *["–", "⋅", "·", "•", "π", "\xa0", "\u2009", "\u202f"],
    *["=", " ", "\t", "x", "sqrt", "E", "..", "#", "_"],
]


@settings(deadline=None, max_examples=300)
@given(line=st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@example("1e5e5+1")
@example("(1=)")
@example("max(1,2,3)=")
@example("round(1,2,3)")
@example("sqrt(1,2)")
def test_a_line_is_read_exactly_if_it_is_of_the_grammar(line: str) -> None:
    assert (refusal_of(line) is None) == Reading(line).is_line()


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> str:
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(["1", "2.5", ".5", "7e2", "ans", "pi", "π", "e"]))
    inner = expressions(depth - 1)
    kind = draw(st.sampled_from(["binary", "sign", "group", "call"]))
    if kind == "binary":
        operator = draw(st.sampled_from([*"+-−–*×⋅·•/÷%^", "//", "**"]))
        return f"{draw(inner)} {operator} {draw(inner)}"
    if kind == "sign":
        return f"-{draw(inner)}"
    if kind == "group":
        return f"({draw(inner)})"
    name, count = draw(st.sampled_from([("sqrt", 1), ("round", 2), ("max", 3), ("min", 1)]))
    return f"{name}({', '.join(draw(inner) for _ in range(count))})"


@settings(deadline=None, max_examples=100)
@given(line=expressions())
def test_every_expression_of_the_grammar_is_read(line: str) -> None:
    assert refusal_of(line) is None
    assert refusal_of(f"({line})") is None


@settings(deadline=None, max_examples=100)
@given(line=expressions(), data=st.data())
def test_a_damaged_expression_is_read_exactly_if_it_is_still_one(
    line: str, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(line)))
    cut = data.draw(st.integers(0, 2))
    line = line[:place] + data.draw(st.sampled_from(["", *PIECES])) + line[place + cut :]
    assert (refusal_of(line) is None) == Reading(line).is_line()


@settings(deadline=None, max_examples=300)
@given(line=st.text(st.characters(), max_size=60))
def test_no_text_raises_anything_but_that_it_is_malformed(line: str) -> None:
    refusal = refusal_of(line)
    if refusal is not None:
        assert safe_text(str(refusal)) == str(refusal)
        assert len(str(refusal)) < 120
        assert refusal.column is None or 1 <= refusal.column <= len(line) + 1


# Two numbers and an operator: read in one go, and no other way than the long one. Its grammar is
# read once more: at which places of a line can a part end that begins at one of these places? It
# tries all ways at once, so that no choice of the first reading is repeated.

Places = set[int]


def one(line: str, places: Places, allowed: str) -> Places:
    return {place + 1 for place in places if line[place : place + 1] and line[place] in allowed}


def many(line: str, places: Places, allowed: str) -> Places:
    found, last = set(places), places
    while last := one(line, last, allowed) - found:
        found |= last
    return found


def blanks(line: str, places: Places) -> Places:
    return many(line, places, " \t\xa0\u2009\u202f")


def digits(line: str, places: Places) -> Places:
    return many(line, one(line, places, "0123456789"), "0123456789")


def number(line: str, places: Places) -> Places:
    places = places | blanks(line, one(line, places, "+-−–"))
    whole = digits(line, places)
    point = one(line, whole, ".")
    value = whole | point | digits(line, point) | digits(line, one(line, places, "."))
    marked = one(line, value, "eE")
    return value | digits(line, marked | one(line, marked, "+-−–"))


def is_pair(line: str) -> bool:
    left = blanks(line, number(line, blanks(line, {0})))
    right = blanks(line, one(line, left, "+-*/×÷−–⋅·•"))
    return len(line) in blanks(line, number(line, right))


BLANKS = st.text(" \t\xa0\u2009\u202f", max_size=2)
DIGITS = st.text("0123456789", min_size=1, max_size=40)
SIGNS = st.sampled_from(["", "+", "-", "−", "–"])


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
    if sign in ("-", "−", "–"):
        value = -value
    text = whole + point + decimals
    if draw(st.booleans()):
        exponent_sign, exponent = draw(SIGNS), draw(st.integers(0, 60))
        text += draw(st.sampled_from("eE")) + exponent_sign + draw(st.sampled_from(["", "00"]))
        text += str(exponent)
        value *= Fraction(10) ** (-exponent if exponent_sign in ("-", "−", "–") else exponent)
    return sign + (draw(BLANKS) if sign else "") + text, value


@settings(deadline=None, max_examples=100)
@given(left=numbers(), operator=st.sampled_from("+-*/×÷−–⋅·•"), right=numbers(), data=st.data())
def test_two_numbers_and_an_operator_are_read_exactly(
    left: tuple[str, Fraction], operator: str, right: tuple[str, Fraction], data: st.DataObject
) -> None:
    pieces = (left[0], operator, right[0], "")
    line = "".join(f"{data.draw(BLANKS)}{piece}" for piece in pieces)
    assert is_pair(line)
    program = parse(line).program
    assert isinstance(program[0], Decimal)
    assert isinstance(program[1], Decimal)
    assert (Fraction(program[0]), Fraction(program[1])) == (left[1], right[1])
    plain = {"+": ADD, **dict.fromkeys("-−–", SUBTRACT), **dict.fromkeys("*×⋅·•", MULTIPLY)}
    assert program[2:] == ((plain.get(operator, DIVIDE), 2),)


# The characters of numbers and operators, and some that only look as if they were of them.
NEARLY = st.text(
    "015..eE++--*/×÷−–⋅·•  \t,_xn\N{ARABIC-INDIC DIGIT ONE}＋\xa0\u2009\u202f\u2003\r", max_size=14
)


@settings(deadline=None, max_examples=300)
@given(line=NEARLY)
@example("1e5")
@example("1e+5+3")
@example("1e5e5+1")
@example("1+-+1")
@example("1\n+1")
@example("1+1\n")
def test_nothing_else_is_read_as_two_numbers_and_an_operator(line: str) -> None:
    try:
        found = parse_pair(line) is not None
    except LimitExceeded:
        # What is of the grammar can still be out of bounds, by an exponent of eight digits.
        found = True
    assert found == is_pair(line)


@settings(deadline=None, max_examples=100)
@given(left=numbers(), operator=st.sampled_from("+-*/×÷−–⋅·•"), right=numbers())
def test_the_short_way_and_the_long_way_mean_the_same(
    left: tuple[str, Fraction], operator: str, right: tuple[str, Fraction]
) -> None:
    line = f"{left[0]} {operator} {right[0]}"
    short = written(parse(line)).split(" ")
    long = written(parse(f"{line}=")).replace(" -1", "").split(" ")
    assert [word.lstrip("-") or "-" for word in short] == long


# Limits


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("(" * 101 + "1" + ")" * 101, "parentheses are nested deeper than 100"),
        ("(" * 1000 + "1" + ")" * 1000, "parentheses are nested deeper than 100"),
        ("sqrt(" * 101 + "1" + ")" * 101, "parentheses are nested deeper than 100"),
        ("-" * 1001 + "1", "an expression has at most 1000 operations"),
        ("+" * 1001 + "1", "an expression has at most 1000 operations"),
        ("1" + "+1" * 1001, "an expression has at most 1000 operations"),
        ("1" + " " * 2001 + "+-" * 501 + "1", "an expression has at most 1000 operations"),
        ("max(" + "1," * 1001 + "1)", "an expression has at most 1000 operations"),
        ("-" * 10_000 + "1", "an expression has at most 4096 characters"),
        ("1" * 4097, "an expression has at most 4096 characters"),
        ("1e1000000", "exponents go from -999999 to 999999"),
        ("1e999999999", "exponents go from -999999 to 999999"),
        ("(2 - 10e999999)", "exponents go from -999999 to 999999"),
        ("1 + 1e" + "9" * 4000, "exponents go from -999999 to 999999"),
    ],
)
def test_a_limit_is_an_error_that_names_it(line: str, reason: str) -> None:
    with pytest.raises(LimitExceeded) as caught:
        parse(line)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    "line",
    [
        "(" * 100 + "1" + ")" * 100,
        "+".join(["(1)"] * 1000),
        "abs(" * 100 + "1" + ")" * 100,
        "-" * 1000 + "1",
        "1" + "+1" * 1000,
        "max(" + "1," * 999 + "1)",
        "1" * 4096,
        "1e999999 - 1E-999999",
    ],
)
def test_what_is_just_within_the_limits_is_read(line: str) -> None:
    assert refusal_of(line) is None


@pytest.mark.parametrize(("line", "column"), [("1 + 1e1000000", 5), (" 1e1000000 + 1", 2)])
def test_an_exponent_out_of_bounds_has_its_place(line: str, column: int) -> None:
    with pytest.raises(LimitExceeded) as caught:
        parse(line)
    assert caught.value.column == column


def test_all_that_is_wrong_with_a_line_is_a_calculation_error() -> None:
    assert issubclass(MalformedExpression, CalculationError)
    assert issubclass(LimitExceeded, MalformedExpression)


@pytest.mark.parametrize(
    "piece",
    [
        "1", ".", "1.", ".1", "1e", "e", "1e+", "+", "-", "−", " ", "\t", "1 ", "+ ", " +", "1+",
        "+1", "*", "1*", "0", "9e9", "1-", "--1", "x", "٤", "(", ")", "((1)", "(1)", "(1)+", ",",
        "1,", "1,111", "max(", "max(1,", "sqrt(", "^", "2^", "2^-", "//", "=", "1=", "pi", "pi ",
        "ans*", "\x1b", "é", "👩‍💻",
    ],
)  # fmt: skip
def test_the_longest_lines_are_read_in_short_stretches(piece: str) -> None:
    filling = (piece * LONGEST_LINE)[: LONGEST_LINE - 6]
    for line in (filling, f"{filling}x", f"1+{filling}", f"{filling}+1", f"1 {filling} 1 x"):
        assert len(line) <= LONGEST_LINE
        costs: list[int] = []
        with suppress(MalformedExpression):
            costs += parsing(line)
        # What is told is what was done: one pass, at two microseconds for each word.
        assert sum(costs) <= 2 * (len(line) + 1)
        assert all(cost <= STRETCH + 1 for cost in costs)
