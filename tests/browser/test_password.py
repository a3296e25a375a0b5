"""A page of a server that wants a password."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from site_page import Person, Site

Visit = Callable[..., Person]
StartSite = Callable[..., Site]


@pytest.fixture
def guarded(start_site: StartSite, tmp_path: Path) -> Site:
    file = tmp_path / "password"
    file.touch(mode=0o600)
    file.write_text("open sesame\n")
    return start_site("--password-file", str(file))


def test_the_password_is_asked_for_and_a_wrong_one_explained(guarded: Site, visit: Visit) -> None:
    ann = visit(guarded)
    name, password = ann.page.get_by_label("Your name"), ann.page.get_by_label("Password")
    assert password.get_attribute("type") == "password"
    name.fill("Ann")
    name.press("Enter")
    ann.page.get_by_role("alert").filter(has_text="wanted").wait_for()
    assert ann.evaluate("() => document.activeElement.id") == "password"
    password.fill("guess")
    password.press("Enter")
    ann.page.get_by_role("alert").filter(has_text="wrong password").wait_for()
    assert name.input_value() == "Ann"
    # The next key replaces the wrong one.
    assert ann.evaluate("() => document.activeElement.id") == "password"
    password.fill("open sesame")
    password.press("Enter")
    ann.box.wait_for()
    ann.say("hello")
    ann.expect("hello")
    kept = ann.evaluate("() => JSON.stringify([{...sessionStorage}, {...localStorage}])")
    assert "sesame" not in kept


def test_a_reload_needs_no_password_and_a_restart_gets_it_again(
    guarded: Site, visit: Visit
) -> None:
    ann = visit(guarded)
    ann.page.get_by_label("Your name").fill("Ann")
    ann.page.get_by_label("Password").fill("open sesame")
    ann.page.keyboard.press("Enter")
    ann.box.wait_for()
    guarded.kill()
    guarded.start()
    ann.expect("messages may be missing here")
    ann.page.reload()
    ann.box.wait_for()
    ann.page.locator("#connection[data-state=live]").wait_for()
    # A page that has lost the password in a reload asks for it, when the token is not enough.
    guarded.kill()
    guarded.start()
    ann.page.get_by_label("Password").wait_for()
    assert ann.page.get_by_label("Your name").input_value() == "Ann"
    assert "password" in ann.page.get_by_role("alert").inner_text()
    # Nobody has guessed so far, so nobody waits.
    for _ in range(4):
        ann.page.reload()
        ann.page.get_by_label("Your name").wait_for()
    ann.page.get_by_label("Password").fill("open sesame")
    ann.page.keyboard.press("Enter")
    began = time.monotonic()
    ann.box.wait_for()
    # If the five before were guesses, this would wait 4 s.
    assert time.monotonic() - began < 3
