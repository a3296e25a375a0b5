"""The options that go with some kinds of addresses, and the checks that they fit together.

For example, ``--tls-cert`` goes with ``tls:`` addresses only. The commands of `calc_commands.py`,
`chat_serve_command.py` and `run_command.py` are declared with these types and checks.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import typer

from trionet.abc import WebFile
from trionet.transport.web.hosts import parse_networks
from trionet.transport.web.settings import WebSettings

# An octal number, as chmod and Python write it.
_MODE = re.compile(r"(0o)?[0-7]{1,6}", re.IGNORECASE)

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
TLSClientCA = Annotated[
    Path | None,
    typer.Option(
        "--tls-client-ca",
        metavar="FILE",
        help="For tls: addresses: only for clients with a certificate from this authority, PEM.",
        rich_help_panel="Addresses",
    ),
]
UnixMode = Annotated[
    str | None,
    typer.Option(
        metavar="MODE",
        help="For unix: addresses: who may connect, such as 660; default: what the umask leaves.",
        rich_help_panel="Addresses",
    ),
]
ProxyFrom = Annotated[
    list[str] | None,
    typer.Option(
        "--proxy-from",
        metavar="NETWORK",
        help="A proxy's address or network, whose connections begin with a PROXY header; may be "
        "repeated.",
        rich_help_panel="Addresses",
        show_default=False,
    ),
]
WebHosts = Annotated[
    list[str] | None,
    typer.Option(
        "--web-host",
        metavar="NAME",
        help="A name by which browsers may reach the page; may be repeated. IP addresses, "
        "localhost and this machine's name need none.",
        rich_help_panel="Browsers",
        show_default=False,
    ),
]
WebProxies = Annotated[
    list[str] | None,
    typer.Option(
        "--web-proxy",
        metavar="ADDRESS",
        help="A proxy's address or network, whose X-Forwarded-For is believed; may be repeated.",
        rich_help_panel="Browsers",
        show_default=False,
    ),
]
Open = Annotated[
    bool,
    typer.Option("--open", help="Open the page in your browser.", rich_help_panel="Browsers"),
]
CA = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        metavar="FILE",
        help="For tls: addresses: the certificate authority to trust, PEM; default: the OS's own.",
    ),
]
TLSClientCertificate = Annotated[
    Path | None,
    typer.Option(
        "--tls-client-cert",
        metavar="FILE",
        help="For servers that want to know who you are: your certificate with its chain, PEM.",
    ),
]
TLSClientKey = Annotated[
    Path | None,
    typer.Option(
        "--tls-client-key",
        metavar="FILE",
        help="Its private key, PEM; default: it is in the same file.",
    ),
]


class ListenSettings(TypedDict):
    """What `trionet.SystemNetwork` has to know to listen, besides the addresses."""

    certificate: Path | None
    private_key: Path | None
    client_ca: NotRequired[Path | None]
    unix_mode: int | None
    proxy_from: NotRequired[Sequence[str]]
    web: NotRequired[WebSettings | None]


def web_settings(
    addresses: Sequence[str],
    *,
    hosts: Sequence[str] | None,
    proxies: Sequence[str] | None,
    opens: bool,
    files: Callable[[], Mapping[str, WebFile]],
) -> WebSettings | None:
    """Check that the options of ``--web`` go with the addresses, and return their values.

    Args:
        addresses: where the server is to listen.
        hosts: the values of ``--web-host``.
        proxies: the values of ``--web-proxy``.
        opens: whether ``--open`` was given.
        files: returns what is served; called only if it is.

    Returns:
        The settings; ``None``: there is nothing for browsers.

    Raises:
        typer.BadParameter: an option is unused or wrong.
    """
    given = {"--web-host": hosts, "--web-proxy": proxies, "--open": opens}
    if not any(address.startswith("web:") for address in addresses):
        for option, value in given.items():
            if value:
                raise typer.BadParameter("there is no --web to use it for", param_hint=option)
        return None
    try:
        checked = WebSettings(hosts=hosts or ())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--web-host") from None
    try:
        return WebSettings(
            files=files(), socket_path="/ws", hosts=checked.hosts, proxies=proxies or ()
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--web-proxy") from None


@dataclass(frozen=True, kw_only=True, slots=True)
class AddressOptions:
    """The serve commands' options that go with some kinds of addresses, as they were given.

    `takes_address_options` makes the options from the fields, in this order.
    """

    tls_cert: TLSCertificate = None
    tls_key: TLSKey = None
    tls_client_ca: TLSClientCA = None
    unix_mode: UnixMode = None
    proxy_from: ProxyFrom = None

    def settings(
        self, addresses: Sequence[str], *, web: WebSettings | None = None
    ) -> ListenSettings:
        """Check that the options go with the addresses and with each other; return their values.

        Args:
            addresses: where the server is to listen.
            web: what is served for browsers; default ``None``: nothing.

        Raises:
            typer.BadParameter: an option is missing, unused or wrong.
        """
        certificate, key = self.tls_cert, self.tls_key
        if (certificate is None) != (key is None):
            one, other = ("--tls-cert", "--tls-key") if certificate else ("--tls-key", "--tls-cert")
            raise typer.BadParameter(f"it is required together with {one}", param_hint=other)
        wants_tls = any(address.startswith(("tls:", "web:tls:")) for address in addresses)
        if wants_tls and certificate is None:
            raise typer.BadParameter(
                "they are required for a tls: address", param_hint="--tls-cert/--tls-key"
            )
        if certificate is not None and not wants_tls:
            raise typer.BadParameter(
                "there is no tls: address to use it for", param_hint="--tls-cert"
            )
        if self.tls_client_ca is not None and certificate is None:
            raise typer.BadParameter(
                "there is no tls: address to use it for", param_hint="--tls-client-ca"
            )
        mode = _parse_mode(self.unix_mode)
        if mode is not None and not any(address.startswith("unix:") for address in addresses):
            raise typer.BadParameter(
                "there is no unix: address to use it for", param_hint="--unix-mode"
            )
        settings: ListenSettings = {
            "certificate": certificate, "private_key": key, "unix_mode": mode, "web": web
        }  # fmt: skip
        if self.tls_client_ca is not None:
            settings["client_ca"] = self.tls_client_ca
        if self.proxy_from:
            try:
                parse_networks(self.proxy_from)
            except ValueError as error:
                raise typer.BadParameter(str(error), param_hint="--proxy-from") from None
            settings["proxy_from"] = self.proxy_from
        return settings


class ClientSettings(TypedDict):
    """What `trionet.SystemNetwork` has to know to connect."""

    ca: Path | None
    client_certificate: Path | None
    client_key: Path | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientOptions:
    """The options of all clients that go with ``tls:`` addresses, as they were given.

    `takes_client_options` makes the options from the fields, in this order.
    """

    ca: CA = None
    tls_client_cert: TLSClientCertificate = None
    tls_client_key: TLSClientKey = None

    def settings(self) -> ClientSettings:
        """Check that the options go with each other; return their values.

        Raises:
            typer.BadParameter: they do not.
        """
        if self.tls_client_key is not None and self.tls_client_cert is None:
            raise typer.BadParameter(
                "it is required together with --tls-client-key", param_hint="--tls-client-cert"
            )
        return {
            "ca": self.ca,
            "client_certificate": self.tls_client_cert,
            "client_key": self.tls_client_key,
        }


def takes_address_options(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a serve command: give it `AddressOptions` in place of its parameter ``network``."""
    return takes_options("network", AddressOptions)(command)


def takes_client_options(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a client: give it `ClientOptions` in place of its parameter ``network``."""
    return takes_options("network", ClientOptions)(command)


def takes_options(
    replaced: str, kind: Callable[..., object]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a command: give it the options of a class in place of one parameter.

    typer reads a command's options from its signature, so the decorated command has a parameter for
    each option. The command itself is called with one object of the class.

    Args:
        replaced: the parameter.
        kind: the class; its parameters are annotated as typer's are.
    """
    options = inspect.signature(kind, eval_str=True).parameters

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def with_options(**arguments: Any) -> None:
            given = {name: arguments.pop(name) for name in options}
            command(**arguments, **{replaced: kind(**given)})

        parameters: list[inspect.Parameter] = []
        signature = inspect.signature(command, eval_str=True)
        for name, parameter in signature.parameters.items():
            parameters += options.values() if name == replaced else [parameter]
        with_options.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        with_options.__annotations__ = {one.name: one.annotation for one in parameters}
        return with_options

    return decorate


def _parse_mode(text: str | None) -> int | None:
    if text is None:
        return None
    # Python reads more as a number, such as `6_60`.
    mode = int(text, 8) if _MODE.fullmatch(text) else -1
    if not 0 <= mode <= 0o777:
        raise typer.BadParameter(
            "it must be a number from 0 to 777, octal, such as 660", param_hint="--unix-mode"
        )
    return mode
