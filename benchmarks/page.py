"""Measure the chat's page in Chromium: a flood of messages, until the last one is shown.

    python -m benchmarks.page
    python -m benchmarks.page --rounds 5 --messages 20000

A member sends all messages at once over TCP. The first figure is the time until another member has
them all over TCP, which is the server's share; the second is the time until the last one is in the
page's document; both from the first byte that was sent. It also prints how many rows the document
had at most, and by how much content that was on the screen jumped: Chromium's score of layout
shifts, where 0 is none, and up to 0.1 is called good.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import statistics
import sys
import threading
import time

from playwright.sync_api import Page, sync_playwright

from tools.screenshots import ARGUMENTS, server

_SHOWN = """(text) => {
    const rows = document.querySelectorAll('[role=log] .text');
    return rows.length > 0 && rows[rows.length - 1].textContent === text;
}"""


# A flood has no key or click before it, so that Chromium leaves no shift out of its count.
_WATCH = """
    window.benchmark = {shifts: 0, rows: 0};
    new PerformanceObserver((list) => {
        for (const shift of list.getEntries()) {
            window.benchmark.shifts += shift.value;
        }
    }).observe({type: "layout-shift", buffered: true});
    new MutationObserver(() => {
        const rows = document.querySelectorAll("[role=log] > *").length;
        window.benchmark.rows = Math.max(window.benchmark.rows, rows);
    }).observe(document, {childList: true, subtree: true});
"""


class Listener:
    """A member that speaks JSON lines, and takes the time when a text arrives."""

    def __init__(self, port: int, name: str, awaited: bytes) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.sendall(json.dumps({"type": "login", "name": name}).encode() + b"\n")
        self._lines = self._socket.makefile("rb")
        for line in self._lines:
            if b'"entered"' in line:
                break
        self._awaited = awaited
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        self.time = 0.0

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def wait(self) -> float:
        """Return when the text has arrived."""
        self._thread.join()
        return self.time

    def close(self) -> None:
        self._socket.sendall(b'{"type": "quit"}\n')
        self._lines.close()
        self._socket.close()

    def _listen(self) -> None:
        for line in self._lines:
            if self._awaited in line:
                self.time = time.monotonic()
                return


def one_round(page: Page, port: int, messages: int, number: int) -> tuple[float, float]:
    """Return how many seconds a member and the page took."""
    texts = [
        f"round {number}, message {at} of a flood, as long as people write"
        for at in range(messages)
    ]
    requests = [{"type": "say", "room": "lobby", "text": text} for text in texts]
    flood = "".join(json.dumps(request) + "\n" for request in requests).encode()
    sender, listener = (Listener(port, name, texts[-1].encode()) for name in ("sender", "listener"))
    page.wait_for_timeout(500)
    began = time.monotonic()
    sender.send(flood)
    while not page.evaluate(_SHOWN, texts[-1]):
        page.wait_for_timeout(10)
    shown = time.monotonic()
    heard = listener.wait()
    sender.wait()
    for member in (sender, listener):
        member.close()
    return heard - began, shown - began


def main() -> int:
    """Run what the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=20_000)
    options = parser.parse_args()
    program = shutil.which("chromium")
    if program is None:
        print("there is no Chromium: install Debian's package chromium", file=sys.stderr)
        return 1
    # Nobody shall miss a line: what is measured is the page, not what it is told that it missed.
    unhurried = ("--rate", "0", "--max-waiting", "100000000")
    with server(*unhurried) as (port, url), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.add_init_script(_WATCH)
        page.goto(url)
        page.get_by_label("Your name").fill("reader")
        page.keyboard.press("Enter")
        page.get_by_role("textbox", name="Message").wait_for()
        # What has the key of the login just before it is not counted.
        page.wait_for_timeout(1000)
        rounds = [one_round(page, port, options.messages, at) for at in range(options.rounds)]
        seen = page.evaluate("() => window.benchmark")
        browser.close()
    heard, shown = (statistics.median(times) for times in zip(*rounds, strict=True))
    print(f"{options.messages} messages, median of {options.rounds} rounds")
    print(f"a member over TCP has all after  {heard:.2f} s")
    print(f"the page shows the last after    {shown:.2f} s")
    print(f"rows in the document at most: {seen['rows']}")
    print(f"layout shifts in all rounds: {seen['shifts']:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
