"""What counts as one host, what is on this machine, and where nobody can read along."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trionet.errors import AddressError
from trionet.transport.addresses import TCPAddress, UnixAddress
from trionet.transport.hosts import host_of, is_local, is_private_address


@pytest.mark.parametrize(
    ("one", "other", "prefix", "same"),
    [
        ("127.0.0.1", "127.0.0.1", 64, True),
        ("127.0.0.1", "127.0.0.2", 64, False),
        ("2001:db8::1", "2001:db8::ffff:0:0:1", 64, True),
        ("2001:db8::1", "2001:db8:0:1::1", 64, False),
        ("2001:db8::1", "2001:db8:0:1::1", 48, True),
        ("2001:db8::1", "2001:db8::2", 128, False),
        ("2001:db8::1", "2001:db8::1", 128, True),
        ("::ffff:10.0.0.7", "10.0.0.7", 64, True),
        ("::ffff:10.0.0.7", "::ffff:10.0.0.8", 64, False),
        ("::ffff:10.0.0.7", "::1", 64, False),
        ("fe80::1%eth0", "fe80::2%eth0", 64, True),
        ("fe80::1%eth0", "fe80::1%eth1", 64, False),
    ],
)
def test_addresses_of_one_host_count_as_one(one: str, other: str, prefix: int, same: bool) -> None:
    hosts = {
        host_of(TCPAddress(host, port), ipv6_prefix=prefix) for host, port in ((one, 1), (other, 2))
    }
    assert (len(hosts) == 1) is same


@given(number=st.integers(0, 2**128 - 1), bits=st.integers(1, 128), flip=st.integers(0, 127))
def test_only_the_leading_bits_make_the_host(number: int, bits: int, flip: int) -> None:
    one, other = (ipaddress.IPv6Address(n) for n in (number, number ^ (1 << (127 - flip))))
    assume(one.ipv4_mapped is None)
    assume(other.ipv4_mapped is None)
    hosts = [host_of(TCPAddress(str(address), 80), ipv6_prefix=bits) for address in (one, other)]
    assert (hosts[0] == hosts[1]) is (flip >= bits)


def test_a_peer_without_a_host_has_none() -> None:
    assert host_of(UnixAddress("/run/room")) is None
    assert host_of(None) is None


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.7", False),
        ("2001:db8::1", False),
        ("fe80::1%eth0", False),
    ],
)
def test_a_peer_is_local_on_the_loopback_interface(host: str, local: bool) -> None:
    assert is_local(TCPAddress(host, 80)) is local


def test_a_peer_on_a_unix_socket_is_local_and_an_unknown_one_is_not() -> None:
    assert is_local(UnixAddress("/run/room"))
    assert not is_local(None)


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("localhost:80", True),
        (":80", True),
        ("unix:/run/room", True),
        ("[::1]:80", True),
        ("web:localhost:80", True),
        ("tls:example.com:80", True),
        ("web:tls:example.com:80", True),
        ("tls:fd:room", True),
        ("fd:room", False),
        ("example.com:80", False),
        ("web:example.com:80", False),
        ("192.0.2.7:80", False),
    ],
)
def test_an_address_is_private_if_it_is_here_or_encrypted(address: str, private: bool) -> None:
    assert is_private_address(address) is private


def test_only_an_address_is_private() -> None:
    with pytest.raises(AddressError):
        is_private_address("nowhere")
