"""What happened: the events that `state.State.apply` returns. Plain data.

An event is for everyone in its room, or for one connection or member where its docstring says so.
`member` is whoever caused it, and `id` is what that member gave its request; only that member's own
copy ever shows it. Times are in milliseconds since 1970, UTC.

``gc=False`` is safe because none of them can be part of a reference cycle.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from trionet.chat.state.operations import ConnectionId, RequestId


class Said(Struct, frozen=True, gc=False):
    """A member said a run of messages; they have the numbers from `number` on.

    `ids` has one for each text; ``None``: none of them has one. `author` is the SHA-256 of the
    member's token, and empty if it has none. It is never shown to anybody.
    """

    room: str
    number: int
    time: int
    member: int
    name: str
    texts: list[str]
    ids: list[RequestId] | None = None
    author: bytes = b""


class Acted(Struct, frozen=True, gc=False):
    """A member said an action, such as `waves`. `author` is as in `Said`."""

    room: str
    number: int
    time: int
    member: int
    name: str
    text: str
    id: RequestId = None
    author: bytes = b""


class Joined(Struct, frozen=True, gc=False):
    """A member joined a room, which has `count` members now."""

    room: str
    number: int
    time: int
    member: int
    name: str
    count: int
    id: RequestId = None


class Left(Struct, frozen=True, gc=False):
    """A member left a room, which has `count` members now.

    `reason` is `quit`, `moved`, `left` or `lost`.
    """

    room: str
    number: int
    time: int
    member: int
    name: str
    count: int
    reason: str
    id: RequestId = None


class Renamed(Struct, frozen=True, gc=False):
    """A member of a room is called `to` from now on; one for each of its rooms."""

    room: str
    number: int
    time: int
    member: int
    name: str
    to: str
    id: RequestId = None


class TopicSet(Struct, frozen=True, gc=False):
    """A member set the topic of a room, or removed it with an empty text."""

    room: str
    number: int
    time: int
    member: int
    name: str
    text: str
    id: RequestId = None


class Removed(Struct, frozen=True, gc=False):
    """A member removed the text of the message `of` from a room."""

    room: str
    number: int
    time: int
    member: int
    name: str
    of: int
    id: RequestId = None


class Told(Struct, frozen=True, gc=False):
    """A member said something to another one alone; `number` counts in the receiver's sequence."""

    number: int
    time: int
    member: int
    receiver: int
    name: str
    to: str
    text: str
    id: RequestId = None


class Repeated(Struct, frozen=True, gc=False):
    """For one member: it sent a request again. `event` is what happened the first time.

    Nothing is said again. Only the text is that of the repeated request: the state keeps no texts.
    """

    member: int
    event: Said | Acted | Told


class LoggedIn(Struct, frozen=True, gc=False):
    """For one connection: it is a member now.

    `rooms` are all that the member is in, the lobby first, then in the order of joining. A `Joined`
    has already told of each room that it has just joined. `resumed`: the member was here already,
    and this is its only connection now. `private`: the private messages that were kept for it, if
    it does not hold any more, so that nothing is kept from now on.
    """

    connection: ConnectionId
    member: int
    name: str
    rooms: tuple[str, ...]
    id: RequestId = None
    resumed: bool = False
    private: list[Told] = []


class TakenOver(Struct, frozen=True, gc=False):
    """For one connection: another one has its member.

    The `LoggedIn` of that one follows. If the log had lost this connection, it was told before.
    """

    connection: ConnectionId
    member: int


class Held(Struct, frozen=True, gc=False):
    """A member has lost its connection, and is held. No room is told."""

    member: int


class Named(Struct, frozen=True, gc=False):
    """For one member: it has this name now. `was_told`: a `Renamed` has said so in some room."""

    member: int
    name: str
    was_told: bool
    id: RequestId = None


class Stayed(Struct, frozen=True, gc=False):
    """For one member: it asked to join a room that it is in already."""

    member: int
    room: str
    id: RequestId = None


class LoggedOut(Struct, frozen=True, gc=False):
    """A member is gone. Its rooms were told before, each by a `Left`."""

    member: int


class EpochBegan(Struct, frozen=True, gc=False):
    """Numbers that were told before belong to another epoch."""

    epoch: str


class Renumbered(Struct, frozen=True, gc=False):
    """Numbers of all rooms go on after this one: some machine has told it, and it was lost."""

    highest: int


class LoginRefused(Struct, frozen=True, gc=False):
    """For one connection: it has not become a member."""

    connection: ConnectionId
    code: str
    reason: str
    id: RequestId = None


class OperationRefused(Struct, frozen=True, gc=False):
    """For one member: an operation was not carried out.

    `room` names a room of a login that could not be joined; ``None``: something else was refused.
    """

    member: int
    code: str
    reason: str
    id: RequestId = None
    room: str | None = None


# What a room has numbers for: what its members are told, and what a history keeps.
RoomEvent: TypeAlias = Said | Acted | Joined | Left | Renamed | TopicSet | Removed

StateEvent: TypeAlias = (
    RoomEvent
    | Told
    | Repeated
    | LoggedIn
    | TakenOver
    | Held
    | Named
    | Stayed
    | LoggedOut
    | EpochBegan
    | Renumbered
    | LoginRefused
    | OperationRefused
)
