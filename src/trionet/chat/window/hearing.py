"""How each event changes the window.

An event is any object with a `type` and the wire's field names (`from_` for `from`), such as those
that `trionet.chat.Client` yields. An event of unknown type changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from trionet.chat.person.calls import Bell
from trionet.chat.person.times import parse_time
from trionet.chat.person.wording import ANEW, notice_text, safe_lines, shown_name
from trionet.chat.window import entries, paging
from trionet.chat.window.entries import Entry, Gap
from trionet.chat.window.rooms import PRIVATE, Room
from trionet.chat.window.search import found_by_server
from trionet.chat.window.state import State
from trionet.text.safe import safe_text


class Event(Protocol):
    """An event that the window can hear."""

    @property
    def type(self) -> str:
        """Its name on the wire, such as `said`."""


def hear(window: State, event: Any) -> None:
    """Update the window with an event."""
    if (change := _CHANGES.get(event.type)) is not None:
        change(window, event)


def entry_of(window: State, event: Any) -> Entry | None:
    """Return the entry that a log shows for an event of a room; ``None``: it shows none."""
    number, time, name = event.number, parse_time(event.time), shown_name(event.name)
    if event.type in (entries.SAID, entries.ACTED):
        text = safe_lines(event.text)
        own = name == window.me
        mention = not own and window.mentions(text)
        return Entry(event.type, number, time, name, text, is_own=own, is_mention=mention)
    notice = notice_text(event)
    return None if notice is None else Entry(entries.NOTICE, number, time, "", notice)


def load(window: State, name: str, events: Sequence[Any], *, more: bool) -> None:
    """Put a page of history in: above all, or where a gap is."""
    page = _page_entries(window, events)
    paging.loaded(window, window.rooms.get(name), events, page, more=more)


def _said(window: State, event: Any) -> None:
    room = window.rooms.get(event.room)
    entry = entry_of(window, event)
    if entry is None:
        return
    if entry.name in window.ignored:
        if entry.number > room.last:
            _note_number(room, entry.number)
        return
    if not _put(room, entry):
        return
    room.spoke(entry.name, entry.time)
    if not entry.is_own:
        _count_unread(window, room, entry)


def _told(window: State, event: Any) -> None:
    room = window.rooms.get(PRIVATE)
    name, to = shown_name(event.from_), shown_name(event.to)
    own = name == window.me
    if name in window.ignored:
        return
    shown = f"{name} → {to}" if own else name
    # A receipt has the receiver's number, so this log numbers its entries itself.
    entry = Entry(
        entries.TOLD, room.last + 1, parse_time(event.time), shown, safe_lines(event.text), own
    )
    entry.is_mention = not own
    _put(room, entry)
    room.spoke(to if own else name, entry.time)
    if not own:
        window.correspondent = name
        _count_unread(window, room, entry)


def _joined(window: State, event: Any) -> None:
    room = window.rooms.get(event.room)
    silent = room.is_silent(event.name, parse_time(event.time))
    if _notice(window, room, event, is_hidden=silent):
        room.joined(shown_name(event.name), event.count)


def _left(window: State, event: Any) -> None:
    room = window.rooms.get(event.room)
    silent = room.is_silent(event.name, parse_time(event.time))
    if event.name == window.me and event.reason in ("left", "moved"):
        window.rooms.drop(event.room)
        if event.room in window.rooms:
            # This was the last room, and a window always shows one.
            window.tell(f"you have left {safe_text(event.room)}; /join another room")
            room.left(shown_name(event.name), event.count)
    elif _notice(window, room, event, is_hidden=silent):
        room.left(shown_name(event.name), event.count)


def _renamed(window: State, event: Any) -> None:
    room = window.rooms.get(event.room)
    if event.name == window.me:
        window.set_name(shown_name(event.to))
    window.ignored.renamed(shown_name(event.name), shown_name(event.to))
    if _notice(window, room, event):
        room.renamed(shown_name(event.name), shown_name(event.to))


def _topic(window: State, event: Any) -> None:
    room = window.rooms.get(event.room)
    if _notice(window, room, event):
        room.topic = safe_text(event.text)


def _removed(window: State, event: Any) -> None:
    room = window.rooms.get(event.room)
    room.last = max(room.last, event.number)
    if (index := room.log.find_number(event.of)) is not None:
        text = f"{shown_name(event.name)} removed a message"
        room.log.change_text(index, text, entries.NOTICE)


def _notice(window: State, room: Room, event: Any, *, is_hidden: bool = False) -> bool:
    """Show a notice; ``False``: the event was heard before."""
    if event.number <= room.last:
        return False
    entry = entry_of(window, event)
    if is_hidden or entry is None:
        _note_number(room, event.number)
        return True
    return _put(room, entry)


def _note_number(room: Room, number: int) -> None:
    room.last = number
    room.oldest = room.oldest or number


def _put(room: Room, entry: Entry) -> bool:
    """Add an entry in its place; ``False``: it is there already.

    A replay after a lost connection and the receipt of a repeated request may bring the same
    message twice. Its number shows that.
    """
    if entry.number > room.last:
        _note_number(room, entry.number)
        room.log.add(entry)
        return True
    if room.log.find_number(entry.number) is not None:
        return False
    if entry.number < paging.oldest(room):
        # It is older than everything here, and comes with a page of history when it is needed.
        return False
    room.log.insert(room.log.position(entry.number), [entry])
    return True


def _count_unread(window: State, room: Room, entry: Entry) -> None:
    if room is not window.rooms.shown or not room.log.follows_end:
        if room.log.mark is None:
            room.log.set_mark(room.log.end - 1)
        if room is not window.rooms.shown:
            room.unread += 1
            room.mentions += entry.is_mention
    if entry.is_mention and window.has_bell:
        window.call(Bell())


def _welcome(window: State, event: Any) -> None:
    window.set_name(shown_name(event.name))
    before, window.epoch = window.epoch, event.epoch
    if before not in ("", event.epoch):
        window.tell(ANEW)
        for room in window.rooms:
            room.is_stale = room.name != PRIVATE


def _entered(window: State, event: Any) -> None:
    is_new = event.room not in window.rooms
    room = window.rooms.get(event.room)
    room.topic = safe_text(event.topic)
    room.set_members(list(map(shown_name, event.members)))
    room.count = event.count
    if room.is_stale:
        room.is_stale = False
        paging.begin_anew(room, event.last)
    # Whatever is older than the room's newest number, and not in the log, is history now.
    room.last = max(room.last, event.last)
    if window.wanted_room and (is_new or window.wanted_room == event.room):
        # If only one room was asked for, it is this one, even if the server spells it otherwise.
        if window.wanted_room == event.room or window.joining <= 1:
            window.wanted_room = ""
        window.rooms.show(event.room, with_draft=is_new)
    if is_new:
        window.joining = max(window.joining - 1, 0)
    paging.load_first(window, room)


def _members(window: State, event: Any) -> None:
    room = window.rooms.get(event.room)
    room.set_members([*window.listed.pop(event.room, []), *map(shown_name, event.members)])
    if getattr(event, "more", False):
        window.listed[event.room] = room.members
    elif event.room in window.asked_who:
        window.asked_who.discard(event.room)
        window.tell(f"here: {', '.join(room.members)}")


def _rooms(window: State, event: Any) -> None:
    for one in event.rooms:
        name, count, topic = (
            (one["room"], one["count"], one["topic"])
            if isinstance(one, dict)
            else (one.room, one.count, one.topic)
        )
        window.tell(safe_text(f"{name} ({count}) {topic}".rstrip()))
        window.note_room(safe_text(name))


def _missed(window: State, event: Any) -> None:
    after, before = getattr(event, "after", None), getattr(event, "before", None)
    name = getattr(event, "room", None)
    if name is None or after is None or before is None:
        window.tell("some answers were lost")
        return
    if name == PRIVATE:
        # The log of private messages has its own numbers, so no gap can be shown in it.
        window.tell("some private messages are missing")
        return
    room = window.rooms.get(name)
    after = max(after, room.last)
    if before - after <= 1:
        return
    if room.oldest:
        time = room.log.entries[-1].time if room.log.entries else window.time
        paging.show_gap(room, room.log.add(Gap(entries.GAP, before - 1, time, "", "", after=after)))
    room.last = before - 1


def _epoch(window: State, event: Any) -> None:
    window.tell(ANEW)
    window.epoch = event.epoch
    for name, last in event.rooms.items():
        if name in window.rooms:
            paging.begin_anew(window.rooms.get(name), last)


def _history(window: State, event: Any) -> None:
    load(window, event.room, event.events, more=event.more)


def _found(window: State, event: Any) -> None:
    found_by_server(window, event.events)


def _error(window: State, event: Any) -> None:
    window.tell(safe_text(event.reason), kind=entries.ERROR)


def _log(window: State, event: Any) -> None:
    window.tell("the log is back" if event.available else "messages wait: the log is out of reach")


def _closing(window: State, event: Any) -> None:
    window.tell(safe_text(event.reason))


def _page_entries(window: State, events: Sequence[Any]) -> list[Entry]:
    """Return the entries of a page of history: all but joins and leaves."""
    kept = (event for event in events if event.type not in ("joined", "left"))
    made = (entry_of(window, event) for event in kept)
    return [one for one in made if one is not None and one.name not in window.ignored]


_CHANGES: dict[str, Callable[[State, Any], None]] = {
    "welcome": _welcome,
    "entered": _entered,
    "said": _said,
    "acted": _said,
    "told": _told,
    "joined": _joined,
    "left": _left,
    "renamed": _renamed,
    "topic": _topic,
    "removed": _removed,
    "members": _members,
    "rooms": _rooms,
    "missed": _missed,
    "epoch": _epoch,
    "history": _history,
    "found": _found,
    "error": _error,
    "log": _log,
    "closing": _closing,
}
