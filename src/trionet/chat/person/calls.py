"""What a person's client asks of the link to the server. Plain data with the wire's field names.

Each is one call of the client: ``Say(room, text)`` is ``client.say(room, text)``, and so on.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct


class Say(Struct, frozen=True, gc=False):
    """Say a text, which may have several lines, in a room."""

    room: str
    text: str


class Act(Struct, frozen=True, gc=False):
    """Say an action in a room."""

    room: str
    text: str


class Tell(Struct, frozen=True, gc=False):
    """Say a text to one member alone."""

    to: str
    text: str


class Join(Struct, frozen=True, gc=False):
    """Join a room; `entered` answers."""

    room: str


class Leave(Struct, frozen=True, gc=False):
    """Leave a room; one's own `left` answers."""

    room: str


class Remove(Struct, frozen=True, gc=False):
    """Remove one's own message with this number."""

    room: str
    number: int


class SetTopic(Struct, frozen=True, gc=False):
    """Set a room's topic."""

    room: str
    text: str


class Nick(Struct, frozen=True, gc=False):
    """Take another name."""

    name: str


class Who(Struct, frozen=True, gc=False):
    """Ask for all members of a room; `members` answers."""

    room: str


class AskRooms(Struct, frozen=True, gc=False):
    """Ask which rooms there are; `rooms` answers."""


class History(Struct, frozen=True, gc=False):
    """Ask for the events of a room before a number, or after one if `after` is not 0.

    `history` answers. If it is refused, the link calls `Window.not_loaded`.
    """

    room: str
    before: int
    limit: int
    after: int = 0


class Search(Struct, frozen=True, gc=False):
    """Ask for older messages of a room that have a text; `found` answers."""

    room: str
    text: str
    before: int
    limit: int


class Bell(Struct, frozen=True, gc=False):
    """Ring the terminal's bell."""


class Mouse(Struct, frozen=True, gc=False):
    """Take the mouse from the terminal, or give it back so that it can select text."""

    on: bool


class Redraw(Struct, frozen=True, gc=False):
    """Paint all anew: another program has written on the terminal."""


class Suspend(Struct, frozen=True, gc=False):
    """Stop the program, as Ctrl-Z does."""


class Quit(Struct, frozen=True, gc=False):
    """Leave the chat, and end with status 0."""


class Interrupt(Struct, frozen=True, gc=False):
    """Leave the chat, and end as Ctrl-C ends a program."""


ServerCall: TypeAlias = (
    Say | Act | Tell | Join | Leave | Remove | SetTopic | Nick | Who | AskRooms | History | Search
)
TerminalCall: TypeAlias = Bell | Mouse | Redraw | Suspend | Quit | Interrupt
Call: TypeAlias = ServerCall | TerminalCall
