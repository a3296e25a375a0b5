"""`run`: a server of your own as a whole program.

It puts together what this package has, each with a file of its own: outputs that never block
(`console.py`), the log (`console_log.py`), the signals (`signals.py`) and what the server does
about them (`serving.py`), and what a service is (`service.py`). What is left for this file is the
check of the call, and the exit status. The command line's servers use the same pieces.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any, cast

import trio

from trionet.argument_checks import check_flag
from trionet.errors import TrionetError
from trionet.function_checks import check_tasks
from trionet.nurseries import first_error, single_error
from trionet.program.console import open_console
from trionet.program.console_log import log_lost_output, logging_if_not_configured, queues_of
from trionet.program.descriptors import prepare_many_descriptors
from trionet.program.log_format import FORMATS, LEVELS, LogFormat, LogLevel, LogOptions
from trionet.program.service import Service, service_of
from trionet.program.serving import SERVER_SIGNALS, serve_until_signalled
from trionet.program.signals import INTERRUPTED, Ending, signals_taken_by
from trionet.server import Handler, Server
from trionet.text.safe import safe_text
from trionet.transport.inherited import inherited_addresses
from trionet.type_checks import check_kind, shown

# The exit status after an error that the user can mend.
FAILED = 1


def run(
    handler: Handler | Service,
    *addresses: str | Service,
    beside: Iterable[Callable[[], Awaitable[object]]] = (),
    quiet: bool = False,
    metrics: str | None = None,
    log_format: LogFormat | None = None,
    log_level: LogLevel | None = None,
    **options: Any,
) -> None:
    """Serve lines on addresses as a whole program. Make it the last call of a script.

    ``run(shout, "localhost:7000")`` serves one service, and ``run(Service(...), Service(...))``
    several; see `trionet.Service`. They begin to listen in this order, and if one cannot, none is
    served. Their connections are numbered together, in events and in the log, so that no number
    comes twice.

    It blocks until the server has ended: after the first SIGINT (Ctrl-C) or SIGTERM, which drains
    the server, or when the program itself has drained it. Then it returns, so the program's exit
    status is 0. A second signal ends the process within a second, with status 130, whatever its
    tasks and threads are doing.

    SIGHUP has the network reload its certificates, if it has any to reload
    (`trionet.SystemNetwork.reload`). If it has none, SIGHUP drains the server if its terminal has
    hung up; otherwise it is logged and does nothing. If SIGHUP is ignored, as under ``nohup``, it
    stays ignored.

    ``listening on ADDRESS`` is printed on standard output for each address, with its real port.
    If a supervisor asks for it by ``NOTIFY_SOCKET``, as systemd does, it is told when the server
    accepts connections, reloads and stops, and its watchdog is fed.

    The log goes to the logger ``trionet``: problems, and each connection with level INFO. If no
    logging is configured, or you give `log_format` or `log_level`, it is written to standard error:
    a line for each event, ``time level event connection peer reason``, or a JSON object.
    SIGUSR1 has the state of the process written there, as one record with a JSON object in it. An
    output that stands still, is full or is closed never stops the server.

    Args:
        handler: an async function that is called with a `Connection` for each peer, or a plain
            function that is called with each line and returns the answer; see `serve`. Or a
            `Service`, which has its own addresses and options.
        addresses: see `trionet.parse_address`; default: the sockets that a supervisor, such as
            systemd, has passed on. Behind a `Service`, further ones.
        beside: async functions that run beside the server; default: none. They start before it
            listens, and are cancelled when it has ended. What one of them raises ends the program,
            and is not wrapped in an exception group.
        quiet: print no addresses and log no connections, whatever `log_level` says. Default
            ``False``.
        log_format: ``text`` (the default) or ``json``: one object a line, with a traceback in
            ``exception``.
        log_level: ``debug``, ``info`` (the default), ``warning`` or ``error``: the lowest level
            that is written.
        metrics: where the metrics of all services are served over HTTP, such as
            ``localhost:9100``, or ``:9100`` for all interfaces; default: nowhere. It needs the
            extra ``metrics``. ``metrics on http://HOST:PORT/metrics`` is printed, and ``/healthz``
            beside it is 200, and 503 while the program drains. A service adds numbers of its own
            to ``connection.server.metrics``, see `trionet.Metrics`.
        options: ``certificate``, ``key`` and ``client_ca`` for ``tls:`` addresses, and
            ``proxy_from``, see `trionet.Service`; all others are those of `serve`, such as
            ``limits`` and ``lifespan``, except ``task_status``. If you give ``on_event``,
            connections are not logged.

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
    log. So a SIGTERM in the few milliseconds between the return and the end of the interpreter ends
    the process by the signal, instead of with status 0. A script for which this matters ignores
    SIGTERM beforehand, ``signal.signal(signal.SIGTERM, signal.SIG_IGN)``: `run` still drains the
    server on one, and restores that it is ignored. The limit of file descriptors is raised as far
    as the OS allows, and stays raised.
    """
    # Report a mistake in the call at the call, not from the depths of an event loop.
    if not isinstance(handler, Service) and not addresses:
        addresses = tuple(one for one in inherited_addresses() if one != metrics)
    services = _services_of(handler, addresses, options)
    check_flag("quiet", quiet)
    log = _log_options(log_format, log_level)
    tasks = check_tasks("beside", beside)
    if metrics is not None:
        check_kind("metrics", metrics, str, hint="'localhost:9100'")
    run_services(services, beside=tasks, quiet=quiet, metrics=metrics, log=log)


def run_services(
    services: Sequence[Service],
    *,
    beside: tuple[Callable[[], Awaitable[object]], ...] = (),
    quiet: bool = False,
    metrics: str | None = None,
    log: LogOptions | None = None,
    is_last: bool = False,
) -> None:
    """Do what `run` does, with arguments that are known to be right.

    Args:
        services: what to serve.
        beside: as for `run`, and so are `quiet` and `metrics`.
        quiet: print no addresses and log no connections.
        metrics: where the metrics are served.
        log: how to log to standard error; ``None``: only if no logging is configured.
        is_last: whether the process ends now. Then signals are ignored afterwards, so that one in
            its last milliseconds does not change its status. Otherwise they do again what they
            did before.

    Raises:
        SystemExit: as `run`.
    """
    ending = Ending()
    with signals_taken_by(ending.take, *SERVER_SIGNALS, is_last=lambda: is_last), _without_groups():
        status = trio.run(
            partial(
                _run,
                services,
                ending=ending,
                beside=beside,
                quiet=quiet,
                metrics=metrics,
                log=log,
            )
        )
    if ending.is_early:
        # What a shell shows for a program that died of the signal.
        status = 128 + ending.number
    if ending.count > 1:
        status = INTERRUPTED
    if status:
        sys.exit(status)


def _services_of(
    handler: object, addresses: Sequence[object], options: dict[str, Any]
) -> list[Service]:
    """Return the services that a call of `run` is about."""
    if isinstance(handler, Service):
        services = [handler, *addresses]
        for service in services:
            if not isinstance(service, Service):
                raise TypeError(f"behind a Service there can only be others, not {shown(service)}")
        for name in options:
            raise TypeError(f"a Service has its own options: write Service(..., {name}=...)")
        return cast(list[Service], services)
    return [service_of("run", cast(Handler, handler), cast(Sequence[str], addresses), options)]


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
    services: Sequence[Service],
    *,
    ending: Ending,
    beside: tuple[Callable[[], Awaitable[object]], ...],
    quiet: bool,
    metrics: str | None,
    log: LogOptions | None,
) -> int:
    """Serve, with everything around it, and return the exit status."""
    status = 0
    # One count for all, so that one number in the log is one connection.
    numbers = count(1)
    async with open_console(2) as err, open_console(1, on_failure=log_lost_output) as out:
        with logging_if_not_configured(err, log) as handler:
            prepare_many_descriptors()
            try:
                async with trio.open_nursery() as nursery:
                    for function in beside:
                        nursery.start_soon(function)
                    await serve_until_signalled(
                        [
                            partial(_serve, service, is_quiet=quiet, numbers=numbers)
                            for service in services
                        ],
                        ending,
                        show=None if quiet else out.print,
                        networks=list(dict.fromkeys(one.network for one in services)),
                        metrics=metrics,
                        show_state=handler.show_state,
                        queues=queues_of(out, err),
                    )
                    nursery.cancel_scope.cancel()
            except* TrionetError as group:
                err.print(safe_text(f"error: {first_error(group)}"))
                status = FAILED
    return status


async def _serve(
    service: Service,
    *,
    is_quiet: bool,
    numbers: count[int],
    task_status: trio.TaskStatus[Server],
) -> None:
    options: dict[str, Any] = {"numbers": numbers}
    # Whoever takes the events logs them, if anybody does.
    if is_quiet or service.options.get("on_event") is not None:
        options["log_connections"] = False
    await service.serve(**options, task_status=task_status)


def _log_options(log_format: LogFormat | None, log_level: LogLevel | None) -> LogOptions | None:
    """Return how to log; ``None``: nothing was said."""
    if log_format is not None and not _is_one_of(FORMATS, log_format):
        raise ValueError(f"log_format must be 'text' or 'json', not {shown(log_format)}")
    if log_level is not None and not _is_one_of(LEVELS, log_level):
        raise ValueError(
            f"log_level must be 'debug', 'info', 'warning' or 'error', not {shown(log_level)}"
        )
    if log_format is None and log_level is None:
        return None
    return LogOptions(format=log_format or "text", level=log_level or "info")


def _is_one_of(words: Collection[str], word: object) -> bool:
    # Not everything can be looked up in a dict.
    return isinstance(word, str) and word in words
