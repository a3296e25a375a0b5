"""A program that the fork server starts cannot tell the difference from a real start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from forkserver import ForkServer, Process

PATIENCE = 20

PROBE = Path(__file__).parent / "support" / "probe.py"

TAKE_TERMINAL = (
    "import fcntl, runpy, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
)


def read_all(fd: int) -> str:
    """Read to the end; reading a terminal ends with an error."""
    data = b""
    try:
        while more := os.read(fd, 65536):
            data += more
    except OSError:
        pass
    os.close(fd)
    return data.decode().replace("\r\n", "\n")


class Run:
    """Runs the probe to its end."""

    def __init__(self, fork_server: ForkServer | None, *arguments: str, terminal: bool) -> None:
        ours, theirs = os.openpty() if terminal else os.pipe()
        errors, their_errors = os.pipe()
        streams: dict[str, Any] = {
            "stdin": theirs if terminal else subprocess.DEVNULL,
            "stdout": theirs,
            "stderr": theirs if terminal else their_errors,
        }
        process: Process | subprocess.Popen[bytes]
        if fork_server is None:
            # Not with `-m`, which adds to the path. In its own session, like the fork server.
            command = [sys.executable, *(["-c", TAKE_TERMINAL] if terminal else []), str(PROBE)]
            # The environment as Python sees it. readline, which pytest loads, adds to the real one.
            process = subprocess.Popen(
                [*command, *arguments], **streams, env=os.environ, start_new_session=True
            )
        else:
            process = fork_server.start(
                *arguments, **streams, program="probe:main", on_terminal=terminal
            )
        os.close(theirs)
        os.close(their_errors)
        self.output, self.errors = read_all(ours), read_all(errors)
        self.status = process.wait(PATIENCE)
        if isinstance(process, Process):
            process.close()

    @property
    def found(self) -> Any:
        return json.loads(self.output.splitlines()[0])


@pytest.mark.parametrize("terminal", [False, True], ids=["pipes", "terminal"])
def test_a_forked_program_finds_what_a_real_one_finds(
    fork_server: ForkServer, terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAID_NOW", "h\udce9")
    real = Run(None, "one", "zwölf", terminal=terminal)
    forked = Run(fork_server, "one", "zwölf", terminal=terminal)
    expected = real.found
    if not terminal:
        # The fork server leads the session of the forked program.
        assert expected["leads its session"]
        expected["leads its session"] = False
    assert forked.found == expected
    assert forked.found["terminal"] is terminal
    assert (forked.status, forked.errors) == (real.status, real.errors) == (3, "")
    assert forked.output.splitlines()[1:] == real.output.splitlines()[1:] == ["ended"]


@pytest.mark.parametrize(("how", "last"), [("raise", "ValueError: as asked"), ("interrupt", "")])
def test_a_forked_program_ends_as_a_real_one_does(
    fork_server: ForkServer, how: str, last: str
) -> None:
    real = Run(None, how, terminal=False)
    forked = Run(fork_server, how, terminal=False)
    assert forked.status == real.status == (1 if how == "raise" else -signal.SIGINT)
    assert forked.output.splitlines()[1:] == real.output.splitlines()[1:] == ["ended"]
    for run in (forked, real):
        assert run.errors.startswith("Traceback (most recent call last):")
        assert run.errors.splitlines()[-1] == (last or "KeyboardInterrupt")


def test_a_forked_program_that_nobody_listens_to_ends_as_a_real_one_does(
    fork_server: ForkServer,
) -> None:
    def run(start: Callable[..., Any]) -> tuple[int, str]:
        nobody_reads, theirs = os.pipe()
        os.close(nobody_reads)
        errors, their_errors = os.pipe()
        process = start(stdin=subprocess.DEVNULL, stdout=theirs, stderr=their_errors)
        os.close(theirs)
        os.close(their_errors)
        last = read_all(errors).splitlines()[-1]
        status = process.wait(PATIENCE)
        if isinstance(process, Process):
            process.close()
        return status, last

    forked = run(partial(fork_server.start, program="probe:main"))
    real = run(partial(subprocess.Popen, [sys.executable, PROBE]))
    # The program notices when it prints, or else at its end.
    status = 1 if os.environ.get("PYTHONUNBUFFERED") else 120
    assert forked == real == (status, "BrokenPipeError: [Errno 32] Broken pipe")


def test_a_process_that_is_let_go_of_is_killed(fork_server: ForkServer) -> None:
    ours, theirs = os.pipe()
    process = fork_server.start(
        "chat", "serve", "127.0.0.1:0", stdin=subprocess.DEVNULL, stdout=theirs, stderr=2
    )
    os.close(theirs)
    assert os.read(ours, 100).startswith(b"listening on ")
    assert process.poll() is None
    process.close()
    assert read_all(ours) == ""


def test_every_thread_that_asks_gets_the_status(fork_server: ForkServer) -> None:
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    process = fork_server.start("--version", **streams)  # type: ignore[arg-type]
    assert [process.wait(PATIENCE), process.poll(), process.returncode] == [0, 0, 0]
    # Another process may have the number by now, and must not be killed.
    process.kill()
    process.close()
    server = fork_server.start("chat", "serve", "127.0.0.1:0", **streams)  # type: ignore[arg-type]
    with pytest.raises(subprocess.TimeoutExpired):
        server.wait(0)
    server.kill()
    assert server.wait(PATIENCE) == -signal.SIGKILL
    server.close()


def test_a_signal_between_the_end_of_a_process_and_its_status_is_lost() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"%d\n" % ended.pid)
        process = Process(ours)
        # The fork server has seen the end, and a slow machine has not let it say so yet.
        process.kill()
        theirs.sendall(b"0\n")
        assert process.wait(PATIENCE) == 0
