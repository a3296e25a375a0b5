"""A reader that takes lines no faster than its rate, and loses none."""

from __future__ import annotations

import math

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trionet.connection.input_end import InputEnd
from trionet.connection.paced_reader import PacedLineReader
from trionet.testing import Link, MemoryStream, memory_stream_pair


def paced(*, rate: float = 10, burst: int = 5) -> tuple[PacedLineReader, MemoryStream]:
    ours, theirs = memory_stream_pair(Link(capacity=1000))
    return PacedLineReader(ours, rate=rate, burst=burst), theirs


async def test_a_burst_comes_at_once_and_the_rest_at_the_rate(autojump_clock: MockClock) -> None:
    reader, theirs = paced()
    await theirs.send_all(b"".join(b"%d\n" % n for n in range(15)))
    times: list[float] = []
    for number in range(15):
        assert await reader.receive() == str(number)
        times.append(trio.current_time())
    assert times[:5] == [0] * 5
    assert times[5:] == [pytest.approx(n / 10, abs=0.001) for n in range(1, 11)]


async def test_a_batch_holds_no_more_lines_than_there_are_tokens(autojump_clock: MockClock) -> None:
    reader, theirs = paced(burst=2)
    await theirs.send_all(b"a\nb\nc\n\xff\n")
    assert await reader.receive_batch() == ["a", "b"]
    assert await reader.receive_batch() == ["c"]
    (bad,) = await reader.receive_batch()
    assert str(bad) == "line is not UTF-8"
    assert reader.lines_in == 4


async def test_no_more_is_held_ready_than_there_are_tokens(autojump_clock: MockClock) -> None:
    reader, theirs = paced(rate=10, burst=150)
    await theirs.send_all(b"x\n" * 200)
    assert len(await reader.receive_batch()) == 100
    assert len(reader.take_held()) == 50
    assert reader.take_held() == []
    assert trio.current_time() == 0


async def test_a_flooding_peer_is_not_read_from_while_it_waits(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    reader, theirs = paced(rate=1, burst=1)
    sent = 0

    async def flood() -> None:
        nonlocal sent
        while True:
            await theirs.send_all(b"x\n" * 100)
            sent += 100

    nursery.start_soon(flood)
    for _ in range(60):
        await reader.receive()
    assert trio.current_time() == pytest.approx(59, abs=0.01)
    assert sent <= 1500
    nursery.cancel_scope.cancel()


async def test_a_peer_that_keeps_to_the_rate_notices_nothing(autojump_clock: MockClock) -> None:
    reader, theirs = paced(rate=1, burst=1)
    for number in range(20):
        await theirs.send_all(b"x\n")
        await reader.receive()
        assert trio.current_time() == pytest.approx(number * 1.1)
        await trio.sleep(1.1)


async def test_stop_hands_out_the_received_lines_at_once(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    reader, theirs = paced(rate=0.001, burst=1)
    await theirs.send_all(b"a\nb\nc\n")
    assert await reader.receive_batch() == ["a"]
    batches: list[list[object]] = []

    async def receive() -> None:
        batches.append(list(await reader.receive_batch()))

    nursery.start_soon(receive)
    await wait_all_tasks_blocked()
    reader.stop()
    await wait_all_tasks_blocked()
    assert batches == [["b", "c"]]
    assert await reader.receive_batch() == []
    assert reader.end is InputEnd.STOPPED
    assert trio.current_time() == 0


async def test_a_cancelled_wait_loses_no_line(autojump_clock: MockClock) -> None:
    reader, theirs = paced(rate=1, burst=1)
    await theirs.send_all(b"a\nb\n")
    assert await reader.receive() == "a"
    with trio.move_on_after(0.5):
        await reader.receive()
    assert await reader.receive() == "b"


async def test_at_the_end_of_the_input_there_are_no_more_lines(autojump_clock: MockClock) -> None:
    reader, theirs = paced()
    await theirs.send_all(b"a\n")
    await theirs.send_eof()
    assert [line async for line in reader] == ["a"]
    assert reader.end is InputEnd.EOF


async def test_a_peer_that_is_slowed_down_is_not_idle(autojump_clock: MockClock) -> None:
    reader, theirs = paced(rate=1, burst=1)
    await theirs.send_all(b"x\n" * 60)
    for _ in range(60):
        await reader.receive()
        assert reader.waiting_since == math.inf
    assert trio.current_time() == pytest.approx(59, abs=0.01)
    await trio.sleep(10)
    with trio.move_on_after(5):
        await reader.receive()
    assert reader.waiting_since == pytest.approx(69, abs=0.01)


async def test_a_charge_delays_the_lines_after_it(autojump_clock: MockClock) -> None:
    reader, theirs = paced(rate=10, burst=5)
    await theirs.send_all(b"a\nb\n")
    assert await reader.receive_batch() == ["a", "b"]
    reader.charge(13)
    await theirs.send_all(b"c\n")
    assert await reader.receive_batch() == ["c"]
    assert trio.current_time() == pytest.approx(1.1, abs=0.001)
    with pytest.raises(ValueError, match="must not be negative"):
        reader.charge(-1)


async def test_no_more_lines_are_decoded_than_there_are_tokens(autojump_clock: MockClock) -> None:
    ours, theirs = memory_stream_pair()
    reader = PacedLineReader(ours, rate=50, burst=7)
    await theirs.send_all(b"x\n" * 32_000)
    sizes = []
    while trio.current_time() < 2:
        sizes.append(len(await reader.receive_batch()))
        assert reader.lines_in == 32_000
    assert sizes == [7] + [5] * 20


async def test_a_peer_that_has_to_wait_is_visited_a_few_times_a_second(
    autojump_clock: MockClock,
) -> None:
    reader, theirs = paced(rate=400, burst=300)
    await theirs.send_all(b"\n" * 1000)
    batches: list[int] = []
    while sum(batches) < 1000:
        batches.append(len(await reader.receive_batch()))
    assert batches == [100, 100, 100] + [40] * 17 + [20]
    assert trio.current_time() == pytest.approx(1.8, abs=0.01)


async def test_a_burst_smaller_than_a_tenth_of_a_second_of_the_rate_does_not_stop_the_peer(
    autojump_clock: MockClock,
) -> None:
    reader, theirs = paced(rate=1000, burst=3)
    await theirs.send_all(b"x\n" * 300)
    received = 0
    while received < 300:
        received += len(await reader.receive_batch())
    assert trio.current_time() == pytest.approx(0.297, abs=0.01)


async def test_input_that_comes_while_the_peer_is_in_debt_is_held_undecoded(
    autojump_clock: MockClock,
) -> None:
    reader, theirs = paced(rate=10, burst=1)
    reader.charge(11)
    await theirs.send_all(b"1\n2\nhalf a li")
    await theirs.send_eof()
    assert await reader.receive_batch() == ["1"]
    assert trio.current_time() == pytest.approx(1.1, abs=0.01)
    assert await reader.receive_batch() == ["2"]
    assert reader.rest == b""
    assert await reader.receive_batch() == []
    assert reader.rest == b"half a li"


async def test_nothing_of_an_http_request_is_handed_out_while_the_peer_is_in_debt(
    autojump_clock: MockClock,
) -> None:
    ours, theirs = memory_stream_pair()
    reader = PacedLineReader(ours, rate=10, burst=1, refuse_http=True)
    reader.charge(5)
    await theirs.send_all(b"GET / HTTP/1.1\r\nAnn\n")
    assert await reader.receive_batch() == []
    assert reader.end is InputEnd.HTTP
    assert reader.lines_in == 0
