"""The commands of the plain format: how each is read, and how its answer is written."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trionet.chat.formats import answers
from trionet.chat.formats.answers import Helped
from trionet.chat.formats.plain import decode, encode
from trionet.chat.formats.plain_commands import COMMANDS
from trionet.chat.formats.requests import (
    AskHistory,
    AskRooms,
    AskTopic,
    HearAgain,
    Ignore,
    Join,
    Misunderstood,
    Rename,
    Reply,
    Request,
    SetTopic,
    Tell,
)
from trionet.lines import MAX_LINE_TO_CLIENT


def present(names: tuple[str, ...]) -> answers.Present:
    return answers.Present(names, "lobby")


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
        ("/who Ann", "/who takes no argument"),
        ("/help me", "/help takes no argument"),
        ("/quit now", "/quit takes no argument"),
    ],
)
def test_a_command_that_cannot_be_read_is_misunderstood_with_a_reason(
    line: str, reason: str
) -> None:
    with pytest.raises(Misunderstood) as caught:
        decode(line)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("/msg Bob hello  you", Tell("Bob", "hello  you")),
        ("/msg  Bob  x", Tell("Bob", " x")),
        ("/reply hello", Reply("hello")),
        ("/join builds", Join("builds", moves=True)),
        ("/join  #builds ", Join("builds", moves=True)),
        ("/join ##builds", Join("#builds", moves=True)),
        ("/rooms", AskRooms()),
        ("/topic", AskTopic()),
        ("/topic  green\tlight", SetTopic(" green    light")),
        ("/nick Anna", Rename("Anna")),
        ("/ignore Bob", Ignore("Bob")),
        ("/unignore Bob", HearAgain("Bob")),
        ("/history", AskHistory(limit=20)),
        ("/history 5", AskHistory(limit=5)),
        ("/history  200 ", AskHistory(limit=200)),
    ],
)
def test_a_command_is_read_as_the_table_says(line: str, request_: Request) -> None:
    assert decode(line) == request_


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("/msg", "/msg needs a name and a text: /msg NAME TEXT"),
        ("/msg Bob", "/msg needs a name and a text: /msg NAME TEXT"),
        ("/reply", "/reply needs a text: /reply TEXT"),
        ("/join", "/join needs a room: /join ROOM"),
        ("/nick \u3000", "/nick needs a name: /nick NAME"),
        ("/ignore", "/ignore needs a name: /ignore NAME"),
        ("/rooms all", "/rooms takes no argument"),
        ("/topic " + "x" * 391, "a topic has at most 390 bytes"),
        ("/jion builds", "unknown command /jion (did you mean /join?)"),
        ("/wo", "unknown command /wo (did you mean /who?)"),
        ("/whom", "unknown command /whom (did you mean /who?)"),
        ("/mee", "unknown command /mee (did you mean /me?)"),
        ("/tobic x", "unknown command /tobic (did you mean /topic?)"),
        ("/foo", "unknown command /foo (try /help)"),
        ("/Who", "unknown command /Who (try /help)"),
    ],
)
def test_a_command_that_cannot_be_read_is_told_why(line: str, reason: str) -> None:
    with pytest.raises(Misunderstood) as caught:
        decode(line)
    assert str(caught.value) == reason


def test_help_consists_of_notices_that_name_every_command() -> None:
    *lines, rest = encode(Helped()).decode().split("\n")
    assert rest == ""
    assert all(line.startswith("*** ") for line in lines)
    commands = {command.name for command in COMMANDS} - {"/history"}
    assert commands >= {"/me", "/say", "/who", "/help", "/quit", "/join", "/msg", "/nick"}
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

    told = encode(present(names)).decode()
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
    line = encode(present(tuple(names))).decode().removesuffix("\n")
    assert ("more" in line) == bool(over)
    assert len(line.encode()) <= MAX_LINE_TO_CLIENT
