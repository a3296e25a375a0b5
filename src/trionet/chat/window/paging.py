"""Pages of history: which are asked for, and where they go in a log.

A log is one stretch of events up to the newest, less its gaps. What is scrolled to is loaded above
the first event, or at the side of a gap that the reader comes from. What a search on the server has
found is loaded with what surrounds it, and a gap is left below.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trionet.chat.person import calls
from trionet.chat.window.entries import GAP, NOTICE, OWN_KINDS, Entry, Gap
from trionet.chat.window.rooms import Room
from trionet.chat.window.state import State

# The events that are asked for at a time.
PAGE = 200


def load_first(window: State, room: Room) -> None:
    """Ask for what was said before one entered a room, the first time."""
    if not room.has_begun:
        room.has_begun = True
        _ask(window, room, calls.History(room.name, room.last + 1, PAGE))


def scroll(window: State, room: Room, rows: int) -> None:
    """Scroll, and ask for what is missing there: a gap, or what is above all.

    Args:
        window: asks.
        room: the room that is shown.
        rows: how far to scroll; up if negative.
    """
    log = room.log
    before = log.top
    log.scroll(rows)
    # What was seen counts too: a page further, a gap may be out of sight.
    seen = range(min(before, log.top), min(max(before, log.top) + window.layout.log, log.end))
    entries = (log[index] for index in seen)
    found = [entry for entry in entries if isinstance(entry, Gap) and entry.kind == GAP]
    if found and rows < 0:
        _ask(window, room, calls.History(room.name, found[-1].number + 1, PAGE))
    elif found:
        _ask(window, room, calls.History(room.name, 0, PAGE, after=found[0].after))
    elif rows < 0 and log.is_at_top and not room.is_complete:
        _ask(window, room, calls.History(room.name, oldest(room), PAGE))


def show_found(window: State, room: Room, number: int) -> None:
    """Show an event that a search has found; ask for it, with what surrounds it, if needed."""
    index = room.log.find_number(number)
    if index is not None:
        room.wanted = room.asked_around = 0
        if room is window.rooms.shown:
            room.log.show_found(index)
    elif room.asked_around:
        room.wanted = room.asked_around = 0
        window.tell("what was found is not there any more")
    else:
        room.wanted = number
        if room.loading is None:
            room.asked_around = min(number + PAGE // 2, oldest(room))
            _ask(window, room, calls.History(room.name, room.asked_around, PAGE))


def oldest(room: Room) -> int:
    """Return the number before which nothing is in a room's log."""
    if room.log.has_dropped:
        room.log.has_dropped = False
        # What was dropped can be loaded again.
        events = (one.number for one in room.log.entries if one.kind not in OWN_KINDS)
        room.oldest = next(events, room.last + 1)
        room.is_complete = False
    return room.oldest or room.last + 1


def loaded(
    window: State, room: Room, events: Sequence[Any], page: list[Entry], *, more: bool
) -> None:
    """Put a page in where it was asked for.

    Args:
        window: shows the room, or another one.
        room: the room.
        events: the page, oldest first.
        page: what a log shows of it.
        more: whether there are others further on.
    """
    asked, room.loading = room.loading, None
    for entry in reversed(page):
        if entry.name:
            room.spoke_before(entry.name, entry.time)
    first, last = (events[0].number, events[-1].number) if events else (0, 0)
    index = None if asked is None else _gap_of(room, asked)
    if asked is None or index is None:
        is_far = asked is not None and 0 < asked.before < oldest(room)
        _put_above_all(room, page, first, last if is_far else 0, more=more)
    else:
        _put_in_gap(room, asked, index, page, (first, last), more=more)
    if room.wanted:
        show_found(window, room, room.wanted)


def begin_anew(room: Room, last: int) -> None:
    """Go on behind a number of another epoch, whose numbers may have had other events before."""
    if last >= room.last:
        return
    for index in range(room.log.end - 1, room.log.first - 1, -1):
        entry = room.log[index]
        if isinstance(entry, Gap) and entry.kind == GAP:
            room.log.change_text(index, entry.text.replace("missing", "gone"), NOTICE)
        entry.number = min(entry.number, last)
    room.last = last
    room.oldest = min(room.oldest, last + 1)
    # What the server has now may be what stands here, or something else.
    room.is_complete = True


def not_loaded(room: Room) -> None:
    """Take note that history was refused: no more of it is asked for."""
    room.loading, room.is_complete, room.is_refused = None, True, True
    room.wanted = room.asked_around = 0


def show_gap(room: Room, index: int) -> None:
    """Tell how large a gap is now, or take it away."""
    gap = _as_gap(room, index)
    count = gap.number - gap.after
    if count < 1:
        room.log.remove(index)
    else:
        what = "1 event is missing" if count == 1 else f"{count} events are missing"
        room.log.change_text(index, what, GAP)


def _ask(window: State, room: Room, call: calls.History) -> None:
    if room.loading is not None or room.is_refused or room.log.is_full:
        return
    if call.before > 1 or call.after:
        room.loading = call
        window.call(call)


def _put_above_all(room: Room, page: list[Entry], first: int, last: int, *, more: bool) -> None:
    """Put a page in above all; if `last` is not 0, it may end far above what is known."""
    above = oldest(room)
    older = [entry for entry in page if entry.number < above]
    has_gap = last and last + 1 < above
    if has_gap:
        time = older[-1].time if older else 0
        older.append(Gap(GAP, above - 1, time, "", "", after=last))
    room.log.insert(room.log.first, older)
    if has_gap:
        show_gap(room, room.log.first + len(older) - 1)
    if first:
        room.oldest = min(first, above)
    room.is_complete = not more


def _put_in_gap(
    room: Room,
    asked: calls.History,
    index: int,
    page: list[Entry],
    numbers: tuple[int, int],
    *,
    more: bool,
) -> None:
    """Put a page in at the side of a gap that it was asked for, and make the gap smaller."""
    first, last = numbers
    gap = _as_gap(room, index)
    # A server that does not keep the protocol may have said something within the gap.
    above = max(gap.after, room.log[index - 1].number if index > room.log.first else 0)
    kept = [one for one in page if above < one.number <= gap.number]
    if asked.after:
        room.log.insert(index, kept)
        gap.after = max(last, gap.after) if more else gap.number
        show_gap(room, index)
        return
    room.log.insert(index + 1, kept)
    index -= len(kept)
    if more:
        gap.number = first - 1
        show_gap(room, index)
    else:
        _end_gap(room, index, first or gap.number + 1)


def _gap_of(room: Room, asked: calls.History) -> int | None:
    """Return the index of the gap that a page was asked for."""
    log = room.log
    for at in range(len(log.entries) - 1, -1, -1):
        entry = log.entries[at]
        if isinstance(entry, Gap) and entry.kind == GAP:
            side = entry.after == asked.after if asked.after else entry.number + 1 == asked.before
            if side:
                return log.first + at
    return None


def _as_gap(room: Room, index: int) -> Gap:
    entry = room.log[index]
    assert isinstance(entry, Gap)
    return entry


def _end_gap(room: Room, index: int, first: int) -> None:
    """Tell what neither this window nor the server has, or take the gap away."""
    gap = _as_gap(room, index)
    count = first - 1 - gap.after
    if count < 1:
        room.log.remove(index)
    else:
        what = "1 event is gone" if count == 1 else f"{count} events are gone"
        room.log.change_text(index, what, NOTICE)
        gap.number = max(gap.after, room.log[index - 1].number if index > room.log.first else 0)
