"""Readings: how they are made, asked for and added up."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from trionet import Histogram, Metrics, Reading
from trionet.metrics import add_up

WRONG: Any = [3]


def test_a_reading_is_plain_data() -> None:
    reading = Reading.counter("lines_total", "Lines.", {"in": 3, "out": 4}, label="direction")
    assert reading.values == {"in": 3.0, "out": 4.0}
    assert pickle.loads(pickle.dumps(reading)) == reading
    assert Reading(*reading) == reading


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Reading.counter("lines", "Lines.", 3), "write lines_total"),
        (lambda: Reading.gauge("two words", "Words.", 3), "letters, digits and _ alone"),
        (lambda: Reading.gauge("jobs", "Jobs.", {"a": 1}, label="le"), "letters, digits and _"),
        (lambda: Reading.gauge("jobs", "Jobs.", 3, combine=WRONG), "'sum', 'max' or 'min'"),
        (lambda: Histogram([]), "at least one number"),
        (lambda: Histogram([2, 1]), "the smallest first"),
    ],
)
def test_a_reading_that_prometheus_would_not_take_is_refused(
    make: Callable[[], object], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        make()


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Reading.gauge(WRONG, "Jobs.", 3), "name must be a text"),
        (lambda: Reading.gauge("jobs", WRONG, 3), "meaning must be a text"),
        (lambda: Reading.gauge("jobs", "Jobs.", WRONG), "value must be a number"),
        (lambda: Reading.gauge("jobs", "Jobs.", True), "value must be a number"),
        (lambda: Reading.gauge("jobs", "Jobs.", {"a": 3}), "with a label, value must be a mapping"),
        (lambda: Reading.gauge("jobs", "Jobs.", 3, label="kind"), "value must be a mapping"),
        (lambda: Histogram([1, WRONG]), "a list of numbers, not of"),
        (lambda: Metrics().add(WRONG), "source must be a function"),
    ],
)
def test_a_wrong_argument_is_named(make: Callable[[], object], problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        make()


def test_a_histogram_counts_each_value_in_one_bucket() -> None:
    histogram = Histogram([1, 2.5])
    for value in (0.5, 1, 1.5, 3, 4):
        histogram.observe(value)
    reading = histogram.reading("job_seconds", "How long a job took.")
    assert reading.values == {"1.0": 2, "2.5": 1, "+Inf": 2}
    assert reading.sum == 10


def test_a_source_that_fails_costs_its_own_readings_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def breaks_off() -> Iterable[Reading]:
        yield Reading.gauge("broken", "Broken.", 1)
        raise ZeroDivisionError

    metrics = Metrics()
    metrics.add(breaks_off)
    metrics.add(lambda: [3])  # type: ignore[list-item]
    metrics.add(lambda: [None, Reading.gauge("whole", "Whole.", 1)])
    for _ in range(3):
        assert [reading.name for reading in metrics.read()] == ["whole"]
    assert [reading and reading.name for reading in metrics.steps()] == [None, "whole"]
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 2


def test_the_readings_of_several_processes_are_added_up() -> None:
    def process(number: int) -> list[Reading]:
        histogram = Histogram([1])
        histogram.observe(number)
        return [
            Reading.counter("ends_total", "Ends.", {f"end{number}": 1, "eof": number}, label="end"),
            Reading.gauge("lag", "Lag.", number, combine="max"),
            Reading.gauge("days_left", "Days.", number, combine="min"),
            histogram.reading("seconds", "Seconds."),
        ]

    one, two = process(1), process(2)
    ends, lag, days, seconds = add_up([*one, *two])
    assert ends.values == {"end1": 1, "end2": 1, "eof": 3}
    assert (lag.values, days.values) == ({"": 2}, {"": 1})
    assert (seconds.values, seconds.sum) == ({"1.0": 1, "+Inf": 1}, 3)
    # Those that were added up are as they were.
    assert one == process(1)
