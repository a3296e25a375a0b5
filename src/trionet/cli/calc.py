"""What the `calc` commands do."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from trionet import calc
from trionet.cli.pasting import PastedLine
from trionet.cli.people import LEAVE, Person, may_mean_to_leave, open_person, rows_printer
from trionet.cli.running import Terminal, serve_until_signalled, until_interrupted
from trionet.errors import BadLine, TrionetError
from trionet.lines import Line
from trionet.network import Network, SystemNetwork
from trionet.program import stamped
from trionet.text import safe_text

HELP = """\
2 * (3 + 4)     + - * / ^ and parentheses; ** means ^ too
7 // 2, 7 % 2   the whole part of a quotient; what is left
1.5e3, pi, e    numbers and constants
ans             the last result
sqrt, abs       functions: sqrt(2), abs(-1)
round           round(2.5), round(pi, 2)
min, max        min(1, 2), max(1, 2, 3)
?               this help
q               ends the session; so does Ctrl-D"""


async def serve(
    addresses: list[str],
    network: dict[str, Any],
    limits: dict[str, Any],
    once: bool,
    backlog: int | None,
    precision: int,
    quiet: bool,
    terminal: Terminal,
) -> None:
    """Run the server until it is done or signalled."""
    system = SystemNetwork(**network)
    # A name can have spaces in it, and a line what one likes.
    log = rows_printer(terminal.err, 2)
    await serve_until_signalled(
        partial(
            calc.serve,
            *addresses,
            network=system,
            limits=replace(calc.ONE_AT_A_TIME, **limits),
            once=once,
            precision=precision,
            backlog=backlog,
            on_event=lambda event: log(stamped(safe_text(str(event)))),
            show=None if quiet else rows_printer(terminal.out, 1),
        ),
        terminal,
        network=system,
    )


async def connect(
    address: str, name: str | None, ca: Path | None, strict: bool, terminal: Terminal
) -> None:
    """Run the client until its input ends, the server goes, or Ctrl-C.

    Raises:
        SomeFailed: a line failed, and `strict` was asked for.
    """
    network = SystemNetwork(ca=ca)
    await until_interrupted(partial(_connect, address, name, network, strict, terminal), terminal)


class SomeFailed(TrionetError):
    """Not every line has a result; the message says how many have none."""


async def _connect(
    address: str, name: str | None, network: Network, strict: bool, terminal: Terminal
) -> None:
    async with open_person(terminal, plain=False, history="calc_history") as person:
        failed = await _converse(address, name, network, person)
    if strict and failed:
        raise SomeFailed("1 line failed" if failed == 1 else f"{failed} lines failed")


async def _converse(address: str, name: str | None, network: Network, person: Person) -> int:
    """Hold a session, asking for another name where somebody can be asked."""
    while True:
        try:
            # Before the connection: who is still thinking of a name would keep others waiting.
            given = await person.ask("name: ") if name is None else name
            if given is None or (name is None and calc.is_quit(given)):
                return 0
            if name is None and person.is_interactive and may_mean_to_leave(given):
                person.note(LEAVE)
                continue
            calc.check_name(given)
            async with await network.connect(address) as stream:
                return await calc.converse(
                    stream,
                    given,
                    _Operations(person),
                    show=person.show,
                    refuse=partial(_refuse, person),
                    one_at_a_time=person.is_interactive,
                    wait_room=person.wait_room,
                    note=person.note,
                )
        except (calc.UnfitName, calc.Refused, BadLine) as error:
            if not person.is_interactive:
                raise
            person.warn(str(error))
            name = None


class _Operations:
    """What is typed or piped in, with what a person means for their own client taken out.

    Questions for help are answered here, and a line that looks as if it should end the program is
    asked about. A `q` with lines of a paste behind it would lose these: it is passed over.
    """

    def __init__(self, person: Person) -> None:
        self._person = person
        self._lines = aiter(person.lines)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Line:
        while True:
            line = await anext(self._lines)
            if isinstance(line, BadLine) or not self._person.is_interactive:
                return line
            if line.strip() == "?":
                for text in HELP.splitlines():
                    self._person.show(text)
            elif may_mean_to_leave(line):
                self._person.note(LEAVE)
            elif isinstance(line, PastedLine) and line.behind and calc.is_quit(line):
                self._person.note("within a paste a q does not end the session: it was passed over")
            else:
                return line


def _refuse(person: Person, line: str, error: TrionetError) -> None:
    person.refuse(line, str(error), getattr(error, "column", None))
