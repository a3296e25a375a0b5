"""Text is only ever text, and a page of somebody else has no business here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from site_page import Person, Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage

Visit = Callable[..., Person]

ATTACKS = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    "<svg onload=window.hit=1>",
    '"><iframe srcdoc="<script>parent.hit=1</script>">',
    "javascript:window.hit=1",
    "https://example.org/'onmouseover='window.hit=1",
    "https://example.org/<script>window.hit=1</script>",
    "{{constructor.constructor('window.hit=1')()}}",
    "${window.hit=1}",
    "\u2028window.hit=1//",
]


def test_a_text_is_only_ever_text_wherever_it_stands(site: Site, visit: Visit) -> None:
    # A name may have no white space, and many signs are refused; these may stand in one.
    attacker = site.room.log_in_json("<b>x</b>")
    attacker.request("join", room="<i>r")
    ann = visit(site).log_in("Ann")
    for text in ATTACKS:
        attacker.request("say", room="lobby", text=text)
        attacker.request("act", room="lobby", text=text)
        attacker.request("tell", to="Ann", text=text)
    attacker.request("topic", room="lobby", text=ATTACKS[1])
    attacker.request("nick", name="<u>x</u>")
    ann.page.locator("#topic", has_text="<img src=x").wait_for()
    ann.page.locator(".person", has_text="<u>x</u>").wait_for()
    shown = ann.messages()
    for text in ATTACKS:
        clean = text.replace("\u2028", "\ufffd")
        assert clean in shown
        assert f"<b>x</b> {clean}" in shown
    ann.say(*ATTACKS[:3], "/msg <u>x</u> " + ATTACKS[0], "/" + ATTACKS[0], "/join <i>r")
    ann.page.get_by_role("heading", name="<i>r").wait_for()
    ann.page.get_by_role("searchbox").fill("window")
    ann.page.get_by_role("searchbox").press("Enter")
    ann.page.locator("#found-list li").first.wait_for()
    ann.page.get_by_role("button", name="Close results").click()
    ann.page.locator("#conversations .place").first.click()
    ann.row(ATTACKS[0]).first.wait_for()
    ann.page.reload()
    ann.row(ATTACKS[0]).first.wait_for()
    assert ann.evaluate("() => window.hit") is None
    made = "() => document.querySelectorAll('#chat :is(script, img, svg, iframe, b, i, u)').length"
    assert ann.evaluate(made) == 0
    links = ann.page.locator("a")
    for link in links.all():
        assert (link.get_attribute("href") or "").startswith("https://example.org/")
        assert "noopener" in (link.get_attribute("rel") or "")


def tells_of(directive: str, message: ConsoleMessage) -> bool:
    return f"policy: {directive}" in message.text


def test_the_policy_holds_in_this_browser(browser: Browser, site: Site) -> None:
    ann = Person(browser, site).log_in("Ann")
    refused = "async (made) => { try { await made() } catch (error) { return error.name } }"
    makers = {
        "require-trusted-types-for": "document.body.innerHTML = 'x'",
        "connect-src": "fetch('http://127.0.0.1:9/')",
    }
    for directive, maker in makers.items():
        with ann.page.expect_console_message(partial(tells_of, directive)):
            assert ann.evaluate(f"() => ({refused})(() => {maker})") == "TypeError"
    ann.context.close()


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of a page of somebody else, on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<!doctype html><title>elsewhere</title>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_a_page_of_somebody_else_gets_no_connection(
    browser: Browser, site: Site, elsewhere: str
) -> None:
    page = browser.new_page()
    page.goto(elsewhere)
    opened = page.evaluate(
        """(address) => new Promise((resolve) => {
            const socket = new WebSocket(address);
            socket.onopen = () => resolve('opened');
            socket.onerror = () => resolve('refused');
        })""",
        site.url.replace("http", "ws") + "ws",
    )
    assert opened == "refused"
    framed = page.evaluate(
        """(address) => new Promise((resolve) => {
            const frame = document.createElement('iframe');
            frame.onload = () => {
                try { resolve(frame.contentDocument === null ? 'blocked' : 'empty') }
                catch { resolve('blocked') }
            };
            frame.src = address;
            document.body.append(frame);
        })""",
        site.url,
    )
    assert framed == "blocked"
    page.close()


def test_a_name_that_somebody_lets_point_here_is_refused(browser: Browser, site: Site) -> None:
    page = browser.new_page()
    response = page.goto(f"http://rebound.example:{site.web_port}/")
    assert response is not None
    assert response.status == 421
    assert page.get_by_label("Your name").count() == 0
    page.close()
