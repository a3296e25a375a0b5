"""Run a command from its async function to its exit status: errors, signals, logging.

The layers, from the outside: signals, so that one that comes at any moment ends the program as it
should; standard error, which has the error of everything inside; standard output, whose failure is
such an error; the log; the command. What a server ends with differs from what a client ends with:
`Signals.end` and `_supervise` say how.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import trio
import typer

from trionet.cli.program_exit import DONE, FAILED, SIGNALLED, Ended, die_of
from trionet.cli.terminal_modes import TerminalModes
from trionet.errors import TrionetError
from trionet.nurseries import first_error
from trionet.program import serving
from trionet.program.console import Console, open_console
from trionet.program.console_log import log_lost_output, logging_to, lost_output, queues_of
from trionet.program.descriptors import prepare_many_descriptors
from trionet.program.log_format import LogOptions
from trionet.program.signals import INTERRUPTED, Ending, signals_taken_by
from trionet.program.worker import NumbersTold, Worker
from trionet.text.safe import safe_text

# The signals that end a client in good order. If a client died of one, its terminal could be left
# without echo.
_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
    if hasattr(signal, name)
]

logger = logging.getLogger("trionet.program")

_SIGHUP = getattr(signal, "SIGHUP", None)
_SIGQUIT = getattr(signal, "SIGQUIT", None)

# After this long the client is ended, whatever it is doing. That is longer than it has to leave and
# its outputs have to end, together.
_STUCK_SECONDS = 3.0

# `safe_text` makes its table for this.
_UNUSUAL = "\u200b"


class ClientEnding(Ending):
    """Ends a client in good order at the first signal, and at once at the second."""

    hangup_ends = True
    # A client should stop now, and nobody sends it a second signal for what it did about the first.
    reports_at_once = True

    def __init__(self, *, term_ends_well: bool = False) -> None:
        super().__init__()
        self.term_ends_well = term_ends_well
        self.modes = TerminalModes()

    def counted(self, number: int) -> None:
        """Limit the client's time to end, or at the second signal end it. Restores its terminal."""
        if self.count == 1:
            self.end_process_after(_STUCK_SECONDS, self._end_stuck)
        elif number != _SIGHUP:
            # A second SIGHUP does not count: a shell and its terminal both send one.
            self.modes.reset()
            die_of(number)

    def _end_stuck(self) -> None:
        self.modes.reset()
        # Only the main thread could have the process die of the signal.
        os._exit(SIGNALLED + self.number)


class Signals:
    """What signals do to a command. It dies of them until it handles them itself.

    Attributes:
        ending: handles the signals; ``None`` until the command does.
    """

    def __init__(self) -> None:
        self.ending: Ending | None = None

    @property
    def is_server(self) -> bool:
        """Whether the command is a server that handles signals."""
        return self.ending is not None and not isinstance(self.ending, ClientEnding)

    def take(self, number: int) -> None:
        """Handle a signal. Called in the raw handler."""
        if self.ending is None or (self.is_server and number == _SIGQUIT):
            die_of(number)
        self.ending.take(number)

    def end(self) -> Ended | None:
        """Return how signals end the program, or ``None``. Call it when nothing is left to do."""
        ending = self.ending
        if ending is None:
            return None
        ending.over()
        if isinstance(ending, ClientEnding):
            ending.modes.restore()
            if ending.term_ends_well and ending.number == signal.SIGTERM:
                return None
            return Ended.by_signal(ending.number) if ending.count else None
        if ending.count > 1:
            return Ended(INTERRUPTED)
        # A server that listened and ends after the first signal has ended as it should.
        return Ended.by_signal(ending.number) if ending.is_early else None


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a command gets from the process: its outputs and its signals.

    Attributes:
        out: standard output, for results and for the lines that the exercises ask for.
        err: standard error, for everything else.
        signals: what signals do to the command.
        show_state: logs the state of the process, see `trionet.program.process_state`.
    """

    out: Console
    err: Console
    signals: Signals = field(default_factory=Signals)
    show_state: Callable[[Mapping[str, object]], object] | None = None

    def log(self, reason: str) -> None:
        """Log something about the program."""
        level = logging.WARNING if reason.startswith("warning: ") else logging.INFO
        logger.log(level, "%s", reason.removeprefix("warning: "), extra={"event": "program"})


def run(command: Callable[[Runtime], Awaitable[object]], *, log: LogOptions | None = None) -> None:
    """Run a command and exit with its status.

    A `trionet.TrionetError` becomes one line, ``error: …``, and status 1. So does output of a
    client that cannot be written. That nobody reads the output any more is not an error.

    After a server, signals are ignored: call this last.

    Args:
        command: gets the outputs and signals.
        log: how it logs to standard error; default: problems alone, as text.

    Raises:
        Ended: signals have ended the command.
        typer.Exit: in all other cases.
    """
    signals = Signals()
    status = FAILED
    # A supervisor may signal a server that has just ended by itself. That is no failure.
    with signals_taken_by(signals.take, *_SIGNALS, is_last=lambda: signals.is_server):
        try:
            status = trio.run(_supervise, command, signals, log)
        finally:
            end = signals.end()
    if end is not None:
        raise end
    raise typer.Exit(status)


async def _supervise(
    command: Callable[[Runtime], Awaitable[object]], signals: Signals, log: LogOptions | None
) -> int:
    """Run a command between its consoles, and return its exit status."""
    async with open_console(2) as err:

        def output_failed(error: OSError) -> None:
            if signals.is_server:
                log_lost_output(error)

        async with open_console(1, on_failure=output_failed) as out:
            runtime = Runtime(out, err, signals)
            with logging_to(err, log, show=_rows_of(err)) as handler:
                runtime = replace(runtime, show_state=handler.show_state)
                error = await _error_of(partial(command, runtime))
        if signals.is_server:
            has_failed = error is not None
        else:
            error = lost_output(out.failure) if out.failure is not None else error
            has_failed = error is not None or err.failure is not None
        if error is not None:
            _rows_of(err)(safe_text(f"error: {error}"))
            has_failed = True
    # By now it is known whether everything could be written to standard error.
    return FAILED if has_failed or (err.failure is not None and not signals.is_server) else DONE


def _rows_of(err: Console) -> Callable[[str], object]:
    """Return what prints a line on standard error: a name in it may contain spaces."""
    if not os.isatty(2):
        return err.print
    # Imported only where it is needed, for a quick start.
    from trionet.cli.printed_rows import rows_printer

    return rows_printer(err, 2)


async def _error_of(command: Callable[[], Awaitable[object]]) -> str | None:
    error: str | None = None
    try:
        await command()
    except* TrionetError as group:
        error = str(first_error(group))
    return error


async def serve_until_signalled(
    serve: Callable[..., Awaitable[None]],
    runtime: Runtime,
    *,
    network: object = None,
    metrics: str | None = None,
    prepare: Callable[[], object] = lambda: None,
    on_announced: Callable[[str], object] = lambda _line: None,
    worker: Worker | None = None,
    drain_seconds: float = 0.0,
) -> None:
    """Run a server: announce it, drain it on the first signal, end it at once on the second.

    Args:
        serve: passes a `trionet.Server` to its ``task_status``.
        runtime: where the server is announced and logged, and its signals.
        network: its certificates are reloaded on SIGHUP; default: there are none.
        metrics: where its metrics are served, ``HOST:PORT``; default: nowhere. A worker tells them
            to its parent, which serves them.
        prepare: does slow work beforehand, which would otherwise delay everybody when the first
            client needs it; default: nothing.
        on_announced: called with each line that announces the server; default: nothing.
        worker: this process is one, so its parent is told in place of announcing the server.
        drain_seconds: how long a drain may take; only a worker needs it.
    """
    prepare_many_descriptors()
    # For the first unusual text a table is made, and nobody is served meanwhile: 9 ms.
    safe_text(_UNUSUAL)
    prepare()
    # What is loaded now stays, so a full collection need not examine it: one took 36 ms, in which
    # nobody is served. And a server makes next to no garbage in cycles: looking for it every 700
    # objects (Python's default) cost 3 % of a request.
    gc.freeze()
    gc.set_threshold(10_000)
    runtime.signals.ending = ending = Ending()

    def show(line: str) -> None:
        if worker is not None:
            worker.tell_ready()
            return
        runtime.out.print(line)
        on_announced(line)

    if worker is not None:
        worker.end_with_parent(drain_seconds)
    await serving.serve_until_signalled(
        [serve],
        ending,
        show=show,
        networks=[network],
        metrics=metrics if worker is None else None,
        report=None if worker is None or metrics is None else NumbersTold(worker.link).tell,
        show_state=runtime.show_state,
        queues=queues_of(runtime.out, runtime.err),
    )
