"""The short way gives the same answers as the long way."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trionet import Line
from trionet.calc import Arithmetic, Session
from trionet.errors import LineNotUTF8


def short(line: Line, precision: int = 28) -> tuple[list[str], Decimal]:
    return Arithmetic(precision).pairs.answer([line])


DIGITS = st.text("0123456789", min_size=1, max_size=10)
NUMBERS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "", "+", "-"]),
    DIGITS,
    st.one_of(st.just(""), st.just("."), DIGITS.map(lambda digits: f".{digits}")),
)
PAIRS = st.builds(
    "{}{}{}{}{}".format,
    NUMBERS,
    st.sampled_from(["", " ", "  "]),
    st.sampled_from([*"+-*/", "//", "**", "^", "%"]),
    st.sampled_from(["", " ", "\t"]),
    NUMBERS,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PAIRS, min_size=1, max_size=5), st.integers(1, 100))
@example(["0.000000001 / 999999999.999999999"], 28)
@example(["999999999.999999999*999999999.999999999"], 1)
@example(["0 * -1", "-0.0 + 0"], 28)
@example(["1 / 3", "2 / 0"], 5)
@example(["100 + 100", "0.50 + 0.50"], 2)
def test_the_short_way_gives_the_same_answers_and_the_same_last_result_as_the_long_way(
    lines: list[Line], precision: int
) -> None:
    short_way, long_way = Session(Arithmetic(precision)), Session(Arithmetic(precision))
    for session in (short_way, long_way):
        session.receive("ann")
    answers = short_way.answer_pairs(lines)
    assert answers == [long_way.receive(line).answer for line in lines[: len(answers)]]
    assert short_way.receive("ans") == long_way.receive("ans")


@pytest.mark.parametrize(
    "line",
    ["12 + 42", "3.24 - 45", "4.5 / -6", "1+2", "1--2", "+1 * -0.5", "123456789.123456789/7"],
)
def test_the_lines_of_the_exercise_take_the_short_way(line: str) -> None:
    assert len(short(line)[0]) == 1


@pytest.mark.parametrize(
    "line",
    [
        "1 / 0", "-2^2", "1 + 2 + 3", "1e3 + 1", "5. + 1", ".5 + 1", " 1 + 1", "1 + 1 ", "1 + 1=",
        "1  + 1", "1 × 1", "١ + ١", "ans + 1", "q", "", "1234567890 + 1", "0.1234567890 + 1",
        LineNotUTF8(b"1 + \xff"),
    ],
)  # fmt: skip
def test_all_other_lines_are_left_to_the_long_way(line: Line) -> None:
    assert short(line)[0] == []


def test_the_short_way_stops_at_the_first_line_that_it_cannot_take() -> None:
    session = Session()
    assert session.answer_pairs(["1 + 1"]) == []  # there is no name yet
    session.receive("ann")
    assert session.answer_pairs(["1 + 1", "2 * 3", "ans", "1 + 2"]) == ["2", "6"]
    assert session.receive("ans").answer == "6"
    assert session.answer_pairs(["q"]) == []
    assert not session.ended
