"""Members who go from room to room and change names while Redis loses its past."""

from __future__ import annotations

from typing import Any

import pytest
import trio.testing

from chaos import order_tasks
from moving import Moving
from shared_chat import clusters

__all__ = ["clusters"]


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_the_log_loses_all_know_where_everyone_is(
    seed: int,
    clusters: Any,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order_tasks(seed, 0, monkeypatch.setattr)
    async with clusters(3) as cluster:
        moving = Moving(cluster, seed)
        faults = await moving.run()
        assert faults == [], moving.happened
