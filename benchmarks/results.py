"""Figures for each measure, peer and round, with their medians, spreads and ratios. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Measure:
    """One quantity that is measured.

    Args:
        key: such as ``chat.100.32``.
        title: its description in reports.
        unit: the unit of its figures.
        more_is_better: ``False``: less is better.
    """

    key: str
    title: str
    unit: str
    more_is_better: bool = False


@dataclass(frozen=True)
class Spread:
    """The median of several figures, the least and the greatest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread | None:
        """Return the spread of some figures; ``None`` if there are none."""
        if not figures:
            return None
        return cls(statistics.median(figures), min(figures), max(figures))


@dataclass
class Results:
    """Figures by measure, peer and round.

    A ratio is formed within a round, in which both ran shortly after one another. The median is
    that of the ratios. So a machine that is slower for some minutes shifts both figures.
    """

    measures: dict[str, Measure] = field(default_factory=dict)
    # The figures, by measure, peer and round.
    figures: dict[str, dict[str, dict[int, float]]] = field(default_factory=dict)
    # Why there is no figure, by measure and peer.
    notes: dict[str, dict[str, str]] = field(default_factory=dict)
    # Everything that the load generator answered.
    details: list[dict[str, object]] = field(default_factory=list)

    def add(self, measure: Measure, peer: str, round_: int, figure: float) -> None:
        """Record one figure."""
        self.measures.setdefault(measure.key, measure)
        self.figures.setdefault(measure.key, {}).setdefault(peer, {})[round_] = figure

    def note(self, measure: Measure, peer: str, reason: str) -> None:
        """Record why a peer has no figure, or fewer."""
        self.measures.setdefault(measure.key, measure)
        self.notes.setdefault(measure.key, {}).setdefault(peer, reason)

    def peers(self, key: str) -> list[str]:
        """Return the peers for which a measure has a figure or a note."""
        return list(dict.fromkeys([*self.figures.get(key, {}), *self.notes.get(key, {})]))

    def spread(self, key: str, peer: str) -> Spread | None:
        """Return the spread of a peer's figures."""
        return Spread.of(list(self.figures.get(key, {}).get(peer, {}).values()))

    def ratio(self, key: str, peer: str, to: str, to_key: str | None = None) -> Spread | None:
        """Return a peer's figures divided by another's, round by round.

        Args:
            key: the measure.
            peer: the peer whose figures are divided.
            to: the peer to divide by.
            to_key: the measure to divide by; default `key`.
        """
        figures = self.figures.get(key, {}).get(peer, {})
        others = self.figures.get(to_key or key, {}).get(to, {})
        return Spread.of(
            [figures[turn] / others[turn] for turn in figures if others.get(turn, 0) > 0]
        )

    def as_json(self) -> Mapping[str, object]:
        """Return everything as values for JSON."""
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
