"""The rows of one transaction, and how they get into a history file.

Few statements write them. Each call of SQLite lets go of Python's lock, and a busy server may then
keep it for 5 ms: with one call for each row, the thread could slow down to 200 rows/s.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from time import sleep

from msgspec import convert

from trionet.chat.history import opening
from trionet.chat.history.prepared_rows import Part, Prepared
from trionet.chat.history.rows import NOTHING, OPTIONAL, Kind, in_parts, index_entry, index_text
from trionet.chat.names.room_names import parse_room
from trionet.errors import TrionetError

# How many rows one statement has: as many of the first size as there are, and so on.
_SIZES = (512, 128, 64, 8, 1)

# Tables and their columns, with a row of what is put there.
_WORDS = "words (rowid, text)", "(?, ?)"
_DELETIONS = "words (words, rowid, text)", "(?, ?, ?)"
_WORD_COLUMNS = 2

# How many rows go into the index at a time. At the end of each statement the index writes what it
# has as a part of its own, and all parts are merged later.
_INDEXED = 128

# How many pages of the index are merged for each page of new words: in a file of 10 million
# messages each word is merged five times. And how many at a time. SQLite by itself merges for up to
# 20 ms at a time: with 10,000 messages/s of eight words each, the thread took the processor for
# more than 2 ms between two pauses 13 times a second. Now it does so 1.4 times a second.
_MERGED = 8
_MERGE_STEP = 8
_PAGE = 4096

# How long the thread that writes pauses after each part, in seconds. Without pauses, it may keep a
# core for as long as the kernel lets it, some 3 ms, while the server waits. With 10,000 messages/s
# to 100 members, 99 of 100 were delivered within 3.4 to 4.8 ms; without pauses 5.2 to 6.1.
_PAUSE = 0.001

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
        # What is yet to be put into the index.
        self._words: list[object] = []
        self._in_haste = False
        self._indexes = has_index and indexed == last_row
        self._has_index = has_index
        self._indexed = indexed
        self.last_row = last_row
        self.has_erased = False

    @property
    def indexed(self) -> int:
        """The last row that is in the index now."""
        return self.last_row if self._indexes else self._indexed

    def write(self, rows: Prepared) -> None:
        """Write all rows after all others. Those that erase a text do so."""
        self._in_haste = rows.in_haste
        for key, (_, time) in rows.lasts.items():
            self._find_room(key, time)
        first = self.last_row
        for part in rows.parts:
            self._write(part)
            self._pause()
            if len(self._words) >= _INDEXED * _WORD_COLUMNS:
                self._index()
        self._index()
        for key, number in rows.erased:
            self._erase(self._rooms[key], number)
        self._at.executemany(
            "UPDATE rooms SET last = ?, time = ? WHERE id = ?",
            [(last, time, self._rooms[key]) for key, (last, time) in rows.lasts.items()],
        )
        self._at.executemany(
            "UPDATE rooms SET topic = ?, topic_row = ? WHERE id = ?",
            [(topic, first + row, self._rooms[key]) for key, (topic, row) in rows.topics.items()],
        )

    def _write(self, part: Part) -> None:
        count, first = len(part.rooms), self.last_row + 1
        rooms = [self._rooms[key] for key in part.rooms]
        columns = {"id": range(first, first + count), "room": rooms, **part.columns}
        values: list[object] = [None] * (count * len(columns))
        for place, column in enumerate(columns.values()):
            values[place :: len(columns)] = column
        _insert(self._at, _events(*columns), values)
        if self._indexes:
            for place, words, name in zip(part.messages, part.words, part.names, strict=True):
                self._words += (first + place, index_entry(words, name, rooms[place]))
        self.last_row += count

    def _index(self) -> None:
        """Put into the index what is yet to be, and merge a little of it."""
        if not self._words:
            return
        words, self._words = self._words, []
        _insert(self._at, _WORDS, words)
        self._pause()
        pages = merging_for(words)
        step = pages if self._in_haste else _MERGE_STEP
        for _ in range(0, pages, step):
            if not merge(self._at, step):
                return
            self._pause()

    def _pause(self) -> None:
        if not self._in_haste:
            sleep(_PAUSE)

    def _find_room(self, key: str, time: int) -> None:
        if key in self._rooms:
            self._rooms.move_to_end(key)
            return
        found = self._at.execute("SELECT id FROM rooms WHERE key = ?", [key]).fetchone()
        if found is None:
            found = self._at.execute(
                "INSERT INTO rooms (key, skeletons, last, time) VALUES (?, ?, 0, ?) RETURNING id",
                [key, opening.encode_skeletons(_skeletons(key)).decode(), time],
            ).fetchone()
        self._rooms[key] = found[0]

    def _erase(self, room: int, number: int) -> None:
        row = self._at.execute(
            "SELECT id, room, kind, name, text FROM events"
            " WHERE room = ? AND number = ? AND kind <= ?",
            [room, number, Kind.ACTED],
        ).fetchone()
        if row is None:
            return
        if self._has_index and row[0] <= self.indexed:
            unindex(self._at, [row])
        self._at.execute("DELETE FROM events WHERE id = ?", [row[0]])
        self.has_erased = True


def index(at: sqlite3.Connection, rows: Sequence[IndexedRow]) -> None:
    """Put rows into the index that are in the file already."""
    words: list[object] = [value for row in _texts(rows) for value in row]
    _insert(at, _WORDS, words)
    merge(at, merging_for(words))


def merge(at: sqlite3.Connection, pages: int) -> bool:
    """Merge this many pages of the index; return whether there was anything to merge.

    With a negative number SQLite begins to merge all that there is, and positive ones go on with
    it.
    """
    before = at.total_changes
    at.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", [pages])
    return at.total_changes - before >= 2


def merging_for(words: Sequence[object]) -> int:
    """Return how many pages are to be merged after some rows and words went into the index."""
    return 1 + _MERGED * sum([len(one) for one in words if isinstance(one, str)]) // _PAGE


def unindex(at: sqlite3.Connection, rows: Sequence[IndexedRow]) -> None:
    """Take rows out of the index; they are as they were when they went in."""
    deleted: list[object] = []
    for row, text in _texts(rows):
        deleted += ("delete", row, text)
    _insert(at, _DELETIONS, deleted)


def _texts(rows: Sequence[IndexedRow]) -> list[tuple[int, str]]:
    """Return the words that the index has for each row that is a message."""
    return [
        (id_, index_text(room, name, text))
        for id_, room, kind, name, text in convert(rows, list[IndexedRow])
        if Kind.SAID <= kind <= Kind.ACTED and text is not None
    ]


def _skeletons(key: str) -> tuple[str, ...]:
    try:
        return parse_room(key).skeletons
    except TrionetError:
        # A room that was named by other rules.
        return (key,)


def _insert(at: sqlite3.Connection, into: tuple[str, str], values_: list[object]) -> None:
    columns = into[1].count("?")
    start = 0
    for size in in_parts(len(values_) // columns, _SIZES):
        end = start + size * columns
        at.execute(_insertion(*into, size), values_[start:end])
        start = end


@cache
def _events(*columns: str) -> tuple[str, str]:
    """Return the table of events with some of its columns, and a row of what is put there."""
    row = [f"nullif(?, {NOTHING})" if column in OPTIONAL else "?" for column in columns]
    return f"events ({', '.join(columns)})", f"({', '.join(row)})"


@cache
def _insertion(table: str, row: str, rows: int) -> str:
    return f"INSERT INTO {table} VALUES {', '.join([row] * rows)}"
