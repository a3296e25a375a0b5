"""The state of the chat: each rule by itself, and that it is the same on every machine."""

from __future__ import annotations

from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from state_machine import Machine, join, login, rename, token
from trionet.chat.names.names import member_name
from trionet.chat.names.room_names import LOBBY_NAME, parse_room
from trionet.chat.state import events as ev
from trionet.chat.state import operations as op
from trionet.chat.state.state import State

A_DAY = 24 * 60 * 60 * 1000
GRACE = 60_000


# Names and logging in


def test_a_member_who_logs_in_joins_its_rooms_the_lobby_first() -> None:
    one = Machine()
    assert one.do(login("Ann", "builds", "lobby", "Builds", id=7)) == [
        ev.Joined("lobby", 1, 1_000, 1, "Ann", 1),
        ev.Joined("builds", 2, 1_000, 1, "Ann", 1),
        ev.LoggedIn(("here", 1), 1, "Ann", ("lobby", "builds"), 7),
    ]
    assert one.state.names_in("lobby") == one.state.names_in("builds") == ("Ann",)


def test_a_member_may_start_in_no_room() -> None:
    one = Machine()
    told = one.do(op.LogIn(("here", 1), member_name("Ann"), ()))
    assert told == [ev.LoggedIn(("here", 1), 1, "Ann", ())]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Ann", "the name Ann is taken"),
        ("aNN", "the name aNN is taken"),
        ("аnn", "the name аnn looks like Ann, which is taken"),
    ],
)
def test_a_name_that_a_member_has_or_that_looks_like_it_is_taken(name: str, reason: str) -> None:
    one = Machine()
    ann = one.log_in("Ann")
    bob = one.log_in("Bob")
    before = one.state.dump()
    assert one.do(login(name, id=3)) == [ev.LoginRefused(("here", 1), "name-taken", reason, 3)]
    assert one.do(rename(bob, name, 4)) == [ev.OperationRefused(bob, "name-taken", reason, 4)]
    one.do(op.LogOut(ann, "quit"))
    assert [type(event) for event in one.do(rename(bob, name))] == [ev.Renamed, ev.Named]
    assert before != one.state.dump()


def test_a_new_name_is_told_in_each_room_and_frees_the_old_one() -> None:
    one = Machine()
    ann = one.log_in("Ann", "lobby", "builds")
    assert one.do(rename(ann, "Anna", 5)) == [
        ev.Renamed("lobby", 2, 1_000, ann, "Ann", "Anna", 5),
        ev.Renamed("builds", 3, 1_000, ann, "Ann", "Anna", 5),
        ev.Named(ann, "Anna", True, 5),
    ]
    # One's own name, in another case or as it is.
    assert one.do(rename(ann, "ANNA"))[-1] == ev.Named(ann, "ANNA", True)
    assert one.do(rename(ann, "ANNA")) == [ev.Named(ann, "ANNA", False)]
    assert one.state.find_member("anna") is one.state.members[ann]
    one.log_in("Ann")
    nowhere = one.do(op.LogIn(("here", 9), member_name("Zed"), ()))[-1]
    assert isinstance(nowhere, ev.LoggedIn)
    assert one.do(rename(nowhere.member, "Zoe")) == [ev.Named(nowhere.member, "Zoe", False)]


# Rooms


def test_messages_of_a_run_are_one_event_and_have_a_number_each() -> None:
    one = Machine()
    ann = one.log_in("Ann")
    said = one.do(op.Say(ann, "lobby", ["a", "b", "c"], [1, None, "x"]), op.Act(ann, "lobby", "d"))
    assert said == [
        ev.Said("lobby", 2, 1_000, ann, "Ann", ["a", "b", "c"], [1, None, "x"]),
        ev.Acted("lobby", 5, 1_000, ann, "Ann", "d"),
    ]


def test_each_message_to_a_room_that_the_member_is_not_in_is_refused_by_itself() -> None:
    one = Machine()
    ann = one.log_in("Ann")
    refused = [
        ev.OperationRefused(ann, "not-in-room", "you are not in builds", one_id)
        for one_id in (1, 2)
    ]
    assert one.do(op.Say(ann, "builds", ["a", "b"], [1, 2])) == refused
    assert one.do(op.Act(ann, "builds", "a", 1)) == refused[:1]
    assert one.do(op.SetTopic(ann, "builds", "a", 1)) == refused[:1]
    assert one.do(op.Leave(ann, "builds", 1)) == refused[:1]


def test_a_room_ends_with_its_last_member_and_its_numbers_never_come_again() -> None:
    one = Machine()
    ann = one.log_in("Ann")
    assert one.do(join(ann, "builds", id=1)) == [ev.Joined("builds", 2, 1_000, ann, "Ann", 1, 1)]
    assert one.do(join(ann, "builds", id=2)) == [ev.Stayed(ann, "builds", 2)]
    one.do(op.Say(ann, "builds", ["a"] * 10))
    assert one.do(op.Leave(ann, "builds", 3)) == [
        ev.Left("builds", 13, 1_000, ann, "Ann", 0, "left", 3)
    ]
    assert list(one.state.rooms) == ["lobby"]
    (joined,) = one.do(join(ann, "builds"))
    assert isinstance(joined, ev.Joined)
    assert joined.number == 14
    assert [room.name.key for room in one.state.listed_rooms()] == ["lobby", "builds"]


def test_a_move_leaves_all_other_rooms_first() -> None:
    one = Machine()
    ann = one.log_in("Ann")
    assert one.do(join(ann, "builds", moves=True)) == [
        ev.Left("lobby", 2, 1_000, ann, "Ann", 0, "moved"),
        ev.Joined("builds", 3, 1_000, ann, "Ann", 1),
    ]
    assert one.state.members[ann].rooms == ("builds",)
    # Back, although the only other room that looks like it ends with the move.
    (left, joined) = one.do(join(ann, "bui1ds", moves=True))
    assert isinstance(left, ev.Left)
    assert isinstance(joined, ev.Joined)
    assert one.do(join(ann, "bui1ds", moves=True, id=1)) == [ev.Stayed(ann, "bui1ds", 1)]


def test_the_clock_never_goes_back() -> None:
    one = Machine()
    ann = one.log_in("Ann")
    one.do(later=-500)
    (acted,) = one.do(op.Act(ann, "lobby", "waves"))
    assert isinstance(acted, ev.Acted)
    assert acted.time == 1_000


def test_removing_a_message_is_an_event_with_a_number_of_its_own() -> None:
    one = Machine()
    ann = one.log_in("Ann")
    one.do(op.Say(ann, "lobby", ["a", "b"]))
    assert one.do(op.Remove(ann, "lobby", 2, 7)) == [
        ev.Removed("lobby", 4, 1_000, ann, "Ann", 2, 7)
    ]
    assert one.do(op.Act(ann, "lobby", "a")) == [ev.Acted("lobby", 5, 1_000, ann, "Ann", "a")]
    assert one.do(op.Remove(ann, "builds", 2, 7)) == [
        ev.OperationRefused(ann, "not-in-room", "you are not in builds", 7)
    ]


# Private messages, and leaving


def test_a_private_message_has_a_number_of_its_receiver() -> None:
    one = Machine()
    ann, bob = one.log_in("Ann"), one.log_in("Bob", "builds")
    told = one.do(op.Tell(ann, "bob", "bob", "hi", 1), op.Tell(ann, "Bob", "bob", "ho"))
    assert told == [
        ev.Told(1, 1_000, ann, bob, "Ann", "Bob", "hi", 1),
        ev.Told(2, 1_000, ann, bob, "Ann", "Bob", "ho"),
    ]
    assert one.do(op.Tell(bob, "Ann", "ann", "hi"))[0] == (
        ev.Told(1, 1_000, bob, ann, "Bob", "Ann", "hi")
    )
    assert one.do(op.Tell(ann, "Zed", "zed", "hi", 2)) == [
        ev.OperationRefused(ann, "no-such-member", "there is no Zed here", 2)
    ]


def test_a_member_who_logs_out_leaves_each_room_once() -> None:
    one = Machine()
    ann = one.log_in("Ann", "lobby", "builds")
    one.log_in("Bob")
    assert one.do(op.LogOut(ann, "lost")) == [
        ev.Left("lobby", 3, 1_000, ann, "Ann", 1, "lost"),
        ev.Left("builds", 3, 1_000, ann, "Ann", 0, "lost"),
        ev.LoggedOut(ann),
    ]
    for late in (
        op.LogOut(ann, "lost"),
        op.Say(ann, "lobby", ["a"]),
        op.Act(ann, "lobby", "a"),
        op.Tell(ann, "Bob", "bob", "a"),
        join(ann, "builds"),
        op.Leave(ann, "lobby"),
        op.SetTopic(ann, "lobby", "a"),
        rename(ann, "Anna"),
        op.Remove(ann, "lobby", 2),
        op.Detach(ann, ("here", 0)),
        op.Evict(ann),
    ):
        assert one.do(late) == []


# The same on every machine

Script: TypeAlias = list[tuple[list[op.Operation], int, str]]

names = st.sampled_from(["Ann", "ann", "аnn", "Bob", "Cid"])
rooms = st.sampled_from(["lobby", "a", "b", "c"])
members = st.integers(1, 5)
ids = st.one_of(st.none(), st.integers(0, 9), st.text("x", max_size=1))
texts = st.lists(st.text("xy", max_size=3), min_size=1, max_size=3)
runs = st.lists(st.tuples(st.text("xy", max_size=3), ids), min_size=1, max_size=4)
# Which of those that were drawn; `begun` draws one anew for each login that gets one.
tokens = st.integers(0, 3).map(lambda number: token(number) if number else b"")
kept_rooms = st.builds(
    lambda name, last, topic, since: op.KeptRoom(parse_room(name), last, topic, since * A_DAY),
    rooms, st.integers(0, 50), st.sampled_from(["", "kept"]), st.integers(0, 40),
)  # fmt: skip
operations = st.one_of(
    st.builds(
        lambda name, rooms, id_, number, token_, hold, brought: login(
            name,
            id=id_,
            rooms=rooms,
            connection=number,
            token=token_,
            hold=hold,
            brought=brought,
        ),
        st.one_of(st.none(), names, names),
        st.one_of(st.none(), st.lists(rooms.map(parse_room), max_size=2).map(tuple)),
        ids,
        members,
        tokens,
        st.booleans(),
        tokens,
    ),
    st.builds(op.LogOut, members, st.sampled_from(["quit", "lost"])),
    st.builds(lambda member: op.Detach(member, ("here", member)), members),
    st.builds(lambda member, number: op.Detach(member, ("here", number)), members, members),
    st.builds(op.Evict, members),
    st.builds(op.Say, members, rooms, texts),
    st.builds(
        lambda member, room, run: op.Say(
            member, room, [text for text, _ in run], [id_ for _, id_ in run]
        ),
        members, rooms, runs,
    ),
    st.builds(op.Act, members, rooms, st.just("waves"), ids),
    st.builds(op.Tell, members, st.just("Bob"), st.just("bob"), st.just("hi"), ids),
    st.builds(lambda member, room, moves: join(member, room, moves=moves), members, rooms,
              st.booleans()),
    st.builds(op.Leave, members, rooms, ids),
    st.builds(op.SetTopic, members, rooms, st.sampled_from(["", "topic"])),
    st.builds(rename, members, names, ids),
    st.builds(op.Remove, members, rooms, st.integers(1, 9), ids),
    st.builds(
        lambda epoch, rooms, highest: op.Restore(epoch, tuple(rooms), highest),
        st.sampled_from(["", "new"]),
        st.lists(kept_rooms, max_size=3),
        st.integers(0, 90),
    ),
)  # fmt: skip
entries = st.lists(
    st.tuples(
        st.lists(operations, max_size=4),
        # How much later, in milliseconds; a clock may also be set back.
        st.sampled_from([-A_DAY, -1, 0, 0, 1, GRACE - 1, GRACE, A_DAY, 20 * A_DAY]),
        st.sampled_from(["once", "again", "an old one again", "dump"]),
    ),
    min_size=3,
    max_size=25,
)


def begun(script: Script) -> Script:
    """Begin a script with two who hold and one who does not, and draw its tokens.

    The first login with a token gets the first one, and so on.
    """
    count = 0
    somebody: list[op.Operation] = [
        login("Ann", "lobby", "a", connection=1, token=token(1), hold=True),
        login("Bob", "lobby", connection=2, token=token(2), hold=True),
        login("Cid", "lobby", connection=3),
    ]
    script = [(somebody, 0, "once"), *script]
    for what, _, _ in script:
        for at, operation in enumerate(what):
            if isinstance(operation, op.LogIn) and operation.token:
                count += 1
                what[at] = replace(operation, token=token(count))
    return script


scripts = entries.map(begun)


@settings(max_examples=200, deadline=None)
@given(scripts)
def test_the_same_entries_give_the_same_state_and_the_same_events(
    script: Script,
) -> None:
    one = Machine(max_rooms=3, grace=GRACE)
    other = State(max_rooms=3, grace=GRACE)
    for number, (what, later, how) in enumerate(script):
        told = one.do(*what, later=later)
        entry = one.written[-1]
        assert other.apply(entry) == told
        if how == "again":
            assert other.apply(entry) == []
        elif how == "an old one again":
            assert other.apply(one.written[number // 2]) == []
        elif how == "dump":
            other = State.load(other.dump())
        assert other.dump() == one.state.dump()
        assert other.next_deadline() == one.state.next_deadline()
        check(one.state)


def check(state: State) -> None:
    """Check what is true of every state."""
    assert len(state.rooms) <= state.max_rooms
    assert "lobby" in state.rooms
    for name, room in state.rooms.items():
        assert room.members or room.topic or name == "lobby"
        for number, member in room.members.items():
            assert state.members[number] is member
            assert name in member.rooms
    for member in state.members.values():
        assert all(member.id in state.rooms[room].members for room in member.rooms)
        assert state.find_member(member.name.key) is member
        # A member has a connection or is held, and is held only if it asked for it.
        assert bool(member.connections) is (member.id not in state._held.until)
        assert member.connections or member.holds
        if member.token:
            assert state._members.with_token(member.token) is member
        kept = [told.number for told in state.private_of(member.id)]
        assert kept == [*range(member.told - len(kept) + 1, member.told + 1)]
        assert member.holds or not kept
        assert member.holds or member.id not in state._receipts._kept
    assert set(state._held.until) <= set(state.members)
    keys = [member.name.key for member in state.members.values()]
    assert len(set(keys)) == len(keys)
    deadline = state.next_deadline()
    assert deadline is None or deadline > state.time


@settings(max_examples=100, deadline=None)
@given(scripts)
def test_the_numbers_of_a_room_grow_and_its_counts_are_right(
    script: Script,
) -> None:
    one = Machine(max_rooms=3, grace=GRACE)
    last: dict[str, int] = {}
    here: dict[str, set[int]] = {}
    for what, later, _ in script:
        for event in one.do(*what, later=later):
            match event:
                case ev.Said(room, number, _, member, _, texts):
                    newest = number + len(texts) - 1
                case (
                    ev.Acted(room, number, _, member)
                    | ev.Joined(room, number, _, member)
                    | ev.Left(room, number, _, member)
                    | ev.Renamed(room, number, _, member)
                    | ev.TopicSet(room, number, _, member)
                    | ev.Removed(room, number, _, member)
                ):
                    newest = number
                case _:
                    continue
            assert number > last.get(room, 0)
            last[room] = newest
            if isinstance(event, ev.Joined):
                here.setdefault(room, set()).add(member)
                assert event.count == len(here[room])
            elif isinstance(event, ev.Left):
                here[room].remove(member)
                assert event.count == len(here[room])
            else:
                assert member in here[room]


def test_the_lobbys_name_is_what_it_would_be_read_as() -> None:
    assert parse_room("Lobby") == LOBBY_NAME


def test_what_is_no_operation_is_refused_and_changes_nothing() -> None:
    state = State()
    for number, operation in enumerate((3, "say", ev.Held(1)), start=1):
        with pytest.raises(TypeError, match=r"must be one of trionet\.chat\.state\.operations"):
            state.apply(op.Entry("local", number, 0, [operation]))  # type: ignore[list-item]
    with pytest.raises(TypeError, match="entry must be an Entry"):
        state.apply(op.Say(1, "lobby", ["hello"], None))  # type: ignore[arg-type]
    assert not state.members
