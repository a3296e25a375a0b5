"""The plain wire format: every row of its tables, and that nobody can forge a line with it."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trionet.chat import plain
from trionet.chat.events import (
    Act,
    Acted,
    AskHelp,
    AskWho,
    Closing,
    Event,
    Helped,
    Joined,
    Left,
    LogIn,
    Mistaken,
    Misunderstood,
    Present,
    Quit,
    Request,
    Said,
    Say,
    Welcomed,
)
from trionet.chat.names import NameRefused, parse_name
from trionet.chat.plain import decode, decode_login, decode_messages, encode, encode_notice, is_quit
from trionet.errors import LineNotUTF8
from trionet.lines import MAX_LINE, MAX_LINE_TO_CLIENT, Line, LineDecoder
from trionet.notices import (
    AddressFull,
    IdleTimedOut,
    LineRejected,
    LinesMissed,
    LoginTimedOut,
    Notice,
    ServerClosing,
    ServerFull,
)
from trionet.text.safe import WHITE_SPACE

# From a member


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("hello", Say("hello")),
        ("hello \t\u3000\xa0", Say("hello")),
        ("  hello", Say("  hello")),
        ("\u3000hello", Say("\u3000hello")),
        ("\thello\tyou", Say("    hello    you")),
        ("a\x00b\x1b[2Jc\x7fd\x9be", Say("a�b�[2Jc�d�e")),
        ("a\u2028b\u2029c\x85d", Say("a�b�c�d")),
        ("\x1c", Say("�")),
        ("a\rb", Say("a�b")),
        ("\u202egnol\u200b\u200e", Say("�gnol��")),
        ("/me \u2067waves\u00ad", Act("�waves�")),
        ("/say \ufeff\u3164", Say("��")),
        ("//\U000e0041", Say("/�")),
        ("a" + "\u0301" * 10, Say("a" + "\u0301" * 8 + "��")),
        ("می‌خواهم 👩‍💻 🏴󠁧󠁢󠁳󠁣󠁴󠁿 1️⃣ क्‍ष", Say("می‌خواهم 👩‍💻 🏴󠁧󠁢󠁳󠁣󠁴󠁿 1️⃣ क्‍ष")),
        # Lines that only resemble a quit, and lines that only resemble a blank one.
        ("q\u200b", Say("q�")),
        ("\u200b", Say("�")),
        ("Ann: hello", Say("Ann: hello")),
        ("*** Ann left (2 here)", Say("*** Ann left (2 here)")),
        ("error: nothing", Say("error: nothing")),
        ("Q", Say("Q")),
        ("q q", Say("q q")),
        ("q\u3000", Say("q")),
        ("quit", Say("quit")),
        (" /who", Say(" /who")),
        ("\t/quit", Say("    /quit")),
        ("{}", Say("{}")),
        ("//who", Say("/who")),
        ("//", Say("/")),
        ("///", Say("//")),
        ("// hello ", Say("/ hello")),
        ("/say q", Say("q")),
        ("/say /who", Say("/who")),
        ("/say //", Say("//")),
        ("/say   hello  ", Say("  hello")),
        ("/say a\tb", Say("a    b")),
        ("//\ta", Say("/    a")),
        ("/me \té\t\x1bb\t", Act("    é    �b")),
        ("/me waves", Act("waves")),
        ("/me  waves\x07 ", Act(" waves�")),
        ("/me /me", Act("/me")),
        ("/who", AskWho()),
        ("/who \t\u3000", AskWho()),
        ("/help", AskHelp()),
        ("/quit", Quit()),
        ("/quit  ", Quit()),
        ("q", Quit()),
        (" \tq\t ", Quit()),
        ("", None),
        (" ", None),
        ("\t\u3000\xa0\u2028", None),
    ],
)
def test_a_line_from_a_member_is_decoded_as_the_table_says(
    line: str, request_: Request | None
) -> None:
    assert decode(line) == request_


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("/foo", "unknown command /foo (try /help)"),
        ("/foo bar", "unknown command /foo (try /help)"),
        ("/", "unknown command / (try /help)"),
        ("/ who", "unknown command / (try /help)"),
        ("/WHO", "unknown command /WHO (try /help)"),
        ("/Quit", "unknown command /Quit (try /help)"),
        ("/q", "unknown command /q (try /help)"),
        ("/mewaves", "unknown command /mewaves (try /help)"),
        ("/me\twaves", "unknown command /me�waves (try /help)"),
        ("/\x1b[2J\u2028", "unknown command /�[2J (try /help)"),
        ("/" + "a" * 4095, f"unknown command /{'a' * 31}… (try /help)"),
        ("/a\u202e\u200b", "unknown command /a�� (try /help)"),
        # Cut inside an emoji, so that the rest would end with a joiner.
        ("/" + "a" * 29 + "👩\u200d💻", f"unknown command /{'a' * 29}👩�… (try /help)"),
        ("/me", "/me needs a text: /me TEXT"),
        ("/me  \t", "/me needs a text: /me TEXT"),
        ("/say", "/say needs a text: /say TEXT"),
        ("/say \u3000", "/say needs a text: /say TEXT"),
        ("/who Ann", "/who stands alone"),
        ("/help me", "/help stands alone"),
        ("/quit now", "/quit stands alone"),
    ],
)
def test_a_command_that_cannot_be_read_is_misunderstood_with_a_reason(
    line: str, reason: str
) -> None:
    with pytest.raises(Misunderstood) as caught:
        decode(line)
    assert str(caught.value) == reason


# From a peer that has not logged in


@pytest.mark.parametrize("line", ["q", " q\t", "/quit", "/quit \u3000"])
def test_a_peer_without_a_name_can_leave(line: str) -> None:
    assert is_quit(line)
    assert decode_login(line) == Quit()


@pytest.mark.parametrize("line", ["Ann", " A", "", "Q", "/who", " /quit", "/quit x", "//", "q 1"])
def test_every_other_first_line_is_taken_as_a_name(line: str) -> None:
    assert not is_quit(line)
    assert decode_login(line) == LogIn(line)


# From the room

NAMES = tuple(f"Ann{number}" for number in range(1, 1001))


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Said("Ann", "hello"), "Ann: hello"),
        (Said("Zoë", "  /who"), "Zoë:   /who"),
        (Acted("Ann", "waves"), "* Ann waves"),
        (Joined("Ann", 3), "*** Ann joined (3 here)"),
        (Left("Ann", 2), "*** Ann left (2 here)"),
        (Left("Ann", 0), "*** Ann left (0 here)"),
        (Welcomed("Ann", ("Ann",)), "*** welcome, Ann (1 here: Ann)"),
        (
            Welcomed("Cid", ("Ann", "Bob", "Cid")),
            "*** welcome, Cid (3 here: Ann, Bob, Cid)",
        ),
        (
            Welcomed("Ann20", NAMES[:20]),
            f"*** welcome, Ann20 (20 here: {', '.join(NAMES[:20])})",
        ),
        (
            Welcomed("Ann21", NAMES[:21]),
            f"*** welcome, Ann21 (21 here: {', '.join(NAMES[:20])} … and 1 more)",
        ),
        (
            Welcomed("Ann1000", NAMES),
            f"*** welcome, Ann1000 (1000 here: {', '.join(NAMES[:20])} … and 980 more)",
        ),
        (Present(("Ann",)), "*** 1 here: Ann"),
        (Present(("Ann", "Bob", "Cid")), "*** 3 here: Ann, Bob, Cid"),
        (Present(NAMES), f"*** 1000 here: {', '.join(NAMES)}"),
        (Mistaken("the name Ann is taken"), "error: the name Ann is taken"),
        (Closing(), "*** server is closing"),
    ],
)
def test_an_event_is_encoded_as_the_table_says(event: Event, text: str) -> None:
    assert encode(event) == f"{text}\n".encode()


@pytest.mark.parametrize(
    ("notice", "text"),
    [
        (LinesMissed(37), "*** you missed 37 lines"),
        (LineRejected(LineNotUTF8(b"\xff")), "error: line is not UTF-8"),
        (LoginTimedOut(30), "error: no login within 30 seconds"),
        (IdleTimedOut(0.5), "error: nothing came for 0.5 seconds"),
        (ServerFull(), "error: server is full"),
        (AddressFull(), "error: too many connections from your address"),
        (ServerClosing(), "error: server is closing"),
    ],
)
def test_a_notice_of_the_toolkit_is_encoded_as_one_line(notice: Notice, text: str) -> None:
    assert encode_notice(notice) == f"{text}\n".encode()


def test_every_event_can_be_encoded() -> None:
    assert {Said, *plain._ENCODERS} == set(get_args(Event))


def test_help_consists_of_notices_that_name_every_command() -> None:
    *lines, rest = encode(Helped()).decode().split("\n")
    assert rest == ""
    assert all(line.startswith("*** ") for line in lines)
    commands = {*plain._COMMANDS_WITH_TEXT, *plain._COMMANDS_ALONE}
    assert commands == {"/me", "/say", "/who", "/help", "/quit"}
    for command in (*commands, "//", "q"):
        assert any(line.startswith(f"*** {command}") or f"{command} " in line for line in lines)


@settings(deadline=None, max_examples=60)
@given(
    length=st.integers(8, 128),
    count=st.integers(1, 900),
    slack=st.integers(0, 60),
)
@example(length=128, count=1, slack=0)
def test_who_lists_as_many_names_as_fit_in_a_line(length: int, count: int, slack: int) -> None:
    # Enough names to come near the limit, and then some more.
    full = MAX_LINE_TO_CLIENT // (length + 2) + 1
    names = ("b" * slack, *("a" * length for _ in range(full))) + ("c",) * (count - 1)
    head = f"*** {len(names)} here: "

    def line_with(listed: int) -> str:
        more = f" … and {len(names) - listed} more" if listed < len(names) else ""
        return head + ", ".join(names[:listed]) + more

    def fits(listed: int) -> bool:
        return len(line_with(listed).encode()) <= MAX_LINE_TO_CLIENT

    told = encode(Present(names)).decode()
    listed = len(names) if "more" not in told else told.count(",") + 1
    assert told == line_with(listed) + "\n"
    assert fits(listed)
    # Neither would one more name fit, nor all names, with which no rest has to be counted.
    assert listed == len(names) or not fits(listed + 1)
    assert listed == len(names) or not fits(len(names))


@pytest.mark.parametrize("over", [0, 1])
def test_a_list_that_just_fits_is_whole_and_is_cut_if_one_byte_longer(over: int) -> None:
    # 1,023 names of 62 bytes and a comma, one name that fills the line, and a last one that is
    # shorter than the words that would replace it.
    filling = MAX_LINE_TO_CLIENT - len("*** 1025 here: ") - 1023 * 64 - len(", x")
    names = [*["é" * 31] * 1023, "y" * (filling + over), "x"]
    line = encode(Present(tuple(names))).decode().removesuffix("\n")
    assert ("more" in line) == bool(over)
    assert len(line.encode()) <= MAX_LINE_TO_CLIENT


# What nobody can forge

# Everything that means something in either direction, so that lines come close to a forgery.
LINES = st.one_of(
    st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=40),
    st.text("*/: \t\r\x0b\x85\u2028\u2029\x1b\x00qAnBobeérror", max_size=24),
    st.builds(
        str.__add__,
        st.sampled_from(["/me ", "/say ", "//", "/", "*** ", "error: ", "Bob: ", "\u2028", "\r"]),
        st.text("*: \r\u2028\x85Bobjoined(3here)", max_size=20),
    ),
)


@settings(deadline=None, max_examples=250)
@given(line=LINES, name=st.sampled_from(["Ann", "Zoë", "a*", "Error", "Q"]))
@example("/me joined (3 here)\r*** Bob left (2 here)", "Ann")
@example("hello\r\n*** Bob left", "Ann")
@example("\u2028*** Bob left (2 here)", "Ann")
def test_no_text_of_a_member_looks_like_a_notice_or_somebody_elses_line(
    line: str, name: str
) -> None:
    try:
        request = decode(line)
    except Misunderstood as mistake:
        told = encode(Mistaken(str(mistake))).decode()
        assert told.startswith("error: ")
        lines_of(told)
        return
    match request:
        case Say(text):
            told = encode(Said(name, text)).decode()
            assert told.startswith(f"{name}: ")
        case Act(text):
            told = encode(Acted(name, text)).decode()
            assert told.startswith(f"* {name} ")
        case _:
            assert request in (None, Quit(), AskWho(), AskHelp())
            return
    lines_of(told)
    assert text
    assert text == text.rstrip(WHITE_SPACE)
    assert not told.startswith(("*** ", "error: ", "Bob: ", "* Bob "))


def lines_of(told: str) -> None:
    """Check that this is one line to a program, to a terminal and to Python."""
    assert told.endswith("\n")
    assert len(told.splitlines()) == 1
    assert LineDecoder(max_line=MAX_LINE_TO_CLIENT).feed(told.encode()) == [told[:-1]]
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", told[:-1])


@settings(deadline=None, max_examples=300)
@given(
    name=st.text("*/{:error q＊：ａAb", min_size=1, max_size=6),
    text=st.text("*: Bob", min_size=1, max_size=6).filter(str.strip),
)
def test_no_name_makes_a_line_look_like_a_notice_or_an_error(name: str, text: str) -> None:
    try:
        shown = parse_name(name).shown
    except NameRefused:
        return
    said, acted = encode(Said(shown, text)).decode(), encode(Acted(shown, text)).decode()
    assert not said.startswith(("*", "error: ", "/", "{"))
    assert said.partition(": ")[0] == shown
    assert not acted.startswith(("*** ", "error: "))
    assert acted.split(" ")[1] == shown


@pytest.mark.parametrize("character", ["a", "é", "😀", "\x01", "\x85a", "\u2028a"])
def test_a_message_that_fills_a_line_is_passed_on_whole(character: str) -> None:
    line = character * (MAX_LINE // len(character.encode()))
    request = decode(line)
    assert isinstance(request, Say)
    assert len(request.text) == len(line)
    told = encode(Said("n" * 32, request.text))
    assert len(told) <= MAX_LINE_TO_CLIENT


# Many lines at once


@given(st.lists(LINES, max_size=6))
@example(["hello", "q"])
@example(["hello", " q"])
@example(["q", "hello"])
@example(["/quit"])
@example(["hello", "", "you"])
@example([""])
@example(["hello "])
@example(["a\tb"])
@example(["hello", "//you"])
@example([])
def test_lines_read_in_one_go_are_the_same_messages_as_one_by_one(lines: list[str]) -> None:
    texts = decode_messages([*lines])
    if texts is not None:
        assert [decode(line) for line in lines] == [Say(text) for text in texts]


def test_ordinary_messages_are_read_in_one_go() -> None:
    lines: list[Line] = ["hello", "  how are you? /me asks", "a q and a", "1 / 2"]
    assert decode_messages(lines) == lines


def test_lines_with_a_bad_one_among_them_are_read_one_by_one() -> None:
    assert decode_messages(["hello", LineNotUTF8(b"\xff")]) is None
