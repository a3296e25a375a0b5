"""A shared chat whose Redis loses connections, answers and its past. Full: tools/chaos_log.py."""

from __future__ import annotations

from typing import Any

import pytest
import trio.testing

from chaos import Chaos, order_tasks
from shared_chat import clusters

__all__ = ["clusters"]


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_to_redis_all_are_told_the_same_once(
    seed: int,
    clusters: Any,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order_tasks(seed, 0, monkeypatch.setattr)
    # Every other chat saves snapshots so often that nodes fall behind them.
    options = {"snapshots": (60, 60)} if seed % 2 else {}
    async with clusters(3, **options) as cluster:
        chaos = Chaos(cluster, seed)
        await chaos.run()
        assert chaos.faults() == [], chaos.happened
