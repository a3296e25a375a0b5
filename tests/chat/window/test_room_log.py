"""The log of a room: what is seen of it, and what moves it."""

from __future__ import annotations

import random

from trionet.chat.window.entries import LOCAL, NOTICE, SAID, Entry
from trionet.chat.window.room_log import Log
from trionet.chat.window.styled import row_text, row_width

NOON = 1_795_867_200


def entry(number: int, text: str = "", *, name: str = "Bea", kind: str = SAID) -> Entry:
    return Entry(kind, number, NOON + number * 60, name, text or f"message {number}")


def make_log(count: int, columns: int = 40, height: int = 10) -> Log:
    log = Log(lambda _: 0)
    log.resize(columns, height)
    for number in range(1, count + 1):
        log.add(entry(number, name=f"bot{number % 3}"))
    return log


def texts(log: Log) -> list[str]:
    return [row_text(row) for row in log.rows()]


def test_the_view_follows_the_end() -> None:
    log = make_log(50)
    assert texts(log)[-1].endswith("message 50")
    log.add(entry(51))
    assert texts(log)[-1].endswith("message 51")
    assert log.below == 0


def test_rows_under_the_readers_eye_do_not_move_when_500_messages_arrive() -> None:
    log = make_log(200)
    log.scroll(-37)
    before = texts(log)
    for number in range(201, 701):
        log.add(entry(number, "多い " * (number % 30), name=f"bot{number % 3}"))
        assert texts(log) == before
    assert log.below == 500


def test_rows_under_the_readers_eye_do_not_move_when_older_messages_are_put_in_above() -> None:
    log = Log(lambda _: 0)
    log.resize(40, 10)
    for number in range(1000, 1100):
        log.add(entry(number))
    assert log.scroll(-1000)
    before = texts(log)
    assert before[0].startswith("── ")
    log.insert(log.first, [entry(number) for number in range(500, 1000)])
    # The day line is above the older messages now, and nothing else has moved.
    assert texts(log)[:9] == before[1:]
    log.scroll(-1)
    assert "message 999" in texts(log)[0]


def test_the_rows_never_pass_the_width_and_are_as_many_as_the_view_is_high() -> None:
    chance = random.Random(1)
    words = ["a", "longer", "日本語", "👨‍👩‍👧‍👦", "é́", "x" * 90, "漢" * 50, "🇩🇪", "two\nlines"]
    log = Log(lambda _: 0)
    for number in range(1, 200):
        text = " ".join(chance.choices(words, k=chance.randrange(1, 12)))
        log.add(entry(number, text, name=chance.choice(["Bea", "名前", "👍🏽x"])))
    for _ in range(300):
        columns, height = chance.randrange(12, 90), chance.randrange(1, 30)
        log.resize(columns, height)
        log.scroll(chance.randrange(-40, 40))
        rows = log.rows()
        assert len(rows) == height
        assert all(row_width(row) <= columns for row in rows)


def test_scrolling_up_and_down_again_shows_the_same() -> None:
    log = make_log(100)
    seen = []
    for _ in range(30):
        log.scroll(-3)
        seen.append(texts(log))
    for before in reversed(seen):
        assert texts(log) == before
        log.scroll(3)
    assert log.follows_end


def test_a_log_that_fits_into_the_view_goes_on_following_the_end() -> None:
    log = make_log(3)
    assert log.scroll(-5)
    assert log.follows_end


def test_what_a_search_found_at_the_end_stays_in_its_place() -> None:
    log = make_log(50)
    log.show_found(log.end - 1)
    before = texts(log)
    assert before[-1].endswith("message 50")
    for number in range(51, 80):
        log.add(entry(number))
    assert texts(log) == before


def test_scrolling_to_the_top_asks_for_more() -> None:
    log = make_log(30)
    assert not log.scroll(-5)
    assert log.scroll(-500)


def test_what_one_member_says_in_a_row_stands_below_its_name_once() -> None:
    log = Log(lambda _: 0)
    log.resize(40, 4)
    log.add(entry(1, "one"))
    log.add(entry(2, "two"))
    log.add(entry(9, "later"))
    assert texts(log)[1:] == ["12:01 Bea: one", "        two", "12:09 Bea: later"]


def test_a_days_first_message_stands_below_the_day() -> None:
    log = Log(lambda _: 0)
    log.resize(40, 4)
    log.add(entry(1, "today"))
    log.add(Entry(SAID, 2, NOON + 86_400, "Bea", "tomorrow"))
    assert texts(log) == [
        "── Saturday, 28 November 2026 ──",
        "12:01 Bea: today",
        "── Sunday, 29 November 2026 ──",
        "12:00 Bea: tomorrow",
    ]


def test_the_oldest_entries_are_dropped_at_the_limit() -> None:
    log = Log(lambda _: 0, max_entries=100)
    for number in range(1, 1001):
        log.add(entry(number))
    assert len(log.entries) <= 100
    assert log[log.end - 1].number == 1000
    assert log.find_number(1000) == log.end - 1
    assert log.find_number(1) is None


def test_a_message_is_found_by_its_number_though_notices_of_the_window_have_it_too() -> None:
    log = make_log(5)
    log.add(entry(5, "mine", kind=LOCAL))
    index = log.find_number(5)
    assert index is not None
    assert log[index].text == "message 5"
    log.change_text(index, "Bea removed a message", NOTICE)
    assert "*** Bea removed a message" in "\n".join(texts(log))


def test_what_a_member_writes_never_begins_where_names_stand() -> None:
    log = Log(lambda _: 0)
    log.resize(40, 12)
    log.add(entry(1, "hello\n12:00 Ann: I am Ann\n" + "y" * 100))
    rows = texts(log)
    assert all(row.startswith(" " * 8) for row in rows[2:6])


def test_the_view_stands_when_the_entry_that_holds_it_is_the_last_and_is_taken_out() -> None:
    log = make_log(3, height=1)
    log.show_found(log.end - 1)
    log.remove(log.end - 1)
    assert texts(log)[0].endswith("message 2")
    log.remove(log.end - 1)
    log.remove(log.end - 1)
    assert texts(log) == [""]
