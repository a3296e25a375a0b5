from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trionet.paced import PacedLineReader
from trionet.stream import InputEnd
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


async def test_batches_are_cut_to_what_may_be_handed_out(autojump_clock: MockClock) -> None:
    reader, theirs = paced(burst=2)
    await theirs.send_all(b"a\nb\nc\n\xff\n")
    assert await reader.receive_batch() == ["a", "b"]
    assert await reader.receive_batch() == ["c"]
    (bad,) = await reader.receive_batch()
    assert str(bad) == "line is not UTF-8"
    assert reader.lines_in == 4


async def test_who_floods_is_not_read_from_meanwhile(
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


async def test_who_keeps_to_the_rate_notices_nothing(autojump_clock: MockClock) -> None:
    reader, theirs = paced(rate=1, burst=1)
    for number in range(20):
        await theirs.send_all(b"x\n")
        await reader.receive()
        assert trio.current_time() == pytest.approx(number * 1.1)
        await trio.sleep(1.1)


async def test_stop_hands_out_at_once_what_was_received(
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


async def test_at_the_end_of_the_input_there_is_no_more(autojump_clock: MockClock) -> None:
    reader, theirs = paced()
    await theirs.send_all(b"a\n")
    await theirs.send_eof()
    assert [line async for line in reader] == ["a"]
    assert reader.end is InputEnd.EOF


async def test_who_is_slowed_down_is_not_taken_for_idle(autojump_clock: MockClock) -> None:
    reader, theirs = paced(rate=1, burst=1)
    await theirs.send_all(b"x\n" * 60)
    for _ in range(60):
        await reader.receive()
    assert reader.received_at == trio.current_time() == pytest.approx(59, abs=0.01)
    await trio.sleep(10)
    assert trio.current_time() - reader.received_at == pytest.approx(10)


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
