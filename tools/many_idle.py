"""Ten thousand idle members: what they cost, and how they are told that the server closes.

    python tools/many_idle.py [--members 10000]

Starts `trionet chat serve` as a process, lets members join over loopback until all are there, has
one say something to all, and ends the server by SIGTERM. It prints figures, and fails (status 1)
unless everybody hears the message and `*** server is closing` and the server ends with status 0
within its drain's deadline. The members, too, need a descriptor each: where the system allows
fewer than asked for, there are fewer members. Linux only: memory is read from /proc.
"""

from __future__ import annotations

import argparse
import re
import resource
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

# Members who join at a time. Everybody hears of each, so the whole crowd reads once for each group.
GROUP = 250

# Members from one source address: the ports of one are some 28,000, and fewer on a busy machine.
FROM_ONE_ADDRESS = 4000

# The default: who is not done by then is cut off, and the server logs it.
DRAIN_SECONDS = 5

# Seconds without anything to read after which what is waited for counts as not coming.
PATIENCE = 60.0

# Descriptors that are no member's.
SPARE = 100

CLOSING = b"*** server is closing\n"


def tell(text: str) -> None:
    print(text, flush=True)


class Crowd:
    """The members' sockets, in one selector: a task for each would measure the tasks.

    Of what each hears only the last bytes are kept.
    """

    # A welcome and its names.
    KEPT = 512

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._server = (host, int(port))
        self._selector = selectors.DefaultSelector()
        self.members: list[socket.socket] = []
        self.heard: dict[socket.socket, bytes] = {}
        self.open = 0
        self.bytes_in = 0

    def join(self) -> None:
        """Connect one more and say its name."""
        number = len(self.members)
        sock = socket.socket()
        # The kernel picks the port when it connects, so that ports are shared between addresses.
        sock.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
        sock.bind((f"127.0.0.{1 + number // FROM_ONE_ADDRESS}", 0))
        sock.connect(self._server)
        sock.setblocking(False)
        sock.send(b"member%d\n" % number)
        self.members.append(sock)
        self.heard[sock] = b""
        self.open += 1
        self._selector.register(sock, selectors.EVENT_READ)

    def read_until(self, is_so: Callable[[], bool], what: str) -> None:
        """Read what comes to anybody, until something is so."""
        while not is_so():
            ready = self._selector.select(PATIENCE)
            if not ready:
                sys.exit(f"FAILED: {what}: nothing came for {PATIENCE:g} s")
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                self._read(key.fileobj)

    def read_all(self, seconds: float) -> None:
        """Read until nothing comes for some time."""
        while ready := self._selector.select(seconds):
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                self._read(key.fileobj)

    def _read(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(1 << 18)
        except ConnectionResetError:
            data = b""
        self.bytes_in += len(data)
        if data:
            self.heard[sock] = (self.heard[sock] + data)[-self.KEPT :]
            self.on_heard(sock)
        else:
            # As a client does: so the server need not linger.
            self._selector.unregister(sock)
            sock.close()
            self.open -= 1

    def on_heard(self, sock: socket.socket) -> None:
        """Called for whoever heard something."""


class Waiting(Crowd):
    """A crowd of whom one wants to know who has heard a line already."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self._line = b""
        self.waiting: set[socket.socket] = set()

    def wait_for(self, line: bytes, members: list[socket.socket]) -> None:
        self._line = line
        self.waiting = {sock for sock in members if line not in self.heard[sock]}

    def on_heard(self, sock: socket.socket) -> None:
        if self._line in self.heard[sock]:
            self.waiting.discard(sock)


def memory_of(process: subprocess.Popen[str]) -> float:
    """Return the memory that a process has in use, in KiB."""
    match = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    return float(match[1]) if match else 0.0


def measure(process: subprocess.Popen[str], log: IO[str], members: int) -> list[str]:
    """Let them join, listen, and be told that the server closes; return what went wrong."""
    assert process.stdout is not None
    crowd = Waiting(process.stdout.readline().strip().removeprefix("listening on "))
    empty = memory_of(process)

    began = time.monotonic()
    while len(crowd.members) < members:
        for _ in range(min(GROUP, members - len(crowd.members))):
            crowd.join()
        # Everybody has heard of the last one of the group, and each of the group was welcomed.
        crowd.wait_for(b"(%d here" % len(crowd.members), crowd.members)
        crowd.read_until(lambda: not crowd.waiting, f"{len(crowd.members)} members are there")
    took = time.monotonic() - began
    crowd.read_all(1)
    tell(f"{members} members joined in {took:.1f} s, {crowd.bytes_in / 1e6:.0f} MB of notices")
    full = memory_of(process)
    tell(
        f"memory: {empty / 1024:.1f} MiB with nobody, {full / 1024:.1f} MiB with all: "
        f"{(full - empty) / members:.2f} KiB for each"
    )

    began = time.monotonic()
    crowd.wait_for(b"member0: hello\n", crowd.members[1:])
    crowd.members[0].send(b"hello\n")
    crowd.read_until(lambda: not crowd.waiting, "all hear a message")
    tell(f"one message: all have it after {(time.monotonic() - began) * 1000:.0f} ms")

    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    crowd.wait_for(CLOSING, crowd.members)
    crowd.read_until(lambda: not crowd.open, "all are closed")
    told = members - len(crowd.waiting)
    tell(f"SIGTERM: {told} told, all closed after {time.monotonic() - began:.2f} s")
    try:
        status = process.wait(DRAIN_SECONDS + PATIENCE)
    except subprocess.TimeoutExpired:
        return ["the server still runs"]
    tell(f"the server ended with status {status} after {time.monotonic() - began:.2f} s")

    log.seek(0)
    trouble = [
        line for line in log if not re.match(r"\S+Z (opened |closed |closing; |\S+ is )", line)
    ]
    failures = [f"logged: {line.rstrip()}" for line in trouble[:10]]
    if told != members:
        failures.append(f"{members - told} were not told that the server closes")
    if status:
        failures.append(f"status {status}")
    return failures


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what idle members cost.")
    parser.add_argument("--members", type=int, default=10_000)
    members: int = parser.parse_args().members
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and members > hard - SPARE:
        members = hard - SPARE
        tell(f"there are {hard} descriptors: {members} members")
    if members < 2:
        parser.error("--members must be at least 2")
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            [
                *(sys.executable, "-m", "trionet.cli.main", "chat", "serve", "127.0.0.1:0"),
                *("--forever", "--quiet", "--max-clients", "0", "--max-per-address", "0"),
                *("--drain", str(DRAIN_SECONDS)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            failures = measure(process, log, members)
        finally:
            process.kill()
    for failure in failures:
        tell(f"FAILED: {failure}")
    tell("failed" if failures else "passed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
