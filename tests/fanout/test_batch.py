"""One batch of a hub as values: which member gets what, in whatever order things happen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.encoding import check_lines
from trionet.fanout.batch import Batch
from trionet.fanout.encoded import EncodedBatch, Payload


def plain(event: str) -> bytes:
    return event.encode() + b"\n" if event else b""


def doubled(event: str) -> bytes:
    return plain(event) * 2


def batch_of(*formats: Callable[[str], bytes]) -> Batch[str, str]:
    return Batch(
        lambda _topic: formats or (plain,), lambda _encode, event, _error: pytest.fail(event)
    )


def close(batch: Batch[str, str]) -> EncodedBatch:
    """Close a batch with one format."""
    return batch.encoded(plain, None)


def joined(payload: Payload) -> bytes:
    """Return a payload's lines, after a check of their number and size."""
    assert all(payload.pieces)
    lines = b"".join(payload.pieces)
    assert (payload.lines, payload.size) == (lines.count(b"\n"), len(lines))
    return lines


def test_what_one_member_writes_in_a_row_is_one_gap() -> None:
    batch = batch_of()
    for number in range(100):
        batch.publish(f"{number}", ["ann"] if 10 <= number < 90 else [])
    assert len(batch.deltas["ann"].changes) == 1
    kept = [*range(10), *range(90, 100)]
    payload = close(batch).payload(batch.deltas["ann"])
    assert joined(payload) == b"".join(b"%d\n" % number for number in kept)
    assert len(payload.pieces) == 2


def test_a_private_line_between_two_of_the_members_own_stays_between_what_others_said() -> None:
    batch = batch_of()
    batch.publish("a", ["ann"])
    batch.publish("b")
    batch.tell("ann", plain, "private")
    batch.publish("c", ["ann"])
    batch.publish("d")
    assert joined(close(batch).payload(batch.deltas["ann"])) == b"b\nprivate\nd\n"


def test_private_lines_around_what_a_member_writes_stay_in_their_places() -> None:
    batch = batch_of()
    batch.publish("a")
    batch.tell("ann", plain, "before")
    batch.publish("own", ["ann"])
    batch.publish("own too", ["ann"])
    batch.tell("ann", plain, "behind")
    batch.tell("ann", plain, "and behind that")
    batch.publish("last", ["ann"])
    batch.publish("b")
    expected = b"a\nbefore\nbehind\nand behind that\nb\n"
    assert joined(close(batch).payload(batch.deltas["ann"])) == expected


def test_the_size_counts_all_entries_but_departures_and_their_bytes() -> None:
    batch = batch_of(plain, doubled)
    assert (batch.size, batch.bytes) == (0, 0)
    batch.add("ann", plain)
    assert batch.tell("ann", plain, "welcome") == 8
    batch.publish("ann joined", ["ann"])
    batch.discard("ann", plain)
    # Each format's lines of what was published. A departure adds nothing to send.
    assert (batch.size, batch.bytes) == (3, 8 + 11 + 22)
    batch.publish_all(["one", "two"])
    assert (batch.size, batch.bytes) == (5, 41 + 8 + 16)


def test_a_member_that_leaves_gets_what_was_for_it_until_then() -> None:
    batch = batch_of()
    batch.publish("1")
    batch.tell("ann", plain, "2")
    batch.discard("ann", plain)
    batch.publish("3")
    assert batch.deltas == {}
    ((box, encode, delta, end, topics),) = batch.departures
    assert (box, encode, topics) == ("ann", plain, ())
    assert joined(close(batch).payload(delta, end)) == b"1\n2\n"


def test_an_event_that_many_are_told_is_encoded_once_for_each_format() -> None:
    encoded: list[str] = []

    def counting(event: str) -> bytes:
        encoded.append(event)
        return plain(event)

    batch = batch_of(counting)
    event = "".join(["who", " is here"])
    for name in ("ann", "bob", "cid"):
        batch.tell(name, counting, event)
    batch.tell("dan", doubled, event)
    assert encoded == [event]
    pieces = [
        batch.encoded(counting, None).payload(batch.deltas[name]).pieces for name in ("ann", "bob")
    ]
    # The same bytes, not equal ones.
    assert pieces[0][0] is pieces[1][0]


def test_an_event_of_two_lines_and_one_of_none_are_not_taken_for_two_of_one_line() -> None:
    batch = batch_of()
    batch.publish("a\nb")
    batch.publish("", ["ann"])
    batch.publish_all(["c", ""], ["bob"])
    batch.publish("d")
    encoded = close(batch)
    assert joined(encoded.payload(batch.deltas["ann"])) == b"a\nb\nc\nd\n"
    assert joined(encoded.payload(batch.deltas["bob"])) == b"a\nb\nd\n"


@pytest.mark.parametrize("result", [None, "text\n", 7, b"no end", b"two\nlines"])
def test_anything_but_lines_is_reported_and_left_out(result: object) -> None:
    def wrong(event: str) -> bytes:
        return plain(event) if event == "good" else result  # type: ignore[return-value]

    reported: list[tuple[str, type[Exception]]] = []
    batch = Batch[str, str](
        lambda _: [wrong], lambda _, event, error: reported.append((event, type(error)))
    )
    batch.publish("bad")
    batch.publish_all(["good", "worse", "good"])
    batch.tell("ann", wrong, "bad too")
    error = ValueError if isinstance(result, bytes) else TypeError
    assert reported == [("bad", error), ("worse", error), ("bad too", error)]
    assert batch.encoded(wrong, None).whole == b"good\ngood\n"


def test_lines_may_be_any_kind_of_bytes() -> None:
    assert check_lines(bytearray(b"a\n")) == check_lines(memoryview(b"a\n")) == b"a\n"  # type: ignore[arg-type]
    assert check_lines(b"") == b""


def test_each_event_that_cannot_be_encoded_is_reported_and_left_out() -> None:
    def picky(event: str) -> bytes:
        if "bad" in event:
            raise ValueError(event)
        return plain(event)

    failed: list[str] = []
    batch = Batch[str, str](lambda _: [picky], lambda _, event, _error: failed.append(event))
    for event in ("a", "bad", "b"):
        batch.publish(event)
    batch.tell("ann", picky, "bad too")
    encoded = batch.encoded(picky, None)
    assert encoded.whole == b"a\nb\n"
    assert joined(encoded.payload(batch.deltas["ann"])) == b"a\nb\n"
    assert failed == ["bad", "bad too"]


names = st.sampled_from(["ann", "bob", "cid"])
entries = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["publish", "publish all"]), st.one_of(st.none(), names)),
        st.tuples(st.just("tell"), names),
        st.tuples(st.just("add"), names),
        st.tuples(st.just("discard"), names),
    ),
    max_size=40,
)


@given(entries, st.sets(names))
def test_everyone_gets_what_was_appended_while_they_were_members(
    entries: list[tuple[str, str | None]], early: set[str]
) -> None:
    formats: dict[str, Callable[[str], bytes]] = {"ann": plain, "bob": doubled, "cid": plain}
    here = dict.fromkeys(early, b"")
    batch = Batch[str, str](
        lambda _topic: dict.fromkeys(formats[name] for name in here),
        lambda _encode, event, _error: pytest.fail(event),
    )
    left: list[tuple[str, bytes]] = []
    for number, (kind, name) in enumerate(entries):
        # Every fifth event has no line, like a notice for a member that wants none.
        event = f"{number}" if number % 5 else ""
        if kind.startswith("publish"):
            exclude = name if name in here else None
            events = [event] if kind == "publish" else [event, "and", "more"]
            if kind == "publish":
                batch.publish(event, [exclude] if exclude else [])
            else:
                batch.publish_all(events, [exclude] if exclude else [])
                batch.publish_all([], [exclude] if exclude else [])
            for member in here:
                if member != name:
                    here[member] += b"".join(map(formats[member], events))
            continue
        assert name is not None
        if kind == "tell" and name in here:
            batch.tell(name, formats[name], event)
            here[name] += formats[name](event)
        elif kind == "add" and name not in here:
            batch.add(name, formats[name])
            here[name] = b""
        elif kind == "discard" and name in here:
            batch.discard(name, formats[name])
            left.append((name, here.pop(name)))

    gone = [
        (box, joined(batch.payload(encode, topics, delta, end)))
        for box, encode, delta, end, topics in batch.departures
    ]
    encoded: dict[Callable[[str], bytes], EncodedBatch] = {
        encode: batch.encoded(encode, None) for encode in (plain, doubled)
    }
    stayed = {
        name: joined(batch.payload(formats[name], (), batch.deltas[name]))
        if name in batch.deltas
        else encoded[formats[name]].whole
        for name in here
    }
    assert gone == left
    assert stayed == here
    for each in encoded.values():
        assert each.lines == each.whole.count(b"\n")


# Topics

topics = st.sampled_from(["x", "y", "z"])
topical_entries = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.one_of(st.none(), topics), st.sets(names, max_size=2)),
        st.tuples(st.just("tell"), names),
        st.tuples(st.just("add"), names, st.sets(topics)),
        st.tuples(st.just("subscribe"), names, topics),
        st.tuples(st.just("unsubscribe"), names, topics),
        st.tuples(st.just("discard"), names),
    ),
    max_size=40,
)


@settings(max_examples=400, deadline=None)
@given(topical_entries, st.dictionaries(names, st.sets(topics)), st.booleans())
def test_everyone_gets_what_was_published_on_its_topics_while_it_had_them(
    entries: list[tuple[Any, ...]], early: dict[str, set[str]], console: bool
) -> None:
    formats = {"ann": plain, "bob": doubled, "cid": plain, "console": doubled}
    had: dict[str, set[str] | None] = {name: set(of) for name, of in early.items()}
    if console:
        had["console"] = None
    here = dict.fromkeys(had, b"")
    left: list[tuple[str, bytes]] = []

    def formats_of(topic: object) -> list[Callable[[str], bytes]]:
        return list(
            dict.fromkeys(
                formats[name]
                for name, of in had.items()
                if topic is None or of is None or topic in of
            )
        )

    batch = Batch[str, str](formats_of, lambda _encode, event, _error: pytest.fail(event))
    for number, (kind, *rest) in enumerate(entries):
        event = f"{number}" if number % 5 else ""
        if kind == "publish":
            topic, exclude = rest
            batch.publish(event, [name for name in exclude if name in here], topic=topic)
            for name, of in had.items():
                if name not in exclude and (topic is None or of is None or topic in of):
                    here[name] += formats[name](event)
            continue
        name = rest[0]
        of = had.get(name)
        if kind == "add" and of is None:
            had[name] = set(rest[1])
            here[name] = b""
            batch.add(name, formats[name], frozenset(rest[1]))
        elif of is None:
            continue
        elif kind == "tell":
            batch.tell(name, formats[name], event)
            here[name] += formats[name](event)
        elif kind == "subscribe" and rest[1] not in of:
            of.add(rest[1])
            batch.subscribe(name, formats[name], rest[1])
        elif kind == "unsubscribe" and rest[1] in of:
            of.remove(rest[1])
            batch.unsubscribe(name, rest[1])
        elif kind == "discard":
            batch.discard(name, formats[name], frozenset(of))
            left.append((name, here.pop(name)))
            del had[name]
    gone = [
        (box, joined(batch.payload(encode, topics, delta, end)))
        for box, encode, delta, end, topics in batch.departures
    ]
    stayed = {
        name: joined(batch.payload(formats[name], had[name], batch.deltas.get(name)))
        for name in here
    }
    assert gone == left
    assert stayed == here


def test_what_is_published_on_a_topic_is_encoded_for_those_alone_who_have_it() -> None:
    batch = Batch[str, str](
        lambda topic: {"x": [plain], "y": [doubled]}.get(str(topic), []),
        lambda _encode, event, _error: pytest.fail(event),
    )
    batch.publish("one", topic="x")
    batch.publish("two", topic="y")
    batch.publish("three", topic="nobody's")
    assert batch.bytes == len(b"one\n" + b"two\ntwo\n")
    assert batch.encoded(plain, ["x"]).whole == b"one\n"
    assert batch.encoded(doubled, ["y"]).whole == b"two\ntwo\n"


def test_members_with_the_same_active_topics_share_one_payload() -> None:
    batch = batch_of()
    for topic in ("x", "y", "x"):
        batch.publish(topic, topic=topic)
    both = batch.encoded(plain, ["y", "x"])
    assert both is batch.encoded(plain, ["x", "y"])
    assert both.whole == b"x\ny\nx\n"


def test_a_run_counts_as_many_entries_as_it_has_lines() -> None:
    batch = batch_of()
    batch.publish("a\nb\nc", entries=3)
    batch.publish("d", ["ann"])
    assert batch.size == 4
    assert joined(close(batch).payload(batch.deltas["ann"])) == b"a\nb\nc\n"
