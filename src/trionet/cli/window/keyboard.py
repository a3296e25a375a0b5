"""Turns bytes from the terminal into names of keys, as in `trionet.chat.window.keys`."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.keys import Keys

_NAMES = {
    Keys.ControlM: "enter",
    Keys.ControlJ: "enter",
    Keys.ControlI: "tab",
    Keys.ControlH: "backspace",
}

# The wheel's buttons in the SGR encoding, and the one button whose clicks count.
_WHEEL = {"64": "wheel-up", "65": "wheel-down"}
_FIRST_BUTTON = "0"

# A button is pressed: its number, the column and the row. (An `m` at the end: it is released.)
_MOUSE = re.compile(r"\x1b\[<([0-9]{1,4});([0-9]{1,6});([0-9]{1,6})M")

# The most bytes of a paste that are kept: far more than the window accepts. The parser collects a
# whole paste before it reports it. The rest of a longer paste is skipped: taken as keys, it would
# be sent.
_MAX_PASTE = 1 << 20
_END_OF_PASTE = b"\x1b[201~"

# A line end with text on both sides of it.
_LINES = re.compile(rb"[^\r\n\t ][\t ]*[\r\n][\r\n\t ]*[^\r\n\t ]")
# Lines typed ahead: the first is a command (`/etc/fstab` is not one), and no later line would end
# the chat.
_TYPED_AHEAD = re.compile(
    rb"\s*/[a-z]+(?:[\t ]|[\r\n])(?!.*[\r\n]\s*(?:q|/quit)\s*(?:[\r\n]|$))", re.DOTALL
)
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Keyboard:
    """Reads keys.

    A terminal with bracketed paste marks what is pasted. Others send it as if it were typed very
    fast. So several lines that arrive together are a paste, unless they begin with a command: over
    a slow connection, or from a program that types, `/join kitchen` arrives together with what
    follows it.

    Args:
        press: called with the name of each key.
        paste: called with each pasted text.
        point: called with a column and a row, counted from 0, and with ``True`` for a click or
            ``False`` for the wheel, whose key is pressed next; default: nothing is called.
    """

    def __init__(
        self,
        press: Callable[[str], object],
        paste: Callable[[str], object],
        point: Callable[[int, int, bool], object] = lambda _column, _row, _is_click: None,
    ) -> None:
        self._press = press
        self._paste = paste
        self._point = point
        self._parser = Vt100Parser(self._take)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._has_escape = False
        self._pending = 0
        self._skipped: bytes | None = None

    def is_paste(self, data: bytes) -> bool:
        """Tell whether bytes that arrived together are a paste that the terminal has not marked."""
        if self._pending or self._skipped is not None:
            return False
        if _TYPED_AHEAD.match(data):
            return False
        return _LINES.search(data) is not None and _CONTROLS.search(data) is None

    def feed_paste(self, data: bytes) -> None:
        """Take the bytes of a paste that the terminal has not marked."""
        self._paste(self._decode(data))

    def feed(self, data: bytes) -> None:
        """Take bytes. The beginning of a longer sequence waits for the rest."""
        if self._skipped is not None:
            data = self._skip(data)
        self._pending += len(data)
        self._parser.feed(self._decode(data))
        if self._pending > _MAX_PASTE:
            # Only a paste can be that long.
            self._parser.reset()
            self._skipped = b""
            self._pending = 0

    def flush(self) -> None:
        """Take what waits as it is, such as a lone Esc: nothing has followed it for a while."""
        self._parser.flush()
        if self._has_escape:
            self._has_escape = False
            self._press("escape")

    def _skip(self, data: bytes) -> bytes:
        """Skip the rest of a paste that is too long, and return what follows it."""
        skipped, end, rest = ((self._skipped or b"") + data).partition(_END_OF_PASTE)
        if not end:
            self._skipped = skipped[-len(_END_OF_PASTE) :]
            return b""
        self._skipped = None
        # The window refuses this, because it is too long.
        self._paste("x" * _MAX_PASTE)
        return rest

    def _take(self, press: KeyPress) -> None:
        self._pending = 0
        key = press.key
        if key == Keys.Escape:
            if self._has_escape:
                self._press("escape")
            self._has_escape = True
        elif key == Keys.BracketedPaste:
            if self._has_escape:
                # A paste after Esc: there is no Alt-paste.
                self._has_escape = False
                self._press("escape")
            self._paste(press.data)
        elif key == Keys.Vt100MouseEvent:
            self._take_mouse(press.data)
        else:
            name = _NAMES.get(key, key.value) if isinstance(key, Keys) else key
            # A key with Alt arrives as Esc and the key.
            meta, self._has_escape = "m-" * self._has_escape, False
            self._press(f"{meta}{name}")

    def _take_mouse(self, data: str) -> None:
        if (event := _MOUSE.fullmatch(data)) is None:
            return
        button, column, row = event.groups()
        # Some terminals report 0 for a place outside of their window.
        place = max(int(column) - 1, 0), max(int(row) - 1, 0)
        if button in _WHEEL:
            self._point(*place, False)
            self._press(_WHEEL[button])
        elif button == _FIRST_BUTTON:
            self._point(*place, True)
