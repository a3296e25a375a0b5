"""Which server a browser means, and for whom it asks: ``Host``, ``Origin``, ``X-Forwarded-For``.

A page of another site can have a browser send requests here, and with DNS rebinding even under a
name of its own. So a request must name this server in its ``Host``, and the page that opens a
WebSocket must come from the same host (``Origin``). No I/O.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Sequence
from typing import TypeAlias

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

# The port of a scheme, which browsers leave out.
_PORTS = {"http": 80, "https": 443}

_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%25[^\[\]]+)?\]|[^\[\]:/?#@\\]+)(?::([0-9]{0,5}))?")
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#]+)", re.IGNORECASE)
_NAME = re.compile(r"(?=.{1,253}\Z)[0-9a-z_-]{1,63}(?:\.[0-9a-z_-]{1,63})*")


def parse_authority(text: str) -> tuple[str, int | None]:
    """Return the host and the port of a ``Host``, in one spelling each; ``None``: there is no port.

    Raises:
        ValueError: it cannot be read.
    """
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a host")
    host = match[1].lower()
    if host.startswith("["):
        host = str(ipaddress.IPv6Address(host[1:-1].replace("%25", "%")))
    else:
        host = host.removesuffix(".")
        if not _NAME.fullmatch(host):
            raise ValueError(f"{text!r} is not a host")
    port = int(match[2]) if match[2] else None
    if port is not None and port > 65535:
        raise ValueError(f"{text!r} has no port")
    return host, port


def is_ours(
    host: str, *, port: int, is_tls: bool, own: Collection[str], any_port: Collection[str]
) -> bool:
    """Tell whether a ``Host`` names this server.

    Args:
        host: the field's value.
        port: the port that the server listens on.
        is_tls: whether it speaks TLS, so that 443 is the port that is left out.
        own: names of this machine, which count with that port.
        any_port: names that count with any port.
    """
    try:
        name, given = parse_authority(host)
    except ValueError:
        return False
    if name in any_port:
        return True
    if (given if given is not None else _PORTS["https" if is_tls else "http"]) != port:
        return False
    return name == "localhost" or name in own or is_literal(name)


def is_literal(host: str) -> bool:
    """Tell whether a host is an IP address and not a name: nobody can rebind one."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_same_origin(origin: str, host: str) -> bool:
    """Tell whether a page's ``Origin`` has the host and the port of a ``Host``.

    The schemes are not compared: a proxy may have taken TLS off.
    """
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        return False
    try:
        page, page_port = parse_authority(match[2])
        name, port = parse_authority(host)
    except ValueError:
        return False
    default = _PORTS.get(match[1].lower())
    if page_port is None:
        page_port = default
    if port is None:
        # Whoever leaves it out means the scheme's own.
        port = default
    return page == name and page_port == port and page_port is not None


def parse_networks(texts: Sequence[str]) -> tuple[IPNetwork, ...]:
    """Read addresses and networks, such as ``127.0.0.1`` and ``10.0.0.0/8``.

    Raises:
        ValueError: one cannot be read; the message names it.
    """
    networks: list[IPNetwork] = []
    for text in texts:
        try:
            networks.append(_unmapped(ipaddress.ip_network(text, strict=False)))
        except ValueError:
            raise ValueError(f"{text!r} is neither an IP address nor a network") from None
    return tuple(networks)


def _unmapped(network: IPNetwork) -> IPNetwork:
    """Return a network of IPv4 addresses that is written as IPv6 as what it is."""
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network


def is_within(host: str, networks: Sequence[IPNetwork]) -> bool:
    """Tell whether a numeric host is in one of some networks."""
    address = _address(host)
    return address is not None and any(
        address.version == network.version and address in network for network in networks
    )


def forwarded_for(fields: Sequence[str], proxies: Sequence[IPNetwork]) -> str | None:
    """Return the host for which a trusted proxy speaks; ``None``: it does not say.

    Each proxy adds, at the end, whom it got the request from. So the peer is the last one that is
    not a trusted proxy itself; anybody can have written what stands before it.

    Args:
        fields: each ``X-Forwarded-For``, in order.
        proxies: the trusted ones.
    """
    found: IPAddress | None = None
    for text in reversed(",".join(fields).split(",")):
        address = _address(_without_port(text.strip(" \t")))
        if address is None:
            break
        found = address
        if not is_within(str(address), proxies):
            break
    return None if found is None else str(found)


def _without_port(text: str) -> str:
    """Return an address without a port, which some proxies add."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _address(host: str) -> IPAddress | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
