"""How much one server has calculated, for its metrics. Pure."""

from __future__ import annotations

from trionet.calc.fast_path import PAIR_COST
from trionet.calc.session import Reply
from trionet.metrics import Reading

_MICROSECOND = 1e-6


class Tally:
    """Counts what the sessions of one server calculate.

    Attributes:
        pairs: lines that went the short way.
        others: all other expressions.
        failed: those of them that have no result.
        cost: what lines other than pairs have cost, in microseconds; see `trionet.calc.work`.
    """

    __slots__ = ("cost", "failed", "others", "pairs")

    def __init__(self) -> None:
        # Pairs that came together cost one addition here. What they cost is found out when asked.
        self.pairs = self.others = self.failed = self.cost = 0

    def add(self, reply: Reply, cost: int) -> None:
        """Count a line that is not a pair. A name and the end of a session have no answer."""
        self.cost += cost
        if reply.answer is not None and reply.printed is not None:
            self.others += 1
            self.failed += reply.answer.startswith("error: ")

    def readings(self) -> list[Reading]:
        """Return what was counted so far. Never a checkpoint."""
        return [
            Reading.counter(
                "trionet_calc_operations_total",
                "Expressions that were calculated, with those that have no result.",
                self.pairs + self.others,
            ),
            Reading.counter(
                "trionet_calc_failures_total",
                "Expressions that have no result.",
                self.failed,
            ),
            Reading.counter(
                "trionet_calc_cost_seconds_total",
                "Their cost, as estimated for the time slices.",
                (self.cost + self.pairs * PAIR_COST) * _MICROSECOND,
            ),
        ]
