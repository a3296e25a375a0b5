"""Memory streams behave as TCP does: bounded, cut anywhere, late, stalled, reset."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet import ReceiveInterrupted
from trionet.testing import (
    Cut,
    Link,
    MemoryStream,
    SendingNowMemoryStream,
    cut_at,
    cut_at_random,
    cut_bytes,
    cut_whole,
    memory_stream_pair,
)

Maker = Callable[[], Awaitable[tuple[MemoryStream, MemoryStream]]]


def makers(link: Link) -> tuple[Maker, Maker]:
    """Return what makes a pair, and what makes a pair that is full in both directions."""

    async def make() -> tuple[MemoryStream, MemoryStream]:
        return memory_stream_pair(link)

    async def make_clogged() -> tuple[MemoryStream, MemoryStream]:
        ends = memory_stream_pair(link)
        for end in ends:
            await end.send_all(bytes(link.capacity))
        return ends

    return make, make_clogged


def sending_now_pair(link: Link) -> tuple[SendingNowMemoryStream, SendingNowMemoryStream]:
    left, right = memory_stream_pair(link)
    assert isinstance(left, SendingNowMemoryStream)
    assert isinstance(right, SendingNowMemoryStream)
    return left, right


async def read_to_end(stream: MemoryStream) -> list[bytes]:
    received = []
    while data := await stream.receive_some():
        received.append(data)
    return received


@pytest.mark.parametrize("sends_now", [True, False])
async def test_they_hold_to_the_contract_of_trios_two_way_streams(sends_now: bool) -> None:
    await trio.testing.check_two_way_stream(*makers(Link(sends_now=sends_now)))


@pytest.mark.parametrize("sends_now", [True, False])
async def test_they_hold_to_the_contract_of_trios_half_closeable_streams(sends_now: bool) -> None:
    await trio.testing.check_half_closeable_stream(
        *makers(Link(capacity=2000, sends_now=sends_now))
    )


async def test_they_hold_to_the_contract_when_they_hold_a_single_byte() -> None:
    await trio.testing.check_one_way_stream(*makers(Link(capacity=1)))


def test_only_ends_that_can_send_now_offer_it() -> None:
    left, right = memory_stream_pair(Link(sends_now=False))
    assert not hasattr(left, "send_nowait")
    assert not hasattr(right, "wait_writable")
    sending_now_pair(Link())


def test_each_end_knows_the_others_name() -> None:
    left, right = memory_stream_pair(names=("127.0.0.1:5", "[::1]:7"))
    assert (left.peer, right.peer) == ("[::1]:7", "127.0.0.1:5")


@pytest.mark.parametrize(("field", "value"), [("capacity", 0), ("latency", -0.1)])
def test_an_impossible_link_is_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        Link(**{field: value})  # type: ignore[arg-type]


# Capacity


async def test_send_nowait_takes_bytes_until_the_link_is_full() -> None:
    left, right = sending_now_pair(Link(capacity=10))
    assert left.send_nowait(b"x" * 7) == 7
    assert left.send_nowait(b"y" * 7) == 3
    assert left.send_nowait(b"z") == 0
    assert await right.receive_some() == b"x" * 7 + b"y" * 3
    assert left.send_nowait(memoryview(b"z")) == 1


async def test_each_direction_has_its_own_room() -> None:
    left, right = sending_now_pair(Link(capacity=10))
    assert left.send_nowait(bytes(20)) == 10
    assert right.send_nowait(bytes(20)) == 10


async def test_send_all_waits_for_the_reader_when_the_link_is_full() -> None:
    left, right = memory_stream_pair(Link(capacity=10))
    sent = trio.Event()

    async def send() -> None:
        await left.send_all(b"0123456789abc")
        sent.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        assert not sent.is_set()
        assert await right.receive_some(2) == b"01"
        await trio.testing.wait_all_tasks_blocked()
        assert not sent.is_set()
        assert await right.receive_some() == b"23456789ab"
        await trio.testing.wait_all_tasks_blocked()
        assert sent.is_set()
        assert await right.receive_some() == b"c"


async def test_bytes_on_their_way_take_room(autojump_clock: trio.testing.MockClock) -> None:
    left, right = sending_now_pair(Link(capacity=4, latency=5.0))
    assert left.send_nowait(b"abcdef") == 4
    await trio.sleep(4.9)
    assert left.send_nowait(b"ef") == 0
    assert await right.receive_some() == b"abcd"
    assert left.send_nowait(b"ef") == 2


async def test_wait_writable_returns_as_soon_as_there_is_room() -> None:
    left, right = sending_now_pair(Link(capacity=4))
    left.send_nowait(b"abcd")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(left.wait_writable)
        await trio.testing.wait_all_tasks_blocked()
        assert nursery.child_tasks
        assert await right.receive_some(1) == b"a"
    assert left.send_nowait(b"ef") == 1


async def test_sending_now_while_a_task_is_sending_is_an_error() -> None:
    left, _ = sending_now_pair(Link(capacity=1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(left.send_all, b"ab")
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            left.send_nowait(b"c")
        nursery.cancel_scope.cancel()


async def test_a_wait_for_room_ends_when_either_end_closes() -> None:
    left, right = sending_now_pair(Link(capacity=1))
    left.send_nowait(b"a")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(left.wait_writable)
        await trio.testing.wait_all_tasks_blocked()
        right.close()
    with pytest.raises(trio.BrokenResourceError):
        left.send_nowait(b"b")
    left.close()
    with pytest.raises(trio.ClosedResourceError):
        await left.wait_writable()


# Cuts


@pytest.mark.parametrize(
    ("cut", "reads"),
    [
        (cut_whole, [b"0123456789"]),
        (cut_bytes, [b"%d" % digit for digit in range(10)]),
        (lambda: cut_bytes(4), [b"0123", b"4567", b"89"]),
        (lambda: cut_at([2, 3, 7]), [b"01", b"2", b"3456", b"789"]),
        (lambda: cut_at([]), [b"0123456789"]),
    ],
)
async def test_input_is_cut_into_reads_as_the_link_says(
    cut: Callable[[], Cut], reads: list[bytes]
) -> None:
    left, right = memory_stream_pair(Link(cut=cut))
    await left.send_all(b"0123456789")
    await left.aclose()
    assert await read_to_end(right) == reads


async def test_places_are_counted_from_the_beginning_of_the_connection() -> None:
    left, right = memory_stream_pair(Link(cut=lambda: cut_at([3, 6])))
    reads = []
    for piece in (b"ab", b"cdef", b"ghi"):
        await left.send_all(piece)
        reads.append(await right.receive_some())
    assert reads == [b"ab", b"c", b"def"]
    assert await right.receive_some() == b"ghi"


async def test_each_direction_has_its_own_cut() -> None:
    left, right = memory_stream_pair(Link(cut=lambda: cut_at([1])))
    await left.send_all(b"ab")
    await right.send_all(b"cd")
    assert [await right.receive_some(), await left.receive_some()] == [b"a", b"c"]


async def test_a_reader_gets_no_more_than_it_asked_for() -> None:
    left, right = memory_stream_pair(Link(cut=lambda: cut_bytes(4)))
    await left.send_all(b"0123456789")
    assert await right.receive_some(3) == b"012"
    assert await right.receive_some(100) == b"3456"


async def random_reads(seed: str) -> list[bytes]:
    left, right = memory_stream_pair(Link(cut=lambda: cut_at_random(seed)))
    await left.send_all(bytes(range(100)))
    await left.aclose()
    return await read_to_end(right)


async def test_random_cuts_are_the_same_for_the_same_seed() -> None:
    assert await random_reads("one") == await random_reads("one")
    assert await random_reads("one") != await random_reads("two")
    assert len(await random_reads("one")) > 1


@settings(deadline=None, max_examples=50)
@given(
    pieces=st.lists(st.binary(max_size=40)),
    capacity=st.integers(min_value=1, max_value=30),
    latency=st.sampled_from([0.0, 1.0]),
    cut=st.one_of(
        st.just(cut_whole),
        st.integers(1, 9).map(lambda size: lambda: cut_bytes(size)),
        st.lists(st.integers(0, 99)).map(lambda places: lambda: cut_at(sorted(places))),
        st.integers().map(lambda seed: lambda: cut_at_random(seed)),
    ),
)
def test_every_byte_arrives_once_and_in_order_whatever_the_link(
    pieces: list[bytes], capacity: int, latency: float, cut: Callable[[], Cut]
) -> None:
    reads: list[bytes] = []

    async def main() -> None:
        left, right = memory_stream_pair(Link(capacity=capacity, latency=latency, cut=cut))

        async def send() -> None:
            for piece in pieces:
                await left.send_all(piece)
            await left.send_eof()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            reads.extend(await read_to_end(right))

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert b"".join(reads) == b"".join(pieces)


# Latency


async def test_bytes_arrive_after_the_latency(
    autojump_clock: trio.testing.MockClock,
) -> None:
    left, right = memory_stream_pair(Link(latency=2.0))
    began = trio.current_time()
    await left.send_all(b"a")
    await trio.sleep(0.5)
    await left.send_all(b"b")
    await left.send_eof()
    assert trio.current_time() - began == pytest.approx(0.5)
    assert await right.receive_some() == b"a"
    assert trio.current_time() - began == pytest.approx(2.0)
    assert await right.receive_some() == b"b"
    assert await right.receive_some() == b""
    assert trio.current_time() - began == pytest.approx(2.5)


async def test_bytes_that_arrived_while_nobody_read_are_read_together(
    autojump_clock: trio.testing.MockClock,
) -> None:
    left, right = memory_stream_pair(Link(latency=1.0))
    await left.send_all(b"a")
    await left.send_all(b"b")
    await trio.sleep(5)
    began = trio.current_time()
    assert await right.receive_some() == b"ab"
    assert trio.current_time() == began


# Stalls


async def test_a_stall_holds_bytes_back_and_resume_delivers_them(
    autojump_clock: trio.testing.MockClock,
) -> None:
    left, right = memory_stream_pair()
    left.stall()
    await left.send_all(b"held")
    await right.send_all(b"held too")
    with trio.move_on_after(1000) as silence:
        await right.receive_some()
    assert silence.cancelled_caught
    with trio.move_on_after(1000) as silence:
        await left.receive_some()
    assert silence.cancelled_caught
    left.resume()
    assert await right.receive_some() == b"held"
    assert await left.receive_some() == b"held too"


async def test_bytes_that_arrived_before_a_stall_can_be_read() -> None:
    left, right = memory_stream_pair()
    await left.send_all(b"before")
    left.stall()
    await left.send_all(b"after")
    assert await right.receive_some() == b"before"


async def test_a_stall_can_hold_back_one_direction_only(
    autojump_clock: trio.testing.MockClock,
) -> None:
    left, right = memory_stream_pair()
    left.stall(incoming=False)
    await right.send_all(b"arrives")
    await left.send_all(b"is held")
    assert await left.receive_some() == b"arrives"
    with trio.move_on_after(1000) as silence:
        await right.receive_some()
    assert silence.cancelled_caught


async def test_a_stall_holds_back_the_end_of_the_input_and_fills_the_link(
    autojump_clock: trio.testing.MockClock,
) -> None:
    left, right = sending_now_pair(Link(capacity=3))
    right.stall()
    assert left.send_nowait(b"abcd") == 3
    await left.aclose()
    with trio.move_on_after(1000) as silence:
        await right.receive_some()
    assert silence.cancelled_caught
    right.resume()
    assert await read_to_end(right) == [b"abc"]


async def test_a_reader_that_waits_through_a_stall_is_woken_by_resume(
    autojump_clock: trio.testing.MockClock,
) -> None:
    left, right = memory_stream_pair(Link(latency=1.0))
    left.stall()
    await left.send_all(b"x")

    async def resume() -> None:
        await trio.sleep(30)
        left.resume()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(resume)
        assert await right.receive_some() == b"x"
    assert trio.current_time() >= 30


# Ends


async def test_after_a_close_the_peer_reads_what_was_sent_and_then_the_end() -> None:
    left, right = memory_stream_pair()
    await left.send_all(b"last words")
    await left.aclose()
    assert await read_to_end(right) == [b"last words"]
    with pytest.raises(trio.BrokenResourceError):
        await right.send_all(b"anybody?")


async def test_an_end_that_has_stopped_sending_still_receives() -> None:
    left, right = memory_stream_pair()
    await left.send_all(b"question")
    await left.send_eof()
    assert await read_to_end(right) == [b"question"]
    await right.send_all(b"answer")
    await right.aclose()
    assert await read_to_end(left) == [b"answer"]


async def test_closing_with_unread_input_is_a_reset_that_destroys_what_was_sent() -> None:
    left, right = memory_stream_pair()
    await right.send_all(b"unread")
    await left.send_all(b"destroyed")
    await left.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await right.receive_some()


async def test_input_on_its_way_counts_as_unread(autojump_clock: trio.testing.MockClock) -> None:
    left, right = memory_stream_pair(Link(latency=1.0))
    await right.send_all(b"on its way")
    await left.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await right.receive_some()


async def test_closing_after_reading_all_input_is_not_a_reset() -> None:
    left, right = memory_stream_pair()
    await right.send_all(b"read")
    await left.receive_some()
    await left.send_all(b"arrives")
    await left.aclose()
    assert await read_to_end(right) == [b"arrives"]


async def test_a_reset_loses_what_the_other_end_has_not_read() -> None:
    left, right = memory_stream_pair()
    await left.send_all(b"lost")
    left.reset()
    with pytest.raises(trio.BrokenResourceError):
        await right.receive_some()
    with pytest.raises(trio.BrokenResourceError):
        await right.send_all(b"x")
    with pytest.raises(trio.ClosedResourceError):
        await left.receive_some()
    with pytest.raises(trio.ClosedResourceError):
        await left.send_all(b"x")


async def test_a_reset_wakes_every_waiting_task() -> None:
    left, right = memory_stream_pair(Link(capacity=1))

    async def expect_reset(wait: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(trio.BrokenResourceError):
            await wait()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(expect_reset, right.receive_some)
        nursery.start_soon(expect_reset, lambda: right.send_all(b"abc"))
        await trio.testing.wait_all_tasks_blocked()
        left.reset()


# Calling a receive off


async def test_interrupt_receive_ends_a_waiting_receive_and_loses_nothing() -> None:
    left, right = memory_stream_pair()

    async def expect_interrupt() -> None:
        with pytest.raises(ReceiveInterrupted):
            await right.receive_some()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(expect_interrupt)
        await trio.testing.wait_all_tasks_blocked()
        right.interrupt_receive()
    await left.send_all(b"x")
    assert await right.receive_some() == b"x"


async def test_interrupt_receive_with_nobody_waiting_does_nothing() -> None:
    left, right = memory_stream_pair()
    right.interrupt_receive()
    await left.send_all(b"x")
    assert await right.receive_some() == b"x"


async def test_a_cancelled_receive_loses_nothing() -> None:
    left, right = memory_stream_pair()
    await left.send_all(b"x")
    with trio.CancelScope() as scope:
        scope.cancel()
        await right.receive_some()
    assert scope.cancelled_caught
    assert await right.receive_some() == b"x"


def test_a_cut_in_place_of_a_function_that_makes_one_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"lambda: cut_at\(\[3\]\)"):
        memory_stream_pair(Link(cut=cut_at([3])))  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["slow", 3, Link])
def test_what_is_not_a_link_is_refused_at_the_call(wrong: object) -> None:
    for links in ((wrong,), (None, wrong)):
        with pytest.raises(TypeError, match=r"(link|back) must be a Link: write Link\("):
            memory_stream_pair(*links)


@pytest.mark.parametrize(
    ("size", "error"), [(None, TypeError), ("3", TypeError), (True, TypeError), (0, ValueError)]
)
def test_a_wrong_size_of_cuts_is_refused_at_the_call(size: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="size must be"):
        cut_bytes(size)  # type: ignore[arg-type]


async def test_a_severed_connection_is_reset_for_both_ends(autojump_clock: object) -> None:
    here, there = memory_stream_pair()
    await here.send_all(b"lost")
    here.sever()
    for end in (here, there):
        with pytest.raises(trio.BrokenResourceError):
            await end.receive_some()
        with pytest.raises(trio.BrokenResourceError):
            await end.send_all(b"x")
        await end.aclose()
