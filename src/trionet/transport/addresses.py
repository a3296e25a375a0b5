"""Read addresses as people write them, and write them back. No lookup, no I/O.

| written | to listen | to connect |
|---|---|---|
| ``HOST:PORT`` | every address of the host | the first address of the host that answers |
| ``localhost:PORT`` | 127.0.0.1 and ::1, one port | as any host |
| ``:PORT`` | all interfaces, IPv4 and IPv6 | localhost |
| ``0.0.0.0:PORT`` | all interfaces, IPv4 alone | this machine |
| ``[::]:PORT`` | all interfaces, IPv6 alone | this machine |
| ``[::1]:PORT`` | this IPv6 address | this IPv6 address |
| ``[fe80::1%eth0]:PORT`` | this link-local address of this interface | this one, through it |
| ``[::ffff:127.0.0.1]:PORT`` | the IPv4 address | the IPv4 address |
| ``unix:PATH`` | a socket in the file system | a socket in the file system |
| ``unix:@NAME`` | an abstract socket (Linux) | an abstract socket (Linux) |
| ``tls:`` before one with a port | as without it, encrypted | as without it, encrypted |
| ``web:`` before one of these two | as without it, for browsers: WebSockets | as a WebSocket |
| ``fd:NAME``, also after ``tls:``, ``web:`` | what the supervisor opened under this name | – |

Port 0 lets the kernel pick a free port to listen on. ``localhost`` may be written in capitals and
with a dot after it. A file whose name begins with ``@`` is ``unix:./@NAME``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from trionet.errors import AddressError
from trionet.type_checks import check_kind, check_kinds, shown


@dataclass(frozen=True, slots=True)
class TCPAddress:
    """A host and a port.

    Attributes:
        host: a name or a numeric address without brackets; empty: all interfaces.
        port: 0 to 65,535.
    """

    host: str
    port: int

    def __str__(self) -> str:
        # The message about a wrong host quotes it.
        is_ipv6 = isinstance(self.host, str) and ":" in self.host
        return f"[{self.host}]:{self.port}" if is_ipv6 else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class TLSAddress:
    """TLS over TCP.

    It is not itself a `TCPAddress`, so nothing can take it for one and speak plain text.

    Attributes:
        tcp: the host and the port.
    """

    tcp: TCPAddress

    def __post_init__(self) -> None:
        check_kind("tcp", self.tcp, TCPAddress, hint='parse_address("localhost:7000")')

    def __str__(self) -> str:
        return f"tls:{self.tcp}"


@dataclass(frozen=True, slots=True)
class WebAddress:
    """WebSockets, and pages beside them, over TCP or TLS.

    It is neither a `TCPAddress` nor a `TLSAddress`: its lines travel in frames.

    Attributes:
        below: where the connections come in.
    """

    below: TCPAddress | TLSAddress

    def __post_init__(self) -> None:
        if not isinstance(self.below, TCPAddress | TLSAddress):
            check_kind("below", self.below, TCPAddress, hint='parse_address("localhost:8080")')

    @property
    def tcp(self) -> TCPAddress:
        """The host and the port."""
        return self.below.tcp if isinstance(self.below, TLSAddress) else self.below

    @property
    def url(self) -> str:
        """What a browser goes to."""
        scheme = "https" if isinstance(self.below, TLSAddress) else "http"
        return f"{scheme}://{self.tcp}"

    def __str__(self) -> str:
        return f"web:{self.below}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A Unix socket.

    Attributes:
        path: where it is in the file system; ``@NAME``: an abstract socket, which is not in it.
    """

    path: str

    def __post_init__(self) -> None:
        check_kinds(path=(self.path, str))

    @property
    def is_abstract(self) -> bool:
        """Whether it has a name but no file."""
        return self.path.startswith("@")

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class InheritedAddress:
    """The listening sockets that a supervisor, such as systemd, opened under a name.

    There is nothing to connect to.

    Attributes:
        name: the name: printable ASCII without a colon.
        is_tls: whether connections are encrypted; default ``False``.
        is_web: whether they come from browsers; default ``False``.
    """

    name: str
    is_tls: bool = False
    is_web: bool = False

    def __post_init__(self) -> None:
        check_kinds(name=(self.name, str), is_tls=(self.is_tls, bool), is_web=(self.is_web, bool))

    @property
    def scheme(self) -> str:
        """What stands before the address of the socket."""
        return f"{'web:' * self.is_web}{'tls:' * self.is_tls}"

    def __str__(self) -> str:
        return f"{self.scheme}fd:{self.name}"


Address: TypeAlias = TCPAddress | TLSAddress | WebAddress | UnixAddress | InheritedAddress

RemoteAddress: TypeAlias = TCPAddress | UnixAddress
"""Where the other end of a stream is. TLS is not part of it."""

# As the help of the command line has them.
FORMS = "HOST:PORT, :PORT, [::1]:PORT, unix:PATH, unix:@NAME, tls:HOST:PORT or web:HOST:PORT"
LISTEN_FORMS = FORMS.replace(" or ", ", ") + " or fd:NAME"

_PORT = re.compile(r"[0-9]{1,5}")
# What somebody may have meant as an IPv6 address without its brackets.
_BARE_IPV6 = re.compile(r"[0-9A-Fa-f:.]*(?:%.*)?")
_INHERITED = re.compile("(web:)?(tls:)?fd:")
# What systemd allows, which separates names by colons. 255 bytes are its limit.
_INHERITED_NAME = re.compile("[!-9;-~]{1,255}")
# These would break the line that shows an address, or move the cursor in it.
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")


def parse_address(text: str) -> Address:
    """Read an address as people write it, and return it as a value.

    Args:
        text: ``HOST:PORT``, ``:PORT``, ``[IPV6]:PORT`` or ``fd:NAME``, each also after ``tls:``,
            ``web:`` or ``web:tls:``, or ``unix:PATH`` or ``unix:@NAME``.

    Raises:
        AddressError: `text` is none of these; the message says what to write instead.
        TypeError: `text` is not a string.

    >>> parse_address("[::1]:22333")
    TCPAddress(host='::1', port=22333)
    """
    if not isinstance(text, str):
        where = f"localhost:{text}" if type(text) is int and 0 <= text <= 65535 else "HOST:PORT"
        raise TypeError(f"an address is a text: write '{where}', not {shown(text)}")
    if text.startswith("unix:"):
        return _parse_unix(text)
    if (inherited := _INHERITED.match(text)) is not None:
        return _parse_inherited(text, inherited)
    if text.startswith("tls:"):
        return TLSAddress(_parse_tcp(text, "tls:"))
    if text.startswith("web:tls:"):
        return WebAddress(TLSAddress(_parse_tcp(text, "web:tls:")))
    if text.startswith("web:"):
        return WebAddress(_parse_tcp(text, "web:"))
    return _parse_tcp(text, "")


def inherited_name(address: str) -> str | None:
    """Return the name in the address of inherited sockets; ``None``: it is another kind."""
    scheme = _INHERITED.match(address)
    return None if scheme is None else address[scheme.end() :]


def check_addresses(addresses: Sequence[object], *, caller: str) -> None:
    """Refuse an empty list, a list in place of single addresses, and whatever is not an address.

    Args:
        addresses: what a user passed as ``*addresses``.
        caller: the function that they were passed to, for the message.

    Raises:
        ValueError: there is no address.
        TypeError: one is not a string.
        AddressError: one cannot be read.
    """
    if not addresses:
        raise ValueError(f"{caller}() needs at least one address, such as 'localhost:7000'")
    for address in addresses:
        if isinstance(address, list | tuple | set | frozenset):
            raise TypeError(
                f"addresses are given one by one: "
                f"write {caller}(..., *addresses), not {shown(address)}"
            )
        # `parse_address` checks the type itself, because `connect` and `listen` rely on it alone.
        parse_address(address)  # type: ignore[arg-type]


def check_decodes(address: str, *, decode: bool) -> None:
    """Refuse an address that cannot be read, or whose lines cannot be bytes.

    Raises:
        AddressError: it cannot be read.
        ValueError: it is a WebSocket's, and `decode` is false.
    """
    if isinstance(parse_address(address), WebAddress) and not decode:
        raise ValueError(f"the lines of a WebSocket are texts: {address} needs decode=True")


def _parse_tcp(text: str, scheme: str) -> TCPAddress:
    host, colon, port = text.removeprefix(scheme).rpartition(":")
    if not colon and _PORT.fullmatch(port):
        raise AddressError(
            f"{text!r} is only a port: write {scheme}HOST:PORT, such as {scheme}localhost:{port}, "
            f"or {scheme}:{port} for all interfaces"
        )
    if not colon or host.endswith("]") != host.startswith("["):
        raise AddressError(
            f"{text!r} is not an address: write {scheme}HOST:PORT, such as {scheme}localhost:22333"
        )
    if not _PORT.fullmatch(port) or int(port) > 65535:
        if host.lower() == "unix":
            raise AddressError(f"{text!r}: write a Unix socket as unix:PATH")
        raise AddressError(f"{text!r}: the port must be a number from 0 to 65535")
    if host.startswith("["):
        host = host[1:-1]
        # A scope, as in fe80::1%eth0, can be any text.
        if not _is_ipv6(host) or not host.isprintable():
            raise AddressError(f"{text!r}: there is no IPv6 address in the brackets")
        if (mapped := ipaddress.IPv6Address(host).ipv4_mapped) is not None:
            if "%" in host:
                raise AddressError(f"{text!r}: an IPv4 address has no interface: write {mapped}")
            host = str(mapped)
    elif ":" in host and not _BARE_IPV6.fullmatch(host):
        raise AddressError(f"{text!r}: {host!r} is not a host name: write {scheme}HOST:PORT")
    elif ":" in host:
        raise AddressError(
            f"{text!r}: write an IPv6 address in brackets, such as {scheme}[::1]:22333"
        )
    elif host == "*":
        # The resolver would take it for localhost.
        raise AddressError(f"{text!r}: all interfaces are {scheme}:{port}, without a star")
    elif not host.isprintable() or any(c in host for c in " /@"):
        raise AddressError(f"{text!r}: {host!r} is not a host name")
    elif host.lower().removesuffix(".") == "localhost":
        host = "localhost"
    return TCPAddress(host, int(port))


def _parse_unix(text: str) -> UnixAddress:
    path = text.removeprefix("unix:")
    if not path:
        raise AddressError(f"{text!r}: the path is missing: write unix:PATH")
    if path == "@":
        raise AddressError(f"{text!r}: the name is missing: write unix:@NAME")
    if "\0" in path:
        raise AddressError(f"{text!r}: a path cannot hold a NUL")
    if _CONTROL.search(path):
        raise AddressError(f"{text!r}: the path holds a control character or a line separator")
    return UnixAddress(path)


def _parse_inherited(text: str, scheme: re.Match[str]) -> InheritedAddress:
    name = text[scheme.end() :]
    if not name:
        raise AddressError(f"{text!r}: the name is missing: write {text}NAME")
    if not _INHERITED_NAME.fullmatch(name):
        raise AddressError(
            f"{text!r}: the name of an inherited socket has at most 255 printable ASCII "
            "characters, and neither a space nor a colon"
        )
    return InheritedAddress(name, is_tls=scheme[2] is not None, is_web=scheme[1] is not None)


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True
