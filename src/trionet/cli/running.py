"""From an async function to an exit status: errors in one line, signals, logging."""

from __future__ import annotations

import gc
import logging
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import trio
import typer

from trionet.cli.console import Console, open_console
from trionet.cli.descriptors import prepare_many_descriptors
from trionet.errors import TrionetError
from trionet.server import Server
from trionet.text import safe_text

DONE = 0
FAILED = 1
INTERRUPTED = 130

# A joiner behind a letter, and a tower of marks: to judge them takes all patterns that there are.
_UNUSUAL = "\u0647\u200d." + 9 * "\u0301"


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where a command prints: results and what the exercises say, and all else."""

    out: Console
    err: Console

    def log(self, event: object) -> None:
        """Print one line of a server's log."""
        self.err.print(safe_text(str(event)))


def run(command: Callable[[Terminal], Awaitable[object]]) -> None:
    """Run a command and exit with its status.

    A `trionet.TrionetError` becomes one line, ``error: …``, and status 1; Ctrl-C status 130.

    Raises:
        typer.Exit: always.
    """
    status = INTERRUPTED
    # Ctrl-C where nobody waits for it, such as once more while the last lines are written.
    try:
        status = trio.run(_supervise, command)
    except* KeyboardInterrupt:
        pass
    raise typer.Exit(status)


async def _supervise(command: Callable[[Terminal], Awaitable[object]]) -> int:
    async with open_console(1) as out, open_console(2) as err:
        with _logging_to(err):
            return await _status_of(partial(command, Terminal(out, err)), err)


async def _status_of(command: Callable[[], Awaitable[object]], err: Console) -> int:
    status = DONE
    try:
        await command()
    except* TrionetError as group:
        err.print(safe_text(f"error: {_first(group)}"))
        status = FAILED
    except* KeyboardInterrupt:
        status = INTERRUPTED
    return status


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def until_interrupted(client: Callable[[], Awaitable[object]]) -> None:
    """Run a client; Ctrl-C ends it.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed, perhaps in a group.
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_raise_on_interrupt)
        await client()
        nursery.cancel_scope.cancel()


async def _raise_on_interrupt() -> None:
    with trio.open_signal_receiver(signal.SIGINT) as signals:
        async for _ in signals:
            raise KeyboardInterrupt


async def serve_until_signalled(
    serve: Callable[..., Awaitable[None]],
    terminal: Terminal,
    *,
    prepare: Callable[[], object] = lambda: None,
) -> None:
    """Run a server: announce it, drain it on the first signal, end it at once on the second.

    Args:
        serve: hands a `trionet.Server` to its ``task_status``.
        terminal: where it is announced.
        prepare: does once what would otherwise keep all waiting when the first client needs it;
            default nothing.

    Raises:
        KeyboardInterrupt: there was a second signal, perhaps in a group.
    """

    async def serve_and_finish(task_status: trio.TaskStatus[Server]) -> None:
        await serve(task_status=task_status)
        nursery.cancel_scope.cancel()

    prepare_many_descriptors()
    # The first unusual text has patterns compiled, in which time nobody is served: 4 to 10 ms.
    safe_text(_UNUSUAL)
    prepare()
    # What is loaded stays, and need not be looked at in each full collection: one took 36 ms, in
    # which nobody is served. And next to nothing that a server makes is garbage in cycles: to look
    # for it at each 700 objects more (Python's default) was 3 % of a request.
    gc.freeze()
    gc.set_threshold(10_000)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            server: Server = await nursery.start(serve_and_finish)
            for address in server.addresses:
                terminal.out.print(f"listening on {address}")
            await anext(signals)
            if server.connections:
                terminal.err.print("closing; once more ends at once")
            nursery.start_soon(server.drain)
            await anext(signals)
            raise KeyboardInterrupt


class _ConsoleHandler(logging.Handler):
    """Logs one line each, and a traceback where there is one, to a console."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        # Line for line, because a traceback has many; what failed may quote a peer.
        for line in f"{record.levelname.lower()}: {self.format(record)}".split("\n"):
            self._console.print(safe_text(line))


@contextmanager
def _logging_to(console: Console) -> Iterator[None]:
    """Log what trionet tells to a console, within the block."""
    handler = _ConsoleHandler(console)
    logger = logging.getLogger("trionet")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
