"""A soak test: both servers as processes, a crowd that misbehaves at random, a few healthy clients.

    python tools/soak.py [--minutes 3] [--clients 50] [--seed N]

Everything is on the loopback. Each client of the crowd connects, over TLS or in the clear, logs in
or does not, misbehaves for a few seconds in one of the ways of `test_fault_matrix`, disconnects,
and pauses. Meanwhile healthy clients of both servers send a request every second. At the end both
servers get SIGTERM while the crowd is still there. The script fails (status 1) if

- a healthy client waited more than `SLOW` seconds for an answer, or received anything else;
- a server's memory grew by more than 20 % and 20 MB after a warm-up of a third of the time;
- a server logged an error, or anything but its connections;
- a server did not end with status 0 within the deadline of its drain (plus `SLOW` seconds, for a
  busy machine).

Linux only: memory is read from /proc.
"""

from __future__ import annotations

import argparse
import itertools
import random
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import unicodedata
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias

import trio
import trustme

from trionet import SocketStream
from trionet.connection.linestream import LineStream
from trionet.transport.tls import TLSStream

# How many clients the crowd may have; each holds one connection at a time.
MOST_CLIENTS = 200

# Longer than each deadline below except the drain's, so that each of them is reached.
MISBEHAVING_SECONDS = 8.0

DRAIN_SECONDS = 5
DEADLINES = (
    *("--handshake-timeout", "2", "--login-timeout", "3", "--idle-timeout", "6"),
    *("--write-timeout", "4", "--drain", str(DRAIN_SECONDS)),
)

SLOW = 5.0

GROWTH, GROWTH_MB = 1.2, 20.0

_LOGGED = re.compile(
    r"\d{4}-\S+Z (?:info|warning) (listening|opened|login|closed|refused|closing|cut-off) "
)


def tell(text: str) -> None:
    print(text, flush=True)


# The servers.


@dataclass
class Server:
    """A server's process.

    Attributes:
        addresses: its address in the clear, and its TLS address.
        memory: its memory in MB each time we looked.
        trouble: the lines that it should not have logged.
        logged: how many lines of each other kind it logged.
    """

    name: str
    process: trio.Process
    addresses: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    logged: Counter[str] = field(default_factory=Counter)

    def look(self) -> float:
        """Note its memory in MB, and return it."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        match = re.search(r"VmRSS:\s+(\d+) kB", status)
        self.memory.append(int(match[1]) / 1024 if match else 0.0)
        return self.memory[-1]

    async def listen(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Read what it prints, so that it never waits for us to read."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read_log)
            assert self.process.stdout is not None
            async for line in _lines(self.process.stdout):
                if line.startswith("listening on "):
                    self.addresses.append(line.removeprefix("listening on "))
                    if len(self.addresses) == 2:
                        task_status.started()

    async def _read_log(self) -> None:
        assert self.process.stderr is not None
        async for line in _lines(self.process.stderr):
            if match := _LOGGED.match(line):
                self.logged[match[1].strip()] += 1
            else:
                self.trouble.append(line)


async def _lines(stream: trio.abc.ReceiveStream) -> AsyncIterator[str]:
    rest = b""
    async for data in stream:
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")


async def start(
    name: str, arguments: tuple[str, ...], certificate: Path, nursery: trio.Nursery
) -> Server:
    process = await trio.lowlevel.open_process(
        [
            *(sys.executable, "-m", "trionet.cli.main", name, "serve", *arguments, *DEADLINES),
            *("127.0.0.1:0", "tls:127.0.0.1:0"),
            *("--tls-cert", str(certificate), "--tls-key", str(certificate)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    server = Server(name, process)
    await nursery.start(server.listen)
    return server


# The crowd.


@dataclass
class Peer:
    """A client that misbehaves, for the length of one connection."""

    chance: random.Random
    server: Server
    sock: socket.socket
    transport: SocketStream
    stream: SocketStream | TLSStream
    name: str = ""

    @property
    def line(self) -> bytes:
        """A line of 100 bytes; before login it is not a name."""
        if self.server.name == "calc":
            return b"%95s / 3\n" % b"1" if self.name else b" " * 99 + b"\n"
        return b"x" * 99 + b"\n" if self.name else b":" * 99 + b"\n"

    async def say(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def read_on(self) -> None:
        with suppress(trio.BrokenResourceError):
            while await self.stream.receive_some():
                pass


Fault: TypeAlias = Callable[[Peer], Awaitable[None]]


async def closes(peer: Peer) -> None:
    await peer.say(b"half a li")
    peer.stream.close()


async def half_closes(peer: Peer) -> None:
    await peer.say(b"half a li")
    await peer.stream.send_eof()
    await peer.read_on()


async def resets(peer: Peer) -> None:
    await peer.say(b"half a li")
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.transport.close()


async def is_silent(peer: Peer) -> None:
    await peer.read_on()


async def sends_a_byte_a_second(peer: Peer) -> None:
    while True:
        await peer.say(b"x")
        await trio.sleep(1)


async def never_reads(peer: Peer) -> None:
    await peer.say(peer.line * 2000)
    await trio.sleep_forever()


async def floods(peer: Peer) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer.read_on)
        with suppress(trio.BrokenResourceError):
            for _ in range(peer.chance.randint(1, 20)):
                await peer.say(peer.line * 100)
        nursery.cancel_scope.cancel()


async def sends_no_newline(peer: Peer) -> None:
    await peer.say(b"x" * (1 << 20))
    await peer.read_on()


async def sends_bad_utf8(peer: Peer) -> None:
    await peer.say(peer.chance.randbytes(200) + b"\xff\n")
    await peer.read_on()


async def sends_control_characters(peer: Peer) -> None:
    await peer.say("\x1b[2J\x07\x00\x7f\x9b1m\r\x85\u2028\u202e*** root joined\n".encode())
    await peer.read_on()


async def speaks_http(peer: Peer) -> None:
    await peer.say(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nroot\nhello\n")
    await peer.read_on()


async def abandons_its_handshake(peer: Peer) -> None:
    # To a server in the clear, these bytes are a bad line or half of one.
    await peer.transport.send_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    await trio.sleep_forever()


FAULTS: list[Fault] = [
    closes,
    half_closes,
    resets,
    is_silent,
    sends_a_byte_a_second,
    never_reads,
    floods,
    sends_no_newline,
    sends_bad_utf8,
    sends_control_characters,
    speaks_http,
    abandons_its_handshake,
]


@dataclass
class Soak:
    """One run of the soak test, and what has happened so far."""

    servers: list[Server]
    tls: ssl.SSLContext
    done: Counter[str] = field(default_factory=Counter)
    waited: dict[str, list[float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    ending: bool = False

    async def misbehave(self, chance: random.Random, number: int) -> None:
        """Connect, misbehave and disconnect, again and again."""
        for visit in itertools.count():
            await trio.sleep(chance.uniform(0, 1))
            fault = chance.choice(FAULTS)
            with trio.move_on_after(MISBEHAVING_SECONDS):
                try:
                    peer = await self._come(chance)
                except OSError:
                    # The servers are draining and no longer listen.
                    continue
                try:
                    if fault is not abandons_its_handshake and chance.random() < 0.6:
                        peer.name = f"peer{number}-{visit}"
                        await peer.say(peer.name.encode() + b"\n")
                    await fault(peer)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    pass
                finally:
                    peer.stream.close()
            self.done[f"{peer.server.name}: {fault.__name__}"] += 1

    async def _come(self, chance: random.Random) -> Peer:
        server = chance.choice(self.servers)
        over_tls = chance.random() < 0.5
        sock, transport = await connect(server.addresses[over_tls].removeprefix("tls:"))
        stream: SocketStream | TLSStream = transport
        if over_tls:
            stream = TLSStream(transport, self.tls, server_hostname="127.0.0.1")
        return Peer(chance, server, sock, transport, stream)

    async def check(self, server: Server, talker: LineStream, listener: LineStream) -> None:
        """Send a request every second, and note how long the answer took."""
        waited = self.waited.setdefault(server.name, [])
        number = 0
        while True:
            await trio.sleep(1)
            number += 1
            asked = trio.current_time()
            question, answer = (
                (f"ping {number}", f"Healthy: ping {number}")
                if server.name == "chat"
                else (f"{number} / 8", f"{number / 8:g}")
            )
            with trio.move_on_after(SLOW) as answering:
                try:
                    await talker.send(question)
                    await self._hear(listener, answer)
                except (trio.EndOfChannel, trio.BrokenResourceError):
                    if not self.ending:
                        self.failures.append(f"{server.name}: a healthy client was cut off")
                    return
            if answering.cancelled_caught and not self.ending:
                self.failures.append(f"{server.name}: no answer to {question!r} in {SLOW} s")
            waited.append(trio.current_time() - asked)

    async def _hear(self, listener: LineStream, answer: str) -> None:
        while (line := await listener.receive()) != answer:
            # A member also receives what the crowd says, made safe, and misses none of it.
            is_safe = "Cc" not in map(unicodedata.category, line)
            is_wrong = line.startswith(("error: ", "*** you missed", "*** server"))
            if (is_wrong or not is_safe) and not self.ending:
                self.failures.append(f"a healthy client heard {line[:200]!r}")

    async def watch(self, began: float) -> None:
        """Print memory and the slowest answer every ten seconds."""
        while True:
            await trio.sleep(10)
            memory = ", ".join(f"{server.name} {server.look():.1f} MB" for server in self.servers)
            slowest = max((max(waited) for waited in self.waited.values() if waited), default=0)
            tell(
                f"{trio.current_time() - began:4.0f} s: {memory}; {self.done.total()} faults; "
                f"slowest answer {slowest * 1000:.0f} ms"
            )


async def connect(address: str) -> tuple[socket.socket, SocketStream]:
    host, _, port = address.rpartition(":")
    trio_stream = await trio.open_tcp_stream(host, int(port))
    sock = socket.socket(fileno=trio_stream.socket.detach())
    return sock, SocketStream(sock, peer=address)


async def discard(lines: LineStream) -> None:
    with suppress(trio.BrokenResourceError):
        while await lines.receive_batch():
            pass


async def run(minutes: float, clients: int, seed: int) -> int:
    tell(f"soak: {minutes:g} minutes, {clients} clients, seed {seed}")
    authority = trustme.CA()
    tls = ssl.create_default_context()
    authority.configure_trust(tls)
    with tempfile.TemporaryDirectory() as directory:
        certificate = Path(directory, "certificate.pem")
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
            str(certificate)
        )
        async with trio.open_nursery() as nursery:
            servers: list[Server] = []
            try:
                servers.append(
                    await start("chat", ("--forever", "--messages"), certificate, nursery)
                )
                servers.append(await start("calc", ("--max-clients", "0"), certificate, nursery))
                soak = Soak(servers, tls)
                await _soak(soak, minutes * 60, clients, seed)
            finally:
                for server in servers:
                    if server.process.returncode is None:
                        server.process.kill()
    return _judge(soak)


async def _soak(soak: Soak, seconds: float, clients: int, seed: int) -> None:
    chat, calc = soak.servers
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        talker, listener = [LineStream((await connect(chat.addresses[0]))[1]) for _ in range(2)]
        asker = LineStream((await connect(calc.addresses[0]))[1])
        await talker.send("Healthy")
        await talker.receive()
        await listener.send("Listener")
        await listener.receive()
        await asker.send("Healthy")
        nursery.start_soon(soak.check, chat, talker, listener)
        nursery.start_soon(soak.check, calc, asker, asker)
        nursery.start_soon(discard, talker)
        nursery.start_soon(_stay_awake, listener)
        nursery.start_soon(soak.watch, began)
        for number in range(clients):
            nursery.start_soon(soak.misbehave, random.Random(f"{seed}:{number}"), number)
        await trio.sleep(seconds)
        soak.ending = True
        tell("SIGTERM")
        async with trio.open_nursery() as ending:
            for server in soak.servers:
                ending.start_soon(partial(_end, soak, server))
        nursery.cancel_scope.cancel()
    for lines in (talker, listener, asker):
        await trio.aclose_forcefully(lines)


async def _stay_awake(listener: LineStream) -> None:
    """Send a blank line now and then, so that the idle deadline does not pass."""
    with suppress(trio.BrokenResourceError):
        while True:
            await trio.sleep(2)
            await listener.send("")


async def _end(soak: Soak, server: Server) -> None:
    server.look()
    began = trio.current_time()
    server.process.send_signal(signal.SIGTERM)
    with trio.move_on_after(DRAIN_SECONDS + SLOW) as waiting:
        status = await server.process.wait()
    if waiting.cancelled_caught:
        soak.failures.append(f"{server.name}: still running after {DRAIN_SECONDS + SLOW} s")
        server.process.kill()
        return
    tell(f"{server.name}: status {status} after {trio.current_time() - began:.1f} s")
    if status:
        soak.failures.append(f"{server.name}: status {status}")


def _judge(soak: Soak) -> int:
    for name, count in sorted(soak.done.items()):
        tell(f"{count:6} {name}")
    for server in soak.servers:
        memory = server.memory
        warm = max(memory[: len(memory) // 3 + 1])
        grown = memory[-1] - warm
        tell(
            f"{server.name}: {memory[0]:.1f} MB at first, {warm:.1f} MB at most in the warm-up, "
            f"{max(memory):.1f} MB at most, {memory[-1]:.1f} MB at last; logged "
            + ", ".join(f"{count} {kind}" for kind, count in server.logged.items())
        )
        if memory[-1] > warm * GROWTH and grown > GROWTH_MB:
            soak.failures.append(f"{server.name}: memory grew by {grown:.1f} MB")
        if server.logged["opened"] != server.logged["closed"]:
            soak.failures.append(f"{server.name}: not every connection was logged as closed")
        soak.failures += [f"{server.name} logged: {line}" for line in server.trouble]
    for name, waited in soak.waited.items():
        tell(f"{name}: {len(waited)} answers to the healthy, the slowest in {max(waited):.3f} s")
    for failure in soak.failures[:50]:
        tell(f"FAILED: {failure}")
    tell("failed" if soak.failures else "passed")
    return 1 if soak.failures else 0


def main() -> None:
    parser = argparse.ArgumentParser(description="Let clients misbehave at random for a while.")
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--clients", type=int, default=50, help=f"1 to {MOST_CLIENTS}")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    given = parser.parse_args()
    if not 1 <= given.clients <= MOST_CLIENTS:
        parser.error(f"--clients must be 1 to {MOST_CLIENTS}")
    sys.exit(trio.run(run, given.minutes, given.clients, given.seed))


if __name__ == "__main__":
    main()
