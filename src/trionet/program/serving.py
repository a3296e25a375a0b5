"""Run a server until signals end it: drain on the first, cancel on the second, reload on SIGHUP.

`trionet.program.signals` counts the signals; this file says what a server does about them.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from types import MappingProxyType

import trio

from trionet.errors import TrionetError, system_reason
from trionet.metrics import Reading
from trionet.program.metrics_page import METRICS, report_metrics, serve_program_metrics
from trionet.program.process_state import state_of_process
from trionet.program.signals import Ending, signals_taken_by
from trionet.program.supervisor import Supervisor, take_supervisor
from trionet.server import Server
from trionet.transport.addresses import WebAddress, parse_address
from trionet.transport.inherited import forget_inherited

logger = logging.getLogger("trionet.program")

# How long a terminal may take to hang up after a SIGHUP, and how often to check.
_HANGUP_SECONDS = 3.0
_LOOK_SECONDS = 0.1

_SIGUSR1 = getattr(signal, "SIGUSR1", None)

# The signals that ask a server to end, and the one that asks it to reload.
SERVER_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


async def serve_until_signalled(
    serves: Sequence[Callable[..., Awaitable[None]]],
    ending: Ending,
    *,
    show: Callable[[str], object] | None,
    networks: Sequence[object] = (),
    metrics: str | None = None,
    report: Callable[[list[Reading]], object] | None = None,
    show_state: Callable[[Mapping[str, object]], object] | None = None,
    queues: Mapping[str, Callable[[], object]] = MappingProxyType({}),
    supervisor: Supervisor | None = None,
) -> None:
    """Run servers until all have ended: drain them on the first signal, cancel on the second.

    The supervisor is told what happens, see `trionet.program.supervisor`. The variables that are
    meant for this process alone are removed from its environment.

    A signal that comes before all listen cancels them, and sets ``ending.is_early``.

    Args:
        serves: each passes a `trionet.Server` to its ``task_status``. They are started in turn.
        ending: counts the signals; see `trionet.program.signals`.
        show: called with each line ``listening on ADDRESS``; ``None``: that is not told, and not
            logged either.
        networks: the ``reload()`` of each that has one is called on SIGHUP; default: nothing is
            reloaded.
        metrics: where the metrics of all servers are served, ``HOST:PORT``; default: nowhere. They
            are served until the last server has ended, and told as ready while none drains.
        report: called with the metrics of all servers again and again, in a process that is one of
            several; default: nobody is told.
        show_state: called on SIGUSR1 with the state of the process (see
            `trionet.program.process_state`); default: SIGUSR1 does what it did before.
        queues: queues of the program, for its state.
        supervisor: who is told how the program is; default: whom the environment names.

    Raises:
        Whatever one of the servers raises; the others are cancelled.

    Cancellation: immediate; the servers are not drained.
    """
    servers: list[Server] = []
    supervisor = take_supervisor() if supervisor is None else supervisor

    def status() -> str:
        served = sum(len(server.connections) for server in servers)
        counted = f"{served} connection{'' if served == 1 else 's'}"
        return f"closing: {counted} left" if ending.count else counted

    async def watch_endings() -> None:
        """Drain the servers at the first signal, and cancel everything at the second."""
        await ending.wait(1)
        if len(servers) < len(serves):
            ending.is_early = True
            name = signal.Signals(ending.number).name
            _log("closing", f"closing: {name} came before the server could listen")
            nursery.cancel_scope.cancel()
            return
        if any(server.connections for server in servers):
            _log("closing", "closing; a second signal ends the server at once")
        nursery.start_soon(supervisor.stopping, status())
        for server in servers:
            nursery.start_soon(server.drain)
        await ending.wait(2)
        nursery.cancel_scope.cancel()

    async def serve_one(
        serve: Callable[..., Awaitable[None]], task_status: trio.TaskStatus[Server]
    ) -> None:
        """Run one of the servers."""
        await serve(task_status=task_status)

    def log_state() -> None:
        if show_state is not None:
            show_state(state_of_process(servers, queues))

    states = nullcontext() if show_state is None else _states_logged_by(log_state)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_endings)
        nursery.start_soon(_watch_hangups, ending, networks, supervisor)
        with states:
            page: Server | None = None
            if metrics is not None:
                page = await nursery.start(
                    partial(serve_program_metrics, metrics, servers, are_all=len(serves))
                )
            if report is not None:
                nursery.start_soon(report_metrics, report, servers)
            async with trio.open_nursery() as serving:
                for serve in serves:
                    server = await serving.start(serve_one, serve)
                    servers.append(server)
                if show is not None:
                    _announce(servers, show)
                    for address in () if page is None else page.addresses:
                        show(f"metrics on http://{address}{METRICS}")
                forget_inherited()
                await supervisor.ready(status)
                nursery.start_soon(supervisor.run)
            # Also where the servers have ended by themselves.
            await supervisor.stopping("closed")
        nursery.cancel_scope.cancel()


def _announce(servers: Sequence[Server], show: Callable[[str], object]) -> None:
    for server in servers:
        for address in server.addresses:
            where = shown_address(address)
            show(f"listening on {where}")
            own = {"event": "listening", "reason": where}
            logger.info("listening on %s", where, extra=own)


def _states_logged_by(log: Callable[[], object]) -> AbstractContextManager[None]:
    """Have SIGUSR1 call a function in the event loop for as long as the block runs."""
    if _SIGUSR1 is None:
        return nullcontext()
    token = trio.lowlevel.current_trio_token()

    def take(_number: int) -> None:
        # In the raw handler, the program may be in the middle of anything.
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(log, idempotent=True)

    return signals_taken_by(take, _SIGUSR1)


def shown_address(address: str) -> str:
    """Return an address as people use it: one for browsers as what a browser goes to."""
    where = parse_address(address)
    return where.url if isinstance(where, WebAddress) else address


def _log(event: str, reason: str, level: int = logging.INFO) -> None:
    logger.log(level, "%s", reason, extra={"event": event})


async def _watch_hangups(
    ending: Ending, networks: Sequence[object], supervisor: Supervisor
) -> None:
    """Reload on each SIGHUP. If there is nothing to reload, end if the terminal has hung up."""
    terminals = [fd for fd in (0, 1, 2) if os.isatty(fd)]

    def has_hung_up() -> bool:
        return any(not os.isatty(fd) for fd in terminals)

    while True:
        await ending.wait_hangup()
        # Reload all of them, not only the first that has something to reload.
        await supervisor.reloading()
        reloaded = [_reload(network) for network in networks]
        await supervisor.reloaded()
        if any(reloaded):
            continue
        if not has_hung_up():
            _log("reload", "SIGHUP: nothing to reload, going on")
            # The terminal may close only after its shell has told its children.
            with trio.move_on_after(_HANGUP_SECONDS if terminals else 0):
                # There is no event to wait for: the loop reports only that input can be read.
                while not has_hung_up():  # noqa: ASYNC110
                    await trio.sleep(_LOOK_SECONDS)
        if has_hung_up():
            _log("closing", "closing: the terminal has hung up")
            ending.take(signal.SIGTERM)
            return


def _reload(network: object) -> bool:
    """Reload a network's certificates, and return whether it has any."""
    reload: Callable[[], bool] | None = getattr(network, "reload", None)
    if reload is None:
        return False
    try:
        if not reload():
            return False
    except (TrionetError, OSError, ValueError) as error:
        reason = system_reason(error) if isinstance(error, OSError) else str(error)
        told = f"cannot reload the certificate, the old one stays: {reason}"
        _log("reload", told, logging.ERROR)
    else:
        _log("reload", "the certificate was reloaded")
    return True
