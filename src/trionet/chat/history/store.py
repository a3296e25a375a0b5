"""Writing to a history file. Everything here runs in one thread at a time, never in Trio's.

A batch of events is one transaction. Its rows go in by statements of up to 512 rows each: one call
of SQLite for many rows. Around each call Python's lock is let go, and a busy server may keep it for
5 ms: with one call for each row, the thread could come down to 200 rows/s. (Pauses while rows are
made were tried too, and made nobody wait less.)
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from itertools import takewhile
from pathlib import Path

from msgspec import convert

from trionet.chat.events import Removed, RoomEvent, TopicSet
from trionet.chat.history import opening
from trionet.chat.history.rows import ACTED, SAID, Values, in_parts, index_text, values
from trionet.chat.history.runs import last_number
from trionet.chat.room_names import parse_room
from trionet.errors import TrionetError

_SIZES = (512, 64, 8, 1)

# The rooms whose numbers in the file are in memory. (Each takes some 200 bytes.)
_ROOMS_KNOWN = 10_000

# What one step of merging the index does, in pages of 4 KiB: some 20 ms.
_MERGE_PAGES = 256

# What one step of indexing or forgetting does, in rows.
_STEP = 2_000


# Of a row of `events`: id, room, kind, name, text. They come from a file that may be damaged.
_Indexed = tuple[int, int, int, str, str | None]

_Kept = tuple[int, int, int, int, str, str | None]  # With the time behind the room.


class Store:
    """A history file that this process writes.

    Args:
        file: its path. It is made if it does not exist.

    Attributes:
        restored: what the chat begins with.
        position: how many events have been written.
        has_index: whether there is full-text search.

    Raises:
        trionet.chat.HistoryError: the file cannot be used; it was not changed.
    """

    def __init__(self, file: Path) -> None:
        opening.check(file, may_be_new=True)
        self._file = file
        self._lock = opening.FileLock(file)
        try:
            self._at, self.restored = opening.open_for_writing(file)
        except BaseException:
            self._lock.release()
            raise
        self._opened = opening.stat_of(file)
        # One thread at a time: one whose waiting was given up may still be writing.
        self._mutex = threading.Lock()
        self.position = 0
        self.has_index = opening.has_index(self._at)
        facts = opening.facts_of(self._at)
        self._highest = facts.highest
        self._indexed = facts.indexed
        self.is_unerased = bool(facts.unerased)
        self._is_merging = False
        # Whether removed text may still be in the log of the file.
        self.must_truncate = False
        # Rows that were deleted do not come again: the index may still have them.
        self._last_row: int = self._at.execute(
            "SELECT max(coalesce((SELECT max(id) FROM events), 0),"
            " coalesce((SELECT max(topic_row) FROM rooms), 0), ?)",
            [self._indexed],
        ).fetchone()[0]
        self._rooms: OrderedDict[str, int] = OrderedDict()
        if self.has_index and sqlite3.sqlite_version_info >= (3, 42):
            self._at.execute("INSERT INTO words (words, rank) VALUES ('secure-delete', 1)")

    def last_numbers(self, most: int) -> dict[str, int]:
        """Return the last number of each room, of so many that were used last."""
        with self._mutex:
            return dict(
                self._at.execute(
                    "SELECT key, last FROM rooms ORDER BY time DESC LIMIT ?", [most]
                ).fetchall()
            )

    def write(self, events: Sequence[RoomEvent], position: int) -> int:
        """Write some events; return how many have been written since the start.

        What was written before is not written again: a thread that was given up may have done so.

        Args:
            events: the events.
            position: how many events came before the first of these.

        Raises:
            sqlite3.Error, OSError: nothing was written.
        """
        with self._mutex:
            events = events[max(0, self.position - position) :]
            # SQLite would go on writing to a file that has no name any more.
            opening.check_in_place(self._file, self._opened)
            if events:
                batch = _Batch(self._at, self._rooms, self._last_row, self._indexed, self.has_index)
                self._at.execute("BEGIN IMMEDIATE")
                try:
                    for event in events:
                        batch.add(event)
                    batch.finish()
                    highest = max(self._highest, batch.highest)
                    self._keep("highest", highest)
                    self._keep("indexed", batch.indexed)
                    if batch.has_erased and sqlite3.sqlite_version_info < (3, 42):
                        self._keep("unerased", 1)
                    self._at.execute("COMMIT")
                except BaseException:
                    self._roll_back()
                    raise
                self._highest, self._indexed = highest, batch.indexed
                self._last_row = batch.last_row
                self.position = max(self.position, position) + len(events)
                if batch.has_erased:
                    self.must_truncate = True
                    self.is_unerased |= sqlite3.sqlite_version_info < (3, 42)
                    self._is_merging = False
            if self.must_truncate:
                self._truncate()
            while len(self._rooms) > _ROOMS_KNOWN:
                self._rooms.popitem(last=False)
            return self.position

    @property
    def has_work(self) -> bool:
        """Whether `work` has something to do."""
        return (
            self.must_truncate
            or (self.has_index and self.is_unerased)
            or (self.has_index and self._indexed < self._last_row)
        )

    def work(self) -> None:
        """Do a little of what must be done some time: some 20 ms of it.

        Raises:
            sqlite3.Error: it was not done.
        """
        with self._mutex:
            if self.has_index and self._indexed < self._last_row:
                self._index_more()
            elif self.has_index and self.is_unerased:
                self._merge()
            if self.must_truncate:
                self._truncate()

    def forget(self, before: int) -> bool:
        """Delete some of the events before a time; return whether there may be more.

        Args:
            before: in milliseconds since 1970, UTC.

        Raises:
            sqlite3.Error: nothing was deleted.
        """
        with self._mutex:
            rows = self._at.execute(
                "SELECT id, room, time, kind, name, text FROM events ORDER BY id LIMIT ?", [_STEP]
            ).fetchall()
            # They lie in the order of their times, unless somebody has set the clock.
            kept = convert(rows, list[_Kept])
            old = list(takewhile(lambda row: row[2] < before, kept))
            if not old:
                return False
            self._at.execute("BEGIN IMMEDIATE")
            try:
                if self.has_index:
                    indexed = [row for row in old if row[0] <= self._indexed]
                    _unindex(self._at, [(row[0], row[1], *row[3:]) for row in indexed])
                self._at.execute("DELETE FROM events WHERE id <= ?", [old[-1][0]])
                rooms = {row[1] for row in old}
                self._at.executemany(
                    "DELETE FROM rooms WHERE id = ? AND topic = ''"
                    " AND NOT EXISTS (SELECT 1 FROM events WHERE room = rooms.id)",
                    [[room] for room in rooms],
                )
                self._at.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
            self._rooms.clear()
            return len(old) == len(rows)

    def mark_clean(self) -> None:
        """Write that everything was written.

        Raises:
            sqlite3.Error, OSError: it could not be written.
        """
        with self._mutex:
            opening.check_in_place(self._file, self._opened)
            opening.mark_clean(self._at)

    def close(self) -> None:
        """Close the file, and let another server have it."""
        with self._mutex:
            self._at.close()
            self._lock.release()

    def _keep(self, fact: str, value: int) -> None:
        self._at.execute("UPDATE facts SET value = ? WHERE name = ?", [value, fact])

    def _roll_back(self) -> None:
        self._rooms.clear()
        if self._at.in_transaction:
            self._at.execute("ROLLBACK")

    def _truncate(self) -> None:
        # Somebody who reads keeps it busy: it is tried again.
        busy = self._at.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        self.must_truncate = bool(busy)

    def _index_more(self) -> None:
        rows = self._at.execute(
            "SELECT id, room, kind, name, text FROM events WHERE id > ? ORDER BY id LIMIT ?",
            [self._indexed, _STEP],
        ).fetchall()
        indexed = rows[-1][0] if rows else self._last_row
        self._at.execute("BEGIN IMMEDIATE")
        try:
            _insert(self._at, "words (rowid, text)", 2, list(_indexed(rows)))
            self._keep("indexed", indexed)
            self._at.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self._indexed = indexed

    def _merge(self) -> None:
        """Merge the parts of the index, so that what was deleted is in none any more.

        As `optimize` does it, but in steps: with a negative number SQLite begins to merge all that
        there is, and positive ones go on with it.
        """
        pages = _MERGE_PAGES if self._is_merging else -_MERGE_PAGES
        before = self._at.total_changes
        self._at.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", [pages])
        if self._at.total_changes - before >= 2:
            self._is_merging = True
            return
        self._is_merging = False
        self._keep("unerased", 0)
        self.is_unerased = False
        self.must_truncate = True


class _Batch:
    """The rows of one transaction."""

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
        self._rows: list[tuple[int, int, *Values]] = []
        self._words: list[tuple[int, str]] = []
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
        return self.last_row if self._indexes else self._indexed

    def add(self, event: RoomEvent) -> None:
        room = self._rooms.get(event.room) or self._find_room(event.room, event.time)
        self._rooms.move_to_end(event.room)
        if isinstance(event, Removed):
            self._flush()
            self._erase(room, event.of)
        for row in values(event):
            self.last_row += 1
            self._rows.append((self.last_row, room, *row))
            _, _, kind, name, text, *_ = row
            if self._indexes and kind <= ACTED and text is not None:
                self._words.append((self.last_row, index_text(room, name, text)))
        if isinstance(event, TopicSet):
            self._topics[room] = event.text, self.last_row
        last = last_number(event)
        self._lasts[room] = last, event.time
        self.highest = max(self.highest, last)

    def finish(self) -> None:
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
        _insert(self._at, "events", 10, self._rows)
        _insert(self._at, "words (rowid, text)", 2, self._words)
        self._rows.clear()
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
            _unindex(self._at, [row])
        self._at.execute("DELETE FROM events WHERE id = ?", [row[0]])
        self.has_erased = True


def _skeletons(key: str) -> tuple[str, ...]:
    try:
        return parse_room(key).skeletons
    except TrionetError:
        # A room that was named by other rules.
        return (key,)


def _indexed(rows: Sequence[_Indexed]) -> list[tuple[int, str]]:
    return [
        (id_, index_text(room, name, text))
        for id_, room, kind, name, text in convert(rows, list[_Indexed])
        if SAID <= kind <= ACTED and text is not None
    ]


def _unindex(at: sqlite3.Connection, rows: Sequence[_Indexed]) -> None:
    deleted = [("delete", id_, text) for id_, text in _indexed(rows)]
    _insert(at, "words (words, rowid, text)", 3, deleted)


def _insert(
    at: sqlite3.Connection, into: str, columns: int, rows: Sequence[tuple[object, ...]]
) -> None:
    start = 0
    for size in in_parts(len(rows), _SIZES):
        part = rows[start : start + size]
        at.execute(_insertion(into, columns, size), [value for row in part for value in row])
        start += size


@cache
def _insertion(into: str, columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"INSERT INTO {into} VALUES {', '.join([row] * rows)}"
