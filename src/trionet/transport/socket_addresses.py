"""The addresses of a socket's two ends, as values and as they are shown."""

from __future__ import annotations

import os
import socket
from typing import Any

from trionet.text.safe import safe_text
from trionet.transport.addresses import RemoteAddress, TCPAddress, UnixAddress


def structured(address: Any) -> RemoteAddress | None:
    """Return what the socket module calls an address; ``None``: the socket has none."""
    if isinstance(address, tuple):
        host, port, *more = address
        # Python leaves the scope of a link-local address out of the host.
        if len(more) == 2 and more[1] and "%" not in host:
            host = f"{host}%{_interface(more[1])}"
        return TCPAddress(host, port)
    if isinstance(address, bytes):
        # An abstract socket's name begins with a NUL, and is any bytes.
        address = os.fsdecode(address).replace("\0", "@", 1)
    return UnixAddress(address) if address else None


def _interface(number: int) -> str:
    try:
        return socket.if_indextoname(number)
    except OSError:
        # It is gone by now; the number means the same.
        return str(number)


def local_address(sock: socket.socket) -> str:
    """Return the address that a socket is bound to, numeric, as it is to be shown."""
    return str(structured(sock.getsockname()) or "")


def remote_address(sock: socket.socket) -> str:
    """Return the address that a socket is connected to, numeric, as it is to be shown."""
    # A peer on a Unix socket has chosen its path, line ends and all.
    return safe_text(str(structured(sock.getpeername()) or ""))
