"""One turn of a hub: what is published in it, and which members get how much of it. No I/O.

Nearly all members get the same lines, so these are joined once. A member who differs has a `Cut`:
where it came in, what it is left out of, and what it alone is told. What one member writes comes in
a row, and a row is one gap. So its cut of a turn of 500 lines is two pieces, not 480.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from trionet.lines import TALLY_BYTE, Lines

E = TypeVar("E")
B = TypeVar("B")

Encode: TypeAlias = Callable[[E], bytes]


class _Gap:
    """Published events, ``begin`` to ``end``, that a member is left out of."""

    __slots__ = ("begin", "end")

    def __init__(self, begin: int) -> None:
        self.begin = begin
        self.end = begin + 1


class _Told(NamedTuple, Generic[E]):
    """What a member alone is told, in front of the published event at `begin`."""

    begin: int
    event: E


class Cut(Generic[E]):
    """How one member's lines of a turn differ from all lines.

    Attributes:
        start: the first published event that is for the member.
        changes: gaps and private events, in order.
    """

    __slots__ = ("changes", "start")

    def __init__(self, start: int = 0) -> None:
        self.start = start
        self.changes: list[_Gap | _Told[E]] = []


class Departure(NamedTuple, Generic[E, B]):
    """A member who went within a turn.

    Attributes:
        box: where its lines go.
        encode: its format.
        cut: how its lines differ; ``None``: not at all, up to the end.
        end: the first published event that is not for it any more.
    """

    box: B
    encode: Encode[E]
    cut: Cut[E] | None
    end: int


class Turn(Generic[E, B]):
    """What is appended to a log between two deliveries.

    It does not know who is a member: whoever appends tells it of members alone.

    Attributes:
        events: what is published, in order.
        cuts: of the members who are here at the end and do not get all of it.
        departures: of those who are not, in order of going.
    """

    __slots__ = ("_gap", "_others", "_writer", "cuts", "departures", "events")

    def __init__(self) -> None:
        self.events: list[E] = []
        self.cuts: dict[B, Cut[E]] = {}
        self.departures: list[Departure[E, B]] = []
        self._others = 0
        # The last gap and whose it is, as long as it can grow.
        self._gap = _Gap(-1)
        self._writer: B | None = None

    @property
    def size(self) -> int:
        """How many entries there are, of all kinds."""
        return len(self.events) + self._others

    def publish(self, event: E, exclude: B | None) -> None:
        """Add an event for all members, less one."""
        if exclude is not None:
            at = len(self.events)
            if exclude is self._writer and self._gap.end == at:
                self._gap.end = at + 1
            else:
                self._gap = _Gap(at)
                self._writer = exclude
                self._cut(exclude).changes.append(self._gap)
        self.events.append(event)

    def publish_all(self, events: list[E], exclude: B | None) -> None:
        """Add events for all members, less one; as if they were added one by one."""
        if events:
            self.publish(events[0], exclude)
            self.events += events[1:]
            if exclude is not None:
                self._gap.end = len(self.events)

    def tell(self, box: B, event: E) -> None:
        """Add an event for one member."""
        self._others += 1
        self._writer = None
        self._cut(box).changes.append(_Told(len(self.events), event))

    def add(self, box: B) -> None:
        """Note that somebody has become a member."""
        self._others += 1
        self.cuts[box] = Cut(len(self.events))

    def discard(self, box: B, encode: Encode[E]) -> None:
        """Note that somebody is a member no more."""
        self._others += 1
        self._writer = None
        cut = self.cuts.pop(box, None)
        self.departures.append(Departure(box, encode, cut, len(self.events)))

    def _cut(self, box: B) -> Cut[E]:
        cut = self.cuts.get(box)
        if cut is None:
            cut = self.cuts[box] = Cut()
        return cut


class Share(NamedTuple):
    """One member's lines, in pieces.

    To join those of a busy turn anew for each who wrote in it would take a third as long as to send
    them: 20 talkers with lines of 512 bytes copied 10 MB a turn.

    Attributes:
        pieces: to be joined.
        tally: how many lines and bytes; see `trionet.lines.tally`.
    """

    pieces: list[bytes | memoryview]
    tally: int


class EncodedTurn(Generic[E]):
    """A turn's published events in one format.

    Args:
        events: what was published.
        encode: the format.
        on_error: called with an event that could not be encoded, while the error is handled; it
            is left out.

    Attributes:
        whole: all lines.
    """

    __slots__ = (
        "_encode",
        "_index",
        "_on_error",
        "_pieces",
        "whole",
    )

    def __init__(self, events: list[E], encode: Encode[E], on_error: Callable[[E], object]) -> None:
        self._encode = encode
        self._on_error = on_error
        try:
            self._pieces = [encode(event) for event in events]
        except Exception:
            self._pieces = [self._encode_one(event) for event in events]
        self.whole = Lines(b"".join(self._pieces))
        # How many bytes and how many lines stand in front of each event, and in all; once somebody
        # needs it.
        self._index: tuple[Sequence[int], Sequence[int]] | None = None

    def apply(self, cut: Cut[E] | None, end: int | None = None) -> Share:
        """Return one member's lines.

        Args:
            cut: how they differ from the whole; ``None``: not at all.
            end: the first published event that is not for the member any more; ``None``: all are.
        """
        if self._index is None:
            ends = accumulate(map(len, self._pieces), initial=0)
            self._index = list(ends), self._count_lines()
        offsets, numbers = self._index
        view = memoryview(self.whole)
        cut = cut or Cut()
        here, end = cut.start, len(self._pieces) if end is None else end
        pieces: list[bytes | memoryview] = []
        number = numbers[end] - numbers[here]
        for change in cut.changes:
            pieces.append(view[offsets[here] : offsets[change.begin]])
            if isinstance(change, _Gap):
                here = change.end
                number -= numbers[here] - numbers[change.begin]
            else:
                here = change.begin
                pieces.append(private := self._encode_one(change.event))
                number += private.count(b"\n")
        pieces.append(view[offsets[here] : offsets[end]])
        pieces = [piece for piece in pieces if piece]
        return Share(pieces, number + sum(map(len, pieces)) * TALLY_BYTE)

    def _count_lines(self) -> Sequence[int]:
        count = len(self._pieces)
        if self.whole.tally % TALLY_BYTE == count and all(self._pieces):
            # Each event is one line, as nearly always: there is nothing to count.
            return range(count + 1)
        return list(accumulate((piece.count(b"\n") for piece in self._pieces), initial=0))

    def _encode_one(self, event: E) -> bytes:
        try:
            return self._encode(event)
        except Exception:
            self._on_error(event)
            return b""
