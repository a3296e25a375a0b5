"""JSON lines, the way in: a line becomes a request, or a `Misunderstood` that says what is wrong.

The plan of this file: one struct for each request, with the fields that the protocol names and a
`read` that makes a request of the chat of them. msgspec checks the form of a line against the
structs; `read` checks what a type cannot express. A line that does not fit is looked at once more,
slowly, to find the `id` for the answer and the reason.

Types are strict: a string is not a number, and `1.0` is not a whole number. A ``null`` counts as a
field that is left out, so optional fields may be ``null`` and others may not.
"""

from __future__ import annotations

from functools import reduce
from operator import itemgetter, or_
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta, Raw, Struct

from trionet.chat.formats.requests import (
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
from trionet.chat.formats.texts import MAX_TEXT, repeated, safe_texts, safe_topic
from trionet.chat.state.operations import RequestId
from trionet.lines import Line
from trionet.text.safe import WHITE_SPACE

# The greatest whole number that every language's JSON reader keeps exactly.
_MOST = 2**53
# Characters of what msgspec says about a field. It may repeat the field's value.
_MAX_ABOUT_FIELDS = 120

_Number = Annotated[int, Meta(ge=-_MOST, le=_MOST)]
_Seen = Annotated[int, Meta(ge=0, le=_MOST)]
_Id = _Number | Annotated[str, Meta(min_length=1, max_length=64)] | None
# How many events an answer has, unless the request says it.
_LIMIT = 50
_Limit = Annotated[int, Meta(ge=1, le=500)]
# A member is in 100 at most. Judging the 2,300 names that fit into the longest line took 50 ms.
_StartingRooms = Annotated[list[str], Meta(max_length=200)]


class _Request(Struct, kw_only=True, tag_field="type", gc=False):
    id: _Id = None

    def read(self) -> Request:
        raise NotImplementedError


class _Login(_Request, tag="login"):
    name: str
    rooms: _StartingRooms | None = None
    hold: bool | None = None
    token: str | None = None
    seen: dict[str, _Seen] | None = None
    epoch: str | None = None
    password: str | None = None

    def read(self) -> Request:
        rooms = None if self.rooms is None else tuple(self.rooms)
        hold, token = bool(self.hold), self.token or ""
        return LogIn(self.name, rooms, self.id, hold, token, self.seen, self.epoch, self.password)

    def __repr__(self) -> str:
        return type(self).__name__


class _Say(_Request, tag="say"):
    room: str
    text: str

    def read(self) -> Request:
        return Say(safe_texts(self.text), self.room, self.id)


class _Act(_Request, tag="act"):
    room: str
    text: str

    def read(self) -> Request:
        return Act(safe_texts(self.text), self.room, self.id)


class _Tell(_Request, tag="tell"):
    to: str
    text: str

    def read(self) -> Request:
        return Tell(self.to, safe_texts(self.text), self.id)


class _Join(_Request, tag="join"):
    room: str

    def read(self) -> Request:
        return Join(self.room, id=self.id)


class _Leave(_Request, tag="leave"):
    room: str

    def read(self) -> Request:
        return Leave(self.room, self.id)


class _Topic(_Request, tag="topic"):
    room: str
    text: str

    def read(self) -> Request:
        return SetTopic(safe_topic(self.text), self.room, self.id)


class _Nick(_Request, tag="nick"):
    name: str

    def read(self) -> Request:
        return Rename(self.name, self.id)


class _Who(_Request, tag="who"):
    room: str

    def read(self) -> Request:
        return AskWho(self.room, self.id)


class _Rooms(_Request, tag="rooms"):
    def read(self) -> Request:
        return AskRooms(self.id)


class _Ping(_Request, tag="ping"):
    def read(self) -> Request:
        return Ping(self.id)


class _Quit(_Request, tag="quit"):
    def read(self) -> Request:
        return Quit()


class _Remove(_Request, tag="remove"):
    room: str
    number: _Number

    def read(self) -> Request:
        return Remove(self.room, self.number, self.id)


class _History(_Request, tag="history"):
    room: str
    before: _Number | None = None
    after: _Number | None = None
    limit: _Limit | None = None

    def read(self) -> Request:
        if self.before is not None and self.after is not None:
            raise Misunderstood("`before` and `after` cannot stand together")
        return AskHistory(self.room, self.before, self.after, self.limit or _LIMIT, self.id)


class _Search(_Request, tag="search"):
    text: str
    room: str | None = None
    name: str | None = None
    before: _Number | None = None
    limit: _Limit | None = None

    def read(self) -> Request:
        safe_texts(self.text)
        if self.before is not None and self.room is None:
            raise Misunderstood("`before` needs a `room`")
        return Search(self.text, self.room, self.name, self.before, self.limit or _LIMIT, self.id)


class _Head(Struct):
    """What the answer to a mistake needs of a line, as it is written there."""

    type: Raw = Raw()
    id: Raw = Raw()


_OF_STRANGERS = (_Login, _Ping, _Quit)
_OF_MEMBERS = (
    _Login, _Say, _Act, _Tell, _Join, _Leave, _Topic, _Nick, _Who, _Rooms, _Ping, _Quit,
    _Remove, _History, _Search,
)  # fmt: skip
_TYPES_OF_STRANGERS = frozenset([fields.__struct_config__.tag for fields in _OF_STRANGERS])
_TYPES = frozenset([fields.__struct_config__.tag for fields in _OF_MEMBERS])

_stranger_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(reduce(or_, _OF_STRANGERS))
_member_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(reduce(or_, _OF_MEMBERS))
_says_decoder = msgspec.json.Decoder(tuple[_Say])
_head_decoder = msgspec.json.Decoder(_Head)
_id_decoder: msgspec.json.Decoder[RequestId] = msgspec.json.Decoder(_Id)
_type_decoder = msgspec.json.Decoder(str)

# What a decoder raises. A line that is nested a thousand deep is a `RecursionError`; half of a
# surrogate pair, which no `LineDecoder` lets through, is a `UnicodeError`.
UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeError)

_LAST = itemgetter(-1)


def is_object(line: str) -> bool:
    """Tell whether a connection's first line is a JSON object, which makes it speak JSON lines."""
    # Most first lines are names, and the exception would take four times as long.
    if not line.lstrip(" \t\r\n").startswith("{"):
        return False
    try:
        _head_decoder.decode(line)
    except UNREADABLE:
        return False
    return True


def decode_login(line: str) -> Request | None:
    """Read a line from a peer that has not logged in; ``None`` if it is blank.

    Raises:
        Misunderstood: it is not a request, or not one that such a peer can make.
    """
    return _decode(_stranger_decoder, line)


def decode(line: str) -> Request | None:
    """Read a line from a member; ``None`` if it is blank. Texts come out safe to show.

    Raises:
        Misunderstood: it is not a request.
    """
    return _decode(_member_decoder, line)


def decode_messages(lines: list[Line]) -> SayAll | None:
    """Read lines in one go, if they are surely all messages of printable ASCII to one room.

    Returns:
        What `decode` would return for them one by one; ``None`` if some line may be something else
        or needs more care.
    """
    if len(lines) == 1:
        # `decode` takes half as long for one.
        return None
    try:
        # Each line becomes an array with one object. `decode_lines` ignores line ends and reads one
        # value after the other, but `][` is valid JSON nowhere else: no value is on two lines.
        # (Looking for braces around the line ends took a quarter longer with texts of 32 bytes, and
        # twice as long with 512.)
        block = "]\n[".join(cast(list[str], lines))
    except TypeError:
        # One of them is a bad line, which is not a string.
        return None
    # No control character but DEL stands in JSON as it is: without escapes, texts are printable.
    if not block.isascii() or "\\" in block or "\x7f" in block:
        return None
    try:
        said = [one for (one,) in _says_decoder.decode_lines(f"[{block}]")]
    except UNREADABLE:
        return None
    if len(said) != len(lines):
        # Some line is two arrays.
        return None
    room = said[0].room
    texts = [one.text for one in said]
    # Nothing is blank, and nothing loses white space at its end. A slice of each text instead takes
    # twice as long.
    if not all(texts) or " " in map(_LAST, texts):
        return None
    if len(block) > MAX_TEXT and max(map(len, texts)) > MAX_TEXT:
        return None
    if len({one.room for one in said}) > 1:
        return None
    ids = [one.id for one in said]
    return SayAll(texts, room, None if ids.count(None) == len(ids) else ids)


def _decode(decoder: msgspec.json.Decoder[Any], line: str) -> Request | None:
    try:
        fields: _Request = decoder.decode(line)
    except UNREADABLE as error:
        if not line.strip(WHITE_SPACE):
            return None
        raise _misunderstood(line, error, by_member=decoder is _member_decoder) from None
    try:
        return fields.read()
    except Misunderstood as mistake:
        mistake.id = fields.id
        raise


def _misunderstood(line: str, error: Exception, *, by_member: bool) -> Misunderstood:
    """Find out what is wrong with a line that a decoder did not take."""
    try:
        head = _head_decoder.decode(line)
    except UNREADABLE:
        return Misunderstood("not a JSON object", code="bad-json")
    try:
        id_ = _id_decoder.decode(head.id) if bytes(head.id) else None
    except UNREADABLE:
        return Misunderstood("`id` is a text of 1 to 64 characters or a whole number within 2^53")
    try:
        type_ = _type_decoder.decode(head.type)
    except UNREADABLE:
        return Misunderstood("`type` is missing, or is not a text", id=id_)
    if type_ not in _TYPES:
        reason = f"there is no request {repeated(type_)}"
        return Misunderstood(reason, code="unknown-type", id=id_)
    if not by_member and type_ not in _TYPES_OF_STRANGERS:
        return Misunderstood("log in first", code="not-logged-in", id=id_)
    # msgspec's words are good enough for the programmer who reads them.
    return Misunderstood(repeated(str(error), _MAX_ABOUT_FIELDS), id=id_, is_login=type_ == "login")
