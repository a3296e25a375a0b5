"""The `trionet run` command: anybody's handler, with the whole toolkit around it.

Finding the handler is a job of its own (`trionet.cli.targets`); what serves it is `trionet.run`, as
in a script.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Annotated, NoReturn

import typer

from trionet.cli.address_arguments import Metrics, ServeAddresses, metrics_address, where_to_listen
from trionet.cli.address_options import AddressOptions, takes_address_options
from trionet.cli.common_options import (
    LogFormat,
    LogFormatOption,
    LogLevel,
    LogLevelOption,
    Quiet,
    log_options,
)
from trionet.cli.limit_options import takes_limits
from trionet.cli.program_exit import USAGE_ERROR
from trionet.limits import Limits

ADDRESS = "localhost:22224"

Target = Annotated[
    str,
    typer.Argument(
        metavar="MODULE:NAME",
        help="A handler, a function or an async one, or a trionet.Service. The module is looked "
        "for in the current folder first.",
        show_default=False,
    ),
]


AsBytes = Annotated[
    bool,
    typer.Option(
        "--bytes",
        help="Lines are bytes with their ends, as with decode=False; default: texts.",
    ),
]


@takes_limits("run", Limits())
@takes_address_options
def run_target(
    context: typer.Context,
    target: Target,
    addresses: ServeAddresses = None,
    quiet: Quiet = False,
    as_bytes: AsBytes = False,
    log_format: LogFormatOption = LogFormat.TEXT,
    log_level: LogLevelOption = LogLevel.INFO,
    metrics: Metrics = None,
    *,
    network: AddressOptions,
    limits: Limits,
    backlog: int | None,
) -> None:
    """Serve a handler of your own: `trionet run shout:shout` (default: on localhost:22224).

    Addresses and options that are given count before those of a Service, and so do the sockets that
    a supervisor passes on. Ctrl-C and SIGTERM drain it, a second one ends it at once.
    """
    from trionet.cli.targets import BadTarget, load_target
    from trionet.errors import TrionetError
    from trionet.program.run import run_services
    from trionet.program.service import Service
    from trionet.transport.addresses import inherited_name
    from trionet.transport.network import SystemNetwork

    page = metrics_address(metrics)
    try:
        found = load_target(target)
    except BadTarget as error:
        _end_with(str(error))
    default = found.addresses if isinstance(found, Service) else [ADDRESS]
    # A Service with an `fd:` address has said which of the inherited sockets are its own.
    knows = not addresses and any(inherited_name(address) for address in default)
    where = where_to_listen(default if knows else addresses, default, taken=[metrics])
    has_own = isinstance(found, Service) and not addresses and where == [*default]
    settings = network.settings([] if has_own else where)
    says_how = any(_is_given(context, name) for name in ("log_format", "log_level"))
    log = log_options(log_format, log_level) if says_how else None
    given = {
        field.name: getattr(limits, field.name)
        for field in fields(Limits)
        if _is_given(context, field.name)
    }
    try:
        changes: dict[str, object] = {"addresses": where}
        if as_bytes:
            changes["decode"] = False
        service = found if isinstance(found, Service) else Service(found, where)
        if given:
            changes["limits"] = replace(service.limits, **given)
        if quiet:
            changes["log_connections"] = False
        if backlog is not None:
            changes["backlog"] = backlog
        if any(value is not None for value in settings.values()):
            changes["network"] = SystemNetwork(**settings)
        service = service.replace(**changes)
    except (TypeError, ValueError, TrionetError) as error:
        _end_with(f"{target}: {error}")
    run_services([service], metrics=page, log=log, is_last=True)


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _end_with(problem: str) -> NoReturn:
    typer.echo(f"error: {problem}", err=True)
    raise typer.Exit(USAGE_ERROR)
