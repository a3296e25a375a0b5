"""The close that loses nothing: it goes on until everything sent has arrived."""

from __future__ import annotations

import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from socket_pairs import real_pair
from trionet.connection.closing import lingering_close
from trionet.testing import Link, MemoryStream, memory_stream_pair
from trionet.transport.sockets import SocketStream


class NotHalfCloseable(trio.abc.Stream):
    """A stream such as TLS, which has no half-close."""

    def __init__(self, stream: MemoryStream, *, hangs: bool = False) -> None:
        self.stream = stream
        self._hangs = hangs

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await self.stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        try:
            if self._hangs:
                await trio.sleep_forever()
        finally:
            await self.stream.aclose()


async def is_closed(stream: trio.abc.Stream) -> bool:
    try:
        await stream.receive_some()
    except trio.ClosedResourceError:
        return True
    return False


async def test_closing_ends_the_sending_and_discards_what_the_peer_still_sends(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, far = memory_stream_pair()
    await near.send_all(b"the answer\n")
    await far.send_all(b"unread")
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def close() -> None:
            await lingering_close(near, seconds=60)

        await trio.sleep(1)
        await far.send_all(b"and more")
        assert await far.receive_some() == b"the answer\n"
        assert await far.receive_some() == b""
        await trio.sleep(1)
        await far.aclose()
    assert trio.current_time() == pytest.approx(2)
    assert await is_closed(near)


async def test_closing_waits_no_longer_than_allowed(autojump_clock: trio.testing.MockClock) -> None:
    near, _far = memory_stream_pair()
    await lingering_close(near, seconds=2)
    assert trio.current_time() == pytest.approx(2)
    assert await is_closed(near)


async def test_a_peer_that_trickles_does_not_prolong_the_closing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, far = memory_stream_pair()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def trickle() -> None:
            with suppress(trio.BrokenResourceError):
                while True:
                    await far.send_all(b".")
                    await trio.sleep(0.3)

        await lingering_close(near, seconds=2)
        assert trio.current_time() == pytest.approx(2)


async def test_a_flood_is_read_slowly_and_shortens_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, far = memory_stream_pair(Link(capacity=65536))
    sent = 0
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def flood() -> None:
            nonlocal sent
            with suppress(trio.BrokenResourceError):
                while True:
                    await far.send_all(bytes(65536))
                    sent += 65536

        await lingering_close(near, seconds=10)
        assert trio.current_time() == pytest.approx(10)
    # 1 MiB quickly, then 256 KiB a second.
    assert 3 << 20 <= sent <= 4 << 20
    assert await is_closed(near)


# --- closing by what arrives ---


class Delivering(MemoryStream):
    """A stream that tells how much of what was sent has arrived, by a plan.

    Args:
        plan: how many bytes have not arrived, by the time from which on that holds.
    """

    def __init__(self, stream: MemoryStream, plan: dict[float, int]) -> None:
        super().__init__(stream._in, stream._out, peer=stream.peer)
        self._plan = plan
        self.over = False

    def unarrived(self) -> int:
        now = trio.current_time()
        return [left for since, left in self._plan.items() if since <= now][-1]

    def is_over(self) -> bool:
        return self.over


def delivering(plan: dict[float, int]) -> tuple[Delivering, MemoryStream]:
    near, far = memory_stream_pair()
    return Delivering(near, plan), far


async def closed_at(stream: trio.abc.Stream, **options: Any) -> tuple[float, list[int]]:
    """Close a stream; return when that was done and what was reported about its delivery."""
    told: list[int] = []
    await lingering_close(stream, on_settled=told.append, **options)
    assert await is_closed(stream)
    return trio.current_time(), told


async def test_closing_goes_on_as_long_as_something_arrives(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, _far = delivering({0: 500, 8: 400, 16: 300, 24: 0})
    ended, told = await closed_at(near, seconds=2, stall_seconds=10, total_seconds=60)
    assert 26 <= ended <= 27.1
    assert told == [0]


async def test_closing_ends_when_nothing_more_arrives(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, _far = delivering({0: 500, 8: 400})
    ended, told = await closed_at(near, seconds=2, stall_seconds=10, total_seconds=60)
    assert 18 <= ended <= 19.1
    assert told == [400]


async def test_closing_ends_in_any_case_when_its_time_is_over(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, _far = delivering({0: 500} | {float(n): 500 - n for n in range(1, 100)})
    ended, told = await closed_at(near, seconds=2, stall_seconds=10, total_seconds=60)
    assert ended == pytest.approx(60)
    assert told == [440]


@pytest.mark.parametrize("pause", [0.001, 0.3, 1.0])
async def test_input_from_the_peer_does_not_cut_short_what_is_on_its_way(
    autojump_clock: trio.testing.MockClock, pause: float
) -> None:
    near, far = delivering({0: 500, 8: 400, 16: 300, 24: 0})
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def send() -> None:
            while trio.current_time() < 30:
                await far.send_all(bytes(30_000))
                await trio.sleep(pause)
            await far.aclose()

        ended, told = await closed_at(near, seconds=2, stall_seconds=10, total_seconds=60)
    assert 30 <= ended <= 31
    assert told == [0]


async def test_a_silent_peer_gets_its_full_time_once_everything_has_arrived(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, _far = delivering({0: 0})
    ended, told = await closed_at(near, seconds=2)
    assert ended == pytest.approx(2)
    assert told == [0]


async def test_on_settled_is_called_when_everything_has_arrived_and_before_the_peer_ends(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, _far = delivering({0: 500, 3: 0})
    at: list[float] = []
    await lingering_close(near, seconds=20, on_settled=lambda _: at.append(trio.current_time()))
    assert 3 <= at[0] <= 4.1
    assert trio.current_time() >= 22


async def test_a_peer_that_ended_its_sending_still_gets_the_rest(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, _far = delivering({0: 500, 8: 0})
    ended, told = await closed_at(near, seconds=2, input_ended=True)
    assert 8 <= ended <= 9.1
    assert told == [0]


async def test_a_connection_that_is_over_is_not_waited_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, _far = delivering({0: 500})
    near.over = True
    assert await closed_at(near, input_ended=True) == (0, [500])


async def test_a_cancelled_close_reports_what_had_not_arrived(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, _far = delivering({0: 500, 2: 300})
    told: list[int] = []
    with trio.move_on_after(3):
        await lingering_close(near, on_settled=told.append)
    assert told == [300]
    assert trio.current_time() == 3


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
@pytest.mark.parametrize("family", ["tcp", "unix"])
async def test_a_slow_reader_who_also_types_gets_everything_on_a_real_connection(
    family: str,
) -> None:
    if family == "tcp":
        near, far = real_pair()
    else:
        one, far = socket.socketpair()
        near = SocketStream(one, peer="far")
    size = 0
    while sent := near.send_nowait(bytes(100_000)):
        size += sent
    received = 0
    told: list[int] = []
    async with trio.open_nursery() as nursery, SocketStream(far, peer="near") as client:
        nursery.start_soon(
            partial(lingering_close, near, seconds=0.5, stall_seconds=5, on_settled=told.append)
        )
        while data := await client.receive_some(max(size // 20, 1)):
            received += len(data)
            if received < size:
                await client.send_all(b"and another line\n")
                await trio.sleep(0.05)
    assert received == size
    assert told == [0]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
async def test_bytes_that_a_resetting_peer_did_not_get_are_reported_on_a_real_connection() -> None:
    near, far = real_pair()
    while near.send_nowait(bytes(100_000)):
        pass
    told: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(lingering_close, near, on_settled=told.append))
        await trio.testing.wait_all_tasks_blocked()
        far.close()
    assert len(told) == 1
    assert told[0] > 0


# --- other ways to close ---


async def test_closing_after_the_end_of_the_input_does_not_wait(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, far = memory_stream_pair()
    await near.send_all(b"answer")
    await lingering_close(near, seconds=60, input_ended=True)
    assert trio.current_time() == 0
    assert await far.receive_some() == b"answer"
    assert await far.receive_some() == b""


@pytest.mark.parametrize("gone", ["reset", "closed", "closed by this side"])
async def test_closing_when_the_peer_is_gone_is_not_an_error(
    autojump_clock: trio.testing.MockClock, gone: str
) -> None:
    near, far = memory_stream_pair()
    if gone == "reset":
        far.reset()
    else:
        await (far if gone == "closed" else near).aclose()
    await lingering_close(near, seconds=60)
    assert trio.current_time() == 0
    assert await is_closed(near)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize("wrap", [lambda stream: stream, NotHalfCloseable], ids=["half", "whole"])
async def test_cancellation_closes_at_once(
    autojump_clock: trio.testing.MockClock,
    when: str,
    wrap: Callable[[MemoryStream], trio.abc.Stream],
) -> None:
    near, far = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        if when == "before":
            nursery.cancel_scope.cancel()
        nursery.start_soon(lambda: lingering_close(wrap(near), seconds=60))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert trio.current_time() == 0
    assert await is_closed(near)
    assert await far.receive_some() == b""


@pytest.mark.parametrize(("hangs", "seconds"), [(False, 0), (True, 2)])
async def test_a_stream_without_a_half_close_is_closed_within_the_time(
    autojump_clock: trio.testing.MockClock, hangs: bool, seconds: float
) -> None:
    near, far = memory_stream_pair()
    await near.send_all(b"answer")
    await lingering_close(NotHalfCloseable(near, hangs=hangs), seconds=2)
    assert trio.current_time() == pytest.approx(seconds)
    assert await far.receive_some() == b"answer"
    assert await far.receive_some() == b""


async def answer_and_close(
    close: Callable[[SocketStream], Awaitable[None]],
) -> tuple[int, BaseException | None]:
    """Close a connection with unread input, before the peer has read, and while it still sends.

    Returns:
        How much of the answer the peer got, and how the connection ended for it.
    """
    near, far = real_pair()
    received = 0
    error: BaseException | None = None
    async with trio.open_nursery() as nursery, SocketStream(far, peer="near") as client:
        await client.send_all(b"input that nobody reads\n" * 100)
        await near.send_all(bytes(200_000))
        nursery.start_soon(close, near)
        await trio.testing.wait_all_tasks_blocked()
        try:
            await client.send_all(b"more input\n" * 100)
            await trio.testing.wait_all_tasks_blocked()
            while data := await client.receive_some(1000):
                received += len(data)
        except trio.BrokenResourceError as broken:
            error = broken
    return received, error


async def test_on_a_real_connection_the_whole_answer_arrives() -> None:
    async def close(stream: SocketStream) -> None:
        await lingering_close(stream, seconds=60)
        assert await is_closed(stream)

    assert await answer_and_close(close) == (200_000, None)


async def test_a_plain_close_destroys_part_of_the_answer() -> None:
    # This loss is why lingering_close exists, and shows that the test above can fail.
    received, error = await answer_and_close(lambda stream: stream.aclose())
    assert isinstance(error, trio.BrokenResourceError)
    assert received < 200_000
