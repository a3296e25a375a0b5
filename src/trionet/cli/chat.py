"""What the `chat` commands do."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from trionet import chat
from trionet.chat.client import as_text
from trionet.chat.plain import is_quit
from trionet.cli.pasting import PastedLine
from trionet.cli.people import LEAVE, Person, may_mean_to_leave, open_person, rows_printer
from trionet.cli.running import Leaving, Terminal, serve_until_signalled, until_interrupted
from trionet.errors import BadLine, LineTooLong, UnsendableLine
from trionet.lines import MAX_LINE, Line
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
            show=None if quiet else rows_printer(terminal.out, 1),
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
    # The terminal first: what is typed while the connection is made is not echoed, and not lost.
    async with (
        open_person(terminal, plain=plain, indent=True) as person,
        await network.connect(address) as stream,
    ):
        lines = LineStream(stream)
        welcome = await _log_in(lines, name, person)
        if welcome is not None:
            person.show(welcome)
            typed = _Messages(person) if person.is_interactive else person.lines
            await chat.converse(lines, leaving.over(typed), show=person.show, warn=person.warn)


class _Messages:
    """What a person at a terminal types, with what they cannot have meant taken out.

    A line that looks as if it should end the program is asked about, and not said to everyone. A
    line of a paste is said, whatever it is. A line that cannot be sent is given back.
    """

    def __init__(self, person: Person) -> None:
        self._person = person
        self._lines = aiter(person.lines)
        self._told_of: object = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Line:
        while True:
            line = await anext(self._lines)
            if isinstance(line, BadLine):
                self._person.refuse("", str(line), None)
            elif isinstance(line, PastedLine):
                if (text := self._pasted(line)) is not None:
                    return text
            elif may_mean_to_leave(line):
                self._person.note(LEAVE)
            else:
                return line

    def _pasted(self, line: PastedLine) -> str | None:
        text = as_text(line)
        if text == line:
            return text
        if len(text.encode(errors="replace")) > MAX_LINE:
            self._person.refuse(line, str(LineTooLong(MAX_LINE, b"")), None)
            return None
        if self._told_of is not line.paste:
            self._told_of = line.paste
            self._person.note("within a paste nothing is a command: all of it was said as text")
        return text


async def _log_in(lines: LineStream, name: str | None, person: Person) -> str | None:
    """Log in, asking again where somebody can be asked; ``None``: they would rather not."""
    while True:
        try:
            given = await person.ask("name: ") if name is None else name
            if given is None or (name is None and is_quit(given)):
                return None
            if name is None and person.is_interactive and may_mean_to_leave(given):
                person.note(LEAVE)
                continue
            return await chat.log_in(lines, given)
        except (chat.NameRefused, BadLine, UnsendableLine) as error:
            if not person.is_interactive:
                raise
            person.warn(str(error))
            name = None
