"""Lines from any stream, however its bytes come: complete, in order, and bounded."""

from __future__ import annotations

import errno
import gc
import math
import os
import weakref
from collections.abc import Callable

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from socket_pairs import real_pair, reset
from trionet.abc import Interruptible, SendsNow
from trionet.connection.input_end import InputEnd, why_lost
from trionet.connection.linestream import LineStream
from trionet.connection.reader import LineReader
from trionet.errors import BadLine, LineNotUTF8, LineTooLong, LineUnending
from trionet.lines import LineDecoder
from trionet.testing import (
    Link,
    SendingNowMemoryStream,
    cut_at,
    cut_at_random,
    cut_bytes,
    memory_stream_pair,
)
from trionet.transport.sockets import SocketStream


class Pushed(trio.abc.ReceiveStream):
    """Input that comes without a checkpoint in between, and cannot be interrupted."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[bytes](10)
        self.push = self._send.send_nowait

    async def receive_some(self, _max_bytes: int | None = None) -> bytes:
        return await self._receive.receive()

    async def aclose(self) -> None:
        await self._receive.aclose()


class InterruptedTooLate(Pushed):
    """The same, with an interrupt that finds nobody waiting, because input has already come."""

    def interrupt_receive(self) -> None:
        pass


Pair = Callable[[], tuple[trio.abc.HalfCloseableStream, trio.abc.HalfCloseableStream]]
# With the Interruptible capability and without it.
both_pairs = pytest.mark.parametrize(
    "pair", [memory_stream_pair, trio.testing.memory_stream_pair], ids=["interruptible", "plain"]
)


# --- reading ---


@both_pairs
async def test_lines_are_iterated_until_the_end_of_the_input(pair: Pair) -> None:
    near, far = pair()
    await far.send_all(b"Ann\r\n12 + 42\n\nunfinished")
    await far.send_eof()
    reader = LineReader(near)
    assert [line async for line in reader] == ["Ann", "12 + 42", ""]
    assert reader.end is InputEnd.EOF
    assert reader.rest == b"unfinished"
    with pytest.raises(trio.EndOfChannel):
        await reader.receive()
    assert await reader.receive_batch() == []


async def test_a_batch_has_all_lines_that_are_there_good_and_bad() -> None:
    near, far = memory_stream_pair()
    reader = LineReader(near, max_line=4)
    await far.send_all(b"1\n\xff\n22222\n3\n4")
    one, not_utf8, too_long, three = await reader.receive_batch()
    assert (one, three) == ("1", "3")
    assert isinstance(not_utf8, LineNotUTF8)
    assert isinstance(too_long, LineTooLong)
    await far.send_all(b"\n5\n")
    assert await reader.receive_batch() == ["4", "5"]
    assert reader.end is None


async def test_a_batch_after_single_lines_has_the_remaining_ones() -> None:
    near, far = memory_stream_pair()
    reader = LineReader(near)
    await far.send_all(b"1\n2\n3\n")
    assert await reader.receive() == "1"
    assert await reader.receive_batch() == ["2", "3"]


@settings(deadline=None, max_examples=50)
@given(
    pieces=st.lists(st.sampled_from([b"a", b"bcdef", b"\n", b"\r\n", b"\xff", b"\xc3\xa9"])),
    seed=st.integers(0, 1000),
)
async def test_the_lines_do_not_depend_on_how_the_stream_cuts_them(
    pieces: list[bytes], seed: int
) -> None:
    data = b"".join(pieces)
    near, far = memory_stream_pair(Link(capacity=1000, cut=lambda: cut_at_random(seed)))
    await far.send_all(data)
    await far.send_eof()
    reader = LineReader(near, max_line=5)
    received = []
    while batch := await reader.receive_batch():
        received += [str(line) for line in batch]
    assert received == [str(line) for line in LineDecoder(max_line=5).feed(data)]


async def test_a_bad_line_that_was_raised_and_handled_is_not_kept_alive() -> None:
    near, far = memory_stream_pair()
    reader = LineReader(near)
    await far.send_all(b"\xff\n")
    gc.disable()
    try:
        try:
            await reader.receive()
        except BadLine as bad:
            kept = weakref.ref(bad)
        assert kept() is None
    finally:
        gc.enable()


async def test_waiting_since_tells_how_long_the_reader_has_waited_for_the_peer(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, far = memory_stream_pair()
    reader = LineReader(near)
    assert reader.waiting_since == 0
    await trio.sleep(5)
    with trio.move_on_after(1):
        await reader.receive()
    assert reader.waiting_since == 5
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def send_slowly() -> None:
            await trio.sleep(1)
            await far.send_all(b"half a ")
            await trio.sleep(1)
            await far.send_all(b"line\n")

        assert await reader.receive() == "half a line"
        assert reader.waiting_since == math.inf
        await trio.sleep(3)
        assert reader.waiting_since == math.inf
        with trio.move_on_after(1):
            await reader.receive()
    assert reader.waiting_since == 11


async def test_its_repr_shows_the_peer_and_the_number_of_lines() -> None:
    near, far = memory_stream_pair(names=("127.0.0.1:7000", "127.0.0.1:49152"))
    reader = LineReader(near)
    assert repr(reader) == "<LineReader from 127.0.0.1:49152, waiting, 0 lines, 0 bytes in>"
    await far.send_all(b"1\n2\n")
    await reader.receive()
    assert repr(reader) == "<LineReader from 127.0.0.1:49152, busy, 2 lines, 4 bytes in>"
    reader.stop()
    assert repr(reader) == (
        "<LineReader from 127.0.0.1:49152, ended: this side stopped reading, 2 lines, 4 bytes in>"
    )
    assert repr(LineStream(trio.testing.memory_stream_pair()[0])) == (
        "<LineStream from unknown peer, waiting, 0 lines, 0 bytes in>"
    )


async def test_a_batch_waits_for_a_whole_line() -> None:
    near, far = memory_stream_pair(Link(cut=lambda: cut_bytes(1)))
    await far.send_all("€\r\nrest".encode())
    assert await LineReader(near).receive_batch() == ["€"]


async def test_receiving_is_always_a_checkpoint() -> None:
    near, far = memory_stream_pair()
    reader = LineReader(near)
    await far.send_all(b"1\n2\n3\n")
    await far.send_eof()
    for _ in range(2):
        with trio.testing.assert_checkpoints():
            await reader.receive()
    for _ in range(3):
        with trio.testing.assert_checkpoints():
            await reader.receive_batch()


async def test_cancelling_loses_no_line() -> None:
    near, far = memory_stream_pair()
    reader = LineReader(near)
    await far.send_all(b"1\n2\n")
    for receive in (reader.receive, reader.receive_batch):
        with trio.CancelScope() as scope:
            scope.cancel()
            await receive()
        assert scope.cancelled_caught
    assert await reader.receive() == "1"
    with trio.CancelScope() as scope:
        scope.cancel()
        await reader.receive_batch()
    assert scope.cancelled_caught
    assert await reader.receive() == "2"


async def test_a_bad_line_is_raised_and_the_next_one_can_be_received() -> None:
    near, far = memory_stream_pair()
    reader = LineReader(near, max_line=4)
    await far.send_all(b"\xff\n22222\ngood\n")
    with pytest.raises(LineNotUTF8):
        await reader.receive()
    with pytest.raises(LineTooLong):
        await reader.receive()
    assert await reader.receive() == "good"


async def test_on_bad_line_gets_each_bad_line_in_its_place() -> None:
    heard: list[str] = []

    async def answer(bad: BadLine) -> None:
        await trio.lowlevel.checkpoint()
        heard.append(f"error: {bad}")

    near, far = memory_stream_pair()
    await far.send_all(b"1\n\xff\n2\n" + b"x" * 10 + b"\n3\n")
    await far.send_eof()
    # One by one, because it matters what came in between.
    async for line in LineReader(near, max_line=4, on_bad_line=answer):
        heard += [line]
    assert heard == [
        "1",
        "error: line is not UTF-8",
        "2",
        "error: line is longer than 4 bytes",
        "3",
    ]


async def test_an_over_long_line_is_reported_while_it_is_still_being_sent() -> None:
    near, far = memory_stream_pair()
    await far.send_all(b"a" * 4097)
    with pytest.raises(LineTooLong):
        await LineReader(near).receive()


async def test_a_reset_ends_the_input() -> None:
    near, far = memory_stream_pair()
    reader = LineReader(near)
    far.reset()
    assert await reader.receive_batch() == []
    assert reader.end is InputEnd.RESET
    assert reader.end.peer_has_ended


async def test_a_reset_of_a_real_connection_ends_the_input() -> None:
    near, far = real_pair()
    async with LineReader(near) as reader:
        far.sendall(b"before\n")
        assert await reader.receive() == "before"
        reset(far)
        with pytest.raises(trio.EndOfChannel):
            await reader.receive()
        assert reader.end is InputEnd.RESET


async def test_a_peer_that_sends_no_end_of_line_ends_the_input() -> None:
    near, far = memory_stream_pair()
    reader = LineReader(near, max_line=4, max_unending=8)
    await far.send_all(b"1\n" + b"x" * 100 + b"\n2\n")
    assert await reader.receive() == "1"
    with pytest.raises(LineTooLong):
        await reader.receive()
    assert reader.end is InputEnd.UNENDING
    with pytest.raises(LineUnending):
        await reader.receive()
    with pytest.raises(trio.EndOfChannel):
        await reader.receive()
    assert not reader.end.peer_has_ended


async def test_a_stream_that_this_side_closed_raises_closed_resource_error() -> None:
    near, far = memory_stream_pair()
    reader = LineReader(near)
    await reader.aclose()
    for receive in (reader.receive, reader.receive_batch):
        with pytest.raises(trio.ClosedResourceError):
            await receive()
    assert reader.end is None
    assert await far.receive_some() == b""


def test_peer_has_ended_is_true_only_for_ends_that_came_from_the_peer() -> None:
    assert {end for end in InputEnd if end.peer_has_ended} == {
        InputEnd.EOF,
        InputEnd.TRUNCATED,
        InputEnd.UNCERTIFIED,
        InputEnd.UNTRUSTED,
        InputEnd.RESET,
        InputEnd.VANISHED,
        InputEnd.TLS,
        InputEnd.UNCERTIFIED,
        InputEnd.UNTRUSTED,
    }


async def test_without_a_rate_a_charge_costs_nothing() -> None:
    near, far = memory_stream_pair()
    reader = LineReader(near)
    await far.send_all(b"1\n2\n")
    with trio.testing.assert_no_checkpoints():
        reader.charge(1000)
    assert await reader.receive_batch() == ["1", "2"]
    with pytest.raises(ValueError, match="must not be negative"):
        reader.charge(-1)


# --- HTTP ---


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nAnn\nhello\n",
        b"GET /" + b"a" * 5000,
        b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\nAnn\n",
        b"GET /\xff HTTP/1.1\r\nAnn\n",
    ],
    ids=["post", "long, unfinished", "long", "not UTF-8"],
)
@pytest.mark.parametrize("size", [1, 1000, 100_000])
async def test_an_http_request_ends_the_input_and_none_of_its_lines_is_handed_out(
    request_bytes: bytes, size: int
) -> None:
    near, far = memory_stream_pair(Link(cut=lambda: cut_bytes(size)))
    await far.send_all(request_bytes)
    reader = LineReader(near, refuse_http=True)
    assert await reader.receive_batch() == []
    assert reader.end is InputEnd.HTTP
    assert not reader.end.peer_has_ended
    with pytest.raises(trio.EndOfChannel):
        await reader.receive()


async def test_only_the_first_line_is_judged() -> None:
    near, far = memory_stream_pair(Link(cut=lambda: cut_at([5])))
    await far.send_all(b"Ann\r\nGET / HTTP/1.1\n")
    reader = LineReader(near, refuse_http=True)
    assert await reader.receive() == "Ann"
    assert await reader.receive() == "GET / HTTP/1.1"


async def test_an_http_request_is_a_line_like_any_other_unless_it_is_refused() -> None:
    near, far = memory_stream_pair()
    await far.send_all(b"GET / HTTP/1.1\n")
    assert await LineReader(near).receive() == "GET / HTTP/1.1"


# --- stop ---


@both_pairs
async def test_stop_wakes_a_task_that_waits_and_leaves_the_stream_open(pair: Pair) -> None:
    near, far = pair()
    reader = LineReader(near)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def read() -> None:
            assert [line async for line in reader] == ["early"]

        await far.send_all(b"early\nhalf a li")
        await trio.testing.wait_all_tasks_blocked()
        with trio.testing.assert_no_checkpoints():
            reader.stop()
    assert reader.end is InputEnd.STOPPED
    assert reader.rest == b"half a li"
    await near.send_all(b"bye\n")
    assert await far.receive_some() == b"bye\n"
    await far.send_all(b"ne")
    assert await near.receive_some() == b"ne"


@both_pairs
async def test_lines_received_before_stop_are_still_handed_out(pair: Pair) -> None:
    near, far = pair()
    reader = LineReader(near)
    await far.send_all(b"1\n2\n3\n")
    assert await reader.receive() == "1"
    await far.send_all(b"4\n")
    reader.stop(InputEnd.SLOW)
    assert [line async for line in reader] == ["2", "3"]
    assert reader.end is InputEnd.SLOW


@both_pairs
async def test_stop_before_the_first_read_is_an_empty_input(pair: Pair) -> None:
    near, far = pair()
    await far.send_all(b"1\n")
    reader = LineReader(near)
    reader.stop()
    assert await reader.receive_batch() == []


async def test_stop_does_not_change_the_reason_of_an_input_that_has_ended() -> None:
    near, far = memory_stream_pair()
    await far.send_eof()
    reader = LineReader(near)
    assert await reader.receive_batch() == []
    reader.stop()
    assert reader.end is InputEnd.EOF


@pytest.mark.parametrize("kind", [Pushed, InterruptedTooLate])
async def test_stop_at_the_moment_when_half_a_line_arrives_does_not_wait_for_the_rest(
    autojump_clock: trio.testing.MockClock, kind: type[Pushed]
) -> None:
    stream = kind()
    reader = LineReader(stream)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def read() -> None:
                assert await reader.receive_batch() == []

            await trio.testing.wait_all_tasks_blocked()
            stream.push(b"half a li")
            reader.stop()
    assert reader.end is InputEnd.STOPPED
    assert reader.rest == b"half a li"


@pytest.mark.parametrize("kind", [Pushed, InterruptedTooLate])
async def test_a_line_that_arrives_at_the_moment_of_stop_is_still_handed_out(
    kind: type[Pushed],
) -> None:
    stream = kind()
    reader = LineReader(stream)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def read() -> None:
            assert [line async for line in reader] == ["just in time"]

        await trio.testing.wait_all_tasks_blocked()
        stream.push(b"just in time\n")
        reader.stop()


async def test_stop_of_a_real_connection_wakes_the_reader_and_not_the_writer() -> None:
    near, far = real_pair()
    with far:
        async with LineStream(near) as lines, trio.open_nursery() as nursery:

            @nursery.start_soon
            async def read() -> None:
                assert [line async for line in lines] == []

            await trio.testing.wait_all_tasks_blocked()
            lines.stop()
            await lines.send("still open")
            assert far.recv(100) == b"still open\n"


async def test_an_interrupt_without_a_stop_is_ignored() -> None:
    near, far = memory_stream_pair()
    reader = LineReader(near)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def read() -> None:
            assert await reader.receive() == "line"

        await trio.testing.wait_all_tasks_blocked()
        near.interrupt_receive()
        await trio.testing.wait_all_tasks_blocked()
        await far.send_all(b"line\n")


@pytest.mark.parametrize("kind", [SocketStream, SendingNowMemoryStream])
def test_the_streams_of_trionet_have_both_capabilities(
    kind: type[SocketStream] | type[SendingNowMemoryStream],
) -> None:
    # mypy checks here that the types agree.
    sends_now: type[SendsNow] = kind
    interruptible: type[Interruptible] = kind
    assert callable(sends_now.send_nowait)
    assert callable(sends_now.wait_writable)
    assert callable(interruptible.interrupt_receive)


class Breaks(trio.abc.ReceiveStream):
    """Input that ends with an error from the kernel."""

    def __init__(self, number: int) -> None:
        self._number = number

    async def receive_some(self, _max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        try:
            raise OSError(self._number, os.strerror(self._number))
        except OSError as error:
            raise trio.BrokenResourceError("as the kernel says") from error

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    ("number", "end"),
    [
        (errno.ETIMEDOUT, InputEnd.VANISHED),
        (errno.EHOSTUNREACH, InputEnd.VANISHED),
        (errno.ENETUNREACH, InputEnd.VANISHED),
        (errno.ECONNRESET, InputEnd.RESET),
        (errno.EPIPE, InputEnd.RESET),
    ],
)
async def test_a_peer_that_stopped_answering_is_told_apart_from_one_that_reset(
    number: int, end: InputEnd
) -> None:
    reader = LineReader(Breaks(number))
    assert await reader.receive_batch() == []
    assert reader.end is end


def test_a_client_tells_its_user_whether_the_server_closed_or_went_away() -> None:
    assert why_lost(InputEnd.VANISHED).startswith("the server went away: ")
    for end in (None, InputEnd.EOF, InputEnd.RESET, InputEnd.TRUNCATED):
        assert why_lost(end) == "the server closed the connection"
    assert why_lost(InputEnd.TLS) == "the server broke the TLS protocol"
