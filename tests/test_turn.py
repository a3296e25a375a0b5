"""One turn of a hub as values: who gets how much of it, whatever the order of things."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trionet.lines import tally
from trionet.turn import EncodedTurn, Share, Turn


def plain(event: str) -> bytes:
    return event.encode() + b"\n" if event else b""


def doubled(event: str) -> bytes:
    return plain(event) * 2


def encoded(turn: Turn[str, str], encode: Callable[[str], bytes] = plain) -> EncodedTurn[str]:
    return EncodedTurn(turn.events, encode, pytest.fail)


def joined(share: Share) -> bytes:
    """Return a share's lines; what it tells of their number and size is true."""
    assert all(share.pieces)
    lines = b"".join(share.pieces)
    assert share.tally == tally(lines)
    return lines


def test_what_one_member_writes_in_a_row_is_one_gap() -> None:
    turn = Turn[str, str]()
    for number in range(100):
        turn.publish(f"{number}", "ann" if 10 <= number < 90 else None)
    assert len(turn.cuts["ann"].changes) == 1
    kept = [*range(10), *range(90, 100)]
    share = encoded(turn).apply(turn.cuts["ann"])
    assert joined(share) == b"".join(b"%d\n" % number for number in kept)
    assert len(share.pieces) == 2


def test_a_private_line_between_two_of_ones_own_stays_between_what_others_said() -> None:
    turn = Turn[str, str]()
    turn.publish("a", "ann")
    turn.publish("b", None)
    turn.tell("ann", "private")
    turn.publish("c", "ann")
    turn.publish("d", None)
    assert joined(encoded(turn).apply(turn.cuts["ann"])) == b"b\nprivate\nd\n"


def test_the_size_counts_entries_of_all_kinds() -> None:
    turn = Turn[str, str]()
    assert turn.size == 0
    turn.add("ann")
    turn.tell("ann", "welcome")
    turn.publish("ann joined", "ann")
    turn.discard("ann", plain)
    assert turn.size == 4


def test_who_goes_keeps_what_was_for_it_until_then() -> None:
    turn = Turn[str, str]()
    turn.publish("1", None)
    turn.tell("ann", "2")
    turn.discard("ann", plain)
    turn.publish("3", None)
    assert turn.cuts == {}
    ((box, encode, cut, end),) = turn.departures
    assert (box, encode) == ("ann", plain)
    assert joined(encoded(turn).apply(cut, end)) == b"1\n2\n"


def test_what_cannot_be_encoded_is_told_once_each_and_left_out() -> None:
    def picky(event: str) -> bytes:
        if "bad" in event:
            raise ValueError(event)
        return plain(event)

    turn = Turn[str, str]()
    for event in ("a", "bad", "b"):
        turn.publish(event, None)
    turn.tell("ann", "bad too")
    failed: list[str] = []
    picked = EncodedTurn(turn.events, picky, failed.append)
    assert picked.whole == b"a\nb\n"
    assert joined(picked.apply(turn.cuts["ann"])) == b"a\nb\n"
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
    turn = Turn[str, str]()
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
            turn.tell(name, event)
            here[name] += formats[name](event)
        elif kind == "add" and name not in here:
            turn.add(name)
            here[name] = b""
        elif kind == "discard" and name in here:
            turn.discard(name, formats[name])
            left.append((name, here.pop(name)))

    turns = {encode: encoded(turn, encode) for encode in formats.values()}
    gone = [
        (box, joined(turns[encode].apply(cut, end))) for box, encode, cut, end in turn.departures
    ]
    stayed = {
        name: joined(turns[formats[name]].apply(turn.cuts[name]))
        if name in turn.cuts
        else turns[formats[name]].whole
        for name in here
    }
    assert gone == left
    assert stayed == here
    for each in turns.values():
        assert each.whole.tally == tally(each.whole)
