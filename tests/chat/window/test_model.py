"""The window without a terminal: events and keys in, rows and calls out."""

from __future__ import annotations

import random

import pytest

from emulator import Emulator
from trionet.chat.person import calls
from trionet.chat.window.composition import BARE_HINT, bare_lines, compose
from trionet.chat.window.styled import row_text
from trionet.cli.window.painting import Painter
from typed_window import STYLES, make_window, press, rows, screen, type_text
from window_events import at, entered, event, notice, said


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


def test_keys_that_come_while_it_asks_are_typed_after_the_answer() -> None:
    window = make_window()
    window.paste("one\ntwo")
    press(window, *"half")
    assert window.question
    press(window, "enter")
    assert window.take_calls() == [calls.Say("lobby", "one\ntwo")]
    assert rows(window)[-1] == "> half"
    window.paste("three\nfour")
    press(window, "e", "d", "escape")
    assert rows(window)[-2:] == ["> halfthree", "  foured"]


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


def test_a_word_that_is_waited_for_is_a_mention() -> None:
    window = make_window()
    type_text(window, "/highlight Deploy")
    press(window, "enter")
    window.hear(said(1, "the deploy is done"))
    assert window.rooms.shown.log.entries[-1].is_mention


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


def test_a_reconnect_keeps_what_was_half_typed_and_shows_the_countdown() -> None:
    window = make_window()
    type_text(window, "half")
    window.link_down("reconnecting in 4 s")
    assert "reconnecting in 4 s" in rows(window)[-2]
    window.link_up("connected")
    assert rows(window)[-1] == "> half"


def test_notices_have_the_time_that_is_told() -> None:
    window = make_window()
    window.pass_time(1_795_867_200 + 60)
    press(window, "c-r")
    assert rows(window)[2] == "12:01 -- type what to look for, then press Ctrl-R"


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


def test_a_server_that_invents_rooms_and_members_is_bounded() -> None:
    window = make_window()
    for number in range(300):
        window.hear(said(1, "text", room=f"room{number}"))
    assert len(window.rooms) == 200
    room = window.rooms.shown
    for number in range(1, 12_000):
        window.hear(notice("joined", number, f"member{number}" * 20, count=number))
    assert len(room.members) == 10_000
    assert room.count == 11_999
    assert max(map(len, room.members)) == 64
    window.hear(entered(*map(str, range(12_000))))
    assert len(room.members) == 10_000


def test_a_lost_connection_leaves_a_trace_in_the_log() -> None:
    window = make_window()
    window.link_up("connected")
    for left in (2, 1):
        window.link_down(f"reconnecting in {left} s")
    window.link_up("connected")
    told = [one.text for one in window.rooms.shown.log.entries]
    assert told == ["the connection is lost", "connected again"]


def test_a_text_that_is_full_is_told_of_once() -> None:
    window = make_window()
    window.paste("x" * 16_384)
    type_text(window, "more" * 100)
    assert sum("as long as it can be" in row for row in rows(window)) == 1
    press(window, "c-u")
    assert rows(window)[-1] == "> "


def test_a_notice_that_stands_below_what_is_seen_is_told_in_the_status_line() -> None:
    window = make_window()
    for number in range(1, 100):
        window.hear(said(number, f"message {number}"))
    press(window, "pageup")
    window.paste("x\n" * 16_384)
    status = " lobby · 2 here · what was pasted is too long for a message · ↓ Alt-End"
    assert rows(window)[-2].startswith(status)
    press(window, "x")
    assert rows(window)[-2].startswith(" lobby · 2 here · ↓ Alt-End · connected")
    press(window, "m-end")
    assert any("what was pasted is too long" in row for row in rows(window))
