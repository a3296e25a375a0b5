"""Take the pictures of the page for the docs: light, dark, and on a telephone.

    python tools/screenshots.py [--into docs]

The script starts `trionet chat serve --web`, lets some members talk, and takes the pictures in
Debian's Chromium, with fonts-noto-color-emoji and fonts-noto-cjk for what the members say.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Literal

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

# Its width and height in pixels, and the colours that the person prefers.
PICTURES: dict[str, tuple[int, int, Literal["light", "dark"]]] = {
    "page-light.png": (1200, 720, "light"),
    "page-dark.png": (1200, 720, "dark"),
    "page-phone.png": (390, 720, "light"),
}

# Who is in which rooms.
ROOMS = {"Ines": ["lobby"], "Tomás": ["lobby"], "美咲": ["lobby"], "bot": ["lobby", "builds"]}

# Who says what, and where; before the page is opened, and while it shows the lobby.
BEFORE = [
    ("Ines", "lobby", "good morning! the new sensors arrived, all 24 of them"),
    ("Ines", "lobby", "unpacking now 📦"),
    ("Tomás", "lobby", "great. did anybody order the long cables too?"),
    ("美咲", "lobby", "はい、長いケーブルは木曜日に届きます 🚚"),
    ("Tomás", "lobby", "ありがとう!"),
    ("Ines", "lobby", "then row C can go up on Friday: https://wiki.example.org/plan/row-c"),
]  # fmt: skip
WHILE = [
    ("bot", "builds", "nightly: green, all 812 tests"),
    ("Tomás", "lobby", "Ann: could you check these numbers?\n  in   22.4 °C\n  out  19.8 °C"),
    ("bot", "builds", "main: green"),
]
OWN = ["on it", "both look right. The shade moved at noon ☀️"]


class Member:
    """A member that speaks JSON lines, and reads what is said without looking at it."""

    def __init__(self, port: int, name: str, rooms: list[str]) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._lines: IO[bytes] = self._socket.makefile("rb")
        self.ask("login", name=name, rooms=rooms)

    def ask(self, type_: str, **fields: Any) -> None:
        """Send a request, and wait until it is answered."""
        requests = [{"type": type_, "id": 1, **fields}, {"type": "ping", "id": 2}]
        self._socket.sendall("".join(json.dumps(one) + "\n" for one in requests).encode())
        for line in self._lines:
            event = json.loads(line)
            if event["type"] == "error":
                raise RuntimeError(event["reason"])
            if event["type"] == "pong":
                return

    def close(self) -> None:
        self._socket.close()


@contextmanager
def server(*options: str) -> Iterator[tuple[int, str]]:
    """Run a server; yields the port of its lines and the address of its page."""
    command = [sys.executable, "-m", "trionet", "chat", "serve", "127.0.0.1:0"]
    command += ["--web", "127.0.0.1:0", "--quiet", *options]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(2)]
        port = re.search(r"on 127\.0\.0\.1:(\d+)", "".join(told))
        page = re.search(r"on (http://\S+)", "".join(told))
        try:
            if port is None or page is None:
                log.seek(0)
                raise RuntimeError(f"the server does not serve the page: {log.read()}")
            yield int(port[1]), page[1]
        finally:
            process.terminate()


def take(page: Page, port: int, url: str, into: Path) -> None:
    """Let the members talk, and take all pictures."""
    with ExitStack() as stack:
        members = {}
        for name, rooms in ROOMS.items():
            members[name] = Member(port, name, rooms)
            stack.callback(members[name].close)
        members["Ines"].ask("topic", room="lobby", text="field station: row C goes up on Friday")
        for name, room, text in BEFORE:
            members[name].ask("say", room=room, text=text)
        page.goto(url)
        page.get_by_label("Your name").fill("Ann")
        page.keyboard.press("Enter")
        box = page.get_by_role("textbox", name="Message")
        box.fill("/join builds")
        box.press("Enter")
        page.get_by_role("heading", name="builds").wait_for()
        page.get_by_role("button", name="lobby").click()
        for name, room, text in WHILE:
            members[name].ask("say", room=room, text=text)
        members["美咲"].ask("tell", to="Ann", text="また後で 👋")
        for text in OWN:
            box.fill(text)
            box.press("Enter")
        page.locator(".said:not(.pending)", has_text=OWN[-1]).wait_for()
        for picture, (width, height, scheme) in PICTURES.items():
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=scheme)
            # The fonts are loaded, and the layout has come to rest.
            page.wait_for_timeout(500)
            page.screenshot(path=into / picture)


def main() -> int:
    """Take the pictures; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--into", type=Path, default=ROOT / "docs")
    into: Path = parser.parse_args().into
    program = shutil.which("chromium")
    if program is None:
        print("there is no Chromium: install Debian's package chromium", file=sys.stderr)
        return 1
    with server() as (port, url), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        take(browser.new_page(locale="en-GB"), port, url, into)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
