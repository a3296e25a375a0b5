"""What happens in a room, and what its members ask for: no words, no wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from trionet.errors import TrionetError


@dataclass(frozen=True, slots=True)
class Said:
    """A message."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Acted:
    """An action, such as `waves`."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Joined:
    """Somebody became a member; `count` members are here now."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Left:
    """A member is gone; `count` members are here now."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Welcomed:
    """To a new member: who is here, in order of joining, the new one last."""

    name: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Present:
    """To who asked: who is here, in order of joining."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Helped:
    """To who asked: what can be done here."""


@dataclass(frozen=True, slots=True)
class Mistaken:
    """To who made a mistake: what it was."""

    reason: str


@dataclass(frozen=True, slots=True)
class Missed:
    """To who reads too slowly: how many lines were dropped in this place."""

    count: int


@dataclass(frozen=True, slots=True)
class Closing:
    """The server is about to end."""


Event: TypeAlias = (
    Said | Acted | Joined | Left | Welcomed | Present | Helped | Mistaken | Missed | Closing
)


@dataclass(frozen=True, slots=True)
class LogIn:
    """Become a member under this name."""

    name: str


@dataclass(frozen=True, slots=True)
class Say:
    """Send a message to all others."""

    text: str


@dataclass(frozen=True, slots=True)
class Act:
    """Send an action to all others."""

    text: str


@dataclass(frozen=True, slots=True)
class AskWho:
    """Be told who is here."""


@dataclass(frozen=True, slots=True)
class AskHelp:
    """Be told what can be done."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Leave."""


Request: TypeAlias = LogIn | Say | Act | AskWho | AskHelp | Quit


class Misunderstood(TrionetError):
    """A line that asks for nothing there is; the message says what would."""
