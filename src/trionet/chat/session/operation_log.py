"""The log: the one order in which operations are applied.

`Log` is what the chat needs of one. `LocalLog` is the log of a server that is alone: it applies an
entry at once, in the same stretch without a checkpoint, so it costs neither speed nor behaviour. A
log that several machines share applies an entry later, when it has come back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from trionet.chat.state.events import StateEvent
from trionet.chat.state.operations import Entry, Operation
from trionet.chat.state.state import State


class Log(Protocol):
    """Where operations go. Their events are handed on once they have been applied.

    `LocalLog` and `trionet.chat.cluster.redis_log.RedisLog` implement it, and
    `trionet.chat.session.switchboard.Switchboard` uses it.
    """

    @property
    def origin(self) -> str:
        """The machine that the log's connections are on."""

    @property
    def is_shared(self) -> bool:
        """Whether other machines append to it too, and operations come back later."""

    @property
    def applied(self) -> int:
        """The operations with this ticket and smaller ones have been applied."""

    @property
    def must_wait(self) -> bool:
        """Whether whoever has more to append has to wait first: `wait_room`."""

    def append(self, *operations: Operation) -> int:
        """Append operations, which stay together. Never a checkpoint.

        Returns:
            A ticket, which grows. 0: they have been applied.
        """

    async def wait(self, ticket: int) -> None:
        """Wait until the operations with a ticket have been applied.

        Cancellation: the operations stay in the log. A checkpoint only if it waits.
        """

    async def wait_news(self) -> None:
        """Wait until operations have been applied, of whatever machine."""

    async def wait_room(self) -> None:
        """Wait until more can be appended; a checkpoint only if it waits."""


class LocalLog:
    """A log on one machine, which keeps nothing: an entry is applied and forgotten.

    Args:
        state: what the entries change.
        clock: returns the time, in milliseconds since 1970, UTC.
        on_events: called with the events of each entry, before `append` returns.
    """

    ORIGIN = "local"

    origin = ORIGIN
    is_shared = False
    applied = 0
    must_wait = False

    def __init__(
        self,
        state: State,
        clock: Callable[[], int],
        on_events: Callable[[list[StateEvent]], object],
    ) -> None:
        self._state = state
        self._clock = clock
        self._on_events = on_events
        self._count = 0

    def append(self, *operations: Operation) -> int:
        """Apply operations at once, and hand on their events. Never a checkpoint."""
        self._count += 1
        entry = Entry(self.ORIGIN, self._count, self._clock(), [*operations])
        self._on_events(self._state.apply(entry))
        return 0

    async def wait(self, ticket: int) -> None:
        """Return at once: everything has been applied. Never a checkpoint."""

    async def wait_news(self) -> None:
        """Return at once: there is nothing to wait for. Never a checkpoint."""

    async def wait_room(self) -> None:
        """Return at once: there is always room. Never a checkpoint."""
