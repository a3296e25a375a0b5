"""The lines that a slow peer has missed and was not told of yet. No I/O."""

from __future__ import annotations

from trionet.abc import Missing, TellsMissed


class MissedLines:
    """How many lines were missed, and what their format has noted of them.

    Args:
        tell: makes the lines that tell the peer.

    Attributes:
        count: how many lines.
    """

    __slots__ = ("_noted", "_tell", "count")

    def __init__(self, tell: TellsMissed) -> None:
        self.count = 0
        self._tell = tell
        self._noted: Missing | None = None

    def add(self, count: int, block: bytes, begin: int, end: int) -> None:
        """Add the lines that are a part of a block."""
        self.count += count
        if count and self._tell.notes_lines:
            # A whole block is handed on as it is: where a thousand members drop the same one, the
            # format need not read it a thousand times.
            lines = block if end - begin == len(block) else block[begin:end]
            self._noted = self._tell.note(self._noted, bytes(lines))

    def add_all(self, later: MissedLines) -> None:
        """Add lines that were missed later."""
        self.count += later.count
        self._noted = self._tell.joined(self._noted, later._noted)

    def take(self) -> MissedLines:
        """Return all of them, to be told, and begin anew."""
        taken = MissedLines(self._tell)
        taken.count, self.count = self.count, 0
        taken._noted, self._noted = self._noted, None
        return taken

    def encode(self) -> bytes:
        """Return the lines that tell the peer."""
        return self._tell.missed(self.count, self._noted)
