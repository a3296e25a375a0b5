"""Restarts on sockets that a supervisor keeps: nobody is refused and no line is lost.

`systemd-socket-activate` opens the socket and passes it on, as systemd does, to a shell that stands
for the rest of systemd: it starts the server again whenever it has ended.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trio

import needs
from free_port import free_port
from trionet import ConnectError, chat
from trionet.chat.client.events import Said
from trionet.transport.network import SYSTEM

PATIENCE = 60

RESTARTS = 3

_MEMBERS = 4

# Restarts the server until the file `over` is there. A server may write to its own streams only.
_SUPERVISE = """
while [ ! -e over ]; do
    sh -c 'echo $$ > pid.new; mv pid.new pid; LISTEN_PID=$$ exec "$@"' sh {command} >>out 2>>err
    echo $? >> statuses
done
"""


class Supervised:
    """A server that is started again whenever it has ended.

    Attributes:
        address: where it listens.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._folder = folder
        self.address = f"127.0.0.1:{free_port()}"
        command = shlex.join([sys.executable, "-m", "trionet.cli.main", *arguments])
        self._process = subprocess.Popen(
            [
                "systemd-socket-activate",
                "--listen", self.address,
                "--fdname", "chat",
                "sh", "-c", _SUPERVISE.format(command=command),
            ],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stderr is not None
        line = self._process.stderr.readline().decode()
        assert "Listening on" in line, line

    def pid(self) -> int:
        return int((self._folder / "pid").read_text())

    def read(self, name: str) -> str:
        path = self._folder / name
        return path.read_text() if path.exists() else ""

    async def started(self, times: int) -> None:
        """Wait until the server has begun to listen so many times."""
        await seen(lambda: self.read("out").count("listening on") >= times)

    def restart(self) -> None:
        """Ask the server to drain. It is started again when it has ended."""
        os.kill(self.pid(), signal.SIGTERM)

    def end(self) -> None:
        """End it for good."""
        (self._folder / "over").touch()
        if (self._folder / "pid").exists():
            with suppress(ProcessLookupError):
                self.restart()
        else:
            self._process.kill()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()


async def seen(condition: Callable[[], bool]) -> None:
    """Wait for what another process does. Nothing tells of it, so look again and again."""
    while not condition():  # noqa: ASYNC110
        await trio.sleep(0.01)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    if shutil.which("systemd-socket-activate") is None:
        needs.lacking("systemd-socket-activate is missing (Debian's package systemd)")
    history = str(tmp_path / "history")
    server = Supervised(
        tmp_path, "chat", "serve", "--forever", "--history", history, "--rate", "0", "--quiet"
    )
    yield server
    server.end()


async def test_a_restart_under_load_refuses_nobody_and_loses_no_line(
    supervised: Supervised,
) -> None:
    said: list[str] = []
    heard: list[str] = []
    answers: list[str] = []
    is_over = trio.Event()

    async def talk(number: int) -> None:
        name = f"member{number}"
        async with (
            chat.Client(supervised.address, name=name) as client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(ignore, client)
            count = 0
            while not is_over.is_set():
                text = f"{number} {count}"
                await client.say("lobby", text)
                said.append(text)
                count += 1
            nursery.cancel_scope.cancel()

    async def ignore(client: chat.Client) -> None:
        async for _ in client:
            pass

    async def listen(task_status: trio.TaskStatus[None]) -> None:
        async with chat.Client(supervised.address, name="listener") as client:
            task_status.started()
            async for event in client:
                heard.extend([event.text] if isinstance(event, Said) else [])

    async def visit(name: str) -> None:
        """Log in again and again, and count how that ends."""
        while not is_over.is_set():
            try:
                stream = await SYSTEM.connect(supervised.address)
            except ConnectError as error:
                answers.append(str(error))
                continue
            async with stream:
                await stream.send_all(f"{name}\n".encode())
                answers.append((await stream.receive_some()).decode().partition("\n")[0])
                with suppress(trio.BrokenResourceError):
                    await stream.send_all(b"q\n")
                    while await stream.receive_some():
                        pass

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as listening:
            await listening.start(listen)
            async with trio.open_nursery() as nursery:
                for number in range(_MEMBERS):
                    nursery.start_soon(talk, number)
                for name in ("Ann", "Bob"):
                    nursery.start_soon(visit, name)
                for times in range(1, RESTARTS + 1):
                    await supervised.started(times)
                    before = len(said)
                    # Everybody is back and talking.
                    await seen(lambda: len(said) >= before + 100 * _MEMBERS)  # noqa: B023
                    supervised.restart()
                await supervised.started(RESTARTS + 1)
                before = len(said)
                await seen(lambda: len(said) >= before + 100 * _MEMBERS)
                is_over.set()
            await seen(lambda: len(heard) >= len(said))
            listening.cancel_scope.cancel()
    assert sorted(heard) == sorted(said)
    for number in range(_MEMBERS):
        mine = [text for text in heard if text.startswith(f"{number} ")]
        assert mine == [f"{number} {count}" for count in range(len(mine))]
    closing = ("error: server is closing", "*** server is closing")
    welcome = ("*** welcome, Ann", "*** welcome, Bob")
    assert [answer for answer in answers if not answer.startswith(welcome + closing)] == []
    assert supervised.read("statuses").split() == ["0"] * RESTARTS
