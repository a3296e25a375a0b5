"""A chat server with its page, and real browsers that show it, in the hands of a test."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from free_port import free_port
from peer import PATIENCE
from service import UNHURRIED, Program, Room

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page

    from forkserver import ForkServer


class Site:
    """A running chat server with a page; it can be ended and started again at the same ports.

    Args:
        fork_server: starts the program.
        options: more of the command line.
    """

    def __init__(self, fork_server: ForkServer, *options: str) -> None:
        self._fork_server = fork_server
        self._options = options
        self._port, self._web_port = free_port(), free_port()
        self._room: Room | None = None
        self.url = f"http://127.0.0.1:{self._web_port}/"
        self.start()

    @property
    def web_port(self) -> int:
        """The port of the page."""
        return self._web_port

    @property
    def room(self) -> Room:
        """The server as other peers see it."""
        assert self._room is not None
        return self._room

    def start(self) -> None:
        """Start the server, and wait until it listens."""
        program = Program(
            "chat", "serve", f"127.0.0.1:{self._port}", "--web", f"127.0.0.1:{self._web_port}",
            *UNHURRIED, *self._options, fork_server=self._fork_server, listeners=2,
        )  # fmt: skip
        self._room = Room(program)
        assert program.addresses == [f"127.0.0.1:{self._port}", self.url.rstrip("/")]

    def end(self) -> None:
        """Ask the server to drain, and wait until it has ended."""
        self.room.program.drain()
        self.room.program.wait()
        self._forget()

    def kill(self) -> None:
        """End the server with SIGKILL."""
        self.room.program.end_at_once()
        self._forget()

    def close(self) -> None:
        """End the server, however it stands."""
        if self._room is not None:
            self._forget()

    def _forget(self) -> None:
        self.room.close()
        self.room.program.kill()
        self._room = None


class Person:
    """Somebody with a browser of their own.

    Attributes:
        page: the page.
        log: the messages.
        box: where they write.
        faults: what the browser complained about.
    """

    def __init__(
        self, browser: Browser, site: Site, *, url: str | None = None, **context: object
    ) -> None:
        self.site = site
        self.context: BrowserContext = browser.new_context(locale="en-GB", **context)  # type: ignore[arg-type]
        self.context.set_default_timeout(1000 * PATIENCE)
        self.page: Page = self.context.new_page()
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("console", self._console)
        # The browser tells a page of each violation of its policy.
        self.page.add_init_script(
            "addEventListener('securitypolicyviolation', (event) =>"
            " console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI))"
        )
        self.page.goto(url or site.url)

    @property
    def log(self) -> Locator:
        return self.page.get_by_role("log")

    @property
    def box(self) -> Locator:
        return self.page.get_by_role("textbox", name="Message")

    @property
    def status(self) -> Locator:
        return self.page.locator("#connection-text")

    def log_in(self, name: str) -> Person:
        """Log in with the keyboard, and wait until the box has the focus."""
        self.page.get_by_label("Your name").fill(name)
        self.page.keyboard.press("Enter")
        self.wait_until("() => document.activeElement.ariaLabel === 'Message'")
        return self

    def say(self, *texts: str) -> None:
        for text in texts:
            self.box.fill(text)
            self.box.press("Enter")

    def expect(self, text: str) -> None:
        """Wait until a row has this text."""
        self.row(text).wait_for()

    def row(self, text: str) -> Locator:
        return self.log.locator(".row", has=self.page.get_by_text(text, exact=True))

    def messages(self) -> list[str]:
        """Return the texts of all messages, in their order."""
        return self.log.locator(".said .text, .acted .text").all_inner_texts()

    def evaluate(self, expression: str) -> Any:
        return self.page.evaluate(expression)

    def wait_until(self, expression: str) -> None:
        """Wait until a function of the page returns something true.

        Playwright's own `wait_for_function` evaluates a text in the page, which the page's policy
        forbids.
        """
        end = time.monotonic() + PATIENCE
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, (
                f"it did not come true within {PATIENCE:g} s: {expression}"
            )
            self.page.wait_for_timeout(20)

    def _console(self, message: object) -> None:
        text = f"{message.type}: {message.text}"  # type: ignore[attr-defined]
        # A server that is away is no fault of the page; no browser lets a page hide this.
        is_expected = "WebSocket connection to" in text
        if message.type in ("error", "warning") and not is_expected:  # type: ignore[attr-defined]
            self.faults.append(text)
