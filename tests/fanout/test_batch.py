"""One turn of a hub as values: who gets how much of it, whatever the order of things."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trionet.fanout.batch import Payload, Share, Turn
from trionet.lines import check_lines, tally


def plain(event: str) -> bytes:
    return event.encode() + b"\n" if event else b""


def doubled(event: str) -> bytes:
    return plain(event) * 2


def turn_of(*formats: Callable[[str], bytes]) -> Turn[str, str]:
    return Turn(formats or (plain,), lambda _encode, event, _error: pytest.fail(event))


def close(turn: Turn[str, str]) -> Payload:
    """Close a turn with one format."""
    return turn.close()[plain]


def joined(share: Share) -> bytes:
    """Return a share's lines; what it tells of their number and size is true."""
    assert all(share.pieces)
    lines = b"".join(share.pieces)
    assert share.tally == tally(lines)
    return lines


def test_what_one_member_writes_in_a_row_is_one_gap() -> None:
    turn = turn_of()
    for number in range(100):
        turn.publish(f"{number}", "ann" if 10 <= number < 90 else None)
    assert len(turn.cuts["ann"].changes) == 1
    kept = [*range(10), *range(90, 100)]
    share = close(turn).share(turn.cuts["ann"])
    assert joined(share) == b"".join(b"%d\n" % number for number in kept)
    assert len(share.pieces) == 2


def test_a_private_line_between_two_of_ones_own_stays_between_what_others_said() -> None:
    turn = turn_of()
    turn.publish("a", "ann")
    turn.publish("b", None)
    turn.tell("ann", plain, "private")
    turn.publish("c", "ann")
    turn.publish("d", None)
    assert joined(close(turn).share(turn.cuts["ann"])) == b"b\nprivate\nd\n"


def test_the_size_counts_entries_of_all_kinds_and_their_bytes() -> None:
    turn = turn_of(plain, doubled)
    assert (turn.size, turn.bytes) == (0, 0)
    turn.add("ann", plain)
    assert turn.tell("ann", plain, "welcome") == 8
    turn.publish("ann joined", "ann")
    turn.discard("ann", plain)
    # Each format's lines of what was published.
    assert (turn.size, turn.bytes) == (4, 8 + 11 + 22)
    turn.publish_all(["one", "two"], None)
    assert (turn.size, turn.bytes) == (6, 41 + 8 + 16)


def test_who_goes_keeps_what_was_for_it_until_then() -> None:
    turn = turn_of()
    turn.publish("1", None)
    turn.tell("ann", plain, "2")
    turn.discard("ann", plain)
    turn.publish("3", None)
    assert turn.cuts == {}
    ((box, encode, cut, end),) = turn.departures
    assert (box, encode) == ("ann", plain)
    assert joined(close(turn).share(cut, end)) == b"1\n2\n"


def test_the_same_event_that_many_are_told_is_encoded_once_for_each_format() -> None:
    encoded: list[str] = []

    def counting(event: str) -> bytes:
        encoded.append(event)
        return plain(event)

    turn = turn_of(counting)
    event = "".join(["who", " is here"])
    for name in ("ann", "bob", "cid"):
        turn.tell(name, counting, event)
    turn.tell("dan", doubled, event)
    assert encoded == [event]
    pieces = [turn.close()[counting].share(turn.cuts[name]).pieces for name in ("ann", "bob")]
    # The same bytes, not equal ones.
    assert pieces[0][0] is pieces[1][0]


def test_an_event_of_two_lines_and_one_of_none_are_no_two_events_of_one() -> None:
    turn = turn_of()
    turn.publish("a\nb", None)
    turn.publish("", "ann")
    turn.publish_all(["c", ""], "bob")
    turn.publish("d", None)
    payload = close(turn)
    assert joined(payload.share(turn.cuts["ann"])) == b"a\nb\nc\nd\n"
    assert joined(payload.share(turn.cuts["bob"])) == b"a\nb\nd\n"


@pytest.mark.parametrize("result", [None, "text\n", 7, b"no end", b"two\nlines"])
def test_what_is_no_lines_is_reported_and_left_out(result: object) -> None:
    def wrong(event: str) -> bytes:
        return plain(event) if event == "good" else result  # type: ignore[return-value]

    reported: list[tuple[str, type[Exception]]] = []
    turn = Turn[str, str]([wrong], lambda _, event, error: reported.append((event, type(error))))
    turn.publish("bad", None)
    turn.publish_all(["good", "worse", "good"], None)
    turn.tell("ann", wrong, "bad too")
    error = ValueError if isinstance(result, bytes) else TypeError
    assert reported == [("bad", error), ("worse", error), ("bad too", error)]
    assert turn.close()[wrong].whole == b"good\ngood\n"


def test_lines_may_be_any_kind_of_bytes() -> None:
    assert check_lines(bytearray(b"a\n")) == check_lines(memoryview(b"a\n")) == b"a\n"  # type: ignore[arg-type]
    assert check_lines(b"") == b""


def test_what_cannot_be_encoded_is_told_once_each_and_left_out() -> None:
    def picky(event: str) -> bytes:
        if "bad" in event:
            raise ValueError(event)
        return plain(event)

    failed: list[str] = []
    turn = Turn[str, str]([picky], lambda _, event, _error: failed.append(event))
    for event in ("a", "bad", "b"):
        turn.publish(event, None)
    turn.tell("ann", picky, "bad too")
    payload = turn.close()[picky]
    assert payload.whole == b"a\nb\n"
    assert joined(payload.share(turn.cuts["ann"])) == b"a\nb\n"
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
    turn = turn_of(*{formats[name]: None for name in early})
    here = dict.fromkeys(early, b"")
    left: list[tuple[str, bytes]] = []
    for number, (kind, name) in enumerate(entries):
        # Every fifth is no line at all, as a notice is to who wants none.
        event = f"{number}" if number % 5 else ""
        if kind.startswith("publish"):
            exclude = name if name in here else None
            events = [event] if kind == "publish" else [event, "and", "more"]
            if kind == "publish":
                turn.publish(event, exclude)
            else:
                turn.publish_all(events, exclude)
                turn.publish_all([], exclude)
            for member in here:
                if member != name:
                    here[member] += b"".join(map(formats[member], events))
            continue
        assert name is not None
        if kind == "tell" and name in here:
            turn.tell(name, formats[name], event)
            here[name] += formats[name](event)
        elif kind == "add" and name not in here:
            turn.add(name, formats[name])
            here[name] = b""
        elif kind == "discard" and name in here:
            turn.discard(name, formats[name])
            left.append((name, here.pop(name)))

    payloads = turn.close()
    gone = [
        (box, joined(payloads[encode].share(cut, end))) for box, encode, cut, end in turn.departures
    ]
    stayed = {
        name: joined(payloads[formats[name]].share(turn.cuts[name]))
        if name in turn.cuts
        else payloads[formats[name]].whole
        for name in here
    }
    assert gone == left
    assert stayed == here
    for each in payloads.values():
        assert each.whole.tally == tally(each.whole)
