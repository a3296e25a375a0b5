"""What was said before, and coming back, in JSON lines: J93 to J119 of docs/protocol.md."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

import json_schema
from json_peer import JSONPeer
from service import Room, Starter
from trionet.chat.formats import answers, json_lines

Event = dict[str, Any]


@pytest.fixture
def room(start: Starter) -> Room:
    """A chat that nobody has used."""
    return start.room("--forever")


@pytest.fixture
def ann(room: Room) -> JSONPeer:
    """Its only member: number 1 is her joining."""
    return room.log_in_json("Ann")


def say(peer: JSONPeer, *texts: str, room: str = "lobby") -> list[Event]:
    """Say something, and return what everyone else is told."""
    told = []
    for text in texts:
        peer.request("say", room=room, text=text, id=text[:9])
        event = peer.expect("said", text=text)
        del event["re"]
        told.append(event)
    return told


def come_back(room: Room, name: str, **fields: Any) -> tuple[JSONPeer, Event]:
    """Log in, and return the peer and its welcome."""
    peer = room.connect_json(name)
    peer.request("login", name=name, **fields)
    return peer, peer.expect("welcome")


def held(room: Room, name: str, *, other: JSONPeer | None = None) -> tuple[JSONPeer, Event]:
    """Let a member come that is to be held, into the lobby."""
    peer, welcome = come_back(room, name, hold=True)
    peer.expect("entered")
    if other is not None:
        other.expect("joined", name=name)
    return peer, {"token": welcome["token"], "epoch": welcome["epoch"]}


def lose(peer: JSONPeer) -> None:
    """End a connection without a `quit`, and wait until the server has closed it too."""
    peer.peer.finish()
    peer.expect_end()
    peer.peer.close()


def numbers(page: Event) -> list[int]:
    return [event["number"] for event in page["events"]]


def test_j93_events_are_told_around_a_number_as_they_were(room: Room, ann: JSONPeer) -> None:
    bob = room.log_in_json("Bob")
    joined = ann.expect("joined", name="Bob")
    said = say(ann, "three", "four", "five")
    assert [bob.receive() for _ in said] == said
    assert bob.ask("history", room="lobby", after=1)["events"] == [joined, *said]
    assert numbers(bob.ask("history", room="lobby", limit=2)) == [4, 5]
    assert numbers(bob.ask("history", room="lobby", before=4, limit=2)) == [2, 3]
    assert numbers(bob.ask("history", room="lobby", after=2, limit=2)) == [3, 4]


def test_j94_more_says_whether_there_are_others_further_on(ann: JSONPeer) -> None:
    say(ann, "two", "three")
    assert ann.ask("history", room="lobby", limit=2)["more"]
    assert not ann.ask("history", room="lobby", limit=3)["more"]
    assert not ann.ask("history", room="lobby", after=1, limit=2)["more"]
    assert ann.ask("history", room="lobby", after=1, limit=1)["more"]
    for number in range(20):
        say(ann, f"{number}" + '"' * 4000)
    page = ann.ask("history", room="lobby", limit=500)
    assert page["more"]
    assert numbers(page) == list(range(24 - len(page["events"]), 24))


def test_j95_a_room_that_only_the_history_has_is_answered(ann: JSONPeer) -> None:
    ann.ask("join", room="builds")
    ann.ask("leave", room="builds")
    assert len(ann.ask("history", room="Builds")["events"]) == 2
    assert ann.ask("who", room="builds")["members"] == []
    for nowhere in ("nowhere", ""):
        ann.refused("no-such-room", "history", room=nowhere)
        ann.refused("no-such-room", "search", room=nowhere, text="x")


def test_j96_ones_own_private_sequence_is_a_room_of_its_own(room: Room, ann: JSONPeer) -> None:
    bob, _ = held(room, "Bob", other=ann)
    for number in range(1, 103):
        ann.request("tell", to="Bob", text="psst")
        ann.expect("told", number=number)
        bob.expect("told", number=number)
    page = bob.ask("history", room="@", limit=500)
    assert numbers(page) == list(range(3, 103))
    assert not page["more"]
    assert ann.ask("history", room="@")["events"] == []


def test_j97_search_finds_messages_and_actions(room: Room, ann: JSONPeer) -> None:
    bob = room.log_in_json("Bob")
    ann.expect("joined")
    said = say(ann, "the build fails", "it is fixed")
    bob.request("act", room="lobby", text="starts a build")
    acted = ann.expect("acted")
    assert ann.ask("search", text="build") == {
        "type": "found", "events": [said[0], acted], "more": False, "re": "ask"
    }  # fmt: skip
    assert ann.ask("search", text="build", name="Bob")["events"] == [acted]
    assert ann.ask("search", text="build", room="lobby", before=5)["events"] == [said[0]]
    found = ann.ask("search", text="build", limit=1)
    assert (found["events"], found["more"]) == ([acted], True)


def test_j98_words_are_whole_and_their_case_does_not_matter(ann: JSONPeer) -> None:
    said = say(ann, "The Building", "the build", "我喜欢北京烤鸭", "京北")
    assert ann.ask("search", text="BUILD the")["events"] == [said[1]]
    assert ann.ask("search", text="北京")["events"] == [said[2]]
    assert ann.ask("search", text="nothing")["events"] == []


def test_j99_a_removed_text_is_in_no_answer(ann: JSONPeer) -> None:
    say(ann, "two", "three")
    ann.ask("remove", room="lobby", number=2)
    assert numbers(ann.ask("history", room="lobby")) == [1, 3, 4]
    assert ann.ask("search", text="two")["events"] == []


def test_j100_remove_is_an_event_of_the_room(room: Room, ann: JSONPeer) -> None:
    bob = room.log_in_json("Bob")
    ann.expect("joined")
    say(ann, "three")
    bob.expect("said")
    ann.request("remove", room="lobby", number=3, id="x")
    told = {"room": "lobby", "number": 4, "name": "Ann", "of": 3}
    ann.expect("removed", re="x", **told)
    bob.expect("removed", re=None, **told)


def test_j101_only_ones_own_messages_can_be_removed(room: Room, ann: JSONPeer) -> None:
    bob = room.log_in_json("Bob")
    ann.expect("joined")
    say(ann, "three")
    bob.expect("said")
    bob.refused("forbidden", "remove", room="lobby", number=3)
    bob.refused("no-such-message", "remove", room="lobby", number=1)
    bob.refused("no-such-message", "remove", room="lobby", number=99)
    bob.refused("not-in-room", "remove", room="elsewhere", number=3)


def test_j102_without_a_history_it_is_unavailable(start: Starter) -> None:
    ann = start.room("--forever", "--history", "none").log_in_json("Ann")
    ann.refused("unavailable", "history", room="lobby")
    ann.refused("unavailable", "search", text="x")
    ann.refused("unavailable", "remove", room="lobby", number=1)
    assert ann.ask("history", room="@")["events"] == []


def test_j103_whoever_asked_for_it_is_held_and_nobody_is_told(room: Room, ann: JSONPeer) -> None:
    bob, _ = held(room, "Bob", other=ann)
    lose(bob)
    ann.expect_quiet()
    assert ann.ask("rooms")["rooms"][0]["count"] == 2
    room.connect_json().refused("name-taken", "login", name="Bob")
    cid, _ = held(room, "Cid", other=ann)
    cid.quit()
    ann.expect("left", name="Cid", reason="quit")


def test_j104_when_the_grace_ends_a_held_member_leaves(start: Starter) -> None:
    room = start.room("--grace", "0.5")
    ann = room.log_in_json("Ann")
    bob, _ = held(room, "Bob", other=ann)
    bob.peer.close()
    ann.expect("left", name="Bob", reason="lost")
    cid, _ = held(room, "Cid", other=ann)
    ann.quit()
    began = time.monotonic()
    cid.peer.close()
    assert room.program.wait() == 0
    assert time.monotonic() - began > 0.4


def test_j105_a_token_resumes_its_member(room: Room, ann: JSONPeer) -> None:
    bob, back = held(room, "Bob", other=ann)
    assert re.fullmatch("[0-9a-f]{32}", back["token"])
    lose(bob)
    bob, welcome = come_back(room, "not a name", **back)
    bob.expect("entered", count=2)
    assert welcome["resumed"]
    assert (welcome["name"], welcome["token"]) == ("Bob", back["token"])
    ann.expect_quiet()


def test_j106_another_token_is_none(room: Room) -> None:
    ann, welcome = come_back(room, "Ann", token="0" * 32)
    assert not welcome["resumed"]
    assert welcome["token"] != "0" * 32
    ann.expect("entered")
    room.connect_json().refused("name-taken", "login", name="Ann", token="")


def test_j107_rooms_are_kept_and_joined_and_hold_is_the_newest(room: Room, ann: JSONPeer) -> None:
    bob, welcome = come_back(room, "Bob", hold=True, rooms=["x", "lobby"])
    for name in ("lobby", "x"):
        bob.expect("entered", room=name)
    ann.expect("joined", name="Bob")
    lose(bob)
    bob, _ = come_back(room, "Bob", token=welcome["token"], rooms=["y", "x"])
    for name in ("lobby", "x", "y"):
        bob.expect("entered", room=name)
    bob.peer.close()
    ann.expect("left", name="Bob", reason="lost")


def test_j108_an_old_connection_is_taken_over(room: Room, ann: JSONPeer) -> None:
    old, back = held(room, "Bob", other=ann)
    new, welcome = come_back(room, "Bob", **back)
    assert welcome["resumed"]
    new.expect("entered")
    old.expect_only("closing", reason="taken over")
    old.expect_end()
    new.expect_quiet()
    ann.expect_quiet()


def test_j109_what_is_sent_again_is_not_said_again(room: Room, ann: JSONPeer) -> None:
    bob, back = held(room, "Bob", other=ann)
    bob.request("tell", to="Ann", text="psst", id="t")
    bob.request("act", room="lobby", text="waves", id="a")
    bob.request("say", room="lobby", text="hello", id="s")
    receipts = [bob.receive() for _ in range(3)]
    for type_ in ("told", "acted", "said"):
        ann.expect(type_)
    bob, _ = come_back(room, "Bob", hold=True, **back)
    bob.expect("entered")
    bob.request("tell", to="Ann", text="psst", id="t")
    bob.request("act", room="lobby", text="waves", id="a")
    bob.request("say", room="lobby", text="hello", id="s")
    assert [bob.receive() for _ in range(3)] == receipts
    ann.expect_quiet()


def test_j110_held_members_take_places_until_others_need_them(start: Starter) -> None:
    room = start.room("--forever", "--max-clients", "2")
    ann = room.log_in_json("Ann")
    bob, _ = held(room, "Bob", other=ann)
    lose(bob)
    room.log_in_json("Cid")
    ann.expect("joined", name="Cid")
    ann.expect("left", name="Bob", reason="lost")


def test_j111_only_rooms_that_one_is_in_are_looked_at(room: Room, ann: JSONPeer) -> None:
    epoch = come_back(room, "Bob")[1]["epoch"]
    ann.expect("joined")
    cid, _ = come_back(room, "Cid", seen={"lobby": 2, "elsewhere": 1}, epoch=epoch)
    cid.expect("entered", room="lobby")
    cid.expect_quiet()


@pytest.mark.parametrize("number", [-1, 0.5, "2", 2**53 + 1, None, True])
def test_j111_what_was_seen_is_a_number_from_0(room: Room, ann: JSONPeer, number: object) -> None:
    room.connect_json().refused("bad-request", "login", name="Bob", seen={"lobby": number})


def test_j112_what_came_since_is_told_and_then_what_comes(room: Room, ann: JSONPeer) -> None:
    bob, back = held(room, "Bob", other=ann)
    lose(bob)
    said = say(ann, "three", "four")
    bob, _ = come_back(room, "Bob", seen={"lobby": 2}, **back)
    assert [bob.receive() for _ in said] == said
    bob.expect("entered", last=4)
    live = say(ann, "five")
    assert bob.receive() == live[0]


def test_j113_what_cannot_be_told_is_missed(start: Starter) -> None:
    room = start.room("--forever", "--history", "none")
    ann = room.log_in_json("Ann")
    bob, back = held(room, "Bob", other=ann)
    lose(bob)
    say(ann, "three", "four")
    bob, _ = come_back(room, "Bob", seen={"lobby": 2}, **back)
    bob.expect_only("missed", room="lobby", after=2, before=5)
    bob.expect("entered", last=4)


@pytest.mark.parametrize("epoch", [{}, {"epoch": "another"}])
def test_j114_with_another_epoch_all_is_missed(
    room: Room, ann: JSONPeer, epoch: dict[str, str]
) -> None:
    say(ann, "two")
    bob, _ = come_back(room, "Bob", seen={"lobby": 77}, **epoch)
    bob.expect_only("missed", room="lobby", after=77, before=4)
    bob.expect("entered", last=3)


def test_j115_private_messages_come_first(room: Room, ann: JSONPeer) -> None:
    bob, back = held(room, "Bob", other=ann)
    lose(bob)
    say(ann, "three")
    for text in ("one", "two"):
        ann.request("tell", to="Bob", text=text)
        ann.expect("told")
    bob, _ = come_back(room, "Bob", hold=True, seen={"lobby": 2, "@": 1}, **back)
    bob.expect("told", text="two", number=2)
    bob.expect("said", text="three")
    bob.expect("entered")


def test_j115_whoever_does_not_hold_any_more_is_told_what_is_kept_once(
    room: Room, ann: JSONPeer
) -> None:
    bob, back = held(room, "Bob", other=ann)
    lose(bob)
    ann.request("tell", to="Bob", text="one")
    ann.expect("told")
    bob, _ = come_back(room, "Bob", seen={"@": 0}, **back)
    bob.expect("told", text="one", number=1)
    bob.expect("entered")
    assert bob.ask("history", room="@")["events"] == []


def test_j116_ones_own_messages_have_the_ids_of_their_requests(room: Room, ann: JSONPeer) -> None:
    bob, back = held(room, "Bob", other=ann)
    say(bob, "three")
    ann.expect("said")
    lose(bob)
    say(ann, "four")
    bob, _ = come_back(room, "Bob", seen={"lobby": 2}, **back)
    bob.expect("said", text="three", re="three")
    bob.expect("said", text="four", re=None)


def test_j116_pages_have_them_too_for_who_comes_back_as_somebody_new(
    start: Starter, tmp_path: Path
) -> None:
    options = ("--forever", "--history", str(tmp_path / "chat.db"))
    room = start.room(*options)
    ann = room.log_in_json("Ann")
    bob, back = held(room, "Bob", other=ann)
    say(ann, "three")
    bob.expect("said")
    say(bob, "four", "a word to look for")
    assert not any("re" in event for event in bob.ask("history", room="lobby")["events"])
    wait_for_log(tmp_path / "chat.db-wal", b"a word to look for")
    room.program.end_at_once()
    room = start.room(*options)
    bob, welcome = come_back(room, "Bob", seen={"lobby": 3}, **back)
    assert not welcome["resumed"]
    bob.expect("missed")
    bob.expect("entered")
    page = bob.ask("history", room="lobby")["events"]
    own = [(event["text"], event["re"]) for event in page if "re" in event]
    assert own == [("four", "four"), ("a word to look for", "a word to")]


def test_j117_a_file_outlasts_a_clean_end(start: Starter, tmp_path: Path) -> None:
    options = ("--forever", "--history", str(tmp_path / "chat.db"))
    room = start.room(*options)
    ann, before = come_back(room, "Ann", rooms=["lobby", "builds"])
    for name in ("lobby", "builds"):
        ann.expect("entered", room=name)
    ann.request("topic", room="builds", text="green")
    ann.expect("topic")
    say(ann, "hello")
    room.program.drain()
    assert room.program.wait() == 0
    room = start.room(*options)
    epoch, rooms = before["epoch"], ["lobby", "builds"]
    bob, welcome = come_back(room, "Bob", rooms=rooms, seen={"lobby": 1}, epoch=epoch)
    assert (welcome["epoch"], welcome["resumed"]) == (epoch, False)
    bob.expect("said", text="hello", number=2)
    bob.expect("left", name="Ann", number=3)
    bob.expect("entered", room="lobby", last=4)
    bob.expect("entered", room="builds", topic="green")


def wait_for_log(log: Path, word: bytes) -> None:
    """Wait until a word is in the log of a history file."""
    deadline = time.monotonic() + 10
    while word not in log.read_bytes():
        assert time.monotonic() < deadline


def test_j118_after_any_other_end_the_epoch_is_a_new_one(start: Starter, tmp_path: Path) -> None:
    file = tmp_path / "chat.db"
    options = ("--forever", "--history", str(file))
    room = start.room(*options)
    ann = room.log_in_json("Ann")
    last = say(ann, "a word to look for")[-1]["number"]
    wait_for_log(tmp_path / "chat.db-wal", b"a word to look for")
    epoch = come_back(room, "Bob")[1]["epoch"]
    room.program.end_at_once()
    room = start.room(*options)
    cid, welcome = come_back(room, "Cid", seen={"lobby": last}, epoch=epoch)
    assert welcome["epoch"] != epoch
    missed = cid.expect("missed", room="lobby", after=last)
    entered = cid.expect("entered", room="lobby")
    assert entered["last"] + 1 == missed["before"] > last + 1


def test_j119_an_epoch_that_begins_is_told_with_the_last_numbers() -> None:
    # No server on its own can do that: what it would send is held against the schema.
    line = json_lines.encode(answers.EpochChanged("new", {"lobby": 7})).decode()
    event = json_schema.check_said(line.removesuffix("\n"))
    assert event == {"type": "epoch", "epoch": "new", "rooms": {"lobby": 7}}
