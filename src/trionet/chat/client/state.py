"""What a chat's client knows, and what it has to send because of it. Pure.

The plan of this file: a `ClientState` gets each event with `receive`, returns those that the user
should see, and answers the requests (`Ask`) that wait. After a lost connection (`lost`) it makes a
login that resumes (`login`). Once the replay has ended, `take_lines` returns the unanswered
requests again. A ping after the login marks that end: its pong comes after the replay.

Such a ping is sent at other times too. Whatever was sent before it and is not answered when its
pong comes was refused without a name, or its answer was dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from trionet.chat.client.events import (
    ChatEvent,
    Closing,
    Entered,
    Epoch,
    Error,
    History,
    Members,
    Missed,
    Pong,
    Renamed,
    RoomEvent,
    Told,
    Welcome,
)
from trionet.chat.client.rooms import PRIVATE, KnownRooms, Room
from trionet.chat.client.unanswered_requests import UNKNOWN, Ask, Lookup, as_line

# The errors for a line of which the server could not even read the `id`.
_UNREADABLE = ("bad-json", "bad-line", "bad-request")


class ClientState:
    """What one client knows; see the head of this file.

    Args:
        name: the name to log in with.
        rooms: the rooms to start in.
        hold: whether the server is to hold the member when its connection ends.

    Attributes:
        name: this member's name.
        rooms: the rooms it is in.
        is_logged_in: whether the present connection is logged in.
        is_live: whether everything was replayed to it, too.
        is_useless: whether it has to be given up: its welcome was dropped.
        ended: why the client must not come back; ``None``: it may.
    """

    def __init__(
        self, name: str, rooms: tuple[str, ...], *, hold: bool, password: str | None = None
    ) -> None:
        self.name = name
        self.is_live = False
        self.is_logged_in = False
        self.is_useless = False
        self.ended: str | None = None
        self._known = KnownRooms()
        self.rooms: dict[str, Room] = self._known.rooms
        self._starting = rooms
        self._hold = hold
        self._password = password
        self._token: str | None = None
        self._epoch: str | None = None
        # The token that the present connection has brought, and the rooms to be replayed to it.
        self._brought: str | None = None
        # The token that the history names one's own messages for: that of a member that is gone.
        self._named_for: str | None = None
        self._replayed: frozenset[str] = frozenset()
        self._asks: dict[int, Ask] = {}
        self._lookups: list[Lookup] = []
        # Rooms and numbers of the outcomes of this member's requests, as long as any waits.
        self._own: set[tuple[str, int]] = set()
        self._last_id = 0
        self._last_order = 0
        self._login = 0
        self._sync = 0
        self._sync_order = 0
        self._must_sync = False
        self._complaint: Error | None = None

    @property
    def waiting(self) -> int:
        """How many requests have no answer yet."""
        return len(self._asks)

    @property
    def may_send(self) -> bool:
        """Whether `take_lines` may have something to send."""
        return bool(self._asks or self._lookups or self._must_sync or self._known.to_ask)

    def login(self) -> list[str]:
        """Return the lines that begin a connection."""
        self._login, self._sync = self._next_id(), self._next_id()
        fields: dict[str, Any] = {"type": "login", "name": self.name, "hold": self._hold}
        self._brought = self._token
        self._replayed = frozenset(self._known.seen)
        if self._token is None:
            fields["rooms"] = self._starting
        else:
            # A room whose leaving was not answered may have been left: it must not be joined again.
            leaving = {ask.room for ask in self._asks.values() if ask.type == "leave"}
            fields["rooms"] = [room for room in self.rooms if room not in leaving]
            fields |= {"token": self._token, "seen": self._known.seen, "epoch": self._epoch}
        if self._password is not None:
            # A token may not be valid any more.
            fields["password"] = self._password
        fields["id"] = self._login
        return [as_line(fields), as_line({"type": "ping", "id": self._sync})]

    def ask(self, fields: dict[str, Any], on_done: Callable[[], object]) -> Ask:
        """Add a request; `take_lines` has it next.

        Raises:
            UnicodeEncodeError: a text has half of a surrogate pair.
        """
        ask = Ask(self._next_id(), fields, on_done)
        self._asks[ask.id] = ask
        return ask

    def give_up(self, ask: Ask) -> None:
        """Note that nobody waits for a request any more: it is not sent, or not sent again."""
        ask.is_wanted = False
        if not ask.is_sent:
            self._forget(ask)

    def take_lines(self) -> list[str]:
        """Return the requests that are to be sent now, and count them as sent."""
        if not self.is_logged_in:
            return []
        lines = []
        if self._must_sync:
            self._must_sync = False
            self._sync, self._sync_order = self._next_id(), self._last_order
            lines.append(as_line({"type": "ping", "id": self._sync}))
        if not self.is_live:
            return lines
        self._ask_of_rooms()
        lines += [one.next_page(self._next_id()) for one in self._lookups if one.id is None]
        for ask in self._asks.values():
            if not ask.is_sent and not ask.is_looked_up:
                self._send(ask)
                lines.append(ask.line)
        return lines

    def _ask_of_rooms(self) -> None:
        """Ask for what is not known of the rooms any more. Nobody waits for the answers."""
        if not self._known.to_ask:
            return
        pending = {(ask.type, ask.room) for ask in self._asks.values()}
        is_leaving = any(type_ == "leave" for type_, _ in pending)
        for room, type_ in self._known.to_ask.items():
            # A room that is left before the `join` arrives would be joined again.
            if (type_, room) not in pending and not (type_ == "join" and is_leaving):
                self.ask({"type": type_, "room": room}, lambda: None).is_wanted = False

    def lost(self) -> None:
        """Note that the connection is lost."""
        self.is_live = self.is_logged_in = self.is_useless = self._must_sync = False
        self._complaint = None
        self._lookups.clear()
        self._known.lost()
        for ask in [*self._asks.values()]:
            ask.is_looked_up = False
            if not ask.is_wanted:
                self._forget(ask)
            elif ask.is_sent:
                ask.again()

    def receive(self, event: ChatEvent, size: int = 0) -> ChatEvent | None:
        """Learn from an event.

        Args:
            event: what came.
            size: how many bytes its line had.

        Returns:
            The event, if the user should see it: not an answer, and nothing that was seen before.

        Raises:
            ValueError: no server that speaks this protocol says this.
        """
        re = getattr(event, "re", None)
        if isinstance(event, Pong) and re == self._sync:
            self._synced()
            return None
        if isinstance(event, Error) and re is None and event.code in _UNREADABLE:
            self._complaint = event
            self._must_sync = True
        is_new = self._known.learn(event, self.name)
        self._learn(event)
        if not isinstance(event, Missed) and isinstance(re, int):
            if (ask := self._asks.get(re)) is not None and ask.take(event, size):
                self._answer(ask, event)
            for lookup in [one for one in self._lookups if one.id == re]:
                self._look(lookup, event)
        if isinstance(event, Error) and re == self._login:
            return event
        is_event = isinstance(event, RoomEvent | Told | Entered | Welcome | Missed | Epoch)
        if is_event or re is None:
            return event if is_new else None
        return None

    def _learn(self, event: ChatEvent) -> None:
        if isinstance(event, Missed):
            self._miss(event)
        elif isinstance(event, Epoch):
            self._epoch = event.epoch
        elif isinstance(event, Welcome):
            self._welcome(event)
        elif isinstance(event, Renamed) and event.re is not None:
            # Only the copy of the member who did it has `re`, in each of its rooms.
            self.name = event.to
        elif isinstance(event, Closing) and event.reason == "taken over":
            self.ended = "another connection has taken this member over"
        elif isinstance(event, RoomEvent) and not self.is_live and getattr(event, "re", 0) is None:
            self._replay(event)

    def _replay(self, event: RoomEvent) -> None:
        """Find the outcome of a request in a replay, where of one's own only messages have `re`."""
        for ask in [*self._asks.values()]:
            is_of_room = ask.is_doubtful and ask.room == event.room
            if is_of_room and ask.type in ("topic", "remove") and ask.is_done_by(event):
                self._answer(ask, event)
                return

    def _miss(self, event: Missed) -> None:
        if event.room is not None:
            if self.is_live:
                # In a replay an `entered` follows.
                self._known.dropped(event.room)
            for ask in self._asks.values():
                if ask.room == event.room and (ask.is_sent or ask.is_doubtful):
                    ask.has_gap = True
        answers = event.re if isinstance(event.re, tuple) else ()
        if self._login in answers:
            self.is_useless = True
        if self._sync in answers or (event.count or 0) > len(answers):
            # Beyond the ids that are named, other answers may have been dropped.
            self._must_sync = True
        for id_ in answers:
            for lookup in self._lookups:
                if lookup.id == id_:
                    lookup.id = None
            if (asked := self._asks.get(id_)) is not None and asked.is_sent:  # type: ignore[arg-type]
                self._lost_answer(asked)
        self._settle_doubts()

    def _welcome(self, event: Welcome) -> None:
        if event.epoch != self._epoch:
            # Numbers of another epoch may be used again.
            self._known.seen.clear()
        if not event.resumed:
            self._known.seen.pop(PRIVATE, None)
        self._named_for = None if event.resumed else self._brought
        self.is_logged_in = True
        self.name, self._token, self._epoch = event.name, event.token, event.epoch

    def _synced(self) -> None:
        complaint, self._complaint = self._complaint, None
        for ask in [*self._asks.values()]:
            if ask.is_sent and ask.order <= self._sync_order:
                if complaint is not None:
                    self._answer(ask, complaint)
                else:
                    self._lost_answer(ask)
        if not self.is_live:
            self.is_live = True
            self._known.synced()
        self._settle_doubts()

    def _lost_answer(self, ask: Ask) -> None:
        if not ask.is_wanted:
            self._forget(ask)
            return
        ask.again()
        if ask.type in ("who", "rooms"):
            # Lines of the first answer may still come.
            del self._asks[ask.id]
            ask.renumber(self._next_id())
            self._asks[ask.id] = ask

    def _settle_doubts(self) -> None:
        """Decide what becomes of what was sent and not answered; see `unanswered_requests`."""
        if not self.is_live:
            return
        to_look_up: dict[str, list[Ask]] = {}
        for ask in [*self._asks.values()]:
            is_open = ask.is_doubtful and not ask.is_sent and not ask.is_looked_up
            # The server has the receipts of a member that it holds.
            if not is_open or ask.is_harmless(self._token if self._hold else None):
                continue
            if self._was_not_done(ask):
                ask.is_doubtful = False
            elif ask.room is None:
                self._answer(ask, UNKNOWN)
            else:
                to_look_up.setdefault(ask.room, []).append(ask)
        self._lookups += [Lookup(room, asks) for room, asks in to_look_up.items()]

    def _was_not_done(self, ask: Ask) -> bool:
        """Tell whether the replay has shown that a request was not carried out."""
        was_replayed = ask.room in self._replayed and not ask.has_gap
        return was_replayed and (not ask.is_said or ask.token == self._brought)

    def _look(self, lookup: Lookup, event: ChatEvent) -> None:
        """Learn the outcome of requests from a page of the history."""
        if isinstance(event, History):
            for past in event.events:
                ask = lookup.find(past, self._own, self._named_for)
                if ask is not None:
                    self._answer(ask, past)
            if lookup.goes_on(event):
                return
        self._lookups.remove(lookup)
        knows_nothing = isinstance(event, Error) and event.code != "no-such-room"
        for ask in lookup.asks:
            ask.is_looked_up = False
            if ask.id in self._asks and knows_nothing and ask.is_said:
                self._answer(ask, UNKNOWN)
            else:
                ask.is_doubtful = False

    def _send(self, ask: Ask) -> None:
        self._last_order += 1
        ask.is_sent = True
        ask.order = self._last_order
        if not ask.is_doubtful:
            ask.name = self.name
            ask.token = self._token
            ask.since = self._known.seen.get(ask.room or "", 0)
            ask.has_gap = False

    def _answer(self, ask: Ask, event: ChatEvent) -> None:
        """Give a request its answer."""
        self._known.asked(ask.room, ask.type)
        if isinstance(event, Error) and (ask.type, event.code) == ("leave", "not-in-room"):
            # It was left before: the connection, or the first answer, was lost.
            self._known.leave(ask.room or "")
        if isinstance(event, Members) and (room := self.rooms.get(event.room)) is not None:
            room.members, room.count = [*ask.parts], len(ask.parts)
        elif isinstance(event, Renamed):
            self.name = event.to  # Also where it was replayed.
        elif ask.type == "nick" and not isinstance(event, Error):
            self.name = ask.fields["name"]
        elif isinstance(event, RoomEvent):
            self._own.add((event.room, event.number))
            if getattr(event, "re", 0) is None:
                event = msgspec.structs.replace(event, re=ask.id)
        ask.answer = event
        self._forget(ask)

    def _forget(self, ask: Ask) -> None:
        if self._asks.pop(ask.id, None) is not None:
            ask.on_done()
        if not self._asks:
            self._own.clear()

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id
