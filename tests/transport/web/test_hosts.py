"""Which server a browser means, and on whose behalf it asks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trionet.transport.web.hosts import (
    forwarded_for,
    is_ours,
    is_same_origin,
    is_within,
    parse_authority,
    parse_networks,
)


def ours(host: str, *, port: int = 8080, is_tls: bool = False) -> bool:
    return is_ours(
        host, port=port, is_tls=is_tls, own={"box", "box.lan"}, any_port={"chat.example.org"}
    )


@pytest.mark.parametrize(
    "host",
    [
        "localhost:8080", "LOCALHOST:8080", "localhost.:8080", "127.0.0.1:8080", "10.1.2.3:8080",
        "[::1]:8080", "[0:0::1]:8080", "box:8080", "Box.LAN:8080",
        "chat.example.org", "chat.example.org:8080", "chat.example.org:443", "CHAT.example.org.",
    ],
)  # fmt: skip
def test_a_host_that_names_this_server_is_taken(host: str) -> None:
    assert ours(host)


@pytest.mark.parametrize(
    "host",
    [
        "", "localhost", "localhost:80", "localhost:8081", "127.0.0.1", "[::1]", "::1", "box",
        "evil.example:8080", "localhost.evil.example:8080", "localhost:8080:8080",
        "evil@localhost:8080",
        "127.0.0.1.evil.example:8080", "0x7f.1:8080", "127.1:8080", "a.chat.example.org",
        "localhost:8080/", "localhost:99999", "[::1:8080", "loc alhost:8080", "local\x7fhost:8080",
    ],
)  # fmt: skip
def test_any_other_host_is_refused(host: str) -> None:
    assert not ours(host)


def test_the_port_that_a_scheme_leaves_out_counts() -> None:
    assert ours("localhost", port=80)
    assert ours("127.0.0.1:80", port=80)
    assert ours("[::1]", port=443, is_tls=True)
    assert not ours("localhost", port=443)
    assert not ours("localhost", port=80, is_tls=True)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8080", "localhost:8080"),
        ("https://localhost:8080", "localhost:8080"),  # a proxy has taken TLS off
        ("http://[::1]:8080", "[::1]:8080"),
        ("https://chat.example.org", "chat.example.org"),
        ("https://chat.example.org", "chat.example.org:443"),
        ("http://chat.example.org:80", "chat.example.org"),
        ("https://CHAT.example.org", "chat.example.org"),
    ],
)
def test_a_page_of_the_same_host_and_port_is_of_the_same_origin(origin: str, host: str) -> None:
    assert is_same_origin(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("null", "localhost:8080"),
        ("", "localhost:8080"),
        ("http://evil.example", "localhost:8080"),
        ("http://localhost", "localhost:8080"),
        ("http://localhost:8081", "localhost:8080"),
        ("http://localhost:8080.evil.example", "localhost:8080"),
        ("http://evil@localhost:8080", "localhost:8080"),
        ("http://localhost:8080/", "localhost:8080"),
        ("file://", "localhost:8080"),
        ("https://chat.example.org", "chat.example.org:80"),
        ("http://chat.example.org:443", "chat.example.org"),
        ("chrome-extension://abc", "abc"),
        ("http://localhost:8080 http://evil.example", "localhost:8080"),
    ],
)
def test_a_page_of_another_host_or_port_is_not(origin: str, host: str) -> None:
    assert not is_same_origin(origin, host)


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_text_is_too_strange(one: str, other: str) -> None:
    assert ours(one) in (True, False)
    assert is_same_origin(one, other) in (True, False)
    forwarded_for([one, other], parse_networks(["127.0.0.1"]))


def test_a_host_is_read_in_one_spelling() -> None:
    assert parse_authority("LocalHost.:80") == ("localhost", 80)
    assert parse_authority("[0::1]") == ("::1", None)
    assert parse_authority("a:") == ("a", None)


PROXIES = parse_networks(["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"])


@pytest.mark.parametrize(
    ("fields", "host"),
    [
        ([], None),
        ([""], None),
        (["203.0.113.5"], "203.0.113.5"),
        (["1.1.1.1, 203.0.113.5"], "203.0.113.5"),  # anybody can write what stands before
        (["1.1.1.1", "203.0.113.5"], "203.0.113.5"),
        (["203.0.113.5, 10.0.0.2, 127.0.0.1"], "203.0.113.5"),
        (["203.0.113.5:5000"], "203.0.113.5"),
        (["[2001:db9::1]:5000"], "2001:db9::1"),
        (["::ffff:203.0.113.5"], "203.0.113.5"),
        (["unknown"], None),
        (["203.0.113.5, unknown, 10.0.0.2"], "10.0.0.2"),
        (["10.0.0.3"], "10.0.0.3"),
    ],
)
def test_a_proxy_speaks_for_the_last_host_that_is_not_a_proxy(
    fields: list[str], host: str | None
) -> None:
    assert forwarded_for(fields, PROXIES) == host


def test_addresses_are_within_networks_of_their_own_family() -> None:
    assert is_within("127.0.0.1", PROXIES)
    assert is_within("::ffff:10.2.3.4", PROXIES)
    assert is_within("2001:db8::5", PROXIES)
    assert not is_within("::1", PROXIES)
    assert not is_within("not an address", PROXIES)
    with pytest.raises(ValueError, match=r"'10\.0\.0/8' is neither an IP address nor a network"):
        parse_networks(["10.0.0/8"])
