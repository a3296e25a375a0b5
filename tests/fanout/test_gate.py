"""The gate before a full log."""

from __future__ import annotations

from collections.abc import Callable

import trio
import trio.testing

from trionet.fanout.gate import Gate, Much

# More than a gate lets in at a time at first.
MANY = 10


async def wait_at(
    gate: Gate,
    passed: list[str],
    nursery: trio.Nursery,
    name: str,
    much: Much,
    *,
    has_room: Callable[[], bool] = lambda: True,
) -> None:
    """Have a task wait at the gate that puts down its name when it has passed."""

    async def wait() -> None:
        await gate.wait(has_room, much)
        passed.append(name)

    nursery.start_soon(wait)
    await trio.testing.wait_all_tasks_blocked()


async def let_in(gate: Gate, passed: list[str]) -> list[str]:
    """Let some tasks in, and return the names of those that passed."""
    passed.clear()
    gate.let_some_in()
    await trio.testing.wait_all_tasks_blocked()
    return sorted(passed)


async def test_a_task_with_little_to_append_goes_before_all_that_have_much() -> None:
    gate = Gate()
    passed: list[str] = []
    async with trio.open_nursery() as nursery:
        for number in range(MANY):
            await wait_at(gate, passed, nursery, f"long {number}", Much.MUCH)
        await wait_at(gate, passed, nursery, "short", Much.LITTLE)
        assert await let_in(gate, passed) == ["short"]
        assert await let_in(gate, passed) == [f"long {number}" for number in range(4)]
        gate.let_all_in()
    assert not gate.waiting


async def test_tasks_with_little_and_with_much_to_append_take_turns() -> None:
    gate = Gate()
    passed: list[str] = []
    async with trio.open_nursery() as nursery:
        for number in range(100):
            await wait_at(gate, passed, nursery, f"short {number}", Much.LITTLE)
        await wait_at(gate, passed, nursery, "long", Much.MUCH)
        assert await let_in(gate, passed) == [f"short {number}" for number in range(4)]
        assert await let_in(gate, passed) == ["long"]
        # Nobody else waits with much, so those with little have each turn.
        assert len(await let_in(gate, passed)) == 12
        assert len(await let_in(gate, passed)) == 28
        gate.let_all_in()


async def test_a_task_with_much_does_not_wait_for_all_that_do_not_know_how_much() -> None:
    gate = Gate()
    passed: list[str] = []
    async with trio.open_nursery() as nursery:
        for number in range(MANY):
            await wait_at(gate, passed, nursery, f"login {number}", Much.UNKNOWN)
        assert await let_in(gate, passed) == [f"login {number}" for number in range(4)]
        for much in (Much.MUCH, Much.LITTLE):
            await wait_at(gate, passed, nursery, much.name, much)
        turns = [await let_in(gate, passed) for _ in range(3)]
        assert sorted(map(len, turns)) == [1, 1, 6]
        assert ["MUCH"] in turns[:2]
        assert ["LITTLE"] in turns[:2]
    assert not gate.waiting


async def test_those_that_found_no_room_are_not_let_in_one_at_a_time_when_there_is_room() -> None:
    gate = Gate()
    passed: list[str] = []
    room = 0

    def has_room() -> bool:
        nonlocal room
        room -= 1
        return room >= 0

    async with trio.open_nursery() as nursery:
        for number in range(100):
            name = f"{number:02}"
            await wait_at(gate, passed, nursery, name, Much.UNKNOWN, has_room=has_room)
        for _ in range(10):
            room = 1
            await let_in(gate, passed)
        room = 1000
        turns = 0
        while gate.waiting:
            await let_in(gate, passed)
            turns += 1
        assert turns < 10


async def test_a_task_that_gives_up_leaves_its_queue() -> None:
    gate = Gate()
    for much in Much:
        async with trio.open_nursery() as nursery:
            await wait_at(gate, [], nursery, "", much)
            assert gate.waiting == 1
            nursery.cancel_scope.cancel()
        assert not gate.waiting
