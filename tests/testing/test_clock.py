"""Virtual time beside threads: it stands still while somebody waits for what does not follow it."""

from __future__ import annotations

import time

import pytest
import trio

from trionet.testing import clock_stands_still


async def test_the_clock_runs_ahead_of_a_thread_unless_it_stands_still(
    autojump_clock: trio.testing.MockClock,
) -> None:
    # A deadline of an hour, and a thread that needs a fiftieth of a second.
    with trio.move_on_after(3600) as scope:
        await trio.to_thread.run_sync(time.sleep, 0.02, abandon_on_cancel=True)
    assert scope.cancelled_caught
    began = trio.current_time()
    with clock_stands_still(autojump_clock), trio.move_on_after(0.001) as scope:
        await trio.to_thread.run_sync(time.sleep, 0.02)
    assert not scope.cancelled_caught
    assert trio.current_time() == began


async def test_after_the_block_the_clock_jumps_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with pytest.raises(ValueError, match="in the block"), clock_stands_still(autojump_clock):
        raise ValueError("in the block")
    began = trio.current_time()
    await trio.sleep(3600)
    assert trio.current_time() - began == 3600


async def test_the_clock_stands_still_until_the_last_of_several_blocks_ends(
    autojump_clock: trio.testing.MockClock,
) -> None:
    has_begun, may_end = trio.Event(), trio.Event()

    async def first() -> None:
        with clock_stands_still(autojump_clock):
            has_begun.set()
            await may_end.wait()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(first)
        await has_begun.wait()
        with clock_stands_still(autojump_clock):
            may_end.set()
            began = trio.current_time()
            with trio.move_on_after(5) as scope:
                await trio.to_thread.run_sync(time.sleep, 0.02, abandon_on_cancel=True)
            assert not scope.cancelled_caught
            assert trio.current_time() == began
    assert autojump_clock.autojump_threshold == 0
    await trio.sleep(3600)
    assert trio.current_time() - began == 3600
