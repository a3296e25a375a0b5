"""What every part of the benchmarks gets: the plan, the peers, and where results go."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.builds import Builds, Unavailable
from benchmarks.machine import most_clients
from benchmarks.peers.table import Peer
from benchmarks.plan import Plan
from benchmarks.processes import Failed, Load, ServerProcess
from benchmarks.report import shown
from benchmarks.results import Measure, Results


def tell(text: str) -> None:
    """Print progress."""
    print(text, file=sys.stderr, flush=True)


@dataclass
class Run:
    """One call of the benchmarks.

    Args:
        plan: how much is measured.
        builds: compiles the programs.
        results: takes the figures.
        names: the names of the peers to run; ``None``: all.
    """

    plan: Plan
    builds: Builds
    results: Results
    names: Collection[str] | None = None
    # Part and peer of failures that the next round would only repeat.
    _hopeless: set[tuple[str, str]] = field(default_factory=set)

    @contextmanager
    def attempt(self, what: str, peer: Peer, *measures: Measure) -> Iterator[Trial]:
        """Measure one peer. Note a failure for all measures that have no figure yet.

        Call `able` first: it says whether to try the peer at all.
        """
        trial = Trial(self, peer)
        try:
            yield trial
        except (Failed, Unavailable) as reason:
            self._hopeless.add((what, peer.name))
            for measure in measures:
                if measure.key not in trial.measured:
                    self.results.note(measure, peer.name, str(reason))
            tell(f"  {peer.label}: {what}: {reason}")

    def able(self, what: str, peer: Peer) -> bool:
        """Return whether a peer has not failed yet."""
        return (what, peer.name) not in self._hopeless

    def need_clients(self, members: int) -> None:
        """Raise `Failed` if a process cannot hold that many connections."""
        if members > most_clients():
            raise Failed(f"this OS allows a process {most_clients():,} connections")

    @contextmanager
    def started(
        self, peer: Peer, *, wire: str = "plain", second: bool = False
    ) -> Iterator[tuple[ServerProcess, Load]]:
        """Start a server, and the load generator against it; see `Load` for the options."""
        with (
            ServerProcess(peer.command(self.builds)) as server,
            Load(server, self.builds, wire=wire, second=second) as load,
        ):
            yield server, load


class Trial:
    """One peer in one round, whose figures it takes."""

    def __init__(self, run: Run, peer: Peer) -> None:
        self._run = run
        self._peer = peer
        self.measured: set[str] = set()

    def take(
        self, measure: Measure, round_: int, figure: float, *, show: bool = True, **detail: object
    ) -> None:
        """Record one figure, and the load generator's answer with it."""
        self.measured.add(measure.key)
        self._run.results.add(measure, self._peer.name, round_, figure)
        self._run.results.details.append(
            {"measure": measure.key, "peer": self._peer.name, "round": round_, **detail}
        )
        if show:
            tell(f"  {self._peer.label}: {measure.title}: {shown(figure)} {measure.unit}")
