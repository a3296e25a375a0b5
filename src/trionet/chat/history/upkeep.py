"""What is done with a history file as a whole: printed, backed up, checked.

A server may be writing to it meanwhile. Nothing here changes it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from trionet.chat.history import opening
from trionet.chat.history.faults import FAULTS, HistoryError, reason_of
from trionet.chat.history.rows import (
    COLUMNS,
    JSON_ROWS,
    Kind,
    index_query,
    read_rows,
)
from trionet.chat.history.words import Wanted, fold
from trionet.chat.state.events import RoomEvent

# How many rows are read at a time.
_ROWS = 2_000

_ALL = JSON_ROWS.format(
    select=f"""
    SELECT {COLUMNS} FROM events CROSS JOIN rooms ON rooms.id = events.room
    WHERE events.id > :row AND events.time >= :since AND (:room IS NULL OR events.room = :room)
    ORDER BY events.id LIMIT :rows
    """
)
_INDEXED = JSON_ROWS.format(
    select=f"""
    SELECT {COLUMNS}
    FROM (
        SELECT rowid AS row FROM words WHERE words MATCH :query AND rowid > :row
        ORDER BY rowid LIMIT :rows
    )
    CROSS JOIN events ON events.id = row CROSS JOIN rooms ON rooms.id = events.room
    ORDER BY row
    """
)


class Selection(Struct, frozen=True, kw_only=True):
    """Which events are printed; ``None``: all.

    Attributes:
        text: messages with all of these words, as `words.Wanted` has it.
        room: the key of their room.
        name: messages of whoever had this name, in any case.
        since: not what was before, in milliseconds since 1970, UTC.
    """

    text: str | None = None
    room: str | None = None
    name: str | None = None
    since: int | None = None


def select(file: Path, selection: Selection) -> Iterator[RoomEvent]:
    """Yield events of a file, oldest first.

    Raises:
        HistoryError: the file cannot be read, or it has no such room.
    """
    at = opening.open_for_reading(file)
    try:
        room = None
        if selection.room is not None:
            found = at.execute("SELECT id FROM rooms WHERE key = ?", [selection.room]).fetchone()
            if found is None:
                raise HistoryError(f"there is no room {selection.room} in {file}")
            room = found[0]
        yield from _select(at, selection, room)
    except FAULTS as error:
        raise HistoryError(f"cannot read {file}: {reason_of(error)}") from None
    finally:
        at.close()


def _select(at: sqlite3.Connection, selection: Selection, room: int | None) -> Iterator[RoomEvent]:
    since = selection.since or 0
    wanted = None if selection.text is None else Wanted(selection.text, selection.name)
    name = None if selection.name is None else fold(selection.name)
    row, statement, query = 0, _ALL, ""
    indexed = 0
    if wanted and opening.has_index(at):
        indexed = at.execute("SELECT value FROM facts WHERE name = 'indexed'").fetchone()[0]
        statement, query = _INDEXED, index_query(wanted, room)
    while True:
        given = {"row": row, "since": since, "room": room, "rows": _ROWS, "query": query}
        rows, events = read_rows(at.execute(statement, given).fetchone())
        for one, event in zip(rows, events, strict=True):
            if wanted is not None:
                if one.time >= since:
                    yield from wanted.among(event)
            elif name is None or (one.kind.is_message and fold(one.name) == name):
                yield event
        if rows:
            row = rows[-1].id
        elif statement is _INDEXED:
            # What the index does not have yet is looked at row by row.
            statement, row = _ALL, max(row, indexed)
        else:
            return


def back_up(file: Path, to: Path) -> None:
    """Copy a file as it is at one moment. A server that writes to it does not wait.

    The copy counts as one that did not end cleanly: a server that begins with it begins a new
    epoch, because the numbers after its last may have been given already.

    Raises:
        HistoryError: it cannot be copied, or there is a file at the other path.
    """
    at = opening.open_for_reading(file)
    try:
        # Nothing is overwritten.
        to.open("xb").close()
    except OSError as error:
        at.close()
        raise HistoryError(f"cannot write to {to}: {reason_of(error)}") from None
    copy = sqlite3.connect(to, isolation_level=None)
    try:
        at.backup(copy)
        copy.execute("UPDATE facts SET value = 0 WHERE name = 'is_clean'")
        copy.close()
    except FAULTS as error:
        copy.close()
        for end in ("", "-wal", "-shm", "-journal"):
            to.with_name(f"{to.name}{end}").unlink(missing_ok=True)
        raise HistoryError(f"cannot copy {file} to {to}: {reason_of(error)}") from None
    finally:
        at.close()


def check(file: Path) -> tuple[int, int]:
    """Read all of a file, and return how many events and rooms it has.

    Raises:
        HistoryError: it is damaged, with the first damage that was found.
    """
    at = opening.open_for_reading(file)
    try:
        damage = at.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if damage == "ok":
            damage = _contradiction(at)
        if damage is not None:
            raise HistoryError(f"{file} is damaged: {' '.join(damage.lower().split())}")
        events = at.execute("SELECT count(*) FROM events").fetchone()[0]
        rooms = at.execute("SELECT count(*) FROM rooms").fetchone()[0]
    except sqlite3.Error as error:
        raise HistoryError(f"{file} is damaged: {reason_of(error)}") from None
    finally:
        at.close()
    return events, rooms


def _contradiction(at: sqlite3.Connection) -> str | None:
    """Return what is contradictory in a file; ``None``: nothing is."""
    wrong = at.execute(
        "SELECT key FROM rooms WHERE last <"
        " (SELECT max(number) FROM events WHERE events.room = rooms.id) LIMIT 1"
    ).fetchone()
    if wrong is not None:
        return f"the room {wrong[0]} has events beyond its last number"
    lost = at.execute(
        "SELECT id FROM events WHERE room NOT IN (SELECT id FROM rooms) LIMIT 1"
    ).fetchone()
    if lost is not None:
        return f"the event in row {lost[0]} has no room"
    strange = at.execute(
        "SELECT id FROM events WHERE typeof(number) <> 'integer' OR typeof(time) <> 'integer'"
        f" OR typeof(name) <> 'text' OR kind NOT BETWEEN {min(Kind)} AND {max(Kind)}"
        " OR typeof(text) NOT IN ('text', 'null') OR typeof(detail) NOT IN ('integer', 'null')"
        " OR typeof(author) NOT IN ('text', 'null')"
        " OR length(author) <> 64 OR author GLOB '*[^0-9a-f]*' LIMIT 1"
    ).fetchone()
    if strange is not None:
        return f"the event in row {strange[0]} cannot be"
    row = at.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0]
    indexed = at.execute("SELECT value FROM facts WHERE name = 'indexed'").fetchone()[0]
    if opening.has_index(at) and indexed > row and row:
        return "the index has more rows than there are events"
    return None
