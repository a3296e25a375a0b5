"""Whoever is cut off while it is told the past is told it again. Full: tools/coming_back.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio._core._run as scheduler
import trio.testing

from chaos import order_tasks
from coming_back import HISTORIES, ComingBack, History, make_small


@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize("seed", range(3))
async def test_whoever_comes_back_is_told_everything_once_or_that_it_has_missed_it(
    seed: int,
    history: History,
    tmp_path: Path,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # `order_tasks` sets it; this sets it back afterwards.
    monkeypatch.setattr(scheduler, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    order_tasks(seed, 0)
    make_small(monkeypatch.setattr, seed)
    coming_back = ComingBack(seed, history, tmp_path)
    await coming_back.run()
    assert list(coming_back.faults()) == []
    assert min(follower.resumed for follower in coming_back.followers) > 3
