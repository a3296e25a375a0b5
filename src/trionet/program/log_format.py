"""What a record of ``logging`` becomes in a server's log: text, or a JSON object.

A record may say what it is about in attributes of its own, all of them optional::

    logger.warning("the disk is full", extra={"event": "history"})

- ``event``: one word, such as ``opened``;
- ``connection`` and ``peer``: which connection it is about;
- ``reason``: what to tell instead of the message;
- ``fields``: a dict with more that only the JSON format shows.

Whatever a record holds, it becomes one line (and in the text format, one more for each line of its
traceback), of bounded length and safe to show: an error may quote a peer.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, TypeAlias

from trionet.events import Closed
from trionet.text.safe import safe_text
from trionet.type_checks import shown

LogFormat: TypeAlias = Literal["text", "json"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]

FORMATS: tuple[LogFormat, ...] = ("text", "json")
LEVELS: dict[LogLevel, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class LogOptions:
    """How a server logs.

    Attributes:
        format: ``text`` or ``json``.
        level: the lowest level that is logged.
    """

    format: LogFormat = "text"
    level: LogLevel = "info"


# How many characters one line tells, and how many lines a traceback has: far more than anybody
# reads, and little enough that an error which quotes a long line cannot fill a disk.
_MOST_CHARACTERS = 4096
_MOST_LINES = 200


def time_of(created: float) -> str:
    """Return a time, in seconds since 1970, in UTC: ISO 8601, to the millisecond."""
    return _millisecond_as_text(int(created * 1000))


# A thousand who join at once are two thousand lines within a second, and several of them within a
# millisecond. Formatting the whole time for each took 1.7 µs a line.
@lru_cache(maxsize=1)
def _millisecond_as_text(milliseconds: int) -> str:
    second, part = divmod(milliseconds, 1000)
    return f"{_second_as_text(second)}.{part:03d}Z"


@lru_cache(maxsize=1)
def _second_as_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def as_text(record: logging.LogRecord) -> str:
    """Return ``time level event connection peer reason``, and a line for each of a traceback.

    The first five have no spaces in them, and the rest of the line is the reason.
    """
    own = record.__dict__
    level, peer = level_of(record), own.get("peer")
    connection = own.get("connection")
    line = text_of_event(
        record.created,
        own.get("event") or _event_of(record),
        connection,
        peer,
        own["reason"] if "reason" in own else _message_of(record),
        None,
        record.msg,
        level,
    )
    if not (record.exc_info or record.exc_text or record.stack_info):
        return line
    begin = text_of_event(record.created, "traceback", connection, peer, None, None, None, level)
    return "\n".join([line, *(f"{begin} {told}" for told in _traceback_of(record))])


def text_of_event(
    created: float,
    name: str,
    connection: int | None,
    peer: str | None,
    reason: str | None,
    _fields: Mapping[str, object] | None,
    subject: object,
    level: str = "info",
) -> str:
    """Return the line of one event."""
    if peer and " " in peer:
        # The path of a Unix socket.
        peer = peer.replace(" ", r"\x20")
    line = (
        f"{_millisecond_as_text(int(created * 1000))} {level} {name} "
        f"{'-' if connection is None else connection} {peer or '-'}"
    )
    if reason:
        line = f"{line} {reason}"
    if type(subject) is Closed:
        line = f"{line} ({subject.traffic})"
    if len(line) > _MOST_CHARACTERS or not line.isascii() or not line.isprintable():
        line = _shown(line)
    return line


def as_json(record: logging.LogRecord) -> str:
    """Return a JSON object in ASCII. Its traceback, if there is one, is in ``exception``."""
    own = record.__dict__
    fields = dict(own.get("fields") or {})
    if record.exc_info or record.exc_text or record.stack_info:
        fields["exception"] = "\n".join(_traceback_of(record))
    return json_of_event(
        record.created,
        own.get("event") or _event_of(record),
        own.get("connection"),
        own.get("peer"),
        own["reason"] if "reason" in own else _message_of(record),
        fields,
        level=level_of(record),
    )


def json_of_event(
    created: float,
    name: str,
    connection: int | None,
    peer: str | None,
    reason: str | None,
    fields: Mapping[str, object] | None,
    _subject: object = None,
    level: str = "info",
) -> str:
    """Return the JSON object of one event."""
    told: dict[str, object] = {
        "time": time_of(created),
        "level": level,
        "event": name,
        "connection": connection,
        "peer": peer,
        "reason": None if reason is None else _cut(reason),
    }
    if fields:
        # What each line has comes last, so no field replaces it.
        told = {**told, **fields, **told}
    return encoded(told)


# One encoder for all: `json.dumps` makes a new one for each object. JSON has neither NaN nor
# infinity.
_encode = json.JSONEncoder(default=repr, separators=(",", ":"), allow_nan=False).encode


def encoded(told: Mapping[str, object]) -> str:
    """Return a JSON object. A value that JSON does not know is told as Python shows it."""
    try:
        return _encode(told)
    except Exception:
        # NaN, a key that is not a text, an object that contains itself, a `repr` that fails.
        return _encode({str(name): _encodable(value) for name, value in told.items()})


def _encodable(value: object) -> object:
    try:
        _encode(value)
    except Exception:
        return shown(value)
    return value


def level_of(record: logging.LogRecord) -> str:
    """Return a record's level as the option ``--log-level`` names it."""
    number = record.levelno
    if number == logging.INFO:
        return "info"
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warning"
    return "info" if number > logging.INFO else "debug"


def _event_of(record: logging.LogRecord) -> str:
    return "failed" if record.levelno >= logging.ERROR else "note"


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:
        # The arguments do not fit the message. Losing the record would be worse than to show it so.
        return str(record.msg)


def _traceback_of(record: logging.LogRecord) -> list[str]:
    """Return a traceback as lines that are safe to show, each and all of them of bounded length."""
    text = record.exc_text or ""
    if not text and record.exc_info:
        text = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info[1] else ""
    if record.stack_info:
        text = f"{text}\n{record.stack_info}" if text else record.stack_info
    lines = text.rstrip("\n").split("\n")
    if len(lines) > _MOST_LINES:
        half = _MOST_LINES // 2
        left_out = f"… {len(lines) - 2 * half} more lines …"
        lines = [*lines[:half], left_out, *lines[-half:]]
    return [_shown(line) for line in lines]


def _cut(text: str) -> str:
    if len(text) <= _MOST_CHARACTERS:
        return text
    return f"{text[:_MOST_CHARACTERS]}… {len(text) - _MOST_CHARACTERS} more characters"


def _shown(text: str) -> str:
    if "\n" in text:
        text = text[: 2 * _MOST_CHARACTERS].replace("\n", r"\n")
    return safe_text(_cut(text))
