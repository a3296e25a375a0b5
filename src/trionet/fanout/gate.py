"""A gate before a full log: tasks wait for room in order of arrival and are let in a few at a time.

Waking every waiting task for each batch would not do: to wake all of 10,000, of whom 16 find room,
would take longer than the batch. So the gate lets in twice as many as found room last time, and
each of them looks whether there is room left.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import trio

# Lets in at least this many, so that the number can grow again.
_LET_IN_AT_LEAST = 4

# After the first task in the queue has found this often that others were quicker, it is let in
# alone.
_TRIES = 2


class _Place:
    """A place in the queue.

    Attributes:
        let_in: set when it is worth looking whether there is room.
        tries: how often it was set.
    """

    __slots__ = ("let_in", "tries")

    def __init__(self) -> None:
        self.let_in = trio.Event()
        self.tries = 0


class Gate:
    """Tasks that wait for room.

    Attributes:
        queue: their places, in order of arrival; empty: nobody waits.
    """

    __slots__ = ("_passed", "queue")

    def __init__(self) -> None:
        self.queue: dict[_Place, None] = {}
        # How many tasks have passed since some were last let in.
        self._passed = 0

    async def wait(self, may_pass: Callable[[], bool]) -> None:
        """Wait to be let in, until there is room.

        Args:
            may_pass: tells whether there is room; called each time the task is let in.

        Cancellation: gives up the place in the queue.
        """
        place = _Place()
        self.queue[place] = None
        try:
            while True:
                await place.let_in.wait()
                if may_pass():
                    break
                place.let_in = trio.Event()
            self._passed += 1
        finally:
            del self.queue[place]

    def let_some_in(self) -> None:
        """Let in the first tasks of the queue, which must not be empty. Never a checkpoint."""
        count, self._passed = _LET_IN_AT_LEAST + 2 * self._passed, 0
        if next(iter(self.queue)).tries >= _TRIES:
            count = 1
        for place in islice(self.queue, count):
            place.tries += 1
            place.let_in.set()

    def let_all_in(self) -> None:
        """Let in every task. Never a checkpoint."""
        for place in self.queue:
            place.let_in.set()
