"""What a peer asks for, as plain values: what a wire format makes of a line.

A request may have an `id`, by which its sender recognizes the answer. A format whose peers are in
one room at a time names no room: it leaves `room` at `HERE`.

``gc=False`` is safe because none of them can be part of a reference cycle. (A struct is made in
0.07 µs, a frozen dataclass in 0.5 µs, and every message becomes a few of them.)
"""

from __future__ import annotations

from typing import Final, TypeAlias

from msgspec import Struct

from trionet.chat.state.operations import RequestId
from trionet.errors import TrionetError


class _Here(str):
    """A text that cannot come from a peer's line: it is recognised by its identity."""

    __slots__ = ()


# The room that the connection is in.
HERE: Final = _Here("")


class LogIn(Struct, frozen=True, gc=False):
    """Become a member under this name, in these rooms; ``None``: in the lobby.

    Attributes:
        name: used if the token is not that of a member.
        rooms: where to start, besides the rooms that the member is in.
        id: names the request.
        hold: whether to be held when the connection ends.
        token: what a `Welcomed` gave; empty: none.
        seen: the last number seen of each room; `@` stands for private messages.
        epoch: the epoch in which these numbers were given.
        password: the chat's password, if it has one; ``None``: none was given.
    """

    name: str
    rooms: tuple[str, ...] | None = None
    id: RequestId = None
    hold: bool = False
    token: str = ""
    seen: dict[str, int] | None = None
    epoch: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        # Whatever logs it must show neither the token nor the password.
        return f"{type(self).__name__}({self.name!r})"


class Say(Struct, frozen=True, gc=False):
    """Send a message to a room."""

    text: str
    room: str = HERE
    id: RequestId = None


class SayAll(Struct, frozen=True, gc=False):
    """Send messages to a room, all at once; `ids` has one for each, or is ``None``."""

    texts: list[str]
    room: str = HERE
    ids: list[RequestId] | None = None


class Act(Struct, frozen=True, gc=False):
    """Send an action to a room."""

    text: str
    room: str = HERE
    id: RequestId = None


class Tell(Struct, frozen=True, gc=False):
    """Send a message to one member alone."""

    to: str
    text: str
    id: RequestId = None


class Reply(Struct, frozen=True, gc=False):
    """Send a message to whoever sent such a message last, and to nobody else."""

    text: str


class Join(Struct, frozen=True, gc=False):
    """Join a room. With `moves`, leave the room that the member is in."""

    room: str
    moves: bool = False
    id: RequestId = None


class Leave(Struct, frozen=True, gc=False):
    """Leave a room."""

    room: str
    id: RequestId = None


class SetTopic(Struct, frozen=True, gc=False):
    """Set the topic of a room; an empty text removes it."""

    text: str
    room: str = HERE
    id: RequestId = None


class AskTopic(Struct, frozen=True, gc=False):
    """Ask for the topic of a room."""

    room: str = HERE


class Rename(Struct, frozen=True, gc=False):
    """Take another name."""

    name: str
    id: RequestId = None


class Ignore(Struct, frozen=True, gc=False):
    """Hide what a member says, on this connection."""

    name: str


class HearAgain(Struct, frozen=True, gc=False):
    """Stop hiding what a member says."""

    name: str


class AskWho(Struct, frozen=True, gc=False):
    """Ask who is in a room."""

    room: str = HERE
    id: RequestId = None


class AskRooms(Struct, frozen=True, gc=False):
    """Ask which rooms there are."""

    id: RequestId = None


class AskHistory(Struct, frozen=True, gc=False):
    """Ask for the events of a room before or after a number; without a number, for the newest."""

    room: str = HERE
    before: int | None = None
    after: int | None = None
    limit: int = 50
    id: RequestId = None


class Search(Struct, frozen=True, gc=False):
    """Ask for messages that have all words of a text."""

    text: str
    room: str | None = None
    name: str | None = None
    before: int | None = None
    limit: int = 50
    id: RequestId = None


class Remove(Struct, frozen=True, gc=False):
    """Erase the text of a message that the member itself has sent."""

    room: str
    number: int
    id: RequestId = None


class AskHelp(Struct, frozen=True, gc=False):
    """Ask what can be done here."""


class Ping(Struct, frozen=True, gc=False):
    """Ask for an answer."""

    id: RequestId = None


class Quit(Struct, frozen=True, gc=False):
    """Leave the chat."""


Request: TypeAlias = (
    LogIn
    | Say
    | SayAll
    | Act
    | Tell
    | Reply
    | Join
    | Leave
    | SetTopic
    | AskTopic
    | Rename
    | Ignore
    | HearAgain
    | AskWho
    | AskRooms
    | AskHistory
    | Search
    | Remove
    | AskHelp
    | Ping
    | Quit
)


class Misunderstood(TrionetError):
    """A line that a format cannot read as a request; the message says what to write instead.

    Args:
        reason: the message.
        code: a short stable word for programs; default ``bad-request``.
        id: what the line gave as the id of its request; default ``None``: nothing.
        is_login: whether the line tries to log in; default ``False``. In a format where each line
            before login does, this does not matter.
    """

    def __init__(
        self,
        reason: str,
        *,
        code: str = "bad-request",
        id: RequestId = None,  # noqa: A002  its name in every request
        is_login: bool = False,
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.id = id
        self.is_login = is_login
