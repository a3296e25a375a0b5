"""Addresses on the command line: where to listen, where to connect, and how they are checked.

The options that go with some kinds of addresses only are in `address_options.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from trionet.transport.addresses import FORMS, LISTEN_FORMS


def check_addresses(addresses: Sequence[str]) -> None:
    """Check that each address can be read.

    Raises:
        typer.BadParameter: one cannot.
    """
    from trionet.errors import AddressError
    from trionet.transport.addresses import parse_address

    for address in addresses:
        try:
            parse_address(address)
        except AddressError as error:
            raise typer.BadParameter(str(error)) from None


def where_to_listen(
    addresses: Sequence[str] | None, default: Sequence[str], *, taken: Sequence[str | None] = ()
) -> list[str]:
    """Return the addresses to listen on, checked.

    Args:
        addresses: those given.
        default: where to listen if none is given, and a supervisor has passed on no socket for it.
        taken: the values of options that may be ``fd:NAME``: those sockets are theirs.

    Raises:
        typer.BadParameter: one cannot be read, or an inherited socket is to serve two purposes.
    """
    from trionet.transport.addresses import inherited_name
    from trionet.transport.inherited import inherited_addresses

    where = list(addresses or ())
    if not where:
        where = [one for one in inherited_addresses() if one not in taken] or [*default]
    check_addresses(where)
    names = [inherited_name(one) for one in [*where, *taken] if one is not None]
    for name in names:
        if name and names.count(name) > 1:
            raise typer.BadParameter(f"fd:{name} can be used only once")
    return where


def check_target(text: str) -> str:
    """Check that an address can be connected to, and return it.

    Raises:
        typer.BadParameter: it cannot.
    """
    from trionet.transport.addresses import InheritedAddress, parse_address

    check_addresses([text])
    where = parse_address(text)
    if isinstance(where, InheritedAddress):
        raise typer.BadParameter(f"{text!r}: an inherited socket is only for listening")
    if getattr(getattr(where, "tcp", where), "port", None) == 0:
        raise typer.BadParameter(f"{text!r}: there is no port 0 to connect to")
    return text


ServeAddresses = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="ADDRESS",
        help=f"Where to listen: {LISTEN_FORMS}. :PORT is IPv4 and IPv6, [::]:PORT IPv6 alone. "
        "Port 0 picks a free one.",
        show_default=False,
    ),
]
Target = Annotated[
    str,
    typer.Argument(metavar="ADDRESS", help=f"Where to connect: {FORMS}.", callback=check_target),
]
Web = Annotated[
    str | None,
    typer.Option(
        "--web",
        metavar="HOST:PORT",
        help="Serve browsers here, or at fd:NAME, too: a page with the same rooms. Implies "
        "--forever.",
        rich_help_panel="Browsers",
        show_default=False,
    ),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        metavar="HOST:PORT",
        help="Serve metrics for Prometheus here, or at fd:NAME, over HTTP, and /healthz.",
        rich_help_panel="Addresses",
        show_default=False,
    ),
]


def web_address(web: str, *, is_tls: bool) -> str:
    """Return the value of ``--web`` as an address.

    Args:
        web: the value.
        is_tls: whether there is a certificate.

    Raises:
        typer.BadParameter: it cannot be read.
    """
    from trionet.errors import AddressError
    from trionet.transport.addresses import InheritedAddress, WebAddress, parse_address

    # People copy what a browser shows.
    text = web.removeprefix("http://").removeprefix("https://").removesuffix("/")
    try:
        where = parse_address(f"web:{'tls:' if is_tls else ''}{text}")
        assert isinstance(where, WebAddress | InheritedAddress)
    except AddressError as error:
        raise typer.BadParameter(str(error), param_hint="--web") from None
    return str(where)


def metrics_address(text: str | None) -> str | None:
    """Return the value of ``--metrics`` as an address.

    Raises:
        typer.BadParameter: it cannot be read.
    """
    from trionet.errors import AddressError
    from trionet.transport.addresses import InheritedAddress, TCPAddress, parse_address

    if text is None:
        return None
    # People copy what the server prints.
    address = text.removeprefix("http://").removesuffix("/metrics").removesuffix("/")
    try:
        where = parse_address(address)
        is_plain = isinstance(where, InheritedAddress) and not (where.is_tls or where.is_web)
        if is_plain or isinstance(where, TCPAddress):
            return address
        problem = f"metrics are served on HOST:PORT, not on {address!r}"
    except AddressError as error:
        problem = str(error)
    raise typer.BadParameter(problem, param_hint="--metrics")
