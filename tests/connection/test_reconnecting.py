"""A client that connects again whenever its connection is lost."""

from __future__ import annotations

from functools import partial

import pytest
import trio

import trionet
from trionet import Connection, LineStream
from trionet.errors import AddressError, ConnectError
from trionet.testing import MemoryNetwork

ADDRESS = "localhost:7000"


@pytest.fixture
def network() -> MemoryNetwork:
    return MemoryNetwork()


async def say_one_word(connection: Connection) -> None:
    await connection.send("word")


async def start_server(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    await nursery.start(partial(trionet.serve, say_one_word, ADDRESS, network=network))


async def serve_for(seconds: float, network: MemoryNetwork, handler: object) -> None:
    """Serve until some seconds have passed, and then be away."""
    with trio.move_on_after(seconds):
        await trionet.serve(handler, ADDRESS, network=network)  # type: ignore[arg-type]


async def test_the_loop_gets_a_new_connection_each_time_one_is_lost(
    network: MemoryNetwork, nursery: trio.Nursery, autojump_clock: object
) -> None:
    await start_server(network, nursery)
    said = []
    async with trionet.connect(ADDRESS, network=network) as connections:
        async for lines in connections:
            said.append([line async for line in lines])
            if len(said) == 3:
                break
    assert said == [["word"]] * 3
    assert len(network.streams) == 3
    nursery.cancel_scope.cancel()


async def test_the_old_connection_is_closed_before_the_new_one_is_made_and_the_last_one_at_the_end(
    network: MemoryNetwork, nursery: trio.Nursery, autojump_clock: object
) -> None:
    await start_server(network, nursery)
    met: list[LineStream] = []
    async with trionet.connect(ADDRESS, network=network) as connections:
        async for lines in connections:
            for old in met:
                with pytest.raises(trio.ClosedResourceError):
                    await old.send("too late")
            met.append(lines)
            if len(met) == 2:
                break
    with pytest.raises(trio.ClosedResourceError):
        await met[-1].send("too late")
    nursery.cancel_scope.cancel()


async def test_a_first_connection_that_fails_is_not_tried_again(network: MemoryNetwork) -> None:
    with pytest.raises(ConnectError, match="refused"):
        async with trionet.connect(ADDRESS, network=network):
            raise AssertionError("it was entered")


async def test_a_server_that_is_away_is_tried_until_it_is_back(
    network: MemoryNetwork, nursery: trio.Nursery, autojump_clock: object
) -> None:
    nursery.start_soon(serve_for, 1, network, say_one_word)
    await trio.testing.wait_all_tasks_blocked()
    told: list[tuple[float, str]] = []
    came_again = False
    async with trionet.connect(
        ADDRESS, network=network, on_pause=lambda seconds, why: told.append((seconds, why))
    ) as connections:
        async for lines in connections:
            [line async for line in lines]
            if came_again:
                break
            await trio.sleep(2)
            nursery.start_soon(serve_for, 10, network, say_one_word, name="the server, back again")
            came_again = True
    assert told[0][1] == "the server closed the connection"
    assert 0.18 < told[0][0] < 0.32
    nursery.cancel_scope.cancel()


async def test_each_pause_is_told_with_its_length_and_its_reason(
    network: MemoryNetwork, nursery: trio.Nursery, autojump_clock: object
) -> None:
    nursery.start_soon(serve_for, 1, network, say_one_word)
    await trio.testing.wait_all_tasks_blocked()
    told: list[tuple[float, str]] = []
    begun = trio.current_time()
    with trio.move_on_after(60):
        async with trionet.connect(
            ADDRESS, network=network, on_pause=lambda seconds, why: told.append((seconds, why))
        ) as connections:
            async for lines in connections:
                [line async for line in lines]
                await trio.sleep(2)
    reasons = [why for _, why in told]
    assert reasons[0] == "the server closed the connection"
    assert set(reasons[1:]) == {f"cannot connect to {ADDRESS}: connection refused"}
    pauses = [seconds for seconds, _ in told]
    assert sum(pauses[:-1]) <= trio.current_time() - begun
    assert pauses[-1] > 1.25 > max(pauses[:20])


async def test_pauses_grow_while_connections_are_short_and_begin_anew_once_one_has_worked(
    network: MemoryNetwork, nursery: trio.Nursery, autojump_clock: object
) -> None:
    await start_server(network, nursery)
    pauses: list[float] = []
    async with trionet.connect(
        ADDRESS, network=network, on_pause=lambda seconds, _why: pauses.append(seconds)
    ) as connections:
        async for _ in connections:
            if len(pauses) == 6:
                connections.worked()
            if len(pauses) == 7:
                break
    assert min(pauses[2:6]) >= 0.75
    assert pauses[6] < 0.32
    nursery.cancel_scope.cancel()


async def test_pauses_begin_anew_after_a_connection_that_stood_for_half_a_minute(
    network: MemoryNetwork, nursery: trio.Nursery, autojump_clock: object
) -> None:
    await start_server(network, nursery)
    pauses: list[float] = []
    async with trionet.connect(
        ADDRESS, network=network, on_pause=lambda seconds, _why: pauses.append(seconds)
    ) as connections:
        async for _ in connections:
            if len(pauses) == 6:
                # A little longer: the clock's sums are rounded.
                await trio.sleep(30.001)
            if len(pauses) == 7:
                break
    assert pauses[5] >= 0.75
    assert pauses[6] < 0.32
    nursery.cancel_scope.cancel()


async def test_a_host_that_does_not_answer_is_given_up_after_ten_seconds(
    autojump_clock: object,
) -> None:
    class SilentAfterTheFirst(MemoryNetwork):
        async def connect(self, address: str) -> trio.abc.Stream:  # type: ignore[override]
            if self.streams:
                await trio.sleep_forever()
            return await super().connect(address)

    network = SilentAfterTheFirst()
    told: list[tuple[float, str]] = []
    async with trio.open_nursery() as nursery:
        await start_server(network, nursery)
        with trio.move_on_after(12):
            async with trionet.connect(
                ADDRESS, network=network, on_pause=lambda *pause: told.append(pause)
            ) as connections:
                async for _ in connections:
                    pass
        nursery.cancel_scope.cancel()
    assert [why for _, why in told] == [
        "the server closed the connection",
        f"cannot connect to {ADDRESS}: no answer",
    ]


async def test_cancellation_in_a_pause_leaves_nothing_open(
    network: MemoryNetwork, nursery: trio.Nursery, autojump_clock: object
) -> None:
    await start_server(network, nursery)
    with trio.move_on_after(0.1):
        async with trionet.connect(ADDRESS, network=network) as connections:
            async for _ in connections:
                pass
    assert len(network.streams) == 1
    nursery.cancel_scope.cancel()


async def test_a_loop_outside_of_the_block_is_refused(network: MemoryNetwork) -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await anext(aiter(trionet.connect(ADDRESS, network=network)))


async def test_a_connect_is_entered_once(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    await start_server(network, nursery)
    connections = trionet.connect(ADDRESS, network=network)
    async with connections:
        assert repr(connections) == f"<trionet.connect to {ADDRESS}: connected>"
    with pytest.raises(RuntimeError, match="make another"):
        async with connections:
            raise AssertionError("it was entered again")
    nursery.cancel_scope.cancel()


def test_wrong_arguments_are_refused_at_the_call() -> None:
    with pytest.raises(AddressError):
        trionet.connect("nowhere")
    with pytest.raises(TypeError, match="on_pause"):
        trionet.connect(ADDRESS, on_pause=3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="network"):
        trionet.connect(ADDRESS, network=3)  # type: ignore[call-overload]
