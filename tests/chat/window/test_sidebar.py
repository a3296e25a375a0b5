"""The list beside the log: clicks choose a room, the wheel scrolls the members."""

from __future__ import annotations

from trionet.chat.window.model import Window
from typed_window import make_window, press, screen, type_text
from window_events import entered, said


def beside(window: Window, height: int = 24) -> list[str]:
    """Return the rows of the list."""
    return [row[62:].strip() for row in screen(window, 80, height)[1 : height - 2]]


def click(window: Window, column: int, row: int) -> None:
    window.point(column, row, is_click=True)


def wheel(window: Window, key: str, column: int, row: int) -> None:
    window.point(column, row, is_click=False)
    window.press(key)


def test_a_click_on_a_room_shows_it() -> None:
    window = make_window()
    window.hear(entered("Ann", room="builds"))
    type_text(window, "half")
    window.hear(said(1, "look", room="builds"))
    assert beside(window)[:2] == ["lobby", "builds:1"]
    click(window, 65, 2)
    assert window.rooms.shown.name == "builds"
    assert beside(window)[1] == "builds"
    click(window, 65, 1)
    assert window.rooms.shown.draft.text == "half"


def test_a_click_elsewhere_does_nothing() -> None:
    window = make_window()
    window.hear(entered("Ann", room="builds"))
    for column, row in [(10, 2), (61, 2), (65, 0), (65, 3), (65, 4), (65, 22), (65, 23), (99, 2)]:
        click(window, column, row)
    window.paste("one\ntwo")
    click(window, 65, 2)
    assert window.rooms.shown.name == "lobby"
    window.press("n")
    press(window, "f1")
    click(window, 65, 2)
    assert window.rooms.shown.name == "lobby"
    window.resize(40, 10)
    click(window, 35, 2)
    assert window.rooms.shown.name == "lobby"


def test_the_wheel_over_the_members_scrolls_them_and_not_the_log() -> None:
    window = make_window(80, 10, *(f"m{number}" for number in range(1, 12)))
    for number in range(1, 30):
        window.hear(said(number, f"line {number}"))
    assert beside(window, 10) == ["Ann", "m1", "m2", "m3", "m4", "m5", "and 6 more"]
    wheel(window, "wheel-down", 70, 3)
    assert beside(window, 10) == ["↑ 4 more", "m4", "m5", "m6", "m7", "m8", "and 3 more"]
    assert window.rooms.shown.log.follows_end
    wheel(window, "wheel-down", 70, 3)
    wheel(window, "wheel-down", 70, 3)
    assert beside(window, 10) == ["↑ 6 more", "m6", "m7", "m8", "m9", "m10", "m11"]
    wheel(window, "wheel-up", 70, 3)
    wheel(window, "wheel-up", 70, 3)
    assert beside(window, 10)[0] == "Ann"
    wheel(window, "wheel-up", 3, 3)
    assert not window.rooms.shown.log.follows_end


def test_members_who_leave_a_scrolled_list_leave_no_empty_rows() -> None:
    window = make_window(80, 10, *(f"m{number}" for number in range(1, 12)))
    wheel(window, "wheel-down", 70, 3)
    window.hear(entered("Ann", "m1", "m2"))
    assert beside(window, 10)[:4] == ["Ann", "m1", "m2", ""]


def test_the_room_that_is_shown_is_listed_however_many_there_are() -> None:
    window = make_window(80, 10)
    for number in range(10):
        window.hear(entered("Ann", "Bea", room=f"r{number}"))
    window.rooms.show("r9")
    assert beside(window, 10) == ["r7", "r8", "r9", "─" * 18, "Ann", "Bea", ""]
    click(window, 65, 1)
    assert window.rooms.shown.name == "r7"
