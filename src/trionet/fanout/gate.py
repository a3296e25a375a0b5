"""A gate before a full log: tasks wait for room and are let in a few at a time.

Waking every waiting task for each batch would not do: waking 10,000, of whom 16 find room, would
take longer than the batch. So the gate lets in twice as many as found room last time, and each of
them checks whether there is room left.

There are two queues, each in order of arrival: for tasks with little to append, and for tasks with
much. They take turns. So a member who writes one line does not wait until each of 300 others has
appended a hundred, and nobody waits for ever. (Tasks let in at the same time run in any order, so
those with much would take the room first.)
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, islice

import trio

# At least this many are let in, so that the number can grow again after nobody found room.
_LET_IN_AT_LEAST = 4

# When others have been quicker than the first task in the queue this many times, it is let in
# alone.
_TRIES = 2


class _Place:
    """A place in the queue.

    Attributes:
        let_in: set when it is worth checking whether there is room.
        tries: how often it was set.
    """

    __slots__ = ("let_in", "tries")

    def __init__(self) -> None:
        self.let_in = trio.Event()
        self.tries = 0


class _Queue:
    """Tasks that wait, in order of arrival.

    Attributes:
        places: their places; empty: nobody waits.
    """

    __slots__ = ("_passed", "places")

    def __init__(self) -> None:
        self.places: dict[_Place, None] = {}
        # How many tasks have passed since some were last let in.
        self._passed = 0

    async def wait(self, may_pass: Callable[[], bool]) -> None:
        place = _Place()
        self.places[place] = None
        try:
            while True:
                await place.let_in.wait()
                if may_pass():
                    break
                place.let_in = trio.Event()
            self._passed += 1
        finally:
            del self.places[place]

    def let_some_in(self) -> None:
        count, self._passed = _LET_IN_AT_LEAST + 2 * self._passed, 0
        if next(iter(self.places)).tries >= _TRIES:
            count = 1
        for place in islice(self.places, count):
            place.tries += 1
            place.let_in.set()


class Gate:
    """Tasks that wait for room. A gate is true while some do."""

    __slots__ = ("_long", "_short", "_turn")

    def __init__(self) -> None:
        self._short = _Queue()
        self._long = _Queue()
        # The queue whose turn it was last.
        self._turn = self._long

    def __bool__(self) -> bool:
        return bool(self._short.places or self._long.places)

    async def wait(self, may_pass: Callable[[], bool], *, is_short: bool = False) -> None:
        """Wait to be let in, until there is room.

        Args:
            may_pass: tells whether there is room; called each time the task is let in.
            is_short: whether the task has little to append.

        Cancellation: gives up the place in the queue.
        """
        await (self._short if is_short else self._long).wait(may_pass)

    def let_some_in(self) -> None:
        """Let in the first tasks of one queue. Some task must wait. Never a checkpoint."""
        other = self._long if self._turn is self._short else self._short
        if other.places:
            self._turn = other
        self._turn.let_some_in()

    def let_all_in(self) -> None:
        """Let in every task. Never a checkpoint."""
        for place in chain(self._short.places, self._long.places):
            place.let_in.set()
