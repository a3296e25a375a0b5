"""Which rooms can be joined, which make place, and how long a topic keeps one."""

from __future__ import annotations

from state_machine import Machine, join, login
from trionet.chat import events as ev
from trionet.chat import operations as op
from trionet.chat.rooms import MAX_ROOMS_A_MEMBER, TOPIC_KEPT

A_DAY = 24 * 60 * 60 * 1000


def test_a_room_that_looks_like_another_is_refused() -> None:
    one = Machine()
    ann = one.log_in("Ann")
    reason = "the room l0bby looks like lobby"
    assert one.do(join(ann, "l0bby")) == [ev.Refused(ann, "name-refused", reason)]
    told = one.do(login("Bob", "l0bby", "lobby", connection=2, id=1))
    assert [type(event) for event in told] == [ev.Joined, ev.LoggedIn, ev.Refused]
    assert told[-1] == ev.Refused(2, "name-refused", reason, 1, "l0bby")


def test_a_member_is_in_a_hundred_rooms_at_most() -> None:
    one = Machine()
    ann = one.log_in("Ann")
    for number in range(MAX_ROOMS_A_MEMBER - 1):
        one.do(join(ann, f"room-{number}"))
    assert one.do(join(ann, "another"))[0] == ev.Refused(
        ann, "too-many-rooms", "you are in 100 rooms already"
    )
    assert isinstance(one.do(join(ann, "another", moves=True))[-1], ev.Joined)


def test_at_the_limit_the_empty_room_whose_topic_is_oldest_makes_place() -> None:
    one = Machine(max_rooms=4)
    ann = one.log_in("Ann")
    for room in ("old", "older"):
        one.do(join(ann, room))
    one.do(op.SetTopic(ann, "lobby", "the oldest of all"))
    one.do(op.SetTopic(ann, "older", "t"), later=1)
    one.do(op.SetTopic(ann, "old", "t"), later=1)
    one.do(op.Leave(ann, "old"), op.Leave(ann, "lobby"), op.Leave(ann, "older"), later=1)
    assert list(one.state.rooms) == ["lobby", "old", "older"]
    one.do(join(ann, "a"))
    one.do(join(ann, "b"))
    assert list(one.state.rooms) == ["lobby", "old", "a", "b"]
    one.do(join(ann, "c"))
    assert list(one.state.rooms) == ["lobby", "a", "b", "c"]
    refused = ev.Refused(ann, "too-many-rooms", "there are 4 rooms already")
    assert one.do(join(ann, "d")) == [refused]
    # One that ends by it makes place too.
    one.do(op.Leave(ann, "a"), op.Leave(ann, "b"))
    one.do(join(ann, "e"), join(ann, "f"))
    one.do(op.Leave(ann, "e"), op.Leave(ann, "f"))
    assert isinstance(one.do(join(ann, "g", moves=True))[-1], ev.Joined)


def test_a_topic_keeps_an_empty_room_for_thirty_days() -> None:
    one = Machine()
    ann = one.log_in("Ann")
    assert one.state.next_deadline() is None
    assert one.do(join(ann, "builds"), op.SetTopic(ann, "builds", "green", 2))[1] == (
        ev.TopicSet("builds", 3, 1_000, ann, "Ann", "green", 2)
    )
    one.do(op.SetTopic(ann, "lobby", "hello"))
    assert one.state.next_deadline() is None
    one.do(op.Leave(ann, "builds"))
    one.do(op.Leave(ann, "lobby"), later=A_DAY)
    assert one.state.next_deadline() == 1_000 + TOPIC_KEPT
    one.do(later=TOPIC_KEPT - A_DAY - 1)
    assert one.state.rooms["builds"].topic == "green"
    one.do(later=1)
    assert list(one.state.rooms) == ["lobby"]
    assert one.state.next_deadline() == 1_000 + A_DAY + TOPIC_KEPT
    one.do(join(ann, "lobby"))
    assert one.state.next_deadline() is None
    assert one.state.rooms["lobby"].topic == "hello"
    one.do(op.Leave(ann, "lobby"))
    one.do(later=TOPIC_KEPT)
    assert one.state.rooms["lobby"].topic == ""
    assert one.state.next_deadline() is None


def test_a_topic_that_is_removed_keeps_no_room() -> None:
    one = Machine()
    ann = one.log_in("Ann")
    one.do(join(ann, "builds"), op.SetTopic(ann, "builds", "green"), op.Leave(ann, "builds"))
    one.do(join(ann, "builds"), op.SetTopic(ann, "builds", ""), op.Leave(ann, "builds"))
    assert list(one.state.rooms) == ["lobby"]
    assert one.state.next_deadline() is None
