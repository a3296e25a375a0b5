"""The task that writes a history file, and what it does when the disk is slow or fails.

It takes what has come since the last batch, has a thread write it as one transaction, and so on.
Between batches it does the upkeep: it forgets what is old, and goes on with the index.

Nobody ever waits for the disk, except a member who talks faster than the disk writes. When the disk
has failed, or stands still for 1 s, nobody waits at all, and it is tried again every second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from math import inf
from pathlib import Path
from typing import TypeVar

import trio

from trionet.chat.history.faults import FAULTS, reason_of
from trionet.chat.history.history import DAY
from trionet.chat.history.prepared_rows import Prepared
from trionet.chat.history.store import Store
from trionet.chat.history.unwritten import Unwritten

T = TypeVar("T")

# For how many seconds messages are collected before they are written. At 10,000 messages/s, batches
# of 2,000 take half as long to index as batches of 100. A kill -9 loses this and one batch.
_COLLECT = 0.2

# How many messages are one batch: some 50 ms.
_BATCH = 2_048

# With this many bytes, nothing more is collected: they are written.
_MANY_BYTES = 1 << 20

# With this much unwritten, members wait until some of it is written: in messages, in bytes, and in
# seconds since the oldest came. A kill -9 loses what waits: with the bound in bytes alone (4 MiB),
# that was 33,000 messages from 2 s in which many came at once and the processor was busy. Either
# bound takes 0.1 to 0.5 s to write.
_AHEAD_MESSAGES = 3 * _BATCH
_AHEAD = 3 << 20
_BEHIND = 0.5

# How exactly the writer remembers when something came, in seconds, and how far back.
_GRAIN = 0.02
_GRAINS = 100

# After this many seconds without progress nobody waits any more.
_STUCK = 1.0

# How often a disk that has failed is tried again, in seconds.
_RETRY = 1.0

# How often old events are looked for, in seconds.
_FORGET_EVERY = 60.0


class Writer:
    """Writes what is not in a history file yet.

    Args:
        file: the file, for what is told of it.
        store: the same, open.
        unwritten: what is not in it yet. Call `expect` before something is put there.
        days: for how many days events are kept; ``None``: for ever.
        forget: called with a time, in milliseconds since 1970, UTC: what was before is old.
        tell: called with one line when the disk begins to fail, and when it works again.
        clock: returns the time, in milliseconds since 1970, UTC.

    Attributes:
        change: set, and replaced, whenever something was written or done, or has failed.
        has_looked: whether old events were looked for.
    """

    def __init__(
        self,
        file: Path,
        store: Store,
        unwritten: Unwritten,
        *,
        days: int | None,
        forget: Callable[[int], object],
        tell: Callable[[str], object],
        clock: Callable[[], int],
    ) -> None:
        self._file = file
        self._store = store
        self._unwritten = unwritten
        self._days = days
        self._forget = forget
        self._tell = tell
        self._clock = clock
        self.change = trio.Event()
        self.has_looked = False
        # When the oldest came that is not written, and later ones: times, and how many events came
        # before.
        self._came: deque[tuple[float, int]] = deque(maxlen=_GRAINS)
        self._wake = trio.Event()
        # Set when there is enough to write that nothing more need be collected.
        self._enough = trio.Event()
        self._progress = trio.current_time()
        self._has_failed = False
        self._has_told = False
        # Somebody has waited since the last batch was begun, so the next is written in haste.
        self._is_waited_for = False
        self._limiter = trio.CapacityLimiter(1)
        self._next_forget = 0.0

    def expect(self) -> None:
        """Take note that there is about to be something to write. Never a checkpoint."""
        now, came = trio.current_time(), self._came
        if not self._unwritten:
            self._progress = now
            came.clear()
            # Only then does anything wait for it.
            self._wake.set()
        if not came or now - came[-1][0] >= _GRAIN:
            came.append((now, self._unwritten.position + len(self._unwritten)))
        if self._has_enough():
            self._enough.set()

    @property
    def must_wait(self) -> bool:
        """Whether `wait` may wait: the disk is behind, and has not failed."""
        return self._is_behind() and not self._has_failed

    async def wait(self) -> None:
        """Wait while the disk is behind, but not for one that has failed or stands still.

        Cancellation:
            A checkpoint only if it waits.
        """
        while self.must_wait:
            self._is_waited_for = True
            self._enough.set()
            patience = self._progress + _STUCK - trio.current_time()
            if patience <= 0:
                return
            with trio.move_on_after(patience):
                await self.change.wait()

    def age(self) -> float:
        """Return how long ago the oldest came that is not written, in seconds."""
        came = self._came
        while len(came) > 1 and came[1][1] <= self._unwritten.position:
            came.popleft()
        return trio.current_time() - came[0][0] if self._unwritten and came else 0.0

    def _has_enough(self) -> bool:
        """Return whether there is enough to write that nothing more need be collected."""
        return self._unwritten.messages >= _BATCH or self._unwritten.bytes >= _MANY_BYTES

    def _is_behind(self) -> bool:
        unwritten = self._unwritten
        if not unwritten.messages:
            return False
        if unwritten.messages >= _AHEAD_MESSAGES or unwritten.bytes >= _AHEAD:
            return True
        # This is asked for each batch of lines, and `age` takes longer. The oldest that is not
        # written came no earlier than the first that is noted.
        came = self._came
        if came and trio.current_time() - came[0][0] < _BEHIND:
            return False
        return self.age() >= _BEHIND

    async def run(self) -> None:
        """Write until cancelled.

        Cancellation:
            A thread that writes is abandoned. What it has written is known to the store.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            while True:
                try:
                    if self._unwritten:
                        await self._write_batch()
                    has_more = await self._take_care()
                except FAULTS as error:
                    self._failed(error)
                    await trio.sleep(_RETRY)
                    continue
                await self._collect(has_more)

    async def finish(self, until: float, close: Callable[[], object]) -> None:
        """Write what is left, as far as there is time, and close the file. `run` has ended.

        Args:
            until: when it must have ended, on the Trio clock.
            close: what closes the file; it runs in a thread, and may be called twice.

        Cancellation:
            A thread that hangs in the disk is abandoned. Once it is done, another closes the file.
        """
        # A new limiter: a thread that was given up may hold the old one.
        self._limiter = trio.CapacityLimiter(1)
        seconds = max(0.0, until - trio.current_time())
        problem = f"it took longer than {seconds:.2g} seconds"
        with trio.move_on_at(until) as scope:
            try:
                while self._unwritten:
                    await self._write_batch()
                if not self._unwritten.has_lost:
                    await self._in_thread(self._store.mark_clean)
                problem = ""
                # The index is large, and the next start goes on with it.
                while self._store.has_work and not self._store.must_truncate:
                    if until - trio.current_time() < seconds / 2:
                        break
                    await self._in_thread(self._store.work)
            except FAULTS as error:
                problem = reason_of(error)
            await self._in_thread(close)
        if scope.cancelled_caught:
            # It waits for the thread that hangs, and nobody waits for it.
            trio.lowlevel.start_thread_soon(close, lambda _closed: None)
        if problem:
            lost = self._unwritten.messages
            if lost:
                problem += f"; {lost} event{'' if lost == 1 else 's'} may be lost, such as messages"
            self._tell(f"could not write all of the history to {self._file}: {problem}")

    async def _collect(self, has_more: bool) -> None:
        """Wait until it is time to write again, or to go on with what else there is to do."""
        if not self._unwritten:
            if has_more:
                return
            self._wake = trio.Event()
            seconds = inf if self._days is None else _FORGET_EVERY
            with trio.move_on_after(_RETRY if self._store.has_work else seconds):
                await self._wake.wait()
        self._enough = trio.Event()
        if self._unwritten and not self._has_enough():
            with trio.move_on_after(max(0.0, _COLLECT - self.age())):
                await self._enough.wait()

    async def _take_care(self) -> bool:
        """Do a step of the upkeep; return whether another can follow at once."""
        if self._store.has_work:
            await self._in_thread(self._store.work)
            self._changed()
            # While somebody reads, the log cannot be cut off. That is tried again later.
            return self._store.has_work and not self._store.must_truncate
        if self._days is None or trio.current_time() < self._next_forget:
            return False
        now = self._clock()
        before = now - self._days * DAY
        self._forget(before)
        if await self._in_thread(partial(self._store.forget, before, now)):
            return True
        self._next_forget = trio.current_time() + _FORGET_EVERY
        self.has_looked = True
        self._changed()
        return False

    async def _write_batch(self) -> None:
        events, position = self._unwritten.first(_BATCH), self._unwritten.position
        rows = Prepared(has_index=self._store.has_index, in_haste=self._is_waited_for)
        self._is_waited_for = False
        for _ in rows.add(events):
            # Everybody else has a turn.
            await trio.lowlevel.checkpoint()
        written = await self._in_thread(partial(self._store.write_rows, rows, position))
        self._unwritten.written(written)
        self._progress = trio.current_time()
        self._has_failed = False
        self._changed()
        if self._has_told:
            self._has_told = False
            self._tell(f"the history is written to {self._file} again")

    def _failed(self, error: Exception | str) -> None:
        self._has_failed = True
        # Nobody waits for it any more.
        self._changed()
        if not self._has_told:
            self._has_told = True
            reason = error if isinstance(error, str) else reason_of(error)
            self._tell(f"cannot write to {self._file}: {reason}; the chat keeps it in memory")

    def _changed(self) -> None:
        self.change.set()
        self.change = trio.Event()

    async def _watch(self) -> None:
        """Tell of a disk that stands still."""
        while True:
            await self._wake.wait()
            await trio.sleep(_STUCK)
            stands_still = trio.current_time() - self._progress >= _STUCK + _COLLECT
            if self._unwritten and stands_still and not self._has_told:
                self._failed("it does not answer")

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(
            function, abandon_on_cancel=True, limiter=self._limiter
        )
