"""What waits for a slow browser: whole frames, and never the beginning or the end of one alone."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from trionet import LinesMissed, Notice, Outbox, WhenSlow
from trionet.connection.outbox_queue import LineQueue
from trionet.connection.safe_notices import SafeNotices
from trionet.testing import Link, memory_stream_pair
from trionet.transport.web.framing import FRAMES


def encode_missed(notice: Notice) -> bytes:
    assert isinstance(notice, LinesMissed)
    return b"missed %d\n" % notice.count


class Noting:
    """A format's notes: it tells exactly which lines were dropped."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def add(self, lines: bytes) -> None:
        self.lines += lines.splitlines()

    def add_all(self, later: Noting) -> None:
        self.lines += later.lines

    def encode(self) -> bytes:
        return b"".join(b"-%s\n" % line for line in self.lines)


def pong(number: int) -> bytes:
    return Frame(Opcode.PONG, b"\n%d" % number).serialize(mask=False)


def read(data: bytes) -> tuple[list[bytes], list[int]]:
    """Return the lines and the pongs that a browser reads; it must get through all of it."""
    client = ClientProtocol(parse_uri("ws://localhost/"), state=State.OPEN, max_size=None)
    client.receive_data(data)
    assert client.parser_exc is None
    lines, pongs = b"", []
    for frame in client.events_received():
        assert isinstance(frame, Frame)
        if frame.opcode == Opcode.PONG:
            pongs.append(int(frame.data))
        else:
            assert frame.opcode == Opcode.TEXT
            lines += frame.data
    return lines.splitlines(), pongs


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "put", "pong", "take", "settle", "drop"]),
            # Sizes whose frames have a 0x0A in their header are among them.
            st.one_of(st.integers(0, 40), st.integers(0, 3000), st.sampled_from([3, 2560])),
        ),
        max_size=60,
    ),
    st.sampled_from([100, 3000, 20_000]),
    st.booleans(),
)
@example([("put", 3), ("take", 0), ("settle", 1), ("put", 40), ("drop", 9)], 100, True)
def test_no_frame_is_ever_cut(script: list[tuple[str, int]], limit: int, notes: bool) -> None:
    missing = Noting if notes else None
    queue = LineQueue(SafeNotices(encode_missed, missing=missing), limit, framing=FRAMES)
    number = dropped = pongs = 0
    arrived = taken = b""
    for what, size in script:
        if what == "put":
            lines = [b"%05d%s\n" % (number + n, b"x" * (size % 700)) for n in range(size % 4 + 1)]
            number += len(lines)
            framed = FRAMES.wrap(b"".join(lines))
            # The stream may have taken the beginning, if nothing waits.
            sent = 0 if queue or taken else len(framed) // 3
            arrived += framed[:sent]
            count = len(lines) if size % 2 else None
            dropped += queue.put(framed, count=count, sent=sent, limit=limit)
        elif what == "pong":
            dropped += queue.put(pong(pongs), count=0, limit=limit)
            pongs += 1
        elif what == "drop":
            dropped += queue.drop_oldest(size)
        elif what == "take" and not taken:
            taken = queue.take()
        elif what == "settle" and taken:
            sent = size % (len(taken) + 1)
            arrived += taken[:sent]
            queue.settle(sent)
            taken = b""
        assert queue.size >= 0
    queue.settle(0)
    while queue:
        piece = queue.take()
        arrived += piece
        queue.settle(len(piece))
    assert queue.size == 0
    lines, answered = read(arrived)
    # All answers to pings come, in their order, though the lines around them were dropped.
    assert answered == list(range(pongs))
    if notes:
        numbers = [int(line.lstrip(b"-")[:5]) for line in lines]
        assert sorted(numbers) == list(range(number))
        assert sum(line.startswith(b"-") for line in lines) == dropped
        return
    # Lines stay in order. What is dropped while older ones are being sent may be told before them.
    missed = sum(int(line.split()[1]) for line in lines if line.startswith(b"missed"))
    numbers = [int(line[:5]) for line in lines if not line.startswith(b"missed")]
    assert numbers == sorted(set(numbers))
    assert missed == dropped == number - len(numbers)


def test_of_thousands_of_answers_to_pings_the_newest_are_kept() -> None:
    queue = LineQueue(SafeNotices(encode_missed), 1000, framing=FRAMES)
    for number in range(5000):
        queue.put(pong(number), count=0, limit=1000)
    assert queue.size <= 1000
    arrived = b""
    while queue:
        piece = queue.take()
        arrived += piece
        queue.settle(len(piece))
    _, pongs = read(arrived)
    assert pongs == list(range(5000 - len(pongs), 5000))
    assert len(arrived) < 10_000


def test_clear_counts_the_lines_and_not_the_bytes_of_headers() -> None:
    queue = LineQueue(SafeNotices(encode_missed), framing=FRAMES)
    # A frame of ten bytes has a 0x0A in its header.
    queue.put(FRAMES.wrap(b"123456789\n"))
    queue.put(pong(1), count=0)
    assert queue.clear() == 1


@pytest.mark.parametrize("sends_now", [True, False])
async def test_an_outbox_of_a_slow_browser_drops_whole_frames(
    sends_now: bool, autojump_clock: trio.abc.Clock
) -> None:
    link = Link(capacity=50, sends_now=sends_now)
    ours, theirs = memory_stream_pair(link)
    async with trio.open_nursery() as nursery:
        outbox = Outbox(
            ours,
            nursery,
            max_waiting=200,
            when_slow=WhenSlow.DROP_OLDEST,
            encode_notice=encode_missed,
            framing=FRAMES,
        )
        for number in range(300):
            outbox.put(b"%05d\n" % number)
            if number % 50 == 0:
                outbox.put_frame(pong(number // 50))
        outbox.put_pieces([b"last but\n", memoryview(b"one\nlast\n")], 3, 18)
        outbox.close()
        received = bytearray()
        with trio.move_on_after(1):
            async for data in theirs:
                received += data
        lines, pongs = read(bytes(received))
        assert pongs == list(range(6))
        assert lines[-3:] == [b"last but", b"one", b"last"]
        missed = sum(int(line.split()[1]) for line in lines if line.startswith(b"missed"))
        assert missed == outbox.dropped > 200
        kept = [line for line in lines if not line.startswith(b"missed")]
        assert len(kept) + missed == 303
        assert outbox.lines_out - outbox.dropped == len(kept)
        assert outbox.lines_sent == len(lines)


async def test_an_outbox_holds_lines_and_sends_them_in_one_frame() -> None:
    from trionet.connection.deferred_sends import DeferredSends

    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        deferred = DeferredSends(0)
        nursery.start_soon(deferred.run)
        await trio.testing.wait_all_tasks_blocked()
        outbox = Outbox(ours, nursery, deferred=deferred, framing=FRAMES)
        outbox.put(b"one\n")
        outbox.put(b"two\n")
        await trio.testing.wait_all_tasks_blocked()
        assert await theirs.receive_some() == b"\x81\x08one\ntwo\n"
        outbox.put(b"three\n")
        # What is held goes first.
        outbox.put_frame(pong(7))
        assert await theirs.receive_some() == b"\x81\x06three\n" + pong(7)
        nursery.cancel_scope.cancel()
