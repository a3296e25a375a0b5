"""Measure what Redis costs a chat: no Redis, and 1, 2 and 4 nodes, as ratios within one run.

    python -m benchmarks.cluster                 all of it, in some five minutes
    python -m benchmarks.cluster --rounds 2

100 members are spread over the nodes, and 20 of them talk, each with 25 lines in flight. Everything
runs on one machine, so nodes, Redis and this process share its cores: compare the CPU time of a
message; the rate shows only a tendency. Members are plain sockets in this process.
The table goes to standard output. Redis is started on a free port, in its own folder.
"""

from __future__ import annotations

import argparse
import os
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

MEMBERS = 100
TALKERS = 20
FLIGHT = 25
MESSAGES = 60_000
PINGS = 200
# Members of a node that is killed, and its lease in seconds.
LOST, LEASE = 1000, 4.0
SIZE = 32

# Seconds in which nothing comes that should come.
PATIENCE = 30.0

OPTIONS = (
    *("--forever", "--quiet", "--rate", "0", "--max-clients", "0", "--max-per-address", "0"),
    *("--max-waiting", "100000000", "--log-level", "error"),
)


class Result(NamedTuple):
    """What was measured with one number of nodes."""

    rate: float
    node_cpu: float
    redis_cpu: float
    entry: float
    p50: float
    p99: float


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """End a process when the block ends."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def started_redis() -> Iterator[tuple[int, int]]:
    """Run a Redis; yields its port and its process id."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, text=True)
        with ended(process):
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.02)
            yield port, process.pid


@contextmanager
def started_node(redis: int | None) -> Iterator[tuple[int, int]]:
    """Run a node; yields its port and its process id."""
    command = [sys.executable, "-m", "trionet", "chat", "serve", "127.0.0.1:0", *OPTIONS]
    if redis is not None:
        command += ["--redis", f"redis://127.0.0.1:{redis}/0", "--lease", str(LEASE)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with ended(process):
        assert process.stdout is not None
        line = process.stdout.readline()
        yield int(line.rpartition(":")[2]), process.pid


class Room:
    """Members, each a plain socket, and what they have heard."""

    def __init__(self) -> None:
        self.members: list[socket.socket] = []
        self.heard: dict[int, int] = {}
        # The sum of what all have heard: adding it up anew for each piece of input would cost this
        # process more than reading does, and it shares its cores with what is measured.
        self.total = 0
        self._by_number: dict[int, socket.socket] = {}
        self._poll = select.epoll()

    def join(self, port: int, name: str) -> socket.socket:
        """Join at a node, and wait for the welcome."""
        sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(f"{name}\n".encode())
        welcome = b""
        while b"\n" not in welcome:
            welcome += sock.recv(65536)
        assert welcome.startswith(b"*** welcome"), welcome
        sock.setblocking(False)
        self.members.append(sock)
        self.heard[sock.fileno()] = 0
        self._by_number[sock.fileno()] = sock
        self._poll.register(sock, select.EPOLLIN)
        return sock

    def hear(self, seconds: float = PATIENCE, counted: bytes = b": x") -> int:
        """Wait for input, and take what is there; return how many bytes that was."""
        taken = 0
        for number, _ in self._poll.poll(seconds):
            data = self._by_number[number].recv(1 << 20)
            taken += len(data)
            heard = data.count(counted)
            self.heard[number] += heard
            self.total += heard
        return taken

    def settle(self) -> None:
        """Take everything until nothing has come for a while."""
        while self.hear(0.5):
            pass
        self.heard = dict.fromkeys(self.heard, 0)
        self.total = 0

    def close(self) -> None:
        """Close all connections."""
        for sock in self.members:
            sock.close()
        self._poll.close()


def talk(room: Room, talkers: Sequence[socket.socket], messages: int) -> float:
    """Let talkers send so many messages, each with some in flight; return the time it took."""
    line = b"x" * SIZE + b"\n"
    rounds = messages // (len(talkers) * FLIGHT)
    everybody = len(room.members)
    due = 0
    began = time.perf_counter()
    for _ in range(rounds):
        for talker in talkers:
            talker.send(line * FLIGHT)
        # Each hears all but its own.
        due += len(talkers) * FLIGHT * everybody - len(talkers) * FLIGHT
        while room.total < due:
            if not room.hear():
                raise SystemExit("messages were lost")
    return time.perf_counter() - began


def delays(room: Room, talkers: Sequence[socket.socket]) -> list[float]:
    """Return how long single messages took to the last member, in milliseconds."""
    found = []
    for number in range(PINGS):
        before = room.total
        began = time.perf_counter()
        talkers[number % len(talkers)].send(b"x" * SIZE + b"\n")
        while room.total < before + len(room.members) - 1:
            if not room.hear():
                raise SystemExit("a message was lost")
        found.append((time.perf_counter() - began) * 1000)
    return found


def measure(nodes: int) -> Result:
    """Measure with so many nodes; 0: one server without Redis."""
    with ExitStack() as stack:
        redis, redis_pid = stack.enter_context(started_redis()) if nodes else (None, 0)
        servers = [stack.enter_context(started_node(redis)) for _ in range(max(1, nodes))]
        room = Room()
        stack.callback(room.close)
        for number in range(MEMBERS):
            room.join(servers[number % len(servers)][0], f"m{number}")
        room.settle()
        talkers = room.members[:TALKERS]
        talk(room, talkers, 2 * TALKERS * FLIGHT)
        room.settle()
        entries = _entries(redis)
        pids = [pid for _, pid in servers]
        before = sum(map(cpu_seconds, pids)), cpu_seconds(redis_pid) if nodes else 0.0
        seconds = talk(room, talkers, MESSAGES)
        after = sum(map(cpu_seconds, pids)), cpu_seconds(redis_pid) if nodes else 0.0
        entries = _entries(redis) - entries
        room.settle()
        took = sorted(delays(room, talkers))
    return Result(
        rate=MESSAGES * (MEMBERS - 1) / seconds,
        node_cpu=(after[0] - before[0]) / MESSAGES * 1e6,
        redis_cpu=(after[1] - before[1]) / MESSAGES * 1e6,
        entry=MESSAGES / entries if entries else 0.0,
        p50=took[len(took) // 2],
        p99=took[len(took) * 99 // 100],
    )


def _entries(redis: int | None) -> int:
    """Return how many entries were ever added to the stream."""
    if redis is None:
        return 0
    with (
        socket.create_connection(("127.0.0.1", redis), PATIENCE) as sock,
        sock.makefile("rb") as answers,
    ):
        sock.sendall(b"XINFO STREAM {trionet}:log\r\n")
        while answers.readline().strip() != b"entries-added":
            pass
        return int(answers.readline()[1:])


def dead_node() -> float:
    """Return after how many seconds the last member of a killed node was reported as lost."""
    with ExitStack() as stack:
        redis, _ = stack.enter_context(started_redis())
        living, _ = stack.enter_context(started_node(redis))
        dying, pid = stack.enter_context(started_node(redis))
        room, lost = Room(), Room()
        stack.callback(room.close)
        stack.callback(lost.close)
        watcher = room.join(living, "watcher")
        for number in range(LOST):
            lost.join(dying, f"lost{number}")
        room.settle()
        os.kill(pid, signal.SIGKILL)
        began = time.perf_counter()
        while room.heard[watcher.fileno()] < LOST:
            if not room.hear(counted=b" left ("):
                raise SystemExit("not all were told as lost")
        return time.perf_counter() - began


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    if shutil.which("redis-server") is None:
        raise SystemExit("there is no redis-server")
    cases = (0, 1, 2, 4)
    found: dict[int, list[Result]] = {nodes: [] for nodes in cases}
    for round_ in range(1, rounds + 1):
        for nodes in cases:
            found[nodes].append(measure(nodes))
            print(f"round {round_}, {nodes} nodes: {found[nodes][-1]}", file=sys.stderr)
    print("| | deliveries/s | node CPU | Redis CPU | messages an entry | p50 | p99 |")
    print("|---|---|---|---|---|---|---|")
    for nodes in cases:
        ratio = statistics.median(
            one.rate / base.rate for one, base in zip(found[nodes], found[0], strict=True)
        )
        _, node, redis, entry, p50, p99 = (
            statistics.median(values) for values in zip(*found[nodes], strict=True)
        )
        name = "no Redis" if not nodes else f"{nodes} node{'s' if nodes > 1 else ''}"
        print(
            f"| {name} | {ratio:.2f} | {node:.1f} µs | {redis:.1f} µs | {entry:.0f} "
            f"| {p50:.1f} ms | {p99:.1f} ms |"
        )
    told = statistics.median(dead_node() for _ in range(min(rounds, 3)))
    print(f"\n{LOST} members of a killed node were told as lost after {told:.1f} s")


if __name__ == "__main__":
    main()
