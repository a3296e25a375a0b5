"""The Redis and the line that tests of clusters use break in the ways that they say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from faulty_line import BREAKS, Fault, open_line
from redis_server import RedisFault, RedisServer, need_redis

PATIENCE = 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    need_redis()
    return tmp_path


def test_what_redis_had_written_outlives_a_kill_and_a_cut_loses_the_end(folder: Path) -> None:
    with RedisServer(folder / "redis") as redis:
        redis.command("SET", "early", "1")
        size = redis.log_size()
        redis.command("SET", "late", "1")
        redis.kill()
        redis.start()
        assert redis.command("GET", "late") == b"1"
        redis.kill()
        redis.cut_log(size)
        redis.start()
        assert redis.command("MGET", "early", "late") == [b"1", None]


def test_redis_that_stands_still_answers_nothing_until_it_goes_on(folder: Path) -> None:
    with RedisServer(folder / "redis") as redis:
        redis.pause()
        with pytest.raises(TimeoutError):
            redis.command("PING", seconds=0.1)
        redis.resume()
        assert redis.command("PING") == b"PONG"


def test_a_replica_has_what_its_master_had_and_can_be_promoted(folder: Path) -> None:
    with RedisServer(folder / "one") as one, RedisServer(folder / "two") as two:
        one.command("SET", "a", "1")
        two.follow(one)
        with pytest.raises(RedisFault, match="READONLY"):
            two.command("SET", "a", "2")
        one.kill()
        two.promote()
        assert two.command("GET", "a") == b"1"
        two.command("SET", "a", "2")


def test_clients_are_closed(folder: Path) -> None:
    with RedisServer(folder / "redis", "--requirepass", "secret", password="secret") as redis:
        assert redis.kill_clients() == 0


Handle = Callable[[trio.SocketStream], Awaitable[None]]


async def serve(handle: Handle, *, task_status: trio.TaskStatus[int]) -> None:
    """Serve connections on a free port, which is told."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    task_status.started(listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(handle, listeners)


async def echo(stream: trio.SocketStream) -> None:
    async for data in stream:
        await stream.send_all(data)


@pytest.mark.parametrize("fault", BREAKS)
async def test_a_line_breaks_between_request_and_reply(fault: Fault) -> None:
    taken: list[bytes] = []

    async def take(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            async for data in stream:
                taken.append(bytes(data))
                await stream.send_all(data)
        ended.set()

    ended = trio.Event()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            port = await nursery.start(serve, take)
            async with open_line(port) as line:
                line.choose = lambda request: fault if request == b"break" else Fault.NONE
                client = await trio.open_tcp_stream("127.0.0.1", line.port)
                await client.send_all(b"hello")
                assert await client.receive_some() == b"hello"
                await client.send_all(b"break")
                with pytest.raises(trio.BrokenResourceError):
                    await client.receive_some()
                await client.aclose()
                await ended.wait()
                assert line.faults == {Fault.NONE: 1, fault: 1}
            nursery.cancel_scope.cancel()
    rest = {Fault.LOSES_REQUEST: [], Fault.HALVES_REQUEST: [b"br"]}.get(fault, [b"break"])
    assert taken == [b"hello", *rest]


async def test_a_line_is_cut_and_comes_back() -> None:
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            port = await nursery.start(serve, echo)
            async with open_line(port) as line:
                client = await trio.open_tcp_stream("127.0.0.1", line.port)
                await client.send_all(b"hello")
                assert await client.receive_some() == b"hello"
                line.is_up = False
                assert line.cut() == 1
                with pytest.raises(trio.BrokenResourceError):
                    await client.receive_some()
                await client.aclose()
                client = await trio.open_tcp_stream("127.0.0.1", line.port)
                with pytest.raises(trio.BrokenResourceError):
                    await client.receive_some()
                await client.aclose()
                line.is_up = True
                client = await trio.open_tcp_stream("127.0.0.1", line.port)
                await client.send_all(b"again")
                assert await client.receive_some() == b"again"
                await client.aclose()
            nursery.cancel_scope.cancel()
