"""What everyone can observe: who is here, in which rooms, and every number. Pure.

The state is a replicated state machine. It changes only by `State.apply`; the same entries in the
same order give the same state and the same events, on every machine. So `apply` reads no clock,
draws no lots and looks nothing up that differs between machines: operations bring all of that.

The plan of this file: one method for each operation, and below them what they share. A method
checks first and changes afterwards, and whatever it changes it also tells, as an event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from trionet.chat import events
from trionet.chat.events import StateEvent
from trionet.chat.limits import DEFAULT_ROOMS
from trionet.chat.operations import (
    Act,
    ConnectionId,
    Entry,
    Join,
    Leave,
    LogIn,
    LogOut,
    Rename,
    RequestId,
    Say,
    SetTopic,
    Tell,
    UniqueName,
)
from trionet.chat.room_names import LOBBY, LOBBY_NAME
from trionet.chat.vacancies import Vacancies

MAX_ROOMS_A_MEMBER = 100

# How long the topic of an empty room is kept, in milliseconds: 30 days.
TOPIC_KEPT = 30 * 24 * 60 * 60 * 1000


class Member(Struct, gc=False, array_like=True):
    """Somebody in the chat. A member is not a connection: it may have several, or none.

    Names of rooms and not rooms, and tuples: of thousands of members nearly all are in one room.

    Attributes:
        id: its number; the state never gives one again.
        name: what it is called.
        connections: where it is connected. (Today it is one connection.)
        rooms: in the order of joining.
        told: the last number of its private sequence.
    """

    id: int
    name: UniqueName
    connections: tuple[ConnectionId, ...]
    rooms: tuple[str, ...] = ()
    told: int = 0


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


class _Dump(Struct, array_like=True):
    """All of a state, as data. Members of a room are numbers here, for they would be copies."""

    time: int
    highest: int
    next_member: int
    topics: int
    max_rooms: int
    origins: dict[str, int]
    members: list[Member]
    rooms: list[tuple[UniqueName, int, str, int, list[int]]]
    vacant: list[tuple[str, int]]


class State:
    """Every rule about members and rooms.

    Args:
        max_rooms: how many rooms there may be, the lobby counted.

    Attributes:
        time: the greatest time of any entry, in milliseconds since 1970, UTC. It never goes back.
        rooms: by name.
        members: by number, in the order of logging in.
    """

    def __init__(self, *, max_rooms: int = DEFAULT_ROOMS) -> None:
        self.time = 0
        self.max_rooms = max_rooms
        self.rooms: dict[str, Room] = {LOBBY: Room(LOBBY_NAME, 0)}
        self.members: dict[int, Member] = {}
        self._next_member = 1
        # How many topics were set. Times do not tell which one is older: they may be the same.
        self._topics = 0
        # The highest number that any room has had: a new room begins behind it. Kept, not looked
        # for: 1,000 new rooms would look through 500,000.
        self._highest = 0
        # The number of the last entry of each machine.
        self._origins: dict[str, int] = {}
        self._by_key: dict[str, Member] = {}
        self._by_skeleton: dict[str, Member] = {}
        self._room_by_skeleton: dict[str, str] = {LOBBY: LOBBY}
        self._vacancies = Vacancies()
        self._methods: dict[type, Callable[[Any, list[StateEvent]], None]] = {
            LogIn: self._log_in,
            LogOut: self._log_out,
            Say: self._say,
            Act: self._act,
            Tell: self._tell,
            Join: self._join,
            Leave: self._leave,
            SetTopic: self._set_topic,
            Rename: self._rename,
        }

    def __repr__(self) -> str:
        return f"<trionet.chat.State: {len(self.members)} members, {len(self.rooms)} rooms>"

    def apply(self, entry: Entry) -> list[StateEvent]:
        """Carry out what is due, then an entry's operations; return what came of them, in order.

        An entry that was applied before changes nothing.
        """
        if entry.number <= self._origins.get(entry.origin, 0):
            return []
        self._origins[entry.origin] = entry.number
        if entry.time > self.time:
            self.time = entry.time
            self._carry_out_what_is_due()
        told: list[StateEvent] = []
        for operation in entry.operations:
            self._methods[type(operation)](operation, told)
        return told

    def next_deadline(self) -> int | None:
        """Return when something falls due, in milliseconds since 1970; ``None``: nothing will.

        An entry with that time carries it out, even one without operations.
        """
        first = self._vacancies.first()
        return None if first is None else first[1] + TOPIC_KEPT

    def find_member(self, key: str) -> Member | None:
        """Return the member whose name has this key."""
        return self._by_key.get(key)

    def names_in(self, room: str, most: int | None = None) -> tuple[str, ...]:
        """Return the names of a room's members in the order of joining, `most` of them."""
        members = self.rooms[room].members.values()
        return tuple([member.name.shown for member in islice(members, most)])

    def listed_rooms(self) -> Iterator[Room]:
        """Yield the rooms as lists show them: the lobby, then by size, then by name."""
        rooms = sorted(self.rooms.values(), key=lambda room: (-len(room.members), room.name.shown))
        yield self.rooms[LOBBY]
        yield from (room for room in rooms if room.name.key != LOBBY)

    # -- one method for each operation

    def _log_in(self, op: LogIn, told: list[StateEvent]) -> None:
        problem = self._why_not_called(op.name)
        if problem:
            told.append(events.LoginRefused(op.connection, "name-taken", problem, op.id))
            return
        member = Member(self._next_member, op.name, (op.connection,))
        self._next_member += 1
        self.members[member.id] = member
        self._call(member, op.name)
        refusals: list[StateEvent] = []
        # Whoever is in the lobby sees it first.
        for room in sorted(dict.fromkeys(op.rooms), key=lambda room: room.key != LOBBY):
            if room.key in member.rooms:
                continue
            code, reason = self._why_not_in(member, room)
            if code:
                refusals.append(events.Refused(member.id, code, reason, op.id, room.shown))
            else:
                self._enter(member, room, None, told)
        told.append(
            events.LoggedIn(op.connection, member.id, member.name.shown, member.rooms, op.id)
        )
        told += refusals

    def _log_out(self, op: LogOut, told: list[StateEvent]) -> None:
        member = self.members.pop(op.member, None)
        if member is None:
            return
        for room in member.rooms:
            self._exit(member, room, op.reason, None, told)
        self._call_no_more(member)
        told.append(events.LoggedOut(member.id))

    def _say(self, op: Say, told: list[StateEvent]) -> None:
        member = self.members.get(op.member)
        if member is None or not op.texts:
            return
        if op.room not in member.rooms:
            ids = op.ids or [None] * len(op.texts)
            told += [_not_in_room(member, op.room, id_) for id_ in ids]
            return
        room = self.rooms[op.room]
        said = events.Said(
            op.room, room.last + 1, self.time, op.member, member.name.shown, op.texts, op.ids
        )
        told.append(said)
        self._count(room, len(op.texts))

    def _act(self, op: Act, told: list[StateEvent]) -> None:
        found = self._place(op.member, op.room, op.id, told)
        if found is not None:
            member, room = found
            number = self._count(room)
            told.append(
                events.Acted(
                    op.room, number, self.time, member.id, member.name.shown, op.text, op.id
                )
            )

    def _tell(self, op: Tell, told: list[StateEvent]) -> None:
        member = self.members.get(op.member)
        if member is None:
            return
        receiver = self._by_key.get(op.key)
        if receiver is None:
            reason = f"there is no {op.to} here"
            told.append(events.Refused(member.id, "no-such-member", reason, op.id))
            return
        receiver.told += 1
        told.append(
            events.Told(
                receiver.told,
                self.time,
                member.id,
                receiver.id,
                member.name.shown,
                receiver.name.shown,
                op.text,
                op.id,
            )
        )

    def _join(self, op: Join, told: list[StateEvent]) -> None:
        member = self.members.get(op.member)
        if member is None:
            return
        if op.room.key in member.rooms:
            told.append(events.Stayed(member.id, op.room.key, op.id))
            return
        code, reason = self._why_not_in(member, op.room, leaves=member.rooms if op.moves else ())
        if code:
            told.append(events.Refused(member.id, code, reason, op.id))
            return
        if op.moves:
            for room in member.rooms:
                self._exit(member, room, "moved", None, told)
        self._enter(member, op.room, op.id, told)

    def _leave(self, op: Leave, told: list[StateEvent]) -> None:
        found = self._place(op.member, op.room, op.id, told)
        if found is not None:
            self._exit(found[0], op.room, "left", op.id, told)

    def _set_topic(self, op: SetTopic, told: list[StateEvent]) -> None:
        found = self._place(op.member, op.room, op.id, told)
        if found is not None:
            member, room = found
            self._topics += 1
            room.topic, room.topic_rank = op.text, self._topics
            number = self._count(room)
            told.append(
                events.TopicSet(
                    op.room, number, self.time, member.id, member.name.shown, op.text, op.id
                )
            )

    def _rename(self, op: Rename, told: list[StateEvent]) -> None:
        member = self.members.get(op.member)
        if member is None:
            return
        problem = self._why_not_called(op.name, member)
        if problem:
            told.append(events.Refused(member.id, "name-taken", problem, op.id))
            return
        old, is_new = member.name.shown, member.name.shown != op.name.shown
        self._call_no_more(member)
        self._call(member, op.name)
        if is_new:
            for name in member.rooms:
                number = self._count(self.rooms[name])
                told.append(
                    events.Renamed(name, number, self.time, member.id, old, op.name.shown, op.id)
                )
        was_told = is_new and bool(member.rooms)
        told.append(events.Named(member.id, op.name.shown, was_told, op.id))

    # -- what they share

    def _place(
        self, number: int, name: str, id_: RequestId, told: list[StateEvent]
    ) -> tuple[Member, Room] | None:
        """Return a member and the room it is in; ``None``: it is not, and is told so."""
        member = self.members.get(number)
        if member is None:
            return None
        if name not in member.rooms:
            told.append(_not_in_room(member, name, id_))
            return None
        return member, self.rooms[name]

    def _count(self, room: Room, number: int = 1) -> int:
        """Give a room's next numbers, and return the last one given."""
        room.last += number
        if room.last > self._highest:
            self._highest = room.last
        return room.last

    def _why_not_called(self, name: UniqueName, member: Member | None = None) -> str:
        """Return why nobody (or this member) can have a name; empty: it is free."""
        if self._by_key.get(name.key, member) is not member:
            return f"the name {name.shown} is taken"
        for skeleton in name.skeletons:
            twin = self._by_skeleton.get(skeleton, member)
            if twin is not None and twin is not member:
                return f"the name {name.shown} looks like {twin.name.shown}, which is taken"
        return ""

    def _call(self, member: Member, name: UniqueName) -> None:
        member.name = name
        self._by_key[name.key] = member
        for skeleton in name.skeletons:
            self._by_skeleton[skeleton] = member

    def _call_no_more(self, member: Member) -> None:
        del self._by_key[member.name.key]
        for skeleton in member.name.skeletons:
            del self._by_skeleton[skeleton]

    def _why_not_in(
        self, member: Member, name: UniqueName, *, leaves: tuple[str, ...] = ()
    ) -> tuple[str, str]:
        """Return why a member cannot join a room, as a code and a reason; empty: it can.

        Args:
            member: the member, which is not in the room.
            name: the room, which need not exist.
            leaves: the rooms that it leaves for it.
        """
        if len(member.rooms) - len(leaves) >= MAX_ROOMS_A_MEMBER:
            return "too-many-rooms", f"you are in {MAX_ROOMS_A_MEMBER} rooms already"
        if name.key in self.rooms:
            return "", ""
        # A room that ends with the move is no more.
        ending = [room for room in leaves if self._ends_without_one(room)]
        for skeleton in name.skeletons:
            twin = self._room_by_skeleton.get(skeleton)
            if twin is not None and twin not in ending:
                return "name-refused", f"the room {name.shown} looks like {twin}"
        is_full = len(self.rooms) - len(ending) >= self.max_rooms
        if is_full and self._vacancies.oldest_topic(but=LOBBY) is None:
            return "too-many-rooms", f"there are {self.max_rooms} rooms already"
        return "", ""

    def _ends_without_one(self, name: str) -> bool:
        room = self.rooms[name]
        return name != LOBBY and not room.topic and len(room.members) == 1

    def _enter(
        self, member: Member, name: UniqueName, id_: RequestId, told: list[StateEvent]
    ) -> None:
        room = self.rooms.get(name.key) or self._open(name)
        if not room.members:
            self._vacancies.discard(name.key)
        number = self._count(room)
        room.members[member.id] = member
        # One text for all members of a room.
        member.rooms += (room.name.key,)
        told.append(
            events.Joined(
                room.name.key,
                number,
                self.time,
                member.id,
                member.name.shown,
                len(room.members),
                id_,
            )
        )

    def _exit(
        self, member: Member, name: str, reason: str, id_: RequestId, told: list[StateEvent]
    ) -> None:
        room = self.rooms[name]
        number = self._count(room)
        del room.members[member.id]
        member.rooms = tuple([one for one in member.rooms if one != name])
        count = len(room.members)
        told.append(
            events.Left(name, number, self.time, member.id, member.name.shown, count, reason, id_)
        )
        if count:
            return
        if room.topic:
            self._vacancies.add(name, since=self.time, topic_rank=room.topic_rank)
        elif name != LOBBY:
            self._close(name)

    def _open(self, name: UniqueName) -> Room:
        if len(self.rooms) >= self.max_rooms:
            oldest = self._vacancies.oldest_topic(but=LOBBY)
            assert oldest is not None, "whether there is place was asked before"
            self._close(oldest)
        room = self.rooms[name.key] = Room(name, self._highest, members={})
        for skeleton in name.skeletons:
            self._room_by_skeleton[skeleton] = name.key
        return room

    def _close(self, name: str) -> None:
        self._vacancies.discard(name)
        for skeleton in self.rooms.pop(name).name.skeletons:
            del self._room_by_skeleton[skeleton]

    def _carry_out_what_is_due(self) -> None:
        while (first := self._vacancies.first()) is not None:
            name, since = first
            if since + TOPIC_KEPT > self.time:
                return
            if name == LOBBY:
                self._vacancies.discard(name)
                self.rooms[name].topic = ""
            else:
                self._close(name)

    # -- as data

    def dump(self) -> bytes:
        """Return the whole state as bytes; equal states have equal bytes."""
        return _encoder.encode(
            _Dump(
                self.time,
                self._highest,
                self._next_member,
                self._topics,
                self.max_rooms,
                self._origins,
                list(self.members.values()),
                [
                    (room.name, room.last, room.topic, room.topic_rank, list(room.members))
                    for room in self.rooms.values()
                ],
                list(self._vacancies),
            )
        )

    @classmethod
    def load(cls, data: bytes) -> State:
        """Make a state of what `dump` returned.

        Raises:
            msgspec.MsgspecError: it is no such data.
        """
        dump = _decoder.decode(data)
        state = cls(max_rooms=dump.max_rooms)
        state.time = dump.time
        state._highest = dump.highest
        state._next_member = dump.next_member
        state._topics = dump.topics
        state._origins = dump.origins
        for member in dump.members:
            state.members[member.id] = member
            state._call(member, member.name)
        for name, last, topic, rank, numbers in dump.rooms:
            members = {number: state.members[number] for number in numbers}
            state.rooms[name.key] = Room(name, last, topic, rank, members)
            for skeleton in name.skeletons:
                state._room_by_skeleton[skeleton] = name.key
        for room, since in dump.vacant:
            rank = state.rooms[room].topic_rank
            state._vacancies.add(room, since=since, topic_rank=rank)
        return state


def _not_in_room(member: Member, room: str, id_: RequestId) -> events.Refused:
    return events.Refused(member.id, "not-in-room", f"you are not in {room}", id_)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Dump)
