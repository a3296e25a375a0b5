"""Opening a history file: whose it is, who holds it, and how it ended the last time.

A file that cannot be used is refused with one line, and never changed: its header is read before
SQLite sees it. One server at a time holds a file, by a lock on `FILE-lock` beside it, which the
kernel takes back whatever way the server ends. Programs that only read need no lock.
"""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
from pathlib import Path

import msgspec

from trionet.chat.history import schema
from trionet.chat.operations import KeptRoom, Restore, UniqueName
from trionet.chat.room_names import LOBBY
from trionet.errors import TrionetError, system_reason

# How long SQLite waits for a lock of another program, in seconds.
_PATIENCE = 1.0

_MAGIC = b"SQLite format 3\0"

encode_skeletons = msgspec.json.Encoder().encode
_decode_skeletons = msgspec.json.Decoder(tuple[str, ...]).decode


class HistoryError(TrionetError):
    """A history file cannot be used; the message has its path and the reason."""


class FileLock:
    """The mark that a server holds a history file.

    Raises:
        HistoryError: another server holds it, or the mark cannot be made.
    """

    def __init__(self, file: Path) -> None:
        self._path = file.with_name(f"{file.name}-lock")
        while True:
            try:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            except OSError as error:
                raise HistoryError(f"cannot write beside {file}: {system_reason(error)}") from None
            try:
                _lock(self._descriptor)
            except OSError:
                os.close(self._descriptor)
                raise HistoryError(f"another server holds {file}") from None
            if self._is_in_place():
                return
            # The one that held it has removed it meanwhile.
            os.close(self._descriptor)

    def release(self) -> None:
        """Let another server have the file."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except FileNotFoundError:
            return False


def check(file: Path, *, may_be_new: bool) -> bool:
    """Return whether a file exists; one that is not a history is refused. Nothing is changed.

    Raises:
        HistoryError: it is something else, or cannot be read.
    """
    try:
        if file.exists() and not file.is_file():
            raise HistoryError(f"cannot use {file}: it is no regular file")
        with file.open("rb") as opened:
            header = opened.read(100)
    except FileNotFoundError:
        if may_be_new:
            return False
        raise HistoryError(f"there is no file {file}") from None
    except OSError as error:
        raise HistoryError(f"cannot read {file}: {system_reason(error)}") from None
    if not header and may_be_new:
        return False
    marked = int.from_bytes(header[68:72], "big")
    if not header.startswith(_MAGIC) or marked != schema.APPLICATION_ID:
        raise HistoryError(f"{file} is no history of a trionet chat")
    version = int.from_bytes(header[60:64], "big")
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
            _set_up(at, (*schema.SETTINGS, "PRAGMA query_only = ON"))
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
    exists = check(file, may_be_new=True)
    with _telling(file, "write to"):
        at = sqlite3.connect(file, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            if not exists:
                _create(at)
            _set_up(at, (*schema.SETTINGS, *schema.WRITER_SETTINGS))
            _migrate(at)
            _check_tables(at, file)
            restored = _begin(at)
        except BaseException:
            at.close()
            raise
    return at, restored


def has_fts5(at: sqlite3.Connection) -> bool:
    """Return whether this SQLite has full-text search."""
    return bool(at.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchall())


def has_index(at: sqlite3.Connection) -> bool:
    """Return whether a file has an index."""
    return bool(at.execute("SELECT 1 FROM sqlite_schema WHERE name = 'words'").fetchall())


def mark_clean(at: sqlite3.Connection) -> None:
    """Write that all was written: the epoch goes on with the next server."""
    # All else must be on the disk first, for after a power cut the mark must not lie.
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


def reason_of(error: sqlite3.Error | OSError) -> str:
    """Return why a history cannot be written or read, to end a message with."""
    return system_reason(error) if isinstance(error, OSError) else str(error).lower()


class _telling:  # noqa: N801
    """Turns what SQLite raises into a `HistoryError` with the file's name."""

    def __init__(self, file: Path, what: str) -> None:
        self._file, self._what = file, what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error | OSError | msgspec.MsgspecError | ValueError):
            reason = reason_of(error) if isinstance(error, sqlite3.Error | OSError) else "damaged"
            raise HistoryError(f"cannot {self._what} {self._file}: {reason}") from None


def _mode(file: Path) -> str:
    """Return how to open a file to read from it."""
    if os.access(file, os.W_OK):
        # With `ro` SQLite leaves the files beside it behind.
        return "mode=rw"
    if os.access(file.parent, os.W_OK) or file.with_name(f"{file.name}-wal").exists():
        return "mode=ro"
    # No file can be made beside it, so nobody is writing to it either.
    return "mode=ro&immutable=1"


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
    for table in ("facts", "rooms", "events"):
        at.execute(f"SELECT * FROM {table} LIMIT 1").fetchall()
    at.execute("SELECT * FROM events ORDER BY id DESC LIMIT 1").fetchall()
    if has_index(at) and not has_fts5(at):
        raise HistoryError(
            f"cannot use {file}: it has a full-text index, and this SQLite has no FTS5"
        )


def _begin(at: sqlite3.Connection) -> Restore:
    at.execute("BEGIN IMMEDIATE")
    facts = dict(at.execute("SELECT name, value FROM facts").fetchall())
    epoch = str(facts["epoch"])
    if not facts["is_clean"]:
        epoch = secrets.token_hex(8)
    if has_fts5(at) and not has_index(at):
        at.execute(schema.INDEX)
    at.execute("UPDATE facts SET value = ? WHERE name = 'epoch'", [epoch])
    at.execute("UPDATE facts SET value = 0 WHERE name = 'is_clean'")
    at.execute("COMMIT")
    # On the disk before anything else is: after a power cut, too, this end was unclean.
    at.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    rows = at.execute(
        "SELECT key, skeletons, last, topic, time FROM rooms WHERE topic <> '' OR key = ?"
        " ORDER BY topic_row",
        [LOBBY],
    ).fetchall()
    rooms = tuple(
        KeptRoom(UniqueName(key, key, _decode_skeletons(skeletons)), last, topic, time)
        for key, skeletons, last, topic, time in rows
    )
    return Restore(epoch, rooms, int(facts["highest"]))


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
