"""A run is one event with a number for each of its texts: counting, cutting, measuring. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from trionet.chat.history.history import Found, Page
from trionet.chat.state.events import Acted, RoomEvent, Said, TopicSet

# What an event takes in a line besides its texts and names, in bytes, rounded up.
_FRAME = 160


def last_number(event: RoomEvent) -> int:
    """Return the number of an event, of a run the last one."""
    if type(event) is Said:
        return event.number + len(event.texts) - 1
    return event.number


def count(event: RoomEvent) -> int:
    """Return how many numbers an event has."""
    return len(event.texts) if type(event) is Said else 1


def cut(event: RoomEvent, after: int, before: int) -> RoomEvent | None:
    """Return the part of an event whose numbers are between two; ``None``: there is none."""
    first, last = event.number, last_number(event)
    if after < first and last < before:
        return event
    if last <= after or before <= first or type(event) is not Said:
        return None
    start = max(0, after + 1 - first)
    end = min(len(event.texts), before - first)
    if start >= end:
        return None
    return Said(
        event.room,
        first + start,
        event.time,
        event.member,
        event.name,
        event.texts[start:end],
        None if event.ids is None else event.ids[start:end],
        event.author,
    )


def singly(event: RoomEvent) -> Iterator[RoomEvent]:
    """Yield an event; a run as one event for each text."""
    if type(event) is not Said or len(event.texts) == 1:
        yield event
        return
    for number in range(event.number, last_number(event) + 1):
        part = cut(event, number - 1, number + 1)
        assert part is not None
        yield part


def found(event: RoomEvent) -> Found | None:
    """Return a message as what `History.find` returns; ``None``: the event is not a message."""
    if type(event) is Said:
        return Found(event, event.author, None if event.ids is None else event.ids[0])
    if type(event) is Acted:
        return Found(event, event.author, event.id)
    return None


def text_of(event: RoomEvent) -> str | None:
    """Return what a message of its own says; ``None``: the event is not a message."""
    if type(event) is Said:
        return event.texts[0]
    return event.text if type(event) is Acted else None


def size(event: RoomEvent) -> int:
    """Return about how many bytes an event of its own takes in a line, not counting escapes."""
    text = text_of(event)
    if text is None:
        text = event.text if type(event) is TopicSet else ""
    return _FRAME + len(text.encode()) + len(event.name.encode())


def fitting(events: Sequence[RoomEvent], most_bytes: int) -> int:
    """Return how many of the first events have at most so many bytes in lines. Runs are whole."""
    for fit, event in enumerate(events):
        if type(event) is Said:
            taken = len(event.texts) * (_FRAME + len(event.name.encode()))
            most_bytes -= taken + len("".join(event.texts).encode())
        else:
            most_bytes -= size(event)
        if most_bytes < 0:
            return fit
    return len(events)


def newest(
    events: Iterable[RoomEvent], limit: int, most_bytes: int, hidden: Collection[int] = ()
) -> Page:
    """Take events as long as they fit, and return them the other way round.

    Args:
        events: the newest first; a run counts as its texts.
        limit: how many at most.
        most_bytes: how many bytes at most; one event is always allowed.
        hidden: numbers of events that are left out.
    """
    taken, more = _take(_backwards(events), limit, most_bytes, hidden)
    return Page(taken[::-1], more)


def oldest(
    events: Iterable[RoomEvent], limit: int, most_bytes: int, hidden: Collection[int] = ()
) -> Page:
    """Do the same for events that come oldest first, and keep their order."""
    forwards = (one for event in events for one in singly(event))
    return Page(*_take(forwards, limit, most_bytes, hidden))


def _backwards(events: Iterable[RoomEvent]) -> Iterator[RoomEvent]:
    for event in events:
        yield from list(singly(event))[::-1]


def _take(
    events: Iterator[RoomEvent], limit: int, most_bytes: int, hidden: Collection[int]
) -> tuple[list[RoomEvent], bool]:
    taken: list[RoomEvent] = []
    for event in events:
        if event.number in hidden:
            continue
        most_bytes -= size(event)
        if len(taken) == limit or (taken and most_bytes < 0):
            return taken, True
        taken.append(event)
    return taken, False
