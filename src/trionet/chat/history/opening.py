"""Opening a history file: whose it is, who holds it, and how it ended the last time.

A file that cannot be used is refused with one line, and never changed: first its header is read in
a way that changes nothing.

Only SQLite may open a history. When a process closes any descriptor of a file, it loses all its
POSIX locks on that file, those that SQLite holds too. Without them, the next program that reads the
file believes that it is alone, and deletes the log at its end, while the server goes on writing to
it.
"""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
import stat
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, convert

from trionet.chat.history import schema
from trionet.chat.history.faults import FAULTS, HistoryError, reason_of
from trionet.chat.history.rows import COLUMNS
from trionet.chat.names.room_names import LOBBY
from trionet.chat.names.unique_name import UniqueName
from trionet.chat.state.operations import KeptRoom, Restore
from trionet.errors import system_reason

# How long SQLite waits for a lock of another program, in seconds.
_PATIENCE = 1.0

encode_skeletons = msgspec.json.Encoder().encode
_decode_skeletons = msgspec.json.Decoder(tuple[str, ...]).decode

# Of a row of `rooms`: key, skeletons, last, topic, time.
_Room = tuple[str, str, Annotated[int, Meta(ge=0)], str, int]


class Facts(Struct, frozen=True, kw_only=True):
    """What a file says of itself: see `schema.TABLES`."""

    epoch: str
    is_clean: int
    highest: Annotated[int, Meta(ge=0)]
    indexed: Annotated[int, Meta(ge=0)]
    unerased: int


def check(file: Path, *, may_be_new: bool) -> bool:
    """Return whether a file exists; one that is not a history is refused. Nothing is changed.

    Args:
        file: its path.
        may_be_new: whether it is to be written, and made if it does not exist.

    Raises:
        HistoryError: it is something else, or cannot be read.
    """
    try:
        status = file.stat()
    except FileNotFoundError:
        if may_be_new:
            return False
        raise HistoryError(f"there is no file {file}") from None
    except OSError as error:
        raise HistoryError(f"cannot read {file}: {system_reason(error)}") from None
    if not stat.S_ISREG(status.st_mode):
        raise HistoryError(f"cannot use {file}: it is not a regular file")
    if may_be_new and status.st_nlink > 1:
        # Under each of its names SQLite has another log, and a server another lock.
        raise HistoryError(
            f"cannot use {file}: the file has {status.st_nlink} names (hard links); use a copy"
        )
    if not os.access(file, os.R_OK):
        raise HistoryError(f"cannot read {file}: {os.strerror(errno.EACCES).lower()}")
    if not status.st_size and may_be_new:
        return False
    marked, version = _header(file)
    if marked != schema.APPLICATION_ID or version < 1:
        raise HistoryError(f"{file} is not the history of a trionet chat")
    if version > schema.VERSION:
        raise HistoryError(f"{file} was written by a newer version of trionet")
    return True


def open_for_reading(file: Path) -> sqlite3.Connection:
    """Open a history that exists, without changing it. A server may be writing to it.

    Raises:
        HistoryError: it cannot be used.
    """
    check(file, may_be_new=False)
    with _telling(file, "read"):
        at = sqlite3.connect(
            f"{file.absolute().as_uri()}?{_mode(file)}",
            uri=True,
            timeout=_PATIENCE,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _set_up(at, (*schema.SETTINGS, *schema.READER_SETTINGS))
            _check_tables(at, file)
        except BaseException:
            at.close()
            raise
    return at


def open_for_writing(file: Path) -> tuple[sqlite3.Connection, Restore]:
    """Open a history, or make one. The file's lock is held.

    Until the end is marked as clean by `mark_clean`, it counts as unclean.

    Returns:
        The connection, and what the chat begins with. The epoch is a new one unless the last server
        ended cleanly.

    Raises:
        HistoryError: it cannot be used; it was not changed.
    """
    check(file, may_be_new=True)
    with _telling(file, "write to"):
        at = sqlite3.connect(file, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            # A server that was killed while it made the file left it empty.
            if not at.execute("PRAGMA page_count").fetchone()[0]:
                _create(at)
            _set_up(at, (*schema.SETTINGS, *schema.WRITER_SETTINGS))
            _migrate(at)
            _check_tables(at, file)
            restored = _begin(at)
        except BaseException:
            at.close()
            raise
    return at, restored


def facts_of(at: sqlite3.Connection) -> Facts:
    """Return what a file says of itself.

    Raises:
        ValueError: some of it is missing, or cannot be.
    """
    return convert(dict(at.execute("SELECT name, value FROM facts").fetchall()), Facts)


def has_fts5(at: sqlite3.Connection) -> bool:
    """Return whether this SQLite has full-text search."""
    return bool(at.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchall())


def has_index(at: sqlite3.Connection) -> bool:
    """Return whether a file has an index."""
    return bool(at.execute("SELECT 1 FROM sqlite_schema WHERE name = 'words'").fetchall())


def mark_clean(at: sqlite3.Connection) -> None:
    """Write that all was written: the epoch goes on with the next server."""
    # Everything else must be on the disk first: after a power cut, the mark must not lie.
    at.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    at.execute("UPDATE facts SET value = 1 WHERE name = 'is_clean'")
    at.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def stat_of(file: Path) -> os.stat_result:
    """Return which file it is that has this path now."""
    return file.stat()


def check_in_place(file: Path, opened: os.stat_result) -> None:
    """Check that a path still leads to the file that was opened.

    Raises:
        FileNotFoundError: it does not.
    """
    try:
        is_there = os.path.samestat(file.stat(), opened)
    except OSError:
        is_there = False
    if not is_there:
        raise FileNotFoundError(errno.ENOENT, "the file was taken away", str(file))


class _telling:  # noqa: N801
    """Turns what SQLite raises into a `HistoryError` with the file's name."""

    def __init__(self, file: Path, what: str) -> None:
        self._file, self._what = file, what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, FAULTS):
            reason = reason_of(error)
            raise HistoryError(f"cannot {self._what} {self._file}: {reason}") from None


def _header(file: Path) -> tuple[int, int]:
    """Return the application and the version that a database is marked with; 0: it has no mark."""
    # `immutable`: nothing is locked, rolled back or made.
    address = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        at = sqlite3.connect(address, uri=True)
        try:
            # Otherwise this would refuse a file whose server was killed while it carried the log
            # over: the header then tells of pages that only the log has.
            at.execute("PRAGMA writable_schema = ON")
            marked = at.execute("PRAGMA application_id").fetchone()[0]
            return marked, at.execute("PRAGMA user_version").fetchone()[0]
        finally:
            at.close()
    except sqlite3.Error as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            return 0, 0
        raise HistoryError(f"cannot read {file}: {reason_of(error)}") from None


def _mode(file: Path) -> str:
    """Return how to open a file to read from it."""
    log = file.with_name(f"{file.name}-wal")
    if not os.access(file.parent, os.W_OK) and not log.exists():
        # No file can be made beside it, so nobody is writing to it either.
        return "mode=ro&immutable=1"
    # With `ro` SQLite leaves the files beside it behind.
    return "mode=rw" if os.access(file, os.W_OK) else "mode=ro"


def _create(at: sqlite3.Connection) -> None:
    # In one transaction, and before the file has a log of its own: a kill -9 leaves an empty file.
    at.execute("BEGIN IMMEDIATE")
    at.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    at.execute(f"PRAGMA user_version = {schema.VERSION}")
    for statement in schema.TABLES:
        at.execute(statement)
    facts = {"epoch": "", "is_clean": 0, "highest": 0, "indexed": 0, "unerased": 0}
    at.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
    at.execute("COMMIT")


def _set_up(at: sqlite3.Connection, settings: tuple[str, ...]) -> None:
    for setting in settings:
        at.execute(setting).fetchall()


def _migrate(at: sqlite3.Connection) -> None:
    version: int = at.execute("PRAGMA user_version").fetchone()[0]
    for step in range(version, schema.VERSION):
        at.execute("BEGIN IMMEDIATE")
        for statement in schema.MIGRATIONS[step]:
            at.execute(statement)
        at.execute(f"PRAGMA user_version = {step + 1}")
        at.execute("COMMIT")


def _check_tables(at: sqlite3.Connection, file: Path) -> None:
    """Read a little of each table, so that most damage shows at the start."""
    statement = f"SELECT {COLUMNS} FROM events JOIN rooms ON rooms.id = events.room"
    at.execute(f"{statement} LIMIT 1").fetchall()
    at.execute(f"{statement} ORDER BY events.id DESC LIMIT 1").fetchall()
    if has_index(at) and not has_fts5(at):
        raise HistoryError(
            f"cannot use {file}: it has a full-text index, and this SQLite has no FTS5"
        )


def _begin(at: sqlite3.Connection) -> Restore:
    at.execute("BEGIN IMMEDIATE")
    # All is read before anything is changed.
    facts = facts_of(at)
    rows = at.execute(
        "SELECT key, skeletons, last, topic, time FROM rooms WHERE topic <> '' OR key = ?"
        " ORDER BY topic_row",
        [LOBBY],
    ).fetchall()
    rooms = tuple(
        KeptRoom(UniqueName(key, key, _decode_skeletons(skeletons)), last, topic, time)
        for key, skeletons, last, topic, time in convert(rows, list[_Room])
    )
    epoch = facts.epoch if facts.is_clean else secrets.token_hex(8)
    if has_fts5(at) and not has_index(at):
        at.execute(schema.INDEX)
    if has_index(at):
        for setting in schema.INDEX_SETTINGS:
            at.execute(setting)
    at.execute("UPDATE facts SET value = ? WHERE name = 'epoch'", [epoch])
    at.execute("UPDATE facts SET value = 0 WHERE name = 'is_clean'")
    at.execute("COMMIT")
    # This must be on the disk before anything else, so that the end counts as unclean after a power
    # cut too.
    at.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return Restore(epoch, rooms, facts.highest)
