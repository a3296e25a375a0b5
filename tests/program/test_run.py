"""`trionet.run`: a script that ends with a server, and how the server ends."""

from __future__ import annotations

import logging
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

import pytest
import trio

import trionet
from trionet.testing import MemoryNetwork

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"

PATIENCE = 60

SHOUT = """
import logging, sys, threading, time
import trio, trionet

async def shout(connection):
    async for line in connection.lines:
        {on_line}
        await connection.send(line.upper())

async def fail():
    await {until}
    raise {error}

{before}
trionet.run(shout, "127.0.0.1:0"{options})
print("done")
"""


TWO = """
import trionet
from contextlib import asynccontextmanager

def shout(line):
    return line.upper()

async def ask(connection):
    async for line in connection.lines:
        await connection.send(f"{connection.server.state}: {line}")

@asynccontextmanager
async def lifespan(server):
    print("begun", flush=True)
    yield "state"
    print("ended", flush=True)

trionet.run(
    trionet.Service(shout, "127.0.0.1:0"),
    trionet.Service(ask, ["127.0.0.1:0"], lifespan=lifespan, limits=trionet.Limits(max_clients=1)),
)
print("done")
"""


class Script:
    """A script in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        line = self.read()
        match = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", line)
        assert match, (line, process.stderr and process.stderr.read())
        self.port = int(match[1])

    def connect(self, *lines: str) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        sock.sendall("".join(f"{line}\n" for line in lines).encode())
        return sock

    def read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


def text_of(
    on_line: str = "pass",
    before: str = "",
    options: str = "",
    error: str = "E",
    until: str = "trio.sleep(0)",
) -> str:
    return SHOUT.format(on_line=on_line, before=before, options=options, error=error, until=until)


@contextmanager
def script(**parts: str) -> Iterator[Script]:
    with subprocess.Popen(
        [sys.executable, "-c", text_of(**parts)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield Script(process)
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_drains_the_server_and_the_script_goes_on(number: signal.Signals) -> None:
    with script() as shout, shout.connect("hello") as client:
        assert client.recv(100) == b"HELLO\n"
        shout.signal(number)
        assert client.recv(100) == b""
        client.close()
        status, out, err = shout.end()
    assert (status, out) == (0, "done\n")
    lines = err.splitlines()
    assert all(re.match(f"{TIME} ", line) for line in lines)
    assert [line.split()[2] for line in lines] == ["listening", "opened", "closing", "closed"]


@pytest.mark.parametrize(
    ("before", "status"),
    [
        # The signal does again what it did before the call.
        ("", -signal.SIGTERM),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", 0),
    ],
)
def test_a_signal_that_was_ignored_before_drains_and_is_ignored_afterwards(
    before: str, status: int
) -> None:
    before = (
        f"import atexit, signal; {before}\natexit.register(signal.raise_signal, signal.SIGTERM)"
    )
    with script(before=before) as shout:
        shout.signal(signal.SIGTERM)
        assert shout.end()[:2] == (status, "done\n")


@pytest.mark.parametrize(
    "on_line",
    [
        # A loop that never returns, a thread that is waited for, a handler that does not end.
        "exec('while True: pass')",
        "await trio.to_thread.run_sync(time.sleep, 100)",
        "with trio.CancelScope(shield=True): await trio.sleep_forever()",
    ],
)
def test_the_second_signal_ends_the_script_within_a_second(on_line: str) -> None:
    on_line = f"print('stuck', flush=True)\n        {on_line}"
    with script(on_line=on_line) as shout, shout.connect("hello"):
        assert shout.read() == "stuck\n"
        began = time.monotonic()
        # Two different ones: the second of the same kind would not count before the first is taken.
        shout.signal(signal.SIGTERM)
        shout.signal(signal.SIGINT)
        status, out, err = shout.end()
        # And what a busy machine may need.
        assert time.monotonic() - began < 3
    assert (status, out) == (130, "")
    assert "Traceback" not in err


def test_a_second_signal_means_status_130_even_if_everything_ends_by_itself() -> None:
    with script() as shout, shout.connect("hello") as client:
        assert client.recv(100) == b"HELLO\n"
        shout.signal(signal.SIGINT)
        assert client.recv(100) == b""
        shout.signal(signal.SIGTERM)
        status, out, err = shout.end()
    assert (status, out) == (130, "")
    assert "Traceback" not in err


def test_an_address_in_use_is_one_line_and_status_1() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        text = text_of().replace("127.0.0.1:0", address)
        run = subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, check=False
        )
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == f"error: cannot listen on {address}: address already in use\n"


def test_quiet_prints_and_logs_only_problems() -> None:
    text = text_of(
        before="async def end():\n    __import__('logging').getLogger('trionet').error('what')",
        options=", quiet=True, beside=[end, fail]",
        error="trionet.TrionetError('failed')",
    )
    run = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert re.fullmatch(f"{TIME} error failed - - what\nerror: failed\n", run.stderr)


def test_a_fault_of_the_script_ends_in_a_traceback() -> None:
    text = text_of(options=", beside=[fail]", error="ZeroDivisionError('beside')")
    run = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "ZeroDivisionError: beside" in run.stderr


def test_configured_logging_is_used() -> None:
    before = "logging.basicConfig(format='%(name)s: %(message)s', level=logging.INFO)"
    with script(before=before) as shout, shout.connect("hello") as client:
        assert client.recv(100) == b"HELLO\n"
        shout.signal(signal.SIGTERM)
        client.close()
        status, out, err = shout.end()
    assert (status, out) == (0, "done\n")
    first, second, *_ = err.splitlines()
    assert re.fullmatch(r"trionet\.program: listening on 127\.0\.0\.1:\d+", first)
    assert re.fullmatch(r"trionet\.connections: opened 127\.0\.0\.1:\d+", second)


def run_in_memory(*, beside: Callable[[MemoryNetwork], Awaitable[object]], **options: Any) -> None:
    network = MemoryNetwork()

    async def hear(connection: trionet.Connection) -> None:
        async for _ in connection.lines:
            pass

    trionet.run(hear, "127.0.0.1:7", network=network, beside=[partial(beside, network)], **options)


async def _interrupt(network: MemoryNetwork) -> None:
    stream = await network.connect("127.0.0.1:7")
    await stream.aclose()
    signal.raise_signal(signal.SIGINT)


def test_run_returns_and_restores_what_it_changed(capfd: pytest.CaptureFixture[str]) -> None:
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = [signal.getsignal(number) for number in numbers]
    logger = logging.getLogger("trionet")
    handlers, level = list(logger.handlers), logger.level
    events: list[trionet.ServerEvent] = []

    async def beside(network: MemoryNetwork) -> None:
        with trio.fail_after(PATIENCE):
            while True:
                try:
                    return await _interrupt(network)
                except trionet.ConnectError:
                    await trio.sleep(0.01)

    run_in_memory(beside=beside, on_event=events.append)
    assert [type(event) for event in events] in (
        [],
        [trionet.Opened, trionet.Closed],
        [trionet.Refused],
    )
    output, errors = capfd.readouterr()
    assert output == "listening on 127.0.0.1:7\n"
    assert "opened" not in errors
    assert [signal.getsignal(number) for number in numbers] == before
    assert (logger.handlers, logger.level) == (handlers, level)


def test_a_signal_before_it_listens_ends_the_script_with_the_status_of_the_signal(
    capfd: pytest.CaptureFixture[str],
) -> None:
    class SlowNetwork(MemoryNetwork):
        async def listen(self, *_args: object, **_options: object) -> NoReturn:
            signal.raise_signal(signal.SIGTERM)
            await trio.sleep_forever()
            raise AssertionError

    with pytest.raises(SystemExit) as caught:
        # pytest has configured logging, which counts unless the call says how to log.
        trionet.run(_hear, "127.0.0.1:7", network=SlowNetwork(), log_format="text")
    assert caught.value.code == 128 + signal.SIGTERM
    output, errors = capfd.readouterr()
    assert output == ""
    reason = "closing: SIGTERM came before the server could listen"
    assert re.fullmatch(f"{TIME} info closing - - {reason}\n", errors)


def test_a_mistake_in_the_call_is_reported_at_the_call() -> None:
    async def handler(_connection: trionet.Connection) -> None:
        pass

    with pytest.raises(TypeError, match="limts"):
        trionet.run(handler, "127.0.0.1:0", limts=None)
    with pytest.raises(ValueError, match="at least one address"):
        trionet.run(handler)


async def _hear(connection: trionet.Connection) -> None:
    async for _ in connection.lines:
        pass


async def _idle() -> None:
    pass


def _sync(connection: object) -> None:
    pass


@pytest.mark.parametrize(
    ("arguments", "options", "told"),
    [
        ([_sync, "127.0.0.1:0"], {}, "write async def _sync"),
        ([_idle, "127.0.0.1:0"], {}, "must take one argument, the connection"),
        ([..., 7777], {}, "write 'localhost:7777', not 7777"),
        ([..., ["127.0.0.1:0"]], {}, r"write run\(..., \*addresses\)"),
        ([...], {"limits": {"rate": 1}}, r"write trionet.Limits\(rate=1\)"),
        ([...], {"max_clients": 1}, r"write limits=trionet.Limits\(max_clients=...\)"),
        ([...], {"task_status": None}, "inside Trio use trionet.serve"),
        ([...], {"when_full": "wait"}, "must be WhenFull.WAIT or WhenFull.REFUSE"),
        ([...], {"on_event": _idle}, "write def _idle, not async def"),
        ([...], {"quiet": "no"}, "quiet must be True or False, not 'no'"),
        ([...], {"beside": None}, r"write beside=\[hub.run\], not None"),
        ([...], {"beside": _idle}, r"write beside=\[hub.run\], not <function"),
        ([...], {"beside": [trionet.Hub()]}, "such as hub.run: <trionet.Hub"),
        ([...], {"beside": [_sync]}, "must be a list of async functions"),
        ([...], {"beside": [trionet.encode_line]}, "must be a list of async functions"),
    ],
)
def test_misuse_is_reported_at_the_call_and_not_in_a_group(
    arguments: list[Any], options: dict[str, Any], told: str
) -> None:
    arguments = [_hear if argument is ... else argument for argument in arguments]
    if len(arguments) == 1:
        arguments.append("127.0.0.1:0")
    with pytest.raises(TypeError, match=told):
        trionet.run(*arguments, **options)


def test_beside_takes_functions_without_arguments_that_are_not_yet_called() -> None:
    with pytest.raises(TypeError, match=r"not beside=\[hub.run\(\)\]"):
        trionet.run(_hear, "127.0.0.1:0", beside=[_idle()])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="_hear needs some"):
        trionet.run(_hear, "127.0.0.1:0", beside=[_hear])  # type: ignore[list-item]


def _run_to_its_end(**parts: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", text_of(**parts)]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE
    )


# What runs beside a server starts before it listens. This says when it does.
_KNOWS_WHEN_IT_LISTENS = """
listening = trio.Event()

def note(record):
    listening.set()
    return True

logging.getLogger("trionet.program").addFilter(note)
"""


def test_sys_exit_beside_a_server_ends_it_with_that_status() -> None:
    ended = _run_to_its_end(
        before=_KNOWS_WHEN_IT_LISTENS,
        options=", beside=[fail]",
        until="listening.wait()",
        error="SystemExit(3)",
    )
    assert ended.returncode == 3
    assert re.fullmatch(f"{TIME} info listening - - \\S+\n", ended.stderr)


def test_sys_exit_in_a_handler_ends_the_server_with_that_status() -> None:
    with script(on_line="sys.exit(3)") as shout, shout.connect("hello"):
        status, out, err = shout.end()
    assert (status, out) == (3, "")
    assert [line.split()[2] for line in err.splitlines()] == ["listening", "opened", "closed"]


def test_an_error_beside_a_server_is_raised_without_a_group() -> None:
    ended = _run_to_its_end(options=", beside=[fail]", error="ValueError('a fault')")
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "ValueError: a fault"
    assert "ExceptionGroup" not in ended.stderr


# SIGHUP.


def test_two_services_in_one_program_each_have_their_own_lifespan_and_limits() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", TWO],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            begun, *listening = [process.stdout.readline() for _ in range(3)]
            assert begun == "begun\n"
            ports = [int(line.rpartition(":")[2]) for line in listening]
            for port, answer in zip(ports, (b"HELLO\n", b"state: hello\n"), strict=True):
                with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
                    client.sendall(b"hello\n")
                    assert client.recv(100) == answer
                    # Its place is free when the server has ended the connection too.
                    client.shutdown(socket.SHUT_WR)
                    assert client.recv(100) == b""
            with (
                socket.create_connection(("127.0.0.1", ports[1]), timeout=PATIENCE) as first,
                socket.create_connection(("127.0.0.1", ports[1]), timeout=PATIENCE) as second,
            ):
                assert second.recv(100) == b"error: server is full\n"
                process.send_signal(signal.SIGINT)
                assert first.recv(100) == b""
            out, err = process.communicate(timeout=PATIENCE)
            assert (process.returncode, out) == (0, "ended\ndone\n")
            # Four connections to two services: no number in the log means two of them.
            numbers = re.findall(rf"{TIME} \w+ (?:opened|refused) (\d+) ", err)
            # The third has said nothing, so it is not logged.
            assert numbers == ["1", "2", "4"]
        finally:
            process.kill()


def test_if_one_of_two_services_cannot_listen_none_is_served() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = TWO.replace('["127.0.0.1:0"]', f'["127.0.0.1:{port}"]')
        process = subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, timeout=PATIENCE
        )
    assert (process.returncode, process.stdout) == (1, "")
    (line,) = process.stderr.splitlines()
    assert line.startswith(f"error: cannot listen on 127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (
            (trionet.Service(str.upper, "localhost:7"), "localhost:8"),
            {},
            "there can only be others",
        ),
        (
            (trionet.Service(str.upper, "localhost:7"),),
            {"limits": None},
            r"write Service\(..., limits",
        ),
    ],
)
def test_a_service_has_its_own_addresses_and_options(
    arguments: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        trionet.run(*arguments, **options)
