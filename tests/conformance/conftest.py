"""The two services as programs, for the tests of the protocol.

One calculator and one room, really started, serve all tests; each test has its own connections, and
leaves the room empty. A test that needs a server of its own starts it by a fork, which is fast;
`forkserver` says what each kind of start shows. The client is in tests/support: `peer`, `service`.
"""

from __future__ import annotations

import re
import resource
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from forkserver import ForkServer
from peer import Peer
from service import LOCAL, UNHURRIED, Calculator, Program, Room, Starter


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@contextmanager
def _serving_everywhere(*command: str) -> Iterator[Program]:
    """Start a server on each kind of address; afterwards drain it and see that it met no error."""
    with tempfile.TemporaryDirectory() as directory:
        where = [LOCAL, f"unix:{Path(directory) / 's'}"]
        if _has_ipv6():
            where.insert(1, "[::1]:0")
        program = Program(*command, *where, listeners=len(where))
        try:
            yield program
            # Its addresses come once it handles signals; without them SIGTERM might kill it.
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
    """The shared calculator, which serves everybody at the same time."""
    calculator = Calculator(calculator_program)
    yield calculator
    calculator.close()


@pytest.fixture
def room(room_program: Program) -> Iterator[Room]:
    """The shared room. It is empty when the test begins."""
    room = Room(room_program)
    yield room
    room.empty()
    room.close()


@pytest.fixture
def start(fork_server: ForkServer) -> Iterator[Starter]:
    """Starts servers for this test alone."""
    starter = Starter(fork_server)
    yield starter
    starter.close()


@pytest.fixture(scope="session")
def start_early(fork_server: ForkServer) -> Iterator[Starter]:
    """Starts servers for several tests."""
    starter = Starter(fork_server)
    yield starter
    starter.close()


class Ending:
    """Measures how long a program takes to end, while other tests run."""

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
        """Wait for the program's end, and return the seconds it took."""
        self._thread.join()
        assert self._program.wait() == 0, str(self._program)
        return self._ended - self._began


@dataclass
class Drain:
    """A chat server that was asked to drain while one member did not read.

    Attributes:
        stuck: a member who does not read, with more output waiting than the kernel buffers.
        members: other members. They were told of the drain and have not read that yet.
        stranger: a peer that tried one unfit name and has read nothing since.
        newcomer: a peer that connected after the drain had begun; ``None`` if it was refused.
        ending: measures from the beginning of the drain.
    """

    room: Room
    stuck: Peer
    members: list[Peer]
    stranger: Peer
    newcomer: Peer | None
    ending: Ending


@pytest.fixture(scope="session")
def drain(start_early: Starter) -> Drain:
    """Started early, because the drain takes five seconds."""
    room = start_early.room("--quiet")
    stuck, witness, *members = room.join("Ann", "Bob", *(f"m{number}" for number in range(6)))
    stranger = room.log_in("*")
    stranger.expect_error()
    # About 7 MB of answers that nobody reads.
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
    """A calculator with `--once` whose only client never closes its side of the connection."""
    calculator = start_early.calculator("--once", "--quiet")
    ann = calculator.log_in("Ann")
    ann.ask("1 + 1", "2")
    ending = Ending(calculator.program)
    ann.say("q")
    ann.expect_end()
    return ending


@dataclass
class Crowd:
    """A room with more names than fit into one line.

    Attributes:
        names: the names of all members, in the order of joining.
        last: the member who joined last; it has read everything.
    """

    names: list[str]
    last: Peer


# For one file of tests alone: hundreds of open descriptors would get in the way of other tests.
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
    """Raise the limit of open files for this process and for what it starts from now on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        if hard != resource.RLIM_INFINITY and hard < count:
            pytest.skip(f"needs {count} file descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


# Fixtures that take seconds but no CPU time.
_EARLY = ("drain", "unclosed")


@pytest.fixture(scope="session", autouse=True)
def begin_early(request: pytest.FixtureRequest) -> None:
    """Start the slow fixtures before the first test, so that they run beside the others."""
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    for name in _EARLY:
        if name in wanted:
            request.getfixturevalue(name)
