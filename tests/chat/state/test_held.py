"""Members who are held when their connection ends, and come back, or do not."""

from __future__ import annotations

import pytest

from state_machine import Machine, join, login, rename, token
from trionet.chat.state import events as ev
from trionet.chat.state import operations as op
from trionet.chat.state.rooms import TOPIC_KEPT
from trionet.chat.state.state import State

GRACE = 60_000


def test_a_member_who_holds_stays_when_its_connection_ends_and_nobody_is_told() -> None:
    one = Machine()
    ann = one.hold("Ann", "lobby", "builds")
    bob = one.log_in("Bob")
    assert one.cut(ann) == [ev.Held(ann)]
    assert one.state.members[ann].connections == ()
    # It counts, stands in lists, and keeps its name and what looks like it.
    assert len(one.state.members) == 2
    assert one.state.names_in("lobby") == ("Ann", "Bob")
    assert isinstance(one.do(login("Ann", connection=9))[0], ev.LoginRefused)
    assert isinstance(one.do(rename(bob, "аnn"))[0], ev.OperationRefused)


@pytest.mark.parametrize("fields", [{}, {"hold": True}, {"token": token(1)}])
def test_a_member_who_does_not_hold_leaves_at_once(fields: dict[str, object]) -> None:
    one = Machine()
    ann = one.log_in("Ann", **fields)
    assert one.cut(ann) == [
        ev.Left("lobby", 2, 1_000, ann, "Ann", 0, "lost"),
        ev.LoggedOut(ann),
    ]


def test_a_member_keeps_the_token_that_it_had_as_another_member() -> None:
    one = Machine()
    ann = one.log_in("Ann", token=token(2), hold=True, brought=token(1))
    one.cut(ann)
    one.state = State.load(one.state.dump())
    one.resume(ann)
    claim = one.state.members[ann].claim
    assert claim is not None
    assert (claim.token, claim.former) == (token(2), token(1))


def test_a_member_that_the_log_has_lost_brings_its_own_token_and_the_one_before() -> None:
    one = Machine()
    again = login("Ann", token=token(2), brought=token(2), former=token(1), login=3)
    one.do(again)
    one.do(login("Bob", token=token(4), brought=token(4), login=1, connection=2))
    claims = [member.claim for member in one.state.members.values()]
    assert [claim and claim.former for claim in claims] == [token(1), b""]


def test_without_a_grace_nobody_is_held() -> None:
    one = Machine(grace=0)
    assert one.cut(one.hold("Ann"))[-1] == ev.LoggedOut(1)


def test_a_held_member_leaves_when_its_grace_ends_and_not_before() -> None:
    one = Machine(grace=GRACE)
    ann = one.hold("Ann")
    one.cut(ann)
    assert one.state.next_deadline() == 1_000 + GRACE
    assert one.do(later=GRACE - 1) == []
    # A clock that was set back ends no grace, and makes none longer.
    assert one.do(later=-GRACE) == []
    assert one.state.next_deadline() == 1_000 + GRACE
    zed = login("Zed", "lobby")
    assert one.do(zed, later=GRACE + 1) == [
        ev.Left("lobby", 2, 1_000 + GRACE, ann, "Ann", 0, "lost"),
        ev.LoggedOut(ann),
        ev.Joined("lobby", 3, 1_000 + GRACE, 2, "Zed", 1),
        ev.LoggedIn(("here", 1), 2, "Zed", ("lobby",)),
    ]
    assert one.state.next_deadline() is None


def test_of_several_the_one_held_longest_is_due_first() -> None:
    one = Machine(grace=GRACE)
    ann, bob, cid = one.hold("Ann"), one.hold("Bob"), one.hold("Cid")
    assert one.state.held_longest() is None
    one.cut(bob)
    one.do(later=10)
    one.cut(ann)
    one.do(later=10)
    one.cut(cid)
    assert one.state.held_longest() == bob
    assert one.state.next_deadline() == 1_000 + GRACE
    one.resume(bob)
    assert one.state.held_longest() == ann
    assert one.state.next_deadline() == 1_010 + GRACE
    told = one.do(later=GRACE)
    assert [event.member for event in told if isinstance(event, ev.LoggedOut)] == [ann, cid]


def test_the_earlier_of_a_grace_and_a_topics_end_is_the_next_deadline() -> None:
    one = Machine(grace=GRACE)
    ann = one.hold("Ann")
    one.do(join(ann, "builds"), op.SetTopic(ann, "builds", "green"), op.Leave(ann, "builds"))
    assert one.state.next_deadline() == 1_000 + TOPIC_KEPT
    one.cut(ann)
    assert one.state.next_deadline() == 1_000 + GRACE
    one.resume(ann)
    one.do(later=TOPIC_KEPT - GRACE // 2)
    one.cut(ann)
    assert one.state.next_deadline() == 1_000 + TOPIC_KEPT


def test_a_held_member_may_be_told_to_go_to_make_place() -> None:
    one = Machine()
    ann = one.hold("Ann")
    # It is connected, or again.
    assert one.do(op.Evict(ann)) == one.do(op.Evict(7)) == []
    one.cut(ann)
    assert one.do(op.Evict(ann)) == [
        ev.Left("lobby", 2, 1_000, ann, "Ann", 0, "lost"),
        ev.LoggedOut(ann),
    ]
    assert one.state.next_deadline() is None
    one.log_in("Ann")


def test_a_held_member_can_be_logged_out() -> None:
    one = Machine()
    ann = one.hold("Ann")
    one.cut(ann)
    assert one.do(op.LogOut(ann, "quit"))[0] == (ev.Left("lobby", 2, 1_000, ann, "Ann", 0, "quit"))
    assert one.state.next_deadline() is None
    assert one.state.held_longest() is None
    assert not one.state.members


# Coming back


def test_a_held_member_comes_back_to_its_rooms_and_only_new_ones_are_told() -> None:
    one = Machine(grace=GRACE)
    ann = one.hold("Ann", "builds")
    one.do(join(ann, "a"), join(ann, "lobby"))
    one.cut(ann)
    told = one.resume(ann, "b", "builds", id=7, connection=9)
    assert told == [
        ev.Joined("b", 3, 1_000, ann, "Ann", 1),
        ev.LoggedIn(("here", 9), ann, "Ann", ("lobby", "builds", "a", "b"), 7, resumed=True),
    ]
    assert one.state.members[ann].connections == (("here", 9),)
    assert one.state.next_deadline() is None
    assert one.do(later=2 * GRACE) == []


def test_a_login_that_names_no_rooms_starts_in_the_lobby_but_brings_nobody_back_to_it() -> None:
    one = Machine()
    assert one.do(login("Ann", connection=5, token=token(1), hold=True, rooms=None))[-1] == (
        ev.LoggedIn(("here", 5), 1, "Ann", ("lobby",))
    )
    one.do(join(1, "builds", moves=True))
    one.cut(1)
    assert one.resume(1, connection=6, rooms=None) == [
        ev.LoggedIn(("here", 6), 1, "Ann", ("builds",), resumed=True)
    ]


def test_a_room_that_cannot_be_joined_on_coming_back_is_refused_by_itself() -> None:
    one = Machine()
    ann = one.hold("Ann")
    one.cut(ann)
    told = one.resume(ann, "l0bby", id=7)
    assert [type(event) for event in told] == [ev.LoggedIn, ev.OperationRefused]
    assert told[1] == ev.OperationRefused(
        ann, "name-refused", "the room l0bby looks like lobby", 7, "l0bby"
    )


def test_a_login_takes_over_a_connection_that_still_stands_and_nobody_is_told() -> None:
    one = Machine()
    ann = one.hold("Ann")
    (old,) = one.state.members[ann].connections
    # The token decides, and not the name, which may be taken, or that of nobody.
    for name, connection in (("Zoe", 8), ("Ann", 9), (None, 10)):
        (before,) = one.state.members[ann].connections
        assert one.resume(ann, name=name, connection=connection) == [
            ev.TakenOver(before, ann),
            ev.LoggedIn(("here", connection), ann, "Ann", ("lobby",), resumed=True),
        ]
    # The end of the old one changes nothing.
    assert one.do(op.Detach(ann, old)) == []
    assert one.state.members[ann].connections == (("here", 10),)
    assert one.state.held_longest() is None
    assert one.cut(ann) == [ev.Held(ann)]


def test_a_member_who_does_not_hold_can_be_taken_over_while_it_is_connected() -> None:
    one = Machine()
    ann = one.log_in("Ann", token=token(1))
    assert one.resume(ann, hold=False, connection=9)[-1] == (
        ev.LoggedIn(("here", 9), ann, "Ann", ("lobby",), resumed=True)
    )
    assert one.cut(ann)[-1] == ev.LoggedOut(ann)


def test_hold_follows_the_newest_login() -> None:
    one = Machine()
    ann = one.log_in("Ann", token=token(1))
    one.resume(ann, hold=True)
    assert one.cut(ann) == [ev.Held(ann)]
    one.resume(ann, hold=False)
    assert one.cut(ann)[-1] == ev.LoggedOut(ann)


def test_a_token_keeps_its_member_and_is_worthless_once_the_member_is_gone() -> None:
    one = Machine()
    ann = one.hold("Ann")
    # The token that was drawn for this login is not used.
    one.do(login("Zoe", connection=9, token=token(50), hold=True, brought=token(1)))
    assert one.state.members[ann].token == token(1)
    assert isinstance(one.do(login(None, connection=10, brought=token(50)))[0], ev.LoginRefused)
    one.do(op.LogOut(ann, "quit"))
    assert one.do(login("Zoe", "lobby", connection=11, token=token(51), brought=token(1))) == [
        ev.Joined("lobby", 3, 1_000, 2, "Zoe", 1),
        ev.LoggedIn(("here", 11), 2, "Zoe", ("lobby",)),
    ]
    assert one.state.members[2].token == token(51)


def test_a_login_with_neither_a_name_nor_a_valid_token_is_refused() -> None:
    one = Machine()
    reason = "the token is not valid any more: log in with a name"
    assert one.do(login(None, id=3, token=token(2), brought=token(1))) == [
        ev.LoginRefused(("here", 1), "name-refused", reason, 3)
    ]
    # Nobody without a token is found by the empty one.
    one.log_in("Ann")
    assert isinstance(one.do(login("Bob", connection=2))[-1], ev.LoggedIn)


def test_a_login_at_the_moment_when_the_grace_ends_comes_too_late() -> None:
    one = Machine(grace=GRACE)
    ann = one.hold("Ann")
    one.cut(ann)
    brought = one.state.members[ann].token
    told = one.do(login("Ann", "lobby", connection=9, brought=brought), later=GRACE)
    assert [type(event) for event in told] == [ev.Left, ev.LoggedOut, ev.Joined, ev.LoggedIn]
    assert told[-1] == ev.LoggedIn(("here", 9), 2, "Ann", ("lobby",))


def test_a_connection_that_ends_twice_or_of_nobody_changes_nothing() -> None:
    one = Machine(grace=GRACE)
    ann = one.hold("Ann")
    (connection,) = one.state.members[ann].connections
    one.cut(ann)
    assert one.do(op.Detach(ann, connection), later=5) == []
    assert one.do(op.Detach(7, connection)) == []
    assert one.state.next_deadline() == 1_000 + GRACE


def test_a_held_member_is_written_to_and_keeps_its_name_when_it_is_renamed() -> None:
    one = Machine()
    ann, bob = one.hold("Ann"), one.log_in("Bob")
    one.do(rename(ann, "Anna"))
    one.cut(ann)
    assert one.do(op.Tell(bob, "Anna", "anna", "hi")) == [
        ev.Told(1, 1_000, bob, ann, "Bob", "Anna", "hi")
    ]
    assert one.resume(ann)[-1].name == "Anna"  # type: ignore[union-attr]


def test_a_token_stands_in_a_dump_only_as_its_hash_and_comes_back_with_it() -> None:
    one = Machine(grace=GRACE)
    ann = one.hold("Ann")
    one.cut(ann)
    other = State.load(one.state.dump())
    assert other.held_longest() == ann
    assert other.next_deadline() == 1_000 + GRACE
    assert one.resume(ann) == other.apply(one.written[-1])
    assert one.state.dump() == other.dump()
