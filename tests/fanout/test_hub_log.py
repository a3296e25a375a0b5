"""The log of a hub: how long it may be, and who waits until it is short."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from hub_members import members_of, plain, running_hub
from trionet import Hub
from trionet.fanout.hub_log import HIGH_WATER, HIGH_WATER_BYTES


@asynccontextmanager
async def stuck_hub() -> AsyncIterator[tuple[Hub[str], Callable[[], None]]]:
    """Yield a hub that has not made its first step yet, and a function that lets it go on."""
    hub = Hub[str]()
    run = hub.run()

    async def go_on() -> None:
        await run

    async with trio.open_nursery() as nursery:
        yield hub, lambda: nursery.start_soon(go_on)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("what", ["entries", "bytes", "bytes for one"])
async def test_readers_wait_while_the_log_is_long(what: str) -> None:
    async with stuck_hub() as (hub, go_on):
        (box,) = members_of(hub, 1)
        with trio.testing.assert_checkpoints():
            await hub.wait_room()
        size = 1 if what == "entries" else HIGH_WATER_BYTES // 64
        line = "x" * (size - 1)
        # (That the member joined is an entry too.)
        count = HIGH_WATER - 1 if what == "entries" else 64
        for number in range(count + 1):
            assert not hub.is_full, number
            hub.tell(box, line) if what == "bytes for one" else hub.publish(line)
        assert hub.is_full
        assert hub.must_wait
        let_through: list[int] = []

        async def reader(number: int) -> None:
            await hub.wait_room()
            let_through.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(30):
                nursery.start_soon(reader, number)
            await trio.testing.wait_all_tasks_blocked()
            assert let_through == []
            go_on()
        assert sorted(let_through) == list(range(30))
        assert not hub.must_wait
        assert box.lines == plain(line) * (count + 1)


async def test_of_many_tasks_that_wake_together_only_as_many_append_as_there_is_room_for() -> None:
    async with stuck_hub() as (hub, go_on):
        (box,) = members_of(hub, 1)
        answer = "x" * (HIGH_WATER_BYTES // 4)
        most = 0
        done = 0

        async def ask(times: int) -> None:
            nonlocal most, done
            for _ in range(times):
                if hub.must_wait:
                    await hub.wait_room()
                hub.tell(box, answer)
                most = max(most, hub.waiting[1])
            done += 1

        async with trio.open_nursery() as nursery:
            for _ in range(500):
                nursery.start_soon(ask, 2)
            go_on()
        assert done == 500
        assert most <= HIGH_WATER_BYTES + 2 * len(answer)
        await hub.wait_delivered()
        assert len(box.lines) == 1000 * (len(answer) + 1)


async def test_waiting_tasks_are_let_in_roughly_in_order_of_arrival() -> None:
    async with stuck_hub() as (hub, go_on):
        members_of(hub, 1)
        order: list[int] = []
        big = "x" * (HIGH_WATER_BYTES + 1)
        hub.publish(big)

        async def ask(number: int) -> None:
            await hub.wait_room()
            order.append(number)
            hub.publish(big)

        async with trio.open_nursery() as nursery:
            for number in range(40):
                nursery.start_soon(ask, number)
                await trio.testing.wait_all_tasks_blocked()
            go_on()
        # No task is overtaken by more than twice the number that were let in together with it.
        assert all(place - number <= 2 * 6 for place, number in enumerate(order))
        assert sorted(order) == list(range(40))


async def test_a_line_does_not_wait_for_the_bursts_of_everybody_else() -> None:
    async with stuck_hub() as (hub, go_on):
        (box,) = members_of(hub, 1)
        hub.publish_all(["early"] * (HIGH_WATER + 1))

        async def append(line: str, times: int) -> None:
            await hub.wait_room(times)
            hub.publish_all([line] * times)

        async with trio.open_nursery() as nursery:
            for _ in range(300):
                nursery.start_soon(append, "burst", 128)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(append, "line", 1)
            await trio.testing.wait_all_tasks_blocked()
            go_on()
        await hub.wait_delivered()
        lines = box.lines.split(b"\n")
        assert lines.count(b"burst") == 300 * 128
        assert lines.index(b"line") == HIGH_WATER + 1


async def test_a_line_does_not_wait_for_the_few_but_long_lines_of_everybody_else() -> None:
    async with stuck_hub() as (hub, go_on):
        (box,) = members_of(hub, 1)
        hub.publish("x" * (HIGH_WATER_BYTES + 1))

        async def append(line: str, times: int) -> None:
            await hub.wait_room(times, size=times * len(line))
            hub.publish_all([line] * times)

        async with trio.open_nursery() as nursery:
            for _ in range(300):
                nursery.start_soon(append, "y" * 1000, 5)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(append, "line", 1)
            await trio.testing.wait_all_tasks_blocked()
            go_on()
        await hub.wait_delivered()
        lines = box.lines.split(b"\n")
        assert len(lines) == 1 + 300 * 5 + 1 + 1
        assert lines.index(b"line") == 1


async def test_a_task_that_gives_up_waiting_or_appends_nothing_leaves_no_other_waiting() -> None:
    async with stuck_hub() as (hub, go_on):
        members_of(hub, 1)
        hub.publish("x" * (HIGH_WATER_BYTES + 1))
        passed = 0

        async def come_and_go(number: int) -> None:
            nonlocal passed
            with trio.CancelScope() as scope:
                if number % 3 == 0:
                    scopes.append(scope)
                await hub.wait_room()
                passed += 1

        scopes: list[trio.CancelScope] = []
        async with trio.open_nursery() as nursery:
            for number in range(60):
                nursery.start_soon(come_and_go, number)
            await trio.testing.wait_all_tasks_blocked()
            for scope in scopes[:10]:
                scope.cancel()
            go_on()
            for scope in scopes[10:]:
                scope.cancel()
        assert 40 <= passed <= 50


async def test_wait_delivered_waits_for_what_was_appended_before_it() -> None:
    async with running_hub() as hub:
        with trio.testing.assert_checkpoints():
            await hub.wait_delivered()
        (box,) = members_of(hub, 1)
        hub.publish("1")
        await hub.wait_delivered()
        assert box.lines == b"1\n"


async def test_a_thousand_who_leave_at_once_do_not_fill_the_log() -> None:
    async with running_hub() as hub:
        (stays,) = members_of(hub, 1)
        leaving = members_of(hub, 1000)
        await hub.wait_delivered()
        stays.puts.clear()

        async def leave(number: int) -> None:
            await hub.wait_room(1, size=2)
            hub.discard(leaving[number])
            hub.publish(f"{number} left")

        async with trio.open_nursery() as nursery:
            for number in range(1000):
                nursery.start_soon(leave, number)
        await hub.wait_delivered()
        assert stays.lines.count(b" left\n") == 1000
        # Each is one send for everybody who is still here.
        assert len(stays.puts) <= 2
