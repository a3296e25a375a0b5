"""The `trionet chat serve` command: its arguments and options, and which of these go together.

What the command does is in `chat_serve.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trionet.abc import WebFile
from trionet.chat.limits import (
    DEFAULT_GRACE,
    DEFAULT_ROOMS,
    GRACE_SECONDS,
    HISTORY_DAYS,
    MEMORY,
    NONE,
    OPEN_ROOM,
    ROOMS,
)
from trionet.cli.address_arguments import Metrics, ServeAddresses, Web, metrics_address, web_address
from trionet.cli.address_options import (
    AddressOptions,
    Open,
    WebHosts,
    WebProxies,
    takes_address_options,
    takes_options,
    web_settings,
)
from trionet.cli.common_options import (
    LogFormat,
    LogFormatOption,
    LogLevel,
    LogLevelOption,
    PasswordFile,
    Quiet,
    Workers,
    log_options,
    number_parser,
)
from trionet.cli.limit_options import takes_limits
from trionet.cli.redis_options import RedisGiven
from trionet.cli.serve_or_workers import run_server, take_place
from trionet.limits import Limits

if TYPE_CHECKING:
    from trionet.cli.running import Runtime

ADDRESS = "localhost:22223"


def _page(password_file: Path | None) -> Mapping[str, WebFile]:
    from trionet.chat.page import page_files

    return page_files(password=password_file is not None)


@takes_limits("chat", OPEN_ROOM)
@takes_address_options
@takes_options("cluster", RedisGiven)
def chat_serve(
    context: typer.Context,
    addresses: ServeAddresses = None,
    forever: Annotated[
        bool, typer.Option("--forever", help="Stay when the last member has left.")
    ] = False,
    messages: Annotated[
        bool, typer.Option("--messages", help="Print what the members say, too.")
    ] = False,
    max_rooms: Annotated[
        int,
        typer.Option(
            "--max-rooms",
            parser=number_parser(ROOMS),
            metavar="N",
            help="Rooms that may exist at a time.",
        ),
    ] = DEFAULT_ROOMS,
    history: Annotated[
        str,
        typer.Option(
            "--history",
            metavar="FILE|none",
            help="Where to keep what was said: in this file, nowhere, or the newest in memory.",
        ),
    ] = MEMORY,
    history_days: Annotated[
        int | None,
        typer.Option(
            "--history-days",
            parser=number_parser(HISTORY_DAYS),
            metavar="N",
            help="Days after which the file forgets what was said; default: it keeps all.",
            show_default=False,
        ),
    ] = None,
    grace: Annotated[
        float,
        typer.Option(
            "--grace",
            parser=number_parser(GRACE_SECONDS),
            metavar="SECONDS",
            help="How long a client that asks for it stays a member without a connection.",
        ),
    ] = DEFAULT_GRACE / 1000,
    password_file: PasswordFile = None,
    quiet: Quiet = False,
    log_format: LogFormatOption = LogFormat.TEXT,
    log_level: LogLevelOption = LogLevel.INFO,
    web: Web = None,
    web_host: WebHosts = None,
    web_proxy: WebProxies = None,
    open_: Open = False,
    workers: Workers = None,
    metrics: Metrics = None,
    *,
    cluster: RedisGiven,
    network: AddressOptions,
    limits: Limits,
    backlog: int | None,
) -> None:
    """Serve a chat until its last member has left (default: on localhost:22223)."""
    redis = cluster.settings(context)
    if workers is not None and redis is None:
        raise typer.BadParameter(
            "it needs --redis, through which the workers share one chat", param_hint="--workers"
        )
    worker, where = take_place(addresses, ADDRESS, workers=workers, taken=[web, metrics])
    if web is not None and worker is None:
        where = [*where, web_address(web, is_tls=network.tls_cert is not None)]
    page = metrics_address(metrics)
    if history_days is not None and history in (MEMORY, NONE):
        raise typer.BadParameter("it needs --history FILE", param_hint="--history-days")
    settings = network.settings(
        where,
        web=web_settings(
            where,
            hosts=web_host,
            proxies=web_proxy,
            opens=open_,
            files=partial(_page, password_file),
        ),
    )

    def load() -> Callable[[Runtime], Awaitable[object]]:
        from trionet.cli.chat_serve import serve

        return partial(
            serve,
            where,
            redis=redis,
            worker=worker,
            limits=limits,
            network=settings,
            backlog=backlog,
            forever=forever or web is not None or redis is not None,
            opens_browser=open_,
            password_file=password_file,
            max_rooms=max_rooms,
            history=history if history in (MEMORY, NONE) else Path(history),
            history_days=history_days,
            grace=grace,
            show_messages=messages,
            quiet=quiet,
            metrics=page,
        )

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
        opens_browser=open_,
    )
