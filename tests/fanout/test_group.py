"""Members who are put the same lines: one loop, and a count that is true for each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from trionet import Outbox
from trionet.fanout.group import Audience
from trionet.lines import Lines
from trionet.testing import Link, MemoryStream, memory_stream_pair

LINE = Lines(b"hello\n")


def plain(event: str) -> bytes:
    return event.encode() + b"\n"


def fail(box: object, error: Exception) -> None:
    pytest.fail(f"{box!r} failed: {error!r}")


class Member:
    """An outbox in an audience, and its peer."""

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
async def three() -> AsyncIterator[tuple[Audience[str], list[Member]]]:
    async with trio.open_nursery() as nursery:
        audience = Audience(plain)
        members = [Member(nursery) for _ in range(3)]
        for member in members:
            audience.add(member.outbox)
        yield audience, members


async def test_what_all_are_put_is_counted_for_each(autojump_clock: trio.abc.Clock) -> None:
    async with three() as (audience, members):
        for _ in range(2):
            assert sum(audience.deliver(LINE, without=(), on_error=fail)) == 3
        members[0].outbox.put(b"alone\n")
        for member, own in zip(members, (b"alone\n", b"", b""), strict=True):
            assert await member.received() == LINE * 2 + own
            assert member.counts() == (2 + bool(own), 12 + len(own))


async def test_who_is_left_out_gets_nothing_and_counts_nothing(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with three() as (audience, (ann, bob, _)):
        list(audience.deliver(LINE, without=[ann.outbox], on_error=fail))
        assert (ann.counts(), bob.counts()) == ((0, 0), (1, 6))
        assert await ann.received() == b""


async def test_who_leaves_keeps_its_count_and_who_comes_begins_at_its_own() -> None:
    async with three() as (audience, (ann, bob, _)):
        list(audience.deliver(LINE, without=(), on_error=fail))
        audience.discard(ann.outbox)
        list(audience.deliver(LINE, without=(), on_error=fail))
        assert (ann.counts(), bob.counts()) == ((1, 6), (2, 12))
        audience.add(ann.outbox)
        assert ann.counts() == (1, 6)
        list(audience.deliver(LINE, without=(), on_error=fail))
        assert (ann.counts(), bob.counts()) == ((2, 12), (3, 18))


async def test_who_leaves_or_comes_in_the_middle_gets_what_was_begun_before(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.abc.Clock
) -> None:
    monkeypatch.setattr("trionet.fanout.group.MEMBERS_AT_ONCE", 1)
    async with three() as (audience, (ann, bob, cid)), trio.open_nursery() as nursery:
        eve = Member(nursery)
        steps = audience.deliver(LINE, without=(), on_error=fail)
        next(steps)
        audience.discard(cid.outbox)
        audience.add(eve.outbox)
        assert list(steps) == [1, 1]
        for member, lines in ((ann, 1), (bob, 1), (cid, 1), (eve, 0)):
            assert member.counts() == (lines, 6 * lines)
            assert await member.received() == LINE * lines


async def test_a_delivery_that_is_broken_off_counts_for_whom_it_has_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trionet.fanout.group.MEMBERS_AT_ONCE", 1)
    async with three() as (audience, members):
        steps = audience.deliver(LINE, without=(), on_error=fail)
        next(steps)
        steps.close()
        assert [member.counts() for member in members] == [(1, 6), (0, 0), (0, 0)]
        audience.deliver(LINE, without=(), on_error=fail).close()
        assert [member.counts() for member in members] == [(1, 6), (0, 0), (0, 0)]


async def test_who_cannot_take_all_at_once_gets_the_rest_later(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with trio.open_nursery() as nursery:
        audience = Audience(plain)
        slow = Member(nursery, capacity=4)
        audience.add(slow.outbox)
        for _ in range(2):
            list(audience.deliver(LINE, without=(), on_error=fail))
        assert slow.counts() == (2, 4)
        assert slow.outbox.waiting == 8
        received = b""
        while len(received) < 12:
            received += await slow.received()
        assert received == LINE * 2
        assert slow.counts() == (2, 12)


async def test_whose_peer_is_gone_drops_and_counts_it() -> None:
    async with three() as (audience, (ann, bob, cid)):
        ann.stream.reset()
        bob.outbox.close()
        list(audience.deliver(LINE, without=(), on_error=fail))
        for member in (ann, bob):
            assert (member.counts(), member.outbox.dropped) == ((1, 0), 1)
        assert cid.counts() == (1, 6)


class BusyStream(MemoryStream):
    """A stream on which somebody else is sending."""

    def send_nowait(self, _data: bytes | memoryview) -> int:
        raise trio.BusyResourceError("another task is sending on this stream")


async def test_a_box_that_raises_is_told_of_and_harms_nobody() -> None:
    class BadBox:
        def put(self, _lines: bytes, /) -> None:
            raise ValueError

    failed: list[object] = []

    async with three() as (audience, (ann, bob, _)), trio.open_nursery() as nursery:
        stream, _ = memory_stream_pair()
        stream.__class__ = BusyStream
        busy = Outbox(stream, nursery)
        bad = BadBox()
        audience.add(bad)
        audience.add(busy)
        list(audience.deliver(LINE, without=(), on_error=lambda box, _: failed.append(box)))
        assert failed == [busy, bad]
        assert (ann.counts(), bob.counts()) == ((1, 6), (1, 6))
        assert (busy.lines_out, busy.bytes_out) == (0, 0)


async def test_an_outbox_that_cannot_keep_what_waits_is_told_of_and_harms_nobody() -> None:
    failed: list[object] = []
    async with three() as (audience, (ann, *_)):
        async with trio.open_nursery() as closed:
            slow = Member(closed, capacity=4)
        audience.add(slow.outbox)
        list(audience.deliver(LINE, without=(), on_error=lambda box, _: failed.append(box)))
        assert failed == [slow.outbox]
        assert ann.counts() == (1, 6)
        # Nothing waits for a writer that there is none of.
        assert slow.outbox.waiting == 0


async def test_an_outbox_in_two_audiences_counts_both() -> None:
    async with three() as (audience, (ann, *_)):
        other = Audience(plain)
        other.add(ann.outbox)
        for each in (audience, other):
            list(each.deliver(LINE, without=(), on_error=fail))
        assert ann.counts() == (2, 12)
        other.discard(ann.outbox)
        audience.discard(ann.outbox)
        assert ann.counts() == (2, 12)
        assert not other


async def test_much_to_send_weighs_more_than_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trionet.fanout.group.MEMBERS_AT_ONCE", 4)
    async with three() as (audience, members):
        assert list(audience.deliver(LINE, without=(), on_error=fail)) == [3]
        # As much as others weigh four times: one at a time.
        long = Lines(b"x" * 100_000 + b"\n")
        assert list(audience.deliver(long, without=(), on_error=fail)) == [4, 4, 4]
        for member in members:
            member.outbox.give_up()


def test_an_audience_is_true_while_somebody_is_in_it() -> None:
    class Sink:
        def put(self, lines: bytes, /) -> None:
            pass

    audience, box = Audience(plain), Sink()
    assert not audience
    audience.add(box)
    assert audience
    audience.discard(box)
    assert not audience
