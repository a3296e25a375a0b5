"""The commands on sockets that a supervisor passes on, and what they tell it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import typer

from passing_on import passed_on, start_with
from trionet.cli.address_arguments import where_to_listen

PATIENCE = 60


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


@pytest.fixture
def other() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def address_of(sock: socket.socket) -> str:
    return f"127.0.0.1:{sock.getsockname()[1]}"


Start = Callable[..., "Started"]


class Started:
    """A program that was passed sockets."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip()

    def end(self) -> str:
        """Drain it, and return its log."""
        self.process.send_signal(signal.SIGTERM)
        _, log = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, log
        return log


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    (tmp_path / "shop.py").write_text(
        "import os, trionet\n"
        "def shout(line): return line.upper()\n"
        "def tell(line):\n"
        "    return ' '.join(n for n in os.environ if n.startswith(('LISTEN_', 'NOTIFY_')))\n"
        "own = trionet.Service(shout, 'localhost:1')\n"
        "choosy = trionet.Service(shout, 'fd:b')\n"
        "if __name__ == '__main__': trionet.run(shout)\n"
    )
    with ExitStack() as stack:

        def start(named: dict[str, socket.socket], *arguments: str, **variables: str) -> Started:
            process = start_with(
                named,
                *arguments,
                cwd=tmp_path,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return Started(process)  # type: ignore[arg-type]

        yield start


TRIONET = ("-m", "trionet.cli.main")


@pytest.mark.parametrize(
    ("arguments", "used"),
    [
        ((*TRIONET, "calc", "serve"), "ab"),
        ((*TRIONET, "chat", "serve", "--forever"), "ab"),
        ((*TRIONET, "chat", "serve", "fd:b", "--forever"), "b"),
        ((*TRIONET, "chat", "serve", "--web", "fd:b"), "ab"),
        ((*TRIONET, "calc", "serve", "--metrics", "fd:b"), "ab"),
        ((*TRIONET, "run", "shop:shout", "--metrics", "fd:a"), "ba"),
        ((*TRIONET, "run", "shop:shout"), "ab"),
        ((*TRIONET, "run", "shop:shout", "fd:a"), "a"),
        ((*TRIONET, "run", "shop:own"), "ab"),
        ((*TRIONET, "run", "shop:choosy"), "b"),
        (("shop.py",), "ab"),
    ],
)
def test_without_an_address_the_inherited_sockets_are_used(
    arguments: tuple[str, ...],
    used: str,
    start: Start,
    sock: socket.socket,
    other: socket.socket,
) -> None:
    addresses = {"a": address_of(sock), "b": address_of(other)}
    program = start({"a": sock, "b": other}, *arguments)
    for name in used:
        where = f"listening on {addresses[name]}"
        if f"fd:{name}" in arguments:
            if "--web" in arguments:
                where = f"listening on http://{addresses[name]}"
            if "--metrics" in arguments:
                where = f"metrics on http://{addresses[name]}/metrics"
        assert program.read() == where
    program.end()


def test_the_supervisor_is_told_and_no_child_is(
    start: Start, sock: socket.socket, path: str
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        inbox.bind(path)
        inbox.settimeout(PATIENCE)
        program = start({"a": sock}, *TRIONET, "run", "shop:tell", NOTIFY_SOCKET=path)
        assert inbox.recv(1000) == b"READY=1\nSTATUS=0 connections"
        with socket.create_connection(sock.getsockname(), PATIENCE) as peer:
            peer.sendall(b"what is in the environment?\n")
            assert peer.recv(1000) == b"\n"
            program.process.send_signal(signal.SIGHUP)
            assert inbox.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert inbox.recv(1000) == b"READY=1\nSTATUS=1 connection"
        program.end()
        assert b"STOPPING=1" in inbox.recv(1000)


def test_a_program_that_cannot_listen_is_never_ready(
    start: Start, sock: socket.socket, path: str
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        inbox.bind(path)
        program = start({"a": sock}, *TRIONET, "calc", "serve", "fd:b", NOTIFY_SOCKET=path)
        _, log = program.process.communicate(timeout=PATIENCE)
        assert log == (
            "error: cannot listen on fd:b: no inherited socket has this name: there are fd:a\n"
        )
        assert program.process.returncode == 1
        inbox.setblocking(False)
        with pytest.raises(BlockingIOError):
            inbox.recv(1000)


def test_an_option_has_its_socket_for_itself(sock: socket.socket, other: socket.socket) -> None:
    with passed_on(a=[sock], b=[other]):
        assert where_to_listen(None, ["x:1"]) == ["fd:a", "fd:b"]
        assert where_to_listen(None, ["x:1"], taken=[None, "fd:b"]) == ["fd:a"]
        assert where_to_listen(["y:1"], ["x:1"], taken=["fd:b"]) == ["y:1"]
        for addresses, taken in ((["fd:a", "tls:fd:a"], []), (["fd:a"], ["fd:a"])):
            with pytest.raises(typer.BadParameter, match="fd:a can be used only once"):
                where_to_listen(addresses, ["x:1"], taken=taken)
    assert where_to_listen(None, ["x:1"]) == ["x:1"]
