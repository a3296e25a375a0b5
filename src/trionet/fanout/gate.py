"""A gate before a full log: tasks wait for room and are let in a few at a time.

Waking every waiting task for each batch would not do: waking 10,000, of whom 16 find room, would
take longer than the batch. So the gate lets in twice as many as found room last time, and each of
them checks whether there is room left.

There are three queues, each in order of arrival: for tasks with little to append, for tasks with
much, and for those that do not know how much. They take turns. So a member who writes one line does
not wait until each of 300 others has appended a hundred, and one who writes a hundred does not wait
until each of 8,000 newcomers has logged in. Nobody waits for ever. (Tasks let in at the same time
run in any order, so those with much would take the room first.)
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from itertools import islice

import trio

# At least this many are let in, so that the number can grow again after nobody found room.
_LET_IN_AT_LEAST = 4

# When others have been quicker than the first task in the queue this many times, it is let in
# alone.
_TRIES = 2


class Much(enum.Enum):
    """How much a task will append."""

    LITTLE = enum.auto()
    MUCH = enum.auto()
    UNKNOWN = enum.auto()


class _Place:
    """A place in the queue.

    Attributes:
        let_in: set when it is worth checking whether there is room.
        tries: how often it was set while this was the first place.
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
        first = next(iter(self.places))
        if first.tries >= _TRIES:
            count = 1
        # Those behind it count their tries once they are the first. Otherwise each of a thousand
        # that came too late twice would be let in alone, long after there was room for all.
        first.tries += 1
        for place in islice(self.places, count):
            place.let_in.set()


class Gate:
    """Tasks that wait for room.

    Attributes:
        waiting: how many do. Every login and every line asks. (When it looked into each queue, that
            was 2 % of a login.)
    """

    __slots__ = ("_queues", "waiting")

    def __init__(self) -> None:
        # The one whose turn it was last is the last.
        self._queues = {much: _Queue() for much in Much}
        self.waiting = 0

    async def wait(self, may_pass: Callable[[], bool], much: Much = Much.UNKNOWN) -> None:
        """Wait to be let in, until there is room.

        Args:
            may_pass: tells whether there is room; called each time the task is let in.
            much: how much the task will append.

        Cancellation: gives up the place in the queue.
        """
        self.waiting += 1
        try:
            await self._queues[much].wait(may_pass)
        finally:
            self.waiting -= 1

    def let_some_in(self) -> None:
        """Let in the first tasks of one queue. Some task must wait. Never a checkpoint."""
        much = next(much for much, queue in self._queues.items() if queue.places)
        queue = self._queues[much] = self._queues.pop(much)
        queue.let_some_in()

    def let_all_in(self) -> None:
        """Let in every task. Never a checkpoint."""
        for queue in self._queues.values():
            for place in queue.places:
                place.let_in.set()
