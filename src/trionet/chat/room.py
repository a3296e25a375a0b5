"""Who is here, and what they are told of it.

The room changes its state and appends to the log in one stretch, without a checkpoint: so each
member sees one common sequence less its own messages, and every count and list of names agrees with
its place in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

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


class Box(Protocol):
    """Where a member's lines go."""

    def put(self, lines: bytes, /) -> None:
        """Take whole lines, without blocking and without raising."""


class Log(Protocol):
    """What a room asks of a `trionet.Hub`. Every call works at once and never blocks."""

    def add(self, box: Box, encode: Callable[[Event], bytes]) -> None:
        """Send what is published from here on to a box."""

    def discard(self, box: Box) -> None:
        """Send nothing more to a box."""

    def publish(self, event: Event, *, exclude: Box | None = None) -> None:
        """Send an event to all boxes less one."""

    def publish_all(self, events: list[Event], *, exclude: Box | None = None) -> None:
        """Send events to all boxes less one."""

    def tell(self, box: Box, event: Event) -> int:
        """Send an event to one box, in its place in the order, and return how many bytes it is."""

    @property
    def is_full(self) -> bool:
        """Whether whoever has more to append should wait first."""


# The same for everyone, so that a log encodes it once for many.
_HELPED = Helped()


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """Somebody in the room: a name, and where their lines go."""

    name: Name
    box: Box


class Room:
    """The members, in order of joining, and the only one to change them.

    Args:
        log: where everything that happens is appended.
        on_empty: called when the last member has left.

    Attributes:
        is_closing: whether the server is about to end; nobody enters any more.
    """

    def __init__(self, log: Log, *, on_empty: Callable[[], object] = lambda: None) -> None:
        self.is_closing = False
        self._log = log
        self._on_empty = on_empty
        self._members: dict[str, Member] = {}
        self._by_look: dict[str, Member] = {}
        # Made when somebody asks, and good for all who ask until somebody comes or goes.
        self._present: Present | None = None
        # The last one: who makes a mistake often makes it again.
        self._mistaken = Mistaken("")

    def __len__(self) -> int:
        return len(self._members)

    @property
    def is_full(self) -> bool:
        """Whether so much happens that who wants more should wait: `Hub.wait_room`."""
        return self._log.is_full

    @property
    def names(self) -> tuple[str, ...]:
        """The members' names, in order of joining."""
        return tuple(member.name.shown for member in self._members.values())

    def enter(self, name: Name, box: Box, encode: Callable[[Event], bytes]) -> Member:
        """Let somebody in: they are welcomed, and everyone else is told.

        Raises:
            NameTaken: a member has the name, or one that differs in case alone or looks like it.
            NameRefused: the server is closing.
        """
        if self.is_closing:
            raise NameRefused("server is closing")
        if name.key in self._members:
            raise NameTaken(f"the name {name} is taken")
        looks = name.looks
        for look in looks & self._by_look.keys():
            twin = self._by_look[look].name
            raise NameTaken(f"the name {name} looks like {twin}, which is taken")
        member = Member(name, box)
        self._members[name.key] = member
        self._present = None
        self._by_look.update(dict.fromkeys(looks, member))
        self._log.add(box, encode)
        first = tuple(here.name.shown for here in islice(self._members.values(), MAX_WELCOME_NAMES))
        self._log.tell(box, Welcomed(name.shown, first, len(self) - len(first)))
        self._log.publish(Joined(name.shown, len(self)), exclude=box)
        return member

    def leave(self, member: Member) -> None:
        """Let a member go: they hear nothing more, and everyone else is told.

        Who has left already leaves no second time. While the server is closing nobody is told:
        everyone is going.
        """
        if self._members.get(member.name.key) is not member:
            return
        del self._members[member.name.key]
        self._present = None
        for look in member.name.looks:
            del self._by_look[look]
        self._log.discard(member.box)
        if not self.is_closing:
            self._log.publish(Left(member.name.shown, len(self)))
        if not self._members:
            self._on_empty()

    def say(self, member: Member, text: str) -> None:
        """Send a message to all others."""
        self._log.publish(Said(member.name.shown, text), exclude=member.box)

    def say_all(self, member: Member, texts: Iterable[str]) -> None:
        """Send messages to all others."""
        name = member.name.shown
        self._log.publish_all([Said(name, text) for text in texts], exclude=member.box)

    def act(self, member: Member, text: str) -> None:
        """Send an action to all others."""
        self._log.publish(Acted(member.name.shown, text), exclude=member.box)

    def tell_who(self, member: Member) -> int:
        """Tell a member who is here; return how many bytes the answer is."""
        if self._present is None:
            self._present = Present(self.names)
        return self._log.tell(member.box, self._present)

    def tell_help(self, member: Member) -> int:
        """Tell a member what can be done; return how many bytes the answer is."""
        return self._log.tell(member.box, _HELPED)

    def tell_mistake(self, member: Member, reason: str) -> int:
        """Tell a member what was wrong; return how many bytes the answer is."""
        if reason != self._mistaken.reason:
            self._mistaken = Mistaken(reason)
        return self._log.tell(member.box, self._mistaken)

    def close(self) -> None:
        """Tell everyone that the server is about to end, once, and let nobody in any more."""
        if not self.is_closing:
            self.is_closing = True
            self._log.publish(Closing())
