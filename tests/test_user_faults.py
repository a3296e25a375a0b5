"""A fault in a user's function is logged once, however often it happens, and never raised."""

from __future__ import annotations

import logging

import pytest

from trionet.events import Opened
from trionet.user_faults import FaultLog, Kind

LOGGER = logging.getLogger("trionet.test")

ONCE = "(logged once, however often it happens)"


def divide(number: int) -> None:
    if number < 0:
        raise ValueError("negative")
    assert 1 / number > 0


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


def test_each_fault_of_a_callback_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    shielded = FaultLog(LOGGER).shielded("show", divide)
    assert shielded is not None
    for number in (0, 0, -1, 1, -2, 0):
        shielded(number)
    assert caplog.messages == [
        f"show failed, and the server goes on: 0 {ONCE}",
        f"show failed, and the server goes on: -1 {ONCE}",
    ]
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


def test_each_subject_is_shielded_from_the_faults_of_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[int] = []

    def show(number: int) -> None:
        divide(number)
        seen.append(number)

    show_all = FaultLog(LOGGER).shielded_each("show", show)
    assert show_all is not None
    show_all([3, 0, 0, 2])
    show_all([-1, 1])
    assert seen == [3, 2, 1]
    assert caplog.messages == [
        f"show failed, and the server goes on: 0 {ONCE}",
        f"show failed, and the server goes on: -1 {ONCE}",
    ]


def test_the_same_error_of_two_callbacks_is_two_faults(caplog: pytest.LogCaptureFixture) -> None:
    faults = FaultLog(LOGGER)
    error = ValueError("negative")
    for callback in (divide, print, divide):
        faults.report(error, callback, "a line was left out")
    assert caplog.messages == [f"a line was left out {ONCE}"] * 2


def test_whatever_a_fault_happened_to_can_be_logged(caplog: pytest.LogCaptureFixture) -> None:
    faults = FaultLog(LOGGER)
    faults.report(ValueError(), divide, "a line was left out", Unshowable())
    assert "<test_user_faults.Unshowable object at" in caplog.messages[0].replace("tests.", "")
    faults.report(TypeError(), divide, "a line was left out", "x" * 1000)
    assert len(caplog.messages[1]) < 300


def test_a_fault_tells_nothing_of_a_text_that_a_callback_got(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def show(*_lines: object) -> None:
        raise TypeError

    shielded = FaultLog(LOGGER).shielded("show", show)
    assert shielded is not None
    shielded("a secret", b"a secret", ["a secret"])
    told = "<str of length 8>, <bytes of length 8>, <list>"
    assert caplog.messages == [f"show failed, and the server goes on: {told} {ONCE}"]


def test_a_fault_about_a_connection_says_which(caplog: pytest.LogCaptureFixture) -> None:
    faults = FaultLog(LOGGER)
    event = Opened(id=7, peer="127.0.0.1:1")
    faults.report(ValueError(), divide, "on_event failed", Kind(event))
    (record,) = caplog.records
    own = record.__dict__
    assert (own["event"], own["connection"], own["peer"]) == ("failed", 7, "127.0.0.1:1")


def test_a_callback_that_was_not_given_needs_no_shield() -> None:
    assert FaultLog(LOGGER).shielded("show", None) is None
    assert FaultLog(LOGGER).shielded_each("show", None) is None


def test_an_interrupt_passes_through_a_shield() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    shielded = FaultLog(LOGGER).shielded("show", interrupt)
    assert shielded is not None
    with pytest.raises(KeyboardInterrupt):
        shielded()
