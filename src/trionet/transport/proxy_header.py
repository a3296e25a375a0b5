"""The header of the PROXY protocol, versions 1 and 2, with which a proxy says for whom it speaks.

A proxy that passes bytes through, such as HAProxy or nginx's ``stream``, sends it first on each
connection; https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt is the specification.
`HeaderReader` takes it in whatever pieces it comes in, and takes nothing beyond it. Pure.

What else a header of version 2 may carry (TLVs: names, checksums, what the proxy knows of TLS) is
skipped.
"""

from __future__ import annotations

import ipaddress
import re
import struct

from trionet.transport.addresses import TCPAddress

# The longest line of version 1, its end included.
MAX_V1 = 107

_V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_HEAD = 16

# Bytes of addresses and TLVs after the head of version 2. 65,535 could be announced; proxies send
# some 100, or a few hundred with what they know of a client's certificate.
MAX_V2_REST = 4096

_V1_PREFIX = b"PROXY "
_PORT = re.compile("0|[1-9][0-9]{0,4}")

# Version and command.
_LOCAL, _PROXY = 0x20, 0x21
# Family and transport, with the struct of the addresses and ports.
_ADDRESSES = {0x11: struct.Struct("!4s4sHH"), 0x21: struct.Struct("!16s16sHH")}
# All others that there are: unspecified, UDP, Unix sockets. They name no host.
_OTHERS = {0x00, 0x12, 0x22, 0x31, 0x32}


class BadHeader(ValueError):
    """What came is not a header of the PROXY protocol; the message says why, in a few words."""


class HeaderReader:
    """Reads one header.

    Attributes:
        source: for whom the proxy speaks; ``None``: it does not say (LOCAL, UNKNOWN), or the header
            is not complete yet.
        is_complete: whether all of the header has come.
    """

    __slots__ = ("_data", "is_complete", "source")

    def __init__(self) -> None:
        self._data = bytearray()
        self.source: TCPAddress | None = None
        self.is_complete = False

    @property
    def wanted(self) -> int:
        """How many of the next bytes may belong to the header; 0: it is complete."""
        if self.is_complete:
            return 0
        if self._data[:1] == _V2_SIGNATURE[:1]:
            return self._v2_size() - len(self._data)
        return MAX_V1 - len(self._data)

    @property
    def has_begun(self) -> bool:
        """Whether any of it has come."""
        return bool(self._data)

    def feed(self, data: bytes) -> int:
        """Take bytes, and return how many of them belong to the header.

        Args:
            data: the next ones, at most `wanted`, at least one.

        Raises:
            BadHeader: this is not a header.
        """
        known = len(self._data)
        self._data += data
        size = self._read_v2() if self._data[:1] == _V2_SIGNATURE[:1] else self._read_v1()
        if not size:
            return len(data)
        del self._data[size:]
        self.is_complete = True
        return size - known

    def _read_v1(self) -> int:
        """Read version 1, and return the header's size; 0: more has to come."""
        if not _agree(self._data, _V1_PREFIX):
            raise BadHeader("there is no PROXY header")
        end = self._data.find(b"\n")
        if end < 0:
            if len(self._data) >= MAX_V1:
                raise BadHeader("the PROXY header is too long")
            return 0
        line = self._data[: end + 1]
        if not line.endswith(b"\r\n") or not line.isascii():
            raise BadHeader("the PROXY header is malformed")
        self.source = _source_of_line(line[:-2].decode())
        return end + 1

    def _read_v2(self) -> int:
        """Read version 2, and return the header's size; 0: more has to come."""
        if not _agree(self._data, _V2_SIGNATURE):
            raise BadHeader("there is no PROXY header")
        size = self._v2_size()
        if len(self._data) < size:
            return 0
        if self._data[12] == _PROXY:
            self.source = self._source_of_addresses()
        return size

    def _v2_size(self) -> int:
        """Return the size of version 2 as far as it is known, and check the head once it is."""
        if len(self._data) < _V2_HEAD:
            return _V2_HEAD
        rest: int
        command, family, rest = struct.unpack_from("!BBH", self._data, len(_V2_SIGNATURE))
        if command not in (_LOCAL, _PROXY):
            raise BadHeader("the PROXY header has an unknown version or command")
        if rest > MAX_V2_REST:
            raise BadHeader("the PROXY header is too long")
        if command == _PROXY:
            if family not in _ADDRESSES and family not in _OTHERS:
                raise BadHeader("the PROXY header has an unknown family of addresses")
            if family in _ADDRESSES and rest < _ADDRESSES[family].size:
                raise BadHeader("the PROXY header is too short for its addresses")
        return _V2_HEAD + rest

    def _source_of_addresses(self) -> TCPAddress | None:
        form = _ADDRESSES.get(self._data[13])
        if form is None:
            return None
        host, _, port, _ = form.unpack_from(self._data, _V2_HEAD)
        return TCPAddress(_shown(ipaddress.ip_address(host)), port)


def _source_of_line(line: str) -> TCPAddress | None:
    """Return whom a line of version 1 names, without its end; ``None``: nobody."""
    protocol, *rest = line.split(" ")[1:]
    if protocol == "UNKNOWN":
        # A receiver ignores what follows.
        return None
    if protocol not in ("TCP4", "TCP6") or len(rest) != 4:
        raise BadHeader("the PROXY header is malformed")
    kind = ipaddress.IPv4Address if protocol == "TCP4" else ipaddress.IPv6Address
    source, destination, *ports = rest
    try:
        # A scope means something only on the proxy's own machine.
        if "%" in source + destination:
            raise ValueError
        host, _ = kind(source), kind(destination)
        port, _ = (_port(text) for text in ports)
    except ValueError:
        raise BadHeader("the PROXY header is malformed") from None
    return TCPAddress(_shown(host), port)


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise ValueError
    return int(text)


def _shown(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Return an address as the OS writes it: Python before 3.13 has a mapped one in hex."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(address) if mapped is None else f"::ffff:{mapped}"


def _agree(data: bytearray, prefix: bytes) -> bool:
    """Tell whether data begins with a prefix, as far as it has come."""
    return data[: len(prefix)] == prefix[: len(data)]
