"""One batch of a hub: the events published in it, and how much of them each member gets. No I/O.

Nearly all members get the same lines, so the batch joins its lines once for each format. A member
that gets something else has a `Delta`: where it joined, which events leave it out, and what it
alone is told. The lines that one member writes come in a row, and a row is one gap. So the delta of
a member that wrote 480 of 500 lines holds one gap, and its payload is two pieces.

The batch encodes an event when the event is appended, so its size in bytes is known at any time:
that is what a hub's bound counts. A batch keeps encoded bytes, not events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from operator import itemgetter
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from trionet.lines import check_lines

E = TypeVar("E")
B = TypeVar("B")

Encode: TypeAlias = Callable[[E], bytes]

# Called with a format, an event, and the error that the format raised for it.
Report: TypeAlias = Callable[[Encode[E], E, Exception], object]

_LAST_BYTE = itemgetter(-1)
_NEWLINES = frozenset(b"\n")


class _Gap:
    """A run of publications, ``begin`` to ``end``, that leaves one member out."""

    __slots__ = ("begin", "end")

    def __init__(self, begin: int) -> None:
        self.begin = begin
        self.end = begin + 1


class _Told(NamedTuple):
    """Lines for one member alone, in front of the publication at `begin`."""

    begin: int
    lines: bytes


class Delta:
    """How one member's lines differ from all lines of a batch.

    Attributes:
        start: the first publication that is for the member.
        changes: gaps and private lines, in order.
    """

    __slots__ = ("changes", "start")

    def __init__(self, start: int = 0) -> None:
        self.start = start
        self.changes: list[_Gap | _Told] = []


class Departure(NamedTuple, Generic[E, B]):
    """A member that left within a batch.

    Attributes:
        box: where its lines go.
        encode: its format.
        delta: how its lines differ; ``None``: they are all lines up to `end`.
        end: the first publication that is not for it any more.
    """

    box: B
    encode: Encode[E]
    delta: Delta | None
    end: int


class Payload(NamedTuple):
    """The lines that one member gets of a batch, in pieces.

    The pieces are not joined. Joining them again for each member that wrote in a busy batch would
    take a third as long as sending them: 20 talkers with lines of 512 bytes copied 10 MB a batch.

    Attributes:
        pieces: whole lines each.
        lines: how many lines they hold.
        size: how many bytes they hold.
    """

    pieces: list[bytes | memoryview]
    lines: int
    size: int


class EncodedBatch:
    """All that a batch publishes, in one format.

    Args:
        begin: how many publications came before the first member with this format.

    Attributes:
        chunks: the lines of each publication, until the batch is closed.
        has_blanks: whether some event has no line in this format.
        whole: all lines, once the batch is closed.
        lines: how many lines `whole` holds.
    """

    __slots__ = ("_begin", "_numbers", "_offsets", "chunks", "has_blanks", "lines", "whole")

    def __init__(self, begin: int) -> None:
        self._begin = begin
        self.chunks: list[bytes] = []
        # How many bytes and how many lines precede each publication; the last entry is the total.
        self._offsets: Sequence[int] = ()
        self._numbers: Sequence[int] = ()
        self.has_blanks = False
        self.whole = b""
        self.lines = 0

    def close(self, counts: list[int], *, has_deltas: bool) -> None:
        """Join the lines.

        Args:
            counts: how many events each publication of the batch has.
            has_deltas: whether anybody will call `payload`.
        """
        chunks, self.chunks = self.chunks, []
        self.whole = b"".join(chunks)
        self.lines = self.whole.count(b"\n")
        if not has_deltas:
            return
        counts = counts[self._begin :] if self._begin else counts
        self._offsets = list(accumulate(map(len, chunks), initial=0))
        # Nearly always each event is one line; then `counts` already are the numbers of lines.
        if self.has_blanks or self.lines != sum(counts):
            counts = [chunk.count(b"\n") for chunk in chunks]
        self._numbers = list(accumulate(counts, initial=0))

    def payload(self, delta: Delta | None, end: int | None = None) -> Payload:
        """Return one member's lines.

        Args:
            delta: how they differ from `whole`; ``None``: not at all.
            end: the first publication that is not for the member any more; ``None``: all are.
        """
        offsets, numbers, begin = self._offsets, self._numbers, self._begin
        view = memoryview(self.whole)
        delta = delta or Delta(begin)
        here = max(delta.start - begin, 0)
        end = len(offsets) - 1 if end is None else end - begin
        pieces: list[bytes | memoryview] = []
        lines = numbers[end] - numbers[here]
        for change in delta.changes:
            at = change.begin - begin
            pieces.append(view[offsets[here] : offsets[at]])
            if isinstance(change, _Gap):
                here = change.end - begin
                lines -= numbers[here] - numbers[at]
            else:
                here = at
                pieces.append(change.lines)
                lines += change.lines.count(b"\n")
        pieces.append(view[offsets[here] : offsets[end]])
        pieces = [piece for piece in pieces if piece]
        return Payload(pieces, lines, sum(map(len, pieces)))


class Batch(Generic[E, B]):
    """What is appended to a log between two deliveries.

    A batch does not know who is a member. Its caller passes members only.

    Args:
        formats: the formats that members have when the batch begins.
        report: called when a format raises or returns something other than lines; the batch then
            leaves the event out.

    Attributes:
        size: how many entries it holds, of all kinds.
        bytes: how many bytes they are. A published event counts once for each format, and what a
            member is told counts for each member that is told it.
        deltas: the deltas of members that are still here at the end and do not get the whole.
        departures: the members that left, in that order.
    """

    __slots__ = (
        "_counts",
        "_encoded",
        "_gap",
        "_report",
        "_told",
        "_writer",
        "bytes",
        "deltas",
        "departures",
        "size",
    )

    def __init__(self, formats: Iterable[Encode[E]], report: Report[E]) -> None:
        self.size = 0
        self.bytes = 0
        self.deltas: dict[B, Delta] = {}
        self.departures: list[Departure[E, B]] = []
        self._report = report
        self._encoded = {encode: EncodedBatch(0) for encode in formats}
        # How many events each publication has.
        self._counts: list[int] = []
        # What members were told, by format and by the event's identity: members that ask the same
        # question get the same bytes. The entry keeps the event alive, so that no other event can
        # take over its identity.
        self._told: dict[tuple[Encode[E], int], tuple[E, bytes]] = {}
        # The last gap and the member it leaves out, for as long as the gap can grow.
        self._gap = _Gap(-1)
        self._writer: B | None = None

    def publish(self, event: E, exclude: B | None) -> None:
        """Add an event for all members except `exclude`."""
        if exclude is not None:
            self._leave_out(exclude)
        for encode, encoded in self._encoded.items():
            lines = self._encode(encode, event)
            if lines:
                self.bytes += len(lines)
            else:
                encoded.has_blanks = True
            encoded.chunks.append(lines)
        self._counts.append(1)
        self.size += 1

    def publish_all(self, events: list[E], exclude: B | None) -> None:
        """Add events for all members except `exclude`, as if they were added one by one."""
        if len(events) < 2:
            for event in events:
                self.publish(event, exclude)
            return
        if exclude is not None:
            self._leave_out(exclude)
        for encode, encoded in self._encoded.items():
            try:
                pieces = [encode(event) for event in events]
                lines = b"".join(pieces)
                # Checks the last byte of each piece, in C.
                are_lines = _NEWLINES.issuperset(map(_LAST_BYTE, filter(None, pieces)))
            except Exception:
                are_lines = False
            if not are_lines:
                pieces = [self._encode(encode, event) for event in events]
                lines = b"".join(pieces)
            if not all(pieces):
                encoded.has_blanks = True
            self.bytes += len(lines)
            encoded.chunks.append(lines)
        self._counts.append(len(events))
        self.size += len(events)

    def tell(self, box: B, encode: Encode[E], event: E) -> int:
        """Add an event for one member with the given format, and return how many bytes it is.

        An event that is told more than once in a batch is encoded once for each format.
        """
        key = encode, id(event)
        told = self._told.get(key)
        if told is None:
            told = self._told[key] = event, self._encode(encode, event)
        return self.tell_lines(box, told[1])

    def tell_lines(self, box: B, lines: bytes) -> int:
        """Add lines for one member, and return how many bytes they are."""
        self.size += 1
        self.bytes += len(lines)
        self._writer = None
        self._delta_of(box).changes.append(_Told(len(self._counts), lines))
        return len(lines)

    def add(self, box: B, encode: Encode[E]) -> None:
        """Record that a member has joined."""
        self.size += 1
        if encode not in self._encoded:
            self._encoded[encode] = EncodedBatch(len(self._counts))
        self.deltas[box] = Delta(len(self._counts))

    def discard(self, box: B, encode: Encode[E]) -> None:
        """Record that a member has left."""
        self.size += 1
        self._writer = None
        if encode not in self._encoded:
            # The last member with this format, and nothing was published since it joined.
            self._encoded[encode] = EncodedBatch(len(self._counts))
        delta = self.deltas.pop(box, None)
        self.departures.append(Departure(box, encode, delta, len(self._counts)))

    def close(self) -> dict[Encode[E], EncodedBatch]:
        """Join what was published, in each format. Append nothing after this."""
        has_deltas = bool(self.deltas or self.departures)
        for encoded in self._encoded.values():
            encoded.close(self._counts, has_deltas=has_deltas)
        return self._encoded

    def _leave_out(self, box: B) -> None:
        """Leave a member out of the next publication."""
        at = len(self._counts)
        if box is self._writer and self._gap.end == at:
            self._gap.end = at + 1
        else:
            self._gap = _Gap(at)
            self._writer = box
            self._delta_of(box).changes.append(self._gap)

    def _delta_of(self, box: B) -> Delta:
        delta = self.deltas.get(box)
        if delta is None:
            delta = self.deltas[box] = Delta()
        return delta

    def _encode(self, encode: Encode[E], event: E) -> bytes:
        try:
            lines = encode(event)
            # Nearly always true, and it spares a call.
            if type(lines) is bytes and lines.endswith(b"\n"):
                return lines
            return check_lines(lines)
        except Exception as error:
            self._report(encode, event, error)
            return b""
