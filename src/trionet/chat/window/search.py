"""Search: up through the log, then on the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trionet.chat.person import calls
from trionet.chat.window import paging
from trionet.chat.window.room_log import Log
from trionet.chat.window.state import State


def search(window: State, text: str) -> None:
    """Search upward from what was found last, or from the end."""
    log = window.rooms.shown.log
    text = text.strip() or window.searched
    if not text:
        window.tell("type what to look for, then press Ctrl-R")
        return
    start = log.found if text == window.searched and log.found is not None else log.end
    window.searched = text
    if (found := find_above(log, text, start)) is None:
        _search_server(window, text)
    else:
        log.show_found(found)


def show_mention(window: State, step: int) -> None:
    """Show the next message that mentions the person: further up if `step` is -1, down if it is 1.

    Begin at what was found last, or else at the end.
    """
    log = window.rooms.shown.log
    index = (log.end if log.found is None else log.found) + step
    while log.first <= index < log.end:
        if log[index].is_mention:
            log.show_found(index)
            return
        index += step
    window.tell(f"no mention further {'up' if step < 0 else 'down'}")


def end_search(window: State) -> None:
    """End the search; the view stays where it is."""
    window.rooms.shown.log.forget_found()
    window.searched = ""
    window.sought_in = None


def found_by_server(window: State, events: Sequence[Any]) -> None:
    """Show what the server has found, unless the search has ended meanwhile."""
    room, window.sought_in = window.sought_in, None
    if room is not window.rooms.shown:
        return
    if events:
        paging.show_found(window, room, events[-1].number)
    else:
        window.tell("the server has found nothing")


def find_above(log: Log, text: str, start: int) -> int | None:
    """Return the index of the nearest entry above `start` that has a text, ignoring case.

    Args:
        log: the log.
        text: what to look for.
        start: the search begins above this index.
    """
    wanted = text.casefold()
    for at in range(min(start, log.end) - log.first - 1, -1, -1):
        entry = log.entries[at]
        if wanted in entry.text.casefold():
            return log.first + at
    return None


def _search_server(window: State, text: str) -> None:
    room = window.rooms.shown
    if room.is_complete and not room.log.has_dropped:
        window.tell(f"nothing further up has {text!r}")
    elif not room.is_refused:
        window.tell(f"asking the server for {text!r}")
        window.sought_in = room
        window.call(calls.Search(room.name, text, paging.oldest(room), 1))
