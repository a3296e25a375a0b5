"""Every limit and deadline of a server, in one frozen object.

Sizes are in bytes, times in seconds; 0 switches a limit off where its entry says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from trionet.lines import MAX_LINE, MAX_UNENDING


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one server takes, from one peer and from all of them.

    Args:
        max_line: content bytes of one line from a peer (4,096: what an IRC server with long
            messages takes, far above what a person types). A longer one gets an error and is
            skipped to its end.
        max_unending: bytes without an end of line, after which the peer is cut off (1 MiB).
        max_clients: connections served at a time; 0: as many as there are descriptors. What
            happens to one more is the server's `trionet.WhenFull`.
        max_waiting: bytes that may wait for one peer that does not read (1 MiB: minutes of a
            lively room). What happens beyond it is the outbox's `trionet.WhenSlow`.
        linger_seconds: how long a connection that is being closed is still read and discarded,
            so that the answers on their way are not destroyed by a reset (2 s: several round
            trips around the world).
        linger_bytes: how much is discarded at most meanwhile (1 MiB).
        drain_seconds: how long a drain waits for the sessions before it closes by force (5 s:
            below the 10 s after which container runtimes kill).
    """

    max_line: int = MAX_LINE
    max_unending: int = MAX_UNENDING
    max_clients: int = 0
    max_waiting: int = 1 << 20
    linger_seconds: float = 2.0
    linger_bytes: int = 1 << 20
    drain_seconds: float = 5.0

    def __post_init__(self) -> None:
        for name in ("max_line", "max_unending", "max_waiting"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in ("max_clients", "linger_seconds", "linger_bytes", "drain_seconds"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
