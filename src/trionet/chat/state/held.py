"""Members who are held: who leaves next, and when. Pure.

A part of the state (`state.py`). A held member has no connection, and keeps its name and its place
until its grace ends. The grace is the same for all and times never go back, so whoever is held
longest is the first whose grace ends.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import takewhile
from typing import TypeAlias

# The grace, and what `Held.until` has.
HeldDump: TypeAlias = tuple[int, list[tuple[int, int]]]


class Held:
    """The members who are held.

    Args:
        grace: how long a member is held, in milliseconds; 0: nobody is.

    Attributes:
        until: when the grace of each ends, by its number, the first one first. Do not change it.
    """

    __slots__ = ("grace", "until")

    def __init__(self, grace: int) -> None:
        self.grace = grace
        # An OrderedDict finds its first entry at once, even when 10,000 leave together. A plain
        # dictionary first passes over all entries that were taken out.
        self.until: OrderedDict[int, int] = OrderedDict()

    def add(self, member: int, now: int) -> None:
        """Hold a member from now on."""
        self.until[member] = now + self.grace

    def discard(self, member: int) -> None:
        """Note that a member is connected again, or is gone."""
        self.until.pop(member, None)

    def longest(self) -> int | None:
        """Return the member that is held longest; ``None``: nobody is."""
        return next(iter(self.until), None)

    def due(self, now: int) -> list[int]:
        """Return the members whose grace has ended, in that order."""
        return [member for member, _ in takewhile(lambda one: one[1] <= now, self.until.items())]

    def next_deadline(self) -> int | None:
        """Return when the next grace ends, in milliseconds since 1970; ``None``: none will."""
        return next(iter(self.until.values()), None)

    def dump(self) -> HeldDump:
        """Return who is held as data."""
        return self.grace, list(self.until.items())

    @classmethod
    def load(cls, dump: HeldDump) -> Held:
        """Hold the members of a dump."""
        held = cls(dump[0])
        held.until.update(dump[1])
        return held
