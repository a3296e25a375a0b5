"""Lines that are waiting to be printed above a prompt, bounded in bytes.

The chat's messages arrive in Trio, and `trionet.cli.prompt_thread` prints them when the terminal
takes them. It may stand still, as after Ctrl-S. Then lines wait here, and beyond the bound the
oldest are dropped and counted.
"""

from __future__ import annotations

import sys
import threading
from collections import deque

# How much may wait while the terminal stands still: some 10,000 lines of a lively room, which is
# more than a terminal keeps in its scrollback.
MAX_WAITING = 2 << 20

# How much is taken at a time: as much as a terminal shows in a blink, so that what waits is never
# copied all at once.
_PORTION = 64 << 10


class PendingLines:
    """A queue between the task that shows lines and the thread that prints them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: deque[str] = deque()
        self._size = 0
        self._dropped = 0

    def __bool__(self) -> bool:
        return bool(self._lines)

    def put(self, line: str) -> bool:
        """Add a line; drop the oldest lines while too much is waiting. Never blocks for long.

        Returns:
            Whether the queue was empty, so that the thread must be woken.
        """
        with self._lock:
            is_first = not self._lines
            self._lines.append(line)
            # The size of the whole object, because even an empty line takes memory.
            self._size += sys.getsizeof(line)
            while self._size > MAX_WAITING and len(self._lines) > 1:
                self._size -= sys.getsizeof(self._lines.popleft())
                self._dropped += 1
        return is_first

    def take(self) -> list[str]:
        """Return the next lines to print; an empty list if there are none."""
        taken: list[str] = []
        size = 0
        with self._lock:
            if self._dropped:
                taken.append(f"… {self._dropped} lines are not shown …")
                self._dropped = 0
            while self._lines and size < _PORTION:
                line = self._lines.popleft()
                size += sys.getsizeof(line)
                taken.append(line)
            self._size -= size
        return taken
