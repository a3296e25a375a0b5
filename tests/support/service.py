"""trionet's two services as a peer sees them: a running program, and connections to it.

Nothing here knows trionet but the command that starts it.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from forkserver import ForkServer, Process
from json_peer import JSONPeer
from peer import PATIENCE, Conversation, Peer, open_socket

LOCAL = "127.0.0.1:0"

# Options of a room whose members say more at once than people do.
UNHURRIED = ("--rate", "0")

_NOTICE = re.compile(r"\*\*\* (?:welcome, )?\S+ (?:joined |left )?\((\d+) here")


class Program:
    """A running `trionet ARGUMENTS...`. Starting does not wait; asking for its addresses does.

    Args:
        arguments: the command line.
        fork_server: starts the program; ``None`` starts an interpreter.
        listeners: how many `listening on` lines the program prints.
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
        """The addresses it listens on, once it has printed them all."""
        while len(self._addresses) < self._listeners:
            match = re.fullmatch(r"listening on (\S+)", line := self.read())
            assert match, f"{line!r} names no address\n{self}"
            self._addresses.append(match[1])
        return self._addresses

    def read(self) -> str:
        """Return the next line of its standard output."""
        while (end := self._printed.find(b"\n")) < 0:
            assert self._read_some(), f"a line was expected, and the output ended\n{self}"
        line = self._printed[:end].decode()
        del self._printed[: end + 1]
        return line

    def expect_printed(self, *lines: str) -> None:
        """See that it prints these lines, nothing more, and ends with status 0."""
        while self._read_some():
            pass
        assert self._printed.decode().splitlines() == list(lines), str(self)
        self.expect_end()

    def expect_end(self) -> None:
        """See that it ends by itself, with status 0."""
        assert self.wait() == 0, str(self)

    def wait(self) -> int:
        """Wait for its end, and return its status."""
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end\n{self}") from None

    def drain(self) -> None:
        """Send SIGTERM, which asks it to drain."""
        self._process.send_signal(signal.SIGTERM)

    def hang_up(self, told: str) -> None:
        """Send SIGHUP, and wait until the log tells this."""
        self._process.send_signal(signal.SIGHUP)
        by = time.monotonic() + PATIENCE
        while told not in self.errors:
            assert time.monotonic() < by, str(self)
            time.sleep(0.01)

    def end_at_once(self) -> None:
        """Send SIGKILL, and wait for the end."""
        self._process.kill()
        self._process.wait()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Suspend the process, once it listens, for the length of the block.

        Whatever peers do meanwhile comes at once for the server, however slow this machine is.
        """
        assert self.addresses
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the process if it still runs, and close everything that belonged to it."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._output)
        if isinstance(self._process, Process):
            self._process.close()
        self._errors.close()

    @property
    def errors(self) -> str:
        """What it has written to standard error."""
        self._errors.seek(0)
        return self._errors.read().decode()

    def __str__(self) -> str:
        return (
            f"trionet {' '.join(self._arguments)} (status {self._process.poll()})\n"
            f"standard output not read yet: {bytes(self._printed)!r}\n"
            f"standard error:\n{self.errors}"
        )

    def _read_some(self) -> int:
        ready, _, _ = select.select([self._output], [], [], PATIENCE)
        assert ready, f"nothing was printed within {PATIENCE:g} s\n{self}"
        data = os.read(self._output, 65536)
        self._printed += data
        return len(data)


class Service:
    """A running program, and one test's connections to it; `close` closes them all."""

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
        """Close all connections, and print the conversation, which pytest shows on failure."""
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
        """Let members join one after the other, until everyone has heard of everyone.

        Use it only as long as nobody has left the room. Returns the new members.
        """
        for name in names:
            peer = self.log_in(name)
            self._members.append(peer)
            here = [member.name for member in self._members]
            peer.expect(f"*** welcome, {name} ({len(here)} here: {', '.join(here)})")
            for other in self._members[:-1]:
                other.expect(f"*** {name} joined ({len(here)} here)")
        return self._members[-len(names) :]

    def connect_json(self, name: str = "somebody", *, address: str | None = None) -> JSONPeer:
        """Connect a peer that speaks JSON lines, and say nothing yet."""
        return JSONPeer(self.connect(name, address=address))

    def log_in_json(self, name: str, *rooms: str, **fields: Any) -> JSONPeer:
        """Log a peer in that speaks JSON lines, in these rooms or the lobby; read the answer."""
        peer = self.connect_json(name)
        if rooms:
            fields["rooms"] = rooms
        peer.request("login", name=name, **fields)
        peer.expect("welcome", name=name)
        for room in rooms or ("lobby",):
            peer.expect("entered", room=room)
        return peer

    def empty(self) -> None:
        """Close all connections, and wait until every room is empty."""
        keeper = self.log_in("Keeper")
        count = self._count(keeper.read())
        for peer in self._peers:
            if peer is not keeper:
                peer.close()
        while count != 1:
            count = self._count(keeper.read()) or count
        # Those who were in other rooms; an empty room may stay for its topic.
        while True:
            keeper.say("/rooms")
            line = keeper.read()
            if line.startswith("*** rooms: ") and not re.search(r", \S+ \([1-9]", line):
                break
        keeper.leave()

    @staticmethod
    def _count(line: str) -> int | None:
        match = _NOTICE.match(line)
        return int(match[1]) if match else None


class Starter:
    """Starts servers for one test; `close` ends them."""

    def __init__(self, fork_server: ForkServer) -> None:
        self._fork_server = fork_server
        self._services: list[Service] = []

    def calculator(self, *options: str) -> Calculator:
        """Start `trionet calc serve`."""
        calculator = Calculator(self._start("calc", "serve", LOCAL, *options))
        self._services.append(calculator)
        return calculator

    def room(self, *options: str, listeners: int = 1) -> Room:
        """Start `trionet chat serve`; with more addresses it has more listeners."""
        command = ("chat", "serve", LOCAL, *UNHURRIED, *options)
        room = Room(Program(*command, fork_server=self._fork_server, listeners=listeners))
        self._services.append(room)
        return room

    def web(self, *options: str) -> Room:
        """Start `trionet chat serve --web`; its second address is the page's."""
        program = Program(
            "chat", "serve", LOCAL, *UNHURRIED, "--web", LOCAL, *options,
            fork_server=self._fork_server, listeners=2,
        )  # fmt: skip
        room = Room(program)
        self._services.append(room)
        return room

    def close(self) -> None:
        for service in self._services:
            service.close()
            service.program.kill()

    def _start(self, *arguments: str) -> Program:
        return Program(*arguments, fork_server=self._fork_server)
