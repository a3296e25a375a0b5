"""The `trionet chat` commands: their arguments and options, and which of these go together.

What they do is in `trionet.cli.chat`, and in `send`, `tail` and `history_file` beside it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
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
from trionet.chat.person.highlights import MAX_WORDS
from trionet.cli.addresses import (
    ClientOptions,
    ClientPasswordFile,
    Metrics,
    NetworkOptions,
    Open,
    PasswordFile,
    ServeAddresses,
    Target,
    Web,
    WebHosts,
    WebProxies,
    metrics_address,
    takes_client_options,
    takes_network_options,
    takes_options,
    web_address,
    web_settings,
)
from trionet.cli.configured import App
from trionet.cli.options import (
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
    takes_limits,
)
from trionet.cli.redis_options import RedisFile, RedisGiven, RedisKey, redis_options, redis_url
from trionet.cli.serve_command import run_server, take_place
from trionet.limits import Limits

if TYPE_CHECKING:
    from trionet.cli.running import Runtime

ADDRESS = "localhost:22223"

chat = App(help="A chat room for terminals.", no_args_is_help=True)


def _page(password_file: Path | None) -> Mapping[str, WebFile]:
    from trionet.chat.page import page_files

    return page_files(password=password_file is not None)


def _parse_room(text: str) -> str:
    from trionet.chat.names.names import NameRefused
    from trionet.chat.names.room_names import parse_room

    try:
        return parse_room(text.removeprefix("#")).key
    except NameRefused as error:
        raise typer.BadParameter(str(error)) from None


def _parse_since(text: str) -> int:
    from trionet.cli.history_file import parse_since

    try:
        return parse_since(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@chat.command("serve")
@takes_limits("chat", OPEN_ROOM)
@takes_network_options
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
            "--max-rooms", parser=number_parser(ROOMS), metavar="N", help="Rooms at most."
        ),
    ] = DEFAULT_ROOMS,
    history: Annotated[
        str,
        typer.Option(
            "--history",
            metavar="FILE|none",
            help="Keep what was said in this file, or nowhere; else in memory, the newest.",
        ),
    ] = MEMORY,
    history_days: Annotated[
        int | None,
        typer.Option(
            "--history-days",
            parser=number_parser(HISTORY_DAYS),
            metavar="N",
            help="Forget what is older than this in the file. Default: nothing.",
            show_default=False,
        ),
    ] = None,
    grace: Annotated[
        float,
        typer.Option(
            "--grace",
            parser=number_parser(GRACE_SECONDS),
            metavar="SECONDS",
            help="How long a program that asks for it is a member without a connection.",
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
    network: NetworkOptions,
    limits: Limits,
    backlog: int | None,
) -> None:
    """Serve a chat until its last member has left (default: on localhost:22223)."""
    redis = cluster.settings(context)
    if workers is not None and redis is None:
        raise typer.BadParameter("it needs --redis: they are one chat", param_hint="--workers")
    worker, where = take_place(addresses, ADDRESS, workers=workers, taken=[web, metrics])
    if web is not None and worker is None:
        where = [*where, web_address(web, is_tls=network.tls_cert is not None)]
    page = metrics_address(metrics)
    if history_days is not None and history in (MEMORY, NONE):
        raise typer.BadParameter("it needs a --history FILE", param_hint="--history-days")
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
        from trionet.cli.chat import serve

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


@chat.command("join")
@takes_client_options
def chat_join(
    address: Target = ADDRESS,
    name: Name = None,
    password_file: ClientPasswordFile = None,
    plain: Annotated[bool, typer.Option("--plain", help="No window: lines, as on a pipe.")] = False,
    linear: Annotated[
        bool,
        typer.Option("--linear", help="No window: a line for each message, for screen readers."),
    ] = False,
    highlight: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="Be mentioned by a word, too. Can be repeated."),
    ] = None,
    *,
    network: ClientOptions,
) -> None:
    """Join a chat: a window on a terminal; F1 shows its keys, `/help` tells more, `q` leaves."""
    if plain and linear:
        raise typer.BadParameter("it cannot be used together with --plain", param_hint="--linear")
    check_name(name)
    words = tuple(highlight or ())
    if len(words) > MAX_WORDS or not all(word.strip() for word in words):
        problem = f"give {MAX_WORDS} words at most, and none of them empty"
        raise typer.BadParameter(problem, param_hint="--highlight")

    from trionet.cli.chat import join
    from trionet.cli.running import run

    run(
        partial(
            join,
            address,
            name=name,
            network=network.settings(),
            plain=plain,
            linear=linear,
            highlights=words,
            password_file=password_file,
        )
    )


@chat.command("send")
@takes_client_options
def chat_send(
    address: Target,
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help="One message; default: each line of the input."),
    ] = None,
    name: Annotated[str, typer.Option(metavar="NAME", help="Who says it.")] = ...,  # type: ignore[assignment]
    room: Annotated[
        str, typer.Option(parser=_parse_room, metavar="ROOM", help="Where it is said.")
    ] = "lobby",
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="How long to wait for a receipt.")
    ] = 10.0,
    password_file: ClientPasswordFile = None,
    *,
    network: ClientOptions,
) -> None:
    """Say something in a room, and end when the server has confirmed it."""
    from trionet.cli.running import run
    from trionet.cli.send import send

    run(
        partial(
            send,
            address,
            name=name,
            room=room,
            text=text,
            timeout=timeout,
            network=network.settings(),
            password_file=password_file,
        )
    )


@chat.command("tail")
@takes_client_options
def chat_tail(
    address: Target,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who listens; default: tail- and four letters."),
    ] = None,
    room: Annotated[
        str, typer.Option(parser=_parse_room, metavar="ROOM", help="Where to listen.")
    ] = "lobby",
    since: Annotated[
        int | None,
        typer.Option(
            parser=_parse_since,
            metavar="TIME",
            help="Begin with the past: 90s, 10m, 2h, 3d ago, or 2026-11-28T02:35:00Z.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
    password_file: ClientPasswordFile = None,
    *,
    network: ClientOptions,
) -> None:
    """Print what is said in a room, until a signal comes."""
    from trionet.cli.running import run
    from trionet.cli.tail import tail

    run(
        partial(
            tail,
            address,
            name=name,
            room=room,
            since=since,
            json=json,
            network=network.settings(),
            password_file=password_file,
        )
    )


@chat.command("cluster")
def chat_cluster(
    context: typer.Context,
    redis: Annotated[
        str | None,
        typer.Argument(
            metavar="REDIS",
            help="Where Redis is: redis://HOST:PORT/0; default: the variable "
            "TRIONET_CHAT_CLUSTER_REDIS.",
            show_default=False,
        ),
    ] = None,
    redis_file: RedisFile = None,
    redis_key: RedisKey = "trionet",
    json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
) -> None:
    """Show who serves a chat on many machines, and how far each is."""
    url = redis_url(context, "redis", redis, redis_file, option="REDIS")
    if url is None:
        raise typer.BadParameter("say where Redis is", param_hint="REDIS")
    options = redis_options(url, option="REDIS", key=redis_key)

    from trionet.cli.cluster import show
    from trionet.cli.running import run

    run(partial(show, options, as_json=json))


class HistoryFormat(StrEnum):
    """How `chat history` prints events."""

    text = "text"
    jsonl = "jsonl"


@chat.command("history")
def chat_history(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `chat serve` keeps.")],
    search: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Only messages with all of these words."),
    ] = None,
    room: Annotated[
        str | None, typer.Option(parser=_parse_room, metavar="ROOM", help="Only of this room.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--from", metavar="NAME", help="Only what NAME said.")
    ] = None,
    since: Annotated[
        int | None,
        typer.Option(
            parser=_parse_since,
            metavar="TIME",
            help="Not what was before: 90s, 10m, 2h, 3d ago, or 2026-11-28T02:35:00Z.",
        ),
    ] = None,
    format_: Annotated[
        HistoryFormat,
        typer.Option("--format", help="For people, or a JSON object a line."),
    ] = HistoryFormat.text,
    backup: Annotated[
        Path | None,
        typer.Option(metavar="TO", help="Copy the file to TO instead, even while it is written."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="See whether all of the file can be read instead.")
    ] = False,
) -> None:
    """Print what a history file has, oldest first, without a server."""
    selects = any(value is not None for value in (search, room, name, since))
    if (backup is not None) + check + selects > 1:
        raise typer.BadParameter(
            "it can be used with no other option", param_hint="--check" if check else "--backup"
        )
    from trionet.cli import history_file

    if backup is not None:
        raise typer.Exit(history_file.back_up(file, backup))
    if check:
        raise typer.Exit(history_file.check(file))

    from trionet.chat.history.upkeep import Selection

    selection = Selection(text=search, room=room, name=name, since=since)
    raise typer.Exit(history_file.show(file, selection, as_json=format_ is HistoryFormat.jsonl))
