"""The gate before a full log."""

from __future__ import annotations

import trio
import trio.testing

from trionet.fanout.gate import Gate

# More than a gate lets in at a time at first.
MANY = 10


async def wait_at(
    gate: Gate, passed: list[str], nursery: trio.Nursery, name: str, *, is_short: bool
) -> None:
    """Have a task wait at the gate that puts down its name when it has passed."""

    async def wait() -> None:
        await gate.wait(lambda: True, is_short=is_short)
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
            await wait_at(gate, passed, nursery, f"long {number}", is_short=False)
        await wait_at(gate, passed, nursery, "short", is_short=True)
        assert await let_in(gate, passed) == ["short"]
        assert await let_in(gate, passed) == [f"long {number}" for number in range(4)]
        gate.let_all_in()
    assert not gate


async def test_tasks_with_little_and_with_much_to_append_take_turns() -> None:
    gate = Gate()
    passed: list[str] = []
    async with trio.open_nursery() as nursery:
        for number in range(100):
            await wait_at(gate, passed, nursery, f"short {number}", is_short=True)
        await wait_at(gate, passed, nursery, "long", is_short=False)
        assert await let_in(gate, passed) == [f"short {number}" for number in range(4)]
        assert await let_in(gate, passed) == ["long"]
        # Nobody else waits with much, so those with little have each turn.
        assert len(await let_in(gate, passed)) == 12
        assert len(await let_in(gate, passed)) == 28
        gate.let_all_in()


async def test_a_task_that_gives_up_leaves_its_queue() -> None:
    gate = Gate()
    for is_short in (True, False):
        async with trio.open_nursery() as nursery:
            await wait_at(gate, [], nursery, "", is_short=is_short)
            assert gate
            nursery.cancel_scope.cancel()
        assert not gate
