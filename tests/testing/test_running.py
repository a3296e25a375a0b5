"""run_handler: a server in memory for as long as a block runs."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from trionet import ConnectError, Connection, Limits
from trionet.testing import Link, MemoryNetwork, run_handler


async def shout(connection: Connection) -> None:
    async for line in connection.lines:
        await connection.send(line.upper())


async def test_a_handler_serves_any_number_of_clients() -> None:
    async with run_handler(shout) as connect:
        ann, bob = await connect("ann"), await connect("bob")
        await ann.send("hello")
        await bob.send("hi", "there")
        await ann.expect("HELLO")
        await bob.expect("HI", "THERE")
        assert (ann.name, bob.name) == ("ann", "bob")
        assert len(connect.server.connections) == 2


async def test_the_server_and_the_network_can_be_inspected() -> None:
    async with run_handler(shout) as connect:
        client = await connect()
        assert connect.network.streams == [client.stream]
        assert [one.rpartition(":")[0] for one in connect.server.addresses] == [
            "127.0.0.1",
            "[::1]",
        ]


async def test_several_handlers_can_share_a_network() -> None:
    network = MemoryNetwork(link=Link(capacity=7))
    async with (
        run_handler(shout, network=network) as one,
        run_handler(shout, network=network) as other,
    ):
        assert one.network is other.network is network
        assert one.server.addresses != other.server.addresses
        for connect in (one, other):
            client = await connect()
            await client.send("a")
            await client.expect("A")
        assert len(network.streams) == 2


async def test_options_are_passed_on_to_serve() -> None:
    async with run_handler(shout, limits=Limits(max_line=3)) as connect:
        client = await connect()
        await client.send("four")
        await client.expect("error: line is longer than 3 bytes")


async def test_each_client_may_have_its_own_source_and_link(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def who(connection: Connection) -> None:
        await connection.send(connection.peer)

    async with run_handler(who) as connect:
        client = await connect("far", source="2001:db8::7", link=Link(latency=3.0))
        assert (await client.receive()).startswith("[2001:db8::7]:")
        assert trio.current_time() == pytest.approx(9.0)
        await client.expect_end()


async def test_at_the_end_of_the_block_handlers_are_cancelled_and_clients_closed() -> None:
    ended = []

    async def handler(connection: Connection) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(connection.peer)

    network = MemoryNetwork()
    async with run_handler(handler, network=network) as connect:
        await connect()
        await connect()
        await trio.testing.wait_all_tasks_blocked()
    assert len(ended) == 2
    for stream in network.streams:
        with pytest.raises(trio.ClosedResourceError):
            await stream.send_all(b"x")
    await network.listen(connect.server.addresses[0])


async def test_a_failure_in_the_block_is_raised_ungrouped_and_leaves_nothing_running() -> None:
    network = MemoryNetwork()

    async def fail() -> None:
        async with run_handler(shout, network=network) as connect:
            await connect()
            raise AssertionError("not what was expected")

    with pytest.raises(AssertionError, match="not what was expected"):
        await fail()
    with pytest.raises(trio.ClosedResourceError):
        await network.streams[0].receive_some()


async def test_a_drain_in_the_block_ends_the_server(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with run_handler(shout) as connect:
        assert await connect.server.drain() == ()
        with pytest.raises(ConnectError):
            await connect()
