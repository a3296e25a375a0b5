"""Starts the program fast: a process that has loaded it forks once for each start.

A real start of `trionet` takes 0.35 s of CPU time, nearly all of it imports; a fork takes 0.02 s,
and the tests start it more than a hundred times. So each pytest process has one server, this file
run as a program, which imports all that the program may need and then forks a child for each start.
The child becomes what the program would be: standard streams, arguments, environment, directory,
limit of descriptors, terminal and signals of its own, no other descriptor. It runs `main()`, and
ends as any interpreter does, as far as that can be seen. tests/test_forkserver.py compares the two.

What a fork cannot show is shown by real starts, of which the tests keep at least one of each
command (`real=` and `interpreter=` in tests/cli, and the two servers that tests/conformance
shares): that the program starts from nothing, imports what it uses when it uses it, is installed,
and puts up with a standard stream that is closed. Besides that, the children of a server have its
process group, its umask and the seed of its hashes.

The server has one thread, or a fork of it would not be safe. It ends, and kills what it has
started, when its pytest process lets go of it, however that happens.
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
    """A process that a `ForkServer` has started; what it has is as `subprocess.Popen` has it."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._status: int | None = None
        # Byte for byte: the status may be right behind it.
        told = b""
        while not told.endswith(b"\n"):
            if not (byte := link.recv(1)):
                raise RuntimeError("the fork server is gone; its standard error tells why")
            told += byte
        self.pid = int(told)

    def poll(self) -> int | None:
        """Return its status, or ``None`` if it still runs."""
        if self._status is None:
            # The status is never taken, so that any thread finds it here.
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
        """Wait until it has ended, and return its status.

        Raises:
            subprocess.TimeoutExpired: it takes longer.
        """
        while (status := self.poll()) is None:
            if not select.select([self._link], [], [], seconds)[0]:
                raise subprocess.TimeoutExpired("trionet", seconds or 0)
        return status

    async def wait_in_trio(self) -> int:
        """Wait until it has ended, and return its status; for one task at a time."""
        while (status := self.poll()) is None:
            await trio.lowlevel.wait_readable(self._link)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Let go of it; if it still runs, it is killed."""
        self._link.close()


class TrioProcess:
    """A `Process`, with pipes; what it has is as `trio.Process` has it."""

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
        """Let go of it; if it still runs, it is killed. The pipes stay open."""
        self._process.close()


@dataclass(frozen=True)
class _Start:
    """What a child is to be."""

    program: str
    arguments: Sequence[str]
    environment: dict[str, str]
    directory: str
    open_files: tuple[int, int]
    on_terminal: bool


class ForkServer:
    """Starts `trionet`; `close` ends what is left."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # Whoever presses Ctrl-C wants to stop pytest; what that does ends the server.
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
        """Start `trionet ARGUMENTS...`, as `start`; also with `subprocess.PIPE`."""
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
        """End the server and all that it has started."""
        self._control.close()
        self._server.wait()


# The server's side.


def _load() -> None:
    """Import what any run of the program may import."""
    import trionet.cli

    for module in pkgutil.iter_modules(trionet.cli.__path__, "trionet.cli."):
        importlib.import_module(module.name)
    # What others import when they are used, such as typer to read a command line and to show what
    # is wrong with it, is seen in a child that does this.
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
    # The children then share these objects' memory, which a collection would touch.
    gc.collect()
    gc.freeze()


def _serve(control: socket.socket) -> _Start | None:
    """Start what is asked for, until there is nobody to ask.

    Returns in each child: what it is to be; in the server: ``None``, at the end.
    """
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # What runs, and who is told of its end; nobody, if the tests have let go of it.
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
    # The tests may have let go just now.
    with suppress(OSError):
        link.sendall(b"%d\n" % number)


def _become(start: _Start) -> None:
    """Make of this process what a new one would be; its standard streams are there already."""
    if start.on_terminal:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    resource.setrlimit(resource.RLIMIT_NOFILE, start.open_files)
    os.chdir(start.directory)
    os.environ.clear()
    os.environ.update(start.environment)
    # Named as the installed program.
    sys.argv = ["trionet", *start.arguments]
    # As the interpreter opens them; the server's do not know whether they are a terminal now.
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
    # Python does so for its own. Trio's, by which it shuffles tasks, would be the same in each.
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
    """End as the interpreter does, less what nobody sees and costs twice as much as all else.

    It would take every object apart, and so copy all the memory that is shared with the server.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if not stream.closed:
                stream.flush()
    except OSError:
        # The interpreter has its own words for that, and its own status.
        return
    os._exit(status & 0xFF)


if __name__ == "__main__":
    _main()
