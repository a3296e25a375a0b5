"""The lines that wait to be printed above a prompt, bounded in bytes."""

from __future__ import annotations

import sys
import threading
from collections import deque

# What may wait while the terminal stands still: some 10,000 lines of a lively room, which is more
# than a terminal keeps to scroll back to.
MAX_WAITING = 2 << 20

# Taken at a time: as much as a terminal shows in a blink, and no second copy of all that waits.
_PORTION = 64 << 10


class Above:
    """A queue between the task that shows lines and the thread that prints them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: deque[str] = deque()
        self._size = 0
        self._dropped = 0

    def __bool__(self) -> bool:
        return bool(self._lines)

    def put(self, line: str) -> bool:
        """Let a line wait, and drop the oldest while too much waits. Never blocks for long.

        Returns:
            Whether it is the first that waits, so that somebody must be told.
        """
        with self._lock:
            is_first = not self._lines
            self._lines.append(line)
            # With what the object takes besides: an empty line is not free.
            self._size += sys.getsizeof(line)
            while self._size > MAX_WAITING and len(self._lines) > 1:
                self._size -= sys.getsizeof(self._lines.popleft())
                self._dropped += 1
        return is_first

    def take(self) -> list[str]:
        """Return the next lines to print; empty: there are none."""
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
