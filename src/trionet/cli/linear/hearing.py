"""What a person with lines on a terminal is told of each event.

An event is any object with a `type` and the wire's field names (`from_` for `from`), such as those
that `trionet.chat.Client` gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trionet.chat.person.typed_commands import ERROR
from trionet.chat.person.wording import ANEW, shown_name
from trionet.cli.linear import lines
from trionet.cli.linear.room import Room
from trionet.cli.linear.state import State
from trionet.text.safe import safe_text

# The room of private messages. Its name is the wire's.
PRIVATE = "@"

# A server that keeps the protocol lets nobody be in more than 100.
MAX_ROOMS = 200


def hear(linear: State, event: Any) -> None:
    """Tell what an event says. One whose type is unknown here is not told."""
    if (hearing := _HEARINGS.get(event.type)) is not None:
        hearing(linear, event)


def _welcome(linear: State, event: Any) -> None:
    linear.set_name(shown_name(event.name))
    linear.has_resumed = event.resumed
    before, linear.epoch = linear.epoch, event.epoch
    if before not in ("", event.epoch):
        _begin_anew(linear)


def _entered(linear: State, event: Any) -> None:
    name = shown_name(event.room)
    is_known = name in linear.rooms
    room = linear.rooms.get(name, Room())
    if len(linear.rooms) < MAX_ROOMS:
        linear.rooms[name] = room
    room.count, room.topic = event.count, safe_text(event.topic)
    if is_known and linear.has_resumed:
        # Everything that changed meanwhile has been told.
        return
    if not linear.shown or linear.wanted_room == name:
        linear.shown, linear.wanted_room = name, ""
    here = lines.here(event.members, event.count)
    if not linear.is_welcome:
        linear.is_welcome = True
        linear.tell(f"welcome, {linear.me} ({here})")
    elif is_known:
        linear.tell(f"you are in {name} again ({here})")
    elif linear.shown == name:
        linear.tell(f"you speak in {name} now ({here})")
    else:
        linear.tell(f"you are in {name} ({here})")
    if room.topic:
        linear.put(name, [f"{lines.NOTICE}topic: {room.topic}"])


def _happened(linear: State, event: Any) -> None:
    linear.note_count(event)
    linear.put(event.room, lines.event_lines(event, linear.me), event)


def _spoken(linear: State, event: Any) -> None:
    if event.name == linear.me or event.name in linear.ignored:
        # One's own words stand there as they were typed.
        return
    linear.put(event.room, lines.event_lines(event, linear.me), event, may_mention=True)


def _told(linear: State, event: Any) -> None:
    if event.from_ in linear.ignored:
        return
    if event.from_ != linear.me:
        linear.correspondent = shown_name(event.from_)
    told = lines.event_lines(event, linear.me)
    if event.from_ != linear.me and linear.has_bell:
        told[0] += "\a"
    linear.print(*(linear.stamped(told, event) if linear.has_times else told))


def _joined(linear: State, event: Any) -> None:
    # `entered` tells of one's own.
    _came_or_went(linear, event, is_told=event.name != linear.me)


def _came_or_went(linear: State, event: Any, *, is_told: bool = True) -> None:
    if is_told and linear.has_joins:
        _happened(linear, event)
    else:
        linear.note_count(event)


def _left(linear: State, event: Any) -> None:
    if event.name != linear.me:
        _came_or_went(linear, event)
    elif event.reason in ("left", "moved"):
        _leave(linear, shown_name(event.room))


def _leave(linear: State, name: str) -> None:
    linear.rooms.pop(name, None)
    if linear.shown == name:
        linear.shown = next(iter(linear.rooms), "")
        where = f"you speak in {linear.shown} now" if linear.shown else "you are in no room"
        linear.tell(f"you have left {name}; {where}")
    else:
        linear.tell(f"you have left {name}")


def _renamed(linear: State, event: Any) -> None:
    linear.ignored.renamed(event.name, event.to)
    # Each shared room tells of the new name, and once is enough.
    renamed = (event.name, event.to, event.time)
    if renamed == linear.renamed:
        return
    linear.renamed = renamed
    if event.name == linear.me:
        linear.set_name(shown_name(event.to))
        linear.tell(f"you are {linear.me} now")
    else:
        linear.put(linear.shown, lines.event_lines(event, linear.me), event)


def _topic_set(linear: State, event: Any) -> None:
    if (room := linear.rooms.get(event.room)) is not None:
        room.topic = safe_text(event.text)
    _happened(linear, event)


def _members(linear: State, event: Any) -> None:
    here = lines.here(event.members, len(event.members), lines.MAX_LISTED)
    linear.put(event.room, [f"{lines.NOTICE}{here}"])


def _room_list(linear: State, event: Any) -> None:
    names = [f"{shown_name(one.room)} ({one.count})" for one in event.rooms[: lines.MAX_LISTED]]
    linear.tell(f"rooms: {lines.listed(names, len(event.rooms))}")


def _missed(linear: State, event: Any) -> None:
    if event.room is None or event.after is None or event.before is None:
        linear.tell("some events or answers were lost: /history shows what was said")
    elif event.room == PRIVATE:
        linear.tell("some private messages are missing")
    else:
        # A server that has started again tells of each room, also where nothing is missing.
        if (count := event.before - event.after - 1) > 0:
            what = f"{lines.many(count, 'event')} missing: /history shows what the server has"
            linear.put(event.room, [f"{lines.NOTICE}{what}"])


def _epoch(linear: State, event: Any) -> None:
    linear.epoch = event.epoch
    _begin_anew(linear)


def _begin_anew(linear: State) -> None:
    linear.tell(ANEW)
    # Numbers of another epoch may be used again.
    for room in linear.rooms.values():
        room.oldest = 0


def _found(linear: State, event: Any) -> None:
    shown = [one for one in event.events if not linear.is_hidden(one)]
    if not shown:
        linear.tell("nothing was found")
        return
    linear.tell(f"found {lines.many(len(shown), 'message')}, oldest first:")
    for one in shown:
        linear.print(*linear.stamped(lines.event_lines(one, linear.me), one))
    linear.tell("end of what was found")


def _error(linear: State, event: Any) -> None:
    linear.tell(safe_text(event.reason), kind=ERROR)


def _log(linear: State, event: Any) -> None:
    linear.tell("the log is back" if event.available else "messages wait: the log is out of reach")


def _closing(linear: State, event: Any) -> None:
    linear.tell(safe_text(event.reason))


_HEARINGS: dict[str, Callable[[State, Any], None]] = {
    "welcome": _welcome,
    "entered": _entered,
    "said": _spoken,
    "acted": _spoken,
    "told": _told,
    "joined": _joined,
    "left": _left,
    "renamed": _renamed,
    "topic": _topic_set,
    "removed": _happened,
    "members": _members,
    "rooms": _room_list,
    "missed": _missed,
    "epoch": _epoch,
    "found": _found,
    "error": _error,
    "log": _log,
    "closing": _closing,
}
