"""Hostile clients of one server, in their own process: they do what `attacks` says.

    python -m benchmarks.attackers NAME ATTACKERS SECONDS HOST:PORT

The process prints ``ready`` once the attackers have logged in, if this attack logs in, and begins
when it reads a line. After SECONDS it prints what it has sent, as JSON, and stays connected
until its input ends. The attack and the time limit what it sends.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from contextlib import suppress

from benchmarks.attacks import ATTACKS, Attack
from benchmarks.machine import allow_descriptors

# Small, so that output for an attacker that does not read stays in the server, not in the kernel.
SMALL_BUFFER = 4096

# How many seconds all of them together may take to log in.
LOGIN_PATIENCE = 20.0

# How many connections are made at a time: fewer than the backlog on a loopback.
CONNECTING_AT_ONCE = 100


class Attacker:
    """One hostile connection.

    Attributes:
        rest: what remains to be sent.
        sent: how many bytes the kernel has taken.
        is_welcome: whether it has received anything, and so is logged in.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.rest = memoryview(b"")
        self.sent = 0
        self.is_welcome = False

    def push(self, data: bytes) -> None:
        """Send what is left over, or else these bytes; keep what the kernel does not take."""
        if not self.rest:
            self.rest = memoryview(data)
        while self.rest:
            try:
                taken = self.sock.send(self.rest)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                # The server has closed the connection, as it may.
                self.rest = memoryview(b"")
                return
            self.sent += taken
            self.rest = self.rest[taken:]


class Gang:
    """All attackers of one server."""

    def __init__(self, attack: Attack, server: tuple[str, int]) -> None:
        self._attack = attack
        self._server = server
        self._selector = selectors.DefaultSelector()
        self.attackers: list[Attacker] = []
        self.refused = 0

    def connect(self, count: int) -> None:
        """Open connections, and give up on those that the server does not take."""
        for _ in range(count):
            sock = socket.socket()
            if not self._attack.reads:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            sock.settimeout(1.0)
            try:
                sock.connect(self._server)
            except OSError:
                self.refused += 1
                sock.close()
                continue
            sock.setblocking(False)
            self.attackers.append(Attacker(sock))

    def log_in(self) -> None:
        """Log all attackers in, and wait until each has received a line."""
        for number, attacker in enumerate(self.attackers):
            self._selector.register(attacker.sock, selectors.EVENT_READ, attacker)
            attacker.push(b"m%d\n" % number)
        if self._attack.is_calculator:
            # A calculator does not answer a name, so an expression follows it.
            for attacker in self.attackers:
                attacker.push(b"1 + 1\n")
        end = time.monotonic() + LOGIN_PATIENCE
        while not all(attacker.is_welcome for attacker in self.attackers):
            if time.monotonic() > end:
                raise TimeoutError("not all attackers are logged in")
            self._loop_once(0.1)
        for attacker in self.attackers:
            attacker.sent = 0
            if not self._attack.reads:
                self._selector.unregister(attacker.sock)

    def attack(self, count: int, seconds: float) -> None:
        """Attack for this many seconds."""
        began = time.monotonic()
        end = began + seconds
        if not self._attack.logs_in:
            while len(self.attackers) + self.refused < count and time.monotonic() < end:
                left = count - len(self.attackers) - self.refused
                self.connect(min(left, CONNECTING_AT_ONCE))
        for attacker in self.attackers:
            attacker.push(self._attack.payload)
        due = 1
        while (now := time.monotonic()) < end:
            if self._attack.per_second and now - began >= due / self._attack.per_second:
                due += 1
                for attacker in self.attackers:
                    # One that is slowed down sends the rest and nothing new: memory is bounded.
                    attacker.push(self._attack.payload)
            else:
                for attacker in self.attackers:
                    if attacker.rest:
                        attacker.push(b"")
            self._loop_once(0.01)

    def close(self) -> None:
        """Close the selector; the connections end with the process."""
        self._selector.close()

    def _loop_once(self, seconds: float) -> None:
        if not self._selector.get_map():
            time.sleep(seconds)
            return
        for key, _ in self._selector.select(seconds):
            attacker: Attacker = key.data
            data = b""
            with suppress(OSError):
                data = attacker.sock.recv(1 << 16)
            attacker.is_welcome = True
            if not data:
                self._selector.unregister(attacker.sock)


def main() -> None:
    """Attack as the command line says."""
    name, count, seconds, where = sys.argv[1:]
    host, _, port = where.rpartition(":")
    attack = ATTACKS[name]
    allow_descriptors()
    gang = Gang(attack, (host, int(port)))
    if attack.logs_in:
        gang.connect(int(count))
        gang.log_in()
    print("ready", flush=True)
    sys.stdin.readline()
    gang.attack(int(count), float(seconds))
    sent = sum(attacker.sent for attacker in gang.attackers)
    print(json.dumps({"attackers": len(gang.attackers), "sent": sent}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
