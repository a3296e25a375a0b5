"""What the chat's state consists of, what it can be asked, and how it becomes data. Pure.

Each part with rules of its own has its own file: which rooms open and end (`rooms.py`), who the
members are and what they are called (`members.py`), who is held and until when (`held.py`), the
outcome of requests that may be sent again (`receipts.py`), and which private messages are kept
(`private_messages.py`). `state.py` has what changes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Self, TypeAlias

import msgspec

from trionet.chat.limits import DEFAULT_GRACE, DEFAULT_ROOMS, GRACE, ROOMS
from trionet.chat.names.room_names import LOBBY
from trionet.chat.state.events import Told
from trionet.chat.state.held import Held, HeldDump
from trionet.chat.state.members import Member, Members, MembersDump
from trionet.chat.state.operations import KeptRoom
from trionet.chat.state.private_messages import PrivateMessages
from trionet.chat.state.receipts import Receipts, ReceiptsDump
from trionet.chat.state.rooms import Room, Rooms, RoomsDump
from trionet.type_checks import check_kind

# All of a state as data: time, clock, epoch, last entries of the machines, and its parts.
_Dump: TypeAlias = tuple[
    int,
    int,
    str,
    dict[str, int],
    MembersDump,
    RoomsDump,
    HeldDump,
    ReceiptsDump,
    list[tuple[int, int, bytes]],
]


class Contents:
    """All that a state holds. Arguments and attributes are those of `trionet.chat.State`."""

    def __init__(
        self, *, max_rooms: int = DEFAULT_ROOMS, grace: int = DEFAULT_GRACE, epoch: str = ""
    ) -> None:
        ROOMS.check("max_rooms", max_rooms)
        GRACE.check("grace", grace)
        check_kind("epoch", epoch, str, hint='such as "a1b2"')
        self.time = 0
        self.clock = 0
        self.epoch = epoch
        # The number of the last entry of each machine.
        self._origins: dict[str, int] = {}
        self._consist_of(Members(), Rooms(max_rooms), Held(grace), Receipts(), PrivateMessages())

    def _consist_of(
        self,
        members: Members,
        rooms: Rooms,
        held: Held,
        receipts: Receipts,
        private: PrivateMessages,
    ) -> None:
        self._members, self.members = members, members.by_number
        self._rooms, self.rooms = rooms, rooms.by_name
        self._held, self._receipts, self._private = held, receipts, private
        self.max_rooms = rooms.most

    def limit(self, *, max_rooms: int, grace: int) -> None:
        """Change the limits of a state in which nothing has happened yet."""
        self.max_rooms = self._rooms.most = max_rooms
        self._held.grace = grace

    def next_deadline(self) -> int | None:
        """Return when something falls due, in milliseconds since 1970; ``None``: nothing will.

        An entry with that time carries it out, even one without operations.
        """
        # Asked after each entry, and nearly always nothing will. To look further, here and before
        # each entry, took 0.7 % of a login.
        if not (self._held.until or self._rooms.vacancies.since):
            return None
        both = self._rooms.next_deadline(), self._held.next_deadline()
        return min([due for due in both if due is not None], default=None)

    def find_member(self, key: str) -> Member | None:
        """Return the member whose name has this key."""
        return self._members.by_key.get(key)

    def find_again(self, member: Member) -> Member | None:
        """Return the member who was another one, in a state that a shared log has replaced.

        It has another number if the log had lost it. Its token is the same, or its connection.
        """
        if member.token:
            return self._members.with_token(member.token)
        for one in self.members.values():
            if one.connections and one.connections == member.connections:
                return one
        return None

    @property
    def held_count(self) -> int:
        """How many members are held: they have no connection."""
        return len(self._held.until)

    def held_longest(self) -> int | None:
        """Return the member that is held longest, for `operations.Evict`; ``None``: nobody is."""
        return self._held.longest()

    def private_of(self, member: int, after: int = 0) -> list[Told]:
        """Return what is kept of a member's private sequence after a number, the oldest first.

        Messages are kept only for members with `hold`: for each at most the last 100.
        """
        return self._private.of(member, after)

    def names_in(self, room: str, most: int | None = None) -> tuple[str, ...]:
        """Return the names of a room's members in the order of joining, at most `most` of them."""
        members = self.rooms[room].members.values()
        return tuple([member.name.shown for member in islice(members, most)])

    def listed_rooms(self) -> Iterator[Room]:
        """Yield the rooms as lists show them: the lobby, then by size, then by name."""
        rooms = sorted(self.rooms.values(), key=lambda room: (-len(room.members), room.name.shown))
        yield self.rooms[LOBBY]
        yield from (room for room in rooms if room.name.key != LOBBY)

    @property
    def highest(self) -> int:
        """The highest number that any room has had."""
        return self._rooms.highest

    def last_numbers(self) -> dict[str, int]:
        """Return the last number of each room, by its key."""
        return {key: room.last for key, room in self.rooms.items()}

    def kept_rooms(self) -> tuple[KeptRoom, ...]:
        """Return the rooms with topics as data, in the order in which these were set."""
        rooms = [room for room in self.rooms.values() if room.topic]
        rooms.sort(key=lambda room: room.topic_rank)
        return tuple([KeptRoom(room.name, room.last, room.topic, self.time) for room in rooms])

    def dump(self) -> bytes:
        """Return the whole state as bytes; equal states have equal bytes."""
        members, rooms, held = self._members.dump(), self._rooms.dump(), self._held.dump()
        receipts, private = self._receipts.dump(), self._private.dump()
        parts = members, rooms, held, receipts, private
        dump: _Dump = self.time, self.clock, self.epoch, self._origins, *parts
        return _encoder.encode(dump)

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Make a state of what `dump` returned.

        Raises:
            msgspec.MsgspecError: these are not the bytes of a state.
        """
        time, clock, epoch, origins, members_, rooms, held, receipts, private = _decoder.decode(
            data
        )
        state = cls(epoch=epoch)
        state.time, state.clock, state._origins = time, clock, origins
        members = Members.load(members_)
        state._consist_of(
            members,
            Rooms.load(rooms, members.by_number),
            Held.load(held),
            Receipts.load(receipts),
            PrivateMessages.load(private),
        )
        return state


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[_Dump] = msgspec.msgpack.Decoder(_Dump)
