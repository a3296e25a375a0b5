"""The sending half of a socket stream: whole, in order, and one sender at a time."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest
import trio
import trio.testing

from socket_pairs import KINDS, fill, receive_exactly, reset, stream_and_peer


@pytest.mark.parametrize("kind", KINDS)
async def test_send_nowait_on_a_full_socket_takes_nothing_until_the_peer_reads(kind: str) -> None:
    async with stream_and_peer(kind) as (stream, peer):
        filled = await fill(stream)
        assert filled > 0
        assert stream.send_nowait(b"x") == 0
        receive_exactly(peer, filled)
        await stream.wait_writable()
        assert stream.send_nowait(b"x") == 1
        assert peer.recv(10) == b"x"


async def test_send_nowait_returns_how_much_of_a_large_piece_was_taken() -> None:
    async with stream_and_peer("unix") as (stream, peer):
        data = os.urandom(1 << 24)
        taken = stream.send_nowait(memoryview(data))
        assert 0 < taken < len(data)
        assert receive_exactly(peer, taken) == data[:taken]


async def test_send_nowait_is_refused_while_a_task_sends() -> None:
    async with stream_and_peer() as (stream, _), trio.open_nursery() as nursery:
        await fill(stream)
        nursery.start_soon(stream.send_all, b"more")
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            stream.send_nowait(b"in between")
        nursery.cancel_scope.cancel()


async def test_sending_after_the_end_or_the_close_raises_closed() -> None:
    async with stream_and_peer() as (stream, peer):
        await stream.send_eof()
        assert peer.recv(1) == b""
        with pytest.raises(trio.ClosedResourceError):
            stream.send_nowait(b"x")
        peer.sendall(b"received all the same")
        assert await stream.receive_some() == b"received all the same"
        stream.close()
        with pytest.raises(trio.ClosedResourceError):
            stream.send_nowait(b"x")
        with pytest.raises(trio.ClosedResourceError):
            await stream.send_all(b"x")
        with pytest.raises(trio.ClosedResourceError):
            await stream.wait_writable()


async def test_a_reset_wakes_a_task_that_waits_to_send() -> None:
    async with stream_and_peer() as (stream, peer), trio.open_nursery() as nursery:
        await fill(stream)

        @nursery.start_soon
        async def send() -> None:
            with pytest.raises(trio.BrokenResourceError):
                await stream.send_all(b"x")

        await trio.testing.wait_all_tasks_blocked()
        reset(peer)


async def test_ending_the_sending_to_a_peer_that_is_gone_is_not_an_error() -> None:
    async with stream_and_peer() as (stream, peer):
        reset(peer)
        with suppress(trio.BrokenResourceError):
            await stream.receive_some()
        await stream.send_eof()
