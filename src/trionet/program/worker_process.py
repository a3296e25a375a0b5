"""One worker as its parent sees it: its process, its sockets, what it prints and counts.

`trionet.program.workers` decides when a worker starts, starts again and ends;
`trionet.program.worker` is the other end of the link.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import trio

from trionet.metrics import Reading, add_up
from trionet.program.relay import numbered, relay_lines
from trionet.program.worker import MAX_NUMBERS, READY, VARIABLE, numbers_of, variable_for
from trionet.transport.shared import SharedAddress

# How long the pipes of a process that has ended are still read.
_LAST_OUTPUT_SECONDS = 1.0

# What is left of this after a second signal is enough for a worker to remove its files.
_GOODBYE_SECONDS = 0.3

# Meant for the parent alone.
_NOT_INHERITED = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS",
                  "LISTEN_FDNAMES")  # fmt: skip


class WorkerProcess:
    """A worker through all its lives: one process after another.

    Args:
        number: which it is, from 1 on.
        command: what it runs, with its arguments.
        shared: where it serves.
        show: called with each line that it prints on its standard output.
        show_error: called with each line of its log, with its number in it.

    Attributes:
        number: which it is, from 1 on.
        was_ready: whether it began to serve in its last life.
        last_error: the reason that it gave for its end, without ``error: ``; empty: none.
    """

    def __init__(
        self,
        number: int,
        command: Sequence[str],
        shared: Sequence[SharedAddress],
        *,
        show: Callable[[str], object],
        show_error: Callable[[str], object],
    ) -> None:
        self.number = number
        self.was_ready = False
        self.last_error = ""
        self._command = command
        self._shared = shared
        self._show = show
        self._show_error = show_error
        # What it has counted in its last life, and in those before.
        self._numbers: list[Reading] = []
        self._earlier: list[Reading] = []
        self._sockets: list[tuple[str, list[socket.socket]]] = []
        self._process: trio.Process | None = None

    @property
    def is_running(self) -> bool:
        """Whether its process has begun and not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def numbers(self) -> list[Reading]:
        """What it has counted so far, in all its lives."""
        return [*self._numbers, *self._earlier]

    @property
    def how_it_ended(self) -> str:
        """How the last process ended, in words."""
        status = None if self._process is None else self._process.returncode
        if status is None:
            return "could not be started"
        if status >= 0:
            return f"ended with status {status}"
        try:
            return f"died of {signal.Signals(-status).name}"
        except ValueError:
            return f"died of signal {-status}"

    def send_signal(self, number: int) -> None:
        """Send a signal to its process, if it runs."""
        if self.is_running:
            assert self._process is not None
            self._process.send_signal(number)

    def close_sockets(self) -> None:
        """Close the sockets here. A process that runs has its own descriptors of them."""
        for _, socks in self._sockets:
            for sock in socks:
                sock.close()
        self._sockets = []

    async def run(self, ready: Callable[[], object]) -> None:
        """Start the process, and return when it has ended.

        Args:
            ready: called when it serves.

        Raises:
            OSError, ListenError: it cannot be started.

        Cancellation: ends the process.
        """
        self.was_ready = False
        self.last_error = ""
        ours, theirs = socket.socketpair()
        link = trio.socket.from_stdlib_socket(ours)
        with link:
            with theirs:
                process = await self._start(theirs)
            self._process = process
            async with _ended_at_last(process), trio.open_nursery() as nursery:
                assert process.stdout is not None
                assert process.stderr is not None
                nursery.start_soon(relay_lines, process.stdout, self._show)
                nursery.start_soon(relay_lines, process.stderr, self._take_error)
                nursery.start_soon(self._hear, link, ready)
                await process.wait()
                # All that it has printed is in the pipes. A child of its own may hold them open.
                nursery.cancel_scope.deadline = trio.current_time() + _LAST_OUTPUT_SECONDS
            # What has been counted stays counted; what was so at its end is so no longer.
            counted = [one for one in self._numbers if one.kind != "gauge"]
            self._earlier, self._numbers = add_up([*self._earlier, *counted]), []

    async def _start(self, link: socket.socket) -> trio.Process:
        if not self._sockets:
            for one in self._shared:
                self._sockets.append((str(one.address), one.open()))
        sockets = [(at, [sock.fileno() for sock in socks]) for at, socks in self._sockets]
        environment = {
            name: value for name, value in os.environ.items() if name not in _NOT_INHERITED
        }
        environment[VARIABLE] = variable_for(self.number, sockets, link.fileno())
        process: trio.Process = await trio.lowlevel.open_process(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[link.fileno(), *(fd for _, fds in sockets for fd in fds)],
            env=environment,
            process_group=0,
        )
        return process

    async def _hear(self, link: trio.socket.SocketType, ready: Callable[[], object]) -> None:
        """Take the lines that the process tells: that it is ready, and then its numbers."""
        waiting = b""
        with suppress(OSError):
            while (data := await link.recv(65536)) and len(waiting) < MAX_NUMBERS:
                *lines, waiting = (waiting + data).split(b"\n")
                for line in lines:
                    if line + b"\n" != READY:
                        self._numbers = numbers_of(line)
                    elif not self.was_ready:
                        self.was_ready = True
                        ready()

    def _take_error(self, line: str) -> None:
        """Show a line of its log. A reason for its end is kept until it is known what follows."""
        if line.startswith("error: "):
            self.last_error = line.removeprefix("error: ")
        else:
            self._show_error(numbered(line, self.number))


@asynccontextmanager
async def _ended_at_last(process: trio.Process) -> AsyncIterator[None]:
    """End a process however the block ends: as by a second signal, and if need be by force."""
    try:
        yield
    finally:
        with trio.CancelScope(shield=True):
            if process.poll() is None:
                process.terminate()
                with trio.move_on_after(_GOODBYE_SECONDS):
                    await process.wait()
            if process.poll() is None:
                process.kill()
            await process.wait()
