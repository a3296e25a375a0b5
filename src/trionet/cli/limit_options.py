"""The options that are limits: one table of them, and how a command takes them.

`LIMIT_OPTIONS` has one row for each limit that the command line can set. From it `takes_limits`
makes the options of the serve commands, and hands the commands one `Limits` object. So a new limit
is one more row here, besides its field and bound in `trionet.limits`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from trionet.cli.common_options import number_parser
from trionet.limits import BOUNDS, Limits

if TYPE_CHECKING:
    pass


class LimitOption(NamedTuple):
    """An option of the serve commands that is a limit.

    Attributes:
        option: the option as users write it, such as ``--max-line``.
        name: its name in `trionet.limits.BOUNDS`, which says what values it takes, and in `Limits`.
            A value that has no field in `Limits` is passed to the command separately; its default
            is ``None``.
        metavar: the placeholder for the value in the help.
        help: its sentence in the help.
        services: the services whose serve command has the option; ``run``: the command `run`.
    """

    option: str
    name: str
    metavar: str
    help: str
    services: Sequence[str] = ("calc", "chat", "run")


# In the order in which the help shows them.
LIMIT_OPTIONS = (
    LimitOption("--max-clients", "max_clients", "N", "Clients served at a time. 0: no limit."),
    LimitOption(
        "--max-per-address",
        "max_per_address",
        "N",
        "Clients served at a time from one address. 0: no limit.",
    ),
    LimitOption(
        "--ipv6-prefix",
        "ipv6_prefix",
        "BITS",
        "Leading bits of an IPv6 address that count as one address.",
    ),
    LimitOption(
        "--connect-rate",
        "connect_rate",
        "N",
        "New connections a second from one address, and 5 times as many at once. 0: no limit.",
    ),
    # The backlog belongs to a listener, so it is not a field of `Limits`.
    LimitOption(
        "--backlog",
        "backlog",
        "N",
        "Connections that the OS holds ready; default: as many as it allows.",
    ),
    LimitOption("--max-line", "max_line", "BYTES", "Length of a line; a longer one gets an error."),
    LimitOption(
        "--max-waiting",
        "max_waiting",
        "BYTES",
        "Output that may wait for one client that reads slowly.",
    ),
    LimitOption(
        "--rate",
        "rate",
        "LINES_PER_SECOND",
        "Lines a second from one client; more are slowed. 0: no limit.",
        services=("chat", "run"),
    ),
    LimitOption(
        "--burst",
        "burst",
        "LINES",
        "Lines that one client may send at once, with --rate.",
        services=("chat", "run"),
    ),
    LimitOption(
        "--handshake-timeout",
        "handshake_timeout",
        "SECONDS",
        "Time for a TLS handshake and a browser's request. 0: no limit.",
    ),
    LimitOption(
        "--login-timeout",
        "login_timeout",
        "SECONDS",
        "Time for a first line, or until a name is accepted. 0: no limit.",
    ),
    LimitOption(
        "--idle-timeout",
        "idle_timeout",
        "SECONDS",
        "Time without a byte from a client. 0: no limit.",
    ),
    LimitOption(
        "--write-timeout",
        "write_timeout",
        "SECONDS",
        "Time in which a client takes no output. 0: no limit.",
    ),
    LimitOption(
        "--drain",
        "drain_seconds",
        "SECONDS",
        "Time for clients to end after Ctrl-C or SIGTERM.",
    ),
)


def takes_limits(
    service: str, defaults: Limits, *, table: Sequence[LimitOption] = LIMIT_OPTIONS
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a command: give it the options of the table in place of its parameter ``limits``.

    typer reads a command's options from its signature, so the decorated command has a signature
    with one parameter for each option. The command itself is called with the keyword ``limits``,
    and with one keyword for each row of the table that is not a field of `Limits`.

    Args:
        service: ``calc``, ``chat`` or ``run``; only the rows for this service count.
        defaults: the limits without any option. The help shows them.
        table: the rows.
    """
    rows = [row for row in table if service in row.services]
    fields = [row.name for row in rows if hasattr(defaults, row.name)]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def with_limits(**arguments: Any) -> None:
            given = {name: arguments.pop(name) for name in fields}
            command(**arguments, limits=replace(defaults, **given))

        signature = inspect.signature(command, eval_str=True)
        replaced = {"limits", *(row.name for row in rows)}
        own = [one for one in signature.parameters.values() if one.name not in replaced]
        parameters = [*own, *(_parameter(row, defaults) for row in rows)]
        with_limits.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        with_limits.__annotations__ = {one.name: one.annotation for one in parameters}
        return with_limits

    return decorate


def _parameter(row: LimitOption, defaults: Limits) -> inspect.Parameter:
    """Return the parameter from which typer makes the option of a row."""
    default = getattr(defaults, row.name, None)
    if isinstance(default, float) and default.is_integer():
        # The help shows 30 seconds as 30, not as 30.0.
        default = int(default)
    option = typer.Option(
        row.option,
        parser=number_parser(BOUNDS[row.name]),
        metavar=row.metavar,
        help=row.help,
        rich_help_panel="Limits",
    )
    # The parser makes the value. typer uses the type only to tell whether the value may be missing.
    return inspect.Parameter(
        row.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[float if default is not None else float | None, option],
    )
