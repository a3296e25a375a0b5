"""Events made ready for the thread that writes them: the values of rows, in short parts. Pure.

A thread that makes rows holds the interpreter's lock, and the server can only look on. So rows are
made in the server's own thread, a few at a time, and the other one hands them to SQLite.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from trionet.chat.history.message_runs import last_number
from trionet.chat.history.rows import index_entries, name_word, values
from trionet.chat.state.events import Acted, Removed, RoomEvent, Said, TopicSet

# How much is made at a time: this many rows or characters. Short texts take some 0.1 ms. The
# thread writes as much in 0.15 ms, and pauses (see `Batch`).
_ROWS = 64
_CHARACTERS = 8_192

# How many of these are one part in haste.
_TOGETHER = 8


class Part(Struct, gc=False):
    """Rows that are written together.

    Attributes:
        rooms: the key of the room of each.
        values: what `rows.values` returns of each, all in one list.
        messages: the places of messages among them.
        entries: of each message what `index_entries` returns.
    """

    rooms: list[str]
    values: list[object]
    messages: list[int]
    entries: list[str]


class Prepared:
    """The rows of one transaction.

    Args:
        has_index: whether there is an index.
        in_haste: they are to be written fast, and not in short parts with pauses between them.

    Attributes:
        in_haste: as given.
        events: how many events there are.
        parts: their rows, in order.
        erased: the room and number of each message that is erased after they are written.
        lasts: the last number and time of each room.
        topics: the topic of each room that got one, and which row of these, from 1, that is.
        highest: the highest number.
    """

    def __init__(self, *, has_index: bool, in_haste: bool) -> None:
        self.in_haste = in_haste
        self.events = 0
        self.parts: list[Part] = []
        self.erased: list[tuple[str, int]] = []
        self.lasts: dict[str, tuple[int, int]] = {}
        self.topics: dict[str, tuple[str, int]] = {}
        self.highest = 0
        self._has_index = has_index
        # How many rows are in parts that are complete.
        self._count = 0
        # The next part; `texts` and `names` are those of messages that have no entry yet.
        self._rooms: list[str] = []
        self._values: list[object] = []
        self._messages: list[int] = []
        self._entries: list[str] = []
        self._texts: list[str] = []
        self._names: list[str] = []

    def add(self, events: Iterable[RoomEvent]) -> Iterator[None]:
        """Add all of the events, and yield whenever a little of it is done."""
        most = _TOGETHER if self.in_haste else 1
        rows = characters = done = 0
        for event in events:
            room, kind = event.room, type(event)
            is_message = self._has_index and (kind is Said or kind is Acted)
            for one in values(event):
                text = str(one[6])
                if is_message:
                    self._messages.append(len(self._rooms))
                    self._texts.append(text)
                    self._names.append(event.name)
                self._rooms.append(room)
                self._values += one
                rows += 1
                characters += len(text)
                if rows == _ROWS or characters >= _CHARACTERS:
                    rows = characters = 0
                    done += 1
                    self._make_entries()
                    if done % most == 0:
                        self._end_part()
                    yield
            self._count_in(event)
        self._end_part()

    def _count_in(self, event: RoomEvent) -> None:
        self.events += 1
        last = last_number(event)
        self.lasts[event.room] = last, event.time
        if last > self.highest:
            self.highest = last
        if type(event) is TopicSet:
            self.topics[event.room] = event.text, self._count + len(self._rooms)
        elif type(event) is Removed:
            self.erased.append((event.room, event.of))

    def _make_entries(self) -> None:
        self._entries += index_entries(self._texts, map(name_word, self._names))
        self._texts.clear()
        self._names.clear()

    def _end_part(self) -> None:
        if self._rooms:
            self._make_entries()
            self.parts.append(Part(self._rooms, self._values, self._messages, self._entries))
            self._count += len(self._rooms)
        self._rooms, self._values, self._messages, self._entries = [], [], [], []
