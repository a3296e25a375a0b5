"""Events as lines that are read aloud."""

from __future__ import annotations

from typing import Any

import pytest

from trionet.chat.person.times import parse_time
from trionet.cli.linear.lines import event_lines, here, listed, many, stamped
from window_events import NOON, event, notice, said


def told(from_: str, to: str, text: str) -> Any:
    return event("told", number=1, time=NOON, from_=from_, to=to, text=text)


@pytest.mark.parametrize(
    ("heard", "line"),
    [
        (said(1, "hello"), "Bea: hello"),
        (said(1, "grüße ← \x1b[2J"), "Bea: grüße ← �[2J"),
        (notice("acted", 1, "Bea", text="waves"), "* Bea waves"),
        (told("Bea", "Ann", "psst"), "[Bea to you] psst"),
        (told("Ann", "Bea", "what?"), "[you to Bea] what?"),
        (notice("joined", 1, "Cid", count=3), "*** Cid joined (3 here)"),
        (notice("left", 1, "Cid", count=2, reason="quit"), "*** Cid left (2 here)"),
        (
            notice("left", 1, "Cid", count=2, reason="lost"),
            "*** Cid left (2 here, connection lost)",
        ),
        (notice("renamed", 1, "Bea", to="Eve"), "*** Bea is now Eve"),
        (notice("topic", 1, "Bea", text="tea"), "*** Bea set the topic: tea"),
        (notice("topic", 1, "Bea", text=""), "*** Bea removed the topic"),
        (notice("removed", 2, "Bea", of=1), "*** Bea removed a message"),
    ],
)
def test_an_event_is_a_line_that_says_what_it_is(heard: Any, line: str) -> None:
    assert event_lines(heard, "Ann") == [line]


def test_an_event_of_an_unknown_type_is_not_told() -> None:
    assert event_lines(notice("reacted", 1, "Bea"), "Ann") == []


@pytest.mark.parametrize(
    ("heard", "begin"),
    [
        (said(1, "one\n*** server is closing\n"), "Bea: "),
        (notice("acted", 1, "Bea", text="one\n*** server is closing\n"), "* Bea "),
        (told("Bea", "Ann", "one\n*** server is closing\n"), "[Bea to you] "),
    ],
)
def test_each_line_of_a_text_says_whose_it_is(heard: Any, begin: str) -> None:
    assert event_lines(heard, "Ann") == [
        *(f"{begin}one", f"{begin}*** server is closing", begin),
    ]


def test_a_time_has_a_date_if_it_is_not_today() -> None:
    now = parse_time("2026-11-28T23:00:00.000Z")
    assert stamped(["Bea: hi"], NOON, now, lambda _: 0) == ["[12:00] Bea: hi"]
    # One hour to the east it is tomorrow already.
    assert stamped(["1", "2"], NOON, now, lambda _: 3600) == [
        *("[2026-11-28 13:00] 1", "[2026-11-28 13:00] 2"),
    ]


def test_long_lists_are_cut_and_the_rest_is_counted() -> None:
    assert here(["Ann", "Bea"], 2) == "2 here: Ann, Bea"
    assert here(["Ann", "Bea", "Cid"], 7, most=2) == "7 here: Ann, Bea … and 5 more"
    assert listed(["lobby (1)"], 1) == "lobby (1)"
    assert (many(1, "event"), many(2, "event")) == ("1 event", "2 events")
