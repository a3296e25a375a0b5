"""The rules of a calculator session, one line at a time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from trionet.text import safe_text

MALFORMED = "error: expected NUMBER OPERATOR NUMBER, such as 12 + 42"


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
def test_a_name_is_one_to_64_printable_characters_without_the_blanks_around_it(
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
def test_an_unfit_name_is_answered_by_its_reason_and_ends_the_session(
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
def test_q_in_place_of_the_name_ends_without_a_word(line: str) -> None:
    session = Session()
    assert session.receive(line) == Reply()
    assert (session.name, session.ended) == (None, True)


@pytest.mark.parametrize("line", ["Q", "quit", "q q", "q 1 + 1", "q\r", "\xa0q", "ｑ", "", "/quit"])
def test_nothing_else_quits(line: str) -> None:
    assert not is_quit(line)
    session = session_of()
    reply = session.receive(line)
    assert reply.answer == MALFORMED
    assert not session.ended


# Operations


def test_a_result_is_answered_and_printed_with_its_operation() -> None:
    session = session_of()
    assert session.receive("12 + 42") == Reply("54", "ann: 12 + 42 = 54")


def test_an_operation_is_printed_as_received_but_for_the_blanks_around_it() -> None:
    session = session_of()
    assert session.receive(" \t12+ 42.0 \t") == Reply("54", "ann: 12+ 42.0 = 54")
    assert session.receive("7 × 6").printed == "ann: 7 × 6 = 42"


def test_a_tab_in_an_operation_is_printed_as_a_space() -> None:
    session = session_of()
    assert session.receive("\t12\t+ \t42") == Reply("54", "ann: 12 +  42 = 54")
    assert session.receive("1\t/\t0").printed == "ann: 1 / 0: error: division by zero"
    assert session.receive("a\tb").printed == f"ann: a b: {MALFORMED}"


def test_an_error_is_answered_and_printed_and_the_session_goes_on() -> None:
    session = session_of()
    assert session.receive("1 / 0") == Reply(
        "error: division by zero", "ann: 1 / 0: error: division by zero"
    )
    assert session.receive("twelve") == Reply(MALFORMED, f"ann: twelve: {MALFORMED}")
    assert not session.ended
    assert session.receive("1 + 1").answer == "2"


@pytest.mark.parametrize("blank", ["", " ", "\t \t"])
def test_a_blank_line_is_an_error(blank: str) -> None:
    assert session_of().receive(blank) == Reply(MALFORMED, f"ann: {MALFORMED}")


def test_what_is_printed_of_a_malformed_line_moves_no_cursor() -> None:
    reply = session_of().receive("\x1b[2J\x07 + 1\u2028")
    assert reply.printed == f"ann: �[2J� + 1�: {MALFORMED}"
    assert reply.answer == MALFORMED
    assert session_of().receive("\u202e1 + 1\u200b").printed == f"ann: �1 + 1�: {MALFORMED}"


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


LINES: st.SearchStrategy[Line] = st.one_of(
    st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(["q", "Q", "", "1 + 1", "1 / 0", "1\t*\t1"]),
    st.just(LineTooLong(4096, b"a")),
)


@settings(deadline=None, max_examples=300)
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
def test_nobody_is_called_what_ends_a_session(name: str) -> None:
    with pytest.raises(UnfitName, match="nobody can be called q"):
        check_name(name)
