"""Events made ready for the thread that writes them, as JSON that SQLite itself takes apart. Pure.

A thread that makes rows in Python, or binds them one by one, holds the interpreter's lock for some
10 ms of each batch, and the server can only look on. So rows are made in the server's own thread, a
few at a time, and the other one hands them to SQLite as one text, which needs no lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import msgspec
from msgspec import Struct

from trionet.chat.history.message_runs import last_number
from trionet.chat.history.rows import Values, index_entry, values
from trionet.chat.state.events import Acted, Removed, RoomEvent, Said, TopicSet

# How much is made at a time: this many rows or characters. Short texts take some 0.15 ms.
_ROWS = 64
_CHARACTERS = 8_192

# From here on a part is long enough, in bytes of JSON. SQLite takes 0.8 ms for 64 short messages;
# then the thread pauses (see `Batch`). In haste, a part is long when copying it takes 0.1 ms.
_LONG = 4 << 10
_LONG_IN_HASTE = 256 << 10

# SQLite ends a text of JSON at this character. It can stand in ids.
_NUL = b"\\u0000"

# What `values` returns, and the room's key.
Keyed: TypeAlias = tuple[*Values, str]

_as_json = msgspec.json.Encoder().encode


class Part(Struct, gc=False):
    """Rows that are written together.

    Attributes:
        count: how many there are.
        events: as JSON, of each what `values` returns, and its room's key.
        entries: as JSON, of each the `index_entry`, or null.
        singly: instead of `events`, where SQLite could not read that.
        erased: the room and number of a message that is erased before they are written.
    """

    count: int
    events: str
    entries: str
    singly: list[Keyed] | None = None
    erased: tuple[str, int] | None = None


class Prepared:
    """The rows of one transaction.

    Args:
        has_index: whether there is an index.
        in_haste: they are to be written fast, and not in short parts with pauses between them.

    Attributes:
        in_haste: as given.
        events: how many events there are.
        parts: their rows, in order.
        lasts: the last number and time of each room.
        topics: the topic of each room that got one, and which row of these, from 1, that is.
        highest: the highest number.
    """

    def __init__(self, *, has_index: bool, in_haste: bool) -> None:
        self.in_haste = in_haste
        self.events = 0
        self.parts: list[Part] = []
        self.lasts: dict[str, tuple[int, int]] = {}
        self.topics: dict[str, tuple[str, int]] = {}
        self.highest = 0
        self._has_index = has_index
        self._long = _LONG_IN_HASTE if in_haste else _LONG
        # How many rows are in parts, or will be in the next one.
        self._count = 0
        # The rows that are made next.
        self._rows: list[Keyed] = []
        self._entries: list[str | None] = []
        # What the next part has so far, as JSON without the outer brackets.
        self._erased: tuple[str, int] | None = None
        self._json: list[bytes] = []
        self._json_entries: list[bytes] = []
        self._length = 0
        self._in_part = 0

    def add(self, events: Iterable[RoomEvent]) -> Iterator[None]:
        """Add all of the events, and yield whenever a little of it is done."""
        characters = 0
        for event in events:
            room = event.room
            if type(event) is Removed:
                self._end_part()
                self._erased = room, event.of
            has_words = isinstance(event, Said | Acted)
            for one in values(event):
                text = one[4] or ""
                self._rows.append((*one, room))
                if self._has_index:
                    self._entries.append(index_entry(event.name, text) if has_words else None)
                characters += len(text)
                if len(self._rows) >= _ROWS or characters >= _CHARACTERS:
                    self._encode()
                    characters = 0
                    yield
            self._count_in(event)
        self._end_part()

    def _count_in(self, event: RoomEvent) -> None:
        self.events += 1
        last = last_number(event)
        self.lasts[event.room] = last, event.time
        self.highest = max(self.highest, last)
        if type(event) is TopicSet:
            self.topics[event.room] = event.text, self._count + len(self._rows)

    def _encode(self) -> None:
        """Turn the rows that are made into JSON."""
        if not self._rows:
            return
        rows, entries = _as_json(self._rows), _as_json(self._entries)
        if _NUL in rows:
            made, self._rows = self._rows, []
            self._end_part()
            self._count += len(made)
            self.parts.append(Part(len(made), "", entries.decode(), made, self._erased))
            self._erased = None
        else:
            self._count += len(self._rows)
            self._in_part += len(self._rows)
            self._json.append(rows[1:-1])
            if self._has_index:
                self._json_entries.append(entries[1:-1])
            self._length += len(rows) + len(entries)
        self._rows, self._entries = [], []
        if self._length >= self._long:
            self._end_part()

    def _end_part(self) -> None:
        self._encode()
        if self._json:
            events, entries = _joined(self._json), _joined(self._json_entries)
            self.parts.append(Part(self._in_part, events, entries, None, self._erased))
            self._erased = None
        self._json, self._json_entries, self._length, self._in_part = [], [], 0, 0


def _joined(pieces: list[bytes]) -> str:
    return f"[{b','.join(pieces).decode()}]"
