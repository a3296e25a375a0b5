"""Reading from a history file: pages, search, one message. Runs in threads, never in Trio's.

A connection to read with is opened when it is needed, and kept for the next one: a server's readers
are few. Each question is one call of SQLite, see `rows.JSON_ROWS`.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trionet.chat.history import message_runs, opening
from trionet.chat.history.history import Page, Query
from trionet.chat.history.rows import (
    COLUMNS,
    JSON_ROWS,
    Answer,
    Row,
    index_query,
    read_rows,
)
from trionet.chat.history.words import Wanted
from trionet.chat.state.events import RoomEvent

# How many rows one question reads while it looks for texts without the index.
_SCANNED = 2_000

# How many rows of a stretch are read at a time. It is bounded in bytes, and only the first few tell
# how long the rows are. The rest may be long for all that: 256 with the longest texts are 1 MiB.
_FIRST = 32
_AT_ONCE = 256

# How long one search may look at texts without the index, in seconds.
_SEARCH_SECONDS = 2.0

_BEYOND = 1 << 62

_PAGE_BEFORE = JSON_ROWS.format(
    select=f"""
    SELECT {COLUMNS} FROM rooms CROSS JOIN events ON events.room = rooms.id
    WHERE rooms.key = ? AND number < ? ORDER BY number DESC LIMIT ?
    """
)
_PAGE_AFTER = JSON_ROWS.format(
    select=f"""
    SELECT {COLUMNS} FROM rooms CROSS JOIN events ON events.room = rooms.id
    WHERE rooms.key = ? AND number > ? AND number < ? ORDER BY number LIMIT ?
    """
)
_ONE = JSON_ROWS.format(
    select=f"""
    SELECT {COLUMNS} FROM rooms CROSS JOIN events ON events.room = rooms.id
    WHERE rooms.key = ? AND number = ?
    """
)
_INDEXED = JSON_ROWS.format(
    select=f"""
    SELECT {COLUMNS}
    FROM (
        SELECT rowid AS row FROM words WHERE words MATCH ? AND rowid < ?
        ORDER BY rowid DESC LIMIT ?
    )
    CROSS JOIN events ON events.id = row CROSS JOIN rooms ON rooms.id = events.room
    ORDER BY row DESC
    """
)
_SCAN = JSON_ROWS.format(
    select=f"""
    SELECT {COLUMNS} FROM events CROSS JOIN rooms ON rooms.id = events.room
    WHERE events.id > ? AND events.id < ? ORDER BY events.id DESC LIMIT ?
    """
)
_SCAN_ROOM = JSON_ROWS.format(
    select=f"""
    SELECT {COLUMNS} FROM rooms CROSS JOIN events ON events.room = rooms.id
    WHERE rooms.key = ? AND number < ? ORDER BY number DESC LIMIT ?
    """
)


class Reader:
    """A history file, to read from. Any thread may ask.

    Args:
        file: its path.

    Raises:
        trionet.chat.HistoryError: it cannot be used.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._free: list[sqlite3.Connection] = [opening.open_for_reading(file)]
        self._opened = opening.stat_of(file)
        self._lock = threading.Lock()
        self._is_closed = False
        self._has_index = opening.has_index(self._free[0])

    def before(self, room: str, number: int, limit: int) -> list[RoomEvent]:
        """Return the newest events of a room with smaller numbers, the newest first.

        Raises:
            sqlite3.Error: they cannot be read.
        """
        with self._connection() as at:
            return _events(at, _PAGE_BEFORE, room, number, limit)

    def after(self, room: str, number: int, before: int, limit: int) -> list[RoomEvent]:
        """Return the oldest events of a room with numbers between two, the oldest first."""
        with self._connection() as at:
            return _events(at, _PAGE_AFTER, room, number, before, limit)

    def since(self, room: str, number: int, before: int, most_bytes: int) -> list[RoomEvent]:
        """Return as many of these events as have so many bytes of JSON, and some more."""
        found: list[RoomEvent] = []
        rows, left = _FIRST, most_bytes
        with self._connection() as at:
            # One transaction sees the file as of one moment. Otherwise, events that are forgotten
            # between two questions would be a gap that nobody notices.
            at.execute("BEGIN")
            while left > 0:
                answer = _ask(at, _PAGE_AFTER, room, number, before, rows)
                events = read_rows(answer)[1]
                found += events
                if len(events) < rows:
                    break
                number, size = events[-1].number, len(answer[0])
                left -= size
                rows = max(1, min(_AT_ONCE, left * rows // size))
            at.execute("COMMIT")
        return found

    def one(self, room: str, number: int) -> RoomEvent | None:
        """Return the event of a room with this number."""
        with self._connection() as at:
            events = _events(at, _ONE, room, number)
            return events[0] if events else None

    def last(self, room: str) -> int | None:
        """Return the last number of a room; ``None``: the file has nothing of it."""
        with self._connection() as at:
            row = at.execute("SELECT last FROM rooms WHERE key = ?", [room]).fetchone()
            return None if row is None else int(row[0])

    def last_numbers(self, most: int) -> dict[str, int]:
        """Return the last number of each of the `most` rooms that were used last."""
        with self._connection() as at:
            return last_numbers(at, most)

    def search(self, query: Query, limit: int) -> tuple[list[RoomEvent], bool]:
        """Return the newest messages that match, the newest first, and whether it gave up.

        It gives up after 2 s of reading texts that are not in the index.
        """
        wanted = Wanted(query.text, query.name)
        found: list[RoomEvent] = []
        until = time.monotonic() + _SEARCH_SECONDS
        with self._connection() as at:
            indexed = self._indexed(at)
            for events in _unindexed(at, query, indexed):
                found += [one for event in events for one in wanted.among(event)]
                if len(found) >= limit:
                    return found[:limit], False
                if time.monotonic() > until:
                    return found, True
            if self._has_index:
                found += _ask_index(at, query, wanted, indexed, limit - len(found))
        return found, False

    def close(self) -> None:
        """Close all connections that nobody is using; the others when they are free."""
        with self._lock:
            self._is_closed = True
            for at in self._free:
                at.close()
            self._free.clear()

    def _indexed(self, at: sqlite3.Connection) -> int:
        """Return the last row that is in the index."""
        if not self._has_index:
            return 0
        return int(at.execute("SELECT value FROM facts WHERE name = 'indexed'").fetchone()[0])

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            at = self._free.pop() if self._free else None
        if at is None:
            # Another file in its place is another chat's history.
            opening.check_in_place(self._file, self._opened)
            at = opening.open_for_reading(self._file)
        try:
            yield at
        except BaseException:
            # Open a torn file anew.
            at.close()
            raise
        with self._lock:
            if self._is_closed:
                at.close()
            else:
                self._free.append(at)


def search(
    reader: Reader,
    unwritten: list[RoomEvent],
    removed: frozenset[tuple[str, int]],
    wanted: Wanted,
    query: Query,
) -> Page:
    """Search what is not written yet, then the file.

    Args:
        reader: the file.
        unwritten: what was not written when the search began.
        removed: what is removed, as pairs of room and number, and may still be in either.
        wanted: what to look for.
        query: how much of it, and where.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    before = _BEYOND if query.before is None else query.before
    found: list[RoomEvent] = []
    for event in reversed(unwritten):
        part = message_runs.cut(event, 0, before)
        if part is not None:
            found += [one for one in wanted.among(part) if (one.room, one.number) not in removed]
        if len(found) > query.limit:
            break
    gave_up = False
    if len(found) <= query.limit:
        # What was written meanwhile is in both.
        known = removed.union([(one.room, one.number) for one in found])
        more, gave_up = reader.search(query, query.limit + 1 + len(known))
        found += [one for one in more if (one.room, one.number) not in known]
    page = message_runs.newest(found, query.limit, query.most_bytes)
    return Page(page.events, True) if gave_up else page


def last_numbers(at: sqlite3.Connection, most: int) -> dict[str, int]:
    """Return the last number of each of the `most` rooms that were used last."""
    statement = "SELECT key, last FROM rooms ORDER BY time DESC LIMIT ?"
    return dict(at.execute(statement, [most]).fetchall())


def _ask_index(
    at: sqlite3.Connection, query: Query, wanted: Wanted, indexed: int, limit: int
) -> list[RoomEvent]:
    room: int | None = None
    below = indexed + 1
    if query.room is not None:
        row = at.execute("SELECT id FROM rooms WHERE key = ?", [query.room]).fetchone()
        if row is None:
            return []
        room = row[0]
        if query.before is not None:
            row = at.execute(
                "SELECT id FROM events WHERE room = ? AND number < ? ORDER BY number DESC LIMIT 1",
                [room, query.before],
            ).fetchone()
            below = min(below, row[0] + 1 if row else 0)
    found: list[RoomEvent] = []
    while len(found) < limit:
        rows, events = _rows(at, _INDEXED, index_query(wanted, room), below, limit - len(found))
        if not rows:
            break
        # All match, unless the file was changed by somebody else.
        found += [one for event in events for one in wanted.among(event)]
        below = rows[-1].id
    return found


def _unindexed(at: sqlite3.Connection, query: Query, indexed: int) -> Iterator[list[RoomEvent]]:
    """Yield the messages that the index lacks, the newest first."""
    before = _BEYOND if query.before is None else query.before
    # A room's rows are looked up by number. If most of them are in the index, that would be slow.
    is_by_room = query.room is not None and not indexed
    below = before if is_by_room else _BEYOND
    while True:
        if is_by_room:
            rows, events = _rows(at, _SCAN_ROOM, query.room, below, _SCANNED)
        else:
            rows, events = _rows(at, _SCAN, indexed, below, _SCANNED)
        if not rows:
            return
        yield [
            event
            for row, event in zip(rows, events, strict=True)
            if row.kind.is_message
            and (query.room is None or (row.room == query.room and row.number < before))
        ]
        below = rows[-1].number if is_by_room else rows[-1].id


def _rows(
    at: sqlite3.Connection, statement: str, *given: object
) -> tuple[list[Row], list[RoomEvent]]:
    return read_rows(_ask(at, statement, *given))


def _events(at: sqlite3.Connection, statement: str, *given: object) -> list[RoomEvent]:
    return read_rows(_ask(at, statement, *given))[1]


def _ask(at: sqlite3.Connection, statement: str, *given: object) -> Answer:
    answer: Answer = at.execute(statement, given).fetchone()
    return answer
