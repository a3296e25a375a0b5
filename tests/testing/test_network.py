"""A memory network has addresses, ports and backlogs, as the real one does, and partitions."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from trionet import AddressError, ConnectError, Listener, ListenError
from trionet.testing import Link, MemoryListener, MemoryNetwork, MemoryStream


async def listen_on_one(network: MemoryNetwork, address: str = "127.0.0.1:7000") -> MemoryListener:
    (listener,) = await network.listen(address)
    assert isinstance(listener, MemoryListener)
    return listener


async def connect_both(
    network: MemoryNetwork, listener: Listener, link: Link | None = None
) -> tuple[MemoryStream, MemoryStream]:
    ours = await network.connect(listener.address, link=link)
    theirs = await listener.accept()
    assert isinstance(theirs, MemoryStream)
    return ours, theirs


async def port_of(network: MemoryNetwork, address: str) -> int:
    shown = [listener.address for listener in await network.listen(address)]
    (port,) = {int(one.rpartition(":")[2]) for one in shown}
    return port


# Addresses


async def test_localhost_has_both_families_with_one_port() -> None:
    network = MemoryNetwork()
    listeners = await network.listen("localhost:7000")
    assert [one.address for one in listeners] == ["127.0.0.1:7000", "[::1]:7000"]
    for listener in listeners:
        ours, theirs = await connect_both(network, listener)
        assert ours.peer == listener.address
        await ours.send_all(b"x")
        assert await theirs.receive_some() == b"x"


async def test_port_0_picks_a_free_port_each_time() -> None:
    network = MemoryNetwork()
    first = await port_of(network, "localhost:0")
    second = await port_of(network, "localhost:0")
    assert 0 < first != second > 0


async def test_port_0_passes_over_ports_in_use() -> None:
    network = MemoryNetwork()
    free = await port_of(MemoryNetwork(), "localhost:0")
    await network.listen(f"[::1]:{free}")
    assert await port_of(network, "localhost:0") != free


async def test_the_last_port_is_followed_by_the_first_free_one() -> None:
    network = MemoryNetwork()
    first = await port_of(network, "localhost:0")
    network._next_port = 65535
    assert await port_of(network, "localhost:0") == 65535
    assert await port_of(network, "localhost:0") == first + 1


async def test_without_a_host_it_listens_on_all_interfaces_and_connects_to_localhost() -> None:
    network = MemoryNetwork()
    four, six = await network.listen(":7000")
    assert (four.address, six.address) == ("0.0.0.0:7000", "[::]:7000")
    for host, listener in [
        ("", four),
        ("localhost", four),
        ("127.0.0.1", four),
        ("192.0.2.7", four),
        ("[::1]", six),
        ("[2001:db8::7]", six),
    ]:
        await network.connect(f"{host}:7000")
        assert listener.accept_nowait()


async def test_localhost_reaches_a_listener_on_either_family() -> None:
    network = MemoryNetwork()
    listener = await listen_on_one(network, "[::1]:7000")
    await network.connect("localhost:7000")
    assert listener.accept_nowait()
    with pytest.raises(ConnectError):
        await network.connect("127.0.0.1:7000")


async def test_unix_paths_are_addresses_too() -> None:
    network = MemoryNetwork()
    listener = await listen_on_one(network, "unix:/run/x")
    assert listener.address == "unix:/run/x"
    await connect_both(network, listener)


async def test_an_address_in_use_is_an_error_until_it_is_closed() -> None:
    network = MemoryNetwork()
    listener = await listen_on_one(network, "[::1]:7000")
    with pytest.raises(ListenError, match=r"cannot listen on localhost:7000: address .*in use"):
        await network.listen("localhost:7000")
    # Nothing was left behind on the family that was free.
    with pytest.raises(ConnectError):
        await network.connect("127.0.0.1:7000")
    await listener.aclose()
    await network.listen("localhost:7000")


async def test_connecting_to_a_port_where_nobody_listens_is_refused() -> None:
    network = MemoryNetwork()
    with pytest.raises(ConnectError, match=r"cannot connect to localhost:7000: .*refused"):
        await network.connect("localhost:7000")
    assert network.streams == []


@pytest.mark.parametrize("address", ["nonsense", "localhost:99999", "::1:7000"])
async def test_an_invalid_address_is_an_address_error(address: str) -> None:
    network = MemoryNetwork()
    with pytest.raises(AddressError):
        await network.listen(address)
    with pytest.raises(AddressError):
        await network.connect(address)


async def test_the_server_sees_where_each_connection_comes_from() -> None:
    network = MemoryNetwork()
    listener = await listen_on_one(network)
    peers = []
    for source in ("127.0.0.1", "127.0.0.1", "2001:db8::7"):
        await network.connect("127.0.0.1:7000", source=source)
        peers.append((await listener.accept()).peer)
    hosts, ports = zip(*(peer.rsplit(":", 1) for peer in peers), strict=True)
    assert hosts == ("127.0.0.1", "127.0.0.1", "[2001:db8::7]")
    assert len(set(ports)) == 3


async def test_the_network_keeps_the_clients_ends_in_order_of_connecting() -> None:
    network = MemoryNetwork()
    await listen_on_one(network)
    made = [await network.connect("127.0.0.1:7000") for _ in range(3)]
    assert network.streams == made


# Links


async def test_a_connection_has_the_networks_link_or_its_own(
    autojump_clock: trio.testing.MockClock,
) -> None:
    network = MemoryNetwork(link=Link(latency=1.0))
    listener = await listen_on_one(network)
    for link, seconds in ((None, 3.0), (Link(latency=10.0), 30.0)):
        began = trio.current_time()
        ours, theirs = await connect_both(network, listener, link)
        # A round trip for the handshake, then half of one for the bytes.
        await ours.send_all(b"x")
        assert await theirs.receive_some() == b"x"
        assert trio.current_time() - began == pytest.approx(seconds)


async def reads_over_a_random_link(seed: int) -> list[list[int]]:
    network = MemoryNetwork(seed=seed)
    listener = await listen_on_one(network)
    sizes: list[list[int]] = []
    for _ in range(2):
        ours, theirs = await connect_both(network, listener, network.random_link(capacity=100))
        for sender, receiver in ((ours, theirs), (theirs, ours)):
            await sender.send_all(bytes(100))
            await sender.send_eof()
            sizes.append([])
            while data := await receiver.receive_some():
                sizes[-1].append(len(data))
    return sizes


async def test_random_links_are_the_same_for_the_same_seed_and_differ_among_themselves() -> None:
    sizes = await reads_over_a_random_link(1)
    assert sizes == await reads_over_a_random_link(1)
    assert sizes != await reads_over_a_random_link(2)
    assert len({tuple(one) for one in sizes}) == len(sizes)
    assert {sum(one) for one in sizes} == {100}


# Listeners


async def test_accept_waits_for_a_connection_and_accept_nowait_does_not() -> None:
    network = MemoryNetwork()
    listener = await listen_on_one(network)
    with pytest.raises(trio.WouldBlock):
        listener.accept_nowait()
    accepted: list[MemoryStream] = []

    async def accept() -> None:
        accepted.append(await listener.accept())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept)
        await trio.testing.wait_all_tasks_blocked()
        assert not accepted
        ours = await network.connect("127.0.0.1:7000")
    assert accepted[0].peer.startswith("127.0.0.1:")
    assert ours.peer == "127.0.0.1:7000"


async def test_connections_are_accepted_in_the_order_in_which_they_came() -> None:
    network = MemoryNetwork()
    listener = await listen_on_one(network)
    for number in b"012":
        await (await network.connect("127.0.0.1:7000")).send_all(bytes([number]))
    assert [await listener.accept_nowait().receive_some() for _ in range(3)] == [b"0", b"1", b"2"]


async def test_a_full_backlog_makes_clients_wait_and_loses_none() -> None:
    network = MemoryNetwork()
    (listener,) = await network.listen("127.0.0.1:7000", backlog=1)
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(network.connect, "127.0.0.1:7000")
        await trio.testing.wait_all_tasks_blocked()
        # As on Linux: one more than the backlog.
        assert len(network.streams) == 2
        for count in (3, 4, 5):
            await listener.accept()
            await trio.testing.wait_all_tasks_blocked()
            assert len(network.streams) == count
    for _ in range(2):
        listener.accept_nowait()
    with pytest.raises(trio.WouldBlock):
        listener.accept_nowait()


async def test_closing_a_listener_resets_its_queue_and_refuses_waiting_clients(
    autojump_clock: trio.testing.MockClock,
) -> None:
    network = MemoryNetwork()
    (listener,) = await network.listen("127.0.0.1:7000", backlog=0)
    queued = await network.connect("127.0.0.1:7000")

    async def expect_refusal() -> None:
        with pytest.raises(ConnectError):
            await network.connect("127.0.0.1:7000")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(expect_refusal)
        await trio.testing.wait_all_tasks_blocked()
        await listener.aclose()
    with pytest.raises(trio.BrokenResourceError), trio.fail_after(1):
        await queued.receive_some()
    await listener.aclose()


async def test_closing_a_listener_ends_a_waiting_accept() -> None:
    listener = await listen_on_one(MemoryNetwork())

    async def expect_closed() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await listener.accept()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(expect_closed)
        await trio.testing.wait_all_tasks_blocked()
        await listener.aclose()
    with pytest.raises(trio.ClosedResourceError):
        listener.accept_nowait()


async def test_a_cancelled_accept_loses_no_connection() -> None:
    network = MemoryNetwork()
    listener = await listen_on_one(network)
    await network.connect("127.0.0.1:7000")
    with trio.CancelScope() as scope:
        scope.cancel()
        await listener.accept()
    assert scope.cancelled_caught
    assert listener.accept_nowait()


# Partitions


async def test_in_a_partition_nothing_arrives_and_nothing_is_lost(
    autojump_clock: trio.testing.MockClock,
) -> None:
    network = MemoryNetwork()
    listener = await listen_on_one(network)
    ours, theirs = await connect_both(network, listener)
    network.partition()
    await ours.send_all(b"held")
    await theirs.send_all(b"held too")
    await theirs.send_eof()
    for end in (ours, theirs):
        with trio.move_on_after(1000) as silence:
            await end.receive_some()
        assert silence.cancelled_caught
    network.heal()
    assert await theirs.receive_some() == b"held"
    assert await ours.receive_some() == b"held too"
    assert await ours.receive_some() == b""


async def test_in_a_partition_nobody_can_connect_until_it_heals(
    autojump_clock: trio.testing.MockClock,
) -> None:
    network = MemoryNetwork()
    listener = await listen_on_one(network)
    network.partition()
    connected = trio.Event()

    async def connect() -> None:
        ours = await network.connect("127.0.0.1:7000")
        await ours.send_all(b"here")
        connected.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(connect)
        await trio.sleep(1000)
        assert not connected.is_set()
        network.heal()
    assert await (await listener.accept()).receive_some() == b"here"


async def test_a_partition_holds_back_a_client_that_was_connecting_when_it_began(
    autojump_clock: trio.testing.MockClock,
) -> None:
    network = MemoryNetwork()
    (listener,) = await network.listen("127.0.0.1:7000", backlog=0)
    await network.connect("127.0.0.1:7000")

    async def connect_and_send() -> None:
        await (await network.connect("127.0.0.1:7000")).send_all(b"held")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(connect_and_send)
        await trio.testing.wait_all_tasks_blocked()
        network.partition()
        await listener.accept()
        theirs = await listener.accept()
        with trio.move_on_after(1000) as silence:
            await theirs.receive_some()
        assert silence.cancelled_caught
        network.heal()
        assert await theirs.receive_some() == b"held"
