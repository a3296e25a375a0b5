"""The `trionet calc` commands: their arguments and options, and which of these go together.

What each command does is in a file named after it: `calc serve` in `calc_serve.py`, and so on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from trionet.calc.bounds import DEFAULT_PRECISION, PRECISIONS
from trionet.calc.limits import ONE_AT_A_TIME
from trionet.cli.address_arguments import Metrics, ServeAddresses, Target, metrics_address
from trionet.cli.address_options import (
    AddressOptions,
    ClientOptions,
    takes_address_options,
    takes_client_options,
)
from trionet.cli.common_options import (
    LogFormat,
    LogFormatOption,
    LogLevel,
    LogLevelOption,
    Name,
    Quiet,
    Workers,
    check_name,
    log_options,
    number_parser,
)
from trionet.cli.configurable_commands import App
from trionet.cli.limit_options import takes_limits
from trionet.cli.serve_or_workers import run_server, take_place
from trionet.limits import Limits

if TYPE_CHECKING:
    from trionet.cli.running import Runtime

ADDRESS = "localhost:22333"

calc = App(help="An exact calculator over a socket.", no_args_is_help=True)

Precision = Annotated[
    int,
    typer.Option(
        parser=number_parser(PRECISIONS), metavar="N", help="Significant digits of a result."
    ),
]


@calc.command("serve")
@takes_limits("calc", ONE_AT_A_TIME)
@takes_address_options
def calc_serve(
    context: typer.Context,
    addresses: ServeAddresses = None,
    once: Annotated[
        bool, typer.Option("--once", help="End after the first named session.")
    ] = False,
    precision: Precision = DEFAULT_PRECISION,
    workers: Workers = None,
    quiet: Quiet = False,
    log_format: LogFormatOption = LogFormat.TEXT,
    log_level: LogLevelOption = LogLevel.INFO,
    metrics: Metrics = None,
    *,
    network: AddressOptions,
    limits: Limits,
    backlog: int | None,
) -> None:
    """Serve the calculator, one client at a time (default: on localhost:22333).

    With --workers it is one client at a time for each of the processes.
    """
    source = context.get_parameter_source("max_clients")
    if once and source is not None and source.name != "DEFAULT":
        raise typer.BadParameter(
            "it cannot be used together with --max-clients", param_hint="--once"
        )
    if once and workers is not None:
        raise typer.BadParameter("it cannot be used together with --workers", param_hint="--once")

    worker, where = take_place(addresses, ADDRESS, workers=workers, taken=[metrics])
    settings = network.settings(where)
    page = metrics_address(metrics)

    def load() -> Callable[[Runtime], Awaitable[object]]:
        from trionet.cli.calc_serve import serve

        return partial(
            serve,
            where,
            limits=limits,
            network=settings,
            backlog=backlog,
            once=once,
            precision=precision,
            quiet=quiet,
            metrics=page,
            worker=worker,
        )

    one_at_a_time = "one connection at a time is one for each of them"
    run_server(
        load,
        where,
        worker=worker,
        workers=workers,
        limits=limits,
        network=settings,
        backlog=backlog,
        metrics=page,
        log=log_options(log_format, log_level),
        notice=one_at_a_time if limits.max_clients == 1 else None,
    )


@calc.command("connect")
@takes_client_options
def calc_connect(
    address: Target = ADDRESS,
    name: Name = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with status 1 if any line failed.")
    ] = False,
    *,
    network: ClientOptions,
) -> None:
    """Calculate: lines such as `2 * (3 + 4)`, `?` for help, `q` to end."""
    check_name(name)

    from trionet.cli.calc_connect import connect
    from trionet.cli.running import run

    run(partial(connect, address, name=name, network=network.settings(), strict=strict))


# An expression may well begin with `-`.
@calc.command("eval", context_settings={"ignore_unknown_options": True})
def calc_eval(
    expression: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="EXPRESSION",
            help="What to calculate; several words are one expression. Default: each line of the "
            "standard input.",
            show_default=False,
        ),
    ] = None,
    precision: Precision = DEFAULT_PRECISION,
) -> None:
    """Calculate here, without a server: `trionet calc eval '2 * (3 + 4)'`."""
    from trionet.cli.calc_eval import evaluate_lines, evaluate_one

    if expression:
        raise typer.Exit(evaluate_one(" ".join(expression), precision))
    raise typer.Exit(evaluate_lines(precision))
