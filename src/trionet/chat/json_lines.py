"""The JSON lines format, made for programs: one object a line, both ways. Pure.

`trionet.chat.json_requests` reads what a peer sends; this file writes what it is told. Everything
of a room names it, and has a number and a time; what answers a request that gave an `id` carries it
as `re`. docs/protocol.md has every request, event and code, and docs/json-lines.schema.json is the
schema of what is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import repeat
from typing import Any, assert_never

import msgspec
from msgspec import Struct

from trionet.chat import answers, events
from trionet.chat.answers import Event
from trionet.chat.json_requests import decode as decode
from trionet.chat.json_requests import decode_login as decode_login
from trionet.chat.json_requests import decode_messages as decode_messages
from trionet.chat.json_requests import is_object as is_object
from trionet.chat.operations import RequestId
from trionet.lines import MAX_LINE_TO_CLIENT
from trionet.notices import (
    AddressFull,
    IdleTimedOut,
    LineRejected,
    LinesMissed,
    LoginTimedOut,
    Notice,
    ServerClosing,
    ServerFull,
)

# See `trionet.chat.wire_format.WireFormat`.
receipts = True
names_first = False

# How much longer a line may be than one of the plain format, whose limit it is given by: names of
# fields, and characters that take two.
TIMES_LONGER = 4

_encoder = msgspec.json.Encoder()
_encode = _encoder.encode


class _Said(Struct, tag_field="type", tag="said", gc=False, omit_defaults=True):
    room: str
    number: int
    time: str
    name: str
    text: str
    re: RequestId = None


# Most events of a room have the same few times: those of the last batches.
@lru_cache(maxsize=64)
def _time(milliseconds: int) -> str:
    """Return a time as `2026-11-28T02:35:00.123Z`."""
    when = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return when.isoformat(timespec="milliseconds")[:-6] + "Z"


def encode(event: Event) -> bytes:
    """Return the lines that tell an event, or answer a peer."""
    if type(event) is events.Said:
        return _said_to_others(event)
    if type(event) is answers.Own:
        return _own(event.event)
    encode_one = _ENCODERS.get(type(event))
    return b"" if encode_one is None else encode_one(event)


def encode_notice(notice: Notice) -> bytes:
    """Return the line that tells a notice of the toolkit."""
    match notice:
        case LinesMissed(count):
            return _line({"type": "missed", "count": count})
        case (
            LineRejected()
            | LoginTimedOut()
            | IdleTimedOut()
            | ServerFull()
            | AddressFull()
            | ServerClosing()
        ):
            return _line({"type": "error", "code": notice.code, "reason": notice.reason})
        case _:
            assert_never(notice)


def _line(fields: dict[str, Any]) -> bytes:
    return _encode(fields) + b"\n"


def _said_to_others(event: events.Said) -> bytes:
    """Return a run of messages without ids: what differs from line to line is number and text.

    If no text needs a character of JSON's own escaped, filling that in takes half as long as
    encoding each line. (All texts are safe already: no other control character is in them.)
    """
    block = "".join(event.texts)
    if '"' in block or "\\" in block or "\n" in block:
        return _said(event, repeat(None))
    begin = f'{{"type":"said","room":{_quoted(event.room)},"number":'
    middle = f',"time":"{_time(event.time)}","name":{_quoted(event.name)},"text":"'
    numbers = range(event.number, event.number + len(event.texts))
    lines = [f"{number}{middle}{text}" for number, text in zip(numbers, event.texts, strict=True)]
    between = f'"}}\n{begin}'
    return f'{begin}{between.join(lines)}"}}\n'.encode()


def _quoted(text: str) -> str:
    return _encode(text).decode()


def _said(event: events.Said, ids: Iterable[RequestId]) -> bytes:
    numbers = range(event.number, event.number + len(event.texts))
    same = repeat(event.room), repeat(_time(event.time)), repeat(event.name)
    return _encoder.encode_lines(
        list(map(_Said, same[0], numbers, same[1], same[2], event.texts, ids))
    )


def _own(event: events.StateEvent) -> bytes:
    if type(event) is events.Said:
        return _said(event, event.ids or repeat(None))
    return _line(_OBJECTS[type(event)](event) | _re(getattr(event, "id", None)))


def _re(id_: RequestId) -> dict[str, RequestId]:
    return {} if id_ is None else {"re": id_}


def _of_room(kind: str, event: Any, **more: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "room": event.room,
        "number": event.number,
        "time": _time(event.time),
        "name": event.name,
        **more,
    }


def _told(event: events.Told) -> dict[str, Any]:
    return {
        "type": "told",
        "number": event.number,
        "time": _time(event.time),
        "from": event.name,
        "to": event.to,
        "text": event.text,
    }


# What others are told; the copy of whoever caused it has `re` besides.
_OBJECTS: dict[type[Any], Callable[[Any], dict[str, Any]]] = {
    events.Acted: lambda event: _of_room("acted", event, text=event.text),
    events.Joined: lambda event: _of_room("joined", event, count=event.count),
    events.Left: lambda event: _of_room("left", event, count=event.count, reason=event.reason),
    events.Renamed: lambda event: _of_room("renamed", event, to=event.to),
    events.TopicSet: lambda event: _of_room("topic", event, text=event.text),
    events.Told: _told,
}


def _welcome(event: answers.Welcomed) -> dict[str, Any]:
    return {
        "type": "welcome",
        **_re(event.id),
        "name": event.name,
        "token": event.token,
        "epoch": event.epoch,
        "resumed": False,
    }


def _entered(event: answers.Entered) -> dict[str, Any]:
    return {
        "type": "entered",
        **_re(event.id),
        "room": event.room,
        "topic": event.topic,
        "members": event.names,
        "count": event.count,
        "last": event.last,
    }


def _error(event: answers.Mistaken) -> dict[str, Any]:
    room = {"room": event.room} if event.room else {}
    return {
        "type": "error", **_re(event.id), **room, "code": event.code, "reason": event.reason
    }  # fmt: skip


def _members(event: answers.Present) -> bytes:
    head = {"type": "members", **_re(event.id), "room": event.room}
    return _list(head, "members", event.names)


def _rooms(event: answers.RoomList) -> bytes:
    head = {"type": "rooms", **_re(event.id)}
    return _list(head, "rooms", event.rooms)


def _list(head: dict[str, Any], key: str, items: tuple[Any, ...]) -> bytes:
    """Return a list as lines, each as long as may be; all but the last say that there is more."""
    room = MAX_LINE_TO_CLIENT - len(_encode({**head, key: [], "more": True}))
    encoded = _encode(items)
    if len(encoded) <= room:
        return _line({**head, key: msgspec.Raw(encoded)})
    lines = [
        _line({**head, key: msgspec.Raw(b"[%b]" % b",".join(part)), "more": True})
        for part in _parts(map(_encode, items), room)
    ]
    # The last has nothing behind it.
    lines[-1] = lines[-1].removesuffix(b',"more":true}\n') + b"}\n"
    return b"".join(lines)


def _parts(items: Iterable[bytes], room: int) -> Iterator[list[bytes]]:
    """Yield the items in parts that have room in one line each."""
    part: list[bytes] = []
    size = 0
    for item in items:
        if part and size + len(item) + 1 > room:
            yield part
            part, size = [], 0
        part.append(item)
        size += len(item) + 1
    yield part


def _alone(make: Callable[[Any], dict[str, Any]]) -> Callable[[Any], bytes]:
    return lambda event: _line(make(event))


# What is not in it answers no request of this format, or is for the switchboard.
_ENCODERS: dict[type[Any], Callable[[Any], bytes]] = {
    **{kind: _alone(make) for kind, make in _OBJECTS.items()},
    answers.Welcomed: _alone(_welcome),
    answers.Entered: _alone(_entered),
    answers.Present: _members,
    answers.RoomList: _rooms,
    answers.Mistaken: _alone(_error),
    answers.Ponged: _alone(lambda event: {"type": "pong", **_re(event.id)}),
    answers.Done: _alone(lambda event: {"type": "done", **_re(event.id)}),
    answers.Closing: _alone(lambda _: {"type": "closing", "reason": "server is closing"}),
}
