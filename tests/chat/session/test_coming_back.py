"""Whoever is cut off again and again comes back to all that it must. Full: tools/coming_back.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio.testing

from chaos import order_tasks
from coming_back import HISTORIES, ComingBack, History
from whole_lives import WholeLives, make_small


@pytest.fixture(autouse=True)
def small(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make everything small, and let all that happens follow from the seed of a test."""
    order_tasks(seed, 0, monkeypatch.setattr)
    make_small(monkeypatch.setattr, seed)


@pytest.mark.parametrize("history", HISTORIES)
@pytest.mark.parametrize("seed", range(3))
async def test_whoever_comes_back_is_told_everything_once_or_that_it_has_missed_it(
    seed: int, history: History, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    coming_back = ComingBack(seed, history, tmp_path)
    await coming_back.run()
    assert list(coming_back.faults()) == []
    assert sum(follower.resumed for follower in coming_back.followers) > 15


@pytest.mark.parametrize(
    ("seed", "history"), [(0, "file"), (1, "file that forgets"), (2, "memory"), (3, "file")]
)
async def test_what_a_member_asks_for_is_done_once_and_what_is_told_it_is_true_over_many_lives(
    seed: int, history: History, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    lives = WholeLives(seed, history, tmp_path)
    await lives.run()
    assert list(lives.faults()) == []
    counts = lives.counts()
    assert min(counts[what] for what in ("lives", "resumed", "private messages")) > 3
