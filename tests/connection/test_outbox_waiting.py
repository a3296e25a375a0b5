"""What waits for a peer that falls behind: sent in order, and bounded."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from outbox_lines import NOTICE, numbered, read_what_is_there, writers
from trionet import Outbox, WhenSlow
from trionet.testing import Link, memory_stream_pair

# A peer that falls behind


@pytest.mark.parametrize("sends_now", [True, False])
async def test_lines_that_the_link_does_not_take_are_kept_and_sent_in_order(
    sends_now: bool,
) -> None:
    ours, theirs = memory_stream_pair(Link(capacity=15, sends_now=sends_now))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery)
        lines = numbered(20)
        for line in lines:
            outbox.put(line)
            # Never more than one writer, however many puts.
            assert writers(nursery) <= 1
        await trio.testing.wait_all_tasks_blocked()
        assert writers(nursery) == 1
        if sends_now:
            assert outbox.waiting == 200 - 15
        assert await read_what_is_there(theirs) == b"".join(lines)
        assert outbox.waiting == 0
        # The writer has ended: an idle connection has none.
        assert writers(nursery) == 0
        outbox.put(b"again\n")
        assert await read_what_is_there(theirs) == b"again\n"
        assert outbox.dropped == 0


class CountingStream(trio.abc.SendStream):
    """A stream that cannot send at once and records its writes."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.go_on = trio.Event()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))
        await self.go_on.wait()

    async def wait_send_all_might_not_block(self) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        raise NotImplementedError


async def test_lines_that_wait_together_are_sent_together() -> None:
    stream = CountingStream()
    async with trio.open_nursery() as nursery:
        outbox = Outbox(stream, nursery)
        outbox.put(b"first\n")
        await trio.testing.wait_all_tasks_blocked()
        for line in numbered(1000):
            outbox.put(line)
        stream.go_on.set()
        await outbox.flush()
    assert stream.writes == [b"first\n", b"".join(numbered(1000))]


async def test_one_write_takes_no_more_than_is_useful() -> None:
    stream = CountingStream()
    stream.go_on.set()
    lines = numbered(30, size=10_000)
    async with trio.open_nursery() as nursery:
        outbox = Outbox(stream, nursery)
        for line in lines:
            outbox.put(line)
    assert b"".join(stream.writes) == b"".join(lines)
    assert max(map(len, stream.writes)) < 65_536 + 10_000
    assert len(stream.writes) < len(lines)


# Over the bound: the peer is given up


@pytest.mark.parametrize("sends_now", [True, False])
async def test_over_the_bound_the_peer_is_given_up_once_and_lost_lines_are_counted(
    sends_now: bool,
) -> None:
    ours, _ = memory_stream_pair(Link(capacity=15, sends_now=sends_now))
    calls: list[str] = []
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery, max_waiting=85, on_overflow=lambda: calls.append("overflow"))
        # The link takes one line and a half at once, or none before the writer runs.
        kept = 10 if sends_now else 8
        for line in numbered(kept):
            outbox.put(line)
        assert (outbox.broken, outbox.dropped, calls) == (False, 0, [])
        for line in numbered(5):
            outbox.put(line)
        assert (outbox.broken, calls) == (True, ["overflow"])
        # The half-sent line counts as lost.
        assert outbox.dropped == kept + 5 - (1 if sends_now else 0)
        assert outbox.waiting == 0
    assert writers(nursery) == 0


@pytest.mark.parametrize("sends_now", [True, False])
async def test_a_flush_does_not_wait_for_a_peer_that_was_given_up(sends_now: bool) -> None:
    ours, _ = memory_stream_pair(Link(capacity=15, sends_now=sends_now))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery, max_waiting=30)
        outbox.put(b"".join(numbered(4)))
        await trio.testing.wait_all_tasks_blocked()
        flushed = trio.Event()

        async def flush() -> None:
            await outbox.flush()
            flushed.set()

        nursery.start_soon(flush)
        await trio.testing.wait_all_tasks_blocked()
        outbox.put(b"".join(numbered(4)))
        assert outbox.broken
        await trio.testing.wait_all_tasks_blocked()
        assert flushed.is_set()
        # The stream is free for the code that closes it.
        await ours.send_eof()


async def test_a_link_that_takes_all_has_no_bound() -> None:
    ours, _ = memory_stream_pair(Link(capacity=1000))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery, max_waiting=1)
        outbox.put(bytes(998) + b"\n")
        assert not outbox.broken


# Over the bound: the oldest lines are dropped


async def test_the_oldest_whole_lines_are_dropped_and_a_notice_counts_them_in_their_place() -> None:
    ours, theirs = memory_stream_pair(Link(capacity=15))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery, max_waiting=35, when_slow=WhenSlow.DROP_OLDEST)
        lines = numbered(10)
        for line in lines:
            outbox.put(line)
            assert outbox.waiting <= 35
        # The link has lines 0 and half of 1, whose rest waits with the three newest.
        assert outbox.dropped == 5
        assert await read_what_is_there(theirs) == b"".join(
            [*lines[:2], b"error: missed 5 lines\n", *lines[7:]]
        )
        assert (outbox.dropped, outbox.waiting, outbox.broken) == (5, 0, False)


async def test_lines_put_together_are_dropped_one_by_one() -> None:
    ours, theirs = memory_stream_pair(Link(capacity=15))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery, max_waiting=35, when_slow=WhenSlow.DROP_OLDEST)
        lines = numbered(10)
        outbox.put(b"".join(lines[:4]))
        outbox.put(b"".join(lines[4:]))
        assert outbox.dropped == 5
        assert await read_what_is_there(theirs) == b"".join(
            [*lines[:2], b"error: missed 5 lines\n", *lines[7:]]
        )


async def test_the_notice_uses_the_callers_words() -> None:
    ours, theirs = memory_stream_pair(Link(capacity=10))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(
            ours,
            nursery,
            max_waiting=20,
            when_slow=WhenSlow.DROP_OLDEST,
            encode_notice=lambda notice: f"***\n{notice.code} {notice.reason}\n".encode(),
        )
        lines = numbered(6)
        outbox.put(b"".join(lines))
        assert await read_what_is_there(theirs) == b"".join(
            [lines[0], b"***\nmissed missed 3 lines\n", *lines[4:]]
        )


@pytest.mark.parametrize("sends_now", [True, False])
async def test_a_peer_that_misses_the_last_lines_is_told_too(sends_now: bool) -> None:
    ours, theirs = memory_stream_pair(Link(capacity=10, sends_now=sends_now))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery, max_waiting=20, when_slow=WhenSlow.DROP_OLDEST)
        outbox.put(b"123456789\n")
        await trio.testing.wait_all_tasks_blocked()
        # One line that is over the bound by itself: nothing is left waiting.
        outbox.put(b"x" * 30 + b"\n")
        assert (outbox.waiting, outbox.dropped) == (0, 1)
        assert await read_what_is_there(theirs) == b"123456789\nerror: missed 1 lines\n"
        outbox.put(b"next\n")
        assert await read_what_is_there(theirs) == b"next\n"


async def test_a_line_put_after_a_drop_does_not_overtake_the_notice() -> None:
    ours, theirs = memory_stream_pair(Link(capacity=10))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery, max_waiting=20, when_slow=WhenSlow.DROP_OLDEST)
        outbox.put(b"123456789\n")
        outbox.put(b"x" * 30 + b"\n")
        await theirs.receive_some()
        # The writer has not run yet, and there is room.
        outbox.put(b"next\n")
        assert await read_what_is_there(theirs) == b"error: missed 1 lines\nnext\n"


async def test_one_notice_reports_all_lines_missed_before_it_could_be_sent() -> None:
    ours, theirs = memory_stream_pair(Link(capacity=15))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery, max_waiting=30, when_slow=WhenSlow.DROP_OLDEST)
        lines = numbered(200)
        received = b""
        for line in lines:
            outbox.put(line)
            received += await theirs.receive_some(1)
            await trio.testing.wait_all_tasks_blocked()
            # However often the writer wakes: the rest of a line or notice, and the bound.
            assert outbox.waiting <= 30 + len(b"error: missed 99 lines\n")
        received += await read_what_is_there(theirs)
    # 15 bytes and one for each line: no more than 215 went out meanwhile.
    told = [int(count) for count in NOTICE.findall(received)]
    assert sum(told) == outbox.dropped > 100
    assert len(told) < 12
