"""What to tell a member who logs in with what it has seen: what came since, and then live events.

Each room is told in this order: a `Missed` where there is a gap, the events since, an `Entered`
with the room as it is now, and from then on what happens. Pages of the history are sent as fast as
the peer reads. The last stretch, which is in memory, goes into the hub's log in one go with the
subscription to the room. So nothing comes twice and nothing is lost in between.

The member is not subscribed to a room before the room's turn: what happens there meanwhile is in
the history by then.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from trionet.abc import Box
from trionet.chat.formats.answers import Event, Missed, Own, Welcomed
from trionet.chat.formats.json_missing import PRIVATE
from trionet.chat.formats.wire_format import WireFormat
from trionet.chat.history.history import History
from trionet.chat.history.message_runs import fitting, last_number
from trionet.chat.session.arrival import Arrival
from trionet.chat.session.history_errands import Errand, Pace
from trionet.chat.session.hub_protocol import FanOut
from trionet.chat.session.room_views import RoomViews
from trionet.chat.state import events
from trionet.chat.state.events import RoomEvent
from trionet.chat.state.state import State
from trionet.errors import TrionetError

# How many events of a room are replayed at most. They are the newest.
MOST = 10_000

# How much is read from the history and sent at a time, in bytes.
PAGE_BYTES = 128 << 10

# How long a member that does not read its page keeps its turn, in seconds. If it kept it until the
# write timeout, one host with a few hundred members could keep all others from coming back.
_PATIENCE = 0.5

# How much a room that is faster than the member is told at the end, in bytes: all that a ring has.
_LAST_BYTES = 1 << 20


class Guest(Protocol):
    """A session, as its welcome sees it. `trionet.chat.Session` implements it."""

    box: Box
    errand: Errand | None
    is_away: bool

    @property
    def wire(self) -> WireFormat:
        """Its wire format."""

    @property
    def member(self) -> int | None:
        """The number of its member; ``None``: it has none, or no longer."""

    @property
    def tokens(self) -> tuple[bytes, ...]:
        """The SHA-256 of each token that proves what it has said."""

    def answer(self, event: Event) -> None:
        """Tell the peer something, at its cost."""

    async def settle(self) -> None:
        """Wait until the log has its member, if it has lost it; with a local log, not at all."""


class Board(Protocol):
    """The switchboard, as a welcome sees it. `trionet.chat.Switchboard` implements it."""

    hub: FanOut
    state: State
    views: RoomViews
    history: History | None
    is_closing: bool

    @property
    def epoch(self) -> str:
        """The epoch that members were told last."""


class Returning:
    """One member's welcome.

    Args:
        board: the chat.
        guest: the member's session.
        login: the event of its login.
        arrival: what it brought.
        joined: the number of its joining, for each room that it has just joined.
    """

    def __init__(
        self,
        board: Board,
        guest: Guest,
        login: events.LoggedIn,
        arrival: Arrival,
        joined: Mapping[str, int],
    ) -> None:
        self._board = board
        self._guest = guest
        self._login = login
        self._arrival = arrival
        self._joined = joined
        # Whether it has to be told some of the past, room by room.
        self._is_behind = False

    @property
    def _is_same_epoch(self) -> bool:
        """Whether the numbers that it brought are of the epoch of now. A shared log may change."""
        return self._arrival.epoch == self._board.epoch

    def welcome(self) -> None:
        """Tell the member all that can be told at once; what is left is the session's errand."""
        login, arrival, guest, board = self._login, self._arrival, self._guest, self._board
        token = arrival.brought if login.resumed else arrival.token
        # Most lack nothing, and then one entry of the hub's log is enough.
        self._is_behind = bool(arrival.seen) and any(
            self._lacks(room) is not None for room in login.rooms
        )
        topics = () if self._is_behind else login.rooms
        board.hub.add(guest.box, guest.wire.encode, topics=topics)
        guest.answer(Welcomed(login.name, token, board.epoch, login.id, login.resumed))
        if login.resumed and PRIVATE in arrival.seen:
            self._tell_private(login.member, arrival.seen[PRIVATE])
        if self._is_behind:
            guest.errand = self._tell_rooms
            return
        for room in login.rooms:
            self._enter(room)

    def _lacks(self, room: str) -> int | None:
        """Return the number after which the member lacks some of our events; ``None``: none."""
        after = self._arrival.seen.get(room)
        if after is None or not self._is_same_epoch or self._board.history is None:
            return None
        return after if after < self._last(room) else None

    def _last(self, room: str) -> int:
        """Return the number of a room's last event, less the member's own joining."""
        last = self._board.state.rooms[room].last
        return last - 1 if self._joined.get(room) == last else last

    def _tell_private(self, member: int, after: int) -> None:
        state, guest = self._board.state, self._guest
        # From now on the state keeps nothing for a member that does not hold any more.
        given_up = [told for told in self._login.private if told.number > after]
        kept, next_ = given_up or state.private_of(member, after), state.members[member].told + 1
        first = kept[0].number if kept else next_
        if first > after + 1:
            guest.answer(Missed(PRIVATE, after, first))
        for told in kept:
            guest.answer(told)

    def _enter(self, room: str, lines: bytes = b"") -> None:
        """Tell the end of the past, then the room as it is now, and from here on what happens."""
        hub, guest = self._board.hub, self._guest
        after = self._arrival.seen.get(room)
        if lines:
            hub.tell_lines(guest.box, lines)
        elif after is not None and not self._is_same_epoch:
            guest.answer(Missed(room, after, self._board.state.rooms[room].last + 1))
        elif after is not None and self._board.history is None and after < self._last(room):
            guest.answer(Missed(room, after, self._last(room) + 1))
        if self._is_behind:
            hub.subscribe(guest.box, room)
        assert guest.member is not None
        guest.answer(self._board.views.entered(guest.member, room, self._login.id))

    async def _tell_rooms(self, pace: Pace) -> None:
        """Tell each room in turn, no faster than the member reads."""
        # What is sent past the hub must not overtake what is in its log.
        await pace.settle()
        for room in self._login.rooms:
            await self._guest.settle()
            after = self._lacks(room) if self._is_in(room) else None
            if after is not None and self._board.history is not None:
                if not await self._tell(room, after, self._board.history, pace):
                    return
            elif self._is_in(room):
                self._enter(room)

    def _is_in(self, room: str) -> bool:
        """Tell whether the session still has the member, and the member is in the room.

        After the closing notice nobody is told anything.
        """
        member = self._guest.member
        if member is None or self._board.is_closing:
            return False
        return room in self._board.state.members[member].rooms

    async def _tell(self, room: str, after: int, history: History, pace: Pace) -> bool:
        """Tell what came in a room after a number, and enter; return whether the peer is there."""
        last = self._board.state.rooms[room].last
        # Who has brought no token has said nothing before.
        tokens = self._guest.tokens if self._arrival.brought else ()
        replay = _Replay(self._guest.wire, history, room, after, tokens)
        if last - after > MOST:
            replay.skip_to(last - MOST)
        is_over = False
        while not is_over:
            # Not within a turn: the log may be out of reach for long, and others can be told.
            await self._guest.settle()
            async with pace.turn():
                is_over = await self._tell_some(room, replay, last, history, pace)
                await pace.settle(_PATIENCE)
            if not await pace.settle():
                return False
        return True

    async def _tell_some(
        self, room: str, replay: _Replay, last: int, history: History, pace: Pace
    ) -> bool:
        """Tell a page, or what is left of the past; return whether that is over.

        If the log has lost the member meanwhile, nothing is told.
        """
        if self._guest.is_away:
            return False
        if not self._is_in(room):
            return True
        if not self._is_same_epoch:
            self._enter(room, replay.end(self._last(room)))
            return True
        own = self._joined.get(room)
        recent = history.recent(room, replay.after)
        is_behind = replay.after - last > MOST
        if recent is not None:
            most = _LAST_BYTES if is_behind else PAGE_BYTES
            recent = recent if fitting(recent, most) == len(recent) else None
        if recent is None and is_behind:
            # The room is faster than the member.
            recent = []
        if recent is not None:
            self._enter(room, replay.encode(recent, own=own) + replay.end(self._last(room)))
            return True
        happened: Sequence[RoomEvent] = ()
        with suppress(TrionetError):
            happened = await pace.ask(history.since, room, replay.after, PAGE_BYTES)
        if self._guest.is_away:
            return False
        if not self._is_in(room):
            return True
        if not happened or not self._is_same_epoch:
            # The rest is lost: forgotten, on a disk that cannot be read, or of another epoch.
            self._enter(room, replay.end(self._last(room)))
            return True
        pace.put(replay.encode(happened, own=own))
        return False


class _Replay:
    """Makes the lines that tell one room's past, without leaving a gap untold.

    Args:
        wire: the member's format.
        history: where the past comes from.
        room: the room.
        after: the number after which the past is told.
        tokens: the SHA-256 of the member's tokens. What was said with one of them shows the ids of
            its requests.

    Attributes:
        after: the number up to which everything is told.
    """

    def __init__(
        self, wire: WireFormat, history: History, room: str, after: int, tokens: tuple[bytes, ...]
    ) -> None:
        self.after = after
        self._wire = wire
        # One call for all takes 0.7 of the time of one for each.
        self._encode_all: Callable[[Sequence[Event]], bytes]
        self._encode_all = getattr(wire, "encode_all", self._encode_each)
        self._history = history
        self._room = room
        self._tokens = tokens
        self._skipped_from: int | None = None

    def skip_to(self, number: int) -> None:
        """Leave out what was up to a number."""
        self._skipped_from = self.after
        self.after = number

    def encode(self, happened: Sequence[RoomEvent], *, own: int | None) -> bytes:
        """Return the lines that tell some events, and the gaps between them.

        Args:
            happened: all available events after `after`, from the first one on.
            own: the number of the member's own joining, which it is not told.
        """
        gaps = self._history.gaps(self._room, self.after)
        pieces: list[bytes] = []
        if happened:
            # What is missing here may have gone since the last stretch: a file forgets what is too
            # old, and another process may be late in writing it. (Or the number was never given, or
            # its text was removed. Within a stretch only the history's gaps are lost.)
            pieces.append(self._missed(happened[0].number))
        start = 0
        for low, high in gaps:
            end = bisect_right(happened, low, start, key=_number)
            if end == len(happened):
                break
            pieces.append(self._encode_run(happened[start:end], own))
            self.after = max(self.after, low)
            pieces.append(self._missed(high))
            start = end
        pieces.append(self._encode_run(happened[start:], own))
        return b"".join(pieces)

    def _encode_run(self, happened: Sequence[RoomEvent], own: int | None) -> bytes:
        """Return the lines that tell events without a gap between them."""
        if not happened:
            return b""
        self.after = last_number(happened[-1])
        if own is not None and happened[0].number <= own <= self.after:
            happened = [
                event
                for event in happened
                if event.number != own or type(event) is not events.Joined
            ]
        told: Sequence[Event] = happened
        if tokens := self._tokens:
            told = [
                Own(event) if getattr(event, "author", None) in tokens else event
                for event in happened
            ]
        return self._encode_all(told)

    def _encode_each(self, told: Sequence[Event]) -> bytes:
        return b"".join(map(self._wire.encode, told))

    def end(self, last: int) -> bytes:
        """Return the lines that tell that the rest, up to the last number, is missed."""
        return self._missed(last + 1)

    def _missed(self, before: int) -> bytes:
        """Return the line that tells that all before a number is missed; empty: nothing is."""
        after = self.after if self._skipped_from is None else self._skipped_from
        self._skipped_from = None
        self.after = max(self.after, before - 1)
        return self._wire.encode(Missed(self._room, after, before)) if before > after + 1 else b""


def _number(event: RoomEvent) -> int:
    return event.number
