"""How fast a peer may send WebSocket frames that bring no line: pings, pongs, fragments. Pure.

The rate of lines does not slow them down, and a frame costs 8 µs. Without a bound, 100 peers that
sent nothing but pings kept everybody else from being served at all.
"""

from __future__ import annotations

# How many such frames a peer may send at once, and then how many a second. Browsers send none. A
# client that sends a message in parts needs a few for each message.
BURST = 1000
A_SECOND = 100

# How many are taken before other tasks may run: with 200 such peers, a round takes 25 ms.
AT_ONCE = 16


class FramePace:
    """What one peer has sent of its allowance."""

    __slots__ = ("_paid_at",)

    def __init__(self) -> None:
        # When all frames so far will be paid for.
        self._paid_at = 0.0

    def charge(self, frames: int, now: float) -> None:
        """Charge the peer for some frames.

        Args:
            frames: how many brought no line.
            now: the time, in seconds on a clock that never goes back.
        """
        self._paid_at = max(self._paid_at, now) + frames / A_SECOND

    def pause(self, now: float) -> float:
        """Return how many seconds to wait before more is taken; 0 or less: none."""
        return self._paid_at - now - BURST / A_SECOND
