"""Draw the chat's window as it looks on terminals of some sizes: `docs/window-….svg`.

    python tools/draw_window.py            write the pictures
    python tools/draw_window.py --check    fail if they are not current

Each scene is a window with the events and the keys that it gets. Its output goes
to a terminal in memory (pyte), whose cells become the picture. Times are fixed, so the same
program draws the same pictures.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from wcwidth import wcswidth

from trionet.chat.window.composition import compose
from trionet.chat.window.model import Window
from trionet.cli.window.painting import Painter
from trionet.cli.window.styles import styles_for

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from emulator import Emulator  # noqa: E402

DOCS = ROOT / "docs"

# A cell of the terminal, in the picture's units.
_WIDTH, _HEIGHT = 8.4, 18
_MARGIN = 8

_BACKGROUND, _FOREGROUND = "#1c1f24", "#d8dade"

# What pyte calls the 16 colours, as usual terminals show them.
_COLOURS = {
    "black": "#1c1f24",
    "red": "#e06c75",
    "green": "#98c379",
    "brown": "#e5c07b",
    "blue": "#61afef",
    "magenta": "#c678dd",
    "cyan": "#56b6c2",
    "white": "#d8dade",
}


class Scene(NamedTuple):
    """What a picture shows.

    Attributes:
        name: of the picture.
        columns, height: of the terminal.
        play: sends the events and keys that lead to it.
    """

    name: str
    columns: int
    height: int
    play: Callable[[Window], None]


# What happens in the scenes.


def _event(type_: str, **fields: Any) -> SimpleNamespace:
    return SimpleNamespace(type=type_, **fields)


def _at(minute: int) -> str:
    return f"2026-11-28T{9 + minute // 60:02}:{minute % 60:02}:00.000Z"


def _entered(room: str, topic: str, *members: str) -> SimpleNamespace:
    return _event(
        "entered", room=room, topic=topic, members=list(members), count=len(members), last=0
    )


class _Talk:
    """Says things in a room, with growing numbers."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._number = 0

    def say(self, minute: int, name: str, text: str, room: str = "lobby") -> None:
        self._hear("said", minute, name, room=room, text=text)

    def notice(self, type_: str, minute: int, name: str, **fields: Any) -> None:
        self._hear(type_, minute, name, **{"room": "lobby", **fields})

    def _hear(self, type_: str, minute: int, name: str, **fields: Any) -> None:
        self._number += 1
        self._window.hear(_event(type_, number=self._number, time=_at(minute), name=name, **fields))


def _type(window: Window, text: str) -> None:
    for character in text:
        window.press(character)


def _morning(window: Window) -> None:
    window.link_up("connected to chat.example.org:22223")
    window.lag = 12
    talk = _Talk(window)
    names = ("Ann", "Bea", "Olá", "山田", "deploy")
    window.hear(_entered("lobby", "release 0.1 on Monday", *names))
    talk.say(4, "Bea", "good morning")
    talk.say(4, "Bea", "who looks at the failing build?")
    talk.say(6, "山田", "私が見ます 👀 https://ci.example.org/builds/4711/log?from=1200&to=1260")
    talk.notice("acted", 7, "Olá", text="makes tea 🍵")
    talk.say(
        9, "Ann", "thanks! the first two are mine:\n    tests/test_rooms.py\n    tests/test_log.py"
    )
    talk.notice("topic", 12, "Bea", text="release 0.1 on Tuesday")
    window.hear(_entered("builds", "", "Ann", "Bea", "deploy"))
    window.hear(_entered("tea", "", "Ann", "Olá"))
    for minute, text in ((13, "build 4712 is green"), (14, "build 4713 is green"), (15, "done")):
        talk.say(minute, "deploy", text, room="builds")
    talk.say(15, "Bea", "Ann: can you push the fix before noon?")


def _usual(window: Window) -> None:
    _morning(window)
    _type(window, "Bea: yes, in ten min")


def _narrow(window: Window) -> None:
    _morning(window)
    window.link_down("reconnecting in 4 s")
    _type(window, "half-typed 家族👨‍👩‍👧")


def _scrolled(window: Window) -> None:
    _morning(window)
    talk = _Talk(window)
    window.rooms.get("builds").last = 0
    for number in range(60):
        talk.say(20 + number // 10, "deploy", f"step {number} took {number * 7 % 23} s", "builds")
    window.rooms.show("builds")
    window.layout  # noqa: B018  (the log learns its size)
    _type(window, "step 7 ")
    window.press("c-r")
    talk.say(40, "Bea", "and now for the next one", "builds")


SCENES = (
    Scene("window", 80, 24, _usual),
    Scene("window-narrow", 40, 10, _narrow),
    Scene("window-search", 100, 24, _scrolled),
)


# The pictures.


def draw(scene: Scene) -> str:
    """Return a scene as SVG."""
    window = Window("Ann")
    window.resize(scene.columns, scene.height)
    # The log learns how large it is, as in a window that has been painted before.
    compose(window)
    scene.play(window)
    window.resize(scene.columns, scene.height)
    terminal = Emulator(scene.columns, scene.height)
    painter = Painter(styles_for({"TERM": "xterm-256color"}))
    terminal.feed("\x1b[?7l" + painter.paint(compose(window), scene.columns))
    width, height = scene.columns * _WIDTH + 2 * _MARGIN, scene.height * _HEIGHT + 2 * _MARGIN
    fonts = "ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace"
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-size="14" font-family="{fonts}">',
        f"<title>trionet chat join, {scene.columns} × {scene.height}</title>",
        f'<rect width="100%" height="100%" rx="6" fill="{_BACKGROUND}"/>',
    ]
    for row, cells in enumerate(terminal.cells()):
        for column, text, cell in _runs(cells):
            lines += _run(row, column, text, cell)
    column, row = terminal.cursor
    x, y = _MARGIN + column * _WIDTH, _MARGIN + row * _HEIGHT
    lines.append(f'<rect x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" fill="#61afef"/>')
    return "\n".join([*lines, "</svg>", ""])


def _runs(cells: list[Any]) -> Iterator[tuple[int, str, Any]]:
    """Yield the parts of a row that look the same. A wide character begins another part."""
    start, text = 0, ""
    for at, cell in enumerate(cells):
        is_other = at and _look(cell) != _look(cells[start])
        is_wide = wcswidth(cell.data) != 1
        if text and (is_other or is_wide or wcswidth(cells[start].data) != 1):
            yield start, text, cells[start]
            text = ""
        if not text:
            start = at
        text += cell.data
    if text:
        yield start, text, cells[start]


def _look(cell: Any) -> tuple[Any, ...]:
    return cell.fg, cell.bold, cell.italics, cell.reverse


def _run(row: int, column: int, text: str, cell: Any) -> Iterator[str]:
    x, y = _MARGIN + column * _WIDTH, _MARGIN + row * _HEIGHT
    known = _COLOURS.get(cell.fg, f"#{cell.fg}")
    colour = _FOREGROUND if cell.fg == "default" else known
    if cell.reverse:
        width = len(text) * _WIDTH
        yield f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{_HEIGHT}" fill="{colour}"/>'
        colour = _BACKGROUND
    if text.strip():
        shown = text.rstrip()
        columns = max(1, wcswidth(shown))
        look = ' font-weight="bold"' * cell.bold + ' font-style="italic"' * cell.italics
        yield (
            f'<text x="{x:g}" y="{y + 13.5:g}" textLength="{columns * _WIDTH:g}" '
            f'lengthAdjust="spacingAndGlyphs" fill="{colour}"{look} '
            f'xml:space="preserve">{escape(shown)}</text>'
        )


def main() -> None:
    """Write the pictures, or check them."""
    stale = []
    for scene in SCENES:
        path, drawn = DOCS / f"{scene.name}.svg", draw(scene)
        if path.exists() and path.read_text() == drawn:
            continue
        stale.append(path.name)
        if "--check" not in sys.argv:
            path.write_text(drawn)
    if stale and "--check" in sys.argv:
        sys.exit(f"not current: {', '.join(stale)}; run python tools/draw_window.py")


if __name__ == "__main__":
    main()
