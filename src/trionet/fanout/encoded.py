"""What a batch publishes, encoded: topic by topic, joined for all, and cut for one member. No I/O.

Nearly all members get the same lines, so these are joined once, as an `EncodedBatch`. A member that
gets something else has a `Delta`: where it joined, which events leave it out, and what it alone is
told. Lines that one member writes in a row are one gap. So if a member wrote 480 of 500 lines, all
in a row, its delta is one gap and its payload two pieces.

A publication has a *place*: how many publications of the batch came before it, on all topics. A
delta says everything in places.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import accumulate
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from trionet.abc import Framing

E = TypeVar("E")

Encode: TypeAlias = Callable[[E], bytes]

# Where one member's lines differ: in place of the publications from one place to another, it gets
# these lines. Without lines it is a gap; between equal places, lines for the member alone. A plain
# tuple: with a class for each of the two, a login took 0.5 µs more.
_Change: TypeAlias = tuple[int, int, bytes]


class Delta:
    """How one member's lines differ from all lines of a batch on its topics.

    Attributes:
        start: the first publication that is for the member.
        changes: gaps and private lines, in order.
        spans: for each topic that the member subscribed to or unsubscribed from within the batch,
            the spans in which it had the topic: pairs of a first place and the place after the
            last. A topic can have several, because a member may leave and come back. ``None``:
            there is no such topic.
    """

    __slots__ = ("changes", "spans", "start")

    def __init__(self, start: int = 0) -> None:
        self.start = start
        self.changes: list[_Change] = []
        self.spans: dict[Hashable, list[tuple[int, int | None]]] | None = None


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
    """What a batch publishes on some topics, in one format.

    Args:
        places: the places of these publications.
        chunks: the lines of each.
        counts: how many lines each of them has at least, unless it has none; ``None``: not known.

    Attributes:
        whole: all lines.
        lines: how many lines `whole` holds.
    """

    __slots__ = (
        "_chunks", "_counts", "_find", "_framed", "_numbers", "_offsets", "_places", "_view",
        "lines", "whole",
    )  # fmt: skip

    def __init__(
        self, places: Sequence[int], chunks: list[bytes], counts: list[int] | None = None
    ) -> None:
        self._places = places
        self._chunks = chunks
        self._counts = counts
        # In a quiet room there is nothing to join.
        self.whole = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self.lines = self.whole.count(b"\n")
        # How many bytes and how many lines precede each publication; the last entry is the total.
        # Made when they are first needed, for a member whose lines differ.
        self._offsets: Sequence[int] | None = None
        self._numbers: Sequence[int] = ()
        self._view = memoryview(b"")
        # Finds the first publication from a place on. Nearly always the batch has no other
        # publications than these, and then a search would take 1,500 instructions for nothing.
        self._find: Callable[[Sequence[int], int, int, int], int] = bisect_left
        if places and places[-1] == len(places) - 1:
            self._find = _own_index
        # The whole in each framing that somebody needs.
        self._framed: dict[Framing, bytes] | None = None

    def framed(self, framing: Framing) -> bytes:
        """Return `whole` in frames: wrapped once, then kept."""
        if self._framed is None:
            self._framed = {}
        framed = self._framed.get(framing)
        if framed is None:
            framed = self._framed[framing] = framing.wrap(self.whole)
        return framed

    def payload(self, delta: Delta | None, end: int | None = None) -> Payload:
        """Return one member's lines.

        Args:
            delta: how they differ from `whole`; ``None``: not at all. Its spans do not count here.
            end: the first place that is no longer for the member; ``None``: all places are.
        """
        if self._offsets is None:
            self._offsets = self._measure()
        offsets, numbers, places = self._offsets, self._numbers, self._places
        find, last = self._find, len(places)
        delta = delta or _NO_DELTA
        here = find(places, delta.start, 0, last) if delta.start else 0
        if end is not None:
            last = find(places, end, 0, last)
        view = self._view
        pieces: list[bytes | memoryview] = []
        lines = numbers[last] - numbers[here] if here < last else 0
        size = 0
        for begin, until, instead in delta.changes:
            at = find(places, begin, here, last)
            # An empty piece would cost a slice, and that takes as long as a search.
            if offsets[here] < offsets[at]:
                pieces.append(view[offsets[here] : offsets[at]])
                size += offsets[at] - offsets[here]
            here = at
            if begin < until:
                here = find(places, until, at, last)
                lines -= numbers[here] - numbers[at]
            if instead:
                pieces.append(instead)
                size += len(instead)
                lines += instead.count(b"\n")
        if here < last and offsets[here] < offsets[last]:
            pieces.append(view[offsets[here] : offsets[last]])
            size += offsets[last] - offsets[here]
        return Payload(pieces, lines, size)

    def _measure(self) -> Sequence[int]:
        chunks, self._chunks = self._chunks, []
        self._view = memoryview(self.whole)
        counts = self._counts
        # Nearly always each event is one line, and then `counts` are line counts already.
        if counts is None or self.lines != sum(counts) or not all(chunks):
            counts = [chunk.count(b"\n") for chunk in chunks]
        self._numbers = list(accumulate(counts, initial=0))
        return list(accumulate(map(len, chunks), initial=0))


_NO_DELTA = Delta()


def _own_index(_places: Sequence[int], place: int, low: int, high: int) -> int:
    """Do what ``bisect_left`` does where each place is its own index."""
    if place < low:
        return low
    if place > high:
        return high
    return place


class Topic(Generic[E]):
    """The publications of a batch on one topic.

    Attributes:
        places: where they are.
        counts: how many entries each of them counts as.
        chunks: the lines of each, in each format that somebody who has the topic needs. A format
            that came later lacks the first ones.
        is_uneven: whether some events of a publication have no line in some format, so that
            `counts` cannot stand for lines.
    """

    __slots__ = ("chunks", "counts", "is_uneven", "places")

    def __init__(self, formats: Iterable[Encode[E]]) -> None:
        self.places: list[int] = []
        self.counts: list[int] = []
        self.is_uneven = False
        self.chunks: dict[Encode[E], list[bytes]] = {encode: [] for encode in formats}

    def encoded(self, encode: Encode[E]) -> EncodedBatch:
        """Return what was published on this topic alone."""
        chunks = self.chunks.get(encode, [])
        missing = len(self.places) - len(chunks)
        places, counts = self.places, self.counts
        if missing:
            places, counts = places[missing:], counts[missing:]
        return EncodedBatch(places, chunks, None if self.is_uneven else counts)

    def between(
        self, encode: Encode[E], begin: int, end: int | None
    ) -> Iterable[tuple[int, bytes]]:
        """Return the places and lines from one place to another; ``None``: to the last."""
        chunks = self.chunks.get(encode, [])
        missing = len(self.places) - len(chunks)
        # By bisection: a thousand who come in one batch would look through it a thousand times.
        first = max(missing, bisect_left(self.places, begin))
        last = len(self.places) if end is None else max(first, bisect_left(self.places, end))
        return zip(self.places[first:last], chunks[first - missing : last - missing], strict=True)
