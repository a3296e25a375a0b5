"""The chat in JSON lines, sentence by sentence: the part J of docs/protocol.md.

Every line that a peer of these tests hears is checked against the schema (J59).
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from json_peer import JSONPeer
    from service import Room, Starter

LOGIN = '{"type": "login", "name": "Ann"}'


def heard(peer: JSONPeer, until: str) -> list[dict[str, Any]]:
    """Return all events up to the answer of a ping with this id."""
    peer.request("ping", id=until)
    events = [peer.receive()]
    while events[-1] != {"type": "pong", "re": until}:
        events.append(peer.receive())
    return events[:-1]


# The lines


@pytest.mark.parametrize("line", [LOGIN, f" \t{LOGIN} ", LOGIN + "\r"])
def test_j1_a_first_line_that_is_a_json_object_selects_the_format(room: Room, line: str) -> None:
    ann = room.connect_json()
    ann.peer.say(line)
    ann.expect("welcome", name="Ann")
    ann.expect("entered", room="lobby")
    ann.peer.say("q")
    ann.expect_error("bad-json")


@pytest.mark.parametrize("line", ["[1]", "{", '{"type": "login"', "{}}", '"Ann"x', "12"])
def test_j1_any_other_first_line_is_a_name(room: Room, line: str) -> None:
    ann = room.connect()
    ann.say(line)
    first = ann.read()
    assert first.startswith(("error: ", "*** welcome"))


def test_j2_each_line_is_one_object(room: Room) -> None:
    ann = room.log_in_json("Ann")
    ann.peer.say('{"type": "ping"}{"type": "ping"}', '{"type": "ping",', '"id": 1}')
    for _ in range(3):
        ann.expect_error("bad-json")
    say = '{"type": "say", "room": "lobby", "text": "x"}'
    ann.peer.say(say, f"{say}{say}", say)
    ann.expect("said")
    ann.expect_error("bad-json")
    ann.expect("said")


def test_j3_lines_may_have_16384_bytes(room: Room) -> None:
    def padded(line: str, size: int) -> str:
        return line[:-1] + ', "x": "' + "y" * (size - len(line) - 9) + '"}'

    ann = room.connect_json()
    ann.peer.say(padded(LOGIN, 16384))
    ann.expect("welcome")
    ann.expect("entered")
    ann.peer.say(padded('{"type": "ping"}', 16384), padded('{"type": "ping"}', 16385))
    ann.expect("pong")
    error = ann.expect_error("bad-line")
    assert error["reason"] == "line is longer than 16384 bytes"
    bob = room.connect()
    bob.say(padded(LOGIN, 16385), "x" * 4097, "{" * 5000)
    bob.expect("error: line is longer than 16384 bytes")
    bob.expect("error: line is longer than 4096 bytes", "error: line is longer than 4096 bytes")
    cid = room.connect()
    cid.say("{" * 5000, "x" * 4097)
    cid.expect("error: the name is longer than 32 characters")
    cid.expect("error: line is longer than 4096 bytes")


def test_j3_the_limit_is_four_times_that_of_other_lines(start: Starter) -> None:
    room = start.room("--quiet", "--max-line", "100")
    ann = room.log_in_json("Ann")
    ann.peer.say('{"type": "ping", "x": "' + "y" * (400 - 25) + '"}', "x" * 401)
    ann.expect("pong")
    ann.expect_error("bad-line")


def test_j4_a_blank_line_is_ignored(room: Room) -> None:
    ann = room.connect_json()
    ann.peer.say('{"type": "ping", "id": 0}', "", " \t ")
    ann.expect("pong", re=0)
    ann.peer.say(LOGIN)
    ann.expect("welcome")
    ann.expect("entered")
    ann.peer.say("", "  ", "\u3000")
    ann.expect_quiet()


def test_j5_other_fields_are_ignored(room: Room) -> None:
    ann = room.log_in_json("Ann", color="red")
    assert ann.ask("ping", more={"a": [1, None]})["type"] == "pong"


@pytest.mark.parametrize("id_", [0, -(2**53), 2**53, "x", "x" * 64, "ä\u0000\n"])
def test_j6_an_id_comes_back_to_the_sender_alone(room: Room, id_: Any) -> None:
    ann, bob = room.log_in_json("Ann"), room.log_in_json("Bob")
    ann.expect("joined", name="Bob", re=None)
    for request in ({"type": "say", "room": "lobby", "text": "x"}, {"type": "rooms"}):
        ann.request(**request, id=id_)
        assert ann.receive()["re"] == id_
    bob.expect("said", re=None)
    bob.expect_quiet()


def test_j6_ids_of_messages_that_come_together_each_come_back(room: Room) -> None:
    ann, bob = room.log_in_json("Ann"), room.log_in_json("Bob")
    ann.expect("joined")
    ids = [1, None, "x", 1]
    lines = [{"type": "say", "room": "lobby", "text": f"t{n}", "id": i} for n, i in enumerate(ids)]
    del lines[1]["id"]
    ann.peer.say(*map(json.dumps, lines))
    for number, id_ in enumerate(ids):
        ann.expect("said", text=f"t{number}", re=id_)
        bob.expect("said", text=f"t{number}", re=None)


@pytest.mark.parametrize(
    "id_", ["", "x" * 65, 2**53 + 1, -(2**53) - 1, 1.5, True, None, [], {}], ids=repr
)
def test_j7_an_unusable_id_gets_bad_request_without_re(room: Room, id_: Any) -> None:
    ann = room.log_in_json("Ann")
    ann.request("ping", id=id_)
    ann.expect_error("bad-request", re=None)
    ann.request("say", room="lobby", text="x", id=id_)
    ann.expect_error("bad-request", re=None)


def test_j8_an_error_has_a_code_and_a_reason(room: Room) -> None:
    ann = room.log_in_json("Ann")
    error = ann.ask("leave", room="nowhere")
    assert error.keys() == {"type", "re", "code", "reason"}
    assert error["type"] == "error"


@pytest.mark.parametrize(
    "line",
    [
        *("q", "hello", "/who", "[]", "12", '"x"', "null", "{", "{}}", "{'type': 'ping'}"),
        *('{"type": "ping"', '{"type": NaN}', '{"x": "\\ud800"}', '{"x": "\\ud800x", "type": "a"}'),
        *('{"type": "ping", "x": "\x01"}', '{"x": ' + "[" * 5000 + "]" * 5000 + "}"),
        '{"type": "say", "room": "lobby", "text": "\\udc00"}',
    ],
    ids=lambda line: line[:20],
)
def test_j9_what_is_no_json_object_gets_bad_json(room: Room, line: str) -> None:
    ann = room.log_in_json("Ann")
    ann.peer.say(line)
    ann.expect_error("bad-json", re=None)
    ann.expect_quiet()


def test_j10_an_unreadable_line_gets_bad_line(room: Room) -> None:
    ann = room.log_in_json("Ann")
    ann.peer.send(b'{"type": "ping", "x": "\xff"}\n' + b"x" * 20000 + b"\n")
    ann.expect_error("bad-line")
    ann.expect_error("bad-line")
    ann.expect_quiet()
    ann.peer.send(b"x" * (1 << 20))
    ann.expect_error("bad-line")
    ann.expect_error("bad-line")
    ann.peer.expect_end()


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"type": None},
        {"type": 5},
        {"type": "say", "room": "lobby"},
        {"type": "say", "text": "x"},
        {"type": "say", "room": None, "text": "x"},
        {"type": "say", "room": 5, "text": "x"},
        {"type": "act", "room": "lobby", "text": ["x"]},
        {"type": "tell", "text": "x"},
        {"type": "join"},
        {"type": "leave", "room": {}},
        {"type": "topic", "room": "lobby"},
        {"type": "nick"},
        {"type": "nick", "name": 1},
        {"type": "who"},
        {"type": "remove", "room": "lobby"},
        {"type": "remove", "room": "lobby", "number": -1},
        {"type": "remove", "room": "lobby", "number": "1"},
        {"type": "history"},
        {"type": "history", "room": "lobby", "limit": 0},
        {"type": "history", "room": "lobby", "limit": 501},
        {"type": "history", "room": "lobby", "before": 1, "after": 1},
        {"type": "search"},
        {"type": "search", "text": " "},
        {"type": "search", "text": "x", "before": 1},
        {"type": "search", "text": "x", "room": None},
    ],
    ids=str,
)
def test_j11_a_field_that_is_missing_or_wrong_gets_bad_request(
    room: Room, request_: dict[str, Any]
) -> None:
    ann = room.log_in_json("Ann")
    ann.peer.say(json.dumps({**request_, "id": 7}))
    ann.expect_error("bad-request", re=7)


@pytest.mark.parametrize("name", ["dance", "", "SAY", "welcome", "x" * 1000])
def test_j12_an_unknown_type_gets_unknown_type(room: Room, name: str) -> None:
    ann = room.log_in_json("Ann")
    ann.request(name, id=7)
    ann.expect_error("unknown-type", re=7)


def test_j13_a_time_is_utc_with_milliseconds(room: Room) -> None:
    ann = room.log_in_json("Ann")
    stamp = ann.ask("say", room="lobby", text="x")["time"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)
    assert abs(time.time() - _seconds(stamp)) < 60


def _seconds(stamp: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(stamp).timestamp()


def test_j14_a_long_list_comes_in_several_lines(start: Starter) -> None:
    room = start.room("--forever", "--quiet")
    names = [f"{number:03}" + "\U00020000" * 29 for number in range(600)]
    peers = [room.log_in(name) for name in names]
    for peer in peers:
        peer.expect_like(r"\*\*\* welcome, .*")
    ann = room.log_in_json("Ann")
    ann.request("who", room="lobby", id="w")
    events = heard(ann, "x")
    assert [event.get("more") for event in events] == [True] * (len(events) - 1) + [None]
    assert len(events) > 1
    assert all(event["re"] == "w" for event in events)
    listed = [name for event in events for name in event["members"]]
    assert sorted(listed) == sorted([*names, "Ann"])


def test_j15_errors_before_the_first_line_are_plain(start: Starter) -> None:
    room = start.room("--forever", "--quiet", "--login-timeout", "0.2", "--max-clients", "2")
    first, second, third = room.connect(), room.connect_json(), room.connect()
    third.expect("error: server is full")
    first.expect("error: no login within 0.2 seconds")
    second.peer.say('{"type": "ping"}')
    assert second.peer.read().startswith(("error: no login", '{"type":'))


# Logging in


def test_j16_a_login_gets_welcome(room: Room) -> None:
    ann = room.connect_json()
    ann.request("login", name=" Ann\t", id="me")
    welcome = ann.expect("welcome", re="me", name="Ann", resumed=False)
    assert welcome["token"]
    bob = room.connect_json()
    bob.request("login", name="Bob")
    other = bob.expect("welcome", re=None)
    assert other["epoch"] == welcome["epoch"]
    assert other["token"] != welcome["token"]


def test_j17_each_room_is_entered_the_lobby_first(room: Room) -> None:
    ann = room.connect_json()
    ann.request("login", name="Ann", rooms=["j17", "Lobby", "j17"], id=1)
    ann.expect("welcome")
    lobby = ann.expect("entered", re=1, room="lobby", members=["Ann"], count=1)
    ann.expect("entered", re=1, room="j17", topic="", members=["Ann"], count=1)
    number = ann.ask("say", room="lobby", text="x")["number"]
    assert number == lobby["last"] + 1
    ann.expect_quiet()
    peers = [room.log_in(f"m{count}") for count in range(24)]
    for peer in peers:
        peer.expect_like(r"\*\*\* welcome, .*")
    bob = room.connect_json()
    bob.request("login", name="Bob")
    bob.expect("welcome")
    entered = bob.expect("entered", count=26)
    assert len(entered["members"]) == 20
    assert entered["members"][0] == "Ann"


def test_j18_a_login_names_its_rooms(room: Room) -> None:
    ann = room.connect_json()
    ann.request("login", name="Ann", rooms=[])
    ann.expect("welcome")
    ann.expect_quiet()
    ann.request("say", room="lobby", text="x")
    ann.expect_error("not-in-room")
    bob = room.connect_json()
    bob.request("login", name="Bob", rooms=[f"r{number}" for number in range(101)])
    bob.expect_error("bad-request")


def test_j19_a_room_of_a_login_that_cannot_be_joined_gets_an_error(room: Room) -> None:
    ann = room.connect_json()
    ann.request("login", name="Ann", rooms=["l0bby", "j19", "a:b", "lobby"], id=1)
    ann.expect("welcome", re=1)
    ann.expect("entered", room="lobby")
    ann.expect("entered", room="j19")
    ann.expect_error("name-refused", re=1, room="l0bby")
    ann.expect_error("name-refused", re=1, room="a:b")
    ann.expect_quiet()


def test_j20_a_refused_login_may_be_tried_again(room: Room) -> None:
    room.log_in_json("Ann")
    bob = room.connect_json()
    for name, code in (("ann", "name-taken"), ("аnn", "name-taken"), ("a:b", "name-refused")):
        bob.request("login", name=name, id=name)
        bob.expect_error(code, re=name)
    bob.request("login", name="")
    bob.expect_error("name-refused", re=None)
    bob.request("login", name="Bob")
    bob.expect("welcome", name="Bob")


def test_j21_the_tenth_refused_login_closes_the_connection(room: Room) -> None:
    bob = room.connect_json()
    for number in range(9):
        bob.request("login", name="a:b", id=number)
        bob.expect_error("name-refused", re=number)
    room.log_in_json("Ann")
    bob.request("login", name="Ann", id=9)
    bob.request("login", name="Bob")
    bob.expect_error("name-refused", re=9, reason="too many names were refused")
    bob.peer.expect_end()


def test_j22_before_login_only_login_ping_and_quit_are_answered(room: Room) -> None:
    bob = room.connect_json()
    bob.expect_quiet()
    for _ in range(12):
        bob.request("say", room="lobby", text="x", id=1)
        bob.expect_error("not-logged-in", re=1)
    for type_ in ("who", "rooms", "history", "tell"):
        bob.request(type_, id=2)
        bob.expect_error("not-logged-in", re=2)
    bob.peer.say(*["q"] * 12)
    for _ in range(12):
        bob.expect_error("bad-json")
    bob.request("dance")
    bob.expect_error("unknown-type")
    bob.peer.send(b"\xff\n" * 12)
    for _ in range(12):
        bob.expect_error("bad-line")
    bob.request("quit")
    bob.peer.expect_end()


def test_j23_a_second_login_gets_bad_request(room: Room) -> None:
    ann = room.log_in_json("Ann")
    ann.request("login", name="Bob", id=1)
    ann.expect_error("bad-request", re=1)
    ann.expect_quiet()


def test_j24_holding_and_resuming_are_accepted_and_have_no_effect(room: Room) -> None:
    more = {"hold": True, "token": "x", "seen": {"lobby": 41, "@": 3}, "epoch": "e", "password": ""}
    ann = room.connect_json()
    ann.request("login", name="Ann", **more)
    welcome = ann.expect("welcome", resumed=False)
    ann.expect("entered")
    bob = room.log_in_json("Bob")
    ann.peer.close()
    bob.expect("left", name="Ann", reason="lost")
    again = room.connect_json()
    again.request("login", name="Ann", token=welcome["token"], seen={"lobby": 1})
    again.expect("welcome", name="Ann", resumed=False)
    unfit: list[tuple[str, Any]] = [("hold", 1), ("token", 5), ("epoch", 1)]
    for field, value in (*unfit, ("seen", []), ("seen", {"lobby": "1"})):
        cid = room.connect_json()
        cid.request("login", name="Cid", **{field: value})
        cid.expect_error("bad-request")


# Messages


def test_j25_a_message_goes_to_everyone_in_the_room(room: Room) -> None:
    ann, bob = room.log_in_json("Ann"), room.log_in_json("Bob")
    ann.expect("joined")
    dan = room.log_in_json("Dan", "j25")
    ann.request("say", room="LOBBY", text="hello")
    said = ann.expect("said", re=None, room="lobby", name="Ann", text="hello")
    assert bob.receive() == said
    receipt = ann.ask("say", room="lobby", text="again")
    del receipt["re"]
    assert bob.receive() == receipt
    dan.expect_quiet()


def test_j26_an_action_goes_to_everyone_in_the_room(room: Room) -> None:
    ann, bob = room.log_in_json("Ann"), room.log_in_json("Bob")
    ann.expect("joined")
    ann.request("act", room="lobby", text="waves")
    assert ann.expect("acted", name="Ann", text="waves") == bob.receive()


@pytest.mark.parametrize("kind", ["say", "act", "tell"])
def test_j27_a_text_has_at_most_4096_bytes_and_50_lines(room: Room, kind: str) -> None:
    ann = room.log_in_json("Ann")
    to = {"to": "Ann"} if kind == "tell" else {"room": "lobby"}
    for text in ("ä" * 2048, "x\n" * 49 + "x", '\\"' * 2048):
        assert ann.ask(kind, text=text, **to)["text"] == text
    for text in ("ä" * 2048 + "x", "x\n" * 50 + "x", "x" + " " * 4096, "\r\n" * 2048 + "x"):
        ann.request(kind, text=text, id=1, **to)
        ann.expect_error("too-long", re=1)


def test_j28_a_text_may_have_several_lines(room: Room) -> None:
    ann = room.log_in_json("Ann")
    assert ann.ask("say", room="lobby", text="a\r\nb\n\nc\n")["text"] == "a\nb\n\nc\n"


def test_j29_each_line_is_made_safe(room: Room) -> None:
    ann = room.log_in_json("Ann")
    text = "a\t \n\u202eb\x1b\u2028\n  \rc\u3000"
    assert ann.ask("say", room="lobby", text=text)["text"] == "a\n�b�\n  �c"
    for number in range(3):
        # Together they take the short way, and one by one the long one.
        ann.request("say", room="lobby", text="x " * number)
    ann.expect_error("bad-request")
    ann.expect("said", text="x")
    ann.expect("said", text="x x")


@pytest.mark.parametrize("text", ["", " ", "\t\u3000", "\n\n", " \r\n "])
@pytest.mark.parametrize("kind", ["say", "act", "tell"])
def test_j30_a_blank_text_gets_bad_request(room: Room, text: str, kind: str) -> None:
    ann = room.log_in_json("Ann")
    to = {"to": "Ann"} if kind == "tell" else {"room": "lobby"}
    ann.request(kind, text=text, id=1, **to)
    ann.expect_error("bad-request", re=1)


def test_j31_a_text_costs_as_many_lines_as_it_has(start: Starter) -> None:
    room = start.room("--quiet", "--rate", "40", "--burst", "10")
    ann = room.log_in_json("Ann")
    began = time.monotonic()
    ann.ask("say", room="lobby", text="x\n" * 49 + "x")
    ann.expect_quiet()
    # 52 lines, of which ten and those of the time since the login were free.
    assert time.monotonic() - began > 0.5


@pytest.mark.parametrize("where", ["j32", "nowhere", "a:b", ""])
def test_j32_elsewhere_is_not_in_room(room: Room, where: str) -> None:
    ann = room.log_in_json("Ann")
    room.log_in_json("Bob", "j32")
    for type_, fields in (
        ("say", {"text": "x"}),
        ("act", {"text": "x"}),
        ("topic", {"text": "x"}),
        ("leave", {}),
    ):
        ann.request(type_, room=where, id=1, **fields)
        ann.expect_error("not-in-room", re=1)


def test_j33_numbers_grow_and_never_come_twice(room: Room) -> None:
    ann = room.log_in_json("Ann", "lobby", "j33")
    last = {"lobby": 0, "j33": 0}
    for turn in range(3):
        ann.peer.say(
            *[json.dumps({"type": "say", "room": "j33", "text": f"{turn}"})] * 3,
            '{"type": "act", "room": "j33", "text": "x"}',
            '{"type": "topic", "room": "j33", "text": ""}',
            '{"type": "leave", "room": "j33"}',
            '{"type": "say", "room": "lobby", "text": "x"}',
            '{"type": "join", "room": "j33"}',
        )
        events = heard(ann, "x")
        assert len(events) == 8
        for event in events:
            number = event["last"] if "last" in event else event["number"]
            assert number > last[event["room"]]
            last[event["room"]] = number


def test_j34_members_of_both_formats_see_one_order(room: Room) -> None:
    ann, bob = room.log_in_json("Ann"), room.log_in("Bob")
    bob.expect("*** welcome, Bob (2 here: Ann, Bob)")
    ann.expect("joined", name="Bob")
    watcher = room.log_in("Cid")
    watcher.expect("*** welcome, Cid (3 here: Ann, Bob, Cid)")
    ann.expect("joined")
    bob.expect("*** Cid joined (3 here)")
    for number in range(50):
        bob.say(f"b{number}")
        ann.request("say", room="lobby", text=f"a{number}")
    lines = [watcher.read() for _ in range(100)]
    events = [ann.receive() for _ in range(100)]
    assert [f"{event['name']}: {event['text']}" for event in events] == lines
    assert [bob.read() for _ in range(50)] == [line for line in lines if line[0] == "A"]


# Rooms


def test_j35_joining_is_answered_by_entered_and_told_to_the_others(room: Room) -> None:
    ann = room.log_in_json("Ann", "lobby", "j35")
    bob = room.log_in_json("Bob", "j35")
    ann.expect("joined", room="j35", name="Bob", count=2)
    cid = room.log_in_json("Cid", "lobby")
    ann.expect("joined", room="lobby")
    entered = cid.ask("join", room="J35")
    assert entered["type"] == "entered"
    assert entered["members"] == ["Ann", "Bob", "Cid"]
    for other in (ann, bob):
        joined = other.expect("joined", room="j35", name="Cid", count=3)
        assert joined["number"] == entered["last"]
    cid.expect_quiet()


def test_j36_joining_again_is_no_event(room: Room) -> None:
    ann, bob = room.log_in_json("Ann"), room.log_in_json("Bob")
    ann.expect("joined")
    entered = ann.ask("join", room="lobby")
    assert (entered["type"], entered["count"]) == ("entered", 2)
    assert ann.ask("say", room="lobby", text="x")["number"] == entered["last"] + 1
    bob.expect("said")


def test_j37_after_leaving_nothing_of_the_room_comes(room: Room) -> None:
    ann, bob = room.log_in_json("Ann", "lobby", "j37"), room.log_in_json("Bob", "j37")
    ann.expect("joined")
    left = ann.ask("leave", room="j37")
    assert left["reason"] == "left"
    bob.request("say", room="j37", text="x")
    bob.expect("left", name="Ann", count=1, re=None)
    bob.expect("said")
    ann.expect_quiet()


def test_j38_a_departure_has_a_reason(room: Room) -> None:
    ann = room.log_in_json("Ann")
    for reason, line in {"quit": "q", "moved": "/join j38", "lost": ""}.items():
        bob = room.log_in(f"Bob{reason}")
        bob.expect(f"*** welcome, Bob{reason} (2 here: Ann, Bob{reason})")
        ann.expect("joined")
        if line:
            bob.say(line)
        else:
            bob.finish()
        ann.expect("left", room="lobby", name=f"Bob{reason}", count=1, reason=reason)
    for reason, request in {"quit": ("quit", {}), "left": ("leave", {"room": "lobby"})}.items():
        cid = room.log_in_json(f"Cid{reason}")
        ann.expect("joined")
        cid.request(request[0], **request[1])
        ann.expect("left", name=f"Cid{reason}", reason=reason)


@pytest.mark.parametrize("name", ["#j39", "a b", "", "x" * 33, "l0bby"])
def test_j39_an_unfit_room_gets_name_refused(room: Room, name: str) -> None:
    ann = room.log_in_json("Ann")
    ann.request("join", room=name, id=1)
    ann.expect_error("name-refused", re=1)
    assert ann.ask("join", room="J39Ü")["room"] == "j39ü"


def test_j40_a_member_is_in_a_hundred_rooms_at_most(room: Room) -> None:
    ann = room.log_in_json("Ann")
    for number in range(99):
        assert ann.ask("join", room=f"j40-{number}")["type"] == "entered"
    ann.request("join", room="j40", id=1)
    ann.expect_error("too-many-rooms", re=1)


def test_j40_the_server_has_so_many_rooms_at_most(start: Starter) -> None:
    room = start.room("--quiet", "--max-rooms", "2")
    ann = room.log_in_json("Ann")
    assert ann.ask("join", room="one")["type"] == "entered"
    ann.request("join", room="two", id=1)
    ann.expect_error("too-many-rooms", re=1)


def test_j41_a_topic_is_set_and_removed(room: Room) -> None:
    ann, bob = room.log_in_json("Ann", "j41"), room.log_in_json("Bob", "j41")
    ann.expect("joined")
    for text in ("green", ""):
        topic = ann.ask("topic", room="j41", text=text)
        assert (topic["type"], topic["name"], topic["text"]) == ("topic", "Ann", text)
        bob.expect("topic", room="j41", text=text, number=topic["number"], re=None)
        assert ann.ask("join", room="j41")["topic"] == text


def test_j42_a_topic_is_one_line_of_at_most_390_bytes(room: Room) -> None:
    ann = room.log_in_json("Ann", "j42")
    assert ann.ask("topic", room="j42", text="ä" * 195)["text"] == "ä" * 195
    wrong = {"ä" * 195 + "x": "too-long", "a\nb": "bad-request", " ": "bad-request"}
    for text, code in wrong.items():
        ann.request("topic", room="j42", text=text, id=1)
        ann.expect_error(code, re=1)


def test_j43_who_lists_the_members(room: Room) -> None:
    ann = room.log_in_json("Ann")
    room.log_in_json("Bob", "j43")
    room.log_in_json("Cid", "j43")
    members = ann.ask("who", room="J43")
    assert members == {"type": "members", "re": "ask", "room": "j43", "members": ["Bob", "Cid"]}


@pytest.mark.parametrize("name", ["nowhere", "a:b", ""])
def test_j44_who_of_a_room_that_does_not_exist_gets_no_such_room(room: Room, name: str) -> None:
    ann = room.log_in_json("Ann")
    ann.request("who", room=name, id=1)
    ann.expect_error("no-such-room", re=1)


def test_j45_rooms_lists_the_rooms(start: Starter) -> None:
    room = start.room("--quiet")
    ann = room.log_in_json("Ann", "b", "a")
    room.log_in_json("Bob", "b")
    ann.expect("joined")
    ann.ask("topic", room="a", text="T")
    assert ann.ask("rooms")["rooms"] == [
        {"room": "lobby", "topic": "", "count": 0},
        {"room": "b", "topic": "", "count": 2},
        {"room": "a", "topic": "T", "count": 1},
    ]


# Names, and messages to one member


def test_j46_a_new_name_is_told_in_each_room(room: Room) -> None:
    ann = room.log_in_json("Ann", "lobby", "j46")
    bob = room.log_in_json("Bob", "j46")
    ann.expect("joined")
    ann.request("nick", name="Anna", id=1)
    ann.expect("renamed", re=1, room="lobby", name="Ann", to="Anna")
    renamed = ann.expect("renamed", re=1, room="j46", name="Ann", to="Anna")
    bob.expect("renamed", re=None, room="j46", to="Anna", number=renamed["number"])
    bob.expect_quiet()
    assert ann.ask("say", room="j46", text="x")["name"] == "Anna"


def test_j47_where_nobody_is_told_nick_gets_done(room: Room) -> None:
    ann = room.log_in_json("Ann")
    assert ann.ask("nick", name="Ann")["type"] == "done"
    ann.ask("leave", room="lobby")
    assert ann.ask("nick", name="Anna")["type"] == "done"
    room.log_in_json("Ann")


def test_j48_a_new_name_may_be_refused(room: Room) -> None:
    ann, _ = room.log_in_json("Ann"), room.log_in_json("Bob")
    ann.expect("joined")
    for name, code in (("BOB", "name-taken"), ("Воb", "name-taken"), ("q", "name-refused")):
        ann.request("nick", name=name, id=1)
        ann.expect_error(code, re=1)


def test_j49_a_private_message_goes_to_two(room: Room) -> None:
    ann, bob = room.log_in_json("Ann"), room.log_in_json("Bob", "j49")
    cid = room.log_in_json("Cid")
    ann.expect("joined")
    receipt = ann.ask("tell", to="BOB", text="a\nb")
    told = bob.expect("told", re=None, to="Bob", text="a\nb")
    assert told["from"] == "Ann"
    del receipt["re"]
    assert receipt == told
    ann.request("tell", to="Bob", text="x")
    assert ann.receive() == bob.receive()
    cid.expect_quiet()


def test_j50_private_numbers_are_the_receivers(room: Room) -> None:
    ann, bob, cid = (room.log_in_json(name, f"j50{name.lower()}") for name in ("Ann", "Bob", "Cid"))
    for number, sender in enumerate((ann, cid, ann), start=1):
        assert sender.ask("tell", to="Bob", text="x")["number"] == number
        bob.expect("told", number=number)
    assert bob.ask("tell", to="Ann", text="x")["number"] == 1


@pytest.mark.parametrize("name", ["Zed", "a:b", "", "q"])
def test_j51_a_message_to_nobody_gets_no_such_member(room: Room, name: str) -> None:
    ann = room.log_in_json("Ann")
    ann.request("tell", to=name, text="x", id=1)
    ann.expect_error("no-such-member", re=1)


def test_j52_a_message_to_oneself_comes_once(room: Room) -> None:
    ann = room.log_in_json("Ann")
    assert ann.ask("tell", to="ann", text="x")["type"] == "told"
    ann.expect_quiet()


# The rest


def test_j53_ping_gets_pong(room: Room) -> None:
    ann = room.log_in_json("Ann")
    assert ann.ask("ping") == {"type": "pong", "re": "ask"}
    ann.request("ping")
    assert ann.receive() == {"type": "pong"}


def test_j54_quit_closes_once_all_before_is_answered(room: Room) -> None:
    ann = room.log_in_json("Ann")
    ann.peer.say(
        '{"type": "say", "room": "lobby", "text": "x", "id": 1}',
        '{"type": "who", "room": "lobby", "id": 2}',
        '{"type": "quit", "id": 3}',
        '{"type": "ping", "id": 4}',
    )
    ann.expect("said", re=1)
    ann.expect("members", re=2)
    ann.peer.expect_end()


def test_j55_the_past_is_not_available(room: Room) -> None:
    ann = room.log_in_json("Ann")
    for type_, fields in (
        ("history", {"room": "lobby"}),
        ("history", {"room": "lobby", "before": 5, "limit": 500}),
        ("history", {"room": "lobby", "after": 0, "limit": 1}),
        ("search", {"text": "x"}),
        ("search", {"text": "x", "room": "lobby", "name": "Bob", "before": 1, "limit": 5}),
        ("remove", {"room": "lobby", "number": 1}),
    ):
        ann.request(type_, id=1, **fields)
        ann.expect_error("unavailable", re=1)


def test_j56_dropped_lines_are_told_in_their_place(start: Starter) -> None:
    room = start.room("--quiet", "--max-waiting", "20000")
    ann, slow = room.log_in_json("Ann"), room.log_in_json("Slow")
    ann.expect("joined")
    text = "x" * 4000
    sent = 3000
    for number in range(sent):
        ann.request("say", room="lobby", text=f"{number} {text}")
        ann.expect("said")
    ann.request("say", room="lobby", text="last")
    missed = said = 0
    next_one = 0
    while (event := slow.receive()).get("text") != "last":
        if event["type"] == "missed":
            missed += event["count"]
            next_one += event["count"]
        else:
            assert event["text"].startswith(f"{next_one} ")
            said += 1
            next_one += 1
    assert missed
    assert missed + said == sent


def test_j57_a_drain_is_told_to_members_and_strangers(start: Starter) -> None:
    room = start.room("--quiet")
    ann = room.log_in_json("Ann")
    stranger = room.connect_json()
    stranger.expect_quiet()
    room.program.drain()
    ann.expect("closing", reason="server is closing")
    ann.peer.expect_end()
    stranger.expect_error("closing")
    stranger.peer.expect_end()


def test_j58_a_deadline_gets_timeout(start: Starter) -> None:
    room = start.room("--forever", "--quiet", "--login-timeout", "0.5", "--idle-timeout", "0.5")
    ann = room.log_in_json("Ann")
    stranger = room.connect_json()
    stranger.request("ping")
    stranger.expect("pong")
    stranger.expect_error("timeout")
    stranger.peer.expect_end()
    ann.expect_error("timeout")
    ann.peer.expect_end()


def test_j59_everything_is_valid_by_the_schema(room: Room) -> None:
    # Each test of this file checks each line. Here is one that is not.
    from json_schema import check_said

    check_said('{"type": "pong", "re": "x"}')
    for wrong in ("{}", '{"type": "pong", "x": 1}', '{"type": "done", "re": ""}'):
        with pytest.raises(AssertionError):
            check_said(wrong)
