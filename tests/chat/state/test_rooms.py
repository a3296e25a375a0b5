"""Which rooms can be joined, which make place, and how long a topic keeps one."""

from __future__ import annotations

from state_machine import Machine, join, login
from trionet.chat.names.room_names import parse_room
from trionet.chat.state import events as ev
from trionet.chat.state import operations as op
from trionet.chat.state.rooms import MAX_ROOMS_A_MEMBER, TOPIC_KEPT
from trionet.chat.state.state import State

A_DAY = 24 * 60 * 60 * 1000


def test_a_room_that_looks_like_another_is_refused() -> None:
    one = Machine()
    ann = one.log_in("Ann")
    reason = "the room l0bby looks like lobby"
    assert one.do(join(ann, "l0bby")) == [ev.OperationRefused(ann, "name-refused", reason)]
    told = one.do(login("Bob", "l0bby", "lobby", connection=2, id=1))
    assert [type(event) for event in told] == [ev.Joined, ev.LoggedIn, ev.OperationRefused]
    assert told[-1] == ev.OperationRefused(2, "name-refused", reason, 1, "l0bby")


def test_a_member_is_in_a_hundred_rooms_at_most() -> None:
    one = Machine()
    ann = one.log_in("Ann")
    for number in range(MAX_ROOMS_A_MEMBER - 1):
        one.do(join(ann, f"room-{number}"))
    assert one.do(join(ann, "another"))[0] == ev.OperationRefused(
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
    refused = ev.OperationRefused(ann, "too-many-rooms", "there are 4 rooms already")
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


# What a history has kept


def kept(name: str, last: int, topic: str = "", since: int = 0) -> op.KeptRoom:
    return op.KeptRoom(parse_room(name), last, topic, since)


def test_what_a_history_kept_is_gone_on_from() -> None:
    one = Machine(epoch="drawn")
    rooms = kept("quiet", 500), kept("builds", 70, "green"), kept("lobby", 40, "hello")
    assert one.do(op.Restore("kept", rooms, 900)) == [ev.EpochBegan("kept")]
    assert one.state.epoch == "kept"
    assert [(room.name.key, room.topic) for room in one.state.listed_rooms()] == [
        ("lobby", "hello"),
        ("builds", "green"),
    ]
    told = one.do(login("Ann", "lobby", "builds", "quiet", "new"))
    assert [(event.room, event.number) for event in told if isinstance(event, ev.Joined)] == [
        ("lobby", 41),
        ("builds", 71),
        # Their numbers may all have been given, in this room or in another.
        ("quiet", 901),
        ("new", 902),
    ]
    other = State.load(one.state.dump())
    assert other.epoch == "kept"
    assert other.dump() == one.state.dump()


def test_the_highest_number_is_at_least_that_of_each_room() -> None:
    one = Machine()
    assert one.do(op.Restore("", (kept("quiet", 500),))) == []
    (joined,) = one.do(join(one.log_in("Ann"), "new"))
    assert isinstance(joined, ev.Joined)
    assert joined.number == 501


def test_topics_of_a_history_expire_thirty_days_after_the_last_event_of_their_room() -> None:
    one = Machine()
    now = 2 * TOPIC_KEPT
    rooms = (
        kept("a", 1, "old", now - TOPIC_KEPT),
        kept("b", 1, "newer", now - 5),
        kept("c", 1, "unknown"),
        kept("d", 1, "from a clock that was set back since", now + 5),
        kept("e", 1, "older", now - 7),
    )
    one.do(op.Restore("new", rooms), later=now - 1_000)
    assert set(one.state.rooms) == {"lobby", "b", "c", "d", "e"}
    assert one.state.next_deadline() == now - 7 + TOPIC_KEPT
    one.do(later=TOPIC_KEPT - 7)
    assert set(one.state.rooms) == {"lobby", "b", "c", "d"}
    one.do(later=2)
    assert set(one.state.rooms) == {"lobby", "c", "d"}
    assert State.load(one.state.dump()).next_deadline() == one.state.next_deadline()
    one.do(later=5)
    assert set(one.state.rooms) == {"lobby"}


def test_of_more_rooms_than_there_may_be_the_newest_topics_come_back() -> None:
    one = Machine(max_rooms=3)
    rooms = kept("a", 1, "t"), kept("b", 1, "t"), kept("c", 1, "t"), kept("lobby", 1, "t")
    one.do(op.Restore("", rooms))
    assert set(one.state.rooms) == {"lobby", "b", "c"}
    # The order of topics has come back too.
    one.do(login("Ann", "d"))
    assert set(one.state.rooms) == {"lobby", "c", "d"}


def test_among_rooms_that_look_alike_by_newer_tables_the_newest_comes_back() -> None:
    one = Machine()
    one.do(op.Restore("", (kept("builds", 1, "t"), kept("bui1ds", 1, "t"), kept("l0bby", 1, "t"))))
    assert set(one.state.rooms) == {"lobby", "bui1ds"}


def test_a_history_that_comes_later_changes_no_topic_and_lets_no_number_come_again() -> None:
    one = Machine()
    ann = one.log_in("Ann", "lobby", "builds")
    one.do(op.Say(ann, "builds", ["a"] * 9))
    told = one.do(op.Restore("new", (kept("lobby", 50, "t"), kept("quiet", 3, "t")), 5))
    assert told == [ev.EpochBegan("new")]
    assert one.state.rooms["lobby"].topic == ""
    assert one.do(op.Act(ann, "lobby", "a"))[0] == ev.Acted("lobby", 51, 1_000, ann, "Ann", "a")
    assert one.do(op.Act(ann, "builds", "a"))[0] == ev.Acted("builds", 12, 1_000, ann, "Ann", "a")
    (joined,) = one.do(join(ann, "quiet"))
    assert isinstance(joined, ev.Joined)
    assert joined.number == 12
