"""The rooms of a window: what is unread in each, who is in it, and its draft."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trionet.chat.person.calls import History
from trionet.chat.person.times import UtcOffset
from trionet.chat.window.editor import Editor
from trionet.chat.window.room_log import MAX_ENTRIES, Log
from trionet.text.safe import safe_text

# The room of private messages. Its name is the wire's.
PRIVATE = "@"

# A member who has said nothing for longer than this is silent: its joins and leaves are hidden.
SILENT_SECONDS = 1800

# Bounds against a server that invents rooms and members. A member is in 100 rooms at most.
_MAX_ROOMS = 200
_MAX_MEMBERS = 10_000

# How many speakers a room remembers, for Tab and to tell who is silent.
_MAX_SPEAKERS = 1000


class Room:
    """One room.

    Attributes:
        name: the room's name.
        log: what was said.
        draft: the text that is being typed for it.
        topic: its topic, or an empty text.
        members: the known members, in the order of joining.
        count: how many members it has.
        members_above: how many of them are above the visible part of the list.
        last: the greatest number seen.
        unread: how many messages came while another room was shown.
        mentions: how many of those mention the person.
        oldest: the number of the oldest loaded event; 0: none is loaded.
        loading: the request for a page that is not answered yet, or ``None``.
        wanted: the number of an event to show once it is loaded, or 0.
        asked_around: the number before which the page with that event was asked for, or 0.
        has_begun: whether the first page of history has been asked for.
        is_complete: whether there is nothing older.
        is_stale: whether its numbers may belong to an epoch that has ended.
        is_refused: whether the server has refused to give history.
    """

    def __init__(self, name: str, offset: UtcOffset, max_entries: int = MAX_ENTRIES) -> None:
        self.name = name
        self.log = Log(offset, max_entries)
        self.draft = Editor()
        self.topic = ""
        self.members: list[str] = []
        self.count = 0
        self.members_above = 0
        self.last = 0
        self.unread = 0
        self.mentions = 0
        self.oldest = 0
        self.loading: History | None = None
        self.wanted = 0
        self.asked_around = 0
        self.has_begun = name == PRIVATE
        self.is_complete = name == PRIVATE
        self.is_stale = False
        self.is_refused = name == PRIVATE
        self._speakers: dict[str, int] = {}

    def spoke(self, name: str, time: int) -> None:
        """Remember who spoke last."""
        self._speakers.pop(name, None)
        self._speakers[name] = time
        if len(self._speakers) > _MAX_SPEAKERS:
            del self._speakers[next(iter(self._speakers))]

    def spoke_before(self, name: str, time: int) -> None:
        """Remember a speaker from the history, unless they have spoken since."""
        if name not in self._speakers and len(self._speakers) < _MAX_SPEAKERS:
            self._speakers = {name: time, **self._speakers}

    def is_silent(self, name: str, time: int) -> bool:
        """Tell whether a member has said nothing for a long time."""
        spoke = self._speakers.get(name)
        return spoke is None or time - spoke > SILENT_SECONDS

    def names(self, me: str) -> list[str]:
        """Return the names of the other members, the last speaker first."""
        known = dict.fromkeys(reversed(self._speakers))
        present = set(self.members)
        speakers = [name for name in known if name in present or self.name == PRIVATE]
        return [name for name in dict.fromkeys([*speakers, *self.members]) if name != me]

    def joined(self, name: str, count: int) -> None:
        """Add a member."""
        if name not in self.members and len(self.members) < _MAX_MEMBERS:
            self.members.append(name)
        self.count = count

    def set_members(self, names: Sequence[str]) -> None:
        """Replace the members."""
        self.members = list(names[:_MAX_MEMBERS])

    def left(self, name: str, count: int) -> None:
        """Remove a member."""
        if name in self.members:
            self.members.remove(name)
        self.count = count

    def renamed(self, name: str, to: str) -> None:
        """Give a member its new name, in the same place."""
        self.members = [to if one == name else one for one in self.members]
        if name in self._speakers:
            self.spoke(to, self._speakers.pop(name))


class Rooms:
    """All rooms in the order of joining, one of which is shown.

    Attributes:
        shown: the room that is shown.
    """

    def __init__(self, first: str, offset: UtcOffset, max_entries: int = MAX_ENTRIES) -> None:
        self._offset = offset
        self._max_entries = max_entries
        self._rooms: dict[str, Room] = {}
        self.shown = self.get(first)

    def __iter__(self) -> Iterator[Room]:
        return iter(list(self._rooms.values()))

    def __contains__(self, name: str) -> bool:
        return name in self._rooms

    def __len__(self) -> int:
        return len(self._rooms)

    def get(self, name: str) -> Room:
        """Return a room; the first call creates it."""
        name = safe_text(name)
        if (room := self._rooms.get(name)) is None:
            room = Room(name, self._offset, self._max_entries)
            if len(self._rooms) < _MAX_ROOMS:
                self._rooms[name] = room
        return room

    def show(self, name: str, *, with_draft: bool = False) -> None:
        """Show a room. Its messages are no longer unread; the line above the unread ones stays.

        Args:
            name: the room's name; if there is none, nothing changes.
            with_draft: whether the text that is being typed moves there, if that room has no draft.
        """
        room = self.get(name)
        if room is self.shown or name not in self._rooms:
            return
        self.shown.log.set_mark(None)
        if with_draft and not room.draft.cells:
            self.shown.draft, room.draft = room.draft, self.shown.draft
        self.shown = room
        room.unread = room.mentions = 0

    def step(self, by: int) -> None:
        """Show the next room, or the one before."""
        names = list(self._rooms)
        self.show(names[(names.index(self.shown.name) + by) % len(names)])

    def show_nth(self, number: int) -> None:
        """Show a room by its place in the list, from 1; if there is none, nothing changes."""
        names = list(self._rooms)
        if number <= len(names):
            self.show(names[number - 1])

    def show_unread(self) -> bool:
        """Show the next room with mentions, or else unread messages; ``False``: none has any."""
        names = list(self._rooms)
        at = names.index(self.shown.name)
        others = [self._rooms[name] for name in names[at + 1 :] + names[:at]]
        for room in sorted(others, key=lambda room: -min(room.mentions, 1)):
            if room.unread:
                self.show(room.name)
                return True
        return False

    def drop(self, name: str) -> None:
        """Forget a room that one has left; the one before it is shown."""
        names = list(self._rooms)
        if name not in names or len(names) == 1:
            return
        if self.shown.name == name:
            at = names.index(name)
            self.show(names[at - 1] if at else names[1])
        del self._rooms[name]
