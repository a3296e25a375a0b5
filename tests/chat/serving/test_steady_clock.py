"""A clock that never goes back, whatever is done to the one of the OS."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trionet.chat.serving.steady_clock import SteadyClock

HOUR = 3_600_000


class Clocks:
    """The clock of the OS, which can be set, and one that cannot."""

    def __init__(self) -> None:
        self.wall = 1_000 * HOUR
        self.steady = 5.0
        self.time = SteadyClock(lambda: self.wall, lambda: self.steady)

    def pass_by(self, milliseconds: int) -> None:
        self.wall += milliseconds
        self.steady += milliseconds / 1000


def test_the_time_is_what_the_clock_says() -> None:
    clocks = Clocks()
    for milliseconds in (0, 1, 250, HOUR):
        clocks.pass_by(milliseconds)
        assert clocks.time() == clocks.wall
    # Also where the clock is set forward.
    clocks.wall += HOUR
    assert clocks.time() == clocks.wall


def test_a_clock_that_is_set_back_is_waited_for_at_half_the_speed() -> None:
    clocks = Clocks()
    began = clocks.time()
    clocks.wall -= HOUR
    # Called very often, so that rounding could stop it.
    for _ in range(10_000):
        clocks.pass_by(1)
        clocks.time()
    assert abs(clocks.time() - began - 5_000) <= 1
    clocks.pass_by(2 * HOUR - 20_000)
    assert abs(clocks.time() - began - HOUR + 5_000) <= 1
    clocks.pass_by(HOUR)
    assert clocks.time() == clocks.wall


@given(
    st.lists(
        st.tuples(st.integers(0, 100_000), st.integers(-2 * HOUR, 2 * HOUR) | st.just(0)),
        max_size=30,
    )
)
def test_the_time_never_goes_back_and_never_stands_still(steps: list[tuple[int, int]]) -> None:
    clocks = Clocks()
    last = clocks.time()
    for milliseconds, set_by in steps:
        clocks.wall += set_by
        clocks.pass_by(milliseconds)
        assert clocks.time() >= last + milliseconds // 2 - 1
        last = clocks.time()
