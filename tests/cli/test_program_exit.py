"""How the real program ends: by signals, without a reader, and when its output is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

if TYPE_CHECKING:
    from tests.cli.conftest import Program, Programs

LOCAL = "127.0.0.1:0"
FULL = "cannot write to standard output: no space left on device"
CLOSED = "cannot write to standard output: bad file descriptor"
# Runs the program with a standard stream closed, as by `>&-`.
CLOSING = (
    "import os, sys; os.close(%d);"
    "os.execv(sys.executable, [sys.executable, '-m', 'trionet.cli.main', *sys.argv[1:]])"
)

needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full device is needed")

DEADLY = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]


async def serve(programs: Programs, service: str, *options: str) -> tuple[Program, str]:
    server = await programs.start(service, "serve", LOCAL, "--quiet", *options)
    return server, await server.address()


async def start_writing_to(
    programs: Programs, device: str, *arguments: str, stream: str = "stdout", real: bool = False
) -> Program:
    fd = os.open(device, os.O_WRONLY)
    try:
        outputs: dict[str, Any] = {stream: fd}
        return await programs.start(*arguments, **outputs, real=real)
    finally:
        os.close(fd)


# Output that is lost.


@needs_full
@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["--help"], ["chat", "join", "--help"], ["calc", "eval", "1 + 1"], ["demo"]],
    ids=" ".join,
)
async def test_lost_output_is_one_line_and_status_1(
    programs: Programs, arguments: list[str]
) -> None:
    # Started for real, because what the interpreter does when it exits is a part of the test.
    program = await start_writing_to(programs, "/dev/full", *arguments, real=True)
    await program.expect_error(f"error: {FULL}")
    await program.expect_end(1)


@pytest.mark.parametrize(
    "arguments", [["--version"], ["chat", "--help"], ["calc", "eval", "1 + 1"]], ids=" ".join
)
async def test_a_closed_output_counts_as_lost(programs: Programs, arguments: list[str]) -> None:
    program = await programs.start(*arguments, interpreter=("-c", CLOSING % 1))
    await program.expect_error(f"error: {CLOSED}")
    await program.expect_end(1)


@needs_full
@pytest.mark.parametrize("options", [[], ["--strict"]], ids=str)
async def test_a_calculator_client_that_loses_its_results_ends(
    programs: Programs, options: list[str]
) -> None:
    _, address = await serve(programs, "calc")
    client = await start_writing_to(
        programs, "/dev/full", "calc", "connect", "--name", "ann", address, *options
    )
    await client.type("1 + 1\n")
    # The input is still open.
    await client.expect_error(f"error: {FULL}")
    await client.expect_end(1)


@needs_full
async def test_a_chat_client_that_loses_its_output_leaves(programs: Programs) -> None:
    server, address = await serve(programs, "chat")
    ann = await start_writing_to(programs, "/dev/full", "chat", "join", "--name", "ann", address)
    await ann.expect_error(f"error: {FULL}")
    await ann.expect_end(1)
    # She was the last member.
    await server.expect_end(0)
    assert "closed" in server.err.log[-1]
    assert "the session ended" in server.err.log[-1]


@needs_full
async def test_a_full_device_is_reported_once(programs: Programs) -> None:
    program = await start_writing_to(programs, "/dev/full", "calc", "eval")
    await program.type("1 + 1\n2 + 2\n")
    await program.expect_error(f"error: {FULL}")
    await program.expect_end(1)


@needs_full
async def test_lost_warnings_are_a_silent_failure(programs: Programs) -> None:
    _, address = await serve(programs, "calc")
    client = await start_writing_to(
        programs, "/dev/full", "calc", "connect", "--name", "ann", address, stream="stderr"
    )
    await client.type("1 +\n1 + 1\nq\n")
    await client.expect("2", "Session ended")
    await client.expect_end(1)
    usage = await start_writing_to(
        programs, "/dev/full", "calc", "serve", "nowhere", stream="stderr", real=True
    )
    await usage.expect_end(2)


@needs_full
@pytest.mark.parametrize("service", ["calc", "chat"])
async def test_a_server_goes_on_when_its_output_is_full_and_says_so_once(
    programs: Programs, service: str, tmp_path: Path
) -> None:
    unix = f"unix:{tmp_path}/s"
    server = await start_writing_to(programs, "/dev/full", service, "serve", unix)
    await server.expect_error(FULL)
    for _ in range(2):
        client = await programs.connect(unix, "ann", "q")
        await client.receive() if service == "chat" else None
        await client.expect_end()
        await client.aclose()
        if service == "chat":
            # That was the last member.
            break
    else:
        server.signal(signal.SIGTERM)
    await server.expect_end(0)


async def test_no_connection_is_mistaken_for_a_closed_standard_stream(programs: Programs) -> None:
    server = await programs.start("calc", "serve", LOCAL, interpreter=("-c", CLOSING % 1))
    await server.expect_error(CLOSED)
    server.signal(signal.SIGTERM)
    await server.expect_end(0)


# A reader that has gone.


class Reader:
    """Reads what a client prints on a pipe, and goes away when it has read enough."""

    def __init__(self) -> None:
        self._ours, self.fd = os.pipe()

    async def line(self) -> str:
        data = b""
        with trio.fail_after(20):
            while not data.endswith(b"\n"):
                await trio.lowlevel.wait_readable(self._ours)
                data += os.read(self._ours, 1)
        return data.decode().rstrip("\n")

    def go(self) -> None:
        os.close(self._ours)


async def test_a_client_ends_when_its_reader_goes_even_if_nothing_more_is_printed(
    programs: Programs,
) -> None:
    server, address = await serve(programs, "chat")
    reader = Reader()
    ann = await programs.start("chat", "join", "--name", "ann", address, stdout=reader.fd)
    os.close(reader.fd)
    assert await reader.line() == "*** welcome, ann (1 here: ann)"
    reader.go()
    await ann.expect_end(0)
    await server.expect_end(0)
    assert "the session ended" in server.err.log[-1]

    _, address = await serve(programs, "calc")
    reader = Reader()
    ben = await programs.start("calc", "connect", "--name", "ben", address, stdout=reader.fd)
    os.close(reader.fd)
    await ben.type("1 + 1\n")
    assert await reader.line() == "2"
    reader.go()
    await ben.expect_end(0)

    reader = Reader()
    evaluation = await programs.start("calc", "eval", stdout=reader.fd)
    os.close(reader.fd)
    await evaluation.type("1 + 1\n")
    assert await reader.line() == "2"
    reader.go()
    await evaluation.expect_end(0)


async def test_a_client_with_endless_input_ends_when_its_reader_goes(programs: Programs) -> None:
    _, address = await serve(programs, "calc")
    reader = Reader()
    client = await programs.start("calc", "connect", "--name", "ann", address, stdout=reader.fd)
    os.close(reader.fd)

    async def type_on() -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while True:
                await client.type("1+1\n" * 1000)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(type_on)
        assert await reader.line() == "2"
        reader.go()
        await client.expect_end(0)
        nursery.cancel_scope.cancel()


# Signals.


@pytest.mark.parametrize("number", DEADLY)
async def test_a_chat_client_leaves_and_dies_of_the_signal(
    programs: Programs, number: signal.Signals
) -> None:
    server, address = await serve(programs, "chat")
    ann = await programs.start("chat", "join", "--name", "ann", address)
    await ann.expect("*** welcome, ann (1 here: ann)")
    ann.signal(number)
    await ann.expect_end(-number)
    await server.expect_end(0)
    assert "the session ended" in server.err.log[-1]


@pytest.mark.parametrize("number", DEADLY)
async def test_a_signal_at_the_prompt_restores_the_terminal(
    programs: Programs, number: signal.Signals
) -> None:
    _, address = await serve(programs, "calc")
    person = await programs.start_on_terminal("calc", "connect", "--name", "ann", address)
    await person.expect_screen(">")
    await person.type("half of a")
    await person.expect_screen("> half of a")
    assert person.modes != person.modes_before
    person.signal(number)
    await person.expect_end(-number)
    assert person.modes == person.modes_before


# A client that may take longer to leave than the test waits.
UNHURRIED = """
from trionet.cli import client_leaving, main, running
client_leaving._LEAVE_SECONDS = running._STUCK_SECONDS = 1000
main.main()
"""


async def test_a_second_signal_ends_a_client_that_hangs(programs: Programs) -> None:
    # This server never answers.
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        address = f"127.0.0.1:{listener.socket.getsockname()[1]}"
        ann = await programs.start(
            "chat", "join", "--name", "ann", address, interpreter=("-c", UNHURRIED)
        )
        server = await ann.within_patience(listener.accept)
        async with server:
            assert await ann.within_patience(server.receive_some) == b"ann\n"
            await server.send_all(b"*** welcome, ann (1 here: ann)\n")
            await ann.expect("*** welcome, ann (1 here: ann)")
            ann.signal(signal.SIGTERM)
            # She leaves.
            await ann.within_patience(server.receive_some)
            ann.signal(signal.SIGINT)
            await ann.expect_end(-signal.SIGINT)


@pytest.mark.parametrize(
    "module", ["trionet._lazy", "trionet.cli", "typer", "trionet.calc.grammar"]
)
@pytest.mark.parametrize("form", ["script", "trionet", "trionet.cli.main"])
def test_ctrl_c_during_the_start_prints_no_traceback(module: str, form: str) -> None:
    # The program is not responsible for what is imported before its own package.
    script = str(Path(sys.executable).with_name("trionet"))
    start = [script] if form == "script" else ["-m", form]
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", *start, "calc", "eval"],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        imported = ""
        while imported != module:
            line = process.stderr.readline()
            assert line, f"{module} is not imported"
            imported = line.rpartition("|")[2].strip()
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == -signal.SIGINT


STUCK = """
import fcntl, os, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from trionet.cli import line_editor, main, running
show = line_editor.LineEditor.show

def show_or_be_stuck(editor, line):
    if "Bob" in line:
        os.write(1, b"stuck")
        while True:
            pass
    show(editor, line)

line_editor.LineEditor.show = show_or_be_stuck
running._STUCK_SECONDS = {seconds}
main.main()
"""


@pytest.mark.parametrize(
    ("signals", "statuses"), [(1, (128 + signal.SIGTERM,)), (2, (-signal.SIGTERM, -signal.SIGINT))]
)
async def test_a_stuck_client_ends_and_restores_its_terminal(
    programs: Programs, signals: int, statuses: tuple[int, ...]
) -> None:
    _, address = await serve(programs, "chat")
    script = STUCK.format(seconds=0.2 if signals == 1 else 100)
    ann = await programs.start_on_terminal(
        "chat", "join", "--linear", "--name", "Ann", address, interpreter=("-c", script)
    )
    await ann.expect_screen("*** welcome, Ann (1 here: Ann)", ">")
    assert ann.modes != ann.modes_before
    await (await programs.connect(address, "Bob")).receive()
    await ann.expect_that(lambda screen: "stuck" in "".join(screen), "that it is stuck")
    for number in (signal.SIGTERM, signal.SIGINT)[:signals]:
        ann.signal(number)
    # Of two that wait, the kernel may deliver either first.
    assert await ann.within_patience(ann.process.wait) in statuses
    assert ann.modes == ann.modes_before


async def test_the_same_signal_twice_at_once_counts_as_one(programs: Programs) -> None:
    # `timeout` sends it like this, to the process and to its group.
    server, address = await serve(programs, "calc")
    ann = await programs.connect(address, "ann", "1 + 1")
    await ann.expect("2")
    server.signal(signal.SIGSTOP)
    # Both come before the server goes on. tests/program/test_signals.py tests how two signals count
    # that come one after the other, where no scheduler comes between them.
    pid = server.process.pid
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGCONT)
    await ann.expect_end()
    await ann.aclose()
    await server.expect_error("closing; a second signal ends the server at once")
    await server.expect_end(0)


async def test_a_sighup_without_a_terminal_is_logged_and_ends_nothing(programs: Programs) -> None:
    server, address = await serve(programs, "chat", "--forever")
    for _ in range(2):
        server.signal(signal.SIGHUP)
        await server.expect_error("SIGHUP: nothing to reload, going on")
    ann = await programs.connect(address, "Ann")
    await ann.expect("*** welcome, Ann (1 here: Ann)")
    server.signal(signal.SIGTERM)
    await ann.expect("*** server is closing")


def test_a_server_whose_terminal_hangs_up_drains(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    take = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    main = "from trionet.cli.main import main; main()"
    log = tmp_path / "log"
    with log.open("wb") as err, subprocess.Popen(
        [sys.executable, "-c", take + main, "chat", "serve", LOCAL],
        stdin=theirs, stdout=theirs, stderr=err, start_new_session=True,
    ) as server:  # fmt: skip
        os.close(theirs)
        assert b"listening on" in os.read(ours, 100)
        os.kill(server.pid, signal.SIGHUP)
        deadline = time.monotonic() + 20
        while "going on" not in log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        # A SIGHUP alone is not a hang-up.
        assert server.poll() is None
        os.close(ours)
        assert server.wait(20) == 0
    assert "closing: the terminal has hung up" in log.read_text()


def test_the_first_process_obeys_sigterm_also_where_sigint_is_ignored() -> None:
    # The kernel keeps a signal from the first process if that has no handler for it. Here, such a
    # signal would kill the process.
    code = """
import os, signal
own = os.getpid()
os.getpid = lambda: 1
signal.signal(signal.SIGINT, signal.SIG_IGN)
from trionet.cli import end_quietly
end_quietly()
assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
os.kill(own, signal.SIGTERM)
"""
    ended = subprocess.run([sys.executable, "-c", code], check=False)
    assert ended.returncode == 128 + signal.SIGTERM
