"""What changes the state of the chat: plain data, the same on every machine.

An operation brings everything that would otherwise be looked up in a table or drawn at random. So a
name comes with its skeletons, because another machine may have other Unicode tables. Whoever makes
the operation has judged the name; only the state can tell whether it is still free.

Operations are written as arrays with a short tag, so that a log can keep them. ``gc=False`` is safe
because none of them can be part of a reference cycle.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from trionet.chat.names.unique_name import UniqueName

# A connection: the machine that it is on, and its number there.
ConnectionId: TypeAlias = tuple[str, int]

# What a peer gave its request, to recognize the answer by; ``None``: nothing.
RequestId: TypeAlias = int | str | None


class LogIn(Struct, frozen=True, gc=False, array_like=True, tag="login"):
    """Make a connection a member, new or resumed, in these rooms.

    Attributes:
        connection: what becomes a member.
        name: what a new member is called; ``None``: nobody can have the name that was given.
        rooms: where a new member starts; a resumed member joins those that it is not in yet.
            ``None``: no rooms were named; a new member starts in the lobby, and a resumed one joins
            none.
        id: what the peer gave its request.
        token: the SHA-256 of a token that was drawn for a new member; empty: it has none, and can
            be neither resumed nor held.
        hold: whether the member is held when its connection ends.
        brought: the SHA-256 of the token that the login brought; empty: none. The member that has
            this token is resumed, under its own name; if nobody has it, the member is new.
        login: which login of the member made the connection, if the connection has been a member's
            before and the log has lost that; 0: it is a login of now. A newer login keeps the
            member.
        former: the SHA-256 of the token that such a member had brought to its first login.
    """

    connection: ConnectionId
    name: UniqueName | None
    rooms: tuple[UniqueName, ...] | None
    id: RequestId = None
    token: bytes = b""
    hold: bool = False
    brought: bytes = b""
    login: int = 0
    former: bytes = b""


class LogOut(Struct, frozen=True, gc=False, array_like=True, tag="logout"):
    """Let a member leave every room and the chat, held or not. `reason` is `quit` or `lost`."""

    member: int
    reason: str


class Detach(Struct, frozen=True, gc=False, array_like=True, tag="detach"):
    """A member's connection has ended, and nobody has quit: the member is held, or leaves.

    Nothing changes if another connection has taken this one over.
    """

    member: int
    connection: ConnectionId
    reason: str = "lost"


class Evict(Struct, frozen=True, gc=False, array_like=True, tag="evict"):
    """Let a held member leave, to make room. A member that is connected again stays."""

    member: int


class Say(Struct, frozen=True, gc=False, array_like=True, tag="say"):
    """Say a run of messages: one operation, one event and one record, however many texts.

    `ids` has one for each text; ``None``: none of them has one. If a member with `hold` sends a
    text again, with the same id, it is not said again, and the run breaks in two there. The same
    goes for `Act` and `Tell`.
    """

    member: int
    room: str
    texts: list[str]
    ids: list[RequestId] | None = None


class Act(Struct, frozen=True, gc=False, array_like=True, tag="act"):
    """Say an action."""

    member: int
    room: str
    text: str
    id: RequestId = None


class Tell(Struct, frozen=True, gc=False, array_like=True, tag="tell"):
    """Say something to one member. `to` is for people, `key` finds the member."""

    member: int
    to: str
    key: str
    text: str
    id: RequestId = None


class Join(Struct, frozen=True, gc=False, array_like=True, tag="join"):
    """Join a room. With `moves`, leave all others."""

    member: int
    room: UniqueName
    moves: bool = False
    id: RequestId = None


class Leave(Struct, frozen=True, gc=False, array_like=True, tag="leave"):
    """Leave a room."""

    member: int
    room: str
    id: RequestId = None


class SetTopic(Struct, frozen=True, gc=False, array_like=True, tag="topic"):
    """Set a room's topic; an empty text removes it."""

    member: int
    room: str
    text: str
    id: RequestId = None


class Rename(Struct, frozen=True, gc=False, array_like=True, tag="nick"):
    """Give a member another name."""

    member: int
    name: UniqueName
    id: RequestId = None


class Remove(Struct, frozen=True, gc=False, array_like=True, tag="remove"):
    """Remove the text of a message from a room. Whoever makes it has checked the author."""

    member: int
    room: str
    number: int
    id: RequestId = None


class KeptRoom(Struct, frozen=True, gc=False, array_like=True):
    """A room as a history has kept it.

    Attributes:
        name: its name.
        last: the number of its last event.
        topic: its topic. A room without a topic is not opened, except for the lobby.
        since: the time of its last event, in milliseconds since 1970, UTC. Its topic expires 30
            days later. 0: not known.
    """

    name: UniqueName
    last: int
    topic: str = ""
    since: int = 0


class Restore(Struct, frozen=True, gc=False, array_like=True, tag="restore"):
    """Go on from what a history has kept; the first operation of a log, if there is one.

    Attributes:
        epoch: the epoch from now on.
        rooms: rooms, in the order in which their topics were set.
        highest: the highest number that any room has had. A room that is opened begins after it.
    """

    epoch: str
    rooms: tuple[KeptRoom, ...] = ()
    highest: int = 0


class Renew(Struct, frozen=True, gc=False, array_like=True, tag="renew"):
    """Begin another epoch, because some of what was told is lost for good.

    The numbers of all rooms go on after `highest`, or after their own if these are higher.

    Attributes:
        epoch: the epoch from now on. If it is the epoch already, nobody is told.
        highest: the highest number that was told of any room.
        rooms: rooms with topics, in the order in which these were set. A room that there is already
            keeps its own topic.
    """

    epoch: str
    highest: int
    rooms: tuple[KeptRoom, ...] = ()


Operation: TypeAlias = (
    LogIn
    | LogOut
    | Detach
    | Evict
    | Say
    | Act
    | Tell
    | Join
    | Leave
    | SetTopic
    | Rename
    | Remove
    | Restore
    | Renew
)


class Entry(Struct, frozen=True, gc=False, array_like=True):
    """Operations that are applied together.

    Attributes:
        origin: the machine that wrote them.
        number: its place among the entries of that machine, from 1. An entry that comes again
            changes nothing.
        time: when it was written, in milliseconds since 1970, UTC.
        operations: in order; none: only time has passed.
        clock: the time by which held members leave, in milliseconds; ``None``: `time`. If machines
            share a log, this clock stands still while the log is out of reach.
    """

    origin: str
    number: int
    time: int
    operations: list[Operation]
    clock: int | None = None
