"""Hostile clients of one server, in a process of their own: they do what `attacks` says.

    python -m benchmarks.attackers NAME ATTACKERS SECONDS HOST:PORT

It prints ``ready`` when those who log in have done so, and begins when it reads a line. After so
many seconds it prints what was sent, as JSON, and stays connected until its input ends. What it
sends is bounded by the attack, and by the time.
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

# What a server sends to one who does not read is to stay with the server, not with the kernel.
SMALL_BUFFER = 4096

# Seconds for all of them to log in.
LOGIN_PATIENCE = 20.0

# Connections that are being made at a time: below the backlog of a loopback.
CONNECTING_AT_ONCE = 100


class Attacker:
    """One hostile connection.

    Attributes:
        rest: what it has not sent yet.
        sent: bytes that the kernel has taken.
        is_welcome: it has heard something: it is logged in.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.rest = memoryview(b"")
        self.sent = 0
        self.is_welcome = False

    def push(self, data: bytes) -> None:
        """Send what the kernel takes, and keep the rest; what was not sent before comes first."""
        if not self.rest:
            self.rest = memoryview(data)
        while self.rest:
            try:
                taken = self.sock.send(self.rest)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                # The server has closed it: that is its right.
                self.rest = memoryview(b"")
                return
            self.sent += taken
            self.rest = self.rest[taken:]


class Gang:
    """All who attack one server."""

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
        """Have all of them log in, and wait until each has heard a line."""
        for number, attacker in enumerate(self.attackers):
            self._selector.register(attacker.sock, selectors.EVENT_READ, attacker)
            attacker.push(b"m%d\n" % number)
        if self._attack.is_calculator:
            # It does not answer a name: an expression behind it is answered.
            for attacker in self.attackers:
                attacker.push(b"1 + 1\n")
        end = time.monotonic() + LOGIN_PATIENCE
        while not all(attacker.is_welcome for attacker in self.attackers):
            if time.monotonic() > end:
                raise TimeoutError("not all attackers are logged in")
            self._turn(0.1)
        for attacker in self.attackers:
            attacker.sent = 0
            if not self._attack.reads:
                self._selector.unregister(attacker.sock)

    def attack(self, count: int, seconds: float) -> None:
        """Send, for so long."""
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
                    # Who is kept from sending sends the rest, and not more: memory stays bounded.
                    attacker.push(self._attack.payload)
            else:
                for attacker in self.attackers:
                    if attacker.rest:
                        attacker.push(b"")
            self._turn(0.01)

    def close(self) -> None:
        """Close the selector; the connections end with the process."""
        self._selector.close()

    def _turn(self, seconds: float) -> None:
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
