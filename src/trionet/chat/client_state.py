"""What a chat's client knows, and what it has to send because of it. Pure.

The plan of this file: a `ClientState` gets each event with `receive`, returns those that the user
should see, and answers the requests (`Ask`) that wait. After a lost connection (`lost`) it makes a
login that resumes (`login`). Once the replay has ended, `take_lines` returns the unanswered
requests again. A ping after the login marks that end: its pong comes after the replay.

Numbers decide what is new. An event whose number its room has had is not shown again, so that a
message that was replayed and the receipt of its repeated request are one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from trionet.chat.client_events import (
    ChatEvent,
    Closing,
    Entered,
    Epoch,
    Error,
    Joined,
    Left,
    Members,
    Missed,
    Pong,
    Renamed,
    RoomEvent,
    Rooms,
    Told,
    TopicSet,
    Welcome,
)

PRIVATE = "@"


@dataclass
class Room:
    """A room that this client is in, as of the last event received.

    Attributes:
        members: in the order of joining. In a room of more than 20 these are the first 20, until
            `Client.who` has asked for all.
        count: how many members there are.
        topic: empty: none.
        last: the number of the newest event.
    """

    members: list[str]
    count: int
    topic: str
    last: int
    is_current: bool = field(default=True, repr=False)


class Ask:
    """A request until it is answered.

    Attributes:
        answer: its last line, ``None`` before it has come.
        parts: what the lines before the last one had, for lists.
    """

    __slots__ = ("answer", "fields", "is_sent", "is_wanted", "on_done", "parts", "was_repeated")

    def __init__(self, fields: dict[str, Any], on_done: Callable[[], object]) -> None:
        self.fields = fields
        self.on_done = on_done
        self.is_sent = False
        self.is_wanted = True
        self.was_repeated = False
        self.answer: ChatEvent | None = None
        self.parts: list[Any] = []


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
        ended: why the client must not come back; ``None``: it may.
    """

    def __init__(self, name: str, rooms: tuple[str, ...], *, hold: bool) -> None:
        self.name = name
        self.rooms: dict[str, Room] = {}
        self.is_live = False
        self.is_logged_in = False
        self.ended: str | None = None
        self._starting = rooms
        self._hold = hold
        self._token: str | None = None
        self._epoch: str | None = None
        self._seen: dict[str, int] = {}
        self._asks: dict[int, Ask] = {}
        self._last_id = 0
        self._login = 0
        self._sync = 0

    @property
    def waiting(self) -> int:
        """How many requests have no answer yet."""
        return len(self._asks)

    def login(self) -> list[str]:
        """Return the lines that begin a connection."""
        self._login, self._sync = self._next_id(), self._next_id()
        fields: dict[str, Any] = {"type": "login", "name": self.name, "hold": self._hold}
        if self._token is None:
            fields["rooms"] = self._starting
        else:
            # A room whose leaving was not answered may have been left: it must not be joined again.
            leaving = {ask.fields["room"] for ask in self._asks.values() if _is(ask, "leave")}
            fields["rooms"] = [room for room in self.rooms if room not in leaving]
            fields |= {"token": self._token, "seen": self._seen, "epoch": self._epoch}
        fields["id"] = self._login
        return [_line(fields), _line({"type": "ping", "id": self._sync})]

    def ask(self, fields: dict[str, Any], on_done: Callable[[], object]) -> Ask:
        """Add a request; `take_lines` has it next."""
        ask = Ask(fields, on_done)
        self._asks[self._next_id()] = ask
        return ask

    def give_up(self, ask: Ask) -> None:
        """Note that nobody waits for a request any more: it is not sent, or not sent again."""
        ask.is_wanted = False
        if not ask.is_sent:
            self._forget(ask)

    def take_lines(self) -> list[str]:
        """Return the requests that are to be sent now, and count them as sent."""
        if not self.is_live:
            return []
        lines = []
        for id_, ask in self._asks.items():
            if not ask.is_sent:
                ask.is_sent = True
                lines.append(_line({**ask.fields, "id": id_}))
        return lines

    def lost(self) -> None:
        """Note that the connection is lost."""
        self.is_live = self.is_logged_in = False
        for room in self.rooms.values():
            room.is_current = False
        for ask in [*self._asks.values()]:
            if not ask.is_wanted:
                self._forget(ask)
            elif ask.is_sent:
                self._again(ask)

    def receive(self, event: ChatEvent) -> ChatEvent | None:
        """Learn from an event.

        Returns:
            The event, if the user should see it: not an answer, and nothing that was seen before.
        """
        re = getattr(event, "re", None)
        if isinstance(event, Pong) and re == self._sync:
            self._synced()
            return None
        is_new = self._learn(event)
        ask = None if isinstance(event, Missed) else self._asks.get(re)  # type: ignore[arg-type]
        if ask is not None and self._answer(ask, event):
            del self._asks[re]  # type: ignore[arg-type]
            ask.on_done()
        if isinstance(event, Error) and re == self._login:
            return event
        is_event = isinstance(event, RoomEvent | Told | Entered | Welcome | Missed | Epoch)
        if is_event or re is None:
            return event if is_new else None
        return None

    def _learn(self, event: ChatEvent) -> bool:
        """Bring what is known up to date, and tell whether the event is new."""
        if isinstance(event, RoomEvent):
            if event.number <= self._seen.get(event.room, 0):
                return False
            self._seen[event.room] = event.number
            room = self.rooms.get(event.room)
            if room is not None and room.is_current:
                room.last = event.number
                self._change(room, event)
        elif isinstance(event, Told):
            # The sender's receipt has a number of the receiver's.
            if event.re is None or event.from_ == event.to:
                if event.number <= self._seen.get(PRIVATE, 0):
                    return False
                self._seen[PRIVATE] = event.number
        elif isinstance(event, Entered):
            self._seen[event.room] = max(event.last, self._seen.get(event.room, 0))
            room = Room([*event.members], event.count, event.topic, event.last)
            if event.room in self.rooms:
                old = self.rooms[event.room]
                vars(old).update(vars(room))
            else:
                self.rooms[event.room] = room
        elif isinstance(event, Missed):
            self._miss(event)
        elif isinstance(event, Epoch):
            self._epoch = event.epoch
            self._seen.update(event.rooms)
        elif isinstance(event, Welcome):
            self._welcome(event)
        elif isinstance(event, Closing) and event.reason == "taken over":
            self.ended = "another connection has taken this member over"
        return True

    def _change(self, room: Room, event: RoomEvent) -> None:
        is_complete = len(room.members) >= room.count
        if isinstance(event, Joined):
            room.count = event.count
            if is_complete:
                room.members.append(event.name)
        elif isinstance(event, Left):
            room.count = event.count
            if event.name == self.name:
                del self.rooms[event.room]
            elif event.name in room.members:
                room.members.remove(event.name)
        elif isinstance(event, Renamed):
            if event.name in room.members:
                room.members[room.members.index(event.name)] = event.to
            if event.re is not None:
                # Only the copy of the member who did it has `re`, in each of its rooms.
                self.name = event.to
        elif isinstance(event, TopicSet):
            room.topic = event.text

    def _miss(self, event: Missed) -> None:
        if event.room is not None and event.before is not None:
            self._seen[event.room] = max(event.before - 1, self._seen.get(event.room, 0))
        for id_ in event.re if isinstance(event.re, tuple) else ():
            ask = self._asks.get(id_)  # type: ignore[arg-type]
            if ask is not None and ask.is_sent:
                self._again(ask)

    def _welcome(self, event: Welcome) -> None:
        if event.epoch != self._epoch:
            # Numbers of another epoch may be used again.
            self._seen.clear()
        if not event.resumed:
            self._seen.pop(PRIVATE, None)
        self.is_logged_in = True
        self.name, self._token, self._epoch = event.name, event.token, event.epoch

    def _synced(self) -> None:
        for name in [name for name, room in self.rooms.items() if not room.is_current]:
            del self.rooms[name]
        self.is_live = True

    def _answer(self, ask: Ask, event: ChatEvent) -> bool:
        """Take a line of an answer, and tell whether it is the last."""
        if isinstance(event, Members):
            ask.parts += event.members
            if not event.more and (room := self.rooms.get(event.room)) is not None:
                room.members, room.count = [*ask.parts], len(ask.parts)
        elif isinstance(event, Rooms):
            ask.parts += event.rooms
        if isinstance(event, Members | Rooms) and event.more:
            return False
        if isinstance(event, Renamed):
            self.name = event.to  # Also where it was replayed.
        elif _is(ask, "nick") and not isinstance(event, Error):
            self.name = ask.fields["name"]
        ask.answer = event
        return True

    def _again(self, ask: Ask) -> None:
        ask.is_sent = False
        ask.was_repeated = True
        ask.parts.clear()

    def _forget(self, ask: Ask) -> None:
        for id_ in [id_ for id_, one in self._asks.items() if one is ask]:
            del self._asks[id_]
            ask.on_done()

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id


def _is(ask: Ask, type_: str) -> bool:
    return bool(ask.fields["type"] == type_)


def _line(fields: dict[str, Any]) -> str:
    return msgspec.json.encode(fields).decode()
