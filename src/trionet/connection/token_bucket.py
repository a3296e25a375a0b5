"""A token bucket: how many lines a peer may send, and when. It has no clock of its own.

A line costs one token. With a rate of 10 and a burst of 50, a peer that was silent may send 50
lines at once, and then 10 a second. `trionet.connection.paced_reader` hands in the time, and waits.
"""

from __future__ import annotations


class TokenBucket:
    """Holds up to `burst` tokens, and gains `rate` of them a second.

    Args:
        rate: tokens gained in a second, above 0.
        burst: tokens that it holds at most, at least 1; it begins full.
        now: the time in seconds, on any clock that never goes back.

    Raises:
        ValueError: `rate` or `burst` is out of bounds.
    """

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, *, rate: float, burst: int, now: float) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError("rate must be above 0, burst at least 1")
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._at = now

    def count(self, wanted: int, now: float) -> int:
        """Return how many whole tokens there are, up to `wanted`. None are taken.

        Args:
            wanted: how many are needed at most.
            now: the time, on the clock that the bucket began with.
        """
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        return max(0, min(wanted, int(self._tokens)))

    def take(self, wanted: int, now: float) -> int:
        """Take as many whole tokens as there are, up to `wanted`, and return how many.

        Args:
            wanted: how many are needed at most.
            now: see `count`.
        """
        taken = self.count(wanted, now)
        self._tokens -= taken
        return taken

    def charge(self, tokens: int) -> None:
        """Take tokens whether they are there or not; the missing ones are a debt to be paid first.

        Args:
            tokens: how many, at least 0.

        Raises:
            ValueError: `tokens` is negative.
        """
        if tokens < 0:
            raise ValueError("tokens must not be negative")
        self._tokens -= tokens

    def when(self, now: float, interval: float = 0.0) -> float:
        """Return when to come for tokens again.

        Args:
            now: the time; `count` or `take` must have been called with it.
            interval: seconds in which the bucket should gain what is worth coming for. Whoever
                always waits that long comes no more often than once in `interval`. By default, and
                at a low rate, one token is worth coming for; never more than the bucket holds.
        """
        worth_it = max(1, min(self._burst, int(self._rate * interval)))
        # A little late rather than a little early: rounding must not make anybody come twice.
        return now + max(0.0, (worth_it - self._tokens) / self._rate) + 1e-6
