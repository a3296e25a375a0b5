"""The rooms of a window."""

from __future__ import annotations

from trionet.chat.window.rooms import SILENT_SECONDS, Room, Rooms


def make_rooms(*names: str) -> Rooms:
    rooms = Rooms("lobby", lambda _: 0)
    for name in names:
        rooms.get(name)
    return rooms


def test_rooms_are_stepped_through_in_the_order_of_joining() -> None:
    rooms = make_rooms("builds", "ops")
    seen = []
    for _ in range(4):
        rooms.step(1)
        seen.append(rooms.shown.name)
    rooms.step(-1)
    assert [*seen, rooms.shown.name] == ["builds", "ops", "lobby", "builds", "lobby"]


def test_a_room_with_mentions_is_shown_before_one_with_messages() -> None:
    rooms = make_rooms("builds", "ops")
    rooms.get("builds").unread = 9
    rooms.get("ops").unread = rooms.get("ops").mentions = 1
    assert rooms.show_unread()
    assert rooms.shown.name == "ops"
    assert rooms.show_unread()
    assert rooms.shown.name == "builds"
    assert not rooms.show_unread()


def test_the_last_room_is_never_dropped() -> None:
    rooms = make_rooms("builds")
    rooms.show("builds")
    rooms.drop("builds")
    assert rooms.shown.name == "lobby"
    rooms.drop("lobby")
    assert [room.name for room in rooms] == ["lobby"]


def test_who_spoke_long_ago_is_silent() -> None:
    room = Room("lobby", lambda _: 0)
    assert room.is_silent("Bea", 0)
    room.spoke("Bea", 100)
    assert not room.is_silent("Bea", 100 + SILENT_SECONDS)
    assert room.is_silent("Bea", 101 + SILENT_SECONDS)


def test_a_member_keeps_its_place_and_what_it_said_under_a_new_name() -> None:
    room = Room("lobby", lambda _: 0)
    for name in ("Ann", "Bea", "Ben"):
        room.joined(name, 3)
    room.spoke("Bea", 1)
    room.renamed("Bea", "Zoe")
    assert room.members == ["Ann", "Zoe", "Ben"]
    assert room.names("Ann") == ["Zoe", "Ben"]
    room.left("Zoe", 2)
    assert room.names("Ann") == ["Ben"]
