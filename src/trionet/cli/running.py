"""From an async function to an exit status: errors in one line, signals, logging."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Self

import trio
import typer

from trionet.cli.ending import SIGNALLED, Ended, die_of
from trionet.cli.modes import TerminalModes
from trionet.errors import TrionetError
from trionet.lines import Line
from trionet.nurseries import first_error
from trionet.program import run as program
from trionet.program.console import Console, open_console
from trionet.program.descriptors import prepare_many_descriptors
from trionet.program.run import logging_to, lost_output, stamped, tell_lost_output
from trionet.program.signals import INTERRUPTED, Ending, signals_taken_by
from trionet.text.safe import safe_text

DONE = 0
FAILED = 1

# What a client is ended by. A terminal that is left without echo is the worst of it.
_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
    if hasattr(signal, name)
]

_SIGHUP = getattr(signal, "SIGHUP", None)
_SIGQUIT = getattr(signal, "SIGQUIT", None)

# How long a client that was signalled, or has lost its reader, may take to leave a room in good
# order: several round trips around the world.
_LEAVE_SECONDS = 1.0

# Then it is ended, whatever it is doing: after the leaving and the last second of its outputs.
_STUCK_SECONDS = 3.0

# A joiner behind a letter, and a tower of marks: to judge them takes all patterns that there are.
_UNUSUAL = "\u0647\u200d." + 9 * "\u0301"


class ClientEnding(Ending):
    """Has a client end of the first signal, in good order, and of the second at once."""

    hangup_ends = True

    def __init__(self) -> None:
        super().__init__()
        self.modes = TerminalModes()

    def counted(self, number: int) -> None:
        """Start the time that the client has; or end it, its terminal restored."""
        if self.count == 1:
            self.end_process_after(_STUCK_SECONDS, self._end_stuck)
        elif number != _SIGHUP:
            # (A shell and its terminal both send SIGHUP.)
            self.modes.reset()
            die_of(number)

    def _end_stuck(self) -> None:
        self.modes.reset()
        # A thread other than the main one cannot have the process die of the signal.
        os._exit(SIGNALLED + self.number)


class Signals:
    """What signals do to a command: until it takes them itself, it dies of them."""

    def __init__(self) -> None:
        self.ending: Ending | None = None

    @property
    def is_server(self) -> bool:
        """Whether a server takes them."""
        return self.ending is not None and not isinstance(self.ending, ClientEnding)

    def take(self, number: int) -> None:
        """Take a signal, in the raw handler."""
        if self.ending is None or (self.is_server and number == _SIGQUIT):
            die_of(number)
        self.ending.take(number)

    def end(self) -> Ended | None:
        """Return how they end the program, if they do; for when nothing else is left to do."""
        ending = self.ending
        if ending is None:
            return None
        ending.over()
        if isinstance(ending, ClientEnding):
            ending.modes.restore()
            return Ended.by_signal(ending.number) if ending.count else None
        # The first signal's end is a server's ordinary end.
        return Ended(INTERRUPTED) if ending.count > 1 else None


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where a command prints: results and what the exercises say, and all else.

    Attributes:
        out: the standard output.
        err: the standard error.
        signals: what the command has to take.
    """

    out: Console
    err: Console
    signals: Signals = field(default_factory=Signals)

    def log(self, event: object) -> None:
        """Print one line of a server's log, with the time before it."""
        self.err.print(stamped(safe_text(str(event))))


def run(command: Callable[[Runtime], Awaitable[object]]) -> None:
    """Run a command and exit with its status.

    A `trionet.TrionetError` becomes one line, ``error: …``, and status 1. So does a client's output
    that cannot be written; a reader that has gone is no error.

    Raises:
        Ended: signals have ended it.
        typer.Exit: otherwise.
    """
    signals = Signals()
    status = FAILED
    with signals_taken_by(signals.take, *_SIGNALS):
        try:
            status = trio.run(_supervise, command, signals)
        finally:
            end = signals.end()
    if end is not None:
        raise end
    raise typer.Exit(status)


async def _supervise(command: Callable[[Runtime], Awaitable[object]], signals: Signals) -> int:
    async with open_console(2) as err:

        def output_failed(error: OSError) -> None:
            if signals.is_server:
                tell_lost_output(runtime.log, error)

        async with open_console(1, on_failure=output_failed) as out:
            runtime = Runtime(out, err, signals)
            with logging_to(err):
                error = await _error_of(partial(command, runtime))
        if signals.is_server:
            has_failed = error is not None
        else:
            error = lost_output(out.failure) if out.failure is not None else error
            has_failed = error is not None or err.failure is not None
        if error is not None:
            err.print(safe_text(f"error: {error}"))
            has_failed = True
    # What could not be written on the standard error is known here at the latest.
    return FAILED if has_failed or (err.failure is not None and not signals.is_server) else DONE


async def _error_of(command: Callable[[], Awaitable[object]]) -> str | None:
    error: str | None = None
    try:
        await command()
    except* TrionetError as group:
        error = str(first_error(group))
    return error


class Leaving:
    """Ends what a client is told to send: then it leaves as if its input had ended."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lines: AsyncIterator[Line] | None = None
        self._has_left = False
        self._waits = trio.CancelScope()

    def leave(self) -> bool:
        """End the lines now, and return whether the client has begun to read them."""
        self._has_left = True
        self._waits.cancel()
        return self._lines is not None

    def over(self, lines: AsyncIterable[Line]) -> Self:
        """Return the lines up to the moment of leaving; Ctrl-C as a key is one."""
        self._lines = aiter(lines)
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Line:
        assert self._lines is not None
        if not self._has_left:
            with trio.CancelScope() as self._waits:
                try:
                    return await anext(self._lines)
                except KeyboardInterrupt:
                    self._runtime.signals.take(signal.SIGINT)
        raise StopAsyncIteration


async def until_interrupted(
    client: Callable[[], Awaitable[object]], runtime: Runtime, *, leaving: Leaving | None = None
) -> None:
    """Run a client until it ends, a signal ends it, or its output cannot be written any more.

    Args:
        client: what to run.
        terminal: its outputs. What it prints is written before this returns, however long its
            reader takes, unless a signal comes.
        leaving: is told to leave, and the client has a second for it; default: it is cancelled.
    """
    ending = ClientEnding()
    runtime.signals.ending = ending
    has_departed = False

    def depart() -> None:
        nonlocal has_departed
        has_departed = True
        if leaving is not None and leaving.leave():
            nursery.cancel_scope.deadline = trio.current_time() + _LEAVE_SECONDS
        else:
            nursery.cancel_scope.cancel()

    async def depart_after(wait: Callable[[], Awaitable[object]]) -> None:
        await wait()
        depart()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(depart_after, partial(ending.wait, 1))
            nursery.start_soon(depart_after, runtime.out.wait_ended)
            error = None
            try:
                await client()
            except TrionetError as failure:
                error = failure
            await runtime.out.flush()
            if error is not None:
                raise error
            nursery.cancel_scope.cancel()
    except* KeyboardInterrupt:
        # Ctrl-C as a key, while a line is edited.
        ending.take(signal.SIGINT)
    except* TrionetError:
        # What comes of a leaving in haste is no news.
        if not has_departed:
            raise


async def serve_until_signalled(
    serve: Callable[..., Awaitable[None]],
    runtime: Runtime,
    *,
    network: object = None,
    prepare: Callable[[], object] = lambda: None,
) -> None:
    """Run a server: announce it, drain it on the first signal, end it at once on the second.

    Args:
        serve: hands a `trionet.Server` to its ``task_status``.
        terminal: where it is announced.
        network: has certificates to reload on SIGHUP; default nothing.
        prepare: does once what would otherwise keep all waiting when the first client needs it;
            default nothing.
    """
    prepare_many_descriptors()
    # The first unusual text has patterns compiled, in which time nobody is served: 4 to 10 ms.
    safe_text(_UNUSUAL)
    prepare()
    # What is loaded stays, and need not be looked at in each full collection: one took 36 ms, in
    # which nobody is served. And next to nothing that a server makes is garbage in cycles: to look
    # for it at each 700 objects more (Python's default) was 3 % of a request.
    gc.freeze()
    gc.set_threshold(10_000)
    runtime.signals.ending = ending = Ending()
    await program.serve_until_signalled(
        serve, ending, show=runtime.out.print, tell=runtime.log, network=network
    )
