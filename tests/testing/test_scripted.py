"""The test plays the server: what a client does is seen, and what it does not."""

from __future__ import annotations

import pytest
import trio

from trionet import AddressError, ConnectError, ConnectionLost, ListenError, calc
from trionet.testing import LineClient, MemoryNetwork, ScriptedServer

WHERE = "localhost:7000"


async def test_a_script_sends_and_expects_lines(autojump_clock: trio.testing.MockClock) -> None:
    network = MemoryNetwork()
    async with ScriptedServer(network, WHERE) as server:
        client = LineClient(await network.connect(WHERE))
        peer = await server.accept()
        await client.send("hello")
        await peer.expect("hello")
        await peer.send("good day", "and good night")
        await client.expect("good day", "and good night")
        await client.send_eof()
        await peer.expect_end()
    await client.expect_end()


async def test_the_client_loses_its_connection_when_the_server_resets(
    autojump_clock: trio.testing.MockClock,
) -> None:
    network = MemoryNetwork()

    async def play(server: ScriptedServer) -> None:
        peer = await server.accept()
        await peer.expect("ann", "1 + 1")
        peer.stream.reset()  # type: ignore[attr-defined]

    async with (
        ScriptedServer(network) as server,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(play, server)
        async with calc.Client(server.address, name="ann", network=network) as client:
            with pytest.raises(ConnectionLost):
                await client("1 + 1")


async def test_a_client_that_does_not_come_fails_the_test_and_the_message_has_the_seconds(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with ScriptedServer(MemoryNetwork(), WHERE, patience=5) as server:
        began = trio.current_time()
        with pytest.raises(AssertionError, match="ann expected a client, but none came within 5 s"):
            await server.accept("ann")
        assert trio.current_time() - began == 5


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_clients_of_both_families_that_connect_at_once_are_all_accepted(
    order: tuple[int, int], autojump_clock: trio.testing.MockClock
) -> None:
    network = MemoryNetwork()
    addresses = ["127.0.0.1:7000", "[::1]:7000"]
    async with ScriptedServer(network, WHERE) as server:
        heard = []

        async def accept_both() -> None:
            for _ in range(2):
                peer = await server.accept()
                heard.append(await peer.receive())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept_both)
            await trio.testing.wait_all_tasks_blocked()
            for which in order:
                client = LineClient(await network.connect(addresses[which]))
                await client.send(str(which))
        assert sorted(heard) == ["0", "1"]


async def test_a_cancelled_accept_loses_no_client(autojump_clock: trio.testing.MockClock) -> None:
    network = MemoryNetwork()
    async with ScriptedServer(network, WHERE) as server:
        with trio.move_on_after(1):
            await server.accept()
        await network.connect(WHERE)
        assert await server.accept()


async def test_after_the_block_nobody_listens_and_connections_are_closed() -> None:
    network = MemoryNetwork()
    async with ScriptedServer(network, WHERE) as server:
        client = LineClient(await network.connect(WHERE))
        await server.accept()
        assert repr(server) == "<ScriptedServer on 127.0.0.1:7000: 1 connections>"
    await client.expect_end()
    with pytest.raises(ConnectError):
        await network.connect(WHERE)


async def test_an_address_that_is_invalid_or_in_use_is_refused_on_entering() -> None:
    network = MemoryNetwork()
    with pytest.raises(AddressError):
        async with ScriptedServer(network, "7000"):
            pass
    async with ScriptedServer(network, WHERE):
        with pytest.raises(ListenError):
            async with ScriptedServer(network, WHERE):
                pass
    async with ScriptedServer(network, WHERE):
        pass
