"""The real servers as processes: stopped under load, out of descriptors, and after many clients."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pytest
import trio

from forkserver import ForkServer, TrioProcess
from trionet import SYSTEM, InputEnd
from trionet.connection.linestream import LineStream
from trionet.testing import LineClient

# Seconds for what takes a fraction of one, even on a loaded machine. Whatever takes longer fails.
PATIENCE = 20

# A server that does not end by itself takes all of it.
DRAIN_SECONDS = 20

FULL = "error: server is full"

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="descriptors and CPU time are read from /proc"
)

CHAT = ("chat", "serve", "127.0.0.1:0", "--forever")
CALC = ("calc", "serve", "127.0.0.1:0", "--max-clients", "0")

FEW_DESCRIPTORS = 64

# Stretches of time in which a server may show that it rests.
_STRETCHES = 5


@dataclass
class Program:
    """A server that runs.

    Attributes:
        out: what it has printed so far.
        err: what it has logged so far.
        clients: all who have connected. They are closed with the server, so that a test which
            fails leaves no socket for the next one to stumble over.
    """

    process: TrioProcess
    address: str = ""
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    clients: list[LineClient] = field(default_factory=list)
    ended: trio.Event = field(default_factory=trio.Event)

    @property
    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    @property
    def cpu_seconds(self) -> float:
        # Fields 14 and 15 of stat (proc(5)), counted behind the name, which may hold spaces.
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def resident_kib(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    async def rests(self, seconds: float, *, cpu_seconds: float) -> bool:
        """Tell whether there is a stretch in which it uses less than so much of a processor.

        What it still has to do, and a slow machine, may spoil a few stretches. A server that
        spins has none that is quiet.
        """
        for _ in range(_STRETCHES):
            before = self.cpu_seconds
            with trio.move_on_after(seconds):
                await self.ended.wait()
            if self.cpu_seconds - before < cpu_seconds:
                return True
        return False

    async def connect(self, *lines: str) -> LineClient:
        client = LineClient(
            await SYSTEM.connect(self.address), name=" ".join(lines) or "nobody", patience=PATIENCE
        )
        self.clients.append(client)
        # A refused client may hear so before it sends anything.
        with suppress(trio.BrokenResourceError):
            await client.send(*lines)
        return client

    async def end(self) -> int:
        """End it by SIGTERM, read the rest of its output, and return its status."""
        self.process.send_signal(signal.SIGTERM)
        status = await self.process.wait()
        await self.ended.wait()
        return status

    def assert_no_trouble(self) -> None:
        """Check that it logged nothing but its connections and its drain."""
        for line in self.err:
            assert re.match(
                r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z "
                r"((info (listening|opened|login|closed|refused|closing)|warning \S+) )",
                line,
            ), self.err


@asynccontextmanager
async def started(
    fork_server: ForkServer, *arguments: str, open_files: int | None = None
) -> AsyncIterator[Program]:
    """Start a server, wait until it listens, and kill it at the end if it still runs."""
    process = fork_server.start_in_trio(
        *arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Both limits, or the server would raise the soft one to the hard one.
        open_files=None if open_files is None else (open_files, open_files),
    )
    program = Program(process)
    listening = trio.Event()

    async def read(stream: trio.abc.ReceiveStream | None, into: list[str]) -> None:
        assert stream is not None
        async with stream:
            async for line in LineStream(trio.StapledStream(_Nowhere(), stream)):
                into.append(line)
                # The log has a line about that, too, which may come first.
                if into is program.out:
                    listening.set()

    async def read_both() -> None:
        async with trio.open_nursery() as reading:
            reading.start_soon(read, process.stdout, program.out)
            reading.start_soon(read, process.stderr, program.err)
        program.ended.set()

    with trio.fail_after(3 * PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_both)
            try:
                await listening.wait()
                program.address = program.out[0].removeprefix("listening on ")
                yield program
            finally:
                if process.returncode is None:
                    process.kill()
                with trio.CancelScope(shield=True):
                    await process.wait()
                process.close()
                for client in program.clients:
                    await trio.aclose_forcefully(client.stream)


class _Nowhere(trio.abc.SendStream):
    """A stream to send nothing on: the output of a process can only be read."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        raise NotImplementedError

    async def wait_send_all_might_not_block(self) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


# Stopped under load


class Talker:
    """A member who says line after line, never far ahead of the other talkers."""

    AHEAD = 10

    def __init__(self, name: str, members: int) -> None:
        self.name = name
        self.heard: list[str] = []
        self.said = 0
        self._members = members
        self._progress = trio.lowlevel.ParkingLot()

    async def live(self, address: str, *, task_status: trio.TaskStatus[None]) -> None:
        async with await SYSTEM.connect(address) as stream:
            lines = LineStream(stream)
            await lines.send(self.name)
            self.heard.append(await lines.receive())
            task_status.started()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._talk, lines)
                while batch := await lines.receive_batch():
                    self.heard.extend(map(str, batch))
                    self._progress.unpark_all()
                nursery.cancel_scope.cancel()

    async def _talk(self, lines: LineStream) -> None:
        with suppress(trio.BrokenResourceError):
            while True:
                while len(self.heard) < (self.said - self.AHEAD) * self._members:
                    await self._progress.park()
                await lines.send(f"{self.said}")
                self.said += 1

    async def hear_at_least(self, lines: int) -> None:
        while len(self.heard) < lines:
            await self._progress.park()


async def test_sigterm_under_load_ends_it_in_time_and_nobody_misses_a_line(
    fork_server: ForkServer,
) -> None:
    members = 50
    talkers = [Talker(f"m{number}", members) for number in range(members)]
    options = ("--messages", "--rate", "0", "--drain", f"{DRAIN_SECONDS}")
    async with (
        started(fork_server, *CHAT, *options) as program,
        trio.open_nursery() as nursery,
    ):
        for talker in talkers:
            await nursery.start(talker.live, program.address)
        for talker in talkers:
            await talker.hear_at_least(1000)
        began = trio.current_time()
        assert await program.end() == 0
        assert trio.current_time() - began < DRAIN_SECONDS
    console = program.out[1:]
    assert console[-1] == "*** server is closing"
    for talker in talkers:
        joined = next(
            place for place, line in enumerate(console) if line.startswith(f"*** {talker.name} j")
        )
        theirs = f"{talker.name}: "
        due = [line for line in console[joined + 1 :] if not line.startswith(theirs)]
        assert talker.heard[0].startswith(f"*** welcome, {talker.name} (")
        assert talker.heard[1:] == due
        # What the server took of each is what each said, up to some line, without a gap.
        taken = [line.removeprefix(theirs) for line in console if line.startswith(theirs)]
        assert taken == [str(number) for number in range(len(taken))]
        assert len(taken) <= talker.said
    program.assert_no_trouble()


# Out of descriptors


async def greet_in_chat(program: Program, number: int) -> tuple[LineClient, bool]:
    client = await program.connect(f"m{number}")
    return client, (await client.receive()).startswith("*** welcome")


async def greet_in_calc(program: Program, number: int) -> tuple[LineClient, bool]:
    client = await program.connect(f"m{number}", "1 + 1")
    answer = await client.receive()
    assert answer in ("2", FULL)
    return client, answer == "2"


async def ask(client: LineClient) -> None:
    """Ask something that either server answers with an error."""
    await client.send("/foo")
    while not (await client.receive()).startswith("error: "):
        pass


Greet: TypeAlias = Callable[[Program, int], Awaitable[tuple[LineClient, bool]]]

GREETINGS = [
    pytest.param(CHAT, greet_in_chat, id="chat"),
    pytest.param(CALC, greet_in_calc, id="calc"),
]


@needs_proc
@pytest.mark.parametrize(("arguments", "greet"), GREETINGS)
async def test_out_of_descriptors_it_refuses_without_spinning_and_recovers(
    fork_server: ForkServer, arguments: tuple[str, ...], greet: Greet
) -> None:
    async with started(fork_server, *arguments, open_files=FEW_DESCRIPTORS) as program:
        served: list[LineClient] = []
        number = 0
        while True:
            client, is_served = await greet(program, number)
            number += 1
            if not is_served:
                await client.aclose()
                break
            served.append(client)
        assert FEW_DESCRIPTORS // 2 < len(served) < FEW_DESCRIPTORS

        # A full server refuses each newcomer and does nothing else. Refusing 100 takes far less
        # CPU than a spinning loop, and in the silence after them the server is idle. (This is on
        # the real clock, because only that shows a spinning loop.)
        cpu = program.cpu_seconds
        for _ in range(100):
            async with await program.connect() as refused:
                await refused.expect(FULL)
                await refused.expect_end()
        assert program.cpu_seconds - cpu < 0.5
        assert await program.rests(0.3, cpu_seconds=0.1)

        # Each place that becomes free is taken again, and those who stayed noticed nothing.
        for client in served[:10]:
            await client.send("q")
            await client.aclose()
        again: list[LineClient] = []
        while len(again) < 10:
            client, is_served = await greet(program, number)
            number += 1
            if is_served:
                again.append(client)
            else:
                await client.aclose()
        for client in served[10:] + again:
            await ask(client)
            await client.aclose()
        assert await program.end() == 0
    program.assert_no_trouble()
    out_of = [line for line in program.err if "out of file descriptors" in line]
    assert 1 <= len(out_of) <= number


# Many clients


@needs_proc
@pytest.mark.parametrize(("arguments", "greet"), GREETINGS)
async def test_hundreds_of_clients_that_come_and_go_leave_no_descriptor(
    fork_server: ForkServer, arguments: tuple[str, ...], greet: Greet
) -> None:
    async with started(fork_server, *arguments) as program:
        stays, _ = await greet(program, 0)
        before = program.descriptors
        for number in range(1, 301):
            client, is_served = await greet(program, number)
            assert is_served
            match number % 3:
                case 0:
                    await client.send("q")
                    # The one before may leave at the same moment, and this one may still hear so.
                    with pytest.raises(
                        AssertionError, match=f"no more lines: {InputEnd.EOF.value}"
                    ):
                        assert re.fullmatch(r"\*\*\* m\d+ left .*", await client.receive())
                        await client.receive()
                case 1:
                    await client.send_eof()
            await client.aclose()
        # With each question the server gets a chance to close what has ended.
        while program.descriptors > before:
            await ask(stays)
        assert program.descriptors == before
        await stays.aclose()
        assert await program.end() == 0
    program.assert_no_trouble()
    assert len([line for line in program.err if "Z info closed " in line]) == 301


BAD = b"\xff\n" * 32_700
BLANK = b"\n" * 65_500
# As text each line takes four times its bytes.
WIDE = ("\N{GRINNING FACE}" + "x" * 3990 + "\n").encode() * 16


@needs_proc
@pytest.mark.parametrize(
    ("command", "head", "payload", "most_kib"),
    [
        # Before login: whatever it sends.
        pytest.param(CHAT, b"", BAD, 100, id="stranger-bad"),
        pytest.param(CHAT, b"", b"x" * 1_000_000, 100, id="stranger-unending"),
        pytest.param(CHAT, b"", b"*\n" * 30_000, 100, id="stranger-refused"),
        pytest.param(CHAT, b"", WIDE, 100, id="stranger-wide"),
        pytest.param(CALC, b"", BAD, 100, id="calculator-stranger-bad"),
        # A member that is slowed down: three times what it sent.
        pytest.param(CHAT, b"%s\n", BLANK, 192, id="member-blank"),
        pytest.param(CHAT, b"%s\n", BAD, 192, id="member-bad"),
        # Clients that do not read their answers.
        pytest.param(CALC, b"%s\n", BAD, 256, id="calculator-bad"),
        pytest.param(CALC, b"%s\n", b"1+1\n" * 16_000, 256, id="calculator-pairs"),
        pytest.param(CALC, b"%s\n", b"2^.5\n" * 13_000, 256, id="calculator-costly"),
    ],
)
async def test_what_a_peer_sends_costs_no_more_memory_than_it_may(
    command: tuple[str, ...],
    head: bytes,
    payload: bytes,
    most_kib: int,
    fork_server: ForkServer,
) -> None:
    count = 30
    async with started(fork_server, *command, "--quiet") as server:

        async def attack(name: bytes) -> None:
            stream = await SYSTEM.connect(server.address)
            streams.append(stream)
            # What the buffers do not hold stays unsent, and the server closes some meanwhile.
            with trio.move_on_after(1), suppress(trio.BrokenResourceError):
                await stream.send_all((head % name if head else b"") + payload)

        async def look(number: int) -> int:
            newcomer = await server.connect(f"Newcomer{number}")
            if command is CHAT:
                assert (await newcomer.receive()).startswith("*** welcome, Newcomer")
            else:
                await newcomer.send("1 + 1")
                await newcomer.expect("2")
            await newcomer.aclose()
            return server.resident_kib

        streams: list[trio.abc.Stream] = []
        await attack(b"First")
        before = await look(0)
        async with trio.open_nursery() as nursery:
            for number in range(count):
                nursery.start_soon(attack, b"Peer%d" % number)
        most = max([await look(number) for number in range(1, 6)])
        assert (most - before) / count < most_kib
        for stream in streams:
            await trio.aclose_forcefully(stream)


@needs_proc
async def test_members_who_are_slowed_down_cost_no_time_while_they_wait(
    fork_server: ForkServer,
) -> None:
    async with started(fork_server, *CHAT, "--quiet") as server:
        members = [await server.connect(f"m{number}") for number in range(40)]
        for number, member in enumerate(members):
            assert (await member.receive()).startswith(f"*** welcome, m{number} ")
        async with trio.open_nursery() as nursery:
            for member in members:
                nursery.start_soon(member.stream.send_all, BLANK)
        # Ten visits a second to each of 40 members take some 3 % of one core; it once was 30 %.
        assert await server.rests(2, cpu_seconds=0.2)
