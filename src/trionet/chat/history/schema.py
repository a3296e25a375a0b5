"""What is in a history file: its tables, its settings, its versions. Pure.

A file is a SQLite database. Each message of a run has a row of its own, so that a number finds it;
with index, a thread writes 60,000 rows/s this way.

The full-text index holds each word twice: as it is, and with the number of the room after it
(`beans`, `beans_7`). So a search in one room is as fast as one in all, even where every other room
is full of the word. (To intersect two long lists of rows, one of the word and one of the room, took
seconds for 10 million rows.) Words are those of `words.py`, so SQLite need only split at spaces.
The index keeps no texts (`content=''`): to erase one, its words are given once more.
"""

from __future__ import annotations

# "trio" in ASCII. It stands in the file's header, so no other program's file is taken for ours.
APPLICATION_ID = 0x7472696F

# Grows with each change of the tables; `MIGRATIONS` has the way from each version to the next.
VERSION = 1

TABLES = (
    # epoch: within it, no number comes twice.    is_clean: 1: the last server ended as it should.
    # highest: the highest number of any room, even of rooms that are gone.
    # indexed: the last row that is in the index.
    # unerased: 1: the index may still hold words that were removed.
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    # time: of the last event. topic_row: the row of the event that set the topic.
    """
    CREATE TABLE rooms (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        skeletons TEXT NOT NULL,
        last INTEGER NOT NULL,
        time INTEGER NOT NULL,
        topic TEXT NOT NULL DEFAULT '',
        topic_row INTEGER NOT NULL DEFAULT 0
    )
    """,
    # kind: see `rows.py`, and there too what `text` and `detail` are for each.
    # author: the SHA-256 of the author's token, in hexadecimal. request: the id of the request.
    """
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        room INTEGER NOT NULL,
        number INTEGER NOT NULL,
        time INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        name TEXT NOT NULL,
        text TEXT,
        detail INTEGER,
        author TEXT,
        request
    )
    """,
    "CREATE UNIQUE INDEX by_number ON events (room, number)",
)

# `columnsize=0`: only ranking needs the sizes. `ascii` takes all beyond ASCII as part of words.
INDEX = """
    CREATE VIRTUAL TABLE words USING fts5(
        text, content='', columnsize=0, tokenize="ascii tokenchars '_'"
    )
"""

# Of the index, set at each start.
INDEX_SETTINGS = (
    # Parts are merged only when the writer says so (see `batch.py`).
    "INSERT INTO words (words, rank) VALUES ('automerge', 0)",
    # How many parts of a size are merged into one. With 4, the default, the writer takes 8 % more
    # of the processor. With 16 it takes 3 % less, and a search has twice as many parts.
    "INSERT INTO words (words, rank) VALUES ('usermerge', 8)",
)

# The statements that lead from a version to the next one, by the version that they begin with.
MIGRATIONS: dict[int, tuple[str, ...]] = {}

# Of every connection.
SETTINGS = (
    # What is deleted is overwritten with zeros: a removed text must be in no page of the file.
    "PRAGMA secure_delete = ON",
    # Sorting in memory: nothing of a text gets into files that nobody overwrites.
    "PRAGMA temp_store = MEMORY",
    # A damaged page is noticed when it is read, and not taken for content.
    "PRAGMA cell_size_check = ON",
    # A file cannot make SQLite call functions that somebody hid in its tables.
    "PRAGMA trusted_schema = OFF",
)

# Of each connection that reads.
READER_SETTINGS = (
    # Pages in memory, in KiB. A server has up to six such connections. What they read again the
    # kernel has: with 16 MB each, pages and searches took as long.
    "PRAGMA cache_size = -1000",
    "PRAGMA query_only = ON",
)

# Of the server's connection.
WRITER_SETTINGS = (
    # Pages in memory, in KiB. What merges of the index read again is here.
    "PRAGMA cache_size = -16000",
    # Readers, a backup and the writer do not wait for each other; a kill -9 tears nothing.
    "PRAGMA journal_mode = WAL",
    # The disk is waited for only when the log is carried over into the file. A kill -9 loses
    # nothing that is committed, for the kernel has it; a power cut loses the last commits, and
    # tears nothing. With FULL each commit would wait for the disk.
    "PRAGMA synchronous = NORMAL",
    # After a large batch the log is cut back to 4 MiB.
    "PRAGMA journal_size_limit = 4194304",
)
