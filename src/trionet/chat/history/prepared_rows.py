"""Events made ready for the thread that writes them: the values of rows, in short parts. Pure.

A thread that makes rows holds the interpreter's lock, and the server can only look on. So rows are
made in the server's own thread, a few at a time, and the other one hands them to SQLite.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from trionet.chat.history.rows import Kind, Values, columns_of, name_word, values
from trionet.chat.history.words import words_of_each
from trionet.chat.state.events import Removed, RoomEvent, TopicSet

# How much is made at a time: this many rows or characters. Short texts take some 0.1 ms. The
# thread writes as much in 0.15 ms, and pauses (see `Batch`).
_ROWS = 64
_CHARACTERS = 8_192

# How many of these are one part in haste.
_TOGETHER = 8

# Kinds up to this one are messages. (To ask a `Kind` takes longer.)
_LAST_MESSAGE = int(Kind.ACTED)


class Part(Struct, gc=False):
    """Rows that are written together.

    Attributes:
        rooms: the key of the room of each.
        columns: what `rows.columns_of` returns of them.
        messages: the places of messages among them.
        words: the words of each message, with spaces between them.
        names: the `name_word` of who said each.
    """

    rooms: list[str]
    columns: dict[str, tuple[Any, ...]]
    messages: list[int]
    words: list[str]
    names: list[str]


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
        # The next part.
        self._rooms: list[str] = []
        self._rows: list[Values] = []
        self._messages: list[int] = []
        self._words: list[str] = []
        self._names: list[str] = []

    def add(self, events: Iterable[RoomEvent]) -> Iterator[None]:
        """Add all of the events, and yield whenever a little of it is done.

        Whatever can be done for many rows at once is: a message takes 1.8 µs here, and 2.4 if all
        is done for each.
        """
        most = _TOGETHER if self.in_haste else 1
        rooms, rows = self._rooms, self._rows
        characters = done = start = 0
        for event in events:
            self.events += 1
            room = event.room
            for one in values(event):
                rooms.append(room)
                rows.append(one)
                text = one[4]
                if type(text) is str:
                    characters += len(text)
                if len(rows) - start == _ROWS or characters >= _CHARACTERS:
                    self._find_words(start)
                    done += 1
                    if done % most == 0:
                        self._end_part()
                        rooms, rows = self._rooms, self._rows
                    start, characters = len(rows), 0
                    yield
            if type(event) is TopicSet:
                self.topics[room] = event.text, self._count + len(rows)
            elif type(event) is Removed:
                self.erased.append((room, event.of))
        self._find_words(start)
        self._end_part()

    def _find_words(self, start: int) -> None:
        """Find the words of the messages from a place on."""
        if not self._has_index:
            return
        rows = self._rows[start:]
        messages = [place for place, row in enumerate(rows, start) if row[2] <= _LAST_MESSAGE]
        if len(messages) < len(rows):
            rows = [self._rows[place] for place in messages]
        if rows:
            _, _, _, names, texts, *_ = zip(*rows, strict=True)
            self._messages += messages
            self._words += words_of_each(texts)
            self._names += map(name_word, names)

    def _end_part(self) -> None:
        rooms, rows = self._rooms, self._rows
        if not rows:
            return
        columns = columns_of(rows)
        numbers, times = columns["number"], columns["time"]
        self.lasts.update(zip(rooms, zip(numbers, times, strict=True), strict=True))
        self.highest = max(self.highest, *numbers)
        self.parts.append(Part(rooms, columns, self._messages, self._words, self._names))
        self._count += len(rows)
        self._rooms, self._rows = [], []
        self._messages, self._words, self._names = [], [], []
