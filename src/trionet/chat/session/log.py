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

    `LocalLog` implements it, and `trionet.chat.session.switchboard.Switchboard` uses it.
    """

    def append(self, *operations: Operation) -> None:
        """Append operations, which stay together. Never a checkpoint."""


class LocalLog:
    """A log on one machine, which keeps nothing: an entry is applied and forgotten.

    Args:
        state: what the entries change.
        clock: returns the time, in milliseconds since 1970, UTC.
        on_events: called with the events of each entry, before `append` returns.
    """

    ORIGIN = "local"

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

    def append(self, *operations: Operation) -> None:
        """Apply operations at once, and hand on their events. Never a checkpoint."""
        self._count += 1
        entry = Entry(self.ORIGIN, self._count, self._clock(), list(operations))
        self._on_events(self._state.apply(entry))
