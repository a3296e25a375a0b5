"""One turn (a batch) of a hub: what is published in it, and which members get how much. No I/O.

Nearly all members get the same lines, so these are joined once for each format. A member who
differs has a `Cut`: where it came in, what it is left out of, and what it alone is told. What one
member writes comes in a row, and a row is one gap. So its cut of a turn of 500 lines is two pieces,
not 480.

Events are encoded when they are appended, so that a turn knows its size in bytes at any time: that
is what a hub's bound counts. A turn holds no events, only their bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from operator import itemgetter
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from trionet.lines import TALLY_BYTE, Lines, check_lines

E = TypeVar("E")
B = TypeVar("B")

Encode: TypeAlias = Callable[[E], bytes]

# Called with a format, an event, and the error that the format raised for it.
Report: TypeAlias = Callable[[Encode[E], E, Exception], object]

_LAST_BYTE = itemgetter(-1)
_NEWLINES = frozenset(b"\n")


_NO_LINES = Lines(b"")


class _Gap:
    """Publishings, ``begin`` to ``end``, that a member is left out of."""

    __slots__ = ("begin", "end")

    def __init__(self, begin: int) -> None:
        self.begin = begin
        self.end = begin + 1


class _Told(NamedTuple):
    """What a member alone is told, in front of the publishing at `begin`."""

    begin: int
    lines: bytes


class Cut:
    """How one member's lines of a turn differ from all lines.

    Attributes:
        start: the first publishing that is for the member.
        changes: gaps and private lines, in order.
    """

    __slots__ = ("changes", "start")

    def __init__(self, start: int = 0) -> None:
        self.start = start
        self.changes: list[_Gap | _Told] = []


class Departure(NamedTuple, Generic[E, B]):
    """A member who left within a turn.

    Attributes:
        box: where its lines go.
        encode: its format.
        cut: how its lines differ; ``None``: not at all, up to the end.
        end: the first publishing that is not for it any more.
    """

    box: B
    encode: Encode[E]
    cut: Cut | None
    end: int


class Share(NamedTuple):
    """One member's lines, in pieces.

    To join those of a busy turn anew for each member who wrote in it would take a third as long as
    to send them: 20 talkers with lines of 512 bytes copied 10 MB a turn.

    Attributes:
        pieces: to be joined. Each is whole lines.
        tally: how many lines and bytes; see `trionet.lines.tally`.
    """

    pieces: list[bytes | memoryview]
    tally: int


class Payload:
    """What a turn publishes, in one format.

    Args:
        begin: how many publishings came before the format did.

    Attributes:
        chunks: of each publishing, its lines, until the turn is closed.
        has_blanks: whether some event is no line in this format.
        whole: all lines, once the turn is closed.
    """

    __slots__ = ("_begin", "_numbers", "_offsets", "chunks", "has_blanks", "whole")

    def __init__(self, begin: int) -> None:
        self._begin = begin
        self.chunks: list[bytes] = []
        # How many bytes and how many lines stand in front of each publishing, and in all.
        self._offsets: Sequence[int] = ()
        self._numbers: Sequence[int] = ()
        self.has_blanks = False
        self.whole = _NO_LINES

    def close(self, counts: list[int], *, has_cuts: bool) -> None:
        """Join the lines.

        Args:
            counts: of each publishing of the turn, how many events it was.
            has_cuts: whether `share` will be asked for.
        """
        chunks, self.chunks = self.chunks, []
        self.whole = Lines(b"".join(chunks))
        if not has_cuts:
            return
        counts = counts[self._begin :] if self._begin else counts
        self._offsets = list(accumulate(map(len, chunks), initial=0))
        # Where each event is one line, as nearly always, there is nothing to count.
        if self.has_blanks or self.whole.tally % TALLY_BYTE != sum(counts):
            counts = [chunk.count(b"\n") for chunk in chunks]
        self._numbers = list(accumulate(counts, initial=0))

    def share(self, cut: Cut | None, end: int | None = None) -> Share:
        """Return one member's lines.

        Args:
            cut: how they differ from the whole; ``None``: not at all.
            end: the first publishing that is not for the member any more; ``None``: all are.
        """
        offsets, numbers, begin = self._offsets, self._numbers, self._begin
        view = memoryview(self.whole)
        cut = cut or Cut(begin)
        here = max(cut.start - begin, 0)
        end = len(offsets) - 1 if end is None else end - begin
        pieces: list[bytes | memoryview] = []
        number = numbers[end] - numbers[here]
        for change in cut.changes:
            at = change.begin - begin
            pieces.append(view[offsets[here] : offsets[at]])
            if isinstance(change, _Gap):
                here = change.end - begin
                number -= numbers[here] - numbers[at]
            else:
                here = at
                pieces.append(change.lines)
                number += change.lines.count(b"\n")
        pieces.append(view[offsets[here] : offsets[end]])
        pieces = [piece for piece in pieces if piece]
        return Share(pieces, number + sum(map(len, pieces)) * TALLY_BYTE)


class Turn(Generic[E, B]):
    """What is appended to a log between two deliveries.

    It does not know who is a member: it is told of members only.

    Args:
        formats: those that the members have when it begins.
        report: called when a format raises, or returns what is no lines; the event is left out.

    Attributes:
        size: how many entries there are, of all kinds.
        bytes: how many bytes they are: what is published once for each format, what is told for
            each member who is told it.
        cuts: of the members who are here at the end and do not get all of it.
        departures: of those who are not, in order of going.
    """

    __slots__ = (
        "_counts",
        "_gap",
        "_payloads",
        "_report",
        "_told",
        "_writer",
        "bytes",
        "cuts",
        "departures",
        "size",
    )

    def __init__(self, formats: Iterable[Encode[E]], report: Report[E]) -> None:
        self.size = 0
        self.bytes = 0
        self.cuts: dict[B, Cut] = {}
        self.departures: list[Departure[E, B]] = []
        self._report = report
        self._payloads = {encode: Payload(0) for encode in formats}
        # Of each publishing, how many events it was.
        self._counts: list[int] = []
        # What was told, by format and identity: who asks the same gets the same bytes. The event
        # is kept, so that its identity stays its own.
        self._told: dict[tuple[Encode[E], int], tuple[E, bytes]] = {}
        # The last gap and whose it is, as long as it can grow.
        self._gap = _Gap(-1)
        self._writer: B | None = None

    def publish(self, event: E, exclude: B | None) -> None:
        """Add an event for all members, less one."""
        if exclude is not None:
            self._leave_out(exclude)
        for encode, payload in self._payloads.items():
            lines = self._encode(encode, event)
            if lines:
                self.bytes += len(lines)
            else:
                payload.has_blanks = True
            payload.chunks.append(lines)
        self._counts.append(1)
        self.size += 1

    def publish_all(self, events: list[E], exclude: B | None) -> None:
        """Add events for all members, less one; as if they were added one by one."""
        if len(events) < 2:
            for event in events:
                self.publish(event, exclude)
            return
        if exclude is not None:
            self._leave_out(exclude)
        for encode, payload in self._payloads.items():
            try:
                pieces = [encode(event) for event in events]
                lines = b"".join(pieces)
                # In C, for each is looked at.
                are_lines = _NEWLINES.issuperset(map(_LAST_BYTE, filter(None, pieces)))
            except Exception:
                are_lines = False
            if not are_lines:
                pieces = [self._encode(encode, event) for event in events]
                lines = b"".join(pieces)
            if not all(pieces):
                payload.has_blanks = True
            self.bytes += len(lines)
            payload.chunks.append(lines)
        self._counts.append(len(events))
        self.size += len(events)

    def tell(self, box: B, encode: Encode[E], event: E) -> int:
        """Add an event for one member, whose format is given; return how many bytes it is.

        An event that is told more than once in a turn is encoded once for each format.
        """
        key = encode, id(event)
        told = self._told.get(key)
        if told is None:
            told = self._told[key] = event, self._encode(encode, event)
        lines = told[1]
        self.size += 1
        self.bytes += len(lines)
        self._writer = None
        self._cut(box).changes.append(_Told(len(self._counts), lines))
        return len(lines)

    def add(self, box: B, encode: Encode[E]) -> None:
        """Note that somebody has become a member."""
        self.size += 1
        if encode not in self._payloads:
            self._payloads[encode] = Payload(len(self._counts))
        self.cuts[box] = Cut(len(self._counts))

    def discard(self, box: B, encode: Encode[E]) -> None:
        """Note that somebody is a member no more."""
        self.size += 1
        self._writer = None
        if encode not in self._payloads:
            # It was the last member with this format, and nothing was published since.
            self._payloads[encode] = Payload(len(self._counts))
        cut = self.cuts.pop(box, None)
        self.departures.append(Departure(box, encode, cut, len(self._counts)))

    def close(self) -> dict[Encode[E], Payload]:
        """Join what was published, in each format. Nothing is appended after this."""
        has_cuts = bool(self.cuts or self.departures)
        for payload in self._payloads.values():
            payload.close(self._counts, has_cuts=has_cuts)
        return self._payloads

    def _leave_out(self, box: B) -> None:
        """Leave a member out of the publishing that comes next."""
        at = len(self._counts)
        if box is self._writer and self._gap.end == at:
            self._gap.end = at + 1
        else:
            self._gap = _Gap(at)
            self._writer = box
            self._cut(box).changes.append(self._gap)

    def _cut(self, box: B) -> Cut:
        cut = self.cuts.get(box)
        if cut is None:
            cut = self.cuts[box] = Cut()
        return cut

    def _encode(self, encode: Encode[E], event: E) -> bytes:
        try:
            lines = encode(event)
            # As nearly always; a call less.
            if type(lines) is bytes and lines.endswith(b"\n"):
                return lines
            return check_lines(lines)
        except Exception as error:
            self._report(encode, event, error)
            return b""
