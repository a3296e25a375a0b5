"""Members who go from room to room and change names while Redis loses its past."""

from __future__ import annotations

from typing import Any

import pytest
import trio._core._run as scheduler
import trio.testing

from chaos import order_tasks
from moving import Moving
from shared_chat import clusters

__all__ = ["clusters"]


# With the last, an entry that ends the lease of a server is the first that it reads after a loss.
@pytest.mark.parametrize(("seed", "order"), [(1, 0), (2, 0), (3, 0), (4, 0), (9, 0), (16, 2)])
async def test_whatever_the_log_loses_all_know_where_everyone_is(
    seed: int,
    order: int,
    clusters: Any,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # `order_tasks` sets it; this sets it back afterwards.
    monkeypatch.setattr(scheduler, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    order_tasks(seed, order)
    async with clusters(3) as cluster:
        moving = Moving(cluster, seed)
        faults = await moving.run()
        assert faults == [], moving.happened
