"""Who is in the room, and what the members are told about it.

The room changes its state and appends to the log in one stretch, without a checkpoint. So all
members see one common sequence, each less its own messages, and every count and every list of names
agrees with its place in that sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from trionet.abc import Box
from trionet.chat.events import (
    MAX_WELCOME_NAMES,
    Acted,
    Closing,
    Event,
    Helped,
    Joined,
    Left,
    Mistaken,
    Present,
    Said,
    Welcomed,
)
from trionet.chat.names import Name, NameRefused, NameTaken


class Log(Protocol):
    """What a room needs of a log; each call takes effect at once and never blocks.

    `trionet.Hub` implements it, and `Room` uses it. Tests implement it with a list.
    """

    def add(self, box: Box, encode: Callable[[Event], bytes]) -> None:
        """Send everything that is published from now on to a box too."""

    def discard(self, box: Box) -> None:
        """Send nothing more to a box."""

    def publish(self, event: Event, *, exclude: Box | None = None) -> None:
        """Send an event to every box except one."""

    def publish_all(self, events: list[Event], *, exclude: Box | None = None) -> None:
        """Send events to every box except one."""

    def tell(self, box: Box, event: Event) -> int:
        """Send an event to one box, in its place in the order; return its size in bytes."""

    def tell_lines(self, box: Box, lines: bytes) -> int:
        """Send encoded lines to one box, in their place in the order; return their size."""

    @property
    def is_full(self) -> bool:
        """Whether whoever has more to append should wait first."""


# One object for everyone, so that a log can encode it once for many.
_HELPED = Helped()


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """Somebody in the room: a name, and the box that its lines go to."""

    name: Name
    box: Box


class Room:
    """The members, in order of joining. Nothing else changes who is a member.

    Args:
        log: where everything that happens is appended.
        on_empty: called when the last member has left.

    Attributes:
        is_closing: whether the server is about to end; nobody can enter any more.
    """

    def __init__(self, log: Log, *, on_empty: Callable[[], object] = lambda: None) -> None:
        self.is_closing = False
        self._log = log
        self._on_empty = on_empty
        self._members: dict[str, Member] = {}
        self._by_skeleton: dict[str, Member] = {}
        # The names that a newcomer is told, made again only when they change: a thousand who join
        # at once make the tuple 20 times.
        self._first_names: tuple[str, ...] = ()
        # Made when somebody asks who is here, and kept for others who ask until the members change.
        self._present: Present | None = None
        # The last one, kept because whoever makes a mistake often repeats it.
        self._mistaken = Mistaken("")

    def __len__(self) -> int:
        return len(self._members)

    @property
    def is_full(self) -> bool:
        """Whether the log is so long that whoever has more to say should wait: `Hub.wait_room`."""
        return self._log.is_full

    @property
    def names(self) -> tuple[str, ...]:
        """The members' names, in order of joining."""
        return tuple(member.name.shown for member in self._members.values())

    def enter(self, name: Name, box: Box, encode: Callable[[Event], bytes]) -> Member:
        """Let somebody in, welcome them, and tell everyone else.

        Args:
            name: what to call the new member.
            box: where its lines go.
            encode: the format of its lines.

        Raises:
            NameTaken: a member has this name, or one that differs only in case or looks like it.
            NameRefused: the server is closing.
        """
        if self.is_closing:
            raise NameRefused("server is closing")
        if name.key in self._members:
            raise NameTaken(f"the name {name} is taken")
        skeletons = name.skeletons
        for skeleton in skeletons & self._by_skeleton.keys():
            twin = self._by_skeleton[skeleton].name
            raise NameTaken(f"the name {name} looks like {twin}, which is taken")
        member = Member(name, box)
        self._members[name.key] = member
        self._present = None
        self._by_skeleton.update(dict.fromkeys(skeletons, member))
        self._log.add(box, encode)
        if len(self._first_names) < MAX_WELCOME_NAMES:
            first_members = islice(self._members.values(), MAX_WELCOME_NAMES)
            self._first_names = tuple(here.name.shown for here in first_members)
        first = self._first_names
        self._log.tell(box, Welcomed(name.shown, first, len(self) - len(first)))
        self._log.publish(Joined(name.shown, len(self)), exclude=box)
        return member

    def leave(self, member: Member) -> None:
        """Let a member go: it hears nothing more, and everyone else is told.

        A member that has left already does not leave again. While the server is closing nobody is
        told, because everyone is leaving.
        """
        if self._members.get(member.name.key) is not member:
            return
        del self._members[member.name.key]
        self._present = None
        for skeleton in member.name.skeletons:
            del self._by_skeleton[skeleton]
        self._log.discard(member.box)
        if not self.is_closing:
            self._log.publish(Left(member.name.shown, len(self)))
        if member.name.shown in self._first_names:
            self._first_names = ()
        if not self._members:
            self._on_empty()

    def say(self, member: Member, text: str) -> None:
        """Send a message to all other members."""
        self._log.publish(Said(member.name.shown, text), exclude=member.box)

    def say_all(self, member: Member, texts: Iterable[str]) -> None:
        """Send several messages to all other members."""
        name = member.name.shown
        self._log.publish_all([Said(name, text) for text in texts], exclude=member.box)

    def act(self, member: Member, text: str) -> None:
        """Send an action to all other members."""
        self._log.publish(Acted(member.name.shown, text), exclude=member.box)

    def tell_who(self, member: Member) -> int:
        """Tell a member who is here; return the size of the answer in bytes."""
        if self._present is None:
            self._present = Present(self.names)
        return self._log.tell(member.box, self._present)

    def tell_help(self, member: Member) -> int:
        """Tell a member what it can do; return the size of the answer in bytes."""
        return self._log.tell(member.box, _HELPED)

    def tell_mistake(self, member: Member, reason: str) -> int:
        """Tell a member why its line was rejected; return the size of the answer in bytes."""
        if reason != self._mistaken.reason:
            self._mistaken = Mistaken(reason)
        return self._log.tell(member.box, self._mistaken)

    def tell_lines(self, member: Member, lines: bytes) -> int:
        """Tell a member something in lines of its own format; return their size in bytes."""
        return self._log.tell_lines(member.box, lines)

    def close(self) -> None:
        """Tell everyone, once, that the server is about to end, and let nobody in any more."""
        if not self.is_closing:
            self.is_closing = True
            self._log.publish(Closing())
