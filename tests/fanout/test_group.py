"""Format groups: one loop puts the same lines to all members, and the count is right for each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from trionet import Outbox
from trionet.fanout.encoded import EncodedBatch
from trionet.fanout.group import FormatGroup
from trionet.testing import Link, MemoryStream, memory_stream_pair

LINE = b"hello\n"


def plain(event: str) -> bytes:
    return event.encode() + b"\n"


def encoded(lines: bytes) -> EncodedBatch:
    return EncodedBatch([0], [lines], [1])


def fail(box: object, error: Exception) -> None:
    pytest.fail(f"{box!r} failed: {error!r}")


class Member:
    """An outbox in a group, and its peer."""

    def __init__(self, nursery: trio.Nursery, *, capacity: int = 1000) -> None:
        self.stream, self._peer = memory_stream_pair(Link(capacity=capacity))
        self.outbox = Outbox(self.stream, nursery)

    def counts(self) -> tuple[int, int]:
        return self.outbox.lines_out, self.outbox.bytes_out

    async def received(self) -> bytes:
        with trio.move_on_after(1):
            return await self._peer.receive_some()
        return b""


@asynccontextmanager
async def three() -> AsyncIterator[tuple[FormatGroup[str], list[Member]]]:
    async with trio.open_nursery() as nursery:
        group = FormatGroup(plain)
        members = [Member(nursery) for _ in range(3)]
        for member in members:
            group.add(member.outbox)
        yield group, members


async def test_what_all_members_are_put_is_counted_for_each(autojump_clock: trio.abc.Clock) -> None:
    async with three() as (group, members):
        for _ in range(2):
            assert sum(group.deliver(encoded(LINE), without=(), on_error=fail)) == 3
        members[0].outbox.put(b"alone\n")
        for member, own in zip(members, (b"alone\n", b"", b""), strict=True):
            assert await member.received() == LINE * 2 + own
            assert member.counts() == (2 + bool(own), 12 + len(own))


async def test_a_member_that_is_left_out_gets_nothing_and_counts_nothing(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with three() as (group, (ann, bob, _)):
        list(group.deliver(encoded(LINE), without=[ann.outbox], on_error=fail))
        assert (ann.counts(), bob.counts()) == ((0, 0), (1, 6))
        assert await ann.received() == b""


async def test_a_member_keeps_its_own_count_when_it_leaves_and_when_it_joins() -> None:
    async with three() as (group, (ann, bob, _)):
        list(group.deliver(encoded(LINE), without=(), on_error=fail))
        group.discard(ann.outbox)
        list(group.deliver(encoded(LINE), without=(), on_error=fail))
        assert (ann.counts(), bob.counts()) == ((1, 6), (2, 12))
        group.add(ann.outbox)
        assert ann.counts() == (1, 6)
        list(group.deliver(encoded(LINE), without=(), on_error=fail))
        assert (ann.counts(), bob.counts()) == ((2, 12), (3, 18))


async def test_members_that_leave_or_join_during_a_delivery_do_not_change_it(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.abc.Clock
) -> None:
    monkeypatch.setattr("trionet.fanout.group.MEMBERS_AT_ONCE", 1)
    async with three() as (group, (ann, bob, cid)), trio.open_nursery() as nursery:
        eve = Member(nursery)
        steps = group.deliver(encoded(LINE), without=(), on_error=fail)
        next(steps)
        group.discard(cid.outbox)
        group.add(eve.outbox)
        assert list(steps) == [1, 1]
        for member, lines in ((ann, 1), (bob, 1), (cid, 1), (eve, 0)):
            assert member.counts() == (lines, 6 * lines)
            assert await member.received() == LINE * lines


async def test_a_delivery_that_is_closed_early_counts_for_the_members_it_has_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trionet.fanout.group.MEMBERS_AT_ONCE", 1)
    async with three() as (group, members):
        steps = group.deliver(encoded(LINE), without=(), on_error=fail)
        next(steps)
        steps.close()
        assert [member.counts() for member in members] == [(1, 6), (0, 0), (0, 0)]
        group.deliver(encoded(LINE), without=(), on_error=fail).close()
        assert [member.counts() for member in members] == [(1, 6), (0, 0), (0, 0)]


async def test_a_member_that_cannot_take_all_at_once_gets_the_rest_later(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with trio.open_nursery() as nursery:
        group = FormatGroup(plain)
        slow = Member(nursery, capacity=4)
        group.add(slow.outbox)
        for _ in range(2):
            list(group.deliver(encoded(LINE), without=(), on_error=fail))
        assert slow.counts() == (2, 4)
        assert slow.outbox.waiting == 8
        received = b""
        while len(received) < 12:
            received += await slow.received()
        assert received == LINE * 2
        assert slow.counts() == (2, 12)


async def test_lines_for_a_peer_that_is_gone_are_counted_as_dropped() -> None:
    async with three() as (group, (ann, bob, cid)):
        ann.stream.reset()
        bob.outbox.close()
        list(group.deliver(encoded(LINE), without=(), on_error=fail))
        for member in (ann, bob):
            assert (member.counts(), member.outbox.dropped) == ((1, 0), 1)
        assert cid.counts() == (1, 6)


class BusyStream(MemoryStream):
    """A stream on which another task is sending."""

    def send_nowait(self, _data: bytes | memoryview) -> int:
        raise trio.BusyResourceError("another task is sending on this stream")


async def test_a_box_that_raises_is_reported_and_harms_no_other_member() -> None:
    class BadBox:
        def put(self, _lines: bytes, /) -> None:
            raise ValueError

    failed: list[object] = []

    async with three() as (group, (ann, bob, _)), trio.open_nursery() as nursery:
        stream, _ = memory_stream_pair()
        stream.__class__ = BusyStream
        busy = Outbox(stream, nursery)
        bad = BadBox()
        group.add(bad)
        group.add(busy)
        list(group.deliver(encoded(LINE), without=(), on_error=lambda box, _: failed.append(box)))
        assert failed == [busy, bad]
        assert (ann.counts(), bob.counts()) == ((1, 6), (1, 6))
        assert (busy.lines_out, busy.bytes_out) == (0, 0)


async def test_an_outbox_that_cannot_keep_what_waits_is_reported_and_harms_no_other_member() -> (
    None
):
    failed: list[object] = []
    async with three() as (group, (ann, *_)):
        async with trio.open_nursery() as closed:
            slow = Member(closed, capacity=4)
        group.add(slow.outbox)
        list(group.deliver(encoded(LINE), without=(), on_error=lambda box, _: failed.append(box)))
        assert failed == [slow.outbox]
        assert ann.counts() == (1, 6)
        # Nothing waits for a writer that does not exist.
        assert slow.outbox.waiting == 0


async def test_an_outbox_in_two_groups_counts_both() -> None:
    async with three() as (group, (ann, *_)):
        other = FormatGroup(plain)
        other.add(ann.outbox)
        for each in (group, other):
            list(each.deliver(encoded(LINE), without=(), on_error=fail))
        assert ann.counts() == (2, 12)
        other.discard(ann.outbox)
        group.discard(ann.outbox)
        assert ann.counts() == (2, 12)
        assert not other


async def test_a_large_payload_weighs_more_than_a_small_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trionet.fanout.group.MEMBERS_AT_ONCE", 4)
    async with three() as (group, members):
        assert list(group.deliver(encoded(LINE), without=(), on_error=fail)) == [3]
        # Each weighs as much as four members with little to send: one at a time.
        long = encoded(b"x" * 100_000 + b"\n")
        assert list(group.deliver(long, without=(), on_error=fail)) == [4, 4, 4]
        for member in members:
            member.outbox.give_up()


class SlowBox:
    """A box whose peer takes `sent` bytes and no more; it records what it has to keep."""

    may_bypass_put = True

    def __init__(self, sent: int | None) -> None:
        self.direct = None if sent is None else lambda _lines: sent
        self.kept: list[tuple[bytes, int, int]] = []

    def keep_parts(self, parts: list[tuple[bytes, int]], sent: int) -> None:
        for lines, count in parts:
            if sent < len(lines):
                self.kept.append((lines, count, sent))
            sent = max(0, sent - len(lines))

    def join_count(self, _count: object) -> bool:
        return True


def test_slow_members_share_a_large_payload_in_parts_whose_lines_are_counted_once() -> None:
    group = FormatGroup(plain)
    boxes = [SlowBox(None), SlowBox(None), SlowBox(100_001)]
    for box in boxes:
        group.add(box)  # type: ignore[arg-type]
    lines = b"".join(b"%0*d\n" % (number % 200 + 1, number) for number in range(3000))
    assert sum(group.deliver(encoded(lines), without=(), on_error=fail)) > 3
    one, other, begun = (box.kept for box in boxes)
    assert b"".join(part for part, _, _ in one) == lines
    assert len(one) > 5
    for part, count, sent in one:
        assert len(part) <= 32_768
        assert count == part.count(b"\n")
        assert part.endswith(b"\n")
        assert sent == 0
    # The same objects: what waits for a thousand slow members is in memory once.
    assert all(mine[0] is theirs[0] for mine, theirs in zip(one, other, strict=True))
    assert b"".join(part[sent:] for part, _, sent in begun) == lines[100_001:]


def test_a_line_longer_than_a_part_stays_whole() -> None:
    group = FormatGroup(plain)
    box = SlowBox(None)
    group.add(box)  # type: ignore[arg-type]
    long = b"y" * 100_000 + b"\n"
    lines = b"a\n" + long + b"b\n" * 40_000
    sum(group.deliver(encoded(lines), without=(), on_error=fail))
    assert b"".join(part for part, _, _ in box.kept) == lines
    assert [part for part, _, _ in box.kept][:2] == [b"a\n", long]
    assert sum(count for _, count, _ in box.kept) == 40_002


def test_a_group_is_true_while_it_has_members() -> None:
    class Sink:
        def put(self, lines: bytes, /) -> None:
            pass

    group, box = FormatGroup(plain), Sink()
    assert not group
    group.add(box)
    assert group
    group.discard(box)
    assert not group
