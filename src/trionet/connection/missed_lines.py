"""The lines that a slow peer has missed and has not been told of. No I/O."""

from __future__ import annotations

from trionet.abc import Framing, Missing, TellsMissed
from trionet.transport.boundaries import LINES

# Bytes of answers to pings that stay although what was around them is dropped; beyond that, the
# oldest go. The newest must be sent (RFC 6455, 5.5.3).
_MOST_KEPT = 8192


class MissedLines:
    """How many lines were missed, and what their format has noted of them.

    Args:
        tell: makes the lines that tell the peer.
        framing: how lines stand in what waits.

    Attributes:
        count: how many lines.
    """

    __slots__ = ("_framing", "_kept", "_noted", "_tell", "count")

    def __init__(self, tell: TellsMissed, framing: Framing = LINES) -> None:
        self.count = 0
        self._tell = tell
        self._framing = framing
        self._noted: Missing | None = None
        # What stood among the lines and could not be dropped.
        self._kept = b""

    def __bool__(self) -> bool:
        return bool(self.count or self._kept)

    def add(self, count: int, block: bytes, begin: int, end: int) -> None:
        """Add the lines that are a part of a block."""
        self.count += count
        if count and self._tell.notes_lines:
            lines = self._framing.lines_of(block, begin, end)
            self._noted = self._tell.note(self._noted, lines)
        if kept := self._framing.undroppable(block, begin, end):
            self._keep(kept)

    def add_all(self, later: MissedLines) -> None:
        """Add lines that were missed later."""
        self.count += later.count
        self._noted = self._tell.joined(self._noted, later._noted)
        self._keep(later._kept)

    def take(self) -> MissedLines:
        """Return all of them, to be told, and begin anew."""
        taken = MissedLines(self._tell, self._framing)
        taken.count, self.count = self.count, 0
        taken._noted, self._noted = self._noted, None
        taken._kept, self._kept = self._kept, b""
        return taken

    def take_kept(self) -> bytes:
        """Return what could not be dropped, and forget it."""
        kept, self._kept = self._kept, b""
        return kept

    def encode(self) -> bytes:
        """Return what the peer gets in place of the lines."""
        if not self.count:
            return self._kept
        return self._kept + self._framing.wrap(self._tell.missed(self.count, self._noted))

    def _keep(self, frames: bytes) -> None:
        kept = self._kept + frames
        if len(kept) > _MOST_KEPT:
            kept = kept[self._framing.end_from(kept, 0, len(kept) - _MOST_KEPT) :]
        self._kept = kept
