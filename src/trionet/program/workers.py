"""Serve by several processes: start workers, start them again, drain them together.

The plan of this file:

- A worker is the same command, started anew (`trionet.program.worker_process`). An environment
  variable tells it that it is one (`trionet.program.worker`), and its listening sockets come from
  here (`trionet.transport.shared`).
- The first worker starts alone. What is wrong with the command or its files stops it, so that is
  told once; then the others start together.
- A worker that ends unasked is started again, after a pause that grows each time. Its sockets stay
  open meanwhile if the pause is short: whoever waits in their queues is served by the successor. If
  it is long they are closed, and the kernel gives newcomers to the other workers.
- A drain lets go of the sockets first, so that each worker holds the last descriptor of its own. It
  answers its queue and closes it, as a server that is alone does. Whoever is in the queue of a
  worker that is dead at this moment is reset by the kernel.
- Workers have a process group of their own: Ctrl-C reaches the parent alone, which counts it.
- A worker whose parent is gone drains, however that has ended: its end of the link says so.
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import trio

from trionet.errors import TrionetError
from trionet.metrics import Metrics, add_up
from trionet.program.worker_process import WorkerProcess
from trionet.transport.shared import SharedAddress, share_address

# The pause before a worker is started again: after its first end, and after many in a row.
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 30.0

# A worker that has served for this long has not failed at its start: the pauses begin anew.
_STEADY_SECONDS = 60.0

# How long a client in a dead worker's queue waits at most, besides the start of the successor.
_QUEUE_WAITS_SECONDS = 1.0

# A worker cuts off what is left at its drain's deadline, and then ends within a fraction of this.
_BEYOND_DRAIN_SECONDS = 1.0

logger = logging.getLogger("trionet.program")


class WorkerFailed(TrionetError):
    """A worker could not begin to serve; the message is what it said."""


class Workers:
    """Several processes that serve the same addresses; `run_workers` makes it.

    It has what `trionet.program.serving` needs of a `trionet.Server`.

    Args:
        command: what a worker is, with its arguments.
        shared: where they serve.
        count: how many there are.
        drain_seconds: how long a drain may take.
        reloads: whether they have anything to reload on SIGHUP.
        show: called with each line that a worker prints on its standard output.
        show_error: called with each line that a worker prints on its standard error, with the
            worker's number in it.

    Attributes:
        addresses: what they listen on, numeric and with the real ports.
        connections: none: the parent serves nobody.
        queues: none of its own.
        metrics: the numbers of all workers, if they tell them.
    """

    connections = ()
    queues: Mapping[str, Callable[[], object]] = MappingProxyType({})

    def __init__(
        self,
        command: Sequence[str],
        shared: Sequence[SharedAddress],
        *,
        count: int,
        drain_seconds: float,
        reloads: bool,
        show: Callable[[str], object],
        show_error: Callable[[str], object],
    ) -> None:
        self.addresses = tuple(shown for one in shared for shown in one.shown)
        self.metrics = Metrics()
        self.metrics.add(lambda: add_up(one for worker in self._workers for one in worker.numbers))
        self._shared = shared
        self._drain_seconds = drain_seconds
        self._reloads = reloads
        self._show_error = show_error
        self._draining = trio.Event()
        self._ended = trio.Event()
        self._workers = [
            WorkerProcess(number, command, shared, show=show, show_error=show_error)
            for number in range(1, count + 1)
        ]

    @property
    def is_draining(self) -> bool:
        """Whether a drain has begun."""
        return self._draining.is_set()

    async def run(self, task_status: trio.TaskStatus[Workers]) -> None:
        """Start the workers, and keep them running until drained or cancelled.

        Raises:
            WorkerFailed: one could not begin to serve; the others are ended.

        Cancellation: ends the workers at once.
        """
        try:
            async with trio.open_nursery() as nursery:
                first, *others = self._workers
                await nursery.start(self._keep_running, first)
                async with trio.open_nursery() as starting:
                    for worker in others:
                        starting.start_soon(nursery.start, self._keep_running, worker)
                task_status.started(self)
        finally:
            self._ended.set()
            for worker in self._workers:
                worker.close_sockets()

    async def drain(self) -> None:
        """Have all workers drain, and kill those that have not ended at the deadline."""
        self._draining.set()
        for one in self._shared:
            await one.aclose()
        for worker in self._workers:
            worker.close_sockets()
            worker.send_signal(signal.SIGTERM)
        with trio.move_on_after(self._drain_seconds + _BEYOND_DRAIN_SECONDS):
            await self._ended.wait()
        for worker in self._workers:
            if worker.is_running:
                logger.warning(
                    "worker %d did not end in time and was killed",
                    worker.number,
                    extra={"event": "worker"},
                )
                worker.send_signal(signal.SIGKILL)
        await self._ended.wait()

    def reload(self) -> bool:
        """Have the workers reload, and return whether they have anything to reload."""
        if self._reloads:
            self.send_signal(signal.SIGHUP)
        return self._reloads

    def send_signal(self, number: int) -> None:
        """Send a signal to all workers that run."""
        for worker in self._workers:
            worker.send_signal(number)

    async def _keep_running(
        self, worker: WorkerProcess, task_status: trio.TaskStatus[None]
    ) -> None:
        pause = _FIRST_PAUSE_SECONDS
        is_first = True
        while True:
            began = trio.current_time()
            try:
                await worker.run(task_status.started if is_first else lambda: None)
            except (OSError, TrionetError) as error:
                if is_first:
                    raise WorkerFailed(str(error)) from error
                reason = str(error)
            else:
                reason = worker.how_it_ended
            if self._draining.is_set():
                return
            if is_first and not worker.was_ready:
                raise WorkerFailed(worker.last_error or f"worker {worker.number} {reason}")
            is_first = False
            if trio.current_time() - began >= _STEADY_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            said = f": {worker.last_error}" if worker.last_error else ""
            logger.error(
                "worker %d %s%s; it starts again in %g s",
                worker.number,
                reason,
                said,
                pause,
                extra={"event": "worker"},
            )
            if pause > _QUEUE_WAITS_SECONDS:
                worker.close_sockets()
            with trio.move_on_after(pause):
                await self._draining.wait()
                return
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


async def run_workers(
    addresses: Sequence[str],
    *,
    count: int,
    backlog: int | None,
    unix_mode: int | None,
    drain_seconds: float,
    reloads: bool,
    show: Callable[[str], object],
    show_error: Callable[[str], object],
    on_made: Callable[[Workers], object] = lambda _workers: None,
    task_status: trio.TaskStatus[Workers] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve addresses by workers, each of which runs this program with the same arguments.

    Args:
        addresses: see `trionet.parse_address`.
        count: how many workers there are.
        backlog: connections that the kernel holds ready, for each worker.
        unix_mode: the permissions of Unix sockets.
        drain_seconds: how long a drain may take.
        reloads: whether the workers have anything to reload on SIGHUP.
        show: called with each line that a worker prints on its standard output.
        show_error: called with each line of a worker's log, with the worker's number in it.
        on_made: called with the workers before the first one starts.
        task_status: gets the workers once all of them serve.

    Raises:
        ListenError: an address cannot be listened on.
        WorkerFailed: a worker could not begin to serve.

    Cancellation: ends the workers at once.

    Resource handling: nothing that it started or opened is left, however it ends.
    """
    shared: list[SharedAddress] = []
    try:
        for address in addresses:
            # One by one: if an address cannot be taken, those before it are let go.
            shared += [await share_address(address, backlog=backlog, unix_mode=unix_mode)]
        workers = Workers(
            own_command(),
            shared,
            count=count,
            drain_seconds=drain_seconds,
            reloads=reloads,
            show=show,
            show_error=show_error,
        )
        on_made(workers)
        await workers.run(task_status)
    finally:
        with trio.CancelScope(shield=True):
            for one in shared:
                await one.aclose()


def own_command() -> list[str]:
    """Return the command that runs this program again, with the same arguments."""
    # -P: a file in the current folder must not stand in for a module.
    return [sys.executable, "-P", "-m", "trionet", *sys.argv[1:]]
