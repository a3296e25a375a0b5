"""One batch of a hub: what is appended to it, and which members get different lines. No I/O.

A batch records what happens in it: publications, what single members are told, who came and who
left. When it is delivered, it joins its lines once for each format and set of topics. A member that
gets different lines gets pieces of these (`encoded.py`).

The batch encodes an event when the event is appended, so its size in bytes is known at any time:
that is what a hub's bound counts. A batch keeps encoded bytes, not events.

A publication goes to everyone or to a topic. The topic ``None`` is everyone's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable
from operator import itemgetter
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from trionet.encoding import check_lines
from trionet.fanout.encoded import Delta, Encode, EncodedBatch, Payload, Topic

E = TypeVar("E")
B = TypeVar("B")

# Called with a format, an event, and the error that the format raised for it.
Report: TypeAlias = Callable[[Encode[E], E, Exception], object]

_LAST_BYTE = itemgetter(-1)
_FIRST = itemgetter(0)
_NEWLINES = frozenset(b"\n")


class Departure(NamedTuple, Generic[E, B]):
    """A member that left within a batch.

    Attributes:
        box: where its lines go.
        encode: its format.
        delta: how its lines differ; ``None``: they are all lines up to `end`.
        end: the first publication that is no longer for it.
        topics: the topics that it had; ``None``: all.
    """

    box: B
    encode: Encode[E]
    delta: Delta | None
    end: int
    topics: Collection[Hashable] | None


class Batch(Generic[E, B]):
    """What is appended to a log between two deliveries.

    A batch does not know who is a member. Its caller passes members only.

    Args:
        formats_of: returns the formats of the members that have a topic, or of all members for the
            topic ``None``; called when the first event is published on it.
        report: called when a format raises or returns something other than lines; the batch then
            leaves the event out.

    Attributes:
        size: how many entries it holds, of all kinds but departures.
        bytes: how many bytes they are. A published event counts once for each format, and what a
            member is told counts for each member that is told it.
        deltas: the deltas of members that are still here at the end and do not get the whole.
        departures: the members that left, in the order in which they left.
        topics: what was published, by topic.
    """

    __slots__ = (
        "_at",
        "_encoded",
        "_for_members",
        "_formats_of",
        "_report",
        "_told",
        "bytes",
        "deltas",
        "departures",
        "size",
        "topics",
    )

    def __init__(
        self, formats_of: Callable[[Hashable], Iterable[Encode[E]]], report: Report[E]
    ) -> None:
        self.size = 0
        self.bytes = 0
        self.deltas: dict[B, Delta] = {}
        self.departures: list[Departure[E, B]] = []
        self.topics: dict[Hashable, Topic[E]] = {}
        self._formats_of = formats_of
        self._report = report
        # The next place.
        self._at = 0
        # What members were told, by format and by the event's identity: members that ask the same
        # question get the same bytes. The value keeps the event alive, so that no other event can
        # take over its identity.
        self._told: dict[tuple[Encode[E], int], tuple[E, bytes]] = {}
        self._encoded: dict[tuple[Encode[E], frozenset[Hashable]], EncodedBatch] = {}
        # The same, by all topics of a member. Without this, each of a thousand members who come in
        # one batch would look up on which of its topics something was published: 1 µs each.
        self._for_members: dict[tuple[Encode[E], frozenset[Hashable] | None], EncodedBatch] = {}

    def publish(
        self, event: E, exclude: Iterable[B] = (), *, topic: Hashable = None, entries: int = 1
    ) -> None:
        """Add an event for the members that have a topic, except some.

        Args:
            event: the event.
            exclude: members that it leaves out.
            topic: where; ``None``: for all members.
            entries: how many entries it counts as. In each format it is at least that many lines,
                or none at all.
        """
        for box in exclude:
            self._leave_out(box)
        published = self.topics.get(topic) or self._open(topic)
        for encode, chunks in published.chunks.items():
            lines = self._encode(encode, event)
            self.bytes += len(lines)
            chunks.append(lines)
        published.places.append(self._at)
        published.counts.append(entries)
        self._at += 1
        self.size += entries

    def publish_all(
        self, events: list[E], exclude: Iterable[B] = (), *, topic: Hashable = None
    ) -> None:
        """Add events as `publish` would one by one, but as one publication."""
        if len(events) < 2:
            for event in events:
                self.publish(event, exclude, topic=topic)
            return
        for box in exclude:
            self._leave_out(box)
        published = self.topics.get(topic) or self._open(topic)
        for encode, chunks in published.chunks.items():
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
                published.is_uneven = True
            self.bytes += len(lines)
            chunks.append(lines)
        published.places.append(self._at)
        published.counts.append(len(events))
        self._at += 1
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
        size = len(lines)
        self.bytes += size
        delta = self.deltas.get(box) or self._delta_of(box)
        delta.changes.append((self._at, self._at, lines))
        return size

    def add(self, box: B, encode: Encode[E], topics: Collection[Hashable] | None = ()) -> None:
        """Record that a member has joined, with these topics; ``None``: with all."""
        self.size += 1
        for topic in self.topics if topics is None else (None, *topics):
            self._need(topic, encode)
        self.deltas[box] = Delta(self._at)

    def subscribe(self, box: B, encode: Encode[E], topic: Hashable) -> None:
        """Record that a member has one more topic."""
        self.size += 1
        self._need(topic, encode)
        self._spans_of(box).setdefault(topic, []).append((self._at, None))

    def unsubscribe(self, box: B, topic: Hashable) -> None:
        """Record that a member no longer has a topic."""
        self.size += 1
        delta = self._delta_of(box)
        spans = self._spans_of(box).setdefault(topic, [(delta.start, None)])
        spans[-1] = spans[-1][0], self._at

    def discard(self, box: B, encode: Encode[E], topics: Collection[Hashable] | None = ()) -> None:
        """Record that a member has left; `topics` are those that it had.

        This is no entry: it adds nothing to send. Otherwise 1,000 members who leave at once, each
        with a farewell, would fill the log twice.
        """
        delta = self.deltas.pop(box, None)
        self.departures.append(Departure(box, encode, delta, self._at, topics))

    def encoded(self, encode: Encode[E], topics: Collection[Hashable] | None) -> EncodedBatch:
        """Return what was published on some topics, in one format: joined once, then kept.

        Args:
            encode: the format.
            topics: topics on which something was published; ``None``: all of them.
        """
        key = encode, frozenset(self.topics if topics is None else topics)
        encoded = self._encoded.get(key)
        if encoded is None:
            encoded = self._encoded[key] = self._join(encode, key[1])
        return encoded

    def active(self, topics: Collection[Hashable] | None) -> list[Hashable]:
        """Return which of a member's topics, ``None`` among them, something was published on."""
        published = self.topics
        if topics is None:
            return list(published)
        active = [topic for topic in topics if topic in published]
        if None in published:
            active.append(None)
        return active

    def payload(
        self,
        encode: Encode[E],
        topics: Collection[Hashable] | None,
        delta: Delta | None,
        end: int | None = None,
    ) -> Payload:
        """Return the lines of one member.

        Args:
            encode: its format.
            topics: the topics that it has, or had when it left; ``None``: all.
            delta: how its lines differ; ``None``: not at all.
            end: the first place that is no longer for it; ``None``: all places are.
        """
        if delta is not None and delta.spans:
            active = self.active(topics)
            active += [one for one in delta.spans if one in self.topics and one not in active]
            if not delta.spans.keys().isdisjoint(active):
                return self._between(encode, active, delta, end)
        key = encode, None if topics is None else frozenset(topics)
        encoded = self._for_members.get(key)
        if encoded is None:
            encoded = self._for_members[key] = self.encoded(encode, self.active(topics))
        return encoded.payload(delta, end)

    def _between(
        self, encode: Encode[E], active: list[Hashable], delta: Delta, end: int | None
    ) -> Payload:
        """Return the lines of a member that came to a topic, or left one, within the batch.

        This joins the topics anew for the member, which is slow and simple: it is rare.
        """
        published: list[tuple[int, bytes]] = []
        always = [(delta.start, end)]
        for topic in active:
            for begin, until in (delta.spans or {}).get(topic, always):
                published += self.topics[topic].between(
                    encode, begin, end if until is None else until
                )
        published.sort(key=_FIRST)
        places = [place for place, _ in published]
        here = Delta()
        here.changes = delta.changes
        return EncodedBatch(places, [lines for _, lines in published]).payload(here)

    def _join(self, encode: Encode[E], topics: frozenset[Hashable]) -> EncodedBatch:
        if len(topics) == 1:
            (topic,) = topics
            return self.topics[topic].encoded(encode)
        published: list[tuple[int, bytes]] = []
        for topic in topics:
            published += self.topics[topic].between(encode, 0, None)
        published.sort(key=_FIRST)
        return EncodedBatch([place for place, _ in published], [lines for _, lines in published])

    def _open(self, topic: Hashable) -> Topic[E]:
        published = self.topics[topic] = Topic(self._formats_of(topic))
        return published

    def _need(self, topic: Hashable, encode: Encode[E]) -> None:
        """Have what is published on a topic from now on encoded in this format too."""
        published = self.topics.get(topic)
        if published is not None:
            published.chunks.setdefault(encode, [])

    def _leave_out(self, box: B) -> None:
        """Leave a member out of the next publication."""
        changes = self._delta_of(box).changes
        if changes and changes[-1][1] == self._at:
            begin, _, lines = changes.pop()
            changes.append((begin, self._at + 1, lines))
        else:
            changes.append((self._at, self._at + 1, b""))

    def _delta_of(self, box: B) -> Delta:
        return self.deltas.get(box) or self.deltas.setdefault(box, Delta())

    def _spans_of(self, box: B) -> dict[Hashable, list[tuple[int, int | None]]]:
        delta = self._delta_of(box)
        if delta.spans is None:
            delta.spans = {}
        return delta.spans

    def _encode(self, encode: Encode[E], event: E) -> bytes:
        try:
            lines = encode(event)
            # Nearly always true, and it spares the call of `check_lines`.
            if type(lines) is bytes and lines.endswith(b"\n"):
                return lines
            return check_lines(lines)
        except Exception as error:
            self._report(encode, event, error)
            return b""
