"""What `chat tail` does: print what happens in a room, for ever."""

from __future__ import annotations

import random
import string
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec

from trionet import chat
from trionet.chat.client_events import (
    Acted,
    ChatEvent,
    Entered,
    Error,
    Missed,
    Said,
    Welcome,
)
from trionet.cli.password import given_password
from trionet.cli.running import Runtime, until_interrupted
from trionet.text.safe import safe_text
from trionet.transport.network import SystemNetwork


async def tail(
    address: str,
    runtime: Runtime,
    *,
    name: str | None,
    room: str,
    since: int | None,
    json: bool,
    ca: Path | None,
    password_file: Path | None = None,
) -> None:
    """Print a room's events until a signal comes or nobody reads the output any more."""
    name = name or "tail-" + "".join(random.choices(string.ascii_lowercase, k=4))
    client = chat.Client(
        address,
        name=name,
        network=SystemNetwork(ca=ca),
        rooms=(room,),
        password=given_password(password_file, address),
    )
    printer = _Printer(runtime, as_json=json)
    await until_interrupted(partial(_tail, client, printer, since), runtime, term_ends_well=True)


async def _tail(client: chat.Client, printer: _Printer, since: int | None) -> None:
    async with client:
        async for event in client:
            if isinstance(event, Error) and event.room is not None and not client.rooms:
                raise chat.RequestRefused(event.code, event.reason)
            if isinstance(event, Entered) and since is not None:
                await _print_past(client, printer, event, since)
                since = None
            await printer.print(event)


async def _print_past(client: chat.Client, printer: _Printer, entered: Entered, since: int) -> None:
    """Print what happened from a time on until the client entered."""
    # Look for the first event before printing from it on: a page is all that is kept at a time.
    first = entered.last + 1
    async for event in client.history(entered.room, before=first):
        if datetime.fromisoformat(event.time).timestamp() * 1000 < since:
            break
        first = event.number
    async for event in client.history(entered.room, after=first - 1):
        if event.number > entered.last:
            break
        await printer.print(event)


class _Printer:
    """Prints events, as people read them or as they came."""

    def __init__(self, runtime: Runtime, *, as_json: bool) -> None:
        self._runtime = runtime
        self._as_json = as_json

    async def print(self, event: ChatEvent) -> None:
        # A welcome has the token, by which others could speak as this member.
        if isinstance(event, Welcome):
            return
        if self._as_json:
            self._runtime.out.print(msgspec.json.encode(event).decode())
        elif isinstance(event, Said | Acted):
            who = f"{event.name}:" if isinstance(event, Said) else f"* {event.name}"
            for text in event.text.split("\n"):
                self._runtime.out.print(safe_text(f"{event.time} {who} {text}"))
        elif isinstance(event, Missed):
            self._runtime.err.print("*** some messages are missing here")
        elif isinstance(event, Error):
            self._runtime.err.print(safe_text(f"*** {event.reason}"))
        await self._runtime.out.flush()
