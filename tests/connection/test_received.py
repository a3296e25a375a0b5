"""What a reader has received and holds: bounded, and handed out in parts."""

from __future__ import annotations

import itertools
import tracemalloc

import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.connection.paced_reader import PacedLineReader
from trionet.connection.reader import LineReader
from trionet.errors import BadLine, LineUnending
from trionet.lines import PART_BYTES, PART_LINES, LineDecoder
from trionet.testing import (
    Link,
    cut_at_random,
    memory_stream_pair,
)


async def test_a_batch_is_a_bounded_part_of_what_was_received() -> None:
    near, far = memory_stream_pair(Link(capacity=1 << 20))
    reader = LineReader(near)
    count = 2 * PART_LINES + 76
    await far.send_all(b"\n" * count)
    assert len(await reader.receive_batch()) == PART_LINES
    assert reader.lines_in == reader.bytes_in == count
    assert [len(await reader.receive_batch()) for _ in range(2)] == [PART_LINES, 76]
    await far.send_all((b"x" * 999 + b"\n") * 20)
    assert len(await reader.receive_batch()) == PART_BYTES // 1000
    assert len(await reader.receive_batch()) == 20 - PART_BYTES // 1000


async def test_what_was_received_with_a_batch_can_be_taken_without_a_wait() -> None:
    near, far = memory_stream_pair(Link(capacity=1 << 20))
    reader = LineReader(near)
    assert reader.take_held() == []
    lines = [str(number) for number in range(2 * PART_LINES + 76)]
    await far.send_all("".join(f"{line}\n" for line in lines).encode() + b"unfini")
    taken = await reader.receive_batch()
    while part := reader.take_held():
        assert len(part) <= PART_LINES
        taken += part
    assert taken == lines
    await far.send_all(b"shed\n")
    assert reader.take_held() == []
    assert await reader.receive_batch() == ["unfinished"]


async def test_what_receive_has_left_over_is_held_too() -> None:
    near, far = memory_stream_pair()
    reader = LineReader(near)
    await far.send_all(b"1\n2\n3\n")
    assert await reader.receive() == "1"
    assert reader.take_held() == ["2", "3"]
    assert reader.take_held() == []


async def test_a_reader_takes_little_memory_besides_what_it_has_received() -> None:
    near, far = memory_stream_pair(Link(capacity=1 << 20))
    reader = LineReader(near)
    data = b"0123456789abcde\n" * 4096
    await far.send_all(data)
    tracemalloc.start()
    try:
        batch = await reader.receive_batch()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(batch) == PART_LINES
    assert reader.bytes_in == len(data)
    assert held < len(data) + (20 << 10)


async def test_nothing_more_is_received_while_lines_are_held() -> None:
    near, far = memory_stream_pair(Link(capacity=1 << 20))
    reader = LineReader(near)
    reader.read_size = 10_000
    await far.send_all(b"x\n" * 20_000)
    received = 0
    while received < 20_000:
        received += len(await reader.receive_batch())
        assert reader.bytes_in - 2 * received <= 10_000
    assert reader.bytes_in == 40_000


@settings(deadline=None, max_examples=150)
@given(
    pieces=st.lists(
        st.tuples(
            st.sampled_from([b"a", b"bcdef", b"\n", b"\r\n", b"\xff", b"\xc3\xa9", b"xy\n"]),
            st.integers(1, 700),
        ),
        max_size=8,
    ),
    seed=st.integers(0, 1000),
    read_size=st.integers(1, 5000),
    paced=st.booleans(),
    ways=st.lists(st.booleans(), min_size=1, max_size=5),
)
async def test_the_lines_are_the_same_however_they_are_cut_and_received(
    pieces: list[tuple[bytes, int]], seed: int, read_size: int, paced: bool, ways: list[bool]
) -> None:
    data = b"".join(piece * count for piece, count in pieces)
    near, far = memory_stream_pair(Link(capacity=1 << 20, cut=lambda: cut_at_random(seed)))
    await far.send_all(data)
    await far.send_eof()
    reader = (
        # Fast enough not to wait noticeably on the real clock.
        PacedLineReader(near, rate=1e9, burst=1 + seed, max_line=5, max_unending=1000)
        if paced
        else LineReader(near, max_line=5, max_unending=1000)
    )
    reader.read_size = read_size
    received: list[str] = []
    for one_by_one in itertools.cycle(ways):
        if one_by_one:
            try:
                received.append(await reader.receive())
            except BadLine as bad:
                received.append(str(bad))
            except trio.EndOfChannel:
                break
        else:
            batch = await reader.receive_batch()
            # The end of a line that is not to end comes with the last of its part.
            ends = any(isinstance(line, LineUnending) for line in batch)
            assert len(batch) <= PART_LINES + ends
            received += map(str, batch)
            if not batch:
                break
    expected = LineDecoder(max_line=5, max_unending=1000).feed(data)
    assert received == list(map(str, expected))
    assert reader.lines_in == len(expected)


async def test_held_lines_are_handed_out_in_parts_after_a_stop() -> None:
    near, far = memory_stream_pair()
    reader = LineReader(near)
    await far.send_all(b"x\n" * (2 * PART_LINES + 76) + b"half a li")
    assert len(await reader.receive_batch()) == PART_LINES
    reader.stop()
    assert len(await reader.receive_batch()) == PART_LINES
    assert len(await reader.receive_batch()) == 76
    assert await reader.receive_batch() == []
    assert reader.rest == b"half a li"


async def test_held_lines_can_be_dropped() -> None:
    near, far = memory_stream_pair()
    reader = LineReader(near)
    await far.send_all(b"x\n" * 1200)
    await reader.receive()
    reader.discard()
    reader.stop()
    assert await reader.receive_batch() == []


async def test_a_flood_of_bad_lines_never_becomes_thousands_of_objects() -> None:
    near, far = memory_stream_pair()
    reader = LineReader(near)
    await far.send_all(b"\xff\n" * 32_700)
    batch = await reader.receive_batch()
    assert len(batch) <= 64
    assert all(not hasattr(bad, "__dict__") or not bad.__dict__ for bad in batch)
