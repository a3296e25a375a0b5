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
from typing import assert_never

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


# number, time, kind, name, text, detail, author, request: a row without its own number and room.
Values = tuple[int, int, Kind, str, str | None, int | None, str | None, RequestId]


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


def values(event: RoomEvent) -> Iterable[Values]:
    """Return what the rows of an event hold: one for each text of a run."""
    number, time, name = event.number, event.time, event.name
    if isinstance(event, Said):
        author = event.author.hex() or None
        if event.ids is None:
            return [
                (number + index, time, Kind.SAID, name, text, None, author, None)
                for index, text in enumerate(event.texts)
            ]
        return [
            (number + index, time, Kind.SAID, name, text, None, author, id_)
            for index, (text, id_) in enumerate(zip(event.texts, event.ids, strict=True))
        ]
    if isinstance(event, Acted):
        author = event.author.hex() or None
        return [(number, time, Kind.ACTED, name, event.text, None, author, event.id)]
    if isinstance(event, Joined):
        return [(number, time, Kind.JOINED, name, None, event.count, None, event.id)]
    if isinstance(event, Left):
        return [(number, time, Kind.LEFT, name, event.reason, event.count, None, event.id)]
    if isinstance(event, Renamed):
        return [(number, time, Kind.RENAMED, name, event.to, None, None, event.id)]
    if isinstance(event, TopicSet):
        return [(number, time, Kind.TOPIC, name, event.text, None, None, event.id)]
    if isinstance(event, Removed):
        return [(number, time, Kind.REMOVED, name, None, event.of, None, event.id)]
    assert_never(event)


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


def index_entry(name: str, text: str) -> str:
    """Return the words that the index has for a message, with `_?` for `_` and the room's id."""
    found = words(text)
    return f"{' '.join(found)} {'_? '.join(found)}_? {_name_word(fold(name))}" if found else ""


def index_text(room: int, name: str, text: str) -> str:
    """Return the words that the index has for a message."""
    return index_entry(name, text).replace("_?", f"_{room}")


# The same in SQL, of columns `entry` and `room`. No word has a `?` in it.
INDEX_TEXT = "replace(entry, '_?', '_' || room)"


def index_query(wanted: Wanted, room: int | None) -> str:
    """Return what to ask the index for."""
    # No word has a quotation mark in it.
    end = "" if room is None else f"_{room}"
    phrases = [" ".join([f"{word}{end}" for word in group]) for group in wanted.groups]
    if wanted.name is not None:
        phrases.append(_name_word(wanted.name))
    return " ".join([f'"{phrase}"' for phrase in phrases])


# A word that no text has: in words there is no `_`, and after one there are only digits.
@lru_cache(maxsize=4096)
def _name_word(name: str) -> str:
    return "_n" + blake2b(name.encode(), digest_size=8).hexdigest()


def in_parts(count: int, sizes: Sequence[int]) -> Iterable[int]:
    """Yield a number as a sum of some sizes, which come down to 1."""
    for size in sizes:
        while count >= size:
            yield size
            count -= size
