"""What a chat's client knows of its rooms, and which events it has had. Pure.

Numbers decide what is new. An event whose number its room has had is not shown again, so that a
message that was replayed and the receipt of its repeated request are one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from trionet.chat.client.events import (
    ChatEvent,
    Entered,
    Epoch,
    Joined,
    Left,
    Missed,
    Renamed,
    RoomEvent,
    Told,
    TopicSet,
)

PRIVATE = "@"

# What no server of this protocol passes: a member is in 100 rooms, and names have 32 characters. A
# server that lies should not fill a client's memory.
_MOST_ROOMS = 200
_MOST_CHARACTERS = 128
# In a room of up to this many the members that an `entered` has are all.
_TOLD_AT_ENTERING = 20
# How many members of a room are kept unless `who` has asked for more.
_MOST_MEMBERS = 100_000


@dataclass
class Room:
    """A room that this client is in, as of the last event received.

    Attributes:
        members: in the order of joining. In a room of more than 20 these are the first 20, until
            `Client.who` has asked for all.
        count: how many members there are.
        topic: empty: none.
        last: the number of the newest event.
    """

    members: list[str]
    count: int
    topic: str
    last: int
    # Whether it is as the present connection has told.
    is_current: bool = field(default=True, repr=False)
    # Whether `members` was complete when it was told last.
    was_complete: bool = field(default=True, repr=False)

    @property
    def is_complete(self) -> bool:
        """Whether `members` are all."""
        return len(self.members) >= self.count


class KnownRooms:
    """The rooms of one member.

    Attributes:
        rooms: those that it is in.
        seen: the last number that it has had of each, and of its private messages.
        to_ask: which request makes what is known of a room true again. A `join` where one is
            changes nothing, and has everything but the members beyond the first 20; `who` has them.
    """

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}
        self.seen: dict[str, int] = {}
        self.to_ask: dict[str, Literal["join", "who"]] = {}

    def lost(self) -> None:
        """Note that the connection is lost."""
        for room in self.rooms.values():
            if room.is_current:
                room.was_complete = room.is_complete
            room.is_current = False
        self.to_ask.clear()

    def synced(self) -> None:
        """Note that all is told: the client is in no other room than in those it has entered."""
        for name in [name for name, room in self.rooms.items() if not room.is_current]:
            self.leave(name)

    def dropped(self, name: str) -> None:
        """Note that events of a room were dropped, and the connection goes on."""
        room = self.rooms.get(name)
        if room is not None and self.to_ask.get(name) != "join":
            room.was_complete = room.is_complete
            self.to_ask[name] = "join"

    def asked(self, name: str | None, how: str) -> None:
        """Note that a request about a room was answered, even if it was refused."""
        if name is not None and self.to_ask.get(name) == how:
            del self.to_ask[name]

    def learn(self, event: ChatEvent, me: str) -> bool:
        """Bring what is known up to date, and tell whether the event is new.

        Args:
            event: what happened.
            me: this member's name.

        Raises:
            ValueError: no server that speaks this protocol says this.
        """
        if isinstance(event, RoomEvent):
            room = self.rooms.get(event.room)
            if room is None or event.number <= self.seen.get(event.room, 0):
                return False
            self.seen[event.room] = room.last = event.number
            if room.is_current:
                self._change(room, event, me)
        elif isinstance(event, Told):
            # The sender's receipt has a number of the receiver's.
            if event.re is None or event.from_ == event.to:
                if event.number <= self.seen.get(PRIVATE, 0):
                    return False
                self.seen[PRIVATE] = event.number
        elif isinstance(event, Entered):
            self._enter(event)
        elif isinstance(event, Missed):
            if event.room is not None and event.before is not None and self._knows(event.room):
                self._count(event.room, max(event.before - 1, self.seen.get(event.room, 0)))
        elif isinstance(event, Epoch):
            for name, last in event.rooms.items():
                if self._knows(name):
                    self._count(name, last)
        return True

    def _count(self, name: str, last: int) -> None:
        self.seen[name] = last
        if name in self.rooms:
            self.rooms[name].last = last

    def _knows(self, room: str) -> bool:
        return room in self.rooms or room == PRIVATE

    def _enter(self, event: Entered) -> None:
        self.seen[event.room] = max(event.last, self.seen.get(event.room, 0))
        room = Room([*event.members], event.count, event.topic, event.last)
        if event.room in self.rooms:
            old = self.rooms[event.room]
            # All members may have been known before the connection or some events were lost.
            is_short = old.was_complete and not room.is_complete
            room.was_complete = old.was_complete
            vars(old).update(vars(room))
            self.asked(event.room, "join")
            if is_short:
                self.to_ask[event.room] = "who"
            return
        if len(self.rooms) >= _MOST_ROOMS or len(event.room) > _MOST_CHARACTERS:
            raise ValueError("too many rooms, or a room with too long a name")
        room.was_complete = room.is_complete
        self.rooms[event.room] = room

    def leave(self, room: str) -> None:
        """Note that this member is not in a room, whether it was or not."""
        self.seen.pop(room, None)
        self.to_ask.pop(room, None)
        self.rooms.pop(room, None)

    def _change(self, room: Room, event: RoomEvent, me: str) -> None:
        if isinstance(event, Joined):
            if room.is_complete and len(room.members) < _MOST_MEMBERS:
                if len(event.name) > _MOST_CHARACTERS:
                    raise ValueError("too long a name")
                room.members.append(event.name)
            room.count = event.count
        elif isinstance(event, Left):
            room.count = event.count
            if event.name == me:
                self.leave(event.room)
                return
            if event.name in room.members:
                room.members.remove(event.name)
            if room.count <= _TOLD_AT_ENTERING and not room.is_complete:
                self.to_ask.setdefault(event.room, "who")
        elif isinstance(event, Renamed):
            if event.name in room.members:
                room.members[room.members.index(event.name)] = event.to
        elif isinstance(event, TopicSet):
            room.topic = event.text
