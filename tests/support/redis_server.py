"""A real Redis in the hands of a test: on a free port, in its own folder, and broken on demand.

Nothing here knows trionet. Never the default port: somebody's own Redis may be there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import needs
from free_port import free_port

PROGRAM = "redis-server"

# Seconds for what takes a fraction of one, even on a loaded machine.
_PATIENCE = 20.0

# As it is recommended for trionet. The log is cut by `cut_log`.
_SETTINGS = (
    *("--bind", "127.0.0.1", "--save", "", "--daemonize", "no"),
    *("--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0"),
    *("--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0"),
)


class RedisFault(Exception):
    """Redis has answered with an error."""


def need_redis() -> None:
    """Skip or fail the calling test where there is no Redis."""
    if shutil.which(PROGRAM) is None:
        needs.lacking(f"there is no {PROGRAM}: install Debian's package of this name")


class RedisServer:
    """One Redis. A context manager: it is killed at the end.

    Args:
        folder: where it keeps its files; made if it is missing.
        settings: further arguments, such as ``"--requirepass", "secret"``.
        password: with what `command` logs in; default: it does not.

    Attributes:
        port: where it listens, on 127.0.0.1. It stays the same through restarts.
    """

    def __init__(self, folder: Path, *settings: str, password: str | None = None) -> None:
        self.port = free_port()
        self._folder = folder
        self._settings = settings
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def place(self) -> str:
        """Where it is: HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Its URL, without a password."""
        return f"redis://{self.place}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()

    # Its life

    def start(self) -> None:
        """Start it, with what it had kept, and wait until it answers."""
        self._folder.mkdir(exist_ok=True)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(PROGRAM, "--port", f"{self.port}", "--dir", f"{self._folder}"),
                    *_SETTINGS,
                    *self._settings,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, RedisFault):
                if self.command("PING") == b"PONG":
                    return
            if self._process.poll() is not None:
                break
            time.sleep(0.01)
        raise AssertionError(f"Redis did not start:\n{(self._folder / 'log').read_text()}")

    def stop(self) -> None:
        """Stop it in good order."""
        self._signal(signal.SIGTERM)
        self._wait()

    def kill(self) -> None:
        """Kill it. What it had written to its log is in the kernel, and so is not lost."""
        self._signal(signal.SIGKILL)
        self._wait()

    def pause(self) -> None:
        """Have it stand still: connections stay, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _wait(self) -> None:
        if self._process is not None:
            # Stopped, it would not end.
            self._process.send_signal(signal.SIGCONT)
            self._process.wait(_PATIENCE)
            self._process = None

    # Its log

    def log_size(self) -> int:
        """Return how many bytes its log has now, for `cut_log`."""
        return self._log().stat().st_size

    def cut_log(self, size: int) -> None:
        """Cut its log, as a machine does that loses its power. It must not run."""
        assert self._process is None, "kill it first"
        os.truncate(self._log(), size)

    def _log(self) -> Path:
        return max((self._folder / "appendonlydir").glob("*.incr.aof"))

    # What is asked of it

    def command(self, *words: str | int, seconds: float = _PATIENCE) -> Any:
        """Run a command on a connection of its own, and return the answer.

        Raises:
            RedisFault: the answer is an error.
            OSError: there is no answer.
        """
        with (
            socket.create_connection(("127.0.0.1", self.port), seconds) as sock,
            sock.makefile("rb") as answers,
        ):
            if self._password is not None:
                sock.sendall(_encoded(["AUTH", self._password]))
                _decoded(answers)
            sock.sendall(_encoded([str(word) for word in words]))
            return _decoded(answers)

    def kill_clients(self) -> int:
        """Close all connections but those of other Redises, and return how many there were."""
        killed = self.command("CLIENT", "KILL", "TYPE", "normal")
        assert isinstance(killed, int)
        return killed

    def follow(self, other: RedisServer) -> None:
        """Become another's replica, and wait until it has everything."""
        self.command("REPLICAOF", "127.0.0.1", other.port)
        deadline = time.monotonic() + _PATIENCE
        while b"master_link_status:up" not in self.command("INFO", "replication"):
            assert time.monotonic() < deadline, "the replica has not caught up"
            time.sleep(0.01)

    def promote(self) -> None:
        """Become nobody's replica, as an operator does by hand."""
        self.command("REPLICAOF", "NO", "ONE")


def _encoded(words: Sequence[str]) -> bytes:
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        data = word.encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


def _decoded(answers: Any) -> Any:
    line = answers.readline()
    if not line.endswith(b"\r\n"):
        raise OSError("Redis has closed the connection")
    kind, rest = line[:1], line[1:-2]
    match kind:
        case b"+":
            return rest
        case b"-":
            raise RedisFault(rest.decode())
        case b":":
            return int(rest)
        case b"$":
            return None if rest == b"-1" else answers.read(int(rest) + 2)[:-2]
        case b"*":
            return None if rest == b"-1" else [_decoded(answers) for _ in range(int(rest))]
    raise AssertionError(f"not an answer of Redis's: {line!r}")
