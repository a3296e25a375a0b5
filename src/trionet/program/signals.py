"""Count the signals that ask a program to end, whatever its event loop is doing.

``trio.open_signal_receiver`` hands a signal to a task, so a busy loop (a handler that never awaits,
thousands of connections to close) never sees the second one. Here the raw handler counts, which
Python runs between two bytecodes of the main thread; the loop is only notified.
"""

from __future__ import annotations

import _thread
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import trio

INTERRUPTED = 130

_SIGHUP = getattr(signal, "SIGHUP", None)

# Whoever starts the program may have it ignore these on purpose, as `nohup` does.
_IGNORABLE = (_SIGHUP, getattr(signal, "SIGQUIT", None))

# The time that a cancelled server has after the second signal to clean up, for example to remove
# the file of a Unix socket. The process is promised to end within a second. This is half of it,
# because with thousands of connections the kernel needs a part of the rest, and so does a loaded
# machine.
_GOODBYE_SECONDS = 0.5

# `timeout` and some terminals send the same signal twice at once, to the process and to its group.
# Between the two, the sender may wait for its turn on a busy machine. So a task learns of the first
# signal only after this time, and until then the same signal counts once. Whoever reacts to what
# the program does about the first is heard at once. A stuck loop notices nothing, so there the
# time alone decides.
_SAME_SECONDS = 0.05


class Ending:
    """Counts the signals that ask a server to end. The second ends the process within a second.

    Attributes:
        count: how many have come.
        number: the first of them; 0 if none has come.
        is_early: whether the first came before the server could listen. Then the server has not
            ended as it should: the program ends by the signal.
        hangup_ends: whether SIGHUP asks to end too. It asks a server to reload; `wait_hangup` waits
            for it.
        reports_at_once: whether `wait` reports the first signal without delay. Then the time alone
            decides whether the same signal counts again.
    """

    hangup_ends = False
    reports_at_once = False

    def __init__(self) -> None:
        self.count = 0
        self.number = 0
        self.is_early = False
        self._last = (0, 0.0)
        self._hangups = 0
        self._is_noticed = False
        self._is_over = False
        self._token: trio.lowlevel.TrioToken | None = None
        self._changed = trio.lowlevel.ParkingLot()

    def take(self, number: int) -> None:
        """Count a signal. Called in the raw handler, between any two bytecodes."""
        if number == _SIGHUP and not self.hangup_ends:
            self._hangups += 1
        elif self._is_repeated(number):
            return
        else:
            self.count += 1
            self.number = self.number or number
            self.counted(number)
        if self._token is not None:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._notify, idempotent=True)

    def counted(self, number: int) -> None:  # noqa: ARG002  (a subclass uses it)
        """Do what must be done at once about a signal. Called by `take`, in the raw handler."""
        if self.count == 2:
            self.end_process_after(_GOODBYE_SECONDS, lambda: os._exit(INTERRUPTED))

    def end_process_after(self, seconds: float, end: Callable[[], object]) -> None:
        """End the process after a time, even if its main thread is stuck, unless it is `over`.

        Args:
            seconds: how long the program has to end by itself.
            end: ends the process; called in a thread.
        """

        def end_late() -> None:
            time.sleep(seconds)
            if not self._is_over:
                end()

        try:
            # Not by `threading`: the code that the signal interrupted may hold its locks.
            _thread.start_new_thread(end_late, ())
        except RuntimeError:
            # There are no more threads.
            end()

    def over(self) -> None:
        """Say that the program ends by itself, so that nothing has to end it."""
        self._is_over = True

    async def wait(self, count: int) -> None:
        """Wait until `count` signals that ask to end have come. Always a checkpoint.

        Unless `reports_at_once` is set, the first is reported a little later than it comes: the
        same signal may be sent twice.

        Cancellation: loses no signal.
        """
        await self._wait(lambda: self.count >= count)
        if not (self._is_noticed or self.reports_at_once):
            await trio.sleep(_SAME_SECONDS)
            self._is_noticed = True

    async def wait_hangup(self) -> None:
        """Wait for a SIGHUP, or for several at once. Always a checkpoint.

        Cancellation: loses no signal.
        """
        await self._wait(lambda: self._hangups > 0)
        self._hangups = 0

    async def _wait(self, has_come: Callable[[], bool]) -> None:
        self._token = trio.lowlevel.current_trio_token()
        await trio.lowlevel.checkpoint()
        # If a signal comes between the check and the parking, `_notify` runs after the parking.
        while not has_come():
            await self._changed.park()

    def _notify(self) -> None:
        self._changed.unpark_all()

    def _is_repeated(self, number: int) -> bool:
        before, when = self._last
        self._last = (number, time.monotonic())
        is_soon = self._last[1] - when < _SAME_SECONDS
        return number == before and is_soon and not self._is_noticed


@contextmanager
def signals_taken_by(
    take: Callable[[int], object], *numbers: int, is_last: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Have the raw handler pass signals to a function for as long as the block runs.

    If SIGHUP and SIGQUIT are ignored, as under ``nohup``, they stay ignored.

    Args:
        take: is called with the number of each signal.
        numbers: the signals.
        is_last: is asked when the block ends: whether the process exits now and its status must not
            change. Then the signals are ignored from there on; default: they do again what they did
            before.

    Raises:
        RuntimeError: this is not the main thread. Only there can signals be handled.
    """
    before = {}
    try:
        try:
            for number in numbers:
                if number in _IGNORABLE and signal.getsignal(number) is signal.SIG_IGN:
                    continue
                before[number] = signal.signal(number, lambda number, _frame: take(number))
        except ValueError:
            raise RuntimeError("signals can be handled only in the main thread") from None
        yield
    finally:
        ignores = is_last()
        for number, handler in before.items():
            if ignores:
                signal.signal(number, signal.SIG_IGN)
                continue
            # None: it was not installed from Python, and cannot be restored from here.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
