"""A token bucket: how many lines a peer may send, and when. No clock of its own."""

from __future__ import annotations


class TokenBucket:
    """Holds up to `burst` tokens, and gains `rate` of them a second.

    Args:
        rate: tokens gained in a second, above 0.
        burst: tokens it holds at most, at least 1; it begins full.
        now: the time in seconds, by any clock that goes forward.
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
        """Return how many whole tokens there are, up to `wanted`."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        return max(0, min(wanted, int(self._tokens)))

    def take(self, wanted: int, now: float) -> int:
        """Take as many whole tokens as there are, up to `wanted`, and return how many."""
        taken = self.count(wanted, now)
        self._tokens -= taken
        return taken

    def charge(self, tokens: int) -> None:
        """Take tokens whether they are there or not: what is missing is a debt to be paid first.

        Args:
            tokens: how many, at least 0.

        Raises:
            ValueError: `tokens` is negative.
        """
        if tokens < 0:
            raise ValueError("tokens must not be negative")
        self._tokens -= tokens

    def when(self, now: float, interval: float = 0.0) -> float:
        """Return when it is worth coming for tokens again.

        Args:
            now: the time, at which `count` or `take` was called.
            interval: seconds whose tokens are worth it: whoever always waits for so many comes no
                more often than once in so many seconds. By default, and at a low rate, it is one
                token; it is never more than the bucket holds.
        """
        worth_it = max(1, min(self._burst, int(self._rate * interval)))
        # A little late rather than a little early: rounding must not make the taker come twice.
        return now + max(0.0, (worth_it - self._tokens) / self._rate) + 1e-6
