"""What a chat's client has asked for, until it is answered. Pure.

The server answers in order. After a lost connection the requests that nobody has answered are sent
again, and nothing may be said twice because of that. So the client first finds out whether a
request was carried out:

- The server itself knows what it has said for a member that it holds: it repeats the receipt.
- Other events of one's own come in the replay, which has everything that was not seen, unless a
  `missed` says otherwise.
- Behind a `missed`, the history of the room has them: it is looked up (`Lookup`).
- What no history has, a private message for a member that is not held any more, is not said again.
  Its call fails, and says that nobody knows.

Whatever does no harm when it is done twice is just done again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from trionet.chat.client.events import (
    Acted,
    ChatEvent,
    Error,
    History,
    Members,
    Removed,
    RoomEvent,
    Rooms,
    Said,
    TopicSet,
)
from trionet.chat.formats.requests import Misunderstood
from trionet.chat.formats.texts import safe_texts, safe_topic, size_of

# Bytes of one request. A server takes 16,384 unless its operator has set another number. It answers
# a longer line without a name, and over a multiple of that it closes the connection.
_USUAL_REQUEST = 16_384
_MAX_REQUEST = 65_536

# Bytes of a list that comes in several lines: more than the names of 100,000 members.
_MOST_IN_LISTS = 16 << 20

# The error for what can be neither found out nor repeated. No server sends this code.
UNKNOWN = Error(
    code="unknown",
    reason="the connection was lost, and the server does not know any more whether this was said",
)


class Ask:
    """A request until it is answered.

    Attributes:
        fields: what is asked for.
        line: the same as it is sent.
        name: what this member was called when it was sent.
        answer: the answer's last line, ``None`` before it has come.
        parts: what the lines before the last one had, for lists.
        is_sent: whether the present connection has it.
        is_wanted: whether somebody waits for the answer.
        is_doubtful: whether it was sent, and may have been carried out, without an answer.
        is_looked_up: whether the history is being asked about it.
        order: its place among everything sent.
        token: names the member that it was sent for.
        since: the room's last number that was seen when it was sent first.
        has_gap: whether events of its room were missed since.
    """

    __slots__ = (
        "answer", "fields", "has_gap", "id", "is_doubtful", "is_looked_up", "is_sent", "is_wanted",
        "line", "name", "on_done", "order", "parts", "since", "size", "token",
    )  # fmt: skip

    def __init__(self, id_: int, fields: dict[str, Any], on_done: Callable[[], object]) -> None:
        self.fields = fields
        self.renumber(id_)
        self.on_done = on_done
        self.name = ""
        self.is_sent = self.is_doubtful = self.is_looked_up = self.has_gap = False
        self.is_wanted = True
        self.order = 0
        self.since = 0
        self.token: str | None = None
        self.answer: ChatEvent | None = None
        self.parts: list[Any] = []
        self.size = 0

    @property
    def type(self) -> str:
        """The request's type in the protocol."""
        return str(self.fields["type"])

    @property
    def room(self) -> str | None:
        """The room that it is about."""
        room = self.fields.get("room")
        return room if isinstance(room, str) else None

    def is_harmless(self, receipts_of: str | None) -> bool:
        """Tell whether it does no harm to send it again, though it may have been carried out.

        Args:
            receipts_of: the token for which the server repeats receipts; ``None``: for none.
        """
        if self.is_said:
            return self.token == receipts_of
        return not self.can_be_seen

    @property
    def is_said(self) -> bool:
        """Whether it says something, so that it must not be carried out twice."""
        return self.type in ("say", "act", "tell")

    @property
    def can_be_seen(self) -> bool:
        """Whether it causes an event of its own in a room."""
        return self.type in _CAUSED

    def is_done_by(self, event: ChatEvent) -> bool:
        """Tell whether an event of its room may be its outcome."""
        kind = _CAUSED[self.type]
        if not isinstance(event, kind) or event.number <= self.since or event.name != self.name:
            return False
        if isinstance(event, Removed):
            return bool(event.of == self.fields["number"])
        try:
            return bool(getattr(event, "text", None) == _READ[self.type](self.fields["text"]))
        except Misunderstood:
            return False

    def take(self, event: ChatEvent, size: int) -> bool:
        """Take a line of the answer, and tell whether it is the last.

        Raises:
            ValueError: the list has no end.
        """
        if isinstance(event, Members | Rooms):
            self.size += size
            if self.size > _MOST_IN_LISTS:
                raise ValueError("a list without an end")
            self.parts += event.members if isinstance(event, Members) else event.rooms
            if event.more:
                return False
        self.answer = event
        return True

    def too_long(self) -> Error | None:
        """Return what a server would answer, if this is too long to be sent."""
        size = size_of(self.line)
        if size > _USUAL_REQUEST and self.type in _READ:
            try:
                _READ[self.type](self.fields["text"])
            except Misunderstood as error:
                return Error(code=error.code, reason=str(error))
        if size > _MAX_REQUEST:
            return Error(code="bad-line", reason=f"a request has at most {_MAX_REQUEST} bytes")
        return None

    def renumber(self, id_: int) -> None:
        """Take another id."""
        self.id = id_
        self.line = as_line({**self.fields, "id": id_})

    def again(self) -> None:
        """Note that it was not answered, and may have been carried out."""
        self.is_sent = False
        self.is_doubtful = True
        self.parts.clear()
        self.size = 0


# What comes of a request in a room.
_CAUSED: dict[str, type[RoomEvent]] = {
    "say": Said,
    "act": Acted,
    "topic": TopicSet,
    "remove": Removed,
}

# How the server reads the text of a request.
_READ: dict[str, Callable[[str], str]] = {
    "say": safe_texts,
    "act": safe_texts,
    "tell": safe_texts,
    "topic": safe_topic,
}


class Lookup:
    """A look into a room's history for requests of which nobody knows what came.

    Attributes:
        asks: those requests.
        id: names the request for a page; ``None``: the next one has to be asked for.
    """

    def __init__(self, room: str, asks: Iterable[Ask]) -> None:
        self.asks = [*asks]
        self.id: int | None = None
        self._room = room
        self._after = min(ask.since for ask in self.asks)
        for ask in self.asks:
            ask.is_looked_up = True

    def next_page(self, id_: int) -> str:
        """Return the request for the next page."""
        self.id = id_
        fields = {"type": "history", "room": self._room, "after": self._after, "limit": 500}
        return as_line({**fields, "id": id_})

    def goes_on(self, page: History) -> bool:
        """Note a page, and tell whether there is another to look into."""
        last = page.events[-1].number if page.events else 0
        is_over = not self.asks or not page.more or last <= self._after
        self._after, self.id = last, None
        return not is_over

    def find(
        self, event: ChatEvent, others: set[tuple[str, int]], named_for: str | None = None
    ) -> Ask | None:
        """Return the request that an event came of, and look for it no more.

        Args:
            event: from the history.
            others: the rooms and numbers of what is known to be the outcome of other requests.
            named_for: the token of which the history names each message's request (J116);
                ``None``: of none.
        """
        if isinstance(event, RoomEvent) and (self._room, event.number) not in others:
            for ask in self.asks:
                if ask.is_said and ask.token == named_for is not None:
                    is_it = getattr(event, "re", None) == ask.id
                else:
                    is_it = ask.is_done_by(event)
                if is_it:
                    self.asks.remove(ask)
                    return ask
        return None


def as_line(fields: dict[str, Any]) -> str:
    """Return a request as it is sent.

    Raises:
        UnicodeEncodeError: a text has half of a surrogate pair.
    """
    return msgspec.json.encode(fields).decode()
