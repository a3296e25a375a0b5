"""Who is at the other end of a stream.

A stream tells by two optional attributes: ``peer``, the display address, and ``remote``, the
structured one. trionet's sockets, TLS streams and memory streams have both. Code that decides
something about a peer goes by ``remote`` alone.
"""

from __future__ import annotations

from trionet.transport.addresses import RemoteAddress, UnixAddress
from trionet.transport.hosts import Host, host_of, is_local


def peer_of(stream: object, number: int) -> str:
    """Return the peer's display address.

    Args:
        stream: the connection to the peer.
        number: the connection's number. Peers on a Unix socket have no address of their own, and
            are told apart by it.
    """
    peer = name_of_peer(stream)
    return f"{peer}#{number}" if isinstance(remote_of(stream), UnixAddress) else peer


def name_of_peer(stream: object) -> str:
    """Return the peer's display address, which is not unique on a Unix socket."""
    return str(getattr(stream, "peer", "unknown peer"))


def remote_of(stream: object) -> RemoteAddress | None:
    """Return the peer's structured address; ``None``: the stream does not tell."""
    return getattr(stream, "remote", None)


def is_private(stream: object) -> bool:
    """Tell whether nobody on the way to a peer can read along, as far as this side can know.

    That is so where the stream sees to it, as TLS does, and where nothing leaves this machine.
    """
    sees_to_it: bool | None = getattr(stream, "is_private", None)
    return is_local(remote_of(stream)) if sees_to_it is None else sees_to_it


def host_of_peer(stream: object, *, ipv6_prefix: int) -> Host | None:
    """Return what counts as the peer's host; ``None``: it has none, or the stream does not tell.

    Args:
        stream: the connection to the peer.
        ipv6_prefix: see `trionet.Limits`.
    """
    return host_of(remote_of(stream), ipv6_prefix=ipv6_prefix)
