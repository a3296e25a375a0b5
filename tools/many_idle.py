"""Ten thousand idle members: what they cost, and whether all learn that the server is closing.

    python tools/many_idle.py [--members 10000]

The script starts `trionet chat serve`, lets members join over the loopback, has one of them send a
message to all, and ends the server by SIGTERM. It prints figures. It fails (status 1) unless every
member receives the message and `*** server is closing`, and the server ends with status 0 within
the deadline of its drain.

Each member needs a descriptor in this process too. If the OS does not allow that many, there are
fewer members. Linux only: memory is read from /proc.
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

# How many members join at a time. Everybody hears of each, and reads once for each group.
GROUP = 250

# How many members use one source address. An address has about 28,000 ports, and on a busy machine
# fewer of them are free.
FROM_ONE_ADDRESS = 4000

# The default of `--drain`. The server cuts off the members that are left by then, and logs it.
DRAIN_SECONDS = 5

# How many seconds the script waits while nothing at all arrives.
PATIENCE = 60.0

# Descriptors for everything that is not a member.
SPARE = 100

CLOSING = b"*** server is closing\n"


def tell(text: str) -> None:
    print(text, flush=True)


class Crowd:
    """The members' sockets, in one selector. With a task for each, we would measure the tasks.

    Only the last bytes that each member has received are kept.
    """

    # Enough for a welcome and its names.
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
        """Connect one more member, and send its name."""
        number = len(self.members)
        sock = socket.socket()
        # Let the kernel pick the port at the time of connecting: then addresses can share a port.
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
        """Read whatever arrives at any member until a condition holds."""
        while not is_so():
            ready = self._selector.select(PATIENCE)
            if not ready:
                sys.exit(f"FAILED: {what}: nothing came for {PATIENCE:g} s")
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                self._read(key.fileobj)

    def read_all(self, seconds: float) -> None:
        """Read until nothing has arrived for this many seconds."""
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
            # Close at once, as a client does, so that the server need not linger.
            self._selector.unregister(sock)
            sock.close()
            self.open -= 1

    def on_heard(self, sock: socket.socket) -> None:
        """Called when a member has received something."""


class Waiting(Crowd):
    """A crowd that knows which members have not received a certain line yet."""

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
    """Return the resident memory of a process, in KiB."""
    match = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    return float(match[1]) if match else 0.0


def measure(process: subprocess.Popen[str], log: IO[str], members: int) -> list[str]:
    """Let members join, receive a message and see the server close; return what went wrong."""
    assert process.stdout is not None
    crowd = Waiting(process.stdout.readline().strip().removeprefix("listening on "))
    empty = memory_of(process)

    began = time.monotonic()
    while len(crowd.members) < members:
        for _ in range(min(GROUP, members - len(crowd.members))):
            crowd.join()
        # Wait until everybody has heard of the last of the group, and all of it were welcomed.
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
        line
        for line in log
        if not re.match(r"\S+Z info (listening|opened|login|closed|closing) ", line)
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
