"""Pages of history: which ones the window asks for, and where they go in a log.

A log holds all events from some number to the newest, except for its gaps. Scrolling loads pages
above the first event, or into a gap from the side that the reader comes from. What a search on the
server has found is loaded together with the events around it, and a gap is left below.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trionet.chat.person import calls
from trionet.chat.window.entries import GAP, NOTICE, OWN_KINDS, Entry, Gap
from trionet.chat.window.rooms import Room
from trionet.chat.window.state import State

# How many events one page has.
PAGE = 200


def load_first(window: State, room: Room) -> None:
    """Ask for what was said before one entered a room, unless that was done before."""
    if not room.has_begun:
        room.has_begun = True
        _ask(window, room, calls.History(room.name, room.last + 1, PAGE))


def scroll(window: State, room: Room, rows: int) -> None:
    """Scroll, and ask for the events that are missing there: in a gap, or above all others.

    Args:
        window: the window that asks.
        room: the room that is shown.
        rows: how far to scroll; up if negative.
    """
    log = room.log
    before = log.top
    log.scroll(rows)
    # Include what was visible before: one page further, a gap may be out of sight.
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
    """Show an event that a search has found. Ask for it and the events around it if need be."""
    index = room.log.find_number(number)
    if index is not None:
        room.wanted = room.asked_around = 0
        if room is window.rooms.shown:
            room.log.show_found(index)
    elif room.asked_around:
        room.wanted = room.asked_around = 0
        window.tell("what was found is no longer there")
    else:
        room.wanted = number
        if room.loading is None:
            room.asked_around = min(number + PAGE // 2, oldest(room))
            _ask(window, room, calls.History(room.name, room.asked_around, PAGE))


def oldest(room: Room) -> int:
    """Return the number before which a room's log has no events."""
    if room.log.has_dropped:
        room.log.has_dropped = False
        # Dropped events can be loaded again.
        events = (one.number for one in room.log.entries if one.kind not in OWN_KINDS)
        room.oldest = next(events, room.last + 1)
        room.is_complete = False
    return room.oldest or room.last + 1


def loaded(
    window: State, room: Room, events: Sequence[Any], page: list[Entry], *, more: bool
) -> None:
    """Insert a page where it belongs.

    Args:
        window: the window, which may show another room.
        room: the room.
        events: the page, oldest first.
        page: the entries that the log shows for them.
        more: whether the server has more in that direction.
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
    """Go on with the numbers of a new epoch, which may repeat earlier ones."""
    if last >= room.last:
        return
    for index in range(room.log.end - 1, room.log.first - 1, -1):
        entry = room.log[index]
        if isinstance(entry, Gap) and entry.kind == GAP:
            room.log.change_text(index, entry.text.replace("missing", "gone"), NOTICE)
        entry.number = min(entry.number, last)
    room.last = last
    room.oldest = min(room.oldest, last + 1)
    # Older events of the server may be the ones shown here or others, so none are loaded.
    room.is_complete = True


def not_loaded(room: Room) -> None:
    """Note that history was refused, and ask for no more."""
    room.loading, room.is_complete, room.is_refused = None, True, True
    room.wanted = room.asked_around = 0


def show_gap(room: Room, index: int) -> None:
    """Update the text of a gap, or remove the gap once it is filled."""
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
    """Insert a page above everything; if `last` is not 0, a gap may remain below the page."""
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
    """Insert a page at the side of the gap for which it was asked, and shrink the gap."""
    first, last = numbers
    gap = _as_gap(room, index)
    # A server that breaks the protocol may have sent events from within the gap.
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
    """Return the index of the gap for which a page was asked."""
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
    """Say that the server does not have the rest of a gap either, or remove the gap."""
    gap = _as_gap(room, index)
    count = first - 1 - gap.after
    if count < 1:
        room.log.remove(index)
    else:
        what = "1 event is gone" if count == 1 else f"{count} events are gone"
        room.log.change_text(index, what, NOTICE)
        gap.number = max(gap.after, room.log[index - 1].number if index > room.log.first else 0)
