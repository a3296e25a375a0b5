"""The plain wire format: every row of its tables, and that nobody can forge a line with it."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chat_events import names_of, told
from trionet.chat.formats import answers, plain
from trionet.chat.formats.answers import (
    Closing,
    Done,
    Entered,
    Event,
    Ignored,
    Listed,
    LogState,
    Mistaken,
    Own,
    Ponged,
    RoomList,
    TopicIs,
    Welcomed,
)
from trionet.chat.formats.plain import (
    decode,
    decode_login,
    decode_messages,
    encode,
    encode_notice,
    is_quit,
)
from trionet.chat.formats.requests import (
    Act,
    AskHelp,
    AskHistory,
    AskRooms,
    AskTopic,
    AskWho,
    HearAgain,
    Ignore,
    Join,
    LogIn,
    Misunderstood,
    Quit,
    Rename,
    Reply,
    Request,
    Say,
    SayAll,
    SetTopic,
    Tell,
)
from trionet.chat.names.names import NameRefused, parse_name
from trionet.chat.state import events
from trionet.errors import LineNotUTF8
from trionet.lines import MAX_LINE, MAX_LINE_TO_CLIENT, Line, LineDecoder
from trionet.notices import (
    AddressFull,
    ConnectingTooFast,
    IdleTimedOut,
    LineRejected,
    LinesMissed,
    LoginTimedOut,
    Notice,
    ServerClosing,
    ServerFull,
)
from trionet.text.safe import WHITE_SPACE

# A place and a time that the plain format does not tell.
HERE_AND_NOW = ("lobby", 1, 2, 3)


def said(name: str, *texts: str) -> events.Said:
    return events.Said(*HERE_AND_NOW, name, list(texts))


def acted(name: str, text: str) -> events.Acted:
    return events.Acted(*HERE_AND_NOW, name, text)


def joined(name: str, count: int) -> events.Joined:
    return events.Joined(*HERE_AND_NOW, name, count)


def left(name: str, count: int) -> events.Left:
    return events.Left(*HERE_AND_NOW, name, count, "quit")


def topic_set(name: str, text: str) -> events.TopicSet:
    return events.TopicSet(*HERE_AND_NOW, name, text)


def told_alone(name: str, to: str, text: str, *, member: int = 3, receiver: int = 4) -> events.Told:
    return events.Told(1, 2, member, receiver, name, to, text)


def entered(name: str, names: tuple[str, ...]) -> Entered:
    return Entered(name, "lobby", "", names, len(names), 1)


def present(names: tuple[str, ...]) -> answers.Present:
    return answers.Present(names, "lobby")


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


@pytest.mark.parametrize("line", ["q", " q\t", "/quit", "/quit \u3000"])
def test_a_peer_without_a_name_can_leave(line: str) -> None:
    assert is_quit(line)
    assert decode_login(line) == Quit()


@pytest.mark.parametrize("line", ["Ann", " A", "", "Q", "/who", " /quit", "/quit x", "//", "q 1"])
def test_every_other_first_line_is_taken_as_a_name(line: str) -> None:
    assert not is_quit(line)
    assert decode_login(line) == LogIn(line)


NAMES = tuple(f"Ann{number}" for number in range(1, 1001))


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (said("Ann", "hello"), "Ann: hello"),
        (said("Zoë", "  /who"), "Zoë:   /who"),
        (acted("Ann", "waves"), "* Ann waves"),
        (joined("Ann", 3), "*** Ann joined (3 here)"),
        (left("Ann", 2), "*** Ann left (2 here)"),
        (left("Ann", 0), "*** Ann left (0 here)"),
        (entered("Ann", ("Ann",)), "*** welcome, Ann (1 here: Ann)"),
        (
            entered("Cid", ("Ann", "Bob", "Cid")),
            "*** welcome, Cid (3 here: Ann, Bob, Cid)",
        ),
        (
            entered("Ann20", NAMES[:20]),
            f"*** welcome, Ann20 (20 here: {', '.join(NAMES[:20])})",
        ),
        (
            entered("Ann21", NAMES[:21]),
            f"*** welcome, Ann21 (21 here: {', '.join(NAMES[:20])} … and 1 more)",
        ),
        (
            entered("Ann1000", NAMES),
            f"*** welcome, Ann1000 (1000 here: {', '.join(NAMES[:20])} … and 980 more)",
        ),
        (present(("Ann",)), "*** 1 here: Ann"),
        (present(("Ann", "Bob", "Cid")), "*** 3 here: Ann, Bob, Cid"),
        (present(NAMES), f"*** 1000 here: {', '.join(NAMES)}"),
        (Mistaken("the name Ann is taken"), "error: the name Ann is taken"),
        (LogState(available=False), "*** messages wait: the log is out of reach"),
        (LogState(available=True), "*** the log is back"),
        (Closing(), "*** server is closing"),
        # A run, and texts of several lines, which only another format can send.
        (said("Ann", "a", "b"), "Ann: a\nAnn: b"),
        (said("Ann", "a\n\nb"), "Ann: a\nAnn: \nAnn: b"),
        (said("Ann", "a", "b\nc", "d"), "Ann: a\nAnn: b\nAnn: c\nAnn: d"),
        (acted("Ann", "waves\nagain"), "* Ann waves\n* Ann again"),
        (told_alone("Ann", "Bob", "hi\nho"), "[Ann to you] hi\n[Ann to you] ho"),
        (Own(told_alone("Ann", "Bob", "hi\nho")), "[you to Bob] hi\n[you to Bob] ho"),
        (
            Own(told_alone("Ann", "Ann", "hi", receiver=3)),
            "[you to Ann] hi\n[Ann to you] hi",
        ),
        (events.Renamed(*HERE_AND_NOW, "Ann", "Anna"), "*** Ann is now Anna"),
        (topic_set("Ann", "green"), "*** Ann set the topic: green"),
        (topic_set("Ann", ""), "*** Ann removed the topic"),
        (TopicIs("lobby", "green"), "*** topic: green"),
        (TopicIs("lobby", ""), "*** no topic"),
        (
            RoomList((Listed("lobby", "", 3), Listed("builds", "green", 1))),
            "*** rooms: lobby (3), builds (1)",
        ),
        (Ignored("Ann"), "*** you ignore Ann"),
        (Ignored("Ann", again=True), "*** you hear Ann again"),
        (Done("Ann"), "*** you are Ann"),
        (Ponged(), "*** pong"),
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
        (ConnectingTooFast(), "error: too many connections, try again later"),
        (ServerClosing(), "error: server is closing"),
    ],
)
def test_a_notice_of_the_toolkit_is_encoded_as_one_line(notice: Notice, text: str) -> None:
    assert encode_notice(notice) == f"{text}\n".encode()


@pytest.mark.parametrize(
    "event",
    [
        Welcomed("Ann", "token", "epoch"),
        Own(acted("Ann", "x")),
        Own(said("Ann", "x")),
        events.Removed(*HERE_AND_NOW, "Ann", 1),
    ],
)
def test_what_only_programs_need_is_left_out(event: Event) -> None:
    assert encode(event) == b""


def test_every_event_that_a_peer_is_told_has_an_encoder() -> None:
    wrong = told() ^ {events.Said, *plain._ENCODERS}
    assert not wrong, f"{names_of(wrong)}: say how in _ENCODERS of chat/formats/plain.py"


# Everything that means something in either direction, so that lines come close to a forgery.
LINES = st.one_of(
    st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=40),
    st.text("*/: \t\r\x0b\x85\u2028\u2029\x1b\x00qAnBobeérror", max_size=24),
    st.builds(
        str.__add__,
        st.sampled_from(
            [
                "/me ",
                "/say ",
                "/msg Bob ",
                "/reply ",
                "/topic ",
                "//",
                "/",
                "*** ",
                "error: ",
                "Bob: ",
                "\u2028",
                "\r",
            ]
        ),
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
            told = encode(said(name, text)).decode()
            assert told.startswith(f"{name}: ")
        case Act(text):
            told = encode(acted(name, text)).decode()
            assert told.startswith(f"* {name} ")
        case Tell(_, text) | Reply(text):
            told = encode(told_alone(name, "Zoë", text)).decode()
            assert told.startswith(f"[{name} to you] ")
        case SetTopic(text):
            told = encode(topic_set(name, text)).decode()
            assert told.startswith(f"*** {name} set the topic: ")
            lines_of(told)
            return
        case _:
            without_text = (Quit, AskWho, AskHelp, AskTopic, AskRooms, AskHistory)
            assert request is None or isinstance(
                request, (*without_text, Join, Rename, Ignore, HearAgain)
            )
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
    message, action = encode(said(shown, text)).decode(), encode(acted(shown, text)).decode()
    assert not message.startswith(("*", "error: ", "/", "{"))
    assert message.partition(": ")[0] == shown
    assert not action.startswith(("*** ", "error: "))
    assert action.split(" ")[1] == shown


@pytest.mark.parametrize("character", ["a", "é", "😀", "\x01", "\x85a", "\u2028a"])
def test_a_message_that_fills_a_line_is_passed_on_whole(character: str) -> None:
    line = character * (MAX_LINE // len(character.encode()))
    request = decode(line)
    assert isinstance(request, Say)
    assert len(request.text) == len(line)
    told = encode(said("n" * 32, request.text))
    assert len(told) <= MAX_LINE_TO_CLIENT


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
    run = decode_messages([*lines])
    if run is not None:
        assert [decode(line) for line in lines] == [Say(text) for text in run.texts]


def test_ordinary_messages_are_read_in_one_go() -> None:
    lines: list[Line] = ["hello", "  how are you? /me asks", "a q and a", "1 / 2"]
    assert decode_messages(lines) == SayAll(
        ["hello", "  how are you? /me asks", "a q and a", "1 / 2"]
    )


def test_lines_with_a_bad_one_among_them_are_read_one_by_one() -> None:
    assert decode_messages(["hello", LineNotUTF8(b"\xff")]) is None
