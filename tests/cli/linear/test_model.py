"""What a person with lines on a terminal is told, and what the lines they type do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trionet.chat.person import calls
from trionet.cli.linear.linear_commands import COMMANDS
from trionet.cli.linear.model import Linear
from window_events import NOON, entered, event, notice, said

NEWEST = 2**53


def make(**options: Any) -> Linear:
    """Return Ann's, in the lobby with Bea."""
    linear = Linear("Ann", **options)
    linear.link_up("connected to localhost:22223")
    linear.hear(event("welcome", name="Ann", resumed=False, epoch="e"))
    linear.hear(entered("Bea", "Ann", last=7))
    assert linear.take_lines() == ["*** welcome, Ann (2 here: Bea, Ann)"]
    return linear


def told(linear: Linear, *events: Any) -> list[str]:
    for one in events:
        linear.hear(one)
    return linear.take_lines()


def enter(linear: Linear, *typed: str) -> tuple[list[str], list[calls.Call]]:
    for line in typed:
        assert linear.enter(line) == ""
    return linear.take_lines(), linear.take_calls()


def private(from_: str, to: str, text: str) -> Any:
    return event("told", number=1, time=NOON, from_=from_, to=to, text=text)


# What is told.


def test_the_topic_is_told_after_the_welcome() -> None:
    linear = Linear("Ann")
    assert told(linear, entered("Ann", topic="tea")) == [
        *("*** welcome, Ann (1 here: Ann)", "*** topic: tea"),
    ]


def test_what_others_say_is_told_and_ones_own_words_are_not_repeated() -> None:
    linear = make()
    own = notice("acted", 9, "Ann", text="waves")
    assert told(linear, said(8, "hello", name="Ann"), own, said(10, "hi")) == ["Bea: hi"]


def test_a_mention_is_marked_by_a_word_in_the_first_line() -> None:
    linear = make()
    assert told(linear, said(8, "hello, ANN\nand Annabel"), said(9, "Annabel")) == [
        *("(mention) Bea: hello, ANN", "Bea: and Annabel", "Bea: Annabel"),
    ]


def test_the_bell_rings_for_a_mention_and_a_private_message_if_it_is_wanted() -> None:
    linear = make()
    enter(linear, "/bell")
    assert told(linear, said(8, "Ann?"), said(9, "x"), private("Bea", "Ann", "psst")) == [
        *("(mention) Bea: Ann?\a", "Bea: x", "[Bea to you] psst\a"),
    ]


def test_a_line_of_another_room_begins_with_the_rooms_name() -> None:
    linear = make()
    assert told(linear, entered("Ann", "Bea", room="builds", topic="red")) == [
        *("*** you are in builds (2 here: Ann, Bea)", "[builds] *** topic: red"),
    ]
    assert told(
        linear,
        said(1, "Ann: look\nhere", room="builds"),
        notice("joined", 2, "Cid", room="builds", count=3),
    ) == [
        "[builds] (mention) Bea: Ann: look",
        "[builds] Bea: here",
        "[builds] *** Cid joined (3 here)",
    ]
    assert enter(linear, "/join builds")[0] == ["*** you speak in builds now (3 here)"]
    assert told(linear, said(3, "here", room="builds"), said(8, "there")) == [
        *("Bea: here", "[lobby] Bea: there"),
    ]


def test_a_server_that_invents_rooms_is_bounded() -> None:
    linear = make()
    for number in range(300):
        told(linear, entered("Ann", room=f"room{number}"))
    assert len(linear.rooms) == 200


def test_a_room_that_was_asked_for_is_spoken_in_once_it_is_entered() -> None:
    linear = make()
    _, called = enter(linear, "/join #Builds")
    assert called == [calls.Join("Builds")]
    assert told(linear, entered("Ann", room="builds")) == [
        "*** you speak in builds now (1 here: Ann)",
    ]
    assert enter(linear, "red")[1] == [calls.Say("builds", "red")]


def test_whoever_has_asked_for_a_room_speaks_there_before_the_answer_or_nowhere() -> None:
    linear = make()
    _, called = enter(linear, "/join Straße", "hello", "/history")
    assert called == [
        calls.Join("Straße"),
        calls.Say("straße", "hello"),
        calls.History("straße", NEWEST, 20),
    ]
    # Until it is entered, the lobby's lines are those without a name.
    assert told(linear, said(8, "hi")) == ["Bea: hi"]
    linear.refused(calls.Join("Straße"), "no room can be called so")
    linear.refused(calls.Say("straße", "hello"), "you are not in straße")
    linear.not_loaded("straße", "there is no room straße")
    assert linear.take_lines() == [
        "error: no room can be called so",
        "error: you are not in straße: hello",
        "error: there is no room straße",
    ]
    assert enter(linear, "hello")[1] == [calls.Say("lobby", "hello")]


def test_whoever_leaves_a_room_speaks_in_another_one_if_there_is_one() -> None:
    linear = make()
    enter(linear, "/join builds")
    told(linear, entered("Ann", room="builds"))

    def leave(number: int, room: str) -> list[str]:
        left = notice("left", number, "Ann", room=room, count=0, reason="left")
        return told(linear, left)

    assert leave(8, "builds") == ["*** you have left builds; you speak in lobby now"]
    told(linear, entered("Ann", room="tests"))
    assert leave(2, "tests") == ["*** you have left tests"]
    assert leave(9, "lobby") == ["*** you have left lobby; you are in no room"]
    assert linear.enter("hello") == "hello"
    assert linear.take_lines() == ["error: you are in no room: write /join ROOM"]
    assert linear.take_calls()[1:] == []
    assert told(linear, entered("Ann", room="lobby")) == [
        "*** you speak in lobby now (1 here: Ann)",
    ]


def test_a_new_name_is_told_once_though_rooms_are_shared() -> None:
    linear = make()
    told(linear, entered("Ann", "Bea", room="builds"))
    renamed = [
        notice("renamed", 8, "Bea", to="Eve", time=NOON),
        notice("renamed", 3, "Bea", to="Eve", time=NOON, room="builds"),
    ]
    assert told(linear, *renamed) == ["*** Bea is now Eve"]
    assert told(linear, notice("renamed", 9, "Ann", to="Anna")) == ["*** you are Anna now"]
    assert told(linear, said(10, "Ann? Anna!", name="Eve")) == ["(mention) Eve: Ann? Anna!"]


def test_a_reply_goes_to_whoever_wrote_last() -> None:
    linear = make()
    assert told(linear, private("Bea", "Ann", "psst")) == ["[Bea to you] psst"]
    assert enter(linear, "/reply yes?")[1] == [calls.Tell("Bea", "yes?")]
    assert told(linear, private("Ann", "Bea", "yes?")) == ["[you to Bea] yes?"]


def test_what_somebody_ignored_says_is_not_told() -> None:
    linear = make()
    enter(linear, "/ignore bea")
    assert told(linear, said(8, "hello"), private("Bea", "Ann", "psst")) == []
    linear.loaded("lobby", [said(1, "before")], more=False)
    assert linear.take_lines() == ["*** nothing was said in lobby before"]
    assert told(linear, notice("left", 9, "Bea", count=1, reason="quit")) == [
        "*** Bea left (1 here)",
    ]


def test_joins_and_leaves_are_told_unless_they_are_not_wanted() -> None:
    linear = make()
    assert enter(linear, "/joins off")[0] == ["*** joins and leaves are not told"]
    joined = notice("joined", 8, "Cid", count=3)
    left = notice("left", 9, "Bea", count=2, reason="quit")
    assert told(linear, joined, left, said(10, "hi", name="Cid")) == ["Cid: hi"]
    assert "lobby (2 here)" in enter(linear, "/status")[0][1]
    linear.loaded("lobby", [joined, left], more=False)
    assert linear.take_lines() == ["*** nothing was said in lobby before"]
    enter(linear, "/joins")
    assert told(linear, notice("joined", 11, "Bea", count=3)) == ["*** Bea joined (3 here)"]


def test_with_times_each_line_has_its_time() -> None:
    linear = make()
    assert enter(linear, "/times")[0] == ["*** each line has its time"]
    assert told(
        linear,
        said(8, "Ann?", room="builds", time=NOON),
        notice("joined", 9, "Cid", count=3, time=NOON),
        private("Bea", "Ann", "psst"),
    ) == [
        *("[12:00] [builds] (mention) Bea: Ann?", "[12:00] *** Cid joined (3 here)"),
        "[12:00] [Bea to you] psst",
    ]
    enter(linear, "/times off")
    assert told(linear, said(10, "x")) == ["Bea: x"]


def test_what_is_missing_is_told() -> None:
    linear = make()
    missed = event("missed", room="lobby", after=7, before=10, count=None)
    assert told(linear, event("missed", room="lobby", after=7, before=8, count=None)) == []
    elsewhere = event("missed", room="builds", after=7, before=9, count=None)
    assert told(linear, missed, elsewhere) == [
        "*** 2 events missing: /history shows what the server has",
        "[builds] *** 1 event missing: /history shows what the server has",
    ]
    assert told(linear, event("missed", room=None, after=None, before=None, count=3)) == [
        "*** some events or answers were lost: /history shows what was said",
    ]
    assert told(linear, event("missed", room="@", after=1, before=4, count=None)) == [
        "*** some private messages are missing",
    ]


def test_a_new_epoch_is_told_and_the_past_begins_again_at_its_end() -> None:
    linear = make()
    linear.loaded("lobby", [said(3, "one")], more=True)
    linear.take_lines()
    assert told(linear, event("epoch", epoch="x", rooms={"lobby": 100, "builds": 3})) == [
        "*** the server started again: the last messages may be missing",
    ]
    assert enter(linear, "/more")[1] == [calls.History("lobby", NEWEST, 20)]


@pytest.mark.parametrize(
    ("heard", "line"),
    [
        (event("error", code="x", reason="a fault"), "error: a fault"),
        (event("closing", reason="server is closing"), "*** server is closing"),
        (event("log", available=False), "*** messages wait: the log is out of reach"),
        (event("log", available=True), "*** the log is back"),
        (event("members", room="lobby", members=["Ann", "Bea"]), "*** 2 here: Ann, Bea"),
        (
            event("rooms", rooms=[event("", room="lobby", count=2), event("", room="b", count=1)]),
            "*** rooms: lobby (2), b (1)",
        ),
    ],
)
def test_notices_and_answers_are_a_line(heard: Any, line: str) -> None:
    assert told(make(), heard) == [line]


def test_an_event_that_is_unknown_is_not_told() -> None:
    assert told(make(), event("reacted", room="lobby", number=8, time=NOON)) == []


# The connection.


def test_a_lost_connection_is_told_once_and_so_is_its_return() -> None:
    linear = make()
    for seconds in (3, 3, 2, 1, 4):
        linear.link_down(f"reconnecting in {seconds} s")
    assert linear.take_lines() == ["*** the connection is lost, reconnecting in 3 s"]
    linear.link_up("connected")
    linear.hear(event("welcome", name="Ann", resumed=True, epoch="e"))
    linear.hear(entered("Bea", "Ann"))
    assert linear.take_lines() == ["*** connected again"]


def test_after_a_restart_the_rooms_are_told_again() -> None:
    linear = make()
    linear.link_down("reconnecting in 1 s")
    linear.link_up("connected")
    linear.take_lines()
    linear.hear(event("welcome", name="Ann", resumed=False, epoch="e"))
    assert told(linear, entered("Ann", topic="tea")) == [
        *("*** you are in lobby again (1 here: Ann)", "*** topic: tea"),
    ]


def test_a_server_that_comes_back_with_another_epoch_has_begun_anew() -> None:
    linear = make()
    linear.loaded("lobby", [said(3, "one")], more=True)
    linear.take_lines()
    again = event("welcome", name="Ann", resumed=False, epoch="another")
    assert told(linear, again, entered("Ann")) == [
        "*** the server started again: the last messages may be missing",
        "*** you are in lobby again (1 here: Ann)",
    ]
    assert enter(linear, "/more")[1] == [calls.History("lobby", NEWEST, 20)]


def test_what_is_typed_while_the_connection_is_down_waits_and_that_is_told() -> None:
    linear = make()
    linear.link_down("reconnecting in 3 s")
    linear.take_lines()
    lines, called = enter(linear, "hello")
    assert lines == ["*** not connected: this waits for the connection"]
    assert called == [calls.Say("lobby", "hello")]
    assert enter(linear, "q") == ([], [calls.Quit()])


def test_the_status_tells_where_one_is() -> None:
    linear = make()
    told(linear, entered("Ann", room="builds"))
    linear.lag, linear.waiting = 12, 2
    assert enter(linear, "/status")[0] == [
        "*** connected to localhost:22223, lag 12 ms",
        "*** you are Ann; you speak in lobby; your rooms: lobby (2 here), builds (1 here)",
        "*** 2 texts not confirmed yet",
    ]
    linear.waiting = 0
    linear.link_down("reconnecting in 3 s")
    linear.take_lines()
    assert enter(linear, "/status")[0][0] == "*** reconnecting in 3 s"


# History.


def test_history_is_told_with_times_between_two_notices() -> None:
    linear = make()
    linear.pass_time(1795867200 + 86_400)
    _, called = enter(linear, "/history")
    assert called == [calls.History("lobby", NEWEST, 20)]
    page = [
        said(3, "one\ntwo", time=NOON),
        notice("joined", 4, "Ann", count=2, time=NOON),
        said(5, "my own", name="Ann", time=NOON),
    ]
    linear.loaded("lobby", page, more=True)
    stamp = "[2026-11-28 12:00]"
    assert linear.take_lines() == [
        "*** 3 events of lobby, oldest first:",
        f"{stamp} Bea: one",
        f"{stamp} Bea: two",
        f"{stamp} *** Ann joined (2 here)",
        f"{stamp} Ann: my own",
        "*** end of the past, /more shows what was before",
    ]
    assert enter(linear, "/more")[1] == [calls.History("lobby", 3, 20)]
    linear.loaded("lobby", [], more=False)
    assert linear.take_lines() == ["*** nothing was said in lobby before"]


def test_history_takes_a_number() -> None:
    linear = make()
    assert enter(linear, "/history 50")[1] == [calls.History("lobby", NEWEST, 50)]
    assert enter(linear, "/more")[1] == [calls.History("lobby", NEWEST, 50)]
    for wrong in ("0", "201", "all", "²", "-1"):
        assert linear.enter(f"/history {wrong}") == f"/history {wrong}"
        assert linear.take_lines() == ["error: /history takes a number from 1 to 200"]


def test_what_was_found_is_told_with_times() -> None:
    linear = make()
    linear.pass_time(1795867200)
    assert enter(linear, "/search two words")[1] == [calls.Search("lobby", "two words", NEWEST, 20)]
    found = event("found", events=[said(3, "two words", time=NOON)], more=False)
    assert told(linear, found) == [
        *("*** found 1 message, oldest first:", "[12:00] Bea: two words"),
        "*** end of what was found",
    ]
    assert told(linear, event("found", events=[], more=False)) == ["*** nothing was found"]


# What is typed.


def test_help_lists_every_command_and_how_to_leave() -> None:
    lines, _ = enter(make(), "/help")
    for name in (
        *("/join ROOM", "/leave [ROOM]", "/topic [TEXT]", "/nick NAME", "/me TEXT"),
        *("/msg NAME TEXT", "/reply TEXT", "/history [N]", "/more", "/search TEXT", "/who"),
        *("/rooms", "/ignore [NAME]", "/unignore NAME", "/times [off]", "/status", "/quit", "q"),
    ):
        assert any(line.startswith(f"*** {name}: ") for line in lines), name


GUIDE = (Path(__file__).parents[3] / "docs" / "linear.md").read_text()


@pytest.mark.parametrize("command", COMMANDS.all(), ids=lambda command: command.usage)
def test_the_guide_tells_each_command(command: Any) -> None:
    assert f"`{command.usage}`" in GUIDE


def test_blank_lines_mean_nothing() -> None:
    assert enter(make(), "", "  ") == ([], [])


def test_what_cannot_be_done_comes_back() -> None:
    linear = make()
    assert linear.enter("/jion builds") == "/jion builds"
    assert linear.take_lines() == ["error: unknown command /jion (did you mean /join?)"]


def test_a_word_that_may_mean_to_leave_is_asked_about() -> None:
    assert enter(make(), "exit") == (["leave? (q)"], [])


QUESTION = "send 2 lines as one message? y/n"


@pytest.mark.parametrize("answer", ["y", "Y", "yes", ""])
def test_a_paste_of_several_lines_is_asked_about_and_sent_as_one_text(answer: str) -> None:
    linear = make()
    assert linear.paste(["one", "", "/who"]) == ""
    assert linear.take_lines() == [QUESTION]
    assert enter(linear, answer) == ([], [calls.Say("lobby", "one\n\n/who")])


@pytest.mark.parametrize("answer", ["n", "No"])
def test_a_paste_that_is_not_wanted_comes_back(answer: str) -> None:
    linear = make()
    linear.paste(["one", "two"])
    assert linear.enter(answer) == "one\ntwo"
    assert linear.take_lines() == [QUESTION, "*** not sent"]
    assert linear.take_calls() == []
    # The question is answered.
    assert enter(linear, "hello")[1] == [calls.Say("lobby", "hello")]


def test_what_is_no_answer_comes_back_with_the_paste_and_q_leaves() -> None:
    linear = make()
    linear.paste(["one", "two"])
    assert linear.enter("three") == "one\ntwo\nthree"
    linear.paste(["one", "two"])
    linear.take_lines()
    assert enter(linear, "q") == ([], [calls.Quit()])


def test_one_line_of_a_paste_is_said_whatever_it_is() -> None:
    linear = make()
    assert linear.paste(["q"]) == ""
    assert linear.take_calls() == [calls.Say("lobby", "q")]


def test_a_paste_behind_a_paste_belongs_to_it() -> None:
    linear = make()
    linear.paste(["one", "two"])
    linear.paste(["three"])
    assert linear.take_lines() == [QUESTION, "send 3 lines as one message? y/n"]
    assert enter(linear, "y")[1] == [calls.Say("lobby", "one\ntwo\nthree")]


def test_a_paste_that_no_message_holds_comes_back_at_once() -> None:
    linear = make()
    pasted = ["x"] * 51
    assert linear.paste(pasted) == "\n".join(pasted)
    assert linear.take_lines() == ["error: a text has at most 50 lines"]
