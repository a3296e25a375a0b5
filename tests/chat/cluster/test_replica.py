"""The state of a cluster: equal on all nodes, whatever comes and wherever a node starts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.chat.cluster.entries import (
    VERSION,
    Again,
    Bye,
    Hello,
    Item,
    Settings,
    UnknownFormat,
    encode_entry,
    encode_item,
)
from trionet.chat.cluster.node_lives import Verdict
from trionet.chat.cluster.replica import Replica
from trionet.chat.names.names import member_name
from trionet.chat.names.room_names import LOBBY_NAME, parse_room
from trionet.chat.state import events as ev
from trionet.chat.state import operations as op
from trionet.chat.state.events import StateEvent

LEASE = 4_000
SETTINGS = Settings(LEASE, 60_000, 100)


class Stream:
    """A stream, and one node's state of it."""

    def __init__(self) -> None:
        self.replica = Replica()
        self.written: list[tuple[str, bytes]] = []
        self.now = 1_000_000

    def write(
        self, node: str, life: int, seq: int, *items: Item, later: int = 1
    ) -> tuple[Verdict | None, list[StateEvent]]:
        self.now += later
        data = encode_entry(node, life, seq, [encode_item(item) for item in items])
        self.written.append((f"{self.now}-0", data))
        applied = self.replica.apply(*self.written[-1])
        return applied.verdict, [event for part in applied.parts for event in part.events]

    def hello(self, node: str, life: int, **fields: Any) -> Verdict | None:
        return self.write(node, life, 0, hello(**fields))[0]

    def beat(self, node: str, life: int, seqs: range, *, each: int = 1_000) -> None:
        for seq in seqs:
            self.write(node, life, seq, later=each)

    def names(self) -> tuple[str, ...]:
        return self.replica.state.names_in("lobby")


def hello(chat: str = "chat", generation: int = 0, highest: int = 0) -> Hello:
    return Hello(VERSION, SETTINGS, chat, generation, highest)


def login(node: str, number: int, name: str, *, hold: bool = False) -> op.LogIn:
    token = f"{name}'s token".encode() if hold else b""
    named = member_name(name)
    return op.LogIn((node, number), named, (LOBBY_NAME,), None, token, hold, token)


def texts(happened: list[StateEvent]) -> list[str]:
    return [text for event in happened if isinstance(event, ev.Said) for text in event.texts]


def a_stream_of_two() -> Stream:
    stream = Stream()
    stream.hello("a", 1)
    stream.hello("b", 2)
    stream.write("a", 1, 1, login("a", 1, "Ann"))
    stream.write("b", 2, 1, login("b", 1, "Bob"), login("b", 2, "Cid", hold=True))
    return stream


def test_an_entry_counts_once_and_in_its_place() -> None:
    stream = a_stream_of_two()
    say = op.Say(1, "lobby", ["hello"])
    verdict, told = stream.write("a", 1, 2, say)
    assert (verdict, texts(told)) == (Verdict.TAKEN, ["hello"])
    assert stream.write("a", 1, 2, say) == (Verdict.REPEATED, [])
    assert stream.write("a", 1, 1, say) == (Verdict.REPEATED, [])
    assert stream.write("a", 1, 4, say) == (Verdict.FENCED, [])
    assert stream.write("a", 3, 1, say) == (Verdict.FENCED, [])
    assert stream.write("c", 4, 3, say) == (Verdict.FENCED, [])
    assert stream.hello("a", 1) is Verdict.REPEATED
    verdict, told = stream.write("a", 1, 3, say)
    assert (verdict, texts(told)) == (Verdict.TAKEN, ["hello"])


def test_a_life_that_is_silent_for_longer_than_the_lease_is_over() -> None:
    stream = a_stream_of_two()
    stream.beat("a", 1, range(2, 6))
    assert "b" in stream.replica.lives.by_node
    _, told = stream.write("a", 1, 6, later=1_000)
    left = [event for event in told if isinstance(event, ev.Left)]
    assert [(event.name, event.reason) for event in left] == [("Bob", "lost")]
    # Whoever has asked for it is held.
    assert [event for event in told if isinstance(event, ev.Held)] == [ev.Held(3)]
    assert stream.names() == ("Ann", "Cid")
    assert stream.write("b", 2, 2, op.Say(2, "lobby", ["late"])) == (Verdict.FENCED, [])
    # What it wrote before its end is known to have counted.
    assert stream.write("b", 2, 1)[0] is Verdict.REPEATED
    assert stream.hello("b", 2) is Verdict.REPEATED


def test_an_outage_of_redis_is_no_time() -> None:
    stream = a_stream_of_two()
    stream.write("a", 1, 2, later=3_600_000)
    assert stream.write("b", 2, 2)[0] is Verdict.TAKEN
    assert stream.names() == ("Ann", "Bob", "Cid")


def test_the_grace_of_a_held_member_runs_on_the_clock_of_leases() -> None:
    stream = a_stream_of_two()
    stream.write("b", 2, 2, op.Detach(3, ("b", 2)))
    stream.write("a", 1, 2, later=3_600_000)
    assert "Cid" in stream.names()
    for seq in range(3, 70):
        stream.write("a", 1, seq, later=1_000)
    assert "Cid" not in stream.names()


def test_a_new_life_of_a_node_takes_its_members_over() -> None:
    stream = a_stream_of_two()
    assert stream.hello("a", 7) is Verdict.TAKEN
    assert stream.names() == ("Ann", "Bob", "Cid")
    assert stream.write("a", 1, 2, op.Say(1, "lobby", ["old"])) == (Verdict.FENCED, [])
    assert texts(stream.write("a", 7, 1, op.Say(1, "lobby", ["new"]))[1]) == ["new"]


def test_a_node_that_says_good_bye_is_not_waited_for() -> None:
    stream = a_stream_of_two()
    _, told = stream.write("b", 2, 2, Bye())
    assert [event.name for event in told if isinstance(event, ev.Left)] == ["Bob"]
    assert list(stream.replica.lives.by_node) == ["a"]


def test_what_is_said_again_counts_only_if_it_was_lost() -> None:
    stream = a_stream_of_two()
    stream.write("a", 1, 2, op.Say(1, "lobby", ["one"]))
    stream.hello("a", 7)
    again = Again(1, 2, [op.Say(1, "lobby", ["one"])]), Again(1, 3, [op.Say(1, "lobby", ["two"])])
    assert texts(stream.write("a", 7, 1, *again)[1]) == ["two"]
    assert texts(stream.write("a", 7, 2, *again)[1]) == []


def test_the_epoch_is_that_of_the_highest_generation_and_numbers_go_on() -> None:
    stream = a_stream_of_two()
    assert stream.replica.state.epoch == "chat"
    stream.hello("a", 7, generation=1, highest=40)
    stream.hello("b", 8, generation=1, highest=30)
    assert stream.replica.state.epoch == "chat.1"
    _, told = stream.write("a", 7, 1, op.Say(1, "lobby", ["x"]))
    assert [event.number for event in told if isinstance(event, ev.Said)] == [41]
    stream.hello("c", 9, chat="other")
    assert stream.replica.state.epoch == "chat.1"


def test_whoever_comes_sees_the_room_of_that_moment() -> None:
    stream = a_stream_of_two()
    counts: list[int] = []
    data = encode_entry(
        "a", 1, 2, [encode_item(login("a", 2, "Dan")), encode_item(login("a", 3, "Eve"))]
    )
    stream.replica.apply(f"{stream.now + 1}-0", data, lambda _: counts.append(len(stream.names())))
    assert counts == [4, 5, 5]


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x94", msgspec.msgpack.encode([1, 2, 3, 4])])
def test_what_is_no_entry_changes_nothing(data: bytes) -> None:
    stream = a_stream_of_two()
    before = stream.replica.state.dump()
    assert stream.replica.apply(f"{stream.now + 1}-0", data).verdict is None
    assert stream.replica.state.dump() == before


def test_another_format_of_entries_or_of_snapshots_is_refused_by_its_number() -> None:
    stream = a_stream_of_two()
    data = msgspec.msgpack.encode(["c", 9, 0, [["hello", 99, "whatever"]]])
    with pytest.raises(UnknownFormat, match="entry format 99, and this trionet uses 1"):
        stream.replica.apply(f"{stream.now + 1}-0", data)
    parts = msgspec.msgpack.decode(stream.replica.dump())
    with pytest.raises(UnknownFormat, match="entry format 99"):
        Replica.load(msgspec.msgpack.encode([99, *parts[1:]]))


# Anything at all

NAMES = ["Ann", "Bob", "Cid", "аnn", "Dan"]
ROOMS = ["lobby", "builds", "Вuilds"]
members = st.integers(1, 6)
rooms = st.sampled_from(ROOMS[:2])


def _connection(node: int, number: int) -> tuple[str, int]:
    return f"node {node}", number


operations = st.one_of(
    st.builds(
        lambda node, number, name, hold: login(f"node {node}", number, name, hold=hold),
        st.integers(1, 3),
        st.integers(1, 4),
        st.sampled_from(NAMES),
        st.booleans(),
    ),
    st.builds(op.Say, members, rooms, st.lists(st.text(max_size=3), min_size=1, max_size=3)),
    st.builds(op.Act, members, rooms, st.just("waves")),
    st.builds(
        op.Tell,
        members,
        st.just("Ann"),
        st.just(member_name("Ann").key),
        st.just("psst"),
        st.integers(1, 3),
    ),
    st.builds(op.Join, members, st.builds(parse_room, st.sampled_from(ROOMS)), st.booleans()),
    st.builds(op.Leave, members, rooms),
    st.builds(op.SetTopic, members, rooms, st.sampled_from(["", "topic"])),
    st.builds(op.LogOut, members, st.just("quit")),
    st.builds(op.Evict, members),
    st.builds(
        lambda member, node, number: op.Detach(member, _connection(node, number)),
        members,
        st.integers(1, 3),
        st.integers(1, 4),
    ),
    st.builds(
        lambda member, name: op.Rename(member, member_name(name)),
        members,
        st.sampled_from(NAMES),
    ),
)
items = st.one_of(
    operations,
    operations,
    operations,
    st.just(Bye()),
    st.builds(
        Again, st.integers(1, 5), st.integers(0, 6), st.lists(operations, min_size=1, max_size=2)
    ),
)
# Node, life, how far from the next number, items, the time since the last entry.
entries = st.tuples(
    st.integers(1, 3),
    st.integers(1, 5),
    st.sampled_from([0, 0, 0, 0, 0, -1, -2, 1]),
    st.lists(items, max_size=4),
    st.sampled_from([0, 1, 300, 1_000, 1_400, 5_000, 3_600_000]),
    st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(entries, max_size=40), st.data())
def test_any_stream_gives_equal_states_from_wherever_a_node_starts(
    written: list[tuple[int, int, int, list[Item], int, bool]], data: st.DataObject
) -> None:
    stream = Stream()
    for node, life, off, what, later, is_hello in written:
        last = stream.replica.lives.last_seq(life)
        number = 0 if is_hello or last < 0 else max(0, last + 1 + off)
        begins = [hello(generation=life % 3, highest=life)] if number == 0 else []
        stream.write(f"node {node}", life, number, *begins, *what, later=max(later, 1))
    one = stream.replica
    assert Replica.load(one.dump()).dump() == one.dump()
    start = data.draw(st.integers(0, len(stream.written)))
    other = Replica()
    for position, entry in stream.written[:start]:
        other.apply(position, entry)
    other = Replica.load(other.dump())
    for position, entry in stream.written[start:]:
        other.apply(position, entry)
    assert other.digest() == one.digest()
