"""What a chat's client receives: one frozen object for each event and answer of the protocol.

They have the wire's field names (with `from_` for `from`) and the wire's `type`. Events of a type
that this client does not know are left out, so that it can talk to a newer server.

The server's structs in `json_events` are not used here: they are made for writing, freezing them
would cost the server time, and they hold bytes where these hold objects. A test compares the fields
of both.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

import msgspec
from msgspec import Struct

from trionet.chat.formats.json_requests import UNREADABLE
from trionet.chat.state.operations import RequestId


class ChatEvent(Struct, frozen=True, tag_field="type", omit_defaults=True, gc=False):
    """What all events have.

    Attributes:
        type: the event's name in the protocol, such as ``"said"``.
    """

    @property
    def type(self) -> str:
        """The event's name in the protocol."""
        return str(self.__struct_config__.tag)


class RoomEvent(ChatEvent, frozen=True):
    """What happened in a room. Its numbers grow.

    Attributes:
        time: such as ``2026-11-28T02:35:00.123Z``.
        name: the member who did it.
    """

    room: str
    number: int
    time: str
    name: str


class Said(RoomEvent, frozen=True, tag="said"):
    """A member said something."""

    text: str
    re: RequestId = None


class Acted(RoomEvent, frozen=True, tag="acted"):
    """A member did something: ``* Ann waves``."""

    text: str
    re: RequestId = None


class TopicSet(RoomEvent, frozen=True, tag="topic"):
    """A member set the topic; an empty text removed it."""

    text: str
    re: RequestId = None


class Joined(RoomEvent, frozen=True, tag="joined"):
    """A member joined; `count` is how many are in the room now."""

    count: int
    re: RequestId = None


class Left(RoomEvent, frozen=True, tag="left"):
    """A member left: `quit`, `moved`, `left` or `lost`."""

    count: int
    reason: str
    re: RequestId = None


class Renamed(RoomEvent, frozen=True, tag="renamed"):
    """A member has another name now."""

    to: str
    re: RequestId = None


class Removed(RoomEvent, frozen=True, tag="removed"):
    """A message was removed: the one with the number `of`."""

    of: int
    re: RequestId = None


class Told(ChatEvent, frozen=True, tag="told", rename={"from_": "from"}):
    """One member told another something in private."""

    number: int
    time: str
    from_: str
    to: str
    text: str
    re: RequestId = None


class Welcome(ChatEvent, frozen=True, tag="welcome"):
    """The login was accepted; `resumed`: the member was held, and keeps its name and place."""

    name: str
    token: str
    epoch: str
    resumed: bool
    re: RequestId = None

    def __repr__(self) -> str:
        # Whoever has the token can speak as this member, and events end up in logs.
        return f"Welcome(name={self.name!r}, epoch={self.epoch!r}, resumed={self.resumed})"


class Entered(ChatEvent, frozen=True, tag="entered"):
    """This member is in a room, with the first 20 members."""

    room: str
    topic: str
    members: tuple[str, ...]
    count: int
    last: int
    re: RequestId = None


class Members(ChatEvent, frozen=True, tag="members"):
    """The answer to `who`, or a part of it."""

    room: str
    members: tuple[str, ...]
    more: bool = False
    re: RequestId = None


class RoomInfo(Struct, frozen=True, gc=False):
    """A room in a list of rooms."""

    room: str
    topic: str
    count: int


class Rooms(ChatEvent, frozen=True, tag="rooms"):
    """The answer to `rooms`, or a part of it."""

    rooms: tuple[RoomInfo, ...]
    more: bool = False
    re: RequestId = None


PastEvent = Said | Acted | TopicSet | Joined | Left | Renamed | Removed | Told


class History(ChatEvent, frozen=True, tag="history"):
    """A page of the history, oldest first."""

    room: str
    events: tuple[PastEvent, ...]
    more: bool
    re: RequestId = None


class Found(ChatEvent, frozen=True, tag="found"):
    """What a search has found, oldest first."""

    events: tuple[PastEvent, ...]
    more: bool
    re: RequestId = None


class Missed(ChatEvent, frozen=True, tag="missed"):
    """Events that this client did not get.

    Attributes:
        room: where they were; ``None``: in several rooms, or in none.
        after, before: between which numbers they were, both exclusive: what
            ``client.history(room, after=after, before=before)`` takes.
        count: how many events or answers are missing; ``None``: the server does not say.
        re: the requests whose answers are among them.
    """

    room: str | None = None
    after: int | None = None
    before: int | None = None
    count: int | None = None
    re: tuple[RequestId, ...] | RequestId = None


class Epoch(ChatEvent, frozen=True, tag="epoch"):
    """A new epoch has begun: numbers go on after those in `rooms`."""

    epoch: str
    rooms: dict[str, int]


class Error(ChatEvent, frozen=True, tag="error"):
    """Something was refused or misunderstood."""

    code: str
    reason: str
    room: str | None = None
    re: RequestId = None


class LogState(ChatEvent, frozen=True, tag="log"):
    """The order of messages is out of reach, or back."""

    available: bool


class Closing(ChatEvent, frozen=True, tag="closing"):
    """The server is about to close the connection."""

    reason: str


class Pong(ChatEvent, frozen=True, tag="pong"):
    """The answer to `ping`."""

    re: RequestId = None


class Done(ChatEvent, frozen=True, tag="done"):
    """The answer to a request that caused no event."""

    re: RequestId = None


EVENTS = (
    Said, Acted, TopicSet, Joined, Left, Renamed, Removed, Told, Welcome, Entered, Members, Rooms,
    History, Found, Missed, Epoch, Error, LogState, Closing, Pong, Done,
)  # fmt: skip
_TAGS = frozenset([event.__struct_config__.tag for event in EVENTS])


class _Head(Struct):
    type: str


_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(reduce(or_, EVENTS))
_head_decoder = msgspec.json.Decoder(_Head)


def decode(line: str) -> ChatEvent | None:
    """Read a line from a server; ``None``: an event that this client does not know.

    Raises:
        ValueError: the line is not an event.
    """
    try:
        event: ChatEvent = _decoder.decode(line)
        return event
    except UNREADABLE:
        if _is_unknown(line):
            return None
        raise ValueError(f"not an event: {line[:100]!r}") from None


def _is_unknown(line: str) -> bool:
    """Return whether this is an event of a type that only a newer server has."""
    try:
        return _head_decoder.decode(line).type not in _TAGS
    except UNREADABLE:
        return False
