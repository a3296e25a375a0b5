"""serve(): accept, limit, isolate, drain; in memory, and on loopback where sockets matter."""

from __future__ import annotations

import gc
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from trionet import (
    SYSTEM,
    AddressError,
    Connection,
    InputEnd,
    Limits,
    Listener,
    ListenError,
    Network,
    Server,
    SocketStream,
    WhenFull,
    WhenSlow,
    serve,
)
from trionet.testing import LineClient, Link, MemoryNetwork, memory_stream_pair, run_handler

CLOSING = "error: server is closing"
FULL = "error: server is full"

Handler = Callable[[Connection], Awaitable[object]]


async def echo(connection: Connection) -> None:
    async for line in connection.lines:
        await connection.send(line)


async def echo_and_say_goodbye(connection: Connection) -> None:
    await echo(connection)
    await connection.send("goodbye")


async def start(
    nursery: trio.Nursery, handler: Handler, *addresses: str, network: Network, **options: Any
) -> Server:
    server: Server = await nursery.start(
        partial(serve, handler, *addresses, network=network, **options)
    )
    return server


async def client_of(network: Network, address: str) -> LineClient:
    return LineClient(await network.connect(address), name=address)


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


def living_tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


# Starting


async def test_serve_reports_the_real_addresses_and_answers_on_each() -> None:
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        server = await start(
            nursery, echo, "localhost:0", "127.0.0.1:7000", "unix:/run/x", network=network
        )
        four, six, *others = server.addresses
        port = four.removeprefix("127.0.0.1:")
        assert int(port) > 0
        assert (six, others) == (f"[::1]:{port}", ["127.0.0.1:7000", "unix:/run/x"])
        for address in server.addresses:
            client = await client_of(network, address)
            await client.send("hello")
            await client.expect("hello")
        assert len(server.connections) == 4
        nursery.cancel_scope.cancel()


async def test_loopback_sockets_are_served_on_both_families() -> None:
    async with trio.open_nursery() as nursery:
        server = await start(nursery, echo_and_say_goodbye, "localhost:0", network=SYSTEM)
        families = [address.rpartition(":")[0] for address in server.addresses]
        assert families in (["127.0.0.1", "[::1]"], ["127.0.0.1"], ["[::1]"])
        for address in server.addresses:
            client = await client_of(SYSTEM, address)
            await client.send("one", "two", "three")
            await client.send_eof()
            await client.expect("one", "two", "three", "goodbye")
            await client.expect_end()
            await client.aclose()
        nursery.cancel_scope.cancel()


async def test_serve_without_an_address_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one address"):
        await serve(echo, network=MemoryNetwork())


async def test_an_address_that_cannot_be_listened_on_frees_the_others() -> None:
    network = MemoryNetwork()
    await network.listen("localhost:7001")
    with pytest.raises(ListenError, match="localhost:7001"):
        await serve(echo, "localhost:7000", "localhost:7001", network=network)
    with pytest.raises(AddressError):
        await serve(echo, "localhost:7000", "nonsense", network=network)
    await network.listen("localhost:7000")


async def test_a_socket_that_cannot_be_listened_on_frees_the_others() -> None:
    (first,) = await SYSTEM.listen("127.0.0.1:0")
    (taken,) = await SYSTEM.listen("127.0.0.1:0")
    free = first.address
    await first.aclose()
    with pytest.raises(ListenError, match="in use"):
        await serve(echo, free, taken.address)
    (again,) = await SYSTEM.listen(free)
    await again.aclose()
    await taken.aclose()


async def test_each_peer_is_known_by_its_address() -> None:
    peers = []

    async def handler(connection: Connection) -> None:
        peers.append(connection.peer)

    async with run_handler(handler) as connect:
        for source in ("127.0.0.1", "::1"):
            client = await connect(source=source)
            await client.expect_end()
    assert [peer.rpartition(":")[0] for peer in peers] == ["127.0.0.1", "[::1]"]


# What peers send


async def test_bad_lines_are_answered_and_the_session_goes_on() -> None:
    async with run_handler(echo, limits=Limits(max_line=8)) as connect:
        client = await connect()
        await client.send_bytes(b"one\n\xff\xfe\n123456789")
        # The peer is told as soon as the line passes the limit, not at its end.
        await client.expect("one", "error: line is not UTF-8", "error: line is longer than 8 bytes")
        await client.send_bytes(b"0000\ntwo\n")
        await client.expect("two")


async def test_a_peer_that_sends_no_end_of_line_is_cut_off(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = Limits(max_line=8, max_unending=1000)
    async with run_handler(echo_and_say_goodbye, limits=limits) as connect:
        client = await connect()
        await client.send_bytes(b"x" * 999)
        await client.expect("error: line is longer than 8 bytes")
        await client.expect_silence(100)
        await client.send_bytes(b"x")
        await client.expect("error: no end of line within 1000 bytes", "goodbye")
        await client.expect_end()


async def test_an_http_request_is_closed_unanswered() -> None:
    async with run_handler(echo) as connect:
        client = await connect()
        await client.send_bytes(b"POST /x HTTP/1.1\r\nHost: localhost:22223\r\n\r\nann\nhello\n")
        await client.expect_end()
        client = await connect()
        await client.send("ann", "GET / HTTP/1.1")
        await client.expect("ann", "GET / HTTP/1.1")


async def test_an_http_request_is_a_line_like_any_other_if_a_service_wants_it() -> None:
    async with run_handler(echo, refuse_http=False) as connect:
        client = await connect()
        await client.send("GET / HTTP/1.1")
        await client.expect("GET / HTTP/1.1")


@pytest.mark.parametrize("sends_now", [True, False])
async def test_after_a_half_close_everything_received_is_answered_first(
    sends_now: bool, autojump_clock: trio.testing.MockClock
) -> None:
    link = Link(capacity=50, latency=0.1, sends_now=sends_now)
    async with run_handler(echo_and_say_goodbye) as connect:
        client = await connect(link=link)
        lines = [f"line {number}" for number in range(100)]

        async def speak() -> None:
            await client.send(*lines)
            await client.send_bytes(b"unfinished")
            await client.send_eof()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak)
            await client.expect(*lines, "goodbye")
            await client.expect_end()


async def test_answers_arrive_although_the_rest_of_the_input_is_never_read() -> None:
    async def one_line(connection: Connection) -> None:
        await connection.send("answer to " + await connection.lines.receive())

    async with run_handler(one_line) as connect:
        client = await connect(link=Link(capacity=1 << 20))
        await client.send("first", *["never read"] * 10_000)
        await client.send_eof()
        await client.expect("answer to first")
        await client.expect_end()


async def test_answers_arrive_over_a_socket_whose_input_is_never_read() -> None:
    answers = [f"{number:0100}" for number in range(2000)]

    async def one_line(connection: Connection) -> None:
        await connection.lines.receive()
        await connection.send(*answers)

    async with trio.open_nursery() as nursery:
        server = await start(nursery, one_line, "127.0.0.1:0", network=SYSTEM)
        client = await client_of(SYSTEM, server.addresses[0])
        await client.send("first", *["never read"] * 20_000)
        await client.send_eof()
        await client.expect(*answers)
        await client.expect_end()
        await client.aclose()
        nursery.cancel_scope.cancel()


# Limits on clients


async def test_over_the_limit_a_peer_is_told_that_the_server_is_full() -> None:
    async with run_handler(echo, limits=Limits(max_clients=2)) as connect:
        one, _ = await connect("one"), await connect("two")
        await one.send("x")
        await one.expect("x")
        refused = await connect("refused")
        # The server never reads this; the answer arrives all the same.
        await refused.send("hello")
        await refused.expect(FULL)
        await refused.expect_end()
        assert len(connect.server.connections) == 2
        await one.send_eof()
        await one.expect_end()
        welcome = await connect("welcome")
        await welcome.send("x")
        await welcome.expect("x")


async def test_over_the_limit_peers_wait_unanswered_for_a_free_place_in_their_order(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = Limits(max_clients=1)
    async with run_handler(echo, limits=limits, when_full=WhenFull.WAIT) as connect:
        clients = [await connect(str(number)) for number in range(4)]
        for client in clients:
            await client.send("hello")
        for number, client in enumerate(clients):
            await client.expect("hello")
            for later in clients[number + 1 :]:
                await later.expect_silence(1)
            await client.send_eof()
            await client.expect_end()


async def test_a_place_is_free_before_the_last_peer_has_closed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = Limits(max_clients=1, linger_seconds=50)
    async with run_handler(echo, limits=limits, when_full=WhenFull.WAIT) as connect:
        first, second = await connect("first"), await connect("second")
        await first.send("GET / HTTP/1.1")
        await second.send("hello")
        await second.expect("hello")
        assert trio.current_time() == 0


@pytest.mark.parametrize("when_full", list(WhenFull))
async def test_each_listener_is_served_while_the_others_are_idle(when_full: WhenFull) -> None:
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        server = await start(
            nursery,
            echo,
            *("127.0.0.1:7000", "127.0.0.1:7001"),
            network=network,
            limits=Limits(max_clients=1),
            when_full=when_full,
        )
        await trio.testing.wait_all_tasks_blocked()
        for address in [*server.addresses, *server.addresses]:
            client = await client_of(network, address)
            await client.send("hello")
            await client.send_eof()
            await client.expect("hello")
            await client.expect_end()
        nursery.cancel_scope.cancel()


async def test_a_busy_listener_does_not_starve_another(
    autojump_clock: trio.testing.MockClock,
) -> None:
    network = MemoryNetwork()
    served: list[str] = []

    async def handler(connection: Connection) -> None:
        served.append(await connection.lines.receive())
        await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        await start(
            nursery,
            handler,
            *("127.0.0.1:7000", "127.0.0.1:7001"),
            network=network,
            limits=Limits(max_clients=1),
            when_full=WhenFull.WAIT,
        )
        for _ in range(20):
            await (await client_of(network, "127.0.0.1:7000")).send("busy")
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(3):
            await (await client_of(network, "127.0.0.1:7001")).send("quiet")
        await trio.sleep(30)
        nursery.cancel_scope.cancel()
    assert len(served) == 23
    # When they come, one is being served and one is parked; from then on they take turns.
    assert served.index("quiet") <= 2
    assert served[:8].count("quiet") == 3


async def test_many_connections_at_once_are_accepted_at_once() -> None:
    async with run_handler(echo) as connect:
        clients = [await connect() for _ in range(300)]
        await trio.testing.wait_all_tasks_blocked()
        assert len(connect.server.connections) == 300
        for client in clients:
            await client.send("x")
        for client in clients:
            await client.expect("x")


# Drain


async def test_a_drain_ends_every_input_and_sends_every_goodbye(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with run_handler(echo_and_say_goodbye) as connect:
        clients = [await connect(str(number)) for number in range(3)]
        await trio.testing.wait_all_tasks_blocked()
        cut: list[tuple[str, ...]] = []

        async def drain() -> None:
            cut.append(await connect.server.drain())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain)
            for client in clients:
                await client.expect("goodbye")
                await client.expect_end()
                await client.aclose()
        assert cut == [()]
        assert trio.current_time() == 0


async def test_a_drain_loses_no_line_that_was_received_and_hands_out_no_half_of_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def slow_echo(connection: Connection) -> None:
        async for line in connection.lines:
            await trio.sleep(1)
            await connection.send(line)
        assert connection.lines.end is InputEnd.STOPPED
        await connection.send("goodbye")

    async with run_handler(slow_echo) as connect:
        client = await connect()
        await client.send_bytes(b"one\ntwo\nthree\nhal")
        await client.expect("one")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connect.server.drain)
            await trio.sleep(0.1)
            await client.send_bytes(b"f\nfour\n")
            await client.expect("two", "three", "goodbye")
            await client.expect_end()
            await client.aclose()


@pytest.mark.parametrize("sends_now", [True, False])
async def test_a_drain_waits_until_waiting_lines_are_sent(
    sends_now: bool, autojump_clock: trio.testing.MockClock
) -> None:
    lines = [f"line {number}" for number in range(100)]

    async def handler(connection: Connection) -> None:
        connection.outbox.put(b"".join(b"%s\n" % line.encode() for line in lines))
        async for _ in connection.lines:
            pass

    async with run_handler(handler) as connect:
        client = await connect(link=Link(capacity=50, latency=0.01, sends_now=sends_now))
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connect.server.drain)
            await client.expect(*lines)
            await client.expect_end()
            await client.aclose()
    assert trio.current_time() < Limits().drain_seconds


async def test_a_drain_tells_peers_in_the_queue_or_waiting_for_a_place_that_the_server_is_closing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = Limits(max_clients=1)
    async with run_handler(echo_and_say_goodbye, limits=limits, when_full=WhenFull.WAIT) as connect:
        served = await connect("served")
        await trio.testing.wait_all_tasks_blocked()
        waiting = [await connect(name) for name in ("parked", "queued", "queued too")]
        for client in waiting:
            await client.send("hello?")
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connect.server.drain)
            for client in waiting:
                await client.expect(CLOSING)
                await client.expect_end()
                await client.aclose()
            await served.expect("goodbye")
            await served.expect_end()
            await served.aclose()
        assert trio.current_time() == 0


async def test_a_drain_answers_waiting_sockets_and_ends_inputs() -> None:
    async with trio.open_nursery() as nursery:
        server = await start(
            nursery,
            echo_and_say_goodbye,
            "127.0.0.1:0",
            network=SYSTEM,
            limits=Limits(max_clients=1),
            when_full=WhenFull.WAIT,
        )
        clients = []
        for _ in range(3):
            clients.append(await client_of(SYSTEM, server.addresses[0]))
            await clients[-1].send("hello")
            if len(clients) == 1:
                await clients[0].expect("hello")
        async with trio.open_nursery() as drainer:
            drainer.start_soon(server.drain)
            await clients[0].expect("goodbye")
            for client in clients[1:]:
                await client.expect(CLOSING)
            for client in clients:
                await client.expect_end()
                await client.aclose()


class EndlessListener:
    """A listener at which somebody new always waits as soon as the server drains."""

    address = "127.0.0.1:7"

    def __init__(self) -> None:
        self.accepted = 0

    async def accept(self) -> trio.abc.Stream:
        await trio.sleep_forever()
        raise AssertionError

    def accept_nowait(self) -> trio.abc.Stream:
        self.accepted += 1
        # Without this, the test would never end where the server does not.
        if self.accepted > 20_000:
            raise trio.WouldBlock
        ours, theirs = memory_stream_pair()
        ours.close()
        return theirs

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def test_newcomers_that_never_cease_do_not_hold_up_a_drain(
    autojump_clock: trio.testing.MockClock,
) -> None:
    listener = EndlessListener()

    class Endless(MemoryNetwork):
        async def listen(self, address: str, *, backlog: int | None = None) -> list[Listener]:
            assert (address, backlog) == (listener.address, None)
            return [listener]

    async with trio.open_nursery() as nursery:
        server = await start(nursery, echo, listener.address, network=Endless())
        await server.drain()
    # All whom a queue can hold.
    assert listener.accepted == 4096


async def test_nobody_new_is_served_while_a_server_drains(
    autojump_clock: trio.testing.MockClock,
) -> None:
    network = MemoryNetwork()

    async def linger_on(connection: Connection) -> None:
        await echo(connection)
        await trio.sleep(2)

    async with trio.open_nursery() as nursery:
        server = await start(nursery, linger_on, "127.0.0.1:7000", network=network)
        client = await client_of(network, "127.0.0.1:7000")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(server.drain)
        await trio.sleep(1)
        assert len(server.connections) == 1
        # The address is free for the server that follows.
        (listener,) = await network.listen("127.0.0.1:7000")
        await listener.aclose()
        await client.expect_end()
        await client.aclose()


async def test_whoever_is_left_at_the_deadline_is_cut_off_and_reported(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    cleaned_up: list[str] = []

    async def stubborn(connection: Connection) -> None:
        try:
            async for line in connection.lines:
                if line == "stay":
                    await trio.sleep_forever()
        finally:
            cleaned_up.append(connection.peer)

    async with run_handler(stubborn, limits=Limits(drain_seconds=7.0)) as connect:
        polite, rude = await connect("polite"), await connect("rude", source="192.0.2.7")
        await rude.send("stay")
        await trio.testing.wait_all_tasks_blocked()
        await polite.send_eof()
        cut = await connect.server.drain()
        assert [peer.rpartition(":")[0] for peer in cut] == ["192.0.2.7"]
        assert trio.current_time() == pytest.approx(7.0)
        assert len(cleaned_up) == 2
        await rude.expect_end()
        (record,) = [one for one in caplog.records if one.levelno == logging.WARNING]
        assert f"drain: cut off 1 connections: {cut[0]}" in record.getMessage()


async def test_a_peer_that_does_not_read_its_last_lines_is_cut_off_at_the_deadline(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def handler(connection: Connection) -> None:
        connection.outbox.put(bytes(99) + b"\n")

    for sends_now in (True, False):
        async with run_handler(handler) as connect:
            client = await connect(link=Link(capacity=10, sends_now=sends_now))
            await trio.testing.wait_all_tasks_blocked()
            assert len(await connect.server.drain(3)) == 1
            await client.aclose()
    assert trio.current_time() == pytest.approx(6)


async def test_the_seconds_given_to_drain_take_precedence(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def stubborn(connection: Connection) -> None:
        await trio.sleep_forever()

    async with run_handler(stubborn) as connect:
        await connect()
        await trio.testing.wait_all_tasks_blocked()
        assert len(await connect.server.drain(40)) == 1
        assert trio.current_time() == pytest.approx(40)


async def test_on_drain_is_called_once_and_before_the_inputs_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    happened: list[str] = []

    async def handler(connection: Connection) -> None:
        await echo(connection)
        happened.append("input ended")

    async with run_handler(handler, on_drain=lambda: happened.append("drain began")) as connect:
        client = await connect()
        await trio.testing.wait_all_tasks_blocked()
        assert happened == []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connect.server.drain)
            nursery.start_soon(connect.server.drain, 1)
            await client.expect_end()
            await client.aclose()
        assert await connect.server.drain() == ()
    assert happened == ["drain began", "input ended"]


async def test_lines_that_on_drain_puts_into_outboxes_are_sent(
    autojump_clock: trio.testing.MockClock,
) -> None:
    connections: list[Connection] = []

    async def handler(connection: Connection) -> None:
        connections.append(connection)
        await echo_and_say_goodbye(connection)

    def say_so() -> None:
        for connection in connections:
            assert connection.lines.end is None
            connection.outbox.put(b"*** closing\n")

    async with run_handler(handler, on_drain=say_so) as connect:
        client = await connect()
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connect.server.drain)
            await client.expect("*** closing", "goodbye")
            await client.expect_end()
            await client.aclose()


async def test_a_drain_of_zero_seconds_calls_on_drain_and_cuts_everybody_off(
    autojump_clock: trio.testing.MockClock,
) -> None:
    happened: list[str] = []

    async def stubborn(connection: Connection) -> None:
        await trio.sleep_forever()

    async with run_handler(stubborn, on_drain=lambda: happened.append("drain began")) as connect:
        client = await connect()
        await trio.testing.wait_all_tasks_blocked()
        assert len(await connect.server.drain(0)) == 1
        await client.expect_end()
    assert happened == ["drain began"]
    assert trio.current_time() == 0


async def test_a_drain_ends_serve_itself(autojump_clock: trio.testing.MockClock) -> None:
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        server = await start(nursery, echo, "localhost:7000", network=network)
        assert await server.drain() == ()
        await trio.testing.wait_all_tasks_blocked()
        assert not nursery.child_tasks


# Cancellation, and what is left behind


async def test_cancelling_is_immediate_and_closes_everything(
    autojump_clock: trio.testing.MockClock,
) -> None:
    network = MemoryNetwork()
    cleaned_up: list[str] = []

    async def handler(connection: Connection) -> None:
        try:
            connection.outbox.put(bytes(99) + b"\n")
            async for _ in connection.lines:
                pass
        finally:
            cleaned_up.append(connection.peer)

    before = living_tasks()
    async with trio.open_nursery() as nursery:
        await start(
            nursery,
            handler,
            "localhost:7000",
            network=network,
            limits=Limits(max_clients=2),
            when_full=WhenFull.WAIT,
        )
        clients = [
            LineClient(await network.connect("localhost:7000", link=Link(capacity=10)))
            for _ in range(4)
        ]
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert trio.current_time() == 0
    assert len(cleaned_up) == 2
    assert living_tasks() == before
    for client in clients:
        with pytest.raises(trio.BrokenResourceError):
            await client.send("anybody?")
    await network.listen("localhost:7000")


@pytest.mark.parametrize("network", [SYSTEM, MemoryNetwork()], ids=["sockets", "memory"])
async def test_a_cancelled_handler_can_still_hear_a_goodbye_under_a_shield(
    network: Network,
) -> None:
    heard: list[str] = []

    async def handler(connection: Connection) -> None:
        try:
            await connection.lines.receive()
        finally:
            with trio.CancelScope(shield=True):
                await connection.send("leaving")
                heard.append(await connection.lines.receive())

    with trio.fail_after(10):
        async with trio.open_nursery() as outer, trio.open_nursery() as nursery:
            server = await start(nursery, handler, "127.0.0.1:0", network=network)
            client = await client_of(network, server.addresses[0])
            await trio.testing.wait_all_tasks_blocked()

            async def say_goodbye() -> None:
                await client.expect("leaving")
                await trio.testing.wait_all_tasks_blocked()
                await client.send("goodbye")

            outer.start_soon(say_goodbye)
            nursery.cancel_scope.cancel()
    assert heard == ["goodbye"]
    await client.aclose()


async def test_no_task_is_left_of_connections_that_ended(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with run_handler(echo, limits=Limits(max_clients=50)) as connect:
        await trio.testing.wait_all_tasks_blocked()
        idle = living_tasks()
        clients = [await connect() for _ in range(60)]
        await trio.testing.wait_all_tasks_blocked()
        # One task for each connection that is served.
        assert living_tasks() == idle + 60
        for client in clients[:30]:
            await client.aclose()
        for client in clients[30:]:
            await client.send_eof()
        await trio.sleep(Limits().linger_seconds + 1)
        assert living_tasks() == idle
        assert len(connect.server.connections) == 0


async def test_no_socket_is_left_open() -> None:
    # An unclosed socket raises a ResourceWarning when it is collected, which is an error here.
    async with trio.open_nursery() as nursery:
        server = await start(
            nursery, echo, "127.0.0.1:0", network=SYSTEM, limits=Limits(max_clients=1)
        )
        first = await client_of(SYSTEM, server.addresses[0])
        await first.send("x")
        await first.expect("x")
        second = await client_of(SYSTEM, server.addresses[0])
        await second.expect(FULL)
        nursery.cancel_scope.cancel()
    for client in (first, second):
        assert isinstance(client.stream, SocketStream)
        await client.expect_end()
        client.stream.close()
    gc.collect()


async def test_a_slow_peer_that_is_kept_is_told_how_many_lines_it_missed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def handler(connection: Connection) -> None:
        for number in range(100):
            connection.outbox.put(b"%09d\n" % number)

    async with run_handler(
        handler,
        limits=Limits(max_waiting=30),
        when_slow=WhenSlow.DROP_OLDEST,
        encode_notice=lambda notice: f"*** {notice.reason}\n".encode(),
    ) as connect:
        client = await connect(link=Link(capacity=10))
        await client.expect(f"{0:09}", "*** missed 96 lines", f"{97:09}", f"{98:09}", f"{99:09}")
        await client.expect_end()
