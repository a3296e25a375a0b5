"""What typed lines mean, for a view that is neither the window nor a terminal."""

from __future__ import annotations

import pytest

from trionet.chat.person import calls
from trionet.chat.person.highlights import Highlights
from trionet.chat.person.ignored import Ignored
from trionet.chat.person.typed_commands import COMMON, ERROR, QUIT, Commands


class Page:
    """A view that shows one room of two."""

    def __init__(self) -> None:
        self.me = "Ann"
        self.ignored = Ignored()
        self.highlights = Highlights("Ann")
        self.has_bell = False
        self.correspondent = ""
        self.wanted_room = ""
        self.room = "lobby"
        self.topic = ""
        self.why_mute = ""
        self.called: list[calls.Call] = []
        self.told: list[str] = []

    def call(self, call: calls.Call) -> None:
        self.called.append(call)

    def tell(self, text: str, kind: str = "") -> None:
        self.told.append(f"error: {text}" if kind == ERROR else text)

    def show_room(self, name: str) -> bool:
        if name in ("lobby", "builds"):
            self.room = name
            return True
        return False


COMMANDS: Commands[Page] = Commands(*COMMON, QUIT)


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("hello", calls.Say("lobby", "hello")),
        ("//who", calls.Say("lobby", "/who")),
        ("/say  two  ", calls.Say("lobby", " two")),
        ("/say q", calls.Say("lobby", "q")),
        ("/me waves", calls.Act("lobby", "waves")),
        ("/msg Bea  hello there", calls.Tell("Bea", " hello there")),
        ("/topic tea", calls.SetTopic("lobby", "tea")),
        ("/nick Anna", calls.Nick("Anna")),
        ("/join #Tests", calls.Join("Tests")),
        ("/leave", calls.Leave("lobby")),
        ("/leave builds", calls.Leave("builds")),
        ("/rooms", calls.AskRooms()),
        # As other programs have it.
        ("/part", calls.Leave("lobby")),
        ("/close builds", calls.Leave("builds")),
        ("/query Bea hello", calls.Tell("Bea", "hello")),
        ("/list", calls.AskRooms()),
        ("/quit", calls.Quit()),
        ("/quit ", calls.Quit()),
        (" q\t", calls.Quit()),
    ],
)
def test_a_line_is_carried_out(line: str, call: calls.Call) -> None:
    page = Page()
    assert COMMANDS.obey(page, line)
    assert page.called == [call]
    assert page.told == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/jion builds", "error: unknown command /jion (did you mean /join?)"),
        ("/" + "x" * 50, f"error: unknown command /{'x' * 31}… (try /help)"),
        ("/join", "error: write /join ROOM"),
        ("/msg Bea", "error: write /msg NAME TEXT"),
        ("/reply hello", "error: nobody has written to you alone"),
        ("x" * 4097, "error: a text has at most 4096 bytes"),
    ],
)
def test_what_cannot_be_done_is_told_and_comes_back(line: str, told: str) -> None:
    page = Page()
    assert not COMMANDS.obey(page, line)
    assert page.called == []
    assert page.told == [told]


@pytest.mark.parametrize("line", ["quit", "exit", ":q", "Q", " EXIT ", "/exit", "/q"])
def test_what_may_mean_to_leave_is_asked_about(line: str) -> None:
    page = Page()
    assert COMMANDS.obey(page, line)
    assert page.called == []
    assert page.told == ["leave? (q)"]


@pytest.mark.parametrize("line", ["hello", "/me waves"])
def test_where_nothing_can_be_said_the_reason_is_told(line: str) -> None:
    page = Page()
    page.why_mute = "you are in no room"
    assert not COMMANDS.obey(page, line)
    assert page.called == []
    assert page.told == ["error: you are in no room"]


def test_joining_a_room_that_one_is_in_shows_it() -> None:
    page = Page()
    COMMANDS.obey(page, "/join Builds")
    assert page.called == []
    assert (page.room, page.wanted_room) == ("builds", "")
    COMMANDS.obey(page, "/join tests")
    assert page.wanted_room == "tests"


def test_a_reply_goes_to_whoever_wrote_last() -> None:
    page = Page()
    page.correspondent = "Bea"
    COMMANDS.obey(page, "/reply yes")
    assert page.called == [calls.Tell("Bea", "yes")]


def test_the_topic_is_told_without_asking_the_server() -> None:
    page = Page()
    COMMANDS.obey(page, "/topic")
    page.topic = "tea"
    COMMANDS.obey(page, "/topic")
    assert page.told == ["no topic", "topic: tea"]


def test_ignoring_goes_by_the_name_in_any_case_and_follows_a_new_name() -> None:
    page = Page()
    for line in ("/ignore", "/ignore Bea", "/ignore"):
        assert COMMANDS.obey(page, line)
    for line in ("/unignore Cid", "/ignore ann"):
        assert not COMMANDS.obey(page, line)
    assert page.told == [
        *("you ignore nobody", "you ignore Bea", "you ignore Bea"),
        *("error: you do not ignore Cid", "error: you cannot ignore yourself"),
    ]
    assert "bea" in page.ignored
    page.ignored.renamed("BEA", "Dora")
    assert "Bea" not in page.ignored
    assert "Dora" in page.ignored
    COMMANDS.obey(page, "/unignore dora")
    assert page.ignored.names == []


def test_the_bell_is_switched() -> None:
    page = Page()
    COMMANDS.obey(page, "/bell")
    assert page.has_bell
    COMMANDS.obey(page, "/bell off")
    assert not page.has_bell
    assert page.told == ["the bell is on", "the bell is off"]


def test_words_are_waited_for_and_listed() -> None:
    page = Page()
    for line in ("/highlight deploy", "/highlight", "/unhighlight DEPLOY", "/highlight"):
        assert COMMANDS.obey(page, line)
    assert page.told == [
        "deploy mentions you now",
        "your name mentions you, and deploy",
        "DEPLOY mentions you no longer",
        "only your name mentions you",
    ]
    assert not COMMANDS.obey(page, "/unhighlight deploy")


def test_a_command_that_a_table_lacks_has_no_other_name_there_either() -> None:
    page = Page()
    assert not COMMANDS.obey(page, "/names")
    assert page.told == ["error: unknown command /names (try /help)"]
