"""The commands and their options. What they do is imported when it is done: help stays quick."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trionet._version import __version__

if TYPE_CHECKING:
    from trionet.limits import Bound

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
    """Run the command line, as the whole program."""
    from trionet.cli import end_quietly

    end_quietly()
    from trionet.cli.ending import Ended, exit_after_lost_output, open_missing_streams

    open_missing_streams()
    try:
        app()
    except Ended as end:
        end.end()
    except OSError as error:
        # Of help, of the version, of a usage error: all else takes care of its output itself.
        exit_after_lost_output(error)


def _check_address(text: str) -> str:
    from trionet.errors import AddressError
    from trionet.transport.addresses import parse_address

    try:
        parse_address(text)
    except AddressError as error:
        raise typer.BadParameter(str(error)) from None
    return text


def _check_target(text: str) -> str:
    from trionet.transport.addresses import TLSAddress, parse_address

    where = parse_address(_check_address(text))
    tcp = where.tcp if isinstance(where, TLSAddress) else where
    if getattr(tcp, "port", None) == 0:
        raise typer.BadParameter(f"{text!r}: there is no port 0 to connect to")
    return text


_ADDRESS_FORMS = "HOST:PORT, :PORT, [::1]:PORT, unix:PATH, unix:@NAME or tls:HOST:PORT"

ServeAddresses = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="ADDRESS",
        help=f"Where to listen: {_ADDRESS_FORMS}. :PORT is IPv4 and IPv6, [::]:PORT IPv6 alone. "
        "Port 0 picks a free one.",
        show_default=False,
    ),
]


def _number(value: object, bound: Bound) -> float:
    """Read a number, or say which there may be."""
    try:
        return bound.parse(str(value))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _limit(option: str, name: str, metavar: str, help_: str) -> Any:
    """Return an option that is one of the limits, by its name in `trionet.limits.BOUNDS`."""

    def parse(value: object) -> float:
        from trionet.limits import BOUNDS

        return _number(value, BOUNDS[name])

    return typer.Option(option, parser=parse, metavar=metavar, help=help_, rich_help_panel="Limits")


Backlog = Annotated[
    int | None,
    _limit(
        *("--backlog", "backlog", "N"),
        "Connections the system holds ready to be accepted; default what it allows.",
    ),
]
MaxClients = Annotated[
    int, _limit("--max-clients", "max_clients", "N", "Clients at a time. 0: no limit.")
]
MaxPerAddress = Annotated[
    int,
    _limit(
        *("--max-per-address", "max_per_address", "N"),
        "Clients at a time from one address. 0: no limit.",
    ),
]
MaxLine = Annotated[
    int, _limit("--max-line", "max_line", "BYTES", "Of one line; more gets an error.")
]
IPv6Prefix = Annotated[
    int,
    _limit(
        *("--ipv6-prefix", "ipv6_prefix", "BITS"),
        "Of an IPv6 address that make one address for --max-per-address.",
    ),
]
MaxWaiting = Annotated[
    int,
    _limit(
        *("--max-waiting", "max_waiting", "BYTES"),
        "That may wait for one client that reads slowly.",
    ),
]
Rate = Annotated[
    float,
    _limit("--rate", "rate", "LINES_PER_SECOND", "From one client; more is slowed. 0: no limit."),
]
Burst = Annotated[int, _limit("--burst", "burst", "LINES", "From one client at once, with --rate.")]
HandshakeTimeout = Annotated[
    float,
    _limit(
        *("--handshake-timeout", "handshake_timeout", "SECONDS"),
        "For a TLS handshake. 0: no limit.",
    ),
]
LoginTimeout = Annotated[
    float,
    _limit(
        *("--login-timeout", "login_timeout", "SECONDS"),
        "Until the name has come. 0: no limit.",
    ),
]
IdleTimeout = Annotated[
    float,
    _limit(
        *("--idle-timeout", "idle_timeout", "SECONDS"),
        "Without a byte from a client. 0: no limit.",
    ),
]
WriteTimeout = Annotated[
    float,
    _limit(
        *("--write-timeout", "write_timeout", "SECONDS"),
        "Without a client taking what waits. 0: no limit.",
    ),
]
Drain = Annotated[
    float,
    _limit(
        *("--drain", "drain_seconds", "SECONDS"), "For clients to end, after Ctrl-C or SIGTERM."
    ),
]

Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but `listening on ...`.")]
Target = Annotated[
    str,
    typer.Argument(
        metavar="ADDRESS", help=f"Where to connect: {_ADDRESS_FORMS}.", callback=_check_target
    ),
]
TLSCertificate = Annotated[
    Path | None,
    typer.Option(
        "--tls-cert",
        metavar="FILE",
        help="For tls: addresses: the certificate with its chain, PEM.",
        rich_help_panel="Addresses",
    ),
]
TLSKey = Annotated[
    Path | None,
    typer.Option(
        "--tls-key", metavar="FILE", help="Its private key, PEM.", rich_help_panel="Addresses"
    ),
]
UnixMode = Annotated[
    str | None,
    typer.Option(
        metavar="MODE",
        help="For unix: addresses: who may connect, such as 660; default as umask has it.",
        rich_help_panel="Addresses",
    ),
]
CA = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        metavar="FILE",
        help="For tls: addresses: the certificate authority to trust, PEM; default the system's.",
    ),
]
Name = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Who you are; asked for on a terminal.", show_default=False),
]


def _parse_precision(value: object) -> float:
    from trionet.calc.bounds import PRECISIONS

    return _number(value, PRECISIONS)


Precision = Annotated[
    int,
    typer.Option(parser=_parse_precision, metavar="N", help="Significant digits of a result."),
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


def _network_to_serve(
    addresses: list[str], certificate: Path | None, key: Path | None, unix_mode: str | None
) -> dict[str, Any]:
    """Return what `trionet.SystemNetwork` needs to know to listen on addresses."""
    if (certificate is None) != (key is None):
        given, missing = ("--tls-cert", "--tls-key") if certificate else ("--tls-key", "--tls-cert")
        raise typer.BadParameter(f"it is needed with {given}", param_hint=missing)
    wants_tls = any(address.startswith("tls:") for address in addresses)
    if wants_tls and certificate is None:
        raise typer.BadParameter(
            "they are needed for a tls: address", param_hint="--tls-cert/--tls-key"
        )
    if certificate is not None and not wants_tls:
        raise typer.BadParameter("there is no tls: address to be for", param_hint="--tls-cert")
    mode = _parse_mode(unix_mode)
    if mode is not None and not any(address.startswith("unix:") for address in addresses):
        raise typer.BadParameter("there is no unix: address to be for", param_hint="--unix-mode")
    return {
        "certificate": certificate,
        "private_key": key,
        "unix_mode": mode,
    }


def _parse_mode(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777:
        raise typer.BadParameter(
            "it must be a number from 0 to 777, octal, such as 660", param_hint="--unix-mode"
        )
    return mode


def _check_name(name: str | None) -> None:
    from trionet.cli.people import is_input_terminal

    if name is None and not is_input_terminal():
        raise _NameMissing("there is no terminal to ask for a name on: give one with --name")


class _NameMissing(typer.BadParameter):
    """A usage error in a sentence of its own, without "Invalid value for" in front of it."""

    def format_message(self) -> str:
        return self.message


@calc.command("serve")
def calc_serve(
    context: typer.Context,
    addresses: ServeAddresses = None,
    once: Annotated[
        bool, typer.Option("--once", help="End after the first named session.")
    ] = False,
    precision: Precision = 28,
    quiet: Quiet = False,
    tls_cert: TLSCertificate = None,
    tls_key: TLSKey = None,
    unix_mode: UnixMode = None,
    max_clients: MaxClients = 1,
    max_per_address: MaxPerAddress = 0,
    ipv6_prefix: IPv6Prefix = 64,
    backlog: Backlog = None,
    max_line: MaxLine = 4096,
    max_waiting: MaxWaiting = 1048576,
    handshake_timeout: HandshakeTimeout = 10,
    login_timeout: LoginTimeout = 30,
    idle_timeout: IdleTimeout = 300,
    write_timeout: WriteTimeout = 30,
    drain: Drain = 5,
) -> None:
    """Serve the calculator, one client at a time (default: on localhost:22333)."""
    source = context.get_parameter_source("max_clients")
    if once and source is not None and source.name != "DEFAULT":
        raise typer.BadParameter(
            "it cannot be used together with --max-clients", param_hint="--once"
        )
    where = _addresses(addresses, CALC_ADDRESS)
    network = _network_to_serve(where, tls_cert, tls_key, unix_mode)
    limits = {
        "max_clients": max_clients,
        "max_per_address": max_per_address,
        "ipv6_prefix": ipv6_prefix,
        "max_line": max_line,
        "max_waiting": max_waiting,
        "handshake_timeout": handshake_timeout,
        "login_timeout": login_timeout,
        "idle_timeout": idle_timeout,
        "write_timeout": write_timeout,
        "drain_seconds": drain,
    }

    from trionet.cli.calc import serve
    from trionet.cli.running import run

    run(partial(serve, where, network, limits, once, backlog, precision, quiet))


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

    run(partial(connect, address, name, ca, strict))


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
    precision: Precision = 28,
) -> None:
    """Calculate here, without a server: `trionet calc eval '2 * (3 + 4)'`."""
    from trionet.cli.evaluate import evaluate_lines, evaluate_one

    if expression:
        raise typer.Exit(evaluate_one(" ".join(expression), precision))
    raise typer.Exit(evaluate_lines(precision))


@chat.command("serve")
def chat_serve(
    addresses: ServeAddresses = None,
    forever: Annotated[
        bool, typer.Option("--forever", help="Stay when the last member has left.")
    ] = False,
    messages: Annotated[
        bool, typer.Option("--messages", help="Print what the members say, too.")
    ] = False,
    quiet: Quiet = False,
    tls_cert: TLSCertificate = None,
    tls_key: TLSKey = None,
    unix_mode: UnixMode = None,
    max_clients: MaxClients = 10000,
    max_per_address: MaxPerAddress = 1000,
    ipv6_prefix: IPv6Prefix = 64,
    backlog: Backlog = None,
    max_line: MaxLine = 4096,
    max_waiting: MaxWaiting = 1048576,
    rate: Rate = 50,
    burst: Burst = 1000,
    handshake_timeout: HandshakeTimeout = 10,
    login_timeout: LoginTimeout = 30,
    idle_timeout: IdleTimeout = 0,
    write_timeout: WriteTimeout = 30,
    drain: Drain = 5,
) -> None:
    """Serve a chat room until its last member has left (default: on localhost:22223)."""
    where = _addresses(addresses, CHAT_ADDRESS)
    network = _network_to_serve(where, tls_cert, tls_key, unix_mode)
    limits = {
        "max_clients": max_clients,
        "max_per_address": max_per_address,
        "ipv6_prefix": ipv6_prefix,
        "max_line": max_line,
        "max_waiting": max_waiting,
        "rate": rate,
        "burst": burst,
        "handshake_timeout": handshake_timeout,
        "login_timeout": login_timeout,
        "idle_timeout": idle_timeout,
        "write_timeout": write_timeout,
        "drain_seconds": drain,
    }

    from trionet.cli.chat import serve
    from trionet.cli.running import run

    run(partial(serve, where, network, limits, forever, messages, backlog, quiet))


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

    run(partial(join, address, name, ca, plain))


@app.command("demo")
def demo() -> None:
    """Show both systems at work, on this machine alone, in a few seconds."""
    from trionet.cli.demo import show
    from trionet.cli.running import run

    run(show)


if __name__ == "__main__":
    main()
