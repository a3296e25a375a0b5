"""The options about Redis, by which several servers are one chat, and what goes with what."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trionet.cli.common_options import number_parser
from trionet.cli.configurable_commands import command_words, is_typed
from trionet.cli.private_file import NotPrivate, Unreadable, read_private
from trionet.cli.program_exit import USAGE_ERROR
from trionet.limits import Bound

if TYPE_CHECKING:
    from trionet.chat.cluster.options import RedisOptions

LEASE_SECONDS = Bound(least=0.4, most=3600, whole=False)
WAIT_SECONDS = Bound(least=0, most=86_400, whole=False)
PENDING_BYTES = Bound(least=65_536, most=1 << 40)

_PANEL = "Many machines"

# A URL is far shorter.
_MOST_BYTES = 4096

RedisFile = Annotated[
    Path | None,
    typer.Option(
        "--redis-file",
        metavar="FILE",
        help="The URL of Redis, a line in a file that nobody else may read.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
RedisKey = Annotated[
    str,
    typer.Option(
        "--redis-key",
        metavar="KEY",
        help="Which chat; several can use one Redis.",
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisGiven:
    """The options of `chat serve` about Redis, as they were given."""

    redis: Annotated[
        str | None,
        typer.Option(
            "--redis",
            metavar="URL",
            help="Be one chat with all servers at this Redis, redis://HOST:PORT/0, or rediss:// "
            "with TLS. Implies --forever.",
            rich_help_panel=_PANEL,
            show_default=False,
        ),
    ] = None
    redis_file: RedisFile = None
    redis_key: RedisKey = "trionet"
    redis_wait: Annotated[
        float,
        typer.Option(
            "--redis-wait",
            parser=number_parser(WAIT_SECONDS),
            metavar="SECONDS",
            help="How long to wait for Redis at the start.",
            rich_help_panel=_PANEL,
        ),
    ] = 10
    lease: Annotated[
        float,
        typer.Option(
            "--lease",
            parser=number_parser(LEASE_SECONDS),
            metavar="SECONDS",
            help="How long a server may be silent before its members count as gone.",
            rich_help_panel=_PANEL,
        ),
    ] = 4
    max_pending: Annotated[
        int,
        typer.Option(
            "--max-pending",
            parser=number_parser(PENDING_BYTES),
            metavar="BYTES",
            help="How much of what members say may wait here while Redis is out of reach.",
            rich_help_panel=_PANEL,
        ),
    ] = 16 << 20

    def settings(self, context: typer.Context) -> RedisOptions | None:
        """Check that the options go together, and return their values; ``None``: no Redis.

        Raises:
            typer.BadParameter: an option is unused or wrong.
            typer.Exit: there is a password in an argument.
        """
        url = redis_url(context, "redis", self.redis, self.redis_file, option="--redis")
        if url is None:
            for name in ("redis_key", "redis_wait", "lease", "max_pending"):
                if is_typed(context, name):
                    option = f"--{name.replace('_', '-')}"
                    raise typer.BadParameter("there is no --redis to use it for", param_hint=option)
            return None
        return redis_options(
            url,
            option="--redis",
            key=self.redis_key,
            wait=self.redis_wait,
            lease=self.lease,
            max_pending=self.max_pending,
        )


def redis_url(
    context: typer.Context, name: str, given: str | None, file: Path | None, *, option: str
) -> str | None:
    """Return the URL of Redis; ``None``: there is none.

    Args:
        context: knows where the parameter comes from.
        name: the parameter's.
        given: its value.
        file: the value of ``--redis-file``.
        option: what the parameter is called, for messages.

    Raises:
        typer.BadParameter: there are two URLs, or the file cannot be used.
        typer.Exit: there is a password in an argument.
    """
    variable = f"TRIONET_{'_'.join(command_words(context)).upper()}_REDIS"
    if given is None:
        given = os.environ.get(variable) or None
    if given is not None and is_typed(context, name):
        if file is not None and is_typed(context, "redis_file"):
            raise typer.BadParameter(
                "it cannot be used together with --redis-file", param_hint=option
            )
        if _has_password(given):
            typer.echo(
                "error: everybody can see a password in an argument, with ps: put the URL into the "
                f"variable {variable}, or into a file for --redis-file",
                err=True,
            )
            raise typer.Exit(USAGE_ERROR)
        return given
    # A file that was named counts before the environment.
    return given if file is None else _read_url(file)


def redis_options(
    url: str,
    *,
    option: str,
    key: str,
    wait: float = 10.0,
    lease: float = 4.0,
    max_pending: int = 16 << 20,
) -> RedisOptions:
    """Return the options that the chat takes.

    Args:
        url: where Redis is. No message shows it.
        option: where the URL comes from, for messages.
        key: see `RedisOptions`, as all that follow.
        wait: see there.
        lease: see there.
        max_pending: see there.

    Raises:
        typer.BadParameter: the URL or the key cannot be read.
    """
    from trionet.chat.cluster.options import RedisOptions, server_of

    try:
        server_of(url)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
    try:
        return RedisOptions(
            url=url, key=key, wait=float(wait), lease=float(lease), max_pending=max_pending
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--redis-key") from None


def _has_password(url: str) -> bool:
    """Tell whether a text has what may be a password, even if it is not a URL."""
    user, at, _ = url.partition("://")[2].rpartition("@")
    return bool(at) and ":" in user


def _read_url(file: Path) -> str:
    """Return the only line of a file.

    Raises:
        typer.BadParameter: the file cannot be used. The message shows nothing that is in it.
    """
    try:
        content = read_private(file, _MOST_BYTES)
    except Unreadable as error:
        raise typer.BadParameter(str(error), param_hint="--redis-file") from None
    except NotPrivate:
        raise typer.BadParameter(
            f"others may read it: run chmod 600 {file}", param_hint="--redis-file"
        ) from None
    try:
        url = content.decode().strip()
    except UnicodeDecodeError:
        url = ""
    if len(content) > _MOST_BYTES or len(url.splitlines()) != 1:
        raise typer.BadParameter("it must hold one line, the URL", param_hint="--redis-file")
    return url
