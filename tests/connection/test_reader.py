from __future__ import annotations

import errno
import gc
import itertools
import math
import os
import socket
import struct
import sys
import tracemalloc
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.abc import Interruptible, SendsNow
from trionet.connection.closing import lingering_close
from trionet.connection.input_end import InputEnd, why_lost
from trionet.connection.linestream import LineStream
from trionet.connection.paced import PacedLineReader
from trionet.connection.reader import LineReader
from trionet.errors import BadLine, LineNotUTF8, LineTooLong, LineUnending
from trionet.lines import PART_BYTES, PART_LINES, LineDecoder
from trionet.testing import (
    Link,
    MemoryStream,
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


def real_pair() -> tuple[SocketStream, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    far.settimeout(5)
    return SocketStream(near, peer="far"), far


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


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


async def test_a_reader_takes_little_memory_beside_what_it_has_received() -> None:
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
        InputEnd.RESET,
        InputEnd.VANISHED,
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


# --- the close that loses nothing ---


class NotHalfCloseable(trio.abc.Stream):
    """A stream such as TLS, which has no half-close."""

    def __init__(self, stream: MemoryStream, *, hangs: bool = False) -> None:
        self.stream = stream
        self._hangs = hangs

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await self.stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        try:
            if self._hangs:
                await trio.sleep_forever()
        finally:
            await self.stream.aclose()


async def is_closed(stream: trio.abc.Stream) -> bool:
    try:
        await stream.receive_some()
    except trio.ClosedResourceError:
        return True
    return False


async def test_closing_ends_the_sending_and_discards_what_the_peer_still_sends(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, far = memory_stream_pair()
    await near.send_all(b"the answer\n")
    await far.send_all(b"unread")
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def close() -> None:
            await lingering_close(near, seconds=60)

        await trio.sleep(1)
        await far.send_all(b"and more")
        assert await far.receive_some() == b"the answer\n"
        assert await far.receive_some() == b""
        await trio.sleep(1)
        await far.aclose()
    assert trio.current_time() == pytest.approx(2)
    assert await is_closed(near)


async def test_closing_waits_no_longer_than_allowed(autojump_clock: trio.testing.MockClock) -> None:
    near, _far = memory_stream_pair()
    await lingering_close(near, seconds=2)
    assert trio.current_time() == pytest.approx(2)
    assert await is_closed(near)


async def test_a_peer_that_trickles_does_not_prolong_the_closing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, far = memory_stream_pair()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def trickle() -> None:
            with suppress(trio.BrokenResourceError):
                while True:
                    await far.send_all(b".")
                    await trio.sleep(0.3)

        await lingering_close(near, seconds=2)
        assert trio.current_time() == pytest.approx(2)


async def test_a_flood_is_read_slowly_and_shortens_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, far = memory_stream_pair(Link(capacity=65536))
    sent = 0
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def flood() -> None:
            nonlocal sent
            with suppress(trio.BrokenResourceError):
                while True:
                    await far.send_all(bytes(65536))
                    sent += 65536

        await lingering_close(near, seconds=10)
        assert trio.current_time() == pytest.approx(10)
    # 1 MiB quickly, then 256 KiB a second.
    assert 3 << 20 <= sent <= 4 << 20
    assert await is_closed(near)


# --- closing by what arrives ---


class Delivering(MemoryStream):
    """A stream that tells how much of what was sent has arrived, by a plan.

    Args:
        plan: how many bytes have not arrived, by the time from which on that holds.
    """

    def __init__(self, stream: MemoryStream, plan: dict[float, int]) -> None:
        super().__init__(stream._in, stream._out, peer=stream.peer)
        self._plan = plan
        self.over = False

    def unarrived(self) -> int:
        now = trio.current_time()
        return [left for since, left in self._plan.items() if since <= now][-1]

    def is_over(self) -> bool:
        return self.over


def delivering(plan: dict[float, int]) -> tuple[Delivering, MemoryStream]:
    near, far = memory_stream_pair()
    return Delivering(near, plan), far


async def closed_at(stream: trio.abc.Stream, **options: Any) -> tuple[float, list[int]]:
    """Close a stream; return when that was done and what was reported about its delivery."""
    told: list[int] = []
    await lingering_close(stream, on_settled=told.append, **options)
    assert await is_closed(stream)
    return trio.current_time(), told


async def test_closing_goes_on_as_long_as_something_arrives(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, _far = delivering({0: 500, 8: 400, 16: 300, 24: 0})
    ended, told = await closed_at(near, seconds=2, stall_seconds=10, total_seconds=60)
    assert 26 <= ended <= 27.1
    assert told == [0]


async def test_closing_ends_when_nothing_more_arrives(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, _far = delivering({0: 500, 8: 400})
    ended, told = await closed_at(near, seconds=2, stall_seconds=10, total_seconds=60)
    assert 18 <= ended <= 19.1
    assert told == [400]


async def test_closing_ends_in_any_case_when_its_time_is_over(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, _far = delivering({0: 500} | {float(n): 500 - n for n in range(1, 100)})
    ended, told = await closed_at(near, seconds=2, stall_seconds=10, total_seconds=60)
    assert ended == pytest.approx(60)
    assert told == [440]


@pytest.mark.parametrize("pause", [0.001, 0.3, 1.0])
async def test_input_from_the_peer_does_not_cut_short_what_is_on_its_way(
    autojump_clock: trio.testing.MockClock, pause: float
) -> None:
    near, far = delivering({0: 500, 8: 400, 16: 300, 24: 0})
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def send() -> None:
            while trio.current_time() < 30:
                await far.send_all(bytes(30_000))
                await trio.sleep(pause)
            await far.aclose()

        ended, told = await closed_at(near, seconds=2, stall_seconds=10, total_seconds=60)
    assert 30 <= ended <= 31
    assert told == [0]


async def test_a_silent_peer_gets_its_full_time_once_everything_has_arrived(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, _far = delivering({0: 0})
    ended, told = await closed_at(near, seconds=2)
    assert ended == pytest.approx(2)
    assert told == [0]


async def test_on_settled_is_called_when_everything_has_arrived_and_before_the_peer_ends(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, _far = delivering({0: 500, 3: 0})
    at: list[float] = []
    await lingering_close(near, seconds=20, on_settled=lambda _: at.append(trio.current_time()))
    assert 3 <= at[0] <= 4.1
    assert trio.current_time() >= 22


async def test_a_peer_that_ended_its_sending_still_gets_the_rest(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, _far = delivering({0: 500, 8: 0})
    ended, told = await closed_at(near, seconds=2, input_ended=True)
    assert 8 <= ended <= 9.1
    assert told == [0]


async def test_a_connection_that_is_over_is_not_waited_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, _far = delivering({0: 500})
    near.over = True
    assert await closed_at(near, input_ended=True) == (0, [500])


async def test_a_cancelled_close_reports_what_had_not_arrived(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, _far = delivering({0: 500, 2: 300})
    told: list[int] = []
    with trio.move_on_after(3):
        await lingering_close(near, on_settled=told.append)
    assert told == [300]
    assert trio.current_time() == 3


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
@pytest.mark.parametrize("family", ["tcp", "unix"])
async def test_a_slow_reader_who_also_types_gets_everything_on_a_real_connection(
    family: str,
) -> None:
    if family == "tcp":
        near, far = real_pair()
    else:
        one, far = socket.socketpair()
        near = SocketStream(one, peer="far")
    size = 0
    while sent := near.send_nowait(bytes(100_000)):
        size += sent
    received = 0
    told: list[int] = []
    async with trio.open_nursery() as nursery, SocketStream(far, peer="near") as client:
        nursery.start_soon(
            partial(lingering_close, near, seconds=0.2, stall_seconds=5, on_settled=told.append)
        )
        while data := await client.receive_some(max(size // 20, 1)):
            received += len(data)
            if received < size:
                await client.send_all(b"and another line\n")
                await trio.sleep(0.03)
    assert received == size
    assert told == [0]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
async def test_bytes_that_a_resetting_peer_did_not_get_are_reported_on_a_real_connection() -> None:
    near, far = real_pair()
    while near.send_nowait(bytes(100_000)):
        pass
    told: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(lingering_close, near, on_settled=told.append))
        await trio.testing.wait_all_tasks_blocked()
        far.close()
    assert len(told) == 1
    assert told[0] > 0


# --- other ways to close ---


async def test_closing_after_the_end_of_the_input_does_not_wait(
    autojump_clock: trio.testing.MockClock,
) -> None:
    near, far = memory_stream_pair()
    await near.send_all(b"answer")
    await lingering_close(near, seconds=60, input_ended=True)
    assert trio.current_time() == 0
    assert await far.receive_some() == b"answer"
    assert await far.receive_some() == b""


@pytest.mark.parametrize("gone", ["reset", "closed", "closed by this side"])
async def test_closing_when_the_peer_is_gone_is_not_an_error(
    autojump_clock: trio.testing.MockClock, gone: str
) -> None:
    near, far = memory_stream_pair()
    if gone == "reset":
        far.reset()
    else:
        await (far if gone == "closed" else near).aclose()
    await lingering_close(near, seconds=60)
    assert trio.current_time() == 0
    assert await is_closed(near)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize("wrap", [lambda stream: stream, NotHalfCloseable], ids=["half", "whole"])
async def test_cancellation_closes_at_once(
    autojump_clock: trio.testing.MockClock,
    when: str,
    wrap: Callable[[MemoryStream], trio.abc.Stream],
) -> None:
    near, far = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        if when == "before":
            nursery.cancel_scope.cancel()
        nursery.start_soon(lambda: lingering_close(wrap(near), seconds=60))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert trio.current_time() == 0
    assert await is_closed(near)
    assert await far.receive_some() == b""


@pytest.mark.parametrize(("hangs", "seconds"), [(False, 0), (True, 2)])
async def test_a_stream_without_a_half_close_is_closed_within_the_time(
    autojump_clock: trio.testing.MockClock, hangs: bool, seconds: float
) -> None:
    near, far = memory_stream_pair()
    await near.send_all(b"answer")
    await lingering_close(NotHalfCloseable(near, hangs=hangs), seconds=2)
    assert trio.current_time() == pytest.approx(seconds)
    assert await far.receive_some() == b"answer"
    assert await far.receive_some() == b""


async def answer_and_close(
    close: Callable[[SocketStream], Awaitable[None]],
) -> tuple[int, BaseException | None]:
    """Close a connection with unread input, before the peer has read, and while it still sends.

    Returns:
        How much of the answer the peer got, and how the connection ended for it.
    """
    near, far = real_pair()
    received = 0
    error: BaseException | None = None
    async with trio.open_nursery() as nursery, SocketStream(far, peer="near") as client:
        await client.send_all(b"input that nobody reads\n" * 100)
        await near.send_all(bytes(200_000))
        nursery.start_soon(close, near)
        await trio.testing.wait_all_tasks_blocked()
        try:
            await client.send_all(b"more input\n" * 100)
            await trio.testing.wait_all_tasks_blocked()
            while data := await client.receive_some(1000):
                received += len(data)
        except trio.BrokenResourceError as broken:
            error = broken
    return received, error


async def test_on_a_real_connection_the_whole_answer_arrives() -> None:
    async def close(stream: SocketStream) -> None:
        await lingering_close(stream, seconds=60)
        assert await is_closed(stream)

    assert await answer_and_close(close) == (200_000, None)


async def test_a_plain_close_destroys_part_of_the_answer() -> None:
    # This loss is why lingering_close exists, and shows that the test above can fail.
    received, error = await answer_and_close(lambda stream: stream.aclose())
    assert isinstance(error, trio.BrokenResourceError)
    assert received < 200_000
