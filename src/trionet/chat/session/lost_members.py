"""Members that a shared log has lost although their connections are open here. Pure.

A machine that was cut off from the log for too long counts as dead: its members have left, or are
held. And a log can lose its newest part, and with it whoever logged in last. Then the sessions here
are *away*: they stay subscribed to their rooms, hear everything, and come in again under the same
connection. Or the log has lost only that a member went to another room, or took another name. Then
its session is away too until it has done so again.

After the log has lost a part, members of other machines come in again too. Nobody is told of that:
for some seconds, those whom members here believe to be present count as present. What still differs
after that is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Protocol

from msgspec import Struct

from trionet.abc import Box
from trionet.chat.formats.answers import Closing, Done, EpochChanged, Missed, Mistaken
from trionet.chat.history.history import History
from trionet.chat.names.room_names import parse_room
from trionet.chat.session.believed import Believed
from trionet.chat.session.hub_protocol import FanOut
from trionet.chat.session.ignoring import Ignoring
from trionet.chat.session.operation_log import Log
from trionet.chat.session.room_views import RoomViews
from trionet.chat.session.session_protocol import Local
from trionet.chat.state import events
from trionet.chat.state.events import StateEvent
from trionet.chat.state.members import Member
from trionet.chat.state.operations import (
    ConnectionId,
    Detach,
    Join,
    Leave,
    LogIn,
    LogOut,
    Operation,
    Rename,
)
from trionet.chat.state.state import State

# How many of those who have left for good are remembered: as many as may leave in the last seconds
# of the log, which it can lose. Each takes some 200 bytes.
_MAX_QUIT = 4096


class Hearers(Struct, frozen=True, gc=False):
    """Who has to hear of an event: the other members of the room, and its own member."""

    others: bool = True
    itself: bool = True


ALL = Hearers()


class Board(Protocol):
    """The switchboard, as this file sees it. `trionet.chat.Switchboard` implements it."""

    hub: FanOut
    state: State
    views: RoomViews
    log: Log
    ignoring: Ignoring
    history: History | None

    def session_of(self, member: int) -> Local | None:
        """Return the session that has a member; ``None``: no session here has it."""

    def members_by_connection(self) -> dict[ConnectionId, int]:
        """Return the members that have sessions here, by their connections."""

    def give_member(self, member: int, session: Local) -> None:
        """Give a session a member, with the number that the log knows it by now."""

    def take_sessions(self) -> dict[int, Local]:
        """Take all members from their sessions, and return the sessions by these members."""

    def take_arriving(self, connections: AbstractSet[ConnectionId]) -> list[Local]:
        """Return the sessions that are logging in under these connections, and forget them."""


class Away:
    """The sessions that are away, and what is believed here.

    It is true while there is anything to look at.

    Attributes:
        epoch: the epoch that members were told before the log had it; empty: there is none.
    """

    def __init__(self, board: Board) -> None:
        self.epoch = ""
        self._board = board
        # The members of sessions here, as these know them.
        self._places: dict[int, Member] = {}
        # Those who are in other rooms or have another name in the state than in `_places`.
        self._displaced: set[int] = set()
        # Rooms that a member was in when it was lost.
        self._rooms: dict[int, list[str]] = {}
        self._sessions: dict[ConnectionId, tuple[Local, LogIn, Member]] = {}
        # Those whose logins are in what happens now, by their new numbers.
        self._back: dict[int, Local] = {}
        # The connections of those who were lost, by their former numbers.
        self._lost: dict[int, ConnectionId] = {}
        self._believed: Believed | None = None
        # The connections of those who have left for good, the newest last, and why.
        self._quit: dict[ConnectionId, str] = {}
        # The highest number that was known, and the last of each room, before the log lost a part;
        # ``None``: everything was known.
        self._highest: int | None = None
        self._known: dict[str, int] = {}
        # How far above `_highest` the numbers go on.
        self._lift = 0

    def __bool__(self) -> bool:
        return bool(self._sessions) or self._believed is not None or bool(self._displaced)

    # -- what the switchboard notes

    def note(self, member: int) -> None:
        """Note that a session has a member."""
        if self._board.log.is_shared:
            place = self._board.state.members.get(member)
            if place is not None:
                self._places[member] = place

    def forget_place(self, member: int) -> None:
        """Note that a session no longer has its member."""
        self._places.pop(member, None)
        self._displaced.discard(member)

    def look_at(self, happened: Iterable[StateEvent]) -> None:
        """Find out whose logins are among events, before these are told."""
        for event in happened:
            if type(event) is events.LoggedIn:
                if event.connection in self._sessions:
                    self._back[event.member] = self._sessions[event.connection][0]
                self._ignore_again(self._board.state.members.get(event.member))

    def tell_what_differs(self) -> None:
        """Tell what still differs from what is believed here, once it is time for that.

        Call it after what has happened was told.
        """
        believed = self._believed
        if believed is not None and self._board.state.clock >= believed.until:
            self._tell_differences(believed)

    def publish_joined(self, event: events.Joined) -> None:
        """Tell a room who has joined, unless it believes so already."""
        if self._believed is None or self._believed.joins(event):
            session = self._back.get(event.member) or self._board.session_of(event.member)
            own = None if session is None else session.box
            self._board.hub.publish(event, topic=event.room, exclude=own)

    def is_there(self, event: events.Joined) -> bool:
        """Tell whether whoever has joined a room knows that already; the log had lost it."""
        if event.member not in self._displaced:
            return False
        place = self._places[event.member]
        if event.room in place.rooms:
            return True
        place.rooms = *place.rooms, event.room
        return False

    def who_hears_of_renaming(self, event: events.Renamed) -> Hearers:
        """Note that somebody has another name; return who does not know that yet."""
        is_known = (
            event.member in self._displaced and self._places[event.member].name.shown == event.to
        )
        is_news = self._believed is None or self._believed.is_renamed(event)
        return Hearers(is_news, not is_known)

    def is_named(self, event: events.Named) -> bool:
        """Note a member's name; tell whether it knows that already, because it goes back to it."""
        if event.member not in self._displaced:
            return False
        place = self._places[event.member]
        is_known = place.name.shown == event.name
        place.name = self._board.state.members[event.member].name
        return is_known

    def who_hears_of_leaving(self, event: events.Left, session: Local | None) -> Hearers:
        """Note that somebody has left a room; return who does not know that yet."""
        is_known = False
        if self._board.log.is_shared and event.reason == "lost":
            if session is not None:
                # Its connection is still open, so the member itself is not told that it has left.
                is_known = True
                self._rooms.setdefault(event.member, []).append(event.room)
        elif event.member in self._displaced:
            place = self._places[event.member]
            is_known = event.room not in place.rooms
            place.rooms = tuple([room for room in place.rooms if room != event.room])
        is_news = self._believed is None or self._believed.leaves(event)
        return ALL if is_news and not is_known else Hearers(is_news, not is_known)

    def known_as(self, name: str) -> Collection[Box]:
        """Return the boxes of those who know themselves by a name, and are away.

        Whoever is still to come in again, or to go back, has not left as far as it knows.
        """
        boxes = [
            session.box for session, _, place in self._sessions.values() if place.name.shown == name
        ]
        for member in self._displaced:
            session_there = self._board.session_of(member)
            if session_there is not None and self._places[member].name.shown == name:
                boxes.append(session_there.box)
        return boxes

    def note_quit(self, session: Local, reason: str) -> None:
        """Note that a member has left for good: the log may lose that, and it must not be held."""
        if self._board.log.is_shared and session.connection is not None:
            self._quit[session.connection] = reason
            if len(self._quit) > _MAX_QUIT:
                del self._quit[next(iter(self._quit))]

    def lost(self, member: int, session: Local) -> None:
        """Note that the log has lost the member of a session."""
        place = self._places.pop(member, None)
        if place is None:
            return
        if identity := _identity(place):
            self._board.ignoring.set_aside(member, identity)
        # The state has taken the member out of its rooms, unless it is only held.
        rooms = self._rooms.pop(member, [])
        if place.rooms or member in self._displaced:
            rooms = list(place.rooms)
        self._displaced.discard(member)
        self._leave(member, session, place, rooms)

    def _leave(self, member: int, session: Local, place: Member, rooms: list[str]) -> None:
        connection = session.connection
        if connection is None:
            return
        claim = place.claim
        token, hold, former = b"", False, b""
        if claim is not None:
            token, hold, former = claim.token, claim.hold, claim.former
        names = tuple([parse_room(room) for room in rooms])
        login = LogIn(connection, place.name, names, None, token, hold, token, place.login, former)
        self._lost[member] = connection
        self._send_away(session)
        place.rooms = tuple(rooms)
        self._sessions[connection] = session, login, place

    def _send_away(self, session: Local) -> None:
        session.is_away = True
        session.ticket = session.ticket or 1

    def forget(self, session: Local) -> bool:
        """Forget a session that has ended; return whether it was away."""
        connection = session.connection
        if connection is None:
            return False
        return self._sessions.pop(connection, None) is not None

    def logged_in(self, event: events.LoggedIn) -> None:
        """Note that a member has come in again, or that whoever asked for it has gone since."""
        if event.connection in self._sessions:
            self._back.pop(event.member, None)
            self._come_in(event.connection, event.member)
        elif event.connection[0] == self._board.log.origin:
            self._board.log.append(Detach(event.member, event.connection))

    def _come_in(self, connection: ConnectionId, member: int) -> None:
        """Note that a member has come in again under a connection."""
        session, _, place = self._sessions.pop(connection)
        # It may have been held elsewhere, and then it goes on from there (`coming_in_again`).
        self._put_back(session, member, place)

    def _put_back(self, session: Local, member: int, place: Member) -> None:
        """Give a session its member again, which is to go back to its place if it is elsewhere."""
        self._board.give_member(member, session)
        now = self._board.state.members[member]
        if now.name == place.name and {*now.rooms} == {*place.rooms}:
            self.note(member)
            session.came_in_again(member)
        else:
            self._places[member] = place
            self._displaced.add(member)
            session.came_in_again(member)
            self._send_away(session)

    def _ignore_again(self, member: Member | None) -> None:
        """Have those who ignored a member whom the log had lost ignore it again."""
        if member is not None and (identity := _identity(member)):
            self._board.ignoring.bring_back(identity, member.id)

    def login_refused(self, event: events.LoginRefused) -> None:
        """Close a connection whose member cannot come in again."""
        self._close(event.connection, Mistaken(event.reason, event.code))

    def taken_over(self, event: events.TakenOver) -> None:
        """Close a connection whose member has gone on elsewhere."""
        self._close(event.connection, Closing("taken over"))

    def _close(self, connection: ConnectionId, last: Mistaken | Closing) -> None:
        """Close a connection that is away."""
        found = self._sessions.pop(connection, None)
        if found is None:
            return
        session = found[0]
        session.answer(last)
        self._board.ignoring.forget_box(session.box)
        self._board.hub.discard(session.box)
        session.taken_over()

    # -- what the log calls

    async def wait(self) -> None:
        """Wait until the log has taken something; whoever was away may be back."""
        await self._board.log.wait_news()

    def coming_in_again(self) -> list[Operation]:
        """Return what brings back all who are away."""
        state = self._board.state
        operations: list[Operation] = []
        for number in self._displaced:
            operations += _going_back(state.members[number], self._places[number])
        for _, login, place in self._sessions.values():
            operations.append(login)
            held = state.find_again(place) if place.token else None
            if held is not None:
                operations += _going_back(held, place)
        return operations

    def connection_of(self, member: int) -> ConnectionId | None:
        """Return the connection of a member, also if the log has just lost it."""
        session = self._board.session_of(member)
        if session is not None:
            return session.connection
        return self._lost.get(member)

    def members(self) -> dict[ConnectionId, int]:
        """Return the members of this machine by connection."""
        # Whoever was lost has another number now, and their former one may be somebody else's.
        self._lost.clear()
        self._accept_places()
        return self._board.members_by_connection()

    def jump(
        self, state: State, *, until: int | None, was_behind: bool = False, lift: int = 0
    ) -> None:
        """Go on with another state, because the log has lost a part or this machine has missed one.

        Args:
            state: the state from now on.
            until: when the differences are told, on the state's clock; ``None``: at once, and
                members are told what they missed.
            was_behind: whether others may have been told what cannot be had any more.
            lift: how far the numbers to come are above the highest that any machine has told.
        """
        board = self._board
        former, board.state = board.state, state
        by_connection = {
            connection: member.id
            for member in state.members.values()
            for connection in member.connections
        }
        for number in board.ignoring.ignored():
            ignored = former.members.get(number)
            identity = None if ignored is None else _identity(ignored)
            if identity is None:
                board.ignoring.forget_member(number)
            else:
                board.ignoring.set_aside(number, identity)
        if board.ignoring.aside():
            for member_there in state.members.values():
                self._ignore_again(member_there)
        self._displaced.clear()
        known: set[ConnectionId] = set()
        for number, session in board.take_sessions().items():
            place = self._places.pop(number)
            connection = session.connection
            member = None if connection is None else by_connection.get(connection)
            if member is None:
                self._leave(number, session, place, list(place.rooms))
            else:
                self._put_back(session, member, place)
            if connection is not None:
                known.add(connection)
        known |= self._sessions.keys()
        for connection in self._sessions.keys() & by_connection.keys():
            # It has come in again in a part of the log that this machine has not read, or the log
            # has lost that it was lost.
            self._come_in(connection, by_connection[connection])
        for session in board.take_arriving(by_connection.keys()):
            # It has become a member in a part of the log that this machine has not read. The peer
            # may connect again.
            session.answer(Closing("server is closing"))
            session.taken_over()
        for connection, member in by_connection.items():
            if connection[0] == board.log.origin and connection not in known:
                reason = self._quit.get(connection)
                board.log.append(
                    Detach(member, connection) if reason is None else LogOut(member, reason)
                )
        # The log may lose another part before they are told about the last one.
        believed = self._believed or Believed(former)
        board.views = RoomViews(state, believed)
        if until is None:
            for key, room in former.rooms.items():
                there = state.rooms.get(key)
                last = state.highest if there is None else there.last
                if last > room.last:
                    self._miss(key, room.last, last)
            self._tell_differences(believed)
            # Whoever is elsewhere has asked for it, and only the answer is lost.
            self._accept_places()
        else:
            believed.until = until
            self._believed = believed
            self._known = former.last_numbers()
            self._highest = former.highest + lift if was_behind else None
            self._lift = lift

    def may_have_missed(self, lift: int) -> None:
        """Note that other machines may have told what the log has lost; see `jump`."""
        state = self._board.state
        self._known = state.last_numbers()
        self._highest, self._lift = state.highest + lift, lift

    def renumbered(self, highest: int) -> None:
        """Note that numbers go on after the highest that another machine has told."""
        if self._highest is None or highest <= self._highest:
            return
        self._highest = highest
        # There is nothing to miss between the numbers that it has told and those that follow.
        told = highest - self._lift
        for key, room in self._board.state.rooms.items():
            known = self._known.get(key, 0)
            if min(room.last, told) > known:
                self._known[key] = told
                self._miss(key, known, told)

    def tell_epoch(self, epoch: str, untold: Mapping[str, int]) -> None:
        """Tell everyone that an epoch has begun.

        Args:
            epoch: its name.
            untold: of each room with events that were never told here, and cannot be had any more,
                the last of these numbers.
        """
        self.epoch = epoch
        rooms = self._board.state.last_numbers()
        self._board.hub.publish(EpochChanged(epoch, rooms))
        for key, last in untold.items():
            known = self._known.get(key, 0)
            if last > known:
                self._known[key] = last
                self._miss(key, known, last)
        # The others may have gone on already.
        self.renumbered(self._board.state.highest)

    def _miss(self, room: str, known: int, last: int) -> None:
        """Tell a room that it misses what came after a number it knows, up to another."""
        if self._board.history is not None:
            self._board.history.lose(room, known, last + 1)
        self._board.hub.publish(Missed(room, known, last + 1), topic=room)

    def _tell_differences(self, believed: Believed) -> None:
        board = self._board
        self._believed = None
        board.views = RoomViews(board.state)
        # Whoever is still to come in again may be held, as who it was before.
        held: dict[int, Box] = {}
        for away, _, place in self._sessions.values():
            if (before := board.state.find_again(place)) is not None:
                held[before.id] = away.box
        for event in believed.differences(board.state):
            session = board.session_of(event.member)
            own = held.get(event.member) if session is None else session.box
            known = self.known_as(event.name) if type(event) is events.Left else ()
            board.hub.publish(event, topic=event.room, exclude=own, without=known)

    def _accept_places(self) -> None:
        """Take all members as they are now, and tell them what they could not get back."""
        for member in self._displaced:
            session = self._board.session_of(member)
            assert session is not None, "its place is forgotten with it"
            place = self._places[member]
            self.note(member)
            session.came_in_again(member)
            self._tell_place(session, member, place)
        self._displaced.clear()

    def _tell_place(self, session: Local, member: int, place: Member) -> None:
        """Tell a member who and where it is now; `place` says what it knows."""
        board = self._board
        state, now = board.state, board.state.members[member]
        name = now.name.shown
        if name != place.name.shown:
            session.named(name)
            known = [key for key in now.rooms if key in place.rooms]
            for key in known:
                last, former = state.rooms[key].last, place.name.shown
                session.answer(events.Renamed(key, last, state.time, member, former, name))
            if not known:
                session.answer(Done(name))
        for key in place.rooms:
            if key not in now.rooms:
                board.hub.unsubscribe(session.box, key)
                last, count = state.highest, 0
                if (there := state.rooms.get(key)) is not None:
                    last, count = there.last, len(there.members)
                session.answer(events.Left(key, last, state.time, member, name, count, "lost"))
        for key in now.rooms:
            if key not in place.rooms:
                board.hub.subscribe(session.box, key)
                session.answer(board.views.entered(member, key, None))


def _going_back(member: Member, place: Member) -> Iterator[Operation]:
    """Yield what a member has to do to be in its place again."""
    if member.name != place.name:
        yield Rename(member.id, place.name)
    for room in member.rooms:
        if room not in place.rooms:
            yield Leave(member.id, room)
    for room in place.rooms:
        if room not in member.rooms:
            yield Join(member.id, parse_room(room))


def _identity(member: Member) -> bytes | ConnectionId | None:
    """Return what stays the same of a member that the log loses; ``None``: nothing."""
    return member.token or (member.connections[0] if member.connections else None)
