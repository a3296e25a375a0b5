"""The commands. Each imports what it does only when it runs, so that help is quick."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from trionet._version import __version__
from trionet.calc.bounds import DEFAULT_PRECISION, PRECISIONS
from trionet.calc.limits import ONE_AT_A_TIME
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
from trionet.cli.addresses import (
    CA,
    Open,
    ServeAddresses,
    Target,
    TLSCertificate,
    TLSKey,
    UnixMode,
    Web,
    WebHosts,
    WebProxies,
    check_addresses,
    listen_settings,
    web_address,
    web_settings,
)
from trionet.cli.options import number_parser, takes_limits
from trionet.limits import Limits
from trionet.transport.web.settings import WebFile

CALC_ADDRESS = "localhost:22333"
CHAT_ADDRESS = "localhost:22223"

app = typer.Typer(
    name="trionet",
    help="A calculator and a chat room for people on one network, on a Trio toolkit.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
calc = typer.Typer(help="An exact calculator over a socket.", no_args_is_help=True)
chat = typer.Typer(help="A chat room for terminals.", no_args_is_help=True)
app.add_typer(calc, name="calc")
app.add_typer(chat, name="chat")


def main() -> None:
    """Run the command line as the whole program."""
    from trionet.cli import end_quietly

    end_quietly()
    from trionet.cli.ending import Ended, exit_after_lost_output, open_missing_streams

    open_missing_streams()
    try:
        app()
    except Ended as end:
        end.end()
    except OSError as error:
        # Help, the version or a usage error could not be printed. Commands handle their own output.
        exit_after_lost_output(error)


Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but `listening on ...`.")]
Name = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Who you are; asked for on a terminal.", show_default=False),
]
Precision = Annotated[
    int,
    typer.Option(
        parser=number_parser(PRECISIONS), metavar="N", help="Significant digits of a result."
    ),
]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"trionet {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


def _check_name(name: str | None) -> None:
    from trionet.cli.user_interface import is_input_terminal

    if name is None and not is_input_terminal():
        raise _NameMissing("there is no terminal to ask for a name on: give one with --name")


class _NameMissing(typer.BadParameter):
    """A usage error in a sentence of its own, without "Invalid value for" in front of it."""

    def format_message(self) -> str:
        return self.message


@calc.command("serve")
@takes_limits("calc", ONE_AT_A_TIME)
def calc_serve(
    context: typer.Context,
    addresses: ServeAddresses = None,
    once: Annotated[
        bool, typer.Option("--once", help="End after the first named session.")
    ] = False,
    precision: Precision = DEFAULT_PRECISION,
    quiet: Quiet = False,
    tls_cert: TLSCertificate = None,
    tls_key: TLSKey = None,
    unix_mode: UnixMode = None,
    *,
    limits: Limits,
    backlog: int | None,
) -> None:
    """Serve the calculator, one client at a time (default: on localhost:22333)."""
    source = context.get_parameter_source("max_clients")
    if once and source is not None and source.name != "DEFAULT":
        raise typer.BadParameter(
            "it cannot be used together with --max-clients", param_hint="--once"
        )
    where = addresses or [CALC_ADDRESS]
    check_addresses(where)
    network = listen_settings(where, certificate=tls_cert, private_key=tls_key, unix_mode=unix_mode)

    from trionet.cli.calc import serve
    from trionet.cli.running import run

    run(
        partial(
            serve,
            where,
            limits=limits,
            network=network,
            backlog=backlog,
            once=once,
            precision=precision,
            quiet=quiet,
        )
    )


@calc.command("connect")
def calc_connect(
    address: Target = CALC_ADDRESS,
    name: Name = None,
    ca: CA = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit status 1 if any line failed.")
    ] = False,
) -> None:
    """Calculate: lines such as `2 * (3 + 4)`, `?` for help, `q` to end."""
    _check_name(name)

    from trionet.cli.calc import connect
    from trionet.cli.running import run

    run(partial(connect, address, name=name, ca=ca, strict=strict))


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
    from trionet.cli.evaluate import evaluate_lines, evaluate_one

    if expression:
        raise typer.Exit(evaluate_one(" ".join(expression), precision))
    raise typer.Exit(evaluate_lines(precision))


@chat.command("serve")
@takes_limits("chat", OPEN_ROOM)
def chat_serve(
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
    quiet: Quiet = False,
    web: Web = None,
    web_host: WebHosts = None,
    web_proxy: WebProxies = None,
    open_: Open = False,
    tls_cert: TLSCertificate = None,
    tls_key: TLSKey = None,
    unix_mode: UnixMode = None,
    *,
    limits: Limits,
    backlog: int | None,
) -> None:
    """Serve a chat until its last member has left (default: on localhost:22223)."""
    where = addresses or [CHAT_ADDRESS]
    check_addresses(where)
    if web is not None:
        where = [*where, web_address(web, is_tls=tls_cert is not None)]
    if history_days is not None and history in (MEMORY, NONE):
        raise typer.BadParameter("it needs a --history FILE", param_hint="--history-days")
    network = listen_settings(
        where,
        certificate=tls_cert,
        private_key=tls_key,
        unix_mode=unix_mode,
        web=web_settings(where, hosts=web_host, proxies=web_proxy, opens=open_, files=_page),
    )

    from trionet.cli.chat import serve
    from trionet.cli.running import run

    run(
        partial(
            serve,
            where,
            limits=limits,
            network=network,
            backlog=backlog,
            forever=forever or web is not None,
            opens_browser=open_,
            max_rooms=max_rooms,
            history=history if history in (MEMORY, NONE) else Path(history),
            history_days=history_days,
            grace=grace,
            show_messages=messages,
            quiet=quiet,
        )
    )


@chat.command("join")
def chat_join(
    address: Target = CHAT_ADDRESS,
    name: Name = None,
    ca: CA = None,
    plain: Annotated[bool, typer.Option("--plain", help="No line editor, as on a pipe.")] = False,
) -> None:
    """Join a chat room: a line is sent to all others, `q` leaves, `/help` tells more."""
    _check_name(name)

    from trionet.cli.chat import join
    from trionet.cli.running import run

    run(partial(join, address, name=name, ca=ca, plain=plain))


def _page() -> Mapping[str, WebFile]:
    from importlib import import_module

    try:
        page = import_module("trionet.chat.page")
    except ModuleNotFoundError:
        return {}
    files: Mapping[str, WebFile] = page.page_files(password=False)
    return files


def _parse_room(text: str) -> str:
    from trionet.chat.names import NameRefused
    from trionet.chat.room_names import parse_room

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


@chat.command("send")
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
    ca: CA = None,
) -> None:
    """Say something in a room, and end when the server has confirmed it."""
    from trionet.cli.running import run
    from trionet.cli.send import send

    run(partial(send, address, name=name, room=room, text=text, timeout=timeout, ca=ca))


@chat.command("tail")
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
    ca: CA = None,
) -> None:
    """Print what is said in a room, until a signal comes."""
    from trionet.cli.running import run
    from trionet.cli.tail import tail

    run(partial(tail, address, name=name, room=room, since=since, json=json, ca=ca))


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


@app.command("demo")
def demo() -> None:
    """Show both services at work, on this machine alone, in a few seconds."""
    from trionet.cli.demo import show
    from trionet.cli.running import run

    run(show)


if __name__ == "__main__":
    main()
