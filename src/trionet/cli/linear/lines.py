"""Events of the wire become lines to be read aloud, each of which says by itself what it is.

| what | line |
|---|---|
| a message, an action | `Bea: hello`, `* Bea waves` |
| one that has this person's name in it | `(mention) Bea: hello, Ann` |
| a message to this person alone, one of theirs | `[Bea to you] hello`, `[you to Bea] hello` |
| a notice | `*** Cid joined (3 here)` |
| a mistake | `error: there is no Zed here` |
| a question | `send 3 lines as one message? y/n` |
| from a room in which this person does not speak now | `[builds] Bea: hello` |
| from the past, or with times | `[12:01] Bea: hello`, `[2026-11-28 12:01] Bea: hello` |

A text of several lines has the name before each of them: nobody hears an indent. So no line begins
with what a member has written. Names have neither spaces nor colons, and so imitate no beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trionet.chat.formats.answers import MAX_WELCOME_NAMES
from trionet.chat.person.times import UtcOffset, clock_text, date_text, day_of, parse_time
from trionet.chat.person.wording import notice_text, safe_lines, shown_name
from trionet.text.safe import safe_text

NOTICE = "*** "
ERROR = "error: "
MENTION = "(mention) "

# How many names a list has. Nobody listens to more.
MAX_LISTED = 100


def event_lines(event: Any, me: str) -> list[str]:
    """Return the lines of an event; none: nothing is told of it.

    Args:
        event: something that happens in a room, or a private message.
        me: the person's name.
    """
    if event.type == "said":
        return _each(f"{shown_name(event.name)}: ", event.text)
    if event.type == "acted":
        return _each(f"* {shown_name(event.name)} ", event.text)
    if event.type == "told":
        to_me = event.to == me
        who = f"{shown_name(event.from_)} to you" if to_me else f"you to {shown_name(event.to)}"
        return _each(f"[{who}] ", event.text)
    if event.type == "removed":
        return [f"{NOTICE}{shown_name(event.name)} removed a message"]
    notice = notice_text(event)
    return [] if notice is None else [f"{NOTICE}{notice}"]


def stamped(lines: list[str], time: str, now: int, offset: UtcOffset) -> list[str]:
    """Return lines after the local time at which they were said, with the date if not today.

    Args:
        lines: the lines.
        time: when that was, as in the wire.
        now: the time of today, in seconds since 1970.
        offset: how far local time is ahead of UTC.
    """
    seconds = parse_time(time)
    stamp = clock_text(seconds, offset)
    if (day := day_of(seconds, offset)) != day_of(now, offset):
        stamp = f"{date_text(day)} {stamp}"
    return [f"[{stamp}] {line}" for line in lines]


def here(names: Sequence[str], count: int, most: int = MAX_WELCOME_NAMES) -> str:
    """Return who is in a room: `3 here: Ann, Bea, Cid`.

    Args:
        names: some of them, or all.
        count: how many there are.
        most: how many are named at most.
    """
    return f"{count} here: {listed([safe_text(name) for name in names[:most]], count)}"


def listed(names: Sequence[str], count: int) -> str:
    """Return names, and how many more there are."""
    more = f" … and {count - len(names)} more" if count > len(names) else ""
    return f"{', '.join(names)}{more}"


def many(count: int, what: str) -> str:
    """Return a number of things: `1 event`, `2 events`."""
    return f"1 {what}" if count == 1 else f"{count} {what}s"


def _each(begin: str, text: str) -> list[str]:
    return [f"{begin}{line}" for line in safe_lines(text).split("\n")]
