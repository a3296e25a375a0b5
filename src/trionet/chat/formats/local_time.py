"""When something was, for people: in the time zone of the machine that they sit at, or serve on."""

from __future__ import annotations

import time


def stamp(at: int, now: int) -> str:
    """Return a time as `HH:MM`, or as `YYYY-MM-DD HH:MM` if it was on another day than `now`.

    Args:
        at: the time, in milliseconds since 1970, UTC.
        now: the present time, in the same unit.
    """
    then, today = time.localtime(at / 1000), time.localtime(now / 1000)
    is_today = then[:3] == today[:3]
    return time.strftime("%H:%M" if is_today else "%Y-%m-%d %H:%M", then)


def utc_offset(seconds: int) -> int:
    """Return how many seconds local time is ahead of UTC at a time in seconds since 1970."""
    return time.localtime(seconds).tm_gmtoff
