"""A room whose log is a list: what happens and what the members are told always agree."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.abc import Box
from trionet.chat import Member, NameRefused, NameTaken, Room, parse_name
from trionet.chat.events import (
    Acted,
    Closing,
    Event,
    Helped,
    Joined,
    Left,
    Mistaken,
    Present,
    Said,
    Welcomed,
)
from trionet.chat.plain import encode

Entry = tuple[str, object, object]


class Seat:
    """A box that only has an identity."""

    def __init__(self, name: str) -> None:
        self.name = name

    def put(self, lines: bytes) -> None:
        raise AssertionError(f"the log delivers, not the room: {lines!r}")

    def __repr__(self) -> str:
        return f"<{self.name}>"


class ListedLog:
    """Keeps every entry in order: what was done, with which box, and with which event."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.is_full = False

    def add(self, box: Box, encode: Callable[[Event], bytes]) -> None:
        self.entries.append(("add", box, encode))

    def discard(self, box: Box) -> None:
        self.entries.append(("discard", box, None))

    def publish(self, event: Event, *, exclude: Box | None = None) -> None:
        self.entries.append(("publish", exclude, event))

    def publish_all(self, events: list[Event], *, exclude: Box | None = None) -> None:
        for event in events:
            self.publish(event, exclude=exclude)

    def tell(self, box: Box, event: Event) -> int:
        self.entries.append(("tell", box, event))
        return 0

    def tell_lines(self, box: Box, lines: bytes) -> int:
        raise NotImplementedError

    def take(self) -> list[Entry]:
        taken, self.entries = self.entries, []
        return taken


def enter(room: Room, name: str) -> Member:
    return room.enter(parse_name(name), Seat(name), encode)


def test_entering_appends_to_the_log_in_one_stretch() -> None:
    log = ListedLog()
    room = Room(log)
    ann = enter(room, "Ann")
    assert log.take() == [
        ("add", ann.box, encode),
        ("tell", ann.box, Welcomed("Ann", ("Ann",))),
        ("publish", ann.box, Joined("Ann", 1)),
    ]
    bob = enter(room, "Bob")
    assert log.take() == [
        ("add", bob.box, encode),
        ("tell", bob.box, Welcomed("Bob", ("Ann", "Bob"))),
        ("publish", bob.box, Joined("Bob", 2)),
    ]
    assert room.names == ("Ann", "Bob")
    assert len(room) == 2


def test_a_member_who_leaves_hears_nothing_of_it_and_the_count_is_of_those_who_stay() -> None:
    log = ListedLog()
    room = Room(log)
    ann, bob, _ = (enter(room, name) for name in ("Ann", "Bob", "Cid"))
    log.take()
    room.leave(bob)
    assert log.take() == [("discard", bob.box, None), ("publish", None, Left("Bob", 2))]
    assert room.names == ("Ann", "Cid")
    room.leave(ann)
    assert log.take() == [("discard", ann.box, None), ("publish", None, Left("Ann", 1))]


def test_leaving_again_does_nothing_even_when_the_name_has_a_new_member() -> None:
    log = ListedLog()
    room = Room(log)
    first = enter(room, "Ann")
    room.leave(first)
    log.take()
    room.leave(first)
    assert log.take() == []
    second = enter(room, "ANN")
    log.take()
    room.leave(first)
    assert log.take() == []
    assert room.names == ("ANN",)
    room.leave(second)
    assert len(room) == 0


@pytest.mark.parametrize("other", ["Ann", "ann", "ＡＮＮ"])
def test_a_name_is_taken_while_its_member_is_here_and_no_longer(other: str) -> None:
    log = ListedLog()
    room = Room(log)
    ann = enter(room, "Ann")
    log.take()
    with pytest.raises(NameTaken) as caught:
        enter(room, other)
    assert str(caught.value) == f"the name {parse_name(other)} is taken"
    assert log.take() == []
    assert room.names == ("Ann",)
    room.leave(ann)
    enter(room, other)
    assert room.names == (parse_name(other).shown,)


@pytest.mark.parametrize(
    ("here", "other"),
    [("Ann", "аnn"), ("аnn", "Ann"), ("scope", "ѕсоре"), ("SCOPE", "ѕсоре"), ("bob", "Воb")],
)
def test_a_name_that_looks_like_a_members_is_taken_while_that_member_is_here(
    here: str, other: str
) -> None:
    log = ListedLog()
    room = Room(log)
    first = enter(room, here)
    enter(room, "Cid")
    log.take()
    with pytest.raises(NameTaken) as caught:
        enter(room, other)
    assert str(caught.value) == f"the name {other} looks like {here}, which is taken"
    assert log.take() == []
    assert room.names == (here, "Cid")
    room.leave(first)
    second = enter(room, other)
    # Leaving again takes no skeleton from the member who has it now.
    room.leave(first)
    with pytest.raises(NameTaken):
        enter(room, here)
    room.leave(second)
    enter(room, here)


def test_messages_and_actions_go_to_all_others_and_answers_to_one() -> None:
    log = ListedLog()
    room = Room(log)
    ann = enter(room, "Ann")
    enter(room, "Bob")
    log.take()
    room.say(ann, "hello")
    room.act(ann, "waves")
    room.tell_who(ann)
    room.tell_help(ann)
    room.tell_mistake(ann, "why")
    assert log.take() == [
        ("publish", ann.box, Said("Ann", "hello")),
        ("publish", ann.box, Acted("Ann", "waves")),
        ("tell", ann.box, Present(("Ann", "Bob"))),
        ("tell", ann.box, Helped()),
        ("tell", ann.box, Mistaken("why")),
    ]


def test_on_empty_is_called_when_the_last_member_has_left_and_not_before() -> None:
    log = ListedLog()
    emptied: list[int] = []
    room = Room(log, on_empty=lambda: emptied.append(len(log.entries)))
    assert emptied == []
    ann, bob = enter(room, "Ann"), enter(room, "Bob")
    room.leave(ann)
    assert emptied == []
    room.leave(bob)
    # Only after the notice is in the log.
    assert emptied == [len(log.entries)]
    assert log.entries[-1] == ("publish", None, Left("Bob", 0))
    room.leave(bob)
    assert len(emptied) == 1


def test_closing_is_told_once_and_after_it_nobody_enters_and_leaving_is_not_told() -> None:
    log = ListedLog()
    emptied: list[str] = []
    room = Room(log, on_empty=lambda: emptied.append("empty"))
    ann = enter(room, "Ann")
    log.take()
    assert not room.is_closing
    room.close()
    room.close()
    assert room.is_closing
    assert log.take() == [("publish", None, Closing())]
    with pytest.raises(NameRefused, match=r"^server is closing$"):
        enter(room, "Bob")
    room.leave(ann)
    assert log.take() == [("discard", ann.box, None)]
    assert emptied == ["empty"]


STEPS = st.lists(
    st.tuples(st.sampled_from(["enter", "leave", "who"]), st.sampled_from("ABCDEabc")),
    max_size=40,
)


@settings(deadline=None, max_examples=200)
@given(steps=STEPS)
def test_every_count_and_list_agrees_with_its_place_in_the_log(
    steps: list[tuple[str, str]],
) -> None:
    log = ListedLog()
    room = Room(log)
    gone_or_here: dict[str, Member] = {}
    for step, name in steps:
        if step == "enter":
            try:
                gone_or_here[name] = enter(room, name)
            except NameTaken:
                assert name.lower() in {here.lower() for here in room.names}
        elif name in gone_or_here:
            if step == "leave":
                room.leave(gone_or_here[name])
            elif name in room.names:
                room.tell_who(gone_or_here[name])
    # Read the log from its beginning: it says who is here.
    here: list[str] = []
    for _, _, event in log.entries:
        match event:
            case Welcomed(name, names):
                here.append(name)
                assert list(names) == here
            case Left(name, count):
                here.remove(name)
                assert count == len(here)
            case Joined(name, count):
                assert here[-1] == name
                assert count == len(here)
            case Present(names):
                assert list(names) == here
    assert list(room.names) == here
    assert len({name.lower() for name in here}) == len(here)


def test_messages_that_came_together_keep_their_order() -> None:
    log = ListedLog()
    room = Room(log)
    ann = enter(room, "Ann")
    log.take()
    room.say_all(ann, ["one", "two"])
    room.say_all(ann, [])
    assert log.take() == [
        ("publish", ann.box, Said("Ann", "one")),
        ("publish", ann.box, Said("Ann", "two")),
    ]
