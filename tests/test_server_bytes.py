"""``decode=False``: lines are bytes with their ends, and nothing is added, changed or lost."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

import trionet
from trionet import Connection, InputEnd, Limits, WhenSlow
from trionet.testing import Link, MemoryNetwork, memory_stream_pair, run_handler

run_bytes = partial(run_handler, decode=False)


async def echo(connection: Connection) -> None:
    async for line in connection.lines:
        await connection.send(line)


def mirror(line: bytes) -> bytes | None:
    return line if line != b"quiet\n" else None


async def answer(line: bytes) -> bytes | None:
    return mirror(line)


async def respond(connection: Connection) -> None:
    await trionet.respond(connection, answer)


async def respond_many(connection: Connection) -> None:
    await trionet.respond(connection, answer, concurrent=3)


HANDLERS: dict[str, Any] = {
    "async": echo,
    "plain": mirror,
    "respond": respond,
    "many": respond_many,
}
ALL = pytest.mark.parametrize("handler", HANDLERS.values(), ids=list(HANDLERS))


@ALL
async def test_lines_keep_their_ends_and_the_last_one_may_have_none(
    handler: Any, autojump_clock: MockClock
) -> None:
    async with run_bytes(handler) as connect:
        client = await connect()
        await client.send(b"one\n", b"two\r\n", b"\n", b"\xff\x00\r\r\n", b"half")
        await client.expect(b"one\n", b"two\r\n", b"\n", b"\xff\x00\r\r\n")
        await client.expect_silence(1)
        await client.send_eof()
        await client.expect(b"half")
        await client.expect_end()


@ALL
async def test_a_line_that_is_too_long_is_answered_and_the_session_goes_on(
    handler: Any, autojump_clock: MockClock
) -> None:
    async with run_bytes(handler, limits=Limits(max_line=4)) as connect:
        client = await connect()
        await client.send(b"1234\r\n", b"12345\n", b"1\n")
        await client.expect(b"1234\r\n", b"error: line is longer than 4 bytes\n", b"1\n")


async def test_a_plain_function_may_answer_nothing(autojump_clock: MockClock) -> None:
    async with run_bytes(mirror) as connect:
        client = await connect()
        await client.send(b"quiet\n", b"loud\n")
        await client.expect(b"loud\n")


async def text_for_bytes(connection: Connection) -> None:
    await connection.send("hello")


def say_a_text(_line: bytes) -> str:
    return "hello"


@pytest.mark.parametrize("handler", [text_for_bytes, say_a_text])
async def test_whoever_sends_a_text_is_told_what_to_write(
    handler: Any, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with run_bytes(handler) as connect:
        client = await connect()
        await client.send(b"x\n")
        await client.expect_end()
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert "a line is bytes with its end, such as b'hello\\n', not 'hello'" in str(
        record.exc_info[1]
    )


async def test_a_drain_hands_out_what_has_come_of_the_last_line(
    autojump_clock: MockClock,
) -> None:
    async with run_bytes(echo) as connect:
        client = await connect()
        await client.send(b"one\nha")
        await client.expect(b"one\n")
        assert await connect.server.drain() == ()
        await client.expect(b"ha")
        await client.expect_end()


async def test_a_peer_that_was_too_late_is_not_heard_with_half_a_line(
    autojump_clock: MockClock,
) -> None:
    heard: list[object] = []

    async def listen(connection: Connection) -> None:
        heard.extend([line async for line in connection.lines])
        heard.append(connection.lines.end)

    async with run_bytes(listen, limits=Limits(login_timeout=5)) as connect:
        client = await connect()
        await client.send(b"ha")
        await client.expect(b"error: no login within 5 seconds\n")
        await client.expect_end()
    assert heard == [InputEnd.LOGIN]


async def test_after_close_nothing_more_is_handed_out(autojump_clock: MockClock) -> None:
    heard: list[object] = []

    async def close(connection: Connection) -> None:
        await trio.sleep(1)
        await connection.close("enough")
        heard.extend([line async for line in connection.lines])

    async with run_bytes(close) as connect:
        client = await connect()
        await client.send(b"one\nha")
        await client.expect_end()
    assert heard == []


@pytest.mark.parametrize("request_line", [b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1"])
async def test_a_browser_is_refused(request_line: bytes, autojump_clock: MockClock) -> None:
    async with run_bytes(echo) as connect:
        client = await connect()
        await client.send(request_line)
        await client.send_eof()
        await client.expect_end()


async def test_the_rate_holds(autojump_clock: MockClock) -> None:
    began = trio.current_time()
    async with run_bytes(echo, limits=Limits(rate=10, burst=1)) as connect:
        client = await connect()
        await client.send(*[b"x\n"] * 20, b"tail")
        await client.send_eof()
        await client.expect(*[b"x\n"] * 20, b"tail")
    assert 1.8 < trio.current_time() - began < 2.3


async def test_lines_and_bytes_are_counted_the_last_half_one_too(
    autojump_clock: MockClock,
) -> None:
    async with run_bytes(echo) as connect:
        client = await connect()
        await client.send(b"one\r\ntail")
        await client.send_eof()
        await client.expect(b"one\r\n", b"tail")
        await client.expect_end()
        counts = connect.server.statistics()
    assert (counts.lines_in, counts.lines_out) == (2, 2)
    assert (counts.bytes_in, counts.bytes_out) == (9, 9)


@pytest.mark.parametrize("when_slow", WhenSlow)
async def test_a_tail_waits_for_a_slow_reader_like_any_line(
    when_slow: WhenSlow, autojump_clock: MockClock
) -> None:
    async def talk(connection: Connection) -> None:
        for number in range(2000):
            connection.outbox.put(b"%d\n" % number)
        connection.outbox.put(b"tail")

    async with run_bytes(
        talk, network=MemoryNetwork(link=Link(capacity=100)), when_slow=when_slow
    ) as (connect):
        client = await connect()
        await trio.sleep(1)
        await client.expect(*[b"%d\n" % number for number in range(2000)], b"tail")
        await client.expect_end()


async def test_a_tail_can_be_dropped_for_a_slow_reader(autojump_clock: MockClock) -> None:
    near, far = memory_stream_pair(Link(capacity=1))
    async with trio.open_nursery() as nursery:
        outbox = trionet.Outbox(near, nursery, max_waiting=1024, when_slow=WhenSlow.DROP_OLDEST)
        outbox.takes_tail = True
        outbox.put(b"x" * 5000)
        outbox.put(b"y" * 5000)
        assert outbox.dropped == 1
        nursery.cancel_scope.cancel()
    await far.aclose()


@pytest.mark.parametrize("address", ["web:localhost:80", "localhost:1"])
async def test_the_lines_of_websockets_are_texts(address: str) -> None:
    addresses = ("web:localhost:80", address)
    with pytest.raises(ValueError, match="the lines of a WebSocket are texts"):
        await trionet.serve(echo, *addresses, decode=False)
    with pytest.raises(ValueError, match="the lines of a WebSocket are texts"):
        trionet.run(echo, *addresses, decode=False)
    with pytest.raises(ValueError, match="the lines of a WebSocket are texts"):
        trionet.Service(echo, addresses, decode=False)
    with pytest.raises(ValueError, match="the lines of a WebSocket are texts"):
        trionet.connect(addresses[0], decode=False)


async def relay(address: str, network: MemoryNetwork, connection: Connection[bytes]) -> None:
    """Pass everything on, both ways, as a proxy does."""
    async with trionet.connect(address, network=network, decode=False) as upstream:
        async for lines in upstream:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(answers, lines, connection)
                async for line in connection.lines:
                    await lines.send(line)
                await lines.send_eof()
            return


async def answers(lines: trionet.LineStream[bytes], connection: Connection[bytes]) -> None:
    async for line in lines:
        await connection.send(line)


@given(
    st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"\xff", b"\xc3"])).map(b"".join),
    st.integers(1, 50),
)
def test_a_proxy_loses_nothing(data: bytes, at_a_time: int) -> None:
    async def through_proxy() -> bytes:
        network = MemoryNetwork()
        async with trio.open_nursery() as nursery:
            start = partial(trionet.serve, network=network, decode=False)
            await nursery.start(partial(start, refuse_http=False), echo, "localhost:1")
            await nursery.start(start, partial(relay, "localhost:1", network), "localhost:2")
            stream = await network.connect("localhost:2")
            for begin in range(0, len(data), at_a_time):
                await stream.send_all(data[begin : begin + at_a_time])
            await stream.send_eof()
            came = b"".join([part async for part in stream])
            nursery.cancel_scope.cancel()
        return came

    assert trio.run(through_proxy, clock=MockClock(autojump_threshold=0)) == data


@ALL
@pytest.mark.parametrize("clients", [1, 5])
async def test_bytes_are_served_on_sockets_as_in_memory(handler: Any, clients: int) -> None:
    """On Linux, plain functions answer there without waking a task, and sends are deferred."""
    sent = b"one\r\n\xff\n" * 300 + b"half"

    async def talk() -> None:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            for _ in range(3):
                await stream.send_all(b"x\r\n")
                assert await stream.receive_some() == b"x\r\n"
            await stream.send_all(sent)
            await stream.send_eof()
            assert b"".join([data async for data in stream]) == sent

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            serve = partial(trionet.serve, decode=False)
            server = await nursery.start(serve, handler, "127.0.0.1:0")
            port = int(server.addresses[0].rpartition(":")[2])
            async with trio.open_nursery() as talking:
                for _ in range(clients):
                    talking.start_soon(talk)
            nursery.cancel_scope.cancel()
