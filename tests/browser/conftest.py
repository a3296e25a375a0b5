"""A real browser for these tests: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

import needs
from forkserver import ForkServer
from site_page import Person, Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Nothing that this browser does by itself should reach the network.
_ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    # A name that somebody else lets point here.
    "--host-resolver-rules=MAP rebound.example 127.0.0.1",
]  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        needs.lacking("there is no Chromium (Debian's package chromium)")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        needs.lacking("Playwright is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def start_site(fork_server: ForkServer) -> Iterator[Callable[..., Site]]:
    """Start servers with these options more."""
    sites: list[Site] = []

    def start(*options: str) -> Site:
        sites.append(Site(fork_server, *options))
        return sites[-1]

    yield start
    for site in sites:
        site.close()


@pytest.fixture
def site(start_site: Callable[..., Site]) -> Site:
    return start_site()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Person]]:
    """Open the page of a site in a browser of its own. A fault that it tells of fails the test."""
    people: list[Person] = []

    def open_page(site: Site, **context: Any) -> Person:
        people.append(Person(browser, site, **context))
        return people[-1]

    yield open_page
    for person in people:
        person.context.close()
    assert [fault for person in people for fault in person.faults] == []
