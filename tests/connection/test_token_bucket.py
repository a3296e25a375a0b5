"""A token bucket: what may pass, and when."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trionet.connection.token_bucket import TokenBucket


def test_a_bucket_begins_full_and_gains_tokens_with_time() -> None:
    bucket = TokenBucket(rate=2, burst=5, now=100)
    assert bucket.take(10, 100) == 5
    assert bucket.take(10, 100) == 0
    assert bucket.when(100) == pytest.approx(100.5)
    assert bucket.take(10, 102) == 4


def test_a_bucket_holds_no_more_than_its_burst() -> None:
    bucket = TokenBucket(rate=2, burst=5, now=0)
    assert bucket.take(3, 1000) == 3
    assert bucket.take(100, 2000) == 5


def test_with_a_token_there_is_no_wait() -> None:
    bucket = TokenBucket(rate=0.1, burst=1, now=7)
    assert bucket.when(7) == pytest.approx(7)


def test_a_charge_beyond_the_tokens_is_a_debt_that_is_paid_first() -> None:
    bucket = TokenBucket(rate=2, burst=5, now=0)
    bucket.charge(9)
    assert bucket.take(10, 0) == 0
    assert bucket.when(0) == pytest.approx(2.5)
    assert bucket.take(10, 2) == 0
    assert bucket.take(10, 2.5) == 1


def test_a_charge_must_not_be_negative() -> None:
    bucket = TokenBucket(rate=2, burst=5, now=0)
    with pytest.raises(ValueError, match="must not be negative"):
        bucket.charge(-1)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_bucket_that_could_never_hold_a_token_is_refused(rate: float, burst: int) -> None:
    with pytest.raises(ValueError, match="rate must be above 0, burst at least 1"):
        TokenBucket(rate=rate, burst=burst, now=0)


@settings(deadline=None)
@given(
    rate=st.floats(0.01, 1e6),
    burst=st.integers(1, 1000),
    steps=st.lists(st.tuples(st.floats(0, 100), st.integers(0, 2000)), max_size=30),
)
def test_no_more_is_taken_than_burst_and_rate_allow_and_when_is_right(
    rate: float, burst: int, steps: list[tuple[float, int]]
) -> None:
    bucket = TokenBucket(rate=rate, burst=burst, now=0)
    now, taken = 0.0, 0
    for seconds, wanted in steps:
        now += seconds
        got = bucket.take(wanted, now)
        assert 0 <= got <= wanted
        taken += got
        assert taken <= burst + now * rate + 1e-6
        if got < wanted:
            now = bucket.when(now)
            assert bucket.take(1, now) == 1
            taken += 1
