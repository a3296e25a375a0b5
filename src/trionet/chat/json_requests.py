"""What programs send: JSON objects, one a line, and what each of them asks for. Pure.

A request is decoded straight into a struct that has its fields, their kinds and their ranges. What
cannot be decoded is looked at again, to say what is wrong with it; so only mistakes pay for that.

To add a request, add its struct and its row in `_REQUESTS`.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, Any, cast

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from trionet.chat import requests
from trionet.chat.operations import RequestId
from trionet.chat.requests import Misunderstood, Request, SayAll
from trionet.chat.state import MAX_ROOMS_A_MEMBER
from trionet.chat.texts import safe_texts, safe_topic
from trionet.lines import Line
from trionet.text.safe import WHITE_SPACE

# Integers that every JSON parser keeps exactly.
_EXACT = 2**53

_Number = Annotated[int, Meta(ge=0, le=_EXACT)]
_Limit = Annotated[int, Meta(ge=1, le=500)]
_Id = (
    Annotated[str, Meta(min_length=1, max_length=64)] | Annotated[int, Meta(ge=-_EXACT, le=_EXACT)]
)

# What a peer may ask before it has logged in.
_OF_STRANGERS = ("login", "ping", "quit")

# How a text ends that needs more care.
_ENDS = frozenset(("", " "))
_ROOM, _TEXT, _ID = map(attrgetter, ("room", "text", "id"))

# Longer lines are read one by one: their answers may cost more than the line.
_SHORT = 3900


class _Request(Struct, tag_field="type", gc=False, kw_only=True):
    id: _Id | UnsetType = UNSET


class _Login(_Request, tag="login"):
    name: str
    hold: bool = False
    token: str = ""
    seen: dict[str, _Number] = {}
    epoch: str = ""
    rooms: Annotated[list[str], Meta(max_length=MAX_ROOMS_A_MEMBER)] | UnsetType = UNSET
    password: str = ""


class _InRoom(_Request):
    room: str


class _Text(_InRoom):
    text: str


class _Say(_Text, tag="say"):
    pass


class _Act(_Text, tag="act"):
    pass


class _Topic(_Text, tag="topic"):
    pass


class _Tell(_Request, tag="tell"):
    to: str
    text: str


class _Join(_InRoom, tag="join"):
    pass


class _Leave(_InRoom, tag="leave"):
    pass


class _Nick(_Request, tag="nick"):
    name: str


class _Remove(_InRoom, tag="remove"):
    number: _Number


class _Who(_InRoom, tag="who"):
    pass


class _Rooms(_Request, tag="rooms"):
    pass


class _Ping(_Request, tag="ping"):
    pass


class _Quit(_Request, tag="quit"):
    pass


class _History(_InRoom, tag="history"):
    before: _Number | UnsetType = UNSET
    after: _Number | UnsetType = UNSET
    limit: _Limit = 50


class _Search(_Request, tag="search"):
    text: str
    room: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    before: _Number | UnsetType = UNSET
    limit: _Limit = 50


def _id(request: _Request) -> RequestId:
    return None if request.id is UNSET else cast(RequestId, request.id)


def _login(request: _Login) -> Request:
    rooms = None if request.rooms is UNSET else tuple(request.rooms)
    return requests.LogIn(request.name, rooms, _id(request))


def _history(request: _History) -> Request:
    if request.before is not UNSET and request.after is not UNSET:
        raise Misunderstood("history takes before or after, not both")
    return requests.AskPast("the history", _id(request))


def _search(request: _Search) -> Request:
    if request.before is not UNSET and request.room is UNSET:
        raise Misunderstood("before needs a room")
    if not request.text.strip(WHITE_SPACE):
        raise Misunderstood("the text is blank")
    return requests.AskPast("the search", _id(request))


# Each makes a request of the chat; whatever it raises gets the id of the JSON request.
_REQUESTS: dict[type[_Request], Callable[[Any], Request]] = {
    _Login: _login,
    _Say: lambda r: requests.Say(safe_texts(r.text), r.room, _id(r)),
    _Act: lambda r: requests.Act(safe_texts(r.text), r.room, _id(r)),
    _Tell: lambda r: requests.Tell(r.to, safe_texts(r.text), _id(r)),
    _Join: lambda r: requests.Join(r.room, id=_id(r)),
    _Leave: lambda r: requests.Leave(r.room, _id(r)),
    _Topic: lambda r: requests.SetTopic(safe_topic(r.text), r.room, _id(r)),
    _Nick: lambda r: requests.Rename(r.name, _id(r)),
    _Remove: lambda r: requests.AskPast("removing messages", _id(r)),
    _Who: lambda r: requests.AskWho(r.room, _id(r)),
    _Rooms: lambda r: requests.AskRooms(_id(r)),
    _Ping: lambda r: requests.Ping(_id(r)),
    _Quit: lambda _: requests.Quit(),
    _History: _history,
    _Search: _search,
}

_TYPES = frozenset(each.__struct_config__.tag for each in _REQUESTS)

_Any = (
    _Login | _Say | _Act | _Tell | _Join | _Leave | _Topic | _Nick | _Remove
    | _Who | _Rooms | _Ping | _Quit | _History | _Search
)  # fmt: skip
_decode: Callable[[str], _Request] = msgspec.json.Decoder(_Any).decode

# Input that nests too deeply is no fault of this program.
_MALFORMED = (msgspec.MsgspecError, UnicodeError, RecursionError)


def is_object(line: str) -> bool:
    """Tell whether a line is a JSON object."""
    if line.lstrip(" \t\r")[:1] != "{":
        return False
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except _MALFORMED:
        return False


def decode_login(line: str) -> Request | None:
    """Read a line from a peer that has not logged in; ``None`` if it is blank.

    Raises:
        Misunderstood: it is no request, or one for members alone.
    """
    return _read(line, is_member=False)


def decode(line: str) -> Request | None:
    """Read a line from a member; ``None`` if it is blank. Texts come out safe to show.

    Raises:
        Misunderstood: it is no request.
    """
    return _read(line, is_member=True)


def decode_messages(lines: list[Line]) -> SayAll | None:
    """Read lines in one go, if they are surely all messages of printable ASCII to one room.

    Returns:
        The messages, as `decode` would return them; ``None`` if some line may be something else or
        needs more care.
    """
    try:
        sent = "".join(cast(list[str], lines))
        # JSON has no control character but DEL as it is: without a backslash, all is printable.
        if not sent.isascii() or "\\" in sent or "\x7f" in sent:
            return None
        wire = [*map(_decode, cast(list[str], lines))]
    except (*_MALFORMED, TypeError):
        return None
    if {*map(type, wire)} != {_Say}:
        return None
    rooms = {*map(_ROOM, wire)}
    texts: list[str] = [*map(_TEXT, wire)]
    if len(rooms) > 1:
        return None
    # A blank one, one that ends with a space, and one that may be too long need more care.
    if not _ENDS.isdisjoint([text[-1:] for text in texts]) or max(map(len, texts)) > _SHORT:
        return None
    (room,) = rooms
    ids: list[Any] = [*map(_ID, wire)]
    absent = ids.count(UNSET)
    if absent == len(ids):
        return SayAll(texts, room)
    return SayAll(texts, room, [None if one is UNSET else one for one in ids] if absent else ids)


def _read(line: str, *, is_member: bool) -> Request | None:
    if not line.strip(WHITE_SPACE):
        return None
    try:
        request = _decode(line)
    except _MALFORMED as error:
        raise _why(line, error, is_member=is_member) from None
    if not is_member and type(request) not in (_Login, _Ping, _Quit):
        raise _not_logged_in(_id(request))
    try:
        return _REQUESTS[type(request)](request)
    except Misunderstood as mistake:
        mistake.id = _id(request)
        raise


def _why(line: str, error: Exception, *, is_member: bool) -> Misunderstood:
    """Return what is wrong with a line that is no request."""
    try:
        fields = msgspec.json.decode(line)
    except _MALFORMED as malformed:
        what = str(malformed).removeprefix("JSON is malformed: ")
        return Misunderstood(f"this is no JSON: {what}", code="bad-json")
    if not isinstance(fields, dict):
        return Misunderstood("a request is a JSON object", code="bad-json")
    kind = fields.get("type")
    is_login = kind == "login"
    id_ = fields.get("id")
    if "id" in fields and not _is_id(id_):
        reason = "an id is a text of 1 to 64 characters, or an integer within ±2^53"
        return Misunderstood(reason, is_login=is_login)
    if not isinstance(kind, str):
        return Misunderstood("a request has a type, which is a text", id=id_)
    if kind not in _TYPES:
        shown = f"{kind[:32]!r}"
        return Misunderstood(
            f"there is no request of the type {shown}", code="unknown-type", id=id_
        )
    if not is_member and kind not in _OF_STRANGERS:
        return _not_logged_in(id_)
    return Misunderstood(str(error), id=id_, is_login=is_login)


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return 1 <= len(value) <= 64
    return type(value) is int and -_EXACT <= value <= _EXACT


def _not_logged_in(id_: RequestId) -> Misunderstood:
    return Misunderstood("log in first", code="not-logged-in", id=id_)
