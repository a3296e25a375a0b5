"""What `chat tail` does: print what happens in a room, for ever."""

from __future__ import annotations

import random
import re
import string
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec

from trionet import chat
from trionet.chat.client.events import (
    Acted,
    ChatEvent,
    Entered,
    Error,
    Joined,
    Missed,
    RoomEvent,
    Said,
    Welcome,
)
from trionet.cli.address_options import ClientSettings
from trionet.cli.client_leaving import until_interrupted
from trionet.cli.password import given_password
from trionet.cli.printed_rows import rows_printer
from trionet.cli.running import Runtime
from trionet.text.safe import safe_text
from trionet.transport.network import SystemNetwork

# What JSON leaves as it is and a terminal may take for a command.
_UNSAFE = re.compile(r"[\x7f-\x9f]")


async def tail(
    address: str,
    runtime: Runtime,
    *,
    name: str | None,
    room: str,
    since: int | None,
    json: bool,
    network: ClientSettings,
    password_file: Path | None = None,
) -> None:
    """Print a room's events until a signal comes or nobody reads the output any more."""
    name = name or "tail-" + "".join(random.choices(string.ascii_lowercase, k=4))
    client = chat.Client(
        address,
        name=name,
        network=SystemNetwork(**network),
        rooms=(room,),
        password=given_password(password_file, address),
    )
    printer = _Printer(runtime, as_json=json)
    await until_interrupted(partial(_tail, client, printer, since), runtime, term_ends_well=True)


async def _tail(client: chat.Client, printer: _Printer, since: int | None) -> None:
    async with client, aclosing(follow(client, since)) as events:
        async for event in events:
            await printer.print(event)


async def follow(client: chat.Client, since: int | None) -> AsyncGenerator[ChatEvent]:
    """Yield what happens in a client's room, with what it has missed as far as that is kept.

    Args:
        client: is in one room.
        since: yield the past from this time on first, in milliseconds since 1970.

    Raises:
        RequestRefused: the client cannot be in the room, or its past is not kept.
    """
    epoch = last_time = None
    is_new_epoch = False
    async for event in client:
        if isinstance(event, Welcome):
            is_new_epoch, epoch = epoch not in (None, event.epoch), event.epoch
        if isinstance(event, RoomEvent):
            last_time = event.time
        if isinstance(event, Error) and event.room is not None and not client.rooms:
            raise chat.RequestRefused(event.code, event.reason)
        if isinstance(event, Entered) and since is not None:
            early = partial(_is_before, since)
            async with aclosing(_past(client, event.room, event.last, early)) as events:
                async for past in events:
                    yield past
            since = None
        if isinstance(event, Missed) and event.room is not None:
            filled = _fill_anew(client, event, last_time) if is_new_epoch else _fill(client, event)
            async with aclosing(filled) as events:
                async for past in events:
                    if isinstance(past, RoomEvent):
                        last_time = past.time
                    yield past
        else:
            yield event


def _is_before(since: int, time: str) -> bool:
    return datetime.fromisoformat(time).timestamp() * 1000 < since


async def _past(
    client: chat.Client, room: str, before: int, is_early: Callable[[str], bool]
) -> AsyncGenerator[ChatEvent]:
    """Yield what happened in a room before a number, from the first time that is not early."""
    # Find the first event, and only then yield from there on: only a page is kept at a time.
    first = before
    async for event in client.history(room, before=before):
        if is_early(event.time):
            break
        first = event.number
    async for event in client.history(room, after=first - 1, before=before):
        yield event


async def _fill(client: chat.Client, gap: Missed) -> AsyncGenerator[ChatEvent]:
    """Yield what the history has of a gap, after an event for what is still missing."""
    assert gap.room is not None
    after = gap.after or 0
    is_first = True
    with suppress(chat.RequestRefused):  # the past is not kept
        async for event in client.history(gap.room, after=after, before=gap.before):
            if is_first and event.number > after + 1:
                yield Missed(gap.room, after, event.number)
            is_first = False
            if not (isinstance(event, Joined) and event.name == client.name):
                yield event
    if is_first:
        yield gap


async def _fill_anew(
    client: chat.Client, gap: Missed, last_time: str | None
) -> AsyncGenerator[ChatEvent]:
    """Yield a gap across the beginning of an epoch, and after it what the history has of it.

    Nobody knows what the old epoch had in the end. The new one may have begun its numbers anew, or
    go on after the last that was kept, so the time tells what is new.
    """
    yield gap
    if last_time is None or gap.room is None or gap.before is None:
        return
    with suppress(chat.RequestRefused):  # the past is not kept
        seen = last_time
        past = _past(client, gap.room, gap.before, lambda time: time <= seen)
        async with aclosing(past) as events:
            async for event in events:
                if not (isinstance(event, Joined) and event.name == client.name):
                    yield event


class _Printer:
    """Prints events, as people read them or as they came."""

    def __init__(self, runtime: Runtime, *, as_json: bool) -> None:
        self._runtime = runtime
        self._as_json = as_json
        self._show = rows_printer(runtime.out, 1)
        self._warn = rows_printer(runtime.err, 2)

    async def print(self, event: ChatEvent) -> None:
        # A welcome has the token, by which others could speak as this member.
        if isinstance(event, Welcome):
            return
        if self._as_json:
            line = msgspec.json.encode(event).decode()
            self._runtime.out.print(_UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", line))
        elif isinstance(event, Said | Acted):
            who = f"{event.name}:" if isinstance(event, Said) else f"* {event.name}"
            for text in event.text.split("\n"):
                self._show(safe_text(f"{event.time} {who} {text}"))
        elif isinstance(event, Missed):
            self._warn("*** some messages are missing here")
        elif isinstance(event, Error):
            self._warn(safe_text(f"*** {event.reason}"))
        await self._runtime.out.flush()
