"""Measure rooms and JSON lines by the server's CPU time, as ratios within one run.

    python -m benchmarks.rooms                 all of it, in some five minutes
    python -m benchmarks.rooms --rounds 3

It measures the server's CPU time, not wall-clock time, because other programs disturb it least. A
client is a plain socket in this process: what it costs is not measured. The table goes to standard
output.
"""

from __future__ import annotations

import argparse
import itertools
import json
import select
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import machine

OPTIONS: tuple[str, ...] = (
    "--forever",
    "--quiet",
    "--rate",
    "0",
    "--max-clients",
    "0",
    "--max-per-address",
    "0",
)
# Nobody shall miss a line, however busy this process is.
OPTIONS += ("--max-waiting", "100000000")

# Seconds in which nothing comes that should come.
PATIENCE = 20.0

# A room with some who talk, as in the part `chat`.
MEMBERS = 100
TALKERS = 20
SIZES = (32, 512)
KINDS = ("plain", "JSON", "JSON with ids")
# Lines that each of them sends before all that has been sent is heard: 100, 200 and 500 in flight.
FLIGHTS = (5, 10, 25)
# How many messages are measured at a time.
MESSAGES = 25_000


class Chat:
    """A running server, and its clients."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self._port = port
        self._poll = select.epoll()
        self.clients: list[socket.socket] = []
        self._by_number: dict[int, socket.socket] = {}
        self.received: dict[int, int] = {}

    def cpu(self) -> float:
        """Return the seconds of CPU that the server has used."""
        used = Path(f"/proc/{self._process.pid}/schedstat").read_text().split()[0]
        return int(used) / 1e9

    def memory(self) -> int:
        """Return how many KiB of memory the server has."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1])
        raise RuntimeError("the kernel does not tell")

    def join(self, logins: Sequence[bytes], *, at_once: int) -> None:
        """Log clients in, some at a time, each group once the one before was welcomed."""
        for begin in range(0, len(logins), at_once):
            group = logins[begin : begin + at_once]
            for login in group:
                client = socket.create_connection(("127.0.0.1", self._port))
                client.setblocking(False)
                self.clients.append(client)
                self._by_number[client.fileno()] = client
                self.received[client.fileno()] = 0
                self._poll.register(client.fileno(), select.EPOLLIN)
                client.send(login)
            waiting = {client.fileno() for client in self.clients[begin:]}
            while waiting:
                waiting -= set(self._read())
            self.settle()

    def settle(self) -> None:
        """Read until nothing has come for a while."""
        last = time.monotonic()
        while time.monotonic() - last < 0.3:
            if self._read():
                last = time.monotonic()

    def _read(self, seconds: float = 0.1) -> list[int]:
        ready = self._poll.poll(seconds)
        for number, _ in ready:
            while True:
                try:
                    data = self._by_number[number].recv(1 << 20)
                except BlockingIOError:
                    break
                if not data:
                    raise RuntimeError("the server closed a connection")
                self.received[number] += data.count(b"\n")
        return [number for number, _ in ready]

    def say_all(self, said: Sequence[tuple[socket.socket, bytes]], lines: int) -> None:
        """Let clients send, and read until so many lines have come."""
        expected = sum(self.received.values()) + lines
        left = dict(said)
        while left:
            for client, data in tuple(left.items()):
                try:
                    left[client] = data[client.send(data) :]
                except BlockingIOError:
                    continue
                if not left[client]:
                    del left[client]
            self._read(0)
        last = time.monotonic()
        while sum(self.received.values()) < expected:
            if self._read():
                last = time.monotonic()
            elif time.monotonic() - last > PATIENCE:
                missing = expected - sum(self.received.values())
                raise RuntimeError(f"{missing} lines have not come")


@contextmanager
def served() -> Iterator[Chat]:
    """Start a server on a free port."""
    command = [sys.executable, "-m", "trionet.cli.main", "chat", "serve", "127.0.0.1:0", *OPTIONS]
    command[1:3] = ["-c", "from trionet.cli.main import main; main()"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        chat = Chat(process, int(process.stdout.readline().rpartition(":")[2]))
        try:
            yield chat
        finally:
            process.kill()
            for client in chat.clients:
                client.close()


def login(number: int, *, is_json: bool, rooms: Sequence[str] = ("lobby",)) -> bytes:
    """Return the first line of a client."""
    if not is_json:
        return f"m{number}\n".encode()
    return json.dumps({"type": "login", "name": f"m{number}", "rooms": rooms}).encode() + b"\n"


def fan_out(kind: str, size: int, flight: int) -> float:
    """Return deliveries a second of server CPU, for members of one format.

    Each talker sends `flight` lines at a time.
    """
    is_json = kind != "plain"
    with served() as chat:
        chat.join([login(n, is_json=is_json) for n in range(MEMBERS)], at_once=MEMBERS)
        text = "x" * (size - 1)
        if is_json:
            more = ',"id":%d' if kind == "JSON with ids" else ""
            form = '{"type":"say","room":"lobby","text":"' + text + '"' + more + "}\n"
            data = "".join(form % n if more else form for n in range(flight)).encode()
        else:
            data = f"{text}\n".encode() * flight
        before = chat.cpu()
        heard = MEMBERS if is_json else MEMBERS - 1
        talkers = [(client, data) for client in chat.clients[:TALKERS]]
        flights = MESSAGES // (TALKERS * flight)
        for _ in range(flights):
            chat.say_all(talkers, TALKERS * flight * heard)
        return TALKERS * flight * flights * MEMBERS / (chat.cpu() - before)


def quiet_rooms(*, is_json: bool, turns: int) -> tuple[float, float]:
    """Return the CPU seconds of a message in each of 1,000 rooms, and of ten in a room of 1,000."""
    seconds = []
    for rooms, members in ((1000, 10), (1, 1000)):
        with served() as chat:
            names = [f"r{n % rooms}" for n in range(rooms * members)]
            enter_rooms(chat, names, is_json=is_json)
            heard = members if is_json else members - 1
            before = chat.cpu()
            for _ in range(turns):
                if rooms == 1:
                    for talker in chat.clients[:10]:
                        said = message(names[0], is_json=is_json)
                        chat.say_all([(talker, said)], heard)
                    continue
                talks = [
                    (client, message(name, is_json=is_json))
                    for client, name in zip(chat.clients[:rooms], names, strict=False)
                ]
                chat.say_all(talks, rooms * heard)
            seconds.append((chat.cpu() - before) / turns)
    return seconds[0], seconds[1]


def message(room: str, *, is_json: bool) -> bytes:
    """Return one message of 32 bytes."""
    text = "x" * 31
    if not is_json:
        return f"{text}\n".encode()
    return f'{{"type":"say","room":"{room}","text":"{text}"}}\n'.encode()


def enter_rooms(chat: Chat, names: Sequence[str], *, is_json: bool) -> float:
    """Let a client join each of these rooms, 500 at a time; return the server's CPU seconds."""
    before = chat.cpu()
    if is_json:
        logins = [login(n, is_json=True, rooms=[name]) for n, name in enumerate(names)]
    else:
        logins = [f"m{n}\n/join {name}\n".encode() for n, name in enumerate(names)]
    chat.join(logins, at_once=500)
    return chat.cpu() - before


def joining(rooms: int, *, is_json: bool) -> float:
    """Return the CPU seconds of ten members for each of so many rooms, who join one by one.

    The ten of a room join in a row. If they joined far apart, each would be told to the others by a
    separate send, and 10,000 members would cost more sends each than 1,000.
    """
    with served() as chat:
        return enter_rooms(chat, [f"r{n // 10}" for n in range(rooms * 10)], is_json=is_json)


def idle(*, is_json: bool, members: int = 5000) -> float:
    """Return how many KiB an idle member takes."""
    with served() as chat:
        chat.join([login(n, is_json=is_json) for n in range(500)], at_once=500)
        before = chat.memory()
        chat.join([login(n, is_json=is_json) for n in range(500, 500 + members)], at_once=500)
        return (chat.memory() - before) / members


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description="Measure rooms and JSON lines.")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = range(parser.parse_args().rounds)
    machine.allow_descriptors()
    print("deliveries a second of server CPU, 100 members, 20 talkers")
    for size, flight in itertools.product(SIZES, FLIGHTS):
        # All formats in turn, because the machine's speed changes.
        turns = [[fan_out(kind, size, flight) for kind in KINDS] for _ in rounds]
        for kind, rates in zip(KINDS, zip(*turns, strict=True), strict=True):
            of_plain = (rate / turn[0] for rate, turn in zip(rates, turns, strict=True))
            print(
                f"  {size} bytes, {TALKERS * flight} in flight, {kind}:"
                f" {statistics.median(rates):,.0f}, {statistics.median(of_plain):.2f} of plain"
            )
    for kind, is_json in (("plain", False), ("JSON", True)):
        pairs = [quiet_rooms(is_json=is_json, turns=5) for _ in rounds]
        many, one = (statistics.median(side) for side in zip(*pairs, strict=True))
        print(f"a message in each of 1,000 rooms of 10, {kind}: {many * 1000:.0f} ms of CPU")
        print(
            f"  ten messages in a room of 1,000: {one * 1000:.0f} ms; {many / one:.2f} times that"
        )
        few, all_ = (
            statistics.median(joining(rooms, is_json=is_json) for _ in rounds)
            for rooms in (100, 1000)
        )
        print(f"10,000 join 1,000 rooms, {kind}: {all_:.2f} s of CPU")
        print(f"  1,000 join 100 rooms: {few:.2f} s; {all_ / few:.1f} times that")
        each = statistics.median(idle(is_json=is_json) for _ in rounds)
        print(f"an idle member, {kind}: {each:.2f} KiB")


if __name__ == "__main__":
    main()
