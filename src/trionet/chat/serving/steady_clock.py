"""The chat's time, which never goes back. Pure.

Operators and time servers set clocks back. The state takes the greatest time that it has seen, so
without this its time would stand still for as long: whoever is held would be held an hour longer,
and everything would be said at the same moment.
"""

from __future__ import annotations

from collections.abc import Callable

# How fast the time goes while it waits for a clock that was set back, in milliseconds a second: it
# makes up for an hour in two.
_SPEED = 500


class SteadyClock:
    """Calling it returns the time, in milliseconds since 1970, UTC.

    It is what the clock of the OS says. If that is set back, the time goes on from where it was, at
    half its speed, until the other has caught up.

    Args:
        wall: returns what the clock of the OS says, in milliseconds.
        steady: returns seconds since any moment; nobody can set it.
    """

    __slots__ = ("_at", "_steady", "_time", "_wall")

    def __init__(self, wall: Callable[[], int], steady: Callable[[], float]) -> None:
        self._wall = wall
        self._steady = steady
        # The last time that both agreed on.
        self._time, self._at = wall(), steady()

    def __call__(self) -> int:
        """Return the time. Never a checkpoint."""
        wall, at = self._wall(), self._steady()
        slow = self._time + (at - self._at) * _SPEED
        if wall < slow:
            return int(slow)
        self._time, self._at = wall, at
        return wall
