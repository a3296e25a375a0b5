"""What records become in a server's log."""

from __future__ import annotations

import json
import logging
import re
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trionet.events import Closed
from trionet.program.log_format import as_json, as_text, time_of
from trionet.text.safe import safe_text

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def record_of(
    message: object, *args: object, level: int = logging.INFO, exc_info: Any = None, **own: object
) -> logging.LogRecord:
    record = logging.LogRecord("trionet.test", level, __file__, 0, message, args, exc_info)
    record.__dict__.update(own)
    return record


def failed(error: Exception) -> Any:
    try:
        raise error
    except Exception:
        return sys.exc_info()


def test_a_line_has_time_level_event_connection_peer_and_reason() -> None:
    record = record_of(
        "ignored", event="refused", connection=7, peer="192.0.2.7:51034", reason="server is full"
    )
    assert re.fullmatch(f"{TIME} info refused 7 192.0.2.7:51034 server is full", as_text(record))
    told = json.loads(as_json(record))
    assert re.fullmatch(TIME, told.pop("time"))
    assert told == {
        "level": "info",
        "event": "refused",
        "connection": 7,
        "peer": "192.0.2.7:51034",
        "reason": "server is full",
    }


def test_the_time_is_utc_to_the_millisecond() -> None:
    assert time_of(0.001) == "1970-01-01T00:00:00.001Z"
    assert time_of(1764297300.9996) == "2025-11-28T02:35:00.999Z"


def test_a_record_of_anybody_else_is_told_without_a_connection() -> None:
    for level, name, event in (
        (logging.DEBUG, "debug", "note"),
        (logging.WARNING, "warning", "note"),
        (logging.ERROR, "error", "failed"),
        (logging.CRITICAL, "error", "failed"),
    ):
        record = record_of("%d of %s", 1, "two", level=level)
        assert as_text(record).endswith(f"Z {name} {event} - - 1 of two")
        told = json.loads(as_json(record))
        assert (told["level"], told["event"], told["connection"]) == (name, event, None)


def test_arguments_that_do_not_fit_lose_no_record() -> None:
    assert as_text(record_of("%d", "x")).endswith(" note - - %d")


def test_the_figures_of_a_closed_connection_are_words_or_numbers() -> None:
    event = Closed(
        id=3, peer="unix:/run/a room#3", reason="the session ended", seconds=1.25,
        bytes_in=21, bytes_out=58, lines_in=3, lines_out=2,
    )  # fmt: skip
    record = record_of(
        event, event="closed", connection=3, peer=event.peer, reason=event.reason,
        fields=event.figures,
    )  # fmt: skip
    assert as_text(record).endswith(
        r" closed 3 unix:/run/a\x20room#3 the session ended "
        "(3 lines, 21 bytes in; 2 lines, 58 bytes out; 1.2 s)"
    )
    told = json.loads(as_json(record))
    assert told["reason"] == "the session ended"
    assert (told["bytes_in"], told["bytes_out"], told["seconds"]) == (21, 58, 1.25)


def test_each_line_of_a_traceback_is_a_line_of_the_log_or_a_field() -> None:
    record = record_of("it broke", level=logging.ERROR, exc_info=failed(ValueError("one\ntwo\x1b")))
    record.connection, record.peer = 9, "127.0.0.1:1"
    first, second, *_, last = as_text(record).split("\n")
    assert first.endswith(" error failed 9 127.0.0.1:1 it broke")
    assert second.endswith(" error traceback 9 127.0.0.1:1 Traceback (most recent call last):")
    assert last.endswith(" error traceback 9 127.0.0.1:1 two�")
    told = json.loads(as_json(record))
    assert told["reason"] == "it broke"
    assert told["exception"].endswith("ValueError: one\ntwo�")


def test_nothing_a_record_quotes_makes_it_long() -> None:
    record = record_of("x" * 10**6, exc_info=failed(ValueError("\n".join(["y" * 5000] * 5000))))
    assert len(as_text(record)) < 10**6
    assert "more characters" in as_text(record).split("\n")[0]
    assert "more lines" in as_text(record)
    assert len(as_json(record)) < 10**6


@given(st.text(), st.text(min_size=1), st.text(min_size=1))
def test_a_record_is_one_safe_line_whatever_it_quotes(reason: str, peer: str, name: str) -> None:
    record = record_of("%s", reason, event="login", connection=1, peer=peer, fields={"name": name})
    line = as_text(record)
    assert len(line.splitlines()) == 1
    assert safe_text(line) == line
    assert len(as_json(record).splitlines()) == 1
    told = json.loads(as_json(record))
    assert (told["reason"], told["peer"], told["name"]) == (reason, peer, name)
    assert as_json(record).isascii()


class _Unshowable:
    def __repr__(self) -> str:
        raise ValueError("no")


def _refuse_constant(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ([1, float("inf")], "[1, inf]"),
        ({(1, 2): 3}, "{(1, 2): 3}"),
    ],
)
def test_a_field_that_json_does_not_know_is_told_as_python_shows_it(
    value: object, told: str
) -> None:
    record = record_of("full")
    record.fields = {"disk": value, "free": 3}
    fields = json.loads(as_json(record), parse_constant=_refuse_constant)
    assert (fields["disk"], fields["free"], fields["reason"]) == (told, 3, "full")


def test_a_field_that_cannot_be_shown_loses_no_record() -> None:
    loop: list[object] = []
    loop.append(loop)
    for value in (loop, _Unshowable()):
        record = record_of("full")
        record.fields = {"disk": value, "free": 3}
        told = json.loads(as_json(record))
        assert (told["reason"], told["free"]) == ("full", 3)


def test_a_field_takes_the_place_of_none_that_each_line_has() -> None:
    record = record_of("full")
    record.fields = {"time": "noon", "level": "high", "connection": 7, "disk": "sda"}
    told = json.loads(as_json(record))
    assert told["time"].endswith("Z")
    assert (told["level"], told["connection"], told["disk"]) == ("info", None, "sda")
