"""The `trionet chat` commands: their arguments and options, and which of these go together.

`chat serve` is in `chat_serve_command.py`. What each command does is in a file named after it:
`chat join` in `chat_join.py`, and so on.
"""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trionet.chat.person.highlights import MAX_WORDS
from trionet.cli.address_arguments import Target
from trionet.cli.address_options import ClientOptions, takes_client_options
from trionet.cli.chat_serve_command import ADDRESS, chat_serve
from trionet.cli.common_options import ClientPasswordFile, Name, check_name
from trionet.cli.configurable_commands import App
from trionet.cli.redis_options import RedisFile, RedisKey, redis_options, redis_url

if TYPE_CHECKING:
    pass

chat = App(help="A chat for terminals, browsers and programs.", no_args_is_help=True)
chat.command("serve")(chat_serve)


def _parse_room(text: str) -> str:
    from trionet.chat.names.names import NameRefused
    from trionet.chat.names.room_names import parse_room

    try:
        return parse_room(text.removeprefix("#")).key
    except NameRefused as error:
        raise typer.BadParameter(str(error)) from None


def _parse_since(text: str) -> int:
    from trionet.cli.chat_history import parse_since

    try:
        return parse_since(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


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
        typer.Option(
            metavar="WORD", help="A word that mentions you, as your name does; may be repeated."
        ),
    ] = None,
    *,
    network: ClientOptions,
) -> None:
    """Join a chat in a terminal window. F1 shows the keys, `/help` the commands, `q` leaves."""
    if plain and linear:
        raise typer.BadParameter("it cannot be used together with --plain", param_hint="--linear")
    check_name(name)
    words = tuple(highlight or ())
    if len(words) > MAX_WORDS or not all(word.strip() for word in words):
        problem = f"give {MAX_WORDS} words at most, and none of them empty"
        raise typer.BadParameter(problem, param_hint="--highlight")

    from trionet.cli.chat_join import join
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
    from trionet.cli.chat_send import send
    from trionet.cli.running import run

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
            help="Begin with the last 90s, 10m, 2h or 3d, or with 2026-11-28T02:35:00Z.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, an object a line.")] = False,
    password_file: ClientPasswordFile = None,
    *,
    network: ClientOptions,
) -> None:
    """Print what is said in a room, until a signal comes."""
    from trionet.cli.chat_tail import tail
    from trionet.cli.running import run

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
    json: Annotated[bool, typer.Option("--json", help="Print JSON, an object a line.")] = False,
) -> None:
    """Show which servers share a chat through Redis, and how far each has read."""
    url = redis_url(context, "redis", redis, redis_file, option="REDIS")
    if url is None:
        raise typer.BadParameter(
            "give the URL of Redis, here, in a --redis-file or in TRIONET_CHAT_CLUSTER_REDIS",
            param_hint="REDIS",
        )
    options = redis_options(url, option="REDIS", key=redis_key)

    from trionet.cli.chat_cluster import show
    from trionet.cli.running import run

    run(partial(show, options, as_json=json))


class HistoryFormat(StrEnum):
    """How `chat history` prints events."""

    text = "text"
    jsonl = "jsonl"


@chat.command("history")
def chat_history(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What `chat serve --history` keeps.")
    ],
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
            help="Only the last 90s, 10m, 2h or 3d, or since 2026-11-28T02:35:00Z.",
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
        bool, typer.Option("--check", help="Check that the whole file can be read instead.")
    ] = False,
) -> None:
    """Print what a history file has, oldest first, without a server."""
    selects = any(value is not None for value in (search, room, name, since))
    if (backup is not None) + check + selects > 1:
        raise typer.BadParameter(
            "it can be used with no other option", param_hint="--check" if check else "--backup"
        )
    from trionet.cli import chat_history

    if backup is not None:
        raise typer.Exit(chat_history.back_up(file, backup))
    if check:
        raise typer.Exit(chat_history.check(file))

    from trionet.chat.history.upkeep import Selection

    selection = Selection(text=search, room=room, name=name, since=since)
    raise typer.Exit(chat_history.show(file, selection, as_json=format_ is HistoryFormat.jsonl))
