"""The addresses of a socket's two ends, as values and as display addresses.

The socket module has tuples, bytes and strings for them: ``("::1", 7000, 0, 0)``. As a value, this
is ``TCPAddress("::1", 7000)``, which the limits on hosts go by; its display address ``[::1]:7000``
is for the log. Listeners ask here about their peers, and clients about their servers.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from trionet.transport.addresses import RemoteAddress, TCPAddress, UnixAddress

# In front of an IPv4 address that is written as IPv6.
_MAPPED = "::ffff:"


def structured(address: Any) -> RemoteAddress | None:
    """Turn an address of the socket module into a value; ``None``: the socket has no address."""
    if isinstance(address, tuple):
        host, port = address[:2]
        # Python leaves the scope of a link-local address out of the host.
        if len(address) == 4 and address[3] and "%" not in host:
            host = f"{host}%{_interface(address[3])}"
        if host.startswith(_MAPPED) and "." in host:
            # An IPv4 peer looks like this at a socket for both families, which a supervisor may
            # open.
            host = host.removeprefix(_MAPPED)
        return TCPAddress(host, port)
    if isinstance(address, bytes):
        # The name of an abstract socket begins with a NUL and may be any bytes.
        address = os.fsdecode(address).replace("\0", "@", 1)
    return UnixAddress(address) if address else None


def _interface(number: int) -> str:
    try:
        return socket.if_indextoname(number)
    except OSError:
        # The interface is gone by now. Its number means the same.
        return str(number)
