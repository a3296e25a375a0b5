"""What a reader has received and not handed out yet. No I/O.

It is held as bytes, and no more is decoded than is about to be handed out. So whatever a peer
sends, it costs what was received at a time, a part of 100 lines, and an unfinished line.
"""

from __future__ import annotations

import math
from typing import Any, Generic

from trionet.byte_lines import ByteLineDecoder
from trionet.connection.first_line import FirstLine, Opening
from trionet.connection.input_end import InputEnd
from trionet.errors import BadLine
from trionet.lines import PART_LINES, LineDecoder, LineT

# When a reader that is not waiting began to wait; see `trionet.LineReader.waiting_since`.
NOT_WAITING = math.inf


class LineRules:
    """What a peer's lines may be. The arguments are those of `trionet.LineReader`.

    All connections of a server share one. When each made its own, and checked what it is made of, a
    login took 1.6 % more instructions.
    """

    __slots__ = ("decode", "first_line", "max_line", "max_unending")

    def __init__(
        self,
        *,
        max_line: int,
        max_unending: int,
        refuse_http: bool,
        opening: Opening | None,
        decode: bool,
    ) -> None:
        self.max_line = max_line
        self.max_unending = max_unending
        self.decode = decode
        self.first_line: FirstLine | None = None
        if refuse_http or opening is not None:
            self.first_line = FirstLine(opening, refuse_http=refuse_http, max_line=max_line)


class Received(Generic[LineT]):
    """The base of `trionet.LineReader` that holds input and decodes it; it receives nothing.

    The attributes are those of `trionet.LineReader`.

    Args:
        rules: what the peer's lines may be.
    """

    __slots__ = (
        "_decoder",
        "_first_line",
        "_gives_tail",
        "_lines_out",
        "_pending",
        "end",
        "waiting_since",
    )

    def __init__(self, rules: LineRules) -> None:
        self.end: InputEnd | None = None
        self.waiting_since = NOT_WAITING
        decoder = LineDecoder if rules.decode else ByteLineDecoder
        # Its type does not tell bytes from texts.
        self._decoder: Any = decoder(max_line=rules.max_line, max_unending=rules.max_unending)
        # Whether the bytes after the last line end are handed out too.
        self._gives_tail = not rules.decode
        # Until the first line has come.
        self._first_line = rules.first_line
        # Lines that have come out of the decoder.
        self._lines_out = 0
        # What `receive` has not handed out yet, in reverse order; an idle connection has none.
        self._pending: list[LineT | BadLine] | None = None

    @property
    def lines_in(self) -> int:
        """Lines received so far, bad ones counted."""
        held: int = self._decoder.held_lines
        return self._lines_out + held

    @property
    def holds_lines(self) -> bool:
        """Whether `take_held` may have something to return."""
        return bool(self._pending or self._decoder.held)

    @property
    def rest(self) -> bytes:
        """What follows the last line that was handed out, without an end of line."""
        rest: bytes = self._decoder.rest
        return rest

    def take_held(self) -> list[LineT | BadLine]:
        """Return the next lines of what was received already. Never a checkpoint.

        `receive_batch` hands out a hundred lines at a time. A task that can take more at once goes
        on with this, and makes one large piece of work of them.

        Returns:
            What `receive_batch` would return; an empty list: it would have to wait.
        """
        if self._pending:
            return self._take_pending()
        return self._take() if self._decoder.held else []

    def discard(self) -> None:
        """Drop all lines that were received but not handed out. Never a checkpoint."""
        self._pending = None
        self._gives_tail = False
        self._decoder.discard()

    def _take_tail(self) -> list[LineT | BadLine]:
        """Return what follows the last line end, where lines are bytes and the input has ended.

        A peer that was stopped for a mistake of its own is not served any more, so its half line is
        dropped as its next lines would be.
        """
        end = self.end
        if not self._gives_tail or end is None:
            return []
        self._gives_tail = False
        if not (end.peer_has_ended or end is InputEnd.STOPPED):
            return []
        tail: list[LineT | BadLine] = self._decoder.finish()
        if tail and self._first_line is not None:
            first_line, self._first_line = self._first_line, None
            if first_line.is_refused(tail[0], self._decoder):
                self.end = InputEnd.HTTP
                return []
        self._lines_out += len(tail)
        if tail:
            self.waiting_since = NOT_WAITING
        return tail

    def _take_pending(self) -> list[LineT | BadLine]:
        """Return the lines that `receive` has left over."""
        pending, self._pending = self._pending, None
        return pending[::-1] if pending else []

    def _take(
        self, data: bytes | None = None, max_lines: int = PART_LINES
    ) -> list[LineT | BadLine]:
        """Return up to `max_lines` lines of `data`, just received; without it, of what is held."""
        decoder, first_line = self._decoder, self._first_line
        if first_line is not None and first_line.stands_alone(data or decoder.held, decoder):
            max_lines = 1
        if data is not None:
            part: list[LineT | BadLine] = decoder.begin(data, max_lines)
        else:
            part = decoder.take(max_lines) if decoder.held else []
        if part:
            if first_line is not None:
                self._first_line = None
                if first_line.is_refused(part[0], decoder):
                    self.end = InputEnd.HTTP
                    self.discard()
                    return []
            if decoder.gave_up:
                self.end = self.end or InputEnd.UNENDING
            self._lines_out += len(part)
            self.waiting_since = NOT_WAITING
        return part
