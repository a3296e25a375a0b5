"""Signals that ask a program to end, counted whatever its event loop is doing.

``trio.open_signal_receiver`` hands a signal to a task, so a loop that is busy (a handler that never
awaits, thousands of connections to close) never sees the second one. Here the raw handler counts:
Python runs it between two bytecodes of the main thread. The loop is only told.
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

# Who starts the program may have it ignore these on purpose, as `nohup` does.
_IGNORABLE = (_SIGHUP, getattr(signal, "SIGQUIT", None))

# After the second signal, for what a cancelled server does on its way out, such as removing the
# file of a Unix socket. Half of the second that the second signal is promised: with thousands of
# connections the kernel takes a part of the rest, and a loaded machine another.
_GOODBYE_SECONDS = 0.5

# `timeout` and some terminals send the same signal twice within microseconds, to the process and
# to its group. Those two count as one if the second comes before the loop has noticed the first,
# and, in case the loop is stuck, within this time.
_SAME_SECONDS = 0.05


class Ending:
    """Counts the signals that ask a server to end; the second ends the process within a second.

    Attributes:
        count: how many have come.
        number: the first of them; 0: none has come.
    """

    # SIGHUP asks a server for something else; `wait_hangup` waits for it.
    hangup_ends = False

    def __init__(self) -> None:
        self.count = 0
        self.number = 0
        self._last = (0, 0.0)
        self._hangups = 0
        self._is_noticed = False
        self._is_over = False
        self._token: trio.lowlevel.TrioToken | None = None
        self._changed = trio.lowlevel.ParkingLot()

    def take(self, number: int) -> None:
        """Count a signal. For the raw handler: it runs between any two bytecodes."""
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

    def counted(self, number: int) -> None:  # noqa: ARG002  (a subclass asks which)
        """Do what a signal demands at once. Called by `take`, under its conditions."""
        if self.count == 2:
            self.end_process_after(_GOODBYE_SECONDS, lambda: os._exit(INTERRUPTED))

    def end_process_after(self, seconds: float, end: Callable[[], object]) -> None:
        """End the process after a time, even if its main thread is stuck; unless it is `over`.

        Args:
            seconds: until then the program may end by itself.
            end: ends it; called in a thread.
        """

        def end_late() -> None:
            time.sleep(seconds)
            if not self._is_over:
                end()

        try:
            # And not by `threading`: its locks may be held by what the signal has interrupted.
            _thread.start_new_thread(end_late, ())
        except RuntimeError:
            # No more threads are to be had.
            end()

    def over(self) -> None:
        """Tell that the program ends by itself, and need not be ended."""
        self._is_over = True

    async def wait(self, count: int) -> None:
        """Wait until so many signals have come that ask to end. Always a checkpoint."""
        await self._wait(lambda: self.count >= count)
        self._is_noticed = True

    async def wait_hangup(self) -> None:
        """Wait for a SIGHUP, or for several that come at once. Always a checkpoint."""
        await self._wait(lambda: self._hangups > 0)
        self._hangups = 0

    async def _wait(self, has_come: Callable[[], bool]) -> None:
        self._token = trio.lowlevel.current_trio_token()
        await trio.lowlevel.checkpoint()
        # A signal that comes between the question and the parking is told behind the parking.
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
def signals_taken_by(take: Callable[[int], object], *numbers: int) -> Iterator[None]:
    """Have signals handed to a function, in the raw handler, for as long as the block runs.

    SIGHUP and SIGQUIT stay ignored if they are, as under ``nohup``.

    Raises:
        RuntimeError: this is not the main thread, where alone signals are handled.
    """
    before = {}
    try:
        try:
            for number in numbers:
                if number in _IGNORABLE and signal.getsignal(number) is signal.SIG_IGN:
                    continue
                before[number] = signal.signal(number, lambda number, _frame: take(number))
        except ValueError:
            raise RuntimeError("signals can be handled in the main thread alone") from None
        yield
    finally:
        for number, handler in before.items():
            # None: whoever installed it was not Python, and it cannot be put back from here.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
