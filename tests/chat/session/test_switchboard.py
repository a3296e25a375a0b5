"""The switchboard with a hub that is a list: what happens and what members are told agree."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.abc import Box
from trionet.chat import (
    Event,
    Session,
    State,
    Switchboard,
    json_lines,
    parse_name,
    plain,
)
from trionet.chat.formats import answers
from trionet.chat.formats.answers import Closing, Helped, Mistaken, Own, Present
from trionet.chat.names.room_names import parse_room
from trionet.chat.state import events
from trionet.chat.state.operations import KeptRoom, Restore

Entry = tuple[str, object, object]


class Seat:
    """A box that only has an identity, except before its peer is a member."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.early: list[bytes] = []

    def put(self, lines: bytes) -> None:
        self.early.append(lines)

    def __repr__(self) -> str:
        return f"<{self.name}>"


class ListedHub:
    """Keeps every entry in order: what was done, with which box, and with which event."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.is_full = False

    def add(
        self, box: Box, _encode: Callable[[Event], bytes], *, topics: Iterable[Hashable] | None
    ) -> None:
        self.entries.append(("add", box, tuple(topics or ())))

    def subscribe(self, box: Box, topic: Hashable) -> None:
        self.entries.append(("subscribe", box, topic))

    def unsubscribe(self, box: Box, topic: Hashable) -> None:
        self.entries.append(("unsubscribe", box, topic))

    def discard(self, box: Box) -> None:
        self.entries.append(("discard", box, None))

    def publish(
        self,
        event: Event,
        *,
        topic: Hashable = None,
        exclude: Box | None = None,
        without: Collection[Box] = (),
        entries: int = 1,
    ) -> None:
        texts = getattr(event, "texts", [""])
        assert (topic, entries) == (getattr(event, "room", None), len(texts))
        self.entries.append(("publish", (exclude, *without) if without else exclude, event))

    def tell(self, box: Box, event: Event) -> int:
        self.entries.append(("tell", box, event))
        return 0

    def tell_lines(self, box: Box, lines: bytes) -> int:
        raise NotImplementedError

    def take(self) -> list[Entry]:
        taken, self.entries = self.entries, []
        return taken


def enter(board: Switchboard, line: str) -> Session:
    """Log a session in: `Ann` in the plain format, or a whole login in JSON."""
    wire = json_lines if line.startswith("{") else plain
    session = Session(board, Seat(line), wire)
    session.receive(line)
    return session


def names(board: Switchboard) -> tuple[str, ...]:
    return board.state.names_in("lobby")


# A board in these tests has no clock, and the lobby's numbers begin at 1.
def joined(name: str, count: int, *, number: int, member: int) -> events.Joined:
    return events.Joined("lobby", number, 0, member, name, count)


def left(name: str, count: int, *, number: int, member: int) -> events.Left:
    return events.Left("lobby", number, 0, member, name, count, "lost")


def entered(name: str, *here: str, last: int) -> answers.Entered:
    return answers.Entered(name, "lobby", "", here, len(here), last)


def test_entering_appends_to_the_hub_in_one_stretch() -> None:
    hub = ListedHub()
    board = Switchboard(hub, state=State(epoch="e"), draw_token=lambda: "t")
    ann = enter(board, "Ann")
    assert hub.take() == [
        ("publish", None, joined("Ann", 1, number=1, member=1)),
        ("add", ann.box, ("lobby",)),
        ("tell", ann.box, entered("Ann", "Ann", last=1)),
    ]
    bob = enter(board, "Bob")
    assert hub.take() == [
        ("publish", None, joined("Bob", 2, number=2, member=2)),
        ("add", bob.box, ("lobby",)),
        ("tell", bob.box, entered("Bob", "Ann", "Bob", last=2)),
    ]
    assert names(board) == ("Ann", "Bob")


def test_only_a_program_is_told_of_its_token() -> None:
    hub = ListedHub()
    board = Switchboard(hub, state=State(epoch="e"), draw_token=lambda: "t")
    ann = enter(board, '{"type": "login", "name": "Ann", "id": 7}')
    assert hub.take()[2:] == [
        ("tell", ann.box, answers.Welcomed("Ann", "t", "e", 7)),
        ("tell", ann.box, answers.Entered("Ann", "lobby", "", ("Ann",), 1, 1, 7)),
    ]


def test_a_member_who_leaves_hears_nothing_of_it_and_the_count_is_of_those_who_stay() -> None:
    hub = ListedHub()
    board = Switchboard(hub)
    ann, bob, _ = (enter(board, name) for name in ("Ann", "Bob", "Cid"))
    hub.take()
    bob.end()
    assert hub.take() == [
        ("discard", bob.box, None),
        ("publish", None, left("Bob", 2, number=4, member=2)),
    ]
    assert names(board) == ("Ann", "Cid")
    ann.end()
    assert hub.take() == [
        ("discard", ann.box, None),
        ("publish", None, left("Ann", 1, number=5, member=1)),
    ]


def test_leaving_again_does_nothing_even_when_the_name_has_a_new_member() -> None:
    hub = ListedHub()
    board = Switchboard(hub)
    first = enter(board, "Ann")
    first.end()
    hub.take()
    first.end()
    assert hub.take() == []
    second = enter(board, "ANN")
    hub.take()
    first.end()
    assert hub.take() == []
    assert names(board) == ("ANN",)
    second.end()
    assert names(board) == ()


@pytest.mark.parametrize("other", ["Ann", "ann", "ＡＮＮ"])
def test_a_name_is_taken_while_its_member_is_here_and_no_longer(other: str) -> None:
    hub = ListedHub()
    board = Switchboard(hub)
    ann = enter(board, "Ann")
    hub.take()
    refused = enter(board, other)
    assert refused.name is None
    told = f"error: the name {parse_name(other)} is taken\n".encode()
    assert isinstance(refused.box, Seat)
    assert refused.box.early == [told]
    assert hub.take() == []
    assert names(board) == ("Ann",)
    ann.end()
    refused.receive(other)
    assert names(board) == (parse_name(other).shown,)


@pytest.mark.parametrize(
    ("here", "other"),
    [("Ann", "аnn"), ("аnn", "Ann"), ("scope", "ѕсоре"), ("SCOPE", "ѕсоре"), ("bob", "Воb")],
)
def test_a_name_that_looks_like_a_members_is_taken_while_that_member_is_here(
    here: str, other: str
) -> None:
    hub = ListedHub()
    board = Switchboard(hub)
    first = enter(board, here)
    enter(board, "Cid")
    hub.take()
    refused = enter(board, other)
    assert isinstance(refused.box, Seat)
    reason = f"error: the name {other} looks like {here}, which is taken\n"
    assert refused.box.early == [reason.encode()]
    assert hub.take() == []
    assert names(board) == (here, "Cid")
    first.end()
    second = enter(board, other)
    # Leaving again takes no skeleton from the member who has it now.
    first.end()
    assert enter(board, here).name is None
    second.end()
    assert enter(board, here).name == here


def test_messages_and_actions_go_to_all_others_and_answers_to_one() -> None:
    hub = ListedHub()
    board = Switchboard(hub)
    ann = enter(board, "Ann")
    enter(board, "Bob")
    hub.take()
    for line in ("hello", "/me waves", "/who", "/help", "/foo"):
        ann.receive(line)
    assert hub.take() == [
        ("publish", ann.box, events.Said("lobby", 3, 0, 1, "Ann", ["hello"])),
        ("publish", ann.box, events.Acted("lobby", 4, 0, 1, "Ann", "waves")),
        ("tell", ann.box, Present(("Ann", "Bob"), "lobby")),
        ("tell", ann.box, Helped()),
        ("tell", ann.box, Mistaken("unknown command /foo (try /help)")),
    ]


def test_on_empty_is_called_when_the_last_member_has_left_and_not_before() -> None:
    hub = ListedHub()
    emptied: list[int] = []
    board = Switchboard(hub, on_empty=lambda: emptied.append(len(hub.entries)))
    assert emptied == []
    ann, bob = enter(board, "Ann"), enter(board, "Bob")
    ann.end()
    assert emptied == []
    bob.end()
    # Only after the notice is in the hub.
    assert emptied == [len(hub.entries)]
    assert hub.entries[-1] == ("publish", None, left("Bob", 0, number=4, member=2))
    bob.end()
    assert len(emptied) == 1


def test_a_member_in_no_room_keeps_the_server_too() -> None:
    emptied: list[bool] = []
    board = Switchboard(ListedHub(), on_empty=lambda: emptied.append(True))
    ann = enter(board, "Ann")
    nowhere = enter(board, '{"type": "login", "name": "Zed", "rooms": []}')
    ann.end()
    assert emptied == []
    nowhere.end()
    assert emptied == [True]


def test_closing_is_told_once_then_nobody_enters_and_nobody_hears_who_leaves() -> None:
    hub = ListedHub()
    emptied: list[str] = []
    board = Switchboard(hub, on_empty=lambda: emptied.append("empty"))
    ann = enter(board, "Ann")
    hub.take()
    assert not board.is_closing
    board.close()
    board.close()
    assert board.is_closing
    assert hub.take() == [("publish", None, Closing())]
    late = enter(board, "Bob")
    assert isinstance(late.box, Seat)
    assert late.box.early == [b"error: server is closing\n"]
    assert late.ended
    ann.end()
    assert hub.take() == [("discard", ann.box, None)]
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
    hub = ListedHub()
    board = Switchboard(hub)
    gone_or_here: dict[str, Session] = {}
    for step, name in steps:
        if step == "enter":
            session = enter(board, name)
            if session.name is None:
                assert name.lower() in {here.lower() for here in names(board)}
            else:
                gone_or_here[name] = session
        elif name in gone_or_here:
            if step == "leave":
                gone_or_here[name].end()
            elif name in names(board):
                gone_or_here[name].receive("/who")
    # Read the log from its beginning: it says who is here.
    here: list[str] = []
    for _, _, event in hub.entries:
        match event:
            case answers.Entered(name, _, _, listed, count):
                assert here[-1] == name
                assert list(listed) == here
                assert count == len(here)
            case events.Left(_, _, _, _, name, count):
                here.remove(name)
                assert count == len(here)
            case events.Joined(_, _, _, _, name, count):
                here.append(name)
                assert count == len(here)
            case Present(listed):
                assert list(listed) == here
    assert list(names(board)) == here
    assert len({name.lower() for name in here}) == len(here)


def test_messages_that_came_together_keep_their_order() -> None:
    hub = ListedHub()
    board = Switchboard(hub)
    ann = enter(board, "Ann")
    hub.take()
    ann.receive_batch(["one", "two"])
    ann.receive_batch([])
    assert hub.take() == [
        ("publish", ann.box, events.Said("lobby", 2, 0, 1, "Ann", ["one", "two"])),
    ]


# Rooms, names and private messages


def test_whoever_moves_is_told_of_the_new_room_and_the_others_of_both() -> None:
    hub = ListedHub()
    board = Switchboard(hub)
    ann = enter(board, "Ann")
    hub.take()
    ann.receive("/join builds")
    assert hub.take() == [
        ("publish", ann.box, events.Left("lobby", 2, 0, 1, "Ann", 0, "moved")),
        ("unsubscribe", ann.box, "lobby"),
        ("publish", None, events.Joined("builds", 3, 0, 1, "Ann", 1)),
        ("subscribe", ann.box, "builds"),
        ("tell", ann.box, answers.Entered("Ann", "builds", "", ("Ann",), 1, 3)),
    ]
    ann.receive("hello")
    assert hub.take() == [("publish", ann.box, events.Said("builds", 4, 0, 1, "Ann", ["hello"]))]
    ann.receive("/join BUILDS")
    assert hub.take() == [("tell", ann.box, answers.Entered("Ann", "builds", "", ("Ann",), 1, 4))]


def test_a_topic_and_a_new_name_come_to_whoever_caused_them_too() -> None:
    hub = ListedHub()
    board = Switchboard(hub)
    ann = enter(board, "Ann")
    hub.take()
    for line in ("/topic green", "/topic", "/nick Anna", "/nick Anna"):
        ann.receive(line)
    assert hub.take() == [
        ("publish", None, events.TopicSet("lobby", 2, 0, 1, "Ann", "green")),
        ("tell", ann.box, answers.TopicIs("lobby", "green")),
        ("publish", None, events.Renamed("lobby", 3, 0, 1, "Ann", "Anna")),
        ("tell", ann.box, answers.Done("Anna")),
    ]
    assert ann.name == "Anna"


def test_a_private_message_goes_to_two_alone() -> None:
    hub = ListedHub()
    board = Switchboard(hub)
    ann, bob = enter(board, "Ann"), enter(board, "Bob")
    hub.take()
    ann.receive("/msg BOB hi")
    told = events.Told(1, 0, 1, 2, "Ann", "Bob", "hi")
    assert hub.take() == [("tell", ann.box, Own(told)), ("tell", bob.box, told)]
    ann.receive("/nick Anna")
    hub.take()
    bob.receive("/reply ho")
    reply = events.Told(1, 0, 2, 1, "Bob", "Anna", "ho")
    assert hub.take() == [("tell", bob.box, Own(reply)), ("tell", ann.box, reply)]
    ann.receive("/msg Anna me")
    own = events.Told(2, 0, 1, 1, "Anna", "Anna", "me")
    assert hub.take() == [("tell", ann.box, Own(own))]


def test_whoever_is_ignored_is_not_heard_through_nicks_until_the_ignoring_ends() -> None:
    hub = ListedHub()
    board = Switchboard(hub)
    ann, bob = enter(board, "Ann"), enter(board, "Bob")
    bob.receive("/ignore ann")
    hub.take()
    ann.receive("/nick Zoe")
    hub.take()
    for line in ("hello", "/me waves", "/msg Bob psst", "/topic green"):
        ann.receive(line)
    said = events.Said("lobby", 4, 0, 1, "Zoe", ["hello"])
    acted = events.Acted("lobby", 5, 0, 1, "Zoe", "waves")
    told = events.Told(1, 0, 1, 2, "Zoe", "Bob", "psst")
    assert hub.take() == [
        ("publish", (ann.box, bob.box), said),
        ("publish", (ann.box, bob.box), acted),
        ("tell", ann.box, Own(told)),
        ("publish", None, events.TopicSet("lobby", 6, 0, 1, "Zoe", "green")),
    ]
    bob.receive("/unignore Zoe")
    assert hub.take() == [("tell", bob.box, answers.Ignored("Zoe", again=True))]
    ann.receive("hello")
    assert hub.take()[0][1] is ann.box
    bob.receive("/ignore Zoe")
    bob.end()
    ann.end()
    assert (board.ignoring._deaf, board.ignoring._by_box) == ({}, {})


def test_a_member_with_receipts_gets_its_own_copy_where_it_gave_an_id() -> None:
    hub = ListedHub()
    board = Switchboard(hub)
    ann = enter(board, '{"type": "login", "name": "Ann"}')
    hub.take()
    ann.receive('{"type": "say", "room": "lobby", "text": "a"}')
    ann.receive('{"type": "say", "room": "lobby", "text": "b", "id": 1}')
    ann.receive('{"type": "leave", "room": "lobby", "id": 2}')
    said = [events.Said("lobby", 2, 0, 1, "Ann", ["a"])]
    said.append(events.Said("lobby", 3, 0, 1, "Ann", ["b"], [1]))
    gone = events.Left("lobby", 4, 0, 1, "Ann", 0, "left", 2)
    assert hub.take() == [
        ("publish", None, said[0]),
        ("publish", ann.box, said[1]),
        ("tell", ann.box, Own(said[1])),
        ("publish", ann.box, gone),
        ("tell", ann.box, Own(gone)),
        ("unsubscribe", ann.box, "lobby"),
    ]


def test_an_epoch_that_begins_is_told_to_all_with_the_numbers_from_which_rooms_go_on() -> None:
    hub = ListedHub()
    board = Switchboard(hub, state=State(epoch="old"))
    ann = enter(board, '{"type": "login", "name": "Ann", "rooms": ["lobby", "builds"]}')
    hub.take()
    lobby = KeptRoom(parse_room("lobby"), 50, "", 0)
    board.append(Restore("new", (lobby,), 60))
    assert hub.take() == [
        ("publish", None, answers.EpochChanged("new", {"lobby": 50, "builds": 2}))
    ]
    ann.receive('{"type": "say", "room": "builds", "text": "a"}')
    assert hub.take() == [("publish", None, events.Said("builds", 3, 0, 1, "Ann", ["a"]))]
    # The same epoch begins once.
    board.append(Restore("new", (), 0))
    assert hub.take() == []


def test_the_next_deadline_is_told_when_it_changes() -> None:
    now = 0
    told: list[int | None] = []
    board = Switchboard(
        ListedHub(), clock=lambda: now, on_deadline=lambda: told.append(board.next_deadline())
    )
    ann = enter(board, "Ann")
    for line in ("/join builds", "/topic green", "/join lobby"):
        ann.receive(line)
    due = 30 * 86400 * 1000
    assert told == [due]
    now = due
    board.carry_out_what_is_due()
    assert told == [due, None]
    assert list(board.state.rooms) == ["lobby"]


def test_what_is_there_can_be_seen() -> None:
    board = Switchboard(ListedHub())
    ann = enter(board, "Ann")
    assert repr(ann) == "<trionet.chat.Session of Ann: open>"
    assert repr(board) == (
        "<trionet.chat.Switchboard: open, 1 sessions, <trionet.chat.State: 1 members, 1 rooms>>"
    )
    ann.end()
    board.close()
    assert repr(ann) == "<trionet.chat.Session of Ann: ended>"
    assert "closing, 0 sessions" in repr(board)


def test_the_list_of_rooms_is_made_again_when_it_changes_and_shared_until_then() -> None:
    now = 0
    hub = ListedHub()
    board = Switchboard(hub, clock=lambda: now)
    ann, bob = enter(board, "Ann"), enter(board, "Bob")

    def listed() -> dict[str, tuple[str, int]]:
        return {one.room: (one.topic, one.count) for one in board.views.room_list(None).rooms}

    assert listed() == {"lobby": ("", 2)}
    assert board.views.room_list(None).rooms is board.views.room_list(7).rooms
    ann.receive("/join builds")
    assert listed() == {"lobby": ("", 1), "builds": ("", 1)}
    ann.receive("/topic green")
    assert listed()["builds"] == ("green", 1)
    ann.end()
    assert listed() == {"lobby": ("", 1), "builds": ("green", 0)}
    now = 30 * 86400 * 1000
    bob.receive("hello")
    assert listed() == {"lobby": ("", 1)}
