"""What the `chat` commands do."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from trionet import chat
from trionet.chat.plain import is_quit
from trionet.cli.people import Person, open_person
from trionet.cli.running import Leaving, Terminal, serve_until_signalled, until_interrupted
from trionet.errors import BadLine, UnsendableLine
from trionet.network import Network, SystemNetwork
from trionet.stream import LineStream


async def serve(
    addresses: list[str],
    network: dict[str, Any],
    limits: dict[str, Any],
    forever: bool,
    messages: bool,
    backlog: int | None,
    quiet: bool,
    terminal: Terminal,
) -> None:
    """Run the server until it is done or signalled."""
    system = SystemNetwork(**network)
    await serve_until_signalled(
        partial(
            chat.serve,
            *addresses,
            network=system,
            limits=replace(chat.OPEN_ROOM, **limits),
            forever=forever,
            backlog=backlog,
            on_event=terminal.log,
            show=None if quiet else terminal.out.print,
            show_messages=messages,
        ),
        terminal,
        network=system,
        # The first name has a table read: 3 to 15 ms.
        prepare=lambda: chat.parse_name("anyone").looks,
    )


async def join(
    address: str, name: str | None, ca: Path | None, plain: bool, terminal: Terminal
) -> None:
    """Run the client until its input ends, the server goes, or Ctrl-C."""
    leaving = Leaving(terminal)
    client = partial(_join, address, name, SystemNetwork(ca=ca), plain, terminal, leaving)
    await until_interrupted(client, terminal, leaving=leaving)


async def _join(
    address: str,
    name: str | None,
    network: Network,
    plain: bool,
    terminal: Terminal,
    leaving: Leaving,
) -> None:
    async with await network.connect(address) as stream:
        with open_person(terminal, plain=plain) as person:
            lines = LineStream(stream)
            welcome = await _log_in(lines, name, person)
            if welcome is not None:
                person.show(welcome)
                await chat.converse(
                    lines, leaving.over(person.lines), show=person.show, warn=person.warn
                )


async def _log_in(lines: LineStream, name: str | None, person: Person) -> str | None:
    """Log in, asking again where somebody can be asked; ``None``: they would rather not."""
    while True:
        try:
            given = await person.ask("name: ") if name is None else name
            if given is None or (name is None and is_quit(given)):
                return None
            return await chat.log_in(lines, given)
        except (chat.NameRefused, BadLine, UnsendableLine) as error:
            if not person.is_interactive:
                raise
            person.warn(str(error))
            name = None
