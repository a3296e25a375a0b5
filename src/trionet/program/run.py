"""A server as a program: what it prints and logs, which signals end it, its exit status.

`run` is for servers of your own. The command line's servers use the same pieces.
"""

from __future__ import annotations

import inspect
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any

import trio

from trionet.checks import check_flag
from trionet.errors import AddressError, TrionetError, system_reason
from trionet.function_checks import check_tasks
from trionet.limits import Limits
from trionet.nurseries import first_error, single_error
from trionet.program.console import Console, open_console
from trionet.program.descriptors import prepare_many_descriptors
from trionet.program.signals import INTERRUPTED, Ending, signals_taken_by
from trionet.server import Handler, Server, check_call, serve
from trionet.text.safe import safe_text
from trionet.transport.network import SYSTEM

FAILED = 1

# How long a terminal may take to hang up after a SIGHUP, and how often to check.
_HANGUP_SECONDS = 3.0
_LOOK_SECONDS = 0.1

# The signals that ask a server to end, and the one that asks it to reload.
SERVER_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]

logger = logging.getLogger("trionet.program")


def run(
    handler: Handler,
    *addresses: str,
    beside: Iterable[Callable[[], Awaitable[object]]] = (),
    quiet: bool = False,
    **options: Any,
) -> None:
    """Serve lines on addresses as a whole program. Make it the last call of a script.

    It blocks until the server has ended: after the first SIGINT (Ctrl-C) or SIGTERM, which drains
    the server, or when the program itself has drained it. Then it returns, so the program's exit
    status is 0. A second signal ends the process within a second, with status 130, whatever its
    tasks and threads are doing.

    SIGHUP has the network reload its certificates, if it has any to reload
    (`trionet.SystemNetwork.reload`). If it has none, SIGHUP drains the server if its terminal has
    hung up; otherwise it is logged and does nothing. If SIGHUP is ignored, as under ``nohup``, it
    stays ignored.

    ``listening on ADDRESS`` is printed on standard output for each address, with its real port.
    The log goes to the logger ``trionet``: problems, and each connection with level INFO. If no
    logging is configured, it is written to standard error, one line each that begins with the time
    (UTC, ISO 8601). An output that stands still, is full or is closed never stops the server.

    Args:
        handler: an async function that is called with a `Connection` for each peer, or a plain
            function that is called with each line and returns the answer; see `serve`.
        addresses: see `trionet.parse_address`; at least one.
        beside: async functions that run beside the server. They start before it listens, and are
            cancelled when it has ended. What one of them raises ends the program, and is not
            wrapped in an exception group.
        quiet: print no addresses and log no connections.
        options: all other options are those of `serve`, except ``task_status``. If you give
            ``on_event``, connections are not logged.

    Raises:
        SystemExit: with status 1 after one line ``error: …`` on standard error, for a
            `TrionetError`, such as an address that cannot be listened on; with status 130 after a
            second signal; with 143 for a SIGTERM, or 130 for a SIGINT, that comes before the server
            could listen; with the status of a ``sys.exit`` in the handler, in a callback or in
            `beside`, which ends the program at once, without a drain.
        TypeError, ValueError: an argument is of the wrong kind, such as a handler that takes no
            argument, or `serve` has no such option; the message says what to write. These
            are raised at the call, before anything runs.
        RuntimeError: it was not called in the main thread. Only there can signals be handled.

    Cancellation: none, because it is not an async function. Inside Trio use `serve`.

    Resource handling: closes everything it opened, and restores the handlers of signals and of the
    log. The limit of file descriptors is raised as far as the OS allows, and stays raised.
    """
    # Report a mistake in the call at the call, not from the depths of an event loop.
    _check_options(options)
    # A bad address may come from the program's user, so it is reported below without a traceback.
    with suppress(AddressError):
        check_call(handler, addresses, caller="run", **options)
    check_flag("quiet", quiet)
    tasks = check_tasks("beside", beside)
    ending = Ending()
    with signals_taken_by(ending.take, *SERVER_SIGNALS), _without_groups():
        status = trio.run(partial(_run, handler, addresses, ending, tasks, quiet, options))
    if ending.is_early:
        # What a shell shows for a program that died of the signal.
        status = 128 + ending.number
    if ending.count > 1:
        status = INTERRUPTED
    if status:
        sys.exit(status)


def _check_options(options: Mapping[str, object]) -> None:
    """Refuse options that `serve` does not have, with what to write instead."""
    limits = {field.name for field in fields(Limits)}
    known = inspect.signature(serve).parameters
    for name in options:
        if name in limits:
            raise TypeError(f"run() has no option {name}: write limits=trionet.Limits({name}=...)")
        if name == "task_status":
            raise TypeError("run() has no option task_status: inside Trio use trionet.serve")
        if name not in known:
            raise TypeError(f"run() has no option {name}: it has those of trionet.serve")


@contextmanager
def _without_groups() -> Iterator[None]:
    """Take a lone error, or one that ends the program, out of the groups that nurseries make."""
    try:
        with single_error(BaseException):
            yield
    except BaseExceptionGroup as group:
        exits, others = group.split((SystemExit, KeyboardInterrupt))
        if exits is None or others is not None:
            raise
        raise first_error(exits) from None


async def _run(
    handler: Handler,
    addresses: tuple[str, ...],
    ending: Ending,
    beside: tuple[Callable[[], Awaitable[object]], ...],
    quiet: bool,
    options: dict[str, Any],
) -> int:
    status = 0
    async with open_console(2) as err:

        def tell(line: str) -> None:
            err.print(stamped(line))

        async with open_console(1, on_failure=partial(tell_lost_output, tell)) as out:
            with _logging_if_not_configured(err):
                if not quiet and logger.isEnabledFor(logging.INFO):
                    options = {"on_event": _log_event, **options}
                prepare_many_descriptors()
                try:
                    async with trio.open_nursery() as nursery:
                        for function in beside:
                            nursery.start_soon(function)
                        await serve_until_signalled(
                            partial(serve, handler, *addresses, **options),
                            ending,
                            show=(lambda _line: None) if quiet else out.print,
                            tell=tell,
                            network=options.get("network", SYSTEM),
                        )
                        nursery.cancel_scope.cancel()
                except* TrionetError as group:
                    err.print(safe_text(f"error: {first_error(group)}"))
                    status = FAILED
    return status


async def serve_until_signalled(
    serve: Callable[..., Awaitable[None]],
    ending: Ending,
    *,
    show: Callable[[str], object],
    tell: Callable[[str], object],
    network: object = None,
) -> None:
    """Run a server: drain it on the first signal, cancel it on the second.

    A signal that comes before the server listens cancels it, and sets ``ending.is_early``.

    Args:
        serve: passes a `trionet.Server` to its ``task_status``.
        ending: counts the signals; see `trionet.program.signals`.
        show: called with each line ``listening on ADDRESS``.
        tell: called with each line for the log.
        network: its ``reload()``, if it has one, is called on SIGHUP; default: nothing is reloaded.

    Cancellation: immediate; the server is not drained.
    """
    terminals = [fd for fd in (0, 1, 2) if os.isatty(fd)]
    server: Server | None = None

    async def watch_endings() -> None:
        await ending.wait(1)
        if server is None:
            ending.is_early = True
            name = signal.Signals(ending.number).name
            tell(f"closing: {name} came before the server could listen")
            nursery.cancel_scope.cancel()
            return
        if server.connections:
            tell("closing; a second signal ends the server at once")
        nursery.start_soon(server.drain)
        await ending.wait(2)
        nursery.cancel_scope.cancel()

    async def watch_hangups() -> None:
        while True:
            await ending.wait_hangup()
            if _reload(network, tell):
                continue
            if not has_hung_up():
                tell("SIGHUP: nothing to reload, going on")
                # The terminal may close only after its shell has told its children.
                with trio.move_on_after(_HANGUP_SECONDS if terminals else 0):
                    # There is no event to wait for: the loop reports only that input can be read.
                    while not has_hung_up():  # noqa: ASYNC110
                        await trio.sleep(_LOOK_SECONDS)
            if has_hung_up():
                tell("the terminal has hung up: closing")
                ending.take(signal.SIGTERM)
                return

    def has_hung_up() -> bool:
        return any(not os.isatty(fd) for fd in terminals)

    async def serve_and_finish(task_status: trio.TaskStatus[Server]) -> None:
        await serve(task_status=task_status)
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_endings)
        nursery.start_soon(watch_hangups)
        server = await nursery.start(serve_and_finish)
        for address in server.addresses:
            show(f"listening on {address}")


def _reload(network: object, tell: Callable[[str], object]) -> bool:
    """Reload a network's certificates, and return whether it has any."""
    reload: Callable[[], bool] | None = getattr(network, "reload", None)
    if reload is None:
        return False
    try:
        if not reload():
            return False
    except (TrionetError, OSError, ValueError) as error:
        reason = system_reason(error) if isinstance(error, OSError) else str(error)
        tell(safe_text(f"error: cannot reload the certificate, the old one stays: {reason}"))
    else:
        tell("the certificate was reloaded")
    return True


def stamped(line: str) -> str:
    """Put the time before a line of the log: UTC, ISO 8601, to the millisecond."""
    second, millisecond = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_second_as_text(second)}.{millisecond:03d}Z {line}"


# A thousand who join at once are two thousand lines within a second. Formatting the whole time for
# each took 1.7 µs a line instead of 0.4.
@lru_cache(maxsize=1)
def _second_as_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def lost_output(error: OSError) -> str:
    """Return the message for standard output that cannot be written."""
    return f"cannot write to standard output: {system_reason(error)}"


def tell_lost_output(tell: Callable[[str], object], error: OSError) -> None:
    """Log that a server's standard output cannot be written. The server goes on."""
    tell(f"warning: {lost_output(error)}")


class ConsoleHandler(logging.Handler):
    """Logs to a console: messages, and tracebacks where there are any. Each line has the time."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record. Levels above INFO are named before the message."""
        text = self.format(record)
        if record.levelno > logging.INFO:
            text = f"{record.levelname.lower()}: {text}"
        # Line by line, because a traceback has many. Made safe, because an error may quote a peer.
        for line in text.split("\n"):
            self._console.print(stamped(safe_text(line)))


@contextmanager
def logging_to(console: Console, level: int | None = None) -> Iterator[None]:
    """Send trionet's log to a console for as long as the block runs.

    Args:
        console: prints the log.
        level: the lowest level to log; default: the logger's own.
    """
    handler = ConsoleHandler(console)
    trionet_logger = logging.getLogger("trionet")
    before = trionet_logger.level
    trionet_logger.addHandler(handler)
    if level is not None:
        trionet_logger.setLevel(level)
    try:
        yield
    finally:
        trionet_logger.setLevel(before)
        trionet_logger.removeHandler(handler)


@contextmanager
def _logging_if_not_configured(console: Console) -> Iterator[None]:
    if logging.getLogger("trionet").hasHandlers():
        yield
        return
    with logging_to(console, logging.INFO):
        yield


def _log_event(event: object) -> None:
    logger.info("%s", event)
