"""The calculator against a second arithmetic: fractions for two numbers, decimals otherwise."""

from __future__ import annotations

import ast
import random
from contextlib import suppress
from decimal import (
    ROUND_HALF_EVEN,
    Clamped,
    Context,
    Decimal,
    DecimalException,
    FloatOperation,
    Inexact,
    Rounded,
    localcontext,
)
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.calc import (
    DEFAULT_PRECISION,
    MAX_PRECISION,
    Arithmetic,
    CalculationError,
    format_number,
    parse,
)
from trionet.calc.work import STRETCH, finish


def calculate(text: str, precision: int = DEFAULT_PRECISION, ans: Decimal | None = None) -> str:
    return format_number(Arithmetic(precision).evaluate(parse(text), ans))


# Two numbers and an operator, in fractions, and a second way to write results.


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


DECIMALS = st.builds(
    lambda sign, whole, decimals, exponent: f"{sign}{whole}.{decimals}{exponent}",
    st.sampled_from(["", "-"]),
    st.integers(0, 10**30).map(str),
    st.text("0459", max_size=40),
    st.one_of(st.just(""), st.integers(-60, 60).map(lambda power: f"e{power}")),
)
PRECISIONS = st.one_of(st.just(DEFAULT_PRECISION), st.integers(1, MAX_PRECISION))


@settings(deadline=None, max_examples=150)
@given(left=DECIMALS, operator=st.sampled_from("+-*/×÷−"), right=DECIMALS, precision=PRECISIONS)
def test_two_numbers_give_the_result_of_exact_fractions(
    left: str, operator: str, right: str, precision: int
) -> None:
    line = f"{left} {operator} {right}"
    if operator in "/÷" and not Fraction(right):
        with pytest.raises(CalculationError, match=r"^division by zero$"):
            calculate(line, precision)
    else:
        expected = expected_answer(Fraction(left), operator, Fraction(right), precision)
        assert calculate(line, precision) == expected


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
def test_results_are_what_the_protocol_says(line: str, answer: str) -> None:
    assert calculate(line) == answer


def test_operands_are_exact_with_any_number_of_digits() -> None:
    long = "1" + "0" * 2000 + "1"
    assert calculate(f"{long} - 1{'0' * 2001}") == "1"
    assert calculate(f"-{long} + (1{'0' * 2001})") == "-1"
    assert calculate(f"-({long}) - -1{'0' * 2001}") == "-1"


def test_a_result_is_rounded_once() -> None:
    # If the left operand were first rounded to 28 digits, it would be a tie at a precision of 1.
    left = "1.5" + "0" * 40 + "1"
    assert calculate(f"{left} + 0", precision=1) == "2"
    assert calculate(f"0.5 + 0.{'0' * 50}1", precision=1) == "0.5"
    assert calculate(f"2.5 + 0.{'0' * 50}1", precision=1) == "3"


def test_each_operation_is_rounded() -> None:
    # 1 / 3 is 0.333 at three digits.
    assert calculate("1 / 3 * 3", precision=3) == "0.999"
    assert calculate("(2 / 3 - 0.666) * 1000", precision=3) == "1"
    # A sign or a parenthesis is not an operation that rounds.
    assert calculate("-(1.2345) + 1.2344", precision=3) == "-0.0001"
    assert calculate("abs(1.2345) - 1.2344", precision=3) == "-0.0044"


LONG = "1.2345678901234567890123456785"


@pytest.mark.parametrize("line", [LONG, f"({LONG})"])
def test_a_number_alone_is_rounded_as_a_result(line: str) -> None:
    assert calculate(line) == "1.234567890123456789012345678"
    assert calculate(f"-{line}") == "-1.234567890123456789012345678"
    assert calculate(line, precision=3) == "1.23"
    assert calculate(line, MAX_PRECISION) == line.strip("()")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1e999999 * 10", "the result is too large"),
        ("9e999999 + 1e999999", "the result is too large"),
        ("-9e999999 - 1e999999", "the result is too large"),
        ("1e999999 / 1e-999999", "the result is too large"),
        (f"{'9' * 29}e999971 + 0", "the result is too large"),
        (f"{'9' * 29}e999971", "the result is too large"),
        ("1e-999999 / 10", "the result is too close to zero"),
        ("1e-999999 * 1e-999999", "the result is too close to zero"),
        ("1e-999999 * -0.1", "the result is too close to zero"),
        ("1.1e-999999 - 1e-999999", "the result is too close to zero"),
        # Also for intermediate results: the rest would bring them back within the bounds.
        ("1e999999 * 10 / 10", "the result is too large"),
        ("0 * (1e-999999 / 10)", "the result is too close to zero"),
    ],
)
def test_a_result_beyond_all_exponents_is_an_error(line: str, reason: str) -> None:
    with pytest.raises(CalculationError, match=f"^{reason}$"):
        calculate(line)


def test_bounds_apply_to_the_rounded_result() -> None:
    assert calculate(f"{'9' * 28}e999972 + 0") == f"9.{'9' * 27}E+999999"
    # Slightly smaller than the smallest result, until it is rounded.
    assert calculate(f"9.{'9' * 29}e-999999 / 10") == "1E-999999"


@pytest.mark.parametrize("operator", "+-*/")
def test_operands_that_fill_a_line_are_computed(operator: str) -> None:
    line = "7" * 2000 + operator + "." + "3" * 2000
    left, right = Fraction(int("7" * 2000)), Fraction(int("3" * 2000), 10**2000)
    for precision in (1, DEFAULT_PRECISION, MAX_PRECISION):
        assert calculate(line, precision) == expected_answer(left, operator, right, precision)


@pytest.mark.parametrize("precision", [0, -1, 101, 10**9])
def test_a_precision_out_of_bounds_is_refused(precision: int) -> None:
    with pytest.raises(ValueError, match="precision must be a whole number from 1 to 100"):
        Arithmetic(precision)


@pytest.mark.parametrize("precision", [1, 28, 100])
def test_a_result_has_as_many_digits_as_the_precision(precision: int) -> None:
    assert calculate("1 / 3", precision) == "0." + "3" * precision
    assert Arithmetic(precision).precision == precision


def test_the_default_precision_is_28() -> None:
    assert Arithmetic().precision == DEFAULT_PRECISION == 28


def test_ans_is_the_value_that_was_given() -> None:
    assert calculate("ans * 2", ans=Decimal(21)) == "42"
    assert calculate("-ans ^ 2", ans=Decimal(3)) == "-9"
    assert calculate("ans", ans=Decimal(0)) == "0"
    with pytest.raises(CalculationError, match="there is none yet"):
        calculate("1 + ans")


# The second arithmetic: Python's parser for how operators bind, and its `decimal` for the rest. It
# uses nothing of the calculator.


class NoResultError(Exception):
    pass


def independent(text: str, precision: int, ans: Decimal) -> Decimal:
    """Evaluate a text, with its numbers quoted, as Python parses it."""
    context = Context(prec=precision, rounding=ROUND_HALF_EVEN, Emax=999_999, Emin=-999_999)
    for signal in context.traps:
        context.traps[signal] = signal not in (Inexact, Rounded, Clamped, FloatOperation)
    with localcontext(context):
        try:
            return +value_of(ast.parse(text, mode="eval").body, ans)
        except DecimalException as error:
            raise NoResultError from error


def value_of(node: ast.expr, ans: Decimal) -> Decimal:
    match node:
        case ast.Constant(str(digits)):
            return Decimal(digits)
        case ast.Name("ans"):
            return ans
        case ast.UnaryOp(ast.USub(), operand):
            # The calculator's sign is exact, but decimal's minus rounds.
            return value_of(operand, ans).copy_negate()
        case ast.BinOp(left, operator, right):
            return apply(operator, value_of(left, ans), value_of(right, ans))
        case ast.Call(ast.Name(name), arguments):
            values = [value_of(argument, ans) for argument in arguments]
            match name:
                case "sqrt":
                    return values[0].sqrt()
                case "abs":
                    return abs(values[0])
                case "min":
                    return +min(values)
                case "max":
                    return +max(values)
    raise AssertionError(ast.dump(node))


def apply(operator: ast.operator, left: Decimal, right: Decimal) -> Decimal:
    match operator:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return left / right
        case ast.FloorDiv():
            return left // right
        case ast.Mod():
            return left % right
        case ast.Pow():
            return power(left, right)
    raise AssertionError(operator)


def power(left: Decimal, right: Decimal) -> Decimal:
    if not left and right < 0:
        raise NoResultError
    return Decimal(left**right)


SPELLED = {"**": ["^", "**"], "*": ["*", "×"], "/": ["/", "÷"], "-": ["-", "−"]}
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "+", "-", "*"]


def random_expression(chance: random.Random, depth: int) -> tuple[str, str]:
    """Draw an expression, as somebody types it and as Python reads it."""
    kind = chance.choice(["number", *["operator"] * 4, "sign", "group", "function"])
    if depth == 0 or kind == "number":
        if chance.random() < 0.15:
            return "ans", "ans"
        digits = str(chance.randrange(10 ** chance.choice((1, 1, 2, 3, 12, 35))))
        if chance.random() < 0.4:
            digits = f"{digits}.{chance.randrange(1000)}"
        if chance.random() < 0.1:
            digits = f"{digits}e{chance.choice((-40, -3, 2, 40, 999_900, -999_900))}"
        return digits, f"'{digits}'"
    if kind == "function":
        name, count = chance.choice([("sqrt", 1), ("abs", 1), ("min", 2), ("max", 3)])
        parts = [random_expression(chance, depth - 1) for _ in range(count)]
        ours, theirs = (", ".join(side) for side in zip(*parts, strict=True))
        return f"{name}({ours})", f"{name}({theirs})"
    ours, theirs = random_expression(chance, depth - 1)
    if kind == "sign":
        sign = chance.choice("-−")
        return f"{sign}{chance.choice(('', ' '))}{ours}", f"-{theirs}"
    if kind == "group":
        return f"({ours})", f"({theirs})"
    operator = chance.choice(OPERATORS)
    right, their_right = random_expression(chance, depth - 1)
    spelled = chance.choice(SPELLED.get(operator, [operator]))
    blank = chance.choice(("", " ", "\t"))
    return f"{ours}{blank}{spelled}{blank}{right}", f"{theirs} {operator} {their_right}"


@pytest.mark.parametrize("seed", range(20))
def test_random_expressions_give_the_results_of_a_second_arithmetic(seed: int) -> None:
    chance = random.Random(seed)
    results = 0
    for _ in range(150):
        ours, theirs = random_expression(chance, chance.randrange(1, 6))
        precision = chance.choice((DEFAULT_PRECISION, 1, 3, 9, 50, MAX_PRECISION))
        ans = Decimal(chance.choice(("0", "1", "-2.5", "1e-7")))
        try:
            expected = independent(theirs, precision, ans)
        except NoResultError:
            with pytest.raises(CalculationError):
                calculate(ours, precision, ans)
        else:
            assert Arithmetic(precision).evaluate(parse(ours), ans) == expected, ours
            results += 1
    assert results > 80


# Piece by piece


@pytest.mark.parametrize(
    "line",
    [
        "2" + "^.9" * 1000,
        "+".join(["9^.9"] * 500),
        "1" + "+1" * 1000,
        "sqrt(" * 100 + "2" + ")" * 100,
        "max(" + "1," * 999 + "1)",
        "-" * 1000 + "1",
        "9^9^9",
    ],
)
def test_a_costly_expression_is_evaluated_in_stretches(line: str) -> None:
    expression = parse(line)
    costs: list[int] = []
    with suppress(CalculationError):
        costs += Arithmetic().evaluating(expression)
    # No stretch costs more than was yielded before it, and it may contain one power.
    assert max(costs) <= STRETCH + 500 + 1000
    assert sum(costs) >= len([item for item in expression.program if not isinstance(item, Decimal)])


def test_a_power_costs_so_much_that_its_cost_is_yielded_first() -> None:
    work = Arithmetic().evaluating(parse("2^.5 + 2^.5"))
    assert next(work) >= 500
    assert next(work) >= 500
    assert finish(work) == Decimal(2).sqrt(Context(prec=28)) * 2


def test_an_interrupted_evaluation_has_the_same_result() -> None:
    line = "+".join(["sqrt(2)^.5 * (pi - e)"] * 30)
    in_turns = Arithmetic().evaluating(parse(line))
    other = Arithmetic(5).evaluating(parse("2" + "^.9" * 20))
    # Two evaluations at the same time, at two precisions.
    for _ in zip(in_turns, other, strict=False):
        pass
    result = finish(in_turns)
    assert result == Arithmetic().evaluate(parse(line))
