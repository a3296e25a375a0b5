"""Count the instructions that `--metrics` adds to a chat's fan-out, with callgrind.

    python tools/cost_of_metrics.py [--messages 3000] [--members 100] [--together 1]

Time on a busy machine varies by more than the metrics cost; instructions vary less. Callgrind makes
the server some fifty times as slow, so what depends on time is counted by itself: a second without
load, in which the lag of the event loop is measured, and a scrape. Their share is that of a server
that is busy all the time; `--busy` says how many instructions a second that is. It takes about
three minutes, and needs valgrind and the extra `metrics`.
"""

from __future__ import annotations

import argparse
import re
import select
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

IDLE_SECONDS = 20
SCRAPES = 20


class Server:
    """A chat under callgrind, which counts only within `counted`."""

    def __init__(self, *options: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            [
                *("valgrind", "--tool=callgrind", "--instr-atstart=no"),
                f"--callgrind-out-file={self.folder.name}/out",
                *(sys.executable, "-m", "trionet", "chat", "serve", "127.0.0.1:0"),
                *("--forever", "--quiet", "--rate", "0", *options),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self.port = int(self.line().rpartition(":")[2])

    def line(self) -> str:
        """Return the next line that the server prints."""
        out = self.process.stdout
        assert out is not None
        if not select.select([out], [], [], 120)[0]:
            raise SystemExit("the server does not start")
        return out.readline().decode().strip()

    def counted(self, do: Callable[[], object]) -> int:
        """Return how many instructions the server takes while something is done."""
        self._control("-z")
        self._control("-i", "on")
        do()
        before = {*Path(self.folder.name).iterdir()}
        self._control("-d")
        self._control("-i", "off")
        (dump,) = {*Path(self.folder.name).iterdir()} - before
        found = re.search(r"^(?:totals|summary): (\d+)$", dump.read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1])

    def _control(self, *words: str) -> None:
        command = ["callgrind_control", *words, str(self.process.pid)]
        # It wakes up the server, which looks only between two system calls.
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, timeout=60)

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(60)
        self.folder.cleanup()


@contextmanager
def started(*options: str) -> Iterator[Server]:
    """Run a server in a block."""
    server = Server(*options)
    try:
        yield server
    finally:
        server.close()


def members_of(port: int, count: int) -> list[socket.socket]:
    """Have members join a chat, and return their sockets. Each has read that the last has come."""
    members = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    for number, member in enumerate(members):
        member.settimeout(120)
        member.sendall(b"m%d\n" % number)
        read_until(member, b"*** welcome")
    for member in members[:-1]:
        read_until(member, b"*** m%d joined" % (count - 1))
    return members


class Room:
    """Members of a chat, and one of them who talks."""

    def __init__(self, port: int, members: int) -> None:
        self._members = members_of(port, members)

    def talk(self, messages: int, together: int) -> None:
        """Say so many messages, some at a time, each time after all have the ones before."""
        talker, *others = self._members
        for first in range(0, messages, together):
            numbers = range(first, first + together)
            talker.sendall(b"".join(b"message number %06d\n" % number for number in numbers))
            for other in others:
                read_until(other, b"m0: message number %06d" % numbers[-1])


def scrape(page: str, times: int = 1) -> None:
    """Ask for the page as Prometheus does."""
    for _ in range(times):
        urllib.request.urlopen(page, timeout=60).read()


def read_until(member: socket.socket, words: bytes) -> None:
    """Read until a line that begins with these words has come, and nothing else is expected."""
    data = b""
    while not re.search(rb"^" + re.escape(words) + rb".*\n", data, re.MULTILINE):
        piece = member.recv(65536)
        if not piece:
            raise SystemExit(f"the server closed a connection before {words!r}")
        data += piece


def main() -> None:
    """Count, and print the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--members", type=int, default=100)
    parser.add_argument("--together", type=int, default=1, help="messages in one batch")
    parser.add_argument("--busy", type=float, default=3e9, help="instructions of a busy second")
    asked = parser.parse_args()

    def measure(server: Server, page: str = "") -> tuple[int, float, float]:
        """Return the instructions of the load, its seconds, and the instructions of an idle one."""
        room = Room(server.port, asked.members)
        room.talk(10, 1)
        if page:
            scrape(page)
        began = time.monotonic()
        load = server.counted(lambda: room.talk(asked.messages, asked.together))
        took = time.monotonic() - began
        return load, took, server.counted(lambda: time.sleep(IDLE_SECONDS)) / IDLE_SECONDS

    with started() as server:
        without, took_without, idle_without = measure(server)
    with started("--metrics", "127.0.0.1:0") as server:
        page = server.line().rpartition(" ")[2]
        with_metrics, took, idle = measure(server, page)
        scraped = server.counted(lambda: scrape(page, SCRAPES)) / SCRAPES
    without -= round(idle_without * took_without)
    with_metrics -= round(idle * took)
    idle -= idle_without
    more = with_metrics - without
    print(f"{asked.messages * (asked.members - 1):,} deliveries: {without:,} instructions")
    print(f"with --metrics: {with_metrics:,}")
    print(f"the difference: {more:,}, {more / without:.2%}")
    print(f"a second: {idle:,.0f}, {idle / asked.busy:.3%} of a busy one")
    print(f"a scrape: {scraped:,.0f}, {scraped / asked.busy:.3%} of a busy second")


if __name__ == "__main__":
    main()
