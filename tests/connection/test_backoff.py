"""How long a client waits before it connects again."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from trionet.connection.backoff import jittered, pauses_without_end


def test_pauses_are_short_for_half_a_minute_and_then_double() -> None:
    pauses = list(islice(pauses_without_end(), 38))
    assert pauses[:4] == [0.25, 0.5, 1, 1]
    until_they_grow = pauses[: pauses.index(2)]
    assert until_they_grow[2:] == [1] * (len(until_they_grow) - 2)
    assert 29 < sum(until_they_grow) < 31
    assert pauses[len(until_they_grow) :] == [2, 4, 8, 16, 30, 30, 30]


@given(st.floats(0, 1))
def test_jitter_is_a_quarter_at_most(chance: float) -> None:
    assert 7.5 <= jittered(10, chance) <= 12.5


def test_jitter_goes_both_ways() -> None:
    assert (jittered(10, 0), jittered(10, 0.5), jittered(10, 1)) == (7.5, 10, 12.5)
