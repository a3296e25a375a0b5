"""Whoever is cut off, whatever it asked for, comes back to it all. Full: tools/coming_back.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio._core._run as scheduler
import trio.testing

from chaos import order_tasks
from coming_back import History
from whole_lives import WholeLives, make_small


@pytest.mark.parametrize(
    ("seed", "history"), [(0, "file"), (1, "file"), (2, "memory"), (3, "file that forgets")]
)
async def test_what_a_member_asks_for_is_done_once_and_what_is_told_it_is_true_over_many_lives(
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
    lives = WholeLives(seed, history, tmp_path)
    await lives.run()
    assert list(lives.faults()) == []
    counts = lives.counts()
    assert min(counts[what] for what in ("lives", "resumed", "private messages")) > 3
