"""From a command to its exit status: whatever goes wrong, at most one line says so."""

from __future__ import annotations

import inspect
import logging
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.lowlevel
import typer

from trionet import calc, chat
from trionet.abc import Listener
from trionet.chat.names import names, skeleton
from trionet.cli import calc_serve as calc_body
from trionet.cli import chat_serve as chat_body
from trionet.cli import client_leaving, running
from trionet.cli.address_options import ListenSettings
from trionet.cli.calc_commands import calc_serve
from trionet.cli.chat_serve_command import chat_serve
from trionet.cli.client_leaving import Leaving, until_interrupted
from trionet.cli.program_exit import Ended
from trionet.cli.running import Runtime, run, serve_until_signalled
from trionet.connection.connection import Connection
from trionet.errors import ConnectionLost, ListenError, TrionetError
from trionet.limits import Limits
from trionet.program import signals
from trionet.program.console import open_console
from trionet.program.log_format import LogOptions
from trionet.server import Server, serve
from trionet.testing import MemoryNetwork
from trionet.text import sequences
from trionet.text.safe import safe_text
from trionet.transport.network import SystemNetwork

if TYPE_CHECKING:
    from tests.cli.conftest import Programs


# The time at the beginning of each line of the log.
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture(autouse=True)
def no_stuck_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the threads that end a stuck process from ending pytest on a slow machine."""
    monkeypatch.setattr(running, "_STUCK_SECONDS", 10_000)
    monkeypatch.setattr(signals, "_GOODBYE_SECONDS", 10_000)


def status_of(
    command: Callable[[Runtime], Awaitable[object]], log: LogOptions | None = None
) -> int:
    with pytest.raises((typer.Exit, Ended)) as caught:
        run(command, log=log)
    error: BaseException = caught.value
    if isinstance(error, Ended):
        return error.status
    assert isinstance(error, typer.Exit)
    return error.exit_code


def signal_of(command: Callable[[Runtime], Awaitable[object]]) -> int | None:
    """Return the signal that the program should die of."""
    with pytest.raises(Ended) as caught:
        run(command)
    return caught.value.number


def untimed(log: str) -> str:
    """Return a log without its times; each line must have one."""
    lines = log.splitlines(keepends=True)
    assert all(re.match(f"{TIME} ", line) for line in lines), log
    return "".join(line.partition(" ")[2] for line in lines)


def raising(error: BaseException) -> Callable[[Runtime], Awaitable[object]]:
    async def command(_runtime: Runtime) -> None:
        raise error

    return command


def test_what_is_printed_is_printed_in_order(capfd: pytest.CaptureFixture[str]) -> None:
    async def command(runtime: Runtime) -> None:
        await trio.lowlevel.checkpoint()
        for number in range(3):
            runtime.out.print(f"result {number}")
            runtime.err.print(f"warning {number}")

    assert status_of(command) == 0
    assert capfd.readouterr() == (
        "result 0\nresult 1\nresult 2\n",
        "warning 0\nwarning 1\nwarning 2\n",
    )


@pytest.mark.parametrize(
    ("error", "told", "status"),
    [
        (ListenError("cannot listen"), "error: cannot listen\n", 1),
        (
            ExceptionGroup("", [ExceptionGroup("", [TrionetError("one")]), TrionetError("two")]),
            "error: one\n",
            1,
        ),
    ],
    ids=["an error", "a group of errors"],
)
def test_each_outcome_has_its_exit_status(
    capfd: pytest.CaptureFixture[str], error: BaseException, told: str, status: int
) -> None:
    assert status_of(raising(error)) == status
    assert capfd.readouterr() == ("", told)


def test_a_fault_of_the_program_is_not_hidden() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        run(raising(ZeroDivisionError()))
    assert caught.group_contains(ZeroDivisionError)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), BaseExceptionGroup("", [KeyboardInterrupt()])]
)
def test_ctrl_c_as_a_key_counts_as_sigint(
    capfd: pytest.CaptureFixture[str], error: BaseException
) -> None:
    command = raising(error)
    assert signal_of(client_of(command)) == signal.SIGINT
    assert capfd.readouterr() == ("", "")


def client_of(
    client: Callable[[Runtime], Awaitable[object]], leave: bool = False
) -> Callable[[Runtime], Awaitable[object]]:
    async def command(runtime: Runtime) -> None:
        leaving = Leaving(runtime) if leave else None
        await until_interrupted(partial(client, runtime), runtime, leaving=leaving)

    return command


def test_the_log_of_the_toolkit_goes_to_standard_error(
    capfd: pytest.CaptureFixture[str],
) -> None:
    logger = logging.getLogger("trionet.server")

    async def command(_runtime: Runtime) -> None:
        await trio.lowlevel.checkpoint()
        logger.warning("drain: cut off %d connections", 2)
        logger.debug("nobody wants to know")

    assert status_of(command) == 0
    output, errors = capfd.readouterr()
    assert (output, untimed(errors)) == ("", "warning note - - drain: cut off 2 connections\n")
    assert logging.getLogger("trionet").handlers == []


def test_text_from_a_peer_is_safe_in_the_log_and_in_tracebacks(
    capfd: pytest.CaptureFixture[str],
) -> None:
    logger = logging.getLogger("trionet.server")

    async def command(_runtime: Runtime) -> None:
        await trio.lowlevel.checkpoint()
        try:
            raise ValueError("what is \x1b[2J\u202e?")
        except ValueError:
            logger.exception("%s failed", "unix:/\x07")

    assert status_of(command) == 0
    first, *traceback, last = untimed(capfd.readouterr().err).splitlines()
    assert first == "error failed - - unix:/� failed"
    assert traceback[0] == "error traceback - - Traceback (most recent call last):"
    assert last == "error traceback - - ValueError: what is �[2J�?"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_client_that_gets_a_signal_cleans_up_and_dies_of_it(
    capfd: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    before = signal.getsignal(number)

    async def client(runtime: Runtime) -> None:
        try:
            signal.raise_signal(number)
            await trio.sleep_forever()
        finally:
            runtime.out.print("cleaned up")

    assert signal_of(client_of(client)) == number
    assert capfd.readouterr() == ("cleaned up\n", "")
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
def test_an_ignored_signal_stays_ignored(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:

        async def client(_runtime: Runtime) -> None:
            await trio.lowlevel.checkpoint()
            signal.raise_signal(number)
            await trio.lowlevel.checkpoint()

        assert status_of(client_of(client)) == 0
    finally:
        signal.signal(number, before)


async def lines_without_end() -> AsyncIterator[str]:
    yield "one"
    await trio.sleep_forever()


def test_a_client_that_can_leave_does_so_before_it_dies(capfd: pytest.CaptureFixture[str]) -> None:
    async def client(runtime: Runtime, leaving: Leaving) -> None:
        async for line in leaving.over(lines_without_end()):
            runtime.out.print(f"{line}")
            signal.raise_signal(signal.SIGTERM)
        runtime.out.print("left")
        raise ConnectionLost("an error that comes from leaving in a hurry")

    async def command(runtime: Runtime) -> None:
        leaving = Leaving(runtime)
        await until_interrupted(partial(client, runtime, leaving), runtime, leaving=leaving)

    assert signal_of(command) == signal.SIGTERM
    assert capfd.readouterr() == ("one\nleft\n", "")


def test_a_client_has_a_second_to_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_leaving, "_LEAVE_SECONDS", 0.01)

    async def client(leaving: Leaving) -> None:
        async for _ in leaving.over(lines_without_end()):
            signal.raise_signal(signal.SIGINT)
        await trio.sleep_forever()

    async def command(runtime: Runtime) -> None:
        leaving = Leaving(runtime)
        await until_interrupted(partial(client, leaving), runtime, leaving=leaving)

    assert signal_of(command) == signal.SIGINT


def test_a_client_that_has_not_begun_to_talk_ends_without_leaving(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_leaving, "_LEAVE_SECONDS", 20)

    async def client(_runtime: Runtime) -> None:
        signal.raise_signal(signal.SIGINT)
        await trio.sleep_forever()

    began = time.monotonic()
    assert signal_of(client_of(client, leave=True)) == signal.SIGINT
    assert time.monotonic() - began < client_leaving._LEAVE_SECONDS


async def serve_until_seen_enough(service: str, *, backlog: int | None = None) -> None:
    """Run a serve command until the network, which the test has replaced, has seen enough."""
    network: ListenSettings = {"certificate": None, "private_key": None, "unix_mode": None}
    async with open_console(1) as console:
        runtime = Runtime(console, console)
        serve_calculator = partial(
            calc_body.serve, limits=calc.ONE_AT_A_TIME, once=False, precision=28
        )
        serve_chat = partial(
            chat_body.serve, limits=chat.OPEN_ROOM, forever=False, show_messages=False
        )
        serve = serve_calculator if service == "calc" else serve_chat
        with pytest.raises(ExceptionGroup) as caught:
            await serve(["localhost:0"], runtime, network=network, backlog=backlog, quiet=True)
    assert caught.group_contains(ListenError, match="seen enough")


@pytest.mark.parametrize("service", ["calc", "chat"])
async def test_the_backlog_reaches_the_network(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backlogs: list[int | None] = []

    async def listen(
        _network: object, _address: str, *, backlog: int | None = None
    ) -> Sequence[Listener]:
        backlogs.append(backlog)
        raise ListenError("seen enough")

    monkeypatch.setattr(SystemNetwork, "listen", listen)
    await serve_until_seen_enough(service, backlog=7)
    assert backlogs == [7]


@pytest.mark.parametrize("service", ["calc", "chat"])
async def test_slow_tables_are_made_before_the_server_listens(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_once = [
        sequences._table,
        skeleton._prototypes,
        names._reserved_skeletons,
    ]
    for made in made_once:
        made.cache_clear()
    texts = [
        "x\u202e",
        "e" + "\u0301" * 10,
        "می\u200cخواهم",
        "क्\u200d",
        "\u0647\u200d.",
        "葛\U000e0100",
    ]

    async def listen(_network: object, _address: str, **_options: object) -> Sequence[Listener]:
        before = [made.cache_info().currsize for made in made_once]
        for text in texts:
            safe_text(text)
        if service == "chat":
            for text in ("Ann", "Änn", "Аня", "علی"):
                assert chat.parse_name(text).skeletons
        assert [made.cache_info().currsize for made in made_once] == before
        raise ListenError("seen enough")

    monkeypatch.setattr(SystemNetwork, "listen", listen)
    await serve_until_seen_enough(service)


async def hear(connection: Connection) -> None:
    async for _ in connection.lines:
        pass


@pytest.mark.parametrize(
    "numbers", [[signal.SIGTERM], [signal.SIGINT], [signal.SIGTERM, signal.SIGINT]]
)
def test_the_first_signal_drains_a_server_and_the_second_ends_it(
    capfd: pytest.CaptureFixture[str],
    numbers: list[signal.Signals],
) -> None:
    network = MemoryNetwork()
    patience = trio.CancelScope()

    async def stubborn(connection: Connection) -> None:
        await hear(connection)
        if len(numbers) == 2:
            signal.raise_signal(numbers[1])
            await trio.sleep_forever()

    async def serve_and_signal(*, task_status: trio.TaskStatus[Server]) -> None:
        # Without the second signal the drain would take longer than this.
        limits = Limits(drain_seconds=1000)
        patience.deadline = trio.current_time() + 20
        with patience:
            await serve_stubbornly(limits, task_status)

    async def serve_stubbornly(limits: Limits, task_status: trio.TaskStatus[Server]) -> None:
        async with trio.open_nursery() as nursery:
            server: Server = await nursery.start(
                partial(serve, stubborn, "localhost:0", limits=limits, network=network)
            )
            task_status.started(server)
            stream = await network.connect(server.addresses[0])
            await stream.send_all(b"hello\n")
            while not server.connections:
                await trio.lowlevel.checkpoint()
            signal.raise_signal(numbers[0])
            if len(numbers) == 1:
                # When the server ends its sending, this side does so too.
                assert await stream.receive_some() == b""
                await stream.aclose()

    status = status_of(
        lambda runtime: serve_until_signalled(serve_and_signal, runtime), LogOptions()
    )
    assert status == (130 if len(numbers) == 2 else 0)
    assert not patience.cancelled_caught
    output, errors = capfd.readouterr()
    assert output == "listening on 127.0.0.1:49152\nlistening on [::1]:49152\n"
    told = [line for line in untimed(errors).splitlines() if line.startswith("info closing")]
    assert told == ["info closing - - closing; a second signal ends the server at once"]


def test_a_server_that_cannot_listen_is_not_announced(capfd: pytest.CaptureFixture[str]) -> None:
    network = MemoryNetwork()

    async def command(runtime: Runtime) -> None:
        await network.listen("localhost:1")
        await serve_until_signalled(partial(serve, hear, "localhost:1", network=network), runtime)

    assert status_of(command) == 1
    reason = "error: cannot listen on localhost:1: address already in use\n"
    assert capfd.readouterr() == ("", reason)


def test_a_server_that_ends_by_itself_has_status_0(capfd: pytest.CaptureFixture[str]) -> None:
    network = MemoryNetwork()

    async def once(*, task_status: trio.TaskStatus[Server]) -> None:
        async with trio.open_nursery() as nursery:
            server: Server = await nursery.start(
                partial(serve, hear, "127.0.0.1:7", network=network)
            )
            task_status.started(server)
            await server.drain()

    assert status_of(lambda runtime: serve_until_signalled(once, runtime)) == 0
    assert capfd.readouterr() == ("listening on 127.0.0.1:7\n", "")


SIGNALLED_WHILE_THE_INTERPRETER_EXITS = """
import atexit, signal
from functools import partial
import trio
from trionet.cli.running import run, serve_until_signalled
from trionet.server import serve
from trionet.testing import MemoryNetwork

async def hear(connection):
    pass

async def once(*, task_status):
    async with trio.open_nursery() as nursery:
        task = partial(serve, hear, "127.0.0.1:7", network=MemoryNetwork())
        server = await nursery.start(task)
        task_status.started(server)
        await server.drain()

atexit.register(signal.raise_signal, signal.{name})
run(lambda runtime: serve_until_signalled(once, runtime))
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_does_not_change_the_status_of_a_server_that_has_ended(name: str) -> None:
    code = SIGNALLED_WHILE_THE_INTERPRETER_EXITS.format(name=name)
    # Not in the command line, so nothing makes status 0 of `typer.Exit`.
    code = code.replace("\nrun(", "\nimport typer\ntry: run(") + "except typer.Exit: pass\n"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (process.returncode, process.stdout, process.stderr) == (
        0,
        "listening on 127.0.0.1:7\n",
        "",
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_is_signalled_before_it_listens_says_so_and_dies_of_it(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    async def start_slowly(*, task_status: trio.TaskStatus[Server]) -> None:
        signal.raise_signal(number)
        await trio.sleep_forever()

    status = status_of(lambda runtime: serve_until_signalled(start_slowly, runtime), LogOptions())
    assert status == 128 + number
    output, errors = capfd.readouterr()
    assert output == ""
    reason = f"closing: {number.name} came before the server could listen"
    assert untimed(errors) == f"info closing - - {reason}\n"


async def test_a_server_raises_its_limit_of_descriptors(programs: Programs) -> None:
    program = await programs.start("calc", "serve", "127.0.0.1:0")
    await program.address()
    soft, hard = resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE)
    assert soft == hard
    program.signal(signal.SIGTERM)
    await program.expect_end()


@pytest.mark.parametrize(
    ("command", "limits", "service"),
    [(calc_serve, calc.ONE_AT_A_TIME, "calc"), (chat_serve, chat.OPEN_ROOM, "chat")],
)
def test_the_options_have_the_defaults_of_the_service(
    command: Callable[..., None], limits: Limits, service: str
) -> None:
    options = {
        "drain_seconds" if name == "drain" else name: parameter.default
        for name, parameter in inspect.signature(command).parameters.items()
    }
    assert len([name for name in options if hasattr(limits, name)]) >= 9
    for name, default in options.items():
        if hasattr(limits, name):
            assert getattr(limits, name) == default, f"{service} --{name}"
