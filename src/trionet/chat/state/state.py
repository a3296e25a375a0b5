"""What everyone can observe: who is here, in which rooms, and every number. Pure.

The state is a replicated state machine. It changes only by `State.apply`; the same entries in the
same order give the same state and the same events, on every machine. So `apply` reads no clock,
draws no random number and looks up nothing that differs between machines: operations bring all of
that.

The plan of this file: one method for each operation, and below them what they share. A method
checks first and changes afterwards, and it tells each change as an event.

What there is to change is in `contents.py`, with what can be asked of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, TypeAlias

from trionet.argument_checks import check_kind
from trionet.chat.limits import DEFAULT_GRACE, DEFAULT_ROOMS
from trionet.chat.names.room_names import LOBBY, LOBBY_NAME
from trionet.chat.names.unique_name import UniqueName
from trionet.chat.state import events, operations
from trionet.chat.state.contents import Contents
from trionet.chat.state.events import StateEvent
from trionet.chat.state.members import Claim, Member
from trionet.chat.state.operations import Entry, RequestId
from trionet.chat.state.receipts import Receipt
from trionet.chat.state.rooms import Room

# Where methods write what they changed.
_Out: TypeAlias = list[StateEvent]


class _Methods(dict[type, Callable[[Any, _Out], None]]):
    """The method for each kind of operation."""

    def __missing__(self, kind: type) -> None:
        raise TypeError(
            "an operation must be one of trionet.chat.state.operations, such as Say(...), "
            f"not of type {kind.__name__}"
        )


class State(Contents):
    """Every rule about members and rooms.

    Args:
        max_rooms: how many rooms there may be, including the lobby; default 10,000.
        grace: how long a member is held, in milliseconds; default a minute. 0: nobody is held.
        epoch: within it, no number of a room comes twice; default: the empty string.

    Attributes:
        time: the greatest time of any entry, in milliseconds since 1970, UTC. It never goes back.
        clock: the greatest clock of any entry: held members leave by it.
        epoch: the epoch. `operations.Restore` begins another one.
        rooms: by name.
        members: by number, in the order of logging in, including those who are held.
    """

    def __init__(
        self, *, max_rooms: int = DEFAULT_ROOMS, grace: int = DEFAULT_GRACE, epoch: str = ""
    ) -> None:
        super().__init__(max_rooms=max_rooms, grace=grace, epoch=epoch)
        self._methods = _Methods(
            {
                operations.LogIn: self._log_in,
                operations.LogOut: self._log_out,
                operations.Detach: self._detach,
                operations.Evict: self._evict,
                operations.Say: self._say,
                operations.Act: self._act,
                operations.Tell: self._tell,
                operations.Join: self._join,
                operations.Leave: self._leave,
                operations.SetTopic: self._set_topic,
                operations.Rename: self._rename,
                operations.Remove: self._remove,
                operations.Restore: self._restore,
                operations.Renew: self._renew,
            }
        )

    def __repr__(self) -> str:
        return f"<trionet.chat.State: {len(self.members)} members, {len(self.rooms)} rooms>"

    def apply(self, entry: Entry) -> list[StateEvent]:
        """Carry out what is due, then an entry's operations; return the events, in order.

        An entry that was applied before changes nothing.

        Raises:
            TypeError: it is not an entry, or one of its operations is not an operation.
        """
        if type(entry) is not Entry:
            check_kind("entry", entry, Entry, hint='Entry("local", 1, time, [...])')
        if entry.number <= self._origins.get(entry.origin, 0):
            return []
        self._origins[entry.origin] = entry.number
        told: list[StateEvent] = []
        if entry.time > self.time:
            self.time = entry.time
            if self._rooms.vacancies.since:
                self._rooms.expire(self.time)
        clock = entry.time if entry.clock is None else entry.clock
        if clock > self.clock:
            self.clock = clock
            if self._held.until:
                for member in self._held.due(clock):
                    self._go(self.members[member], "lost", told)
        for operation in entry.operations:
            self._methods[type(operation)](operation, told)
        return told

    # -- one method for each operation

    def knows_token(self, token: bytes) -> bool:
        """Return whether a member has the token with this SHA-256."""
        return self._members.with_token(token) is not None

    def why_not_called(self, name: UniqueName) -> str:
        """Return why nobody who logs in now can have a name; empty: it is free."""
        return self._members.why_not_called(name)

    def _log_in(self, op: operations.LogIn, told: _Out) -> None:
        member = self._members.with_token(op.brought)
        resumed = member is not None
        private: list[events.Told] = []
        if member is not None:
            if op.login and _is_newer(member, op):
                told.append(events.TakenOver(op.connection, member.id))
                return
            if not op.hold:
                private = self._private.of(member.id)
            self._resume(member, op, told)
        elif op.name is None:
            reason = "the token is not valid any more: log in with a name"
            told.append(events.LoginRefused(op.connection, "name-refused", reason, op.id))
            return
        elif problem := self._members.why_not_called(op.name):
            told.append(events.LoginRefused(op.connection, "name-taken", problem, op.id))
            return
        else:
            former = op.former if op.login else op.brought
            claim = Claim(op.token, op.hold, former) if op.token else None
            member = self._members.add(op.name, op.connection, claim)
            member.login = max(1, op.login)
        rooms = op.rooms
        if rooms is None:
            rooms = () if resumed else (LOBBY_NAME,)
        refusals: list[StateEvent] = []
        # Whoever is in the lobby sees it first.
        # Nearly everybody names one room, and two sorts took a hundredth of a login.
        in_order: Sequence[UniqueName] = rooms
        if len(rooms) > 1:
            in_order = sorted(rooms, key=lambda room: room.key != LOBBY)
        for room in in_order:
            if room.key in member.rooms:
                continue
            code, reason = self._rooms.why_not(member, room)
            if code:
                refusals.append(events.OperationRefused(member.id, code, reason, op.id, room.shown))
            else:
                self._enter(member, room, None, told)
        here = member.rooms
        if len(here) > 1:
            here = tuple(sorted(here, key=lambda room: room != LOBBY))
        name = member.name.shown
        told.append(events.LoggedIn(op.connection, member.id, name, here, op.id, resumed, private))
        told += refusals

    def _log_out(self, op: operations.LogOut, told: _Out) -> None:
        member = self.members.get(op.member)
        if member is not None:
            self._go(member, op.reason, told)

    def _detach(self, op: operations.Detach, told: _Out) -> None:
        member = self.members.get(op.member)
        if member is None or op.connection not in member.connections:
            return
        if not member.holds or not self._held.grace:
            self._go(member, op.reason, told)
            return
        member.connections = ()
        self._held.add(member.id, self.clock)
        told.append(events.Held(member.id))

    def _evict(self, op: operations.Evict, told: _Out) -> None:
        if op.member in self._held.until:
            self._go(self.members[op.member], "lost", told)

    def _say(self, op: operations.Say, told: _Out) -> None:
        member = self.members.get(op.member)
        if member is None or not op.texts:
            return
        if op.room not in member.rooms:
            for text, id_ in zip(op.texts, op.ids or repeat(None), strict=False):
                told.append(self._again(member, text, id_) or _not_in_room(member, op.room, id_))
            return
        room, name = self.rooms[op.room], member.name.shown
        count, author = len(op.texts), b""
        # Most members have no claim, and nothing here is as hot as their messages.
        if (claim := member.claim) is not None:
            author = claim.token
        said = events.Said(
            op.room, room.last + 1, self.time, op.member, name, op.texts, op.ids, author
        )
        if claim is None or not claim.hold or op.ids is None:
            told.append(said)
        else:
            parts, count = self._receipts.sort_out(said, room.name.key)
            told += parts
        self._rooms.count(room, count)

    def _act(self, op: operations.Act, told: _Out) -> None:
        if self._is_repeated(op, told) or not (found := self._place(op, told)):
            return
        member, room = found
        acted = events.Acted(*self._next(member, room), op.text, op.id, member.token)
        told.append(acted)
        if member.holds:
            self._receipts.keep(member.id, op.id, Receipt.of(acted))

    def _tell(self, op: operations.Tell, told: _Out) -> None:
        member = self.members.get(op.member)
        if member is None or self._is_repeated(op, told):
            return
        receiver = self._members.by_key.get(op.key)
        if receiver is None:
            reason = f"there is no {op.to} here"
            told.append(events.OperationRefused(member.id, "no-such-member", reason, op.id))
            return
        receiver.told += 1
        number, name, to = receiver.told, member.name.shown, receiver.name.shown
        message = events.Told(number, self.time, member.id, receiver.id, name, to, op.text, op.id)
        told.append(message)
        if member.holds:
            self._receipts.keep(member.id, op.id, Receipt.of(message))
        if receiver.holds:
            self._private.keep(message)

    def _join(self, op: operations.Join, told: _Out) -> None:
        member = self.members.get(op.member)
        if member is None:
            return
        if op.room.key in member.rooms:
            told.append(events.Stayed(member.id, op.room.key, op.id))
            return
        code, reason = self._rooms.why_not(member, op.room, leaves=member.rooms if op.moves else ())
        if code:
            told.append(events.OperationRefused(member.id, code, reason, op.id))
            return
        if op.moves:
            for room in member.rooms:
                self._exit(member, room, "moved", None, told)
        self._enter(member, op.room, op.id, told)

    def _leave(self, op: operations.Leave, told: _Out) -> None:
        if found := self._place(op, told):
            self._exit(found[0], op.room, "left", op.id, told)

    def _set_topic(self, op: operations.SetTopic, told: _Out) -> None:
        if found := self._place(op, told):
            self._rooms.set_topic(found[1], op.text)
            told.append(events.TopicSet(*self._next(*found), op.text, op.id))

    def _rename(self, op: operations.Rename, told: _Out) -> None:
        member = self.members.get(op.member)
        if member is None:
            return
        if problem := self._members.why_not_called(op.name, member):
            told.append(events.OperationRefused(member.id, "name-taken", problem, op.id))
            return
        is_new = member.name.shown != op.name.shown
        if is_new:
            for room in member.rooms:
                next_ = self._next(member, self.rooms[room])
                told.append(events.Renamed(*next_, op.name.shown, op.id))
        self._members.rename(member, op.name)
        told.append(events.Named(member.id, op.name.shown, is_new and bool(member.rooms), op.id))

    def _remove(self, op: operations.Remove, told: _Out) -> None:
        if found := self._place(op, told):
            told.append(events.Removed(*self._next(*found), op.number, op.id))

    def _restore(self, op: operations.Restore, told: _Out) -> None:
        self._rooms.restore(op.rooms, highest=op.highest, now=self.time)
        if op.epoch != self.epoch:
            self.epoch = op.epoch
            told.append(events.EpochBegan(op.epoch))

    def _renew(self, op: operations.Renew, told: _Out) -> None:
        is_behind = op.highest > self.highest
        self._rooms.restore(op.rooms, highest=op.highest, now=self.time)
        self._rooms.go_on_after(op.highest)
        if op.epoch != self.epoch:
            self.epoch = op.epoch
            told.append(events.EpochBegan(op.epoch))
        if is_behind:
            told.append(events.Renumbered(op.highest))

    # -- what they share

    def _place(
        self,
        op: operations.Act | operations.Leave | operations.SetTopic | operations.Remove,
        told: _Out,
    ) -> tuple[Member, Room] | None:
        """Return a member and the room it is in; ``None``: it is not, and is told so."""
        member = self.members.get(op.member)
        if member is None:
            return None
        if op.room not in member.rooms:
            told.append(_not_in_room(member, op.room, op.id))
            return None
        return member, self.rooms[op.room]

    def _is_repeated(self, op: operations.Act | operations.Tell, told: _Out) -> bool:
        """Return whether a request was carried out before; if so, it gets its receipt again."""
        member = self.members.get(op.member)
        again = None if member is None else self._again(member, op.text, op.id)
        if again is not None:
            told.append(again)
        return again is not None

    def _again(self, member: Member, text: str, id_: RequestId) -> events.Repeated | None:
        """Return what to tell of a request that was carried out before; ``None``: it is new."""
        return self._receipts.again(member.id, member.token, text, id_)

    def _next(self, member: Member, room: Room) -> tuple[str, int, int, int, str]:
        """Count an event of a member in a room, and return its first fields: room to name."""
        number = self._rooms.count(room)
        return room.name.key, number, self.time, member.id, member.name.shown

    def _resume(self, member: Member, op: operations.LogIn, told: _Out) -> None:
        """Give a member another connection, in place of the one that it may have."""
        told += [events.TakenOver(old, member.id) for old in member.connections]
        member.connections = (op.connection,)
        member.login = max(op.login or member.login + 1, member.login)
        self._held.discard(member.id)
        self._members.hold(member, hold=op.hold)
        if not op.hold:
            self._keep_nothing_of(member)

    def _go(self, member: Member, reason: str, told: _Out) -> None:
        """Let a member leave every room and the chat."""
        for room in member.rooms:
            self._exit(member, room, reason, None, told)
        self._members.remove(member)
        self._held.discard(member.id)
        self._keep_nothing_of(member)
        told.append(events.LoggedOut(member.id))

    def _keep_nothing_of(self, member: Member) -> None:
        self._receipts.forget(member.id)
        self._private.forget(member.id)

    def _enter(self, member: Member, name: UniqueName, id_: RequestId, told: _Out) -> None:
        room = self._rooms.enter(member, name)
        key, number, count = room.name.key, room.last, len(room.members)
        told.append(events.Joined(key, number, self.time, member.id, member.name.shown, count, id_))

    def _exit(self, member: Member, name: str, reason: str, id_: RequestId, told: _Out) -> None:
        room = self._rooms.exit(member, name, now=self.time)
        number, count = room.last, len(room.members)
        told.append(
            events.Left(name, number, self.time, member.id, member.name.shown, count, reason, id_)
        )


def _is_newer(member: Member, op: operations.LogIn) -> bool:
    """Tell whether a newer login has the member than one that the log has lost."""
    is_connected = bool(member.connections) and op.connection not in member.connections
    return op.login < member.login or (op.login == member.login and is_connected)


def _not_in_room(member: Member, room: str, id_: RequestId) -> events.OperationRefused:
    return events.OperationRefused(member.id, "not-in-room", f"you are not in {room}", id_)
