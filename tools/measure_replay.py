"""Measure what it takes to tell members the past: time, and the server's memory, from outside.

    python tools/measure_replay.py [--members 1,1,16,50,200] [--texts 30] [--slow] [--memory]
        [--seconds 60]

It makes a history file of 10,000 messages in each of ten rooms, and serves it. Then so many members
at a time log in to all ten rooms, each as one who has seen the first message. Resident memory is
that of the server before and at its most, read every 5 ms; a member by itself takes some 10 KB of
it. Each group is served by the same server, so what one leaves behind shows in the next. Whoever is
not told all within the `--seconds` is cut off. It reads `/proc`.

`--slow`: they begin to read after 3 s, and let the kernel hold as little as possible. `--memory`:
the history in memory, with 1,000 messages in each room, in place of the file.
"""

from __future__ import annotations

import argparse
import json
import re
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from trionet.chat.history.store import Store
from trionet.chat.state.events import Said

ROOMS = [*(f"room{number}" for number in range(9)), "lobby"]
EVENTS = 10_000
IN_MEMORY = 1_000

# How long slow members wait until they read, in seconds.
_SLOW = 3.0

_BATCH = 2_000


class Peer(Struct):
    """What a member was told so far."""

    rest: bytes = b""
    said: int = 0
    entered: int = 0


class Server:
    """A chat with a history, and what it takes of the machine."""

    def __init__(self, *options: str) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "trionet", "chat", "serve", "127.0.0.1:0", "--forever"),
                *("--quiet", "--rate", "0", "--max-clients", "0", "--max-per-address", "0"),
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        host, _, port = self._process.stdout.readline().decode().split()[-1].rpartition(":")
        self._address = host, int(port)
        self._members = 0
        with self.log_in() as peer:
            self.epoch = json.loads(peer.makefile().readline())["epoch"]

    def memory(self) -> float:
        """Return its resident memory, in MiB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024

    def log_in(self, *, is_slow: bool = False, **fields: Any) -> socket.socket:
        """Connect, and log in to all rooms."""
        peer = socket.socket()
        if is_slow:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(self._address)
        self._members += 1
        login = {"type": "login", "name": f"m{self._members}", "rooms": ROOMS, **fields}
        peer.sendall(json.dumps(login).encode() + b"\n")
        return peer

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(60)


def make(file: Path, size: int) -> None:
    """Write a history with texts of so many characters."""
    store, done = Store(file), 0
    for room in ROOMS:
        for first in range(1, EVENTS + 2, _BATCH):
            numbers = range(first, min(first + _BATCH, EVENTS + 2))
            batch = [_message(room, number, size) for number in numbers]
            store.write(list(batch), done)
            done += len(batch)
    store.mark_clean()
    store.close()


def _message(room: str, number: int, size: int) -> Said:
    text = f"{number:09d} ".ljust(size, "abcdefgh"[number % 8])
    stamp = 1_750_000_000_000 + number
    return Said(room, number, stamp, 0, f"member{number % 20}", [text], None, b"\x07" * 32)


def fill(server: Server, size: int) -> None:
    """Say so many messages that the history in memory holds no more."""
    with server.log_in() as talker:
        for number in range(0, IN_MEMORY, 10):
            for room in ROOMS:
                text = f"{number:09d} ".ljust(size, "x")
                say = json.dumps({"type": "say", "room": room, "text": text}).encode()
                talker.sendall((say + b"\n") * 10)
            peer = Peer()
            while peer.said < 10 * len(ROOMS):
                _hear(peer, talker.recv(1 << 18))


def resume(server: Server, members: int, seconds: float, *, is_slow: bool) -> str:
    """Let so many members log in at once, and return what was measured."""
    before = most = server.memory()
    began = time.perf_counter()
    seen = dict.fromkeys(ROOMS, 1)
    peers = {
        server.log_in(is_slow=is_slow, epoch=server.epoch, seen=seen): Peer()
        for _ in range(members)
    }
    while is_slow and time.perf_counter() < began + _SLOW:
        most = max(most, server.memory())
        time.sleep(0.005)
    look, until = 0.0, time.perf_counter() + seconds
    with selectors.DefaultSelector() as selector:
        for connection in peers:
            selector.register(connection, selectors.EVENT_READ)
        while selector.get_map() and time.perf_counter() < until:
            for key, _ in selector.select(0.005):
                reading = key.fileobj
                assert isinstance(reading, socket.socket)
                peer, data = peers[reading], reading.recv(1 << 18)
                _hear(peer, data)
                if not data or peer.entered == len(ROOMS):
                    selector.unregister(reading)
            if time.perf_counter() > look:
                most = max(most, server.memory())
                look = time.perf_counter() + 0.005
    took = time.perf_counter() - began
    for connection in peers:
        connection.close()
    lost = sum(peer.entered < len(ROOMS) for peer in peers.values())
    told = sorted(peer.said for peer in peers.values())
    return (
        f"{members:5} at once{', slow' if is_slow else ''}: {took:6.2f} s; "
        f"memory {before:5.1f} -> {most:5.1f} MiB; "
        f"told {told[0]:,} to {told[-1]:,} messages each; {lost} not told all"
    )


def _hear(peer: Peer, data: bytes) -> None:
    data = peer.rest + data
    end = data.rfind(b"\n") + 1
    peer.rest = data[end:]
    peer.said += data.count(b'{"type":"said"', 0, end)
    peer.entered += data.count(b'{"type":"entered"', 0, end)


@contextmanager
def served(size: int, *, in_memory: bool) -> Iterator[Server]:
    """Serve a history in a block."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "history")
        if not in_memory:
            make(file, size)
        server = Server(*([] if in_memory else ["--history", str(file)]))
        try:
            if in_memory:
                fill(server, size)
            yield server
        finally:
            server.close()


def main() -> None:
    """Measure each group, and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", default="1,1,16,50,200", help="how many at a time, in turn")
    parser.add_argument("--texts", type=int, default=30, help="characters of a message")
    parser.add_argument("--seconds", type=float, default=60.0, help="the most for each group")
    parser.add_argument("--slow", action="store_true", help="members who do not read for 3 s")
    parser.add_argument("--memory", action="store_true", help="the history in memory")
    asked = parser.parse_args()
    with served(asked.texts, in_memory=asked.memory) as server:
        first = server.memory()
        for members in map(int, asked.members.split(",")):
            print(resume(server, members, asked.seconds, is_slow=asked.slow), flush=True)
            # Whoever was told the past leaves.
            time.sleep(1)
        print(f"since its start: {server.memory() - first:+.1f} MiB")


if __name__ == "__main__":
    main()
