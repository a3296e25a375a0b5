"""What one peer alone is told: answers to its requests, and what only it needs to know.

Plain values, without wording or wire format, as the events of the state are. `id` is what the peer
gave the request that is answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct

from trionet.chat.state.events import RoomEvent, StateEvent, Told
from trionet.chat.state.operations import RequestId

# A newcomer to a full room should not meet a wall of names. And if a thousand came at once and were
# each told every name, that would be half a million names.
MAX_WELCOME_NAMES = 20


class Welcomed(Struct, frozen=True, gc=False):
    """A new member is told under which name it is known. An `Entered` for each room follows.

    `token` proves later who it was. Numbers of rooms never come twice within an `epoch`. `resumed`:
    it was a member already, and still has its name and its place.
    """

    name: str
    token: str
    epoch: str
    id: RequestId = None
    resumed: bool = False

    def __repr__(self) -> str:
        # Whatever logs it must not show the token.
        return f"{type(self).__name__}({self.name!r})"


class Entered(Struct, frozen=True, gc=False):
    """A member is told the state of a room that it has entered.

    `names` are the first members in order of joining, at most `MAX_WELCOME_NAMES` of `count`.
    `last` is the number of the room's last event.
    """

    name: str
    room: str
    topic: str
    names: tuple[str, ...]
    count: int
    last: int
    id: RequestId = None


class Present(Struct, frozen=True, gc=False):
    """Tells a member who is in a room, in order of joining."""

    names: tuple[str, ...]
    room: str
    id: RequestId = None


class Listed(Struct, frozen=True, gc=False):
    """One room of a list."""

    room: str
    topic: str
    count: int


class RoomList(Struct, frozen=True, gc=False):
    """Tells a member which rooms there are, in the order in which to show them."""

    rooms: tuple[Listed, ...]
    id: RequestId = None


class TopicIs(Struct, frozen=True, gc=False):
    """Tells a member the topic of a room; empty: it has none."""

    room: str
    text: str


class Ignored(Struct, frozen=True, gc=False):
    """Tells a member that it ignores another one; with `again`: that it no longer does."""

    name: str
    again: bool = False


class PasswordAsked(Struct, frozen=True, gc=False):
    """Tells a peer that its name can be had, and that the next line is to be the password."""


class Helped(Struct, frozen=True, gc=False):
    """Tells a member what it can do here."""


class Mistaken(Struct, frozen=True, gc=False):
    """Tells a peer why its line was rejected. `room`: which of several it was about."""

    reason: str
    code: str = "bad-request"
    id: RequestId = None
    room: str | None = None


class Ponged(Struct, frozen=True, gc=False):
    """Answers a ping."""

    id: RequestId = None


class Done(Struct, frozen=True, gc=False):
    """Tells a member that its name is this one, where nobody else was told."""

    name: str
    id: RequestId = None


class Own(Struct, frozen=True, gc=False):
    """The copy of an event that goes to the member who caused it, which shows its ids."""

    event: StateEvent


class Missed(Struct, frozen=True, gc=False):
    """Tells a member that the events of a room between two numbers cannot be had here."""

    room: str
    after: int
    before: int


class Past(Struct, frozen=True, gc=False):
    """Tells a member what happened in a room, oldest first.

    `more`: there are others further on. `newest_first`: if not all fit, the newest are told. `now`
    is the time, in milliseconds since 1970, UTC. `former`: messages with this author show the ids
    of their requests. A member that is new after a kill -9 sees no replay, and finds out this way
    which of its requests were carried out.
    """

    room: str
    events: Sequence[RoomEvent | Told]
    more: bool
    newest_first: bool
    now: int
    id: RequestId = None
    former: bytes = b""


class Found(Struct, frozen=True, gc=False):
    """Tells a member the newest messages that match, oldest first; `more`: there are others."""

    events: Sequence[RoomEvent]
    more: bool
    id: RequestId = None


class EpochChanged(Struct, frozen=True, gc=False):
    """Everyone is told that a new epoch has begun, and the last number of each room."""

    epoch: str
    rooms: dict[str, int]


class LogState(Struct, frozen=True, gc=False):
    """Everyone is told that the log is out of reach, so that messages wait, or that it is back."""

    available: bool


class Closing(Struct, frozen=True, gc=False):
    """Tells everyone that the server is about to end, or one peer that it was taken over."""

    reason: str = "server is closing"


Event: TypeAlias = (
    StateEvent
    | Welcomed
    | Entered
    | Present
    | RoomList
    | TopicIs
    | Ignored
    | PasswordAsked
    | Helped
    | Mistaken
    | Ponged
    | Done
    | Own
    | Missed
    | Past
    | Found
    | EpochChanged
    | LogState
    | Closing
)
