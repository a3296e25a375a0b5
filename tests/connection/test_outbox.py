"""Outgoing bytes: sent at once while the peer keeps up, bounded when it does not."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from outbox_lines import NOTICE, numbered, read_what_is_there, writers
from trionet import Notice, Outbox, WhenSlow
from trionet.connection.safe_notices import safe_notices
from trionet.testing import Link, MemoryStream, SendingNowMemoryStream, memory_stream_pair
from trionet.transport.sockets import SocketStream

# A peer that keeps up


async def test_lines_are_sent_at_once_and_without_a_task_while_the_peer_keeps_up() -> None:
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery)
        for line in numbered(100):
            outbox.put(line)
            assert writers(nursery) == 0
        assert outbox.waiting == 0
    assert await theirs.receive_some() == b"".join(numbered(100))


async def test_putting_nothing_does_nothing() -> None:
    for sends_now in (True, False):
        ours, _ = memory_stream_pair(Link(sends_now=sends_now))
        async with trio.open_nursery() as nursery:
            outbox = Outbox(ours, nursery)
            outbox.put(b"")
            assert writers(nursery) == 0
            assert (outbox.waiting, outbox.dropped, outbox.broken) == (0, 0, False)


async def test_a_task_that_ends_writes_to_a_stream_that_cannot_send_at_once() -> None:
    ours, theirs = memory_stream_pair(Link(sends_now=False))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery)
        outbox.put(b"one\n")
        outbox.put(b"two\n")
        assert (outbox.waiting, writers(nursery)) == (8, 1)
        # Both go in one write, because they waited together.
        assert await theirs.receive_some() == b"one\ntwo\n"
        await trio.testing.wait_all_tasks_blocked()
        assert (outbox.waiting, writers(nursery)) == (0, 0)


# Nothing raises


@pytest.mark.parametrize("sends_now", [True, False])
async def test_put_never_raises_for_a_peer_that_is_gone(sends_now: bool) -> None:
    def reset(ours: MemoryStream, theirs: MemoryStream) -> None:
        theirs.reset()

    def close(ours: MemoryStream, theirs: MemoryStream) -> None:
        ours.close()

    for end in (reset, close):
        ours, theirs = memory_stream_pair(Link(sends_now=sends_now))
        async with trio.open_nursery() as nursery:
            outbox = Outbox(ours, nursery)
            end(ours, theirs)
            outbox.put(b"one\ntwo\n")
            await outbox.flush()
            outbox.put(b"three\n")
            assert outbox.broken
            assert outbox.dropped == 3


@pytest.mark.parametrize("sends_now", [True, False])
async def test_a_peer_that_goes_while_lines_wait_breaks_the_outbox(sends_now: bool) -> None:
    ours, theirs = memory_stream_pair(Link(capacity=15, sends_now=sends_now))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery)
        for line in numbered(10):
            outbox.put(line)
        await trio.testing.wait_all_tasks_blocked()
        outbox.put(b"one more\n")
        theirs.reset()
        await outbox.flush()
        assert (outbox.broken, outbox.waiting) == (True, 0)
        # One whole line went out. Nobody knows how much of a failed send_all went out.
        assert outbox.dropped == (10 if sends_now else 11)


async def test_a_lost_notice_does_not_count_as_a_line() -> None:
    ours, theirs = memory_stream_pair(Link(capacity=10))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery, max_waiting=20, when_slow=WhenSlow.DROP_OLDEST)
        outbox.put(b"".join(numbered(6)))
        await theirs.receive_some()
        await trio.testing.wait_all_tasks_blocked()
        # Half of the notice is on the link; three lines were dropped, and two wait.
        theirs.reset()
        await trio.testing.wait_all_tasks_blocked()
        assert outbox.dropped == 5


async def test_after_close_waiting_lines_are_sent_and_later_puts_are_counted() -> None:
    ours, theirs = memory_stream_pair(Link(capacity=15))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery)
        lines = numbered(5)
        outbox.put(b"".join(lines))
        outbox.close()
        outbox.put(b"one\ntwo\n")
        assert outbox.dropped == 2
        assert await read_what_is_there(theirs) == b"".join(lines)
        assert not outbox.broken


async def test_after_a_cancelled_writer_no_line_follows_the_half_sent_one() -> None:
    ours, theirs = memory_stream_pair(Link(capacity=15))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery)
        outbox.put(b"".join(numbered(3)))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert (outbox.broken, outbox.dropped, outbox.waiting) == (True, 2, 0)
    assert await read_what_is_there(theirs) == b"".join(numbered(2))[:15]
    outbox.put(b"x\n")
    assert outbox.dropped == 3


# Waiting


@pytest.mark.parametrize("sends_now", [True, False])
async def test_flush_waits_until_all_is_sent(sends_now: bool) -> None:
    ours, theirs = memory_stream_pair(Link(capacity=15, sends_now=sends_now))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery)
        with trio.testing.assert_checkpoints():
            await outbox.flush()
        outbox.put(b"".join(numbered(4)))
        flushed: list[int] = []

        async def flush(number: int) -> None:
            await outbox.flush()
            flushed.append(number)

        for number in range(2):
            nursery.start_soon(flush, number)
        await trio.testing.wait_all_tasks_blocked()
        assert await theirs.receive_some(20) == b"".join(numbered(2))[:15]
        await trio.testing.wait_all_tasks_blocked()
        assert not flushed
        await read_what_is_there(theirs)
        assert sorted(flushed) == [0, 1]


async def test_a_cancelled_flush_loses_nothing() -> None:
    ours, theirs = memory_stream_pair(Link(capacity=15))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery)
        lines = numbered(4)
        outbox.put(b"".join(lines))
        with trio.CancelScope() as scope:
            scope.cancel()
            await outbox.flush()
        assert await read_what_is_there(theirs) == b"".join(lines)


@pytest.mark.parametrize("sends_now", [True, False])
async def test_send_waits_until_its_lines_are_sent_after_those_that_wait(sends_now: bool) -> None:
    ours, theirs = memory_stream_pair(Link(capacity=15, sends_now=sends_now))
    async with trio.open_nursery() as nursery:
        # The bound is for producers that do not wait.
        outbox = Outbox(ours, nursery, max_waiting=40)
        lines = numbered(10)
        outbox.put(b"".join(lines[:3]))
        sent = trio.Event()

        async def send() -> None:
            await outbox.send(b"".join(lines[3:]))
            sent.set()

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        assert not sent.is_set()
        assert await read_what_is_there(theirs) == b"".join(lines)
        assert sent.is_set()
        with trio.testing.assert_checkpoints():
            await outbox.send(b"x\n")


@pytest.mark.parametrize("sends_now", [True, False])
async def test_send_raises_if_the_peer_is_gone_or_leaves(sends_now: bool) -> None:
    ours, theirs = memory_stream_pair(Link(capacity=15, sends_now=sends_now))

    async def expect_broken(outbox: Outbox) -> None:
        with pytest.raises(trio.BrokenResourceError):
            await outbox.send(b"".join(numbered(3)))

    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery)
        nursery.start_soon(expect_broken, outbox)
        await trio.testing.wait_all_tasks_blocked()
        theirs.reset()
        await trio.testing.wait_all_tasks_blocked()
        await expect_broken(outbox)


async def test_send_raises_when_the_peer_is_given_up_meanwhile() -> None:
    ours, _ = memory_stream_pair(Link(capacity=15))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery, max_waiting=30)

        async def send() -> None:
            with pytest.raises(trio.BrokenResourceError):
                await outbox.send(b"".join(numbered(3)))

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        outbox.put(b"".join(numbered(4)))
        assert not outbox.broken, "what is waited for does not count against the bound"
        outbox.put(b"".join(numbered(4)))


async def test_send_on_a_closed_outbox_raises() -> None:
    ours, _ = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery)
        outbox.close()
        with pytest.raises(trio.ClosedResourceError):
            await outbox.send(b"late\n")


class SharedStream(SendingNowMemoryStream):
    """A stream on which another task is sending by the time the outbox's writer runs."""

    async def wait_writable(self) -> None:
        await super().wait_writable()
        self._sending = True


async def test_another_sender_on_the_stream_breaks_only_this_outbox(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ours, theirs = memory_stream_pair(Link(capacity=15))
    ours.__class__ = SharedStream
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery)
        outbox.put(b"".join(numbered(4)))
        await theirs.receive_some()
        await outbox.flush()
        assert outbox.broken
    assert "another task sends" in caplog.text


async def test_a_cancelled_send_leaves_its_lines_to_be_sent() -> None:
    ours, theirs = memory_stream_pair(Link(capacity=15))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery)
        lines = numbered(4)
        with trio.CancelScope() as scope:
            scope.cancel()
            await outbox.send(b"".join(lines))
        assert await read_what_is_there(theirs) == b"".join(lines)


# Properties


@dataclass
class Script:
    """What happens: how many bytes the peer reads, or the sizes of the lines that are put."""

    capacity: int
    bound: int
    sends_now: bool
    steps: list[int | list[int]]
    lines: list[bytes] = field(default_factory=list)
    received: bytes = b""

    async def play(self, when_slow: WhenSlow, check: Callable[[Outbox], None]) -> Outbox:
        ours, theirs = memory_stream_pair(Link(capacity=self.capacity, sends_now=self.sends_now))
        async with trio.open_nursery() as nursery:
            outbox = Outbox(ours, nursery, max_waiting=self.bound, when_slow=when_slow)
            for step in self.steps:
                if isinstance(step, list):
                    new = [b"%d:%s\n" % (len(self.lines) + n, b"x" * s) for n, s in enumerate(step)]
                    self.lines += new
                    outbox.put(b"".join(new))
                elif step:
                    with trio.move_on_after(1):
                        self.received += await theirs.receive_some(step)
                else:
                    await trio.testing.wait_all_tasks_blocked()
                check(outbox)
            while not outbox.broken and (outbox.waiting or writers(nursery)):
                with trio.move_on_after(1):
                    self.received += await theirs.receive_some()
            await outbox.flush()
        await ours.aclose()
        with trio.move_on_after(1):
            while data := await theirs.receive_some():
                self.received += data
        return outbox


scripts = st.builds(
    Script,
    capacity=st.integers(1, 60),
    bound=st.integers(1, 150),
    sends_now=st.booleans(),
    steps=st.lists(
        st.one_of(
            st.integers(0, 40),
            st.lists(st.integers(0, 30), min_size=1, max_size=6),
        ),
        max_size=40,
    ),
)


@settings(deadline=None, max_examples=150)
@given(script=scripts)
def test_a_peer_reads_every_line_in_order_or_is_told_how_many_it_missed(script: Script) -> None:
    # Beyond the bound: the rest of one begun line, and of one notice.
    def check(outbox: Outbox) -> None:
        assert 0 <= outbox.waiting <= max(script.bound, 36) + len(b"error: missed 999 lines\n")

    outbox = trio.run(
        script.play,
        WhenSlow.DROP_OLDEST,
        check,
        clock=trio.testing.MockClock(autojump_threshold=0),
    )
    position = missed = 0
    for line in script.received.splitlines(keepends=True):
        notice = NOTICE.fullmatch(line)
        if notice:
            missed += int(notice[1])
            position += int(notice[1])
        else:
            assert line == script.lines[position]
            position += 1
    assert position == len(script.lines)
    assert missed == outbox.dropped
    assert outbox.lines_sent == script.received.count(b"\n")
    assert (outbox.waiting, outbox.broken) == (0, False)


@settings(deadline=None, max_examples=100)
@given(script=scripts)
def test_a_peer_that_is_given_up_has_read_a_prefix_and_the_rest_is_counted(
    script: Script,
) -> None:
    def check(outbox: Outbox) -> None:
        assert 0 <= outbox.waiting <= script.bound

    outbox = trio.run(
        script.play,
        WhenSlow.DISCONNECT,
        check,
        clock=trio.testing.MockClock(autojump_threshold=0),
    )
    everything = b"".join(script.lines)
    assert everything.startswith(script.received)
    whole = script.received.count(b"\n")
    if not outbox.broken:
        assert script.received == everything
    if script.sends_now:
        assert whole + outbox.dropped == len(script.lines)
    else:
        # Nobody knows how much of a failed send_all went out.
        assert whole + outbox.dropped >= len(script.lines)


async def test_a_string_is_refused_and_the_error_says_what_to_do() -> None:
    ours, _ = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        with pytest.raises(TypeError, match=r"takes bytes, such as trionet\.encode_line"):
            Outbox(ours, nursery).put("text")  # type: ignore[arg-type]


@pytest.mark.parametrize("lines", [b"no end", b"one\ntwo", "text\n", None, memoryview(b"a\n")])
async def test_anything_but_whole_lines_is_refused_and_nothing_of_it_is_sent(lines: Any) -> None:
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery)
        error = ValueError if isinstance(lines, bytes) else TypeError
        with pytest.raises(error, match=r"trionet\.encode_line"):
            outbox.put(lines)
        with pytest.raises(error):
            await outbox.send(lines)
        outbox.put(b"")
        outbox.put(b"whole\n")
        assert (outbox.lines_out, outbox.bytes_out, outbox.dropped) == (1, 6, 0)
        assert await theirs.receive_some() == b"whole\n"


@pytest.mark.parametrize("result", [None, "text\n", b"no end", b"", ZeroDivisionError])
@pytest.mark.parametrize("sends_now", [True, False])
async def test_a_failing_encode_notice_is_logged_once_and_the_peer_is_told_all_the_same(
    sends_now: bool, result: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def encode(notice: Notice) -> bytes:
        return bytes(1 // 0) if result is ZeroDivisionError else result

    shared = safe_notices(encode)
    assert safe_notices(shared) is shared
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            ours, theirs = memory_stream_pair(Link(capacity=10, sends_now=sends_now))
            outbox = Outbox(
                ours, nursery, max_waiting=20, when_slow=WhenSlow.DROP_OLDEST, encode_notice=shared
            )
            for _ in range(3):
                outbox.put(b"".join(numbered(6)))
                await trio.testing.wait_all_tasks_blocked()
            received = await read_what_is_there(theirs)
            told = sum(int(count) for count in NOTICE.findall(received))
            assert told == outbox.dropped > 0
            assert (outbox.broken, outbox.waiting) == (False, 0)
    (record,) = caplog.records
    assert record.name == "trionet.connection"
    assert "encode_notice failed" in record.getMessage()


async def test_an_outbox_shows_its_state() -> None:
    ours, _ = memory_stream_pair(Link(capacity=15), names=("here", "there"))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery, max_waiting=20, when_slow=WhenSlow.DROP_OLDEST)
        outbox.put(b"".join(numbered(6)))
        assert repr(outbox) == (
            "<trionet.Outbox to there: open, 6 lines (15 bytes) out, 15 bytes waiting, "
            "3 lines dropped>"
        )
        outbox.close()
        assert "closed" in repr(outbox)
        outbox.give_up()
        assert "broken" in repr(outbox)


@pytest.mark.parametrize(("sends_now", "most"), [(True, 65_536), (False, 32_768)])
async def test_bytes_inside_the_stream_count_if_lines_can_be_dropped(
    sends_now: bool, most: int
) -> None:
    ours, _ = memory_stream_pair(Link(capacity=1, sends_now=sends_now))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery, max_waiting=65_536, when_slow=WhenSlow.DROP_OLDEST)
        outbox.put(b"".join(numbered(20_000)))
        assert most - 20 < outbox.waiting <= most
        outbox.give_up()


async def test_slow_members_keep_one_copy_of_a_large_line_that_they_are_told() -> None:
    async with trio.open_nursery() as nursery:
        answer = b"x" * 60_000 + b"\n"
        outboxes = []
        for _ in range(3):
            ours, _ = memory_stream_pair(Link(capacity=15))
            outboxes.append(Outbox(ours, nursery))
            outboxes[-1].put(b"".join(numbered(2)))
            before = memoryview(b"a line\n" * 5)
            outboxes[-1].put_pieces([before, answer, before], 11, len(answer) + 70)
        for outbox in outboxes:
            assert outbox._queue is not None
            assert [block for block in outbox._queue._blocks if block is answer]
            outbox.give_up()


# Sockets, and lines in pieces


@asynccontextmanager
async def on_a_socket() -> AsyncIterator[tuple[Outbox, socket.socket, trio.Nursery]]:
    """Yield an outbox on a stream that sends directly, its peer, and its nursery."""
    near, far = socket.socketpair()
    with far:
        far.setblocking(False)
        async with trio.open_nursery() as nursery, SocketStream(near, peer="far") as stream:
            yield Outbox(stream, nursery, max_waiting=1 << 24), far, nursery


async def read_socket(sock: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        await trio.lowlevel.wait_readable(sock)
        received += sock.recv(1 << 20)
    return received


async def test_on_a_socket_bytes_that_the_kernel_does_not_take_are_sent_later_and_counted() -> None:
    async with on_a_socket() as (outbox, far, nursery):
        lines = numbered(200, size=10_000)
        for number, line in enumerate(lines):
            if number % 2:
                outbox.put(line)
            else:
                outbox.put_pieces([line[:3], memoryview(line)[3:]], 1, len(line))
        assert writers(nursery) == 1
        assert 0 < outbox.waiting == 2_000_000 - outbox.bytes_out
        assert await read_socket(far, 2_000_000) == b"".join(lines)
        await outbox.flush()
        assert (outbox.lines_out, outbox.bytes_out, outbox.waiting) == (200, 2_000_000, 0)
        # And now at once again.
        outbox.put(b"again\n")
        assert far.recv(100) == b"again\n"


@pytest.mark.parametrize("in_pieces", [False, True])
@pytest.mark.parametrize(
    "why", ["the peer has closed", "this side has closed", "sending was ended"]
)
async def test_on_a_socket_that_takes_no_more_lines_are_dropped_and_counted(
    why: str, in_pieces: bool
) -> None:
    async with on_a_socket() as (outbox, far, _):
        stream = outbox._stream
        assert isinstance(stream, SocketStream)
        outbox.put(b"before\n")
        if why == "the peer has closed":
            far.close()
        elif why == "this side has closed":
            stream.close()
        else:
            await stream.send_eof()
        if in_pieces:
            outbox.put_pieces([b"one\n", b"two\n"], 2, 8)
        else:
            outbox.put(b"one\ntwo\n")
        assert outbox.broken
        assert (outbox.lines_out, outbox.bytes_out, outbox.dropped) == (3, 7, 2)


@pytest.mark.parametrize("count", [1, 16, 17, 3000])
async def test_any_number_of_pieces_goes_out_together(count: int) -> None:
    async with on_a_socket() as (outbox, far, _):
        pieces = numbered(count)
        outbox.put_pieces(pieces, count, 10 * count)
        assert outbox.waiting == 0
        assert far.recv(1 << 20) == b"".join(pieces)
        assert (outbox.lines_out, outbox.bytes_out) == (count, 10 * count)


@pytest.mark.parametrize("sends_now", [True, False])
async def test_pieces_go_out_on_any_stream(sends_now: bool) -> None:
    ours, theirs = memory_stream_pair(Link(capacity=7, sends_now=sends_now))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(ours, nursery)
        outbox.put_pieces([b"on", b"e\n", memoryview(b"two\nthree\n")], 3, 14)
        assert await read_what_is_there(theirs) == b"one\ntwo\nthree\n"
        assert (outbox.lines_out, outbox.bytes_out) == (3, 14)
