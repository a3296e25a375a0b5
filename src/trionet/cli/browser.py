"""Open the page of a server in a person's browser."""

from __future__ import annotations

import threading
import webbrowser
from collections.abc import Callable

_LISTENING = "listening on "


class OpensPage:
    """Opens the first page that a server announces.

    Args:
        tell: called if there is no browser.
    """

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell
        self._is_done = False

    def __call__(self, line: str) -> None:
        """Take a line that the server prints. Never blocks."""
        url = line.removeprefix(_LISTENING)
        if self._is_done or not url.startswith("http"):
            return
        self._is_done = True
        # A browser cannot go to "all interfaces".
        for wildcard in "//0.0.0.0:", "//[::]:":
            url = url.replace(wildcard, "//localhost:")
        # It may wait for the browser, for as long as that runs; nobody waits for it.
        threading.Thread(target=self._open, args=(url,), daemon=True).start()

    def _open(self, url: str) -> None:
        try:
            is_open = webbrowser.open(url)
        except (webbrowser.Error, OSError):
            is_open = False
        if not is_open:
            self._tell(f"found no browser: open {url} in yours")
