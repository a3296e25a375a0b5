"""How much is measured: in full, and with ``--quick``."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Sizes and times of a run; seconds, unless said otherwise.

    Args:
        rounds: times that all peers are run, in turn.
        warmup: load before a window that is measured.
        seconds: one such window.
        patience: without a line, after a window, until what is missing counts as not coming.
        crowd: members of the larger room.
        crowd_peers: who is run with it; ``None``: all.
        join_limit: for a crowd to know all of all; who needs longer did not finish.
        pings: messages one at a time.
        ping_limit: after which fewer must do.
        stall_pairs: windows with and without a member who does not read.
        stall_fill: load before a window with such a one: nothing more fits on the way to them.
        stall_peers: who has one; ``None``: all.
        idle: members who are idle, or are drained.
        idle_peers: who has them; ``None``: all.
        growth: members among whom the cost of a delivery is taken.
        starts: times that a program is started in a round.
        attack_rounds: times that each attack is carried out.
        attack_scale: how many attackers there are of those that an attack names.
        attack_seconds: one attack.
        attack_patience: after it, until lines on their way count as lost.
    """

    rounds: int = 5
    warmup: float = 0.5
    seconds: float = 2.0
    patience: float = 5.0
    crowd: int = 1000
    crowd_peers: Set[str] | None = None
    join_limit: float = 40.0
    pings: int = 200
    ping_limit: float = 20.0
    stall_pairs: int = 2
    stall_fill: float = 1.0
    stall_peers: Set[str] | None = None
    idle: int = 5000
    idle_peers: Set[str] | None = None
    growth: tuple[int, ...] = (10, 100, 1000, 5000)
    starts: int = 5
    attack_rounds: int = 1
    attack_scale: float = 1.0
    attack_seconds: float = 6.0
    attack_patience: float = 12.0


FULL = Plan()

# Enough to see what is what, not to argue about a tenth. A crowd takes most others seconds to join.
QUICK = Plan(
    rounds=2,
    warmup=0.05,
    seconds=0.25,
    patience=1.0,
    crowd_peers=frozenset({"limit", "trionet", "go"}),
    join_limit=10.0,
    pings=40,
    ping_limit=2.0,
    stall_pairs=1,
    stall_fill=0.15,
    stall_peers=frozenset({"limit", "trionet", "go"}),
    idle=1000,
    idle_peers=frozenset({"limit", "trionet"}),
    growth=(10, 100, 1000),
    starts=1,
    attack_scale=0.2,
    attack_seconds=1.0,
    attack_patience=4.0,
)
