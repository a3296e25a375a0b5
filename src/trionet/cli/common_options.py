"""The options that several commands share, besides limits and addresses, and their checks."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trionet.limits import Bound

if TYPE_CHECKING:
    from trionet.program.log_format import LogOptions


def number_parser(bound: Bound) -> Callable[[object], float]:
    """Return a parser for an option: it reads a number within bounds, or makes a usage error."""

    def parse(value: object) -> float:
        # typer parses default values too, and those are numbers already.
        try:
            return bound.parse(str(value))
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return parse


# No machine has cores for more processes.
WORKERS = Bound(least=1, most=256)

Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        parser=number_parser(WORKERS),
        metavar="N",
        help="Serve by N processes, which share the addresses. Each limit holds for each process.",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but `listening on ...`.")]


class LogFormat(StrEnum):
    """What `--log-format` takes."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """What `--log-level` takes."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


LogFormatOption = Annotated[
    LogFormat,
    typer.Option("--log-format", help="How the log is written to standard error."),
]
LogLevelOption = Annotated[
    LogLevel, typer.Option("--log-level", help="The lowest level that is logged.")
]


def log_options(log_format: LogFormat, log_level: LogLevel) -> LogOptions:
    """Return how a server logs."""
    from trionet.program.log_format import LogOptions

    return LogOptions(format=log_format.value, level=log_level.value)


PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        metavar="FILE",
        help="What members must know: a line in a file that nobody else may read.",
        show_default=False,
    ),
]
ClientPasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        metavar="FILE",
        help="The server's password, a line; default: the variable TRIONET_PASSWORD.",
        show_default=False,
    ),
]
Name = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Who you are; asked for on a terminal.", show_default=False),
]


def check_name(name: str | None) -> None:
    """Check that there is a name, or a terminal to ask for one on.

    Raises:
        typer.BadParameter: there is neither.
    """
    from trionet.cli.user_interface import is_input_terminal

    if name is None and not is_input_terminal():
        raise _NameMissing("there is no terminal to ask for a name on: give one with --name")


class _NameMissing(typer.BadParameter):
    """A usage error in a sentence of its own, without "Invalid value for" in front of it."""

    def format_message(self) -> str:
        return self.message
