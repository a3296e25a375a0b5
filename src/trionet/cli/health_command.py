"""The `trionet health` command: its arguments and options. `health.py` has what it does."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from trionet.cli.address_arguments import check_target
from trionet.cli.address_options import ClientOptions, takes_client_options
from trionet.cli.common_options import number_parser
from trionet.limits import Bound
from trionet.transport.addresses import FORMS

# Nobody waits for an hour to hear whether a server is well.
TIMEOUT = Bound(least=0.001, most=3600, whole=False)


def _check_where(text: str) -> str:
    from trionet.cli.urls import BadURL, is_url, parse_url

    if not is_url(text):
        return check_target(text)
    try:
        parse_url(text)
    except BadURL as error:
        raise typer.BadParameter(str(error)) from None
    return text


@takes_client_options
def health(
    where: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS|URL",
            help=f"Which server: {FORMS}; or http://HOST:PORT/healthz of its --metrics.",
            callback=_check_where,
            show_default=False,
        ),
    ],
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            parser=number_parser(TIMEOUT),
            metavar="SECONDS",
            help="How long it may take.",
        ),
    ] = 5,
    *,
    network: ClientOptions,
) -> None:
    """Ask a server whether it is well: status 0 if it is, 1 if not.

    An ADDRESS is connected to, and must end the connection when nothing is said. A URL is asked by
    GET, and must be answered 200.
    """
    from trionet.cli.health import check_health
    from trionet.cli.running import run
    from trionet.transport.network import SystemNetwork

    made = SystemNetwork(**network.settings())
    run(partial(check_health, where, seconds=timeout, network=made))
