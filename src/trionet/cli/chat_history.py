"""`trionet chat history`: show what is in a history file, without a server. It loads no Trio."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path

from trionet.chat.formats import json_events, plain
from trionet.chat.formats.plain_commands import NOTICE
from trionet.chat.history import upkeep
from trionet.chat.history.upkeep import Selection
from trionet.chat.names.room_names import LOBBY
from trionet.chat.state.events import Removed, RoomEvent
from trionet.cli.printed_rows import rows_maker
from trionet.cli.program_exit import DONE, FAILED
from trionet.errors import TrionetError, system_reason
from trionet.program.descriptors import write_all
from trionet.text.safe import safe_text

# How many events are printed at a time.
_EVENTS = 500

_AGO = re.compile("([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 60 * 60, "d": 24 * 60 * 60}


def show(file: Path, selection: Selection, *, as_json: bool) -> int:
    """Print events of a file, oldest first; return the exit status.

    Args:
        file: the history file.
        selection: which events.
        as_json: one JSON object a line, as the chat sends them; otherwise for people.
    """
    encode = json_events.encode if as_json else partial(_as_text, rows_maker(1))
    return _ending(lambda: _print(upkeep.select(file, selection), encode))


def back_up(file: Path, to: Path) -> int:
    """Copy a file, and return the exit status."""
    return _ending(lambda: upkeep.back_up(file, to))


def check(file: Path) -> int:
    """Check a file, say what it has, and return the exit status."""

    def check_and_tell() -> None:
        events, rooms = upkeep.check(file)
        told = f"{_counted(events, 'event')} in {_counted(rooms, 'room')}: all can be read\n"
        write_all(1, told.encode())

    return _ending(check_and_tell)


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def parse_since(text: str, now: datetime | None = None) -> int:
    """Read a time: how long ago (`90s`, `10m`, `2h`, `3d`), or in UTC (`2026-11-28T02:35:00Z`).

    Args:
        text: the time, as a user writes it.
        now: the present; default: what the clock says.

    Returns:
        The time, in milliseconds since 1970, UTC.

    Raises:
        ValueError: it is not a time.
    """
    now = now or datetime.now(UTC)
    if ago := _AGO.fullmatch(text):
        seconds = int(ago[1]) * _SECONDS[ago[2]]
        return max(0, int((now.timestamp() - seconds) * 1000))
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a time: write 90s, 10m, 2h, 3d or 2026-11-28T02:35:00Z"
        ) from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return max(0, int(time.timestamp() * 1000))


def _ending(do: Callable[[], None]) -> int:
    """Do something, and return the exit status; print why it failed, if it did."""
    try:
        do()
    except TrionetError as error:
        _tell(str(error))
        return FAILED
    except OSError as error:
        if error.errno == errno.EPIPE:
            # Nobody reads it any more, which is not an error.
            return DONE
        _tell(f"cannot write to standard output: {system_reason(error)}")
        return FAILED
    return DONE


def _print(events: Iterable[RoomEvent], encode: Callable[[RoomEvent], bytes]) -> None:
    for part in _parts(events):
        write_all(1, b"".join([encode(event) for event in part]))


def _parts(events: Iterable[RoomEvent]) -> Iterator[list[RoomEvent]]:
    events = iter(events)
    while part := list(islice(events, _EVENTS)):
        yield part


def _as_text(rows_of: Callable[[str], str], event: RoomEvent) -> bytes:
    """Return the lines of an event as the console shows them, each after the local time.

    Args:
        rows_of: breaks a line into the rows of a terminal.
        event: the event.
    """
    time = datetime.fromtimestamp(event.time / 1000).astimezone()
    begin = f"[{time:%Y-%m-%d %H:%M:%S}] "
    if event.room != LOBBY:
        begin += f"[{event.room}] "
    if isinstance(event, Removed):
        lines = f"{NOTICE}{event.name} removed a message"
    else:
        lines = plain.encode(event).decode().removesuffix("\n")
    # The file may have been written by anybody.
    shown = [rows_of(begin + safe_text(line)) for line in lines.split("\n")]
    return "".join([f"{line}\n" for line in shown]).encode()


def _tell(error: str) -> None:
    with suppress(OSError):
        write_all(2, f"error: {safe_text(error)}\n".encode())
