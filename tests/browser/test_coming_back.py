"""What becomes of a page whose server goes away, comes back, has forgotten, or was too fast."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cutter import Cutter
from site_page import Person, Site

Visit = Callable[..., Person]
StartSite = Callable[..., Site]

# More than what the buffers on the way hold.
FLOOD = 4000

# Makes a page stand still until `let_go`. A cookie is all that a page sees of others meanwhile.
STAND_STILL = """() => {
    setTimeout(() => {
        while (!document.cookie.includes("go=on")) {
            const look = Date.now() + 50;
            while (Date.now() < look);
        }
    });
}"""


def let_go(person: Person) -> None:
    person.context.add_cookies([{"name": "go", "value": "on", "url": person.page.url}])


def test_a_page_is_back_soon_after_a_restart_with_the_whole_transcript(
    start_site: StartSite, visit: Visit, tmp_path: Path
) -> None:
    site = start_site("--history", str(tmp_path / "history"))
    ann, bob = visit(site).log_in("Ann"), visit(site).log_in("Bob")
    ann.say("one", "two")
    bob.expect("two")
    bob.say("three")
    ann.expect("three")
    site.end()
    ann.page.locator("#connection", has_text="Not connected").wait_for()
    ann.say("four")
    assert "pending" in (ann.row("four").get_attribute("class") or "")
    site.start()
    listening = time.monotonic()
    ann.page.locator("#connection[data-state=live]").wait_for()
    # It tries at least every 1.25 s. The rest is for a busy machine.
    assert time.monotonic() - listening < 5
    for person in (ann, bob):
        person.page.locator(".row.said:not(.pending)", has_text="four").wait_for()
        assert person.messages() == ["one", "two", "three", "four"]
        assert person.page.locator(".gap").count() == 0
    # A newcomer sees the same.
    cid = visit(site).log_in("Cid")
    cid.expect("four")
    assert cid.messages() == ["one", "two", "three", "four"]


@pytest.fixture(params=["in memory", "in a file"])
def kept_site(request: pytest.FixtureRequest, start_site: StartSite, tmp_path: Path) -> Site:
    """A site with either kind of history."""
    return start_site(
        *(["--history", str(tmp_path / "history")] if request.param == "in a file" else [])
    )


def said_before(site: Site, visit: Visit) -> Person:
    """Let Ann in, and wait until her `before` has its receipt."""
    ann = visit(site).log_in("Ann")
    ann.say("before")
    ann.page.locator(".row.said:not(.pending)", has_text="before").wait_for()
    return ann


def test_a_page_is_back_after_a_kill_and_tells_that_something_may_be_lost(
    kept_site: Site, visit: Visit
) -> None:
    ann = said_before(kept_site, visit)
    kept_site.kill()
    kept_site.start()
    ann.expect("messages may be missing here")
    ann.say("after")
    ann.page.locator(".row.said:not(.pending)", has_text="after").wait_for()
    rows = ann.log.locator(".row.said .text, .row.gap .text").all_inner_texts()
    assert rows == ["before", "messages may be missing here", "after"]


def test_a_reload_after_a_kill_still_tells_where_something_may_be_lost(
    kept_site: Site, visit: Visit
) -> None:
    ann = said_before(kept_site, visit)
    # The page is away when the server begins anew, and is reloaded once more.
    ann.page.goto("about:blank")
    kept_site.kill()
    kept_site.start()
    for _ in range(2):
        ann.page.goto(kept_site.url)
        ann.expect("messages may be missing here")
        ann.page.locator("#connection[data-state=live]").wait_for()
    ann.say("after")
    ann.page.locator(".row.said:not(.pending)", has_text="after").wait_for()
    rows = ann.log.locator(".row.said .text, .row.gap .text").all_inner_texts()
    assert rows[-2:] == ["messages may be missing here", "after"]
    # A moment before the kill is the last that the file may lack.
    assert rows[:-2] in ([], ["before"])


def test_a_lost_connection_is_told_with_its_reason(site: Site, visit: Visit) -> None:
    ann = visit(site).log_in("Ann")
    site.end()
    ann.page.get_by_role("status", name="").locator("visible=true").first.wait_for()
    ann.page.locator("#connection-text", has_text="Not connected: ").wait_for()
    ann.page.keyboard.type("not lost")
    assert ann.box.input_value() == "not lost"
    site.start()
    ann.page.locator("#connection[data-state=live]").wait_for()
    assert ann.box.input_value() == "not lost"


def test_messages_typed_while_the_server_stands_still_are_said_once(
    site: Site, visit: Visit
) -> None:
    (nc,) = site.room.join("Cid")
    ann = visit(site).log_in("Ann")
    nc.expect("*** Ann joined (2 here)")
    with site.room.program.stopped():
        ann.say("one", "two")
        ann.row("two").wait_for()
        # A reload while they are on their way: whether they have arrived, nobody knows here.
        ann.evaluate("() => { setTimeout(() => location.reload()); }")
    nc.expect("Ann: one")
    nc.expect("Ann: two")
    ann.page.locator(".row.said:not(.pending)", has_text="two").wait_for()
    assert ann.messages() == ["one", "two"]
    nc.expect_quiet()


def test_another_tab_takes_the_place_over_and_gives_it_back(site: Site, visit: Visit) -> None:
    ann = visit(site).log_in("Ann")
    kept = ann.evaluate("JSON.stringify(sessionStorage)")
    other = ann.context.new_page()
    other.add_init_script(
        f"Object.entries({kept}).forEach(([k, v]) => sessionStorage.setItem(k, v))"
    )
    other.goto(site.url)
    other.get_by_role("textbox", name="Message").wait_for()
    ann.page.locator("#connection-text", has_text="another window").wait_for()
    ann.page.get_by_role("button", name="Continue here").click()
    ann.page.locator("#connection[data-state=live]").wait_for()
    other.locator("#connection-text", has_text="another window").wait_for()


def test_a_page_that_stands_still_in_a_flood_is_told_what_it_missed(
    start_site: StartSite, visit: Visit
) -> None:
    # What may wait for a page is little here, so that the flood need not be large.
    site = start_site("--max-waiting", "65536")
    ann = visit(site).log_in("Ann")
    program = site.room.log_in_json("dan")
    ann.page.evaluate(STAND_STILL)
    filling = "x" * 3000
    for number in range(FLOOD):
        program.request("say", room="lobby", text=f"{number} {filling}")
        if number % 50 == 49:
            for _ in range(50):
                program.receive()
    program.request("say", room="lobby", text="the end")
    let_go(ann)
    ann.expect("the end")
    # What was said last is loaded without a click.
    ann.wait_until("() => document.querySelectorAll('.gap ~ .said').length >= 200")
    # Whatever is not shown has a row in its place, which can load it.
    before, jumps = None, 0
    for row in ann.log.locator(".said .text, .gap").all_inner_texts():
        if row.startswith("messages may be missing here"):
            assert "Load them" in row
            before = None
            jumps += 1
        elif row != "the end":
            number = int(row.split()[0])
            assert before in (None, number - 1)
            before = number
    assert before == FLOOD - 1
    assert jumps == 1


def test_a_page_whose_connection_is_cut_again_and_again_loses_and_doubles_nothing(
    start_site: StartSite, visit: Visit
) -> None:
    site = start_site("--web-host", "127.0.0.1")
    program = site.room.log_in_json("dan")
    with Cutter(site.web_port) as cutter:
        ann = visit(site, url=cutter.url).log_in("Ann")
        program.expect("joined")
        for round_ in range(8):
            for number in range(10):
                program.request("say", room="lobby", text=f"d{round_}.{number}")
            ann.say(f"a{round_}.0", f"a{round_}.1")
            # At a moment that is a little different each time.
            ann.page.wait_for_timeout(13 * round_)
            cutter.cut()
        program.request("say", room="lobby", text="the end")
        heard: list[str] = []
        while "the end" not in heard or len(heard) < 8 * 12 + 1:
            heard.append(program.expect("said")["text"])
        ann.expect(heard[-1])
        ann.wait_until("() => document.querySelectorAll('.pending').length === 0")
        assert len(set(heard)) == len(heard)
        assert ann.messages() == heard
        assert ann.page.locator(".gap").count() == 0
