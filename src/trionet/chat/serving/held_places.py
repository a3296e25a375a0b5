"""Held members take places: which of them leave when there are too many. Pure.

`trionet.Limits` bounds the connections of a server, in all and from one host. A held member has no
connection, but counts as one: otherwise anybody could be held a thousand times. When connections
and held members together exceed a limit, the member that has been held longest leaves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable


class HeldPlaces:
    """Counts connections and held members against the limits.

    Args:
        most: how many there may be in all; 0: no limit.
        most_a_host: how many there may be from one host; 0: no limit.
        is_held: tells whether a member is held.
        evict: called with a held member that has to leave.
    """

    def __init__(
        self,
        *,
        most: int,
        most_a_host: int,
        is_held: Callable[[int], bool],
        evict: Callable[[int], object],
    ) -> None:
        self._is_held = is_held
        self._evict = evict
        self._most = most
        self._most_a_host = most_a_host
        self._connections = 0
        self._from_host: Counter[Hashable] = Counter()
        # The host of each held member, and the held members of each host: longest held first.
        self._held: dict[int, Hashable] = {}
        self._by_host: dict[Hashable, dict[int, None]] = {}

    def connected(self, host: Hashable) -> None:
        """Count a connection."""
        self._connections += 1
        self._from_host[host] += 1

    def disconnected(self, host: Hashable) -> None:
        """Stop counting a connection."""
        self._connections -= 1
        self._from_host[host] -= 1
        if not self._from_host[host]:
            del self._from_host[host]

    def held(self, member: int, host: Hashable) -> None:
        """Count a member that is held, and evict whoever is too many."""
        self.released(member)
        self._held[member] = host
        self._by_host.setdefault(host, {})[member] = None
        self.make_place(host)

    def logged_in(self, member: int, host: Hashable) -> None:
        """Note that a member has come from a host, or has come back."""
        if self._held:
            self.released(member)
            self.make_place(host)

    def released(self, member: int) -> None:
        """Stop counting a member: it is gone, or connected."""
        if member not in self._held:
            return
        host = self._held.pop(member)
        there = self._by_host[host]
        del there[member]
        if not there:
            del self._by_host[host]

    def make_place(self, host: Hashable) -> None:
        """Evict held members that are too many, now that somebody has come from a host."""
        # Members whose grace has ended come first: the grace is the same for all.
        while self._held and not self._is_held(first := next(iter(self._held))):
            self.released(first)
        while self._held and 0 < self._most < self._connections + len(self._held):
            self._evict_held(next(iter(self._held)))
        while host is not None and (there := self._by_host.get(host)):
            if not 0 < self._most_a_host < self._from_host[host] + len(there):
                return
            self._evict_held(next(iter(there)))

    def _evict_held(self, member: int) -> None:
        self.released(member)
        self._evict(member)
