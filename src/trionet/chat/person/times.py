"""Times of events as a person reads them: minutes, and days with their names.

`datetime` has a clock, and this is a rule. Nor does this file know where a person lives: whoever
makes a window says how far local time is ahead of UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

# How many seconds local time is ahead of UTC at a time in seconds since 1970.
UtcOffset: TypeAlias = Callable[[int], int]

_DAYS = ("Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?Z", re.ASCII)


# Events of one second come together.
@lru_cache(maxsize=16)
def parse_time(text: str) -> int:
    """Return the seconds since 1970 of a time such as `2026-11-28T02:35:00.123Z`; 0: no time."""
    if (found := _TIME.fullmatch(text)) is None:
        return 0
    year, month, day, hour, minute, second = map(int, found.groups())
    # Years that begin in March, so that the leap day is the last.
    year -= month < 3
    days = 365 * year + year // 4 - year // 100 + year // 400
    days += (153 * ((month - 3) % 12) + 2) // 5 + day - 1 - 719_468
    return ((days * 24 + hour) * 60 + minute) * 60 + second


def clock_text(seconds: int, offset: UtcOffset) -> str:
    """Return a time as `HH:MM`, local time."""
    minutes = (seconds + offset(seconds)) // 60
    return f"{minutes // 60 % 24:02}:{minutes % 60:02}"


def day_of(seconds: int, offset: UtcOffset) -> int:
    """Return the number of the local day since 1970."""
    return (seconds + offset(seconds)) // 86_400


def day_text(day: int) -> str:
    """Return a day since 1970 as `Saturday, 28 November 2026`."""
    year, month, date = _date(day)
    return f"{_DAYS[day % 7]}, {date} {_MONTHS[month - 1]} {year}"


def date_text(day: int) -> str:
    """Return a day since 1970 as `2026-11-28`."""
    year, month, date = _date(day)
    return f"{year:04}-{month:02}-{date:02}"


def _date(day: int) -> tuple[int, int, int]:
    """Return the year, the month from 1 and the day of the month of a day since 1970."""
    era, rest = divmod(day + 719_468, 146_097)
    year = (rest - rest // 1460 + rest // 36_524 - rest // 146_096) // 365
    rest -= 365 * year + year // 4 - year // 100
    # Counted from March.
    month = (5 * rest + 2) // 153
    rest -= (153 * month + 2) // 5
    return 400 * era + year + (month >= 10), (month + 2) % 12 + 1, rest + 1
