"""Connections through a proxy: the peer is the one that the header names, or nobody is served."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from socket_pairs import socket_pair
from trionet.connection.peer import is_private
from trionet.errors import ReceiveInterrupted
from trionet.transport.addresses import TCPAddress
from trionet.transport.proxied import MOST_UNFINISHED, ProxiedStream, Proxies
from trionet.transport.readiness import HAS_EPOLL, Readiness

LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 22223\r\n"
LOCAL = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
HERE = TCPAddress("127.0.0.1", 9)


def proxies() -> Proxies:
    return Proxies(["127.0.0.0/8"])


@asynccontextmanager
async def proxied(
    given: Proxies | None = None,
) -> AsyncIterator[tuple[ProxiedStream, socket.socket]]:
    near, far = socket_pair("ipv4")
    given = given or proxies()
    with far:
        async with ProxiedStream(near, peer="127.0.0.1:9", remote=HERE, proxies=given) as stream:
            yield stream, far


@pytest.mark.parametrize("network", ["127.0.0.1", "127.0.0.0/8", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_an_ipv4_address_that_is_written_as_ipv6_is_the_same(network: str, host: str) -> None:
    assert Proxies([network]).has(TCPAddress(host, 1))
    assert Proxies(["::ffff:127.0.0.0/104"]).has(TCPAddress(host, 1))
    assert not Proxies([network]).has(TCPAddress("192.0.2.1", 1))
    assert not Proxies([network]).has(TCPAddress("::1", 1))


def test_without_networks_nobody_is_a_proxy() -> None:
    assert not Proxies([])
    assert not Proxies([]).has(HERE)


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="'proxy' is neither an IP address nor a network"):
        Proxies(["proxy"])
    with pytest.raises(TypeError, match="proxy_from must be a list of texts"):
        Proxies("127.0.0.1")


async def test_the_header_names_the_peer() -> None:
    async with proxied() as (stream, far):
        assert (stream.awaits_header, stream.remote, stream.peer) == (True, None, "127.0.0.1:9")
        far.sendall(LINE + b"Ann\n")
        await stream.learn_peer()
        assert not stream.awaits_header
        assert stream.remote == TCPAddress("192.0.2.7", 4711)
        assert stream.peer == "192.0.2.7:4711"
        assert await stream.receive_some() == b"Ann\n"
        await stream.do_handshake()


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n"])
async def test_a_header_that_names_nobody_leaves_the_proxys_address(header: bytes) -> None:
    async with proxied() as (stream, far):
        far.sendall(header)
        await stream.learn_peer()
        assert (stream.remote, stream.peer) == (HERE, "127.0.0.1:9")


@pytest.mark.skipif(not HAS_EPOLL, reason="the shared epoll instance is Linux's")
@pytest.mark.parametrize("cut", range(0, len(LINE) + 1, 7))
async def test_what_comes_behind_the_header_is_not_lost_with_a_shared_epoll(cut: int) -> None:
    async with trio.open_nursery() as nursery:
        readiness = Readiness()
        nursery.start_soon(readiness.run)
        async with proxied() as (stream, far):
            stream.wait_with(readiness)
            nursery.start_soon(stream.learn_peer)
            await trio.testing.wait_all_tasks_blocked()
            far.sendall(LINE[:cut])
            await trio.testing.wait_all_tasks_blocked(0.001)
            far.sendall(LINE[cut:] + b"Ann\n")
            with trio.fail_after(5):
                await trio.testing.wait_all_tasks_blocked(0.001)
                assert not stream.awaits_header
                assert await stream.receive_some() == b"Ann\n"
        nursery.cancel_scope.cancel()


async def test_the_end_of_the_connection_in_the_header_is_an_error() -> None:
    async with proxied() as (stream, far):
        far.sendall(LINE[:9])
        far.shutdown(socket.SHUT_WR)
        with pytest.raises(trio.BrokenResourceError, match="ended the connection in its PROXY"):
            await stream.learn_peer()


async def test_a_bad_header_is_an_error_each_time() -> None:
    async with proxied() as (stream, far):
        far.sendall(b"Ann\n")
        with pytest.raises(trio.BrokenResourceError, match="there is no PROXY header"):
            await stream.learn_peer()
        assert stream.awaits_header


async def test_an_interruption_and_a_cancellation_lose_nothing() -> None:
    async with proxied() as (stream, far):
        far.sendall(LINE[:9])

        async def learn() -> None:
            with pytest.raises(ReceiveInterrupted):
                await stream.learn_peer()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(learn)
            await trio.testing.wait_all_tasks_blocked()
            stream.interrupt_receive()
        with trio.move_on_after(0):
            await stream.learn_peer()
        far.sendall(LINE[9:])
        await stream.learn_peer()
        assert stream.peer == "192.0.2.7:4711"


async def test_closing_while_it_waits_ends_the_wait() -> None:
    async with proxied() as (stream, _far), trio.open_nursery() as nursery:

        @nursery.start_soon
        async def learn() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await stream.learn_peer()

        await trio.testing.wait_all_tasks_blocked()
        stream.close()


async def test_connections_without_a_header_are_counted() -> None:
    given = proxies()
    async with proxied(given) as (first, far), proxied(given) as (second, _):
        assert given.unfinished == 2
        far.sendall(LINE)
        await first.learn_peer()
        assert given.unfinished == 1
        first.close()
        second.close()
        second.close()
        assert given.unfinished == 0


async def test_of_too_many_connections_only_those_whose_header_has_come_are_kept() -> None:
    given = proxies()
    async with proxied(given) as (good, far), proxied(given) as (silent, _):
        given.unfinished = MOST_UNFINISHED + 1
        far.sendall(LINE)
        await good.learn_peer()
        given.unfinished += 1
        with pytest.raises(trio.BrokenResourceError, match="too many connections wait"):
            await silent.learn_peer()


@pytest.mark.parametrize(
    ("header", "private"),
    [
        (LINE, False),
        (LOCAL, True),
        (b"PROXY TCP6 ::1 ::1 1 2\r\n", True),
    ],
)
async def test_only_what_stays_on_this_machine_is_private(header: bytes, private: bool) -> None:
    async with proxied() as (stream, far):
        assert not is_private(stream)
        far.sendall(header)
        await stream.learn_peer()
        assert is_private(stream) is private
