"""Where the log, the state and the hub of one machine meet. Pure.

Sessions append operations here. The events that follow go to the hub: to the topic of a room, or to
one member alone. All of that happens in one stretch, without a checkpoint. So all members see one
common sequence, and every count and every list of names agrees with its place in it.

What belongs to a connection, such as whom it ignores (`ignoring.py`), is never in the state.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from collections.abc import Set as AbstractSet
from typing import Any

from trionet.abc import Box
from trionet.argument_checks import check_kind, shown
from trionet.chat.formats.answers import Closing, Done, EpochChanged, Mistaken, Own
from trionet.chat.history.history import History, kept_of
from trionet.chat.session.arrival import Arrival, hash_of
from trionet.chat.session.hub_protocol import FanOut
from trionet.chat.session.ignoring import Ignoring
from trionet.chat.session.lost_members import ALL, Away, Hearers
from trionet.chat.session.operation_log import LocalLog, Log
from trionet.chat.session.returning import Returning
from trionet.chat.session.room_views import RoomViews
from trionet.chat.session.session_protocol import Local
from trionet.chat.state import events
from trionet.chat.state.operations import ConnectionId, Detach, LogIn, LogOut, Operation, RequestId
from trionet.chat.state.state import State
from trionet.function_checks import check_callback

# Events that change who is here, which count even while the server is closing.
_NOTED_TO_THE_END = (events.LoggedIn, events.LoggedOut, events.Held)


class Switchboard:
    """The chat on one machine.

    Args:
        hub: where everything that happens is published.
        state: what there is to begin with; default: nothing.
        clock: returns the time, in milliseconds since 1970, UTC; default: always 0.
        on_empty: called when the last member has left; default: nothing is called.
        on_deadline: called when `next_deadline` has changed; default: nothing is called.
        on_parted: called with a member that is held or gone, and whether it is held; default:
            nothing is called.
        draw_token: returns a new token for a member; default: an empty one.
        history: what keeps what happens in rooms; default ``None``: nothing does.
        log: where operations go; default ``None``: a `LocalLog`. Whoever makes another one calls
            `show` with the events of its operations.

    Raises:
        TypeError: an argument is of the wrong kind; the message says what to write.

    Attributes:
        state: the state. Only entries of the log change it.
        clock: as given.
        draw_token: as given.
        history: what keeps what happens; ``None``: nothing does.
        log: where operations go.
        away: sessions whose members the log has lost; see `lost_members.py`.
        views: what members are told of rooms.
        ignoring: who ignores whom. Sessions change it.
        is_closing: whether the server is about to end, and everyone was told so.
        admits: whether anybody can still log in; ``False`` once a drain has begun.
    """

    def __init__(
        self,
        hub: FanOut,
        *,
        state: State | None = None,
        clock: Callable[[], int] = lambda: 0,
        on_empty: Callable[[], object] = lambda: None,
        on_deadline: Callable[[], object] = lambda: None,
        on_parted: Callable[[int, bool], object] = lambda _member, _held: None,
        draw_token: Callable[[], str] = lambda: "",
        history: History | None = None,
        log: Log | None = None,
    ) -> None:
        if not hasattr(hub, "publish"):
            raise TypeError(f"hub must be a trionet.Hub: write Hub(), not {shown(hub)}")
        if state is not None:
            check_kind("state", state, State, hint="trionet.chat.State()")
        check_callback("clock", clock, arguments=0, optional=False)
        check_callback("on_empty", on_empty, arguments=0, optional=False)
        check_callback("on_deadline", on_deadline, arguments=0, optional=False)
        check_callback("on_parted", on_parted, arguments=2, optional=False)
        if not (log is None or hasattr(log, "wait_news")):
            raise TypeError(f"log must be None, or a log as LocalLog is one, not {shown(log)}")
        check_callback("draw_token", draw_token, arguments=0, optional=False)
        if not (history is None or hasattr(history, "recent")):
            raise TypeError(
                f"history must keep events, as MemoryHistory() does, not {shown(history)}"
            )
        self.state = state or State()
        self.is_closing = False
        self.admits = True
        self.hub = hub
        self.clock = clock
        self.draw_token = draw_token
        self.history = history
        self.ignoring = Ignoring()
        self.views = RoomViews(self.state)
        self.log: Log = log or LocalLog(self.state, clock, self.show)
        self.away = Away(self)
        self._on_empty = on_empty
        self._on_deadline = on_deadline
        self._on_parted = on_parted
        self._deadline = self.state.next_deadline()
        self._connections = 0
        # The sessions that are logging in, with what they bring.
        self._arriving: dict[ConnectionId, tuple[Local, Arrival]] = {}
        # A login's `Joined` events come before its `LoggedIn`. Until that comes, the number of the
        # joining in each room is kept here.
        self._joined_first: dict[str, int] = {}
        # The sessions of members on this machine, by the member's number.
        self._local: dict[int, Local] = {}
        # The last one, kept because whoever makes a mistake often repeats it.
        self._mistaken = Mistaken("")
        # Every kind of event has an entry: `show` looks each one up.
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
            events.TakenOver: self._taken_over,
            events.Held: self._held,
            events.EpochBegan: self._epoch_began,
            events.Renumbered: lambda event: self.away.renumbered(event.highest),
            events.LoggedOut: self._logged_out,
            events.Named: self._named,
            events.Stayed: self._stayed,
            events.LoginRefused: self._login_refused,
            events.OperationRefused: self._refused,
        }

    def __repr__(self) -> str:
        state = "closing" if self.is_closing else "open"
        return f"<trionet.chat.Switchboard: {state}, {len(self._local)} sessions, {self.state!r}>"

    @property
    def epoch(self) -> str:
        """The epoch that members were told last. A shared log may only get it yet."""
        return self.away.epoch or self.state.epoch

    @property
    def is_full(self) -> bool:
        """Whether the log is so long that whoever has more to say should wait: `Hub.wait_room`."""
        return self.hub.is_full or self.log.must_wait

    # -- what sessions do

    def append(self, operation: Operation) -> int:
        """Append an operation to the log; return its ticket. Never a checkpoint."""
        return self.log.append(operation)

    def log_in(self, session: Local, arrival: Arrival) -> int:
        """Ask for a session to become a member, with what its `arrival` brings; return the ticket.

        The session is told the outcome.
        """
        self._connections += 1
        connection = self.log.origin, self._connections
        self._arriving[connection] = session, arrival
        token, brought = hash_of(arrival.token), hash_of(arrival.brought)
        return self.append(
            LogIn(connection, arrival.name, arrival.rooms, arrival.id, token, arrival.hold, brought)
        )

    def give_up(self, session: Local) -> None:
        """Note that a session has ended before it became a member."""
        for connection, (arriving, _) in self._arriving.items():
            if arriving is session:
                del self._arriving[connection]
                return

    def log_out(
        self, session: Local, member: int, reason: str, held_as: ConnectionId | None = None
    ) -> None:
        """Let a member go: it is sent nothing more. Everyone else is told, unless it is held.

        A member that has left already does not leave again. While the server is closing nobody is
        told, because everyone is leaving.

        Args:
            session: the member's session.
            member: the member.
            reason: why it goes.
            held_as: the connection that has ended; the member is held if it has asked for that.
                Default ``None``: it leaves in any case.
        """
        if self._local.get(member) is not session:
            if self.away.forget(session):
                self._part_with(session)
            return
        del self._local[member]
        self.away.forget_place(member)
        self._part_with(session)
        # A server that is alone ends with its members. Elsewhere whoever has asked for it is held.
        if held_as is None or (self.is_closing and not self.log.is_shared):
            self.away.note_quit(session, reason)
            self.append(LogOut(member, reason))
        else:
            self.append(Detach(member, held_as, reason))

    def _part_with(self, session: Local) -> None:
        self.ignoring.forget_box(session.box)
        self.hub.discard(session.box)

    def mistaken(self, reason: str, code: str, id_: RequestId) -> Mistaken:
        """Return an answer to a mistake, with this `reason` and `code`, to the request `id_`.

        If it equals the last one, it is the same object, which a hub encodes once for many.
        """
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
        self.log.append()

    def close(self) -> None:
        """Tell everyone, once, that the server is about to end, and let nobody in any more."""
        if not self.is_closing:
            self.is_closing = True
            self.admits = False
            self.hub.publish(Closing())

    # -- what `away` needs to know and to change

    def session_of(self, member: int) -> Local | None:
        """Return the session that has a `member`; ``None``: no session here has it."""
        return self._local.get(member)

    def members_by_connection(self) -> dict[ConnectionId, int]:
        """Return the members that have sessions here, by their connections."""
        return {
            session.connection: member
            for member, session in self._local.items()
            if session.connection is not None
        }

    def give_member(self, member: int, session: Local) -> None:
        """Give a `session` a `member`, with the number that the log knows it by now."""
        self._local[member] = session

    def take_sessions(self) -> dict[int, Local]:
        """Take all members from their sessions, and return the sessions by these members."""
        taken = dict(self._local)
        self._local.clear()
        return taken

    def take_arriving(self, connections: AbstractSet[ConnectionId]) -> list[Local]:
        """Return the sessions that are logging in under these `connections`, and forget them."""
        return [self._arriving.pop(one)[0] for one in self._arriving.keys() & connections]

    # -- the events of operations

    def show(self, happened: list[events.StateEvent]) -> None:
        """Keep what has `happened` in the state, and send it to whom it concerns."""
        is_shared = self.log.is_shared
        if self.history is not None:
            kept = kept_of(happened)
            if kept and is_shared:
                # After the log has lost a part, numbers can come that were told before.
                kept = [one for one in kept if one.number > (self.history.last(one.room) or 0)]
            if kept:
                self.history.append(kept)
        # Only a shared log loses members, and this is asked for each entry.
        if is_shared and self.away:
            self.away.look_at(happened)
        is_closing = self.is_closing
        for event in happened:
            # After the closing notice members here are told nothing, whatever others do.
            if not is_closing or type(event) in _NOTED_TO_THE_END:
                self._ways[type(event)](event)
        if is_shared and self.away and not is_closing:
            self.away.tell_what_differs()
        deadline = self.state.next_deadline()
        if deadline != self._deadline:
            self._deadline = deadline
            self.views.rooms_changed()
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
        hearers: Hearers = ALL,
    ) -> None:
        """Send an event to its room, and the member who caused it its own copy.

        Args:
            event: the event.
            without: who does not get it.
            hides_own: whether a member whose format has no receipts does not get it either.
            hearers: who has to hear of it.
        """
        session = self._local.get(event.member)
        own = None
        has_receipt = session is not None and session.wire.receipts and event.id is not None
        if session is not None and (
            has_receipt or not hearers.itself or (hides_own and not session.wire.receipts)
        ):
            own = session.box
        if hearers.others:
            self.hub.publish(event, topic=event.room, exclude=own, without=without)
        elif session is not None and own is None:
            session.answer(event)
        if session is not None and has_receipt and hearers.itself:
            session.answer(Own(event))

    def _topic_set(self, event: events.TopicSet) -> None:
        self.views.rooms_changed()
        self._publish(event)

    def _joined(self, event: events.Joined) -> None:
        self.views.joined(event.room)
        if self.log.is_shared and self.away:
            self.away.publish_joined(event)
            if self.away.is_there(event):
                return
        else:
            # Before the subscription, so that the newcomer gets no `Joined` of its own.
            self.hub.publish(event, topic=event.room)
        session = self._local.get(event.member)
        if session is not None:
            self.hub.subscribe(session.box, event.room)
            session.answer(self.views.entered(event.member, event.room, event.id))
        else:
            self._joined_first[event.room] = event.number

    def _left(self, event: events.Left) -> None:
        self.views.left(event.room, event.name)
        if self.is_closing:
            return
        session = self._local.get(event.member)
        hearers = self.away.who_hears_of_leaving(event, session)
        # It may have left under a number that is not its own any more.
        known = self.away.known_as(event.name) if session is None and self.away else ()
        self._publish(event, without=known, hides_own=True, hearers=hearers)
        # Whoever was only lost stays subscribed.
        if session is not None and hearers.itself:
            self.hub.unsubscribe(session.box, event.room)

    def _renamed(self, event: events.Renamed) -> None:
        self.views.renamed(event.room)
        self._publish(event, hearers=self.away.who_hears_of_renaming(event) if self.away else ALL)

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

    def _logged_in(self, event: events.LoggedIn) -> None:
        joined, self._joined_first = self._joined_first, {}
        arriving = self._arriving.pop(event.connection, None)
        if arriving is None:
            self.away.logged_in(event)
            return
        session, arrival = arriving
        self._local[event.member] = session
        if self.log.is_shared:
            self.away.note(event.member)
        session.logged_in(event)
        if session.wire.receipts:
            Returning(self, session, event, arrival, joined).welcome()
        else:
            self.hub.add(session.box, session.wire.encode, topics=event.rooms)
            for room in event.rooms:
                session.answer(self.views.entered(event.member, room, event.id))

    def _taken_over(self, event: events.TakenOver) -> None:
        session = self._local.get(event.member)
        if session is None or session.connection != event.connection:
            self.away.taken_over(event)
            return
        del self._local[event.member]
        self.away.forget_place(event.member)
        session.answer(Closing("taken over"))
        self._part_with(session)
        session.taken_over()

    def _epoch_began(self, event: events.EpochBegan) -> None:
        self.away.epoch = ""
        rooms = self.state.last_numbers()
        self.hub.publish(EpochChanged(event.epoch, rooms))

    def _logged_out(self, event: events.LoggedOut) -> None:
        session = self._local.pop(event.member, None)
        if session is not None:
            # `log_out` would have removed the session, so the log has lost the member.
            self.away.lost(event.member, session)
        else:
            self.ignoring.forget_member(event.member)
            self._on_parted(event.member, False)
        if not self.state.members:
            self._on_empty()

    def _held(self, event: events.Held) -> None:
        session = self._local.pop(event.member, None)
        if session is not None:
            self.away.lost(event.member, session)
        else:
            self._on_parted(event.member, True)

    def _named(self, event: events.Named) -> None:
        session = self._local.get(event.member)
        if session is not None:
            is_known = self.away.is_named(event)
            session.named(event.name)
            if not event.was_told and not is_known:
                session.answer(Done(event.name, event.id))

    def _stayed(self, event: events.Stayed) -> None:
        session = self._local.get(event.member)
        if session is not None:
            session.answer(self.views.entered(event.member, event.room, event.id))

    def _login_refused(self, event: events.LoginRefused) -> None:
        arriving = self._arriving.pop(event.connection, None)
        if arriving is not None:
            arriving[0].login_refused(event)
        elif self.away:
            self.away.login_refused(event)

    def _refused(self, event: events.OperationRefused) -> None:
        session = self._local.get(event.member)
        if session is not None:
            if event.room is not None:
                session.answer(Mistaken(event.reason, event.code, event.id, event.room))
            else:
                session.answer(self.mistaken(event.reason, event.code, event.id))
