"""The entries of a log, one for each message or notice, and the rows that an entry takes."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from trionet.chat.person.times import UtcOffset, clock_text
from trionet.chat.window.styled import Row, Span, name_style, wrap

# Narrower rows have no room for times.
MIN_COLUMNS_FOR_TIMES = 30

# Messages that one member sends within this time are grouped below one name.
GROUP_SECONDS = 300

# The most entries below one name, so that a screen full of one member's messages shows the name.
MAX_GROUP = 15

SAID, ACTED, NOTICE, LOCAL, ERROR, GAP, TOLD = (
    *("said", "acted", "notice", "local", "error", "gap", "told"),
)

# Notices of the window itself, which no event of the room has caused.
OWN_KINDS = frozenset((LOCAL, ERROR))


class Entry(Struct, gc=False):
    """A message or a notice.

    Attributes:
        kind: one of the kinds above.
        number: the event's number in its room; an entry without one has that of the entry before.
        time: in seconds since 1970, UTC.
        name: who said it; empty for a notice.
        text: what was said. It may hold LF.
        is_own: whether the person at this window said it.
        is_mention: whether it mentions that person.
        goes_on: whether it is grouped below the name of the entry before it.
    """

    kind: str
    number: int
    time: int
    name: str
    text: str
    is_own: bool = False
    is_mention: bool = False
    goes_on: bool = False


class Gap(Entry, gc=False):
    """Events that are missing; `number` is the number of the last one.

    Attributes:
        after: the number of the event before the first one.
    """

    after: int = 0


def goes_on(entry: Entry, before: Entry | None) -> bool:
    """Tell whether an entry is grouped below the name of the entry before it."""
    return (
        before is not None
        and entry.kind == before.kind == SAID
        and entry.name == before.name
        and 0 <= entry.time - before.time <= GROUP_SECONDS
    )


def entry_rows(
    entry: Entry, columns: int, offset: UtcOffset, *, is_below: bool, is_found: bool = False
) -> list[Row]:
    """Return the rows of an entry.

    Args:
        entry: the entry.
        columns: the width of the rows.
        offset: how far local time is ahead of UTC.
        is_below: whether the entry that it is grouped with is shown directly above it.
        is_found: whether a search has found it, so that it is highlighted.
    """
    has_time = columns >= MIN_COLUMNS_FOR_TIMES
    indent = 8 if has_time else 2
    stamp: Row = [("time", f"{clock_text(entry.time, offset)} ")] if has_time else []
    style = "found" if is_found else "mention" if entry.is_mention else "text"
    if entry.goes_on and is_below:
        return wrap([("text", " " * indent), (style, entry.text)], columns, indent)
    spans = [*stamp, *_HEADS[entry.kind](entry), (_style_of(entry, style), entry.text)]
    return wrap(spans, columns, indent)


def plain_text(entry: Entry, offset: UtcOffset) -> str:
    """Return an entry as text, with its time and name."""
    head = "".join(text for _, text in _HEADS[entry.kind](entry))
    return f"{clock_text(entry.time, offset)} {head}{entry.text}"


def _style_of(entry: Entry, style: str) -> str:
    """Return the style of an entry's text, given the style that a message would have."""
    if entry.kind in (SAID, TOLD) or style == "found":
        return style
    if entry.kind == ACTED:
        return style if entry.is_mention else "action"
    return "notice" if entry.kind == LOCAL else entry.kind


def _name(entry: Entry) -> Span:
    return ("own" if entry.is_own else name_style(entry.name), entry.name)


_HEADS: dict[str, Callable[[Entry], Row]] = {
    SAID: lambda entry: [_name(entry), ("text", ": ")],
    TOLD: lambda entry: [_name(entry), ("text", ": ")],
    ACTED: lambda entry: [("action", "* "), _name(entry), ("text", " ")],
    NOTICE: lambda _: [("notice", "*** ")],
    LOCAL: lambda _: [("notice", "-- ")],
    ERROR: lambda _: [("error", "error: ")],
    GAP: lambda _: [("gap", "*** ")],
}
