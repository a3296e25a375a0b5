"""Search in a log: upward from where one is, and round again from the end."""

from __future__ import annotations

from trionet.chat.window.log import Log


def find_above(log: Log, text: str, start: int) -> int | None:
    """Return the index of the entry nearest above `start` that has a text, in any case.

    Args:
        log: the log.
        text: what to look for.
        start: the first index that is not looked at.
    """
    wanted = text.casefold()
    for at in range(min(start, log.end) - log.first - 1, -1, -1):
        entry = log.entries[at]
        if wanted in entry.text.casefold():
            return log.first + at
    return None
