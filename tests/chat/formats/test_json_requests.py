"""The way in of JSON lines: what becomes of a line, and which mistake it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import json_schema
from trionet.chat.formats import json_requests
from trionet.chat.formats.json_lines import decode, decode_login, decode_messages, is_object
from trionet.chat.formats.requests import (
    HERE,
    Act,
    AskHistory,
    AskRooms,
    AskWho,
    Join,
    Leave,
    LogIn,
    Misunderstood,
    Ping,
    Quit,
    Remove,
    Rename,
    Request,
    Say,
    SayAll,
    Search,
    SetTopic,
    Tell,
)
from trionet.errors import LineNotUTF8

# What each request of the protocol means.
MEANINGS: list[tuple[dict[str, Any], Request]] = [
    ({"type": "login", "name": "Ann"}, LogIn("Ann")),
    ({"type": "login", "name": "Ann", "rooms": []}, LogIn("Ann", ())),
    ({"type": "login", "name": "Ann", "rooms": ["lobby", "x"]}, LogIn("Ann", ("lobby", "x"))),
    (
        {
            "type": "login", "name": "Ann", "hold": True, "token": "t", "password": "p",
            "epoch": "e", "seen": {"lobby": 41, "@": 3},
        },
        LogIn(
            "Ann", hold=True, token="t", seen={"lobby": 41, "@": 3}, epoch="e", password="p"
        ),
    ),
    ({"type": "login", "name": "Ann", "seen": {}}, LogIn("Ann", seen={})),
    (
        {"type": "login", "name": "Ann", "seen": {"lobby": 2**53, "x": 0}},
        LogIn("Ann", seen={"lobby": 2**53, "x": 0}),
    ),
    ({"type": "say", "room": "lobby", "text": "hello"}, Say("hello", "lobby")),
    ({"type": "act", "room": "lobby", "text": "waves"}, Act("waves", "lobby")),
    ({"type": "tell", "to": "Bob", "text": "psst"}, Tell("Bob", "psst")),
    ({"type": "join", "room": "Builds"}, Join("Builds")),
    ({"type": "leave", "room": "builds"}, Leave("builds")),
    ({"type": "topic", "room": "builds", "text": "green"}, SetTopic("green", "builds")),
    ({"type": "topic", "room": "builds", "text": ""}, SetTopic("", "builds")),
    ({"type": "nick", "name": "Anna"}, Rename("Anna")),
    ({"type": "who", "room": "lobby"}, AskWho("lobby")),
    ({"type": "rooms"}, AskRooms()),
    ({"type": "ping"}, Ping()),
    ({"type": "quit"}, Quit()),
    ({"type": "remove", "room": "lobby", "number": 7}, Remove("lobby", 7)),
    ({"type": "history", "room": "lobby"}, AskHistory("lobby")),
    ({"type": "history", "room": "@", "before": 7, "limit": 500}, AskHistory("@", 7, None, 500)),
    ({"type": "history", "room": "lobby", "after": 0, "limit": 1}, AskHistory("lobby", None, 0, 1)),
    ({"type": "search", "text": "lost"}, Search("lost")),
    (
        {"type": "search", "text": "lost", "room": "x", "name": "Ann", "before": 9, "limit": 5},
        Search("lost", "x", "Ann", 9, 5),
    ),
]  # fmt: skip

IDS = st.none() | st.integers(-(2**53), 2**53) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64
)  # fmt: skip


def mistake(line: str, *, by_stranger: bool = False) -> Misunderstood:
    with pytest.raises(Misunderstood) as caught:
        (decode_login if by_stranger else decode)(line)
    return caught.value


def code(**fields: Any) -> str:
    """Return the code of a mistake that is answered with the request's id."""
    found = mistake(json.dumps({**fields, "id": 7}))
    assert found.id == 7
    return found.code


@pytest.mark.parametrize(("fields", "request_"), MEANINGS)
def test_each_request_of_the_protocol_is_understood(
    fields: dict[str, Any], request_: Request
) -> None:
    json_schema.check_request(fields)
    assert decode(json.dumps(fields)) == request_


def test_every_request_that_is_read_has_a_place_in_the_schema_and_a_meaning_above() -> None:
    read = json_requests._TYPES
    in_schema = set(json_schema.request_types())
    assert read == in_schema, (
        f"{read ^ in_schema}: a type of request belongs both in _OF_MEMBERS of "
        'chat/formats/json_requests.py and in "requests" of docs/chat.schema.json'
    )
    missing = read - {fields["type"] for fields, _ in MEANINGS}
    assert not missing, f"add to MEANINGS, above, what each of {missing} means"


@settings(deadline=None)
@given(st.sampled_from(MEANINGS), IDS)
def test_a_request_keeps_its_id(meaning: tuple[dict[str, Any], Request], id_: Any) -> None:
    fields, request = meaning
    decoded = decode(json.dumps({**fields, "id": id_}))
    if isinstance(request, Quit):
        assert decoded == request
    else:
        assert decoded is not None
        assert getattr(decoded, "id") == id_  # noqa: B009  not every request has one
        assert type(getattr(decoded, "id")) is type(id_)  # noqa: B009


@pytest.mark.parametrize("line", ["", " ", "\t \u3000", "\r"])
def test_a_blank_line_means_nothing(line: str) -> None:
    assert decode(line) is None
    assert decode_login(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "q", "hello", "[1]", "7", "null", '"say"', "{", "{}}", "{'type':'ping'}",
        '{"type":"ping",}',
        '{"type":"ping"} {"type":"ping"}', '{"type":"ping","x":NaN}',
        '{"type":"ping","x":Infinity}',
        '{"type":"ping","x":01}', '{"type":"ping","x":.5}', '{"type":"ping","x":"\t"}',
        '\ufeff{"type":"ping"}', "[" * 16000, '{"type":"ping","x":' + "[" * 16000,
        '{"type":"ping","x":' + "[" * 8000 + "]" * 8000 + "}",
        '{"type":"ping","x":' + '{"x":' * 2000 + "1" + "}" * 2001,
        '{"type":"ping","id":"\\ud800"}', '{"type":"ping","x":"\\ud800"}',
        '{"type":"ping","\\udc00":1}', '{"type":"say","room":"lobby","text":"\\ud800"}',
        '{"type":"say","room":"lobby","text":"\\udc00\\ud800"}',
        '{"type":"say","room":"lobby","text":"\\ud800\\u0041"}',
    ],
)  # fmt: skip
def test_what_is_not_a_json_object_is_bad_json_without_an_id(line: str) -> None:
    for by_stranger in (False, True):
        found = mistake(line, by_stranger=by_stranger)
        assert (found.code, found.id) == ("bad-json", None)


@pytest.mark.parametrize(
    "id_",
    ["{}", "[]", "1.5", "1.0", "1e2", '""', '"' + "x" * 65 + '"', "9007199254740993",
     "-9007199254740993", "9" * 400, "1e400", "true", "false"],
)  # fmt: skip
@pytest.mark.parametrize("rest", ['"type":"ping"', '"type":"dance"', '"x":1', '"type":"say"'])
def test_an_unusable_id_is_a_bad_request_without_an_id(id_: str, rest: str) -> None:
    for by_stranger in (False, True):
        found = mistake(f'{{"id":{id_},{rest}}}', by_stranger=by_stranger)
        assert (found.code, found.id) == ("bad-request", None)


@pytest.mark.parametrize("id_", ['"x"', '"' + "\\u00e9" * 64 + '"', "0", "-9007199254740992"])
def test_a_usable_id_comes_with_the_mistake(id_: str) -> None:
    found = mistake(f'{{"id":{id_},"type":"say"}}')
    assert (found.code, found.id) == ("bad-request", json.loads(id_))


def test_an_object_without_a_type_or_with_a_strange_one() -> None:
    assert code() == "bad-request"
    assert code(type=None) == "bad-request"
    assert code(type=7) == "bad-request"
    assert code(type=["say"]) == "bad-request"
    assert code(type="dance") == "unknown-type"
    assert code(type="Say") == "unknown-type"
    assert code(type="") == "unknown-type"
    reason = str(mistake(json.dumps({"type": "\x1b[2J" + "x" * 1000})))
    assert reason == "there is no request �[2J" + "x" * 28 + "…"


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "login"},
        {"type": "login", "name": None},
        {"type": "login", "name": 7},
        {"type": "login", "name": "Ann", "rooms": "lobby"},
        {"type": "login", "name": "Ann", "rooms": [1]},
        {"type": "login", "name": "Ann", "rooms": ["x"] * 201},
        {"type": "login", "name": "Ann", "hold": 1},
        {"type": "login", "name": "Ann", "token": 1},
        {"type": "login", "name": "Ann", "epoch": 1},
        {"type": "login", "name": "Ann", "seen": {"lobby": -1}},
        {"type": "login", "name": "Ann", "seen": {"@": -(2**53)}},
        {"type": "login", "name": "Ann", "seen": [1]},
        {"type": "login", "name": "Ann", "seen": {"lobby": "1"}},
        {"type": "login", "name": "Ann", "seen": {"lobby": 1.0}},
        {"type": "login", "name": "Ann", "seen": {"lobby": 2**53 + 1}},
        {"type": "login", "name": "Ann", "password": True},
        {"type": "say", "room": "lobby"},
        {"type": "say", "text": "x"},
        {"type": "say", "room": 5, "text": "x"},
        {"type": "say", "room": None, "text": "x"},
        {"type": "say", "room": "lobby", "text": 5},
        {"type": "say", "room": "lobby", "text": ["x"]},
        {"type": "say", "room": "lobby", "text": ""},
        {"type": "say", "room": "lobby", "text": " \t\u2003"},
        {"type": "say", "room": "lobby", "text": " \r\n \n"},
        {"type": "act", "room": "lobby", "text": "\n"},
        {"type": "tell", "to": "Bob", "text": ""},
        {"type": "tell", "to": 5, "text": "x"},
        {"type": "topic", "room": "lobby"},
        {"type": "topic", "room": "lobby", "text": " "},
        {"type": "topic", "room": "lobby", "text": "x\ny"},
        {"type": "topic", "room": "lobby", "text": "x\r\n"},
        {"type": "join"},
        {"type": "leave"},
        {"type": "nick"},
        {"type": "who"},
        {"type": "remove", "room": "lobby"},
        {"type": "remove", "room": "lobby", "number": "7"},
        {"type": "remove", "room": "lobby", "number": 7.0},
        {"type": "history", "room": "lobby", "before": 7, "after": 3},
        {"type": "history", "room": "lobby", "limit": 0},
        {"type": "history", "room": "lobby", "limit": 501},
        {"type": "history", "room": "lobby", "before": 2**53 + 1},
        {"type": "search"},
        {"type": "search", "text": " "},
        {"type": "search", "text": "x", "before": 7},
        {"type": "search", "text": "x", "room": 7},
    ],
)
def test_a_field_that_is_missing_of_the_wrong_kind_or_out_of_range_is_a_bad_request(
    fields: dict[str, Any],
) -> None:
    assert code(**fields) == "bad-request"


@pytest.mark.parametrize("type_", ["say", "act", "tell", "search"])
def test_a_text_has_at_most_4096_bytes_and_50_lines(type_: str) -> None:
    def ask(text: str) -> str:
        return json.dumps({"type": type_, "room": "x", "to": "x", "text": text, "id": 7})

    for fits in ("x" * 4096, "é" * 2048, "\n".join("x" * 50), "x" * 4094 + "\r\n"):
        assert decode(ask(fits)) is not None
    for is_too_long in ("x" * 4097, "é" * 2048 + "x", "\n".join("x" * 51), " " * 4097):
        found = mistake(ask(is_too_long))
        assert (found.code, found.id) == ("too-long", 7)


def test_a_topic_has_at_most_390_bytes() -> None:
    assert code(type="topic", room="x", text="é" * 196) == "too-long"
    assert decode(json.dumps({"type": "topic", "room": "x", "text": "é" * 195})) is not None


def test_escapes_do_not_count_towards_the_size_of_a_text() -> None:
    line = '{"type":"say","room":"lobby","text":"' + "\\u0041" * 2000 + '"}'
    assert decode(line) == Say("A" * 2000, "lobby")


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("  two  ", "  two"),
        ("a\tb", "a    b"),
        ("bell\x07 esc\x1b[31m", "bell� esc�[31m"),
        ("a\u202eb\u2028c", "a�b�c"),
        ("two\r\nlines\n", "two\nlines"),
        ("one \n\n two\t\r\nthree\r", "one\n\n two\nthree"),
        ("\none", "\none"),
        ("a\rb", "a�b"),
        # A joiner at the end of a line joins nothing, whatever the next line begins with.
        ("\U0001f469\u200d\n\U0001f4bb", "\U0001f469�\n\U0001f4bb"),
    ],
)
def test_texts_are_made_safe_line_by_line(sent: str, seen: str) -> None:
    assert decode(json.dumps({"type": "say", "room": "x", "text": sent})) == Say(seen, "x")
    assert decode(json.dumps({"type": "act", "room": "x", "text": sent})) == Act(seen, "x")
    assert decode(json.dumps({"type": "tell", "to": "x", "text": sent})) == Tell("x", seen)
    if "\n" not in sent:
        topic = {"type": "topic", "room": "x", "text": sent}
        assert decode(json.dumps(topic)) == SetTopic(seen, "x")


def test_unknown_fields_are_ignored_whatever_is_in_them() -> None:
    assert decode('{"type":"ping","x":{"y":[1e400,null]},"re":1}') == Ping()


def test_optional_fields_may_be_null() -> None:
    fields = {"before": None, "after": None, "limit": None, "id": None}
    assert decode(json.dumps({"type": "history", "room": "x", **fields})) is not None
    fields = dict.fromkeys(("rooms", "hold", "token", "seen", "epoch", "password"))
    assert decode(json.dumps({"type": "login", "name": "Ann", **fields})) == LogIn("Ann")


def test_the_last_of_two_equal_fields_counts_but_a_second_type_is_a_mistake() -> None:
    assert decode('{"type":"ping","id":1,"id":2}') == Ping(2)
    assert decode('{"type":"ping","type":"ping"}') == Ping()
    for line in ('{"type":"ping","id":7,"type":"quit"}', '{"type":"x","id":7,"type":"ping"}'):
        found = mistake(line)
        assert (found.code, found.id) == ("bad-request", 7)


@pytest.mark.parametrize(("fields", "request_"), MEANINGS)
def test_before_login_only_login_ping_and_quit_are_answered(
    fields: dict[str, Any], request_: Request
) -> None:
    line = json.dumps({**fields, "id": 7})
    if fields["type"] in ("login", "ping", "quit"):
        assert decode_login(line) == decode(line)
        return
    # Whatever else is wrong with it.
    for line_ in (line, json.dumps({"type": fields["type"], "id": 7})):
        found = mistake(line_, by_stranger=True)
        assert (found.code, found.id, found.is_login) == ("not-logged-in", 7, False)


def test_only_a_login_that_went_wrong_counts_as_a_try() -> None:
    assert mistake('{"type":"login"}', by_stranger=True).is_login
    for line in ("x", '{"type":"dance"}', '{"type":"ping","id":{}}', '{"type":"say"}'):
        assert not mistake(line, by_stranger=True).is_login


def test_a_connection_speaks_json_if_its_first_line_is_a_json_object() -> None:
    for line in ("{}", '{"type":"say"}', '{"id":{}}', ' {"a":1}\r', '{"type":1e400}'):
        assert is_object(line)
    for line in ("", "Ann", "{Ann", "[]", "[{}]", '"{}"', "{} {}", '{"x":"\\ud800"}', "{" * 9999):
        assert not is_object(line)


def test_no_room_that_a_peer_names_is_the_room_that_it_is_in() -> None:
    request = decode(json.dumps({"type": "say", "room": "", "text": "x"}))
    assert isinstance(request, Say)
    assert request.room is not HERE


# Messages in one go


def say(text: str, **fields: Any) -> str:
    return json.dumps({"type": "say", "room": "lobby", "text": text, **fields})


def test_messages_that_come_together_are_read_in_one_go() -> None:
    assert decode_messages([say("one"), say(" two")]) == SayAll(["one", " two"], "lobby")
    assert decode_messages([say("one"), f" {say('two')}\t"]) == SayAll(["one", "two"], "lobby")
    lines = [say("one", id=1), say("two"), say("three", id="x")]
    assert decode_messages([*lines]) == SayAll(["one", "two", "three"], "lobby", [1, None, "x"])


@pytest.mark.parametrize(
    "lines",
    [
        [say("one")],
        [say("one"), say("two", room="other")],
        [say("one"), '{"type":"ping"}'],
        [say("one"), say("")],
        [say("one"), say("two ")],
        [say("one"), say("two\nthree")],
        [say("one"), say("zwölf")],
        [say("one"), say("\x7f")],
        [say("one"), say("x" * 4097)],
        [say("one"), say("two", id=1.0)],
        [say("one"), say("two", id={})],
        [say("one"), ""],
        [say("one"), "q"],
        [say("one"), LineNotUTF8(b"\xff")],
        # Two lines that hold two objects, and yet not one each.
        [say("one") + say("two"), ""],
        [say("one") + say("two"), " "],
        ['{"type":"say",', '"room":"lobby","text":"one"}' + say("two")],
        ['{"type":"say","x":{}', ',"room":"lobby","text":"one"}' + say("two")],
        ['{"type":"say","room":"lobby","text":"one","x":[{}', "{}]}" + say("two")],
        [say("one") + say("two"), '{"type":"say","x":{}', '{"y":1},"room":"lobby","text":"a"}'],
        # The same with what stands between the lines when they are read together.
        [f"{say('one')}][{say('two')}", ""],
        [f"{say('one')}][{say('two')}"] * 2,
        [f"{say('one')},{say('two')}", say("three")],
        ['{"type":"say","x":[1', '2],"room":"lobby","text":"one"}'],
        ['{"type":"say","x":[[1', '2]],"room":"lobby","text":"one"}', say("two")],
        [f"[{say('one')}]", say("two")],
    ],
)
def test_whatever_needs_more_care_is_left_to_be_read_one_by_one(lines: list[Any]) -> None:
    assert decode_messages(lines) is None


PIECES = st.sampled_from(
    [
        say("one"), say("two", id=1), say("three", room="x"), "{", "}", "[", "]", "][",
        ",", '"', ":", " ",
        '{"type":"ping"}', '{"type":"say","x":{}', '"room":"lobby","text":"a"}', '"x":[', "\\ud800",
        '"id":1', "1e400", "é", "\r",
    ]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.lists(PIECES, max_size=4).map("".join), min_size=1, max_size=4))
@example([say("one") + say("two"), " "])
@example([f"{say('one')}][{say('two')}", ""])
def test_read_in_one_go_is_what_reading_one_by_one_gives(lines: list[str]) -> None:
    run = decode_messages(list(lines))
    if run is None:
        return
    ids = run.ids or [None] * len(run.texts)
    expected = [Say(text, run.room, id_) for text, id_ in zip(run.texts, ids, strict=True)]
    assert [decode(line) for line in lines] == expected


# Anything

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
FIELDS = st.sampled_from(
    ["type", "id", "name", "room", "rooms", "text", "to", "number", "before", "after", "limit",
     "seen", "hold", "token", "epoch"]
)  # fmt: skip
ALMOST = st.fixed_dictionaries(
    {"type": st.sampled_from(json_schema.request_types())},
).flatmap(lambda head: st.dictionaries(FIELDS, JSON).map(lambda rest: {**rest, **head}))


@settings(deadline=None)
@given(
    st.text()
    | st.lists(PIECES).map("".join)
    | JSON.map(json.dumps)
    | ALMOST.map(json.dumps)
    | st.binary().map(lambda data: data.decode("utf-8", "replace"))
)
def test_whatever_comes_is_a_request_or_a_mistake_with_an_answer(line: str) -> None:
    for read in (decode, decode_login):
        try:
            request = read(line)
        except Misunderstood as found:
            event = {"type": "error", "code": found.code, "reason": str(found)}
            if found.id is not None:
                event["re"] = found.id  # type: ignore[assignment]
            json_schema.check_said(json.dumps(event, ensure_ascii=False))
        else:
            assert request is not None or not line.strip()
    is_object(line)
    decode_messages([line, line])
