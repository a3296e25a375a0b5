"""Which rooms there are, who is in them, and how long they stay. Pure.

A part of the state (`state.py`), which decides when somebody comes or goes and tells of it. Nothing
here makes an event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from trionet.chat.names.room_names import LOBBY, LOBBY_NAME
from trionet.chat.names.unique_name import UniqueName
from trionet.chat.state.members import Member
from trionet.chat.state.operations import KeptRoom
from trionet.chat.state.taken_names import TakenNames
from trionet.chat.state.vacancies import Vacancies

MAX_ROOMS_A_MEMBER = 100

# How long the topic of an empty room is kept, in milliseconds: 30 days.
TOPIC_KEPT = 30 * 24 * 60 * 60 * 1000


class Room(Struct, array_like=True):
    """A room, while it has members or a topic.

    Attributes:
        name: its name.
        last: the number of its last event.
        topic: empty: it has none.
        topic_rank: how many topics had been set when this one was, on any room.
        members: by number, in the order of joining.
    """

    name: UniqueName
    last: int
    topic: str = ""
    topic_rank: int = 0
    members: dict[int, Member] = {}


class RoomsDump(Struct, array_like=True):
    """All rooms as data. The members of a room are numbers here: members would become copies."""

    most: int
    highest: int
    topics: int
    rooms: list[tuple[UniqueName, int, str, int, list[int]]]
    vacant: list[tuple[str, int]]


class Rooms:
    """All rooms of a chat. The lobby is always one of them.

    Args:
        most: how many rooms there may be, including the lobby.

    Attributes:
        by_name: each room by its name's key, in the order of opening. Do not change it.
        highest: the highest number that any room has had: a new room begins after it. It is kept,
            because 1,000 new rooms would otherwise look through 500,000 rooms.
        topics: how many topics were set. Times do not tell which is older: two may be equal.
        vacancies: the rooms that only their topic keeps. Do not change it.
    """

    __slots__ = ("_names", "by_name", "highest", "most", "topics", "vacancies")

    def __init__(self, most: int) -> None:
        self.most = most
        self.highest = 0
        self.topics = 0
        self.vacancies = Vacancies()
        self._names: TakenNames[Room] = TakenNames()
        self._names.take(LOBBY_NAME, Room(LOBBY_NAME, 0))
        self.by_name = self._names.by_key

    def count(self, room: Room, number: int = 1) -> int:
        """Give a room's next numbers, and return the last one given."""
        room.last += number
        if room.last > self.highest:
            self.highest = room.last
        return room.last

    def why_not(
        self, member: Member, name: UniqueName, *, leaves: tuple[str, ...] = ()
    ) -> tuple[str, str]:
        """Return why a member cannot join a room, as a code and a reason; empty: it can.

        Args:
            member: the member, which is not in the room.
            name: the room, which need not exist.
            leaves: the rooms that it leaves when it joins.
        """
        if len(member.rooms) - len(leaves) >= MAX_ROOMS_A_MEMBER:
            return "too-many-rooms", f"you are in {MAX_ROOMS_A_MEMBER} rooms already"
        if name.key in self.by_name:
            return "", ""
        # A room that ends with the move does not count.
        ending = [room for room in leaves if self._ends_without_one(room)]
        for twin in self._names.lookalikes(name):
            if twin.name.key not in ending:
                return "name-refused", f"the room {name.shown} looks like {twin.name.key}"
        is_full = len(self.by_name) - len(ending) >= self.most
        if is_full and self.vacancies.oldest_topic(but=LOBBY) is None:
            return "too-many-rooms", f"there are {self.most} rooms already"
        return "", ""

    def enter(self, member: Member, name: UniqueName) -> Room:
        """Put a member into a room, which is opened if need be. Call `why_not` first.

        The joining has the room's last number.
        """
        room = self.by_name.get(name.key) or self._open(name)
        if not room.members:
            self.vacancies.discard(name.key)
        self.count(room)
        room.members[member.id] = member
        # One text for all members of a room.
        member.rooms += (room.name.key,)
        return room

    def exit(self, member: Member, name: str, *, now: int) -> Room:
        """Take a member out of a room, and return the room. It ends if nothing keeps it.

        The leaving has the room's last number.
        """
        room = self.by_name[name]
        self.count(room)
        del room.members[member.id]
        member.rooms = tuple([one for one in member.rooms if one != name])
        if room.members:
            return room
        if room.topic:
            self.vacancies.add(name, since=now, topic_rank=room.topic_rank)
        elif name != LOBBY:
            self._close(name)
        return room

    def set_topic(self, room: Room, text: str) -> None:
        """Set a room's topic; an empty text removes it."""
        self.topics += 1
        room.topic, room.topic_rank = text, self.topics

    def restore(self, kept: Sequence[KeptRoom], *, highest: int, now: int) -> None:
        """Take over the lobby, and each room with a topic, that a history has kept.

        The numbers of a room that is in use already go on after its kept number, and no more. If
        there are too many rooms, those with the newest topics stay.

        Args:
            kept: the rooms, the oldest topic first.
            highest: the highest number that any room has had.
            now: the time, in milliseconds since 1970, UTC.
        """
        behind = self.highest
        self.highest = max(behind, highest, *[one.last for one in kept])
        lobby = self.by_name[LOBBY]
        unused = set() if lobby.last or lobby.members else {LOBBY}
        for one in reversed(kept):
            is_new = one.topic and one.name.key not in self.by_name
            if (
                is_new
                and len(self.by_name) < self.most
                and not any(self._names.lookalikes(one.name))
            ):
                self._names.take(one.name, Room(one.name, 0, members={}))
                unused.add(one.name.key)
        left = dict(self.vacancies)
        for one in kept:
            room = self.by_name.get(one.name.key)
            if room is None:
                continue
            room.last = max(room.last, one.last, behind)
            if one.topic and one.name.key in unused:
                self.set_topic(room, one.topic)
                left[one.name.key] = min(one.since or now, now)
        for name in dict(self.vacancies):
            self.vacancies.discard(name)
        for name, since in sorted(left.items(), key=lambda item: (item[1], item[0])):
            self.vacancies.add(name, since=since, topic_rank=self.by_name[name].topic_rank)
        self.expire(now)

    def go_on_after(self, highest: int) -> None:
        """Let the numbers of all rooms go on after one."""
        self.highest = max(self.highest, highest)
        for room in self.by_name.values():
            room.last = max(room.last, highest)

    def next_deadline(self) -> int | None:
        """Return when the next topic expires, in milliseconds since 1970; ``None``: none will."""
        first = self.vacancies.first()
        return None if first is None else first[1] + TOPIC_KEPT

    def expire(self, now: int) -> None:
        """End each room, and the lobby's topic, that nobody has used for long enough."""
        while (first := self.vacancies.first()) is not None:
            name, since = first
            if since + TOPIC_KEPT > now:
                return
            if name == LOBBY:
                self.vacancies.discard(name)
                self.by_name[name].topic = ""
            else:
                self._close(name)

    def dump(self) -> RoomsDump:
        """Return all rooms as data."""
        rooms = [
            (room.name, room.last, room.topic, room.topic_rank, list(room.members))
            for room in self.by_name.values()
        ]
        return RoomsDump(self.most, self.highest, self.topics, rooms, list(self.vacancies))

    @classmethod
    def load(cls, dump: RoomsDump, members: Mapping[int, Member]) -> Rooms:
        """Make the rooms of a dump, with these members."""
        rooms = cls(dump.most)
        rooms.highest, rooms.topics = dump.highest, dump.topics
        for name, last, topic, rank, here in dump.rooms:
            there = {number: members[number] for number in here}
            rooms._names.take(name, Room(name, last, topic, rank, there))
        for key, since in dump.vacant:
            rooms.vacancies.add(key, since=since, topic_rank=rooms.by_name[key].topic_rank)
        return rooms

    def _ends_without_one(self, name: str) -> bool:
        room = self.by_name[name]
        return name != LOBBY and not room.topic and len(room.members) == 1

    def _open(self, name: UniqueName) -> Room:
        if len(self.by_name) >= self.most:
            oldest = self.vacancies.oldest_topic(but=LOBBY)
            assert oldest is not None, "`why_not` has said that there is room"
            self._close(oldest)
        room = Room(name, self.highest, members={})
        self._names.take(name, room)
        return room

    def _close(self, name: str) -> None:
        self.vacancies.discard(name)
        self._names.free(self.by_name[name].name)
