"""The text that is being typed."""

from __future__ import annotations

import random

import pytest

from trionet.chat.window.completion import Completion
from trionet.chat.window.editor import MAX_CHARACTERS, Editor
from trionet.chat.window.input_history import InputHistory
from trionet.chat.window.widths import graphemes, text_width

FAMILY = "👨‍👩‍👧‍👦"


@pytest.mark.parametrize("whole", ["é", FAMILY, "日", "🇩🇪", "👍🏽", "रा", "❤️", "한"])
def test_backspace_erases_what_a_reader_sees_as_one_character(whole: str) -> None:
    editor = Editor(f"a{whole}")
    editor.backspace()
    assert editor.text == "a"


def test_a_family_that_arrives_one_character_at_a_time_becomes_one_cell() -> None:
    editor = Editor()
    for character in f"x{FAMILY}y":
        editor.insert(character)
    assert editor.cells == ["x", FAMILY, "y"]
    editor.left()
    editor.backspace()
    assert editor.text == "xy"


def test_cells_stay_graphemes_whatever_is_done() -> None:
    chance = random.Random(2)
    editor = Editor()
    pieces = ["a", " ", "\n", "́", FAMILY, "\u200d", "日", "🇩", "🇪", "word"]
    moves = ("left", "right", "home", "end", "word_left", "word_right", "up", "down")
    cuts = ("backspace", "delete", "kill_to_start", "kill_to_end", "kill_word", "yank")
    for _ in range(3000):
        if chance.random() < 0.5:
            editor.insert(chance.choice(pieces))
        else:
            getattr(editor, chance.choice(moves + cuts))()
        assert editor.cells == graphemes(editor.text)
        assert 0 <= editor.at <= len(editor.cells)
        columns, most = chance.randrange(4, 40), chance.randrange(1, 6)
        rows, row, column = editor.view(columns, most)
        assert 1 <= len(rows) <= most
        assert 0 <= row < len(rows)
        assert 0 <= column <= len(rows[row])
        assert all(text_width(one) <= columns or len(graphemes(one)) == 1 for one in rows)


def test_up_and_down_move_between_lines() -> None:
    editor = Editor("one\nlonger\nx")
    assert editor.up()
    assert editor.at == len("one\nl")
    assert editor.up()
    assert not editor.up()
    assert editor.down()
    assert editor.down()
    assert not editor.down()


def test_a_text_longer_than_any_message_is_refused() -> None:
    editor = Editor("x" * MAX_CHARACTERS)
    assert not editor.insert("y")
    assert len(editor.text) == MAX_CHARACTERS


def test_a_cut_word_can_be_pasted() -> None:
    editor = Editor("one two")
    editor.kill_word()
    assert editor.text == "one "
    editor.home()
    editor.yank()
    assert editor.text == "twoone "


def test_an_unsent_text_comes_back_after_the_newest_sent_one() -> None:
    history = InputHistory()
    history.add("one")
    history.add("two")
    assert history.older("draft") == "two"
    assert history.older("two") == "one"
    assert history.older("one") is None
    assert history.newer() == "two"
    assert history.newer() == "draft"
    assert history.newer() is None


def complete(text: str, times: int) -> str:
    editor, completion = Editor(text), Completion()
    for _ in range(times):
        completion.complete(editor, ["Bea", "Ben", "名前"], ["lobby", "builds"], ["/join", "/who"])
    return editor.text


def test_tab_completes_names_rooms_and_commands() -> None:
    assert complete("b", 1) == "Bea: "
    assert complete("b", 2) == "Ben: "
    assert complete("b", 3) == "Bea: "
    assert complete("hello b", 2) == "hello Ben "
    assert complete("名", 1) == "名前: "
    assert complete("/j", 1) == "/join "
    assert complete("/join b", 1) == "/join builds "
    assert complete("zz", 1) == "zz"


def test_the_word_behind_the_cursor_is_cut_whole_and_pasted() -> None:
    editor = Editor("one two three")
    editor.home()
    editor.kill_next_word()
    assert (editor.text, editor.at) == (" two three", 0)
    editor.end()
    editor.yank()
    assert editor.text == " two threeone"


def test_a_line_that_fills_its_row_has_no_empty_row_below_it() -> None:
    editor = Editor("日本語\nx")
    assert editor.view(6, 9) == (["日本語", "x"], 1, 1)
    # Unless the cursor stands there.
    editor.up()
    editor.end()
    assert editor.view(6, 9) == (["日本語", "", "x"], 1, 0)


# Characters that join what is beside them, or pair up along a whole run.
JOINING = (
    *("a", "日", "\u0301", "\u200d", "👩", "👨‍👩‍👧", "❤", "\ufe0f", "🏽", "🇩", "🇪", "🇩🇪"),
    *("क", "\u094d", "ष", "ᄀ", "ᅡ", "ᆨ", "\u0600", "\n"),
)


@pytest.mark.parametrize("seed", range(20))
def test_an_edit_joins_what_meets_however_far_that_reaches(seed: int) -> None:
    chance = random.Random(seed)
    editor = Editor("🇩" * 99)
    for _ in range(200):
        editor.at = chance.randint(0, len(editor.cells))
        before, after = "".join(editor.cells[: editor.at]), "".join(editor.cells[editor.at :])
        text = "".join(chance.choices(JOINING, k=chance.choice((1, 1, 1, 4, 30))))
        if chance.random() < 0.5:
            before += text
            assert editor.insert(text)
        else:
            erased = editor.cells[editor.at - 1] if editor.at else ""
            before = before.removesuffix(erased)
            editor.backspace()
        assert editor.cells == graphemes(before + after)
        # The cursor stands behind what is before it, or behind the grapheme that this has joined.
        passed = "".join(editor.cells[: editor.at])
        assert passed.startswith(before)
        assert len("".join(editor.cells[: max(0, editor.at - 1)])) < max(1, len(before))


def test_a_key_in_the_longest_text_looks_at_few_graphemes(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []

    def counting(text: str) -> list[str]:
        looked_at.append(len(text))
        return graphemes(text)

    editor = Editor("日" * (MAX_CHARACTERS - 10))
    monkeypatch.setattr("trionet.chat.window.editor.graphemes", counting)
    editor.home()
    editor.insert("é")
    editor.backspace()
    editor.end()
    editor.insert("👍")
    assert max(looked_at) < 30
