from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.linequeue import LineQueue


def tell_missed(count: int) -> bytes:
    return b"missed %d\n" % count


def send(queue: LineQueue, size: int) -> bytes:
    """Send at most so many bytes of what waits, as a socket would take them."""
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


def test_what_is_not_sent_waits_again_in_front(queue: LineQueue) -> None:
    queue.put(b"one\ntwo\n")
    assert send(queue, 2) == b"on"
    queue.put(b"three\n")
    assert queue.size == 12
    assert send_all(queue) == b"e\ntwo\nthree\n"


def test_lines_can_be_put_with_a_beginning_that_is_sent_already(queue: LineQueue) -> None:
    queue.put(b"one\ntwo\n", sent=2)
    assert queue.size == 6
    assert queue.drop_oldest(1) == 1
    assert send_all(queue) == b"e\nmissed 1\n"


def test_whole_lines_are_dropped_the_oldest_first_and_told_in_their_place(
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


def test_losses_that_were_not_told_yet_are_told_together(queue: LineQueue) -> None:
    queue.put(b"one\ntwo\nthree\n")
    queue.drop_oldest(1)
    assert send(queue, 0) == b""
    queue.drop_oldest(1)
    assert send_all(queue) == b"missed 2\nthree\n"


def test_a_notice_that_has_begun_is_finished_and_the_next_loss_told_behind_it(
    queue: LineQueue,
) -> None:
    queue.put(b"one\ntwo\nthree\n")
    queue.drop_oldest(1)
    assert send(queue, 3) == b"mis"
    queue.drop_oldest(1)
    assert send_all(queue) == b"sed 1\nmissed 1\nthree\n"


def test_a_loss_of_all_that_waits_is_still_told(queue: LineQueue) -> None:
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


actions = st.one_of(
    st.tuples(st.just("put"), st.lists(st.integers(0, 12), max_size=4)),
    st.tuples(st.just("send"), st.integers(0, 40)),
    st.tuples(st.just("drop"), st.integers(0, 60)),
)


@settings(deadline=None, max_examples=300)
@given(st.lists(actions, max_size=30))
def test_every_line_comes_out_once_and_in_order_or_is_counted_in_its_place(
    script: list[tuple[str, list[int] | int]],
) -> None:
    queue = LineQueue(tell_missed)
    put: list[bytes] = []
    sent = b""
    dropped = 0
    for action, value in script:
        if isinstance(value, list):
            lines = [b"%d%s\n" % (len(put) + n, b"x" * size) for n, size in enumerate(value)]
            put += lines
            queue.put(b"".join(lines))
        elif action == "send":
            sent += send(queue, value)
        else:
            dropped += queue.drop_oldest(value)
        assert queue.size >= 0
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
