"""What everyone can observe: who is here, in which rooms, and every number. Pure.

The state is a replicated state machine. It changes only by `State.apply`; the same entries in the
same order give the same state and the same events, on every machine. So `apply` reads no clock,
draws no lots and looks nothing up that differs between machines: operations bring all of that.

The plan of this file: one method for each operation, and below them what they share. A method
checks first and changes afterwards, and whatever it changes it also tells, as an event. Which rooms
open and end is in `rooms.py`, which names are taken in `taken_names.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from trionet.chat import events
from trionet.chat.events import StateEvent
from trionet.chat.limits import DEFAULT_ROOMS, ROOMS
from trionet.chat.operations import (
    Act,
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
from trionet.chat.room_names import LOBBY
from trionet.chat.rooms import Member, Room, Rooms
from trionet.chat.taken_names import TakenNames


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
        ROOMS.check("max_rooms", max_rooms)
        self.time = 0
        self.max_rooms = max_rooms
        self._rooms = Rooms(max_rooms)
        self.rooms = self._rooms.by_name
        self.members: dict[int, Member] = {}
        self._next_member = 1
        # How many topics were set. Times do not tell which one is older: they may be the same.
        self._topics = 0
        # The number of the last entry of each machine.
        self._origins: dict[str, int] = {}
        self._names: TakenNames[Member] = TakenNames()
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
            self._rooms.expire(self.time)
        told: list[StateEvent] = []
        for operation in entry.operations:
            self._methods[type(operation)](operation, told)
        return told

    def next_deadline(self) -> int | None:
        """Return when something falls due, in milliseconds since 1970; ``None``: nothing will.

        An entry with that time carries it out, even one without operations.
        """
        return self._rooms.next_deadline()

    def find_member(self, key: str) -> Member | None:
        """Return the member whose name has this key."""
        return self._names.by_key.get(key)

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
        self._names.take(op.name, member)
        refusals: list[StateEvent] = []
        # Whoever is in the lobby sees it first.
        for room in sorted(dict.fromkeys(op.rooms), key=lambda room: room.key != LOBBY):
            if room.key in member.rooms:
                continue
            code, reason = self._rooms.why_not(member, room)
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
        self._names.free(member.name)
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
        self._rooms.count(room, len(op.texts))

    def _act(self, op: Act, told: list[StateEvent]) -> None:
        found = self._place(op.member, op.room, op.id, told)
        if found is not None:
            member, room = found
            number = self._rooms.count(room)
            told.append(
                events.Acted(
                    op.room, number, self.time, member.id, member.name.shown, op.text, op.id
                )
            )

    def _tell(self, op: Tell, told: list[StateEvent]) -> None:
        member = self.members.get(op.member)
        if member is None:
            return
        receiver = self._names.by_key.get(op.key)
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
        code, reason = self._rooms.why_not(member, op.room, leaves=member.rooms if op.moves else ())
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
            number = self._rooms.count(room)
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
        self._names.free(member.name)
        self._names.take(op.name, member)
        member.name = op.name
        if is_new:
            for name in member.rooms:
                number = self._rooms.count(self.rooms[name])
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

    def _why_not_called(self, name: UniqueName, member: Member | None = None) -> str:
        """Return why nobody (or this member) can have a name; empty: it is free."""
        if self._names.by_key.get(name.key, member) is not member:
            return f"the name {name.shown} is taken"
        for twin in self._names.lookalikes(name):
            if twin is not member:
                return f"the name {name.shown} looks like {twin.name.shown}, which is taken"
        return ""

    def _enter(
        self, member: Member, name: UniqueName, id_: RequestId, told: list[StateEvent]
    ) -> None:
        room = self._rooms.enter(member, name)
        key, number, count = room.name.key, room.last, len(room.members)
        told.append(events.Joined(key, number, self.time, member.id, member.name.shown, count, id_))

    def _exit(
        self, member: Member, name: str, reason: str, id_: RequestId, told: list[StateEvent]
    ) -> None:
        room = self._rooms.exit(member, name, now=self.time)
        number, count = room.last, len(room.members)
        told.append(
            events.Left(name, number, self.time, member.id, member.name.shown, count, reason, id_)
        )

    # -- as data

    def dump(self) -> bytes:
        """Return the whole state as bytes; equal states have equal bytes."""
        return _encoder.encode(
            _Dump(
                self.time,
                self._rooms.highest,
                self._next_member,
                self._topics,
                self.max_rooms,
                self._origins,
                list(self.members.values()),
                [
                    (room.name, room.last, room.topic, room.topic_rank, list(room.members))
                    for room in self.rooms.values()
                ],
                list(self._rooms.vacancies),
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
        state._next_member = dump.next_member
        state._topics = dump.topics
        state._origins = dump.origins
        for member in dump.members:
            state.members[member.id] = member
            state._names.take(member.name, member)
        rooms = [
            Room(name, last, topic, rank, {number: state.members[number] for number in numbers})
            for name, last, topic, rank, numbers in dump.rooms
        ]
        state._rooms.load(rooms, dump.vacant, dump.highest)
        return state


def _not_in_room(member: Member, room: str, id_: RequestId) -> events.Refused:
    return events.Refused(member.id, "not-in-room", f"you are not in {room}", id_)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Dump)
