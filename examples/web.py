"""An echo for browsers: a page, and the lines that it sends over a WebSocket.

python examples/web.py, then go to http://localhost:8080. It needs the extra `web`.
"""

from __future__ import annotations

from typing import NamedTuple

import trionet

PAGE = b"""<!DOCTYPE html><title>echo</title><script type=module src=/echo.js></script>
<input autofocus placeholder="say something"><pre></pre>"""

SCRIPT = b"""const socket = new WebSocket("/ws");
const [input, shown] = ["input", "pre"].map((name) => document.querySelector(name));
input.onchange = () => { socket.send(input.value); input.value = ""; };
socket.onmessage = (message) => { shown.textContent += message.data; };
"""


class File(NamedTuple):
    """A file for browsers."""

    media_type: str
    body: bytes


FILES = {"/": File("text/html", PAGE), "/echo.js": File("text/javascript", SCRIPT)}


def echo(line: str) -> str:
    """Send a line back."""
    return line


if __name__ == "__main__":
    network = trionet.SystemNetwork(web=trionet.WebSettings(files=FILES, socket_path="/ws"))
    trionet.run(echo, "web:localhost:8080", network=network)
