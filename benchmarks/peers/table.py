"""The table of peers, and how to run each."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.builds import Builds, Unavailable

HERE = Path(__file__).parent
ANY_PORT = "127.0.0.1:0"

TRIONET = "trionet"
LIMIT = "limit"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One server.

    Args:
        name: its name on the command line and in the results.
        label: its name in tables and charts.
        command: returns the command to run; raises `Unavailable` where it cannot run.
    """

    name: str
    label: str
    command: Callable[[Builds], list[str]]


def _python(module: str, *packages: str) -> Callable[[Builds], list[str]]:
    def command(_builds: Builds) -> list[str]:
        for package in packages:
            if importlib.util.find_spec(package) is None:
                raise Unavailable(f"{package} is not installed (pip install trionet[bench])")
        return [sys.executable, "-m", f"benchmarks.peers.{module}", ANY_PORT]

    return command


def _node(_builds: Builds) -> list[str]:
    node = shutil.which("node")
    if node is None:
        raise Unavailable("node is not installed")
    return [node, str(HERE / "calc_node.js"), ANY_PORT]


def _go(builds: Builds) -> list[str]:
    return [builds.program("chat_go", HERE / "chat_go.go"), ANY_PORT]


def _limit(builds: Builds) -> list[str]:
    # Only Linux has epoll.
    if sys.platform == "linux":
        try:
            return [builds.program("chat_limit", HERE / "chat_limit.c"), ANY_PORT]
        except Unavailable:
            pass
    return [sys.executable, "-m", "benchmarks.peers.chat_limit", ANY_PORT]


def _trionet(*arguments: str) -> Callable[[Builds], list[str]]:
    # As a user runs it, but without the limits that a load from one address would meet.
    return lambda _builds: [sys.executable, "-m", "trionet.cli.main", *arguments]


CHAT = (
    Peer(name=LIMIT, label="bare epoll (the limit)", command=_limit),
    Peer(
        name=TRIONET,
        label="trionet",
        command=_trionet(
            *("chat", "serve", ANY_PORT, "--quiet", "--forever"),
            *("--rate", "0", "--max-clients", "0", "--max-per-address", "0"),
        ),
    ),
    Peer(name="go", label="Go", command=_go),
    Peer(name="trio", label="Trio", command=_python("chat_trio")),
    Peer(name="twisted", label="Twisted", command=_python("chat_twisted", "twisted")),
    Peer(name="uvloop", label="uvloop", command=_python("chat_uvloop", "uvloop")),
    Peer(name="asyncio", label="asyncio", command=_python("chat_asyncio")),
    Peer(name="threads", label="threads", command=_python("chat_threads")),
)

CALC = (
    Peer(
        name=TRIONET,
        label="trionet",
        command=_trionet("calc", "serve", ANY_PORT, "--quiet", "--max-clients", "0"),
    ),
    Peer(name="uvloop", label="uvloop", command=_python("calc_uvloop", "uvloop")),
    Peer(name="trio", label="Trio", command=_python("calc_trio")),
    Peer(name="asyncio", label="asyncio", command=_python("calc_asyncio")),
    Peer(name="threads", label="threads", command=_python("calc_threads")),
    Peer(name="protocol", label="uvloop protocol", command=_python("calc_protocol", "uvloop")),
    Peer(name="node", label="Node", command=_node),
    Peer(name="function", label="trionet, plain function", command=_python("calc_function")),
    Peer(name="handler", label="trionet, async function", command=_python("calc_handler")),
)

# The chat with its history in memory, and in a file.
IN_MEMORY, IN_FILE = "memory", "file"


def steady_chat(file: Path | None = None) -> Peer:
    """Return the chat with a history file, or with its history in memory."""
    options = ("--history", str(file)) if file else ()
    return Peer(
        name=IN_FILE if file else IN_MEMORY,
        label="history in a file" if file else "history in memory",
        command=_trionet(
            *("chat", "serve", ANY_PORT, "--quiet", "--forever", *options),
            *("--rate", "0", "--max-clients", "0", "--max-per-address", "0"),
        ),
    )


# The chat, spoken with in three ways. The WebSocket is the last, so that it can be compared.
JSON_LINES, PLAIN_LINES = "json", "plain"
_CHAT_WEB = _trionet(
    *("chat", "serve", ANY_PORT, "--web", ANY_PORT, "--quiet", "--forever"),
    *("--rate", "0", "--max-clients", "0", "--max-per-address", "0"),
)


def _ws(_builds: Builds) -> list[str]:
    node = shutil.which("node")
    if node is None:
        raise Unavailable("node is not installed")
    found = subprocess.run([node, "-e", "require('ws')"], capture_output=True, check=False)
    if found.returncode:
        raise Unavailable("ws is not installed (npm install ws)")
    return [node, str(HERE / "chat_ws.js"), ANY_PORT]


WEB = (
    Peer(name=PLAIN_LINES, label="trionet, plain lines over TCP", command=_CHAT_WEB),
    Peer(name=JSON_LINES, label="trionet, JSON lines over TCP", command=_CHAT_WEB),
    Peer(name=TRIONET, label="trionet", command=_CHAT_WEB),
    Peer(
        name="websockets",
        label="websockets on asyncio",
        command=_python("chat_websockets", "websockets"),
    ),
    Peer(name="ws", label="Node ws", command=_ws),
)

LABELS: Mapping[str, str] = {peer.name: peer.label for peer in (*WEB, *CALC, *CHAT)}


def chosen(peers: Iterable[Peer], names: Iterable[str] | None) -> list[Peer]:
    """Return the peers to run; ``None``: all."""
    wanted = None if names is None else set(names)
    return [peer for peer in peers if wanted is None or peer.name in wanted]
