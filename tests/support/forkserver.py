"""Starts the program fast: a process that has imported it forks once for each start.

A real start of `trionet` takes 0.35 s of CPU time, nearly all of it for imports; a fork takes 0.02
s, and the tests start the program more than a hundred times. So each pytest process has one fork
server: this file run as a program. It imports everything that the program may need, and then forks
a child for each start. The child gets what the program would have: its own standard streams,
arguments, environment, directory, limit of descriptors, terminal and signals, and no other
descriptor. It runs `main()`, and ends like any interpreter as far as anybody can see.
tests/test_forkserver.py compares the two.

A fork cannot show that the program starts from nothing, imports what it uses when it uses it, is
installed, and copes with a closed standard stream. For that the tests keep at least one real start
of each command (`real=` and `interpreter=` in tests/cli, and the two servers that tests/conformance
shares). Besides, the children have the fork server's process group, umask and hash seed.

The fork server has a single thread, because it would not be safe to fork otherwise. It ends, and
kills what it has started, when its pytest process lets go of it, however that happens.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import importlib
import io
import json
import os
import pkgutil
import resource
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import trio

_STREAMS = ("stdin", "stdout", "stderr")

# The tests' side.


class Process:
    """A process that a `ForkServer` has started, used like a `subprocess.Popen`."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._status: int | None = None
        # Byte by byte, because the status may follow at once.
        told = b""
        while not told.endswith(b"\n"):
            if not (byte := link.recv(1)):
                raise RuntimeError("the fork server is gone; its standard error tells why")
            told += byte
        self.pid = int(told)

    def poll(self) -> int | None:
        """Return its status, or ``None`` if it still runs."""
        if self._status is None:
            # Only peek, so that every thread finds the status here.
            with suppress(BlockingIOError):
                told = self._link.recv(64, socket.MSG_PEEK | socket.MSG_DONTWAIT)
                if not told:
                    raise RuntimeError("the fork server is gone")
                self._status = int(told)
        return self._status

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def wait(self, seconds: float | None = None) -> int:
        """Wait for its end, and return its status.

        Raises:
            subprocess.TimeoutExpired: it takes longer.
        """
        while (status := self.poll()) is None:
            if not select.select([self._link], [], [], seconds)[0]:
                raise subprocess.TimeoutExpired("trionet", seconds or 0)
        return status

    async def wait_in_trio(self) -> int:
        """Wait for its end, and return its status. Only one task may wait."""
        while (status := self.poll()) is None:
            await trio.lowlevel.wait_readable(self._link)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            # It may have ended, and its status be on its way.
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Let go of it, which kills it if it still runs."""
        self._link.close()


class TrioProcess:
    """A `Process` with pipes, used like a `trio.Process`."""

    def __init__(self, process: Process, pipes: Mapping[str, int]) -> None:
        self.pid = process.pid
        self.stdin, self.stdout, self.stderr = (
            trio.lowlevel.FdStream(pipes[name]) if name in pipes else None for name in _STREAMS
        )
        self._process = process
        self._one_waits = trio.Lock()

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    async def wait(self) -> int:
        async with self._one_waits:
            return await self._process.wait_in_trio()

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        """Let go of it, which kills it if it still runs. The pipes stay open."""
        self._process.close()


@dataclass(frozen=True)
class _Start:
    """What a child should become."""

    program: str
    arguments: Sequence[str]
    environment: dict[str, str]
    directory: str
    open_files: tuple[int, int]
    on_terminal: bool


class ForkServer:
    """Starts `trionet`; `close` ends what still runs."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # Ctrl-C is meant for pytest, whose end then ends the fork server.
                start_new_session=True,
            )

    def start(
        self,
        *arguments: str,
        stdin: int,
        stdout: int,
        stderr: int,
        program: str = "trionet.cli.main:main",
        environment: dict[str, str] | None = None,
        open_files: tuple[int, int] | None = None,
        on_terminal: bool = False,
    ) -> Process:
        """Start `trionet ARGUMENTS...`.

        Args:
            arguments: of the command line.
            stdin, stdout, stderr: descriptors, or as `subprocess.Popen` takes them; no pipes.
            program: what to run instead: a function of a module beside this one.
            environment: default: as it is now in this process.
            open_files: soft and hard limit of descriptors; default: as now in this process.
            on_terminal: standard input becomes the controlling terminal of a new session.
        """
        start = _Start(
            program=program,
            arguments=arguments,
            environment=environment or dict(os.environ),
            directory=str(Path.cwd()),
            open_files=open_files or resource.getrlimit(resource.RLIMIT_NOFILE),
            on_terminal=on_terminal,
        )
        link, theirs = socket.socketpair()
        with theirs, Path(os.devnull).open("r+b", buffering=0) as null:
            special = {subprocess.DEVNULL: null.fileno(), subprocess.STDOUT: stdout}
            fds = [special.get(stream, stream) for stream in (stdin, stdout, stderr)]
            socket.send_fds(self._control, [b"+"], [*fds, theirs.fileno()])
            self._control.sendall(json.dumps(asdict(start)).encode() + b"\n")
        return Process(link)

    def start_in_trio(
        self, *arguments: str, stdin: int, stdout: int, stderr: int, **options: Any
    ) -> TrioProcess:
        """Start `trionet ARGUMENTS...` like `start`, which does not take `subprocess.PIPE`."""
        pipes: dict[str, int] = {}
        with ExitStack() as started:

            def open_pipe(name: str, stream: int) -> int:
                if stream != subprocess.PIPE:
                    return stream
                readable, writable = os.pipe()
                pipes[name], theirs = (
                    (writable, readable) if name == "stdin" else (readable, writable)
                )
                started.callback(os.close, theirs)
                return theirs

            streams: dict[str, Any] = {
                name: open_pipe(name, stream)
                for name, stream in zip(_STREAMS, (stdin, stdout, stderr), strict=True)
            }
            return TrioProcess(self.start(*arguments, **streams, **options), pipes)

    def close(self) -> None:
        """End the fork server and everything that it has started."""
        self._control.close()
        self._server.wait()


# The server's side.


def _load() -> None:
    """Import everything that the program may import."""
    import trionet.cli

    for module in pkgutil.iter_modules(trionet.cli.__path__, "trionet.cli."):
        importlib.import_module(module.name)
    # Some packages import more when they are used: typer does when it reads a command line and
    # shows a usage error. A child that does so tells us what is imported.
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        from trionet.cli.main import app

        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        with suppress(SystemExit):
            app(["calc", "connect"])
        os.write(writing, "\n".join(sys.modules).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as names:
        loaded = names.read().split()
    os.waitpid(child, 0)
    for name in ("encodings.idna", *loaded):
        with suppress(ImportError):
            importlib.import_module(name)
    # Children share the memory of these objects as long as no garbage collection touches it.
    gc.collect()
    gc.freeze()


def _serve(control: socket.socket) -> _Start | None:
    """Start what the tests ask for, until they let go.

    Returns in each child: what it should become; in the server: ``None``, at the end.
    """
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # The running children, each with the link that hears of its end; ``None`` once the tests have
    # let go of it.
    links: dict[int, socket.socket | None] = {}
    while True:
        watched = [control, woken, *filter(None, links.values())]
        ready, _, _ = select.select(watched, [], [])
        for pid, link in list(links.items()):
            if link in ready:
                link.close()
                links[pid] = None
                os.kill(pid, signal.SIGKILL)
        if woken in ready:
            woken.recv(4096)
            _reap(links)
        if control not in ready:
            continue
        _, fds, _, _ = socket.recv_fds(control, 1, 4)
        if not fds:
            for pid in links:
                os.kill(pid, signal.SIGKILL)
            return None
        start = b""
        while not start.endswith(b"\n") and (more := control.recv(65536)):
            start += more
        link = socket.socket(fileno=fds.pop())
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for mine in (link, wake, *watched):
                mine.close()
            for standard, fd in enumerate(fds):
                os.dup2(fd, standard)
                os.close(fd)
            return _Start(**json.loads(start))
        for fd in fds:
            os.close(fd)
        links[pid] = link
        _tell(link, pid)


def _reap(links: dict[int, socket.socket | None]) -> None:
    for pid in list(links):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            link = links.pop(pid)
            if link is not None:
                _tell(link, os.waitstatus_to_exitcode(status))
                link.close()


def _tell(link: socket.socket, number: int) -> None:
    # The tests may have let go at this moment.
    with suppress(OSError):
        link.sendall(b"%d\n" % number)


def _become(start: _Start) -> None:
    """Make this process look like a new one; its standard streams are there already."""
    if start.on_terminal:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    resource.setrlimit(resource.RLIMIT_NOFILE, start.open_files)
    os.chdir(start.directory)
    os.environ.clear()
    os.environ.update(start.environment)
    # Its name is that of the installed program.
    sys.argv = ["trionet", *start.arguments]
    # Open the streams as the interpreter does: the fork server's do not know about a terminal.
    at_once: bool = sys.stdout.write_through  # type: ignore[union-attr]
    for fd, name in enumerate(_STREAMS):
        before = getattr(sys, name)
        raw = io.FileIO(fd, "w" if fd else "r", closefd=False)
        raw.name = f"<{name}>"
        buffer = (raw if at_once else io.BufferedWriter(raw)) if fd else io.BufferedReader(raw)
        line_by_line = not at_once and (fd == 2 or raw.isatty())
        stream = io.TextIOWrapper(
            buffer, before.encoding, before.errors, "\n", line_by_line, at_once
        )  # fmt: skip
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    # Python seeds its own generator after a fork. Trio's, which shuffles tasks, would be the same
    # in every child.
    trio._core._run._r.seed()


def _main() -> None:
    _load()
    if threading.active_count() > 1:
        raise RuntimeError(f"cannot fork with threads: {threading.enumerate()}")
    start = _serve(socket.socket(fileno=int(sys.argv[1])))
    if start is None:
        return
    _become(start)
    module, _, function = start.program.partition(":")
    try:
        sys.exit(getattr(importlib.import_module(module), function)())
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            _end(end.code or 0)
        raise


def _end(status: int) -> None:
    """End like the interpreter, but do not free every object.

    Nobody would see that, it costs twice as much as everything else, and it copies all the memory
    that is shared with the fork server.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if not stream.closed:
                stream.flush()
    except OSError:
        # The interpreter has its own message and status for this.
        return
    os._exit(status & 0xFF)


if __name__ == "__main__":
    _main()
