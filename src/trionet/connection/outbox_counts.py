"""How many lines and bytes an outbox was put, and how many it has sent.

A hub sends the same lines to a thousand outboxes. It counts them once for all of them, in a shared
count, and each outbox adds that to its own count when somebody asks.
"""

from __future__ import annotations

from trionet.abc import Count


class Counted:
    """The base of `trionet.Outbox` that counts; it sends nothing."""

    __slots__ = ("_bytes", "_lines", "_shared")

    def __init__(self) -> None:
        # Lines put and bytes sent, without what `_shared` counts. They are negative after joining a
        # count that is ahead.
        self._lines = 0
        self._bytes = 0
        self._shared: Count | None = None

    @property
    def bytes_out(self) -> int:
        """Bytes sent so far."""
        return self._bytes + (0 if self._shared is None else self._shared.bytes)

    @property
    def lines_out(self) -> int:
        """Lines put so far. Those of them that `dropped` counts were not sent."""
        return self._lines + (0 if self._shared is None else self._shared.lines)

    def join_count(self, count: Count) -> bool:
        """Add a shared count to this outbox's own from now on. Never a checkpoint.

        Returns:
            Whether it does: it adds one shared count at a time.
        """
        if self._shared is not None:
            return False
        self._shared = count
        self._lines -= count.lines
        self._bytes -= count.bytes
        return True

    def leave_count(self) -> None:
        """Keep what the shared count holds so far, and count alone again."""
        if self._shared is not None:
            self._lines += self._shared.lines
            self._bytes += self._shared.bytes
            self._shared = None

    def uncount(self, lines: int, size: int) -> None:
        """Take out lines and bytes that the shared count includes and this outbox was not put."""
        self._lines -= lines
        self._bytes -= size
