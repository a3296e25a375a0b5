"""What happens in a room, and what its members ask for: plain values, without wording or wire.

They are msgspec structs because every message becomes two of them: a struct is made in 0.07 µs, a
frozen dataclass in 0.5 µs. ``gc=False`` leaves out the garbage collector's header. That is safe
here because no value can be part of a reference cycle: each holds texts, numbers, and tuples of
these.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from trionet.errors import TrionetError

# A newcomer to a full room should not meet a wall of names. And if a thousand came at once and each
# were told every name, that would be half a million names.
MAX_WELCOME_NAMES = 20


class Said(Struct, frozen=True, gc=False):
    """A member sent a message."""

    name: str
    text: str


class Acted(Struct, frozen=True, gc=False):
    """A member sent an action, such as `waves`."""

    name: str
    text: str


class Joined(Struct, frozen=True, gc=False):
    """Somebody joined; the room now has `count` members."""

    name: str
    count: int


class Left(Struct, frozen=True, gc=False):
    """A member left; the room now has `count` members."""

    name: str
    count: int


class Welcomed(Struct, frozen=True, gc=False):
    """Tells a new member who is here, in order of joining, the newcomer last.

    In a full room `names` holds only the first members, and `more` counts the others.
    """

    name: str
    names: tuple[str, ...]
    more: int = 0


class Present(Struct, frozen=True, gc=False):
    """Tells a member who is here, in order of joining."""

    names: tuple[str, ...]


class Helped(Struct, frozen=True, gc=False):
    """Tells a member what it can do here."""


class Mistaken(Struct, frozen=True, gc=False):
    """Tells a peer why its line was rejected."""

    reason: str


class Closing(Struct, frozen=True, gc=False):
    """The server is about to end."""


Event: TypeAlias = Said | Acted | Joined | Left | Welcomed | Present | Helped | Mistaken | Closing


class LogIn(Struct, frozen=True, gc=False):
    """Become a member under this name."""

    name: str


class Say(Struct, frozen=True, gc=False):
    """Send a message to all other members."""

    text: str


class Act(Struct, frozen=True, gc=False):
    """Send an action to all other members."""

    text: str


class AskWho(Struct, frozen=True, gc=False):
    """Ask who is here."""


class AskHelp(Struct, frozen=True, gc=False):
    """Ask what can be done here."""


class Quit(Struct, frozen=True, gc=False):
    """Leave."""


Request: TypeAlias = LogIn | Say | Act | AskWho | AskHelp | Quit


class Misunderstood(TrionetError):
    """A line that a format cannot read as a request; the message says what to write instead."""
