"""What the `calc` commands do."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from trionet import calc
from trionet.cli.people import open_person
from trionet.cli.running import Terminal, serve_until_signalled, until_interrupted
from trionet.errors import BadLine
from trionet.network import Network, SystemNetwork


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
    await serve_until_signalled(
        partial(
            calc.serve,
            *addresses,
            network=SystemNetwork(**network),
            limits=replace(calc.ONE_AT_A_TIME, **limits),
            once=once,
            precision=precision,
            backlog=backlog,
            on_event=terminal.log,
            show=_nothing if quiet else terminal.out.print,
        ),
        terminal,
    )


async def connect(address: str, name: str | None, ca: Path | None, terminal: Terminal) -> None:
    """Run the client until its input ends, the server goes, or Ctrl-C."""
    await until_interrupted(partial(_connect, address, name, SystemNetwork(ca=ca), terminal))


async def _connect(address: str, name: str | None, network: Network, terminal: Terminal) -> None:
    with open_person(terminal, plain=False) as person:
        while True:
            try:
                # Before the connection: who is still thinking of a name would keep others waiting.
                given = await person.ask("name: ") if name is None else name
                if given is None or (name is None and calc.is_quit(given)):
                    return None
                calc.check_name(given)
                async with await network.connect(address) as stream:
                    return await calc.converse(
                        stream,
                        given,
                        person.lines,
                        show=person.show,
                        warn=person.warn,
                        one_at_a_time=person.is_interactive,
                    )
            except (calc.UnfitName, calc.Refused, BadLine) as error:
                if not person.is_interactive:
                    raise
                person.warn(str(error))
                name = None


def _nothing(_line: str) -> None:
    pass
