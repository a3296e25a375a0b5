"""How a shared log is doing. Pure."""

from __future__ import annotations

from msgspec import Struct


class LogStatistics(Struct, frozen=True, kw_only=True):
    """How a log is doing.

    Attributes:
        available: whether Redis takes what is written.
        lag: how old the newest entry was when it was applied, in seconds, by this machine's clock.
        pending: how many operations wait or are on their way.
        pending_bytes: how many bytes they take.
        entries: how many entries were applied.
        resends: how many entries were sent again.
        resyncs: how often the node had to find its place in the stream again.
        lives: how many lives it has had.
        nodes: how many nodes live.
    """

    available: bool
    lag: float
    pending: int
    pending_bytes: int
    entries: int
    resends: int
    resyncs: int
    lives: int
    nodes: int
