"""The rules of a calculator session, one line at a time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from known_names import KNOWN
from trionet import BadLine, Line
from trionet.calc import (
    SESSION_ENDED,
    Arithmetic,
    Reply,
    Session,
    UnfitName,
    check_name,
    is_quit,
)
from trionet.errors import LineNotUTF8, LineTooLong
from trionet.text.safe import safe_text

BLANK = "error: expected an expression, such as 12 + 42"


def session_of(name: str = "ann") -> Session:
    session = Session()
    session.receive(name)
    return session


# The name


def test_a_fit_name_gets_no_answer_and_is_printed() -> None:
    assert Session().name is None
    session = Session()
    assert session.receive("ann") == Reply(answer=None, printed="ann connected")
    assert (session.name, session.ended) == ("ann", False)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (" \tann\t ", "ann"),
        ("Ann B. Cid", "Ann B. Cid"),
        ("Zoë 東京 ☺", "Zoë 東京 ☺"),
        ("a" * 64, "a" * 64),
        ("é" * 64, "é" * 64),
        ("  " + "a" * 64 + "  ", "a" * 64),
        ("Q", "Q"),
        ("q q", "q q"),
        ("12 + 42", "12 + 42"),
        ("error", "error"),
    ],
)
def test_a_name_has_one_to_64_printable_characters_without_the_blanks_around_it(
    line: str, name: str
) -> None:
    assert check_name(line) == name
    assert session_of(line).name == name


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "the name is empty"),
        (" \t ", "the name is empty"),
        ("a" * 65, "the name is longer than 64 characters"),
        ("a\tb", "the name has a character that cannot be printed"),
        ("a\x1b[2J", "the name has a character that cannot be printed"),
        ("a\x7f", "the name has a character that cannot be printed"),
        ("a\x9bb", "the name has a character that cannot be printed"),
        ("a\u2028b", "the name has a character that cannot be printed"),
        ("a\u202eb", "the name has a character that cannot be printed"),
        ("a\xa0b", "the name has a character that cannot be printed"),
        ("\u3000", "the name has a character that cannot be printed"),
        ("a\r", "the name has a character that cannot be printed"),
        ("a\u3164", "the name has a character that cannot be printed"),
        ("a\ufe0f", "the name has a character that cannot be printed"),
        ("a\u034fb", "the name has a character that cannot be printed"),
        ("a" + "\u0301" * 9, "the name has a character that cannot be printed"),
    ],
)
def test_an_unfit_name_is_answered_with_a_reason_and_ends_the_session(
    line: str, reason: str
) -> None:
    with pytest.raises(UnfitName, match=f"^{reason}$"):
        check_name(line)
    session = Session()
    assert session.receive(line) == Reply(answer=f"error: {reason}", printed=None)
    assert (session.name, session.ended) == (None, True)


@pytest.mark.parametrize("bad", [LineTooLong(4096, b"a"), LineNotUTF8(b"\xff")])
def test_a_bad_line_in_place_of_the_name_ends_the_session(bad: BadLine) -> None:
    session = Session()
    assert session.receive(bad) == Reply(answer=f"error: {bad}", printed=None)
    assert (session.name, session.ended) == (None, True)


# Quitting


@pytest.mark.parametrize("line", ["q", " q", "q\t", " \tq \t"])
def test_q_ends_the_session_without_an_answer(line: str) -> None:
    assert is_quit(line)
    session = session_of()
    assert session.receive(line) == Reply()
    assert session.ended


@pytest.mark.parametrize("line", ["q", " q\t"])
def test_q_in_place_of_the_name_ends_the_session_without_an_answer(line: str) -> None:
    session = Session()
    assert session.receive(line) == Reply()
    assert (session.name, session.ended) == (None, True)


@pytest.mark.parametrize("line", ["Q", "quit", "q q", "q 1 + 1", "q\r", "\xa0q", "ｑ", "", "/quit"])
def test_nothing_else_quits(line: str) -> None:
    assert not is_quit(line)
    session = session_of()
    reply = session.receive(line)
    assert reply.answer is not None
    assert reply.answer.startswith("error: ")
    assert not session.ended


# Operations


def test_a_result_is_answered_and_printed_with_its_operation() -> None:
    session = session_of()
    assert session.receive("12 + 42") == Reply("54", "ann: 12 + 42 = 54")


def test_an_operation_is_printed_as_received_without_the_blanks_around_it() -> None:
    session = session_of()
    assert session.receive(" \t12+ 42.0 \t") == Reply("54", "ann: 12+ 42.0 = 54")
    assert session.receive("7 × 6").printed == "ann: 7 × 6 = 42"


def test_a_tab_in_an_operation_is_printed_as_a_space() -> None:
    session = session_of()
    assert session.receive("\t12\t+ \t42") == Reply("54", "ann: 12 +  42 = 54")
    assert session.receive("1\t/\t0").printed == "ann: 1 / 0: error: division by zero"
    assert session.receive("1\t2").printed == "ann: 1 2: error: expected an operator at column 3"


def test_an_error_is_answered_and_printed_and_the_session_goes_on() -> None:
    session = session_of()
    assert session.receive("1 / 0") == Reply(
        "error: division by zero", "ann: 1 / 0: error: division by zero"
    )
    wrong = "error: expected an operator at column 4 (plus is not one)"
    assert session.receive("12 plus 42") == Reply(wrong, f"ann: 12 plus 42: {wrong}")
    assert not session.ended
    assert session.receive("1 + 1").answer == "2"


@pytest.mark.parametrize("blank", ["", " ", "\t \t"])
def test_a_blank_line_is_an_error(blank: str) -> None:
    assert session_of().receive(blank) == Reply(BLANK, f"ann: {BLANK}")


def test_a_malformed_line_is_printed_without_moving_the_cursor() -> None:
    reply = session_of().receive("\x1b[2J\x07 + 1\u2028")
    wrong = "error: unexpected U+001B at column 1"
    assert reply == Reply(wrong, f"ann: �[2J� + 1�: {wrong}")
    wrong = "error: unexpected U+202E at column 1"
    assert session_of().receive("\u202e1 + 1\u200b").printed == f"ann: �1 + 1�: {wrong}"


@pytest.mark.parametrize("bad", [LineTooLong(4096, b"1"), LineNotUTF8(b"\xff")])
def test_a_bad_line_is_an_error_and_the_session_goes_on(bad: BadLine) -> None:
    session = session_of()
    assert session.receive(bad) == Reply(f"error: {bad}", f"ann: error: {bad}")
    assert not session.ended
    assert session.receive("1 + 1").answer == "2"


def test_the_precision_is_that_of_the_arithmetic() -> None:
    session = Session(Arithmetic(3))
    session.receive("ann")
    assert session.receive("1 / 3").answer == "0.333"
    assert session_of().receive("1 / 3").answer == "0." + "3" * 28


# Expressions


def test_an_expression_is_answered_and_printed_as_it_was_received() -> None:
    session = session_of()
    assert session.receive("(1 + 2) * 3") == Reply("9", "ann: (1 + 2) * 3 = 9")
    assert session.receive("12") == Reply("12", "ann: 12 = 12")
    assert session.receive("\t-sqrt( 4 )^2 ") == Reply("-4", "ann: -sqrt( 4 )^2 = -4")


@pytest.mark.parametrize("line", ["12 + 42=", "12 + 42 =", " 12 + 42 =\t"])
def test_an_equals_sign_at_the_end_is_printed_once(line: str) -> None:
    assert session_of().receive(line) == Reply("54", "ann: 12 + 42 = 54")


def test_an_expression_without_a_result_is_printed_with_its_equals_sign() -> None:
    printed = session_of().receive("1 / 0 =").printed
    assert printed == "ann: 1 / 0 =: error: division by zero"


def test_the_column_of_a_mistake_counts_in_the_original_line() -> None:
    session = session_of()
    assert session.receive("12 +").answer == "error: expected a number at column 5"
    assert session.receive(" \t12 +").answer == "error: expected a number at column 7"


# The last result


def test_ans_is_the_last_result() -> None:
    session = session_of()
    assert session.receive("12 + 42").answer == "54"
    assert session.receive("ans / 2").answer == "27"
    assert session.receive("ans * ans").answer == "729"
    assert session.receive("ans").answer == "729"


def test_ans_before_the_first_result_is_an_error() -> None:
    session = session_of()
    none_yet = "error: ans is the last result, and there is none yet"
    assert session.receive("ans").answer == none_yet
    assert session.receive("1 + ans").answer == none_yet
    assert session.receive("2").answer == "2"
    assert session.receive("1 + ans").answer == "3"


@pytest.mark.parametrize(
    "failing",
    ["1 / 0", "ans +", "", "nonsense", "sqrt(-ans)", "9^9^9^9", "ans + 1 + (2 / 0)", "(" * 101],
)
def test_a_line_that_fails_does_not_change_ans(failing: str) -> None:
    session = session_of()
    session.receive("12 + 42")
    assert (session.receive(failing).answer or "").startswith("error: ")
    assert session.receive(LineNotUTF8(b"\xff")).answer == "error: line is not UTF-8"
    assert session.receive("ans").answer == "54"


def test_ans_is_the_rounded_result() -> None:
    session = Session(Arithmetic(3))
    session.receive("ann")
    session.receive("2 / 3")
    assert session.receive("ans - 0.666").answer == "0.001"
    session.receive("1.23456")
    assert session.receive("ans - 1.23").answer == "0"


def test_each_session_has_an_ans_of_its_own() -> None:
    arithmetic = Arithmetic()
    ann, bob = Session(arithmetic), Session(arithmetic)
    ann.receive("ann")
    bob.receive("bob")
    ann.receive("1")
    bob.receive("2")
    assert (ann.receive("ans").answer, bob.receive("ans").answer) == ("1", "2")


# Cases that have no result in `bc` either. (It warns of some and goes on with a wrong result.)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        # Runtime errors of bc.
        ("1/0", "error: division by zero"),
        ("0/0", "error: division by zero"),
        ("1%0", "error: division by zero"),
        ("0^-1", "error: division by zero"),
        ("1/(2-2)", "error: division by zero"),
        ("sqrt(-1)", "error: square root of a negative number"),
        ("sqrt(2-3)", "error: square root of a negative number"),
        ("2^2^100", "error: the result is too large"),
        ("2^99999999999999999999", "error: the result is too large"),
        ("f(1)", "error: unknown name f at column 1 (KNOWN)"),
        ("x", "error: unknown name x at column 1 (KNOWN)"),
        # Syntax errors of bc.
        ("1+", "error: expected a number at column 3"),
        ("1+*2", "error: expected a number at column 3"),
        ("*1", "error: expected a number at column 1"),
        ("(1+2", "error: unclosed ( at column 1"),
        ("1+2)", "error: unexpected ) at column 4 (no ( is open here)"),
        ("()", "error: expected a number at column 2"),
        ("1 2", "error: expected an operator at column 3"),
        ("2(3)", "error: expected an operator at column 2 (write 2*(3))"),
        ("1..2", "error: unexpected . at column 3 (a number has one point)"),
        (".", "error: unexpected . at column 1"),
        ("sqrt()", "error: expected a number at column 6"),
        ("sqrt(1,2)", "error: unexpected , at column 7 (sqrt takes one number)"),
        ("sqrt 4", "error: expected ( at column 6 (write sqrt(…))"),
        ("1 $ 2", "error: expected an operator at column 3 ($ is not one)"),
        ('"abc', 'error: unexpected " at column 1'),
        ("1 = 2", "error: expected the end of the line at column 5 (nothing may follow =)"),
        ("1;2", "error: expected an operator at column 2 (; is not one)"),
        ("a[1]", "error: unknown name a at column 1 (KNOWN)"),
        ("{1}", "error: unexpected { at column 1"),
        ("1 + 1 # two", "error: expected an operator at column 7 (# is not one)"),
        ("scale=20", "error: unknown name scale at column 1 (KNOWN)"),
        ("halt", "error: unknown name halt at column 1 (KNOWN)"),
    ],
)
def test_the_error_cases_of_bc_are_errors_here_too(line: str, answer: str) -> None:
    session = session_of()
    assert session.receive(line).answer == answer.replace("KNOWN", KNOWN)
    assert session.receive("1 + 1").answer == "2"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        # bc truncates the power to 0 and the quotient to its scale, and computes for a long time.
        ("2^0.5", "1.414213562373095048801688724"),
        ("1/3", "0." + "3" * 28),
        ("1.0000000001^1000000000000", "2.688117128375549773829451569E+43"),
    ],
)
def test_expressions_that_bc_cuts_off_or_never_finishes_have_their_result(
    line: str, answer: str
) -> None:
    assert session_of().receive(line).answer == answer


# Piece by piece


def test_a_common_line_costs_little_and_a_hostile_one_as_much_as_it_takes() -> None:
    session = session_of()
    assert sum(session.receiving("12 + 42")) <= 10
    assert sum(session.receiving("1" + "+1" * 1000)) > 1000
    assert sum(session.receiving("2" + "^.9" * 1000)) > 100_000
    # A line of which many characters must be checked before it is shown.
    assert sum(session.receiving("می‌خ" * 400)) > 500


def test_a_line_abandoned_in_the_middle_changes_nothing() -> None:
    session = session_of()
    session.receive("12 + 42")
    work = session.receiving("1 + 2^.9^.9^.9")
    next(work)
    next(work)
    work.close()
    assert session.receive("ans").answer == "54"
    assert not session.ended


LINES: st.SearchStrategy[Line] = st.one_of(
    st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(["q", "Q", "", "1 + 1", "1 / 0", "1\t*\t1", "(ans + 1) =", "max(1,\x07)"]),
    st.just(LineTooLong(4096, b"a")),
)


@settings(deadline=None, max_examples=150)
@given(lines=st.lists(LINES, max_size=8))
def test_after_the_name_every_line_but_q_has_exactly_one_answer(lines: list[Line]) -> None:
    session = session_of()
    for line in lines:
        reply = session.receive(line)
        if isinstance(line, str) and line.strip(" \t") == "q":
            assert reply == Reply()
            assert session.ended
            return
        assert reply.answer is not None
        assert reply.printed is not None
        assert reply.printed.startswith("ann: ")
        assert len(reply.answer.splitlines()) == len(reply.printed.splitlines()) == 1
        assert safe_text(reply.printed) == reply.printed
        assert not session.ended


def test_the_words_at_the_end_are_those_of_the_exercise() -> None:
    assert SESSION_ENDED == "Session ended"


@pytest.mark.parametrize("name", ["q", " q\t"])
def test_nobody_can_be_called_q(name: str) -> None:
    with pytest.raises(UnfitName, match="nobody can be called q"):
        check_name(name)
