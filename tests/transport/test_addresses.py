"""Addresses are read as people write them and written back, and others are refused with advice."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trionet.errors import AddressError
from trionet.transport.addresses import (
    Address,
    InheritedAddress,
    TCPAddress,
    TLSAddress,
    UnixAddress,
    parse_address,
)
from trionet.transport.hosts import host_of

# Text built from the parts of addresses, because plain random text is almost never an address.
ADDRESS_LIKE = st.lists(
    st.sampled_from(["unix:", "tls:", "localhost", "::1", "127.0.0.1", "80", "[", "]", ":", "%"])
    | st.sampled_from(["fd:", "web:"])
    | st.sampled_from(["65535", "65536", "00080", "٣", "fe80::1%eth0", "/tmp/s", "é", " ", "@"])
    | st.text(st.characters(), max_size=3),
    max_size=6,
).map("".join)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:22333", TCPAddress("localhost", 22333)),
        ("127.0.0.1:0", TCPAddress("127.0.0.1", 0)),
        (":22223", TCPAddress("", 22223)),
        ("[::1]:65535", TCPAddress("::1", 65535)),
        ("[fe80::1%eth0]:80", TCPAddress("fe80::1%eth0", 80)),
        ("example.com:00080", TCPAddress("example.com", 80)),
        ("bücher.example:80", TCPAddress("bücher.example", 80)),
        ("unix:/run/a b.sock", UnixAddress("/run/a b.sock")),
        ("unix:relative", UnixAddress("relative")),
        ("unix:80", UnixAddress("80")),
        ("unix:a:80", UnixAddress("a:80")),
        ("unix:@room", UnixAddress("@room")),
        ("unix:./@room", UnixAddress("./@room")),
        ("fd:room.socket", InheritedAddress("room.socket")),
        ("fd:22223", InheritedAddress("22223")),
        ("tls:fd:room", InheritedAddress("room", is_tls=True)),
        ("web:fd:room", InheritedAddress("room", is_web=True)),
        ("web:tls:fd:room", InheritedAddress("room", is_tls=True, is_web=True)),
        ("unix:fd:room", UnixAddress("fd:room")),
        ("LOCALHOST:80", TCPAddress("localhost", 80)),
        ("localhost.:80", TCPAddress("localhost", 80)),
        ("LocalHost.:80", TCPAddress("localhost", 80)),
        ("tls:Localhost:80", TLSAddress(TCPAddress("localhost", 80))),
        ("Example.com.:80", TCPAddress("Example.com.", 80)),
        ("[::ffff:127.0.0.1]:80", TCPAddress("127.0.0.1", 80)),
        ("[::FFFF:7f00:1]:80", TCPAddress("127.0.0.1", 80)),
        ("tls:[::ffff:10.0.0.1]:80", TLSAddress(TCPAddress("10.0.0.1", 80))),
        ("[::]:80", TCPAddress("::", 80)),
        ("unix:tls:a:80", UnixAddress("tls:a:80")),
        ("tls:localhost:22333", TLSAddress(TCPAddress("localhost", 22333))),
        ("tls:127.0.0.1:0", TLSAddress(TCPAddress("127.0.0.1", 0))),
        ("tls::22223", TLSAddress(TCPAddress("", 22223))),
        ("tls:[::1]:65535", TLSAddress(TCPAddress("::1", 65535))),
        ("tls:[fe80::1%eth0]:80", TLSAddress(TCPAddress("fe80::1%eth0", 80))),
    ],
)
def test_an_address_is_read(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("", "write HOST:PORT"),
        ("localhost", "write HOST:PORT"),
        ("22333", "write HOST:PORT"),
        ("[::1]", "write HOST:PORT|port must be"),
        ("[::1:80", "write HOST:PORT"),
        ("::1]:80", "write HOST:PORT"),
        ("::1:80", "in brackets"),
        ("localhost:", "port must be a number"),
        ("localhost:-1", "port must be a number"),
        ("localhost:65536", "port must be a number"),
        ("localhost:http", "port must be a number"),
        ("localhost: 80", "port must be a number"),
        ("localhost:٣", "port must be a number"),
        ("localhost:8_0", "port must be a number"),
        ("[localhost]:80", "no IPv6 address in the brackets"),
        ("[]:80", "no IPv6 address in the brackets"),
        ("[127.0.0.1]:80", "no IPv6 address in the brackets"),
        ("[::1%a\nb]:80", "no IPv6 address in the brackets"),
        ("http://localhost:80", "'http://localhost' is not a host name: write HOST:PORT"),
        ("tcp:localhost:80", "'tcp:localhost' is not a host name: write HOST:PORT"),
        ("UNIX:/run/s", "write a Unix socket as unix:PATH"),
        ("//localhost:80", "not a host name"),
        ("*:80", "all interfaces are :80, without a star"),
        ("tls:*:0", "all interfaces are tls::0, without a star"),
        ("me@localhost:80", "not a host name"),
        ("a b:80", "not a host name"),
        ("a\nb:80", "not a host name"),
        ("unix:", "the path is missing"),
        ("unix:@", "the name is missing"),
        ("[::ffff:127.0.0.1%lo]:80", "an IPv4 address has no interface: write 127.0.0.1"),
        ("fd:", "the name is missing: write fd:NAME"),
        ("web:fd:", "the name is missing: write web:fd:NAME"),
        ("fd:a:b", "neither a space nor a colon"),
        ("fd:a b", "neither a space nor a colon"),
        ("fd:é", "printable ASCII"),
        ("fd:" + "a" * 256, "at most 255"),
        ("unix:a\0b", "NUL"),
        ("unix:a\nb", "control character"),
        ("unix:\x1b[2J", "control character"),
        ("tls:", "write tls:HOST:PORT, such as tls:localhost:22333"),
        ("tls:localhost", "write tls:HOST:PORT"),
        ("tls:80", "write tls:HOST:PORT"),
        ("tls:::1:80", r"in brackets, such as tls:\[::1\]:22333"),
        ("tls:localhost:65536", "port must be a number"),
        ("tls:[localhost]:80", "no IPv6 address in the brackets"),
        ("tls:tls:localhost:80", "'tls:localhost' is not a host name: write tls:HOST:PORT"),
        ("tls:unix:/run/s", "write a Unix socket as unix:PATH"),
        ("TLS:localhost:80", "'TLS:localhost' is not a host name: write HOST:PORT"),
    ],
)
def test_text_that_is_not_an_address_is_refused_with_advice(text: str, advice: str) -> None:
    with pytest.raises(AddressError, match=advice) as refusal:
        parse_address(text)
    assert len(str(refusal.value).splitlines()) == 1


@settings(deadline=None, max_examples=200)
@given(text=ADDRESS_LIKE)
@example("[::1%\u2028]:1")
@example("unix:\ud800")
def test_any_text_is_an_address_that_reads_back_or_an_address_error(text: str) -> None:
    try:
        address = parse_address(text)
    except AddressError as refusal:
        told = str(refusal)
    else:
        assert parse_address(str(address)) == address
        told = str(address)
    assert len(told.splitlines()) == 1


@settings(deadline=None)
@given(
    host=st.ip_addresses().map(str) | st.sampled_from(["", "localhost", "example.com"]),
    port=st.integers(0, 65535),
)
def test_a_tcp_address_is_written_as_it_is_read(host: str, port: int) -> None:
    tcp = TCPAddress(host, port)
    # An IPv4 address is read as one, however it is written.
    plain = TCPAddress(str(host_of(tcp)), port) if host.startswith("::ffff:") else tcp
    assert parse_address(str(tcp)) == plain
    assert parse_address(str(TLSAddress(tcp))) == TLSAddress(plain)


@given(
    letters=st.lists(st.booleans(), min_size=9, max_size=9),
    dot=st.booleans(),
    port=st.integers(0, 65535),
)
def test_localhost_is_localhost_however_it_is_written(
    letters: list[bool], dot: bool, port: int
) -> None:
    written = "".join(
        letter.upper() if is_upper else letter
        for letter, is_upper in zip("localhost", letters, strict=True)
    )
    assert parse_address(f"{written}{'.' * dot}:{port}") == TCPAddress("localhost", port)


@given(address=st.ip_addresses(v=4), port=st.integers(0, 65535))
def test_an_ipv4_address_may_be_written_as_ipv6(address: ipaddress.IPv4Address, port: int) -> None:
    for written in (f"::ffff:{address}", str(ipaddress.IPv6Address(0xFFFF << 32 | int(address)))):
        assert parse_address(f"[{written}]:{port}") == TCPAddress(str(address), port)


def test_an_ipv6_host_is_written_in_brackets() -> None:
    assert str(TCPAddress("::1", 80)) == "[::1]:80"
    assert str(TCPAddress("127.0.0.1", 80)) == "127.0.0.1:80"
    assert str(TLSAddress(TCPAddress("::1", 80))) == "tls:[::1]:80"
    assert str(UnixAddress("/run/s")) == "unix:/run/s"


def test_an_address_is_a_value() -> None:
    assert {parse_address("[::1]:1"), parse_address("[::1]:01")} == {TCPAddress("::1", 1)}
    assert len({parse_address("unix:a"), parse_address("unix:b")}) == 2
    assert len({parse_address("localhost:1"), parse_address("tls:localhost:1")}) == 2


def test_an_address_error_is_a_value_error_too() -> None:
    with pytest.raises(ValueError, match="'nowhere' is not an address"):
        parse_address("nowhere")


@pytest.mark.parametrize("host", [None, 3, b"::1", ["::1"]])
def test_an_address_whose_host_is_not_a_text_is_still_shown(host: object) -> None:
    wrong = TCPAddress(host, 80)  # type: ignore[arg-type]
    assert str(wrong) == f"{host}:80"
    assert str(TLSAddress(wrong)) == f"tls:{host}:80"
    assert repr(host) in repr(wrong)
