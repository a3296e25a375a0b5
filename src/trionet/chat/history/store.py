"""Writing to a history file. Everything here runs in one thread at a time, never in Trio's.

A batch of events is one transaction: see `batch.py`.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import convert

from trionet.chat.history import opening
from trionet.chat.history.batch import Batch, index, merge, unindex
from trionet.chat.history.file_lock import FileLock
from trionet.chat.history.history import DAY
from trionet.chat.history.prepared_rows import Prepared
from trionet.chat.history.reading import last_numbers
from trionet.chat.state.events import RoomEvent

# The rooms whose numbers in the file are in memory. (Each takes some 200 bytes.)
_ROOMS_KNOWN = 10_000

# What one step of merging the index does, in pages of 4 KiB: some 20 ms.
_MERGE_PAGES = 256

# What one step of indexing or forgetting does, in rows.
_STEP = 2_000


# Of a row of `events`: id, room, time, kind, name, text. They come from a file that may be damaged.
_Kept = tuple[int, int, int, int, str, str | None]


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
        self._lock = FileLock(file)
        self._is_closed = False
        try:
            self._at, self.restored = opening.open_for_writing(file)
        except BaseException:
            self._lock.release()
            raise
        self._opened = opening.stat_of(file)
        # One thread at a time: a thread that nobody waits for any more may still be writing.
        self._mutex = threading.Lock()
        self.position = 0
        self.has_index = opening.has_index(self._at)
        facts = opening.facts_of(self._at)
        self._highest = facts.highest
        self._indexed = facts.indexed
        self.is_unerased = bool(facts.unerased)
        self._is_merging = False
        # Whether events were deleted that were too old, and may still be in the log or the index;
        # the day on which the index was merged because of such.
        self._has_forgotten = False
        self._merged_on = 0
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
        """Return the last number of each of the `most` rooms that were used last."""
        with self._mutex:
            return last_numbers(self._at, most)

    def write(self, events: Sequence[RoomEvent], position: int) -> int:
        """Do what `write_rows` does, in one go."""
        rows = Prepared(has_index=self.has_index, in_haste=True)
        for _ in rows.add(events):
            pass
        return self.write_rows(rows, position)

    def write_rows(self, rows: Prepared, position: int) -> int:
        """Write some events; return how many have been written since the start.

        Nothing is written if some of it was written before: a thread that was given up may have
        done so.

        Args:
            rows: the events.
            position: how many events came before the first of these.

        Raises:
            sqlite3.Error, OSError: nothing was written.
        """
        with self._mutex:
            self._check_in_place()
            if rows.events and position >= self.position:
                batch = Batch(self._at, self._rooms, self._last_row, self._indexed, self.has_index)
                self._at.execute("BEGIN IMMEDIATE")
                try:
                    batch.write(rows)
                    highest = max(self._highest, rows.highest)
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
                self.position = position + rows.events
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
        """Do a little of the upkeep that has no hurry: some 20 ms of it.

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

    def forget(self, before: int, now: int) -> bool:
        """Delete some of the events before a time; return whether there may be more.

        Args:
            before: in milliseconds since 1970, UTC.
            now: the time now, likewise.

        Raises:
            sqlite3.Error: nothing was deleted.
        """
        with self._mutex:
            rows = self._at.execute(
                "SELECT id, room, time, kind, name, text FROM events ORDER BY id LIMIT ?", [_STEP]
            ).fetchall()
            old = _old(convert(rows, list[_Kept]), before, now)
            if old:
                self._delete(old)
            may_be_more = bool(old) and len(old) == len(rows)
            if not may_be_more and self._has_forgotten:
                self._erase_forgotten(before // DAY)
            return may_be_more

    def _delete(self, old: list[_Kept]) -> None:
        self._at.execute("BEGIN IMMEDIATE")
        try:
            if self.has_index:
                indexed = [row for row in old if row[0] <= self._indexed]
                unindex(self._at, [(row[0], row[1], *row[3:]) for row in indexed])
            self._at.execute("DELETE FROM events WHERE id <= ?", [old[-1][0]])
            self._at.executemany(
                "DELETE FROM rooms WHERE id = ? AND topic = ''"
                " AND NOT EXISTS (SELECT 1 FROM events WHERE room = rooms.id)",
                [[room] for room in {row[1] for row in old}],
            )
            self._at.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self._rooms.clear()
        self._has_forgotten = True

    def _erase_forgotten(self, day: int) -> None:
        """See to it that no byte of what was forgotten stays, in the index within a day."""
        self._has_forgotten = False
        # To merge all of a large index takes long.
        if sqlite3.sqlite_version_info < (3, 42) and day != self._merged_on:
            self._keep("unerased", 1)
            self.is_unerased, self._is_merging, self._merged_on = True, False, day
        self._truncate()

    def mark_clean(self) -> None:
        """Write that everything was written.

        Raises:
            sqlite3.Error, OSError: it could not be written.
        """
        with self._mutex:
            self._check_in_place()
            opening.mark_clean(self._at)

    def close(self) -> None:
        """Close the file, and let another server have it; a second call does nothing."""
        with self._mutex:
            if not self._is_closed:
                self._is_closed = True
                self._at.close()
                self._lock.release()

    def _check_in_place(self) -> None:
        """Check that the file still has its name: SQLite would go on writing to one that has none.

        Raises:
            FileNotFoundError: it has not.
        """
        try:
            opening.check_in_place(self._file, self._opened)
        except FileNotFoundError:
            # The log has its name still. If another file has come in this one's place, whoever
            # opens that next would carry the log over into it.
            with suppress(sqlite3.Error):
                self._truncate()
            raise

    def _keep(self, fact: str, value: int) -> None:
        self._at.execute("UPDATE facts SET value = ? WHERE name = ?", [value, fact])

    def _roll_back(self) -> None:
        self._rooms.clear()
        if self._at.in_transaction:
            self._at.execute("ROLLBACK")

    def _truncate(self) -> None:
        # A reader keeps it busy: the next step tries again.
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
            index(self._at, rows)
            self._keep("indexed", indexed)
            self._at.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self._indexed = indexed

    def _merge(self) -> None:
        """Merge the parts of the index, so that what was deleted is in none any more.

        As `optimize` does it, but in steps.
        """
        pages = _MERGE_PAGES if self._is_merging else -_MERGE_PAGES
        if merge(self._at, pages):
            self._is_merging = True
            return
        self._is_merging = False
        self._keep("unerased", 0)
        self.is_unerased = False
        self.must_truncate = True


def _old(rows: list[_Kept], before: int, now: int) -> list[_Kept]:
    """Return the rows up to the last one before a time.

    They lie in the order of their times, unless somebody has set the clock: those of a clock that
    was ahead go with the next old one. Alone they stay, for perhaps it is this clock that is wrong.
    """
    end = 0
    for place, row in enumerate(rows):
        if row[2] < before:
            end = place + 1
        elif row[2] <= now:
            break
    return rows[:end]
