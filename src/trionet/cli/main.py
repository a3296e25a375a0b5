"""The commands and their options. What they do is imported when it is done: help stays quick."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from trionet._version import __version__

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
    """Run the command line."""
    app()


def _check_address(text: str) -> str:
    from trionet.addresses import parse_address
    from trionet.errors import AddressError

    try:
        parse_address(text)
    except AddressError as error:
        raise typer.BadParameter(str(error)) from None
    return text


def _check_target(text: str) -> str:
    from trionet.addresses import TCPAddress, parse_address

    where = parse_address(_check_address(text))
    if isinstance(where, TCPAddress) and where.port == 0:
        raise typer.BadParameter(f"{text!r}: there is no port 0 to connect to")
    return text


_ADDRESS_FORMS = "HOST:PORT, :PORT, [::1]:PORT or unix:PATH"

ServeAddresses = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="ADDRESS...",
        help=f"Where to listen: {_ADDRESS_FORMS}. Port 0 picks a free one.",
        show_default=False,
    ),
]
Backlog = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="Connections that the system holds ready before they are accepted.",
        show_default="4096, or what the system allows",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but `listening on ...`.")]
Target = Annotated[
    str,
    typer.Argument(
        metavar="ADDRESS", help=f"Where to connect: {_ADDRESS_FORMS}.", callback=_check_target
    ),
]
Name = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Who you are; asked for on a terminal.", show_default=False),
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


def _addresses(given: list[str] | None, default: str) -> list[str]:
    return [_check_address(address) for address in given or [default]]


def _check_name(name: str | None) -> None:
    from trionet.cli.people import is_input_terminal

    if name is None and not is_input_terminal():
        raise typer.BadParameter(
            "is needed where there is no terminal to ask on", param_hint="--name"
        )


@calc.command("serve")
def calc_serve(
    addresses: ServeAddresses = None,
    max_clients: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Clients served at a time; others wait. 0: no limit.",
            show_default="1",
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End after the first named session.")
    ] = False,
    backlog: Backlog = None,
    precision: Annotated[
        int, typer.Option(min=1, max=100, metavar="N", help="Significant digits of a result.")
    ] = 28,
    quiet: Quiet = False,
) -> None:
    """Serve the calculator, one client at a time (default: on localhost:22333)."""
    if once and max_clients is not None:
        raise typer.BadParameter("cannot be used together with --max-clients", param_hint="--once")
    where = _addresses(addresses, CALC_ADDRESS)

    from trionet.cli.calc import serve
    from trionet.cli.running import run

    clients = 1 if max_clients is None else max_clients
    run(partial(serve, where, clients, once, backlog, precision, quiet))


@calc.command("connect")
def calc_connect(address: Target = CALC_ADDRESS, name: Name = None) -> None:
    """Calculate: lines such as `12 + 42`, `q` to end."""
    _check_name(name)

    from trionet.cli.calc import connect
    from trionet.cli.running import run

    run(partial(connect, address, name))


@chat.command("serve")
def chat_serve(
    addresses: ServeAddresses = None,
    forever: Annotated[
        bool, typer.Option("--forever", help="Stay when the last member has left.")
    ] = False,
    messages: Annotated[
        bool, typer.Option("--messages", help="Print what the members say, too.")
    ] = False,
    backlog: Backlog = None,
    quiet: Quiet = False,
) -> None:
    """Serve a chat room until its last member has left (default: on localhost:22223)."""
    where = _addresses(addresses, CHAT_ADDRESS)

    from trionet.cli.chat import serve
    from trionet.cli.running import run

    run(partial(serve, where, forever, messages, backlog, quiet))


@chat.command("join")
def chat_join(
    address: Target = CHAT_ADDRESS,
    name: Name = None,
    plain: Annotated[bool, typer.Option("--plain", help="No line editor, as on a pipe.")] = False,
) -> None:
    """Join a chat room: a line is sent to all others, `q` leaves, `/help` tells more."""
    _check_name(name)

    from trionet.cli.chat import join
    from trionet.cli.running import run

    run(partial(join, address, name, plain))


@app.command("demo")
def demo() -> None:
    """Show both systems at work, on this machine alone, in a few seconds."""
    from trionet.cli.demo import show
    from trionet.cli.running import run

    run(show)


if __name__ == "__main__":
    main()
