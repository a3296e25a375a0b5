"""What the `calc serve` and `calc connect` commands do."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Self

from trionet import calc
from trionet.abc import Network
from trionet.cli.client_leaving import until_interrupted
from trionet.cli.network_options import ClientSettings, ListenSettings
from trionet.cli.pasting import PastedLine
from trionet.cli.printed_rows import rows_printer
from trionet.cli.running import Runtime, serve_until_signalled
from trionet.cli.user_interface import UserInterface, open_user_interface
from trionet.errors import BadLine, TrionetError
from trionet.limits import Limits
from trionet.lines import Line
from trionet.program.worker import Worker
from trionet.text.farewells import LEAVE, may_mean_to_leave
from trionet.transport.network import SystemNetwork
from trionet.transport.shared import WorkerNetwork

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
    addresses: Sequence[str],
    runtime: Runtime,
    *,
    limits: Limits,
    network: ListenSettings,
    backlog: int | None,
    once: bool,
    precision: int,
    quiet: bool,
    metrics: str | None = None,
    worker: Worker | None = None,
) -> None:
    """Run the server until it has ended or a signal ends it."""
    system = SystemNetwork(**network) if worker is None else WorkerNetwork(worker.opened, **network)
    await serve_until_signalled(
        partial(
            calc.serve,
            *addresses,
            network=system,
            limits=limits,
            backlog=backlog,
            once=once,
            precision=precision,
            show=None if quiet else rows_printer(runtime.out, 1),
        ),
        runtime,
        network=system,
        metrics=metrics,
        worker=worker,
        drain_seconds=limits.drain_seconds,
    )


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
                for text in HELP.splitlines():
                    self._ui.show(text)
            elif may_mean_to_leave(line):
                self._ui.note(LEAVE)
            elif isinstance(line, PastedLine) and line.behind and calc.is_quit(line):
                self._ui.note("a q in a paste does not end the session: it was skipped")
            else:
                return line


def _refuse(ui: UserInterface, line: str, error: TrionetError) -> None:
    ui.refuse(line, str(error), getattr(error, "column", None))
