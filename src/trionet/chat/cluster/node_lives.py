"""Which entries count: the lives of all nodes, and the clock by which they end. Pure.

An entry counts once, in its place. One that comes again (`seq` is not new) changes nothing. One
after a gap, or of a life that is over, is *fenced*: its node has to begin another life.

The clock of leases grows by the time between two entries, but by 1.5 heartbeats at most: while
Redis is out of reach no time passes. A life that was silent for longer than the lease is over, on
every node at the same place of the stream. It leaves a tombstone with its last `seq`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from enum import Enum
from typing import TypeAlias

from msgspec import Struct

# How many lives that are over are remembered. Each takes some 100 bytes.
MAX_TOMBSTONES = 4096

# Heartbeats in a lease.
BEATS = 4

LivesDump: TypeAlias = tuple[int, int, list[tuple[str, int, int, int]], list[tuple[int, int]]]


class Verdict(Enum):
    """What becomes of an entry."""

    TAKEN = "taken"
    REPEATED = "repeated"
    FENCED = "fenced"


class Life(Struct, array_like=True):
    """One life that goes on.

    Attributes:
        life: its number, drawn at random.
        seq: the number of its last entry.
        seen: when that came, on the clock of leases.
    """

    life: int
    seq: int
    seen: int


class Lives:
    """The lives of all nodes.

    Attributes:
        now: the clock of leases, in milliseconds.
        by_node: the life of each node that lives, the oldest first. Do not change it.
        over: the last `seq` of lives that are over, oldest first. Do not change it.
    """

    def __init__(self) -> None:
        self.now = 0
        self.by_node: dict[str, Life] = {}
        self.over: OrderedDict[int, int] = OrderedDict()
        self._last_time = 0

    def pass_time(self, time: int, lease: int) -> list[str]:
        """Go on to the time of an entry; return the nodes whose lives are over, in a fixed order.

        Args:
            time: the time of the entry, in milliseconds.
            lease: how long a node may be silent, in milliseconds.
        """
        if self._last_time and time > self._last_time:
            self.now += min(time - self._last_time, lease * 3 // (2 * BEATS))
        self._last_time = max(self._last_time, time)
        return [node for node, life in self.by_node.items() if self.now - life.seen > lease]

    def begin(self, node: str, life: int) -> Verdict:
        """Begin a life, in place of the one that the node may have."""
        former = self.by_node.get(node)
        if life in self.over or (former is not None and former.life == life):
            return Verdict.REPEATED
        if former is not None:
            self.end(node)
        self.by_node[node] = Life(life, 0, self.now)
        return Verdict.TAKEN

    def judge(self, node: str, life: int, seq: int) -> Verdict:
        """Judge an entry that is not a hello, and note it if it counts."""
        known = self.by_node.get(node)
        if known is None or known.life != life:
            last = self.over.get(life)
            return Verdict.REPEATED if last is not None and seq <= last else Verdict.FENCED
        if seq <= known.seq:
            return Verdict.REPEATED
        if seq > known.seq + 1:
            return Verdict.FENCED
        known.seq, known.seen = seq, self.now
        return Verdict.TAKEN

    def end(self, node: str) -> None:
        """End the life of a node."""
        gone = self.by_node.pop(node)
        self.note_over(gone.life, gone.seq)

    def note_over(self, life: int, seq: int) -> None:
        """Remember the last entry of a life that is over."""
        self.over[life] = max(seq, self.over.pop(life, -1))
        if len(self.over) > MAX_TOMBSTONES:
            self.over.popitem(last=False)

    def last_seq(self, life: int) -> int:
        """Return the number of a life's last entry that counted; -1: there is none."""
        for known in self.by_node.values():
            if known.life == life:
                return known.seq
        return self.over.get(life, -1)

    def all_last(self) -> Iterator[tuple[int, int]]:
        """Yield all lives that are known, each with its last entry that counted."""
        yield from self.over.items()
        for known in self.by_node.values():
            yield known.life, known.seq

    def dump(self) -> LivesDump:
        """Return all lives as data."""
        lives = [(node, one.life, one.seq, one.seen) for node, one in self.by_node.items()]
        return self.now, self._last_time, lives, list(self.over.items())

    @classmethod
    def load(cls, dump: LivesDump) -> Lives:
        """Make the lives of a dump."""
        lives = cls()
        lives.now, lives._last_time, living, over = dump
        lives.by_node = {node: Life(*life) for node, *life in living}
        lives.over.update(over)
        return lives
