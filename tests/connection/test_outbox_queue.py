"""A queue of whole lines: bounded, in order, and compared with a model of a few lines."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trionet import LinesMissed, Notice
from trionet.connection.outbox_blocks import SMALL
from trionet.connection.outbox_queue import PIECE, LineQueue
from trionet.connection.safe_notices import SafeNotices


def encode_missed(notice: Notice) -> bytes:
    assert isinstance(notice, LinesMissed)
    return b"missed %d\n" % notice.count


tell_missed = SafeNotices(encode_missed)


def send(queue: LineQueue, size: int) -> bytes:
    """Send at most `size` bytes of what waits, as a socket would take them."""
    piece = queue.take()
    sent = piece[:size]
    queue.settle(len(sent))
    return sent


def send_all(queue: LineQueue) -> bytes:
    sent = b""
    while queue:
        sent += send(queue, 1 << 20)
    return sent


@pytest.fixture
def queue() -> LineQueue:
    return LineQueue(tell_missed)


def test_lines_come_out_in_order_and_together(queue: LineQueue) -> None:
    queue.put(b"a\nb\n")
    queue.put(b"c\n")
    assert queue.size == 6
    assert queue.take() == b"a\nb\nc\n"
    queue.settle(6)
    assert not queue
    assert queue.size == 0


def test_unsent_bytes_wait_again_in_front(queue: LineQueue) -> None:
    queue.put(b"one\ntwo\n")
    assert send(queue, 2) == b"on"
    queue.put(b"three\n")
    assert queue.size == 12
    assert send_all(queue) == b"e\ntwo\nthree\n"


def test_lines_can_be_put_after_their_beginning_was_sent(queue: LineQueue) -> None:
    queue.put(b"one\ntwo\n", sent=2)
    assert queue.size == 6
    assert queue.drop_oldest(1) == 1
    assert send_all(queue) == b"e\nmissed 1\n"


def test_the_oldest_whole_lines_are_dropped_and_reported_in_their_place(
    queue: LineQueue,
) -> None:
    queue.put(b"one\ntwo\nthree\n")
    queue.put(b"four\n")
    assert queue.drop_oldest(5) == 2
    assert queue.size == 11
    assert send_all(queue) == b"missed 2\nthree\nfour\n"


def test_a_line_whose_beginning_is_sent_is_never_dropped(queue: LineQueue) -> None:
    queue.put(b"one\ntwo\n")
    send(queue, 1)
    assert queue.drop_oldest(100) == 1
    assert send_all(queue) == b"ne\nmissed 1\n"


def test_losses_that_were_not_reported_yet_are_reported_together(queue: LineQueue) -> None:
    queue.put(b"one\ntwo\nthree\n")
    queue.drop_oldest(1)
    assert send(queue, 0) == b""
    queue.drop_oldest(1)
    assert send_all(queue) == b"missed 2\nthree\n"


def test_a_begun_notice_is_finished_and_the_next_loss_is_reported_after_it(
    queue: LineQueue,
) -> None:
    queue.put(b"one\ntwo\nthree\n")
    queue.drop_oldest(1)
    assert send(queue, 3) == b"mis"
    queue.drop_oldest(1)
    assert send_all(queue) == b"sed 1\nmissed 1\nthree\n"


def test_a_loss_of_all_that_waits_is_still_reported(queue: LineQueue) -> None:
    queue.put(b"one\n")
    assert queue.drop_oldest(4) == 1
    assert queue
    assert send_all(queue) == b"missed 1\n"


def test_clear_counts_the_lines_and_not_the_notices(queue: LineQueue) -> None:
    queue.put(b"one\ntwo\nthree\nfour\n")
    send(queue, 1)
    queue.drop_oldest(1)
    assert queue.clear() == 3
    assert not queue
    assert send_all(queue) == b""


def test_clear_while_a_piece_is_being_sent_counts_it_too(queue: LineQueue) -> None:
    queue.put(b"one\ntwo\n")
    queue.take()
    assert queue.clear() == 2
    queue.settle(8)
    assert queue.size == 0
    assert not queue


def test_over_the_limit_the_oldest_lines_are_dropped_even_those_just_put(
    queue: LineQueue,
) -> None:
    assert queue.put(b"one\ntwo\n", limit=8) == 0
    assert queue.put(b"three\n", limit=8) == 2
    assert queue.put(b"four\nfive\nsix\n", count=3, limit=9) == 2
    assert queue.size == 9
    assert send_all(queue) == b"missed 4\nfive\nsix\n"
    # Not even the last one.
    assert queue.put(b"one\nmuch too long\n", limit=8) == 2
    assert send_all(queue) == b"missed 2\n"


def test_a_large_block_is_not_copied_until_some_of_it_is_gone() -> None:
    lines = b"".join(b"%06d\n" % number for number in range(10_000))
    queues = [LineQueue(tell_missed, 65_536) for _ in range(2)]
    for queue in queues:
        queue.put(lines)
        assert next(iter(queue._blocks)) is lines
    one, other = queues
    sent = send(one, 10)
    assert all(block is not lines for block in one._blocks)
    assert one.kept <= one.size + SMALL
    assert next(iter(other._blocks)) is lines
    # Bytes that were taken and not sent wait in front of those that were not taken.
    assert sent + send_all(one) == send_all(other) == lines


class CountedBytes(bytes):
    """Bytes that record how many of them were searched for ends of lines."""

    searched = 0

    def count(self, part: bytes, begin: int = 0, end: int | None = None) -> int:  # type: ignore[override]
        end = len(self) if end is None else end
        CountedBytes.searched += end - begin
        return super().count(part, begin, end)


def test_lines_that_were_counted_before_are_not_counted_again_when_they_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(CountedBytes, "searched", 0)
    queue = LineQueue(tell_missed, 1 << 20)
    block = CountedBytes(b"%063d\n" % 7 * 512)
    # Less than a block more than the limit: in each round, one block is partly dropped.
    limit = (1 << 20) + 5000
    dropped = sum(queue.put(block, count=512, limit=limit) for _ in range(200))
    assert CountedBytes.searched == 0
    assert limit - limit // 16 <= queue.size <= limit
    assert dropped + queue.clear() == 200 * 512


def test_small_lines_are_joined_as_they_come(queue: LineQueue) -> None:
    for _ in range(10_000):
        queue.put(b"a\n")
    assert len(queue._blocks) < 10
    assert send_all(queue) == b"a\n" * 10_000


@pytest.mark.parametrize("line", [b"x" * 63 + b"\n", b"x" * 999_999 + b"\n"])
def test_a_peer_that_takes_a_little_at_a_time_costs_no_more_than_one_that_takes_all(
    line: bytes,
) -> None:
    queue = LineQueue(tell_missed, 65_536)
    lines = line * (1_000_000 // len(line))
    queue.put(lines)
    copied, received = 0, b""
    for _ in range(2000):
        piece = queue.take()
        copied += len(piece)
        received += piece[:100]
        queue.settle(min(100, len(piece)))
    assert lines.startswith(received)
    # Some 4 KiB each time, not 64 KiB and not everything.
    assert copied < 2000 * 2 * SMALL + 20 * PIECE
    assert received + send_all(queue) == lines


# The parts of a line and of a notice that cannot be dropped.
BEGUN = 20_000 + 20

actions = st.one_of(
    st.tuples(st.just("put"), st.lists(st.integers(0, 12), max_size=4)),
    st.tuples(st.just("put"), st.lists(st.sampled_from([3, 900, 5000, 20_000]), max_size=9)),
    st.tuples(st.just("send"), st.one_of(st.integers(0, 40), st.integers(0, 100_000))),
    st.tuples(st.just("drop"), st.one_of(st.integers(0, 60), st.integers(0, 50_000))),
)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(actions, max_size=30),
    st.sampled_from([None, 50, 8000, 60_000]),
    st.booleans(),
    st.lists(st.booleans(), min_size=1),
)
def test_every_line_comes_out_once_and_in_order_or_is_counted_in_its_place(
    script: list[tuple[str, list[int] | int]],
    limit: int | None,
    in_flight: bool,
    tells_counts: list[bool],
) -> None:
    queue = LineQueue(tell_missed, limit or 1 << 20)
    put: list[bytes] = []
    sent = b""
    dropped = 0
    for action, value in script:
        if isinstance(value, list):
            lines = [b"%d%s\n" % (len(put) + n, b"x" * size) for n, size in enumerate(value)]
            put += lines
            data = b"".join(lines)
            # The stream may have taken the beginning, if nothing waits.
            at_once = 0 if queue else len(data) // 3
            sent += data[:at_once]
            # And something may be on its way meanwhile, all of which will be sent.
            piece = queue.take() if in_flight and queue else b""
            count = len(lines) if tells_counts[len(put) % len(tells_counts)] else None
            dropped += queue.put(data, count=count, sent=at_once, limit=limit)
            sent += piece
            queue.settle(len(piece))
        elif action == "send":
            sent += send(queue, value)
        else:
            dropped += queue.drop_oldest(value)
        assert queue.size >= 0
        # The rest of a begun line and of a begun notice, and a block that is partly gone.
        assert queue.kept <= queue.size + queue._blocks.waste + BEGUN
        if limit is not None:
            assert queue.size <= limit + BEGUN + PIECE * in_flight
    sent += send_all(queue)
    assert queue.size == 0

    position = 0
    for line in sent.splitlines(keepends=True):
        if line.startswith(b"missed"):
            position += int(line.split()[1])
            dropped -= int(line.split()[1])
        else:
            assert line == put[position]
            position += 1
    assert position == len(put)
    assert dropped == 0


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


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "put", "take", "settle"]), st.integers(0, 5000)),
        max_size=60,
    ),
    st.sampled_from([100, 3000]),
)
@example([("put", 37), ("take", 0), ("put", 17), ("put", 41)], 100)
def test_a_format_is_handed_each_line_that_is_dropped_once(
    script: list[tuple[str, int]], limit: int
) -> None:
    queue = LineQueue(SafeNotices(encode_missed, missing=Noting), limit)
    number = dropped = 0
    arrived = b""
    taken = b""
    for what, size in script:
        if what == "put":
            lines = b"%05d%s\n" % (number, b"x" * (size % 500))
            number += 1
            dropped += queue.put(lines, limit=limit)
        elif what == "take" and not taken:
            taken = queue.take()
        elif what == "settle" and taken:
            sent = taken[: size % (len(taken) + 1)]
            arrived += sent
            queue.settle(len(sent))
            taken = b""
    queue.settle(0)
    arrived += send_all(queue)
    # What is dropped while older lines are being sent may be told in front of these.
    numbers = [int(line.lstrip(b"-")[:5]) for line in arrived.splitlines()]
    assert sorted(numbers) == list(range(number))
    assert sum(line.startswith(b"-") for line in arrived.splitlines()) == dropped


def test_a_format_that_fails_to_note_tells_a_number(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Noting):
        def add(self, lines: bytes) -> None:
            raise RuntimeError(f"no {lines!r}")

        def encode(self) -> bytes:
            raise RuntimeError("no")

    queue = LineQueue(SafeNotices(encode_missed, missing=Failing))
    queue.put(b"a\nb\nc\n")
    assert queue.drop_oldest(3) == 2
    assert send_all(queue) == b"missed 2\nc\n"
    assert "noting missed lines failed" in caplog.text
