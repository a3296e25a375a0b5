"""Where the log, the state and the hub of one machine meet. Pure.

Sessions append operations here. What comes of them goes to the hub: to the topic of a room, or to
one member alone. All of that happens in one stretch, without a checkpoint. So all members see one
common sequence, and every count and every list of names agrees with its place in it.

What belongs to a connection, such as whom it ignores (`ignoring.py`), is never in the state.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable
from typing import Any, Protocol

from trionet.abc import Box
from trionet.chat import events
from trionet.chat.answers import (
    MAX_WELCOME_NAMES,
    Closing,
    Done,
    Entered,
    Event,
    Listed,
    Mistaken,
    Own,
    Present,
    RoomList,
    Welcomed,
)
from trionet.chat.ignoring import Ignoring
from trionet.chat.log import LocalLog
from trionet.chat.operations import ConnectionId, LogIn, LogOut, Operation, RequestId, UniqueName
from trionet.chat.state import State
from trionet.chat.wire_format import WireFormat


class FanOut(Protocol):
    """What the chat needs of a hub; each call takes effect at once and never blocks.

    `trionet.Hub` implements it, and `Switchboard` uses it. Tests implement it with a list.
    """

    def add(
        self, box: Box, encode: Callable[[Event], bytes], *, topics: Iterable[Hashable] | None
    ) -> None:
        """Send everything that is published on some topics from now on to a box too."""

    def subscribe(self, box: Box, topic: Hashable) -> None:
        """Give a box one more topic."""

    def unsubscribe(self, box: Box, topic: Hashable) -> None:
        """Take a topic from a box."""

    def discard(self, box: Box) -> None:
        """Send nothing more to a box."""

    def publish(
        self,
        event: Event,
        *,
        topic: Hashable = None,
        exclude: Box | None = None,
        without: Collection[Box] = (),
        entries: int = 1,
    ) -> None:
        """Send an event to every box with a topic, or to every box, except some."""

    def tell(self, box: Box, event: Event) -> int:
        """Send an event to one box, in its place in the order; return its size in bytes."""

    def tell_lines(self, box: Box, lines: bytes) -> int:
        """Send encoded lines to one box, in their place in the order; return their size."""

    @property
    def is_full(self) -> bool:
        """Whether whoever has more to append should wait first."""


class Local(Protocol):
    """A session, as the switchboard sees it. `trionet.chat.session.Session` implements it."""

    box: Box

    @property
    def wire(self) -> WireFormat:
        """Its wire format."""

    def logged_in(self, member: int, name: str) -> None:
        """Take note that it is a member."""

    def login_refused(self, refusal: events.LoginRefused) -> None:
        """Tell the peer that it is none."""

    def named(self, name: str) -> None:
        """Take note that the member is called so."""

    def answer(self, event: Event) -> None:
        """Tell the peer something, at its cost."""

    def written_to(self, told: events.Told) -> None:
        """Take note that somebody wrote to the member alone."""


class Switchboard:
    """The chat on one machine.

    Args:
        hub: where everything that happens is published.
        state: what there is to begin with; default: nothing.
        clock: returns the time, in milliseconds since 1970, UTC.
        on_empty: called when the last member has left.
        on_deadline: called when `next_deadline` has changed.
        epoch: within it, no number of a room comes twice.
        draw_token: returns a new token for a member.

    Attributes:
        state: the state. Only entries of the log change it.
        clock: the clock that it was given.
        ignoring: who hears nothing of whom. Sessions change it.
        is_closing: whether the server is about to end; nobody can log in any more.
    """

    def __init__(
        self,
        hub: FanOut,
        *,
        state: State | None = None,
        clock: Callable[[], int] = lambda: 0,
        on_empty: Callable[[], object] = lambda: None,
        on_deadline: Callable[[], object] = lambda: None,
        epoch: str = "",
        draw_token: Callable[[], str] = lambda: "",
    ) -> None:
        self.state = state or State()
        self.is_closing = False
        self.hub = hub
        self.clock = clock
        self.ignoring = Ignoring()
        self._log = LocalLog(self.state, clock, self._show)
        self._on_empty = on_empty
        self._on_deadline = on_deadline
        self._deadline = self.state.next_deadline()
        self._epoch = epoch
        self._draw_token = draw_token
        self._connections = 0
        # The sessions that are logging in, and those of members.
        self._arriving: dict[ConnectionId, Local] = {}
        self._local: dict[int, Local] = {}
        # The names that a newcomer to a room is told, once there are as many as it is told at most.
        # They are kept until one of them leaves or is renamed: a thousand who join at once make
        # the tuple 20 times, not 1,000.
        self._first_names: dict[str, tuple[str, ...]] = {}
        # Made when somebody asks who is in a room, and kept until its members change.
        self._present: dict[str, Present] = {}
        # The same for the rooms that there are.
        self._listed: tuple[Listed, ...] | None = None
        # The last one, kept because whoever makes a mistake often repeats it.
        self._mistaken = Mistaken("")
        # Events that are for a room as they are do not stand here.
        self._ways: dict[type, Callable[[Any], None]] = {
            events.Said: self._said,
            events.Acted: self._acted,
            events.Joined: self._joined,
            events.Left: self._left,
            events.Renamed: self._renamed,
            events.TopicSet: self._topic_set,
            events.Removed: self._publish,
            events.Told: self._told,
            events.Repeated: self._repeated,
            events.LoggedIn: self._logged_in,
            events.TakenOver: self._not_yet,
            events.Held: self._not_yet,
            events.EpochBegan: self._not_yet,
            events.LoggedOut: self._logged_out,
            events.Named: self._named,
            events.Stayed: self._stayed,
            events.LoginRefused: self._login_refused,
            events.Refused: self._refused,
        }

    def __repr__(self) -> str:
        state = "closing" if self.is_closing else "open"
        return f"<trionet.chat.Switchboard: {state}, {len(self._local)} sessions, {self.state!r}>"

    @property
    def is_full(self) -> bool:
        """Whether the log is so long that whoever has more to say should wait: `Hub.wait_room`."""
        return self.hub.is_full

    # -- what sessions do

    def append(self, operation: Operation) -> None:
        """Append an operation to the log. Never a checkpoint."""
        self._log.append(operation)

    def log_in(
        self, session: Local, name: UniqueName, rooms: tuple[UniqueName, ...], id_: RequestId
    ) -> None:
        """Ask for a session to become a member; it is told what comes of it."""
        self._connections += 1
        connection = LocalLog.ORIGIN, self._connections
        self._arriving[connection] = session
        self.append(LogIn(connection, name, rooms, id_))

    def log_out(self, session: Local, member: int, reason: str) -> None:
        """Let a member go: it hears nothing more, and everyone else is told.

        A member that has left already does not leave again. While the server is closing nobody is
        told, because everyone is leaving.
        """
        if self._local.get(member) is not session:
            return
        del self._local[member]
        self.ignoring.forget_box(session.box)
        self.hub.discard(session.box)
        self.append(LogOut(member, reason))

    def entered(self, member: int, room: str, id_: RequestId) -> Entered:
        """Return what a member is told that has entered a room."""
        there = self.state.rooms[room]
        names = self._first_names.get(room)
        if names is None or len(names) < MAX_WELCOME_NAMES:
            names = self.state.names_in(room, MAX_WELCOME_NAMES)
            if len(names) == MAX_WELCOME_NAMES:
                self._first_names[room] = names
        name = self.state.members[member].name.shown
        return Entered(name, room, there.topic, names, len(there.members), there.last, id_)

    def present(self, room: str, id_: RequestId) -> Present:
        """Return who is in a room. Who asks without an id gets the same object as others."""
        present = self._present.get(room)
        if present is None:
            present = self._present[room] = Present(self.state.names_in(room), room)
        return present if id_ is None else Present(present.names, room, id_)

    def room_list(self, id_: RequestId) -> RoomList:
        """Return which rooms there are."""
        if self._listed is None:
            rooms = self.state.listed_rooms()
            self._listed = tuple(
                [Listed(room.name.key, room.topic, len(room.members)) for room in rooms]
            )
        return RoomList(self._listed, id_)

    def mistaken(self, reason: str, code: str, id_: RequestId) -> Mistaken:
        """Return an answer to a mistake; the same object as the last, if it is the same."""
        mistaken = Mistaken(reason, code, id_)
        if mistaken != self._mistaken:
            self._mistaken = mistaken
        return self._mistaken

    # -- what the server does

    def next_deadline(self) -> int | None:
        """Return when `carry_out_what_is_due` has something to do, in milliseconds since 1970."""
        return self._deadline

    def carry_out_what_is_due(self) -> None:
        """Append an entry without operations: only time has passed."""
        self._log.append()

    def close(self) -> None:
        """Tell everyone, once, that the server is about to end, and let nobody in any more."""
        if not self.is_closing:
            self.is_closing = True
            self.hub.publish(Closing())

    # -- what came of the operations

    def _show(self, happened: list[events.StateEvent]) -> None:
        for event in happened:
            self._ways[type(event)](event)
        deadline = self.state.next_deadline()
        if deadline != self._deadline:
            self._deadline = deadline
            self._listed = None
            self._on_deadline()

    def _said(self, event: events.Said) -> None:
        session = self._local.get(event.member)
        own = None
        if session is not None and (not session.wire.receipts or event.ids is not None):
            own = session.box
        self.hub.publish(
            event,
            topic=event.room,
            exclude=own,
            without=self.ignoring.deaf_to(event.member),
            entries=len(event.texts),
        )
        if event.ids is not None and session is not None and session.wire.receipts:
            self.hub.tell(session.box, Own(event))

    def _acted(self, event: events.Acted) -> None:
        self._publish(event, without=self.ignoring.deaf_to(event.member), hides_own=True)

    def _publish(
        self,
        event: events.Acted | events.Left | events.Renamed | events.TopicSet | events.Removed,
        *,
        without: Collection[Box] = (),
        hides_own: bool = False,
    ) -> None:
        """Send an event to its room, and the member who caused it its own copy.

        Args:
            event: the event.
            without: who does not get it.
            hides_own: whether a member whose format has no receipts does not get it either.
        """
        session = self._local.get(event.member)
        own = None
        has_receipt = session is not None and session.wire.receipts and event.id is not None
        if session is not None and (has_receipt or (hides_own and not session.wire.receipts)):
            own = session.box
        self.hub.publish(event, topic=event.room, exclude=own, without=without)
        if session is not None and has_receipt:
            session.answer(Own(event))

    def _topic_set(self, event: events.TopicSet) -> None:
        self._listed = None
        self._publish(event)

    def _joined(self, event: events.Joined) -> None:
        self._listed = None
        self._present.pop(event.room, None)
        # The others first: whoever comes gets no `Joined` of its own.
        self.hub.publish(event, topic=event.room)
        session = self._local.get(event.member)
        if session is not None:
            self.hub.subscribe(session.box, event.room)
            session.answer(self.entered(event.member, event.room, event.id))

    def _left(self, event: events.Left) -> None:
        self._listed = None
        self._present.pop(event.room, None)
        if event.name in self._first_names.get(event.room, ()):
            del self._first_names[event.room]
        if self.is_closing:
            return
        self._publish(event, hides_own=True)
        session = self._local.get(event.member)
        if session is not None:
            self.hub.unsubscribe(session.box, event.room)

    def _renamed(self, event: events.Renamed) -> None:
        self._present.pop(event.room, None)
        self._first_names.pop(event.room, None)
        self._publish(event)

    def _told(self, event: events.Told) -> None:
        sender, receiver = self._local.get(event.member), self._local.get(event.receiver)
        if sender is not None:
            sender.answer(Own(event))
        if receiver is None or receiver is sender:
            return
        if not self.ignoring.is_deaf(receiver.box, event.member):
            receiver.written_to(event)
            self.hub.tell(receiver.box, event)

    def _repeated(self, event: events.Repeated) -> None:
        session = self._local.get(event.member)
        if session is not None:
            session.answer(Own(event.event))

    def _not_yet(self, event: events.StateEvent) -> None:
        """Do nothing: no session asks to be held yet, and none restores a history."""

    def _logged_in(self, event: events.LoggedIn) -> None:
        session = self._arriving.pop(event.connection, None)
        if session is None:
            return
        self._local[event.member] = session
        session.logged_in(event.member, event.name)
        self.hub.add(session.box, session.wire.encode, topics=event.rooms)
        if session.wire.receipts:
            # Only programs need it, and a token takes longer to draw than the rest of a login.
            session.answer(Welcomed(event.name, self._draw_token(), self._epoch, event.id))
        for room in event.rooms:
            session.answer(self.entered(event.member, room, event.id))

    def _logged_out(self, event: events.LoggedOut) -> None:
        self.ignoring.forget_member(event.member)
        if not self.state.members:
            self._on_empty()

    def _named(self, event: events.Named) -> None:
        session = self._local.get(event.member)
        if session is not None:
            session.named(event.name)
            if not event.was_told:
                session.answer(Done(event.name, event.id))

    def _stayed(self, event: events.Stayed) -> None:
        session = self._local.get(event.member)
        if session is not None:
            session.answer(self.entered(event.member, event.room, event.id))

    def _login_refused(self, event: events.LoginRefused) -> None:
        session = self._arriving.pop(event.connection, None)
        if session is not None:
            session.login_refused(event)

    def _refused(self, event: events.Refused) -> None:
        session = self._local.get(event.member)
        if session is not None:
            if event.room is not None:
                session.answer(Mistaken(event.reason, event.code, event.id, event.room))
            else:
                session.answer(self.mistaken(event.reason, event.code, event.id))
