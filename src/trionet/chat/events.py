"""What happens in a room, and what its members ask for: no words, no wire.

Structs of msgspec, because every line that is said becomes two of them: one is made in 0.07 µs, a
frozen dataclass in 0.5. Without a collector's header (``gc=False``), which is right where nothing
can hold a reference back: texts, numbers, and tuples of them.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from trionet.errors import TrionetError

# Who joins a full room is not to be met by a wall of names; and a thousand who come at once, each
# told all names, would cost half a million.
MAX_WELCOME_NAMES = 20


class Said(Struct, frozen=True, gc=False):
    """A message."""

    name: str
    text: str


class Acted(Struct, frozen=True, gc=False):
    """An action, such as `waves`."""

    name: str
    text: str


class Joined(Struct, frozen=True, gc=False):
    """Somebody became a member; `count` members are here now."""

    name: str
    count: int


class Left(Struct, frozen=True, gc=False):
    """A member is gone; `count` members are here now."""

    name: str
    count: int


class Welcomed(Struct, frozen=True, gc=False):
    """To a new member: who is here, in order of joining, the new one last.

    In a full room the first of them alone, and how many `more` there are.
    """

    name: str
    names: tuple[str, ...]
    more: int = 0


class Present(Struct, frozen=True, gc=False):
    """To who asked: who is here, in order of joining."""

    names: tuple[str, ...]


class Helped(Struct, frozen=True, gc=False):
    """To who asked: what can be done here."""


class Mistaken(Struct, frozen=True, gc=False):
    """To who made a mistake: what it was."""

    reason: str


class Missed(Struct, frozen=True, gc=False):
    """To who reads too slowly: how many lines were dropped in this place."""

    count: int


class Closing(Struct, frozen=True, gc=False):
    """The server is about to end."""


Event: TypeAlias = (
    Said | Acted | Joined | Left | Welcomed | Present | Helped | Mistaken | Missed | Closing
)


class LogIn(Struct, frozen=True, gc=False):
    """Become a member under this name."""

    name: str


class Say(Struct, frozen=True, gc=False):
    """Send a message to all others."""

    text: str


class Act(Struct, frozen=True, gc=False):
    """Send an action to all others."""

    text: str


class AskWho(Struct, frozen=True, gc=False):
    """Be told who is here."""


class AskHelp(Struct, frozen=True, gc=False):
    """Be told what can be done."""


class Quit(Struct, frozen=True, gc=False):
    """Leave."""


Request: TypeAlias = LogIn | Say | Act | AskWho | AskHelp | Quit


class Misunderstood(TrionetError):
    """A line that asks for nothing there is; the message says what would."""
