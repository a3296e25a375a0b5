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
        max_per_address: connections served at a time from one host; 0: no limit of its own. One
            more is answered and closed. Peers on Unix sockets have no host.
        max_waiting: bytes that may wait for one peer that does not read (1 MiB: minutes of a
            lively room). What happens beyond it is the server's `trionet.WhenSlow`.
        rate: lines a second that one peer may send in the long run; 0: any number. One who sends
            more is not read from meanwhile, and so is slowed down by its own system.
        burst: lines that one peer may send at once, with `rate`.
        handshake_timeout: for the TLS handshake (10 s: several round trips around the world and
            a busy server); 0: no limit.
        login_timeout: until the first whole line has come, or, in a service that identifies its
            peers (`trionet.serve`), until it has identified this one; the peer is told, and
            closed; 0: no limit. Off by default, because not every service waits for a line.
        idle_timeout: without a byte from the peer, which is told then, and closed; 0: no limit.
            Time in which the handler works on lines that it was handed does not count. Off by
            default, because many services have silent listeners.
        write_timeout: without progress although there is something to send, after which the peer
            is given up (30 s: TCP itself takes up to 15 minutes); 0: no limit.
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
    max_per_address: int = 0
    max_waiting: int = 1 << 20
    rate: float = 0
    burst: int = 100
    handshake_timeout: float = 10.0
    login_timeout: float = 0
    idle_timeout: float = 0
    write_timeout: float = 30.0
    linger_seconds: float = 2.0
    linger_bytes: int = 1 << 20
    drain_seconds: float = 5.0

    def __post_init__(self) -> None:
        for name in ("max_line", "max_unending", "max_waiting", "burst"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in self.__slots__:
            # Said this way round, so that a NaN is refused too.
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative")
