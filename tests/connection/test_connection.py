"""What a handler gets: one peer's lines in, its lines out, and a close that loses nothing."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from trionet import (
    BadLine,
    Connection,
    InputEnd,
    Limits,
    LineNotUTF8,
    LineTooLong,
    UnsendableLine,
    WhenSlow,
    encode_notice,
)
from trionet.connection.connection import Shared
from trionet.connection.deadlines import Deadlines
from trionet.connection.safe_notices import safe_notices
from trionet.connection.serving_options import ServingOptions
from trionet.notices import EncodeNotice
from trionet.testing import Link, MemoryStream, memory_stream_pair


def connection_on(
    stream: trio.abc.Stream,
    nursery: trio.Nursery,
    *,
    limits: Limits | None = None,
    when_slow: WhenSlow = WhenSlow.DISCONNECT,
    encode_notice: EncodeNotice = encode_notice,
    refuse_http: bool = True,
) -> Connection:
    options = ServingOptions(
        limits=limits or Limits(), when_slow=when_slow, refuse_http=refuse_http
    )
    shared = Shared(options=options, deadlines=Deadlines(), notices=safe_notices(encode_notice))
    return Connection(stream, nursery, shared)


async def read_to_end(stream: MemoryStream) -> bytes:
    received = b""
    while data := await stream.receive_some():
        received += data
    return received


async def linger(connection: Connection) -> None:
    """Close a connection as the server does."""
    with trio.CancelScope() as scope:
        await connection.linger(scope)


async def test_a_connection_knows_its_peer() -> None:
    ours, _ = memory_stream_pair(names=("127.0.0.1:7000", "127.0.0.1:49152"))
    async with trio.open_nursery() as nursery:
        assert connection_on(ours, nursery).peer == "127.0.0.1:49152"
        plain, _ = trio.testing.memory_stream_pair()
        assert connection_on(plain, nursery).peer == "unknown peer"


# In


async def test_good_lines_come_in_and_each_bad_one_is_answered_in_its_place() -> None:
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        connection = connection_on(ours, nursery, limits=Limits(max_line=8))
        await theirs.send_all(b"one\r\n\xff\ntwo\n123456789\n12345678\nunfin")
        await theirs.send_eof()
        lines = []
        async for line in connection.lines:
            lines.append(line)
            await connection.send(f"got {line}")
        assert lines == ["one", "two", "12345678"]
        assert connection.lines.end is InputEnd.EOF
        assert (await theirs.receive_some()).decode().splitlines() == [
            "got one",
            "error: line is not UTF-8",
            "got two",
            "error: line is longer than 8 bytes",
            "got 12345678",
        ]


async def test_a_batch_holds_good_and_bad_lines_and_answers_none() -> None:
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        connection = connection_on(ours, nursery, limits=Limits(max_line=8))
        await theirs.send_all(b"one\n\xff\n123456789\ntwo\n")
        one, not_utf8, too_long, two = await connection.lines.receive_batch()
        assert (one, two) == ("one", "two")
        assert isinstance(not_utf8, LineNotUTF8)
        assert isinstance(too_long, LineTooLong)
        assert isinstance(too_long, BadLine)
        assert connection.outbox.waiting == 0
        connection.stream.close()  # type: ignore[attr-defined]
        with pytest.raises(trio.BrokenResourceError):
            await theirs.send_all(b"x")
        assert await theirs.receive_some() == b""


async def test_an_http_request_ends_the_input_unless_it_is_wanted() -> None:
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    async with trio.open_nursery() as nursery:
        ours, theirs = memory_stream_pair()
        refusing = connection_on(ours, nursery)
        await theirs.send_all(request)
        assert await refusing.lines.receive_batch() == []
        assert refusing.lines.end is InputEnd.HTTP

        ours, theirs = memory_stream_pair()
        taking = connection_on(ours, nursery, refuse_http=False)
        await theirs.send_all(request)
        assert await taking.lines.receive() == "GET / HTTP/1.1"


# Out


async def test_send_puts_its_lines_after_what_waits() -> None:
    ours, theirs = memory_stream_pair(Link(capacity=10))
    async with trio.open_nursery() as nursery:
        connection = connection_on(ours, nursery)
        connection.outbox.put(b"from the hub\n")
        nursery.start_soon(connection.send, "one", "två")
        received = b""
        while not received.endswith("två\n".encode()):
            received += await theirs.receive_some()
        assert received == "from the hub\none\ntvå\n".encode()


async def test_a_text_that_no_line_can_hold_sends_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        connection = connection_on(ours, nursery)
        with pytest.raises(UnsendableLine):
            await connection.send("good", "bad\nbad")
        await linger(connection)
    assert await read_to_end(theirs) == b""


async def test_send_raises_when_the_peer_is_gone() -> None:
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        connection = connection_on(ours, nursery)
        theirs.reset()
        with pytest.raises(trio.BrokenResourceError):
            await connection.send("anybody?")


@pytest.mark.parametrize("sends_now", [True, False])
async def test_a_peer_that_is_given_up_as_slow_ends_the_input_and_can_be_closed(
    sends_now: bool, autojump_clock: trio.testing.MockClock
) -> None:
    ours, theirs = memory_stream_pair(Link(capacity=100, sends_now=sends_now))
    async with trio.open_nursery() as nursery:
        connection = connection_on(ours, nursery, limits=Limits(max_waiting=60))

        async def wait_for_the_end() -> None:
            assert await connection.lines.receive_batch() == []

        async with trio.open_nursery() as reader:
            reader.start_soon(wait_for_the_end)
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(3):
                connection.outbox.put(bytes(59) + b"\n")
                await trio.testing.wait_all_tasks_blocked()
        assert connection.lines.end is InputEnd.SLOW
        with trio.fail_after(10):
            await connection.finish_sending()
            await linger(connection)
    assert trio.current_time() == pytest.approx(Limits().linger_seconds)
    assert (await read_to_end(theirs)).startswith(bytes(59) + b"\n")


async def test_a_slow_peer_that_is_kept_is_told_what_it_missed_in_the_services_format() -> None:
    ours, theirs = memory_stream_pair(Link(capacity=10))
    async with trio.open_nursery() as nursery:
        connection = connection_on(
            ours,
            nursery,
            limits=Limits(max_waiting=10),
            when_slow=WhenSlow.DROP_OLDEST,
            encode_notice=lambda notice: f"*** {notice.reason}\n".encode(),
        )
        for number in range(5):
            connection.outbox.put(b"%09d\n" % number)
        received = b""
        while not received.endswith(b"4\n"):
            received += await theirs.receive_some()
        assert received == b"000000000\n*** missed 3 lines\n000000004\n"
        assert connection.lines.end is None


# The end


async def test_finishing_sends_waiting_lines_and_takes_no_more() -> None:
    ours, theirs = memory_stream_pair(Link(capacity=10))
    async with trio.open_nursery() as nursery:
        connection = connection_on(ours, nursery)
        connection.outbox.put(b"0123456789abcdef\n")
        finished = trio.Event()

        async def finish() -> None:
            await connection.finish_sending()
            finished.set()

        nursery.start_soon(finish)
        await trio.testing.wait_all_tasks_blocked()
        assert not finished.is_set()
        assert connection.lines.end is InputEnd.STOPPED
        assert await theirs.receive_some() == b"0123456789"
        await trio.testing.wait_all_tasks_blocked()
        assert finished.is_set()
        connection.outbox.put(b"too late\n")
        assert connection.outbox.dropped == 1
        assert await theirs.receive_some() == b"abcdef\n"


async def test_closing_waits_for_the_peer_so_that_unread_input_destroys_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = memory_stream_pair(Link(latency=0.5))
    async with trio.open_nursery() as nursery:
        connection = connection_on(ours, nursery)
        await theirs.send_all(b"unread " * 1000)
        await connection.send("answer")
        nursery.start_soon(linger, connection)
        assert await read_to_end(theirs) == b"answer\n"
        await theirs.aclose()
    # Half a round trip each way: it was closed when the peer was done.
    assert trio.current_time() == pytest.approx(1.0)


async def test_closing_waits_no_longer_than_its_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        connection = connection_on(ours, nursery, limits=Limits(linger_seconds=7.0))
        await linger(connection)
        assert trio.current_time() == pytest.approx(7.0)
        with pytest.raises(trio.BrokenResourceError):
            await theirs.send_all(b"x")


async def test_closing_does_not_wait_for_a_peer_that_has_ended(
    autojump_clock: trio.testing.MockClock,
) -> None:
    for end in ("eof", "reset"):
        ours, theirs = memory_stream_pair()
        async with trio.open_nursery() as nursery:
            connection = connection_on(ours, nursery)
            if end == "eof":
                await theirs.send_eof()
            else:
                theirs.reset()
            assert [line async for line in connection.lines] == []
            await connection.finish_sending()
            await linger(connection)
    assert trio.current_time() == 0


async def test_a_cancelled_close_closes_at_once(autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        connection = connection_on(ours, nursery)
        with trio.move_on_after(0.5) as scope:
            await linger(connection)
        assert scope.cancelled_caught
        with pytest.raises(trio.ClosedResourceError):
            await ours.send_all(b"x")
    assert await read_to_end(theirs) == b""


async def test_its_repr_shows_the_peer_and_the_state() -> None:
    ours, theirs = memory_stream_pair(Link(capacity=10), names=("server", "127.0.0.1:49152"))
    async with trio.open_nursery() as nursery:
        connection = connection_on(ours, nursery)
        assert repr(connection) == (
            "<Connection with 127.0.0.1:49152, open, 0 lines in, 0 out, 0 bytes waiting>"
        )
        connection.identify("Ann")
        connection.outbox.put(b"0123456789\n")
        await theirs.send_all(b"1\n2\n")
        await connection.lines.receive()
        connection.lines.stop()
        assert repr(connection) == (
            "<Connection with 127.0.0.1:49152 (Ann), input ended: this side stopped reading, "
            "2 lines in, 1 out, 1 bytes waiting>"
        )
        nursery.cancel_scope.cancel()
