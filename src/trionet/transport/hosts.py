"""What an address tells about its host: which it is, and who can read along. No lookup or I/O."""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

from trionet.transport.addresses import (
    InheritedAddress,
    RemoteAddress,
    TCPAddress,
    WebAddress,
    parse_address,
)

Host: TypeAlias = str | tuple[int, str]
"""What counts as one host; see `host_of`."""


def host_of(remote: RemoteAddress | None, *, ipv6_prefix: int = 64) -> Host | None:
    """Return what counts as the host of a peer, for limits on what one host may have.

    Whoever has one IPv6 address usually has all 2^64 addresses of its network, so a limit for each
    single address would limit nobody. An IPv4 address that is written as IPv6 (``::ffff:a.b.c.d``)
    counts as the IPv4 address.

    Args:
        remote: the peer's address, numeric; ``None``: not known.
        ipv6_prefix: how many leading bits of an IPv6 address make a host, 1 to 128.

    Returns:
        A value that is equal for equal hosts; ``None``: the peer has no host, as on a Unix socket.
    """
    if not isinstance(remote, TCPAddress):
        return None
    if ":" not in remote.host:
        return remote.host
    numeric, _, scope = remote.host.partition("%")
    address = ipaddress.IPv6Address(numeric)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return int(address) >> (128 - ipv6_prefix), scope


def is_local(remote: RemoteAddress | None) -> bool:
    """Tell whether a peer is on this machine, so that what it sends crosses no network.

    Args:
        remote: the peer's address, numeric; ``None``: not known, and then it may be anywhere.
    """
    if not isinstance(remote, TCPAddress):
        return remote is not None
    host = host_of(remote, ipv6_prefix=128)
    numeric = host if isinstance(host, str) else remote.host.partition("%")[0]
    return ipaddress.ip_address(numeric).is_loopback


def is_private_address(address: str) -> bool:
    """Tell whether nobody can read along on the way to an address: it is here, or encrypted.

    Args:
        address: see `parse_address`.

    Raises:
        AddressError: it cannot be read.
    """
    where = parse_address(address)
    below = where.below if isinstance(where, WebAddress) else where
    if isinstance(below, InheritedAddress):
        # The supervisor knows where it is.
        return below.is_tls
    if not isinstance(below, TCPAddress) or below.host in ("", "localhost"):
        return True
    try:
        return is_local(below)
    except ValueError:
        # A name is not looked up here.
        return False
