"""Keys from a terminal; several lines that arrive at once are one paste."""

from __future__ import annotations

import codecs
import os
import re
import select
from typing import TextIO

from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.keys import Keys

# What a terminal holds for its reader on Linux. More is read as it comes.
_READ_SIZE = 4096

# A terminal writes a large paste piece by piece, each as soon as there is room for it. This long
# without a piece is its end; nobody types that fast.
_QUIET_SECONDS = 0.02

# Of one paste that has no marks around it. What lies beyond is a paste of its own.
_MAX_PASTE = 1 << 20

# Enter, pressed by nobody: behind it the paste goes on with a line that has no end. No keyboard has
# this key, and prompt_toolkit knows no others than those it names.
ENTER_WITHIN_PASTE = Keys.F24

_LINE_END = re.compile(r"\r\n|\r|\n")
_TYPED = (Keys.ControlM, Keys.ControlJ, Keys.ControlI)


class Keyboard(Vt100Input):
    """prompt_toolkit's input, but for pastes that their terminal does not mark as such.

    A terminal that knows bracketed paste puts marks around one. Any other sends its lines as if
    somebody typed them, only faster: so two line ends that are there at once, or one with text
    behind it, are taken as a paste with Enter behind its last line end.

    Args:
        stdin: a terminal.
    """

    def __init__(self, stdin: TextIO) -> None:
        super().__init__(stdin)
        self._pressed: list[KeyPress] = []
        self._at_end = False
        self._decode = codecs.getincrementaldecoder(stdin.encoding)("surrogateescape").decode
        self.vt100_parser = Vt100Parser(self._pressed.append)

    @property
    def closed(self) -> bool:
        """Whether the terminal has hung up."""
        return self._at_end

    def read_keys(self) -> list[KeyPress]:
        """Return the keys that were pressed since; blocks only while a paste arrives."""
        self.vt100_parser.feed(self._read_burst())
        return merge_pastes(self._take())

    def flush_keys(self) -> list[KeyPress]:
        """Return a key that could have been the start of a longer sequence."""
        self.vt100_parser.flush()
        return self._take()

    def _take(self) -> list[KeyPress]:
        pressed = self._pressed[:]
        self._pressed.clear()
        return pressed

    def _read_burst(self) -> str:
        pieces = [piece := self._read()]
        length, ends = len(piece), 0
        while piece and length < _MAX_PASTE:
            ends += len(_LINE_END.findall(piece))
            is_paste = ends > 1 or (ends == 1 and not pieces[-1].endswith(("\r", "\n")))
            if not ends or not self._has_more(_QUIET_SECONDS if is_paste else 0):
                break
            pieces.append(piece := self._read())
            length += len(piece)
        return "".join(pieces)

    def _has_more(self, seconds: float) -> bool:
        try:
            return bool(select.select([self.fileno()], [], [], seconds)[0])
        except (OSError, ValueError):
            return False

    def _read(self) -> str:
        if self._at_end or not self._has_more(0):
            return ""
        try:
            data = os.read(self.fileno(), _READ_SIZE)
        except BlockingIOError:
            # Somebody who shares the terminal has made it non-blocking, and was faster.
            return ""
        except OSError:
            data = b""
        self._at_end = not data
        return self._decode(data)


def merge_pastes(keys: list[KeyPress]) -> list[KeyPress]:
    """Return keys with lines that came at once made one paste, with Enter behind it."""
    merged: list[KeyPress] = []
    typed: list[KeyPress] = []
    for key in keys:
        # With Alt, the data stands with the Escape before the key.
        if len(key.data) == 1 and (not isinstance(key.key, Keys) or key.key in _TYPED):
            typed.append(key)
        else:
            merged += _merge(typed)
            merged.append(key)
            typed = []
    return merged + _merge(typed)


def _merge(typed: list[KeyPress]) -> list[KeyPress]:
    text = "".join(key.data for key in typed)
    ends = list(_LINE_END.finditer(text))
    if not ends:
        return typed
    enter = KeyPress(Keys.ControlM, "\r")
    last = ends[-1]
    behind = typed[last.end() :]
    if len(ends) == 1 and not behind:
        # One line with its end; CR and LF are one Enter.
        return [*typed[: last.start()], enter]
    if behind:
        enter = KeyPress(ENTER_WITHIN_PASTE, enter.data)
    return [KeyPress(Keys.BracketedPaste, text[: last.start()]), enter, *behind]
