"""What typed lines, commands and keys ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trionet.chat.person import calls
from trionet.chat.window.keys import ACTIONS, key_help
from trionet.chat.window.model import Window
from trionet.chat.window.window_commands import COMMANDS
from typed_window import make_window, press, rows, type_text
from window_events import at, entered, event, notice, said


def enter(window: Window, text: str) -> None:
    type_text(window, text)
    press(window, "enter")


def test_join_shows_the_room_when_it_is_entered() -> None:
    window = make_window()
    type_text(window, "/join #builds")
    press(window, "enter")
    assert window.take_calls() == [calls.Join("builds")]
    window.hear(entered("Ann", room="builds", last=9))
    assert window.rooms.shown.name == "builds"
    assert window.take_calls() == [calls.History("builds", 10, 200)]
    window.hear(notice("left", 10, "Ann", room="builds", count=0, reason="left"))
    assert window.rooms.shown.name == "lobby"


def test_a_text_typed_right_after_join_goes_to_the_new_room() -> None:
    window = make_window()
    enter(window, "/join builds")
    enter(window, "hello")
    enter(window, "/me waves")
    assert window.take_calls() == [
        calls.Join("builds"),
        calls.Say("builds", "hello"),
        calls.Act("builds", "waves"),
    ]


def test_what_is_half_typed_when_a_room_is_entered_is_the_draft_of_that_room() -> None:
    window = make_window()
    enter(window, "/join builds")
    type_text(window, "half")
    press(window, "left")
    window.hear(entered("Ann", room="builds", last=9))
    assert rows(window)[-1] == "> half"
    type_text(window, "l")
    assert window.rooms.shown.draft.text == "hallf"
    assert window.rooms.get("lobby").draft.text == ""


def test_two_rooms_asked_for_at_once_get_each_its_own_text() -> None:
    window = make_window()
    for line in ("/join a", "for a", "/join b", "for b"):
        enter(window, line)
    assert window.take_calls()[1::2] == [calls.Say("a", "for a"), calls.Say("b", "for b")]
    window.hear(entered("Ann", room="a"))
    window.take_calls()
    enter(window, "for b too")
    assert window.take_calls() == [calls.Say("b", "for b too")]
    window.hear(entered("Ann", room="b"))
    assert window.rooms.shown.name == "b"


def test_a_room_that_is_refused_does_not_cancel_the_next_one() -> None:
    window = make_window()
    enter(window, "/join a")
    enter(window, "/join b")
    window.refused(calls.Join("a"), "no room is free")
    window.take_calls()
    enter(window, "for b")
    assert window.take_calls() == [calls.Say("b", "for b")]
    window.refused(calls.Join("b"), "no room is free")
    window.refused(calls.Say("b", "for b"), "you are not in b")
    assert window.rooms.shown.draft.text == "for b"
    assert window.rooms.shown.name == "lobby"


def test_whoever_goes_to_another_room_meanwhile_speaks_there() -> None:
    window = make_window()
    window.hear(entered("Ann", room="other"))
    enter(window, "/join builds")
    press(window, "m-2")
    window.take_calls()
    enter(window, "hello")
    assert window.take_calls() == [calls.Say("other", "hello")]
    window.hear(entered("Ann", room="builds"))
    assert window.rooms.shown.name == "other"


def test_nothing_is_removed_from_the_old_room_while_another_is_asked_for() -> None:
    window = make_window()
    window.hear(said(1, "mine", name="Ann"))
    enter(window, "/join builds")
    window.take_calls()
    enter(window, "/remove")
    assert window.take_calls() == []


def test_whoever_leaves_the_only_room_is_told_what_to_do() -> None:
    window = make_window()
    window.hear(notice("left", 1, "Ann", count=1, reason="left"))
    assert any("you have left lobby; /join another room" in row for row in rows(window))
    assert window.rooms.shown.members == ["Bea"]


def test_a_text_that_the_server_refuses_comes_back() -> None:
    window = make_window()
    window.refused(calls.Tell("Zed", "hello"), "there is no Zed here")
    assert any("error: there is no Zed here" in row for row in rows(window))
    assert rows(window)[-1] == "> /msg Zed hello"
    window.refused(calls.Say("lobby", "lost"), "why")
    assert rows(window)[-1] == "> /msg Zed hello"


@pytest.mark.parametrize("word", ["quit", "exit", "Q", ":q", ":wq", "logout", "/q"])
def test_a_word_that_should_end_the_program_is_asked_about(word: str) -> None:
    window = make_window()
    type_text(window, word)
    press(window, "enter")
    assert window.take_calls() == []
    assert any("leave? (q)" in row for row in rows(window))
    assert rows(window)[-1].strip() == ">"


def test_a_room_is_shown_by_whatever_name_the_server_gives_it() -> None:
    window = make_window()
    type_text(window, "/join ＢＵＩＬＤＳ")
    press(window, "enter")
    window.hear(entered("Ann", room="builds"))
    assert window.rooms.shown.name == "builds"
    window.rooms.show("lobby")
    type_text(window, "/join nowhere!")
    press(window, "enter")
    window.refused(calls.Join("nowhere!"), "a name cannot have a !")
    window.hear(entered("Ann", room="other"))
    assert window.rooms.shown.name == "lobby"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("q", [calls.Quit()]),
        ("/quit", [calls.Quit()]),
        ("//who", [calls.Say("lobby", "/who")]),
        ("/say q", [calls.Say("lobby", "q")]),
        ("/me waves", [calls.Act("lobby", "waves")]),
        ("/msg Bea a b", [calls.Tell("Bea", "a b")]),
        ("/topic new tea", [calls.SetTopic("lobby", "new tea")]),
        ("/nick Anna", [calls.Nick("Anna")]),
        ("/leave", [calls.Leave("lobby")]),
        ("/who", [calls.Who("lobby")]),
        ("exit", []),
        ("/jion x", []),
        ("/msg Bea", []),
    ],
)
def test_a_typed_line_asks_for_what_it_says(text: str, expected: list[Any]) -> None:
    window = make_window()
    type_text(window, text)
    press(window, "enter")
    assert window.take_calls() == expected


def test_a_mistyped_command_stays_to_be_corrected() -> None:
    window = make_window()
    type_text(window, "/jion x")
    press(window, "enter")
    assert any("did you mean /join?" in row for row in rows(window))
    assert rows(window)[-1] == "> /jion x"


def test_a_text_that_the_server_would_refuse_stays_to_be_shortened() -> None:
    window = make_window()
    window.paste("line\n" * 51)
    press(window, "y")
    assert window.take_calls() == []
    assert window.rooms.shown.draft.text.count("\n") == 50
    assert any("error: a text has at most 50 lines" in row for row in rows(window))
    press(window, "backspace", *["backspace"] * 4, "enter")
    assert len(window.take_calls()) == 1


def test_f1_shows_the_keys_page_by_page() -> None:
    window = make_window(40, 10)
    before, seen = rows(window), ""
    press(window, "f1")
    while rows(window) != before:
        seen += "\n".join(rows(window)[1:-2])
        press(window, "f1")
    assert "Enter: send" in seen
    assert "Ctrl-D: leave" in seen
    press(window, "f1", "escape")
    assert rows(window) == before


def test_tab_offers_the_last_speaker_first() -> None:
    window = make_window(80, 24, "Bea", "Ben", "Bob")
    for number, name in enumerate(["Bob", "Ben", "Ann"], 1):
        window.hear(said(number, "hello", name=name))
    press(window, "b", "tab")
    assert rows(window)[-1] == "> Ben: "
    press(window, "tab")
    assert rows(window)[-1] == "> Bob: "
    press(window, "tab")
    assert rows(window)[-1] == "> Bea: "


def test_whoever_is_ignored_is_not_shown_and_counts_as_nothing() -> None:
    window = make_window()
    enter(window, "/ignore bea")
    window.hear(said(1, "Ann!"))
    window.hear(event("told", number=1, time=at(1), from_="Bea", to="Ann", text="psst"))
    window.hear(notice("renamed", 2, "Bea", to="Bee"))
    window.hear(said(3, "again", name="Bee"))
    window.hear(said(4, "hello", name="Cid"))
    shown = "\n".join(rows(window))
    assert "-- you ignore bea" in shown
    assert not any(word in shown for word in ("Ann!", "psst", "again", "@:1"))
    assert "Cid: hello" in shown
    assert window.rooms.shown.last == 4
    enter(window, "/unignore bee")
    window.hear(said(5, "at last", name="Bee"))
    assert any("Bee: at last" in row for row in rows(window))
    enter(window, "/unignore bee")
    assert any("error: you do not ignore bee" in row for row in rows(window))
    press(window, "c-u")
    enter(window, "/ignore ANN")
    assert any("error: you cannot ignore yourself" in row for row in rows(window))


def test_ignored_members_are_bounded() -> None:
    window = make_window(80, 200)
    for number in range(101):
        enter(window, f"/ignore name{number}")
    assert any("you ignore too many members" in row for row in rows(window))


def test_the_last_own_message_can_be_removed() -> None:
    window = make_window()
    enter(window, "/remove")
    assert window.take_calls() == []
    press(window, "c-u")
    for number, name in ((1, "Ann"), (2, "Ann"), (3, "Bea")):
        window.hear(said(number, "text", name=name))
    enter(window, "/remove")
    assert window.take_calls() == [calls.Remove("lobby", 2)]
    window.hear(notice("removed", 4, "Ann", of=2))
    enter(window, "/remove")
    assert window.take_calls() == [calls.Remove("lobby", 1)]


def test_a_digit_with_alt_shows_a_room_by_its_place() -> None:
    window = make_window()
    for room in ("builds", "tea"):
        window.hear(entered("Ann", room=room))
    press(window, "m-3")
    assert window.rooms.shown.name == "tea"
    press(window, "m-1")
    assert window.rooms.shown.name == "lobby"
    press(window, "m-9")
    assert window.rooms.shown.name == "lobby"


def test_rooms_that_the_server_has_listed_can_be_completed() -> None:
    window = make_window()
    window.hear(event("rooms", rooms=[{"room": "builds", "count": 3, "topic": "ci"}]))
    type_text(window, "/join bu")
    press(window, "tab")
    assert rows(window)[-1].rstrip() == "> /join builds"


GUIDE = (Path(__file__).parents[3] / "docs" / "window.md").read_text()


@pytest.mark.parametrize("command", COMMANDS.all(), ids=lambda command: command.usage)
def test_the_guide_tells_each_command(command: Any) -> None:
    assert f"`{command.usage}`" in GUIDE


def test_the_guide_tells_each_key() -> None:
    told = {
        "escape": "Esc",
        "pageup": "PgUp",
        "pagedown": "PgDn",
        "wheel-up": "wheel",
        "wheel-down": "wheel",
        "left": "arrow",
        "right": "arrow",
        "m->": "Alt-End",
        "backspace": "erases",
        "m-backspace": "erases",
        "delete": "erases",
        **{f"m-{digit}": "Alt-1 … Alt-9" for digit in range(1, 10)},
        "c-left": "Ctrl with",
        "c-right": "Ctrl with",
    }
    for key in ACTIONS:
        modifier, _, rest = key.rpartition("-")
        name = {"c": "Ctrl-", "m": "Alt-", "": ""}.get(modifier, "") + rest.capitalize()
        assert told.get(key, name) in GUIDE, key


def test_of_several_refused_texts_none_is_lost() -> None:
    window = make_window()
    for text in ("one", "two", "three"):
        enter(window, text)
    type_text(window, "typ")
    for text in ("one", "two", "three"):
        window.refused(calls.Say("lobby", text), "too fast")
    shown = "\n".join(rows(window))
    for text in ("one", "two", "three"):
        assert f"error: too fast: {text}" in shown
    assert rows(window)[-1] == "> typ"
    press(window, "up", "up", "up")
    assert rows(window)[-1] == "> one"


def test_a_pasted_text_that_is_refused_while_somebody_types_is_not_lost() -> None:
    window = make_window()
    window.paste("a\nb")
    press(window, "y", *"typ")
    window.refused(calls.Say("lobby", "a\nb"), "too fast")
    press(window, "up")
    assert rows(window)[-2:] == ["> a", "  b"]


def test_a_text_that_is_refused_for_another_room_waits_there() -> None:
    window = make_window()
    window.hear(entered("Ann", room="builds"))
    window.refused(calls.Say("builds", "hello"), "too fast")
    assert any("too fast (the text is in builds again)" in row for row in rows(window))
    press(window, "c-n")
    assert rows(window)[-1] == "> hello"


def test_what_is_typed_replaces_a_text_that_came_back() -> None:
    window = make_window()
    enter(window, "/jion builds")
    assert rows(window)[-1] == "> /jion builds"
    enter(window, "hello")
    assert window.take_calls() == [calls.Say("lobby", "hello")]
    press(window, "up", "up")
    assert rows(window)[-1] == "> /jion builds"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("backspace", "> /jion buildX"),
        ("home", "> X/jion builds"),
        ("m-enter", "  X"),
        ("pageup", "> X"),
    ],
)
def test_a_text_that_came_back_can_be_edited(key: str, expected: str) -> None:
    window = make_window()
    enter(window, "/jion builds")
    press(window, key, "X")
    assert rows(window)[-1] == expected


def test_a_text_that_came_back_can_be_sent_again_as_it_is() -> None:
    window = make_window()
    window.refused(calls.Say("lobby", "hello"), "too fast")
    press(window, "enter")
    assert window.take_calls() == [calls.Say("lobby", "hello")]
    assert rows(window)[-1] == "> "


def test_the_draft_of_another_room_stays_when_the_same_text_is_sent() -> None:
    window = make_window()
    type_text(window, "hello")
    window.hear(entered("Ann", room="builds"))
    press(window, "c-n")
    enter(window, "hello")
    assert rows(window)[-1] == "> "
    press(window, "c-p")
    assert rows(window)[-1] == "> hello"


def test_keys_lead_from_mention_to_mention() -> None:
    window = make_window()
    for number in range(1, 100):
        window.hear(said(number, "Ann, look" if number in (10, 50) else f"message {number}"))
    log = window.rooms.shown.log

    def found() -> int:
        assert log.found is not None
        return log[log.found].number

    press(window, "m-p")
    assert found() == 50
    assert any("Ann, look" in row for row in rows(window))
    press(window, "m-p")
    assert found() == 10
    press(window, "m-p")
    assert found() == 10
    assert " · no mention further up · " in rows(window)[-2]
    press(window, "m-n")
    assert found() == 50


def test_a_key_shows_the_oldest_messages_and_asks_for_older_ones() -> None:
    window = make_window(last=500)
    for number in range(501, 600):
        window.hear(said(number, f"message {number}"))
    window.loaded(
        "lobby", [said(number, f"message {number}") for number in range(301, 501)], more=True
    )
    press(window, "m-home")
    assert "message 301" in rows(window)[2]
    assert window.take_calls() == [calls.History("lobby", 301, 200)]
    press(window, "m-end")
    assert any("message 599" in row for row in rows(window))


def test_help_ends_with_the_commands() -> None:
    window = make_window()
    enter(window, "/help")
    told = [entry.text for entry in window.rooms.shown.log.entries]
    usages = [f"{command.usage}  {command.help}" for command in COMMANDS.all()]
    assert told == [*key_help(), *usages]
