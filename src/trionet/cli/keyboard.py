"""Keys from a terminal; several lines that arrive at once are one paste.

`trionet.cli.prompt_thread` hands this `Keyboard` to prompt_toolkit as its input.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import re
import select
import struct
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.keys import Keys

# How much a terminal holds for its reader on Linux. More is read as it comes.
_READ_SIZE = 4096

# A terminal writes a large paste piece by piece, each as soon as there is room for it. If no piece
# comes for this long, the paste has ended; nobody types that fast.
_QUIET_SECONDS = 0.02

# The longest paste, if the terminal does not mark it. What lies beyond is another paste.
_MAX_PASTE = 1 << 20

# An Enter that nobody pressed: after it the paste continues with a line that has no end. The key is
# one that no keyboard has, because prompt_toolkit knows only the keys that it names.
ENTER_WITHIN_PASTE = Keys.F24

_LINE_END = re.compile(r"\r\n|\r|\n")
_TYPED = (Keys.ControlM, Keys.ControlJ, Keys.ControlI)


class Keyboard(Vt100Input):
    """prompt_toolkit's input, which also recognises pastes that the terminal does not mark.

    A terminal with bracketed paste marks where a paste begins and ends. Any other sends the lines
    as if somebody typed them, only faster. So two line ends that arrive at once, or one with text
    after it, count as a paste, with an Enter for its last line end.

    Args:
        stdin: a terminal.
        must_wait: tells whether keys have to wait for now. Answers of the terminal never wait.
    """

    def __init__(self, stdin: TextIO, must_wait: Callable[[], bool] = lambda: False) -> None:
        super().__init__(stdin)
        self._must_wait = must_wait
        self._waiting: list[KeyPress] = []
        self._pressed: list[KeyPress] = []
        self._at_end = False
        self._decode = codecs.getincrementaldecoder(stdin.encoding)("surrogateescape").decode
        self.vt100_parser = Vt100Parser(self._pressed.append)

    @property
    def closed(self) -> bool:
        """Whether the terminal has hung up."""
        return self._at_end

    def has_input(self) -> bool:
        """Tell whether something was typed that has not been read. Never blocks."""
        waiting = b"\0" * 4
        # An error means that the terminal has hung up; whoever reads next will notice.
        with suppress(OSError):
            waiting = fcntl.ioctl(self.fileno(), termios.FIONREAD, waiting)
        return bool(struct.unpack("i", waiting)[0])

    def is_raw(self) -> bool:
        """Tell whether the terminal is in raw mode; ``True`` if it does not say."""
        try:
            return not termios.tcgetattr(self.fileno())[3] & (termios.ICANON | termios.ECHO)
        except termios.error:
            return True

    def read_keys(self) -> list[KeyPress]:
        """Return the keys pressed since the last call. Blocks only while a paste arrives."""
        self.vt100_parser.feed(self._read_burst())
        return self._not_waiting(merge_pastes(self._take()))

    def flush_keys(self) -> list[KeyPress]:
        """Return the keys that could have been the start of a longer sequence."""
        self.vt100_parser.flush()
        return self._not_waiting(self._take())

    def take_waiting(self) -> list[KeyPress]:
        """Return the keys that had to wait."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def _not_waiting(self, keys: list[KeyPress]) -> list[KeyPress]:
        if not (keys and self._must_wait()):
            return keys
        self._waiting += [key for key in keys if key.key != Keys.CPRResponse]
        return [key for key in keys if key.key == Keys.CPRResponse]

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
            # Another program shares the terminal, has made it non-blocking, and was faster.
            return ""
        except OSError:
            data = b""
        self._at_end = not data
        return self._decode(data)


def merge_pastes(keys: list[KeyPress]) -> list[KeyPress]:
    """Return the keys, with several lines that came at once merged into one paste and an Enter."""
    merged: list[KeyPress] = []
    typed: list[KeyPress] = []
    for key in keys:
        # With Alt pressed, the data begins with an Escape.
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
        # A single line with its end. CR and LF together are one Enter.
        return [*typed[: last.start()], enter]
    if behind:
        enter = KeyPress(ENTER_WITHIN_PASTE, enter.data)
    return [KeyPress(Keys.BracketedPaste, text[: last.start()]), enter, *behind]
