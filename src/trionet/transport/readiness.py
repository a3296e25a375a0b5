"""Wait for input on thousands of sockets through one shared epoll instance.

Trio's ``wait_readable`` arms a socket in epoll for one wait, allocates a record for it, and takes
both apart when input comes. Here each socket is registered once, edge-triggered, in a separate
epoll instance, and one task wakes the tasks whose input has come. Compared with Trio's way, a
request with its reply takes a tenth less time and one system call less, and an idle connection
0.5 KiB less memory. It costs one more round of the scheduler, shared by all tasks whose input comes
at the same time.

A connection can also be served without its task: `Input.on_input` is called in place of waking it,
for all connections that are ready, in one loop.

Edge-triggered means that the kernel reports input when it comes, not while it is there (epoll(7)).
So

- input that comes while no task waits is remembered until one does;
- a read that filled its buffer may have left something (`Input.more`);
- the end of the input can come together with the last of it, so it is remembered for good;
- a read stops before TCP's urgent data, so one more read follows.

Only Linux has epoll. Elsewhere, for Unix sockets, and for streams that belong to no server, Trio
does the waiting.
"""

from __future__ import annotations

import math
import select
import types
from collections.abc import AsyncGenerator, Callable, Generator
from time import perf_counter
from typing import Any, TypeVar

import outcome
import trio

from trionet.abc import OnInput, Rounds

T = TypeVar("T")

# Events taken at a time; the next round takes the rest.
_EVENTS_AT_ONCE = 1024

# How many connections are served without their tasks between two checkpoints, and for how many
# seconds at most: all other tasks wait that long. The hub allows itself as many seconds.
_CALLS_AT_ONCE = 64
_SECONDS_AT_ONCE = 0.002

HAS_EPOLL = hasattr(select, "epoll")

# Python defines it only where there is epoll.
_INPUT_ALONE = getattr(select, "EPOLLIN", 0)
_INTEREST = sum(
    getattr(select, name, 0) for name in ("EPOLLIN", "EPOLLRDHUP", "EPOLLPRI", "EPOLLET")
)


class _Woken(outcome.Outcome[None]):
    """The value sent into a task that is woken: ``None``.

    An ``outcome.Value(None)`` can be used only once, so Trio makes one for each waking. This one
    object serves all wakings, which spares a request 18 % of the instructions from the packet to
    the handler (28,600 instead of 34,800).
    """

    __slots__ = ()

    def unwrap(self) -> None:
        """Return nothing, any number of times."""

    def send(self, gen: Generator[T, None, object]) -> T:
        """Send nothing into a generator."""
        return gen.send(None)

    async def asend(self, agen: AsyncGenerator[T, None]) -> T:
        """Send nothing into an asynchronous generator."""
        return await agen.asend(None)


WOKEN = _Woken()


class Input:
    """One socket's input, and the task that waits for it. Made by `Readiness.watch`.

    Attributes:
        on_input: called when input comes while a task waits for it; see `trionet.abc.CallsOnInput`.
    """

    __slots__ = ("_last", "_owner", "_trap", "fd", "on_input", "reads", "task")

    def __init__(self, owner: Readiness, fd: int) -> None:
        self._owner = owner
        self.fd = fd
        self.on_input: OnInput | None = None
        # The task that waits for a new event.
        self.task: trio.lowlevel.Task | None = None
        # The task that has waited last.
        self._last: trio.lowlevel.Task | None = None
        # How many reads are worth trying although the kernel will report nothing new. Infinite once
        # the peer has ended or reset the connection: a read never blocks again.
        self.reads: float = 0
        self._trap: object = _Trap(self)

    @types.coroutine
    def wait(self) -> Generator[Any, Any, None]:
        """Wait until a read is likely to return something.

        Raises:
            trio.BusyResourceError: another task waits already.

        Cancellation: loses nothing. Always a checkpoint.
        """
        if self.reads:
            yield from trio.lowlevel.checkpoint()  # noqa: ASYNC105
            # Another task may have taken the last read during the checkpoint.
            self.reads = max(self.reads - 1, 0)
            return
        if self.task is not None:
            raise trio.BusyResourceError("another task waits for this socket's input")
        task = self._last
        # Nearly always the same task waits, and then its coroutine runs now. Asking it spares a
        # request 2 % of its instructions (52,900 to 51,700, callgrind), because Trio looks for the
        # current task in a variable of the thread.
        if task is None or not task.coro.cr_running:
            task = self._last = trio.lowlevel.current_task()
        self.task = task
        woken = yield self._trap
        if woken is not WOKEN:
            woken.unwrap()

    def __call__(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        """End a wait that is cancelled.

        This object is itself the abort function that Trio calls. A method would be one more object
        for each wait, and 2 % more instructions for each request.
        """
        self.task = None
        return trio.lowlevel.Abort.SUCCEEDED

    def more(self) -> None:
        """Record that a read filled its buffer, so more may be there. Never a checkpoint."""
        self.reads += 1

    def call_off(self, error: Callable[[], Exception]) -> None:
        """Raise what `error` returns in the task that waits, if one does. Never a checkpoint."""
        task, self.task = self.task, None
        if task is not None:
            trio.lowlevel.reschedule(task, outcome.Error(error()))

    def discard(self, error: Callable[[], Exception]) -> None:
        """Stop watching the socket. Call this before it is closed. Never a checkpoint.

        Args:
            error: returns what is raised in the task that waits, if one does.
        """
        self.call_off(error)
        self._owner.forget(self.fd)
        # The trap holds this object, and would be a cycle for the garbage collector. So would the
        # task, if it goes on.
        self._trap = self._last = None


def _kind_of_trap() -> Callable[[Callable[[object], trio.lowlevel.Abort]], object]:
    """Return the class of what ``trio.lowlevel.wait_task_rescheduled(abort)`` yields to Trio.

    The scheduler is told nothing but the abort function, and that is the same for each wait on a
    socket. So what is yielded is made once for each socket, and each of its waits yields it again.
    To have it from a wait that is given up takes 5,500 instructions more, a hundredth of a login.
    """
    waiting = trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.SUCCEEDED)  # noqa: ASYNC105
    told = waiting.send(None)
    waiting.close()
    return type(told)


_Trap = _kind_of_trap()


class Readiness:
    """Tells which of many sockets have input. Needs `HAS_EPOLL`.

    Args:
        rounds: is told how many tasks were woken together, before they run; default ``None``.

    Resource handling: `run` must run; when it ends, it closes the epoll instance.
    """

    def __init__(self, rounds: Rounds | None = None) -> None:
        self._rounds = rounds
        self._epoll = select.epoll()
        self._inputs: dict[int, Input] = {}
        # Whether sockets have been added whose tasks may not have begun to wait.
        self._has_new = False

    def watch(self, fd: int) -> Input:
        """Watch a socket. Input that it already has counts. Never a checkpoint.

        Args:
            fd: its descriptor. Call `Input.discard` before it is closed.

        Raises:
            OSError: the kernel has no room for it (ENOSPC: epoll's max_user_watches).
        """
        self._epoll.register(fd, _INTEREST)
        watched = self._inputs[fd] = Input(self, fd)
        self._has_new = True
        return watched

    def forget(self, fd: int) -> None:
        """Stop watching a socket; called by `Input.discard`."""
        del self._inputs[fd]
        # A close would unregister it too, but not while another process or descriptor shares it.
        if not self._epoll.closed:
            self._epoll.unregister(fd)

    async def run(self) -> None:
        """Wake the tasks whose input comes, until cancelled.

        Cancellation: closes the epoll instance, so whoever still waits with it waits for ever.
        """
        try:
            while True:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
                if self._has_new:
                    # Tasks that have just been started begin to wait in this round. Told of their
                    # input before that, each would take one more round of its own: of a thousand
                    # who join, up to three quarters did.
                    self._has_new = False
                    await trio.lowlevel.checkpoint()
                woken, served = self._wake()
                if served:
                    woken = await self._serve(served, woken)
                if woken and self._rounds is not None:
                    self._rounds.begin(woken)
        finally:
            self._epoll.close()

    def _wake(self) -> tuple[int, list[Input]]:
        """Wake the tasks whose input has come.

        Returns:
            How many tasks were woken, and the inputs to serve without waking their tasks.
        """
        inputs, reschedule = self._inputs, trio.lowlevel.reschedule
        served: list[Input] = []
        woken = 0
        # There is no checkpoint here, so no socket is closed and each descriptor keeps its meaning.
        for fd, what in self._epoll.poll(0, _EVENTS_AT_ONCE):
            input_ = inputs[fd]
            task = input_.task
            if what != _INPUT_ALONE:
                _note(input_, what)
            elif task is not None and input_.on_input is not None:
                served.append(input_)
                continue
            if task is not None:
                input_.task = None
                reschedule(task, WOKEN)
                woken += 1
            else:
                input_.reads = max(input_.reads, 1)
        return woken, served

    async def _serve(self, served: list[Input], woken: int) -> int:
        """Call `on_input` of each, and of those whose input comes meanwhile.

        Args:
            served: the inputs.
            woken: how many tasks `_wake` has woken. They run at the next checkpoint.

        Returns:
            How many tasks that `_wake` has woken have not run yet.
        """
        calls, until = 0, perf_counter() + _SECONDS_AT_ONCE
        while served:
            done = 0
            if self._rounds is not None:
                self._rounds.begin(len(served), flushes=True)
            # Once for all calls: a look at Trio's clock for each takes 1 % of its instructions.
            now = trio.current_time()
            try:
                for input_ in served[: _CALLS_AT_ONCE - calls]:
                    done += 1
                    on_input = input_.on_input
                    if input_.task is None or on_input is None:
                        # The wait has ended since the event came, so the next one has something to
                        # read.
                        input_.reads = max(input_.reads, 1)
                        continue
                    may_wait = on_input(now)
                    is_late = perf_counter() > until
                    # What was called may have ended the wait.
                    if (not may_wait or is_late or input_.reads) and input_.task is not None:
                        task, input_.task = input_.task, None
                        trio.lowlevel.reschedule(task, WOKEN)
                    if is_late:
                        break
            finally:
                if self._rounds is not None:
                    self._rounds.flush()
            calls += done
            del served[:done]
            if served:
                await trio.lowlevel.checkpoint()
                woken, calls, until = 0, 0, perf_counter() + _SECONDS_AT_ONCE
            elif not woken and calls < _CALLS_AT_ONCE and perf_counter() < until:
                # Clients that were answered first have asked again. Looking at once takes 6 % less
                # time than waiting in Trio's own loop first.
                woken, served = self._wake()
        return woken


def _note(input_: Input, what: int) -> None:
    """Record what an event reports besides input."""
    if what & select.EPOLLPRI:
        # The first read stops at the urgent data, so allow one more than otherwise.
        input_.reads = max(input_.reads, 1 if input_.task is not None else 2)
    if what & (select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR):
        input_.reads = math.inf


def let_wait_with(stream: object, readiness: Readiness) -> None:
    """Make a stream wait with `readiness` if it can, as trionet's socket streams can."""
    wait_with = getattr(stream, "wait_with", None)
    if wait_with is not None:
        wait_with(readiness)
