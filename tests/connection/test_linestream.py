"""Lines over a stream, both ways."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from trionet.connection.linestream import LineStream
from trionet.connection.reader import LineReader
from trionet.errors import UnsendableLine
from trionet.lines import MAX_LINE_TO_CLIENT
from trionet.testing import Link, memory_stream_pair


async def test_lines_are_sent_in_one_write_and_received() -> None:
    near, far = memory_stream_pair()
    async with LineStream(near) as client, LineStream(far) as server:
        await client.send("Ann", "", "grüße")
        assert await server.receive_batch() == ["Ann", "", "grüße"]
        await server.send("54")
        await client.send_eof()
        assert await server.receive_batch() == []
        assert await client.receive() == "54"


async def test_many_tasks_can_send_at_the_same_time_and_each_is_sent_whole() -> None:
    near, far = memory_stream_pair(Link(capacity=7))
    async with LineStream(near) as client, LineStream(far) as server:

        async def send_all_of(number: int) -> None:
            await client.send(*[f"{number}: {part}" for part in range(20)])

        async with trio.open_nursery() as nursery:
            await client.send("first")
            for number in range(5):
                nursery.start_soon(send_all_of, number)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(client.send_eof)
            lines = [line async for line in server]
    assert lines[0] == "first"
    runs = [lines[start : start + 20] for start in range(1, 101, 20)]
    order = [run[0].partition(":")[0] for run in runs]
    assert sorted(order) == list("01234")
    assert runs == [[f"{number}: {part}" for part in range(20)] for number in order]
    assert len(lines) == 101


async def test_a_call_that_is_cancelled_while_others_send_has_sent_nothing() -> None:
    near, far = memory_stream_pair(Link(capacity=7))
    client, server = LineStream(near), LineStream(far)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send, "a long first line")
        await trio.testing.wait_all_tasks_blocked()
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.send("never")
        nursery.start_soon(client.send, "second")
        assert await server.receive() == "a long first line"
        assert await server.receive() == "second"


async def test_sending_is_always_a_checkpoint() -> None:
    near, _far = memory_stream_pair()
    client = LineStream(near)
    with trio.testing.assert_checkpoints():
        await client.send("line")


async def test_an_unsendable_line_sends_nothing() -> None:
    near, far = memory_stream_pair()
    client = LineStream(near)
    with pytest.raises(UnsendableLine):
        await client.send("good", "two\nlines")
    await client.send("after")
    assert await LineReader(far).receive_batch() == ["after"]


async def test_a_client_accepts_longer_lines_than_a_server() -> None:
    near, far = memory_stream_pair(Link(capacity=1 << 20))
    await far.send_all(b"a" * MAX_LINE_TO_CLIENT + b"\n")
    assert len(await LineStream(near).receive()) == 65536
