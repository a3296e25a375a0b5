"""What members say is taken without waking their tasks, and the chat is the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio

from answers_at_once import recorded_calls
from trionet import Limits, Server
from trionet.chat import serve
from trionet.chat.history.memory import MemoryHistory
from trionet.fanout.hub_log import BatchLog
from trionet.transport import readiness
from trionet.transport.readiness import HAS_EPOLL

pytestmark = pytest.mark.skipif(not HAS_EPOLL, reason="only Linux has epoll")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the task could go on waiting, for each call in its place."""
    monkeypatch.setattr(readiness, "perf_counter", lambda: 0.0)
    return recorded_calls(monkeypatch)


class Member:
    """A member on a real socket."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._data = b""

    async def say(self, *lines: str) -> None:
        await self._stream.send_all("".join(f"{line}\n" for line in lines).encode())

    async def hear(self, count: int) -> list[str]:
        while self._data.count(b"\n") < count:
            data = await self._stream.receive_some()
            assert data, self._data
            self._data += data
        *lines, self._data = self._data.split(b"\n", count)
        return [line.decode() for line in lines]


@asynccontextmanager
async def two_members(**options: Any) -> AsyncIterator[tuple[Member, Member]]:
    """Serve Ann and Bob, who have both said something already."""
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            server: Server = await nursery.start(partial(serve, "127.0.0.1:0", **options))
            port = int(server.addresses[0].rpartition(":")[2])
            async with (
                await trio.open_tcp_stream("127.0.0.1", port) as one,
                await trio.open_tcp_stream("127.0.0.1", port) as other,
            ):
                ann, bob = Member(one), Member(other)
                await ann.say("Ann")
                await ann.hear(1)
                await bob.say("Bob")
                await bob.hear(1)
                await ann.hear(1)
                await ann.say("first")
                assert await bob.hear(1) == ["Ann: first"]
                await bob.say("first")
                assert await ann.hear(1) == ["Bob: first"]
                yield ann, bob
                nursery.cancel_scope.cancel()


async def test_messages_wake_no_task(calls: list[bool]) -> None:
    async with two_members() as (ann, bob):
        await ann.say("one", "two")
        assert await bob.hear(2) == ["Ann: one", "Ann: two"]
        await bob.say("three")
        assert await ann.hear(1) == ["Bob: three"]
    assert calls == [True, True]


async def test_a_member_who_has_said_nothing_costs_nothing(calls: list[bool]) -> None:
    async with two_members():
        pass
    assert calls == []


async def test_everything_else_goes_to_the_task_in_its_place(calls: list[bool]) -> None:
    async with two_members() as (ann, bob):
        await ann.say("one", "/me waves", "two")
        assert await bob.hear(3) == ["Ann: one", "* Ann waves", "Ann: two"]
        await ann.say("three")
        assert await bob.hear(1) == ["Ann: three"]
        await ann.say("four", "q", "five")
        assert await bob.hear(2) == ["Ann: four", "*** Ann left (1 here)"]
    assert calls == [False, True, False]


async def test_more_than_a_part_of_lines_goes_on_in_the_task(calls: list[bool]) -> None:
    async with two_members(limits=Limits(rate=0)) as (ann, bob):
        lines = [str(number) for number in range(250)]
        await ann.say(*lines)
        assert await bob.hear(250) == [f"Ann: {line}" for line in lines]
    assert calls == [False]


@pytest.mark.parametrize("who", [BatchLog, MemoryHistory])
async def test_whoever_has_to_wait_does_so_in_the_task(
    calls: list[bool], monkeypatch: pytest.MonkeyPatch, who: type
) -> None:
    async with two_members() as (ann, bob):
        answers = iter([True])
        monkeypatch.setattr(who, "must_wait", property(lambda _self: next(answers, False)))
        await ann.say("one")
        assert await bob.hear(1) == ["Ann: one"]
        await ann.say("two")
        assert await bob.hear(1) == ["Ann: two"]
    assert calls == [False, True]
