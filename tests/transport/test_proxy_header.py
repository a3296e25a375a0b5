"""The header of the PROXY protocol: which are read, and which are refused."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trionet.transport.addresses import TCPAddress
from trionet.transport.proxy_header import MAX_V1, MAX_V2_REST, BadHeader, HeaderReader

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def v1(host: str = "192.0.2.7", port: int = 4711, *, protocol: str = "TCP4") -> bytes:
    other = "198.51.100.1" if protocol == "TCP4" else "2001:db8::1"
    return f"PROXY {protocol} {host} {other} {port} 22223\r\n".encode()


def v2(
    host: str = "192.0.2.7",
    port: int = 4711,
    *,
    command: int = 0x21,
    family: int | None = None,
    tlvs: bytes = b"",
) -> bytes:
    address = ipaddress.ip_address(host)
    own = 0x11 if address.version == 4 else 0x21
    rest = address.packed * 2 + struct.pack("!HH", port, 22223) + tlvs
    head = struct.pack("!BBH", command, own if family is None else family, len(rest))
    return SIGNATURE + head + rest


LONGEST = [b"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"] * 2 + [b"65535"] * 2

HEADERS = {
    "a line for IPv4": (v1(), TCPAddress("192.0.2.7", 4711)),
    "a line for IPv6": (v1("2001:db8::7", protocol="TCP6"), TCPAddress("2001:db8::7", 4711)),
    "a mapped address in a line": (
        v1("::ffff:192.0.2.7", protocol="TCP6"),
        TCPAddress("::ffff:192.0.2.7", 4711),
    ),
    "the shortest line": (b"PROXY UNKNOWN\r\n", None),
    "the longest line": (b"PROXY UNKNOWN " + b" ".join(LONGEST) + b"\r\n", None),
    "binary for IPv4": (v2(), TCPAddress("192.0.2.7", 4711)),
    "binary for IPv6": (v2("2001:db8::7"), TCPAddress("2001:db8::7", 4711)),
    "binary for a mapped address": (
        v2("::ffff:192.0.2.7"),
        TCPAddress("::ffff:192.0.2.7", 4711),
    ),
    "binary with TLVs": (v2(tlvs=b"\x02\x00\x03a\r\nPROXY "), TCPAddress("192.0.2.7", 4711)),
    "binary with TLVs that are none": (v2(tlvs=b"\xff" * 7), TCPAddress("192.0.2.7", 4711)),
    "the longest binary one": (
        v2(tlvs=bytes(MAX_V2_REST - 12)),
        TCPAddress("192.0.2.7", 4711),
    ),
    "LOCAL": (SIGNATURE + b"\x20\x00\x00\x00", None),
    "LOCAL with addresses": (v2(command=0x20), None),
    "LOCAL with an unknown family": (v2(command=0x20, family=0x99), None),
    "an unspecified family": (SIGNATURE + b"\x21\x00\x00\x00", None),
    "UDP": (v2(family=0x12), None),
    "a Unix socket": (SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216), None),
}

BAD = {
    "a line of a chat": b"Ann\n",
    "HTTP": b"GET / HTTP/1.1\r\n",
    "TLS": b"\x16\x03\x01\x02\x00",
    "an end of line": b"\r\n\r\nAnn\n",
    "another word": b"PROXIES TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
    "lower case": b"proxy UNKNOWN\r\n",
    "no CR": b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
    "too long a line": b"PROXY UNKNOWN " + b"x" * MAX_V1,
    "no family": b"PROXY \r\n",
    "an unknown family in a line": b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
    "too few fields": b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
    "too many fields": b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
    "two spaces": b"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
    "an address of the other family": b"PROXY TCP4 ::1 ::1 1 2\r\n",
    "a bad address": b"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
    "a bad destination": b"PROXY TCP4 1.2.3.4 1.2.3.400 1 2\r\n",
    "a scope": b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
    "a bad port": b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
    "a port that is not a number": b"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
    "a port with a zero in front": b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
    "not ASCII": "PROXY TCP4 ١.2.3.4 1.2.3.4 1 2\r\n".encode(),
    "another version": v2(command=0x31),
    "version 1 in binary": v2(command=0x11),
    "an unknown command": v2(command=0x22),
    "an unknown family": v2(family=0x41),
    "an unknown transport": v2(family=0x13),
    "too short for IPv4": SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11),
    "too short for IPv6": SIGNATURE + b"\x21\x21\x00\x23" + bytes(35),
    "too long": SIGNATURE + b"\x21\x11\xff\xff",
    "too long for LOCAL": SIGNATURE + b"\x20\x00\xff\xff",
}


def read(*pieces: bytes) -> tuple[HeaderReader, bytes]:
    """Feed pieces as they would be looked at; return the reader, and what it did not take."""
    reader, pending = HeaderReader(), b""
    for piece in pieces:
        pending += piece
        while pending and reader.wanted:
            taken = reader.feed(pending[: reader.wanted])
            assert taken > 0
            pending = pending[taken:]
    return reader, pending


@pytest.mark.parametrize(("data", "source"), HEADERS.values(), ids=HEADERS)
def test_a_header_says_for_whom_a_proxy_speaks(data: bytes, source: TCPAddress | None) -> None:
    reader, rest = read(data)
    assert reader.is_complete
    assert reader.source == source
    assert rest == b""


@pytest.mark.parametrize(("data", "source"), HEADERS.values(), ids=HEADERS)
def test_nothing_behind_a_header_is_taken(data: bytes, source: TCPAddress | None) -> None:
    reader, rest = read(data + data + b"PROXY")
    assert (reader.source, rest) == (source, data + b"PROXY")


@pytest.mark.parametrize(("data", "source"), HEADERS.values(), ids=HEADERS)
def test_a_header_may_be_cut_at_every_byte(data: bytes, source: TCPAddress | None) -> None:
    for cut in range(1, len(data)):
        reader, rest = read(data[:cut])
        assert not reader.is_complete
        assert rest == b""
        reader, rest = read(data[:cut], data[cut:] + b"Ann\n")
        assert (reader.is_complete, reader.source, rest) == (True, source, b"Ann\n")
    reader, rest = read(*(data[at : at + 1] for at in range(len(data))))
    assert (reader.is_complete, reader.source, rest) == (True, source, b"")


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_what_is_no_header_is_refused_however_it_is_cut(data: bytes) -> None:
    with pytest.raises(BadHeader):
        read(data)
    with pytest.raises(BadHeader):
        read(*(data[at : at + 1] for at in range(len(data))))


@pytest.mark.parametrize("data", [b"Ann\n", b"\x16\x03\x01", b"{", b"\xff"])
def test_what_is_no_header_is_refused_at_its_first_byte(data: bytes) -> None:
    with pytest.raises(BadHeader, match="there is no PROXY header"):
        HeaderReader().feed(data[:1])


def test_a_line_without_an_end_is_refused_at_its_last_possible_byte() -> None:
    reader, _ = read(b"PROXY " + b"x" * (MAX_V1 - 7))
    assert (reader.is_complete, reader.wanted) == (False, 1)
    with pytest.raises(BadHeader, match="too long"):
        reader.feed(b"x")


@given(
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)),
    st.integers(0, 65535),
    st.booleans(),
    st.binary(max_size=300),
    st.binary(max_size=50),
    st.lists(st.integers(1, 40), max_size=30),
)
def test_any_address_and_port_come_out_as_they_went_in(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    port: int,
    is_binary: bool,
    tlvs: bytes,
    behind: bytes,
    cuts: list[int],
) -> None:
    if is_binary:
        header = v2(str(address), port, tlvs=tlvs)
    else:
        header = v1(str(address), port, protocol=f"TCP{address.version}")
    data, pieces = header + behind, []
    for cut in cuts:
        pieces.append(data[:cut])
        data = data[cut:]
    reader, rest = read(*pieces, data)
    assert reader.source is not None
    assert ipaddress.ip_address(reader.source.host) == address
    assert (reader.source.port, rest) == (port, behind)


@given(st.binary(max_size=200), st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE]))
def test_whatever_comes_is_a_header_or_refused_or_incomplete_and_bounded(
    noise: bytes, begin: bytes
) -> None:
    try:
        reader, rest = read(begin + noise)
    except BadHeader:
        return
    taken = len(begin + noise) - len(rest)
    assert taken <= 16 + MAX_V2_REST
    assert reader.wanted <= 16 + MAX_V2_REST
    assert reader.is_complete or rest == b""
