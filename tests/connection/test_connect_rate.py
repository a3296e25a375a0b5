"""How many connections a second a host may open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trionet.connection.connect_rate import BURST_SECONDS, MOST_HOSTS, ConnectRate


def admitted(rate: ConnectRate, host: str, now: float, tries: int) -> int:
    return sum(rate.admit(host, now) for _ in range(tries))


@pytest.mark.parametrize("rate", [1, 3, 7, 10, 1000, 0.5, 1.5])
def test_a_host_may_open_five_seconds_worth_of_connections_at_once(rate: float) -> None:
    counts = ConnectRate(rate)
    assert admitted(counts, "a", 100.0, 10_000) == max(int(BURST_SECONDS * rate), 1)


@pytest.mark.parametrize("rate", [1, 3, 10, 0.2])
def test_after_its_burst_a_host_may_open_as_many_as_the_rate_says(rate: float) -> None:
    counts = ConnectRate(rate)
    admitted(counts, "a", 0.0, 10_000)
    assert admitted(counts, "a", 0.99 / rate, 10) == 0
    assert admitted(counts, "a", 1.01 / rate, 10) == 1
    assert admitted(counts, "a", 2.02 / rate, 10) == 1


def test_a_host_that_has_paused_has_its_whole_burst_again() -> None:
    counts = ConnectRate(2)
    assert admitted(counts, "a", 0.0, 50) == 10
    assert admitted(counts, "a", BURST_SECONDS, 50) == 10


def test_hosts_are_counted_apart() -> None:
    counts = ConnectRate(1)
    assert admitted(counts, "a", 0.0, 50) == 5
    assert admitted(counts, "b", 0.0, 50) == 5


def test_a_connection_that_was_refused_does_not_count() -> None:
    counts = ConnectRate(1)
    admitted(counts, "a", 0.0, 1000)
    assert counts.admit("a", 1.0)


def test_a_rate_of_less_than_one_in_five_seconds_allows_one_at_a_time() -> None:
    counts = ConnectRate(0.1)
    assert admitted(counts, "a", 0.0, 5) == 1
    assert admitted(counts, "a", 9.0, 5) == 0
    assert admitted(counts, "a", 10.0, 5) == 1


def test_without_a_rate_or_a_host_there_is_no_limit() -> None:
    assert admitted(ConnectRate(0), "a", 0.0, 1000) == 1000
    limited = ConnectRate(1)
    assert all(limited.admit(None, 0.0) for _ in range(1000))
    assert len(limited) == 0


def test_hosts_are_forgotten_once_they_have_their_whole_burst_again() -> None:
    counts = ConnectRate(1)
    for number in range(1000):
        counts.admit(f"host {number}", 0.0)
    assert len(counts) == 1000
    counts.admit("another", 1.0)
    assert len(counts) == 1


def test_a_flood_from_many_hosts_takes_bounded_memory() -> None:
    counts = ConnectRate(1)
    for number in range(MOST_HOSTS + 100):
        assert counts.admit(f"host {number}", 0.0)
    assert len(counts) == MOST_HOSTS


@given(
    st.sampled_from([0.5, 1, 3, 10]),
    st.lists(
        st.tuples(st.sampled_from("abc"), st.floats(0, 2, allow_subnormal=False)), max_size=200
    ),
)
def test_in_any_stretch_a_host_gets_its_burst_and_its_rate_at_most(
    rate: float, arrivals: list[tuple[str, float]]
) -> None:
    counts = ConnectRate(rate)
    now = 0.0
    times: dict[str, list[float]] = {}
    for host, pause in arrivals:
        now += pause
        if counts.admit(host, now):
            times.setdefault(host, []).append(now)
    burst = max(BURST_SECONDS * rate, 1)
    for host_times in times.values():
        for first, begin in enumerate(host_times):
            for last, end in enumerate(host_times[first:]):
                assert last + 1 <= burst + rate * (end - begin) + 0.01
