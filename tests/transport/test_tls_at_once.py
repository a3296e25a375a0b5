"""Sending over TLS without a task: `TLSStream.send_nowait`."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from tls_pairs import Pairs, receive_all, receive_exactly
from trionet import Outbox, WhenSlow
from trionet.testing import Link
from trionet.transport.tls import TLSStream


async def send_at_once(stream: TLSStream, data: bytes) -> None:
    """Send all of some data as an outbox does."""
    while data:
        sent = stream.send_nowait(data)
        data = data[sent:]
        if data:
            await stream.wait_writable()


async def test_a_line_leaves_without_a_task(pairs: Pairs) -> None:
    client, server = await pairs.ready()
    assert server.send_nowait(b"hello\n") == 6
    assert await client.receive_some() == b"hello\n"
    assert server.send_nowait(b"") == 0


@pytest.mark.parametrize("capacity", [100, 5_000, 20_000, 100_000])
@pytest.mark.parametrize("size", [1, 2, 16384, 16385, 70_000])
async def test_all_that_is_sent_at_once_arrives(pairs: Pairs, capacity: int, size: int) -> None:
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    client, server = await pairs.ready(Link(capacity=capacity))
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def send() -> None:
            await send_at_once(server, data)
            await send_at_once(server, data)
            await server.send_eof()

        assert await receive_all(client) == data + data


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 20_000)), max_size=5),
    st.integers(500, 30_000),
)
def test_the_ways_to_send_follow_each_other(sends: list[tuple[bool, int]], capacity: int) -> None:
    async def run() -> None:
        client, server = await make(Link(capacity=capacity))
        said = b""
        async with trio.open_nursery() as nursery:
            heard: list[bytes] = []

            @nursery.start_soon
            async def receive() -> None:
                heard.append(await receive_all(client))

            for number, (at_once, size) in enumerate(sends):
                data = bytes([number]) * size
                said += data
                if at_once:
                    # Only what leaves; the rest waits, as in an outbox, and is sent otherwise.
                    data = data[server.send_nowait(data) :]
                    with suppress(trio.WouldBlock):
                        await server.wait_writable()
                await server.send_all(data)
            await server.send_eof()
        assert heard == [said]

    async def make(link: Link) -> tuple[TLSStream, TLSStream]:
        return await PAIRS[0].ready(link)

    trio.run(run)


PAIRS: list[Pairs] = []


@pytest.fixture(autouse=True)
def _keep(pairs: Pairs) -> None:
    # hypothesis and fixtures of one call do not go together.
    PAIRS[:] = [pairs]


async def test_a_record_that_is_stuck_is_not_counted_as_taken(pairs: Pairs) -> None:
    client, server = await pairs.ready(Link(capacity=1000))
    assert server.send_nowait(b"x" * 2000 + b"\n") == 2000
    assert server.send_nowait(b"\n") == 0
    assert server.send_nowait(b"\nmore\n") == 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send_at_once, server, b"\nmore\n")
        assert await receive_exactly(client, 2006) == b"x" * 2000 + b"\nmore\n"


async def test_a_blank_line_that_an_outbox_dropped_after_all_eats_nothing(pairs: Pairs) -> None:
    client, server = await pairs.ready(Link(capacity=10))
    assert server.send_nowait(b"\n") == 0
    async with trio.open_nursery() as nursery:
        # The outbox had dropped it, and comes back with a notice.
        nursery.start_soon(send_at_once, server, b"error: missed 1 lines\n")
        assert await receive_exactly(client, 23) == b"\nerror: missed 1 lines\n"


async def test_before_the_handshake_nothing_is_taken(pairs: Pairs) -> None:
    client, server = pairs.fresh()
    assert server.send_nowait(b"hello\n") == 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.do_handshake)
        await server.wait_writable()
    assert server.send_nowait(b"hello\n") == 6
    assert await client.receive_some() == b"hello\n"


async def test_after_the_end_of_the_sending_it_is_refused(pairs: Pairs) -> None:
    _client, server = await pairs.ready()
    await server.send_eof()
    with pytest.raises(trio.ClosedResourceError):
        server.send_nowait(b"more\n")
    with pytest.raises(trio.ClosedResourceError):
        await server.wait_writable()
    server.close()
    with pytest.raises(trio.ClosedResourceError):
        server.send_nowait(b"more\n")


async def test_while_a_task_sends_it_is_refused(pairs: Pairs) -> None:
    client, server = await pairs.ready(Link(capacity=100))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.send_all, bytes(5000))
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            server.send_nowait(b"more\n")
        await receive_exactly(client, 5000)


async def test_the_peer_that_is_gone_is_an_error(pairs: Pairs) -> None:
    client, server = await pairs.ready()
    client.close()
    with pytest.raises(trio.BrokenResourceError):
        server.send_nowait(b"more\n")


async def test_an_outbox_needs_a_task_only_while_the_peer_does_not_keep_up(pairs: Pairs) -> None:
    client, server = await pairs.ready(Link(capacity=30_000))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(server, nursery)
        outbox.put(b"hello\n")
        assert not nursery.child_tasks
        while not outbox.is_blocked:
            outbox.put(b"x" * 999 + b"\n")
        assert len(nursery.child_tasks) == 1
        assert await receive_exactly(client, 6) == b"hello\n"
        lines = outbox.lines_out - 1
        assert await receive_exactly(client, 1000 * lines) == (b"x" * 999 + b"\n") * lines
        await trio.testing.wait_all_tasks_blocked()
        assert not nursery.child_tasks
        assert outbox.direct is not None


@pytest.mark.parametrize("size", [1, 2, 7, 900, 20_000])
async def test_a_slow_peer_gets_whole_lines_and_is_told_what_it_missed(
    pairs: Pairs, size: int
) -> None:
    client, server = await pairs.ready(Link(capacity=3000))
    async with trio.open_nursery() as nursery:
        outbox = Outbox(server, nursery, max_waiting=50_000, when_slow=WhenSlow.DROP_OLDEST)
        count = math.ceil(120_000 / size)
        for number in range(count):
            outbox.put(b"%d" % (number % 10) * (size - 1) + b"\n")
        heard = b""

        async def receive() -> None:
            nonlocal heard
            heard = await receive_all(client)

        nursery.start_soon(receive)
        await outbox.flush()
        await server.send_eof()
    assert outbox.dropped > 0
    lines = heard.split(b"\n")
    assert lines.pop() == b""
    notices = [line for line in lines if line.startswith(b"error: missed ")]
    missed = sum(int(line.split()[2]) for line in notices)
    whole = {b"%d" % digit * (size - 1) for digit in range(10)}
    assert {line for line in lines if line not in notices} <= whole
    assert missed == outbox.dropped
    # The one byte of a blank line cannot be held back and be sent, too: it may come although it
    # counts as dropped.
    assert len(lines) - len(notices) + missed - count in ((0, 1) if size == 1 else (0,))
