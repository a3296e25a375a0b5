"""The log: it follows the end, keeps the place of what is read, and stays within bounds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from json_peer import JSONPeer
from site_page import Person, Site

Visit = Callable[..., Person]

FROM_END = """() => {
    const log = document.querySelector('[role=log]');
    return Math.round(log.scrollHeight - log.scrollTop - log.clientHeight);
}"""

# Chromium's own judgement of what jumps on the screen (it counts no scrolling).
WATCH_SHIFTS = """() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const { value, sources } of list.getEntries()) {
            if (sources.some(({ node }) => node?.closest?.(".log"))) {
                window.shifts.push(value);
            }
        }
    }).observe({ type: "layout-shift" });
}"""
ROWS = "() => document.querySelectorAll('[role=log] > *').length"


def flood(member: JSONPeer, first: int, last: int) -> None:
    """Say numbers, and read what comes back."""
    for start in range(first, last + 1, 100):
        numbers = range(start, min(start + 100, last + 1))
        member.say_raw(
            *(f'{{"type": "say", "room": "lobby", "text": "m{number}"}}' for number in numbers)
        )
        for _ in numbers:
            member.expect("said")


def scroll_to(person: Person, text: str) -> None:
    person.row(text).evaluate("(row) => row.scrollIntoView({ block: 'start' })")
    person.wait_until("() => !document.querySelector('#to-end').hidden")


def top_of(person: Person, text: str) -> float:
    return float(
        person.row(text).locator(".text").evaluate("(it) => it.getBoundingClientRect().top")
    )


@pytest.fixture
def member(site: Site) -> JSONPeer:
    return site.room.log_in_json("dan")


def test_the_end_is_followed_and_what_is_read_further_up_stays(
    site: Site, visit: Visit, member: JSONPeer
) -> None:
    ann = visit(site).log_in("Ann")
    member.expect("joined")
    flood(member, 1, 100)
    ann.expect("m100")
    assert ann.evaluate(FROM_END) == 0
    scroll_to(ann, "m30")
    before = top_of(ann, "m30")
    flood(member, 101, 112)
    button = ann.page.get_by_role("button", name="12 new")
    button.wait_for()
    assert top_of(ann, "m30") == before
    assert ann.page.title() == "(12) lobby – trionet chat"
    button.click()
    ann.expect("m112")
    ann.wait_until("() => document.querySelector('#to-end').hidden")
    assert ann.evaluate(FROM_END) == 0
    assert ann.page.title() == "lobby – trionet chat"
    assert ann.row("m101").locator(".unread").count() == 1


def test_history_is_loaded_on_scrolling_up_without_moving_what_is_read(
    site: Site, visit: Visit, member: JSONPeer
) -> None:
    flood(member, 1, 900)
    ann = visit(site).log_in("Ann")
    ann.expect("m900")
    ann.wait_until(f"() => ({ROWS})() >= 200")
    assert ann.row("m500").count() == 0
    oldest = ann.messages()[0]
    ann.log.focus()
    # What is read stays where it is while a page is put before it.
    ann.evaluate("() => { document.querySelector('[role=log]').scrollTop = 60; }")
    before = top_of(ann, oldest)
    ann.wait_until(f"() => document.querySelector('.said .text').textContent !== '{oldest}'")
    assert abs(top_of(ann, oldest) - before) < 1.5
    for _ in range(40):
        oldest = ann.messages()[0]
        if oldest == "m1":
            break
        ann.page.keyboard.press("Home")
        ann.wait_until(f"() => document.querySelector('.said .text').textContent !== '{oldest}'")
    ann.expect("m1")
    numbers = [int(text[1:]) for text in ann.messages()]
    assert numbers == list(range(1, 901))


def test_a_flood_leaves_a_bounded_number_of_rows_and_no_jump(
    site: Site, visit: Visit, member: JSONPeer
) -> None:
    ann = visit(site).log_in("Ann")
    member.expect("joined")
    flood(member, 1, 3000)
    ann.expect("m3000")
    assert 200 <= ann.evaluate(ROWS) <= 2000
    assert ann.evaluate(FROM_END) == 0
    # Reading further up in another flood.
    scroll_to(ann, "m2900")
    before = top_of(ann, "m2900")
    flood(member, 3001, 6000)
    ann.page.get_by_role("button", name="3000 new").wait_for()
    assert 200 <= ann.evaluate(ROWS) <= 2000
    assert abs(top_of(ann, "m2900") - before) < 1.5
    ann.page.get_by_role("button", name="3000 new").click()
    ann.expect("m6000")
    assert ann.evaluate(FROM_END) == 0


def test_nothing_jumps_while_the_end_is_followed_and_old_rows_are_dropped(
    site: Site, visit: Visit, member: JSONPeer
) -> None:
    ann = visit(site).log_in("Ann")
    member.expect("joined")
    flood(member, 1, 390)
    ann.expect("m390")
    ann.evaluate(WATCH_SHIFTS)
    for first in range(391, 1391, 100):
        flood(member, first, first + 99)
        ann.expect(f"m{first + 99}")
    assert 200 <= ann.evaluate(ROWS) <= 800
    assert ann.evaluate("() => window.shifts") == []


def test_a_search_goes_to_what_it_found_and_back(
    site: Site, visit: Visit, member: JSONPeer
) -> None:
    member.request("say", room="lobby", text="a needle")
    member.expect("said")
    flood(member, 1, 700)
    ann = visit(site).log_in("Ann")
    ann.expect("m700")
    ann.page.get_by_role("searchbox").fill("needle")
    ann.page.get_by_role("searchbox").press("Enter")
    ann.page.get_by_role("button", name="needle").click()
    ann.expect("a needle")
    assert ann.row("a needle").evaluate("(it) => it === document.activeElement")
    assert ann.row("m700").count() == 0
    ann.page.get_by_role("button", name="To the end").click()
    ann.expect("m700")
    ann.say("on")
    ann.expect("on")
    assert ann.evaluate(FROM_END) == 0
