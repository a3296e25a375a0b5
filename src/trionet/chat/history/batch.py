"""The rows of one transaction, and how they get into a history file.

Rows go in by statements of up to 512 rows each: one call of SQLite for many rows. Each call lets go
of Python's lock, and a busy server may then keep it for 5 ms: with one call for each row, the
thread could slow down to 200 rows/s. (Pauses while rows are made were tried too, and made nobody
wait less.)
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Sequence
from functools import cache

from msgspec import convert

from trionet.chat.history import opening
from trionet.chat.history.rows import ACTED, SAID, in_parts, index_text, values
from trionet.chat.history.runs import last_number
from trionet.chat.names.room_names import parse_room
from trionet.chat.state.events import Removed, RoomEvent, TopicSet
from trionet.errors import TrionetError

# How many rows one statement has: as many of the first size as there are, and so on.
_SIZES = (512, 64, 8, 1)

_EVENTS, _EVENT_COLUMNS = "events", 10
_WORDS, _WORD_COLUMNS = "words (rowid, text)", 2
_DELETIONS, _DELETION_COLUMNS = "words (words, rowid, text)", 3

# Of a row of `events`: id, room, kind, name, text. They come from a file that may be damaged.
IndexedRow = tuple[int, int, int, str, str | None]


class Batch:
    """The rows of one transaction.

    Args:
        at: the file, in a transaction that its owner ends.
        rooms: the ids of rooms by their keys, those that were used last. It grows.
        last_row: the last row that the file ever had.
        indexed: the last row that is in the index.
        has_index: whether there is an index.

    Attributes:
        last_row: the last row now.
        highest: the highest number of these events.
        has_erased: whether a text was erased.
    """

    def __init__(
        self,
        at: sqlite3.Connection,
        rooms: OrderedDict[str, int],
        last_row: int,
        indexed: int,
        has_index: bool,
    ) -> None:
        self._at = at
        self._rooms = rooms
        # The values of all rows in one list: to put a tuple a row into one and take them out again
        # cost 5 % of a batch.
        self._events: list[object] = []
        self._words: list[object] = []
        # The last number and time of each room, and its topic with its row.
        self._lasts: dict[int, tuple[int, int]] = {}
        self._topics: dict[int, tuple[str, int]] = {}
        self._indexes = has_index and indexed == last_row
        self._has_index = has_index
        self._indexed = indexed
        self.last_row = last_row
        self.highest = 0
        self.has_erased = False

    @property
    def indexed(self) -> int:
        """The last row that is in the index now."""
        return self.last_row if self._indexes else self._indexed

    def add(self, event: RoomEvent) -> None:
        """Put an event behind all others; a `Removed` erases its text."""
        room = self._rooms.get(event.room) or self._find_room(event.room, event.time)
        self._rooms.move_to_end(event.room)
        if type(event) is Removed:
            self._flush()
            self._erase(room, event.of)
        row = self.last_row
        for one in values(event):
            row += 1
            self._events += (row, room, *one)
            if self._indexes and one[2] <= ACTED and one[4] is not None:
                self._words += (row, index_text(room, one[3], one[4]))
        self.last_row = row
        if type(event) is TopicSet:
            self._topics[room] = event.text, row
        last = last_number(event)
        self._lasts[room] = last, event.time
        if last > self.highest:
            self.highest = last

    def finish(self) -> None:
        """Write all that is not written yet."""
        self._flush()
        self._at.executemany(
            "UPDATE rooms SET last = ?, time = ? WHERE id = ?",
            [(last, time, room) for room, (last, time) in self._lasts.items()],
        )
        self._at.executemany(
            "UPDATE rooms SET topic = ?, topic_row = ? WHERE id = ?",
            [(topic, row, room) for room, (topic, row) in self._topics.items()],
        )

    def _flush(self) -> None:
        _insert(self._at, _EVENTS, _EVENT_COLUMNS, self._events)
        _insert(self._at, _WORDS, _WORD_COLUMNS, self._words)
        self._events.clear()
        self._words.clear()

    def _find_room(self, key: str, time: int) -> int:
        found = self._at.execute("SELECT id FROM rooms WHERE key = ?", [key]).fetchone()
        if found is None:
            found = self._at.execute(
                "INSERT INTO rooms (key, skeletons, last, time) VALUES (?, ?, 0, ?) RETURNING id",
                [key, opening.encode_skeletons(_skeletons(key)).decode(), time],
            ).fetchone()
        self._rooms[key] = room = int(found[0])
        return room

    def _erase(self, room: int, number: int) -> None:
        row = self._at.execute(
            "SELECT id, room, kind, name, text FROM events"
            " WHERE room = ? AND number = ? AND kind <= ?",
            [room, number, ACTED],
        ).fetchone()
        if row is None:
            return
        if self._has_index and row[0] <= self.indexed:
            unindex(self._at, [row])
        self._at.execute("DELETE FROM events WHERE id = ?", [row[0]])
        self.has_erased = True


def index(at: sqlite3.Connection, rows: Sequence[IndexedRow]) -> None:
    """Put rows into the index that are in the file already."""
    _insert(at, _WORDS, _WORD_COLUMNS, [value for row in _texts(rows) for value in row])


def unindex(at: sqlite3.Connection, rows: Sequence[IndexedRow]) -> None:
    """Take rows out of the index; they are as they were when they went in."""
    deleted: list[object] = []
    for row, text in _texts(rows):
        deleted += ("delete", row, text)
    _insert(at, _DELETIONS, _DELETION_COLUMNS, deleted)


def _texts(rows: Sequence[IndexedRow]) -> list[tuple[int, str]]:
    """Return the words that the index has for each row that is a message."""
    return [
        (id_, index_text(room, name, text))
        for id_, room, kind, name, text in convert(rows, list[IndexedRow])
        if SAID <= kind <= ACTED and text is not None
    ]


def _skeletons(key: str) -> tuple[str, ...]:
    try:
        return parse_room(key).skeletons
    except TrionetError:
        # A room that was named by other rules.
        return (key,)


def _insert(at: sqlite3.Connection, into: str, columns: int, values_: list[object]) -> None:
    start = 0
    for size in in_parts(len(values_) // columns, _SIZES):
        end = start + size * columns
        at.execute(_insertion(into, columns, size), values_[start:end])
        start = end


@cache
def _insertion(into: str, columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"INSERT INTO {into} VALUES {', '.join([row] * rows)}"
