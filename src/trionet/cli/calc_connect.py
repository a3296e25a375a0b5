"""What the `calc connect` command does: a calculator session for a person or a pipe."""

from __future__ import annotations

from functools import partial
from typing import Self

from trionet import calc
from trionet.abc import Network
from trionet.calc.help import HELP
from trionet.cli.address_options import ClientSettings
from trionet.cli.pasting import PastedLine
from trionet.cli.running import Runtime, until_interrupted
from trionet.cli.user_interface import UserInterface, open_user_interface
from trionet.errors import BadLine, TrionetError
from trionet.lines import Line
from trionet.text.farewells import LEAVE, may_mean_to_leave
from trionet.transport.network import SystemNetwork


async def connect(
    address: str, runtime: Runtime, *, name: str | None, network: ClientSettings, strict: bool
) -> None:
    """Run the client until its input ends, the server goes away, or a signal ends it.

    Raises:
        SomeFailed: a line failed, and `strict` is on.
    """
    system = SystemNetwork(**network)
    await until_interrupted(
        partial(_connect, address, runtime, name=name, network=system, strict=strict), runtime
    )


class SomeFailed(TrionetError):
    """Some lines have no result; the message says how many."""


async def _connect(
    address: str, runtime: Runtime, *, name: str | None, network: Network, strict: bool
) -> None:
    async with open_user_interface(runtime, plain=False, history="calc_history") as ui:
        failed = await _converse(address, name, network, ui)
    if strict and failed:
        raise SomeFailed("1 line failed" if failed == 1 else f"{failed} lines failed")


async def _converse(address: str, name: str | None, network: Network, ui: UserInterface) -> int:
    """Hold a session, and return how many lines failed. A person may try several names."""
    while True:
        try:
            # Ask before connecting: a client still thinking of a name would keep others waiting.
            given = await ui.ask("name: ") if name is None else name
            if given is None or (name is None and calc.is_quit(given)):
                return 0
            if name is None and ui.is_interactive and may_mean_to_leave(given):
                ui.note(LEAVE)
                continue
            calc.check_name(given)
            async with await network.connect(address) as stream:
                return await calc.converse(
                    stream,
                    given,
                    _Operations(ui),
                    show=ui.show,
                    refuse=partial(_refuse, ui),
                    one_at_a_time=ui.is_interactive,
                    wait_room=ui.wait_room,
                    note=ui.note,
                )
        except (calc.UnfitName, calc.NotServed, BadLine) as error:
            if not ui.is_interactive:
                raise
            ui.warn(str(error))
            name = None


class _Operations:
    """The lines for the server: all input except what a person means for their own client.

    Questions for help are answered here. A line that looks as if it should end the program is not
    sent; the person is asked about it. A `q` inside a paste is skipped, because the lines after it
    would be lost.
    """

    def __init__(self, ui: UserInterface) -> None:
        self._ui = ui
        self._lines = aiter(ui.lines)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Line:
        while True:
            line = await anext(self._lines)
            if isinstance(line, BadLine) or not self._ui.is_interactive:
                return line
            if line.strip() == "?":
                for text in HELP:
                    self._ui.show(text)
            elif may_mean_to_leave(line):
                self._ui.note(LEAVE)
            elif isinstance(line, PastedLine) and line.behind and calc.is_quit(line):
                self._ui.note("a q in a paste does not end the session: it was skipped")
            else:
                return line


def _refuse(ui: UserInterface, line: str, error: TrionetError) -> None:
    ui.refuse(line, str(error), getattr(error, "column", None))
