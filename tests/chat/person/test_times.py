"""Times of events as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from trionet.chat.person.times import clock_text, date_text, day_of, day_text, parse_time


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)))
def test_every_time_is_read_and_shown_as_datetime_does(naive: datetime) -> None:
    when = naive.replace(microsecond=0, tzinfo=UTC)
    seconds = parse_time(when.strftime("%Y-%m-%dT%H:%M:%S.123Z").zfill(24))
    assert seconds == round((when - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1))
    assert clock_text(seconds, lambda _: 0) == when.strftime("%H:%M")
    shown = f"{when:%A}, {when.day} {when:%B} {when.year}"
    day = day_of(seconds, lambda _: 0)
    assert day_text(day) == shown
    assert date_text(day) == when.date().isoformat()


def test_times_are_local() -> None:
    seconds = parse_time("2026-11-28T23:30:00.000Z")
    assert clock_text(seconds, lambda _: 3600) == "00:30"
    assert day_text(day_of(seconds, lambda _: 3600)) == "Sunday, 29 November 2026"


def test_what_is_no_time_is_the_beginning() -> None:
    assert parse_time("yesterday") == 0
