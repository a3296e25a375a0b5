"""The calculator counts each expression once, whichever way it takes."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from served import Served, served
from trionet import calc
from trionet.calc.fast_path import PAIR_COST


def numbers(service: Served) -> dict[str, float]:
    readings = service.server.metrics.read()
    return {one.name: one.values[""] for one in readings if one.name.startswith("trionet_calc")}


@pytest.mark.parametrize("has_console", [True, False])
async def test_each_expression_is_counted_once(
    autojump_clock: MockClock, has_console: bool
) -> None:
    async def serve(*addresses: str, show: Any, **options: Any) -> None:
        await calc.serve(*addresses, show=show if has_console else None, **options)

    async with served(serve, Served) as service:
        ann = await service.connect("ann")
        lines = ["1 + 1"] * 250 + ["sqrt(2)", "1 / 0", "what?", "2 * (3 + 4)"] + ["2 * 2"] * 50
        await ann.send(*lines)
        for _ in lines:
            await ann.receive()
        await ann.send_bytes(b"\xff\n")
        await ann.receive()
        await ann.send("q")
        await ann.expect_end()
        now = numbers(service)
        assert now["trionet_calc_operations_total"] == len(lines) + 1
        assert now["trionet_calc_failures_total"] == 3
        cost = now["trionet_calc_cost_seconds_total"]
        assert 300 * PAIR_COST < cost * 1e6 < 300 * PAIR_COST + 10_000


async def test_a_name_is_no_operation(autojump_clock: MockClock) -> None:
    async with served(calc.serve, Served) as service:
        ann = await service.connect("ann")
        await trio.testing.wait_all_tasks_blocked()
        assert numbers(service)["trionet_calc_operations_total"] == 0
        await ann.send("q")
        await ann.expect_end()
        nobody = await service.connect("q")
        await nobody.expect_end()
        unfit = await service.connect("\u3164")
        await unfit.receive()
        await unfit.expect_end()
        assert numbers(service)["trionet_calc_operations_total"] == 0
        assert numbers(service)["trionet_calc_failures_total"] == 0
