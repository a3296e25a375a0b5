"""Measure the chat's window: `python tools/measure_window.py`.

It runs the real server and the real `trionet chat join` on a pseudo-terminal, and prints how long
it takes to start, from a key to its echo while messages arrive, how much CPU time that costs, and
how much memory many messages take. Targets on two quiet cores: start ≤ 0.6 s; key to echo p95
< 20 ms and CPU ≤ 10 % of a core at 1,000 messages/s; 100,000 messages ≤ 40 MB.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from statistics import quantiles

_SECONDS = 15
_RATE = 1000
_MANY = 100_000

# Between two keys: somebody who types fast.
_KEY_SECONDS = 0.08

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class _Window:
    """The program on a terminal of 80 columns and 24 rows."""

    def __init__(self, address: str, name: str = "Ann") -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        command = [sys.executable, "-m", "trionet", "chat", "join", address, "--name", name]
        environment = {**os.environ, "TERM": "xterm-256color"}
        began = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, start_new_session=True, env=environment
        )
        os.close(slave)
        self.wait(b"connected", 30)
        self.start_seconds = time.perf_counter() - began
        self.start_cpu_seconds = self.cpu_seconds()

    def wait(self, expected: bytes, seconds: float) -> bool:
        """Read until the program has written this."""
        seen = b""
        until = time.perf_counter() + seconds
        while expected not in seen:
            left = until - time.perf_counter()
            if left <= 0 or not select.select([self.master], [], [], left)[0]:
                return False
            seen = (seen + os.read(self.master, 65_536))[-100_000:]
        return True

    def read_for(self, seconds: float) -> None:
        """Read whatever the program writes."""
        self.wait(b"\0", seconds)

    def echo_seconds(self, number: int) -> float:
        """Type a Q, and return how long it takes until so many are shown."""
        began = time.perf_counter()
        os.write(self.master, b"Q")
        if not self.wait(b"Q" * number, 10):
            sys.exit("no echo within 10 s")
        return time.perf_counter() - began

    def cpu_seconds(self) -> float:
        fields = self._proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_bytes(self) -> int:
        return int(self._proc("statm").split()[1]) * _PAGE

    def _proc(self, name: str) -> str:
        return Path(f"/proc/{self.process.pid}/{name}").read_text()


class _Talker:
    """A member that repeats a message again and again, in its own thread."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port))
        self._send({"type": "login", "name": "talker"})
        threading.Thread(target=self._discard, daemon=True).start()

    def talk(self, rate: int, count: int) -> None:
        """Say so many messages, this many a second."""
        began, said = time.perf_counter(), 0
        while said < count:
            due = min(count, int((time.perf_counter() - began) * rate) + 1)
            texts = [
                f"message {number} of the usual length of a line" for number in range(said, due)
            ]
            self._send(*({"type": "say", "room": "lobby", "text": text} for text in texts))
            said = due
            time.sleep(0.005)

    def _send(self, *requests: dict[str, str]) -> None:
        self._socket.sendall("".join(f"{json.dumps(one)}\n" for one in requests).encode())

    def _discard(self) -> None:
        while self._socket.recv(1 << 20):
            pass


def main() -> None:
    """Measure, and print a line for each figure."""
    limits = ["--rate", "1000000", "--burst", "1000000"]
    command = [sys.executable, "-m", "trionet", "chat", "serve", "127.0.0.1:0", "--quiet"]
    with subprocess.Popen(
        [*command, "--forever", *limits], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().decode().rpartition(" ")[2].strip()
            _measure(address)
        finally:
            server.send_signal(signal.SIGTERM)


def _measure(address: str) -> None:
    starts, costs = [], []
    for _ in range(5):
        window = _Window(address)
        starts.append(window.start_seconds)
        costs.append(window.start_cpu_seconds)
        os.write(window.master, b"\x04")
        window.process.wait(10)
        os.close(window.master)
    print(f"start: {sorted(starts)[2]:.2f} s, of it {sorted(costs)[2]:.2f} s CPU (medians of 5)")

    host, _, port = address.rpartition(":")
    window, talker = _Window(address), _Talker(host, int(port))
    thread = threading.Thread(target=talker.talk, args=(_RATE, _RATE * _SECONDS))
    thread.start()
    window.read_for(1)
    began, cpu, echoes, number = time.perf_counter(), window.cpu_seconds(), [], 0
    while time.perf_counter() - began < _SECONDS - 3:
        number += 1
        echoes.append(window.echo_seconds(number))
        window.read_for(_KEY_SECONDS)
        if number == 40:
            os.write(window.master, b"\x15")
            window.read_for(_KEY_SECONDS)
            number = 0
    used = (window.cpu_seconds() - cpu) / (time.perf_counter() - began)
    cuts = quantiles(echoes, n=20)
    print(
        f"key to echo at {_RATE} messages/s: "
        f"p50 {cuts[9] * 1000:.1f} ms, p95 {cuts[18] * 1000:.1f} ms"
    )
    print(f"CPU at {_RATE} messages/s, {1 / _KEY_SECONDS:.0f} keys/s: {used:.1%} of a core")
    while thread.is_alive():
        window.read_for(0.2)

    before = window.resident_bytes()
    thread = threading.Thread(target=talker.talk, args=(4 * _RATE, _MANY - _RATE * _SECONDS))
    thread.start()
    while thread.is_alive():
        window.read_for(0.2)
    window.read_for(3)
    first = _Window(address, "Bea")
    empty = first.resident_bytes()
    after = window.resident_bytes()
    print(f"{_MANY} messages: {(after - empty) / 1e6:.1f} MB ({after / 1e6:.0f} MB in all)")
    print(f"of them, the last {_MANY - _RATE * _SECONDS}: {(after - before) / 1e6:.1f} MB")
    for one in (window, first):
        os.write(one.master, b"\x15\x04")
        one.process.wait(10)


if __name__ == "__main__":
    main()
