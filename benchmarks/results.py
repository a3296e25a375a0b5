"""What was measured: a figure for each measure, peer and round; medians, spread and ratios of them.

Pure: what it is told is all that it knows.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Measure:
    """One thing that is measured.

    Args:
        key: such as ``chat.100.32``.
        title: what a reader is told.
        unit: of each figure.
        more_is_better: else less is.
    """

    key: str
    title: str
    unit: str
    more_is_better: bool = False


@dataclass(frozen=True)
class Spread:
    """The middle of several figures, the least and the greatest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread | None:
        """Return the spread of some figures; ``None`` of none."""
        if not figures:
            return None
        return cls(statistics.median(figures), min(figures), max(figures))


@dataclass
class Results:
    """Figures by measure, peer and round.

    A ratio is formed within a round, in which the two ran one shortly after the other, and the
    median is that of the ratios: so a machine that is slower for some minutes shifts both.
    """

    measures: dict[str, Measure] = field(default_factory=dict)
    # Measure, peer, round.
    figures: dict[str, dict[str, dict[int, float]]] = field(default_factory=dict)
    # Measure, peer: why there is none.
    notes: dict[str, dict[str, str]] = field(default_factory=dict)
    # Everything that the load generator answered.
    details: list[dict[str, object]] = field(default_factory=list)

    def add(self, measure: Measure, peer: str, round_: int, figure: float) -> None:
        """Take one figure."""
        self.measures.setdefault(measure.key, measure)
        self.figures.setdefault(measure.key, {}).setdefault(peer, {})[round_] = figure

    def note(self, measure: Measure, peer: str, reason: str) -> None:
        """Say why a peer has no figure, or fewer."""
        self.measures.setdefault(measure.key, measure)
        self.notes.setdefault(measure.key, {}).setdefault(peer, reason)

    def peers(self, key: str) -> list[str]:
        """Return the peers that a measure has a figure or a note of."""
        return list(dict.fromkeys([*self.figures.get(key, {}), *self.notes.get(key, {})]))

    def spread(self, key: str, peer: str) -> Spread | None:
        """Return a peer's figures of a measure in short."""
        return Spread.of(list(self.figures.get(key, {}).get(peer, {}).values()))

    def ratio(self, key: str, peer: str, to: str, to_key: str | None = None) -> Spread | None:
        """Return a peer's figures as multiples of another's, of the same rounds.

        Args:
            key: the measure.
            peer: whose figures are divided.
            to: by whose.
            to_key: by those of another measure.
        """
        figures = self.figures.get(key, {}).get(peer, {})
        others = self.figures.get(to_key or key, {}).get(to, {})
        return Spread.of(
            [figures[turn] / others[turn] for turn in figures if others.get(turn, 0) > 0]
        )

    def as_json(self) -> Mapping[str, object]:
        """Return all of it as what JSON can hold."""
        return {
            key: {
                "title": measure.title,
                "unit": measure.unit,
                "better": "more" if measure.more_is_better else "less",
                "peers": {peer: self._peer_as_json(key, peer) for peer in self.peers(key)},
            }
            for key, measure in self.measures.items()
        }

    def _peer_as_json(self, key: str, peer: str) -> Mapping[str, object]:
        spread = self.spread(key, peer)
        entry: dict[str, object] = {}
        if spread is not None:
            entry |= vars(spread) | {"rounds": self.figures[key][peer]}
        if peer in self.notes.get(key, {}):
            entry["note"] = self.notes[key][peer]
        return entry
