"""The two processes of a measurement: a server, and the load generator that talks to it."""

from __future__ import annotations

import json
import re
import select
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.builds import Builds, Unavailable
from benchmarks.machine import cores, on_core

HERE = Path(__file__).parent

# How many seconds a server may take until it listens.
START_PATIENCE = 20.0


class Failed(Exception):
    """A measurement failed; the message says why."""


class ServerProcess:
    """A server that prints ``listening on HOST:PORT``, on its own core.

    Leaving the block kills it.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115

    def __enter__(self) -> ServerProcess:
        chosen = cores()
        with on_core(chosen and chosen[0]):
            self._process = subprocess.Popen(
                self._command,
                cwd=HERE.parent,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._log,
                # Unbuffered, so that `select` sees a second address.
                bufsize=0,
            )
        try:
            self.host, self.port = self._address()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _address(self) -> tuple[str, str]:
        output = self._process.stdout
        assert output is not None
        if select.select([output], [], [], START_PATIENCE)[0]:
            line = output.readline()
            found = re.fullmatch(rb"listening on (?:https?://)?(\S+):(\d+)\n", line)
            if found:
                return found[1].decode(), found[2].decode()
        raise Failed(f"the server did not start: {self.last_words() or self._command}")

    def next_address(self) -> tuple[str, str]:
        """Return host and port of the next address that the server listens on."""
        return self._address()

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def last_words(self) -> str:
        """Return the last line that the server wrote to standard error."""
        self._log.seek(0)
        lines = self._log.read().strip().splitlines()
        return lines[-1] if lines else ""

    def wait(self, seconds: float) -> int | None:
        """Wait for the end of the process; return its status, or ``None`` if it still runs."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()


class Load:
    """The load generator, on the other core: clients of one server. See ``load/main.c``.

    Args:
        server: the server.
        builds: compiles the load generator.
        wire: what the clients speak: ``plain``, ``json`` or ``web``.
        second: whether they go to the second address that the server listens on.
    """

    # How many seconds a command may take longer than it was told.
    PATIENCE = 60.0

    def __init__(
        self, server: ServerProcess, builds: Builds, *, wire: str = "plain", second: bool = False
    ) -> None:
        where = server.next_address() if second else (server.host, server.port)
        command = load_command(builds)
        if wire != "plain" and len(command) > 1:
            raise Unavailable("only the load generator in C speaks JSON lines and WebSockets")
        self._command = [*command, *where, str(server.pid)]
        if wire != "plain":
            self._command.append(wire)

    def __enter__(self) -> Load:
        chosen = cores()
        with on_core(chosen and chosen[1]):
            self._process = subprocess.Popen(
                self._command,
                cwd=HERE.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        return self

    def ask(self, name: str, **values: object) -> dict[str, Any]:
        """Give a command, and return its answer.

        Raises:
            Failed: the load generator could not carry it out.
        """
        self.begin(name, **values)
        return self.answer(float(str(values.get("limit", 0))) + self.PATIENCE)

    def begin(self, name: str, **values: object) -> None:
        """Give a command, without waiting for its `answer`."""
        assert self._process.stdin is not None
        words = [name, *(f"{key}={value}" for key, value in values.items())]
        try:
            self._process.stdin.write(" ".join(words) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Failed("the load generator has ended") from None

    def answer(self, seconds: float) -> dict[str, Any]:
        """Return the answer to a command; `Failed` if none comes."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            raise Failed("the load generator does not answer")
        line = self._process.stdout.readline()
        if not line:
            raise Failed("the load generator has ended")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()


class Gang:
    """Hostile clients of one server, on the other core: see ``attackers.py``.

    Entering the block waits until the attackers have logged in. Leaving it kills them.

    Args:
        attack: the name of the attack.
        count: how many attackers there are.
        seconds: how long they attack.
        target: the address to attack.
    """

    PATIENCE = 60.0

    def __init__(self, attack: str, count: int, seconds: float, target: str) -> None:
        module = "benchmarks.attackers"
        self._command = [sys.executable, "-m", module, attack, str(count), str(seconds), target]

    def __enter__(self) -> Gang:
        chosen = cores()
        with on_core(chosen and chosen[1]):
            self._process = subprocess.Popen(
                self._command,
                cwd=HERE.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        try:
            if self._line(self.PATIENCE) != "ready\n":
                raise Failed("the attackers could not log in")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def begin(self) -> None:
        """Begin the attack, without waiting for the `answer`."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def answer(self, seconds: float) -> dict[str, Any]:
        """Wait for the end of the attack, and return its figures. The attackers stay connected."""
        line = self._line(seconds + self.PATIENCE)
        if not line:
            raise Failed("the attackers have failed")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _line(self, seconds: float) -> str:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            raise Failed("the attackers do not answer")
        return self._process.stdout.readline()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()


def load_command(builds: Builds) -> list[str]:
    """Return the command of the load generator: in C, or in Python where C cannot be compiled."""
    if sys.platform == "linux":
        try:
            return [builds.program("load", *sorted((HERE / "load").glob("*.c")))]
        except Unavailable:
            pass
    return [sys.executable, "-m", "benchmarks.load"]
