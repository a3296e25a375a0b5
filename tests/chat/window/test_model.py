"""The window without a terminal: events and keys in, rows and calls out."""

from __future__ import annotations

import random
from typing import Any

import pytest

from emulator import Emulator
from trionet.chat.window import calls
from trionet.chat.window.composition import BARE_HINT, bare_lines, compose
from trionet.chat.window.model import Window
from trionet.chat.window.styled import row_text
from trionet.cli.window.painting import Painter
from trionet.cli.window.styles import styles_for
from window_events import at, entered, event, notice, said

STYLES = styles_for({"TERM": "xterm-256color"})


def make_window(columns: int = 80, height: int = 24, *names: str, last: int = 0) -> Window:
    window = Window("Ann")
    window.resize(columns, height)
    window.link_up("connected")
    window.hear(entered("Ann", *(names or ("Bea",)), topic="tea", last=last))
    window.take_calls()
    return window


def rows(window: Window) -> list[str]:
    return [row_text(row.main) for row in compose(window)]


def screen(window: Window, columns: int = 80, height: int = 24) -> list[str]:
    emulator = Emulator(columns, height)
    emulator.feed(Painter(STYLES).paint(compose(window), columns))
    return emulator.rows()


def press(window: Window, *keys: str) -> None:
    for key in keys:
        window.press(key)


def type_text(window: Window, text: str) -> None:
    for character in text:
        window.press(character)


def test_a_message_is_shown_and_a_typed_line_is_said() -> None:
    window = make_window()
    window.hear(said(1, "hello, Zed"))
    type_text(window, "good morning")
    press(window, "enter")
    assert window.take_calls() == [calls.Say("lobby", "good morning")]
    assert "12:00 Bea: hello, Zed" in "\n".join(rows(window))
    assert window.rooms.shown.draft.text == ""


def test_the_screen_has_the_topic_the_members_the_status_and_the_input() -> None:
    window = make_window(80, 10, "Bea", "名前")
    type_text(window, "half")
    shown = screen(window, 80, 10)
    assert shown[0].startswith(" lobby: tea")
    assert [row[61:].strip("│") for row in shown[1:4]] == ["Ann", "Bea", "名前"]
    assert shown[-2].startswith(" lobby · 3 here · connected")
    assert shown[-1] == "> half"


def test_40_columns_and_10_rows_are_usable() -> None:
    window = make_window(40, 10)
    window.rooms.get("builds")
    window.hear(said(7, "Ann: look", room="builds"))
    for number in range(1, 30):
        window.hear(said(number, f"message {number} with 日本語 and 👨‍👩‍👧‍👦 in it"))
    type_text(window, "an answer that is longer than the screen is wide, by far")
    shown = screen(window, 40, 10)
    assert any("message 29" in row for row in shown)
    assert "builds:1" in shown[7]
    assert shown[8].startswith("> an answer")
    assert shown[9].endswith("far")


@pytest.mark.parametrize("size", [(1, 1), (4, 3), (10, 2), (20, 5), (200, 50)])
def test_every_size_is_composed_without_a_fault(size: tuple[int, int]) -> None:
    window = make_window(*size)
    for number in range(1, 30):
        window.hear(said(number, "word " * number))
    type_text(window, "text " * 20)
    press(window, "f1", "f1", "pageup", "pageup")
    assert len(compose(window)) == max(3, size[1])


def test_unread_messages_and_mentions_of_other_rooms_are_counted() -> None:
    window = make_window()
    window.hear(entered("Ann", "Bea", room="builds"))
    for number in (1, 2, 3):
        window.hear(said(number, "broken", room="builds"))
    assert " · builds:3" in rows(window)[-2]
    window.hear(said(4, "ANN, look", room="builds"))
    assert window.rooms.get("builds").mentions == 1
    press(window, "m-a")
    assert window.rooms.shown.name == "builds"
    assert "builds:" not in rows(window)[-2]
    assert any(row.startswith("── new ") for row in rows(window))


def test_a_draft_is_kept_for_each_room() -> None:
    window = make_window()
    window.hear(entered("Ann", room="builds"))
    type_text(window, "for the lobby")
    press(window, "c-n")
    assert rows(window)[-1] == "> "
    type_text(window, "for builds")
    press(window, "c-n")
    assert rows(window)[-1] == "> for the lobby"


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


def test_whoever_leaves_the_only_room_is_told_what_to_do() -> None:
    window = make_window()
    window.hear(notice("left", 1, "Ann", count=1, reason="left"))
    assert any("you have left lobby; /join another room" in row for row in rows(window))
    assert window.rooms.shown.members == ["Bea"]


def test_several_pasted_lines_are_asked_about_and_sent_as_one_text() -> None:
    window = make_window()
    window.paste("one\r\ntwo\r\n\r\nthree\r\n")
    assert rows(window)[-2].strip() == "send 3 lines as one message? y/n"
    press(window, "x", "y")
    assert window.take_calls() == [calls.Say("lobby", "one\ntwo\n\nthree")]


def test_refused_pasted_lines_go_into_the_editor() -> None:
    window = make_window()
    window.paste("/quit\nq")
    press(window, "n")
    assert window.take_calls() == []
    assert rows(window)[-2:] == ["> /quit", "  q"]


def test_a_replayed_message_and_the_receipt_of_a_repeated_request_are_one() -> None:
    window = make_window()
    for number in (1, 2, 2, 1, 3, 3):
        window.hear(said(number, f"message {number}", name="Ann"))
    assert [one.number for one in window.rooms.shown.log.entries] == [1, 2, 3]


def test_joins_and_leaves_of_the_silent_are_hidden() -> None:
    window = make_window()
    window.hear(notice("joined", 1, "Zed", count=3))
    window.hear(said(2, "hello", name="Bea"))
    window.hear(notice("left", 3, "Zed", count=2, reason="quit"))
    window.hear(notice("left", 4, "Bea", count=1, reason="lost"))
    shown = "\n".join(rows(window))
    assert "Zed" not in shown
    assert "*** Bea left (1 here, connection lost)" in shown
    assert window.rooms.shown.members == ["Ann"]


def test_a_new_name_is_shown_and_mentions_follow_it() -> None:
    window = make_window()
    window.hear(notice("renamed", 1, "Ann", to="Anna"))
    window.hear(said(2, "anna?"))
    assert window.rooms.shown.log.entries[-1].is_mention
    assert window.rooms.shown.members == ["Anna", "Bea"]


def test_a_mention_rings_if_the_bell_is_wanted() -> None:
    window = make_window()
    window.hear(said(1, "Ann"))
    assert window.take_calls() == []
    type_text(window, "/bell")
    press(window, "enter")
    window.hear(said(2, "Annabel"))
    assert window.take_calls() == []
    window.hear(said(3, "hey ann!"))
    assert window.take_calls() == [calls.Bell()]


def test_private_messages_have_a_room_of_their_own_and_can_be_answered() -> None:
    window = make_window()
    window.hear(event("told", number=1, time=at(1), from_="Bea", to="Ann", text="psst"))
    assert "@:1" in rows(window)[-2]
    type_text(window, "/reply what?")
    press(window, "enter", "m-a")
    assert window.take_calls() == [calls.Tell("Bea", "what?")]
    window.hear(event("told", number=7, time=at(2), from_="Ann", to="Bea", text="what?"))
    shown = "\n".join(rows(window))
    assert "Bea: psst" in shown
    assert "Ann → Bea: what?" in shown


def test_scrolling_up_loads_history_without_moving_anything() -> None:
    window = make_window(80, 24, last=1000)
    for number in range(1001, 1041):
        window.hear(said(number, f"message {number}"))
    window.rooms.shown.loading = None
    press(window, "pageup", "pageup", "pageup")
    assert window.take_calls() == [calls.History("lobby", 1001, 200)]
    before = rows(window)[2:-2]
    page = [said(number, f"message {number}") for number in range(801, 1001)]
    window.hear(event("history", room="lobby", events=page, more=True))
    assert rows(window)[1:-3] == before
    press(window, "pageup")
    assert any("message 1000" in row for row in rows(window))
    assert window.take_calls() == []


def test_what_is_missed_is_told_and_filled_by_scrolling_up() -> None:
    window = make_window(last=2)
    window.rooms.shown.loading = None
    window.hear(said(3, "three"))
    window.hear(event("missed", room="lobby", after=3, before=301))
    window.hear(entered("Ann", "Bea", last=300))
    window.hear(said(301, "newest"))
    assert any("*** 297 events are missing" in row for row in rows(window))
    press(window, "pageup")
    assert window.take_calls() == [calls.History("lobby", 301, 200)]
    page = [said(number, f"message {number}") for number in range(101, 301)]
    window.hear(event("history", room="lobby", events=page, more=True))
    log = window.rooms.shown.log
    assert [one.text for one in log.entries][:3] == [
        "three",
        "97 events are missing",
        "message 101",
    ]
    press(window, *["pageup"] * 20)
    assert window.take_calls() == [calls.History("lobby", 101, 200)]
    page = [said(number, f"message {number}") for number in range(1, 101)]
    window.hear(event("history", room="lobby", events=page, more=False))
    assert [one.number for one in log.entries] == list(range(3, 302))


def test_a_gap_that_nobody_can_fill_is_told_as_gone() -> None:
    window = make_window(last=2)
    window.rooms.shown.loading = None
    window.hear(said(3, "three"))
    window.hear(event("missed", room="lobby", after=3, before=11))
    press(window, "pageup")
    window.hear(event("history", room="lobby", events=[], more=False))
    assert any("*** 7 events are gone" in row for row in rows(window))


def test_a_search_goes_up_and_stays_where_it_found() -> None:
    window = make_window()
    for number in range(1, 200):
        window.hear(said(number, "needle" if number in (20, 90) else f"hay {number}"))
    type_text(window, "NEEDLE")
    press(window, "c-r")
    found = rows(window)
    assert any(row.endswith("needle") for row in found)
    for number in range(200, 300):
        window.hear(said(number, "more"))
    assert rows(window)[:-2] == found[:-2]
    press(window, "c-r")
    assert rows(window) != found
    press(window, "escape", "m-end")
    assert window.rooms.shown.log.follows_end


def searching(window: Window, text: str) -> None:
    type_text(window, text)
    press(window, "c-r")


def history(first: int, last: int, *, more: bool = True, needle: int = 0) -> Any:
    events = [
        said(number, "a needle" if number == needle else f"hay {number}")
        for number in range(first, last + 1)
    ]
    return event("history", room="lobby", events=events, more=more)


def test_what_the_log_does_not_have_is_found_by_the_server_and_shown_in_its_place() -> None:
    window = make_window(last=1000)
    window.rooms.shown.loading = None
    window.hear(said(1001, "hay"))
    searching(window, "needle")
    assert window.take_calls() == [calls.Search("lobby", "needle", 1001, 1)]
    window.hear(event("found", events=[said(307, "a needle")], more=False))
    assert window.take_calls() == [calls.History("lobby", 407, 200)]
    window.hear(history(207, 406, needle=307))
    shown = rows(window)
    assert any(row.endswith("a needle") for row in shown)
    assert any(row.endswith("hay 308") for row in shown)
    # It stays there, whatever arrives.
    window.hear(said(1002, "new"))
    assert rows(window)[:-2] == shown[:-2]
    # What lies between is loaded on the way down, from above, and then there is no gap.
    while window.rooms.shown.loading is None:
        press(window, "pagedown")
    assert any("*** 594 events are missing" in row for row in rows(window))
    assert window.take_calls() == [calls.History("lobby", 0, 200, after=406)]
    window.hear(history(407, 606))
    window.rooms.shown.log.to_end()
    press(window, "pageup")
    # From below it is loaded from below.
    assert window.take_calls() == [calls.History("lobby", 1001, 200)]
    window.hear(history(801, 1000))
    window.rooms.shown.log.to_end()
    while window.rooms.shown.loading is None:
        press(window, "pageup")
    assert window.take_calls() == [calls.History("lobby", 801, 200)]
    window.hear(history(601, 800))
    events = [one for one in window.rooms.shown.log.entries if one.kind == "said"]
    assert [one.number for one in events] == list(range(207, 1003))
    assert not any(one.kind == "gap" for one in window.rooms.shown.log.entries)


def test_what_is_found_while_another_page_is_loading_is_asked_for_after_it() -> None:
    window = make_window(last=1000)
    window.take_calls()
    assert window.rooms.shown.loading is not None
    searching(window, "needle")
    assert window.take_calls() == [calls.Search("lobby", "needle", 1001, 1)]
    window.hear(event("found", events=[said(307, "a needle")], more=False))
    assert window.take_calls() == []
    window.hear(history(801, 1000))
    assert window.take_calls() == [calls.History("lobby", 407, 200)]
    window.hear(history(207, 406, needle=307))
    assert any(row.endswith("a needle") for row in rows(window))


def test_what_is_found_and_removed_meanwhile_is_told() -> None:
    window = make_window(last=1000)
    window.rooms.shown.loading = None
    searching(window, "needle")
    window.hear(event("found", events=[said(307, "a needle")], more=False))
    window.hear(history(207, 306))
    assert any("what was found is not there any more" in row for row in rows(window))
    window.take_calls()
    searching(window, "straw")
    window.hear(event("found", events=[], more=False))
    assert any("the server has found nothing" in row for row in rows(window))


def test_a_search_that_has_ended_moves_nothing() -> None:
    window = make_window(last=1000)
    window.rooms.shown.loading = None
    window.take_calls()
    searching(window, "needle")
    press(window, "escape")
    window.take_calls()
    window.hear(event("found", events=[said(307, "a needle")], more=False))
    assert window.take_calls() == []


def test_two_hundred_joins_are_no_end_of_the_history() -> None:
    window = make_window(last=1000)
    window.rooms.shown.loading = None
    window.hear(said(1001, "hay"))
    window.take_calls()
    press(window, "pageup")
    assert window.take_calls() == [calls.History("lobby", 1001, 200)]
    joins = [notice("joined", number, "Zed", count=3) for number in range(801, 1001)]
    window.hear(event("history", room="lobby", events=joins, more=True))
    press(window, "pageup")
    assert window.take_calls() == [calls.History("lobby", 801, 200)]


def test_a_server_without_history_is_asked_once() -> None:
    window = make_window(last=1000)
    window.not_loaded("lobby", "no history is kept")
    assert window.rooms.shown.log.entries == []
    window.hear(said(1001, "hay"))
    window.take_calls()
    press(window, "pageup")
    searching(window, "needle")
    assert window.take_calls() == []


def test_what_a_log_has_dropped_can_be_loaded_again() -> None:
    window = Window("Ann", max_entries=100)
    window.hear(entered("Ann", last=0))
    for number in range(1, 121):
        window.hear(said(number, f"hay {number}"))
    window.take_calls()
    searching(window, "needle")
    first = window.rooms.shown.log.entries[0].number
    assert first > 1
    assert window.take_calls() == [calls.Search("lobby", "needle", first, 1)]


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


def test_a_reconnect_keeps_what_was_half_typed_and_shows_the_countdown() -> None:
    window = make_window()
    type_text(window, "half")
    window.link_down("reconnecting in 4 s")
    assert "reconnecting in 4 s" in rows(window)[-2]
    window.link_up("connected")
    assert rows(window)[-1] == "> half"


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


def test_history_that_is_refused_is_not_asked_for_again() -> None:
    window = make_window(last=50)
    window.not_loaded("lobby")
    press(window, "pageup", "pageup")
    assert window.take_calls() == []


def test_notices_have_the_time_that_is_told() -> None:
    window = make_window()
    window.pass_time(1_795_867_200 + 60)
    press(window, "c-r")
    assert rows(window)[2] == "12:01 -- type what to look for, then Ctrl-R"


def test_ctrl_c_clears_the_text_and_then_leaves() -> None:
    window = make_window()
    type_text(window, "text")
    press(window, "c-c")
    assert window.take_calls() == []
    press(window, "c-c")
    assert window.take_calls() == [calls.Interrupt()]
    press(window, "c-d")
    assert window.take_calls() == [calls.Quit()]


def test_what_a_server_sends_cannot_reach_the_terminal() -> None:
    window = make_window()
    window.hear(said(1, "\x1b[2J\x07gone\r\nnext", name="B\x1bea"))
    window.hear(event("error", code="x", reason="\x1b[2J"))
    window.hear(notice("topic", 2, "B\x9bea", text="\x1b]0;x\x07"))
    window.hear(entered("Ann", "\x1b[2J", topic="\x1b[2J", last=2))
    shown = "\n".join(row_text([*row.main, *row.side]) for row in compose(window))
    assert all(character.isprintable() or character == "\n" for character in shown)


def test_the_bare_view_has_whole_lines_and_ends_with_any_key() -> None:
    window = make_window(40, 10)
    link = f"https://example.org/{'long/' * 20}"
    window.hear(said(1, f"see {link}"))
    type_text(window, "half")
    press(window, "m-l")
    assert bare_lines(window) == [f"12:00 Bea: see {link}", BARE_HINT]
    press(window, "x")
    assert not window.shows_bare
    assert rows(window)[-1] == "> half"


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


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_300_random_steps_painted_by_differences_equal_a_whole_paint(seed: int) -> None:
    chance = random.Random(seed)
    window = make_window()
    window.hear(entered("Ann", "Bea", "名前", room="builds"))
    columns, height = 80, 24
    emulator, painter = Emulator(columns, height), Painter(STYLES)
    words = ["a", "word", "日本語", "👨‍👩‍👧‍👦", "é", "x" * 70, "two\nlines", "Ann"]
    keys = [*"ab é日", "m-enter", "backspace", "left", "up", "down", "pageup", "pagedown", "tab"]
    keys += ["c-n", "m-a", "wheel-up", "wheel-down", "c-r", "escape", "f1", "m-l", "m-u", "c-u"]
    keys += ["enter", "m-end", "home", "end", "c-w"]
    number = 0
    for _ in range(300):
        step = chance.random()
        if step < 0.4:
            number += 1
            text = " ".join(chance.choices(words, k=chance.randrange(1, 9)))
            room = chance.choice(["lobby", "builds"])
            window.hear(said(number, text, name=chance.choice(["Ann", "Bea", "名前"]), room=room))
        elif step < 0.9:
            window.press(chance.choice(keys))
        elif step < 0.95:
            window.paste("one\ntwo")
        else:
            columns, height = chance.choice([(80, 24), (40, 10), (100, 30), (71, 8)])
            window.resize(columns, height)
            emulator.screen.resize(height, columns)
        emulator.feed(painter.paint(compose(window), columns))
        whole = Emulator(columns, height)
        whole.feed(Painter(STYLES).paint(compose(window), columns))
        assert emulator.cells() == whole.cells()
        assert emulator.cursor == whole.cursor
