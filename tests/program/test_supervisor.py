"""What a supervisor is told of a program, on virtual time."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from trio.testing import MockClock

import trionet
from trionet.program.serving import serve_until_signalled
from trionet.program.signals import Ending
from trionet.program.supervisor import Supervisor, take_supervisor
from trionet.server import Server
from trionet.testing import MemoryNetwork

ADDRESS = "127.0.0.1:7"


class Inbox:
    """The supervisor's end: what it is told."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock

    def all(self) -> list[list[str]]:
        """Return what has come, a list of assignments for each datagram."""
        told: list[list[str]] = []
        while True:
            try:
                told.append(self.sock.recv(65536).decode().split("\n"))
            except BlockingIOError:
                return told

    def states(self) -> list[str]:
        """Return what has come, without the times."""
        return [
            line.partition("=")[0] + "=" if line.startswith("MONOTONIC") else line
            for datagram in self.all()
            for line in datagram
        ]


@pytest.fixture
def inbox(path: str) -> Iterator[Inbox]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        yield Inbox(sock)


class Program:
    """A server that is being run until signals end it."""

    def __init__(self, nursery: trio.Nursery, supervisor: Supervisor) -> None:
        self.network = MemoryNetwork()
        self.ending = Ending()
        self.servers: list[Server] = []
        self.ended = trio.Event()
        nursery.start_soon(self._run, supervisor)

    async def _run(self, supervisor: Supervisor) -> None:
        await serve_until_signalled(
            [self._serve],
            self.ending,
            show=lambda _line: None,
            supervisor=supervisor,
        )
        self.ended.set()

    async def _serve(self, task_status: trio.TaskStatus[Server]) -> None:
        await trionet.serve(
            _hear, ADDRESS, network=self.network, lifespan=self._life, task_status=task_status
        )

    @asynccontextmanager
    async def _life(self, server: Server) -> AsyncIterator[None]:
        self.servers.append(server)
        yield


async def _hear(connection: trionet.Connection) -> None:
    async for _ in connection.lines:
        pass


async def test_a_supervisor_is_told_when_the_program_is_ready_reloads_and_stops(
    inbox: Inbox, path: str, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        program = Program(nursery, Supervisor(path))
        await trio.testing.wait_all_tasks_blocked()
        assert inbox.states() == ["READY=1", "STATUS=0 connections"]
        client = await program.network.connect(ADDRESS)
        await trio.sleep(6)
        assert inbox.states() == ["STATUS=1 connection"]
        await trio.sleep(60)
        assert inbox.states() == []
        before = time.monotonic_ns() // 1000
        program.ending.take(signal.SIGHUP)
        await trio.testing.wait_all_tasks_blocked()
        [reloading, ready] = inbox.all()
        assert reloading[0] == "RELOADING=1"
        name, _, at = reloading[1].partition("=")
        assert name == "MONOTONIC_USEC"
        assert before <= int(at) <= time.monotonic_ns() // 1000
        assert ready == ["READY=1", "STATUS=1 connection"]
        program.ending.take(signal.SIGTERM)
        await trio.sleep(1)
        assert inbox.states() == ["STOPPING=1", "STATUS=closing: 1 connection left"]
        # Nobody asks about a reload any more.
        program.ending.take(signal.SIGHUP)
        await client.aclose()
        await program.ended.wait()
        assert inbox.states() == ["STOPPING=1", "STATUS=closed"]


async def test_a_supervisor_is_told_of_a_server_that_ends_by_itself(
    inbox: Inbox, path: str, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        program = Program(nursery, Supervisor(path))
        await trio.testing.wait_all_tasks_blocked()
        inbox.all()
        await program.servers[0].drain()
        await program.ended.wait()
        assert inbox.states() == ["STOPPING=1", "STATUS=closed"]


async def test_the_watchdog_is_fed_twice_as_often_as_it_asks_for(
    inbox: Inbox, path: str, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        program = Program(nursery, Supervisor(path, watchdog=1))
        await trio.testing.wait_all_tasks_blocked()
        assert inbox.states() == ["READY=1", "STATUS=0 connections", "WATCHDOG=1"]
        # The kernel keeps some ten datagrams for who does not read them.
        await trio.sleep(4.25)
        assert inbox.states() == ["WATCHDOG=1"] * 8
        client = await program.network.connect(ADDRESS)
        program.ending.take(signal.SIGTERM)
        # A drain is no reason to be killed.
        await trio.sleep(1)
        assert inbox.states().count("WATCHDOG=1") == 2
        await client.aclose()
        await program.ended.wait()


async def test_a_loop_that_hangs_does_not_feed_the_watchdog(
    inbox: Inbox, path: str, mock_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        Program(nursery, Supervisor(path, watchdog=4))
        await trio.testing.wait_all_tasks_blocked()
        inbox.all()
        # No other task runs meanwhile.
        mock_clock.jump(100)
        assert inbox.states() == []
        nursery.cancel_scope.cancel()


async def test_a_program_goes_on_when_nobody_takes_what_it_tells(
    path: str, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        program = Program(nursery, Supervisor(path, watchdog=1))
        await trio.sleep(10)
        assert program.servers[0].connections == ()
        program.ending.take(signal.SIGTERM)
        await program.ended.wait()
    [record] = caplog.records
    assert record.getMessage() == (
        f"cannot notify the supervisor at {path}: no such file or directory"
    )


async def test_a_supervisor_with_no_room_does_not_hold_the_server_up(
    inbox: Inbox, path: str, autojump_clock: MockClock
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as full:
        full.connect(path)
        full.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                full.send(b"x")
    async with trio.open_nursery() as nursery:
        program = Program(nursery, Supervisor(path))
        # Each notification has a second.
        await trio.sleep(10)
        assert program.servers
        program.ending.take(signal.SIGTERM)
        await program.ended.wait()


async def test_the_name_of_an_abstract_socket_begins_with_an_at(
    autojump_clock: MockClock,
) -> None:
    name = f"trionet-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0{name}")
        await Supervisor(f"@{name}").ready(lambda: "well\nREADY=0")
        assert Inbox(sock).all() == [["READY=1", "STATUS=well�READY=0"]]


async def test_without_a_supervisor_nothing_is_told(autojump_clock: MockClock) -> None:
    supervisor = Supervisor()
    await supervisor.ready(str)
    await supervisor.reloading()
    await supervisor.stopping("")
    await supervisor.run()


PID = str(os.getpid())


@pytest.mark.parametrize(
    ("variables", "address", "watchdog"),
    [
        ({}, None, None),
        ({"NOTIFY_SOCKET": "/run/notify"}, "/run/notify", None),
        ({"NOTIFY_SOCKET": "@notify", "WATCHDOG_USEC": "3000000"}, "@notify", 3.0),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "500000", "WATCHDOG_PID": PID}, "/n", 0.5),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, "/n", None),
        ({"WATCHDOG_USEC": "3000000"}, None, None),
        ({"NOTIFY_SOCKET": "vsock:2:1234"}, None, None),
        ({"NOTIFY_SOCKET": ""}, None, None),
        *(
            ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": text}, "/n", None)
            for text in ("", "0", "-1", "x", "9" * 5000, "²")
        ),
    ],
)
def test_the_environment_says_who_it_is_and_forgets_it(
    variables: dict[str, str], address: str | None, watchdog: float | None
) -> None:
    environ = {**variables, "HOME": "/"}
    supervisor = take_supervisor(environ)
    assert environ == {"HOME": "/"}
    assert (supervisor._address, supervisor._watchdog) == (address, watchdog)


def test_by_default_it_is_the_process_own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/n")
    take_supervisor()
    assert "NOTIFY_SOCKET" not in os.environ
