"""How much is measured, in full and with ``--quick``."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Sizes and times of a run. Times are in seconds.

    Args:
        rounds: how often all peers run, in turn.
        warmup: the time of load before a window that is measured.
        seconds: the length of one window.
        messages: how many messages a window should have: 3,000 are 15 batches of a large room, and
            one batch more or less is 7 %.
        patience: how long after a window without another line missing lines count as lost.
        crowd: how many members the larger room has.
        crowd_peers: the peers that run with it; ``None``: all.
        join_limit: how long a crowd may take until everyone knows of all; then the peer has failed.
        pings: how many messages are sent one at a time.
        ping_limit: the time after which fewer are enough.
        stall_pairs: how many windows with and without a member that does not read.
        stall_fill: the time of load before a window with such a member, to fill its buffers.
        stall_peers: the peers that have one; ``None``: all.
        idle: how many members are idle, or drained.
        idle_peers: the peers that have them; ``None``: all.
        growth: the sizes of room for which the cost of a delivery is measured.
        starts: how often a program is started in a round.
        attack_rounds: how often each attack is carried out.
        attack_scale: the fraction of an attack's attackers that take part.
        attack_seconds: the length of one attack.
        attack_patience: how long after an attack missing lines count as lost.
        history: how many messages the history file has.
        history_file: the file; ``None``: one is made, and deleted at the end. One that exists is
            used as it is, so it has to be made only once: `benchmarks.make_history`.
        written: how many messages are written to measure the writer.
    """

    rounds: int = 5
    warmup: float = 0.5
    seconds: float = 2.0
    messages: int = 20_000
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
    history: int = 10_000_000
    history_file: Path | None = None
    written: int = 200_000


FULL = Plan()

# Enough to see orders of magnitude, not tenths. Most other peers take seconds to let a crowd join.
QUICK = Plan(
    rounds=2,
    warmup=0.05,
    seconds=0.25,
    messages=0,
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
    history=50_000,
    written=20_000,
)
