"""The chat in JSON lines: J1 to J92 of docs/protocol.md."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

import json_schema
from json_peer import JSONPeer
from peer import Peer
from service import Room, Starter

NAMES_OF_ROOMS = itertools.count(1)
MOST = 2**53
TEXTS = ("say", "act", "tell")
PLAIN_LIMIT = 4096
LIMIT = 16384


class JSONRoom:
    """A running chat, and peers of it that speak JSON lines."""

    def __init__(self, room: Room) -> None:
        self.room = room

    def connect(self, name: str = "somebody") -> JSONPeer:
        """Connect, and say nothing yet."""
        return self.room.connect_json(name)

    def log_in(self, name: str, **fields: Any) -> JSONPeer:
        """Connect and log in; read no answer."""
        peer = self.connect(name)
        peer.request("login", name=name, **fields)
        return peer

    def join(self, *names: str, **fields: Any) -> list[JSONPeer]:
        """Let members log in one after the other, each into the lobby or these rooms.

        They are alone there, and hear of each other here.
        """
        members: list[JSONPeer] = []
        for name in names:
            peer = self.log_in(name, **fields)
            peer.expect("welcome", name=name)
            for room in fields.get("rooms", ["lobby"]):
                peer.expect("entered", room=room, count=len(members) + 1)
                for other in members:
                    other.expect("joined", room=room, name=name, count=len(members) + 1)
            members.append(peer)
        return members


@pytest.fixture
def chat(room: Room) -> JSONRoom:
    """The shared chat. It is empty when the test begins."""
    return JSONRoom(room)


@pytest.fixture
def place() -> str:
    """A room that no other test has used."""
    return f"place{next(NAMES_OF_ROOMS)}"


@pytest.fixture
def ann(chat: JSONRoom) -> JSONPeer:
    """The only member, in the lobby."""
    (ann,) = chat.join("Ann")
    return ann


@pytest.fixture
def pair(chat: JSONRoom) -> list[JSONPeer]:
    """Ann and Bob, in the lobby."""
    return chat.join("Ann", "Bob")


def meet(chat: JSONRoom, plain: str, *names: str) -> tuple[Peer, list[JSONPeer]]:
    """Let a plain member and then JSON members join the lobby."""
    (peer,) = chat.room.join(plain)
    members: list[JSONPeer] = []
    for count, name in enumerate(names, start=2):
        member = chat.log_in(name)
        member.expect("welcome")
        member.expect("entered", count=count)
        peer.expect(f"*** {name} joined ({count} here)")
        for other in members:
            other.expect("joined", name=name)
        members.append(member)
    return peer, members


# Which format a connection speaks


@pytest.mark.parametrize("first", ['{"type":"ping"}', "{}", ' {"x":1}', '{"type":"dance"}'])
def test_j1_a_first_line_that_is_a_json_object_begins_json_lines(
    chat: JSONRoom, first: str
) -> None:
    peer = chat.connect()
    peer.say_raw(first)
    peer.receive()
    peer.expect_quiet()


@pytest.mark.parametrize("first", ["[]", '"Ann"', "7", "{Ann", "{}{}", '{"type":"ping"'])
def test_j1_any_other_first_line_is_a_name(chat: JSONRoom, first: str) -> None:
    peer = chat.connect()
    peer.say_raw(first)
    if first.startswith("{"):
        # No name begins so.
        peer.peer.expect_error()
    else:
        peer.peer.expect(f"*** welcome, {first} (1 here: {first})")


def padded(size: int, **fields: Any) -> str:
    """Return a request of so many bytes."""
    bare = len(json.dumps({**fields, "x": ""}))
    return json.dumps({**fields, "x": "x" * (size - bare)})


def test_j2_a_json_line_has_at_most_16384_bytes(chat: JSONRoom) -> None:
    peer = chat.connect()
    peer.say_raw(padded(LIMIT, type="ping", id=1))
    peer.expect_only("pong", re=1)
    peer.say_raw(padded(LIMIT, type="ping", id=2))
    peer.expect_only("pong", re=2)
    peer.say_raw(padded(LIMIT + 1, type="ping", id=3))
    peer.expect_error("bad-line")
    peer.request("login", name="Ann")
    peer.expect("welcome")
    peer.expect("entered")
    peer.say_raw(padded(LIMIT, type="ping", id=4))
    peer.expect_only("pong", re=4)
    peer.say_raw(padded(LIMIT + 1, type="ping", id=5))
    peer.expect_error("bad-line")
    peer.expect_quiet()


def test_j2_the_limit_is_four_times_that_of_other_lines(start: Starter) -> None:
    chat = JSONRoom(start.room("--max-line", "100", "--forever"))
    (ann,) = chat.join("Ann")
    ann.say_raw(padded(400, type="ping", id=1), padded(401, type="ping", id=2))
    ann.expect_only("pong", re=1)
    ann.expect_error("bad-line")


def test_j2_a_plain_line_is_no_longer_than_before(chat: JSONRoom) -> None:
    plain, _ = meet(chat, "Pat")
    plain.ask("x" * (PLAIN_LIMIT + 1), f"error: line is longer than {PLAIN_LIMIT} bytes")
    # Not even one that looks like JSON, for it is not the first.
    plain.ask("{" + "x" * PLAIN_LIMIT, f"error: line is longer than {PLAIN_LIMIT} bytes")


def test_j3_every_line_is_an_object_with_its_type_first(pair: list[JSONPeer]) -> None:
    ann, bob = pair
    # Each `read` sees to that.
    for peer in pair:
        peer.say_raw("", "x", "[]", "{}", '{"type":"dance"}')
        peer.request("who", room="lobby")
        for _ in range(5):
            peer.receive()
    bob.peer.send(b"\xff\n")
    bob.expect_error("bad-line")
    ann.expect_quiet()
    bob.expect_quiet()


def test_j4_a_full_server_says_so_in_plain_words(start: Starter) -> None:
    room = start.room("--max-clients", "1", "--forever")
    chat = JSONRoom(room)
    chat.join("Ann")
    bob = chat.connect()
    bob.peer.expect("error: server is full")
    bob.expect_end()


def test_j5_members_of_both_formats_hear_each_other(chat: JSONRoom) -> None:
    plain, (ann,) = meet(chat, "Pat", "Ann")
    plain.say("hello", "/me waves")
    ann.expect("said", name="Pat", text="hello")
    ann.expect("acted", name="Pat", text="waves")
    ann.request("say", room="lobby", text="hi")
    ann.request("act", room="lobby", text="nods")
    plain.expect("Ann: hi", "* Ann nods")
    plain.ask("/who", "*** 2 here: Pat, Ann")
    ann.expect("said", text="hi")
    ann.expect("acted", text="nods")
    ann.quit()
    plain.expect("*** Ann left (1 here)")


def test_j6_a_plain_member_gets_a_text_as_several_lines(chat: JSONRoom) -> None:
    plain, (ann,) = meet(chat, "Pat", "Ann")
    ann.request("say", room="lobby", text="one\n\n two")
    ann.request("act", room="lobby", text="one\ntwo")
    plain.expect("Ann: one", "Ann: ", "Ann:  two", "* Ann one", "* Ann two")


@pytest.mark.parametrize("line", ["q", " q", "/quit", "/who"])
def test_j7_the_commands_of_the_plain_format_mean_nothing(ann: JSONPeer, line: str) -> None:
    ann.say_raw(line)
    ann.expect_error("bad-json")
    ann.expect_quiet()


# Requests


def test_j8_a_request_is_an_object_with_a_type(ann: JSONPeer) -> None:
    ann.say_raw(' { "id" : 1 ,\t"type" : "ping" } \r')
    ann.expect_only("pong", re=1)
    ann.say_raw('{"\\u0074ype":"pin\\u0067"}')
    ann.expect_only("pong")


def test_j9_a_blank_line_is_ignored(chat: JSONRoom) -> None:
    peer = chat.connect()
    peer.say_raw("{}")
    peer.expect_error("bad-request")
    peer.say_raw("", " \t", "\r", "\u3000")
    peer.expect_quiet()
    peer.request("login", name="Ann")
    peer.expect("welcome")
    peer.expect("entered")
    peer.say_raw("", " \t", "\r", "\u3000")
    peer.expect_quiet()


def test_j10_unknown_fields_are_ignored(ann: JSONPeer) -> None:
    ann.request("ping", x={"y": [1, None, {}]}, re=7, room=5)
    ann.expect_only("pong")


@pytest.mark.parametrize(
    "fields",
    [
        '"type":"say","room":5,"text":"x"', '"type":"say","room":"lobby","text":5',
        '"type":"remove","room":"lobby","number":"7"',
        '"type":"remove","room":"lobby","number":true',
        '"type":"remove","room":"lobby","number":1.0',
        '"type":"remove","room":"lobby","number":1e2',
        '"type":"nick","name":["Anna"]',
    ],
)  # fmt: skip
def test_j11_a_field_of_the_wrong_kind_is_refused(ann: JSONPeer, fields: str) -> None:
    ann.say_raw(f'{{"id":1,{fields}}}')
    ann.expect_error("bad-request", re=1)


def test_j12_an_integer_is_within_two_to_the_53rd(ann: JSONPeer) -> None:
    for number in (MOST, -MOST):
        assert ann.ask("history", room="lobby", before=number)["type"] == "history"
    for number in (MOST + 1, -MOST - 1, 10**400):
        ann.refused("bad-request", "history", room="lobby", before=number)


def test_j13_null_is_the_same_as_to_leave_a_field_out(chat: JSONRoom, ann: JSONPeer) -> None:
    ann.request("ping", id=None)
    ann.expect_only("pong")
    history = ann.ask("history", room="lobby", before=None, after=MOST, limit=None)
    assert history["events"] == []
    ann.refused("bad-request", "say", room="lobby", text=None)
    bob = chat.log_in("Bob", rooms=None, token=None, hold=None, seen=None, epoch=None)
    bob.expect("welcome")
    bob.expect("entered", room="lobby")


def test_j14_of_a_field_that_stands_twice_the_last_counts(ann: JSONPeer) -> None:
    ann.say_raw('{"type":"ping","id":1,"id":2}')
    ann.expect_only("pong", re=2)
    ann.say_raw('{"type":"ping","type":"quit","id":3}')
    ann.expect_error("bad-request", re=3)


@pytest.mark.parametrize("id_", ["x", "é" * 64, "\x00", 0, MOST, -MOST])
def test_j15_answers_have_the_id_as_re(ann: JSONPeer, id_: object) -> None:
    ann.request("ping", id=id_)
    ann.expect_only("pong", re=id_)
    ann.request("say", room="lobby", text="x", id=id_)
    ann.expect("said", re=id_)
    ann.request("who", room="nowhere", id=id_)
    ann.expect_error("no-such-room", re=id_)


def test_j15_messages_that_come_together_each_have_their_own(pair: list[JSONPeer]) -> None:
    ann, bob = pair
    ids = [1, None, "x", 1, None]
    lines = [
        {"type": "say", "room": "lobby", "text": f"{number}", "id": id_}
        for number, id_ in enumerate(ids)
    ]
    ann.say_raw(*map(json.dumps, lines))
    for number, id_ in enumerate(ids):
        ann.expect("said", text=f"{number}", re=id_)
        bob.expect("said", text=f"{number}", re=None)


def test_j16_re_is_in_no_other_line(pair: list[JSONPeer]) -> None:
    ann, bob = pair
    ann.request("say", room="lobby", text="one", id=1)
    ann.request("say", room="lobby", text="two")
    assert "re" in ann.expect("said", text="one")
    assert "re" not in ann.expect("said", text="two")
    for _ in range(2):
        assert "re" not in bob.expect("said", name="Ann")
    ann.request("tell", to="Bob", text="x", id=2)
    assert "re" not in bob.expect("told")


def test_j17_answers_come_in_the_order_of_the_requests(chat: JSONRoom, place: str) -> None:
    peer = chat.connect()
    requests: list[dict[str, Any]] = [
        {"type": "login", "name": "Ann", "rooms": []},
        {"type": "ping"},
        {"type": "join", "room": place},
        {"type": "say", "room": place, "text": "x"},
        {"type": "who", "room": place},
        {"type": "dance"},
        {"type": "say", "room": place, "text": "y"},
        {"type": "nick", "name": "Anna"},
        {"type": "topic", "room": place, "text": ""},
        {"type": "rooms"},
        {"type": "leave", "room": place},
        {"type": "say", "room": place, "text": "z"},
        {"type": "ping"},
    ]
    peer.say_raw(*(json.dumps({**one, "id": number}) for number, one in enumerate(requests)))
    answers = [peer.receive() for _ in requests]
    assert [one["re"] for one in answers] == list(range(len(requests)))
    assert [one["type"] for one in answers] == [
        "welcome", "pong", "entered", "said", "members", "error", "said", "renamed", "topic",
        "rooms", "left", "error", "pong",
    ]  # fmt: skip


# Mistakes


def test_j18_a_request_that_is_refused_changes_nothing(pair: list[JSONPeer]) -> None:
    ann, bob = pair
    for _ in range(20):
        ann.refused("bad-request", "say", room="lobby")
        ann.refused("not-in-room", "say", room="nowhere", text="x")
        ann.refused("name-taken", "nick", name="Bob")
    ann.expect_quiet()
    bob.expect_quiet()


@pytest.mark.parametrize(
    "line",
    [
        "x", "[1]", '"x"', "7", "null", "{", '{"type":"ping",}', '{"type":"ping"} {"type":"ping"}',
        '{"type":"ping","id":NaN}', "{'type':'ping'}", '{"type":"ping","id":"\\ud800"}',
        '{"type":"say","room":"lobby","text":"\\udc00"}', "[" * 16000,
        '{"type":"ping","x":' + "[" * 5000 + "]" * 5000 + "}", '{"type":"ping","x":"a\tb"}',
    ],
)  # fmt: skip
def test_j19_what_is_not_a_json_object_is_bad_json(ann: JSONPeer, line: str) -> None:
    ann.say_raw(line)
    ann.expect_error("bad-json")
    ann.expect_quiet()


def test_j19_two_objects_on_one_line_and_one_on_two_lines_are_no_object(
    ann: JSONPeer,
) -> None:
    say = '{"type":"say","room":"lobby","text":"x"}'
    ann.say_raw(say, f"{say}{say}", say)
    ann.expect("said")
    ann.expect_error("bad-json")
    ann.expect("said")
    ann.say_raw('{"type":"say",', '"room":"lobby","text":"x"}')
    ann.expect_error("bad-json")
    ann.expect_error("bad-json")
    ann.expect_quiet()


def test_j20_a_line_that_is_not_a_line_is_a_bad_line(ann: JSONPeer) -> None:
    ann.peer.send(b'{"type":"ping","id":"\xff"}\n')
    ann.expect_error("bad-line")
    ann.peer.send(b"x" * (LIMIT + 1))
    ann.expect_error("bad-line")
    ann.peer.send(b"x" * 100 + b"\n")
    ann.expect_quiet()
    ann.peer.send(b"x" * 1_048_576)
    ann.expect_error("bad-line")
    ann.expect_error("bad-line")
    ann.expect_end()


@pytest.mark.parametrize(
    "id_", ["{}", "[]", "true", "1.5", "1.0", '""', '"' + "x" * 65 + '"', str(MOST + 1), "9" * 400]
)
def test_j21_an_unusable_id_is_a_bad_request(ann: JSONPeer, id_: str) -> None:
    ann.say_raw(f'{{"type":"ping","id":{id_}}}')
    ann.expect_error("bad-request")
    # Whatever else is wrong: the type, or what the type asks for.
    ann.say_raw(f'{{"type":"dance","id":{id_}}}')
    ann.expect_error("bad-request")
    ann.say_raw(f'{{"type":"say","room":"nowhere","text":"x","id":{id_}}}')
    ann.expect_error("bad-request")


@pytest.mark.parametrize("type_", ["", '"type":5,', '"type":null,', '"type":["ping"],'])
def test_j22_a_request_without_a_type_is_a_bad_request(ann: JSONPeer, type_: str) -> None:
    ann.say_raw(f'{{{type_}"id":1}}')
    ann.expect_error("bad-request", re=1)


@pytest.mark.parametrize("type_", ["dance", "Say", "", "said", "x" * 16000])
def test_j23_any_other_type_is_unknown(ann: JSONPeer, type_: str) -> None:
    assert len(ann.refused("unknown-type", type_)["reason"]) < 200


def test_j24_a_request_without_its_fields_is_a_bad_request(ann: JSONPeer) -> None:
    for type_ in json_schema.request_types():
        if type_ not in ("rooms", "ping", "quit"):
            ann.refused("bad-request", type_)
    ann.refused("bad-request", "say", text="x")
    ann.refused("bad-request", "tell", to="Ann")


# Texts


def to_all(ann: JSONPeer, type_: str, text: str) -> str:
    """Say, act or tell a text to everyone in the lobby or to oneself, and return what is heard."""
    ann.request(type_, room="lobby", to="Ann", text=text)
    heard: str = ann.receive()["text"]
    return heard


@pytest.mark.parametrize("type_", TEXTS)
def test_j25_a_text_has_at_most_4096_bytes(ann: JSONPeer, type_: str) -> None:
    for text in ("x" * 4096, "é" * 2048, "\U0001f600" * 1024):
        assert to_all(ann, type_, text) == text
    for text in ("x" * 4097, "é" * 2048 + "x", "\U0001f600" * 1024 + "x", "x" * 10_000):
        ann.refused("too-long", type_, room="lobby", to="Ann", text=text)


def test_j25_escapes_do_not_count(ann: JSONPeer) -> None:
    escaped = "".join(f"\\u{ord(one):04x}" for one in "Aé" * 1000)
    ann.say_raw(f'{{"type":"say","room":"lobby","text":"{escaped}"}}')
    ann.expect("said", text="Aé" * 1000)


@pytest.mark.parametrize("type_", TEXTS)
def test_j26_a_text_has_at_most_50_lines(ann: JSONPeer, type_: str) -> None:
    text = "\n".join("x" * 50)
    assert to_all(ann, type_, text) == text
    ann.refused("too-long", type_, room="lobby", to="Ann", text=text + "\nx")


def test_j27_cr_lf_is_lf(ann: JSONPeer) -> None:
    assert to_all(ann, "say", "one\r\ntwo\r\n\r\nthree") == "one\ntwo\n\nthree"


@pytest.mark.parametrize("type_", TEXTS)
def test_j28_each_line_of_a_text_is_safe_to_show(ann: JSONPeer, type_: str) -> None:
    for sent, heard in (
        ("  two  ", "  two"),
        ("one \t\n two\u2003\nx", "one\n two\nx"),
        ("a\tb", "a    b"),
        ("bell\x07 esc\x1b[31m\x7f\x85x", "bell� esc�[31m��x"),
        ("a\u2028b\u202ec\u200bd", "a�b�c�d"),
        ("a\rb", "a�b"),
        ("x" + "\u0301" * 9, "x" + "\u0301" * 8 + "�"),
        ("\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb"),
        ("\U0001f469\u200d\n\U0001f4bb", "\U0001f469�\n\U0001f4bb"),
    ):
        assert to_all(ann, type_, sent) == heard


def test_j29_blank_lines_at_the_end_are_dropped(ann: JSONPeer) -> None:
    assert to_all(ann, "say", "\none\n\ntwo\n \n\r\n") == "\none\n\ntwo"


@pytest.mark.parametrize("text", ["", " ", "\t\u3000", "\n", " \r\n \n"])
def test_j30_a_blank_text_is_a_bad_request(ann: JSONPeer, text: str) -> None:
    for type_ in TEXTS:
        ann.refused("bad-request", type_, room="lobby", to="Ann", text=text)


def test_j31_each_line_of_a_text_counts(start: Starter) -> None:
    chat = JSONRoom(start.room("--rate", "100", "--burst", "50", "--forever"))
    (ann,) = chat.join("Ann")
    began = time.monotonic()
    for _ in range(4):
        ann.request("say", room="lobby", text="\n".join("x" * 50))
        ann.expect("said")
    assert time.monotonic() - began > 0.9, "100 lines over the burst take a second"


# Logging in


def test_j32_a_login_asks_for_a_name_by_the_rules_of_the_plain_format(chat: JSONRoom) -> None:
    ann = chat.log_in(" Ａｎｎ\t")
    ann.expect("welcome", name="Ann")
    plain = chat.room.log_in("ann")
    plain.expect_error()
    for name in ("ANN", "аnn"):
        peer = chat.log_in(name)
        peer.expect_error("name-taken")


def test_j33_the_answer_is_welcome(chat: JSONRoom) -> None:
    ann = chat.log_in("Ann", id=1)
    welcome = ann.expect("welcome", name="Ann", resumed=False, re=1)
    assert set(welcome) == {"type", "name", "token", "epoch", "resumed", "re"}
    bob = chat.log_in("Bob")
    assert bob.expect("welcome")["token"] != welcome["token"]


def test_j34_then_comes_what_each_room_is_like(chat: JSONRoom, place: str) -> None:
    ann = chat.log_in("Ann", rooms=["lobby", place], id=1)
    ann.expect("welcome", re=1)
    entered = ann.expect("entered", room="lobby", topic="", members=["Ann"], count=1, re=1)
    assert set(entered) == {"type", "room", "topic", "members", "count", "last", "re"}
    ann.expect("entered", room=place, topic="", members=["Ann"], count=1, re=1)
    ann.expect_quiet()


def test_j35_entered_has_the_first_20_members_and_ones_own_number(chat: JSONRoom) -> None:
    names = [f"m{number}" for number in range(25)]
    members: list[JSONPeer] = []
    for count, name in enumerate(names, start=1):
        peer = chat.log_in(name)
        peer.expect("welcome")
        entered = peer.expect("entered", members=names[: min(count, 20)], count=count)
        for other in members:
            assert other.expect("joined", name=name)["number"] == entered["last"]
        members.append(peer)


def test_j36_rooms_says_which_rooms_to_join(chat: JSONRoom, place: str) -> None:
    ann = chat.log_in("Ann")
    ann.expect("welcome")
    ann.expect("entered", room="lobby")
    bob = chat.log_in("Bob", rooms=[])
    bob.expect("welcome")
    bob.expect_quiet()
    cid = chat.log_in("Cid", rooms=[place])
    cid.expect("welcome")
    cid.expect("entered", room=place)
    for peer in (ann, cid):
        peer.expect_quiet()
    chat.connect().refused("bad-request", "login", name="Dan", rooms=["lobby"] * 201)
    chat.log_in("Dan", rooms=["lobby"] * 200).expect("welcome")


def test_j37_the_lobby_comes_first_and_doubles_count_once(chat: JSONRoom, place: str) -> None:
    ann = chat.log_in("Ann", rooms=[f"{place}b", f"{place}a", "Lobby", f"{place}B", "lobby"])
    ann.expect("welcome")
    for room in ("lobby", f"{place}b", f"{place}a"):
        ann.expect("entered", room=room, count=1)
    ann.expect_quiet()


def test_j38_a_room_that_cannot_be_joined_is_told_after_the_others(
    chat: JSONRoom, place: str
) -> None:
    (bob,) = chat.join("Bob", rooms=[place])
    imitation = place.replace("a", "а")
    ann = chat.log_in("Ann", rooms=["bad name", "lobby", imitation, ""], id=1)
    ann.expect("welcome", re=1)
    ann.expect("entered", room="lobby", re=1)
    errors = [ann.expect_error("name-refused", re=1) for _ in range(3)]
    assert {one["room"] for one in errors} == {"bad name", imitation, ""}
    ann.expect_quiet()
    bob.expect_quiet()


def test_j38_the_101st_room_is_one_too_many(chat: JSONRoom) -> None:
    ann = chat.log_in("Ann", rooms=[f"r{number}" for number in range(102)], id=1)
    ann.expect("welcome")
    for number in range(100):
        ann.expect("entered", room=f"r{number}")
    for number in (100, 101):
        ann.expect_error("too-many-rooms", room=f"r{number}", re=1)


def test_j39_before_login_only_login_ping_and_quit_are_answered(chat: JSONRoom) -> None:
    peer = chat.connect()
    peer.request("ping", id=5)
    peer.expect_only("pong", re=5)
    for type_ in json_schema.request_types():
        if type_ not in ("login", "ping", "quit"):
            peer.refused("not-logged-in", type_)
    peer.refused("unknown-type", "dance")
    peer.say_raw('{"type":"who","id":true}')
    peer.expect_error("bad-request")
    peer.say_raw("x")
    peer.expect_error("bad-json")
    peer.request("quit")
    peer.expect_end()


def test_j40_after_a_refused_login_another_may_follow(chat: JSONRoom) -> None:
    chat.join("Ann")
    peer = chat.connect()
    for name in ("ann", "Ann"):
        peer.refused("name-taken", "login", name=name)
    for name in ("", "a b", "lobby", "Error", "*x", "x" * 33):
        peer.refused("name-refused", "login", name=name)
    peer.request("login", name="Bob")
    peer.expect("welcome")


def test_j41_the_tenth_refused_login_is_the_last(chat: JSONRoom) -> None:
    peer = chat.connect()
    # What is not a login does not count.
    for _ in range(20):
        peer.refused("not-logged-in", "rooms")
    for number in range(10):
        peer.request("login", name="q", id=number)
    for number in range(10):
        peer.expect_error("name-refused", re=number)
    peer.expect_end()


def test_j42_a_second_login_is_a_bad_request(ann: JSONPeer) -> None:
    ann.refused("bad-request", "login", name="Bob")
    ann.refused("bad-request", "login", name="Ann")


def test_j43_what_is_for_coming_back_has_its_type(chat: JSONRoom) -> None:
    ann = chat.log_in("Ann", hold=False, token="x" * 32, seen={}, epoch="old", password="p")
    ann.expect("welcome", name="Ann", resumed=False)
    ann.expect("entered")
    for wrong in ({"hold": 1}, {"token": 1}, {"seen": [1]}, {"seen": {"x": "1"}}, {"epoch": 1}):
        chat.connect().refused("bad-request", "login", name="Bob", **wrong)


def test_j44_the_epoch_is_the_same_for_all(chat: JSONRoom) -> None:
    epochs = {chat.log_in(name).expect("welcome")["epoch"] for name in ("Ann", "Bob")}
    assert len(epochs) == 1


def test_j44_a_room_that_begins_again_goes_on_with_its_numbers(ann: JSONPeer, place: str) -> None:
    last = 0
    for _ in range(3):
        ann.request("join", room=place)
        assert ann.expect("entered")["last"] > last
        ann.request("say", room=place, text="x")
        ann.expect("said")
        ann.request("leave", room=place)
        last = ann.expect("left")["number"]


# What happens in a room


def test_j45_a_member_hears_of_its_own_rooms_alone(chat: JSONRoom, place: str) -> None:
    ann, bob = chat.join("Ann", "Bob")
    ann.request("join", room=place)
    ann.expect("entered", room=place)
    ann.request("say", room=place, text="alone")
    ann.expect("said", room=place)
    bob.expect_quiet()
    bob.request("leave", room="lobby")
    bob.expect("left")
    ann.expect("left", room="lobby")
    ann.request("say", room="lobby", text="alone")
    ann.expect("said", room="lobby")
    bob.expect_quiet()


def everything(
    chat: JSONRoom, place: str
) -> tuple[list[json_schema.Event], list[json_schema.Event]]:
    """Let Ann do whatever can be done in a room; return what Bob and what she got of it."""
    ann, bob = chat.join("Ann", "Bob", rooms=[place])
    (cid,) = [chat.log_in("Cid", rooms=[place])]
    cid.expect("welcome")
    cid.expect("entered")
    mine = [ann.expect("joined")]
    seen = [bob.expect("joined")]
    ann.request("say", room=place, text="hello")
    ann.request("act", room=place, text="waves")
    ann.request("topic", room=place, text="green")
    ann.request("topic", room=place, text="")
    ann.request("nick", name="Anna")
    mine += [ann.receive() for _ in range(5)]
    seen += [bob.receive() for _ in range(5)]
    ann.request("leave", room=place)
    mine.append(ann.receive())
    seen.append(bob.receive())
    return seen, mine


def test_j46_each_event_has_room_number_time_and_name(chat: JSONRoom, place: str) -> None:
    seen, _ = everything(chat, place)
    types = ["joined", "said", "acted", "topic", "topic", "renamed", "left"]
    assert [one["type"] for one in seen] == types
    assert [one["name"] for one in seen] == ["Cid", "Ann", "Ann", "Ann", "Ann", "Ann", "Anna"]
    for event in seen:
        assert event["room"] == place
        assert isinstance(event["number"], int)
        assert event["time"]


def test_j47_numbers_grow_and_are_the_same_for_all(chat: JSONRoom, place: str) -> None:
    seen, mine = everything(chat, place)
    assert seen == mine
    numbers = [event["number"] for event in seen]
    assert numbers == sorted(set(numbers))


def test_j48_times_are_utc_with_milliseconds(chat: JSONRoom, place: str) -> None:
    seen, _ = everything(chat, place)
    times = [event["time"] for event in seen]
    assert times == sorted(times)
    for one in times:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one)


def test_j49_said_and_acted_have_a_text(pair: list[JSONPeer]) -> None:
    ann, bob = pair
    ann.request("say", room="lobby", text="hello")
    ann.request("act", room="lobby", text="waves")
    for type_, text in (("said", "hello"), ("acted", "waves")):
        event = bob.expect(type_, room="lobby", name="Ann", text=text)
        assert set(event) == {"type", "room", "number", "time", "name", "text"}


def test_j50_everyone_but_the_newcomer_is_told_who_joined(chat: JSONRoom) -> None:
    ann, bob = chat.join("Ann", "Bob")
    cid = chat.log_in("Cid")
    for peer in (ann, bob):
        event = peer.expect("joined", room="lobby", name="Cid", count=3)
        assert set(event) == {"type", "room", "number", "time", "name", "count"}
    cid.expect("welcome")
    cid.expect("entered")
    cid.expect_quiet()


def test_j51_left_says_why(chat: JSONRoom, place: str) -> None:
    (ann,) = chat.join("Ann")

    def come(name: str) -> JSONPeer:
        peer = chat.log_in(name)
        peer.expect("welcome")
        peer.expect("entered")
        ann.expect("joined", name=name, count=2)
        return peer

    come("Bob").quit()
    event = ann.expect("left", room="lobby", name="Bob", count=1, reason="quit")
    assert set(event) == {"type", "room", "number", "time", "name", "count", "reason"}
    bob = come("Bob")
    bob.request("leave", room="lobby")
    ann.expect("left", reason="left")
    bob.expect("left", reason="left")
    bob.quit()
    come("Cid").peer.close()
    ann.expect("left", name="Cid", reason="lost")
    come("Dan").peer.reset()
    ann.expect("left", name="Dan", reason="lost")
    eve = come("Eve")
    eve.peer.finish()
    ann.expect("left", name="Eve", reason="lost")
    for line, reason in (("q", "quit"), ("/quit", "quit"), (f"/join {place}", "moved")):
        plain = chat.room.log_in("Pat")
        ann.expect("joined", name="Pat")
        plain.say(line)
        ann.expect("left", name="Pat", count=1, reason=reason)


def test_j52_who_leaves_the_chat_leaves_each_room(chat: JSONRoom, place: str) -> None:
    ann, bob = chat.join("Ann", "Bob", rooms=["lobby", place])
    bob.quit()
    left = [ann.expect("left", name="Bob", count=1, reason="quit") for _ in range(2)]
    assert {event["room"] for event in left} == {"lobby", place}
    ann.expect_quiet()


def test_j53_renamed_has_the_new_name(pair: list[JSONPeer]) -> None:
    ann, bob = pair
    ann.request("nick", name="Anna")
    event = bob.expect("renamed", room="lobby", name="Ann", to="Anna")
    assert set(event) == {"type", "room", "number", "time", "name", "to"}
    ann.expect("renamed")
    ann.request("say", room="lobby", text="x")
    bob.expect("said", name="Anna")


def test_j54_topic_has_the_new_topic(chat: JSONRoom, place: str) -> None:
    ann, bob = chat.join("Ann", "Bob", rooms=[place])
    for text in ("all green", ""):
        ann.request("topic", room=place, text=text)
        event = bob.expect("topic", room=place, name="Ann", text=text)
        assert set(event) == {"type", "room", "number", "time", "name", "text"}
        ann.expect("topic", text=text)


# Talking


def test_j55_say_and_act_send_to_a_room(chat: JSONRoom, place: str) -> None:
    ann, bob = chat.join("Ann", "Bob", rooms=["lobby", place])
    for room in (place, "lobby", place.upper()):
        ann.request("say", room=room, text="hello")
        ann.request("act", room=room, text="waves")
        for peer in (ann, bob):
            peer.expect("said", room=room.lower(), name="Ann", text="hello")
            peer.expect("acted", room=room.lower(), name="Ann", text="waves")


def test_j56_the_receipt_has_the_number_that_all_see(pair: list[JSONPeer]) -> None:
    ann, bob = pair
    for number in range(50):
        ann.request("say", room="lobby", text=f"a{number}", id=number)
        bob.request("say", room="lobby", text=f"b{number}", id=f"b{number}")
    mine = [ann.receive() for _ in range(100)]
    theirs = [bob.receive() for _ in range(100)]
    assert [one["re"] for one in mine if "re" in one] == list(range(50))
    for one in (*mine, *theirs):
        one.pop("re", None)
    assert mine == theirs


@pytest.mark.parametrize("type_", ["say", "act", "topic", "leave"])
def test_j57_elsewhere_one_is_not_in_the_room(chat: JSONRoom, place: str, type_: str) -> None:
    chat.join("Bob", rooms=[place])
    (ann,) = chat.join("Ann", rooms=["lobby"])
    for room in (place, "nowhere", "bad name", "", "x" * 5000):
        refusal = ann.refused("not-in-room", type_, room=room, text="x")
        assert len(refusal["reason"]) < 200


def test_j58_tell_goes_to_one_member_alone(chat: JSONRoom, place: str) -> None:
    ann, cid = chat.join("Ann", "Cid")
    (bob,) = chat.join("Bob", rooms=[place])
    ann.request("tell", to="BOB", text="psst")
    bob.expect("told", text="psst")
    ann.expect("told", text="psst")
    cid.expect_quiet()


def test_j59_both_get_told(pair: list[JSONPeer]) -> None:
    ann, bob = pair
    ann.request("tell", to="bob", text="psst", id=1)
    receipt = ann.expect("told", to="Bob", text="psst", re=1)
    told = bob.expect("told", to="Bob", text="psst")
    assert receipt.pop("re") == 1
    assert told == receipt
    assert told["from"] == "Ann"
    assert set(told) == {"type", "number", "time", "from", "to", "text"}
    ann.request("tell", to="Ann", text="note", id=2)
    ann.expect("told", to="Ann", text="note", re=2)
    ann.expect_quiet()


def test_j60_the_numbers_of_told_are_the_receivers(chat: JSONRoom) -> None:
    ann, bob, cid = chat.join("Ann", "Bob", "Cid")
    numbers = []
    for peer, to in ((ann, "Bob"), (cid, "Bob"), (ann, "Cid"), (ann, "Bob"), (bob, "Ann")):
        peer.request("tell", to=to, text="x", id=1)
        event = peer.receive()
        while "re" not in event:
            event = peer.receive()
        numbers.append(event["number"])
    assert numbers == [1, 2, 1, 3, 1]


@pytest.mark.parametrize("name", ["Zed", "a b", "", "lobby", "x" * 10_000])
def test_j61_a_name_that_nobody_has_is_not_a_member(ann: JSONPeer, name: str) -> None:
    assert len(ann.refused("no-such-member", "tell", to=name, text="x")["reason"]) < 200


def test_j62_a_plain_member_is_told_in_its_format(chat: JSONRoom) -> None:
    plain, (ann,) = meet(chat, "Pat", "Ann")
    ann.request("tell", to="Pat", text="psst\nagain")
    plain.expect("[Ann to you] psst", "[Ann to you] again")
    plain.say("/msg Ann hey")
    ann.expect("told", to="Pat")
    ann.expect("told", to="Ann", text="hey")


# Rooms


def test_j63_the_answer_to_join_is_entered(chat: JSONRoom, place: str) -> None:
    ann, bob = chat.join("Ann", "Bob")
    ann.request("join", room=place, id=1)
    ann.expect("entered", room=place, topic="", members=["Ann"], count=1, re=1)
    bob.request("join", room=place, id=2)
    entered = bob.expect("entered", room=place, members=["Ann", "Bob"], count=2, re=2)
    assert ann.expect("joined", room=place, name="Bob", count=2)["number"] == entered["last"]
    bob.expect_quiet()


def test_j64_to_join_again_tells_nobody_else(pair: list[JSONPeer]) -> None:
    ann, bob = pair
    last = -1
    for number in range(3):
        ann.request("join", room="lobby", id=number)
        entered = ann.expect("entered", room="lobby", count=2, re=number)
        assert last in (-1, entered["last"])
        last = entered["last"]
    bob.expect_quiet()


def test_j65_a_rooms_name_is_in_lower_case(chat: JSONRoom, place: str) -> None:
    ann, bob = chat.join("Ann", "Bob", rooms=[])
    ann.request("join", room=place.upper())
    ann.expect("entered", room=place)
    bob.request("join", room=f" {place.title()}\t")
    bob.expect("entered", room=place, count=2)


@pytest.mark.parametrize("name", ["", "a b", "#builds", "a.b", "x" * 33, "/x", "{", "a:b", "𐌟x"])
def test_j66_an_unfit_name_of_a_room_is_refused(ann: JSONPeer, name: str) -> None:
    assert len(ann.refused("name-refused", "join", room=name)["reason"]) < 200


@pytest.mark.parametrize("name", ["error", "q", "server", "you", "x" * 32])
def test_j66_no_word_is_reserved_among_rooms(ann: JSONPeer, name: str) -> None:
    ann.request("join", room=name)
    ann.expect("entered", room=name)


def test_j67_a_room_that_looks_like_another_is_refused(ann: JSONPeer, place: str) -> None:
    ann.request("join", room=place)
    ann.expect("entered")
    ann.refused("name-refused", "join", room=place.replace("a", "а"))
    ann.refused("name-refused", "join", room="lоbby")


def test_j68_a_member_is_in_at_most_100_rooms(ann: JSONPeer) -> None:
    for number in range(99):
        ann.request("join", room=f"r{number}")
        ann.expect("entered")
    ann.refused("too-many-rooms", "join", room="r99")
    ann.request("leave", room="lobby")
    ann.expect("left")
    ann.request("join", room="r99")
    ann.expect("entered")


def test_j69_there_are_at_most_as_many_rooms_as_the_server_allows(start: Starter) -> None:
    chat = JSONRoom(start.room("--max-rooms", "3", "--forever"))
    (ann,) = chat.join("Ann")
    for room in ("one", "two"):
        ann.request("join", room=room)
        ann.expect("entered")
    ann.refused("too-many-rooms", "join", room="three")


def test_j70_after_leave_one_hears_nothing_of_the_room(pair: list[JSONPeer]) -> None:
    ann, bob = pair
    ann.request("leave", room="lobby", id=1)
    ann.expect("left", room="lobby", name="Ann", count=1, reason="left", re=1)
    bob.expect("left", name="Ann")
    bob.request("say", room="lobby", text="x")
    bob.expect("said")
    ann.expect_quiet()


def test_j71_topic_sets_and_removes_a_topic(chat: JSONRoom, place: str) -> None:
    (ann,) = chat.join("Ann", rooms=[place])
    for text in ("all green\tagain ", ""):
        ann.request("topic", room=place, text=text, id=1)
        shown = "all green    again" if text else ""
        ann.expect("topic", room=place, name="Ann", text=shown, re=1)
        ann.request("join", room=place)
        ann.expect("entered", topic=shown)


def test_j72_a_topic_has_at_most_390_bytes(ann: JSONPeer, place: str) -> None:
    ann.request("join", room=place)
    ann.expect("entered")
    for text in ("x" * 390, "é" * 195, ""):
        ann.request("topic", room=place, text=text)
        ann.expect("topic", text=text)
    for text in ("x" * 391, "é" * 196):
        ann.refused("too-long", "topic", room=place, text=text)


@pytest.mark.parametrize("text", ["x\ny", "x\n", "x\r\ny", " ", "\t"])
def test_j73_a_topic_is_one_line_that_is_not_blank(ann: JSONPeer, text: str) -> None:
    ann.refused("bad-request", "topic", room="lobby", text=text)


def test_j74_nick_is_answered_in_each_room(chat: JSONRoom, place: str) -> None:
    ann, bob = chat.join("Ann", "Bob", rooms=["lobby", place])
    ann.request("nick", name="Anna", id=1)
    mine = [ann.expect("renamed", name="Ann", to="Anna", re=1) for _ in range(2)]
    theirs = [bob.expect("renamed", name="Ann", to="Anna") for _ in range(2)]
    for events in (mine, theirs):
        assert {event["room"] for event in events} == {"lobby", place}
    ann.expect_quiet()
    chat.log_in("Ann").expect("welcome", name="Ann")


def test_j75_a_nick_that_nobody_sees_is_done(chat: JSONRoom) -> None:
    ann, bob = chat.join("Ann", "Bob")
    ann.request("nick", name="Ann", id=1)
    ann.expect_only("done", re=1)
    ann.request("leave", room="lobby")
    ann.expect("left")
    ann.request("nick", name="Anna", id=2)
    ann.expect_only("done", re=2)
    bob.expect("left")
    bob.expect_quiet()


def test_j76_a_nick_follows_the_rules_of_names(pair: list[JSONPeer]) -> None:
    ann, bob = pair
    ann.refused("name-taken", "nick", name="BOB")
    for name in ("", "a b", "server", "x" * 33):
        ann.refused("name-refused", "nick", name=name)
    ann.request("nick", name="ANN")
    ann.expect("renamed", to="ANN")
    bob.expect("renamed", name="Ann", to="ANN")


# Asking


def test_j77_who_lists_the_members_of_any_room(chat: JSONRoom, place: str) -> None:
    chat.join("Zoe", "Bob", rooms=[place])
    (ann,) = chat.join("Ann")
    ann.request("who", room=place.upper(), id=1)
    ann.expect_only("members", room=place, members=["Zoe", "Bob"], re=1)
    ann.request("who", room="lobby")
    ann.expect_only("members", room="lobby", members=["Ann"])


@pytest.mark.parametrize("room_", ["nowhere", "a b", "", "x" * 10_000])
def test_j78_a_room_that_there_is_not_is_no_such_room(ann: JSONPeer, room_: str) -> None:
    assert len(ann.refused("no-such-room", "who", room=room_)["reason"]) < 200


def test_j79_rooms_lists_all_rooms(ann: JSONPeer, place: str) -> None:
    ann.request("join", room=place)
    ann.expect("entered")
    ann.request("topic", room=place, text="green")
    ann.expect("topic")
    ann.request("rooms", id=1)
    listed = ann.expect("rooms", re=1)["rooms"]
    assert {"room": "lobby", "topic": "", "count": 1} in listed
    assert {"room": place, "topic": "green", "count": 1} in listed
    ann.request("topic", room=place, text="")
    ann.expect("topic")


def test_j80_the_largest_rooms_come_first_after_the_lobby(chat: JSONRoom, place: str) -> None:
    a, b, c = f"{place}a", f"{place}b", f"{place}c"
    chat.join("Ann", "Bob", rooms=[c])
    (cid,) = chat.join("Cid", rooms=[b, a])
    cid.request("rooms")
    listed = [one["room"] for one in cid.expect("rooms")["rooms"]]
    assert [room for room in listed if room in ("lobby", a, b, c)] == ["lobby", c, a, b]
    assert listed[0] == "lobby"


def test_j81_a_long_list_comes_in_several_lines(start: Starter) -> None:
    chat = JSONRoom(start.room("--forever"))
    topic = "\x01" * 390
    names = [f"r{number}" for number in range(90)]
    (ann,) = chat.join("Ann", rooms=names)
    for name in names:
        ann.request("topic", room=name, text=topic)
        ann.expect("topic")
    ann.request("rooms", id=1)
    listed: list[str] = []
    lines = 0
    more = True
    while more:
        line = ann.expect("rooms", re=1)
        listed += [one["room"] for one in line["rooms"]]
        more = line.get("more", False)
        lines += 1
    assert listed == ["lobby", *sorted(names)]
    assert lines > 1
    ann.expect_quiet()


def test_j82_ping_is_answered_by_pong(ann: JSONPeer) -> None:
    ann.request("ping")
    ann.expect_only("pong")
    ann.request("ping", id="x")
    ann.expect_only("pong", re="x")


def test_j83_history_tells_what_was(ann: JSONPeer) -> None:
    ann.request("say", room="lobby", text="hello", id=1)
    said = ann.expect("said", re=1)
    del said["re"]
    page = ann.ask("history", room="lobby", limit=1)
    assert page == {
        "type": "history", "room": "lobby", "events": [said], "more": True, "re": "ask"
    }  # fmt: skip
    assert len(ann.ask("history", room="lobby")["events"]) <= 50


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "history", "room": "lobby", "before": 3, "after": 1},
        {"type": "history", "room": "lobby", "limit": 0},
        {"type": "history", "room": "lobby", "limit": 501},
        {"type": "history", "room": "lobby", "before": "3"},
        {"type": "search", "text": "x", "before": 3},
        {"type": "search", "text": "x", "limit": 501},
        {"type": "search", "text": " "},
        {"type": "search", "text": "x", "name": 3},
        {"type": "remove", "room": "lobby", "number": 1.5},
    ],
)
def test_j84_what_asks_for_the_past_is_checked(ann: JSONPeer, fields: dict[str, Any]) -> None:
    ann.refused("bad-request", **fields)


@pytest.mark.parametrize("limit", [1, 500])
def test_j84_what_is_in_order_is_not_refused(ann: JSONPeer, limit: int) -> None:
    ann.ask("history", room="lobby", after=MOST, limit=limit)
    ann.ask("search", text="x", room="lobby", before=3, limit=limit)


# The end


def test_j85_quit_closes_after_the_answers(pair: list[JSONPeer]) -> None:
    ann, bob = pair
    ann.say_raw('{"type":"ping"}', '{"type":"say","room":"lobby","text":"x"}', '{"type":"quit"}')
    ann.request("ping")
    ann.expect("pong")
    ann.expect("said")
    ann.expect_end()
    bob.expect("said")
    bob.expect("left", reason="quit")


@pytest.fixture
def draining(start: Starter) -> Iterator[tuple[list[JSONPeer], JSONPeer]]:
    """Two members of a server that drains, and a peer that has not logged in."""
    room = start.room("--forever")
    chat = JSONRoom(room)
    members = chat.join("Ann", "Bob")
    stranger = chat.connect()
    stranger.say_raw("{}")
    stranger.expect_error("bad-request")
    room.program.drain()
    yield members, stranger
    room.program.expect_end()


def test_j86_members_are_told_that_the_server_closes(
    draining: tuple[list[JSONPeer], JSONPeer],
) -> None:
    members, _ = draining
    for peer in members:
        peer.expect_only("closing", reason="server is closing")
        peer.expect_end()


def test_j87_a_stranger_is_told_so_as_an_error(draining: tuple[list[JSONPeer], JSONPeer]) -> None:
    _, stranger = draining
    stranger.expect_error("closing")
    stranger.expect_end()


def test_j88_a_deadline_is_a_timeout(start: Starter) -> None:
    chat = JSONRoom(start.room("--login-timeout", "1", "--idle-timeout", "1", "--forever"))
    (ann,) = chat.join("Ann")
    stranger = chat.connect()
    stranger.say_raw("{}")
    stranger.expect_error("bad-request")
    for peer in (ann, stranger):
        peer.expect_error("timeout")
        peer.expect_end()


def test_j89_a_slow_reader_is_told_which_numbers_it_missed(start: Starter) -> None:
    chat = JSONRoom(start.room("--forever"))
    slow, ann = chat.join("Slow", "Ann")
    # The number of Ann's joining.
    last = 2
    # About 9 MB, of which the kernel buffers some and the server one.
    for number in range(2000):
        ann.request("say", room="lobby", text=f"{number} {'x' * 4000}")
        ann.expect("said")
    ann.request("say", room="lobby", text="that was it")
    ann.expect("said", text="that was it")
    gaps = 0
    while True:
        event = slow.receive()
        if event["type"] == "missed":
            assert event == {
                "type": "missed", "room": "lobby", "after": last, "before": event["before"]
            }  # fmt: skip
            last = event["before"] - 1
            gaps += 1
            continue
        assert event["number"] == last + 1
        last += 1
        if event["text"] == "that was it":
            break
    assert gaps


# Both formats


def test_j90_whatever_two_members_hear_they_hear_in_the_same_order(
    chat: JSONRoom, place: str
) -> None:
    a, b = f"{place}a", f"{place}b"
    ann, bob = chat.room.log_in_json("Ann", a, b), chat.room.log_in_json("Bob", b)
    cid, plain = chat.room.log_in_json("Cid", a), chat.room.log_in("Pat")
    plain.expect("*** welcome, Pat (1 here: Pat)")
    plain.ask(f"/join {a}", "*** welcome, Pat (3 here: Ann, Cid, Pat)")
    for number in range(30):
        ann.request("say", room=(a, b)[number % 2], text=f"{number}")
        bob.request("say", room=b, text=f"{number}")
        cid.request("say", room=a, text=f"{number}")
        plain.say(f"{number}")
    expected = {"Ann": 30 + 30 + 30 + 30, "Bob": 15 + 30, "Cid": 15 + 30 + 30}
    heard = []
    for name, peer in (("Ann", ann), ("Bob", bob), ("Cid", cid)):
        texts: list[str] = []
        while len(texts) < expected[name]:
            event = peer.receive()
            if event["type"] == "said":
                texts.append(f"{event['name']}: {event['text']}")
        heard.append(texts)
    lines: list[str] = []
    while len(lines) < 15 + 30:
        line = plain.read()
        if line.startswith(("Ann: ", "Cid: ")):
            lines.append(line)
    of_ann, of_bob, of_cid = heard
    for one, other in ((of_ann, of_bob), (of_ann, of_cid), (of_ann, lines), (of_cid, lines)):
        both = {*one} & {*other}
        assert len(both) >= 45
        assert [text for text in one if text in both] == [text for text in other if text in both]


def test_j91_the_server_ends_with_the_last_member_of_either_format(start: Starter) -> None:
    room = start.room()
    chat = JSONRoom(room)
    plain, (ann,) = meet(chat, "Pat", "Ann")
    ann.request("leave", room="lobby")
    ann.expect("left")
    plain.expect("*** Ann left (1 here)")
    plain.leave()
    ann.expect_quiet()
    ann.quit()
    room.program.expect_end()


def test_j92_a_login_and_a_nick_count_once_for_each_room(start: Starter) -> None:
    chat = JSONRoom(start.room("--forever", "--quiet", "--rate", "20", "--burst", "40"))
    ann = chat.log_in("Ann", rooms=[f"r{number}" for number in range(30)])
    for _ in range(31):
        ann.receive()
    began = time.monotonic()
    for number in range(2):
        ann.request("nick", name=f"Ann{number}", id=number)
        for _ in range(30):
            ann.expect("renamed", re=number)
    assert time.monotonic() - began > 0.8, "30 for the login and 30 for a nick: 20 over the burst"
