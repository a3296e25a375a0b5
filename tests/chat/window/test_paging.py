"""History, gaps in it, and searches."""

from __future__ import annotations

from typing import Any

from trionet.chat.person import calls
from trionet.chat.window.model import Window
from typed_window import make_window, press, rows, type_text
from window_events import at, entered, event, notice, said


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
    assert any("what was found is no longer there" in row for row in rows(window))
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


def test_history_that_is_refused_is_not_asked_for_again() -> None:
    window = make_window(last=50)
    window.not_loaded("lobby")
    press(window, "pageup", "pageup")
    assert window.take_calls() == []


def test_numbers_of_another_epoch_may_come_again() -> None:
    window = make_window()
    window.hear(event("welcome", name="Ann", epoch="a"))
    for number in (1, 2, 30):
        window.hear(said(number, f"old {number}"))
    window.hear(event("missed", room="lobby", after=30, before=41))
    window.hear(said(41, "old 41"))
    window.hear(event("welcome", name="Ann", epoch="b"))
    window.hear(event("missed", room="lobby", after=41, before=3))
    window.hear(entered("Ann", last=3))
    for number in (4, 5, 41):
        window.hear(said(number, f"new {number}"))
    window.hear(event("removed", room="lobby", number=42, time=at(1), name="Bea", of=5))
    assert [one.text for one in window.rooms.shown.log.entries] == [
        *("old 1", "old 2", "old 30", "10 events are gone", "old 41"),
        "the server started again: the last messages may be missing",
        *("new 4", "Bea removed a message", "new 41"),
    ]
    assert not window.rooms.shown.is_refused


def test_an_epoch_that_begins_while_one_is_connected_is_told() -> None:
    window = make_window()
    for number in range(1, 10):
        window.hear(said(number, f"old {number}"))
    window.hear(event("epoch", epoch="b", rooms={"lobby": 5, "other": 3}))
    window.hear(said(6, "new 6"))
    texts = [one.text for one in window.rooms.shown.log.entries]
    assert texts[-1] == "new 6"
    assert texts[-2].startswith("the server started again")
