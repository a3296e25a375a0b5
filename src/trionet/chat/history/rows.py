"""Events as rows of a history file, and back. Pure.

| `Kind`    | `text`         | `detail`               |
|-----------|----------------|------------------------|
| `SAID`    | what           |                        |
| `ACTED`   | what           |                        |
| `JOINED`  |                | how many there are now |
| `LEFT`    | the reason     | how many there are now |
| `RENAMED` | the new name   |                        |
| `TOPIC`   | the topic      |                        |
| `REMOVED` |                | the removed number     |

Members' numbers are not kept: they mean nothing after the server has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Any, TypeAlias, assert_never

import msgspec
from msgspec import Struct

from trionet.chat.history.words import Wanted, fold, words
from trionet.chat.state.events import (
    Acted,
    Joined,
    Left,
    Removed,
    Renamed,
    RoomEvent,
    Said,
    TopicSet,
)
from trionet.chat.state.operations import RequestId


class Kind(IntEnum):
    """What a row tells of, as the file has it. A number never gets another meaning."""

    SAID = 0
    ACTED = 1
    JOINED = 2
    LEFT = 3
    RENAMED = 4
    TOPIC = 5
    REMOVED = 6

    @property
    def is_message(self) -> bool:
        """Whether somebody said it: it has words that can be searched, and can be removed."""
        return self <= Kind.ACTED


# What stands for NULL among the values of a row. For each ``None``, and each `IntEnum`, the module
# `sqlite3` looks for an adapter, which took a quarter of all that it takes to write a row. No value
# is a fraction.
NOTHING = 0.5

_SAID, _ACTED, _JOINED, _LEFT, _RENAMED, _TOPIC, _REMOVED = map(int, Kind)

# What an event has in the columns of a row. In each of `OPTIONAL` it may be `NOTHING`.
_COLUMNS = ("number", "time", "kind", "name", "text", "detail", "author", "request")
OPTIONAL = _COLUMNS[4:]
Values: TypeAlias = tuple[
    int, int, int, str, str | float, int | float, str | float, RequestId | float
]


class Row(Struct, array_like=True, gc=False):
    """A row as it is read, with its room's key."""

    id: int
    room: str
    number: int
    time: int
    kind: Kind
    name: str
    text: str | None
    detail: int | None
    author: str | None
    request: RequestId


# All rows come as one JSON text: SQLite is asked for one row and not for many, and so the thread
# lets go of the interpreter's lock once. Each time, it may take 5 ms to get it back from a busy
# server.
decode_rows = msgspec.json.Decoder(list[Row]).decode

JSON_ROWS = """
    SELECT json_group_array(json_array(
        id, room, number, time, kind, name, text, detail, author, request
    )) FROM ({select})
"""

# What `JSON_ROWS` needs of the two tables.
COLUMNS = """
    events.id, rooms.key AS room, number, events.time, kind, name, text, detail, author, request
"""


def values(event: RoomEvent) -> Sequence[Values]:
    """Return the rows of an event: one for each text of a run."""
    number, time, name = event.number, event.time, event.name
    if isinstance(event, Said):
        author = event.author.hex() if event.author else NOTHING
        if event.ids is None:
            if len(event.texts) == 1:
                # Most are. The loop takes twice as long.
                only = event.texts[0]
                return ((number, time, _SAID, name, only, NOTHING, author, NOTHING),)
            return [
                (place, time, _SAID, name, text, NOTHING, author, NOTHING)
                for place, text in enumerate(event.texts, number)
            ]
        return [
            (place, time, _SAID, name, text, NOTHING, author, _or_nothing(id_))
            for place, (text, id_) in enumerate(zip(event.texts, event.ids, strict=True), number)
        ]
    id_ = _or_nothing(event.id)
    if isinstance(event, Acted):
        author = event.author.hex() if event.author else NOTHING
        return [(number, time, _ACTED, name, event.text, NOTHING, author, id_)]
    text: str | float = NOTHING
    detail: int | float = NOTHING
    if isinstance(event, Joined):
        kind, detail = _JOINED, event.count
    elif isinstance(event, Left):
        kind, text, detail = _LEFT, event.reason, event.count
    elif isinstance(event, Renamed):
        kind, text = _RENAMED, event.to
    elif isinstance(event, TopicSet):
        kind, text = _TOPIC, event.text
    elif isinstance(event, Removed):
        kind, detail = _REMOVED, event.of
    else:
        assert_never(event)
    return [(number, time, kind, name, text, detail, NOTHING, id_)]


def _or_nothing(value: int | str | None) -> int | str | float:
    return NOTHING if value is None else value


def columns_of(rows: Sequence[Values]) -> dict[str, tuple[Any, ...]]:
    """Return the values of some rows by columns, without columns that have nothing in them.

    SQLite takes 2.4 µs to insert a row. Without the three columns that texts from plain lines lack
    it takes 1.8.
    """
    columns = dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True))
    # Nearly all rows have a text.
    for name in ("detail", "author", "request"):
        if columns[name].count(NOTHING) == len(rows):
            del columns[name]
    return columns


def event_of(row: Row) -> RoomEvent:
    """Return the event that a row tells of."""
    room, number, time, name, id_ = row.room, row.number, row.time, row.name, row.request
    text, detail = row.text or "", row.detail or 0
    match row.kind:
        case Kind.SAID:
            ids: list[RequestId] | None = None if id_ is None else [id_]
            author = bytes.fromhex(row.author or "")
            return Said(room, number, time, 0, name, [text], ids, author)
        case Kind.ACTED:
            return Acted(room, number, time, 0, name, text, id_, bytes.fromhex(row.author or ""))
        case Kind.JOINED:
            return Joined(room, number, time, 0, name, detail, id_)
        case Kind.LEFT:
            return Left(room, number, time, 0, name, detail, text, id_)
        case Kind.RENAMED:
            return Renamed(room, number, time, 0, name, text, id_)
        case Kind.TOPIC:
            return TopicSet(room, number, time, 0, name, text, id_)
        case Kind.REMOVED:
            return Removed(room, number, time, 0, name, detail, id_)
    assert_never(row.kind)


def index_entry(found: str, name: str, room: int) -> str:
    """Return the words that the index has for a message.

    Args:
        found: the words of the text, with spaces between them.
        name: the `name_word` of who said it.
        room: the id of the room.
    """
    # No word has a space in it.
    return f"{found} {found.replace(' ', f'_{room} ')}_{room} {name}" if found else ""


def index_text(room: int, name: str, text: str) -> str:
    """Return the words that the index has for a message."""
    return index_entry(" ".join(words(text)), name_word(name), room)


def index_query(wanted: Wanted, room: int | None) -> str:
    """Return what to ask the index for."""
    # No word has a quotation mark in it.
    end = "" if room is None else f"_{room}"
    phrases = [" ".join([f"{word}{end}" for word in group]) for group in wanted.groups]
    if wanted.name is not None:
        phrases.append(name_word(wanted.name))
    return " ".join([f'"{phrase}"' for phrase in phrases])


@lru_cache(maxsize=4096)
def name_word(name: str) -> str:
    """Return the word that the index has for whoever has this name, in any case.

    No text has it: in words there is no `_`, and after one there are only digits.
    """
    return "_n" + blake2b(fold(name).encode(), digest_size=8).hexdigest()


def in_parts(count: int, sizes: Sequence[int]) -> Iterable[int]:
    """Yield a number as a sum of some sizes, which come down to 1."""
    for size in sizes:
        while count >= size:
            yield size
            count -= size
