"""Members whose lines travel in frames: a batch is wrapped once for all of them."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.protocol import State
from websockets.uri import parse_uri

from hub_members import plain
from trionet import Hub, Outbox
from trionet.fanout.encoded import EncodedBatch
from trionet.fanout.group import FormatGroup
from trionet.testing import Link, MemoryStream, memory_stream_pair
from trionet.transport.web.framing import FRAMES, Frames


class Counting(Frames):
    """Counts how often something is wrapped."""

    def __init__(self) -> None:
        self.wrapped = 0

    def wrap(self, lines: bytes) -> bytes:
        self.wrapped += 1
        return super().wrap(lines)


class Taking:
    """An outbox past which a group sends; it records what it is sent."""

    may_bypass_put = True

    def __init__(self, takes: int | None = None) -> None:
        self.sent: list[bytes] = []
        self.kept: list[tuple[bytes, int]] = []
        self.takes = takes
        self.framing = FRAMES

    def direct(self, data: bytes) -> int:
        self.sent.append(data)
        return len(data) if self.takes is None else self.takes

    def keep_parts(self, parts: list[tuple[bytes, int]], _sent: int) -> None:
        self.kept += parts

    def join_count(self, _count: object) -> bool:
        return True


def fail(box: object, error: Exception) -> None:
    pytest.fail(f"{box!r} failed: {error!r}")


def lines_of(data: bytes) -> list[bytes]:
    client = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN, max_size=None)
    client.receive_data(data)
    assert client.parser_exc is None
    frames = [one for one in client.events_received() if isinstance(one, Frame)]
    return b"".join(bytes(frame.data) for frame in frames).splitlines()


def test_a_batch_is_wrapped_once_and_all_get_the_same_object() -> None:
    framing = Counting()
    group: FormatGroup[str] = FormatGroup(plain, framing=framing)
    boxes = [Taking() for _ in range(5)]
    for box in boxes:
        group.add(box)  # type: ignore[arg-type]
    batch = EncodedBatch([0], [b"one\ntwo\n"], [2])
    assert sum(group.deliver(batch, without=(), on_error=fail)) == 5
    assert framing.wrapped == 1
    assert {id(box.sent[0]) for box in boxes} == {id(boxes[0].sent[0])}
    assert boxes[0].sent == [b"\x81\x08one\ntwo\n"]


def test_slow_members_share_whole_frames_whose_lines_are_counted_once() -> None:
    group: FormatGroup[str] = FormatGroup(plain, framing=FRAMES)
    one, other = Taking(takes=0), Taking(takes=0)
    for box in one, other:
        group.add(box)  # type: ignore[arg-type]
    lines = b"".join(b"%05d\n" % number for number in range(30_000))
    sum(group.deliver(EncodedBatch([0], [lines]), without=(), on_error=fail))
    assert len(one.kept) > 4
    assert sum(count for _, count in one.kept) == 30_000
    assert all(mine[0] is theirs[0] for mine, theirs in zip(one.kept, other.kept, strict=True))
    assert b"".join(part for part, _ in one.kept) == one.sent[0]


async def read(stream: MemoryStream) -> bytes:
    data = b""
    with trio.move_on_after(1):
        while True:
            data += await stream.receive_some()
    return data


async def test_both_kinds_of_members_see_one_sequence_each_in_its_way(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with trio.open_nursery() as nursery:
        hub = Hub[str]()
        pairs = [memory_stream_pair() for _ in range(4)]
        framings = [None, FRAMES, FRAMES, None]
        boxes = [
            Outbox(ours, nursery, framing=framing)
            for (ours, _), framing in zip(pairs, framings, strict=True)
        ]
        for box in boxes:
            hub.add(box, plain)
        await nursery.start(hub.run)
        for number in range(5):
            # The one who says it does not get it; and one is told something alone.
            hub.publish(f"line {number}", exclude=boxes[number % 4])
        hub.tell(boxes[1], "for you")
        await hub.wait_delivered()
        for number, ((_, theirs), framing) in enumerate(zip(pairs, framings, strict=True)):
            data = await read(theirs)
            expected = [b"line %d" % n for n in range(5) if n % 4 != number]
            expected += [b"for you"] if number == 1 else []
            assert (data.splitlines() if framing is None else lines_of(data)) == expected
            assert boxes[number].lines_out == len(expected)
            assert boxes[number].bytes_out == len(data)
        nursery.cancel_scope.cancel()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 2000), st.booleans()), max_size=12),
    st.sampled_from([20, 300, 100_000]),
)
def test_an_outbox_that_wraps_sends_all_that_it_is_put(
    steps: list[tuple[int, int, bool]], capacity: int
) -> None:
    async def main() -> None:
        ours, theirs = memory_stream_pair(Link(capacity=capacity))
        async with trio.open_nursery() as nursery:
            box = Outbox(ours, nursery, framing=FRAMES)
            put = b""
            for kind, size, in_two in steps:
                line = b"x" * size + b"\n"
                put += line
                if kind == 0:
                    box.put(line)
                elif kind == 1:
                    pieces: list[bytes | memoryview] = [line]
                    pieces += [memoryview(line)] if in_two else []
                    put += line if in_two else b""
                    box.put_pieces(pieces, len(pieces), sum(map(len, pieces)))
                else:
                    nursery.start_soon(box.send, line)
                    await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(box.flush)
            received = b""
            while box.is_blocked or theirs.has_input():
                received += await theirs.receive_some()
            assert lines_of(received) == put.splitlines()
            assert box.bytes_out == len(received)
            assert box.lines_out == put.count(b"\n")

    trio.run(main)
