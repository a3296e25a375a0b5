"""The program as a peer sees it: started, listening, and talked to over plain blocking sockets.

Nothing here knows trionet but the command that starts it. No test waits for time to pass: that
something does *not* come is shown by provoking a known later line (`Peer.expect_quiet`). Each read
ends within `PATIENCE`, and each failure shows the whole conversation.

One calculator and one room, started for real, serve all tests, each test with connections of its
own; a room is empty again when its test is over. What needs a program of its own starts it, by a
fork, which is fast; what the two kinds of start show is told in `forkserver`.
"""

from __future__ import annotations

import itertools
import os
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import pytest

from forkserver import ForkServer, Process

# Seconds for what takes a fraction of one, even on a loaded machine. Who waits longer fails.
PATIENCE = 10.0

LOCAL = "127.0.0.1:0"

# For a room: these members say more at once than people do.
UNHURRIED = ("--rate", "0")

# How much of one line a failure shows.
_SHOWN = 160

_NOTICE = re.compile(r"\*\*\* (?:welcome, )?\S+ (?:joined |left )?\((\d+) here")


class Conversation:
    """What was said in one test, by whom, in the order in which the test saw it."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._shown = False

    def note(self, who: str, what: str) -> None:
        self._said.append(f"{who} {what if len(what) <= _SHOWN else what[:_SHOWN] + '…'}")

    def fail(self, why: str) -> NoReturn:
        self._shown = True
        raise AssertionError(f"{why}\n{self}")

    def print(self) -> None:
        """Show it, unless it was shown: pytest keeps this for a test that fails."""
        if not self._shown:
            sys.stdout.write(f"{self}\n")

    def __str__(self) -> str:
        return "\n".join(("the conversation:", *self._said))


class Peer:
    """One connection to a server, in the hands of a test.

    Args:
        name: who it is in the record of the conversation.
        sock: connected.
        conversation: where all that it says and hears is noted.
        probe: makes a line, and the one answer to it, that are no one else's business.
    """

    def __init__(
        self,
        name: str,
        sock: socket.socket,
        conversation: Conversation,
        probe: Callable[[int], tuple[str, str]],
    ) -> None:
        sock.settimeout(PATIENCE)
        if sock.family != socket.AF_UNIX:
            # So that what is sent in pieces travels in pieces.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.name = name
        self._conversation = conversation
        self._probe = probe
        self._probes = itertools.count(1000)
        self._unread = bytearray()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._conversation.note(self.name, f"< {data[:_SHOWN]!r}")
        try:
            self.sock.sendall(data)
        except OSError as error:
            self._conversation.fail(f"{self.name} cannot send: {error}")

    def say(self, *lines: str) -> None:
        """Send lines, all in one go."""
        self.send("".join(f"{line}\n" for line in lines).encode())

    def read(self) -> str:
        """The next line, without its LF."""
        while (end := self._unread.find(b"\n")) < 0:
            if not self._receive():
                self._fail("waits for a line, and the connection ended")
        raw = bytes(self._unread[:end])
        del self._unread[: end + 1]
        try:
            line = raw.decode()
        except UnicodeDecodeError:
            self._fail(f"got a line that is not UTF-8: {raw!r}")
        self._conversation.note(self.name, f"> {line!r}")
        return line

    def expect(self, *lines: str) -> None:
        """These lines come next."""
        for expected in lines:
            line = self.read()
            if line != expected:
                self._fail(f"expected {expected!r}, and got {line!r}")

    def expect_like(self, pattern: str) -> re.Match[str]:
        """The next line is all as the pattern says."""
        line = self.read()
        match = re.fullmatch(pattern, line)
        if match is None:
            self._fail(f"expected a line like {pattern!r}, and got {line!r}")
        return match

    def expect_error(self) -> str:
        """The next line is `error: REASON`."""
        return self.expect_like(r"error: \S.*")[0]

    def ask(self, line: str, *answer: str) -> None:
        """Say a line, and get this answer next."""
        self.say(line)
        self.expect(*answer)

    def expect_quiet(self) -> None:
        """Nothing has come for this peer: the answer to a line that it says now is the next."""
        line, answer = self._probe(next(self._probes))
        self.ask(line, answer)

    def expect_end(self) -> None:
        """Nothing more comes, and the connection ends as it should: no reset."""
        if rest := self.rest():
            self._fail(f"expected the end, and got {rest[:_SHOWN]!r}")

    def rest(self) -> bytes:
        """All that is still to come, to the end."""
        while self._receive():
            pass
        rest = bytes(self._unread)
        self._unread.clear()
        self._conversation.note(self.name, f"> {rest[:_SHOWN]!r} and the end")
        return rest

    def expect_nothing_so_far(self) -> None:
        """Nothing is here; for a connection on which nothing can be provoked."""
        if select.select([self.sock], [], [], 0)[0] or self._unread:
            self._receive()
            self._fail(f"expected nothing yet, and got {bytes(self._unread)!r}, or the end")

    def finish(self) -> None:
        """Half-close: send no more, and go on reading."""
        self._conversation.note(self.name, "ends the sending")
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Go away so that the server's end of the connection breaks."""
        self._conversation.note(self.name, "resets")
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        self._conversation.note(self.name, "closes")
        self.sock.close()

    def leave(self) -> None:
        """Quit, and wait until the server has seen to it."""
        self.say("q")
        self.expect_end()
        self.close()

    def _receive(self) -> int:
        try:
            data = self.sock.recv(1 << 18)
        except TimeoutError:
            self._fail(f"got nothing within {PATIENCE:g} s, behind {bytes(self._unread)!r}")
        except ConnectionError as error:
            self._fail(f"was cut off: {error}")
        self._unread += data
        return len(data)

    def _fail(self, why: str) -> NoReturn:
        self._conversation.fail(f"{self.name} {why}")


class Program:
    """`trionet ARGUMENTS...`, started; it is waited for when something is asked of it.

    Args:
        arguments: of the command line.
        fork_server: starts it; ``None``: a real start.
        listeners: how many `listening on` lines it prints.
    """

    def __init__(
        self, *arguments: str, fork_server: ForkServer | None = None, listeners: int = 1
    ) -> None:
        self._arguments = arguments
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._output, theirs = os.pipe()
        streams: dict[str, Any] = {
            "stdin": subprocess.DEVNULL, "stdout": theirs, "stderr": self._errors.fileno()
        }  # fmt: skip
        self._process: Process | subprocess.Popen[bytes]
        if fork_server is None:
            command = [sys.executable, "-m", "trionet.cli.main", *arguments]
            self._process = subprocess.Popen(command, **streams)
        else:
            self._process = fork_server.start(*arguments, **streams)
        os.close(theirs)
        self._printed = bytearray()
        self._listeners = listeners
        self._addresses: list[str] = []

    @property
    def addresses(self) -> list[str]:
        """What it listens on."""
        while len(self._addresses) < self._listeners:
            match = re.fullmatch(r"listening on (\S+)", line := self.read())
            assert match, f"{line!r} is no address\n{self}"
            self._addresses.append(match[1])
        return self._addresses

    def read(self) -> str:
        """The next line on its standard output."""
        while (end := self._printed.find(b"\n")) < 0:
            assert self._read_some(), f"a line was expected, and the output ended\n{self}"
        line = self._printed[:end].decode()
        del self._printed[: end + 1]
        return line

    def expect_printed(self, *lines: str) -> None:
        """These are all lines that it still prints, and it ends well."""
        while self._read_some():
            pass
        assert self._printed.decode().splitlines() == list(lines), str(self)
        self.expect_end()

    def expect_end(self) -> None:
        """It ends by itself, with status 0."""
        assert self.wait() == 0, str(self)

    def wait(self) -> int:
        """Wait until it has ended, and return its status."""
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end\n{self}") from None

    def drain(self) -> None:
        """Ask it to drain."""
        self._process.send_signal(signal.SIGTERM)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the process; it goes on at the end of the block."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it in any case, and let go of what it had."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._output)
        if isinstance(self._process, Process):
            self._process.close()
        self._errors.close()

    @property
    def errors(self) -> str:
        """What it has printed on its standard error."""
        self._errors.seek(0)
        return self._errors.read().decode()

    def __str__(self) -> str:
        return (
            f"trionet {' '.join(self._arguments)} (status {self._process.poll()})\n"
            f"standard output, behind what was read: {bytes(self._printed)!r}\n"
            f"standard error:\n{self.errors}"
        )

    def _read_some(self) -> int:
        ready, _, _ = select.select([self._output], [], [], PATIENCE)
        assert ready, f"nothing is printed within {PATIENCE:g} s\n{self}"
        data = os.read(self._output, 65536)
        self._printed += data
        return len(data)


class Service:
    """One running program, for one test: connections to it, all closed in the end."""

    def __init__(self, program: Program, conversation: Conversation | None = None) -> None:
        self.program = program
        self.conversation = conversation or Conversation()
        self._peers: list[Peer] = []

    def probe(self, number: int) -> tuple[str, str]:
        raise NotImplementedError

    def connect(self, name: str = "somebody", *, address: str | None = None) -> Peer:
        """Connect, and say nothing yet."""
        address = address or self.program.addresses[0]
        peer = Peer(name, open_socket(address), self.conversation, self.probe)
        self._peers.append(peer)
        return peer

    def log_in(self, name: str, *, address: str | None = None) -> Peer:
        """Connect, and say the name."""
        peer = self.connect(name, address=address)
        peer.say(name)
        return peer

    def close(self) -> None:
        """Close all connections; what was said is shown if the test has failed."""
        for peer in self._peers:
            peer.close()
        self.conversation.print()


class Calculator(Service):
    """A running calculator."""

    def probe(self, number: int) -> tuple[str, str]:
        return f"{number} + 0", f"{number}"


class Room(Service):
    """A running chat room."""

    def __init__(self, program: Program, conversation: Conversation | None = None) -> None:
        super().__init__(program, conversation)
        self._members: list[Peer] = []

    def probe(self, number: int) -> tuple[str, str]:
        return f"/no{number}", f"error: unknown command /no{number} (try /help)"

    def join(self, *names: str) -> list[Peer]:
        """Let members in, one after the other, until everyone has heard of everyone.

        For a room that nobody has left yet. Returns those who came.
        """
        for name in names:
            peer = self.log_in(name)
            self._members.append(peer)
            here = [member.name for member in self._members]
            peer.expect(f"*** welcome, {name} ({len(here)} here: {', '.join(here)})")
            for other in self._members[:-1]:
                other.expect(f"*** {name} joined ({len(here)} here)")
        return self._members[-len(names) :]

    def empty(self) -> None:
        """Let everybody go, and wait until the room is empty."""
        keeper = self.log_in("Keeper")
        count = self._count(keeper.read())
        for peer in self._peers:
            if peer is not keeper:
                peer.close()
        while count != 1:
            count = self._count(keeper.read()) or count
        keeper.leave()

    @staticmethod
    def _count(line: str) -> int | None:
        match = _NOTICE.match(line)
        return int(match[1]) if match else None


def open_socket(address: str) -> socket.socket:
    """Connect to an address as the program prints it."""
    if address.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(PATIENCE)
        sock.connect(address.removeprefix("unix:"))
        return sock
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), PATIENCE)


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@contextmanager
def _serving_everywhere(*command: str) -> Iterator[Program]:
    """Start a server on each kind of address; in the end it drains, and has met no error."""
    with tempfile.TemporaryDirectory() as directory:
        where = [LOCAL, f"unix:{Path(directory) / 's'}"]
        if _has_ipv6():
            where.insert(1, "[::1]:0")
        program = Program(*command, *where, listeners=len(where))
        try:
            yield program
            # Asked for, lest it is not even listening for signals yet.
            assert program.addresses
            program.drain()
            assert program.wait() == 0, str(program)
            assert not re.search("^error|Traceback", program.errors, re.MULTILINE), str(program)
        finally:
            program.kill()


@pytest.fixture(scope="session")
def calculator_program() -> Iterator[Program]:
    with _serving_everywhere("calc", "serve", "--max-clients", "0", "--quiet") as program:
        yield program


@pytest.fixture(scope="session")
def room_program() -> Iterator[Program]:
    with _serving_everywhere("chat", "serve", *UNHURRIED, "--forever", "--quiet") as program:
        yield program


@pytest.fixture
def calculator(calculator_program: Program) -> Iterator[Calculator]:
    """The calculator that serves everyone at once."""
    calculator = Calculator(calculator_program)
    yield calculator
    calculator.close()


@pytest.fixture
def room(room_program: Program) -> Iterator[Room]:
    """The room that stays. It is empty when the test begins."""
    room = Room(room_program)
    yield room
    room.empty()
    room.close()


class Starter:
    """Starts servers of one test's own, and ends them with it."""

    def __init__(self, fork_server: ForkServer) -> None:
        self._fork_server = fork_server
        self._services: list[Service] = []

    def calculator(self, *options: str) -> Calculator:
        """Start `trionet calc serve`."""
        calculator = Calculator(self._start("calc", "serve", LOCAL, *options))
        self._services.append(calculator)
        return calculator

    def room(self, *options: str) -> Room:
        """Start `trionet chat serve`."""
        room = Room(self._start("chat", "serve", LOCAL, *UNHURRIED, *options))
        self._services.append(room)
        return room

    def close(self) -> None:
        for service in self._services:
            service.close()
            service.program.kill()

    def _start(self, *arguments: str) -> Program:
        return Program(*arguments, fork_server=self._fork_server)


@pytest.fixture
def start(fork_server: ForkServer) -> Iterator[Starter]:
    """Servers of this test's own."""
    starter = Starter(fork_server)
    yield starter
    starter.close()


@pytest.fixture(scope="session")
def start_early(fork_server: ForkServer) -> Iterator[Starter]:
    """Servers for more than one test."""
    starter = Starter(fork_server)
    yield starter
    starter.close()


class Ending:
    """How long a program goes on, measured while other tests run."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._began = time.monotonic()
        self._ended = 0.0
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        self._program.wait()
        self._ended = time.monotonic()

    def seconds(self) -> float:
        """From the beginning to the program's end."""
        self._thread.join()
        assert self._program.wait() == 0, str(self._program)
        return self._ended - self._began


@dataclass
class Drain:
    """A chat server that was asked to drain while one member did not read.

    Attributes:
        stuck: the member who does not read, for whom more waits than the system takes.
        members: others, who were told of the drain and have not read it yet.
        stranger: somebody who tried one unfit name and has not read on since.
        newcomer: somebody who connected once the drain had begun; ``None``: it was refused.
        ending: since it was asked.
    """

    room: Room
    stuck: Peer
    members: list[Peer]
    stranger: Peer
    newcomer: Peer | None
    ending: Ending


@pytest.fixture(scope="session")
def drain(start_early: Starter) -> Drain:
    """Begun early, because it takes the five seconds that it is about."""
    room = start_early.room("--quiet")
    stuck, witness, *members = room.join("Ann", "Bob", *(f"m{number}" for number in range(6)))
    stranger = room.log_in("*")
    stranger.expect_error()
    # Some 7 MB of answers to nobody.
    stuck.say(*["/help"] * 20_000, "that was it")
    witness.expect("Ann: that was it")
    for member in members:
        member.expect("Ann: that was it")
    ending = Ending(room.program)
    room.program.drain()
    witness.expect("*** server is closing")
    try:
        newcomer = room.connect("Eve")
    except ConnectionRefusedError:
        newcomer = None
    return Drain(room, stuck, members, stranger, newcomer, ending)


@pytest.fixture(scope="session")
def unclosed(start_early: Starter) -> Ending:
    """A calculator that ends after its one session, whose client never closes its side."""
    calculator = start_early.calculator("--once", "--quiet")
    ann = calculator.log_in("Ann")
    ann.ask("1 + 1", "2")
    ending = Ending(calculator.program)
    ann.say("q")
    ann.expect_end()
    return ending


@dataclass
class Crowd:
    """So many members, with names so long, that no line holds them all.

    Attributes:
        names: of all members, in order of joining.
        last: the last who joined; has read everything.
    """

    names: list[str]
    last: Peer


# For one file alone: its hundreds of descriptors are in the way of other tests.
@pytest.fixture(scope="module")
def crowd(start_early: Starter) -> Iterator[Crowd]:
    size = 600
    _allow_open_files(size + 200)
    room = start_early.room("--forever", "--quiet")
    peers = [room.log_in(f"{number:03}" + "\U00020000" * 29) for number in range(size)]
    names = [""] * size
    last = peers[0]
    for peer in peers:
        match = peer.expect_like(r"\*\*\* welcome, (\S+) \((\d+) here: .*\)")
        names[int(match[2]) - 1] = match[1]
        if int(match[2]) == size:
            last = peer
    yield Crowd(names, last)
    for peer in peers:
        peer.close()


def _allow_open_files(count: int) -> None:
    """Let these tests, and what they start from here on, have so many descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        if hard != resource.RLIM_INFINITY and hard < count:
            pytest.skip(f"needs {count} file descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


# What takes seconds by itself, and no work.
_EARLY = ("drain", "unclosed")


@pytest.fixture(scope="session", autouse=True)
def begin_early(request: pytest.FixtureRequest) -> None:
    """Begin what takes its time before the first test."""
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    for name in _EARLY:
        if name in wanted:
            request.getfixturevalue(name)
