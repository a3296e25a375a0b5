"""What changes the state of the chat: plain data, the same on every machine.

An operation holds everything that looking up a table or drawing lots would give: a name comes with
its skeletons, because another machine may have other Unicode tables. Whoever makes the operation
has judged the name; whether it is still free, only the state can tell.

Operations are written as arrays with a short tag, so that a log can keep them. ``gc=False`` is safe
because none of them can be part of a reference cycle.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

# A connection: the machine that it is on, and its number there.
ConnectionId: TypeAlias = tuple[str, int]

# What a peer gave its request, to know the answer by; ``None``: nothing.
RequestId: TypeAlias = int | str | None


class UniqueName(Struct, frozen=True, gc=False, array_like=True):
    """A name of a member or a room, judged and ready to be compared.

    Attributes:
        shown: the form that everyone sees.
        key: the form that names are compared by.
        skeletons: what it looks like, sorted.
    """

    shown: str
    key: str
    skeletons: tuple[str, ...]


class LogIn(Struct, frozen=True, gc=False, array_like=True, tag="login"):
    """Make a connection a member, in these rooms."""

    connection: ConnectionId
    name: UniqueName
    rooms: tuple[UniqueName, ...]
    id: RequestId = None


class LogOut(Struct, frozen=True, gc=False, array_like=True, tag="logout"):
    """Let a member leave every room and the chat. `reason` is `quit` or `lost`."""

    member: int
    reason: str


class Say(Struct, frozen=True, gc=False, array_like=True, tag="say"):
    """Say a run of messages: one operation, one event and one record, however many texts.

    `ids` has one for each text; ``None``: none of them has one.
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


Operation: TypeAlias = (
    LogIn | LogOut | Say | Act | Tell | Join | Leave | SetTopic | Rename
)  # fmt: skip


class Entry(Struct, frozen=True, gc=False, array_like=True):
    """Operations that are applied together.

    Attributes:
        origin: the machine that wrote them.
        number: the how many-th entry of that machine it is, from 1. An entry that comes again
            changes nothing.
        time: when it was written, in milliseconds since 1970, UTC.
        operations: in order; none: only time has passed.
    """

    origin: str
    number: int
    time: int
    operations: list[Operation]
