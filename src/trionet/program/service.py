"""A `Service`: a handler, its addresses and its options, ready for `trionet.run`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from typing import Any

import trio

from trionet.abc import Network
from trionet.errors import AddressError
from trionet.limits import Limits
from trionet.server import Handler, Server, check_call, serve
from trionet.transport.certificates import File
from trionet.transport.network import SYSTEM, SystemNetwork
from trionet.type_checks import shown

# What `Service` and `trionet.run` call the options of `trionet.SystemNetwork`.
NETWORK_OPTIONS = {
    "certificate": "certificate",
    "key": "private_key",
    "client_ca": "client_ca",
    "proxy_from": "proxy_from",
}

_DEFAULTS: Mapping[str, Any] = {
    "certificate": None, "key": None, "client_ca": None, "proxy_from": ()
}  # fmt: skip


class Service:
    """One of the services of a program, for `trionet.run`.

    ``run(Service(shout, "localhost:7000"), Service(whisper, ["localhost:7001", "unix:/run/w"]))``
    serves both. They share nothing but the process: each has limits, a lifespan and a state of its
    own.

    Args:
        handler: see `trionet.serve`.
        addresses: where it listens, one address or several; see `trionet.parse_address`.
        limits: its limits and deadlines; default: `trionet.Limits` without arguments.
        certificate: a PEM file with the certificate of ``tls:`` addresses, default ``None``; see
            `trionet.SystemNetwork`.
        key: a PEM file with its private key; default: it is in `certificate` too.
        client_ca: a PEM file; only clients with a certificate that leads to one in it are served
            at ``tls:`` addresses. Default ``None``: clients need no certificate.
        proxy_from: addresses and networks of proxies whose connections begin with a header of the
            PROXY protocol, default none; see `trionet.SystemNetwork`.
        options: all other options are those of `trionet.serve`, such as ``lifespan``,
            except ``task_status``.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind, or `serve` has no such option; the
            message says what to write. An address that cannot be read is reported only when the
            service is run, because it may come from the program's user.

    Attributes:
        handler: as given.
        addresses: those given, as a tuple.
        limits: its limits; `trionet.Limits` without arguments if none were given.
        network: where it listens.
        options: the options for `trionet.serve`, with `limits` and `network`.
    """

    def __init__(
        self,
        handler: Handler,
        addresses: str | Sequence[str],
        limits: Limits | None = None,
        *,
        certificate: File | None = None,
        key: File | None = None,
        client_ca: File | None = None,
        proxy_from: Sequence[str] = (),
        **options: Any,
    ) -> None:
        own = {
            "certificate": certificate, "key": key, "client_ca": client_ca, "proxy_from": proxy_from
        }  # fmt: skip
        if limits is not None:
            options["limits"] = limits
        self._prepare("Service", handler, addresses, own, options)

    def _prepare(
        self,
        caller: str,
        handler: Handler,
        addresses: str | Sequence[str],
        own: Mapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        where = (addresses,) if isinstance(addresses, str) else addresses
        if not isinstance(where, Sequence):
            raise TypeError(f"addresses must be a list of addresses, not {shown(addresses)}")
        network = check_service(caller, handler, where, own=own, options=options)
        self.handler = handler
        self.addresses = tuple(where)
        self.limits: Limits = options.get("limits") or Limits()
        self.network: Network = network or options.get("network", SYSTEM)
        # What was given: `serve` may be given the rest.
        self._own = {name: own[name] for name in _given(own)}
        self._others = dict(options)
        self.options = {**options, "limits": self.limits, "network": self.network}

    def __repr__(self) -> str:
        name = getattr(self.handler, "__name__", repr(self.handler))
        return f"<trionet.Service {name} on {', '.join(self.addresses)}>"

    def replace(self, **changes: Any) -> Service:
        """Return the same service with some arguments replaced.

        Args:
            changes: `addresses`, or any option.

        Raises:
            TypeError, ValueError: as for a new `Service`.
        """
        # Another network takes the place of the one that this service has made for itself.
        own = {} if "network" in changes else self._own
        arguments = {"addresses": self.addresses, **self._others, **own, **changes}
        return Service(self.handler, **arguments)

    async def serve(
        self,
        *,
        task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
        **defaults: Any,
    ) -> None:
        """Serve until drained or cancelled, as `trionet.serve` does.

        Args:
            task_status: is handed the `Server` once it accepts connections.
            defaults: options of `trionet.serve` that count where the service has none of its own.

        Raises:
            AddressError, ListenError: an address cannot be read or listened on.

        Cancellation: immediate: listeners and connections are closed and handlers cancelled.

        Resource handling: closes everything that it opened, however it ends.
        """
        options = {**self.options, **defaults, **self._others}
        if self._own:
            options["network"] = self.network
        await serve(self.handler, *self.addresses, task_status=task_status, **options)


def service_of(
    caller: str, handler: Handler, addresses: Sequence[str], options: Mapping[str, Any]
) -> Service:
    """Return the service that the arguments of another function describe.

    Args:
        caller: that function, for the messages.
        handler: see `Service`, as all that follow.
        addresses: where it listens.
        options: all other arguments of `Service`.

    Raises:
        TypeError, ValueError: as for `Service`.
    """
    own = {name: options.get(name, default) for name, default in _DEFAULTS.items()}
    others = {name: value for name, value in options.items() if name not in own}
    service = Service.__new__(Service)
    service._prepare(caller, handler, addresses, own, others)  # noqa: SLF001
    return service


def check_service(
    caller: str,
    handler: object,
    addresses: Sequence[object],
    *,
    own: Mapping[str, Any],
    options: Mapping[str, Any],
) -> SystemNetwork | None:
    """Refuse what no service can be made of.

    Args:
        caller: the function that the user called, for the messages.
        handler: see `Service`, as all that follow.
        addresses: where it listens.
        own: those of its options that say what its own network is like, see `NETWORK_OPTIONS`.
        options: all other options.

    Returns:
        Its own network, if it has one.

    Raises:
        TypeError, ValueError: as for `Service`.
    """
    limits = {field.name for field in fields(Limits)}
    known = inspect.signature(serve).parameters
    for name in options:
        if name in limits:
            raise TypeError(
                f"{caller}() has no option {name}: write limits=trionet.Limits({name}=...)"
            )
        if name == "task_status":
            raise TypeError(f"{caller}() has no option task_status: inside Trio use trionet.serve")
        if name not in known:
            raise TypeError(f"{caller}() has no option {name}: it has those of trionet.serve")
    if own.get("key") is not None and own.get("certificate") is None:
        raise ValueError("a key needs its certificate: write certificate=FILE")
    given = _given(own)
    if given and "network" in options:
        first = NETWORK_OPTIONS[given[0]]
        raise TypeError(
            f"a network has its own {given[0]}: write network=trionet.SystemNetwork({first}=...)"
        )
    # It checks them.
    network = SystemNetwork(**{NETWORK_OPTIONS[name]: own[name] for name in given})
    with suppress(AddressError):
        check_call(handler, addresses, caller=caller, **options)
    return network if given else None


def _given(own: Mapping[str, Any]) -> list[str]:
    """Return the names of the options that are not left out."""
    return [name for name, value in own.items() if value != _DEFAULTS[name]]
