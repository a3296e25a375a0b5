"""A window that is typed to, without a terminal."""

from __future__ import annotations

from emulator import Emulator
from trionet.chat.window.composition import compose
from trionet.chat.window.model import Window
from trionet.chat.window.styled import row_text
from trionet.cli.window.painting import Painter
from trionet.cli.window.styles import styles_for
from window_events import entered

STYLES = styles_for({"TERM": "xterm-256color"})


def make_window(columns: int = 80, height: int = 24, *names: str, last: int = 0) -> Window:
    """Return a window in the lobby, with nothing to be done."""
    window = Window("Ann")
    window.resize(columns, height)
    window.link_up("connected")
    window.hear(entered("Ann", *(names or ("Bea",)), topic="tea", last=last))
    window.take_calls()
    return window


def rows(window: Window) -> list[str]:
    """Return the rows of the screen without the list."""
    return [row_text(row.main) for row in compose(window)]


def screen(window: Window, columns: int = 80, height: int = 24) -> list[str]:
    """Return the rows as a terminal shows them."""
    emulator = Emulator(columns, height)
    emulator.feed(Painter(STYLES).paint(compose(window), columns))
    return emulator.rows()


def press(window: Window, *keys: str) -> None:
    """Press keys by their names."""
    for key in keys:
        window.press(key)


def type_text(window: Window, text: str) -> None:
    """Type a text."""
    for character in text:
        window.press(character)
